use super::returns::returns;
use isonomy_engine::advantage::{AdvantageEstimator, Responses, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// ReMax: the return minus what the policy earns when it does not explore.
///
/// `A_t = R_t − r(greedy response)`. Li et al., arXiv 2310.10505 (2023). One greedy response per prompt is the price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remax {}

isonomy_engine::plugin!(AdvantageEstimator: Remax, "()");

#[typetag::serde]
impl AdvantageEstimator for Remax {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        returns(batch, 1.0, advantage);
        let width = batch.width();
        for (at, advantage) in advantage.iter_mut().enumerate() {
            let (response, token) = (at / width, at % width);
            let difference = *advantage - batch.greedy_reward[response];
            let known = batch.generated(response, token) && !batch.reward[response].is_nan() && !difference.is_nan();
            *advantage = if known { difference } else { 0.0 };
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::GreedyReward]
    }
}
