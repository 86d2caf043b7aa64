use super::adam::Adam;
use super::choice::{Choice, choice, slope};
use super::episode::{Horizon, advantages};
use super::prices::Prices;
use crate::optimizer::constrained::{Limits, Multipliers};
use crate::optimizer::task_weights;
use crate::policy::POLICY_STREAM;
use isonomy_engine::network::{Activation, Mlp, Trace};
use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::{Head, NetworkPolicy, ParametricPolicy, PolicyRef, Workspace};
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
/// for each of them. Schulman et al. 2017 (arXiv 1707.06347).
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

#[typetag::serde]
impl Optimizer for Ppo {
    fn needs(&self) -> Needs {
        Needs { trajectory: true, network: true, ..Needs::default() }
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let (found, tasks) = (self.weights.len(), spec.tasks.len());
        let mismatch = (found != 0 && found != tasks).then(|| {
            let message = format!("{found} entries for {tasks} tasks");
            Problem::at("weights", message).help("one weight per task, or none at all")
        });
        mismatch.into_iter().chain(self.constraints.check(spec)).collect()
    }

    fn begin(&self, policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let policy = policy.into_network()?;
        let agents = setting.spec.agents() as usize;
        let seen = NetworkPolicy::inputs(&setting.spec, false);
        let mut sizes = vec![if self.central { seen * agents } else { seen }];
        sizes.extend(self.critic.iter().map(|units| units.get() as usize));
        sizes.push(if self.central { agents } else { 1 });
        let critic = Mlp::new(sizes, Activation::Tanh, 1.0, setting.seed, CRITIC_STREAM);
        let method = Method {
            weights: task_weights(&self.weights, setting.spec.tasks.len()),
            key: Key::new(setting.seed, Phase::Training, Purpose::Learner),
            prices: Prices::new(&self.constraints, self.multipliers, &setting.spec),
            group: setting.spec.agent_groups(),
            ppo: self.clone(),
        };
        let learned = Learned {
            adams: [policy.net.weights.len(), critic.weights.len(), 1].map(Adam::new),
            policy,
            critic,
            multipliers: method.prices.initial(),
            scale: 0.0,
            updates: 0,
        };
        Ok(Box::new(Learning { method, learned, work: Work::default() }))
    }
}

struct Method {
    ppo: Ppo,
    weights: Vec<f64>,
    key: Key,
    prices: Prices,
    /// The group of every agent of a lane.
    group: Vec<u32>,
}

/// Everything that changes from update to update.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Learned {
    policy: NetworkPolicy,
    critic: Mlp,
    /// Of the policy's weights, the critic's weights and the deviation.
    adams: [Adam; 3],
    /// Of the rows of all constraints.
    multipliers: Vec<f64>,
    /// Root mean square of the returns in the first rollout.
    scale: f32,
    updates: u64,
}

/// Memory that is used again.
#[derive(Default)]
struct Work {
    workspace: Workspace,
    trace: Trace,
    features: Vec<f32>,
    slope: Vec<f32>,
    gradient: Vec<f32>,
}

struct Learning {
    method: Method,
    learned: Learned,
    work: Work,
}

/// What a rollout says, row by row of `[horizon, lanes, agents]`.
struct Lesson<'a> {
    rollout: &'a Rollout,
    advantage: Vec<f32>,
    /// What the critic should have said, in its own scale.
    target: Vec<f32>,
    /// What the policy that acted made of the actions.
    before: Vec<Choice>,
}

/// Sums over the rows of the last pass.
#[derive(Default)]
struct Tally {
    rows: f64,
    entropy: f64,
    kl: f64,
    clipped: f64,
    norm: f64,
}

impl Learner for Learning {
    fn policy(&self) -> PolicyRef<'_> {
        PolicyRef::Network(&self.learned.policy)
    }

    fn update(&mut self, rollout: &Rollout) -> Vec<(String, f64)> {
        let rows = self.method.prices.rows(rollout);
        let prices = self.method.prices.ascend(&rows, &mut self.learned.multipliers);
        let worth = self.method.prices.worth(&rows, &self.learned.multipliers);
        let taught = self.taught(rollout, &worth);
        let (value, next) = (self.values(&rollout.features), self.values(&rollout.next_features));
        let ahead =
            Horizon { discount: self.method.ppo.discount.get() as f32, lambda: self.method.ppo.lambda.get() as f32 };
        let mut advantage = advantages(rollout, &taught, &value, &next, ahead);
        let returns: Vec<f32> = advantage.iter().zip(&value).map(|(advantage, value)| advantage + value).collect();
        if self.learned.scale == 0.0 {
            let squares: f64 = returns.iter().map(|&value| f64::from(value).powi(2)).sum();
            self.learned.scale = ((squares / returns.len().max(1) as f64).sqrt() as f32).max(1e-3);
        }
        // Where all returns are nearly the same there is nothing to explain.
        let least = 1e-6 * f64::from(self.learned.scale).powi(2);
        let explained = 1.0 - variance(&advantage) / variance(&returns).max(least);
        normalize(&mut advantage);
        let target = returns.iter().map(|value| value / self.learned.scale).collect();
        let lesson = Lesson { rollout, advantage, target, before: self.choices(rollout) };
        let mut tally = Tally::default();
        for epoch in 0..self.method.ppo.epochs.get() {
            tally = self.pass(&lesson, epoch);
        }
        self.learned.updates += 1;
        let steps = f64::from(rollout.time_limit) / taught.len().max(1) as f64;
        [
            ("taught_return", taught.iter().map(|&reward| f64::from(reward)).sum::<f64>() * steps),
            ("entropy", tally.entropy / tally.rows),
            ("kl", tally.kl / tally.rows),
            ("clipped", tally.clipped / tally.rows),
            ("explained", explained),
            ("gradient_norm", tally.norm),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain(prices)
        .collect()
    }

    fn snapshot(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.learned).expect("a vector takes all bytes")
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), postcard::Error> {
        let learned: Learned = postcard::from_bytes(snapshot)?;
        let shape = |learned: &Learned| {
            (learned.policy.net.sizes.clone(), learned.critic.sizes.clone(), learned.multipliers.len())
        };
        if shape(&learned) != shape(&self.learned) {
            return Err(postcard::Error::DeserializeBadEncoding);
        }
        self.learned = learned;
        Ok(())
    }
}

impl Learning {
    /// What each agent is taught over all tasks, `[horizon, rows]`: what fairness rewards made of its pay, and what its pay is
    /// `worth` to the constraints, `[groups, tasks]`.
    fn taught(&self, rollout: &Rollout, worth: &[f64]) -> Vec<f32> {
        let (rows, tasks) = (rollout.rows(), rollout.tasks);
        let mut taught = vec![0.0; rollout.horizon * rows];
        let blocks = rollout.taught().chunks_exact(rows).zip(rollout.reward.chunks_exact(rows));
        for (index, (shaped, paid)) in blocks.enumerate() {
            let (t, task) = (index / tasks, index % tasks);
            let weight = self.method.weights[task] as f32;
            let worth = |group: u32| worth[group as usize * tasks + task] as f32;
            let sums = taught[t * rows..][..rows].iter_mut().zip(self.method.group.iter().cycle());
            for ((sum, group), (shaped, paid)) in sums.zip(shaped.iter().zip(paid)) {
                *sum += weight * shaped + worth(*group) * paid;
            }
        }
        taught
    }

    /// What the critic expects, one value for every row of features.
    fn values(&mut self, features: &[f32]) -> Vec<f32> {
        let Learning { learned: Learned { critic, scale, .. }, work, .. } = self;
        // In parts, so that the values of the layers stay in the cache.
        let part = critic.inputs() * 1024;
        let values = features.chunks(part).flat_map(|part| critic.forward(part, &mut work.trace).to_vec());
        values.map(|value| value * *scale).collect()
    }

    fn choices(&mut self, rollout: &Rollout) -> Vec<Choice> {
        let Learning { learned: Learned { policy, .. }, work, .. } = self;
        let (head, outputs) = (policy.head, policy.net.outputs());
        let part = rollout.agents * 1024usize.div_ceil(rollout.agents);
        let mut choices = Vec::with_capacity(rollout.horizon * rollout.rows());
        for features in rollout.features.chunks(part * rollout.size) {
            for outputs in policy.outputs(features, &mut work.workspace).chunks_exact(outputs) {
                choices.push(choice(head, outputs, rollout.action.get(choices.len())));
            }
        }
        choices
    }

    /// One pass over the rollout; lanes stay whole, as a central critic sees them.
    fn pass(&mut self, lesson: &Lesson<'_>, epoch: u32) -> Tally {
        let rollout = lesson.rollout;
        let units = rollout.horizon * rollout.lanes;
        let stream = self.learned.updates * u64::from(self.method.ppo.epochs.get()) + u64::from(epoch);
        let order = shuffled(&self.method.key, stream, units);
        let part = units.div_ceil(self.method.ppo.minibatches.get() as usize).max(1);
        let mut tally = Tally::default();
        for units in order.chunks(part) {
            self.gather(rollout, units);
            self.improve_policy(lesson, units, &mut tally);
            self.improve_critic(lesson, units);
        }
        tally
    }

    /// Puts the features of some lanes at some steps side by side.
    fn gather(&mut self, rollout: &Rollout, units: &[u32]) {
        let numbers = rollout.agents * rollout.size;
        self.work.features.clear();
        for &unit in units {
            self.work.features.extend_from_slice(&rollout.features[unit as usize * numbers..][..numbers]);
        }
    }

    fn improve_policy(&mut self, lesson: &Lesson<'_>, units: &[u32], tally: &mut Tally) {
        let (clip, bonus) = (self.method.ppo.clip.get() as f32, self.method.ppo.entropy.get() as f32);
        let Learning { learned: Learned { policy, adams, .. }, work, .. } = self;
        let (head, outputs) = (policy.head, policy.net.outputs());
        let rows: Vec<usize> = rows(units, lesson.rollout.agents).collect();
        let share = 1.0 / rows.len() as f32;
        work.slope.resize(rows.len() * outputs, 0.0);
        let mut by_deviation = 0.0;
        let predicted = policy.outputs(&work.features, &mut work.workspace);
        for ((&row, predicted), slopes) in
            rows.iter().zip(predicted.chunks_exact(outputs)).zip(work.slope.chunks_exact_mut(outputs))
        {
            let action = lesson.rollout.action.get(row);
            let (now, before, advantage) = (choice(head, predicted, action), lesson.before[row], lesson.advantage[row]);
            let ratio = (now.log - before.log).exp();
            let beyond = (ratio - 1.0).abs() > clip;
            // The minimum is the clipped term where the ratio has moved too far in the direction that pays.
            let stopped = beyond && (ratio > 1.0) == (advantage > 0.0);
            let by_log = if stopped { 0.0 } else { -advantage * ratio * share };
            by_deviation += slope(head, predicted, action, (by_log, -bonus * share), slopes);
            tally.rows += 1.0;
            tally.entropy += f64::from(now.entropy);
            tally.kl += f64::from(before.log - now.log);
            tally.clipped += f64::from(u8::from(beyond));
        }
        work.gradient.clear();
        work.gradient.resize(policy.net.weights.len(), 0.0);
        policy.net.backward(&work.slope, &mut work.workspace.trace, &mut work.gradient);
        let rate = self.method.ppo.rate.get() as f32;
        let norm = norm(&work.gradient, by_deviation);
        tally.norm = norm;
        let Some(scale) = shortened(norm, self.method.ppo.longest.get()) else { return };
        work.gradient.iter_mut().for_each(|slope| *slope *= scale);
        adams[0].descend(&mut policy.net.weights, &work.gradient, rate);
        if let Head::Gaussian { log_deviation } = &mut policy.head {
            adams[2].descend(std::slice::from_mut(log_deviation), &[by_deviation * scale], rate);
        }
    }

    fn improve_critic(&mut self, lesson: &Lesson<'_>, units: &[u32]) {
        let Learning { learned: Learned { critic, adams, .. }, work, .. } = self;
        let values = critic.forward(&work.features, &mut work.trace);
        let share = 1.0 / values.len() as f32;
        work.slope.clear();
        let targets = rows(units, lesson.rollout.agents).map(|row| lesson.target[row]);
        work.slope.extend(values.iter().zip(targets).map(|(value, target)| (value - target) * share));
        work.gradient.clear();
        work.gradient.resize(critic.weights.len(), 0.0);
        critic.backward(&work.slope, &mut work.trace, &mut work.gradient);
        let Some(scale) = shortened(norm(&work.gradient, 0.0), self.method.ppo.longest.get()) else { return };
        work.gradient.iter_mut().for_each(|slope| *slope *= scale);
        adams[1].descend(&mut critic.weights, &work.gradient, self.method.ppo.rate.get() as f32);
    }
}

/// The rows of some lanes at some steps.
fn rows(units: &[u32], agents: usize) -> impl Iterator<Item = usize> + '_ {
    units.iter().flat_map(move |&unit| unit as usize * agents..(unit as usize + 1) * agents)
}

/// `0..count` in an order that the words of a stream decide (Fisher & Yates).
fn shuffled(key: &Key, stream: u64, count: usize) -> Vec<u32> {
    let mut words = vec![0; count];
    key.fill(stream, 0, &mut words);
    let mut order: Vec<u32> = (0..count as u32).collect();
    for (last, word) in (1..count).rev().zip(words) {
        let other = (u64::from(word) * (last as u64 + 1)) >> 32;
        order.swap(last, other as usize);
    }
    order
}

fn norm(gradient: &[f32], other: f32) -> f64 {
    let squares: f64 = gradient.iter().map(|&slope| f64::from(slope).powi(2)).sum();
    (squares + f64::from(other).powi(2)).sqrt()
}

/// By what to multiply a gradient so that it is no longer than allowed. None where it is not finite.
fn shortened(norm: f64, longest: f64) -> Option<f32> {
    norm.is_finite().then(|| (longest / norm.max(1e-12)).min(1.0) as f32)
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len().max(1) as f64
}

fn variance(values: &[f32]) -> f64 {
    let mean = mean(values);
    values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64
}

/// To mean 0 and deviation 1; all zeros where they are all the same.
fn normalize(values: &mut [f32]) {
    let (mean, deviation) = (mean(values), variance(values).sqrt());
    let scale = if deviation > 1e-8 { 1.0 / deviation } else { 0.0 };
    values.iter_mut().for_each(|value| *value = ((f64::from(*value) - mean) * scale) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffling_keeps_every_number_once() {
        let key = Key::new(1, Phase::Training, Purpose::Learner);
        let (one, other) = (shuffled(&key, 0, 1000), shuffled(&key, 1, 1000));
        let mut sorted = one.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..1000) && one != other && one != sorted);
    }

    #[test]
    fn normal_advantages_have_mean_zero_and_deviation_one() {
        let mut values = [1.0, 2.0, 3.0, 6.0];
        normalize(&mut values);
        assert!(mean(&values).abs() < 1e-7 && (variance(&values) - 1.0).abs() < 1e-6);
        let mut same = [5.0; 3];
        normalize(&mut same);
        assert_eq!(same, [0.0; 3]);
    }
}
