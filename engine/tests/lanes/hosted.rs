//! Both ways to run lanes on the processor, their noise, their rules and their measures.

use super::drinkers::{AGENTS, Cups, Drinkers, STEPS, Well, rules, sim};
use isonomy_engine::columns;
use isonomy_engine::controller::Rule;
use isonomy_engine::environment::Environment;
use isonomy_engine::lanes::{At, LaneController, LaneDynamics, LaneRule, Shared, View};
use isonomy_engine::network::{Activation, Mlp};
use isonomy_engine::noise::Phase;
use isonomy_engine::policy::{Head, NetworkPolicy, PolicyRef, Workspace};

#[test]
fn networks_see_and_choose_the_same_in_both_ways() {
    let spec = Drinkers::default().spec();
    for identities in [false, true] {
        let sizes = vec![NetworkPolicy::inputs(&spec, identities), 8, 2];
        let net = Mlp::new(sizes, Activation::Tanh, 1.0, 1, 0);
        let identities = if identities { AGENTS } else { 0 };
        let policy = NetworkPolicy { net, head: Head::Categorical, identities };
        let build = |threads| {
            let mut sim = sim(50, threads, &rules()[0]);
            assert!(sim.set_parametric(PolicyRef::Network(&policy)));
            sim
        };
        let (mut fused, mut scheduled) = (build(3), build(1));
        let horizon = 2 * STEPS as usize + 3;
        let mut slow = scheduled.room(horizon);
        scheduled.run_schedule(horizon, Some(&mut slow));
        let fast = fused.rollout(horizon).expect("no device");
        assert!(fast == slow);
        assert_eq!(fused.snapshot(), scheduled.snapshot());
        // Cups, well and clock, of every agent in turn; the last sight of an episode is at its end.
        let at = |t: usize, row: usize| &fast.features[(t * fast.rows() + row) * 3..][..3];
        assert_eq!((at(0, 4)[1], at(0, 4)[2], at(5, 4)[2]), (5.0, 0.0, 1.0));
        assert!((0..100).all(|row| fast.final_features[3 * row + 2] == STEPS as f32));
        assert!((0..100).all(|row| fast.next_features[3 * row + 2] == 3.0));
        // What is recorded is what was chosen by.
        let mut workspace = Workspace::default();
        let outputs = policy.outputs(&fast.features[..fast.rows() * 3], &mut workspace);
        let sure = (0..fast.rows()).filter(|row| (outputs[2 * row] - outputs[2 * row + 1]).abs() > 4.0);
        for row in sure {
            assert_eq!(fast.action.get(row), u32::from(outputs[2 * row + 1] > outputs[2 * row]));
        }
        let ones = (0..fast.action.len()).filter(|&at| fast.action.get(at) == 1).count();
        assert!(ones > 0 && ones < fast.action.len());
    }
}

#[test]
fn fused_and_scheduled_agree_in_everything() {
    for rule in rules() {
        for (lanes, threads) in [(1, 1), (7, 2), (100, 3)] {
            let (mut fused, mut scheduled) = (sim(lanes, threads, &rule), sim(lanes, 1, &rule));
            for _ in 0..2 {
                let horizon = 2 * STEPS as usize + 1;
                let mut slow = scheduled.room(horizon);
                scheduled.run_schedule(horizon, Some(&mut slow));
                assert!(fused.rollout(horizon).expect("no device") == slow, "{lanes} lanes");
                assert_eq!(fused.snapshot(), scheduled.snapshot(), "{lanes} lanes");
                assert_eq!(fused.take_returns(), scheduled.take_returns());
            }
        }
    }
}

#[test]
fn a_lane_does_not_know_of_others() {
    for rule in rules() {
        let of = |lanes: usize| {
            let mut sim = sim(lanes, 2, &rule);
            sim.advance(6).expect("no device");
            let cups = columns::column::<Cups>(sim.world())[3 * AGENTS..4 * AGENTS].to_vec();
            (cups, columns::column::<Well>(sim.world())[3])
        };
        assert_eq!(of(4), of(50));
    }
}

#[test]
fn water_is_neither_made_nor_lost() {
    let rule = &rules()[1];
    let mut sim = sim(1, 1, rule);
    sim.advance(STEPS as usize).expect("no device");
    let earned = sim.take_returns().expect("an episode ended");
    let keys = isonomy_engine::Keys::new(5, Phase::Training);
    let cups: u32 = (0..3).map(|word| keys.reset.word(0, word) % 3).sum();
    let rain: u32 = (0..4).map(|step| keys.transition.word(step, 0) % 2).sum();
    let drunk: f64 = earned.returns.mean[0] + 2.0 * earned.returns.mean[1];
    let left: f64 = earned.measures.iter().map(|(_, value)| value).sum();
    assert_eq!(drunk + left, f64::from(5 + cups + rain));
    assert_eq!(earned.measures[0].0, "left_in_well");
}

#[test]
fn measures_are_means_over_lanes_and_episodes() {
    let rule = &rules()[0];
    let mut sim = sim(9, 2, rule);
    let mut sums = [0.0; 2];
    for _ in 0..3 {
        // The last step of the episode would start the next one: look before it, then see what it changes.
        sim.advance(STEPS as usize).expect("no device");
        let earned = sim.take_returns().expect("an episode ended");
        sums[0] += earned.measures[0].1 / 3.0;
        sums[1] += earned.measures[1].1 / 3.0;
    }
    let mut whole = self::sim(9, 1, rule);
    whole.advance(3 * STEPS as usize).expect("no device");
    let earned = whole.take_returns().expect("three episodes ended");
    assert!((earned.measures[0].1 - sums[0]).abs() < 1e-12 && (earned.measures[1].1 - sums[1]).abs() < 1e-12);
}

#[test]
fn a_snapshot_restores_to_the_same_future() {
    let rule = &rules()[1];
    let (mut whole, mut other) = (sim(20, 2, rule), sim(20, 1, rule));
    whole.advance(5).expect("no device");
    let middle = whole.snapshot();
    whole.advance(9).expect("no device");
    assert!(other.restore(&middle));
    other.advance(9).expect("no device");
    assert_eq!(whole.snapshot(), other.snapshot());
}

#[test]
fn rules_for_other_lanes_are_refused() {
    struct Elsewhere;
    impl LaneDynamics for Elsewhere {
        type State = (Cups,);
        fn counts(&self) -> Vec<usize> {
            vec![1]
        }
        fn start(&self, _: At<'_>, _: View<'_, Self>) {}
        fn observe(&self, _: At<'_>, _: Shared<'_, Self>, _: &mut [f32]) {}
        fn step(&self, _: At<'_>, _: &[u32], _: View<'_, Self>, _: &mut [f32]) {}
    }
    struct Idle;
    impl LaneController<Elsewhere> for Idle {
        fn act(&self, _: &Elsewhere, _: At<'_>, _: Shared<'_, Elsewhere>, _: &mut [u32]) {}
    }
    let mut sim = sim(2, 1, &rules()[0]);
    assert!(!sim.set_rule(&Rule::Lane(LaneRule::new::<Elsewhere>(Idle))));
}
