//! How a constrained optimiser learns, whatever its step.

use super::limits::Limits;
use isonomy_engine::optimizer::Needs;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, Probability};
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// How a constrained optimiser learns: from what, in which order, and who acts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Learning {
    /// How much each task counts in the objective, `w_m`; all the same if empty.
    pub weights: Vec<Finite>,
    /// Where returns and advantages come from.
    pub advantages: Advantages,
    /// With a discount γ, what is learned is a life without end, `Σ γ^t r_t`, by a policy that does not look at the clock,
    /// from exact advantages; without, the return of an episode.
    pub discount: Option<Probability>,
    /// Who moves in a turn.
    pub turns: Turns,
    /// Whether one policy serves all tasks.
    pub reading: Reading,
    /// Policies that the means `tail.…` and the mixture are taken over.
    pub tail: NonZeroU32,
    /// Which policy acts in rollouts and is evaluated.
    pub acts: Acts,
}

/// Where returns and advantages come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Advantages {
    /// From the model. An update is a sweep: every block has its turn, on what the newest policies earn. Rollouts are
    /// played but teach nothing, and fairness rewards are not seen.
    #[default]
    Exact,
    /// From the rollout. An update is one turn, of the next block, so that its successor sees a new rollout.
    Sampled,
}

/// Who moves in a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Turns {
    /// One group after the other (block coordinate descent).
    #[default]
    Groups,
    /// All at once.
    Together,
}

/// Whether one policy serves all tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reading {
    /// One policy per group; a constraint compares what it earns in every task.
    #[default]
    Shared,
    /// One policy per group and task, from exact advantages. The policy of the task of this index (from 0) acts in
    /// rollouts; `tail.…` and `newest.…` tell what each policy earns in its own task.
    PerTask(u32),
}

/// Which policy acts in rollouts and is evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Acts {
    /// The newest.
    #[default]
    Newest,
    /// A mixture of the last `tail` policies, as the one policy that visits every decision as often as they do on
    /// average, so that it earns their mean return.
    Mixture,
}

impl Default for Learning {
    fn default() -> Self {
        Learning {
            weights: Vec::new(),
            advantages: Advantages::Exact,
            discount: None,
            turns: Turns::Groups,
            reading: Reading::Shared,
            tail: const { NonZeroU32::new(100).expect("not zero") },
            acts: Acts::Newest,
        }
    }
}

impl Learning {
    pub(super) fn needs(&self) -> Needs {
        match self.advantages {
            Advantages::Exact => Needs { model: true, ..Needs::default() },
            Advantages::Sampled => Needs { trajectory: true, episodes: true, ..Needs::default() },
        }
    }

    pub(super) fn check(&self, limits: &Limits, spec: &Spec) -> Vec<Problem> {
        let mut problems: Vec<Problem> =
            super::super::check(&self.weights, spec).into_iter().map(|problem| problem.under("learning")).collect();
        let mut refuse = |field: &str, message: &str, help: &str| {
            problems.push(Problem::at(format!("learning.{field}"), message).help(help));
        };
        if self.discount.is_some_and(|discount| discount.get() >= 1.0) {
            refuse(
                "discount",
                "a life without end needs a discount below 1",
                "leave it out for the return of an episode",
            );
        }
        if self.advantages == Advantages::Sampled {
            let exact = "advantages: Exact has a model to do so";
            if self.discount.is_some() {
                refuse("discount", "rollouts end, so they cannot tell what a life without end is worth", exact);
            }
            if self.acts == Acts::Mixture {
                refuse("acts", "the newest policy learns from its own rollouts, so it must act", exact);
            }
            if self.reading != Reading::Shared {
                refuse("reading", "only one policy acts in a rollout, so policies of other tasks learn nothing", exact);
            }
        }
        if let Reading::PerTask(task) = self.reading
            && task as usize >= spec.tasks.len()
        {
            let help = format!("0 to {}", spec.tasks.len() - 1);
            refuse("reading", &format!("there is no task {task}"), &help);
        }
        problems.extend(limits.check(spec));
        problems
    }

    /// What can only be said of a policy.
    pub(super) fn check_policy(&self, policy: &TabularPolicy, spec: &Spec) -> Result<(), Problem> {
        let stationary = policy.steps == 1;
        if self.discount.is_some() && !stationary {
            let help = "with policy: {\"Softmax\": (stationary: true)}";
            return Err(Problem::at("learning.discount", "the policy looks at a clock that never ends").help(help));
        }
        if self.discount.is_none() && self.acts == Acts::Mixture && policy.steps != spec.time_limit as usize {
            let message = "no stationary policy earns what a mixture of such policies earns in an episode";
            let help = "with policy: {\"Softmax\": (stationary: false)}, or with a discount";
            return Err(Problem::at("learning.acts", message).help(help));
        }
        Ok(())
    }

    /// The groups of every turn.
    pub(super) fn blocks(&self, groups: usize) -> Vec<Vec<usize>> {
        match self.turns {
            Turns::Groups => (0..groups).map(|group| vec![group]).collect(),
            Turns::Together => vec![(0..groups).collect()],
        }
    }
}
