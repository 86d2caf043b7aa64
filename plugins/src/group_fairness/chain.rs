//! One group's dynamics with the zeros left out: backward induction, visits and returns in the time of what can happen.

use isonomy_engine::model::TabularModel;
use isonomy_engine::policy::TabularPolicy;

/// A group's start distribution and the successors of every state and action.
///
/// Rewards ("signals") are `[states, actions]`, or `[horizon, states, actions]` where they depend on the step.
#[derive(Clone, Debug)]
pub struct Chain {
    /// States.
    pub states: usize,
    /// Actions.
    pub actions: usize,
    /// Steps in an episode.
    pub horizon: usize,
    /// Chance of starting in a state.
    pub start: Vec<f64>,
    /// Entries of the clock that the dynamics know: 1, or the horizon.
    steps: usize,
    /// Where the successors of `(step, state, action)` begin; one entry more than there are of those.
    first: Vec<usize>,
    successors: Vec<(u32, f64)>,
}

/// What backward induction finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Expected return from the start distribution.
    pub value: f64,
    /// The best action, `[horizon, states]`; ties go to the lowest number.
    pub actions: Vec<u32>,
}

impl Chain {
    /// From the chances of the next state, given one `[states]` row per `(step, state, action)` in order.
    pub fn new<'a>(
        (states, actions, horizon): (usize, usize, usize),
        start: &[f64],
        rows: impl Iterator<Item = &'a [f64]>,
    ) -> Chain {
        let (mut first, mut successors) = (vec![0], Vec::new());
        for row in rows {
            let possible = row.iter().enumerate().filter(|(_, chance)| **chance != 0.0);
            successors.extend(possible.map(|(state, chance)| (state as u32, *chance)));
            first.push(successors.len());
        }
        let steps = (first.len() - 1) / (states * actions);
        assert!(steps == 1 || steps == horizon, "one row per state and action, and per step or for all steps");
        Chain { states, actions, horizon, start: start.to_vec(), steps, first, successors }
    }

    /// A group of a model.
    pub fn of(model: &TabularModel, group: usize) -> Chain {
        let cells = model.states * model.actions;
        let rows = model.next[group * cells * model.states..][..cells * model.states].chunks_exact(model.states);
        Chain::new((model.states, model.actions, model.horizon), model.start(group), rows)
    }

    /// Where `(step, state, 0)` stands in a table that knows `steps` entries of the clock.
    fn cell(&self, steps: usize, step: usize, state: usize) -> usize {
        (if steps == 1 { 0 } else { step * self.states } + state) * self.actions
    }

    /// What can follow `(step, state, action)`, with its chance.
    pub fn successors(&self, step: usize, state: usize, action: usize) -> &[(u32, f64)] {
        let cell = self.cell(self.steps, step, state) + action;
        &self.successors[self.first[cell]..self.first[cell + 1]]
    }

    /// What a signal pays for each action of a state.
    pub fn paid<'a>(&self, signal: &'a [f64], step: usize, state: usize) -> &'a [f64] {
        let steps = signal.len() / (self.states * self.actions);
        &signal[self.cell(steps, step, state)..][..self.actions]
    }

    /// Transitions that one backward induction looks at.
    pub fn work(&self) -> usize {
        self.successors.len() * self.horizon / self.steps
    }

    /// Backward induction.
    pub fn best(&self, signal: &[f64]) -> Best {
        let mut actions = vec![0; self.horizon * self.states];
        let (mut value, mut before) = (vec![0.0; self.states], vec![0.0; self.states]);
        for step in (0..self.horizon).rev() {
            for state in 0..self.states {
                let mut most = f64::NEG_INFINITY;
                for (action, pay) in self.paid(signal, step, state).iter().enumerate() {
                    let worth = pay + ahead(self.successors(step, state, action), &value);
                    if worth > most {
                        most = worth;
                        actions[step * self.states + state] = action as u32;
                    }
                }
                before[state] = most;
            }
            std::mem::swap(&mut value, &mut before);
        }
        Best { value: self.start.iter().zip(&value).map(|(start, value)| start * value).sum(), actions }
    }

    /// How likely each state is at each step under fixed actions, `[horizon, states]`.
    pub fn visits(&self, actions: &[u32]) -> Vec<f64> {
        let mut visits = self.room(self.states);
        for step in 0..self.horizon {
            let (now, next) = split(&mut visits, step, self.states);
            for (state, &here) in now.iter().enumerate().filter(|(_, here)| **here > 0.0) {
                let action = actions[step * self.states + state] as usize;
                pass(here, self.successors(step, state, action), next);
            }
        }
        visits
    }

    /// The occupancy of a policy given as chances, `[horizon, states, actions]`.
    pub fn occupancy(&self, chances: &[f64]) -> Vec<f64> {
        let mut visits = self.room(self.states);
        let mut occupancy = chances.to_vec();
        for step in 0..self.horizon {
            let (now, next) = split(&mut visits, step, self.states);
            for (state, &here) in now.iter().enumerate() {
                let cell = self.cell(self.horizon, step, state);
                for (action, share) in occupancy[cell..cell + self.actions].iter_mut().enumerate() {
                    *share *= here;
                    if *share > 0.0 {
                        pass(*share, self.successors(step, state, action), next);
                    }
                }
            }
        }
        occupancy
    }

    /// Room for one row of `[states]` per step, the first one filled with the start distribution.
    fn room(&self, states: usize) -> Vec<f64> {
        let mut visits = vec![0.0; self.horizon * states];
        visits[..states].copy_from_slice(&self.start);
        visits
    }

    /// What fixed actions with these `visits` earn.
    pub fn earned(&self, visits: &[f64], actions: &[u32], signal: &[f64]) -> f64 {
        let at = |index: usize| self.paid(signal, index / self.states, index % self.states)[actions[index] as usize];
        visits.iter().enumerate().filter(|(_, here)| **here > 0.0).map(|(index, here)| here * at(index)).sum()
    }

    /// What an occupancy earns.
    pub fn pays(&self, occupancy: &[f64], signal: &[f64]) -> f64 {
        occupancy
            .chunks_exact(signal.len())
            .map(|steps| steps.iter().zip(signal).map(|(d, r)| d * r).sum::<f64>())
            .sum()
    }

    /// The policy behind an occupancy, `[horizon, states, actions]`: uniform where nobody ever is.
    pub fn chances(&self, occupancy: &[f64]) -> Vec<f64> {
        let mut chances = occupancy.to_vec();
        for cell in chances.chunks_exact_mut(self.actions) {
            let here: f64 = cell.iter().sum();
            for chance in &mut *cell {
                *chance = if here > UNREACHED { *chance / here } else { 1.0 / self.actions as f64 };
            }
        }
        chances
    }

    /// Steps and states that nobody is in under an occupancy.
    pub fn unreached(&self, occupancy: &[f64]) -> usize {
        occupancy.chunks_exact(self.actions).filter(|cell| cell.iter().sum::<f64>() <= UNREACHED).count()
    }
}

/// A cell that is visited with a chance this small has no policy of its own.
const UNREACHED: f64 = 1e-12;

fn ahead(successors: &[(u32, f64)], value: &[f64]) -> f64 {
    successors.iter().map(|&(state, chance)| chance * value[state as usize]).sum()
}

fn pass(share: f64, successors: &[(u32, f64)], next: &mut [f64]) {
    // After the last step there is no next.
    if !next.is_empty() {
        for &(state, chance) in successors {
            next[state as usize] += share * chance;
        }
    }
}

fn split(visits: &mut [f64], step: usize, states: usize) -> (&[f64], &mut [f64]) {
    let (done, rest) = visits.split_at_mut((step + 1) * states);
    let next = rest.len().min(states);
    (&done[step * states..], &mut rest[..next])
}

/// A group's chances under a policy, `[horizon, states, actions]`.
pub fn chances_of(policy: &TabularPolicy, group: usize, horizon: usize) -> Vec<f64> {
    let cell = |step: usize, state: usize| policy.chances(policy.cell(step, group, state));
    (0..horizon).flat_map(|step| (0..policy.observations).flat_map(move |state| cell(step, state))).collect()
}

/// The policy that plays these chances, one `[horizon, states, actions]` per group.
pub fn policy_of(chains: &[Chain], chances: &[Vec<f64>]) -> TabularPolicy {
    let (states, actions, horizon) = (chains[0].states, chains[0].actions, chains[0].horizon);
    let row = states * actions;
    let cells = (0..horizon).flat_map(|step| chances.iter().map(move |group| &group[step * row..][..row]));
    let logits = cells.flatten().map(|chance| chance.ln()).collect();
    TabularPolicy { steps: horizon, groups: chances.len(), observations: states, actions, logits }
}
