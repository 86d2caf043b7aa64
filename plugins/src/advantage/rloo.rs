use super::moments::{Moments, score_groups};
use isonomy_engine::advantage::{AdvantageEstimator, Blindness, Responses};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// RLOO: how much better a response is than the others of its group.
///
/// `A_i = r_i − mean of r_j over j ≠ i = (r_i − mean) · G/(G−1)`. Unbiased for every group size: with a reward of 1 in a
/// share p of responses its expected gradient is `p(1−p)`. Ahmadian et al., arXiv 2402.14740 (2024).
///
/// Surprises: a group of one scores 0; libraries disagree (verl's loop keeps the raw reward, its vectorised form gives 0).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rloo {}

isonomy_engine::plugin!(AdvantageEstimator: Rloo, "()");

#[typetag::serde]
impl AdvantageEstimator for Rloo {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        score_groups(batch, advantage, |rewards| {
            let group = Moments::of_rewards(rewards);
            let scale = if group.count > 1 { group.count as f64 / (group.count - 1) as f64 } else { 0.0 };
            move |reward| (reward - group.mean) * scale
        });
    }

    fn blind_to(&self) -> Blindness {
        Blindness { sums: true, factors: false }
    }
}
