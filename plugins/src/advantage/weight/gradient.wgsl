// What more accuracy in every domain adds to welfare, scaled to sum to 1: `gradient` of mod.rs.

var<workgroup> held: array<f32, DOMAINS>;
var<private> least: f32;

// Returns how many accuracies are below the floor.
fn welfare_gradient() -> f32 {
    var floored = 0.0;
    least = max(accuracy_of(0u), WELFARE_FLOOR);
    for (var d = 0u; d < DOMAINS; d++) {
        floored += f32(accuracy_of(d) < WELFARE_FLOOR);
        held[d] = max(accuracy_of(d), WELFARE_FLOOR);
        least = min(least, held[d]);
    }
    var sum = 0.0;
    for (var d = 0u; d < DOMAINS; d++) {
        weights[d] = welfare_weight(d);
        sum += weights[d];
    }
    for (var d = 0u; d < DOMAINS; d++) {
        weights[d] /= sum;
    }
    return floored;
}
