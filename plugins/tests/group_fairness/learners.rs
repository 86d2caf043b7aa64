//! `OptPess` and its baselines, judged by exact returns over thousands of episodes.

use crate::instances::{self, Random};
use isonomy_engine::model::TabularModel;
use isonomy_engine::optimizer::{Learner, Optimizer, Setting};
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::reference::Line;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_plugins::group_fairness::chain::{Chain, chances_of};
use isonomy_plugins::group_fairness::counts::Counts;
use isonomy_plugins::group_fairness::{AlwaysPi0, CertaintyEquivalence, OptPess};
use std::sync::Arc;

pub(crate) fn spec(model: &TabularModel) -> Spec {
    let name = |at: usize| ["A", "B", "C", "D", "E", "F", "G", "H"][at].to_owned();
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
fn the_report_is_told_what_to_compare_with() {
    let optimizer: OptPess = read("(epsilon: 0.5, epsilon_0: 0.1, episodes: 20000, beta_scale: 0.0005)");
    let mut trial = Trial::new(instances::multi_task(), &optimizer, 9);
    let references = trial.learner.references(3);
    let line = |metric: &str| references.iter().find(|r| r.metric == metric).unwrap_or_else(|| panic!("{metric}")).line;
    assert_eq!(line("gap_task_2"), Line::Level(0.5));
    assert_eq!(line("violations"), Line::Level(0.0));
    assert_eq!(line("violation_share"), Line::Level(0.1));
    let Line::Slope(per_iteration) = line("regret") else { panic!("a sum has a slope") };
    near(per_iteration, 3.0 * 0.856893, 1e-5, "three episodes of π⁰");
    let Line::Level(total) = line("groups.B.return_mean") else { panic!("a return has a level") };
    let Line::Level(other) = line("groups.A.return_mean") else { panic!("a return has a level") };
    near(total + other, 10.883288, 1e-6, "the optimum");
    trial.run(1);
    let named = trial.report.iter().map(|(name, _)| name.as_str());
    let known: Vec<&str> = named.chain(["groups.A.return_mean", "groups.B.return_mean"]).collect();
    let drawn = references.iter().filter(|reference| !reference.metric.contains(".tasks."));
    drawn.for_each(|reference| assert!(known.contains(&reference.metric.as_str()), "{reference:?}"));
    near(trial.get("regret_per_root"), trial.get("regret"), 1e-12, "after one episode");
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

/// What is planned binds at ε, so it takes an ε₀ near ε for the gap of what was played to be certified below.
#[test]
fn pi0_grows_from_a_null_policy() {
    let text = |epsilon_0: f64, pi0: &str| {
        format!("(epsilon: 0.5, epsilon_0: {epsilon_0}, episodes: 5000, beta_scale: 0.0005, pi0: {pi0})")
    };
    let begin = |text: &str| Trial::new(instances::multi_task(), &read::<OptPess>(text), 11);
    let mut near_epsilon = begin(&text(0.4, "Bootstrapped(action: 0)"));
    near_epsilon.run(1);
    assert_eq!((near_epsilon.get("pi0_replacements"), near_epsilon.get("epsilon_0")), (0.0, 0.4));
    near_epsilon.run(4999);
    assert!(near_epsilon.get("pi0_replacements") >= 1.0);
    assert!((0.2..0.4).contains(&near_epsilon.get("epsilon_0")), "{}", near_epsilon.get("epsilon_0"));
    // What took the place of π⁰ is part of the snapshot.
    let mut again = begin(&text(0.4, "Bootstrapped(action: 0)"));
    again.learner.restore(&near_epsilon.learner.snapshot()).expect("of the same optimiser");
    again.run(1);
    assert_eq!(again.get("epsilon_0"), near_epsilon.get("epsilon_0"));
    // Far below ε nothing is certified, and the null policy stays what it is.
    let (mut far, mut null) = (begin(&text(0.1, "Bootstrapped(action: 0)")), begin(&text(0.1, "Always(0)")));
    far.run(2000);
    null.run(2000);
    assert_eq!((far.get("pi0_replacements"), far.get("regret")), (0.0, null.get("regret")));
    assert!(null.report.iter().all(|(name, _)| name != "pi0_replacements"));
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
    for trial in 0..400 {
        let shape = (1, 1, 2 + trial % 7, 1 + trial % 4, 1 + trial % 12);
        let model = instances::random(trial as u64, shape, 3);
        let (states, actions, horizon) = (model.states, model.actions, model.horizon);
        let per_step = trial % 3 == 0;
        let steps = if per_step { horizon } else { 1 };
        let cells = |step: usize| (0..states * actions).map(move |cell| (step, cell / actions, cell % actions));
        let cells = || (0..steps).flat_map(cells);
        let mut counts = Counts::new(&spec(&model), per_step);
        for (step, state, action) in cells() {
            for _ in 0..random.below(30) {
                let next = draw(&mut random, model.next(0, state, action));
                counts.saw(0, step, state, action, next);
            }
        }
        let (truth, seems) = (Chain::of(&model, 0), counts.chain(0, model.start(0)));
        let error = |(step, state, action): (usize, usize, usize)| {
            let mut error = model.next(0, state, action).to_vec();
            seems.successors(step, state, action).iter().for_each(|&(next, chance)| error[next as usize] -= chance);
            error.iter().fold(0.0, |most: f64, e| most.max(e.abs()))
        };
        let radius: Vec<f64> = cells().map(error).collect();
        let mut policy = TabularPolicy::uniform(&spec(&model), horizon);
        policy.logits.iter_mut().for_each(|logit| *logit = 6.0 * random.unit());
        let chances = chances_of(&policy, 0, horizon);
        let reward = &model.reward[..states * actions];
        let width = (states * horizon) as f64;
        let shifted =
            |by: f64| radius.iter().zip(reward.iter().cycle()).map(|(b, r)| r + by * width * b).collect::<Vec<_>>();
        let true_return = truth.pays(&truth.occupancy(&chances), reward);
        let occupancy = seems.occupancy(&chances);
        let (low, high) = (seems.pays(&occupancy, &shifted(-1.0)), seems.pays(&occupancy, &shifted(1.0)));
        // Where nothing is uncertain the three are one but for rounding.
        let fits = low <= true_return + 1e-12 && true_return <= high + 1e-12;
        assert!(fits, "trial {trial}: {low} {true_return} {high}");
    }
}
