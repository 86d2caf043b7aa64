//! Learners in a small world whose exact values are known.

use isonomy_engine::chance::{outcome, thresholds};
use isonomy_engine::dynamics::{Dynamics, Moves, Starts, per_row};
use isonomy_engine::environment::Environment;
use isonomy_engine::fairness::FairnessReward;
use isonomy_engine::model::TabularModel;
use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_engine::optimizer::{Learner, Optimizer, Setting};
use isonomy_engine::policy::{Policy, TabularPolicy};
use isonomy_engine::sim::{Builder, Setup, Sim};
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_plugins as _;
use ron::extensions::Extensions;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

isonomy_engine::columns! {
    /// Where an agent is.
    State(u32);
    /// What it does.
    Action(u32);
}

/// A world written as tables, of the shapes of a [`TabularModel`].
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tables {
    spec: Spec,
    start: Vec<f64>,
    next: Vec<f64>,
    reward: Vec<f64>,
}

impl Tables {
    fn tables(&self) -> TabularModel {
        let mut model = TabularModel::still(&self.spec);
        (model.start, model.next, model.reward) = (self.start.clone(), self.next.clone(), self.reward.clone());
        model
    }
}

#[typetag::serde]
impl Environment for Tables {
    fn spec(&self) -> Spec {
        self.spec.clone()
    }

    fn build(&self, sim: &mut Builder) {
        let model = self.tables();
        let cut = |table: &[f64]| table.chunks_exact(model.states).map(thresholds).collect();
        let dynamics =
            Walk { group: per_row(&self.spec.agent_groups()), start: cut(&self.start), next: cut(&self.next), model };
        sim.agents::<State, Action>(dynamics);
    }

    fn model(&self) -> Option<TabularModel> {
        Some(self.tables())
    }
}

struct Walk {
    model: TabularModel,
    group: Vec<u32>,
    start: Vec<Vec<u32>>,
    next: Vec<Vec<u32>>,
}

impl Dynamics for Walk {
    fn start(&self, starts: Starts<'_>) {
        for ((state, &word), &group) in starts.state.iter_mut().zip(starts.words).zip(&self.group) {
            *state = outcome(word, &self.start[group as usize]);
        }
    }

    fn step(&self, moves: Moves<'_>) {
        let (model, rows) = (&self.model, moves.state.len());
        for row in 0..rows {
            let (group, state, action) =
                (self.group[row] as usize, moves.state[row] as usize, moves.action[row] as usize);
            for task in 0..model.tasks {
                moves.reward[task * rows + row] = model.reward(group, task, state, action) as f32;
            }
            moves.state[row] =
                outcome(moves.words[row], &self.next[(group * model.states + state) * model.actions + action]);
        }
    }
}

fn spec(agents: [u32; 2], tasks: usize, states: u32, actions: u32, time_limit: u32) -> Spec {
    let group = |(name, agents): (&str, u32)| GroupSpec { name: name.to_owned(), agents };
    let task = |task| TaskSpec { name: format!("task {task}"), reward: (-1.0, 1.0) };
    Spec {
        groups: ["A", "B"].into_iter().zip(agents).map(group).collect(),
        tasks: (0..tasks).map(task).collect(),
        observation: Space::Discrete(states),
        action: Space::Discrete(actions),
        time_limit,
        terminal: Vec::new(),
    }
}

/// Numbers between 0 and 1.
fn numbers(seed: u64, stream: u64, len: usize) -> Vec<f64> {
    let mut words = vec![0; len];
    Key::new(seed, Phase::Evaluation, Purpose::Learner).fill(stream, 0, &mut words);
    words.into_iter().map(|word| f64::from(word) / f64::from(u32::MAX)).collect()
}

/// A world without any structure.
fn random(seed: u64, spec: Spec) -> Tables {
    let model = TabularModel::still(&spec);
    let chances = |stream, len| {
        let mut table = numbers(seed, stream, len);
        for row in table.chunks_exact_mut(model.states) {
            let sum: f64 = row.iter().map(|x| x + 0.1).sum();
            row.iter_mut().for_each(|x| *x = (*x + 0.1) / sum);
        }
        table
    };
    let (start, next) = (chances(0, model.start.len()), chances(1, model.next.len()));
    let reward = numbers(seed, 2, model.reward.len()).into_iter().map(|x| 2.0 * x - 1.0).collect();
    Tables { start, next, reward, spec }
}

/// Four rungs: climbing succeeds with a chance that differs by group, and pays on the topmost, in the first task.
/// Resting keeps an agent where it is, and pays a little on the lowest, in the second task.
fn ladder() -> Tables {
    let spec = spec([1, 1], 2, 4, 2, 8);
    let mut model = TabularModel::still(&spec);
    for (group, climbs) in [0.35, 0.8].into_iter().enumerate() {
        model.start[group * 4] = 1.0;
        for state in 0..4 {
            model.next_mut(group, state, 0)[state] = 1.0;
            model.next_mut(group, state, 1)[state] = 1.0 - climbs;
            model.next_mut(group, state, 1)[(state + 1).min(3)] += climbs;
        }
        *model.reward_mut(group, 0, 3, 1) = 1.0;
        *model.reward_mut(group, 1, 0, 0) = 0.05;
    }
    Tables { spec, start: model.start, next: model.next, reward: model.reward }
}

fn plugin<T: ?Sized>(text: &str) -> Box<T>
where
    Box<T>: serde::de::DeserializeOwned,
{
    // As scenario files are read: `clip: 1.0`, not `clip: Some(1.0)`.
    ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME).from_str(text).unwrap()
}

fn begin(world: &Tables, optimizer: &str, policy: TabularPolicy) -> Box<dyn Learner> {
    let setting = Setting { spec: world.spec.clone(), model: world.model().map(Arc::new), public: None, seed: 1 };
    plugin::<dyn Optimizer>(optimizer).begin(policy.into(), setting).expect("begins")
}

fn softmax(world: &Tables, fields: &str) -> TabularPolicy {
    plugin::<dyn Policy>(&format!("{{\"Softmax\": {fields}}}")).initial(&world.spec, 0).into_table().expect("a table")
}

fn sim(world: &Tables, fairness: &[&str], lanes: usize, seed: u64) -> Sim {
    let fairness = fairness.iter().map(|text| plugin::<dyn FairnessReward>(text)).collect();
    Sim::new(world, fairness, Setup { lanes, seed, phase: Phase::Training, threads: 1, device: None }).unwrap()
}

fn iterate(sim: &mut Sim, learner: &mut dyn Learner, horizon: usize) -> Vec<(String, f64)> {
    sim.set_policy(learner.policy().table().expect("a table"));
    let rollout = sim.rollout(horizon).unwrap();
    sim.take_returns();
    learner.update(&rollout)
}

fn metric(update: &[(String, f64)], name: &str) -> f64 {
    update.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("{name} in {update:?}")).1
}

/// The weighted sum of what a group earns over all tasks, exactly.
fn value(world: &Tables, policy: &TabularPolicy, group: usize, weights: &[f64]) -> f64 {
    let returns = world.tables().evaluate(&world.spec, policy);
    weights.iter().enumerate().map(|(task, weight)| weight * returns.get(group, task)).sum()
}

#[test]
fn planning_finds_what_trying_everything_finds() {
    for seed in 0..6 {
        let world = random(seed, spec([1, 1], 2, 2, 2, 3));
        let weights = [1.0, -0.5];
        let mut planner = begin(&world, r#"{"ValueIteration": (weights: [1, -0.5])}"#, softmax(&world, "()"));
        let update = planner.update(&sim(&world, &[], 1, 0).room(0));
        for (group, name) in ["optimal.A", "optimal.B"].into_iter().enumerate() {
            let of_policy = |bits: u32| {
                let policy = TabularPolicy::from_chances(&world.spec, 3, |step, _, state, chances| {
                    chances[(bits >> (step * 2 + state) & 1) as usize] = 1.0;
                });
                value(&world, &policy, group, &weights)
            };
            let best = (0..64).map(of_policy).fold(f64::NEG_INFINITY, f64::max);
            assert!((metric(&update, name) - best).abs() < 1e-12, "{name}: {update:?}, not {best}");
            assert!((value(&world, planner.policy().table().expect("a table"), group, &weights) - best).abs() < 1e-12);
        }
    }
}

#[test]
fn ties_go_to_the_lowest_action() {
    let mut world = random(0, spec([1, 1], 1, 3, 3, 2));
    world.reward.fill(0.0);
    let planner = begin(&world, r#"{"ValueIteration": ()}"#, softmax(&world, "()"));
    assert!((0..12).all(|cell| planner.policy().table().expect("a table").chances(cell) == [1.0, 0.0, 0.0]));
}

/// The gradient of many rollouts against a finite difference of the exact objective.
fn check_gradient(stationary: bool) {
    let world = random(3, spec([1, 2], 2, 3, 3, 3));
    let weights = [1.0, 0.5];
    let mut policy = softmax(&world, &format!("(stationary: {stationary})"));
    for (logit, number) in policy.logits.clone().iter().zip(numbers(8, 0, policy.logits.len())).enumerate() {
        policy.logits[logit] = 2.0 * number.1 - 1.0 + number.0;
    }
    let rounds = 60;
    let (mut sums, mut squares) = (vec![0.0; policy.logits.len()], vec![0.0; policy.logits.len()]);
    for seed in 0..rounds {
        let mut learner = begin(&world, r#"{"PolicyGradient": (rate: 1, weights: [1, 0.5])}"#, policy.clone());
        iterate(&mut sim(&world, &[], 300, seed), &mut *learner, 6);
        for (index, (after, before)) in
            learner.policy().table().expect("a table").logits.iter().zip(&policy.logits).enumerate()
        {
            sums[index] += after - before;
            squares[index] += (after - before).powi(2);
        }
    }
    for index in 0..sums.len() {
        let objective = |by: f64| {
            let mut policy = policy.clone();
            policy.logits[index] += by;
            (0..2).map(|group| value(&world, &policy, group, &weights)).sum::<f64>()
        };
        let exact = (objective(1e-5) - objective(-1e-5)) / 2e-5;
        let count = rounds as f64;
        let mean = sums[index] / count;
        let error = ((squares[index] / count - mean * mean) / (count - 1.0)).sqrt();
        assert!(error > 0.0 && error < 0.01, "logit {index}: standard error {error}");
        assert!((mean - exact).abs() < 5.0 * error, "logit {index}: {mean} ± {error}, not {exact}");
    }
}

#[test]
fn the_gradient_is_that_of_the_exact_objective() {
    check_gradient(false);
}

#[test]
fn so_is_that_of_a_stationary_policy() {
    check_gradient(true);
}

#[test]
fn entropy_alone_leads_to_chance() {
    let mut world = random(1, spec([1, 1], 1, 2, 3, 2));
    world.reward.fill(0.0);
    let policy = softmax(&world, "(bias: [2, 0, -1])");
    let mut learner = begin(&world, r#"{"PolicyGradient": (rate: 5, entropy: 1)}"#, policy);
    let mut sim = sim(&world, &[], 64, 0);
    let entropy: Vec<_> = (0..60).map(|_| metric(&iterate(&mut sim, &mut *learner, 2), "entropy")).collect();
    assert!(entropy.windows(2).all(|pair| pair[1] >= pair[0] - 1e-12), "{entropy:?}");
    assert!(entropy[0] < 0.6 && (entropy[59] - 3f64.ln()).abs() < 1e-6, "{entropy:?}");
}

#[test]
fn a_clipped_step_has_the_length_asked_for() {
    let world = ladder();
    let mut learner = begin(&world, r#"{"PolicyGradient": (rate: 2, clip: 0.001)}"#, softmax(&world, "()"));
    let update = iterate(&mut sim(&world, &[], 256, 0), &mut *learner, 8);
    assert!(metric(&update, "gradient_norm") > 0.01, "{update:?}");
    let length =
        learner.policy().table().expect("a table").logits.iter().map(|logit| logit * logit).sum::<f64>().sqrt();
    assert!((length - 0.002).abs() < 1e-9, "{length}");
}

#[test]
fn a_rate_without_measure_makes_certainties() {
    let world = ladder();
    let mut learner = begin(&world, r#"{"PolicyGradient": (rate: 1e308)}"#, softmax(&world, "()"));
    let mut sim = sim(&world, &[], 64, 0);
    (0..3).for_each(|_| drop(iterate(&mut sim, &mut *learner, 8)));
    let policy = learner.policy().table().expect("a table");
    assert!((0..policy.cells()).all(|cell| (policy.chances(cell).iter().sum::<f64>() - 1.0).abs() < 1e-12));
}

#[test]
fn only_whole_episodes_teach() {
    let world = random(1, spec([1, 1], 1, 2, 2, 4));
    let episodes = |horizons: &[usize]| -> Vec<f64> {
        let mut learner = begin(&world, r#"{"PolicyGradient": (rate: 1)}"#, softmax(&world, "()"));
        let mut sim = sim(&world, &[], 32, 0);
        horizons.iter().map(|&horizon| metric(&iterate(&mut sim, &mut *learner, horizon), "episodes")).collect()
    };
    assert_eq!(episodes(&[3, 4, 10, 7, 4]), [0.0, 0.0, 2.0, 1.0, 1.0]);
    let mut learner = begin(&world, r#"{"PolicyGradient": (rate: 1)}"#, softmax(&world, "()"));
    let update = iterate(&mut sim(&world, &[], 32, 0), &mut *learner, 3);
    assert!(learner.policy().table().expect("a table").logits.iter().all(|&logit| logit == 0.0), "{update:?}");
}

#[test]
fn a_snapshot_restores_to_the_same_future() {
    let world = ladder();
    let fairness = [r#"{"WelfareWeighted": (welfare: {"GeneralizedGini": ()})}"#, r#"{"GapPenalty": (strength: 1)}"#];
    let optimizer = r#"{"PolicyGradient": (rate: 3, entropy: 0.01)}"#;
    let (mut first, mut learner) = (sim(&world, &fairness, 65, 4), begin(&world, optimizer, softmax(&world, "()")));
    (0..3).for_each(|_| drop(iterate(&mut first, &mut *learner, 16)));
    let (mut second, mut restored) = (sim(&world, &fairness, 65, 4), begin(&world, optimizer, softmax(&world, "()")));
    assert!(second.restore(&first.snapshot()));
    restored.restore(&learner.snapshot()).unwrap();
    for _ in 0..3 {
        assert_eq!(iterate(&mut first, &mut *learner, 16), iterate(&mut second, &mut *restored, 16));
    }
    assert_eq!(learner.snapshot(), restored.snapshot());
    let mut stationary = begin(&world, optimizer, softmax(&world, "(stationary: true)"));
    assert!(stationary.restore(&learner.snapshot()).is_err());
    assert!(learner.restore(&[1, 2, 3]).is_err());
}

#[test]
fn a_planner_restores_too() {
    let world = ladder();
    let planner = begin(&world, r#"{"ValueIteration": ()}"#, softmax(&world, "()"));
    let mut other = begin(&world, r#"{"ValueIteration": (weights: [0, 1])}"#, softmax(&world, "()"));
    assert_ne!(planner.policy(), other.policy());
    other.restore(&planner.snapshot()).unwrap();
    assert_eq!(planner.policy(), other.policy());
}

/// Exact totals of both groups after learning on the ladder.
fn learned(fairness: &[&str]) -> [f64; 2] {
    let world = ladder();
    let mut learner = begin(&world, r#"{"PolicyGradient": (rate: 4)}"#, softmax(&world, "()"));
    let mut sim = sim(&world, fairness, 512, 9);
    (0..300).for_each(|_| drop(iterate(&mut sim, &mut *learner, 8)));
    [0, 1].map(|group| value(&world, learner.policy().table().expect("a table"), group, &[1.0, 1.0]))
}

#[test]
fn what_is_learned_depends_on_what_is_fair() {
    let world = ladder();
    let planner = begin(&world, r#"{"ValueIteration": ()}"#, softmax(&world, "()"));
    let best = [0, 1].map(|group| value(&world, planner.policy().table().expect("a table"), group, &[1.0, 1.0]));
    let plain = learned(&[]);
    for (found, best) in plain.into_iter().zip(best) {
        assert!(found > 0.97 * best && found <= best, "{found} of {best}");
    }
    let gap = |earned: [f64; 2]| (earned[1] - earned[0]).abs();
    assert!(gap(plain) > 1.5, "{plain:?}");

    let max_min = learned(&[r#"{"WelfareWeighted": (welfare: {"MaxMin": ()})}"#]);
    assert!(gap(max_min) < 0.5 * gap(plain) && max_min[0] > 0.9 * plain[0], "{max_min:?}, without it {plain:?}");

    // A charge below one leaves earning worth while; above one the gap closes because all come down.
    let [light, heavy] = ["0.9", "1.2"].map(|s| learned(&[&format!("{{\"GapPenalty\": (strength: {s})}}")]));
    assert!(gap(light) > 0.9 * gap(plain), "{light:?}, without it {plain:?}");
    assert!(gap(heavy) < 0.1 * gap(plain) && heavy[0] < 0.5 * plain[0], "{heavy:?}, without it {plain:?}");
}

/// Prints how long an update takes: 4,096 lanes, 2 agents, 20 steps, 2 tasks, 7 states, 2 actions.
/// `cargo test --release -p isonomy-plugins --test learning -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn how_long_an_update_takes() {
    let world = random(2, spec([1, 1], 2, 7, 2, 20));
    let mut learner = begin(&world, r#"{"PolicyGradient": (rate: 1, entropy: 0.01)}"#, softmax(&world, "()"));
    let mut sim = sim(&world, &[], 4096, 0);
    let rollout = sim.rollout(20).unwrap();
    let mut times: Vec<_> = (0..50)
        .map(|_| {
            let start = std::time::Instant::now();
            learner.update(&rollout);
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("an update takes {:?} (median of 50; fastest {:?})", times[25], times[0]);
    assert!(times[25].as_millis() < 100);
}
