//! What improves a policy.

pub mod constrained;
mod network;
mod policy_gradient;
mod value_iteration;

pub use constrained::{Cpo, Cup, Focops, Pcpo, PpoLagrangian};
pub use network::{AdvancedComaExact, Coma, Ppo};
pub use policy_gradient::PolicyGradient;
pub use value_iteration::ValueIteration;

use crate::policy::check_table;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Finite;
use isonomy_engine::spec::Spec;

/// One weight per task: those written, or ones.
fn task_weights(written: &[Finite], tasks: usize) -> Vec<f64> {
    if written.is_empty() { vec![1.0; tasks] } else { written.iter().map(|weight| weight.get()).collect() }
}

/// What a method with task weights and a table of every step cannot work with.
fn check(weights: &[Finite], spec: &Spec) -> Vec<Problem> {
    let (found, tasks) = (weights.len(), spec.tasks.len());
    let mismatch = (found != 0 && found != tasks).then(|| {
        Problem::at("weights", format!("{found} entries for {tasks} tasks")).help("one weight per task, or none at all")
    });
    mismatch.into_iter().chain(check_table(spec, spec.time_limit as usize)).collect()
}

/// Puts a policy in the place of `mine`, if it is one of the same shape.
fn restore(mine: &mut TabularPolicy, snapshot: &[u8]) -> Result<(), postcard::Error> {
    let shape = |policy: &TabularPolicy| {
        (policy.steps, policy.groups, policy.observations, policy.actions, policy.logits.len())
    };
    let policy: TabularPolicy = postcard::from_bytes(snapshot)?;
    if shape(&policy) != shape(mine) {
        return Err(postcard::Error::DeserializeBadEncoding);
    }
    *mine = policy;
    Ok(())
}

fn snapshot(policy: &TabularPolicy) -> Vec<u8> {
    postcard::to_stdvec(policy).expect("a vector takes all bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::two_groups;

    #[test]
    fn weights_must_fit_the_tasks_and_tables_the_memory() {
        let weights = [1.0, 2.0].map(|weight| Finite::new(weight).unwrap());
        assert!(check(&[], &two_groups(3, 2, 5)).is_empty() && check(&weights[..1], &two_groups(3, 2, 5)).is_empty());
        assert_eq!(check(&weights, &two_groups(3, 2, 5))[0].path, "weights");
        assert_eq!(check(&[], &two_groups(100_000, 2, 100_000))[0].path, "");
    }
}
