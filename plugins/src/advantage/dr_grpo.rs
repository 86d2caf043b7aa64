use super::moments::{Moments, score_groups};
use isonomy_engine::advantage::{AdvantageEstimator, Blindness, Responses};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Dr. GRPO: reward minus the group's mean, without the division that makes GRPO favour very easy and very hard prompts.
///
/// `A_i = r_i − mean`. Its loss is divided by a constant (`SeqMeanTokenSumNorm`), not by the length of a response.
/// Expected gradient for rewards of 0 and 1: `p(1−p)(G−1)/G`. Liu et al., arXiv 2503.20783 (2025).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrGrpo {}

isonomy_engine::plugin!(AdvantageEstimator: DrGrpo, "()");

#[typetag::serde]
impl AdvantageEstimator for DrGrpo {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        score_groups(batch, advantage, |rewards| {
            let mean = Moments::of_rewards(rewards).mean;
            move |reward| reward - mean
        });
    }

    fn blind_to(&self) -> Blindness {
        Blindness { sums: true, factors: false }
    }
}
