//! What theory says: closed forms, value iteration, means of rollouts.

use super::{all, always, parse, scenario, sim, text, written};
use isonomy_engine::environment::Environment;
use isonomy_engine::model::TabularModel;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::spec::Spec;

/// The environment of Osband's river with other numbers.
fn osband(places: usize, time_limit: usize) -> (Spec, TabularModel) {
    let last = places - 1;
    let river = written(&format!(
        r#"{{"RiverSwim": (places: {places}, time_limit: {time_limit},
            groups: [(name: "all", agents: 1, advance: 0.35, stay: 0.60)],
            tasks: [(name: "swim", payments: [
                (place: 0, stroke: Left, reward: 0.005),
                (place: {last}, stroke: Right, reward: 1.0),
            ])],
        )}}"#
    ));
    (river.spec(), river.model().unwrap())
}

/// A scenario with some of its text replaced.
fn varied(name: &str, replacements: &[(&str, &str)]) -> Box<dyn Environment> {
    let text = replacements.iter().fold(text(name), |text, (from, to)| {
        assert!(text.contains(from), "{name} has no {from}");
        text.replace(from, to)
    });
    parse(&text).unwrap()
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }
}

/// The optimal value of each group's start for a weighting of the tasks.
fn best(environment: &dyn Environment, weights: &[f64]) -> Vec<f64> {
    let model = environment.model().unwrap();
    let plan = model.plan(weights);
    let worth = |group: usize| -> f64 {
        let value = &plan.value[group * model.states..][..model.states];
        model.start(group).iter().zip(value).map(|(chance, value)| chance * value).sum()
    };
    (0..model.groups).map(worth).collect()
}

fn returns(environment: &dyn Environment, policy: &TabularPolicy) -> Vec<f64> {
    environment.model().unwrap().evaluate(&environment.spec(), policy).mean
}

#[test]
fn optimal_values_of_osbands_river() {
    let rows = [
        (2, [0.01, 0.005, 0.0, 0.0, 0.35, 1.6]),
        (5, [0.025, 0.026231, 0.148713, 0.629363, 1.637838, 3.022050]),
        (10, [0.352384, 0.655027, 1.396951, 2.482427, 3.799598, 5.217627]),
        (20, [3.397264, 4.052651, 5.301868, 6.678367, 8.094000, 9.521445]),
        (100, [37.502947, 38.217317, 39.544006, 40.958168, 42.384827, 43.813271]),
    ];
    for (time_limit, expected) in rows {
        assert_near(&osband(6, time_limit).1.plan(&[1.0]).value, &expected, 1e-6);
    }
    for (places, expected) in [(7, 2.284002), (10, 0.389226), (12, 0.106274), (20, 0.1)] {
        assert_near(&osband(places, 20).1.plan(&[1.0]).value[..1], &[expected], 1e-6);
    }
}

#[test]
fn optimal_strokes_in_osbands_river() {
    let (spec, model) = osband(6, 20);
    let plan = model.plan(&[1.0]);
    let left_from = [14, 16, 17, 18, 19, 20];
    for (cell, action) in plan.action.iter().enumerate() {
        let (step, place) = (cell / 6, cell % 6);
        assert_eq!(*action, u32::from(step < left_from[place]), "step {step}, place {place}");
    }
    assert_near(&model.evaluate(&spec, &plan.policy(&spec)).mean, &[3.397264], 1e-6);
    let rules = [(always(&spec, 1), 3.396637), (always(&spec, 0), 0.1), (TabularPolicy::uniform(&spec, 1), 0.043789)];
    for (policy, expected) in rules {
        assert_near(&model.evaluate(&spec, &policy).mean, &[expected], 1e-6);
    }
}

#[test]
fn osbands_river_without_a_clock() {
    let (spec, model) = osband(6, 20);
    for (discount, expected) in [(0.9, 1.304478), (0.95, 4.669300), (0.99, 37.854701)] {
        let plan = model.plan_discounted(&[1.0], discount);
        assert_near(&plan.value[..1], &[expected], 1e-6);
        assert_eq!(plan.action, [1; 6]);
    }
    assert_near(&model.gain(&always(&spec, 1)), &[0.428622], 1e-6);
    assert_near(&model.gain(&always(&spec, 0)), &[0.005], 1e-9);
    let (spec, long) = osband(30, 20);
    assert_near(&long.gain(&always(&spec, 1)), &[3.0 / 7.0], 1e-6);
}

#[test]
fn the_river_as_first_published() {
    let name = "river_swim/strehl_littman.ron";
    let (spec, model) = (scenario(name).spec(), scenario(name).model().unwrap());
    let discounted = [6137.9315, 7214.7615, 8839.4525, 10931.7974, 13547.1048, 16795.5590];
    assert_near(&model.plan_discounted(&[1.0], 0.95).value, &discounted, 1e-4);
    let limited = [3653.3744, 5304.0525, 7718.9407, 10598.5543, 13764.1985, 17078.9240];
    assert_near(&model.plan(&[1.0]).value, &limited, 1e-4);
    assert_near(&model.gain(&always(&spec, 1)), &[668.807339], 1e-6);
    let every = varied(name, &[(", only_if_staying: true", "")]);
    assert_near(&every.model().unwrap().gain(&always(&spec, 1)), &[2229.357798], 1e-6);
}

#[test]
fn two_groups_in_one_river() {
    let name = "river_swim/group_riverswim.ron";
    let river = scenario(name);
    let spec = river.spec();
    assert_near(&best(&*river, &[1.0]), &[0.414886, 3.188500], 1e-6);
    assert_near(&returns(&*river, &always(&spec, 1)), &[0.333431, 3.183407], 1e-6);
    assert_near(&returns(&*river, &always(&spec, 0)), &[0.100001, 0.090003], 1e-6);
    assert_near(&returns(&*river, &TabularPolicy::uniform(&spec, 1)), &[0.066898, 0.179055], 1e-6);
    assert_near(&best(&*varied(name, &[("0.9999", "0.95")]), &[1.0]), &[0.515838, 3.275663], 1e-6);
}

#[test]
fn two_groups_and_two_tasks() {
    let name = "river_swim/group_multi_task.ron";
    let river = scenario(name);
    assert_near(&best(&*river, &[1.0, 0.0]), &[2.284381, 9.851646], 1e-6);
    assert_near(&best(&*river, &[0.0, 1.0]), &[5.251431, 4.960774], 1e-6);
    assert_near(&best(&*river, &[1.0, 1.0]), &[5.251642, 10.458511], 1e-6);
    let plan = river.model().unwrap().plan(&[1.0, 1.0]).policy(&river.spec());
    let both = returns(&*river, &plan);
    assert_near(&[both[2] - both[0], both[1] - both[3]], &[9.837562, 4.630693], 1e-6);
    let limit = [("time_limit: 20", "time_limit: 10")];
    assert_near(&[best(&*varied(name, &limit), &[1.0, 1.0]).iter().sum()], &[5.645160], 1e-6);
    let three = varied("river_swim/group_three.ron", &limit);
    assert_near(&[best(&*three, &[1.0, 1.0]).iter().sum()], &[7.732566], 1e-6);
}

#[test]
fn pencil_and_paper() {
    let mdp = scenario("tabular_mdp/inline.ron");
    let spec = mdp.spec();
    assert_near(&best(&*mdp, &[1.0, 1.0]), &[0.5, 0.9], 1e-12);
    // J₁ = p x and J₂ = 0.3 (1 - x), where x is the chance to go right.
    for (x_a, x_b) in [(0.5, 1.0 / 3.0), (0.0, 1.0), (0.25, 0.75)] {
        let policy = TabularPolicy::from_chances(&spec, 1, |_, group, _, row| {
            let right = [x_a, x_b][group];
            row.copy_from_slice(&[1.0 - right, right]);
        });
        let expected = [0.5 * x_a, 0.3 * (1.0 - x_a), 0.9 * x_b, 0.3 * (1.0 - x_b)];
        assert_near(&returns(&*mdp, &policy), &expected, 1e-12);
    }
    let from_file = scenario("tabular_mdp/from_file.ron");
    assert_eq!(from_file.model(), mdp.model());
    assert_eq!(from_file.spec(), mdp.spec());
}

#[test]
fn a_bank_without_conscience() {
    for (name, profit) in [("lending/fixed.ron", 12.444272), ("lending/legacy.ron", 13.649448)] {
        let bank = scenario(name);
        let profits = best(&*bank, &[0.0, 1.0]);
        assert_near(&[(profits[0] + profits[1]) / 2.0], &[profit], 1e-6);
    }
    let bank = scenario("lending/fixed.ron");
    let plan = bank.model().unwrap().plan(&[0.0, 1.0]).policy(&bank.spec());
    let returns = returns(&*bank, &plan);
    assert_near(&[returns[0], returns[2]], &[4.343560, 4.045720], 1e-6);
}

#[test]
fn occupancy_prices_what_evaluation_finds() {
    for (name, environment) in all() {
        let (spec, model) = (environment.spec(), environment.model().unwrap());
        let policy = super::motley(&spec);
        let exact = model.evaluate(&spec, &policy);
        for group in 0..model.groups {
            let occupancy = model.occupancy(&policy, group);
            assert_near(&[occupancy.iter().sum()], &[model.horizon as f64], 1e-9);
            for task in 0..model.tasks {
                let pay =
                    |cell: usize| model.reward(group, task, cell / model.actions % model.states, cell % model.actions);
                let sum: f64 = occupancy.iter().enumerate().map(|(cell, chance)| chance * pay(cell)).sum();
                let exact = exact.get(group, task);
                assert!((sum - exact).abs() < 1e-9 * (1.0 + exact.abs()), "{name}: {sum} is not {exact}");
            }
        }
    }
}

#[test]
fn rollouts_earn_what_the_model_says() {
    for (name, environment) in all() {
        let (spec, model) = (environment.spec(), environment.model().unwrap());
        let mut policies: Vec<(String, TabularPolicy)> =
            (0..model.actions).map(|action| (format!("always {action}"), always(&spec, action))).collect();
        policies.push(("uniform".to_owned(), TabularPolicy::uniform(&spec, 1)));
        policies.push(("motley".to_owned(), super::motley(&spec)));
        for (rule, policy) in policies {
            let exact = model.evaluate(&spec, &policy);
            let mut sim = sim(&*environment, 80_000 / spec.agents() as usize, 2);
            sim.set_policy(&policy);
            sim.advance(2 * spec.time_limit as usize).unwrap();
            let found = sim.take_returns().unwrap().returns;
            for (index, (mean, exact)) in found.mean.iter().zip(&exact.mean).enumerate() {
                let error = found.standard_error[index];
                // Sums of 32-bit floats are off by some of their last digits.
                let slack = 4.0 * error + 2e-6 * exact.abs();
                assert!(
                    (mean - exact).abs() <= slack,
                    "{name}, {rule}, [group, task] {index}: {mean} ± {error}, exactly {exact}",
                );
            }
        }
    }
}
