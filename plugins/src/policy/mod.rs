//! How policies that learn begin.

mod perceptron;
mod softmax;

pub use perceptron::Perceptron;
pub(crate) use perceptron::{POLICY_STREAM, too_large};
pub use softmax::Softmax;

use isonomy_engine::problem::Problem;
use isonomy_engine::spec::Spec;

/// Entries of the largest table: a gigabyte of logits.
const MOST: u128 = 1 << 27;

/// Refuses a table of one entry per step, group, observation and action that would not fit into memory.
pub(crate) fn check_table(spec: &Spec, steps: usize) -> Option<Problem> {
    let cells = steps as u128 * spec.groups.len() as u128 * u128::from(spec.observation.count());
    let entries = cells * u128::from(spec.action.count());
    (entries > MOST).then(|| {
        let what = format!("{steps} steps × {} groups × {} observations", spec.groups.len(), spec.observation.count());
        Problem::at("", format!("a table of {what} × {} actions does not fit", spec.action.count()))
            .help(format!("{MOST} entries are the most"))
    })
}
