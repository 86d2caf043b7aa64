//! What an environment says about itself: groups, tasks, spaces, the clock.

use serde::{Deserialize, Serialize};

/// A group of agents that share dynamics and are compared with the other groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// Name in tables and records.
    pub name: String,
    /// Agents of this group in every lane.
    pub agents: u32,
}

/// The values an observation or an action can take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Space {
    /// `0..n`.
    Discrete(u32),
    /// `0..n` again, of actions that cannot all be chosen at all times: the last `n` numbers of what an agent sees are 1 for
    /// those that can be, one at least, and 0 for the others. A network chooses among those; from others, who may name any, the
    /// environment must take what cannot be chosen for something else.
    Masked(u32),
    /// Numbers within bounds. An action is a single one.
    Real {
        /// How many there are.
        size: u32,
        /// None is smaller.
        low: f32,
        /// None is greater.
        high: f32,
    },
}

impl Space {
    /// How many values a table can tell apart: of numbers it sees nothing, which is a single value.
    pub fn count(self) -> u32 {
        match self {
            Space::Discrete(count) | Space::Masked(count) => count,
            Space::Real { .. } => 1,
        }
    }

    /// How many values a trajectory tells apart: numbers are kept as their bits.
    pub(crate) fn codes(self) -> u32 {
        if self.is_discrete() { self.count() } else { u32::MAX }
    }

    /// Whether the values can be counted.
    pub fn is_discrete(self) -> bool {
        matches!(self, Space::Discrete(_) | Space::Masked(_))
    }
}

/// A reward signal; every step pays one number per task, the same signal for all groups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// Name in tables and records.
    pub name: String,
    /// Least and greatest reward of a step.
    pub reward: (f32, f32),
}

/// The shapes and bounds of an environment; everything a method may assume about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Groups in the order of their agents within a lane.
    pub groups: Vec<GroupSpec>,
    /// Tasks in the order of the reward vector.
    pub tasks: Vec<TaskSpec>,
    /// What the policy sees of an agent.
    pub observation: Space,
    /// What the policy decides for an agent.
    pub action: Space,
    /// Steps after which an episode is truncated.
    pub time_limit: u32,
    /// Observations in which an agent's episode has terminated. The agent stays there and earns nothing until the
    /// time limit, so that the lanes keep in step.
    pub terminal: Vec<u32>,
}

impl Spec {
    /// Agents in a lane.
    pub fn agents(&self) -> u32 {
        self.groups.iter().map(|group| group.agents).sum()
    }

    /// The group of every agent of a lane, in order.
    pub fn agent_groups(&self) -> Vec<u32> {
        let repeat = |(index, group): (usize, &GroupSpec)| std::iter::repeat_n(index as u32, group.agents as usize);
        self.groups.iter().enumerate().flat_map(repeat).collect()
    }
}
