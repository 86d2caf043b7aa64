// Counts fade; the expected variance shares out what is sampled: vade.rs.

fn vade_score(d: u32) -> f32 {
    let a = memory[2u * d] + 1.0;
    let b = memory[2u * d + 1u] + 1.0;
    let n = a + b;
    return data_share(d) * (a / n) * (b / (n + 1.0)) * ((b + 1.0) / (n + 2.0));
}

fn share_out(step: u32) {
    var sum = 0.0;
    for (var d = 0u; d < DOMAINS; d++) {
        shares[d] = vade_score(d);
        sum += shares[d];
    }
    for (var d = 0u; d < DOMAINS; d++) {
        shares[d] = VADE_FLOOR / f32(DOMAINS) + (1.0 - VADE_FLOOR) * shares[d] / sum;
    }
}

fn hear() {
    for (var d = 0u; d < DOMAINS; d++) {
        memory[2u * d] = VADE_DECAY * memory[2u * d] + succeeded(d);
        memory[2u * d + 1u] = VADE_DECAY * memory[2u * d + 1u] + failed(d);
    }
}
