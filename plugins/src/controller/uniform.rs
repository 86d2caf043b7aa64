use isonomy_engine::controller::{Controller, Rule};
use isonomy_engine::environment::Environment;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::problem::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes every action with the same chance, whatever it sees.
///
/// `π(a | s) = 1 / number of actions`. The usual zero of a comparison: a learner that does not beat it learned nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uniform {}

isonomy_engine::plugin!(Controller: Uniform, "()");

#[typetag::serde]
impl Controller for Uniform {
    fn rule(&self, environment: &dyn Environment) -> Rule {
        Rule::Table(TabularPolicy::uniform(&environment.spec(), 1))
    }

    fn check(&self, environment: &dyn Environment) -> Vec<Problem> {
        super::countable(&environment.spec())
    }
}
