//! How training runs move.

use super::asked::Sizes;
use super::batch::Source;
use super::distillation::Distil;
use super::measures::Exam;
use super::update::{Method, Workspace};
use super::warm::Plan;
use super::{MOST_SEEN, ReasoningTasks, SEEN, asked, checkpoint, judge, measures};
use isonomy_engine::columns;
use isonomy_engine::curriculum::Sampler;
use isonomy_engine::lanes::{At, LaneDynamics, Shared, View};
use isonomy_engine::reexport::bevy_ecs::prelude::Component;
use isonomy_engine::reexport::bytemuck::{self, Pod, Zeroable};
use isonomy_envs::reasoning::tasks::{MOST_TOKENS, Problem};
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
    /// A parameter of a checkpoint that teaches.
    Teacher(f32);
    /// A number that the curriculum or the weights remember of a domain, or that is known of a group that waits.
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
    /// The checkpoint that teaches it: the number of the stage that ended with it, 0 for the warm start.
    pub teacher: f64,
    /// The accuracy by which that one was chosen.
    pub taught: f64,
    /// Its accuracy on test problems.
    pub of_teacher: f64,
    /// The policy's when distillation began.
    pub undistilled: f64,
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
    /// Checkpoint by checkpoint.
    pub(super) teachers: &'a mut [f32],
    pub(super) cells: &'a mut [Cell],
    /// What samplers and weights remember: that of rewards, that of distillation, the weights. Then who waits.
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
    pub(super) rounds: usize,
    pub(super) distil: Option<Distil>,
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
        let sampler = tasks.sampling.begin(&named);
        Training {
            distil: Distil::new(tasks, &*sampler),
            plan: Plan::new(tasks),
            exams: sources
                .iter()
                .map(|source| Exam { majority: source.majority(), held_out: source.held_out() })
                .collect(),
            sources,
            share: tasks.domains.iter().map(|domain| domain.share.get()).collect(),
            sampler,
            method: Method::new(tasks),
            prompts: tasks.prompts.get() as usize,
            responses: tasks.responses.get() as usize,
            turns: tasks.turns.get() as usize,
            rounds: tasks.rounds.get() as usize,
            steps: tasks.steps.get(),
            decay: tasks.decay,
            judged: tasks.judged.get(),
            kept: tasks.checkpoint.as_ref().map(PathBuf::from),
            warm: OnceLock::new(),
            names,
        }
    }

    /// Numbers per domain that the sampler, that of distillation and the weights remember.
    fn memory(&self) -> [usize; 3] {
        let of_distillation = self.distil.as_ref().map_or(0, |distil| distil.sampler.memory());
        let of_weights = self.method.weights.as_ref().map_or(0, |weights| weights.memory());
        [self.sampler.memory(), of_distillation, of_weights]
    }

    /// Numbers that are remembered of all domains; those of groups that wait come behind.
    pub(super) fn remembered(&self) -> usize {
        self.sources.len() * self.memory().iter().sum::<usize>()
    }

    /// How much is asked at once.
    pub(super) fn sizes(&self) -> Sizes {
        Sizes { prompts: self.prompts, responses: self.responses, turns: self.turns }
    }

    /// Rows of every column of a lane.
    pub(super) fn rows(&self) -> [usize; 7] {
        let (parameters, cells) = (self.plan.layout.parameters(), self.sources.len());
        let checkpoints = self.distil.as_ref().map_or(0, |distil| distil.checkpoints.len());
        let waiting = if self.method.recovers() { self.sizes().room() } else { 0 };
        let rows =
            [parameters, parameters, parameters, checkpoints * parameters, cells, self.remembered() + waiting, 1];
        // A column has at least a row.
        rows.map(|rows| rows.max(1))
    }

    /// What the sampler of these updates remembers, the sampler, and what the weights remember.
    pub(super) fn shares<'a>(
        &'a self,
        elapsed: u32,
        memory: &'a mut [f64],
    ) -> (&'a dyn Sampler, &'a mut [f64], &'a mut [f64]) {
        let [first, second, weights] = self.memory().map(|numbers| numbers * self.sources.len());
        let (of_first, rest) = memory.split_at_mut(first);
        let (of_second, rest) = rest.split_at_mut(second);
        let of_weights = &mut rest[..weights];
        match self.distilling(elapsed) {
            Some(distil) => (&*distil.sampler, of_second, of_weights),
            None => (&*self.sampler, of_first, of_weights),
        }
    }

    /// Distillation, where it is what is done after so many updates.
    pub(super) fn distilling(&self, elapsed: u32) -> Option<&Distil> {
        self.distil.as_ref().filter(|distil| elapsed >= distil.begins)
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

    /// Words of noise of a round.
    pub(super) fn draws_of_round(&self) -> usize {
        self.prompts * (2 + self.turns * self.responses * MOST_TOKENS)
    }

    /// Prepares a lane whose test problems begin at `test`. The warm start waits until the first update: who only looks at a
    /// scenario does not want to pay for it.
    pub(super) fn begin(&self, lane: &mut Lane<'_>, test: f64) {
        lane.weights.fill(0.0);
        lane.moments.iter_mut().for_each(|moments| moments.fill(0.0));
        for (cell, share) in lane.cells.iter_mut().zip(&self.share) {
            *cell = Cell { share: *share, weight: 1.0, ..Cell::default() };
        }
        lane.teachers.fill(0.0);
        lane.memory.fill(0.0);
        for first in [0].into_iter().chain(self.distil.as_ref().map(|distil| distil.begins)) {
            let (sampler, of_sampler, _) = self.shares(first, lane.memory);
            sampler.start(of_sampler);
        }
        if let Some(weights) = &self.method.weights {
            weights.start(self.shares(0, lane.memory).2);
        }
        *lane.bill = Bill { test, ..Bill::default() };
    }

    /// The part of the largest step size that is due: it rises in the first twentieth of the steps, and then stays or falls in a
    /// line. Distillation begins anew.
    pub(super) fn due(&self, elapsed: u32) -> f64 {
        let (from, to) = match (&self.distil, self.distilling(elapsed)) {
            (_, Some(distil)) => (distil.begins, self.steps),
            (Some(distil), None) => (0, distil.begins),
            (None, None) => (0, self.steps),
        };
        let (done, steps) = (f64::from(elapsed - from), f64::from(to - from));
        let rise = ((done + 1.0) / (steps / 20.0).ceil()).min(1.0);
        if self.decay { rise * (steps - done) / steps } else { rise }
    }

    /// The accuracy of a policy in every domain on test problems from the first on.
    pub(super) fn judge(&self, weights: &[f32], first: u64, workspace: &mut Workspace) -> Vec<f64> {
        self.accuracies(weights, first, Source::judging, workspace)
    }

    /// The same on problems by which checkpoints are compared.
    pub(super) fn validate(&self, weights: &[f32], first: u64, workspace: &mut Workspace) -> Vec<f64> {
        self.accuracies(weights, first, Source::choosing, workspace)
    }

    fn accuracies(
        &self,
        weights: &[f32],
        first: u64,
        problem: impl Fn(&Source, u64) -> Problem,
        workspace: &mut Workspace,
    ) -> Vec<f64> {
        let of = |source: &Source| {
            let Workspace { decoding, fresh, .. } = &mut *workspace;
            let (policy, own) = ((&self.plan.layout, weights), |index: u64| problem(source, index));
            judge::accuracy(source, own, policy, (first, self.judged), self.turns, decoding, &mut fresh.turns)
        };
        self.sources.iter().map(of).collect()
    }

    /// Makes an update, and judges before the first and after the last. Rewards, all 0, get what domains earn.
    pub(super) fn advance(&self, lane: &mut Lane<'_>, at: At<'_>, reward: &mut [f32], workspace: &mut Workspace) {
        let (before, gain) = reward.split_at_mut(self.sources.len());
        if at.elapsed == 0 {
            lane.weights.copy_from_slice(self.warm());
            let accuracy = self.judge(lane.weights, lane.bill.test as u64, workspace);
            for ((cell, reward), accuracy) in lane.cells.iter_mut().zip(before).zip(accuracy) {
                (cell.before, cell.accuracy, cell.best) = (accuracy, accuracy, accuracy);
                *reward = accuracy as f32;
            }
            if let Some(distil) = &self.distil {
                self.first_teacher(distil, lane, workspace);
            }
        }
        if self.distil.as_ref().is_some_and(|distil| distil.begins == at.elapsed) {
            self.begin_distillation(lane, workspace);
        }
        self.update(lane, at, self.due(at.elapsed), workspace);
        if let Some(distil) = &self.distil {
            self.keep(distil, at.elapsed + 1, lane, workspace);
        }
        if at.elapsed + 1 == self.steps {
            let accuracy = self.judge(lane.weights, lane.bill.test as u64, workspace);
            for ((cell, reward), accuracy) in lane.cells.iter_mut().zip(gain).zip(accuracy) {
                cell.after = accuracy;
                *reward = (cell.after - cell.before) as f32;
            }
        }
    }
}

/// The columns of a lane as what training works on.
fn lane<'a>((weights, mean, square, teachers, cells, memory, bill): View<'a, Training>) -> Lane<'a> {
    Lane {
        weights: bytemuck::cast_slice_mut(weights),
        moments: [bytemuck::cast_slice_mut(mean), bytemuck::cast_slice_mut(square)],
        teachers: bytemuck::cast_slice_mut(teachers),
        cells,
        memory: bytemuck::cast_slice_mut(memory),
        bill: &mut bill[0],
    }
}

impl LaneDynamics for Training {
    type State = (Weight, Mean, Square, Teacher, Cell, Memory, Bill);

    fn counts(&self) -> Vec<usize> {
        self.rows().to_vec()
    }

    /// In every round a word for the domain of every prompt, one for its problem, one for every token of a response in every turn;
    /// and one for who waits.
    fn draws(&self) -> usize {
        self.rounds * self.draws_of_round() + usize::from(self.method.recovers())
    }

    fn start_draws(&self) -> usize {
        1
    }

    fn start(&self, at: At<'_>, state: View<'_, Self>) {
        self.begin(&mut lane(state), f64::from(at.words[0]) * 65_536.0);
    }

    fn observe(&self, _at: At<'_>, (_, _, _, _, cells, _, _): Shared<'_, Self>, features: &mut [f32]) {
        for (seen, cell) in features.chunks_exact_mut(SEEN as usize).zip(cells) {
            let all = [cell.accuracy, cell.share, cell.entropy, cell.length / MOST_TOKENS as f64, cell.silent];
            seen.copy_from_slice(&all.map(|value| (value as f32).clamp(0.0, MOST_SEEN)));
        }
    }

    fn step(&self, at: At<'_>, _action: &[u32], state: View<'_, Self>, reward: &mut [f32]) {
        reward.fill(0.0);
        WORKSPACE.with_borrow_mut(|workspace| self.advance(&mut lane(state), at, reward, workspace));
    }

    fn measures(&self) -> Vec<String> {
        let mut names = measures::names(&self.names, &self.exams);
        if self.distil.is_some() {
            names.extend(measures::of_distillation(&self.names));
        }
        names.extend(self.method.recovers().then(|| "recovered".to_owned()));
        names
    }

    fn work(&self) -> Option<&str> {
        Some("tokens")
    }

    fn uncertain(&self) -> Vec<String> {
        let mut names = measures::uncertain(&self.exams);
        if self.distil.is_some() {
            names.extend(measures::of_distillation(&self.names));
        }
        names
    }

    fn measure(&self, (_, _, _, _, cells, memory, bill): Shared<'_, Self>, out: &mut [f64]) {
        let (own, out) = out.split_at_mut(measures::names(&self.names, &self.exams).len());
        measures::measure(cells, &self.exams, &bill[0], own);
        let distilled = self.distil.as_ref().map_or(0, |_| measures::of_distillation(&self.names).len());
        let (of_distillation, recovered) = out.split_at_mut(distilled);
        if self.distil.is_some() {
            measures::measure_distillation(cells, of_distillation);
        }
        if let [recovered] = recovered {
            let memory: &[f64] = bytemuck::cast_slice(memory);
            *recovered = asked::recovered(&memory[self.remembered()..]);
        }
    }
}
