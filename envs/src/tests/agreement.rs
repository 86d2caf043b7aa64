//! Dynamics and model of an environment say the same, state by state and action by action.

use super::{all, dynamics};
use isonomy_engine::dynamics::{Dynamics, Moves, Starts, lanes_per_tile};
use isonomy_engine::model::TabularModel;
use isonomy_engine::spec::Spec;

/// Evenly spaced words: outcomes come up in proportion to their chances, to one tooth of the comb.
const TEETH: u32 = 1 << 16;
const TOLERANCE: f64 = 2e-5;

#[test]
fn steps_follow_the_model() {
    for (name, environment) in all() {
        let (spec, model) = (environment.spec(), environment.model().unwrap());
        let dynamics = dynamics(&*environment);
        for state in 0..model.states {
            for action in 0..model.actions {
                let cell = Cell { name: &name, spec: &spec, model: &model, state, action };
                cell.agrees(&*dynamics);
            }
        }
    }
}

#[test]
fn starts_follow_the_model() {
    for (name, environment) in all() {
        let (spec, model) = (environment.spec(), environment.model().unwrap());
        let dynamics = dynamics(&*environment);
        let mut count = vec![0.0; model.groups * model.states];
        let words: Vec<u32> = (0..TEETH).map(|tooth| tooth * (u32::MAX / TEETH + 1) + TEETH / 2).collect();
        for_each_batch(&spec, &words, |group, words| {
            let mut state = vec![u32::MAX; words.len()];
            dynamics.start(Starts { words, state: &mut state });
            for (group, state) in group.iter().zip(state) {
                count[*group as usize * model.states + state as usize] += 1.0;
            }
        });
        for group in 0..model.groups {
            let found = &count[group * model.states..][..model.states];
            assert_same(&format!("{name}: start of group {group}"), found, model.start(group));
        }
    }
}

/// Cuts words into batches of whole lanes in which all agents of a lane get the same word.
fn for_each_batch(spec: &Spec, words: &[u32], mut with: impl FnMut(&[u32], &[u32])) {
    let groups = spec.agent_groups();
    for lanes in words.chunks(lanes_per_tile(groups.len())) {
        let words: Vec<u32> = lanes.iter().flat_map(|&word| std::iter::repeat_n(word, groups.len())).collect();
        let group: Vec<u32> = lanes.iter().flat_map(|_| groups.iter().copied()).collect();
        with(&group, &words);
    }
}

fn assert_same(what: &str, count: &[f64], chances: &[f64]) {
    let total: f64 = count.iter().sum();
    for (state, (count, chance)) in count.iter().zip(chances).enumerate() {
        let found = count / total;
        assert!((found - chance).abs() < TOLERANCE, "{what}: {found} for {chance} in state {state}");
        assert_eq!(found > 0.0, *chance > 0.0, "{what}: {found} for {chance} in state {state}");
    }
}

struct Cell<'a> {
    name: &'a str,
    spec: &'a Spec,
    model: &'a TabularModel,
    state: usize,
    action: usize,
}

impl Cell<'_> {
    fn agrees(&self, dynamics: &dyn Dynamics) {
        let (model, states) = (self.model, self.model.states);
        let mut count = vec![0.0; model.groups * states];
        let mut earned = vec![0.0; model.groups * model.tasks];
        let comb: Vec<u32> = (0..TEETH).map(|tooth| tooth * (u32::MAX / TEETH + 1) + TEETH / 2).collect();
        for_each_batch(self.spec, &comb, |group, words| {
            self.step(dynamics, words, |row, next, rewards| {
                let group = group[row] as usize;
                count[group * states + next as usize] += 1.0;
                for (task, reward) in rewards.iter().enumerate() {
                    earned[group * model.tasks + task] += f64::from(*reward);
                }
            });
        });
        for group in 0..model.groups {
            let what = format!("{}: group {group}, state {}, action {}", self.name, self.state, self.action);
            let found = &count[group * states..][..states];
            assert_same(&what, found, model.next(group, self.state, self.action));
            let draws: f64 = found.iter().sum();
            for (task, bounds) in self.spec.tasks.iter().enumerate() {
                let (low, high) = (f64::from(bounds.reward.0), f64::from(bounds.reward.1));
                let found = earned[group * model.tasks + task] / draws;
                let exact = model.reward(group, task, self.state, self.action);
                let slack = TOLERANCE * (high - low) + 1e-6 * low.abs().max(high.abs());
                assert!((found - exact).abs() <= slack, "{what}: {found} for {exact} in task {task}");
            }
        }
        self.holds_at_the_edges(dynamics);
    }

    /// What has no chance is not drawn where one outcome gives way to the next either.
    fn holds_at_the_edges(&self, dynamics: &dyn Dynamics) {
        for group in 0..self.model.groups {
            let chances = self.model.next(group, self.state, self.action);
            for_each_batch(self.spec, &edges(chances), |groups, words| {
                self.step(dynamics, words, |row, next, rewards| {
                    if groups[row] as usize == group {
                        assert!(chances[next as usize] > 0.0, "{}: word {} leads to {next}", self.name, words[row]);
                    }
                    for (reward, task) in rewards.iter().zip(&self.spec.tasks) {
                        assert!((task.reward.0..=task.reward.1).contains(reward), "{}: pays {reward}", self.name);
                    }
                });
            });
        }
    }

    fn step(&self, dynamics: &dyn Dynamics, words: &[u32], mut with: impl FnMut(usize, u32, &[f32])) {
        let rows = words.len();
        let (mut state, action) = (vec![self.state as u32; rows], vec![self.action as u32; rows]);
        let mut reward = vec![f32::NAN; rows * self.model.tasks];
        dynamics.step(Moves { action: &action, words, state: &mut state, reward: &mut reward });
        for (row, &state) in state.iter().enumerate() {
            let rewards: Vec<f32> = reward.iter().skip(row).step_by(rows).copied().collect();
            with(row, state, &rewards);
        }
    }
}

/// Words around the sums of chances, in order and in reverse.
fn edges(chances: &[f64]) -> Vec<u32> {
    let mut words = vec![0, 1, u32::MAX - 1, u32::MAX];
    let (mut up, mut down) = (0.0, 0.0);
    for (first, last) in chances.iter().zip(chances.iter().rev()) {
        up += first;
        down += last;
        for edge in [up, down].map(|sum: f64| (sum * 4_294_967_296.0).round() as u32) {
            words.extend([edge.saturating_sub(1), edge, edge.saturating_add(1)]);
        }
    }
    words
}
