use isonomy_engine::controller::{Controller, Rule};
use isonomy_engine::environment::Environment;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes the same action at every step, whatever it sees.
///
/// `π(action | s) = 1`. Nothing is left to chance, so no noise is spent on it.
/// Actions count from 0; the environment's page says what each of them does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Always {
    /// The action, from 0 to one less than the environment has.
    pub action: u32,
}

isonomy_engine::plugin!(Controller: Always, "(action: 1)");

#[typetag::serde]
impl Controller for Always {
    fn rule(&self, environment: &dyn Environment) -> Rule {
        Rule::Table(self.table(&environment.spec()))
    }

    fn check(&self, environment: &dyn Environment) -> Vec<Problem> {
        self.problems(&environment.spec())
    }
}

impl Always {
    fn table(&self, spec: &Spec) -> TabularPolicy {
        TabularPolicy::from_chances(spec, 1, |_, _, _, chances| chances[self.action as usize] = 1.0)
    }

    fn problems(&self, spec: &Spec) -> Vec<Problem> {
        let actions = spec.action.count();
        if !spec.action.is_discrete() || self.action < actions {
            return super::countable(spec);
        }
        let message = format!("there is no action {}: the environment has {actions}", self.action);
        vec![Problem::at("action", message).help(format!("a number from 0 to {}", actions - 1))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::two_groups;

    #[test]
    fn one_action_has_all_the_chance() {
        let policy = Always { action: 1 }.table(&two_groups(3, 2, 5));
        assert!((0..policy.cells()).all(|cell| policy.chances(cell) == [0.0, 1.0]));
        assert!(!policy.table().draws);
    }

    #[test]
    fn an_action_that_does_not_exist_is_refused() {
        assert!(Always { action: 1 }.problems(&two_groups(3, 2, 5)).is_empty());
        let problems = Always { action: 2 }.problems(&two_groups(3, 2, 5));
        assert_eq!(
            problems[0].to_string(),
            "action: there is no action 2: the environment has 2 (a number from 0 to 1)"
        );
    }
}
