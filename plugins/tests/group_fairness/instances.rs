//! The instances whose numbers are known, as tables.

use isonomy_engine::model::TabularModel;

/// A model in which nothing moves and nothing pays.
pub(crate) fn still(groups: usize, tasks: usize, states: usize, actions: usize, horizon: usize) -> TabularModel {
    TabularModel {
        groups,
        tasks,
        states,
        actions,
        horizon,
        start: vec![0.0; groups * states],
        next: vec![0.0; groups * states * actions * states],
        reward: vec![0.0; groups * tasks * states * actions],
    }
}

/// Sets the reward of a task for all groups.
pub(crate) fn pay(model: &mut TabularModel, task: usize, state: usize, action: usize, reward: f64) {
    for group in 0..model.groups {
        *model.reward_mut(group, task, state, action) = reward;
    }
}

/// Seven places, left is sure; `(hold, first place)` per group, who advance with chance `0.95 - hold`.
fn rivers(currents: &[(f64, usize)], tasks: usize, horizon: usize) -> TabularModel {
    let mut model = still(currents.len(), tasks, 7, 2, horizon);
    for (group, &(hold, first)) in currents.iter().enumerate() {
        for place in 0..7 {
            model.start[group * 7 + place] = if place == first { 0.9999 } else { 0.0001 / 6.0 };
            model.next_mut(group, place, 0)[usize::saturating_sub(place, 1)] = 1.0;
            let right = model.next_mut(group, place, 1);
            match place {
                0 => (right[0], right[1]) = (0.4, 0.6),
                6 => (right[5], right[6]) = (0.4, 0.6),
                _ => (right[place - 1], right[place], right[place + 1]) = (0.05, hold, 0.95 - hold),
            }
        }
    }
    model
}

/// GFRL's two groups, one task, ten steps.
pub(crate) fn gfrl() -> TabularModel {
    let mut model = rivers(&[(0.6, 0), (0.05, 1)], 1, 10);
    for (place, stroke, reward) in [(0, 0, 0.01), (6, 1, 1.0), (2, 1, 0.1), (4, 0, 0.1)] {
        pay(&mut model, 0, place, stroke, reward);
    }
    model
}

/// The same rivers with two tasks, "upstream" and "mid-river".
pub(crate) fn two_tasks(currents: &[(f64, usize)], horizon: usize) -> TabularModel {
    let mut model = rivers(currents, 2, horizon);
    for (task, place, stroke, reward) in [(0, 0, 0, 0.005), (0, 6, 1, 1.0), (1, 2, 1, 0.5), (1, 4, 0, 0.5)] {
        pay(&mut model, task, place, stroke, reward);
    }
    model
}

/// The slow and the fast group.
pub(crate) const TWO: [(f64, usize); 2] = [(0.6, 0), (0.05, 1)];
/// And one in between.
pub(crate) const THREE: [(f64, usize); 3] = [(0.6, 0), (0.3, 0), (0.05, 1)];

/// `group_riverswim_mt`.
pub(crate) fn multi_task() -> TabularModel {
    two_tasks(&TWO, 20)
}

/// Two steps: right leads to the good place with chance .5 or .9, left pays .3 in the second task.
pub(crate) fn pencil_and_paper() -> TabularModel {
    let (start, good, end) = (0, 1, 2);
    let mut model = still(2, 2, 3, 2, 2);
    for (group, chance) in [0.5, 0.9].into_iter().enumerate() {
        model.start[group * 3 + start] = 1.0;
        let right = model.next_mut(group, start, 1);
        (right[good], right[end]) = (chance, 1.0 - chance);
        model.next_mut(group, start, 0)[end] = 1.0;
        for action in 0..2 {
            model.next_mut(group, good, action)[good] = 1.0;
            model.next_mut(group, end, action)[end] = 1.0;
        }
    }
    for action in 0..2 {
        pay(&mut model, 0, good, action, 1.0);
    }
    pay(&mut model, 1, start, 0, 0.3);
    model
}

/// GFRL's lending: task 0 is the bank's profit, task 1 counts loans. `legacy` reproduces the published indexing error.
pub(crate) fn lending(legacy: bool) -> TabularModel {
    let repay = [0.1, 0.5, 0.7, 0.8, 0.9, 0.9, 1.0];
    let mut model = still(2, 2, 7, 2, 5);
    model.start = [[0.1, 0.0, 0.1, 0.1, 0.3, 0.3, 0.1], [0.1, 0.0, 0.3, 0.3, 0.1, 0.1, 0.1]].concat();
    for group in 0..2 {
        for (state, repays) in repay.into_iter().enumerate() {
            let accept = model.next_mut(group, state, 0);
            accept[(state + 1).min(6)] += repays;
            accept[usize::saturating_sub(state, 1)] += 1.0 - repays;
            let dropped = match (legacy, state) {
                (true, 0) => 6,
                (true, _) => 0,
                (false, _) => usize::saturating_sub(state, 1),
            };
            let drops = if group == 1 { 0.7 } else { 0.0 };
            let reject = model.next_mut(group, state, 1);
            reject[dropped] += drops;
            reject[state] += 1.0 - drops;
            *model.reward_mut(group, 0, state, 0) = 4.0 * repays - 10.0 * (1.0 - repays);
            *model.reward_mut(group, 1, state, 0) = 1.0;
        }
    }
    model
}

/// Numbers that look random, from a seed (Steele, Lea, Flood 2014: SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// From 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count - 1)
    }
}

/// A model in which `fan` states follow each action.
pub(crate) fn random(seed: u64, shape: (usize, usize, usize, usize, usize), fan: usize) -> TabularModel {
    let (groups, tasks, states, actions, horizon) = shape;
    let mut random = Random(seed);
    let mut model = still(groups, tasks, states, actions, horizon);
    for row in model.start.chunks_exact_mut(states) {
        scatter(&mut random, row, fan);
    }
    for row in model.next.chunks_exact_mut(states) {
        scatter(&mut random, row, fan);
    }
    for task in 0..tasks {
        for state in 0..states {
            for action in 0..actions {
                let reward = if random.unit() < 0.5 { random.unit() } else { 0.0 };
                pay(&mut model, task, state, action, reward);
            }
        }
    }
    model
}

fn scatter(random: &mut Random, row: &mut [f64], fan: usize) {
    for _ in 0..fan {
        row[random.below(row.len())] += random.unit() + 0.01;
    }
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|chance| *chance /= sum);
}
