//! ReasoningTasks: a small transformer learns to answer generated problems, first from answers, then from rewards.
//!
//! A lane is a training run, an agent a domain at a level, a step an update. All runs start from the same warm start, which
//! is uneven on purpose: problems are shown as often as their `share` says. Accuracy is judged before the first update and after
//! the last one, on problems of the test split that differ from lane to lane, by responses without chance. What a domain
//! earns is its accuracy `before` and its `gain`, so that its return is its accuracy in the end.
//!
//! | column    | rows of a lane       | meaning                                                        |
//! |-----------|----------------------|----------------------------------------------------------------|
//! | `Weight`  | parameters           | the decoder                                                    |
//! | `Mean`    | parameters           | Adam's mean of gradients                                       |
//! | `Square`  | parameters           | Adam's mean of their squares                                   |
//! | `Cell`    | domains              | accuracies, share, weight, what was sampled last               |
//! | `Teacher` | stages × parameters  | what the decoder was when a stage was over                     |
//! | `Memory`  | domains × numbers    | what the curriculum and the weights remember; who waits        |
//! | `Bill`    | 1                    | where the lane's test problems begin, what it has cost         |
//!
//! One step: the curriculum shares out prompts; every prompt is answered several times; verifiers pay 0 or 1; shaper, filter,
//! estimator and modifier make advantages, weights multiply them by domain; the loss and its aggregator turn them into
//! a weight for the log-probability of every token, whose gradient moves the decoder.

mod asked;
mod batch;
mod check;
mod checkpoint;
mod distillation;
mod judge;
mod lane;
mod measures;
#[cfg(test)]
mod tests;
mod turns;
mod update;
mod warm;

pub use distillation::{Distillation, Teachers};
pub use lane::{Bill, Cell, Mean, Memory, Square, Teacher, Weight};
pub use warm::WarmStart;

use crate::backend::Backend;
use crate::transformer::Decoder;
use isonomy_engine::advantage::{
    AdvantageEstimator, AdvantageModifier, DomainWeight, GroupFilter, KlEstimator, LossAggregator, PolicyLoss,
    RewardShaper,
};
use isonomy_engine::curriculum::Curriculum;
use isonomy_engine::environment::Environment;
use isonomy_engine::plugin;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Positive, Probability};
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_envs::reasoning::Plugged;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;

/// Trains a small transformer to answer generated problems: a warm start from answers, then reinforcement learning from the
/// rewards of verifiers.
///
/// Moves parameters against the gradient of `Σ_t w_t L_t`, with `L` the loss (`−A ln π` if not given) and w of the aggregator,
/// by Adam (Kingma & Ba 2015).
///
/// Surprises: groups that a filter drops are replaced only where `rounds` says so. The warm start does not depend on the seed
/// of the run. Test problems do, and differ from lane to lane, so that the standard error over lanes is of training and of
/// problems alike.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasoningTasks {
    /// Updates from rewards.
    pub steps: NonZeroU32,
    /// The network; of 106,816 parameters if not given.
    #[serde(default)]
    pub model: Decoder,
    /// What computes gradients; the processor if not given.
    #[serde(default)]
    pub backend: Backend,
    /// How the network learns before.
    #[serde(default)]
    pub warm_start: WarmStart,
    /// Where the warm start is kept, relative to the scenario: read where there is such a file, else written when it is made.
    #[serde(default)]
    pub checkpoint: Option<String>,
    /// Responses per prompt; 8 if not given.
    #[serde(default = "eight")]
    pub responses: NonZeroU32,
    /// Turns in which a response may become right, at most: after a wrong one the decoder is shown what it said, and answers
    /// again. 1 if not given. With more, what methods see as steps are turns, and tokens with one.
    #[serde(default = "single")]
    pub turns: NonZeroU32,
    /// Prompts per update; 128 if not given.
    #[serde(default = "usual_prompts")]
    pub prompts: NonZeroU32,
    /// What logits are divided by where responses are drawn; 1 if not given.
    #[serde(default = "one")]
    pub temperature: Positive,
    /// Adam's step size, to which it rises in the first twentieth of the steps; 0.0001 if not given.
    #[serde(default = "usual_rate")]
    pub rate: Positive,
    /// Whether it then falls in a line to 0 at the end; it stays if not given.
    #[serde(default)]
    pub decay: bool,
    /// Gradients that are longer are shortened to this; 1 if not given.
    #[serde(default = "one")]
    pub clip: Positive,
    /// What makes advantages of rewards.
    pub estimator: Plugged<dyn AdvantageEstimator>,
    /// From which domains prompts are drawn.
    pub sampling: Plugged<dyn Curriculum>,
    /// How much domains count; all alike if not given.
    #[serde(default)]
    pub weights: Option<Plugged<dyn DomainWeight>>,
    /// What changes rewards before the estimator; nothing if not given.
    #[serde(default)]
    pub shaper: Option<Plugged<dyn RewardShaper>>,
    /// Which groups are learned from; all if not given.
    #[serde(default)]
    pub filter: Option<Plugged<dyn GroupFilter>>,
    /// Times that prompts are sampled, at most, until a filter has kept enough; 1 if not given.
    #[serde(default = "single")]
    pub rounds: NonZeroU32,
    /// What changes advantages token by token; nothing if not given.
    #[serde(default)]
    pub modifier: Option<Plugged<dyn AdvantageModifier>>,
    /// The surrogate of a token; the plain policy gradient if not given.
    #[serde(default)]
    pub loss: Option<Plugged<dyn PolicyLoss>>,
    /// How much a token counts; every response by its sum over tokens, divided by the largest length, if not given.
    #[serde(default)]
    pub aggregator: Option<Plugged<dyn LossAggregator>>,
    /// What keeps the policy near the warm start; nothing if not given.
    #[serde(default)]
    pub kl: Option<Kl>,
    /// Steps with the same responses; 1 if not given.
    #[serde(default = "single")]
    pub inner_steps: NonZeroU32,
    /// The last updates, if they learn from checkpoints of the run; all learn from rewards if not given.
    #[serde(default)]
    pub distil: Option<Distillation>,
    /// What remains of a domain's average pass rate after an update; 0.9 if not given. Weights and curricula see this
    /// average.
    #[serde(default = "usual_momentum")]
    pub momentum: Probability,
    /// Test problems of every domain by which a lane is judged; 200 if not given.
    #[serde(default = "usual_judged")]
    pub judged: NonZeroU32,
    /// The domains, each at a level.
    pub domains: Vec<Domain>,
}

/// A domain at a level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Name of the domain: `isonomy tasks` lists them.
    pub domain: String,
    /// How hard, from 1 to 5.
    pub level: NonZeroU32,
    /// Share of the data; all shares sum to 1.
    pub share: Positive,
}

impl Domain {
    /// Name in tables and records.
    pub fn name(&self) -> String {
        format!("{} {}", self.domain, self.level)
    }
}

/// A pull towards the policy of the warm start.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kl {
    /// What is added to the loss of a token. Its slope is taken with the sampled token as given.
    pub divergence: Plugged<dyn KlEstimator>,
    /// How much it counts.
    pub strength: NonNegative,
}

fn eight() -> NonZeroU32 {
    NonZeroU32::new(8).expect("not 0")
}

fn single() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn usual_prompts() -> NonZeroU32 {
    NonZeroU32::new(128).expect("not 0")
}

fn usual_judged() -> NonZeroU32 {
    NonZeroU32::new(200).expect("not 0")
}

fn one() -> Positive {
    Positive::new(1.0).expect("above 0")
}

fn usual_rate() -> Positive {
    Positive::new(1e-4).expect("above 0")
}

fn usual_momentum() -> Probability {
    Probability::new(0.9).expect("a probability")
}

/// What a domain sees: accuracy, share, entropy, length (of the longest), share of silent groups.
const SEEN: u32 = 5;

/// No observation is larger: the entropy of a choice among all tokens is below 4.
const MOST_SEEN: f32 = 4.0;

#[typetag::serde]
impl Environment for ReasoningTasks {
    fn spec(&self) -> Spec {
        let group = |domain: &Domain| GroupSpec { name: domain.name(), agents: 1 };
        let task = |name: &str, low: f32| TaskSpec { name: name.to_owned(), reward: (low, 1.0) };
        Spec {
            groups: self.domains.iter().map(group).collect(),
            tasks: vec![task("before", 0.0), task("gain", -1.0)],
            observation: Space::Real { size: SEEN, low: 0.0, high: MOST_SEEN },
            action: Space::Discrete(1),
            time_limit: self.steps.get(),
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        check::problems(self)
    }

    fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        if let Some(name) = &mut self.checkpoint {
            let path = folder.join(&*name);
            *name = std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned();
        }
        Ok(())
    }

    fn build(&self, sim: &mut Builder) {
        sim.lanes_of(lane::Training::new(self));
    }
}

plugin!(Environment: ReasoningTasks, r#"(
    steps: 200,
    estimator: {"DrGrpo": ()},
    sampling: {"Proportional": ()},
    domains: [
        (domain: "add", level: 1, share: 0.7),
        (domain: "sort", level: 1, share: 0.3),
    ],
)"#);
