use isonomy_engine::controller::Controller;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::spec::Spec;
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
    fn rule(&self, spec: &Spec) -> TabularPolicy {
        TabularPolicy::uniform(spec, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::two_groups;

    #[test]
    fn chances_are_equal() {
        assert_eq!(Uniform {}.rule(&two_groups(3, 4, 5)).chances(5), [0.25; 4]);
    }
}
