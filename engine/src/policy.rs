//! Policies: a table of distributions, or a network that maps what an agent sees to one.

use crate::chance::{self, passes};
use crate::network::{Mlp, Trace, exp, normal};
use crate::problem::Problem;
use crate::spec::{Space, Spec};
use multiversion::multiversion;
use serde::{Deserialize, Serialize};

/// How a policy with parameters begins. The parameters themselves live in a [`ParametricPolicy`].
#[typetag::serde]
pub trait Policy: std::fmt::Debug + Send + Sync {
    /// The policy before any learning. Called after [`check`](Self::check) found nothing.
    fn initial(&self, spec: &Spec, seed: u64) -> ParametricPolicy;

    /// Whether it is a network. A table sees discrete observations only.
    fn is_network(&self) -> bool {
        false
    }

    /// Whether every agent of a lane has parameters of its own.
    fn is_separate(&self) -> bool {
        false
    }

    /// What in this environment makes no sense.
    fn check(&self, _spec: &Spec) -> Vec<Problem> {
        Vec::new()
    }
}

/// What an optimiser improves.
#[derive(Clone, Debug, PartialEq)]
pub enum ParametricPolicy {
    /// A distribution for every cell.
    Table(TabularPolicy),
    /// A network for all agents, or one for each.
    Network(NetworkPolicy),
}

impl ParametricPolicy {
    /// The table that an optimiser of tables needs.
    pub fn into_table(self) -> Result<TabularPolicy, Problem> {
        match self {
            ParametricPolicy::Table(policy) => Ok(policy),
            ParametricPolicy::Network(_) => {
                Err(Problem::at("", "it improves tables, and the policy is a network").help("use a tabular policy"))
            }
        }
    }

    /// The network that an optimiser of networks needs.
    pub fn into_network(self) -> Result<NetworkPolicy, Problem> {
        match self {
            ParametricPolicy::Network(policy) => Ok(policy),
            ParametricPolicy::Table(_) => Err(Problem::at("", "it improves networks, and the policy is a table")
                .help("use a policy that is a network")),
        }
    }
}

impl From<TabularPolicy> for ParametricPolicy {
    fn from(policy: TabularPolicy) -> Self {
        ParametricPolicy::Table(policy)
    }
}

/// A policy that someone else improves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PolicyRef<'a> {
    /// A distribution for every cell.
    Table(&'a TabularPolicy),
    /// A network for all agents, or one for each.
    Network(&'a NetworkPolicy),
}

impl<'a> PolicyRef<'a> {
    /// The table, where it is one.
    pub fn table(self) -> Option<&'a TabularPolicy> {
        match self {
            PolicyRef::Table(policy) => Some(policy),
            PolicyRef::Network(_) => None,
        }
    }
}

impl<'a> From<&'a TabularPolicy> for PolicyRef<'a> {
    fn from(policy: &'a TabularPolicy) -> Self {
        PolicyRef::Table(policy)
    }
}

/// A network that all agents of all groups share, or one for each agent of a lane: what an agent sees goes in, a distribution over
/// its actions comes out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkPolicy {
    /// From the features to logits, or to the mean of the action. One copy, or as many as a lane has agents.
    pub net: Mlp,
    /// What the outputs mean.
    pub head: Head,
    /// Agents of a lane that the network tells apart by one more input each; 0 where it does not.
    pub identities: usize,
}

/// What the outputs of a [`NetworkPolicy`] mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Head {
    /// One logit for every action.
    Categorical,
    /// The same, of actions that cannot all be chosen: see [`Space::Masked`].
    Masked,
    /// The mean of a normal distribution, whose standard deviation does not depend on what is seen.
    Gaussian {
        /// Its logarithm.
        log_deviation: f32,
    },
}

/// Memory in which a [`NetworkPolicy`] works.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    input: Vec<f32>,
    /// What the forward pass left.
    pub trace: Trace,
}

impl NetworkPolicy {
    /// Numbers that the network is given of an agent.
    pub fn inputs(spec: &Spec, identities: bool) -> usize {
        let features = match spec.observation {
            Space::Real { size, .. } => size,
            Space::Discrete(count) | Space::Masked(count) => count,
        };
        features as usize + if identities { spec.agents() as usize } else { 0 }
    }

    /// Words of noise that an agent's choice takes.
    pub fn draws(&self) -> usize {
        match self.head {
            Head::Categorical | Head::Masked => 1,
            Head::Gaussian { .. } => 2,
        }
    }

    /// The outputs for the agents of some whole lanes, `[rows, outputs]`, given their features `[rows, size]`. The logit of
    /// an action that cannot be chosen is [`NEVER`].
    pub fn outputs<'w>(&self, features: &[f32], workspace: &'w mut Workspace) -> &'w [f32] {
        let Workspace { input, trace } = workspace;
        let size = self.net.inputs() - self.identities;
        let seen = if self.identities == 0 {
            features
        } else {
            input.clear();
            for (row, features) in features.chunks_exact(size).enumerate() {
                input.extend_from_slice(features);
                let me = row % self.identities;
                input.extend((0..self.identities).map(|agent| f32::from(u8::from(agent == me))));
            }
            input
        };
        let outputs = self.net.forward(seen, trace);
        if self.head == Head::Masked {
            let count = self.net.outputs();
            for (logits, features) in outputs.chunks_exact_mut(count).zip(features.chunks_exact(size)) {
                let masked = logits.iter_mut().zip(&features[size - count..]).filter(|(_, free)| **free == 0.0);
                masked.for_each(|(logit, _)| *logit = NEVER);
            }
        }
        outputs
    }

    /// Chooses for the agents of a lane, given `draws` words for each.
    pub fn act(&self, features: &[f32], words: &[u32], workspace: &mut Workspace, action: &mut [u32]) {
        let outputs = self.outputs(features, workspace);
        match self.head {
            Head::Categorical | Head::Masked => {
                for ((action, logits), word) in
                    action.iter_mut().zip(outputs.chunks_exact(self.net.outputs())).zip(words)
                {
                    *action = pick(logits, *word);
                }
            }
            Head::Gaussian { log_deviation } => {
                let deviation = f64::from(log_deviation).exp();
                for ((action, mean), words) in action.iter_mut().zip(outputs).zip(words.chunks_exact(2)) {
                    *action = ((f64::from(*mean) + deviation * normal(words[0], words[1])) as f32).to_bits();
                }
            }
        }
    }
}

/// The logit of an action that cannot be chosen: its chance is zero, and so is the derivative by anything.
pub const NEVER: f32 = -1e30;

/// The action that a word picks: the first whose share of the chances, summed up, is above the word's.
fn pick(logits: &[f32], word: u32) -> u32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| if logit == NEVER { 0.0 } else { exp((logit - top).max(-80.0)) };
    let total: f32 = logits.iter().map(|&logit| weight(logit)).sum();
    let mut left = (f64::from(word) / 4_294_967_296.0 * f64::from(total)) as f32;
    let mut last = 0;
    for (action, &logit) in (0..).zip(logits) {
        left -= weight(logit);
        if left < 0.0 {
            return action;
        }
        // Rounding can leave a little.
        last = if logit == NEVER { last } else { action };
    }
    last
}

/// A softmax policy on a table, `[steps, groups, observations, actions]`.
///
/// `steps` is 1 for a stationary policy, or the time limit for one that looks at the clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TabularPolicy {
    /// Entries of the clock: 1 or the time limit.
    pub steps: usize,
    /// Groups of the environment.
    pub groups: usize,
    /// Observations per group.
    pub observations: usize,
    /// Actions per observation.
    pub actions: usize,
    /// Logits. Negative infinity is a chance of zero.
    pub logits: Vec<f64>,
}

impl TabularPolicy {
    /// All actions equally likely.
    pub fn uniform(spec: &Spec, steps: usize) -> Self {
        let (groups, observations) = (spec.groups.len(), spec.observation.count() as usize);
        let actions = spec.action.count() as usize;
        let logits = vec![0.0; steps * groups * observations * actions];
        TabularPolicy { steps, groups, observations, actions, logits }
    }

    /// From chances given for every cell `(step, group, observation)`.
    pub fn from_chances(
        spec: &Spec,
        steps: usize,
        mut chances: impl FnMut(usize, usize, usize, &mut [f64]),
    ) -> TabularPolicy {
        let mut policy = TabularPolicy::uniform(spec, steps);
        let mut row = vec![0.0; policy.actions];
        for cell in 0..policy.cells() {
            let (step, group, observation) = policy.place(cell);
            row.fill(0.0);
            chances(step, group, observation, &mut row);
            let logits = &mut policy.logits[cell * row.len()..][..row.len()];
            for (logit, chance) in logits.iter_mut().zip(&row) {
                *logit = chance.ln();
            }
        }
        policy
    }

    /// Number of distributions.
    pub fn cells(&self) -> usize {
        self.steps * self.groups * self.observations
    }

    /// Index of a distribution; `elapsed` counts steps since the episode began.
    pub fn cell(&self, elapsed: usize, group: usize, observation: usize) -> usize {
        ((elapsed % self.steps) * self.groups + group) * self.observations + observation
    }

    fn place(&self, cell: usize) -> (usize, usize, usize) {
        let (rest, observation) = (cell / self.observations, cell % self.observations);
        (rest / self.groups, rest % self.groups, observation)
    }

    /// The distribution of a cell.
    pub fn chances(&self, cell: usize) -> Vec<f64> {
        softmax(&self.logits[cell * self.actions..][..self.actions])
    }

    /// The policy as the rollout reads it.
    pub fn table(&self) -> PolicyTable {
        let thresholds: Vec<u32> = (0..self.cells()).flat_map(|cell| chance::thresholds(&self.chances(cell))).collect();
        let draws = thresholds.iter().any(|&at| at != 0 && at != chance::NEVER);
        PolicyTable {
            steps: self.steps,
            row: self.groups * self.observations,
            actions: self.actions,
            draws,
            thresholds,
        }
    }
}

/// `exp(x_i) / Σ exp(x_j)`.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.iter().map(|logit| (logit - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// Cumulative thresholds of a [`TabularPolicy`], `[steps, groups · observations, actions - 1]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyTable {
    /// Entries of the clock.
    pub steps: usize,
    /// Groups times observations.
    pub row: usize,
    /// Number of actions.
    pub actions: usize,
    /// Whether any choice is left to chance. Where none is, any word of noise will do.
    pub draws: bool,
    /// The thresholds.
    pub thresholds: Vec<u32>,
}

impl PolicyTable {
    /// The part of the table that holds `elapsed` steps into the episode.
    pub fn at(&self, elapsed: u32) -> &[u32] {
        let row = self.row * (self.actions - 1);
        &self.thresholds[elapsed as usize % self.steps * row..][..row]
    }
}

/// Chooses actions: `offset[i] + state[i]` is the cell of row `i` in `table`, the table's part for this step.
pub(crate) fn act(table: &[u32], actions: usize, offset: &[u32], state: &[u32], words: &[u32], action: &mut [u32]) {
    match actions {
        1 => action.fill(0),
        2 => choose_of_two(table, offset, state, words, action),
        _ => choose(table, actions - 1, offset, state, words, action),
    }
}

/// A table of at most this many cells is looked up without touching memory.
const SMALL: usize = 32;

fn choose_of_two(table: &[u32], offset: &[u32], state: &[u32], words: &[u32], action: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    if table.len() <= SMALL && is_x86_feature_detected!("avx512f") {
        let mut small = [0; SMALL];
        small[..table.len()].copy_from_slice(table);
        // SAFETY: the feature was just detected.
        return unsafe { choose_of_two_small(&small, offset, state, words, action) };
    }
    choose(table, 1, offset, state, words, action);
}

/// Two actions, a table that fits in two registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn choose_of_two_small(table: &[u32; SMALL], offset: &[u32], state: &[u32], words: &[u32], action: &mut [u32]) {
    use std::arch::x86_64::*;
    let rows = action.len();
    let (offset, state, words) = (&offset[..rows], &state[..rows], &words[..rows]);
    // SAFETY: the table holds two registers.
    let halves = [0, 16].map(|half| unsafe { _mm512_loadu_si512(table.as_ptr().add(half).cast()) });
    let whole = rows / 16 * 16;
    for at in (0..whole).step_by(16) {
        // A mask that is known to be full costs nothing; masked stores are slow.
        // SAFETY: these sixteen rows are within the slices, whose lengths were just made equal.
        unsafe { choose_sixteen(halves, at, 0xffff, offset, state, words, action) };
    }
    if whole < rows {
        // SAFETY: so are the rows of this mask.
        unsafe { choose_sixteen(halves, whole, (1 << (rows - whole)) - 1, offset, state, words, action) };
    }
}

/// Chooses for the rows of `mask` from `at` on.
///
/// # Safety
/// They must be within every slice.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn choose_sixteen(
    [low, high]: [std::arch::x86_64::__m512i; 2],
    at: usize,
    mask: u16,
    offset: &[u32],
    state: &[u32],
    words: &[u32],
    action: &mut [u32],
) {
    use std::arch::x86_64::*;
    // SAFETY: by the function's contract.
    unsafe {
        let load = |from: &[u32]| _mm512_maskz_loadu_epi32(mask, from.as_ptr().add(at).cast());
        let threshold = _mm512_permutex2var_epi32(low, _mm512_add_epi32(load(offset), load(state)), high);
        // Held below `NEVER`, so that a comparison says whether it passes.
        let word = _mm512_min_epu32(load(words), _mm512_set1_epi32(-2));
        let drawn = _mm512_cmpge_epu32_mask(word, threshold);
        let chosen = _mm512_maskz_mov_epi32(drawn, _mm512_set1_epi32(1));
        _mm512_mask_storeu_epi32(action.as_mut_ptr().add(at).cast(), mask, chosen);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn choose(table: &[u32], per_cell: usize, offset: &[u32], state: &[u32], words: &[u32], action: &mut [u32]) {
    for ((action, &word), (&offset, &state)) in action.iter_mut().zip(words).zip(offset.iter().zip(state)) {
        let cell = (offset + state) as usize * per_cell;
        *action = table[cell..cell + per_cell].iter().map(|&at| u32::from(passes(word, at))).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_chosen_never_is() {
        for logits in [[NEVER, 0.3, NEVER, 0.1], [NEVER, NEVER, -70.0, NEVER], [50.0, NEVER, 1.0, NEVER]] {
            for word in [0, 1, 1 << 31, u32::MAX - 1, u32::MAX] {
                assert_ne!(logits[pick(&logits, word) as usize], NEVER, "{logits:?} {word}");
            }
        }
        assert_eq!([0, u32::MAX].map(|word| pick(&[NEVER, 0.3, NEVER, 0.1], word)), [1, 3]);
    }

    #[test]
    fn every_way_of_choosing_agrees() {
        let key = crate::noise::Key::new(3, crate::noise::Phase::Training, crate::noise::Purpose::Policy);
        for (cells, rows) in [(14, 5), (32, 512), (33, 77), (1, 16)] {
            let mut words = vec![0; rows * 2 + cells];
            key.fill(0, 0, &mut words);
            let mut table = words.split_off(rows * 2);
            table[0] = chance::NEVER;
            let state: Vec<u32> = words.split_off(rows).iter().map(|word| word % cells as u32).collect();
            let offset = vec![0; rows];
            let mut fast = vec![9; rows];
            choose_of_two(&table, &offset, &state, &words, &mut fast);
            let slow: Vec<u32> =
                state.iter().zip(&words).map(|(&s, &w)| u32::from(passes(w, table[s as usize]))).collect();
            assert_eq!(fast, slow);
        }
    }
}
