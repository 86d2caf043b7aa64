use super::max_min::{below_everyone, smallest, weigh_smallest};
use isonomy_engine::quantity::Positive;
use isonomy_engine::welfare::{Domain, LinearRows, OutsideDomain, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Worst-group robust welfare (group DRO): the mean utility under the worst mixture of groups.
///
/// `W = min_q Σ q_i x_i` over chances `q`, which is the smallest utility; its weights are the worst `q`: 1 on the smallest,
/// shared by those that tie. More is better. Any utilities. What sets it apart from `MaxMin` is how a learner follows the
/// worst `q` without jumping: `q_i ← q_i exp(−rate · x_i)`, scaled to sum to 1 (the function `reweigh`), after every
/// rollout. Sagawa, Koh, Hashimoto & Liang, arXiv 1911.08731 (2019), algorithm 1.
///
/// Surprises: a plugin remembers nothing, so `WelfareWeighted` teaches with the worst `q` itself, like `MaxMin`; one step of
/// `reweigh` from equal weights is the derivative of `SoftMin` with sharpness `rate`. A learner that keeps `q` of its own
/// sees `q_i` multiplied step by step, so a group once rich needs many steps to be heard again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorstGroup {
    /// How fast the mixture moves, η, in one over the unit of utility.
    pub rate: Positive,
}

isonomy_engine::plugin!(Welfare: WorstGroup, "(rate: 0.1)");

impl WorstGroup {
    /// One step of exponentiated gradient: moves the mixture towards those who have less.
    pub fn reweigh(&self, utilities: &[f64], mixture: &mut [f64]) -> Result<(), OutsideDomain> {
        Domain::Any.admit("WorstGroup", utilities)?;
        super::exponentiate(self.rate.get(), utilities, mixture);
        Ok(())
    }
}

#[typetag::serde]
impl Welfare for WorstGroup {
    fn value(&self, utilities: &[f64]) -> Result<f64, OutsideDomain> {
        smallest("WorstGroup", utilities)
    }

    fn weights(&self, utilities: &[f64], weights: &mut [f64]) -> Result<(), OutsideDomain> {
        weigh_smallest("WorstGroup", utilities, weights)
    }

    fn linear_rows(&self, utilities: usize) -> Option<LinearRows> {
        Some(below_everyone(utilities))
    }
}
