//! Envy by hand.

use envy_penalty::EnvyPenalty;
use isonomy as _;
use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::scenario;
use std::path::Path;

#[test]
fn the_poorer_agent_pays_for_the_difference() {
    let penalty = EnvyPenalty { strength: NonNegative::new(0.5).expect("not negative") };
    let (reward, utility) = ([1.0, 1.0, 0.0, 0.0], [3.0, 1.0, 2.0, 2.0]);
    let mut shaped = reward;
    penalty.shape(RewardBatch {
        group: &[0, 1],
        groups: 2,
        tasks: 1,
        elapsed: 0,
        reward: &reward,
        utility: &utility,
        expected: None,
        memory: &mut [],
        shaped: &mut shaped,
    });
    assert_eq!(shaped, [1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn the_scenario_is_sound() {
    scenario::load(Path::new("scenario.ron"), &[]).map(drop).unwrap_or_else(|problems| panic!("{problems}"));
}
