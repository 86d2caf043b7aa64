// Weights over what is sampled, 0 where nothing is: `by_share` of mod.rs.
fn weigh_by_share() {
    for (var d = 0u; d < DOMAINS; d++) {
        if shares[d] > 0.0 {
            weights[d] /= shares[d];
        } else {
            weights[d] = 0.0;
        }
    }
}
