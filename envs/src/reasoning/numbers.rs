//! Elementary functions in single precision, without branches, so that the compiler makes sixteen of them at once.
//!
//! The same bits on every processor: no fused multiply-add, no library of the system. Coefficients of exponential and
//! logarithm after Moshier's Cephes (1992), of the normal quantile after Giles, *Approximating the erfinv function* (2010).

/// `e^x`, to 2e-7 of its value, between −87 and 87; held there outside.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 87.0);
    // Adding and subtracting 1.5 · 2²³ rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let x = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut y = 1.987_569_1e-4;
    y = y * x + 1.398_199_9e-3;
    y = y * x + 8.333_452e-3;
    y = y * x + 4.166_579_6e-2;
    y = y * x + 1.666_666_5e-1;
    y = y * x + 0.5;
    // The whole number stands in the low bits, and is shifted into the exponent.
    let scale = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    (y * x * x + x + 1.0) * scale
}

/// `ln x`, to 1e-7, for positive numbers that are not subnormal.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
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

/// 1 for a number below 0, else 0: its sign. Comparisons keep the compiler from working side by side.
#[inline(always)]
pub(crate) fn negative(x: f32) -> f32 {
    (x.to_bits() >> 31) as i32 as f32
}

/// `1 / (1 + e^−x)`.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// A number in (0, 1) from a word: the middle of one of 2²³ parts.
#[inline(always)]
pub(crate) fn unit(word: u32) -> f32 {
    ((word >> 8 | 1) as i32) as f32 * (1.0 / 16_777_216.0)
}

/// The standard normal number below which a share `u` lies.
#[inline(always)]
pub(crate) fn normal_quantile(u: f32) -> f32 {
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
        y = y * w + 1.001_674;
        y * w + 2.832_976_8
    };
    std::f32::consts::SQRT_2 * (2.0 * u - 1.0) * (far + negative(w - 5.0) * (near - far))
}

/// Chance that a standard normal number is above `x`, to 1e-7: formula 7.1.26 of Abramowitz and Stegun (1964).
#[inline(always)]
pub(crate) fn normal_above(x: f32) -> f32 {
    let size = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let mut y = 1.061_405_4;
    y = y * t - 1.453_152;
    y = y * t + 1.421_413_7;
    y = y * t - 0.284_496_74;
    y = y * t + 0.254_829_6;
    let tail = 0.5 * y * t * exp(-size * size);
    let below = negative(x);
    below + (1.0 - 2.0 * below) * tail
}

/// Numbers of prompts side by side. Loops over them stand innermost, where the compiler turns each into one instruction.
pub(crate) type Side = [f32; SIDE_BY_SIDE];

/// Prompts that are drawn side by side.
pub(crate) const SIDE_BY_SIDE: usize = 16;

/// Nothing yet.
pub(crate) const NONE: Side = [0.0; SIDE_BY_SIDE];

/// How many of `n` tries succeed, each with chance `p`, as `u` in (0, 1) decides. `n` is at most 64.
#[inline(always)]
pub(crate) fn binomial(n: usize, p: &Side, u: &Side) -> Side {
    let mut none = [1.0; SIDE_BY_SIDE];
    let mut power = NONE;
    for j in 0..SIDE_BY_SIDE {
        power[j] = 1.0 - rarer(p[j]);
    }
    let mut left = n;
    while left > 0 {
        if left & 1 == 1 {
            for j in 0..SIDE_BY_SIDE {
                none[j] *= power[j];
            }
        }
        for j in 0..SIDE_BY_SIDE {
            power[j] *= power[j];
        }
        left >>= 1;
    }
    invert(&[n as f32; SIDE_BY_SIDE], p, u, none, n)
}

/// The same, where `n` differs from prompt to prompt and is at most `most`.
#[inline(always)]
pub(crate) fn binomials(n: &Side, p: &Side, u: &Side, most: usize) -> Side {
    let mut none = NONE;
    for j in 0..SIDE_BY_SIDE {
        none[j] = exp(n[j] * ln(1.0 - rarer(p[j])));
    }
    invert(n, p, u, none, most)
}

/// The rarer outcome is counted, so that the chance of none does not vanish.
#[inline(always)]
fn rarer(p: f32) -> f32 {
    p.min(1.0 - p).max(1e-9)
}

/// Counts how many cumulative chances `u` is not below; `chance` is that of none.
#[inline(always)]
fn invert(n: &Side, p: &Side, u: &Side, mut chance: Side, most: usize) -> Side {
    let (mut odds, mut below, mut count) = (NONE, NONE, NONE);
    for j in 0..SIDE_BY_SIDE {
        odds[j] = rarer(p[j]) / (1.0 - rarer(p[j]));
    }
    for k in 0..most {
        for j in 0..SIDE_BY_SIDE {
            below[j] += chance[j];
            count[j] += 1.0 - negative(u[j] - below[j]);
            chance[j] *= (n[j] - k as f32).max(0.0) * INVERSE[k + 1] * odds[j];
        }
    }
    for j in 0..SIDE_BY_SIDE {
        let held = f32::min(count[j], n[j]);
        count[j] = held + negative(0.5 - p[j]) * (n[j] - 2.0 * held);
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
        let [one, other] = [binomial(most, &[p; 16], &[u; 16])[7], binomials(&[n; 16], &[p; 16], &[u; 16], most)[7]];
        assert!(n as usize != most || (one - other).abs() <= 1.0, "at the edge of a chance at most");
        if n as usize == most { one } else { other }
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
