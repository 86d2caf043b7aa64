use super::actor::{Actor, Lesson, Stride, Tally, Work, rows, shorten, shuffled};
use super::adam::{Adam, SQUARES_STAY};
use super::episode::{Horizon, advantages};
use super::teaching::{Teaching, check, mean_return, normalize, restored, root_mean_square, variance};
use crate::optimizer::constrained::{Limits, Multipliers};
use crate::policy::{POLICY_STREAM, too_large};
use isonomy_engine::network::{Activation, Mlp, Trace};
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::{NetworkPolicy, ParametricPolicy, PolicyRef};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative, Positive, Probability};
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Proximal policy optimisation for all agents of a lane, with a critic of its own for each or one that sees all.
///
/// Maximises `E[min(ρ A, clip(ρ, 1 − clip, 1 + clip) A)] + entropy · H`, `ρ = π(a|x) / π_old(a|x)`, in `epochs` passes over the
/// rollout in `minibatches` parts, by Adam. `A` is the generalised advantage of what the agent is taught (fairness rewards
/// included), normalised over the rollout to mean 0 and deviation 1.
/// With `central: false` this is IPPO (de Witt et al. 2020, arXiv 2011.09533): the critic sees what the agent sees. With
/// `central: true` it is MAPPO (Yu et al. 2022, arXiv 2103.01955): the critic sees what all agents of the lane see and says one value
/// for each of them. Where the policy is a network for each agent, so is the critic of IPPO. Schulman et al. 2017 (arXiv 1707.06347).
///
/// With `constraints`, each row `f_k(J) ≤ 0` of them has a multiplier that rises by `rate · f_k(J)` where what the environment paid
/// in the rollout exceeds the row, and falls where it does not. An agent of group z is then taught
/// `Σ_m w_m r_m − Σ_k ν_k Σ_m ∂f_k/∂J[z,m] r_m`, the last `r` as paid: PPO-Lagrangian (Ray, Achiam & Amodei 2019), for any constraint
/// of the shelf that returns can judge.
///
/// Surprises: the end of an episode is final, nothing is expected after it, so `discount: 1` optimises the mean return
/// of an episode. The critic learns returns divided by their root mean square in the first rollout. Gradients longer than
/// `longest` are scaled down. A rollout that is not finite is reported by `gradient_norm` and not followed.
/// Reports `taught_return`, `entropy` (nats), `kl` (mean of `log π_old − log π` after the last pass), `clipped` (share of the
/// ratios outside the clip), `explained` (1 − residual variance of the critic before the update), `gradient_norm`, and for
/// every row of a constraint `limit.ROW` (by how much it is exceeded) and `multiplier.ROW`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ppo {
    /// Step length of Adam.
    pub rate: Positive,
    /// How far a ratio may move; 0.2 if not given.
    #[serde(default = "fifth")]
    pub clip: Positive,
    /// Passes over a rollout; 4 if not given.
    #[serde(default = "four")]
    pub epochs: NonZeroU32,
    /// Parts of a pass; 4 if not given.
    #[serde(default = "four")]
    pub minibatches: NonZeroU32,
    /// What a reward counts one step later; 1 if not given.
    #[serde(default = "one")]
    pub discount: Probability,
    /// From 0, the critic's word, to 1, the whole return; 0.95 if not given.
    #[serde(default = "most")]
    pub lambda: Probability,
    /// Bonus for a nat of entropy.
    #[serde(default = "nothing")]
    pub entropy: NonNegative,
    /// How much each task counts; all the same if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Finite>,
    /// Whether the critic sees what all agents of the lane see.
    #[serde(default)]
    pub central: bool,
    /// Units of each hidden layer of the critic; 64 and 64 if not given.
    #[serde(default = "two_layers")]
    pub critic: Vec<NonZeroU32>,
    /// What is to hold of the returns of groups.
    #[serde(default)]
    pub constraints: Limits,
    /// How the price of a row moves.
    #[serde(default)]
    pub multipliers: Multipliers,
    /// Longest gradient; 0.5 if not given.
    #[serde(default = "half")]
    pub longest: Positive,
}

isonomy_engine::plugin!(Optimizer: Ppo, "(rate: 0.0005, entropy: 0.01)");

fn fifth() -> Positive {
    Positive::new(0.2).expect("a fifth is positive")
}

fn half() -> Positive {
    Positive::new(0.5).expect("a half is positive")
}

fn one() -> Probability {
    Probability::new(1.0).expect("one is a probability")
}

fn most() -> Probability {
    Probability::new(0.95).expect("between 0 and 1")
}

fn nothing() -> NonNegative {
    NonNegative::new(0.0).expect("zero is not negative")
}

fn four() -> NonZeroU32 {
    const { NonZeroU32::new(4).unwrap() }
}

fn two_layers() -> Vec<NonZeroU32> {
    vec![const { NonZeroU32::new(64).unwrap() }; 2]
}

/// The stream of a learner's noise from which the critic's first weights come.
const CRITIC_STREAM: u64 = POLICY_STREAM - 1;

impl Ppo {
    /// Inputs, units and outputs of the critic.
    fn critic_sizes(&self, spec: &Spec) -> Vec<usize> {
        let (agents, seen) = (spec.agents() as usize, NetworkPolicy::inputs(spec, false));
        let mut sizes = vec![if self.central { seen * agents } else { seen }];
        sizes.extend(self.critic.iter().map(|units| units.get() as usize));
        sizes.push(if self.central { agents } else { 1 });
        sizes
    }
}

#[typetag::serde]
impl Optimizer for Ppo {
    fn needs(&self) -> Needs {
        Needs { trajectory: true, network: true, ..Needs::default() }
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let mut problems = check(&self.weights, &self.constraints, spec);
        problems.extend(too_large(&self.critic_sizes(spec), 1, "critic"));
        problems
    }

    fn begin(&self, policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let policy = policy.into_network()?;
        let sizes = self.critic_sizes(&setting.spec);
        let copies = if self.central { 1 } else { policy.net.copies };
        if let Some(problem) = too_large(&sizes, copies, "critic") {
            return Err(problem);
        }
        let critic = Mlp::several(copies, sizes, Activation::Tanh, 1.0, setting.seed, CRITIC_STREAM);
        let teaching = Teaching::new(&self.weights, &self.constraints, self.multipliers, &setting);
        let method = Method { teaching, ppo: self.clone() };
        let learned = Learned {
            actor: Actor::new(policy),
            adam: Adam::new(critic.weights.len()),
            critic,
            multipliers: method.teaching.initial(),
            scale: 0.0,
            updates: 0,
        };
        Ok(Box::new(Learning { method, learned, work: Work::default(), trace: Trace::default() }))
    }
}

struct Method {
    ppo: Ppo,
    teaching: Teaching,
}

impl Method {
    fn stride(&self) -> Stride {
        let Ppo { rate, clip, entropy, longest, .. } = &self.ppo;
        Stride {
            rate: rate.get() as f32,
            clip: clip.get() as f32,
            entropy: entropy.get() as f32,
            longest: longest.get(),
            squares_stay: SQUARES_STAY,
        }
    }
}

/// Everything that changes from update to update.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Learned {
    actor: Actor,
    critic: Mlp,
    adam: Adam,
    /// Of the rows of all constraints.
    multipliers: Vec<f64>,
    /// Root mean square of the returns in the first rollout.
    scale: f32,
    updates: u64,
}

struct Learning {
    method: Method,
    learned: Learned,
    work: Work,
    trace: Trace,
}

impl Learner for Learning {
    fn policy(&self) -> PolicyRef<'_> {
        PolicyRef::Network(&self.learned.actor.policy)
    }

    fn update(&mut self, rollout: &Rollout) -> Vec<(String, f64)> {
        let (taught, prices) = self.method.teaching.teach(rollout, &mut self.learned.multipliers);
        let (value, next) = (self.values(&rollout.features), self.values(&rollout.next_features));
        let ahead =
            Horizon { discount: self.method.ppo.discount.get() as f32, lambda: self.method.ppo.lambda.get() as f32 };
        let mut advantage = advantages(rollout, &taught, &value, &next, ahead);
        let returns: Vec<f32> = advantage.iter().zip(&value).map(|(advantage, value)| advantage + value).collect();
        if self.learned.scale == 0.0 {
            self.learned.scale = root_mean_square(&returns).max(1e-3);
        }
        // Where all returns are nearly the same there is nothing to explain.
        let least = 1e-6 * f64::from(self.learned.scale).powi(2);
        let explained = 1.0 - variance(&advantage) / variance(&returns).max(least);
        normalize(&mut advantage);
        let target: Vec<f32> = returns.iter().map(|value| value / self.learned.scale).collect();
        let before = self.learned.actor.choices(rollout, &mut self.work);
        let lesson = Lesson { rollout, advantage, before };
        let mut tally = Tally::default();
        for epoch in 0..self.method.ppo.epochs.get() {
            tally = self.pass(&lesson, &target, epoch);
        }
        self.learned.updates += 1;
        [("taught_return", mean_return(rollout, &taught)), ("explained", explained)]
            .into_iter()
            .chain(tally.told())
            .map(|(name, value)| (name.to_owned(), value))
            .chain(prices)
            .collect()
    }

    fn snapshot(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.learned).expect("a vector takes all bytes")
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), postcard::Error> {
        let shape = |learned: &Learned| {
            let Learned { actor, critic, multipliers, .. } = learned;
            let net = &actor.policy.net;
            (net.sizes.clone(), net.copies, critic.sizes.clone(), critic.copies, multipliers.len())
        };
        restored(&mut self.learned, snapshot, shape)
    }
}

impl Learning {
    /// What the critic expects, one value for every row of features.
    fn values(&mut self, features: &[f32]) -> Vec<f32> {
        let Learning { learned: Learned { critic, scale, .. }, trace, .. } = self;
        // In parts, so that the values of the layers stay in the cache.
        let part = critic.inputs() * critic.copies * 1024_usize.div_ceil(critic.copies);
        let values = features.chunks(part).flat_map(|part| critic.forward(part, trace).to_vec());
        values.map(|value| value * *scale).collect()
    }

    /// One pass over the rollout; lanes stay whole, as a central critic sees them.
    fn pass(&mut self, lesson: &Lesson<'_>, target: &[f32], epoch: u32) -> Tally {
        let rollout = lesson.rollout;
        let units = rollout.horizon * rollout.lanes;
        let stream = self.learned.updates * u64::from(self.method.ppo.epochs.get()) + u64::from(epoch);
        let order = shuffled(&self.method.teaching.key, stream, units);
        let part = units.div_ceil(self.method.ppo.minibatches.get() as usize).max(1);
        let stride = self.method.stride();
        let mut tally = Tally::default();
        for units in order.chunks(part) {
            self.work.gather(rollout, units);
            self.learned.actor.improve(lesson, units, stride, &mut self.work, &mut tally);
            self.improve_critic(rows(units, rollout.agents).map(|row| target[row]), stride);
        }
        tally
    }

    /// One step down the squared error of the critic at the features in `work`.
    fn improve_critic(&mut self, targets: impl Iterator<Item = f32>, stride: Stride) {
        let Learning { learned: Learned { critic, adam, .. }, work, trace, .. } = self;
        let values = critic.forward(&work.features, trace);
        let share = critic.copies as f32 / values.len() as f32;
        work.slope.clear();
        work.slope.extend(values.iter().zip(targets).map(|(value, target)| (value - target) * share));
        work.gradient.clear();
        work.gradient.resize(critic.weights.len(), 0.0);
        critic.backward(&work.slope, trace, &mut work.gradient);
        if shorten(&mut work.gradient, critic.copies, 0.0, stride.longest).is_none() {
            return;
        }
        adam.descend(&mut critic.weights, &work.gradient, stride.rate, stride.squares_stay);
    }
}
