//! Rollouts: `horizon` steps of every lane, with or without the trajectory.

use crate::memory::{Track, zeros};
use crate::spec::{Space, Spec};
use crate::stream;

/// Small whole numbers in as little memory as they need.
#[derive(Clone, Debug, PartialEq)]
pub enum Codes {
    /// Values below 256.
    Bytes(Track<u8>),
    /// Any values.
    Words(Track<u32>),
}

impl Codes {
    /// Room for `len` values below `count`.
    pub fn new(count: u32, len: usize) -> Self {
        if count <= 256 { Codes::Bytes(zeros(len)) } else { Codes::Words(zeros(len)) }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Codes::Bytes(values) => values.len(),
            Codes::Words(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `index`.
    pub fn get(&self, index: usize) -> u32 {
        match self {
            Codes::Bytes(values) => values[index].into(),
            Codes::Words(values) => values[index],
        }
    }

    /// Sets the value at `index`.
    pub fn set(&mut self, index: usize, value: u32) {
        match self {
            Codes::Bytes(values) => values[index] = value as u8,
            Codes::Words(values) => values[index] = value,
        }
    }

    /// Copies `values` to `start..`.
    pub fn write(&mut self, start: usize, values: &[u32]) {
        self.lend(start, values.len()).write(0, values);
    }

    /// The same for few values, which are read again soon.
    pub(crate) fn copy(&mut self, start: usize, values: &[u32]) {
        match self {
            Codes::Bytes(own) => own[start..][..values.len()].iter_mut().zip(values).for_each(|(to, &v)| *to = v as u8),
            Codes::Words(own) => own[start..][..values.len()].copy_from_slice(values),
        }
    }

    /// Lends a part for writing.
    pub(crate) fn lend(&mut self, start: usize, len: usize) -> CodesMut<'_> {
        match self {
            Codes::Bytes(values) => CodesMut::Bytes(&mut values[start..start + len]),
            Codes::Words(values) => CodesMut::Words(&mut values[start..start + len]),
        }
    }
}

pub(crate) enum CodesMut<'a> {
    Bytes(&'a mut [u8]),
    Words(&'a mut [u32]),
}

impl<'a> CodesMut<'a> {
    pub(crate) fn write(&mut self, start: usize, values: &[u32]) {
        match self {
            CodesMut::Bytes(to) => stream::narrow(values, &mut to[start..start + values.len()]),
            CodesMut::Words(to) => to[start..start + values.len()].copy_from_slice(values),
        }
    }

    pub(crate) fn split_at_mut(self, at: usize) -> (Self, Self) {
        match self {
            CodesMut::Bytes(values) => {
                let (left, right) = values.split_at_mut(at);
                (CodesMut::Bytes(left), CodesMut::Bytes(right))
            }
            CodesMut::Words(values) => {
                let (left, right) = values.split_at_mut(at);
                (CodesMut::Words(left), CodesMut::Words(right))
            }
        }
    }
}

/// What happened in `horizon` steps of every lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// Steps.
    pub horizon: usize,
    /// Lanes.
    pub lanes: usize,
    /// Agents in a lane.
    pub agents: usize,
    /// Tasks in the reward vector.
    pub tasks: usize,
    /// Steps in an episode.
    pub time_limit: u32,
    /// The engine's clock at the first step.
    pub first_step: u64,
    /// What each agent saw before it acted, `[horizon, lanes, agents]`; empty where it sees numbers.
    pub observation: Codes,
    /// Numbers that an agent sees; 0 where it sees a discrete observation.
    pub size: usize,
    /// The numbers that each agent saw before it acted, `[horizon, lanes, agents, size]`.
    pub features: Track<f32>,
    /// What it did, `[horizon, lanes, agents]`.
    pub action: Codes,
    /// What the environment paid, `[horizon, tasks, lanes, agents]`.
    pub reward: Track<f32>,
    /// What the policy is taught instead, of the same shape; empty where no fairness reward is at work.
    pub shaped: Track<f32>,
    /// What agents saw last, for every episode that ended, in order of time: `[episodes, lanes, agents]`.
    pub final_observation: Codes,
    /// The same in numbers, `[episodes, lanes, agents, size]`.
    pub final_features: Track<f32>,
    /// What agents see after the last step, `[lanes, agents]`.
    pub next_observation: Codes,
    /// The same in numbers, `[lanes, agents, size]`.
    pub next_features: Track<f32>,
}

impl Rollout {
    /// Room for `horizon` steps that begin at `first_step`, with or without shaped rewards.
    pub fn new(spec: &Spec, lanes: usize, horizon: usize, first_step: u64, shaped: bool) -> Self {
        let (agents, tasks) = (spec.agents() as usize, spec.tasks.len());
        let rows = lanes * agents;
        let limit = u64::from(spec.time_limit);
        let episodes = ((first_step + horizon as u64) / limit - first_step / limit) as usize;
        let (observations, size) = match spec.observation {
            Space::Discrete(count) | Space::Masked(count) => (count, 0),
            Space::Real { size, .. } => (0, size as usize),
        };
        let codes = |len: usize| Codes::new(observations, if size == 0 { len } else { 0 });
        let features = |len: usize| zeros(len * size);
        Rollout {
            horizon,
            lanes,
            agents,
            tasks,
            time_limit: spec.time_limit,
            first_step,
            observation: codes(horizon * rows),
            size,
            features: features(horizon * rows),
            action: Codes::new(spec.action.codes(), horizon * rows),
            reward: zeros(horizon * tasks * rows),
            shaped: zeros(if shaped { horizon * tasks * rows } else { 0 }),
            final_observation: codes(episodes * rows),
            final_features: features(episodes * rows),
            next_observation: codes(rows),
            next_features: features(rows),
        }
    }

    /// Episodes that ended.
    pub fn episodes(&self) -> usize {
        let limit = u64::from(self.time_limit);
        ((self.first_step + self.horizon as u64) / limit - self.first_step / limit) as usize
    }

    /// Agents of all lanes.
    pub fn rows(&self) -> usize {
        self.lanes * self.agents
    }

    /// Steps since the episode began, before step `t`.
    pub fn elapsed(&self, t: usize) -> u32 {
        ((self.first_step + t as u64) % u64::from(self.time_limit)) as u32
    }

    /// Whether the clock ends an episode with step `t`.
    pub fn truncated(&self, t: usize) -> bool {
        self.elapsed(t) + 1 == self.time_limit
    }

    /// The rewards a learner is to use: shaped ones where there are any.
    pub fn taught(&self) -> &[f32] {
        if self.shaped.is_empty() { &self.reward } else { &self.shaped }
    }
}
