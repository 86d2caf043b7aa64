// The domains of a stage share what is sampled by their data: cascade.rs.
fn share_out(step: u32) {
    let trains = cascade_trains(step);
    var total = 0.0;
    for (var d = 0u; d < DOMAINS; d++) {
        shares[d] = select(0.0, data_share(d), ((trains >> d) & 1u) == 1u);
        total += shares[d];
    }
    for (var d = 0u; d < DOMAINS; d++) {
        shares[d] /= total;
    }
}

fn hear() {}
