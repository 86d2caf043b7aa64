use super::actor::{Actor, Lesson, Stride, Tally, Work, norm, rows, shortened, shuffled};
use super::adam::Adam;
use super::teaching::{Teaching, check, mean_return, normalize, restored, root_mean_square};
use crate::optimizer::constrained::{Limits, Multipliers};
use crate::policy::POLICY_STREAM;
use isonomy_engine::network::{Activation, Mlp, Trace};
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::{ParametricPolicy, PolicyRef};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative, Positive, Probability};
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::Spec;
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
/// IoT Journal 2025) with one learner, one-hot actions and a critic that says all actions in one pass.
///
/// Constraints as in `Ppo`. Surprises: only discrete actions; whole episodes only; all agents share the actor's and the
/// critic's weights (the critic is told for whom it speaks, `identities` of the policy tell the actor); the critic's input grows
/// with the number of agents, `agents · (size + actions + 1)` numbers.
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

/// The stream of a learner's noise from which the critic's first weights come.
const CRITIC_STREAM: u64 = POLICY_STREAM - 1;

#[typetag::serde]
impl Optimizer for Coma {
    fn needs(&self) -> Needs {
        Needs { trajectory: true, network: true, episodes: true, ..Needs::default() }
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let mut problems = check(&self.weights, &self.constraints, spec);
        if !spec.action.is_discrete() {
            let message =
                "a counterfactual asks what every other action would have earned, and the actions here are numbers";
            problems.push(Problem::at("", message).help("use Ppo"));
        }
        problems
    }

    fn begin(&self, policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let policy = policy.into_network()?;
        let teaching = Teaching::new(&self.weights, &self.constraints, self.multipliers, &setting);
        let (agents, actions) = (setting.spec.agents() as usize, setting.spec.action.count() as usize);
        let mut sizes = vec![agents * (teaching.size + actions + 1)];
        sizes.extend(self.critic.iter().map(|units| units.get() as usize));
        sizes.push(actions);
        let critic = Mlp::new(sizes, Activation::Relu, 1.0, setting.seed, CRITIC_STREAM);
        let learned = Learned {
            actor: Actor::new(policy),
            adam: Adam::new(critic.weights.len()),
            target: critic.clone(),
            critic,
            multipliers: teaching.initial(),
            scale: 0.0,
            updates: 0,
        };
        let (work, trace) = (Work::default(), Trace::default());
        Ok(Box::new(Learning { coma: self.clone(), teaching, actions, learned, work, trace }))
    }
}

/// Everything that changes from update to update.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Learned {
    actor: Actor,
    critic: Mlp,
    target: Mlp,
    adam: Adam,
    multipliers: Vec<f64>,
    /// Root mean square of the returns in the first rollout.
    scale: f32,
    updates: u64,
}

struct Learning {
    coma: Coma,
    teaching: Teaching,
    actions: usize,
    learned: Learned,
    work: Work,
    trace: Trace,
}

impl Learner for Learning {
    fn policy(&self) -> PolicyRef<'_> {
        PolicyRef::Network(&self.learned.actor.policy)
    }

    fn update(&mut self, rollout: &Rollout) -> Vec<(String, f64)> {
        let (taught, prices) = self.teaching.teach(rollout, &mut self.learned.multipliers);
        if self.learned.scale == 0.0 {
            self.learned.scale = root_mean_square(&returns(rollout, &taught)).max(1e-3);
        }
        let chances = self.chances(rollout);
        let mut advantage = self.advantages(rollout, &chances);
        if self.coma.normalize {
            normalize(&mut advantage);
        }
        let (target, error) = self.targets(rollout, &taught);
        let before = self.learned.actor.choices(rollout, &mut self.work);
        let lesson = Lesson { rollout, advantage, before };
        let mut tally = Tally::default();
        for epoch in 0..self.coma.epochs.get().max(self.coma.critic_epochs.get()) {
            tally = self.pass(&lesson, &target, epoch, tally);
        }
        self.learned.updates += 1;
        if self.learned.updates.is_multiple_of(self.coma.target_every.get().into()) {
            self.learned.target = self.learned.critic.clone();
        }
        [("taught_return", mean_return(rollout, &taught)), ("critic_error", error)]
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
            (learned.actor.policy.net.sizes.clone(), learned.critic.sizes.clone(), learned.multipliers.len())
        };
        restored(&mut self.learned, snapshot, shape)
    }
}

impl Learning {
    /// The chances of all actions, `[horizon, rows, actions]`.
    fn chances(&mut self, rollout: &Rollout) -> Vec<f32> {
        let mut chances = Vec::with_capacity(rollout.horizon * rollout.rows() * self.actions);
        self.learned.actor.each(rollout, &mut self.work, |_, logits| {
            let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f32 = logits.iter().map(|logit| (logit - top).exp()).sum();
            chances.extend(logits.iter().map(|logit| (logit - top).exp() / total));
        });
        chances
    }

    /// What the critic is told of each agent of some lanes at some steps, one row for each: what all see, what the others
    /// did (its own action left out), and whose actions are asked about.
    fn questions(&self, rollout: &Rollout, units: impl Iterator<Item = usize>, to: &mut Vec<f32>) {
        let (agents, numbers) = (rollout.agents, rollout.agents * rollout.size);
        to.clear();
        for unit in units {
            for me in 0..agents {
                to.extend_from_slice(&rollout.features[unit * numbers..][..numbers]);
                let done = to.len();
                to.resize(done + agents * self.actions + agents, 0.0);
                for other in (0..agents).filter(|&other| other != me) {
                    to[done + other * self.actions + rollout.action.get(unit * agents + other) as usize] = 1.0;
                }
                to[done + agents * self.actions + me] = 1.0;
            }
        }
    }

    /// Calls `what` with what a critic says of every row, in returns.
    fn each(&mut self, rollout: &Rollout, target: bool, mut what: impl FnMut(usize, &[f32])) {
        let (agents, scale) = (rollout.agents, self.learned.scale);
        let units = rollout.horizon * rollout.lanes;
        let part = 256_usize.div_ceil(agents);
        let (mut questions, mut said) = (std::mem::take(&mut self.work.features), Vec::new());
        for first in (0..units).step_by(part) {
            self.questions(rollout, first..units.min(first + part), &mut questions);
            let Learned { critic, target: copied, .. } = &self.learned;
            let critic = if target { copied } else { critic };
            for (row, values) in critic.forward(&questions, &mut self.trace).chunks_exact(self.actions).enumerate() {
                said.clear();
                said.extend(values.iter().map(|value| value * scale));
                what(first * agents + row, &said);
            }
        }
        self.work.features = questions;
    }

    /// What each action was worth beside what the policy would have done, `[horizon, rows]`.
    fn advantages(&mut self, rollout: &Rollout, chances: &[f32]) -> Vec<f32> {
        let actions = self.actions;
        let mut advantage = vec![0.0; rollout.horizon * rollout.rows()];
        self.each(rollout, false, |row, worth| {
            let chances = &chances[row * actions..][..actions];
            advantage[row] = counterfactual(worth, chances, rollout.action.get(row) as usize);
        });
        advantage
    }

    /// What the critic should have said of the actions taken, in its own scale, and its root mean square error, in returns.
    fn targets(&mut self, rollout: &Rollout, taught: &[f32]) -> (Vec<f32>, f64) {
        let mut worth = vec![0.0; taught.len()];
        self.each(rollout, true, |row, said| worth[row] = said[rollout.action.get(row) as usize]);
        let (discount, lambda) = (self.coma.discount.get() as f32, self.coma.lambda.get() as f32);
        let rows = rollout.rows();
        let mut target = vec![0.0; taught.len()];
        let mut ahead = vec![0.0; rows];
        for t in (0..rollout.horizon).rev() {
            if rollout.truncated(t) {
                ahead.fill(0.0);
            }
            for (row, ahead) in ahead.iter_mut().enumerate() {
                let at = t * rows + row;
                target[at] = taught[at] + discount * *ahead;
                *ahead = (1.0 - lambda) * worth[at] + lambda * target[at];
            }
        }
        let error = worth.iter().zip(&target).map(|(worth, target)| f64::from(worth - target).powi(2)).sum::<f64>();
        let error = (error / target.len().max(1) as f64).sqrt();
        target.iter_mut().for_each(|target| *target /= self.learned.scale);
        (target, error)
    }

    /// One pass of those who still have one to make.
    fn pass(&mut self, lesson: &Lesson<'_>, target: &[f32], epoch: u32, before: Tally) -> Tally {
        let rollout = lesson.rollout;
        let units = rollout.horizon * rollout.lanes;
        let passes = u64::from(self.coma.epochs.get().max(self.coma.critic_epochs.get()));
        let order = shuffled(&self.teaching.key, self.learned.updates * passes + u64::from(epoch), units);
        let part = units.div_ceil(self.coma.minibatches.get() as usize).max(1);
        let (acts, judges) = (epoch < self.coma.epochs.get(), epoch < self.coma.critic_epochs.get());
        let Coma { rate, clip, entropy, longest, .. } = &self.coma;
        let stride = Stride {
            rate: rate.get() as f32,
            clip: clip.get() as f32,
            entropy: entropy.get() as f32,
            longest: longest.get(),
        };
        let mut tally = if acts { Tally::default() } else { before };
        for units in order.chunks(part) {
            if acts {
                self.work.gather(rollout, units);
                self.learned.actor.improve(lesson, units, stride, &mut self.work, &mut tally);
            }
            if judges {
                self.improve_critic(rollout, units, target);
            }
        }
        tally
    }

    fn improve_critic(&mut self, rollout: &Rollout, units: &[u32], target: &[f32]) {
        let mut questions = std::mem::take(&mut self.work.features);
        self.questions(rollout, units.iter().map(|&unit| unit as usize), &mut questions);
        let Learning { learned: Learned { critic, adam, .. }, work, trace, actions, .. } = self;
        let said = critic.forward(&questions, trace);
        let share = *actions as f32 / said.len() as f32;
        work.slope.clear();
        work.slope.resize(said.len(), 0.0);
        for (index, row) in rows(units, rollout.agents).enumerate() {
            let at = index * *actions + rollout.action.get(row) as usize;
            work.slope[at] = (said[at] - target[row]) * share;
        }
        work.gradient.clear();
        work.gradient.resize(critic.weights.len(), 0.0);
        critic.backward(&work.slope, trace, &mut work.gradient);
        work.features = questions;
        let Some(scale) = shortened(norm(&work.gradient, 0.0), self.coma.longest.get()) else { return };
        work.gradient.iter_mut().for_each(|slope| *slope *= scale);
        adam.descend(&mut critic.weights, &work.gradient, self.coma.critic_rate.get() as f32);
    }
}

/// `Q(u) − Σ_u' π(u') Q(u')`.
fn counterfactual(worth: &[f32], chances: &[f32], action: usize) -> f32 {
    worth[action] - worth.iter().zip(chances).map(|(worth, chance)| worth * chance).sum::<f32>()
}

/// Undiscounted returns to go, `[horizon, rows]`.
fn returns(rollout: &Rollout, taught: &[f32]) -> Vec<f32> {
    let rows = rollout.rows();
    let (mut to_go, mut sum) = (taught.to_vec(), vec![0.0; rows]);
    for t in (0..rollout.horizon).rev() {
        if rollout.truncated(t) {
            sum.fill(0.0);
        }
        for (sum, value) in sum.iter_mut().zip(&mut to_go[t * rows..][..rows]) {
            *sum += *value;
            *value = *sum;
        }
    }
    to_go
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::network::choice::slope;
    use isonomy_engine::policy::Head;

    /// Two agents, `Q(u1 = 0, u2) = 3, 1, 2` and `π2 = .2, .5, .3`: Foerster et al. 2018, equation 4.
    #[test]
    fn advantages_are_those_beside_what_would_have_been_done() {
        let (worth, chances) = ([3.0, 1.0, 2.0], [0.2_f32, 0.5, 0.3]);
        let advantage = [0, 1, 2].map(|action| counterfactual(&worth, &chances, action));
        let near = |found: &[f32], expected: &[f32]| found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6);
        assert!(near(&advantage, &[1.3, -0.7, 0.3]), "{advantage:?}");
        let expected: f32 = advantage.iter().zip(&chances).map(|(advantage, chance)| advantage * chance).sum();
        assert!(expected.abs() < 1e-6, "the baseline changes nothing on average");
        // The gradient by the logits after action 1, and what is expected of it.
        let logits = chances.map(f32::ln);
        let mut slopes = [0.0; 3];
        slope(Head::Categorical, &logits, 1, (advantage[1], 0.0), &mut slopes);
        assert!(near(&slopes, &[0.14, -0.35, 0.21]), "{slopes:?}");
        let mut mean = [0.0_f32; 3];
        for action in 0..3 {
            slope(Head::Categorical, &logits, action, (advantage[action as usize], 0.0), &mut slopes);
            mean.iter_mut().zip(slopes).for_each(|(mean, slope)| *mean += chances[action as usize] * slope);
        }
        assert!(near(&mean, &[0.26, -0.35, 0.09]), "{mean:?}");
    }
}
