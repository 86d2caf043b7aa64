use super::moments::{Moments, whiten};
use super::returns::returns;
use isonomy_engine::advantage::{AdvantageEstimator, Blindness, Reach, Responses};
use isonomy_engine::quantity::Probability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// REINFORCE++: returns, whitened over all tokens of the batch.
///
/// `A = (R − mean) / √(var + 1e-8)`, mean and variance (n−1 below) over every generated token of the batch. With
/// `group_baseline` the group's mean is subtracted from the outcome's reward before, which then stands on every token.
/// Hu, Liu & Shen, arXiv 2501.03262 (2025).
///
/// Surprises: without the group's baseline it sees a bonus that a whole group shares, which GRPO does not. One token alone
/// scores 0, where verl raises an error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReinforcePlusPlus {
    /// Discount γ from token to token, without the group's baseline; 1 if not given.
    #[serde(default = "super::undiscounted")]
    pub discount: Probability,
    /// Whether the group's mean is subtracted first (REINFORCE++-baseline).
    #[serde(default)]
    pub group_baseline: bool,
}

isonomy_engine::plugin!(AdvantageEstimator: ReinforcePlusPlus, "(group_baseline: true)");

#[typetag::serde]
impl AdvantageEstimator for ReinforcePlusPlus {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        if self.group_baseline {
            super::moments::score_groups(batch, advantage, |rewards| {
                let mean = Moments::of_rewards(rewards).mean;
                move |reward| reward - mean
            });
        } else {
            returns(batch, self.discount.get(), advantage);
        }
        whiten(batch, 1e-8, 0.0, advantage);
    }

    fn reach(&self) -> Reach {
        Reach::Batch
    }

    fn blind_to(&self) -> Blindness {
        Blindness { sums: self.group_baseline, factors: false }
    }
}
