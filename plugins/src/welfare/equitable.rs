use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Finite;
use isonomy_engine::welfare::{Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Equitable Objective: the p-norm of what everyone falls short of a target, from the mean (p = 1) to the worst (p → ∞).
///
/// `W = −(1/M) (Σ_m R_m^p)^(1/p)` with the regret `R_m = target − x_m`; derivative `(1/M) (R_m / (Σ R^p)^(1/p))^(p−1)`.
/// With `PowerOfMean` a regret is the mean of its samples; with `MeanOfPower` its power is, `(Σ_m E[ρ_m^p])^(1/p)`, which
/// also counts how a regret varies. Given one utility each, the two agree. More is better.
/// Liu, Yang, Li, Li & Ren, Building Socially-Equitable Public Models, ICML 2024 (p = q + 1).
///
/// Surprises: who has more than the target counts as having reached it. It is divided by M, not by `M^(1/p)`, so a larger
/// p looks better by itself: compare values of one p only.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Equitable {
    /// The power, p = q + 1, at least 1.
    pub p: Finite,
    /// What a regret of several samples is; the power of their mean if not given.
    #[serde(default)]
    pub reading: Reading,
    /// The utility of someone without regret; 0 if not given, for rewards that are costs below zero.
    #[serde(default = "zero")]
    pub target: Finite,
}

/// What the regret of an agent is, given samples of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reading {
    /// `(E ρ)^p`: only the mean counts.
    #[default]
    PowerOfMean,
    /// `E ρ^p`: rare large regrets count more.
    MeanOfPower,
}

fn zero() -> Finite {
    Finite::new(0.0).expect("zero is finite")
}

isonomy_engine::plugin!(Welfare: Equitable, "(p: 5)");

/// Regrets below this count as this much, so that a weight with a power has a value.
const LEAST: f64 = 1e-12;

impl Equitable {
    fn regrets(&self, utilities: &[f64]) -> Vec<f64> {
        utilities.iter().map(|x| self.target.get() - x).collect()
    }
}

#[typetag::serde]
impl Welfare for Equitable {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("Equitable", utilities)?;
        Ok(-objective(self.p.get(), &self.regrets(utilities)))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        self.domain().admit("Equitable", utilities)?;
        weigh(self.p.get(), &self.regrets(utilities), weights);
        Ok(())
    }

    fn check(&self, _utilities: usize) -> Vec<Problem> {
        problem_of_power(self.p).into_iter().collect()
    }

    fn domain(&self) -> Domain {
        Domain::Any
    }
}

/// What is wrong with a power.
pub(crate) fn problem_of_power(p: Finite) -> Option<Problem> {
    (p.get() < 1.0).then(|| Problem::at("p", "a power below 1 prefers unequal regrets").help("1 is the mean regret"))
}

/// `(1/M) (Σ R_m^p)^(1/p)`, the Equitable Objective of regrets: less is better.
pub fn objective(p: f64, regrets: &[f64]) -> f64 {
    norm(p, regrets) / regrets.len() as f64
}

/// `(Σ x_i^p)^(1/p)` of what is at least [`LEAST`].
pub(crate) fn norm(p: f64, regrets: &[f64]) -> f64 {
    // Relative to the largest, so that p = 40 does not underflow.
    let top = largest(regrets);
    top * regrets.iter().map(|regret| (regret.max(LEAST) / top).powf(p)).sum::<f64>().powf(p.recip())
}

/// Its derivative with respect to every regret, `w_m = (1/M) R_m^(p−1) (Σ R^p)^(1/p−1)`: never below zero.
pub fn weigh(p: f64, regrets: &[f64], weights: &mut [f64]) {
    let top = largest(regrets);
    let sum: f64 = regrets.iter().map(|regret| (regret.max(LEAST) / top).powf(p)).sum();
    let scale = sum.powf(p.recip() - 1.0) / regrets.len() as f64;
    for (weight, regret) in weights.iter_mut().zip(regrets) {
        *weight = scale * (regret.max(LEAST) / top).powf(p - 1.0);
    }
}

fn largest(regrets: &[f64]) -> f64 {
    regrets.iter().copied().fold(LEAST, f64::max)
}

/// The regret that a reading makes of samples `[samples, agents]`, agent by agent: the mean, or the power mean
/// `(E ρ^p)^(1/p)`. Its [`objective`] is that of the reading.
pub fn read(reading: Reading, p: f64, samples: &[f64], agents: usize) -> Vec<f64> {
    let count = (samples.len() / agents) as f64;
    let of_agent = |agent: usize| -> Vec<f64> { samples.iter().skip(agent).step_by(agents).copied().collect() };
    (0..agents)
        .map(|agent| match reading {
            Reading::PowerOfMean => of_agent(agent).iter().sum::<f64>() / count,
            Reading::MeanOfPower => norm(p, &of_agent(agent)) * count.powf(-p.recip()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const R: [f64; 4] = [0.1, 0.2, 0.4, 0.8];

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 6e-10, "{found}, not {expected}");
    }

    #[test]
    fn values_by_power() {
        for (p, expected) in [
            (1.0, 0.375),
            (1.1, 0.338800192),
            (1.5, 0.264717064),
            (2.0, 0.230488611),
            (3.0, 0.209086165),
            (5.0, 0.201273950),
            (10.0, 0.200019542),
        ] {
            near(objective(p, &R), expected);
        }
        near(objective(1e4, &R), 0.2);
    }

    #[test]
    fn weights_by_power() {
        let mut weights = [0.0; 4];
        for (p, expected) in [
            (1.0, [0.25; 4]),
            (2.0, [0.027116, 0.054233, 0.108465, 0.216930]),
            (5.0, [0.000060, 0.000952, 0.015233, 0.243730]),
        ] {
            weigh(p, &R, &mut weights);
            weights.iter().zip(expected).for_each(|(found, expected)| assert!((found - expected).abs() < 5.1e-7));
        }
        // Homogeneous of degree one: `Σ w R = L`, whatever the power and the scale.
        for (p, scale) in [(1.0, 1.0), (1.1, 1e-9), (5.0, 1.0), (40.0, 1e-30), (40.0, 1e30)] {
            let scaled = R.map(|regret| regret * scale);
            weigh(p, &scaled, &mut weights);
            let sum: f64 = weights.iter().zip(scaled).map(|(weight, regret)| weight * regret.max(LEAST)).sum();
            assert!((sum / objective(p, &scaled) - 1.0).abs() < 1e-12, "p = {p}, scale {scale}");
        }
        weigh(40.0, &[0.0; 4], &mut weights);
        assert!(weights.iter().all(|weight| weight.is_finite()));
    }

    #[test]
    fn readings_of_samples() {
        let samples = [0.0, 0.1, 0.4, 0.0, 0.2, 0.3, 0.4, 1.6];
        for (p, of_mean, of_power) in
            [(2.0, 0.230488611, 0.307205143), (5.0, 0.201273950, 0.348374443), (10.0, 0.200019542, 0.373213270)]
        {
            near(objective(p, &read(Reading::PowerOfMean, p, &samples, 4)), of_mean);
            near(objective(p, &read(Reading::MeanOfPower, p, &samples, 4)), of_power);
        }
    }

    #[test]
    fn one_forecast_for_three_data_centres() {
        // λ = 2, 10, 50, D = 1, 4, 9, c = 4, ĉ = 2: what each regrets, and how that changes with the forecast.
        let scale = [2.0_f64, 40.0, 450.0].map(f64::sqrt);
        let (forecast, truth) = (2.0_f64, 4.0_f64);
        let regrets = scale.map(|scale| scale * (forecast.sqrt() - truth.sqrt()).powi(2) / forecast.sqrt());
        let slopes = scale.map(|scale| 0.5 * scale * (forecast.powf(-0.5) - truth * forecast.powf(-1.5)));
        for (p, value, slope) in [
            (1.0, 2.341642152, -3.412022659),
            (2.0, 1.794010266, -2.614064524),
            (5.0, 1.716536789, -2.501177395),
            (10.0, 1.715729705, -2.500001387),
        ] {
            let mut weights = [0.0; 3];
            weigh(p, &regrets, &mut weights);
            near(objective(p, &regrets), value);
            near(weights.iter().zip(slopes).map(|(weight, slope)| weight * slope).sum(), slope);
        }
    }

    #[test]
    fn as_welfare_of_costs_below_zero() {
        let welfare: Equitable = ron::from_str("(p: 2)").unwrap();
        near(welfare.value(&R.map(|regret| -regret)).unwrap(), -0.230488611);
        let unfair: Equitable = ron::from_str("(p: 0.5)").unwrap();
        assert_eq!(unfair.check(4)[0].path, "p");
    }
}
