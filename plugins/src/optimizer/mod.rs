//! What improves a policy.

mod policy_gradient;
mod value_iteration;

pub use policy_gradient::PolicyGradient;
pub use value_iteration::ValueIteration;

use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Finite;
use isonomy_engine::spec::Spec;

/// One weight per task: those written, or ones.
fn task_weights(written: &[Finite], tasks: usize) -> Vec<f64> {
    if written.is_empty() { vec![1.0; tasks] } else { written.iter().map(|weight| weight.get()).collect() }
}

fn check_task_weights(written: &[Finite], spec: &Spec) -> Option<Problem> {
    let (found, tasks) = (written.len(), spec.tasks.len());
    (found != 0 && found != tasks).then(|| {
        Problem::at("weights", format!("{found} entries for {tasks} tasks")).help("one weight per task, or none at all")
    })
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
