//! The two-step game: two agents who must trust each other to earn the most.
//!
//! | column | shape | meaning                                             |
//! |--------|-------|-----------------------------------------------------|
//! | `Node` | lanes | 0 at the start, then 1 after a safe choice, 2 after a risky one |
//!
//! Rashid et al. 2018 (*QMIX*, arXiv 1803.11485), section 5 and its appendix: small enough that every optimum is known, and
//! learners that look only at themselves settle for the second best.

use isonomy_engine::environment::Environment;
use isonomy_engine::lanes::{At, LaneDynamics, Shared, View};
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{columns, plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Two agents make two moves each; what the pair earns, both are paid.
///
/// At the start the first agent decides where the second move is made: after action 0 every pair of moves pays 7, after action 1
/// the pay is 0 if both choose 0, 1 if they differ and 8 if both choose 1. So 8 is the most that can be had and 7 is safe.
/// Both agents see which of the three places they are at, as three numbers of which one is 1.
/// The field's test that a learner of many agents coordinates. Rashid et al. 2018 (arXiv 1803.11485).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TwoStepGame {}

plugin!(Environment: TwoStepGame, "()");

columns! {
    /// Where the pair is: 0 at the start, 1 where all moves pay the same, 2 where only trust pays.
    Node(u32);
}

#[typetag::serde]
impl Environment for TwoStepGame {
    fn spec(&self) -> Spec {
        let group = |name: &str| GroupSpec { name: name.to_owned(), agents: 1 };
        Spec {
            groups: vec![group("first"), group("second")],
            tasks: vec![TaskSpec { name: "pay".to_owned(), reward: (0.0, 8.0) }],
            observation: Space::Real { size: 3, low: 0.0, high: 1.0 },
            action: Space::Discrete(2),
            time_limit: 2,
            terminal: Vec::new(),
        }
    }

    fn build(&self, sim: &mut Builder) {
        sim.lanes_of(Pairs);
    }
}

struct Pairs;

impl LaneDynamics for Pairs {
    type State = (Node,);

    fn counts(&self) -> Vec<usize> {
        vec![1]
    }

    fn start(&self, _: At<'_>, (node,): View<'_, Self>) {
        node[0].0 = 0;
    }

    fn observe(&self, _: At<'_>, (node,): Shared<'_, Self>, features: &mut [f32]) {
        features.fill(0.0);
        for features in features.chunks_exact_mut(3) {
            features[node[0].0 as usize] = 1.0;
        }
    }

    fn step(&self, _: At<'_>, action: &[u32], (node,): View<'_, Self>, reward: &mut [f32]) {
        let paid = match (node[0].0, action) {
            (0, _) => 0.0,
            (1, _) => 7.0,
            (_, [0, 0]) => 0.0,
            (_, [1, 1]) => 8.0,
            _ => 1.0,
        };
        reward.fill(paid);
        if node[0].0 == 0 {
            node[0].0 = 1 + action[0];
        }
    }
}
