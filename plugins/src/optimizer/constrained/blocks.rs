//! The learner behind all constrained optimisers: blocks of groups take turns, each on what the others do now.

use super::appraisal::{Appraisal, exact, sampled};
use super::differentiable::Decisions;
use super::learning::{Acts, Advantages, Learning, Reading};
use super::limits::{FLAT, Limits, Row};
use super::multipliers::{Multipliers, ascended, coefficients};
use super::window::Window;
use isonomy_engine::metrics::Returns;
use isonomy_engine::model::TabularModel;
use isonomy_engine::optimizer::{Learner, Setting};
use isonomy_engine::policy::{PolicyRef, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::run::of_returns;
use isonomy_engine::spec::Spec;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// A way to improve the policy of a block of groups.
pub(super) trait Method: Send {
    /// The policy after the block's turn; groups outside of the block stay as they are.
    fn improve(&self, turn: &Turn<'_>, prices: &mut Prices<'_>, report: &mut Report) -> TabularPolicy;

    /// What is to be reported by every update, whether it happened or not.
    fn reports(&self) -> &'static [&'static str];
}

/// What a method knows in a turn.
pub(super) struct Turn<'a> {
    /// Whose turn it is.
    pub(super) groups: &'a [usize],
    /// The policy of all groups.
    pub(super) policy: &'a TabularPolicy,
    /// What is known of it.
    pub(super) appraisal: &'a Appraisal,
    /// Tasks that the policy serves.
    tasks: Range<usize>,
    /// How much every task counts in the objective.
    weights: &'a [f64],
    /// What all groups earn in all tasks.
    pub(super) returns: &'a Returns,
    /// The rows at these returns that have a value and a slope.
    pub(super) rows: &'a [Row],
    limits: &'a Limits,
}

impl Turn<'_> {
    /// The cells of the block.
    pub(super) fn cells(&self) -> Vec<usize> {
        let steps = 0..self.policy.steps;
        let of_step = |step| self.groups.iter().map(move |&group| self.policy.cell(step, group, 0));
        steps.flat_map(of_step).flat_map(|first| first..first + self.policy.observations).collect()
    }

    /// The decisions of the block, as they are expected to be made.
    pub(super) fn decisions(&self) -> Decisions {
        Decisions::expected(self.policy, &self.cells(), &self.appraisal.visits)
    }

    /// Decisions in an episode of the block.
    pub(super) fn visits(&self) -> f64 {
        self.cells().iter().map(|&cell| self.appraisal.visits[cell]).sum()
    }

    /// The group whose policy an entry of the table is part of.
    fn group_of(&self, entry: usize) -> usize {
        entry / (self.policy.actions * self.policy.observations) % self.policy.groups
    }

    /// How much a row depends on what a group earns by this policy.
    fn slopes<'r>(&self, row: &'r Row, group: usize) -> &'r [f64] {
        let tasks = self.returns.tasks.len();
        &row.slopes[group * tasks..(group + 1) * tasks][self.tasks.clone()]
    }

    /// Whether the block can change a row.
    fn concerns(&self, row: &Row) -> bool {
        let depends = |&group: &usize| self.slopes(row, group).iter().any(|slope| slope.abs() > FLAT);
        row.defined() && self.groups.iter().any(depends)
    }

    /// The advantage by which an entry of the table changes a row.
    pub(super) fn advantage_in(&self, row: &Row, entry: usize) -> f64 {
        let slopes = self.slopes(row, self.group_of(entry));
        slopes.iter().zip(&self.appraisal.tasks[self.tasks.clone()]).map(|(slope, task)| slope * task[entry]).sum()
    }

    /// The advantages of an entry weighed by coefficients `[groups, tasks]`.
    pub(super) fn weighed(&self, coefficients: &[Vec<f64>], entry: usize) -> f64 {
        let own = &coefficients[self.group_of(entry)];
        let of_task = |task: usize| (own[task] - self.weights[task]) * self.appraisal.tasks[task][entry];
        self.appraisal.objective[entry] + self.tasks.clone().map(of_task).sum::<f64>()
    }

    /// Returns of another policy of the block, as far as the advantages of this one can tell.
    pub(super) fn foreseen(&self, policy: &TabularPolicy) -> Returns {
        let mut foreseen = self.returns.clone();
        let (actions, tasks) = (policy.actions, foreseen.tasks.len());
        for cell in self.cells() {
            let (chances, visits) = (policy.chances(cell), self.appraisal.visits[cell]);
            let group = self.group_of(cell * actions);
            for task in self.tasks.clone() {
                let advantages = &self.appraisal.tasks[task][cell * actions..][..actions];
                let gain: f64 = chances.iter().zip(advantages).map(|(p, a)| p * a).sum();
                foreseen.mean[group * tasks + task] += visits * gain;
            }
        }
        foreseen
    }

    /// The rows that the block can change.
    pub(super) fn concerned(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| self.concerns(row)).collect()
    }

    /// By how much that one of these rows is exceeded at other returns which is exceeded most.
    pub(super) fn worst(&self, returns: &Returns) -> f64 {
        let overruns = self.limits.overruns(returns).into_iter().zip(self.rows);
        let concerned = overruns.filter(|(_, row)| self.concerns(row));
        concerned.map(|(overrun, _)| overrun.value).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The multipliers of all groups, `[groups, rows]`.
pub(super) struct Prices<'a> {
    values: &'a mut [f64],
    units: &'a [f64],
}

impl Prices<'_> {
    /// Moves the multipliers of the block; returns how much each task counts then, `[groups]` of `[tasks]`.
    pub(super) fn ascend(
        &mut self,
        turn: &Turn<'_>,
        settings: &Multipliers,
        only_up: bool,
        report: &mut Report,
    ) -> Vec<Vec<f64>> {
        let rows = self.units.len();
        let mut weighed = vec![turn.weights.to_vec(); turn.policy.groups];
        for &group in turn.groups {
            let own = &mut self.values[group * rows..][..rows];
            for ((price, row), unit) in own.iter_mut().zip(turn.rows).zip(self.units) {
                let unit = if settings.raw { 1.0 } else { *unit };
                if row.defined() && turn.slopes(row, group).iter().any(|slope| slope.abs() > FLAT) {
                    *price = ascended(*price, settings.rate.get(), row.overrun / unit, settings.max.get());
                }
            }
            weighed[group] = coefficients(turn.weights, own, turn.rows, group);
            for c in &mut weighed[group][turn.tasks.clone()] {
                report.add("levelled_down", f64::from(u8::from(*c < 0.0)));
                *c = if only_up { c.max(0.0) } else { *c };
            }
        }
        weighed
    }
}

/// What an update is to tell, by name.
#[derive(Default)]
pub(super) struct Report(Vec<(String, f64)>);

impl Report {
    fn entry(&mut self, name: &str) -> &mut f64 {
        let at = self.0.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.0.push((name.to_owned(), 0.0));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// Adds to a number.
    pub(super) fn add(&mut self, name: &str, value: f64) {
        *self.entry(name) += value;
    }

    /// Keeps the largest of some numbers, none of which is below zero.
    pub(super) fn most(&mut self, name: &str, value: f64) {
        let entry = self.entry(name);
        *entry = entry.max(value);
    }
}

/// Everything that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    /// One policy, or one per task.
    tables: Vec<TabularPolicy>,
    acting: TabularPolicy,
    prices: Vec<f64>,
    turns: u64,
    window: Window,
}

pub(super) struct Blocks<M> {
    method: M,
    limits: Limits,
    learning: Learning,
    spec: Spec,
    model: Option<Arc<TabularModel>>,
    weights: Vec<f64>,
    units: Vec<f64>,
    names: Vec<String>,
    blocks: Vec<Vec<usize>>,
    state: State,
    /// Of every table, as it is now.
    appraisals: Vec<Appraisal>,
}

impl<M: Method + 'static> Blocks<M> {
    pub(super) fn begin(
        method: M,
        limits: &Limits,
        learning: &Learning,
        initial: f64,
        policy: TabularPolicy,
        setting: Setting,
    ) -> Result<Box<dyn Learner>, Problem> {
        let spec = setting.spec;
        learning.check_policy(&policy, &spec)?;
        let copies = if learning.reading == Reading::Shared { 1 } else { spec.tasks.len() };
        let names: Vec<String> = limits.overruns(&Returns::zero(&spec)).into_iter().map(|row| row.row).collect();
        Ok(Box::new(Blocks {
            weights: super::super::task_weights(&learning.weights, spec.tasks.len()),
            units: limits.units(&spec),
            blocks: learning.blocks(spec.groups.len()),
            appraisals: vec![Appraisal::empty(&policy, spec.tasks.len()); copies],
            state: State {
                tables: vec![policy.clone(); copies],
                acting: policy,
                prices: vec![initial; spec.groups.len() * names.len()],
                turns: 0,
                window: Window::new(learning.tail.get() as usize),
            },
            names,
            model: setting.model,
            limits: limits.clone(),
            learning: learning.clone(),
            method,
            spec,
        }))
    }

    /// The tasks that a table serves.
    fn tasks(&self, table: usize) -> Range<usize> {
        if self.state.tables.len() == 1 { 0..self.spec.tasks.len() } else { table..table + 1 }
    }

    /// What all groups earn, each task by the table that serves it.
    fn returns(&self) -> Returns {
        let mut returns = Returns::zero(&self.spec);
        for (table, appraisal) in self.appraisals.iter().enumerate() {
            for group in 0..self.spec.groups.len() {
                let own = group * self.spec.tasks.len();
                let tasks = own + self.tasks(table).start..own + self.tasks(table).end;
                returns.mean[tasks.clone()].copy_from_slice(&appraisal.returns[tasks]);
            }
        }
        returns
    }

    /// Computes again what a table's groups earn.
    fn appraise(&mut self, table: usize, groups: &[usize]) {
        let model = self.model.as_ref().expect("a scenario without a model is refused before");
        let served = self.tasks(table);
        let weights: Vec<f64> =
            self.weights.iter().enumerate().map(|(m, w)| if served.contains(&m) { *w } else { 0.0 }).collect();
        let policy = &self.state.tables[table];
        for &group in groups {
            let discount = self.learning.discount.map(|discount| discount.get());
            let steps = exact(model, policy, group, discount, &weights);
            self.appraisals[table].fill(policy, group, &steps);
        }
    }

    /// Gives a block its turn with one of the tables.
    fn turn(&mut self, block: usize, table: usize, report: &mut Report) {
        let returns = self.returns();
        let rows = self.limits.rows(&returns);
        report.add("undefined_rows", rows.iter().filter(|row| !row.defined()).count() as f64);
        let tasks = self.tasks(table);
        let turn = Turn {
            groups: &self.blocks[block],
            policy: &self.state.tables[table],
            appraisal: &self.appraisals[table],
            tasks,
            weights: &self.weights,
            returns: &returns,
            rows: &rows,
            limits: &self.limits,
        };
        let mut prices = Prices { values: &mut self.state.prices, units: &self.units };
        let policy = self.method.improve(&turn, &mut prices, report);
        self.state.tables[table] = policy;
    }

    /// Every block in turn, on exact returns.
    fn sweep(&mut self, report: &mut Report) {
        let everyone: Vec<usize> = (0..self.spec.groups.len()).collect();
        for table in 0..self.state.tables.len() {
            self.appraise(table, &everyone);
        }
        for block in 0..self.blocks.len() {
            for table in 0..self.state.tables.len() {
                self.turn(block, table, report);
                self.appraise(table, &self.blocks[block].clone());
            }
        }
    }

    /// The next block's turn, on what a rollout shows; whether it shows anything.
    fn learn(&mut self, rollout: &Rollout, report: &mut Report) -> bool {
        let Some(groups) = sampled(rollout, &self.spec, &self.weights) else { return false };
        for (group, steps) in groups.iter().enumerate() {
            self.appraisals[0].fill(&self.state.tables[0], group, steps);
        }
        self.turn((self.state.turns % self.blocks.len() as u64) as usize, 0, report);
        true
    }

    /// How often every decision of every table is made; of no table where nobody mixes.
    fn occupancies(&self) -> Vec<Vec<f64>> {
        let of = |(policy, appraisal): (&TabularPolicy, &Appraisal)| -> Vec<f64> {
            let of_cell = |cell: usize| policy.chances(cell).into_iter().map(move |p| (cell, p));
            (0..policy.cells()).flat_map(of_cell).map(|(cell, chance)| appraisal.visits[cell] * chance).collect()
        };
        let mixes = self.learning.acts == Acts::Mixture;
        self.state.tables.iter().zip(&self.appraisals).filter(|_| mixes).map(of).collect()
    }

    fn acting(&self) -> TabularPolicy {
        let table = match self.learning.reading {
            Reading::Shared => 0,
            Reading::PerTask(task) => task as usize,
        };
        match self.learning.acts {
            Acts::Newest => self.state.tables[table].clone(),
            Acts::Mixture => self.state.window.mixture(table, &self.state.tables[table]),
        }
    }

    /// Returns of the newest policies and of the last ones on average, and the multipliers, the largest of a row's copies.
    fn tell(&self, returns: &Returns, report: Report) -> Vec<(String, f64)> {
        let mut told = report.0;
        told.extend(of_returns("newest.", returns).into_iter().filter(|(name, _)| !name.contains(".groups.")));
        let mean = self.state.window.mean().unwrap_or_else(|| returns.mean.clone());
        told.extend(of_returns("tail.", &Returns { mean, ..returns.clone() }));
        let copies = |row: usize| self.state.prices.iter().skip(row).step_by(self.names.len());
        let largest = |row: usize| copies(row).copied().fold(0.0, f64::max);
        told.extend(self.names.iter().enumerate().map(|(row, name)| (format!("multiplier.{name}"), largest(row))));
        told
    }
}

impl<M: Method + 'static> Learner for Blocks<M> {
    fn policy(&self) -> PolicyRef<'_> {
        (&self.state.acting).into()
    }

    fn update(&mut self, rollout: &Rollout) -> Vec<(String, f64)> {
        let mut report = Report::default();
        self.method.reports().iter().chain(&["undefined_rows"]).for_each(|name| report.add(name, 0.0));
        let learned = match self.learning.advantages {
            Advantages::Exact => {
                self.sweep(&mut report);
                true
            }
            Advantages::Sampled => self.learn(rollout, &mut report),
        };
        let returns = self.returns();
        if learned {
            self.state.turns += 1;
            self.state.window.push(returns.mean.clone(), self.occupancies());
            self.state.acting = self.acting();
        }
        self.tell(&returns, report)
    }

    fn snapshot(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.state).expect("a vector takes all bytes")
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), postcard::Error> {
        let state: State = postcard::from_bytes(snapshot)?;
        let shape = |state: &State| {
            let of = |policy: &TabularPolicy| {
                (policy.steps, policy.groups, policy.observations, policy.actions, policy.logits.len())
            };
            (state.tables.iter().map(of).collect::<Vec<_>>(), of(&state.acting), state.prices.len())
        };
        if shape(&state) != shape(&self.state) {
            return Err(postcard::Error::DeserializeBadEncoding);
        }
        self.state = state;
        Ok(())
    }
}
