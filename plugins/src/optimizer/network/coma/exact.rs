use super::counterfactuals;
use super::learning::{Asked, Learning, Recipe};
use crate::optimizer::constrained::{Limits, Multipliers};
use crate::optimizer::network::teaching::{Teaching, check};
use crate::policy::too_large;
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::ParametricPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, Positive};
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Advanced-COMA as its authors published it.
///
/// Each agent has an actor and a critic of its own; use it with `Perceptron (hidden: [64, 64], activation: Relu, separate: true)`.
/// A critic sees what all agents see and the number of every agent's action, and says one value; it is asked once for each action of
/// its agent: `A = Q(s, u) − Σ_u' π(u'|x) Q(s, (u_others, u'))`. Its target is `r_t + 0.99 Q_target(s_t+1, u_t+1)`, and `r` in the last
/// step. After whole episodes both make `epochs` steps on all that was seen, the actor up `min(ρ A, clip(ρ, 0.8, 1.2) A)`, with
/// gradients no longer than 5 each and Adam's β 0.9 and 0.99. Source: code of Cai, Fang & Xu (FairSignal, IEEE IoT Journal 2025),
/// github.com/caisibin/FairSignal. Their pseudo-code says rewards-to-go where their code bootstraps; this is the code.
///
/// Surprises: theirs has one to three workers that change shared weights one after the other, whenever they are done; here the
/// episodes of all lanes make one step together, so `lanes: 1` is theirs with one worker. Returns are not scaled and advantages
/// not normalised, so rewards should be around 1. With many agents it is slow: `agents · actions` questions for every step. `Coma` is
/// the same idea with fewer and with choices.
/// Reports what `Coma` reports.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvancedComaExact {
    /// Step length of the actors' Adam; 1e-4 if not given.
    #[serde(default = "slow")]
    pub rate: Positive,
    /// Step length of the critics' Adam; 5e-3 if not given.
    #[serde(default = "fast")]
    pub critic_rate: Positive,
    /// Steps of actors and critics per update; 10 if not given, of the 1, 5, 10, 15 and 20 that were tried.
    #[serde(default = "ten")]
    pub epochs: NonZeroU32,
    /// Updates from one copy of the critics to the next; 10 if not given.
    #[serde(default = "ten")]
    pub target_every: NonZeroU32,
    /// How much each task counts; all the same if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Finite>,
}

isonomy_engine::plugin!(Optimizer: AdvancedComaExact, "(epochs: 10)");

fn slow() -> Positive {
    Positive::new(1e-4).expect("it is positive")
}

fn fast() -> Positive {
    Positive::new(5e-3).expect("it is positive")
}

fn ten() -> NonZeroU32 {
    const { NonZeroU32::new(10).unwrap() }
}

/// Units of both hidden layers of a critic.
const UNITS: [NonZeroU32; 2] = [const { NonZeroU32::new(64).unwrap() }; 2];

#[typetag::serde]
impl Optimizer for AdvancedComaExact {
    fn needs(&self) -> Needs {
        Needs { trajectory: true, network: true, separate: true, episodes: true, ..Needs::default() }
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let mut problems = check(&self.weights, &Limits::default(), spec);
        problems.extend(counterfactuals(spec));
        problems.extend(too_large(&Asked::One.critic_sizes(spec, &UNITS), spec.agents() as usize, ""));
        problems
    }

    fn begin(&self, policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let policy = policy.into_network()?;
        let recipe = Recipe {
            asked: Asked::One,
            rate: self.rate.get() as f32,
            critic_rate: self.critic_rate.get() as f32,
            clip: 0.2,
            epochs: self.epochs.get(),
            critic_epochs: self.epochs.get(),
            minibatches: 1,
            discount: 0.99,
            lambda: 0.0,
            entropy: 0.0,
            target_every: self.target_every.get(),
            normalize: false,
            longest: 5.0,
            squares_stay: 0.99,
            scaled: false,
        };
        let teaching = Teaching::new(&self.weights, &Limits::default(), Multipliers::default(), &setting);
        Ok(Box::new(Learning::new(recipe, &UNITS, teaching, policy, &setting)?))
    }
}
