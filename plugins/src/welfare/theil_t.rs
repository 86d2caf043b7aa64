use super::generalized_entropy::{derivative, entropy};
use isonomy_engine::welfare::{Direction, Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Theil's T: how far shares of the total are from equal ones, as information. An inequality: less is better.
///
/// `T = mean (x_i/μ) ln(x_i/μ)`, from 0 to `ln n`; derivative `(ln(x_i/μ) − T) / (n μ)`. Utilities must be above zero. It is
/// `GeneralizedEntropy` of order 1. Theil, Economics and Information Theory (1967).
///
/// Surprises: scale-free, so it calls uniformly bad service fair. It looks at the top: the better off weigh more in it than
/// in `TheilL`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TheilT {}

isonomy_engine::plugin!(Welfare: TheilT, "()");

#[typetag::serde]
impl Welfare for TheilT {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("TheilT", utilities)?;
        Ok(entropy(1.0, utilities))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        self.domain().admit("TheilT", utilities)?;
        derivative(1.0, utilities, weights);
        Ok(())
    }

    fn direction(&self) -> Direction {
        Direction::Inequality
    }

    fn domain(&self) -> Domain {
        Domain::Positive
    }
}
