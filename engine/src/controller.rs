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

/// Puts rules for the lanes of one environment on the list of plugins, each with an example of its fields in RON:
/// `lane_controllers! { Traffic, |rule| LaneRule::new::<Streets>(rule), Traffic::cannot_obey; FixedTime: "(green_s: 30)"; }`.
/// The last function says why an environment's own settings leave no place for rules, if they do.
#[macro_export]
macro_rules! lane_controllers {
    ($environment:ident, |$own:ident| $rule:expr, $problems:expr; $($name:ident: $example:expr;)*) => {$(
        $crate::plugin!(Controller: $name, $example);

        #[typetag::serde]
        impl $crate::controller::Controller for $name {
            fn rule(&self, _: &dyn $crate::environment::Environment) -> $crate::controller::Rule {
                let $own = *self;
                $crate::controller::Rule::Lane($rule)
            }

            fn check(&self, environment: &dyn $crate::environment::Environment) -> Vec<$crate::problem::Problem> {
                match $crate::controller::of::<$environment>(environment) {
                    Some(environment) => ($problems)(environment),
                    None => $crate::controller::only_for(environment, stringify!($environment)),
                }
            }
        }
    )*};
}
