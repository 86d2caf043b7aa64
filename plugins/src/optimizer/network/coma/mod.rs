//! Counterfactual credit: COMA, Advanced-COMA, and the latter as published.

mod exact;
mod learning;

pub use exact::AdvancedComaExact;

use super::adam::SQUARES_STAY;
use super::teaching::{Teaching, check};
use crate::optimizer::constrained::{Limits, Multipliers};
use crate::policy::too_large;
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::ParametricPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative, Positive, Probability};
use isonomy_engine::spec::Spec;
use learning::{Asked, Learning, Recipe};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Counterfactual multi-agent policy gradient: what an agent's action is worth beside what it would have done else.
///
/// A critic that sees what all agents see and what the others did says `Q(s, u)` for every action of one agent. The advantage is
/// `A = Q(s, u) − Σ_u' π(u'|x) Q(s, (u_others, u'))`, so an agent is praised for its own part only. The critic learns
/// `y_t = r_t + γ ((1 − λ) Q_target(s_t+1, u_t+1) + λ y_t+1)`, with a target copied every `target_every` updates.
/// With `epochs: 1, minibatches: 1` the actor takes one step of the plain gradient: COMA (Foerster et al. 2018, arXiv
/// 1705.08926). With more it maximises the clipped surrogate with that advantage: Advanced-COMA (Cai, Fang & Xu, FairSignal, IEEE
/// IoT Journal 2025) with one learner, one-hot actions and a critic that says all actions in one pass; `AdvancedComaExact` is
/// what its authors published.
///
/// Constraints as in `Ppo`. Surprises: only discrete actions; whole episodes only; all agents share the actor's and the
/// critic's weights (the critic is told for whom it speaks, `identities` of the policy tell the actor) unless the policy is a
/// network for each agent (`separate`), when each has a critic of its own, too; the critic's input grows with the number of agents, `agents · (size + actions + 1)` numbers.
/// Reports `taught_return`, `entropy`, `kl`, `clipped`, `gradient_norm`, `critic_error` (root mean square, in returns), and for
/// every row of a constraint `limit.ROW` and `multiplier.ROW`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coma {
    /// Step length of the actor's Adam.
    pub rate: Positive,
    /// Step length of the critic's Adam.
    pub critic_rate: Positive,
    /// How far a ratio may move; 0.2 if not given.
    #[serde(default = "fifth")]
    pub clip: Positive,
    /// Passes of the actor over a rollout; 1 if not given.
    #[serde(default = "once")]
    pub epochs: NonZeroU32,
    /// Passes of the critic over a rollout; 4 if not given.
    #[serde(default = "four")]
    pub critic_epochs: NonZeroU32,
    /// Parts of a pass; 1 if not given.
    #[serde(default = "once")]
    pub minibatches: NonZeroU32,
    /// What a reward counts one step later; 0.99 if not given.
    #[serde(default = "nearly_one")]
    pub discount: Probability,
    /// From 0, the target critic's word, to 1, the whole return; 0.8 if not given.
    #[serde(default = "mostly")]
    pub lambda: Probability,
    /// Bonus for a nat of entropy.
    #[serde(default = "nothing")]
    pub entropy: NonNegative,
    /// Updates from one copy of the critic to the next; 1 if not given.
    #[serde(default = "once")]
    pub target_every: NonZeroU32,
    /// Units of each hidden layer of the critic; 128 and 128 if not given.
    #[serde(default = "two_layers")]
    pub critic: Vec<NonZeroU32>,
    /// Whether advantages are brought to mean 0 and deviation 1 over the rollout.
    #[serde(default)]
    pub normalize: bool,
    /// How much each task counts; all the same if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Finite>,
    /// What is to hold of the returns of groups.
    #[serde(default)]
    pub constraints: Limits,
    /// How the price of a row moves.
    #[serde(default)]
    pub multipliers: Multipliers,
    /// Longest gradient; 10 if not given.
    #[serde(default = "ten")]
    pub longest: Positive,
}

isonomy_engine::plugin!(Optimizer: Coma, "(rate: 0.001, critic_rate: 0.005, epochs: 5)");

fn fifth() -> Positive {
    Positive::new(0.2).expect("a fifth is positive")
}

fn ten() -> Positive {
    Positive::new(10.0).expect("ten is positive")
}

fn nearly_one() -> Probability {
    Probability::new(0.99).expect("between 0 and 1")
}

fn mostly() -> Probability {
    Probability::new(0.8).expect("between 0 and 1")
}

fn nothing() -> NonNegative {
    NonNegative::new(0.0).expect("zero is not negative")
}

fn once() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn four() -> NonZeroU32 {
    const { NonZeroU32::new(4).unwrap() }
}

fn two_layers() -> Vec<NonZeroU32> {
    vec![const { NonZeroU32::new(128).unwrap() }; 2]
}

#[typetag::serde]
impl Optimizer for Coma {
    fn needs(&self) -> Needs {
        Needs { trajectory: true, network: true, episodes: true, ..Needs::default() }
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let mut problems = check(&self.weights, &self.constraints, spec);
        problems.extend(counterfactuals(spec));
        problems.extend(too_large(&Asked::All.critic_sizes(spec, &self.critic), 1, "critic"));
        problems
    }

    fn begin(&self, policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let recipe = Recipe {
            asked: Asked::All,
            rate: self.rate.get() as f32,
            critic_rate: self.critic_rate.get() as f32,
            clip: self.clip.get() as f32,
            epochs: self.epochs.get(),
            critic_epochs: self.critic_epochs.get(),
            minibatches: self.minibatches.get(),
            discount: self.discount.get() as f32,
            lambda: self.lambda.get() as f32,
            entropy: self.entropy.get() as f32,
            target_every: self.target_every.get(),
            normalize: self.normalize,
            longest: self.longest.get(),
            squares_stay: SQUARES_STAY,
            scaled: true,
        };
        let teaching = Teaching::new(&self.weights, &self.constraints, self.multipliers, &setting);
        Ok(Box::new(Learning::new(recipe, &self.critic, teaching, policy.into_network()?, &setting)?))
    }
}

/// What only discrete actions can be asked.
fn counterfactuals(spec: &Spec) -> Option<Problem> {
    let message = "a counterfactual asks what every other action would have earned, and the actions here are numbers";
    (!spec.action.is_discrete()).then(|| Problem::at("", message).help("use Ppo"))
}
