use super::grpo::verl;
use super::moments::Moments;
use isonomy_engine::advantage::{AdvantageEstimator, Blindness, Responses};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// HAPO, first part: GRPO whose mean and spread are taken over the tokens of a group, so that long responses count more.
///
/// `A_i = (r_i − mean) / (std + 1e-6)` with every reward repeated once per token, population deviation. A group in which a
/// value reaches 5 in size falls back to GRPO. Used with `HapoClip` and `HapoRedistribution`, which are the other parts.
/// From Uniform to Heterogeneous, arXiv 2509.16591 (2025).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hapo {}

isonomy_engine::plugin!(AdvantageEstimator: Hapo, "()");

/// A value of this size is an outlier.
const OUTLIER: f64 = 5.0;

/// Tokens of a response: its length where that is known, else what was generated.
fn tokens(batch: &Responses<'_>, response: usize) -> f64 {
    match batch.length.get(response) {
        Some(&length) => length.into(),
        None => (0..batch.width()).filter(|&token| batch.generated(response, token)).count() as f64,
    }
}

#[typetag::serde]
impl AdvantageEstimator for Hapo {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        for members in batch.groups() {
            let rewards = &batch.reward[members.clone()];
            let scored = || members.clone().filter(|&i| !batch.reward[i].is_nan());
            let first = scored().next().map_or(0.0, |i| batch.reward[i]);
            let total: f64 = scored().map(|i| tokens(batch, i)).sum();
            let over_tokens = |of: &dyn Fn(f64) -> f64| {
                let sum: f64 = scored().map(|i| tokens(batch, i) * of(batch.reward[i])).sum();
                if total > 0.0 { sum / total } else { 0.0 }
            };
            let mean = first + over_tokens(&|reward| reward - first);
            let spread = over_tokens(&|reward| (reward - mean).powi(2)).sqrt() + 1e-6;
            let largest = scored().map(|i| ((batch.reward[i] - mean) / spread).abs()).fold(0.0, f64::max);
            let fallback = verl(rewards);
            let alone = Moments::of_rewards(rewards).count < 2;
            for response in members.clone() {
                let reward = batch.reward[response];
                let score = if largest >= OUTLIER { fallback(reward) } else { (reward - mean) / spread };
                batch.spread(response, if reward.is_nan() || alone { 0.0 } else { score }, advantage);
            }
        }
    }

    fn blind_to(&self) -> Blindness {
        Blindness { sums: true, factors: true }
    }
}
