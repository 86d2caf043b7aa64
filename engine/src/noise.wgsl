// Noise is addressed, not drawn: the twin of noise.rs, word for word.

// Whose noise it is.
struct NoiseKey {
    low: vec4<u32>,
    high: vec4<u32>,
}

// The sixteen words of one block, in order.
struct NoiseBlock {
    a: vec4<u32>,
    b: vec4<u32>,
    c: vec4<u32>,
    d: vec4<u32>,
}

fn rotate_left(x: vec4<u32>, by: u32) -> vec4<u32> {
    return (x << vec4(by)) | (x >> vec4(32u - by));
}

// Four quarter rounds side by side: on the columns of a block, or on its diagonals once its rows are turned.
fn quarters(block: NoiseBlock) -> NoiseBlock {
    var x = block;
    x.a += x.b;
    x.d = rotate_left(x.d ^ x.a, 16u);
    x.c += x.d;
    x.b = rotate_left(x.b ^ x.c, 12u);
    x.a += x.b;
    x.d = rotate_left(x.d ^ x.a, 8u);
    x.c += x.d;
    x.b = rotate_left(x.b ^ x.c, 7u);
    return x;
}

fn double_round(block: NoiseBlock) -> NoiseBlock {
    let columns = quarters(block);
    let diagonals = quarters(NoiseBlock(columns.a, columns.b.yzwx, columns.c.zwxy, columns.d.wxyz));
    return NoiseBlock(diagonals.a, diagonals.b.wxyz, diagonals.c.zwxy, diagonals.d.yzwx);
}

// The words at positions `16 * block ..` of the stream `step`, a 64-bit number, its low half first.
fn noise_block(key: NoiseKey, step: vec2<u32>, block: u32) -> NoiseBlock {
    // "expand 32-byte k"
    let name = vec4(0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u);
    let start = NoiseBlock(name, key.low, key.high, vec4(block, 0u, step));
    let end = double_round(double_round(double_round(double_round(start))));
    return NoiseBlock(end.a + start.a, end.b + start.b, end.c + start.c, end.d + start.d);
}

// `by` steps later.
fn step_later(step: vec2<u32>, by: u32) -> vec2<u32> {
    let low = step.x + by;
    return vec2(low, step.y + u32(low < by));
}

// Whether a word passes a threshold: with chance 1 - threshold / 2^32, and never for 2^32 - 1. As in chance.rs.
fn passes(word: u32, threshold: u32) -> bool {
    return word >= threshold && threshold != 0xffffffffu;
}
