//! What is known about constraints: hand-made worlds, identities, and rows that agree with what they stand for.

use isonomy_engine::constraint::{Constraint, Exact, Judged, Overrun, Unjudged};
use isonomy_engine::metrics::Returns;
use isonomy_engine::model::TabularModel;
use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::spec::Spec;

fn constraint(text: &str) -> Box<dyn Constraint> {
    ron::from_str(text).unwrap()
}

/// Two groups, a world of three states, two actions and four steps.
fn spec() -> Spec {
    crate::shapes::two_groups(3, 2, 4)
}

/// Numbers from 0 to 1.
fn chances(salt: u64, count: usize) -> Vec<f64> {
    let mut words = vec![0; count];
    Key::new(salt, Phase::Training, Purpose::Learner).fill(0, 0, &mut words);
    words.into_iter().map(|word| f64::from(word) / f64::from(u32::MAX)).collect()
}

/// A world of chances drawn for it; everyone may start everywhere.
fn world(salt: u64) -> TabularModel {
    let mut model = TabularModel::still(&spec());
    model.reward = chances(salt, model.reward.len());
    model.next = chances(salt + 100, model.next.len());
    model.start = chances(salt + 200, model.start.len());
    for row in model.next.chunks_exact_mut(3).chain(model.start.chunks_exact_mut(3)) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|chance| *chance /= sum);
    }
    model
}

fn policy(salt: u64) -> TabularPolicy {
    let mut policy = TabularPolicy::uniform(&spec(), 4);
    policy.logits = chances(salt + 300, policy.logits.len()).into_iter().map(|x| 4.0 * x).collect();
    policy
}

fn overruns(constraint: &dyn Constraint, model: &TabularModel, policy: &TabularPolicy) -> Vec<Overrun> {
    let spec = spec();
    let returns = model.evaluate(&spec, policy);
    let exact = Some(Exact { spec: &spec, model, policy });
    constraint.overruns(&Judged { returns: &returns, exact }).unwrap()
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
}

/// What each plugin is tried with.
const SHELF: [&str; 9] = [
    r#"{"ReturnParity": (epsilon: 0.25)}"#,
    r#"{"ReturnParity": (epsilon: 0.25, per_task: false)}"#,
    r#"{"ReturnFloor": (floor: 1.5)}"#,
    r#"{"FourFifths": ()}"#,
    r#"{"FourFifths": (ratio: 0.95, per_task: false)}"#,
    r#"{"EqualOpportunity": (qualified: [0, 1, 2], epsilon: 0.05)}"#,
    r#"{"StepwiseParity": (action: 1, epsilon: [0.1, 0.2, 0.0, 0.05])}"#,
    r#"{"ActionNonPreference": (slack: 0.02, tolerance: 0.1)}"#,
    r#"{"EnvyFreeness": (epsilon: 0.0)}"#,
];

/// Rows that a planner keeps hold exactly where the constraint does, and the largest of returns are the same numbers.
#[test]
fn rows_of_occupancies_say_what_the_constraint_says() {
    let mut compared = 0;
    for text in SHELF {
        let constraint = constraint(text);
        for salt in 0..5 {
            let (model, policy) = (world(salt), policy(salt));
            let Some(rows) = constraint.linear_rows(&spec(), Some(&model)) else { continue };
            let occupancies: Vec<Vec<f64>> = (0..2).map(|group| model.occupancy(&policy, group)).collect();
            let of_rows: Vec<f64> = rows.iter().map(|row| row.overrun(&model, &occupancies)).collect();
            let of_returns = overruns(&*constraint, &model, &policy);
            let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
            let (by_rows, by_returns) =
                (largest(&mut of_rows.iter().copied()), largest(&mut of_returns.iter().map(|row| row.value)));
            if text.contains("ActionNonPreference") {
                assert_eq!(by_rows > 0.0, by_returns > 0.0, "{text}: {by_rows}, {by_returns}");
            } else {
                near(by_rows, by_returns);
            }
            if rows.len() == of_returns.len() {
                let named = rows.iter().zip(&of_rows).zip(&of_returns);
                named.for_each(|((row, value), of_returns)| {
                    assert_eq!(row.name, of_returns.row);
                    near(*value, of_returns.value);
                });
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 8 * 5);
    assert!(constraint(SHELF[8]).linear_rows(&spec(), Some(&world(0))).is_none());
}

#[test]
fn a_ratio_needs_returns_above_zero() {
    let returns = super::returns();
    let rows = constraint(r#"{"FourFifths": (per_task: false)}"#).overruns(&Judged::by(&returns)).unwrap();
    // A has 3, B has 5.5.
    near(rows[0].value, 0.8 * 3.0 - 5.5);
    near(rows[1].value, 0.8 * 5.5 - 3.0);
    let poor = Returns { mean: vec![1.0, 2.0, 4.0, 0.0], ..returns };
    let error = constraint(r#"{"FourFifths": ()}"#).overruns(&Judged::by(&poor)).unwrap_err();
    assert_eq!(error.to_string(), "B, down earns 0, but FourFifths needs returns above 0");
    let mut spec = spec();
    spec.tasks[0].reward = (-1.0, 0.0);
    assert_eq!(constraint(r#"{"FourFifths": ()}"#).check(&spec, None).len(), 1);
}

#[test]
fn rows_on_returns_have_slopes() {
    let returns = super::returns();
    let spec = Spec { tasks: [spec().tasks, spec().tasks].concat(), ..spec() };
    let rows = constraint(r#"{"FourFifths": ()}"#).linear_rows(&spec, None).unwrap();
    let (overrun, slopes) = rows[1].at_returns(&returns).unwrap();
    near(overrun, 0.8 * 4.0 - 1.0);
    assert_eq!(slopes, [-1.0, 0.0, 0.8, 0.0]);
    let stepwise = constraint(r#"{"StepwiseParity": (action: 1, epsilon: [0])}"#).linear_rows(&spec, None).unwrap();
    assert_eq!(stepwise[0].at_returns(&returns), None);
}

#[test]
fn opportunity_is_that_of_the_qualified() {
    let (mut model, policy) = (world(3), policy(3));
    let text = r#"{"EqualOpportunity": (qualified: [2], epsilon: 0.0)}"#;
    let found = overruns(&*constraint(text), &model, &policy)[0].value;
    assert!(constraint(text).linear_rows(&spec(), Some(&model)).is_none());
    // The same, in a world where only the qualified start.
    model.start = vec![0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
    let returns = model.evaluate(&spec(), &policy);
    near(found, returns.get(0, 0) - returns.get(1, 0));
    assert!(constraint(text).linear_rows(&spec(), Some(&model)).is_some());

    fn problems(text: &str, model: &TabularModel) -> Vec<String> {
        constraint(text).check(&spec(), Some(model)).into_iter().map(|problem| problem.path).collect()
    }
    assert_eq!(problems(r#"{"EqualOpportunity": (qualified: [1, 7], epsilon: 0)}"#, &world(0)), ["qualified[1]"]);
    assert_eq!(problems(r#"{"EqualOpportunity": (qualified: [0], epsilon: 0)}"#, &model), ["qualified"; 2]);
    assert_eq!(problems(r#"{"EqualOpportunity": (qualified: [2], epsilon: 0)}"#, &model), [""; 0]);
}

#[test]
fn parity_in_every_step_is_judged_by_the_worst() {
    let model = world(1);
    // Group A acts in step 2 with chance 0.9, B with 0.3; else both with 0.5.
    let policy = TabularPolicy::from_chances(&spec(), 4, |step, group, _, row| {
        let chance = if step == 2 { [0.9, 0.3][group] } else { 0.5 };
        row.copy_from_slice(&[1.0 - chance, chance]);
    });
    let rows = overruns(&*constraint(r#"{"StepwiseParity": (action: 1, epsilon: [0.1])}"#), &model, &policy);
    near(rows[0].value, 0.5);
    near(rows[1].value, -0.1);
    let late = r#"{"StepwiseParity": (action: 1, epsilon: [0.0, 0.0, 0.7, 0.0])}"#;
    near(overruns(&*constraint(late), &model, &policy)[0].value, 0.0);
    let wrong = constraint(r#"{"StepwiseParity": (action: 2, epsilon: [0.1, 0.1])}"#);
    let paths: Vec<_> = wrong.check(&spec(), Some(&model)).into_iter().map(|problem| problem.path).collect();
    assert_eq!(paths, ["action", "epsilon"]);
}

#[test]
fn the_best_policy_and_the_uniform_one_prefer_no_worse_action() {
    let text = r#"{"ActionNonPreference": (slack: 0.0, tolerance: 0.0)}"#;
    for salt in 0..5 {
        let model = world(salt);
        let best = model.plan(&[1.0]).policy(&spec());
        let worst = TabularModel { reward: model.reward.iter().map(|r| -r).collect(), ..model.clone() };
        let worst = worst.plan(&[1.0]).policy(&spec());
        let value = |policy: &TabularPolicy| overruns(&*constraint(text), &model, policy)[0].value;
        near(value(&best), -1.0);
        near(value(&TabularPolicy::uniform(&spec(), 1)), 0.0);
        near(value(&worst), 1.0);
    }
}

#[test]
fn nobody_envies_who_is_treated_alike_or_has_what_is_best_for_them() {
    let text = r#"{"EnvyFreeness": (epsilon: 0.0)}"#;
    for salt in 0..5 {
        let model = world(salt);
        let alike = overruns(&*constraint(text), &model, &TabularPolicy::uniform(&spec(), 1));
        alike.iter().for_each(|row| near(row.value, 0.0));
        let best = overruns(&*constraint(text), &model, &model.plan(&[1.0]).policy(&spec()));
        assert!(best.iter().all(|row| row.value <= 1e-12), "{best:?}");
    }
    // B is given the action that pays nothing, in a world where the other one pays 1 a step.
    let mut model = world(0);
    model.reward = [0.0, 1.0].repeat(6);
    let policy = TabularPolicy::from_chances(&spec(), 1, |_, group, _, row| row[1 - group] = 1.0);
    let rows = overruns(&*constraint(text), &model, &policy);
    assert_eq!([&*rows[0].row, &*rows[1].row], ["A envies B", "B envies A"]);
    near(rows[0].value, -4.0);
    near(rows[1].value, 4.0);
}

#[test]
fn what_looks_behind_returns_says_so() {
    for text in &SHELF[5..] {
        let constraint = constraint(text);
        let returns = Returns::zero(&spec());
        let error = constraint.overruns(&Judged::by(&returns)).unwrap_err();
        assert!(matches!(error, Unjudged::NoModel { notion } if text.contains(notion)), "{text}: {error}");
        let problems = constraint.check(&spec(), None);
        assert_eq!(constraint.linear_rows(&spec(), None).is_some(), text.contains("Stepwise"), "{text}");
        assert!(problems.iter().any(|problem| problem.message.contains("no model")), "{text}: {problems:?}");
        assert!(constraint.check(&spec(), Some(&world(0))).is_empty(), "{text}");
    }
}
