use isonomy_engine::controller::{Controller, Rule};
use isonomy_engine::environment::Environment;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Probability;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Acts by chances written in the scenario, for every group and observation, and if you like every step.
///
/// `π_h(a | z, s) = chances[h][z][s][a]`. The outermost list has one entry for a rule that does not look at the clock,
/// or one entry per step of the episode. Each innermost list must sum to one (to a millionth).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fixed {
    /// Chances, `[1 or time limit, groups, observations, actions]`.
    pub chances: Vec<Vec<Vec<Vec<Probability>>>>,
}

isonomy_engine::plugin!(Controller: Fixed, "(chances: [[[[0.5, 0.5], [0.1, 0.9]], [[1.0, 0.0], [0.0, 1.0]]]])");

/// How far from one the chances of a row may sum.
const TOLERANCE: f64 = 1e-6;

#[typetag::serde]
impl Controller for Fixed {
    fn rule(&self, environment: &dyn Environment) -> Rule {
        Rule::Table(self.table(&environment.spec()))
    }

    fn check(&self, environment: &dyn Environment) -> Vec<Problem> {
        self.problems(&environment.spec())
    }
}

impl Fixed {
    fn table(&self, spec: &Spec) -> TabularPolicy {
        TabularPolicy::from_chances(spec, self.chances.len(), |step, group, observation, chances| {
            for (to, from) in chances.iter_mut().zip(&self.chances[step][group][observation]) {
                *to = from.get();
            }
        })
    }

    fn problems(&self, spec: &Spec) -> Vec<Problem> {
        let mut problems = super::countable(spec);
        if self.chances.len() != 1 && self.chances.len() != spec.time_limit as usize {
            let message = format!("{} entries for {} steps", self.chances.len(), spec.time_limit);
            problems.push(Problem::at("chances", message).help("one entry, or one for every step of the episode"));
        }
        for (step, groups) in self.chances.iter().enumerate() {
            let at = format!("chances[{step}]");
            sized(&mut problems, &at, groups.len(), spec.groups.len(), "groups");
            for (group, rows) in groups.iter().enumerate() {
                let at = format!("{at}[{group}]");
                sized(&mut problems, &at, rows.len(), spec.observation.count() as usize, "observations");
                for (observation, row) in rows.iter().enumerate() {
                    let at = format!("{at}[{observation}]");
                    sized(&mut problems, &at, row.len(), spec.action.count() as usize, "actions");
                    sums_to_one(&mut problems, &at, row);
                }
            }
        }
        problems
    }
}

fn sized(problems: &mut Vec<Problem>, at: &str, found: usize, expected: usize, what: &str) {
    if found != expected {
        problems.push(Problem::at(at, format!("{found} entries for {expected} {what}")));
    }
}

fn sums_to_one(problems: &mut Vec<Problem>, at: &str, row: &[Probability]) {
    let sum: f64 = row.iter().map(|chance| chance.get()).sum();
    if (sum - 1.0).abs() > TOLERANCE {
        problems.push(Problem::at(at, format!("the chances sum to {sum}, not to 1")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::two_groups;

    fn fixed(text: &str) -> Fixed {
        ron::from_str(text).unwrap()
    }

    #[test]
    fn chances_are_taken_as_written() {
        let fixed = fixed("(chances: [[[[0.5, 0.5], [0.1, 0.9]], [[1, 0], [0, 1]]]])");
        let spec = two_groups(2, 2, 5);
        assert!(fixed.problems(&spec).is_empty());
        let policy = fixed.table(&spec);
        assert!((policy.chances(policy.cell(3, 0, 1))[1] - 0.9).abs() < 1e-15);
        assert_eq!(policy.chances(policy.cell(4, 1, 0)), [1.0, 0.0]);
    }

    #[test]
    fn every_mistake_is_reported_where_it_is() {
        let fixed = fixed("(chances: [[[[0.5, 0.4], [1]]], [[[1, 0], [0, 1]], [[1, 0], [0, 1]]]])");
        let found: Vec<_> = fixed.problems(&two_groups(2, 2, 5)).into_iter().map(|problem| problem.path).collect();
        assert_eq!(found, ["chances", "chances[0]", "chances[0][0][0]", "chances[0][0][1]"]);
    }
}
