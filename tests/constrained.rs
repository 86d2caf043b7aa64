//! Constrained optimisers against the discounted fair optima of two groups in a river, which were computed independently.

use isonomy_engine::constraint::{Constraint, Judged, Overrun, Unjudged};
use isonomy_engine::model::TabularModel;
use isonomy_engine::optimizer::{Learner, Optimizer, Setting};
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::run::{Means, Run};
use isonomy_engine::scenario;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_envs as _;
use isonomy_plugins as _;
use ron::extensions::Extensions;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Parity in one task alone.
#[derive(Debug, Serialize, Deserialize)]
struct OneTask {
    task: usize,
    epsilon: f64,
}

#[typetag::serde]
impl Constraint for OneTask {
    fn overruns(&self, judged: &Judged<'_>) -> Result<Vec<Overrun>, Unjudged> {
        let gap = judged.returns.get(1, self.task) - judged.returns.get(0, self.task);
        let row = |(row, gap): (&str, f64)| Overrun { row: row.to_owned(), value: gap - self.epsilon };
        Ok([("B − A", gap), ("A − B", -gap)].map(row).into())
    }
}

fn spec(horizon: u32) -> Spec {
    Spec {
        groups: ["A", "B"].map(|name| GroupSpec { name: name.to_owned(), agents: 1 }).into(),
        tasks: ["upstream", "mid_river"].map(|name| TaskSpec { name: name.to_owned(), reward: (0.0, 1.0) }).into(),
        observation: Space::Discrete(7),
        action: Space::Discrete(2),
        time_limit: horizon,
        terminal: Vec::new(),
    }
}

/// Left is sure; a slow group that only the second task suits, a fast one that the first suits.
fn river(horizon: u32) -> TabularModel {
    let mut model = TabularModel::still(&spec(horizon));
    for (group, (stay, first)) in [(0.6, 0), (0.05, 1)].into_iter().enumerate() {
        for place in 0..7 {
            model.start_mut(group)[place] = if place == first { 0.9999 } else { 0.0001 / 6.0 };
            model.next_mut(group, place, 0)[usize::saturating_sub(place, 1)] = 1.0;
            let right = model.next_mut(group, place, 1);
            match place {
                0 => (right[0], right[1]) = (0.4, 0.6),
                6 => (right[5], right[6]) = (0.4, 0.6),
                _ => (right[place - 1], right[place], right[place + 1]) = (0.05, stay, 0.95 - stay),
            }
        }
        for (task, place, stroke, reward) in [(0, 0, 0, 0.005), (0, 6, 1, 1.0), (1, 2, 1, 0.5), (1, 4, 0, 0.5)] {
            *model.reward_mut(group, task, place, stroke) = reward;
        }
    }
    model
}

/// Begins learning in the river, without a clock if `stationary`.
fn begin(optimizer: &str, stationary: bool) -> Box<dyn Learner> {
    let spec = spec(20);
    let read = ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME);
    let optimizer: Box<dyn Optimizer> = read.from_str(optimizer).unwrap();
    assert!(optimizer.check(&spec).is_empty(), "{:?}", optimizer.check(&spec));
    let policy = TabularPolicy::uniform(&spec, if stationary { 1 } else { 20 });
    let setting = Setting { spec, model: Some(Arc::new(river(20))), public: None, seed: 1 };
    optimizer.begin(policy.into(), setting).expect("begins")
}

/// Exact learners read nothing in it.
fn nothing() -> Rollout {
    Rollout::new(&spec(20), 1, 0, 0, false)
}

fn sweep(learner: &mut dyn Learner, sweeps: usize) -> Vec<(String, f64)> {
    (0..sweeps).map(|_| learner.update(&nothing())).last().expect("a sweep")
}

fn metric(update: &[(String, f64)], name: &str) -> f64 {
    update.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("{name} in {update:?}")).1
}

/// Mean returns of the last policies: A and then B, task by task.
fn tail(update: &[(String, f64)]) -> [f64; 4] {
    let name = |group: &str, task: &str| metric(update, &format!("tail.groups.{group}.tasks.{task}.return_mean"));
    [name("A", "upstream"), name("A", "mid_river"), name("B", "upstream"), name("B", "mid_river")]
}

fn total(returns: [f64; 4]) -> f64 {
    returns.iter().sum()
}

/// How much more B earns than A, task by task.
fn gaps(returns: [f64; 4]) -> [f64; 2] {
    [returns[2] - returns[0], returns[3] - returns[1]]
}

/// The method with the constants of the oracle.
fn focops(constraints: &str, temperature: f64) -> String {
    format!(
        r#"{{"Focops": (
            constraints: [{constraints}], temperature: {temperature:?}, multipliers: (raw: true, rate: 0.01, max: 2.0),
            learning: (discount: 0.95, tail: 1000),
        )}}"#
    )
}

const BOTH: &str = r#"{"ReturnParity": (epsilon: 0.5)}"#;

fn close(found: &[f64], expected: &[f64], within: f64) {
    let near = found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < within);
    assert!(near, "{found:?}, not {expected:?}");
}

#[test]
fn one_tilt_from_the_uniform_policy() {
    // What the uniform policy earns is seen by a penalty that never lets it move.
    let still = r#"{"Focops": (clip: 1e-12, floor: 0.0, learning: (discount: 0.95))}"#;
    let uniform = tail(&sweep(&mut *begin(still, true), 1));
    close(&uniform, &[0.034383, 0.465105, 0.347506, 1.151359], 1e-6);

    let mut learner = begin(r#"{"Focops": (clip: 50.0, floor: 0.0, learning: (discount: 0.95))}"#, true);
    close(&tail(&sweep(&mut *learner, 1)), &[0.043553, 0.793871, 1.252146, 1.642868], 1e-6);
    let right: Vec<f64> = (0..7).map(|place| learner.policy().table().expect("a table").chances(place)[1]).collect();
    close(&right, &[0.506657, 0.534550, 0.642404, 0.524769, 0.476796, 0.541208, 0.709702], 1e-6);
}

#[test]
fn without_constraints_the_optimum_is_found() {
    let returns = tail(&sweep(&mut *begin(&focops("", 1.5), true), 3000));
    println!("{returns:?}");
    assert!((total(returns) / 16.217437 - 1.0).abs() < 1e-3, "{returns:?}");
}

#[test]
fn tail_means_come_near_the_fair_optimum() {
    let one = |task| format!(r#"{{"OneTask": (task: {task}, epsilon: 0.5)}}"#);
    // The task that suits the slow group is bound from the other side where it is bound alone.
    for (constraints, temperature, optimum, bound) in [
        (one(0), 1.5, 12.621921, &[(0, 0.5)][..]),
        (one(1), 1.5, 15.815470, &[(1, -0.5)]),
        (BOTH.to_owned(), 1.5, 11.546140, &[(0, 0.5), (1, 0.5)]),
        (BOTH.to_owned(), 20.0, 11.546140, &[(0, 0.5), (1, 0.5)]),
    ] {
        let update = sweep(&mut *begin(&focops(&constraints, temperature), true), 3000);
        let returns = tail(&update);
        println!("{constraints} λ={temperature}: {} {:?}", total(returns), gaps(returns));
        assert!((total(returns) / optimum - 1.0).abs() < 0.01, "{constraints} λ={temperature}: {returns:?}");
        for &(task, epsilon) in bound {
            assert!((gaps(returns)[task] - epsilon).abs() < 0.1, "{constraints} λ={temperature}: {:?}", gaps(returns));
        }
    }
}

/// A scenario of this repository, as `isonomy run` would have it.
fn run(name: &str, sets: &[&str]) -> Run {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/river_swim").join(name);
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let loaded = scenario::load(&file, &sets).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
    Run::new(loaded.scenario, Means { threads: 1, device: None }).expect("runs")
}

/// The numbers of the last iteration.
fn finish(mut run: Run) -> Vec<(String, f64)> {
    let mut last = Vec::new();
    while let Some(iteration) = run.next_iteration().expect("no device, no error") {
        last = iteration.metrics();
    }
    last
}

#[test]
fn focops_holds_both_gaps_in_a_mixture() {
    let metrics = finish(run("multi_task_focops.ron", &[]));
    // The fair optimum is 10.883288 for two groups.
    close(&[metric(&metrics, "exact.return_mean")], &[10.883288 / 2.0], 0.01);
    close(&["exact.gap_task_1", "exact.gap_task_2"].map(|name| metric(&metrics, name)), &[0.5, 0.5], 0.02);
    assert!(metric(&metrics, "newest.gap") > 0.5, "single policies swing");
}

#[test]
fn cpo_holds_both_gaps_in_every_policy() {
    let metrics = finish(run("multi_task_cpo.ron", &[]));
    close(&[metric(&metrics, "exact.return_mean")], &[10.883288 / 2.0], 0.01);
    close(&["exact.gap_task_1", "exact.gap_task_2"].map(|name| metric(&metrics, name)), &[0.5, 0.5], 0.02);
    assert!(metric(&metrics, "exact.gap") < 0.501);
    // One row at a time, it is caught between two.
    let metrics = finish(run("multi_task_cpo.ron", &["optimizer.Cpo.rows=Worst"]));
    assert!(metric(&metrics, "stuck") == 1.0 && metric(&metrics, "exact.return_mean") < 5.3, "{metrics:?}");
}

#[test]
fn ppo_with_multipliers_holds_gaps_on_average_from_rollouts_alone() {
    let metrics = finish(run("multi_task_ppo_lagrangian.ron", &[]));
    close(&[metric(&metrics, "tail.return_mean")], &[10.883288 / 2.0], 0.05);
    close(&["tail.gap_task_1", "tail.gap_task_2"].map(|name| metric(&metrics, name)), &[0.5, 0.5], 0.1);
}

#[test]
fn the_other_methods_in_an_episode() {
    for (method, least) in [("PpoLagrangian", 10.8), ("Pcpo", 10.8), ("Cup", 10.3)] {
        let fields = format!("constraints: [{BOTH}], learning: (tail: 200)");
        let update = sweep(&mut *begin(&format!(r#"{{"{method}": ({fields})}}"#), false), 800);
        let returns = tail(&update);
        println!("{method}: {} {:?}", total(returns), gaps(returns));
        assert!(total(returns) > least && total(returns) < 10.95, "{method}: {returns:?}");
        assert!(gaps(returns).iter().all(|gap| gap.abs() < 0.6), "{method}: {returns:?}");
    }
}

#[test]
fn without_constraints_everyone_finds_the_optimum_of_an_episode() {
    for method in ["Focops", "PpoLagrangian", "Cup", "Cpo", "Pcpo"] {
        let update = sweep(&mut *begin(&format!(r#"{{"{method}": (learning: (tail: 10))}}"#), false), 500);
        println!("{method} {}", total(tail(&update)));
        assert!((total(tail(&update)) / 15.710153 - 1.0).abs() < 0.01, "{method}: {:?}", tail(&update));
    }
}

#[test]
fn a_mixture_earns_the_mean_of_its_policies() {
    let fields = format!("constraints: [{BOTH}], learning: (tail: 30, acts: Mixture)");
    let mut learner = begin(&format!(r#"{{"Focops": ({fields})}}"#), false);
    let update = sweep(&mut *learner, 60);
    let returns = river(20).evaluate(&spec(20), learner.policy().table().expect("a table"));
    close(&returns.mean, &tail(&update), 1e-9);
    assert!((metric(&update, "newest.return_mean") - metric(&update, "tail.return_mean")).abs() > 1e-3);
}

#[test]
fn one_policy_per_task_is_one_problem_per_task() {
    for (constraints, optimum) in [("", 14.257158), (BOTH, 8.473425)] {
        let learning = "learning: (discount: 0.95, tail: 1000, reading: PerTask(0))";
        let multipliers = "multipliers: (raw: true, rate: 0.01, max: 2.0)";
        let fields = format!("constraints: [{constraints}], {multipliers}, {learning}");
        let returns = tail(&sweep(&mut *begin(&format!(r#"{{"Focops": ({fields})}}"#), true), 3000));
        println!("{constraints} {returns:?}");
        assert!(((returns[0] + returns[2]) / optimum - 1.0).abs() < 0.01, "{returns:?}, not {optimum}");
    }
}

#[test]
fn levelling_down_is_counted_and_can_be_forbidden() {
    let upstream_of_b = |only_up: bool| {
        let fields = "multipliers: (raw: true, rate: 10.0, max: 2.0), learning: (discount: 0.95)";
        let constraint = r#"{"OneTask": (task: 0, epsilon: 0.0)}"#;
        let method = format!(r#"{{"Focops": (constraints: [{constraint}], only_up: {only_up}, {fields})}}"#);
        let update = sweep(&mut *begin(&method, true), 1);
        assert_eq!(metric(&update, "levelled_down"), 1.0);
        assert_eq!(metric(&update, "multiplier.B − A"), 2.0);
        tail(&update)[2]
    };
    let (down, up) = (upstream_of_b(false), upstream_of_b(true));
    assert!(down < up - 0.1, "{down} and {up}");
}

#[test]
fn learners_go_on_from_a_snapshot_as_if_nothing_had_happened() {
    for method in ["Focops", "PpoLagrangian", "Cup", "Cpo", "Pcpo"] {
        for learning in ["learning: (tail: 20)", "learning: (tail: 20, acts: Mixture, reading: PerTask(1))"] {
            let text = format!(r#"{{"{method}": (constraints: [{BOTH}], {learning})}}"#);
            let (mut whole, mut other) = (begin(&text, false), begin(&text, false));
            sweep(&mut *whole, 23);
            sweep(&mut *other, 3);
            other.restore(&whole.snapshot()).expect("its own snapshot");
            assert_eq!(whole.policy(), other.policy());
            assert_eq!(sweep(&mut *whole, 9), sweep(&mut *other, 9), "{method}");
            assert_eq!(whole.snapshot(), other.snapshot());
            let stationary = begin(&format!(r#"{{"{method}": (constraints: [{BOTH}])}}"#), true).snapshot();
            assert!(other.restore(&stationary).is_err(), "{method} took a table of another shape");
        }
    }
}

#[test]
fn runs_go_on_from_a_checkpoint_when_they_learn_from_rollouts() {
    let sets = ["lanes=32", "iterations=8"];
    let (mut whole, mut other) =
        (run("multi_task_ppo_lagrangian.ron", &sets), run("multi_task_ppo_lagrangian.ron", &sets));
    (0..3).for_each(|_| assert!(whole.next_iteration().expect("runs").is_some()));
    let checkpoint = whole.checkpoint();
    assert!(other.restore(&checkpoint));
    while let Some(iteration) = whole.next_iteration().expect("runs") {
        assert_eq!(Some(iteration), other.next_iteration().expect("runs"));
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let read = ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME);
    let problems = |learning: &str| -> Vec<String> {
        let text = format!(r#"{{"Cpo": (constraints: [{BOTH}], learning: ({learning}))}}"#);
        let optimizer: Box<dyn Optimizer> = read.from_str(&text).unwrap();
        optimizer.check(&spec(20)).into_iter().map(|problem| problem.path).collect()
    };
    assert_eq!(problems("discount: 1.0"), ["learning.discount"]);
    assert_eq!(problems("weights: [1.0]"), ["learning.weights"]);
    assert_eq!(problems("reading: PerTask(2)"), ["learning.reading"]);
    let sampled = problems("advantages: Sampled, discount: 0.9, acts: Mixture, reading: PerTask(0)");
    assert_eq!(sampled, ["learning.discount", "learning.acts", "learning.reading"]);

    let mut alone = spec(20);
    alone.groups.truncate(1);
    let optimizer: Box<dyn Optimizer> = read.from_str(&format!(r#"{{"Cpo": (constraints: [{BOTH}])}}"#)).unwrap();
    assert_eq!(optimizer.check(&alone)[0].path, "constraints[0].ReturnParity");

    let begun = |learning: &str, steps| {
        let optimizer: Box<dyn Optimizer> = read.from_str(&format!(r#"{{"Cpo": (learning: ({learning}))}}"#)).unwrap();
        let setting = Setting { spec: spec(20), model: Some(Arc::new(river(20))), public: None, seed: 1 };
        optimizer.begin(TabularPolicy::uniform(&spec(20), steps).into(), setting).err().map(|problem| problem.path)
    };
    assert_eq!(begun("discount: 0.9", 20).as_deref(), Some("learning.discount"));
    assert_eq!(begun("acts: Mixture", 1).as_deref(), Some("learning.acts"));
}
