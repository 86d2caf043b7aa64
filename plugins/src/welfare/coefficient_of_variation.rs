use isonomy_engine::welfare::{Direction, Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Coefficient of variation: the spread of utilities in terms of their mean. An inequality: less is better.
///
/// `CV = σ / μ` with `σ² = mean (x_i − μ)²`, so `CV² = 1 / Jain − 1`; derivative `(x_i − μ) / (n σ μ) − σ / (n μ²)`, and 0
/// where all have the same. Utilities must be 0 or above, not all 0. Pearson, Philosophical Transactions A 187 (1896).
///
/// Surprises: scale-free, so it calls uniformly bad service fair. A unit taken from the rich counts as much as one given to
/// the poor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoefficientOfVariation {}

isonomy_engine::plugin!(Welfare: CoefficientOfVariation, "()");

/// Mean and standard deviation.
fn moments(utilities: &[f64]) -> (f64, f64) {
    let mean = super::mean(utilities);
    let variance = utilities.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / utilities.len() as f64;
    (mean, variance.sqrt())
}

#[typetag::serde]
impl Welfare for CoefficientOfVariation {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("CoefficientOfVariation", utilities)?;
        let (mean, deviation) = moments(utilities);
        Ok(deviation / mean)
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        self.domain().admit("CoefficientOfVariation", utilities)?;
        let (mean, deviation) = moments(utilities);
        for (weight, x) in weights.iter_mut().zip(utilities) {
            let away = if deviation > 0.0 { (x - mean) / deviation } else { 0.0 };
            *weight = (away - deviation / mean) / (utilities.len() as f64 * mean);
        }
        Ok(())
    }

    fn direction(&self) -> Direction {
        Direction::Inequality
    }

    fn domain(&self) -> Domain {
        Domain::SomePositive
    }
}
