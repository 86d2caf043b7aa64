//! Rules that act without learning.

mod always;
mod fixed;
mod uniform;

pub use always::Always;
pub use fixed::Fixed;
pub use uniform::Uniform;

use isonomy_engine::problem::Problem;
use isonomy_engine::spec::Spec;

/// A problem where actions are numbers, of which none can be picked from a list.
fn countable(spec: &Spec) -> Vec<Problem> {
    if spec.action.is_discrete() {
        return Vec::new();
    }
    let help = "use a controller of this environment: `isonomy list controllers` shows them";
    vec![Problem::at("", "the actions of this environment are numbers, not a list to choose from").help(help)]
}
