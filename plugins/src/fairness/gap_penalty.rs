use super::{Lane, lanes};
use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::gpu::ShapeTwin;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Charges the agents of a better-off group for their lead over the worst-off group of their lane.
///
/// With `ū_z` the mean return so far of group z in this lane and task: `r − strength · (lead_t − lead_{t−1})`,
/// `lead = ū_z − min_y ū_y`. The charges of an episode add up to `strength ·` its final lead.
/// The form is that of a potential (Ng, Harada & Russell, ICML 1999, section 3), except that the last value is kept:
/// so it does change which policy is best. A penalty for the parity of Satija et al., TMLR 04/2023.
///
/// Surprises: where agents do not influence each other, `strength` below 1 leaves the best policy almost as it is, for
/// every unit earned still pays; above 1 the gap closes by levelling down, in the extreme to nobody earning anything,
/// because the gap of a lane is also luck, and whoever is ahead by luck is charged. To lift the worst off, use
/// `WelfareWeighted` instead. The worst off of a lane are never charged and never paid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GapPenalty {
    /// What a lead of one unit of return costs.
    pub strength: NonNegative,
}

isonomy_engine::plugin!(FairnessReward: GapPenalty, "(strength: 1.5)");

#[typetag::serde]
impl FairnessReward for GapPenalty {
    fn shape(&self, batch: RewardBatch<'_>) {
        let group = batch.group;
        lanes(batch).for_each(|mut lane| charge(&mut lane, group, self.strength.get()));
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let alone = spec.groups.len() < 2;
        alone.then(|| Problem::at("", "a gap needs two groups, and there is only one")).into_iter().collect()
    }

    fn twin(&self, _spec: &Spec, _expected: Option<&[f64]>) -> Option<ShapeTwin> {
        Some(ShapeTwin { body: CHARGE, numbers: vec![self.strength.get() as f32], sees_lane: true })
    }
}

fn charge(lane: &mut Lane<'_>, group: &[u32], strength: f64) {
    let (worst_before, worst) = (worst(group, |agent| lane.before(agent)), worst(group, |agent| lane.after(agent)));
    let mut first = 0;
    for members in group.chunk_by(|a, b| a == b) {
        let lead_before = mean(first, members, |agent| lane.before(agent)) - worst_before;
        let lead = mean(first, members, |agent| lane.after(agent)) - worst;
        let charge = (strength * (lead - lead_before)) as f32;
        lane.shaped[first..][..members.len()].iter_mut().for_each(|reward| *reward -= charge);
        first += members.len();
    }
}

/// The smallest mean of a group; groups stand side by side.
fn worst(group: &[u32], earned: impl Fn(usize) -> f64) -> f64 {
    let (mut first, mut worst) = (0, f64::INFINITY);
    for members in group.chunk_by(|a, b| a == b) {
        worst = worst.min(mean(first, members, &earned));
        first += members.len();
    }
    worst
}

fn mean(first: usize, members: &[u32], earned: impl Fn(usize) -> f64) -> f64 {
    (first..first + members.len()).map(earned).sum::<f64>() / members.len() as f64
}

const CHARGE: &str = "
    var worst = vec2(bitcast<f32>(0x7f7fffffu));
    var own = vec2(0.0);
    var i = 0u;
    for (var z = 0u; z < GROUPS; z++) {
        // After this step and before it.
        var sum = vec2(0.0);
        let begin = i;
        for (; i < AGENTS && lane_group(i) == z; i++) {
            sum += vec2(lane_utility(i), lane_utility(i) - lane_reward(i));
        }
        let mean = sum / f32(max(i - begin, 1u));
        own = select(own, mean, z == group);
        worst = select(worst, min(worst, mean), i > begin);
    }
    let lead = own - worst;
    return shaped - shape_number(first) * (lead.x - lead.y);
";
