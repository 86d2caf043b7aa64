// A part of the weight by what a domain adds to welfare: local_global.rs.
fn weigh() -> vec2<f32> {
    let floored = welfare_gradient();
    for (var d = 0u; d < DOMAINS; d++) {
        weights[d] = (1.0 - LOCAL_GLOBAL) + LOCAL_GLOBAL * f32(DOMAINS) * weights[d];
    }
    return vec2(0.0, floored);
}
