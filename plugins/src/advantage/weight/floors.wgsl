// Prices on accuracies below their floors: floors.rs.
fn weigh() -> vec2<f32> {
    var mean = 0.0;
    for (var d = 0u; d < DOMAINS; d++) {
        let price = memory[WEIGHTS_AT + d] + FLOORS_RATE * (floors_given(d) - accuracy_of(d));
        memory[WEIGHTS_AT + d] = max(price, 0.0);
        mean += shares[d] * (1.0 + memory[WEIGHTS_AT + d]);
    }
    for (var d = 0u; d < DOMAINS; d++) {
        weights[d] = (1.0 + memory[WEIGHTS_AT + d]) / mean;
    }
    return vec2(0.0);
}
