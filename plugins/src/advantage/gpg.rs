use super::moments::{Moments, score_groups};
use isonomy_engine::advantage::{AdvantageEstimator, Reach, Responses};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// GPG: reward minus the group's mean, scaled up where few responses of the batch earn anything.
///
/// `A_i = α · (r_i − mean)`, `α = B / #{r ≠ 0}` over the batch. Chu et al., arXiv 2504.02546 (2025).
///
/// Surprises: through α every group depends on all others, so a bonus for one domain changes the step of every domain. A
/// batch that earns nothing scores 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gpg {}

isonomy_engine::plugin!(AdvantageEstimator: Gpg, "()");

#[typetag::serde]
impl AdvantageEstimator for Gpg {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        let scored = batch.reward.iter().filter(|reward| !reward.is_nan());
        let earning = scored.clone().filter(|&&reward| reward != 0.0).count();
        let scale = if earning == 0 { 0.0 } else { scored.count() as f64 / earning as f64 };
        score_groups(batch, advantage, |rewards| {
            let mean = Moments::of_rewards(rewards).mean;
            move |reward| scale * (reward - mean)
        });
    }

    fn reach(&self) -> Reach {
        Reach::Batch
    }
}
