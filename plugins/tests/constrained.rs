//! Constrained optimisers against the discounted fair optima of two groups in a river, which were computed independently.

use isonomy_engine::constraint::{Constraint, Overrun};
use isonomy_engine::metrics::Returns;
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
    fn overruns(&self, returns: &Returns) -> Vec<Overrun> {
        let gap = returns.get(1, self.task) - returns.get(0, self.task);
        [("B − A", gap), ("A − B", -gap)]
            .map(|(row, gap)| Overrun { row: row.to_owned(), value: gap - self.epsilon })
            .into()
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
    let setting = Setting { spec, model: Some(Arc::new(river(20))), seed: 1 };
    optimizer.begin(policy, setting).expect("begins")
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
    let right: Vec<f64> = (0..7).map(|place| learner.policy().chances(place)[1]).collect();
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
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/river_swim").join(name);
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
#[ignore]
fn explore() {
    for (name, sets) in [
        ("multi_task_ppo_lagrangian.ron", &[][..]),
        ("multi_task_ppo_lagrangian.ron", &["seed=8"]),
        ("multi_task_ppo_lagrangian.ron", &["seed=9"]),
        ("multi_task_cpo.ron", &["optimizer.Cpo.learning.advantages=Sampled", "lanes=1024", "policy.Softmax.bias=[0,2]"]),
        ("multi_task_cpo.ron", &[]),
        ("multi_task_cpo.ron", &["optimizer.Cpo.rows=Worst"]),
        ("multi_task_cpo.ron", &["optimizer.Cpo.learning.turns=Groups"]),
        ("multi_task_cpo.ron", &["policy.Softmax.bias=[0,2]"]),
        ("multi_task_cpo.ron", &["optimizer.Cpo.margin=0.05"]),
    ] {
        let start = std::time::Instant::now();
        let metrics = finish(run(name, sets));
        println!("{name} {sets:?} {:?}", start.elapsed());
        for (name, value) in metrics.iter().filter(|(name, _)| {
            !name.contains("groups.") && (name.contains("gap") || name.contains("return_mean") || !name.contains('.'))
        }) {
            print!("{name} {value:.4}; ");
        }
        println!();
    }
}
