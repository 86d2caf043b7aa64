//! How far apart two distributions are, and the closed form of a step that pays for the distance.

/// `KL(new ‖ old) = Σ new ln(new / old)` of two distributions over the same actions, in nats.
pub fn divergence(new: &[f64], old: &[f64]) -> f64 {
    let term = |(&new, &old): (&f64, &f64)| if new > 0.0 { new * (new / old).ln() } else { 0.0 };
    new.iter().zip(old).map(term).sum::<f64>().max(0.0)
}

/// `KL(new ‖ old)` of two normal distributions, each a mean and a standard deviation.
pub fn normal_divergence(new: (f64, f64), old: (f64, f64)) -> f64 {
    let ((mean, deviation), (old_mean, old_deviation)) = (new, old);
    let spread = deviation.powi(2) + (mean - old_mean).powi(2);
    (old_deviation / deviation).ln() + spread / (2.0 * old_deviation.powi(2)) - 0.5
}

/// `π'(a) ∝ π(a) exp(x(a))`: what maximises `Σ π' x − KL(π' ‖ π)`.
///
/// Exponents beyond `±limit` count as `±limit`. No chance ends below `floor` before all are scaled to sum to one
/// again, so that an action once given up can come back.
pub fn tilt(chances: &[f64], exponents: &[f64], limit: f64, floor: f64) -> Vec<f64> {
    let power = |exponent: f64| exponent.clamp(-limit, limit);
    let top = exponents.iter().map(|&exponent| power(exponent)).fold(f64::NEG_INFINITY, f64::max);
    let mut tilted: Vec<f64> = chances.iter().zip(exponents).map(|(p, &x)| p * (power(x) - top).exp()).collect();
    scale_to_one(&mut tilted);
    if floor > 0.0 {
        tilted.iter_mut().for_each(|chance| *chance = chance.max(floor));
        scale_to_one(&mut tilted);
    }
    tilted
}

fn scale_to_one(chances: &mut [f64]) {
    let sum: f64 = chances.iter().sum();
    chances.iter_mut().for_each(|chance| *chance /= sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_normal_distributions() {
        let old = (0.0, 0.60653066);
        assert!((normal_divergence((0.1, 0.6), old) - 0.013708).abs() < 1e-6);
        assert!(normal_divergence(old, old).abs() < 1e-15);
    }

    #[test]
    fn a_tilt_is_bounded_and_leaves_a_floor() {
        let tilted = tilt(&[0.5, 0.5], &[1000.0, -1000.0], 5.0, 0.0);
        assert!((tilted[0] / tilted[1] - 10f64.exp()).abs() < 1e-6);
        let tilted = tilt(&[1.0, 0.0], &[0.0, 0.0], 5.0, 1e-6);
        assert!((tilted[1] - 1e-6 / (1.0 + 1e-6)).abs() < 1e-15);
        assert_eq!(tilt(&[1.0, 0.0], &[0.0, 9.0], 5.0, 0.0), [1.0, 0.0]);
    }
}
