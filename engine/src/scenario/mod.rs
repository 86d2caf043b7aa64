//! Scenario files: what a user writes, and how it becomes a run.

use crate::constraint::Constraint;
use crate::controller::Controller;
use crate::environment::Environment;
use crate::fairness::FairnessReward;
use crate::optimizer::Optimizer;
use crate::policy::Policy;
use crate::problem::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// A scenario as written: an environment, who acts in it, and what is to come of it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One sentence on what this scenario asks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Everything random follows from it.
    pub seed: u64,
    /// Copies of the environment that run side by side.
    pub lanes: NonZeroU32,
    /// Steps per rollout; an episode's time limit if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon: Option<NonZeroU32>,
    /// Rollouts, each followed by an update of the policy.
    #[serde(default = "one")]
    pub iterations: NonZeroU32,
    /// What is simulated.
    pub environment: Box<dyn Environment>,
    /// Who acts, by rule. Either this or an optimizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<Box<dyn Controller>>,
    /// Who acts, by learning: where the optimizer starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Box<dyn Policy>>,
    /// What improves the policy after every rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Box<dyn Optimizer>>,
    /// What the policy is taught in place of what the environment pays, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fairness: Vec<Box<dyn FairnessReward>>,
    /// Limits whose overruns are recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Box<dyn Constraint>>,
    /// Rollouts that only report, in noise of their own and with unshaped rewards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Evaluation>,
    /// Bounds on metrics of the summary; a run that misses one exits with code 3.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expect: BTreeMap<String, Bounds>,
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// When and how the policy is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Iterations from one evaluation to the next. The last iteration is always evaluated.
    pub every: NonZeroU32,
    /// Copies of the environment; as many as are learned in if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lanes: Option<NonZeroU32>,
    /// Episodes of every lane.
    #[serde(default = "one")]
    pub episodes: NonZeroU32,
}

/// What a metric may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Not less than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Not more than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

impl Bounds {
    /// Whether a value is within.
    pub fn hold(&self, value: f64) -> bool {
        // A NaN is within no bounds.
        self.at_least.is_none_or(|least| value >= least) && self.at_most.is_none_or(|most| value <= most)
    }
}

impl Scenario {
    /// Steps per rollout.
    pub fn steps_per_rollout(&self) -> usize {
        self.horizon.map_or(self.environment.spec().time_limit, NonZeroU32::get) as usize
    }

    /// Everything wrong with the parts and with their combination. Paths are relative to the scenario.
    pub fn problems(&self) -> Vec<Problem> {
        let under = |place: &str, problems: Vec<Problem>| -> Vec<Problem> {
            problems.into_iter().map(|problem| problem.under(place)).collect()
        };
        let mut problems = under(&slot("environment", self.environment.typetag_name()), self.environment.check());
        if !problems.is_empty() {
            return problems;
        }
        let spec = self.environment.spec();
        if let Some(controller) = &self.controller {
            problems.extend(under(&slot("controller", controller.typetag_name()), controller.check(&spec)));
        }
        if let Some(policy) = &self.policy {
            problems.extend(under(&slot("policy", policy.typetag_name()), policy.check(&spec)));
        }
        for (index, fairness) in self.fairness.iter().enumerate() {
            let place = slot(&format!("fairness[{index}]"), fairness.typetag_name());
            problems.extend(under(&place, fairness.check(&spec)));
        }
        for (index, constraint) in self.constraints.iter().enumerate() {
            let place = slot(&format!("constraints[{index}]"), constraint.typetag_name());
            problems.extend(under(&place, constraint.check(&spec)));
        }
        if let Some(optimizer) = &self.optimizer {
            let name = optimizer.typetag_name();
            problems.extend(under(&slot("optimizer", name), optimizer.check(&spec)));
            if optimizer.needs().model && self.environment.model().is_none() {
                let environment = self.environment.typetag_name();
                problems.push(
                    Problem::at("optimizer", format!("{name} plans with a model, and {environment} has none"))
                        .help("choose an optimizer that learns from rollouts, or an environment with a finite model"),
                );
            }
        }
        problems.extend(self.actors());
        problems.extend(self.bounds());
        problems
    }

    /// Exactly one must act.
    fn actors(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match (&self.controller, &self.optimizer) {
            (None, None) => problems.push(
                Problem::at("", "nobody acts")
                    .help("add `controller: {\"Uniform\": ()}`, or a policy and an optimizer"),
            ),
            (Some(_), Some(_)) => problems.push(
                Problem::at("controller", "a controller acts by rule, so the optimizer has nothing to improve")
                    .help("remove one of the two"),
            ),
            _ => {}
        }
        match (&self.policy, &self.optimizer) {
            (Some(_), None) => problems.push(
                Problem::at("policy", "nothing improves this policy")
                    .help("add an optimizer, or use a controller"),
            ),
            (None, Some(_)) => problems.push(
                Problem::at("optimizer", "there is no policy to improve").help("add `policy: {\"Softmax\": ()}`"),
            ),
            _ => {}
        }
        if !self.fairness.is_empty() && self.optimizer.is_none() {
            problems.push(
                Problem::at("fairness", "fairness rewards teach a policy, and nothing learns here")
                    .help("add a policy and an optimizer, or remove the fairness rewards"),
            );
        }
        problems
    }

    fn bounds(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, bounds) in &self.expect {
            let empty = matches!((bounds.at_least, bounds.at_most), (Some(least), Some(most)) if least > most);
            if empty || (bounds.at_least.is_none() && bounds.at_most.is_none()) {
                problems.push(
                    Problem::at(format!("expect.{name}"), "no value can be judged by these bounds")
                        .help("give at_least, at_most or both, the first not above the second"),
                );
            }
        }
        let rows = u64::from(self.lanes.get()) * u64::from(self.environment.spec().agents());
        if rows > u64::from(u32::MAX) {
            problems.push(
                Problem::at("lanes", format!("{rows} agents are more than the {} that can be addressed", u32::MAX))
                    .help("use fewer lanes"),
            );
        }
        problems
    }
}

fn slot(place: &str, name: &str) -> String {
    format!("{place}.{name}")
}
