//! The world as tables: exact evaluation and planning for environments that are finite.

use crate::metrics::Returns;
use crate::policy::TabularPolicy;
use crate::spec::Spec;

/// Finite-horizon group MDPs with common states and actions. Every group has its own start distribution, chances and
/// expected rewards.
#[derive(Clone, Debug, PartialEq)]
pub struct TabularModel {
    /// Groups.
    pub groups: usize,
    /// Tasks.
    pub tasks: usize,
    /// States.
    pub states: usize,
    /// Actions.
    pub actions: usize,
    /// Steps in an episode.
    pub horizon: usize,
    /// Chance of starting in a state, `[groups, states]`.
    pub start: Vec<f64>,
    /// Chance of the next state, `[groups, states, actions, states]`.
    pub next: Vec<f64>,
    /// Expected reward, `[groups, tasks, states, actions]`.
    pub reward: Vec<f64>,
}

impl TabularModel {
    /// A model of the spec's shape in which nothing moves and nothing pays.
    pub fn still(spec: &Spec) -> Self {
        let (groups, tasks) = (spec.groups.len(), spec.tasks.len());
        let (states, actions) = (spec.observation.count() as usize, spec.action.count() as usize);
        TabularModel {
            groups,
            tasks,
            states,
            actions,
            horizon: spec.time_limit as usize,
            start: vec![0.0; groups * states],
            next: vec![0.0; groups * states * actions * states],
            reward: vec![0.0; groups * tasks * states * actions],
        }
    }

    /// Chances of the next state, `[states]`.
    pub fn next(&self, group: usize, state: usize, action: usize) -> &[f64] {
        let row = (group * self.states + state) * self.actions + action;
        &self.next[row * self.states..][..self.states]
    }

    /// The same, to be written.
    pub fn next_mut(&mut self, group: usize, state: usize, action: usize) -> &mut [f64] {
        let row = (group * self.states + state) * self.actions + action;
        &mut self.next[row * self.states..][..self.states]
    }

    /// Expected reward.
    pub fn reward(&self, group: usize, task: usize, state: usize, action: usize) -> f64 {
        self.reward[((group * self.tasks + task) * self.states + state) * self.actions + action]
    }

    /// The same, to be written.
    pub fn reward_mut(&mut self, group: usize, task: usize, state: usize, action: usize) -> &mut f64 {
        &mut self.reward[((group * self.tasks + task) * self.states + state) * self.actions + action]
    }

    /// Start distribution of a group, `[states]`.
    pub fn start(&self, group: usize) -> &[f64] {
        &self.start[group * self.states..][..self.states]
    }

    /// The same, to be written.
    pub fn start_mut(&mut self, group: usize) -> &mut [f64] {
        &mut self.start[group * self.states..][..self.states]
    }

    /// The expected returns of a policy, exactly: one backward induction per group and task.
    pub fn evaluate(&self, spec: &Spec, policy: &TabularPolicy) -> Returns {
        let mut returns = Returns::zero(spec);
        let chances: Vec<Vec<f64>> = (0..policy.cells()).map(|cell| policy.chances(cell)).collect();
        for group in 0..self.groups {
            for task in 0..self.tasks {
                let mut value = vec![0.0; self.states];
                for step in (0..self.horizon).rev() {
                    let ahead = |state: usize| -> f64 {
                        let act = &chances[policy.cell(step, group, state)];
                        act.iter().enumerate().map(|(a, p)| p * self.ahead(group, task, state, a, &value)).sum()
                    };
                    value = (0..self.states).map(ahead).collect();
                }
                returns.mean[group * self.tasks + task] = dot(self.start(group), &value);
            }
        }
        returns
    }

    fn ahead(&self, group: usize, task: usize, state: usize, action: usize, value: &[f64]) -> f64 {
        self.reward(group, task, state, action) + dot(self.next(group, state, action), value)
    }

    /// Backward induction on the weighted sum of tasks, for every group on its own.
    /// Ties go to the action with the lowest number.
    pub fn plan(&self, weights: &[f64]) -> Plan {
        let cells = self.horizon * self.groups * self.states;
        let mut plan = Plan { value: vec![0.0; self.groups * self.states], action: vec![0; cells] };
        for group in 0..self.groups {
            let mut value = vec![0.0; self.states];
            for step in (0..self.horizon).rev() {
                let mut before = vec![0.0; self.states];
                for (state, before) in before.iter_mut().enumerate() {
                    let worth = |action: usize| -> f64 {
                        let pay: f64 =
                            weights.iter().enumerate().map(|(m, w)| w * self.reward(group, m, state, action)).sum();
                        pay + dot(self.next(group, state, action), &value)
                    };
                    let (mut best, mut most) = (0, worth(0));
                    for action in 1..self.actions {
                        let worth = worth(action);
                        if worth > most {
                            (best, most) = (action, worth);
                        }
                    }
                    *before = most;
                    plan.action[(step * self.groups + group) * self.states + state] = best as u32;
                }
                value = before;
            }
            plan.value[group * self.states..][..self.states].copy_from_slice(&value);
        }
        plan
    }
}

/// What [`TabularModel::plan`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Optimal value of every first state, `[groups, states]`.
    pub value: Vec<f64>,
    /// Optimal action, `[horizon, groups, states]`.
    pub action: Vec<u32>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
