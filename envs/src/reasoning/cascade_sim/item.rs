//! Item response theory: what a skill makes of a prompt.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// A domain's prompts, as far as they decide whether a response passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Items {
    /// Mean of difficulties.
    pub difficulty: f64,
    /// Their standard deviation.
    pub spread: f64,
    /// How sharply passing depends on the skill.
    pub discrimination: f64,
    /// Chance to pass by guessing.
    pub guessing: f64,
    /// How long responses are, and what is cut short.
    pub length: Lengths,
}

/// Lengths are log-normal: `ln L ~ N(mean + slope · (difficulty − skill), spread)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lengths {
    /// Mean of the logarithm where the prompt is as difficult as the policy is skilled.
    pub mean: f64,
    /// What a harder prompt adds to it.
    pub slope: f64,
    /// Standard deviation of the logarithm.
    pub spread: f64,
    /// Logarithm of the longest response that is not cut short; infinite where none is.
    pub limit: f64,
}

/// Chance to pass a prompt, and the gradients of the log-probability of what came out with respect to the skill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// Chance to pass.
    pub pass: f64,
    /// Gradient for a response that passes.
    pub up: f64,
    /// Gradient for one that fails.
    pub down: f64,
}

impl Items {
    /// What a skill makes of a prompt of this difficulty.
    pub fn chance(&self, skill: f64, difficulty: f64) -> Chance {
        let (a, c) = (self.discrimination, self.guessing);
        let s = sigmoid(a * (skill - difficulty));
        let pass = c + (1.0 - c) * s;
        // (y − p) / (p (1 − p)) · (1 − c) a s (1 − s), without the division that fails where p is 1.
        Chance { pass, up: (1.0 - c) * a * s * sigmoid(-a * (skill - difficulty)) / pass, down: -a * s }
    }

    /// The prompt of average difficulty.
    pub fn average(&self, skill: f64) -> Chance {
        self.chance(skill, self.difficulty)
    }
}

impl Lengths {
    /// Chance that a response is cut short.
    pub fn truncated(&self, skill: f64, difficulty: f64) -> f64 {
        if self.limit == f64::INFINITY {
            return 0.0;
        }
        normal_below(-(self.limit - self.mean - self.slope * (difficulty - skill)) / self.spread)
    }

    /// Mean length, before anything is cut short.
    pub fn expected(&self, skill: f64, difficulty: f64) -> f64 {
        (self.mean + self.slope * (difficulty - skill) + 0.5 * self.spread * self.spread).exp()
    }
}

/// `1 / (1 + exp(−x))`.
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The inverse of [`sigmoid`].
pub fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

/// Chance that a standard normal number is below `x`: to 1e-15 by a series, far out by a continued fraction.
pub fn normal_below(x: f64) -> f64 {
    let size = x.abs();
    let tail = if size < 3.0 {
        // Φ(x) = 1/2 + φ(x) (x + x³/3 + x⁵/15 + …)
        let (mut term, mut sum, mut odd) = (size, size, 1.0);
        while term > 1e-17 * sum {
            odd += 2.0;
            term *= size * size / odd;
            sum += term;
        }
        0.5 - density(size) * sum
    } else {
        // The Mills ratio 1/(x + 1/(x + 2/(x + 3/(x + …)))).
        density(size) / (1..80).rev().fold(size, |below, k| size + f64::from(k) / below)
    };
    if x < 0.0 { tail } else { 1.0 - tail }
}

fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() * FRAC_1_SQRT_2 / PI.sqrt()
}

/// Nodes and weights that integrate polynomials times the standard normal density exactly, up to degree `2n − 1`.
pub fn gauss_hermite(n: usize) -> Vec<[f64; 2]> {
    // Orthonormal polynomials by x h_k = √(k+1) h_{k+1} + √k h_{k−1}; roots by bisection between those of degree n − 1.
    let value = |degree: usize, x: f64| {
        let (mut before, mut now) = (0.0, 1.0);
        for k in 0..degree {
            (before, now) = (now, (x * now - (k as f64).sqrt() * before) / ((k + 1) as f64).sqrt());
        }
        now
    };
    let mut roots: Vec<f64> = Vec::new();
    for degree in 1..=n {
        let bound = 2.0 * (degree as f64).sqrt() + 1.0;
        let ends: Vec<f64> = std::iter::once(-bound).chain(roots).chain([bound]).collect();
        let root = |ends: &[f64]| {
            let (mut low, mut high) = (ends[0], ends[1]);
            let rising = value(degree, high) > value(degree, low);
            for _ in 0..80 {
                let middle = 0.5 * (low + high);
                if (value(degree, middle) > 0.0) == rising { high = middle } else { low = middle }
            }
            0.5 * (low + high)
        };
        roots = ends.windows(2).map(root).collect();
    }
    let weight = |&x: &f64| 1.0 / (0..n).map(|degree| value(degree, x).powi(2)).sum::<f64>();
    roots.iter().map(|x| [*x, weight(x)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 2e-6, "{found}, not {expected}");
    }

    fn items(discrimination: f64, guessing: f64, difficulty: f64) -> Items {
        let length = Lengths { mean: 4.0, slope: 0.15, spread: 0.4, limit: 100_f64.ln() };
        Items { difficulty, spread: 0.0, discrimination, guessing, length }
    }

    #[test]
    fn guessing_lowers_what_a_prompt_tells() {
        let chance = items(1.2, 0.25, 0.5).average(0.0);
        near(chance.pass, 0.515758);
        near(chance.up, 0.399230);
        near(chance.down, -0.425212);
        near(chance.pass * chance.up.powi(2) + (1.0 - chance.pass) * chance.down.powi(2), 0.169757);
        near((chance.up - chance.down) * chance.pass * (1.0 - chance.pass), 0.205906);
    }

    #[test]
    fn without_guessing_the_score_is_the_surprise() {
        for skill in [-30.0, -1.0, 0.0, 2.0, 40.0] {
            let chance = items(1.5, 0.0, 0.3).average(skill);
            near(chance.up, 1.5 * (1.0 - chance.pass));
            near(chance.down, -1.5 * chance.pass);
        }
    }

    #[test]
    fn lengths_and_what_is_cut_short() {
        let length = items(1.0, 0.0, 0.7).length;
        near(length.expected(0.7, 0.7), 59.145470);
        near(length.truncated(0.7, 0.7), 0.065149);
        near(0.5 * (1.0 - length.truncated(0.7, 0.7)), 0.467425);
        assert_eq!(Lengths { limit: f64::INFINITY, ..length }.truncated(0.0, 5.0), 0.0);
    }

    #[test]
    fn the_normal_distribution() {
        for (x, below) in [(0.0, 0.5), (1.959964, 0.975), (-3.090232, 0.001), (-6.0, 9.865876e-10)] {
            assert!((normal_below(x) / below - 1.0).abs() < 2e-6, "{x}: {}", normal_below(x));
            near(normal_below(-x), 1.0 - below);
        }
        assert!((normal_below(2.999999) - normal_below(3.000001)).abs() < 1e-8);
    }

    #[test]
    fn quadrature_is_exact_for_polynomials() {
        let nodes = gauss_hermite(16);
        let mean = |power: i32| nodes.iter().map(|[x, weight]| weight * x.powi(power)).sum::<f64>();
        for (power, moment) in [(0, 1.0), (1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0), (6, 15.0), (10, 945.0)] {
            assert!((mean(power) - moment).abs() < 1e-9 * f64::max(moment, 1.0), "{power}: {}", mean(power));
        }
    }
}
