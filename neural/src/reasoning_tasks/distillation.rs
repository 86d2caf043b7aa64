//! Distillation: the last updates learn from checkpoints of the same run, each from the one that teaches its domain.

use super::lane::{Lane, Training};
use super::update::{Method, Workspace};
use super::{Domain, ReasoningTasks, asked};
use isonomy_engine::advantage::AdvantageEstimator;
use isonomy_engine::curriculum::{Curriculum, Sampler};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Positive;
use isonomy_envs::reasoning::Plugged;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// The last updates learn from what checkpoints of the same run would have said. Those before learn from rewards. A checkpoint is
/// kept wherever a stage of `sampling` ends; the warm start is one too. Weights and the aggregator are those of before, Adam
/// begins anew; shaper, filter, modifier, loss and `kl` are not asked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Distillation {
    /// Updates, the last ones of all.
    pub steps: NonZeroU32,
    /// What makes advantages of log-probabilities: `Mopd`.
    pub estimator: Plugged<dyn AdvantageEstimator>,
    /// From which domains prompts are drawn meanwhile.
    pub sampling: Plugged<dyn Curriculum>,
    /// Adam's step size; that of before if not given.
    #[serde(default)]
    pub rate: Option<Positive>,
    /// Which checkpoint teaches a domain; the best if not given.
    #[serde(default)]
    pub teachers: Teachers,
}

/// Which checkpoint teaches a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Teachers {
    /// The one that answers most of its problems of the split `validation` (of `train` where a level is closed), as many as are
    /// judged by; of equals the earliest.
    #[default]
    Best,
    /// The one at the end of the last stage that trained it; the warm start where none did.
    Last,
}

/// Checkpoints that a run keeps, at most.
const MOST_CHECKPOINTS: usize = 16;

/// What stays as it is of distillation.
pub(super) struct Distil {
    /// Updates before.
    pub(super) begins: u32,
    pub(super) sampler: Box<dyn Sampler>,
    pub(super) method: Method,
    /// Updates after which a checkpoint is kept.
    pub(super) checkpoints: Vec<u32>,
    teachers: Teachers,
}

/// Updates from rewards.
pub(super) fn steps_before(tasks: &ReasoningTasks) -> u32 {
    tasks.steps.get() - tasks.distil.as_ref().map_or(0, |distil| distil.steps.get().min(tasks.steps.get()))
}

/// What is wrong with its steps. Called after the curriculum was found to be right.
pub(super) fn problems(tasks: &ReasoningTasks, names: &[&str]) -> Option<Problem> {
    let before = steps_before(tasks);
    let count = checkpoints(&*tasks.sampling.begin(names), before).len();
    (count > MOST_CHECKPOINTS).then(|| {
        let message = format!("`sampling` has {count} stages, a checkpoint each: they are the teachers");
        Problem::at("distil", message).help(format!("use Cascade with at most {MOST_CHECKPOINTS} stages"))
    })
}

fn checkpoints(sampler: &dyn Sampler, before: u32) -> Vec<u32> {
    (1..=before).filter(|&updates| sampler.judges(updates)).collect()
}

impl Distil {
    /// Of an environment that was checked.
    pub(super) fn new(tasks: &ReasoningTasks, sampler: &dyn Sampler) -> Option<Self> {
        let distil = tasks.distil.as_ref()?;
        let names: Vec<String> = tasks.domains.iter().map(Domain::name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let begins = steps_before(tasks);
        Some(Distil {
            begins,
            sampler: distil.sampling.begin(&names),
            method: Method::new(tasks).of_distillation(distil),
            checkpoints: checkpoints(sampler, begins),
            teachers: distil.teachers,
        })
    }
}

impl Training {
    /// The parameters of a checkpoint by its number, the warm start's being 0.
    pub(super) fn teacher<'a>(&'a self, teachers: &'a [f32], number: usize) -> &'a [f32] {
        let parameters = self.plan.layout.parameters();
        if number == 0 { self.warm() } else { &teachers[(number - 1) * parameters..][..parameters] }
    }

    /// The warm start teaches whom nobody has taught yet.
    pub(super) fn first_teacher(&self, distil: &Distil, lane: &mut Lane<'_>, workspace: &mut Workspace) {
        if distil.teachers == Teachers::Best {
            let accuracy = self.validate(lane.weights, lane.bill.test as u64, workspace);
            lane.cells.iter_mut().zip(accuracy).for_each(|(cell, accuracy)| cell.taught = accuracy);
        }
    }

    /// Keeps a checkpoint after so many updates, if a stage ends there.
    pub(super) fn keep(&self, distil: &Distil, updates: u32, lane: &mut Lane<'_>, workspace: &mut Workspace) {
        let Some(at) = distil.checkpoints.iter().position(|&end| end == updates) else { return };
        let parameters = lane.weights.len();
        lane.teachers[at * parameters..][..parameters].copy_from_slice(lane.weights);
        let number = (at + 1) as f64;
        match distil.teachers {
            Teachers::Best => {
                let accuracy = self.validate(lane.weights, lane.bill.test as u64, workspace);
                for (cell, accuracy) in lane.cells.iter_mut().zip(accuracy).filter(|(cell, new)| *new > cell.taught) {
                    (cell.teacher, cell.taught) = (number, accuracy);
                }
            }
            Teachers::Last => {
                lane.cells.iter_mut().filter(|cell| cell.share > 0.0).for_each(|cell| cell.teacher = number);
            }
        }
    }

    /// Before the first update from teachers: judges the policy and them, on the same problems, and lets Adam forget.
    pub(super) fn begin_distillation(&self, lane: &mut Lane<'_>, workspace: &mut Workspace) {
        let accuracy = self.judge(lane.weights, lane.bill.test as u64, workspace);
        lane.cells.iter_mut().zip(accuracy).for_each(|(cell, accuracy)| cell.undistilled = accuracy);
        let mut numbers: Vec<usize> = lane.cells.iter().map(|cell| cell.teacher as usize).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let accuracy = self.judge(self.teacher(lane.teachers, number), lane.bill.test as u64, workspace);
            let taught = lane.cells.iter_mut().zip(accuracy).filter(|(cell, _)| cell.teacher as usize == number);
            taught.for_each(|(cell, accuracy)| cell.of_teacher = accuracy);
        }
        lane.moments.iter_mut().for_each(|moments| moments.fill(0.0));
        if self.method.recovers() {
            asked::dismiss(&mut lane.memory[self.remembered()..]);
        }
    }
}
