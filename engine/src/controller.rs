//! Controllers: rules that act without learning, the baselines of every comparison.

use crate::environment::Environment;
use crate::lanes::LaneRule;
use crate::policy::TabularPolicy;
use crate::problem::Problem;

/// Acts by rule.
#[typetag::serde]
pub trait Controller: std::fmt::Debug + Send + Sync {
    /// The rule for this environment. Called after [`check`](Self::check) found nothing.
    fn rule(&self, environment: &dyn Environment) -> Rule;

    /// What in this environment makes no sense. A controller of one environment says so if this is another: it asks
    /// with [`of`].
    fn check(&self, _environment: &dyn Environment) -> Vec<Problem> {
        Vec::new()
    }
}

/// What acts.
#[derive(Clone, Debug)]
pub enum Rule {
    /// Chances for every step, group and observation.
    Table(TabularPolicy),
    /// A rule that sees the columns of a whole lane.
    Lane(LaneRule),
}

/// The environment as what it is, if it is an `E`.
pub fn of<E: Environment>(environment: &dyn Environment) -> Option<&E> {
    (environment as &dyn std::any::Any).downcast_ref()
}

/// What a controller of one environment says of another.
pub fn only_for(environment: &dyn Environment, named: &str) -> Vec<Problem> {
    let message = format!("this controller knows {named}, and the environment is {}", environment.typetag_name());
    vec![Problem::at("", message).help("`isonomy list controllers` shows the others")]
}
