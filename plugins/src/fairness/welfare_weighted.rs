use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::gpu::ShapeTwin;
use isonomy_engine::problem::Problem;
use isonomy_engine::spec::Spec;
use isonomy_engine::welfare::{Direction, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Weighs the rewards of each group by what a bit more for that group adds to welfare.
///
/// `r · w[z,m]`, `w[z,m] = ∂W/∂x_z` at `x = (J[1,m], …, J[n,m])`, the groups' mean returns in task m in the last rollout
/// in which an episode ended. So a policy gradient ascends `Σ_m W(J[·,m])`, by the chain rule; inequality indices, of
/// which less is better, are descended. Fan et al., arXiv 2212.01382 (2022); Siddique, Weng & Zimmer, arXiv 2008.07773
/// (2020).
///
/// Surprises: this is welfare of EXPECTED returns of groups, recorded as `welfare_of_expected.TASK`; `AlphaFair` and
/// `LongTerm` work on the realised returns of agents, and for a curved W the two differ. Until the first episodes have ended all weights are 1. Where returns are outside the domain
/// of W (`Nash` of a group that earned nothing) the weights of that task stay 1 in the next rollout, and the record says
/// so: `outside_domain.TASK` is 1. `weight.GROUP.TASK` are the weights that the next rollout is taught with.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WelfareWeighted {
    /// The welfare function, W.
    pub welfare: Box<dyn Welfare>,
    /// Whether the weights of a task are scaled so that their sizes average 1, which keeps the learner's rate meaningful.
    /// Weights that are all zero stay zero.
    #[serde(default = "yes")]
    pub normalise: bool,
}

isonomy_engine::plugin!(FairnessReward: WelfareWeighted, r#"(welfare: {"Nash": ()})"#);

fn yes() -> bool {
    true
}

#[typetag::serde]
impl FairnessReward for WelfareWeighted {
    fn shape(&self, batch: RewardBatch<'_>) {
        let Some(expected) = batch.expected else { return };
        let (rows, agents) = (batch.rows(), batch.group.len());
        for (task, rewards) in batch.shaped.chunks_exact_mut(rows).enumerate() {
            self.weigh(expected, task, batch.tasks, |weights, _| {
                for lane in rewards.chunks_exact_mut(agents) {
                    for (reward, &group) in lane.iter_mut().zip(batch.group) {
                        *reward *= weights[group as usize] as f32;
                    }
                }
            });
        }
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let slot = format!("welfare.{}", self.welfare.typetag_name());
        self.welfare.check(spec.groups.len()).into_iter().map(|problem| problem.under(&slot)).collect()
    }

    fn report(&self, spec: &Spec, expected: &[f64]) -> Vec<(String, f64)> {
        let mut report = Vec::new();
        for (task, of_task) in spec.tasks.iter().enumerate() {
            self.weigh(expected, task, spec.tasks.len(), |weights, inside| {
                for (group, weight) in spec.groups.iter().zip(weights) {
                    report.push((format!("weight.{}.{}", group.name, of_task.name), *weight));
                }
                report.push((format!("outside_domain.{}", of_task.name), f64::from(u8::from(!inside))));
            });
            let utilities: Vec<f64> = expected.chunks_exact(spec.tasks.len()).map(|of| of[task]).collect();
            let value = self.welfare.value(&utilities).ok();
            report.extend(value.map(|value| (format!("welfare_of_expected.{}", of_task.name), value)));
        }
        report
    }

    fn twin(&self, spec: &Spec, expected: Option<&[f64]>) -> Option<ShapeTwin> {
        let (groups, tasks) = (spec.groups.len(), spec.tasks.len());
        let mut numbers = vec![1.0; groups * tasks];
        for task in 0..tasks {
            let write = |weights: &[f64], _| {
                weights.iter().enumerate().for_each(|(group, weight)| numbers[task * groups + group] = *weight as f32);
            };
            if let Some(expected) = expected {
                self.weigh(expected, task, tasks, write);
            }
        }
        Some(ShapeTwin {
            body: "return shaped * shape_number(first + task * GROUPS + group);",
            numbers,
            sees_lane: false,
        })
    }
}

impl WelfareWeighted {
    /// Lends the weight of every group in a task, and whether welfare is defined there; `expected` is `[groups, tasks]`.
    fn weigh(&self, expected: &[f64], task: usize, tasks: usize, borrower: impl FnOnce(&[f64], bool)) {
        let groups = expected.len() / tasks;
        super::with_room(2 * groups, |room| {
            let (utilities, weights) = room.split_at_mut(groups);
            utilities.iter_mut().zip(expected.chunks_exact(tasks)).for_each(|(utility, of)| *utility = of[task]);
            let inside = self.differentiate(utilities, weights);
            if !inside {
                weights.fill(1.0);
            }
            borrower(weights, inside);
        });
    }

    /// Writes the weights; false where there are none.
    fn differentiate(&self, utilities: &[f64], weights: &mut [f64]) -> bool {
        if self.welfare.weights(utilities, weights).is_err() {
            return false;
        }
        let size = weights.iter().map(|weight| weight.abs()).sum::<f64>() / weights.len() as f64;
        let scale = if self.normalise && size > 0.0 { 1.0 / size } else { 1.0 };
        let sign = if self.welfare.direction() == Direction::Inequality { -scale } else { scale };
        weights.iter_mut().for_each(|weight| *weight *= sign);
        weights.iter().all(|&weight| (weight as f32).is_finite())
    }
}
