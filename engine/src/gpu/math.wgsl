// Functions whose digits do not depend on the driver: WGSL promises little of exp, log and cos. The first two are those of
// network.rs, operation by operation; a device may round a product and a sum once where the processor rounds twice.

// e^x for |x| up to 80.
fn exact_exp(x: f32) -> f32 {
    let power = round(x * 1.44269504);
    let rest = x - power * 0.693359375 + power * 2.12194440e-4;
    var taylor = 1.0 / 720.0;
    taylor = taylor * rest + 1.0 / 120.0;
    taylor = taylor * rest + 1.0 / 24.0;
    taylor = taylor * rest + 1.0 / 6.0;
    taylor = taylor * rest + 0.5;
    taylor = taylor * rest + 1.0;
    taylor = taylor * rest + 1.0;
    return taylor * bitcast<f32>(u32(i32(power) + 127) << 23u);
}

fn exact_tanh(x: f32) -> f32 {
    return 1.0 - 2.0 / (exact_exp(2.0 * clamp(x, -9.0, 9.0)) + 1.0);
}

// The natural logarithm of a normal number above 0, to 2e-7 or two units in the last place.
fn exact_log(x: f32) -> f32 {
    // x = m 2^e with m between the roots of 1/2 and 2; log m = 2 artanh((m - 1) / (m + 1)).
    let bits = bitcast<u32>(x);
    let shifted = bits - 0x3f3504f3u;
    let exponent = f32(i32(shifted) >> 23u);
    let m = bitcast<f32>((shifted & 0x007fffffu) + 0x3f3504f3u);
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let series = ((((q / 11.0 + 1.0 / 9.0) * q + 1.0 / 7.0) * q + 0.2) * q + 1.0 / 3.0) * q;
    return exponent * 0.693359375 + (2.0 * s + (2.0 * s * series - exponent * 2.12194440e-4));
}

// The cosine of (word + 1/2) / 2^32 turns.
fn cos_turns(word: u32) -> f32 {
    // By the nearest quarter; what is left is at most an eighth of a turn either way.
    let quarter = (word + 0x20000000u) >> 30u;
    let x = (f32(bitcast<i32>(word - (quarter << 30u))) + 0.5) * 1.46291807926715968e-9;
    let q = x * x;
    let sine = x * (1.0 + q * (-1.0 / 6.0 + q * (1.0 / 120.0 + q * (-1.0 / 5040.0 + q / 362880.0))));
    let cosine = 1.0 + q * (-0.5 + q * (1.0 / 24.0 + q * (-1.0 / 720.0 + q * (1.0 / 40320.0 - q / 3628800.0))));
    switch quarter {
        case 1u: { return -sine; }
        case 2u: { return -cosine; }
        case 3u: { return sine; }
        default: { return cosine; }
    }
}

// A normal variate from two words: network.rs.
fn normal(first: u32, second: u32) -> f32 {
    // -log((first + 1/2) / 2^32); close to 1 by its distance from 1, so that no digits are lost.
    var surprise: f32;
    if first >= 0xf0000000u {
        let v = (f32(0u - first) - 0.5) * 2.3283064365386963e-10;
        surprise = v * (1.0 + v * (0.5 + v * (1.0 / 3.0 + v * (0.25 + v * (0.2 + v / 6.0)))));
    } else {
        surprise = -exact_log((f32(first) + 0.5) * 2.3283064365386963e-10);
    }
    return sqrt(2.0 * surprise) * cos_turns(second);
}
