//! How training runs move.

use super::batch::Source;
use super::measures::Exam;
use super::update::{Method, Workspace};
use super::warm::Plan;
use super::{MOST_SEEN, ReasoningTasks, SEEN, checkpoint, judge, measures};
use isonomy_engine::columns;
use isonomy_engine::curriculum::Sampler;
use isonomy_engine::lanes::{At, LaneDynamics, Shared, View};
use isonomy_engine::reexport::bevy_ecs::prelude::Component;
use isonomy_engine::reexport::bytemuck::{self, Pod, Zeroable};
use isonomy_envs::reasoning::tasks::MOST_TOKENS;
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::OnceLock;

columns! {
    /// A parameter of the decoder.
    Weight(f32);
    /// The mean of its gradients.
    Mean(f32);
    /// The mean of their squares.
    Square(f32);
    /// A number that the curriculum or the weights remember of a domain.
    Memory(f64);
}

/// What changes of a domain at a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Component, Pod, Zeroable)]
#[bytemuck(crate = "::isonomy_engine::reexport::bytemuck")]
#[repr(C)]
pub struct Cell {
    /// Accuracy on test problems before the first update.
    pub before: f64,
    /// Accuracy on them after the last one.
    pub after: f64,
    /// Average pass rate, as far as those who share out training know it.
    pub accuracy: f64,
    /// The best of these averages.
    pub best: f64,
    /// Share of the prompts in the last update.
    pub share: f64,
    /// Factor on advantages in the last update.
    pub weight: f64,
    /// Share of groups in the last update whose responses all passed or all failed.
    pub silent: f64,
    /// Mean entropy of the policy at a token, in the last update.
    pub entropy: f64,
    /// Mean tokens of a response in the last update.
    pub length: f64,
}

/// What is counted of a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Component, Pod, Zeroable)]
#[bytemuck(crate = "::isonomy_engine::reexport::bytemuck")]
#[repr(C)]
pub struct Bill {
    /// The first of the lane's test problems.
    pub test: f64,
    /// Updates.
    pub updates: f64,
    /// Responses that were generated to learn from.
    pub generated: f64,
    /// Their tokens.
    pub tokens: f64,
    /// Factors on advantages that would have been below 0.
    pub negative_weights: f64,
    /// Accuracies that were too small for a welfare function.
    pub floored: f64,
}

/// The state of one lane.
pub(super) struct Lane<'a> {
    pub(super) weights: &'a mut [f32],
    pub(super) moments: [&'a mut [f32]; 2],
    pub(super) cells: &'a mut [Cell],
    /// What sampler and weights remember, the sampler's first.
    pub(super) memory: &'a mut [f64],
    pub(super) bill: &'a mut Bill,
}

/// What stays as it is.
pub(super) struct Training {
    pub(super) plan: Plan,
    pub(super) sources: Vec<Source>,
    pub(super) share: Vec<f64>,
    pub(super) sampler: Box<dyn Sampler>,
    pub(super) method: Method,
    pub(super) prompts: usize,
    pub(super) responses: usize,
    pub(super) turns: usize,
    steps: u32,
    decay: bool,
    judged: u32,
    names: Vec<String>,
    exams: Vec<Exam>,
    kept: Option<PathBuf>,
    warm: OnceLock<Vec<f32>>,
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

impl Training {
    pub(super) fn new(tasks: &ReasoningTasks) -> Self {
        let sources: Vec<Source> = tasks.domains.iter().map(Source::new).collect();
        let names: Vec<String> = tasks.domains.iter().map(|domain| domain.name()).collect();
        let named: Vec<&str> = names.iter().map(String::as_str).collect();
        Training {
            plan: Plan::new(tasks),
            exams: sources
                .iter()
                .map(|source| Exam { majority: source.majority(), held_out: source.held_out() })
                .collect(),
            sources,
            share: tasks.domains.iter().map(|domain| domain.share.get()).collect(),
            sampler: tasks.sampling.begin(&named),
            method: Method::new(tasks),
            prompts: tasks.prompts.get() as usize,
            responses: tasks.responses.get() as usize,
            turns: tasks.turns.get() as usize,
            steps: tasks.steps.get(),
            decay: tasks.decay,
            judged: tasks.judged.get(),
            kept: tasks.checkpoint.as_ref().map(PathBuf::from),
            warm: OnceLock::new(),
            names,
        }
    }

    /// Numbers per domain that the sampler and the weights remember.
    pub(super) fn memory(&self) -> [usize; 2] {
        [self.sampler.memory(), self.method.weights.as_ref().map_or(0, |weights| weights.memory())]
    }

    /// The parameters from which all lanes start: read or made once, by whoever needs them first.
    pub(super) fn warm(&self) -> &[f32] {
        self.warm.get_or_init(|| {
            let (plan, parameters) = (&self.plan, self.plan.layout.parameters());
            // A file that does not fit was refused when the scenario was checked.
            let known =
                self.kept.as_ref().and_then(|path| checkpoint::read(path, plan.hash, parameters).ok().flatten());
            known.unwrap_or_else(|| {
                let made = plan.make(|_| {});
                if let Some(path) = &self.kept
                    && let Err(error) = checkpoint::write(path, plan.hash, &made)
                {
                    eprintln!("the warm start is not kept: {}: {error}", path.display());
                }
                made
            })
        })
    }

    /// Prepares a lane whose test problems begin at `test`. The warm start waits until the first update: who only looks at a
    /// scenario does not want to pay for it.
    pub(super) fn begin(&self, lane: &mut Lane<'_>, test: f64) {
        lane.weights.fill(0.0);
        lane.moments.iter_mut().for_each(|moments| moments.fill(0.0));
        for (cell, share) in lane.cells.iter_mut().zip(&self.share) {
            *cell = Cell { share: *share, weight: 1.0, ..Cell::default() };
        }
        lane.memory.fill(0.0);
        let (sampler, rest) = lane.memory.split_at_mut(self.memory()[0] * self.sources.len());
        self.sampler.start(sampler);
        if let Some(weights) = &self.method.weights {
            weights.start(&mut rest[..self.memory()[1] * self.sources.len()]);
        }
        *lane.bill = Bill { test, ..Bill::default() };
    }

    /// The part of the largest step size that is due: it rises in the first twentieth of the steps, and then stays or falls in a
    /// line.
    pub(super) fn due(&self, elapsed: u32) -> f64 {
        let (done, steps) = (f64::from(elapsed), f64::from(self.steps));
        let rise = ((done + 1.0) / (steps / 20.0).ceil()).min(1.0);
        if self.decay { rise * (steps - done) / steps } else { rise }
    }

    /// The accuracy of every domain on the lane's test problems.
    fn judge(&self, lane: &Lane<'_>, workspace: &mut Workspace) -> Vec<f64> {
        let first = lane.bill.test as u64;
        let of = |source: &Source| {
            let Workspace { decoding, turns, .. } = &mut *workspace;
            let policy = (&self.plan.layout, &*lane.weights);
            judge::accuracy(source, policy, (first, self.judged), self.turns, decoding, turns)
        };
        self.sources.iter().map(of).collect()
    }
}

/// The columns of a lane as what training works on.
fn lane<'a>((weights, mean, square, cells, memory, bill): View<'a, Training>) -> Lane<'a> {
    Lane {
        weights: bytemuck::cast_slice_mut(weights),
        moments: [bytemuck::cast_slice_mut(mean), bytemuck::cast_slice_mut(square)],
        cells,
        memory: bytemuck::cast_slice_mut(memory),
        bill: &mut bill[0],
    }
}

impl LaneDynamics for Training {
    type State = (Weight, Mean, Square, Cell, Memory, Bill);

    fn counts(&self) -> Vec<usize> {
        let (parameters, cells) = (self.plan.layout.parameters(), self.sources.len());
        let [sampler, weights] = self.memory();
        // A column has at least a row.
        vec![parameters, parameters, parameters, cells, (cells * (sampler + weights)).max(1), 1]
    }

    /// A word for the domain of every prompt, one for its problem, one for every token of a response in every turn.
    fn draws(&self) -> usize {
        self.prompts * (2 + self.turns * self.responses * MOST_TOKENS)
    }

    fn start_draws(&self) -> usize {
        1
    }

    fn start(&self, at: At<'_>, state: View<'_, Self>) {
        self.begin(&mut lane(state), f64::from(at.words[0]) * 65_536.0);
    }

    fn observe(&self, _at: At<'_>, (_, _, _, cells, _, _): Shared<'_, Self>, features: &mut [f32]) {
        for (seen, cell) in features.chunks_exact_mut(SEEN as usize).zip(cells) {
            let all = [cell.accuracy, cell.share, cell.entropy, cell.length / MOST_TOKENS as f64, cell.silent];
            seen.copy_from_slice(&all.map(|value| (value as f32).clamp(0.0, MOST_SEEN)));
        }
    }

    fn step(&self, at: At<'_>, _action: &[u32], state: View<'_, Self>, reward: &mut [f32]) {
        let mut lane = lane(state);
        reward.fill(0.0);
        let (before, gain) = reward.split_at_mut(self.sources.len());
        WORKSPACE.with_borrow_mut(|workspace| {
            if at.elapsed == 0 {
                lane.weights.copy_from_slice(self.warm());
                let accuracy = self.judge(&lane, workspace);
                for ((cell, reward), accuracy) in lane.cells.iter_mut().zip(before).zip(accuracy) {
                    (cell.before, cell.accuracy, cell.best) = (accuracy, accuracy, accuracy);
                    *reward = accuracy as f32;
                }
            }
            self.update(&mut lane, at, self.due(at.elapsed), workspace);
            if at.elapsed + 1 == self.steps {
                let accuracy = self.judge(&lane, workspace);
                for ((cell, reward), accuracy) in lane.cells.iter_mut().zip(gain).zip(accuracy) {
                    cell.after = accuracy;
                    *reward = (cell.after - cell.before) as f32;
                }
            }
        });
    }

    fn measures(&self) -> Vec<String> {
        measures::names(&self.names, &self.exams)
    }

    fn work(&self) -> Option<&str> {
        Some("tokens")
    }

    fn uncertain(&self) -> Vec<String> {
        measures::uncertain(&self.exams)
    }

    fn measure(&self, (_, _, _, cells, _, bill): Shared<'_, Self>, out: &mut [f64]) {
        measures::measure(cells, &self.exams, &bill[0], out);
    }
}
