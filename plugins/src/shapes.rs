//! Shapes of environments that tests need.

use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};

/// Groups A and B, of one and two agents, and one task.
pub(crate) fn two_groups(observations: u32, actions: u32, time_limit: u32) -> Spec {
    let group = |name: &str, agents| GroupSpec { name: name.to_owned(), agents };
    Spec {
        groups: vec![group("A", 1), group("B", 2)],
        tasks: vec![TaskSpec { name: "pay".to_owned(), reward: (0.0, 1.0) }],
        observation: Space::Discrete(observations),
        action: Space::Discrete(actions),
        time_limit,
        terminal: Vec::new(),
    }
}
