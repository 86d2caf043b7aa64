//! What must be true of the commons whatever is learned in it.

use commons::Commons;
use isonomy_engine::noise::Phase;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::sim::{Setup, Sim};
use isonomy_engine::{environment::Environment, scenario};
use std::path::Path;

fn shores() -> (Commons, TabularPolicy) {
    let text = "(time_limit: 30, catch: 0.1, growth: 0.3, groups: [(name: \"A\", agents: 3, skill: 1.0)])";
    let commons: Commons = isonomy_engine::reexport::ron::from_str(text).expect("a valid example");
    let always = TabularPolicy::from_chances(&commons.spec(), 1, |_, _, _, chances| chances[1] = 1.0);
    (commons, always)
}

fn fished(lanes: usize) -> Vec<f32> {
    let (commons, always) = shores();
    let setup = Setup { lanes, seed: 5, phase: Phase::Training, threads: 1, device: None };
    let mut sim = Sim::new(&commons, Vec::new(), setup).expect("builds");
    sim.set_policy(&always);
    sim.advance(60).expect("the processor does not fail");
    sim.take_returns().expect("two episodes ended").sums
}

#[test]
fn the_first_net_takes_its_share_of_a_full_stock() {
    let (commons, always) = shores();
    let setup = Setup { lanes: 1, seed: 5, phase: Phase::Training, threads: 1, device: None };
    let mut sim = Sim::new(&commons, Vec::new(), setup).expect("builds");
    sim.set_policy(&always);
    let rollout = sim.rollout(1).expect("the processor does not fail");
    assert_eq!(rollout.reward[..], [0.1, 0.1, 0.1]);
}

#[test]
fn a_lane_is_the_same_whatever_is_beside_it() {
    let (few, many) = (fished(4), fished(40));
    assert_eq!(few[9..12], many[9..12]);
}

#[test]
fn the_scenario_is_sound() {
    scenario::load(Path::new("scenario.ron"), &[]).map(drop).unwrap_or_else(|problems| panic!("{problems}"));
}

// The scenario names plugins of isonomy; linking it registers them.
use isonomy as _;
