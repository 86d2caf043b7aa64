//! Fairness rewards: what a policy is taught in place of what the environment paid.

use crate::gpu::ShapeTwin;
use crate::problem::Problem;
use crate::spec::Spec;

/// Rewrites the rewards of a step, given utilities and groups.
///
/// Called once per step and batch. A batch covers whole lanes, so what a plugin writes may depend on all agents of a
/// lane, on the clock, on [`RewardBatch::expected`] and on what it remembers; never on other lanes of the same step.
#[typetag::serde]
pub trait FairnessReward: std::fmt::Debug + Send + Sync {
    /// Rewrites `batch.shaped`, which holds the paid rewards, or what the plugin listed before made of them.
    fn shape(&self, batch: RewardBatch<'_>);

    /// Whether it keeps a number of its own for every agent and task, [`RewardBatch::memory`]. Then it has no twin: a device
    /// remembers nothing.
    fn remembers(&self) -> bool {
        false
    }

    /// What is worth plotting, by name, given the mean returns that the next rollout is shaped with, `[groups, tasks]`.
    fn report(&self, _spec: &Spec, _expected: &[f64]) -> Vec<(String, f64)> {
        Vec::new()
    }

    /// What in this environment or in the fields makes no sense.
    fn check(&self, _spec: &Spec) -> Vec<Problem> {
        Vec::new()
    }

    /// The same rule for the device, in a rollout that is shaped with these mean returns, `[groups, tasks]`. Only its
    /// numbers may differ from one rollout to the next. Where one reward of a scenario has none, or remembers
    /// something, all are shaped by the processor.
    fn twin(&self, _spec: &Spec, _expected: Option<&[f64]>) -> Option<ShapeTwin> {
        None
    }
}

/// The rewards of one step in some neighbouring lanes. Row `i` is agent `i % agents` of its lane.
pub struct RewardBatch<'a> {
    /// The group of every agent of a lane, `[agents]`.
    pub group: &'a [u32],
    /// Number of groups.
    pub groups: usize,
    /// Number of tasks.
    pub tasks: usize,
    /// Steps since the episode began, before this one.
    pub elapsed: u32,
    /// What the environment paid, `[tasks, rows]`.
    pub reward: &'a [f32],
    /// Undiscounted return so far this episode, this step included, `[tasks, rows]`.
    pub utility: &'a [f32],
    /// Mean return of an episode in the last rollout, over lanes and agents, `[groups, tasks]`; none in the first.
    pub expected: Option<&'a [f64]>,
    /// What the plugin left here in the step before, `[tasks, rows]`; empty unless it [remembers]. 0 before the first
    /// step, and not cleared when an episode ends: whoever has to forget then does so where `elapsed` is 0.
    ///
    /// [remembers]: FairnessReward::remembers
    pub memory: &'a mut [f32],
    /// What the policy is taught, `[tasks, rows]`.
    pub shaped: &'a mut [f32],
}

impl RewardBatch<'_> {
    /// Agents of all lanes of the batch.
    pub fn rows(&self) -> usize {
        self.reward.len() / self.tasks
    }
}
