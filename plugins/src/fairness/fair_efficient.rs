use super::lanes;
use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::gpu::ShapeTwin;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Positive;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fair-efficient reward (FEN): pays for what the lane earns on average, the less the further one is from that average.
///
/// `(ū/ceiling) / (softness + |u_i/ū − 1|)` in place of the reward, in each task: `u_i` is the agent's mean reward of a step
/// so far this episode, `ū` the mean of those of its lane. Where nobody has earned anything it is 0. Rewards must be 0 or
/// above. Jiang & Lu, arXiv 1910.14472 (2019), equation 1.
///
/// Surprises: it replaces rewards, also what plugins listed before made of them, and pays in every step, for all that was
/// earned so far: an episode adds up to far more than it earns (`shaped_return_mean`). Who has too much is taught to earn
/// less. It works on realised returns of agents, whatever their groups. The paper's hierarchy of policies is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FairEfficient {
    /// The most that an agent can earn in a step, c in the paper: it sets the scale.
    pub ceiling: Positive,
    /// How sharply distance from the average counts, ε in the paper: an agent at the average is paid one over this.
    pub softness: Positive,
}

isonomy_engine::plugin!(FairnessReward: FairEfficient, "(ceiling: 1.0, softness: 0.1)");

#[typetag::serde]
impl FairnessReward for FairEfficient {
    fn shape(&self, batch: RewardBatch<'_>) {
        let steps = f64::from(batch.elapsed + 1);
        for lane in lanes(batch) {
            let mean = lane.utility.iter().map(|&utility| f64::from(utility)).sum::<f64>() / lane.utility.len() as f64;
            for (shaped, &utility) in lane.shaped.iter_mut().zip(lane.utility) {
                *shaped = self.pay(mean / steps, f64::from(utility) / steps) as f32;
            }
        }
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let negative = spec.tasks.iter().filter(|task| task.reward.0 < 0.0);
        let problem = |name: &str, least: f32| {
            let message = format!("rewards in {name} may be {least}, and shares of an average need 0 or above");
            Problem::at("", message).help("for rewards of either sign use InequityAversion or LongTerm")
        };
        negative.map(|task| problem(&task.name, task.reward.0)).collect()
    }

    fn twin(&self, _spec: &Spec, _expected: Option<&[f64]>) -> Option<ShapeTwin> {
        let numbers = vec![self.ceiling.get() as f32, self.softness.get() as f32];
        Some(ShapeTwin { body: PAY, numbers, sees_lane: true })
    }
}

impl FairEfficient {
    fn pay(&self, mean: f64, own: f64) -> f64 {
        if mean <= 0.0 {
            return 0.0;
        }
        mean / self.ceiling.get() / (self.softness.get() + (own / mean - 1.0).abs())
    }
}

const PAY: &str = "
    var sum = 0.0;
    for (var i = 0u; i < AGENTS; i++) {
        sum += lane_utility(i);
    }
    if sum <= 0.0 {
        return 0.0;
    }
    let mean = sum / f32(AGENTS);
    let steps = f32(elapsed + 1u);
    return mean / steps / shape_number(first) / (shape_number(first + 1u) + abs(utility / mean - 1.0));
";
