use isonomy_engine::advantage::{AdvantageEstimator, Blindness, Responses, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// OPO: reward minus the baseline of least variance, in which long responses count more.
///
/// `A_i = r_i − b`, `b = Σ len_j · r_j / Σ len_j` in the group. Hao et al., arXiv 2505.23585 (2025).
///
/// Surprises: advantages of a group no longer sum to 0. Where no length is above 0 the group scores 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Opo {}

isonomy_engine::plugin!(AdvantageEstimator: Opo, "()");

#[typetag::serde]
impl AdvantageEstimator for Opo {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        for members in batch.groups() {
            // Around the first reward, so that equal rewards score exactly 0.
            let scored = members.clone().filter(|&i| !batch.reward[i].is_nan());
            let first = scored.clone().next().map_or(0.0, |i| batch.reward[i]);
            let tokens: f64 = scored.clone().map(|i| f64::from(batch.length[i])).sum();
            let above: f64 = scored.map(|i| f64::from(batch.length[i]) * (batch.reward[i] - first)).sum();
            for response in members {
                let reward = batch.reward[response];
                let known = tokens > 0.0 && !reward.is_nan();
                batch.spread(response, if known { reward - first - above / tokens } else { 0.0 }, advantage);
            }
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::Length]
    }

    fn blind_to(&self) -> Blindness {
        Blindness { sums: true, factors: false }
    }
}
