//! `OptPess` and its baselines, judged by exact returns over thousands of episodes.

use crate::instances::{self, Random};
use isonomy_engine::model::TabularModel;
use isonomy_engine::optimizer::{Learner, Optimizer, Setting};
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_plugins::group_fairness::chain::{Chain, chances_of};
use isonomy_plugins::group_fairness::counts::Counts;
use isonomy_plugins::group_fairness::{AlwaysPi0, CertaintyEquivalence, OptPess};
use std::sync::Arc;

pub(crate) fn spec(model: &TabularModel) -> Spec {
    let name = |at: usize| ["A", "B", "C"][at].to_owned();
    Spec {
        groups: (0..model.groups).map(|at| GroupSpec { name: name(at), agents: 1 }).collect(),
        tasks: (0..model.tasks).map(|at| TaskSpec { name: format!("{at}"), reward: (0.0, 1.0) }).collect(),
        observation: Space::Discrete(model.states as u32),
        action: Space::Discrete(model.actions as u32),
        time_limit: model.horizon as u32,
        terminal: Vec::new(),
    }
}

/// A learner, and a world of this test's own to learn in: one episode of every group per update.
struct Trial {
    model: Arc<TabularModel>,
    rollout: Rollout,
    learner: Box<dyn Learner>,
    random: Random,
    report: Vec<(String, f64)>,
}

impl Trial {
    fn new(model: TabularModel, optimizer: &dyn Optimizer, seed: u64) -> Trial {
        let spec = spec(&model);
        assert_eq!(optimizer.check(&spec), []);
        let model = Arc::new(model);
        let setting = Setting { spec: spec.clone(), model: Some(model.clone()), public: None, seed };
        let learner = optimizer.begin(TabularPolicy::uniform(&spec, 1).into(), setting).expect("can begin");
        let rollout = Rollout::new(&spec, 1, model.horizon, 0, false);
        Trial { model, rollout, learner, random: Random(seed), report: Vec::new() }
    }

    fn run(&mut self, episodes: usize) {
        for _ in 0..episodes {
            self.play();
            self.report = self.learner.update(&self.rollout);
        }
    }

    fn play(&mut self) {
        let (model, rollout) = (&self.model, &mut self.rollout);
        let groups = model.groups;
        for group in 0..groups {
            let mut state = draw(&mut self.random, model.start(group));
            for step in 0..model.horizon {
                let policy = self.learner.policy().table().expect("a table");
                let action = draw(&mut self.random, &policy.chances(policy.cell(step, group, state)));
                rollout.observation.set(step * groups + group, state as u32);
                rollout.action.set(step * groups + group, action as u32);
                for task in 0..model.tasks {
                    let reward = model.reward(group, task, state, action) as f32;
                    rollout.reward[(step * model.tasks + task) * groups + group] = reward;
                }
                state = draw(&mut self.random, model.next(group, state, action));
            }
            rollout.final_observation.set(group, state as u32);
        }
    }

    fn get(&self, name: &str) -> f64 {
        self.report.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}")).1
    }
}

fn draw(random: &mut Random, chances: &[f64]) -> usize {
    let mut rest = random.unit();
    let passed = |chance: &f64| {
        rest -= chance;
        rest < 0.0
    };
    chances.iter().position(passed).unwrap_or_else(|| chances.iter().rposition(|c| *c > 0.0).expect("some chance"))
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    options.from_str(text).expect("reads")
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, not {expected}");
}

/// The practical setting on two tasks. With κ = 5e-4 nothing is guaranteed: 31 of 40 seeds were never unfair, the
/// others in up to 168 of 20,000 episodes.
#[test]
fn two_tasks_are_learned_and_hardly_ever_violated() {
    let mut never = 0;
    for seed in 0..10 {
        let optimizer: OptPess = read("(epsilon: 0.5, epsilon_0: 0.1, episodes: 20000, beta_scale: 0.0005)");
        let mut trial = Trial::new(instances::multi_task(), &optimizer, 1000 * seed);
        trial.run(5000);
        let early = trial.get("regret");
        trial.run(15_000);
        let late = trial.get("regret");
        println!("{early:.0} {late:.0} {:?}", trial.report);
        assert!(late / early <= 2.2 && (2e3..5e3).contains(&late), "regret {early}, then {late}");
        assert!((0.40..=0.50).contains(&trial.get("gap")), "gap {}", trial.get("gap"));
        assert!(trial.get("lp_solves") < 100.0 && trial.get("lp_failures") == 0.0);
        assert!((0.01..0.2).contains(&trial.get("pi0_share")));
        assert!(trial.get("regret_pi0") < -12_000.0, "π⁰ is beaten by far");
        near(trial.get("fair_optimum"), 10.883288, 1e-6, "optimum");
        assert!(trial.get("violations") < 200.0);
        never += u32::from(trial.get("violations") == 0.0);
    }
    assert!(never >= 6, "{never} of 10 seeds never unfair");
}

/// What is fair in task 1 is, once learned, not fair in task 2. It takes a larger bonus to get there: with α = M w the
/// learner stays with a poor policy.
#[test]
fn fairness_learned_in_one_task_is_none_in_the_other() {
    let optimizer: OptPess = read(
        "(epsilon: 0.5, epsilon_0: 0.1, episodes: 5000, beta_scale: 0.0005, alpha: Times(5.0), compare: Tasks([0]))",
    );
    for seed in 0..3 {
        let mut trial = Trial::new(instances::multi_task(), &optimizer, 1000 * seed);
        trial.run(5000);
        println!("{:?}", trial.report);
        assert!(trial.get("gap_task_1") <= 0.5 && trial.get("gap_task_2") > 0.8);
        assert!(trial.get("violations") > 4000.0);
    }
}

#[test]
fn one_task_with_the_constants_of_its_paper() {
    let optimizer: OptPess = read(
        "(epsilon: 1.1, epsilon_0: 0.1, episodes: 20000, beta_scale: 0.001, width: Wide, pi0: PlannedWithoutGoals())",
    );
    let mut trial = Trial::new(instances::gfrl(), &optimizer, 3);
    trial.run(5000);
    let early = trial.get("regret");
    println!("{:?}", trial.report);
    assert!((1.5e3..2.5e3).contains(&early), "{early}");
    assert_eq!(trial.get("violations"), 0.0);
    near(trial.get("fair_optimum"), 1.929771, 1e-6, "optimum");
}

#[test]
fn what_cannot_be_known_is_not_played() {
    // κ = 1e-2: far too little is known after 1,000 episodes.
    let optimizer: OptPess = read(
        "(epsilon: 1.1, epsilon_0: 0.1, episodes: 5000, beta_scale: 0.01, width: Wide, alpha: Theory,
          pi0: PlannedWithoutGoals())",
    );
    let mut trial = Trial::new(instances::gfrl(), &optimizer, 4);
    trial.run(1000);
    assert_eq!((trial.get("pi0_share"), trial.get("lp_solves")), (1.0, 0.0));
    near(trial.get("regret"), 1049.728, 0.01, "1,000 times what π⁰ lacks");
    near(trial.get("regret_pi0"), 0.0, 1e-6, "π⁰ against itself");
}

#[test]
fn pi0_of_every_recipe() {
    let always = |model: TabularModel, pi0: &str, epsilon: f64, epsilon_0: f64| {
        let text = format!("(epsilon: {epsilon}, epsilon_0: {epsilon_0}, pi0: {pi0})");
        let mut trial = Trial::new(model, &read::<AlwaysPi0>(&text), 5);
        trial.run(1);
        (trial.get("regret"), trial.get("gap"), trial.get("gap_task_1"))
    };
    let (regret, gap, _) = always(instances::gfrl(), "PlannedWithoutGoals()", 1.1, 0.1);
    near(regret, 1.049728, 1e-6, "recipe 1");
    near(gap, 0.095364, 1e-6, "recipe 1");
    let (regret, gap, first) = always(instances::multi_task(), "Planned()", 0.5, 0.1);
    near(regret, 0.856893, 1e-6, "recipe 2");
    near(gap, 0.1, 1e-6, "recipe 2");
    near(first, 0.004787, 1e-6, "recipe 2");
    let (regret, gap, _) = always(instances::gfrl(), "Always(0)", 1.1, 0.1);
    near(regret, 1.929771 - 0.100001 - 0.090003, 2e-6, "recipe 3");
    near(gap, 0.100001 - 0.090003, 2e-6, "recipe 3");
    let (_, gap, _) = always(instances::gfrl(), "Mixed(action: 0, share: 0.05)", 1.1, 0.2);
    near(gap, 0.05 * 2.773614 - 0.95 * (0.100001 - 0.090003), 1e-5, "recipe 4");
}

#[test]
fn an_unfair_pi0_is_refused() {
    let model = Arc::new(instances::gfrl());
    let spec = spec(&model);
    let refused = |text: &str| {
        let optimizer: OptPess = read(text);
        let setting = Setting { spec: spec.clone(), model: Some(model.clone()), public: None, seed: 1 };
        match optimizer.begin(TabularPolicy::uniform(&spec, 1).into(), setting) {
            Ok(_) => panic!("accepted: {text}"),
            Err(problem) => problem.to_string(),
        }
    };
    let said = refused("(epsilon: 1.1, epsilon_0: 0.1, episodes: 100, pi0: Always(1))");
    assert!(said.contains("the gap of pi0 in task 1 is 2.84"), "{said}");
    let check = |text: &str| read::<OptPess>(text).check(&spec).iter().map(ToString::to_string).collect::<String>();
    assert!(check("(epsilon: 0.1, epsilon_0: 0.1, episodes: 100)").contains("not below epsilon"));
    assert!(check("(epsilon: NaN, epsilon_0: 0.1, episodes: 100)").contains("no tolerance"));
    assert!(check("(epsilon: [1.1, 2.0], epsilon_0: 0.1, episodes: 100)").contains("2 tolerances for 1 tasks"));
    assert!(check("(epsilon: 1.1, epsilon_0: 0.1, episodes: 100, compare: Tasks([3]))").contains("no task 3"));
    assert!(check("(epsilon: 1.1, epsilon_0: 0.1, episodes: 100, pi0: Always(2))").contains("no action 2"));
    assert!(check("(epsilon: 1.1, epsilon_0: 0.1, episodes: 100, delta: 1.5)").contains("no chance"));
    assert!(check("(epsilon: 1.1, epsilon_0: 0.1, episodes: 100, alpha: Times(-1.0))").contains("no factor"));
    assert!(check("(epsilon: 1.1, epsilon_0: 0.1, episodes: 100, weights: [1.0, 2.0])").contains("2 weights"));
}

#[test]
fn certainty_is_no_caution() {
    // It plays what looks fair, and some of that is not.
    let violations: f64 = (0..3)
        .map(|seed| {
            let optimizer: CertaintyEquivalence = read("(epsilon: 1.1, epsilon_0: 0.1)");
            let mut trial = Trial::new(instances::gfrl(), &optimizer, seed);
            trial.run(1500);
            assert_eq!(trial.get("pi0_share"), 0.0);
            trial.get("violations")
        })
        .sum();
    assert!(violations > 0.0);
}

#[test]
fn unknown_rewards_and_steps_apart() {
    for text in [
        "(epsilon: 0.5, epsilon_0: 0.1, episodes: 2000, beta_scale: 0.0002, rewards: Learned)",
        "(epsilon: 0.5, epsilon_0: 0.1, episodes: 2000, beta_scale: 0.00005, counts: PerStep)",
        "(epsilon: 0.5, epsilon_0: 0.1, episodes: 2000, beta_scale: 0.0002, compare: Sum)",
        "(epsilon: [0.5, inf], epsilon_0: 0.1, episodes: 2000, beta_scale: 0.0002, weights: [1.0, 0.0])",
    ] {
        let mut trial = Trial::new(instances::multi_task(), &read::<OptPess>(text), 6);
        trial.run(2000);
        println!("{text} {:?}", trial.report);
        assert_eq!(trial.get("lp_failures"), 0.0, "{text}");
        assert!(trial.get("lp_solves") > 0.0 && trial.get("pi0_share") < 1.0, "{text}");
    }
}

#[test]
fn a_restored_learner_has_the_same_future() {
    let optimizer: OptPess = read("(epsilon: 0.5, epsilon_0: 0.1, episodes: 3000, beta_scale: 0.0003)");
    let begin = || Trial::new(instances::multi_task(), &optimizer, 7);
    let mut whole = begin();
    whole.run(1200);
    let (snapshot, at) = (whole.learner.snapshot(), whole.random.0);
    whole.run(400);
    let mut resumed = begin();
    resumed.learner.restore(&snapshot).expect("of the same optimiser");
    resumed.random = Random(at);
    resumed.run(400);
    assert_eq!(resumed.report, whole.report);
    assert_eq!(resumed.learner.snapshot(), whole.learner.snapshot());
    let mut other = Trial::new(instances::gfrl(), &optimizer, 7);
    assert!(other.learner.restore(&snapshot).is_err());
    assert!(begin().learner.restore(&snapshot[..10]).is_err());
}

/// Whatever was seen: with the radius at least the largest error, true returns lie between the pessimistic and the
/// optimistic ones.
#[test]
fn returns_lie_in_the_sandwich() {
    let mut random = Random(8);
    for trial in 0..200 {
        let shape = (1, 1, 4 + trial % 3, 2, 5);
        let model = instances::random(trial as u64, shape, 3);
        let (states, actions, horizon) = (model.states, model.actions, model.horizon);
        let mut counts = Counts::new(&spec(&model), false);
        let mut radius = vec![0.0; states * actions];
        for state in 0..states {
            for action in 0..actions {
                for _ in 0..random.below(30) {
                    let next = draw(&mut random, model.next(0, state, action));
                    counts.saw(0, 0, state, action, next);
                }
            }
        }
        let (truth, seems) = (Chain::of(&model, 0), counts.chain(0, model.start(0)));
        for state in 0..states {
            for action in 0..actions {
                let mut error = model.next(0, state, action).to_vec();
                seems.successors(0, state, action).iter().for_each(|&(next, chance)| error[next as usize] -= chance);
                radius[state * actions + action] = error.iter().fold(0.0, |most: f64, e| most.max(e.abs()));
            }
        }
        let mut policy = TabularPolicy::uniform(&spec(&model), horizon);
        policy.logits.iter_mut().for_each(|logit| *logit = 6.0 * random.unit());
        let chances = chances_of(&policy, 0, horizon);
        let reward = &model.reward[..states * actions];
        let width = (states * horizon) as f64;
        let shifted = |by: f64| reward.iter().zip(&radius).map(|(r, b)| r + by * width * b).collect::<Vec<_>>();
        let true_return = truth.pays(&truth.occupancy(&chances), reward);
        let occupancy = seems.occupancy(&chances);
        let (low, high) = (seems.pays(&occupancy, &shifted(-1.0)), seems.pays(&occupancy, &shifted(1.0)));
        assert!(low <= true_return && true_return <= high, "{low} {true_return} {high}");
    }
}
