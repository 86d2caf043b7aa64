use super::lanes;
use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::gpu::ShapeTwin;
use isonomy_engine::quantity::Probability;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Mixes an agent's own reward with the mean reward of its lane.
///
/// `(1 − share) · r_i + share · mean_j r_j`, in each task. With `share` 0 nothing changes, with 1 all agents of a lane are
/// taught the same. Peysakhovich & Lerer, arXiv 1709.02865 (2017, prosocial rewards; there the mean is of the others only).
///
/// Surprises: it makes agents care for the total, not for its spread. Where agents cannot influence each other it leaves
/// every agent's best policy as it is and only adds noise to what it is taught.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalGlobal {
    /// The part that comes from the lane.
    pub share: Probability,
}

isonomy_engine::plugin!(FairnessReward: LocalGlobal, "(share: 0.5)");

#[typetag::serde]
impl FairnessReward for LocalGlobal {
    fn shape(&self, batch: RewardBatch<'_>) {
        let share = self.share.get();
        for lane in lanes(batch) {
            let mean = lane.shaped.iter().map(|&reward| f64::from(reward)).sum::<f64>() / lane.shaped.len() as f64;
            for reward in lane.shaped {
                *reward = ((1.0 - share) * f64::from(*reward) + share * mean) as f32;
            }
        }
    }

    fn twin(&self, _spec: &Spec, _expected: Option<&[f64]>) -> Option<ShapeTwin> {
        Some(ShapeTwin { body: MIX, numbers: vec![self.share.get() as f32], sees_lane: true })
    }
}

const MIX: &str = "
    var sum = 0.0;
    for (var i = 0u; i < AGENTS; i++) {
        sum += lane_shaped(i);
    }
    let share = shape_number(first);
    return (1.0 - share) * shaped + share * (sum / f32(AGENTS));
";
