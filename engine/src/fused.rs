//! Rollouts of agents that do not touch each other, fused: a tile of lanes runs through all stages of all steps
//! while it is in the first-level cache.

use crate::columns::Column;
use crate::dynamics::{Dynamics, Moves, Starts, per_row};
use crate::fairness::{FairnessReward, RewardBatch};
use crate::gpu::ShapeTwin;
use crate::noise::{Key, Phase, Purpose};
use crate::policy::{PolicyTable, act};
use crate::rollout::{Codes, CodesMut, Rollout};
use crate::spec::{Space, Spec};
use crate::stream;
use bevy_ecs::resource::Resource;
use std::ops::Range;

/// The keys of one run and phase. A resource: systems fill their own noise from it.
#[derive(Clone, Copy, Debug, Resource)]
pub struct Keys {
    /// Where rows move: stream = step, position = row.
    pub transition: Key,
    /// What the policy does: stream = step, position = row.
    pub policy: Key,
    /// Where episodes start: stream = steps made before, position = row.
    pub reset: Key,
}

impl Keys {
    /// The keys of a seed.
    pub fn new(seed: u64, phase: Phase) -> Self {
        let key = |purpose| Key::new(seed, phase, purpose);
        Keys { transition: key(Purpose::Transition), policy: key(Purpose::Policy), reset: key(Purpose::Reset) }
    }
}

/// What stays the same in every step of every lane.
#[derive(Resource)]
pub(crate) struct Rules {
    pub(crate) keys: Keys,
    /// How agents move, where they do not touch each other.
    pub(crate) dynamics: Option<Box<dyn Dynamics>>,
    /// Rewrites rewards, in order.
    pub(crate) fairness: Vec<Box<dyn FairnessReward>>,
    /// The group of every agent of a lane.
    pub(crate) group: Vec<u32>,
    pub(crate) groups: usize,
    pub(crate) tasks: usize,
    /// Numbers that an agent sees.
    pub(crate) size: usize,
    pub(crate) time_limit: u32,
    /// Where a row's group begins in the policy's table, for the rows of the largest tile.
    pub(crate) offset: Vec<u32>,
    /// Mean returns of the last rollout, `[groups, tasks]`.
    pub(crate) expected: Option<Vec<f64>>,
}

impl Rules {
    pub(crate) fn new(spec: &Spec, keys: Keys) -> Self {
        let group = spec.agent_groups();
        let observations = spec.observation.count();
        let offset: Vec<u32> = group.iter().map(|group| group * observations).collect();
        Rules {
            keys,
            dynamics: None,
            fairness: Vec::new(),
            group,
            groups: spec.groups.len(),
            tasks: spec.tasks.len(),
            size: if let Space::Real { size, .. } = spec.observation { size as usize } else { 0 },
            time_limit: spec.time_limit,
            offset: per_row(&offset),
            expected: None,
        }
    }

    pub(crate) fn rows_per_tile(&self) -> usize {
        self.offset.len()
    }

    pub(crate) fn elapsed(&self, step: u64) -> u32 {
        (step % u64::from(self.time_limit)) as u32
    }

    pub(crate) fn ends(&self, step: u64) -> bool {
        self.elapsed(step + 1) == 0
    }

    /// Fairness rewards that remember something.
    pub(crate) fn memories(&self) -> usize {
        self.fairness.iter().filter(|plugin| plugin.remembers()).count()
    }

    /// What is taught for one step of some whole lanes; `reward` and `utility` are `[tasks, rows]`, `memory` is
    /// `[memories, tasks, rows]`.
    pub(crate) fn shape(&self, step: u64, reward: &[f32], utility: &[f32], mut memory: &mut [f32], shaped: &mut [f32]) {
        shaped.copy_from_slice(reward);
        for plugin in &self.fairness {
            let (mine, rest) = memory.split_at_mut(if plugin.remembers() { reward.len() } else { 0 });
            memory = rest;
            plugin.shape(RewardBatch {
                group: &self.group,
                groups: self.groups,
                tasks: self.tasks,
                elapsed: self.elapsed(step),
                reward,
                utility,
                expected: self.expected.as_deref(),
                memory: mine,
                shaped,
            });
        }
    }

    /// The fairness rewards in WGSL, where every one of them is there and its lanes can be seen by a workgroup.
    pub(crate) fn shape_twins(&self, spec: &Spec) -> Option<Vec<ShapeTwin>> {
        // What a fairness reward remembers is on the host.
        if self.fairness.iter().any(|plugin| plugin.remembers()) {
            return None;
        }
        let twins = self.fairness.iter().map(|plugin| plugin.twin(spec, self.expected.as_deref()));
        let twins: Vec<ShapeTwin> = twins.collect::<Option<_>>()?;
        let uncut = spec.agents() > 0 && 64 % spec.agents() == 0;
        twins.iter().all(|twin| uncut || !twin.sees_lane).then_some(twins)
    }

    /// Starts the episodes of neighbouring rows; `made` is the number of steps made before.
    pub(crate) fn start(&self, made: u64, first: u64, words: &mut [u32], state: &mut [u32]) {
        let Some(dynamics) = &self.dynamics else { return };
        if dynamics.draws_starts() {
            self.keys.reset.fill(made, first, words);
        }
        dynamics.start(Starts { words, state });
    }
}

/// The columns of some neighbouring lanes: `[rows]`, or `[rows]` for every task.
pub(crate) struct Columns<'a> {
    pub(crate) state: &'a mut [u32],
    pub(crate) action: &'a mut [u32],
    pub(crate) ledger: Ledger<'a>,
}

/// What is kept for every agent and task.
pub(crate) struct Ledger<'a> {
    pub(crate) reward: Vec<&'a mut [f32]>,
    pub(crate) shaped: Vec<&'a mut [f32]>,
    pub(crate) utility: Vec<&'a mut [f32]>,
    pub(crate) returns: Vec<&'a mut [f32]>,
    pub(crate) taught: Vec<&'a mut [f32]>,
    /// What fairness rewards remember, each of every task.
    pub(crate) memory: Vec<&'a mut [f32]>,
}

/// Cuts a column of the ledger by task, or what is remembered by memory and task.
pub(crate) fn by_task<C: Column>(column: &mut [C], tasks: usize) -> Vec<&mut [f32]> {
    if column.is_empty() {
        return Vec::new();
    }
    let rows = column.len() / tasks;
    bytemuck::cast_slice_mut(column).chunks_exact_mut(rows).collect()
}

fn split<T>(blocks: Vec<&mut [T]>, at: usize) -> (Vec<&mut [T]>, Vec<&mut [T]>) {
    blocks.into_iter().map(|block| block.split_at_mut(at)).unzip()
}

fn some_of<'s>(blocks: &'s mut [&mut [f32]], rows: &Range<usize>) -> Vec<&'s mut [f32]> {
    blocks.iter_mut().map(|block| &mut block[rows.clone()]).collect()
}

impl<'a> Columns<'a> {
    fn split_at_mut(self, rows: usize) -> (Self, Self) {
        let (state, state_rest) = self.state.split_at_mut(rows);
        let (action, action_rest) = self.action.split_at_mut(rows);
        let (ledger, ledger_rest) = self.ledger.split_at_mut(rows);
        (Columns { state, action, ledger }, Columns { state: state_rest, action: action_rest, ledger: ledger_rest })
    }
}

impl<'a> Ledger<'a> {
    /// Some of its rows.
    pub(crate) fn some(&mut self, rows: Range<usize>) -> Ledger<'_> {
        Ledger {
            reward: some_of(&mut self.reward, &rows),
            shaped: some_of(&mut self.shaped, &rows),
            utility: some_of(&mut self.utility, &rows),
            returns: some_of(&mut self.returns, &rows),
            taught: some_of(&mut self.taught, &rows),
            memory: some_of(&mut self.memory, &rows),
        }
    }

    pub(crate) fn split_at_mut(self, rows: usize) -> (Self, Self) {
        let (reward, reward_rest) = split(self.reward, rows);
        let (shaped, shaped_rest) = split(self.shaped, rows);
        let (utility, utility_rest) = split(self.utility, rows);
        let (returns, returns_rest) = split(self.returns, rows);
        let (taught, taught_rest) = split(self.taught, rows);
        let (memory, memory_rest) = split(self.memory, rows);
        (
            Ledger { reward, shaped, utility, returns, taught, memory },
            Ledger {
                reward: reward_rest,
                shaped: shaped_rest,
                utility: utility_rest,
                returns: returns_rest,
                taught: taught_rest,
                memory: memory_rest,
            },
        )
    }
}

/// Where the trajectory of some neighbouring lanes goes: one entry per step (and task, and episode).
#[derive(Default)]
pub(crate) struct Tracks<'a> {
    pub(crate) observation: Vec<CodesMut<'a>>,
    /// Numbers that an agent sees.
    pub(crate) size: usize,
    pub(crate) features: Vec<&'a mut [f32]>,
    pub(crate) final_features: Vec<&'a mut [f32]>,
    pub(crate) action: Vec<CodesMut<'a>>,
    pub(crate) reward: Vec<&'a mut [f32]>,
    pub(crate) shaped: Vec<&'a mut [f32]>,
    last: Vec<CodesMut<'a>>,
}

impl<'a> Tracks<'a> {
    pub(crate) fn of(rollout: &'a mut Rollout) -> Self {
        let (rows, size) = (rollout.rows(), rollout.size);
        let numbers = (rows * size).max(1);
        Tracks {
            size,
            features: rollout.features.chunks_exact_mut(numbers).collect(),
            final_features: rollout.final_features.chunks_exact_mut(numbers).collect(),
            observation: pieces(&mut rollout.observation, rows),
            action: pieces(&mut rollout.action, rows),
            reward: rollout.reward.chunks_exact_mut(rows).collect(),
            shaped: rollout.shaped.chunks_exact_mut(rows).collect(),
            last: pieces(&mut rollout.final_observation, rows),
        }
    }

    pub(crate) fn split_at_mut(self, rows: usize) -> (Self, Self) {
        let codes = |codes: Vec<CodesMut<'a>>| -> (Vec<_>, Vec<_>) {
            codes.into_iter().map(|codes| codes.split_at_mut(rows)).unzip()
        };
        let (observation, observation_rest) = codes(self.observation);
        let (action, action_rest) = codes(self.action);
        let (last, last_rest) = codes(self.last);
        let (reward, reward_rest) = split(self.reward, rows);
        let (shaped, shaped_rest) = split(self.shaped, rows);
        let size = self.size;
        let (features, features_rest) = split(self.features, rows * size);
        let (final_features, final_rest) = split(self.final_features, rows * size);
        (
            Tracks { observation, size, features, final_features, action, reward, shaped, last },
            Tracks {
                size,
                features: features_rest,
                final_features: final_rest,
                observation: observation_rest,
                action: action_rest,
                reward: reward_rest,
                shaped: shaped_rest,
                last: last_rest,
            },
        )
    }
}

fn pieces(codes: &mut Codes, len: usize) -> Vec<CodesMut<'_>> {
    match codes {
        Codes::Bytes(values) => values.chunks_exact_mut(len).map(CodesMut::Bytes).collect(),
        Codes::Words(values) => values.chunks_exact_mut(len).map(CodesMut::Words).collect(),
    }
}

/// Memory that a thread needs to advance a tile.
pub(crate) struct Scratch {
    pub(crate) words: Vec<u32>,
    pub(crate) reward: Vec<f32>,
    shaped: Vec<f32>,
    utility: Vec<f32>,
    taught: Vec<f32>,
    memory: Vec<f32>,
}

impl Scratch {
    pub(crate) fn new(rules: &Rules) -> Self {
        let rows = rules.rows_per_tile();
        let ledger = || vec![0.0; rows * rules.tasks];
        let memory = vec![0.0; rows * rules.tasks * rules.memories()];
        Scratch {
            words: vec![0; rows],
            reward: ledger(),
            shaped: ledger(),
            utility: ledger(),
            taught: ledger(),
            memory,
        }
    }
}

/// Steps to make, on the engine's clock.
pub(crate) type Steps = Range<u64>;

/// Advances all lanes, sharing them out over the threads that `scratch` has room for. No lane is cut in two.
pub(crate) fn advance(
    rules: &Rules,
    policy: &PolicyTable,
    steps: Steps,
    columns: Columns<'_>,
    rollout: Option<&mut Rollout>,
    scratch: &mut [Scratch],
) {
    if steps.is_empty() {
        return;
    }
    let tracks = rollout.map(Tracks::of).unwrap_or_default();
    let (tile, rows) = (rules.rows_per_tile(), columns.state.len());
    if scratch.len() <= 1 || rows <= tile {
        if let Some(scratch) = scratch.first_mut() {
            advance_part(rules, policy, steps, 0, columns, tracks, scratch);
        }
        return;
    }
    let share = rows.div_ceil(tile).div_ceil(scratch.len()) * tile;
    std::thread::scope(|scope| {
        let (mut columns, mut tracks, mut first) = (columns, tracks, 0);
        for scratch in scratch {
            let take = share.min(rows - first);
            let (mine, rest) = columns.split_at_mut(take);
            let (my_tracks, rest_of_tracks) = tracks.split_at_mut(take);
            let (steps, start) = (steps.clone(), first);
            scope.spawn(move || advance_part(rules, policy, steps, start, mine, my_tracks, scratch));
            (columns, tracks, first) = (rest, rest_of_tracks, first + take);
        }
    });
}

/// Advances the lanes that begin at row `first`, tile by tile, each through all steps.
fn advance_part(
    rules: &Rules,
    policy: &PolicyTable,
    steps: Steps,
    first: usize,
    mut columns: Columns<'_>,
    mut tracks: Tracks<'_>,
    scratch: &mut Scratch,
) {
    let rows = columns.state.len();
    for start in (0..rows).step_by(rules.rows_per_tile()) {
        let range = start..rows.min(start + rules.rows_per_tile());
        let mut tile = Tile { rules, first: (first + start) as u64, len: range.len(), scratch };
        tile.load(&columns.ledger, range.clone());
        let mut episodes = 0;
        for (t, step) in steps.clone().enumerate() {
            let (state, action) = (&mut columns.state[range.clone()], &mut columns.action[range.clone()]);
            tile.act(policy, step, state, action);
            if !tracks.observation.is_empty() {
                tracks.observation[t].write(start, state);
                tracks.action[t].write(start, action);
            }
            tile.transition(step, action, state);
            tile.credit(&mut tracks.reward, t, range.clone());
            tile.shape(step);
            tile.track(&mut tracks.shaped, t, range.clone());
            if rules.ends(step) {
                if !tracks.last.is_empty() {
                    tracks.last[episodes].write(start, state);
                    episodes += 1;
                }
                tile.finish(&mut columns.ledger, range.clone());
                rules.start(step + 1, tile.first, &mut tile.scratch.words[..range.len()], state);
            }
        }
        tile.store(&mut columns.ledger, range);
    }
    stream::fence();
}

/// Some whole lanes, small enough for the first-level cache.
pub(crate) struct Tile<'a> {
    pub(crate) rules: &'a Rules,
    /// Its first row.
    pub(crate) first: u64,
    /// Its rows.
    pub(crate) len: usize,
    pub(crate) scratch: &'a mut Scratch,
}

impl Tile<'_> {
    pub(crate) fn cells(&self) -> usize {
        self.len * self.rules.tasks
    }

    pub(crate) fn load(&mut self, ledger: &Ledger<'_>, range: Range<usize>) {
        let get = |from: &[&mut [f32]], to: &mut [f32]| {
            for (mine, block) in to.chunks_exact_mut(self.len).zip(from) {
                mine.copy_from_slice(&block[range.clone()]);
            }
        };
        get(&ledger.utility, &mut self.scratch.utility);
        get(&ledger.taught, &mut self.scratch.taught);
        get(&ledger.memory, &mut self.scratch.memory);
    }

    pub(crate) fn store(&mut self, ledger: &mut Ledger<'_>, range: Range<usize>) {
        let put = |from: &[f32], to: &mut [&mut [f32]]| {
            for (mine, block) in from.chunks_exact(self.len).zip(to) {
                block[range.clone()].copy_from_slice(mine);
            }
        };
        put(&self.scratch.utility, &mut ledger.utility);
        put(&self.scratch.reward, &mut ledger.reward);
        if !self.rules.fairness.is_empty() {
            put(&self.scratch.shaped, &mut ledger.shaped);
            put(&self.scratch.taught, &mut ledger.taught);
            put(&self.scratch.memory, &mut ledger.memory);
        }
    }

    fn act(&mut self, policy: &PolicyTable, step: u64, state: &[u32], action: &mut [u32]) {
        let words = &mut self.scratch.words[..self.len];
        choose(self.rules, policy, step, self.first, state, words, action);
    }

    fn transition(&mut self, step: u64, action: &[u32], state: &mut [u32]) {
        let cells = self.cells();
        let words = &mut self.scratch.words[..self.len];
        let reward = &mut self.scratch.reward[..cells];
        self.rules.keys.transition.fill(step, self.first, words);
        if let Some(dynamics) = &self.rules.dynamics {
            dynamics.step(Moves { action, words, state, reward });
        }
    }

    /// Adds the rewards to the utilities, and copies them to step `t` of the trajectory, where that is kept.
    pub(crate) fn credit(&mut self, track: &mut [&mut [f32]], t: usize, range: Range<usize>) {
        let (cells, tasks) = (self.cells(), self.rules.tasks);
        let Scratch { reward, utility, .. } = &mut *self.scratch;
        add(&reward[..cells], &mut utility[..cells]);
        if track.is_empty() {
            return;
        }
        for (block, reward) in track[t * tasks..][..tasks].iter_mut().zip(reward.chunks_exact(self.len)) {
            stream::copy(reward, &mut block[range.clone()]);
        }
    }

    pub(crate) fn shape(&mut self, step: u64) {
        if self.rules.fairness.is_empty() {
            return;
        }
        let cells = self.cells();
        let Scratch { reward, shaped, utility, taught, memory, .. } = &mut *self.scratch;
        let memory = &mut memory[..cells * self.rules.memories()];
        self.rules.shape(step, &reward[..cells], &utility[..cells], memory, &mut shaped[..cells]);
        add(&shaped[..cells], &mut taught[..cells]);
    }

    /// Copies what is taught to step `t` of the trajectory, where that is kept.
    pub(crate) fn track(&self, track: &mut [&mut [f32]], t: usize, range: Range<usize>) {
        if track.is_empty() {
            return;
        }
        let tasks = self.rules.tasks;
        for (block, mine) in track[t * tasks..][..tasks].iter_mut().zip(self.scratch.shaped.chunks_exact(self.len)) {
            stream::copy(mine, &mut block[range.clone()]);
        }
    }

    pub(crate) fn finish(&mut self, ledger: &mut Ledger<'_>, range: Range<usize>) {
        for (mine, block) in self.scratch.utility.chunks_exact_mut(self.len).zip(&mut ledger.returns) {
            add(mine, &mut block[range.clone()]);
            mine.fill(0.0);
        }
    }
}

/// Sets the actions of neighbouring rows of at most a tile, the first of which starts a lane.
pub(crate) fn choose(
    rules: &Rules,
    policy: &PolicyTable,
    step: u64,
    first: u64,
    observation: &[u32],
    words: &mut [u32],
    action: &mut [u32],
) {
    // A policy that leaves nothing to chance is not asked for words, so that their noise need not be computed.
    if policy.draws {
        rules.keys.policy.fill(step, first, words);
    }
    act(policy.at(rules.elapsed(step)), policy.actions, &rules.offset, observation, words, action);
}

/// The ranges of rows that are worked on at a time.
pub(crate) fn tiles(rules: &Rules, rows: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let tile = rules.rows_per_tile();
    (0..rows).step_by(tile).map(move |start| start..rows.min(start + tile))
}

/// One transition of all lanes, the same as in a tile; `reward` is `[tasks, rows]`.
pub(crate) fn transition(
    rules: &Rules,
    step: u64,
    action: &[u32],
    state: &mut [u32],
    reward: &mut [f32],
    scratch: &mut Scratch,
) {
    let Some(dynamics) = &rules.dynamics else { return };
    let rows = state.len();
    for range in tiles(rules, rows) {
        let (words, mine) = (&mut scratch.words[..range.len()], &mut scratch.reward[..range.len() * rules.tasks]);
        rules.keys.transition.fill(step, range.start as u64, words);
        dynamics.step(Moves { action: &action[range.clone()], words, state: &mut state[range.clone()], reward: mine });
        for (mine, block) in mine.chunks_exact(range.len()).zip(reward.chunks_exact_mut(rows)) {
            block[range.clone()].copy_from_slice(mine);
        }
    }
}

#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(crate) fn add(from: &[f32], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}
