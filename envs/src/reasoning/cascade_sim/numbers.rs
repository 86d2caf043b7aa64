//! Elementary functions in single precision, without branches, so that the compiler makes sixteen of them at once.
//!
//! The same bits on every processor: no fused multiply-add, no library of the system. Coefficients of exponential and
//! logarithm after Moshier's Cephes (1992), of the normal quantile after Giles, *Approximating the erfinv function* (2010).

/// `e^x`, to 2e-7 of its value, between −87 and 87; held there outside.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 87.0);
    // Adding and subtracting 1.5 · 2²³ rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let x = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut y = 1.987_569_1e-4;
    y = y * x + 1.398_199_9e-3;
    y = y * x + 8.333_452e-3;
    y = y * x + 4.166_579_6e-2;
    y = y * x + 1.666_666_5e-1;
    y = y * x + 0.5;
    let scale = f32::from_bits(((n as i32 + 127) as u32) << 23);
    (y * x * x + x + 1.0) * scale
}

/// `ln x`, to 1e-7, for positive numbers that are not subnormal.
#[inline(always)]
pub(super) fn ln(x: f32) -> f32 {
    // The mantissa between √½ and √2.
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (bits as i32 >> 23) as f32;
    let x = f32::from_bits((bits & 0x007f_ffff) + 0x3f35_04f3) - 1.0;
    let z = x * x;
    let mut y = 7.037_683_6e-2;
    y = y * x - 1.151_461e-1;
    y = y * x + 1.167_699_9e-1;
    y = y * x - 1.242_014_1e-1;
    y = y * x + 1.424_932_3e-1;
    y = y * x - 1.666_805_8e-1;
    y = y * x + 2.000_071_5e-1;
    y = y * x - 2.499_999_4e-1;
    y = y * x + 3.333_333e-1;
    y = y * x * z - 2.121_944_4e-4 * exponent - 0.5 * z;
    x + y + 0.693_359_4 * exponent
}

/// `1 / (1 + e^−x)`.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// A number in (0, 1) from a word: the middle of one of 2²³ parts.
#[inline(always)]
pub(super) fn unit(word: u32) -> f32 {
    (((word >> 9) * 2 + 1) as i32) as f32 * (1.0 / 16_777_216.0)
}

/// The standard normal number below which a share `u` lies.
#[inline(always)]
pub(super) fn normal_quantile(u: f32) -> f32 {
    let w = -ln(4.0 * u * (1.0 - u));
    let near = {
        let w = w - 2.5;
        let mut y = 2.810_226_4e-8;
        y = y * w + 3.432_739_4e-7;
        y = y * w - 3.523_387_7e-6;
        y = y * w - 4.391_506_5e-6;
        y = y * w + 2.185_808_7e-4;
        y = y * w - 1.253_725e-3;
        y = y * w - 4.177_681_6e-3;
        y = y * w + 2.466_407_3e-1;
        y * w + 1.501_409_4
    };
    let far = {
        let w = w.max(0.0).sqrt() - 3.0;
        let mut y = -2.002_142_6e-4;
        y = y * w + 1.009_505_6e-4;
        y = y * w + 1.349_343_2e-3;
        y = y * w - 3.673_428_4e-3;
        y = y * w + 5.739_507_7e-3;
        y = y * w - 7.622_461_3e-3;
        y = y * w + 9.438_870_5e-3;
        y = y * w + 1.001_674_1;
        y * w + 2.832_976_8
    };
    std::f32::consts::SQRT_2 * (2.0 * u - 1.0) * if w < 5.0 { near } else { far }
}

/// Chance that a standard normal number is above `x`, to 1e-7: formula 7.1.26 of Abramowitz and Stegun (1964).
#[inline(always)]
pub(super) fn normal_above(x: f32) -> f32 {
    let size = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let mut y = 1.061_405_4;
    y = y * t - 1.453_152;
    y = y * t + 1.421_413_7;
    y = y * t - 0.284_496_74;
    y = y * t + 0.254_829_6;
    let tail = 0.5 * y * t * exp(-size * size);
    if x < 0.0 { 1.0 - tail } else { tail }
}

/// Numbers of prompts side by side. Loops over them stand innermost, where the compiler turns each into one instruction.
pub(super) type Side = [f32; SIDE_BY_SIDE];

/// Prompts that are drawn side by side.
pub(super) const SIDE_BY_SIDE: usize = 16;

/// Nothing yet.
pub(super) const NONE: Side = [0.0; SIDE_BY_SIDE];

/// How many of `n` tries succeed, each with chance `p`, as `u` in (0, 1) decides; no `n` is above `most`, or above 64.
#[inline(always)]
pub(super) fn binomial(n: &Side, p: &Side, u: &Side, most: usize) -> Side {
    let (mut odds, mut chance, mut below, mut count) = (NONE, NONE, NONE, NONE);
    for j in 0..SIDE_BY_SIDE {
        // The rarer outcome is counted, so that the chance of none does not vanish.
        let rare = p[j].min(1.0 - p[j]).max(1e-9);
        odds[j] = rare / (1.0 - rare);
        chance[j] = exp(n[j] * ln(1.0 - rare));
        below[j] = 0.0;
    }
    for k in 0..most {
        for j in 0..SIDE_BY_SIDE {
            below[j] += chance[j];
            count[j] += if u[j] >= below[j] { 1.0 } else { 0.0 };
            chance[j] *= (n[j] - k as f32).max(0.0) * INVERSE[k + 1] * odds[j];
        }
    }
    for j in 0..SIDE_BY_SIDE {
        let held = f32::min(count[j], n[j]);
        count[j] = if p[j] > 0.5 { n[j] - held } else { held };
    }
    count
}

/// `1 / k`.
const INVERSE: [f32; 65] = {
    let mut inverse = [0.0; 65];
    let mut k = 1;
    while k < 65 {
        inverse[k] = 1.0 / k as f32;
        k += 1;
    }
    inverse
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reasoning::cascade_sim::item::normal_below;

    #[test]
    fn elementary_functions() {
        for i in -800..800 {
            let x = i as f32 * 0.1;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() < 4e-7, "exp {x}");
            let (found, expected) = (normal_above(x), 1.0 - normal_below(f64::from(x)));
            assert!((f64::from(found) - expected).abs() < 2e-7, "{x}: {found}, not {expected}");
        }
        for i in 1..2000 {
            let x = (i as f32 * 0.02).powi(3);
            assert!((f64::from(ln(x)) - f64::from(x).ln()).abs() < 2e-7 * f64::from(x).ln().abs().max(1.0), "ln {x}");
        }
    }

    #[test]
    fn normal_quantiles() {
        for word in (0..1000).map(|i| i * 4_294_967).chain([0, 1, u32::MAX]) {
            let (u, z) = (f64::from(unit(word)), f64::from(normal_quantile(unit(word))));
            let share = normal_below(z);
            let density = (-0.5 * z * z).exp() * 0.398_942_28;
            assert!((share - u).abs() < 4e-6 * density.max(1e-4) + 2e-8, "{u}: {z} has {share}");
        }
    }

    fn of_one(n: f32, p: f32, u: f32, most: usize) -> f32 {
        binomial(&[n; 16], &[p; 16], &[u; 16], most)[7]
    }

    #[test]
    fn binomial_counts_have_their_chances() {
        for (n, p) in [(8, 0.03_f64), (8, 0.5), (8, 0.97), (3, 0.4), (64, 0.7), (1, 0.2), (0, 0.5)] {
            let mut counts = vec![0.0; n + 1];
            let draws = 1 << 16;
            for i in 0..draws {
                let u = (i as f32 + 0.5) / draws as f32;
                counts[of_one(n as f32, p as f32, u, n.max(1)) as usize] += 1.0 / f64::from(draws);
            }
            let mut chance = (1.0 - p).powi(n as i32);
            for (k, found) in counts.iter().enumerate() {
                assert!((found - chance).abs() < 3e-5, "{n} {p} {k}: {found}, not {chance}");
                chance *= (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
            }
        }
    }

    #[test]
    fn what_is_nearly_certain_is_nearly_certain() {
        let counts = |p: f32| (0..1000).map(|i| of_one(8.0, p, (i as f32 + 0.5) / 1000.0, 8)).sum::<f32>();
        assert_eq!((counts(1.0), counts(0.0)), (8000.0, 0.0));
    }
}
