//! What models promise: occupancies and rollouts earn what evaluation says.

use super::{all, always, sim};
use isonomy_engine::policy::TabularPolicy;

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
    }
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
