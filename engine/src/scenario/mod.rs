//! Scenario files: what a user writes, and how it becomes a run.
//!
//! [`load`] puts a file, what it includes and what `--set` replaces into one text whose bytes remember where they were
//! written, reads it as a tree with places, compares that with the [`schema`], lets `ron` make values of it, and asks
//! every part what about it makes no sense. All mistakes are reported together, each where its author made it.

mod check;
mod diagnostic;
mod load;
mod parts;
mod path;
mod schema;
mod source;
mod tree;
mod written;

pub(crate) use check::nearest;
pub use diagnostic::{Diagnostic, Diagnostics};
pub(crate) use load::options;
pub use load::{Loaded, load, parse, place};
pub use schema::schema;
pub(crate) use written::Written;

#[cfg(test)]
mod tests;

use crate::constraint::Constraint;
use crate::controller::Controller;
use crate::environment::Environment;
use crate::fairness::FairnessReward;
use crate::optimizer::Optimizer;
use crate::policy::Policy;
use crate::problem::Problem;
use parts::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::Range;

/// Something wrong at a place in a text, in bytes.
#[derive(Clone, Debug)]
struct Mistake {
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

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
        Parts::of(self).problems(true)
    }
}
