//! Runs that advance together are the runs that they would be alone, to the bit.

use isonomy::engine::fleet::{Berth, Fleet, Metrics};
use isonomy::engine::run::{Means, Run};
use isonomy::engine::scenario::{self, Scenario};
use std::path::Path;

const RIVER: &str = "scenarios/papers/group_fair_riverswim_multi_task.ron";
const FAIR: &str = "optimizer.OptPess.epsilon=1.0";

/// A file of the tree with some values replaced.
fn load(file: &str, sets: &[&str]) -> Scenario {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    scenario::load(&file, &sets).unwrap_or_else(|problems| panic!("{problems}")).scenario
}

/// Numbers by name, as bits: no two NaN are equal.
type Bits = Vec<(String, u64)>;

fn bits(metrics: Metrics) -> Bits {
    metrics.into_iter().map(|(name, value)| (name, value.to_bits())).collect()
}

/// Every iteration of a run alone.
fn alone(file: &str, sets: &[&str], seed: u64) -> Vec<Bits> {
    let mut scenario = load(file, sets);
    scenario.seed = seed;
    let mut run = Run::new(scenario, Means { threads: 1, device: None }).expect("it begins");
    let mut all = Vec::new();
    while let Some(iteration) = run.next_iteration().expect("no device fails") {
        all.push(bits(iteration.metrics()));
    }
    all
}

fn fleet<'a>(scenarios: &'a [Scenario], seeds: &[u64]) -> Fleet<'a> {
    let room = scenarios.iter().map(Fleet::room).min().expect("there are scenarios");
    assert!(room >= scenarios.len() * seeds.len(), "room for {room}");
    let berths: Vec<Berth<'_>> =
        seeds.iter().flat_map(|&seed| scenarios.iter().map(move |scenario| Berth { scenario, seed })).collect();
    let (fleet, refused) = Fleet::begin(&berths).expect("it begins").expect("it can");
    assert!(refused.is_empty(), "{refused:?}");
    fleet
}

/// Compares every number of every iteration of every run.
#[track_caller]
fn same_as_alone(file: &str, variants: &[&[&str]], seeds: &[u64]) {
    let scenarios: Vec<Scenario> = variants.iter().map(|sets| load(file, sets)).collect();
    let mut fleet = fleet(&scenarios, seeds);
    let mut expected = Vec::new();
    for &seed in seeds {
        expected.extend(variants.iter().map(|sets| alone(file, sets, seed)));
    }
    let (mut told, mut iterations) = (Vec::new(), 0);
    while fleet.next_iteration(Some(&mut told)) {
        for (run, metrics) in told.drain(..).enumerate() {
            let (set, seed) = (variants[run % variants.len()], seeds[run / variants.len()]);
            assert_eq!(bits(metrics), expected[run][iterations], "{set:?}, seed {seed}, iteration {}", iterations + 1);
        }
        iterations += 1;
    }
    assert!(expected.iter().all(|run| run.len() == iterations) && iterations > 0);
}

#[test]
fn fair_learners_side_by_side() {
    let length = "iterations=150";
    let kappa = |set: &'static str| [length, set, FAIR];
    let (small, large) = (kappa("optimizer.OptPess.beta_scale=1e-4"), kappa("optimizer.OptPess.beta_scale=1e-3"));
    let careless = r#"optimizer={"CertaintyEquivalence": (epsilon: 0.5, epsilon_0: 0.1, rewards: Learned)}"#;
    let variants: [&[&str]; 6] = [
        &small,
        &large,
        &[length, "optimizer.OptPess.counts=PerStep", "optimizer.OptPess.beta_scale=1e-5"],
        &[length, careless],
        &[length, r#"optimizer={"AlwaysPi0": (epsilon: 0.5, epsilon_0: 0.1)}"#],
        &[length, r#"optimizer={"FairLp": (epsilon: 0.5)}"#],
    ];
    same_as_alone(RIVER, &variants, &[5, 2, 9]);
}

#[test]
fn many_lanes_odd_horizons_and_other_learners() {
    // Two episodes in a rollout.
    let gradient: [&[&str]; 2] = [
        &["iterations=7", "lanes=5", "horizon=40", r#"optimizer={"PolicyGradient": (rate: 5.0)}"#],
        &[
            "iterations=7",
            "lanes=5",
            "horizon=40",
            r#"optimizer={"PolicyGradient": (rate: 0.5)}"#,
            r#"constraints=[{"ReturnParity": (epsilon: 0.1)}]"#,
        ],
    ];
    same_as_alone(RIVER, &gradient, &[1, 2, 3]);
    // Rollouts that end an episode now and then, or one or two.
    for horizon in ["horizon=7", "horizon=30"] {
        same_as_alone(RIVER, &[&["iterations=9", horizon, r#"optimizer={"ValueIteration": ()}"#]], &[8, 4]);
    }
    let lanes: [&[&str]; 1] = [&["iterations=30", "lanes=7", "optimizer.OptPess.beta_scale=2e-4"]];
    same_as_alone(RIVER, &lanes, &[1, 6]);
}

#[test]
fn other_environments() {
    let lending: [&[&str]; 1] = [&["iterations=40"]];
    same_as_alone("scenarios/papers/lending_learned.ron", &lending, &[1, 2, 3]);
    let gradient: [&[&str]; 1] = [&["iterations=5", "lanes=3", r#"optimizer={"PolicyGradient": (rate: 1.0)}"#]];
    same_as_alone("scenarios/papers/lending_learned.ron", &gradient, &[1, 2]);
}

#[test]
fn what_is_not_asked_for_changes_nothing() {
    let scenarios = [load(RIVER, &["iterations=120", FAIR, "optimizer.OptPess.beta_scale=2e-4"])];
    let (mut asked, mut quiet) = (fleet(&scenarios, &[1, 2]), fleet(&scenarios, &[1, 2]));
    let (mut every, mut last) = (Vec::new(), Vec::new());
    while asked.done() < asked.iterations() {
        assert!(asked.next_iteration(Some(&mut every)));
        let at_last = quiet.done() + 1 == quiet.iterations();
        assert!(quiet.next_iteration(at_last.then_some(&mut last)));
    }
    assert!(!asked.next_iteration(None) && asked.runs() == 2);
    assert_eq!(every, last);
}

#[test]
fn what_needs_a_simulation_of_its_own_has_no_room() {
    for sets in [
        &["evaluation=(every: 2)"][..],
        &["lanes=512"],
        &[r#"fairness=[{"AlphaFair": (alpha: 1.0, floor: 0.1)}]"#, r#"optimizer={"PolicyGradient": (rate: 1.0)}"#],
    ] {
        assert_eq!(Fleet::room(&load(RIVER, sets)), 1, "{sets:?}");
    }
    assert_eq!(Fleet::room(&load(RIVER, &[])), 64);
    assert_eq!(Fleet::room(&load(RIVER, &["lanes=100"])), 5);
}

#[test]
fn who_cannot_begin_is_told_apart() {
    let scenarios = [load(RIVER, &["iterations=3"]), load(RIVER, &["iterations=3", "optimizer.OptPess.pi0=Always(1)"])];
    let berths = [&scenarios[1], &scenarios[0]].map(|scenario| Berth { scenario, seed: 1 });
    let (fleet, refused) = Fleet::begin(&berths).expect("it begins").expect("one can");
    assert_eq!((fleet.runs(), refused.len(), refused[0].0), (1, 1, 0));
    assert!(refused[0].1.to_string().starts_with("optimizer.OptPess"), "{}", refused[0].1);
}
