//! Lanes whose agents move together: both ways to run them, their noise, their rules and their measures.

use isonomy_engine::columns;
use isonomy_engine::controller::Rule;
use isonomy_engine::environment::Environment;
use isonomy_engine::lanes::{At, LaneController, LaneDynamics, LaneRule, Shared, View};
use isonomy_engine::network::{Activation, Mlp};
use isonomy_engine::noise::Phase;
use isonomy_engine::policy::{Head, NetworkPolicy, PolicyRef, TabularPolicy, Workspace};
use isonomy_engine::sim::{Builder, Setup, Sim};
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use serde::{Deserialize, Serialize};

columns! {
    /// Cups of water that each agent has left.
    Cups(u32);
    /// What all share.
    Well(f64);
}

const AGENTS: usize = 3;
const STEPS: u32 = 4;

/// Agents drink from a shared well: an action of 1 takes a cup, as long as there is one. Each has a few cups of its own.
#[derive(Debug, Serialize, Deserialize)]
struct Drinkers {}

#[typetag::serde]
impl Environment for Drinkers {
    fn spec(&self) -> Spec {
        let group = |name: &str, agents| GroupSpec { name: name.to_owned(), agents };
        Spec {
            groups: vec![group("first", 1), group("others", 2)],
            tasks: vec![TaskSpec { name: "water".to_owned(), reward: (0.0, 1.0) }],
            observation: Space::Real { size: 3, low: 0.0, high: 9.0 },
            action: Space::Discrete(2),
            time_limit: STEPS,
            terminal: Vec::new(),
        }
    }

    fn build(&self, sim: &mut Builder) {
        sim.lanes_of(Wells);
    }
}

struct Wells;

impl LaneDynamics for Wells {
    type State = (Cups, Well);

    fn counts(&self) -> Vec<usize> {
        vec![AGENTS, 1]
    }

    fn draws(&self) -> usize {
        1
    }

    fn start_draws(&self) -> usize {
        AGENTS
    }

    fn start(&self, at: At<'_>, (cups, well): View<'_, Self>) {
        assert_eq!(at.words.len(), AGENTS);
        for (cup, word) in cups.iter_mut().zip(at.words) {
            cup.0 = word % 3;
        }
        well[0].0 = 5.0;
    }

    fn step(&self, at: At<'_>, action: &[u32], (cups, well): View<'_, Self>, reward: &mut [f32]) {
        well[0].0 += f64::from(at.words[0] % 2);
        for agent in 0..AGENTS {
            let had = cups[agent].0 > 0 || well[0].0 >= 1.0;
            reward[agent] = if action[agent] == 1 && had { 1.0 } else { 0.0 };
            if reward[agent] == 0.0 {
                continue;
            }
            match cups[agent].0 {
                0 => well[0].0 -= 1.0,
                left => cups[agent].0 = left - 1,
            }
        }
    }

    fn observe(&self, at: At<'_>, (cups, well): Shared<'_, Self>, features: &mut [f32]) {
        for (features, cup) in features.chunks_exact_mut(3).zip(cups) {
            features.copy_from_slice(&[cup.0 as f32, well[0].0 as f32, at.elapsed as f32]);
        }
    }

    fn measures(&self) -> Vec<String> {
        vec!["left_in_well".to_owned(), "own_cups".to_owned()]
    }

    fn measure(&self, (cups, well): Shared<'_, Self>, measures: &mut [f64]) {
        measures[0] = well[0].0;
        measures[1] = cups.iter().map(|cup| f64::from(cup.0)).sum();
    }
}

/// Those drink who have most cups of their own, and sometimes another.
struct Richest;

impl LaneController<Wells> for Richest {
    fn draws(&self) -> usize {
        1
    }

    fn act(&self, _: &Wells, at: At<'_>, (cups, _): Shared<'_, Wells>, action: &mut [u32]) {
        let most = cups.iter().map(|cup| cup.0).max();
        for (index, (action, cup)) in action.iter_mut().zip(cups).enumerate() {
            *action = u32::from(Some(cup.0) == most || at.words[0] as usize % AGENTS == index);
        }
    }
}

fn sim(lanes: usize, threads: usize, rule: &Rule) -> Sim {
    let setup = Setup { lanes, seed: 5, phase: Phase::Training, threads, device: None };
    let mut sim = Sim::new(&Drinkers {}, Vec::new(), setup).expect("it fits");
    assert!(sim.set_rule(rule));
    sim
}

#[test]
fn networks_see_and_choose_the_same_in_both_ways() {
    let spec = Drinkers {}.spec();
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

fn rules() -> [Rule; 2] {
    let chances = |_: usize, group: usize, _: usize, chances: &mut [f64]| {
        chances.copy_from_slice(&[[0.2, 0.8], [0.5, 0.5]][group]);
    };
    let table = TabularPolicy::from_chances(&Drinkers {}.spec(), 1, chances);
    [Rule::Table(table), Rule::Lane(LaneRule::new::<Wells>(Richest))]
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
