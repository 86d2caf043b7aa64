use isonomy_engine::welfare::{Direction, Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hoover index: the part of all utility that would have to change hands for all to have the same.
/// An inequality: less is better.
///
/// `H = Σ |x_i − μ| / (2 Σ x_i)`, from 0 to 1 − 1/n; derivative `[(s_i − mean s) / 2 − H] / Σ x` with `s_i` the sign of
/// `x_i − μ`. Utilities must be 0 or above, not all 0. Hoover, Review of Economic Statistics 18 (1936).
///
/// Surprises: scale-free, so it calls uniformly bad service fair. A transfer between two people on the same side of the mean
/// does not change it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hoover {}

isonomy_engine::plugin!(Welfare: Hoover, "()");

/// −1 below zero, 0 at it, 1 above.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

#[typetag::serde]
impl Welfare for Hoover {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("Hoover", utilities)?;
        let mean = super::mean(utilities);
        let away: f64 = utilities.iter().map(|x| (x - mean).abs()).sum();
        Ok(away / (2.0 * utilities.len() as f64 * mean))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        let hoover = self.value(utilities)?;
        let (mean, n) = (super::mean(utilities), utilities.len() as f64);
        let tilt = utilities.iter().map(|x| sign(x - mean)).sum::<f64>() / n;
        for (weight, x) in weights.iter_mut().zip(utilities) {
            *weight = ((sign(x - mean) - tilt) / 2.0 - hoover) / (n * mean);
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
