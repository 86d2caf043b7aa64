use super::moments::Moments;
use isonomy_engine::advantage::{AdvantageEstimator, Blindness, Responses};
use isonomy_engine::problem::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// GRPO for pass@k: only the best response of a group is taught, by its lead over the second best.
///
/// `A_best = (r_1st − r_2nd) / (std + 1e-6)`, all others 0; sample deviation. Tang et al., arXiv 2503.19595 (2025), as in
/// verl.
///
/// Surprises: with rewards of 0 and 1 a group teaches only where exactly one response succeeds, so what is nearly mastered
/// stops improving. A group of one scores 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrpoPassK {}

isonomy_engine::plugin!(AdvantageEstimator: GrpoPassK, "()");

#[typetag::serde]
impl AdvantageEstimator for GrpoPassK {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        for members in batch.groups() {
            let rewards = &batch.reward[members.clone()];
            let scored = || members.clone().filter(|&i| !batch.reward[i].is_nan());
            let best = scored().max_by(|&a, &b| batch.reward[a].total_cmp(&batch.reward[b]).then(b.cmp(&a)));
            let second = scored().filter(|&i| Some(i) != best).map(|i| batch.reward[i]).reduce(f64::max);
            for response in members.clone() {
                batch.spread(response, 0.0, advantage);
            }
            if let (Some(best), Some(second)) = (best, second) {
                let spread = Moments::of_rewards(rewards).sample() + 1e-6;
                batch.spread(best, (batch.reward[best] - second) / spread, advantage);
            }
        }
    }

    fn blind_to(&self) -> Blindness {
        Blindness { sums: true, factors: true }
    }

    fn check(&self, responses: usize) -> Vec<Problem> {
        let alone = responses < 2;
        let problem = || Problem::at("", "there is no second best in a group of one").help("use 2 responses or more");
        alone.then(problem).into_iter().collect()
    }
}
