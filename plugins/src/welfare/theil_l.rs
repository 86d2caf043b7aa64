use super::generalized_entropy::{derivative, entropy};
use isonomy_engine::welfare::{Direction, Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Theil's L, the mean log deviation: how far below the mean people are, in logarithms. An inequality: less is better.
///
/// `L = mean ln(μ/x_i)`, from 0 without bound; derivative `1 / (n μ) − 1 / (n x_i)`. Utilities must be above zero. It is
/// `GeneralizedEntropy` of order 0. Theil, Economics and Information Theory (1967).
///
/// Surprises: scale-free, so it calls uniformly bad service fair. It looks at the bottom: one utility near zero makes it as
/// large as one likes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TheilL {}

isonomy_engine::plugin!(Welfare: TheilL, "()");

#[typetag::serde]
impl Welfare for TheilL {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("TheilL", utilities)?;
        Ok(entropy(0.0, utilities))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        self.domain().admit("TheilL", utilities)?;
        derivative(0.0, utilities, weights);
        Ok(())
    }

    fn direction(&self) -> Direction {
        Direction::Inequality
    }

    fn domain(&self) -> Domain {
        Domain::Positive
    }
}
