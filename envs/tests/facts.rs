//! What theory says about the environments: closed forms, value iteration, Monte-Carlo means.

mod common;

use common::{always, scenarios, sim};
use isonomy_engine::policy::TabularPolicy;

#[test]
fn rollouts_earn_what_the_model_says() {
    for (name, environment) in scenarios() {
        let (spec, model) = (environment.spec(), environment.model().unwrap());
        let mut policies: Vec<(String, TabularPolicy)> =
            (0..model.actions).map(|a| (format!("always {a}"), always(&spec, a))).collect();
        policies.push(("uniform".to_owned(), TabularPolicy::uniform(&spec, 1)));
        for (rule, policy) in policies {
            let exact = model.evaluate(&spec, &policy);
            let mut sim = sim(&*environment, 30_000, 2);
            sim.set_policy(&policy);
            sim.advance(2 * spec.time_limit as usize).unwrap();
            let found = sim.take_returns().unwrap().returns;
            for (index, (mean, exact)) in found.mean.iter().zip(&exact.mean).enumerate() {
                let error = found.standard_error[index];
                assert!(
                    (mean - exact).abs() <= 4.0 * error + 1e-6,
                    "{name}, {rule}, [group, task] {index}: {mean} ± {error}, exactly {exact}",
                );
            }
        }
    }
}
