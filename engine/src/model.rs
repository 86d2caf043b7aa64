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

    /// Chance of a step, state and action under a policy, `[horizon, states, actions]`.
    pub fn occupancy(&self, policy: &TabularPolicy, group: usize) -> Vec<f64> {
        let mut occupancy = Vec::with_capacity(self.horizon * self.states * self.actions);
        let mut here = self.start(group).to_vec();
        for step in 0..self.horizon {
            let mut after = vec![0.0; self.states];
            for (state, here) in here.iter().enumerate() {
                for (action, chance) in policy.chances(policy.cell(step, group, state)).iter().enumerate() {
                    occupancy.push(here * chance);
                    for (after, next) in after.iter_mut().zip(self.next(group, state, action)) {
                        *after += here * chance * next;
                    }
                }
            }
            here = after;
        }
        occupancy
    }

    /// Mean reward of a step in the long run, were there no time limit, `[groups, tasks]`. The policy must not look at
    /// the clock.
    pub fn gain(&self, policy: &TabularPolicy) -> Vec<f64> {
        assert_eq!(policy.steps, 1, "the long run has no clock");
        let n = self.states;
        let mut gain = Vec::with_capacity(self.groups * self.tasks);
        for group in 0..self.groups {
            let chances: Vec<Vec<f64>> = (0..n).map(|state| policy.chances(policy.cell(0, group, state))).collect();
            // Staying put half of the time changes no average and forgets the parity of the clock.
            let mut moves = vec![0.0; n * n];
            for (state, chances) in chances.iter().enumerate() {
                moves[state * n + state] += 0.5;
                for (action, chance) in chances.iter().enumerate() {
                    for (to, next) in moves[state * n..][..n].iter_mut().zip(self.next(group, state, action)) {
                        *to += 0.5 * chance * next;
                    }
                }
            }
            for _ in 0..DOUBLINGS {
                moves = squared(&moves, n);
            }
            let mut long_run = vec![0.0; n];
            for (from, start) in moves.chunks_exact(n).zip(self.start(group)) {
                long_run.iter_mut().zip(from).for_each(|(long_run, chance)| *long_run += start * chance);
            }
            for task in 0..self.tasks {
                let pay = |state: usize| -> f64 {
                    chances[state].iter().enumerate().map(|(a, p)| p * self.reward(group, task, state, a)).sum()
                };
                gain.push((0..n).map(|state| long_run[state] * pay(state)).sum());
            }
        }
        gain
    }

    /// The best policy without a time limit, where a reward is worth `discount` times as much a step later: value
    /// iteration until nothing changes. Ties go to the action with the lowest number. `discount` is below 1.
    pub fn plan_discounted(&self, weights: &[f64], discount: f64) -> Plan {
        assert!((0.0..1.0).contains(&discount), "a discount of {discount} has no limit");
        let mut plan = Plan { value: vec![0.0; self.groups * self.states], action: vec![0; self.groups * self.states] };
        for group in 0..self.groups {
            let own = group * self.states..(group + 1) * self.states;
            loop {
                let value: Vec<f64> = plan.value[own.clone()].iter().map(|value| discount * value).collect();
                let (mut change, mut size) = (0.0_f64, 0.0_f64);
                for state in 0..self.states {
                    let (action, worth) = self.best(group, state, weights, &value);
                    change = change.max((worth - plan.value[own.start + state]).abs());
                    size = size.max(worth.abs());
                    plan.value[own.start + state] = worth;
                    plan.action[own.start + state] = action;
                }
                // What is left to change is less than `change / (1 - discount)`.
                if change <= (1e-12 * (1.0 - discount)).max(2.0 * f64::EPSILON) * size {
                    break;
                }
            }
        }
        plan
    }

    /// The best action of a state and what it is worth, where `value` comes after it.
    fn best(&self, group: usize, state: usize, weights: &[f64], value: &[f64]) -> (u32, f64) {
        let worth = |action: usize| -> f64 {
            let pay: f64 = weights.iter().enumerate().map(|(m, w)| w * self.reward(group, m, state, action)).sum();
            pay + dot(self.next(group, state, action), value)
        };
        let mut best = (0, worth(0));
        for action in 1..self.actions {
            let worth = worth(action);
            if worth > best.1 {
                best = (action as u32, worth);
            }
        }
        best
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
                    let (best, worth) = self.best(group, state, weights, &value);
                    *before = worth;
                    plan.action[(step * self.groups + group) * self.states + state] = best;
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
    /// Optimal action, `[horizon, groups, states]`; `[groups, states]` where there is no time limit.
    pub action: Vec<u32>,
}

impl Plan {
    /// The plan as a policy.
    pub fn policy(&self, spec: &Spec) -> TabularPolicy {
        let (groups, states) = (spec.groups.len(), spec.observation.count() as usize);
        TabularPolicy::from_chances(spec, self.action.len() / (groups * states), |step, group, state, row| {
            row[self.action[(step * groups + group) * states + state] as usize] = 1.0;
        })
    }
}

/// Squarings of a matrix of chances: more steps than any long run needs.
const DOUBLINGS: usize = 50;

/// The product of a `n` by `n` matrix of chances with itself; rows sum to one again.
fn squared(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut product = vec![0.0; n * n];
    for (row, out) in matrix.chunks_exact(n).zip(product.chunks_exact_mut(n)) {
        for (chance, through) in row.iter().zip(matrix.chunks_exact(n)) {
            out.iter_mut().zip(through).for_each(|(out, on)| *out += chance * on);
        }
        let sum: f64 = out.iter().sum();
        out.iter_mut().for_each(|out| *out /= sum);
    }
    product
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
