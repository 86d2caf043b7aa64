//! What a learner has seen: how often each action led where, and what it paid.

use super::chain::Chain;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::Spec;
use serde::{Deserialize, Serialize};

/// Counts of transitions per group, for each step of the episode or for all steps together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    shape: Shape,
    /// `[groups, steps, states, actions, states]`.
    moves: Vec<u32>,
    /// `[groups, steps, states, actions]`.
    visits: Vec<u32>,
    /// Visits from which on a cell has doubled since it was last planned with, of the same shape.
    due: Vec<u32>,
    /// What was paid, summed, `[groups, states, actions, tasks]`.
    paid: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Shape {
    groups: usize,
    tasks: usize,
    states: usize,
    actions: usize,
    horizon: usize,
    steps: usize,
}

impl Counts {
    /// Nothing seen yet. `per_step`: whether dynamics may differ from step to step.
    pub fn new(spec: &Spec, per_step: bool) -> Counts {
        let (states, actions) = (spec.observation.count() as usize, spec.action.count() as usize);
        let horizon = spec.time_limit as usize;
        let steps = if per_step { horizon } else { 1 };
        let (groups, tasks) = (spec.groups.len(), spec.tasks.len());
        let cells = groups * steps * states * actions;
        Counts {
            shape: Shape { groups, tasks, states, actions, horizon, steps },
            moves: vec![0; cells * states],
            visits: vec![0; cells],
            due: vec![1; cells],
            paid: vec![0.0; groups * states * actions * tasks],
        }
    }

    /// Whether two counts are of the same environment and kind.
    pub(super) fn like(&self, other: &Counts) -> bool {
        let lengths = |counts: &Counts| [counts.moves.len(), counts.visits.len(), counts.due.len(), counts.paid.len()];
        self.shape == other.shape && lengths(self) == lengths(other)
    }

    /// Where `(group, step, state, action)` stands.
    fn cell(&self, group: usize, step: usize, state: usize, action: usize) -> usize {
        let step = if self.shape.steps == 1 { 0 } else { step };
        ((group * self.shape.steps + step) * self.shape.states + state) * self.shape.actions + action
    }

    /// Counts a transition; true where its cell has doubled.
    pub fn saw(&mut self, group: usize, step: usize, state: usize, action: usize, next: usize) -> bool {
        let cell = self.cell(group, step, state, action);
        self.moves[cell * self.shape.states + next] += 1;
        self.visits[cell] += 1;
        self.visits[cell] >= self.due[cell]
    }

    /// Counts a whole rollout; true where some cell has doubled since it was last planned with.
    pub fn watch(&mut self, rollout: &Rollout, agent_groups: &[u32]) -> bool {
        let (rows, tasks) = (rollout.rows(), self.shape.tasks);
        let (mut doubled, mut ended) = (false, 0);
        for t in 0..rollout.horizon {
            let step = rollout.elapsed(t) as usize;
            let (after, from) = if rollout.truncated(t) {
                ended += 1;
                (&rollout.final_observation, (ended - 1) * rows)
            } else if t + 1 < rollout.horizon {
                (&rollout.observation, (t + 1) * rows)
            } else {
                (&rollout.next_observation, 0)
            };
            for (row, group) in (0..rows).zip(agent_groups.iter().cycle()) {
                let group = *group as usize;
                let state = rollout.observation.get(t * rows + row) as usize;
                let action = rollout.action.get(t * rows + row) as usize;
                doubled |= self.saw(group, step, state, action, after.get(from + row) as usize);
                let cell = (group * self.shape.states + state) * self.shape.actions + action;
                for task in 0..tasks {
                    let reward = rollout.reward[(t * tasks + task) * rows + row];
                    self.paid[cell * tasks + task] += f64::from(reward);
                }
            }
        }
        doubled
    }

    /// From now on a cell has doubled when it was visited twice as often as now.
    pub fn planned(&mut self) {
        for (due, visits) in self.due.iter_mut().zip(&self.visits) {
            *due = (2 * visits).max(1);
        }
    }

    /// Entries of the clock that are told apart: 1, or the horizon.
    pub fn steps(&self) -> usize {
        self.shape.steps
    }

    /// How often a cell was visited.
    pub fn visits(&self, group: usize, step: usize, state: usize, action: usize) -> u32 {
        self.visits[self.cell(group, step, state, action)]
    }

    /// The dynamics as they seem: the shares of what was seen; all states alike where nothing was.
    pub fn chain(&self, group: usize, start: &[f64]) -> Chain {
        let Shape { states, actions, horizon, steps, .. } = self.shape;
        let first = self.cell(group, 0, 0, 0);
        let cells = steps * states * actions;
        let mut chances = Vec::with_capacity(cells * states);
        for cell in first..first + cells {
            let visits = f64::from(self.visits[cell]);
            let seen = &self.moves[cell * states..][..states];
            let share = |&count: &u32| if visits > 0.0 { f64::from(count) / visits } else { 1.0 / states as f64 };
            chances.extend(seen.iter().map(share));
        }
        Chain::new((states, actions, horizon), start, chances.chunks_exact(states))
    }

    /// The reward as it seems: the mean of what was paid; 0 where nothing was.
    pub fn reward(&self, group: usize, task: usize, state: usize, action: usize) -> f64 {
        let visits: u32 = (0..self.shape.steps).map(|step| self.visits(group, step, state, action)).sum();
        let cell = (group * self.shape.states + state) * self.shape.actions + action;
        self.paid[cell * self.shape.tasks + task] / f64::from(visits.max(1))
    }
}
