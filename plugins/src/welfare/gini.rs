use super::order;
use isonomy_engine::welfare::{Direction, Domain, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gini index: the mean difference between two utilities, in terms of the mean. An inequality: less is better.
///
/// `G = Σ_ij |x_i − x_j| / (2 n² μ)`, from 0 (all have the same) to 1 − 1/n (one has all); derivative
/// `(b_i − a_i) / (n² μ) − G / (n μ)` where `b_i` have less than i and `a_i` have more, so equals weigh the same.
/// Utilities must be 0 or above, not all 0. Gini, Variabilità e mutabilità (1912).
///
/// Surprises: scale-free, so it calls uniformly bad service fair. To weigh fairness against how much there is, use
/// `GiniWelfare`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gini {}

isonomy_engine::plugin!(Welfare: Gini, "()");

#[typetag::serde]
impl Welfare for Gini {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        self.domain().admit("Gini", utilities)?;
        let (n, total) = (utilities.len() as f64, utilities.iter().sum::<f64>());
        Ok(order::sum(utilities, |rank| 2.0 * rank as f64 + 1.0 - n) / (n * total))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        let gini = self.value(utilities)?;
        let (n, total) = (utilities.len() as f64, utilities.iter().sum::<f64>());
        order::weigh_standing(utilities, weights, |standing| (standing / n - gini) / total);
        Ok(())
    }

    fn direction(&self) -> Direction {
        Direction::Inequality
    }

    fn domain(&self) -> Domain {
        Domain::SomePositive
    }
}
