//! What theory says about the scenarios of the tree: closed forms, value iteration, means of rollouts, and what a
//! fairness reward does to what is learned.
//!
//! Numbers without another source were computed by dynamic programming outside of this program.

mod every;

use every::{always, file, files, motley, name, own, run, sim, small, with};
use isonomy::engine::environment::Environment;
use isonomy::engine::policy::TabularPolicy;
use isonomy::engine::run::{Iteration, Run};

/// Sets that put another clock or other numbers into a scenario.
fn environment(name: &str, sets: &[&str]) -> Box<dyn Environment> {
    with(&file(name), sets).scenario.environment
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }
}

/// Optimal value of every first state of the first group.
fn values(environment: &dyn Environment) -> Vec<f64> {
    let model = environment.model().expect("a river has a model");
    model.plan(&[1.0]).value[..model.states].to_vec()
}

/// What the best policy for a weighting of the tasks is worth to every group.
fn best(environment: &dyn Environment, weights: &[f64]) -> Vec<f64> {
    let model = environment.model().expect("all environments here have models");
    let value = model.plan(weights).value;
    let dot = |(start, value): (&[f64], &[f64])| start.iter().zip(value).map(|(p, v)| p * v).sum();
    model.start.chunks_exact(model.states).zip(value.chunks_exact(model.states)).map(dot).collect()
}

/// Exact returns of a policy, `[groups, tasks]`.
fn returns(environment: &dyn Environment, policy: &TabularPolicy) -> Vec<f64> {
    let model = environment.model().expect("all environments here have models");
    model.evaluate(&environment.spec(), policy).mean
}

fn last(mut run: Run) -> Iteration {
    let all = std::iter::from_fn(|| run.next_iteration().expect("the processor cannot fail"));
    all.last().expect("there is an iteration")
}

fn metric(iteration: &Iteration, name: &str) -> f64 {
    let metrics = iteration.metrics();
    metrics.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name} in {metrics:?}")).1
}

// TabulaRL's river, Osband et al., NeurIPS 2013.
#[test]
fn optimal_values_of_osbands_river() {
    let rows = [
        (2, [0.01, 0.005, 0.0, 0.0, 0.35, 1.6]),
        (5, [0.025, 0.026231, 0.148713, 0.629363, 1.637838, 3.022050]),
        (10, [0.352384, 0.655027, 1.396951, 2.482427, 3.799598, 5.217627]),
        (20, [3.397264, 4.052651, 5.301868, 6.678367, 8.094000, 9.521445]),
        (100, [37.502947, 38.217317, 39.544006, 40.958168, 42.384827, 43.813271]),
    ];
    for (limit, expected) in rows {
        let set = format!("environment.RiverSwim.time_limit={limit}");
        assert_near(&values(&*environment("river_swim/osband.ron", &[&set])), &expected, 1e-6);
    }
    for (places, expected) in [(7, 2.284002), (10, 0.389226), (12, 0.106274), (20, 0.1)] {
        let sets = [
            format!("environment.RiverSwim.places={places}"),
            format!("environment.RiverSwim.tasks[0].payments[1].place={}", places - 1),
        ];
        let river = environment("river_swim/osband.ron", &[&sets[0], &sets[1]]);
        assert_near(&values(&*river)[..1], &[expected], 1e-6);
    }
}

#[test]
fn strokes_in_osbands_river() {
    let river = environment("river_swim/osband.ron", &[]);
    let (spec, model) = (river.spec(), river.model().expect("a river has a model"));
    let rules = [(always(&spec, 1), 3.396637), (always(&spec, 0), 0.1), (TabularPolicy::uniform(&spec, 1), 0.043789)];
    for (policy, expected) in rules {
        assert_near(&returns(&*river, &policy), &[expected], 1e-6);
    }
    // Up the river until there is no time left to arrive.
    let up_before = [14, 16, 17, 18, 19, 20];
    for (cell, action) in model.plan(&[1.0]).action.iter().enumerate() {
        assert_eq!(*action, u32::from(cell / 6 < up_before[cell % 6]), "step {}, place {}", cell / 6, cell % 6);
    }
    for (discount, expected) in [(0.9, 1.304478), (0.95, 4.669300), (0.99, 37.854701)] {
        let plan = model.plan_discounted(&[1.0], discount);
        assert_near(&plan.value[..1], &[expected], 1e-6);
        assert_eq!(plan.action, [1; 6]);
    }
    assert_near(&model.gain(&always(&spec, 1)), &[0.428622], 1e-6);
    assert_near(&model.gain(&always(&spec, 0)), &[0.005], 1e-9);
    let places = ["environment.RiverSwim.places=30", "environment.RiverSwim.tasks[0].payments[1].place=29"];
    let long = environment("river_swim/osband.ron", &places);
    let gain = long.model().expect("a river has a model").gain(&always(&long.spec(), 1));
    assert_near(&gain, &[3.0 / 7.0], 1e-6);
}

// Strehl and Littman, Journal of Computer and System Sciences 74 (2008).
#[test]
fn the_river_as_first_published() {
    let name = "river_swim/strehl_littman.ron";
    let river = environment(name, &[]);
    let (spec, model) = (river.spec(), river.model().expect("a river has a model"));
    let limited = [3653.3744, 5304.0525, 7718.9407, 10598.5543, 13764.1985, 17078.9240];
    assert_near(&values(&*river), &limited, 1e-4);
    let discounted = [6137.9315, 7214.7615, 8839.4525, 10931.7974, 13547.1048, 16795.5590];
    assert_near(&model.plan_discounted(&[1.0], 0.95).value, &discounted, 1e-4);
    assert_near(&model.gain(&always(&spec, 1)), &[668.807339], 1e-6);
    let every = environment(name, &["environment.RiverSwim.tasks[0].payments[1].only_if_staying=false"]);
    assert_near(&every.model().expect("a river has a model").gain(&always(&spec, 1)), &[2229.357798], 1e-6);
}

// The group river of Satija et al., TMLR 2023.
#[test]
fn two_groups_in_one_river() {
    let name = "river_swim/group_riverswim.ron";
    let river = environment(name, &[]);
    let spec = river.spec();
    assert_near(&best(&*river, &[1.0]), &[0.414886, 3.188500], 1e-6);
    assert_near(&returns(&*river, &always(&spec, 1)), &[0.333431, 3.183407], 1e-6);
    assert_near(&returns(&*river, &always(&spec, 0)), &[0.100001, 0.090003], 1e-6);
    assert_near(&returns(&*river, &TabularPolicy::uniform(&spec, 1)), &[0.066898, 0.179055], 1e-6);
    let starts = [0, 1].map(|z| format!("environment.RiverSwim.groups[{z}].start=At(place: {z}, chance: 0.95)"));
    assert_near(&best(&*environment(name, &[&starts[0], &starts[1]]), &[1.0]), &[0.515838, 3.275663], 1e-6);
}

#[test]
fn two_groups_and_two_tasks() {
    let name = "river_swim/group_multi_task.ron";
    let river = environment(name, &[]);
    assert_near(&best(&*river, &[1.0, 0.0]), &[2.284381, 9.851646], 1e-6);
    assert_near(&best(&*river, &[0.0, 1.0]), &[5.251431, 4.960774], 1e-6);
    assert_near(&best(&*river, &[1.0, 1.0]), &[5.251642, 10.458511], 1e-6);
    let plan = river.model().expect("a river has a model").plan(&[1.0, 1.0]).policy(&river.spec());
    let both = returns(&*river, &plan);
    assert_near(&[both[2] - both[0], both[1] - both[3]], &[9.837562, 4.630693], 1e-6);
    let total = |name: &str, limit: &[&str]| -> f64 { best(&*environment(name, limit), &[1.0, 1.0]).iter().sum() };
    let ten = ["environment.RiverSwim.time_limit=10"];
    assert_near(&[total(name, &[]), total(name, &ten)], &[15.710153, 5.645160], 1e-6);
    assert_near(&[total("river_swim/group_three.ron", &ten)], &[7.732566], 1e-6);
}

// The bank of Satija et al., TMLR 2023; the groups count half each.
#[test]
fn a_bank_without_conscience() {
    for (name, profit) in [("lending/fixed.ron", 12.444272), ("lending/legacy.ron", 13.649448)] {
        let profits = best(&*environment(name, &[]), &[0.0, 1.0]);
        assert_near(&[(profits[0] + profits[1]) / 2.0], &[profit], 1e-6);
    }
    let bank = environment("lending/fixed.ron", &[]);
    let plan = bank.model().expect("a bank has a model").plan(&[0.0, 1.0]).policy(&bank.spec());
    let returns = returns(&*bank, &plan);
    assert_near(&[returns[0], returns[2]], &[4.343560, 4.045720], 1e-6);
}

#[test]
fn pencil_and_paper() {
    for name in ["tabular_mdp/inline.ron", "tabular_mdp/from_file.ron"] {
        let mdp = environment(name, &[]);
        assert_near(&best(&*mdp, &[1.0, 1.0]), &[0.5, 0.9], 1e-12);
        // J₁ = p x and J₂ = 0.3 (1 - x), where x is the chance to go right.
        for x in [0.0, 0.25, 0.5, 1.0] {
            let policy = TabularPolicy::from_chances(&mdp.spec(), 1, |_, _, _, row| row.copy_from_slice(&[1.0 - x, x]));
            let expected = [0.5 * x, 0.3 * (1.0 - x), 0.9 * x, 0.3 * (1.0 - x)];
            assert_near(&returns(&*mdp, &policy), &expected, 1e-12);
        }
    }
    let [inline, from_file] =
        ["tabular_mdp/inline.ron", "tabular_mdp/from_file.ron"].map(|name| environment(name, &[]));
    assert_eq!((inline.spec(), inline.model()), (from_file.spec(), from_file.model()));
}

#[test]
fn rollouts_earn_what_the_model_says() {
    for file in files() {
        let spec = small(&file, 1, 1).environment.spec();
        let Some(model) = small(&file, 1, 1).environment.model() else { continue };
        for (rule, policy) in
            [("its own", own(&file)), ("uniform", TabularPolicy::uniform(&spec, 1)), ("motley", motley(&spec))]
        {
            let exact = model.evaluate(&spec, &policy).mean;
            for seed in [1, 2, 3] {
                let mut scenario = small(&file, (20_000 / spec.agents() as usize).max(2), 1);
                scenario.seed = seed;
                let mut sim = sim(scenario, 2, None);
                sim.set_policy(&policy);
                sim.advance(2 * spec.time_limit as usize).expect("the processor cannot fail");
                let found = sim.take_returns().expect("two episodes ended").returns;
                for (at, (mean, exact)) in found.mean.iter().zip(&exact).enumerate() {
                    // Sums of 32-bit floats are off by some of their last digits.
                    // What is earned rarely, and then several times in a row, is spread more than a sample of it tells.
                    let episodes = 2.0 * (20_000 / spec.agents() as usize).max(2) as f64;
                    let rare = (exact.abs() * f64::from(spec.time_limit) / episodes).sqrt();
                    let error =
                        if exact.abs() < 0.05 { found.standard_error[at].max(rare) } else { found.standard_error[at] };
                    let slack = 4.0 * error + 2e-6 * exact.abs();
                    let what = format!("{}, {rule} policy, seed {seed}, [group, task] {at}", name(&file));
                    assert!((mean - exact).abs() <= slack, "{what}: {mean} within {slack}, exactly {exact}");
                }
            }
        }
    }
}

/// The policy that a scenario has learned in the end.
fn learned(name: &str, sets: &[&str]) -> TabularPolicy {
    let mut run = run(with(&file(name), sets).scenario, 2);
    while run.next_iteration().expect("the processor cannot fail").is_some() {}
    run.policy().expect("a table").clone()
}

#[test]
fn alpha_zero_is_the_identity() {
    let name = "river_swim/two_currents.ron";
    let small = ["lanes=128", "iterations=5"];
    let of = |fairness: &str| learned(name, &[small[0], small[1], fairness]);
    let none = of("fairness=[]");
    assert!(of("fairness=[{\"AlphaFair\": (alpha: 0.0, floor: 0.01)}]") == none);
    assert!(of("fairness=[{\"AlphaFair\": (alpha: 1.0, floor: 0.01)}]") != none, "the test can see a difference");
}

#[test]
fn groups_with_equal_dynamics_fare_equally() {
    let name = "river_swim/two_currents.ron";
    let same = "environment.RiverSwim.groups[1].advance=0.35";
    let river = environment(name, &[same]);
    let (spec, model) = (river.spec(), river.model().expect("a river has a model"));
    for policy in [TabularPolicy::uniform(&spec, 1), always(&spec, 1), model.plan(&[1.0]).policy(&spec)] {
        let exact = returns(&*river, &policy);
        assert_eq!(exact[0], exact[1]);
    }
    // The optimum does not depend on how many there are, nor on who comes first.
    assert_near(&best(&*river, &[1.0]), &[3.397264, 3.397264], 1e-6);
    let turned = environment(
        name,
        &["environment.RiverSwim.groups[0].advance=0.20", "environment.RiverSwim.groups[1].advance=0.35"],
    );
    let (as_is, turned) = (best(&*environment(name, &[]), &[1.0]), best(&*turned, &[1.0]));
    assert_eq!([as_is[0], as_is[1]], [turned[1], turned[0]]);
    let mut sim = sim(with(&file(name), &[same, "lanes=8000", "fairness=[]"]).scenario, 2, None);
    sim.set_policy(&always(&spec, 1));
    sim.advance(20).expect("the processor cannot fail");
    let found = sim.take_returns().expect("an episode ended").returns;
    let error = found.standard_error.iter().map(|error| error * error).sum::<f64>().sqrt();
    assert!(found.gap(0) <= 4.0 * error, "{} ± {error}", found.gap(0));
}

#[test]
fn planners_reach_the_optimum() {
    let optimizer = "optimizer={\"ValueIteration\": ()}";
    for (name, expected) in [
        ("river_swim/osband.ron", vec![3.397264]),
        ("river_swim/group_multi_task.ron", vec![5.251642, 10.458511]),
        ("river_swim/two_currents.ron", best(&*environment("river_swim/two_currents.ron", &[]), &[1.0])),
    ] {
        let river = environment(name, &[]);
        let policy = learned(name, &["lanes=8", "iterations=2", "fairness=[]", optimizer]);
        let exact = river.model().expect("a river has a model").evaluate(&river.spec(), &policy).totals();
        assert_near(&exact, &expected, 1e-6);
    }
}

#[test]
fn policy_gradient_comes_close() {
    let name = "river_swim/group_multi_task.ron";
    let river = environment(name, &[]);
    let policy = learned(name, &["lanes=512", "iterations=400", "optimizer.PolicyGradient.rate=2.0"]);
    let exact = river.model().expect("a river has a model").evaluate(&river.spec(), &policy).totals();
    let total: f64 = exact.iter().sum();
    assert!(total > 0.95 * 15.710153, "{exact:?} of [5.251642, 10.458511]");
    assert!(total < 15.710153 + 1e-6, "nothing is better than the optimum: {exact:?}");
}

#[test]
fn a_fairness_reward_changes_what_is_learned() {
    let name = "river_swim/two_currents.ron";
    let ends = |fairness: &str| {
        let sets = ["lanes=256", "iterations=150", fairness];
        last(run(with(&file(name), &sets).scenario, 2))
    };
    let plain = ends("fairness=[]");
    let fair = ends("fairness=[{\"WelfareWeighted\": (welfare: {\"MaxMin\": ()})}]");
    let (wide, narrow) = (metric(&plain, "exact.gap"), metric(&fair, "exact.gap"));
    assert!(narrow < 0.5 * wide, "the gap is {narrow} with max-min, {wide} without");
    let (least, fairly) = (metric(&plain, "exact.return_min"), metric(&fair, "exact.return_min"));
    assert!(fairly > 0.5 * least, "nobody is levelled down to nothing: {fairly} after {least}");
}

#[test]
fn pairs_that_learn_with_a_central_critic_trust_each_other() {
    // Two agents who each look for their own best settle for 7 of 8 (Rashid et al. 2018, arXiv 1803.11485).
    for name in ["two_step_game/mappo.ron", "two_step_game/coma.ron", "two_step_game/advanced_coma_exact.ron"] {
        let mut run = run(with(&file(name), &[]).scenario, 1);
        let mut last = None;
        while let Some(iteration) = run.next_iteration().expect("the processor cannot fail") {
            last = Some(iteration);
        }
        let evaluated = last.and_then(|iteration| iteration.evaluation).expect("the last iteration is evaluated");
        assert!(evaluated.returns.mean.iter().all(|&mean| mean > 7.9), "{name}: {:?}", evaluated.returns.mean);
    }
}

#[test]
fn the_examples_of_the_environments_are_good() {
    use isonomy::engine::plugin::{Kind, plugins};
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    let mut read = 0;
    for plugin in plugins().into_iter().filter(|plugin| plugin.kind == Kind::Environment) {
        let ron = format!("{{\"{}\": {}}}", plugin.name, plugin.example);
        let environment = options.from_str::<Box<dyn Environment>>(&ron);
        let environment = environment.unwrap_or_else(|error| panic!("{}: {error}", plugin.name));
        let problems: Vec<String> = environment.check().iter().map(ToString::to_string).collect();
        assert_eq!(problems, [""; 0], "{}", plugin.name);
        read += 1;
    }
    assert!(read >= 10, "there were more environments once");
}
