// Elementary functions with the digits of ../../numbers.rs, as far as the driver keeps to the order of operations.

// e^x; x is held between -87 and 87.
fn quick_exp(exponent: f32) -> f32 {
    var x = clamp(exponent, -87.0, 87.0);
    let n = round(x * 1.44269504);
    x = x - n * 0.6933594 + n * 2.1219444e-4;
    var y = 1.9875691e-4;
    y = y * x + 1.3981999e-3;
    y = y * x + 8.333452e-3;
    y = y * x + 4.1665796e-2;
    y = y * x + 1.6666665e-1;
    y = y * x + 0.5;
    return (y * x * x + x + 1.0) * bitcast<f32>(u32(i32(n) + 127) << 23u);
}

// ln x of a normal number above 0.
fn quick_ln(number: f32) -> f32 {
    let bits = bitcast<u32>(number) - 0x3f3504f3u;
    let exponent = f32(bitcast<i32>(bits) >> 23u);
    let x = bitcast<f32>((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0;
    let z = x * x;
    var y = 7.0376836e-2;
    y = y * x - 1.151461e-1;
    y = y * x + 1.1676999e-1;
    y = y * x - 1.2420141e-1;
    y = y * x + 1.4249323e-1;
    y = y * x - 1.6668058e-1;
    y = y * x + 2.0000715e-1;
    y = y * x - 2.4999994e-1;
    y = y * x + 3.333333e-1;
    y = y * x * z - 2.1219444e-4 * exponent - 0.5 * z;
    return x + y + 0.6933594 * exponent;
}

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + quick_exp(-x));
}

// A number in (0, 1) from a word: the middle of one of 2^23 parts.
fn unit(bits: u32) -> f32 {
    return f32((bits >> 8u) | 1u) * (1.0 / 16777216.0);
}

// The standard normal number below which a share u lies.
fn normal_quantile(u: f32) -> f32 {
    let w = -quick_ln(4.0 * u * (1.0 - u));
    let v = w - 2.5;
    var near = 2.8102264e-8;
    near = near * v + 3.4327394e-7;
    near = near * v - 3.5233877e-6;
    near = near * v - 4.3915065e-6;
    near = near * v + 2.1858087e-4;
    near = near * v - 1.253725e-3;
    near = near * v - 4.1776816e-3;
    near = near * v + 2.4664073e-1;
    near = near * v + 1.5014094;
    let t = sqrt(max(w, 0.0)) - 3.0;
    var far = -2.0021426e-4;
    far = far * t + 1.0095056e-4;
    far = far * t + 1.3493432e-3;
    far = far * t - 3.6734284e-3;
    far = far * t + 5.7395077e-3;
    far = far * t - 7.6224613e-3;
    far = far * t + 9.438870e-3;
    far = far * t + 1.001674;
    far = far * t + 2.8329768;
    return 1.41421356 * (2.0 * u - 1.0) * (far + f32(w < 5.0) * (near - far));
}

// Chance that a standard normal number is above x.
fn normal_above(x: f32) -> f32 {
    let size = abs(x) * 0.70710678;
    let t = 1.0 / (1.0 + 0.3275911 * size);
    var y = 1.0614054;
    y = y * t - 1.4531520;
    y = y * t + 1.4214137;
    y = y * t - 0.28449674;
    y = y * t + 0.2548296;
    let tail = 0.5 * y * t * quick_exp(-size * size);
    let below = f32(x < 0.0);
    return below + (1.0 - 2.0 * below) * tail;
}
