use super::p_mean;
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::welfare::{Direction, Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Atkinson's index: the part of all utility that could be given up if the rest were shared equally, and be as good.
/// An inequality: less is better.
///
/// `A = 1 − M / μ`, where `M` is the power mean of power `1 − e` (geometric for e = 1): the equal utility that would be as
/// good. Derivative `M / (n μ²) − M'_i / μ` with `M'_i = (x_i / M)^−e / n`. From 0 to 1. Utilities must be above zero.
/// Atkinson, Journal of Economic Theory 2 (1970).
///
/// Surprises: scale-free, so it calls uniformly bad service fair; `PMean` with power `1 − e` is the welfare behind it, which
/// does not. With `aversion` 0 it is always 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Atkinson {
    /// Aversion to inequality, e.
    pub aversion: NonNegative,
}

isonomy_engine::plugin!(Welfare: Atkinson, "(aversion: 1.0)");

#[typetag::serde]
impl Welfare for Atkinson {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("Atkinson", utilities)?;
        Ok(1.0 - p_mean::mean(1.0 - self.aversion.get(), utilities) / super::mean(utilities))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        let share = 1.0 - self.value(utilities)?;
        let (mean, n) = (super::mean(utilities), utilities.len() as f64);
        p_mean::derivative(1.0 - self.aversion.get(), utilities, weights);
        weights.iter_mut().for_each(|weight| *weight = (share / n - *weight) / mean);
        Ok(())
    }

    fn direction(&self) -> Direction {
        Direction::Inequality
    }

    fn domain(&self) -> Domain {
        Domain::Positive
    }
}
