// Only the domain with the lowest accuracy, of several the first: worst_first.rs.
fn share_out(step: u32) {
    var worst = 0u;
    for (var d = 1u; d < DOMAINS; d++) {
        worst = select(worst, d, accuracy_of(d) < accuracy_of(worst));
    }
    for (var d = 0u; d < DOMAINS; d++) {
        shares[d] = f32(d == worst);
    }
}

fn hear() {}
