use super::order;
use isonomy_engine::welfare::{Domain, LinearRows, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gini welfare: the mean, less what its inequality costs.
///
/// `W = μ (1 − G) = Σ (2(n − k) + 1) / n² · x_(k)` over utilities from the smallest up: what the poorer of two people, drawn
/// at random, has on average. Derivative `(n + a_i − b_i) / n²` where `a_i` have more than i and `b_i` have less, so equals
/// weigh the same. Any utilities: the second form needs no positive mean. More is better.
/// Sen, On Economic Inequality (1973); as a generalised Gini welfare Weymark, Mathematical Social Sciences 1 (1981).
///
/// Surprises: weights fall with rank alone, so the worst off count the same however far behind they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GiniWelfare {}

isonomy_engine::plugin!(Welfare: GiniWelfare, "()");

/// What the rank counts, from 0, among `n`.
fn weight(rank: usize, n: usize) -> f64 {
    (2 * (n - rank) - 1) as f64 / (n * n) as f64
}

#[typetag::serde]
impl Welfare for GiniWelfare {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        Domain::Any.admit("GiniWelfare", utilities)?;
        Ok(order::sum(utilities, |rank| weight(rank, utilities.len())))
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        Domain::Any.admit("GiniWelfare", utilities)?;
        let n = utilities.len() as f64;
        order::weigh_standing(utilities, weights, |standing| (n - standing) / (n * n));
        Ok(())
    }

    fn linear_rows(&self, utilities: usize) -> Option<LinearRows> {
        Some(order::linear_rows(utilities, |rank| weight(rank, utilities)))
    }
}
