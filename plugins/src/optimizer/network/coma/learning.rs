//! The learner behind them.

use crate::optimizer::network::actor::{Actor, Lesson, Stride, Tally, Work, rows, shorten, shuffled};
use crate::optimizer::network::adam::Adam;
use crate::optimizer::network::teaching::{Teaching, mean_return, normalize, restored, root_mean_square};
use crate::policy::{POLICY_STREAM, too_large};
use isonomy_engine::network::{Activation, Mlp, Trace};
use isonomy_engine::optimizer::{Learner, Setting};
use isonomy_engine::policy::{NetworkPolicy, PolicyRef};
use isonomy_engine::problem::Problem;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::Spec;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// The stream of a learner's noise from which the critic's first weights come.
const CRITIC_STREAM: u64 = POLICY_STREAM - 1;

/// What a critic is asked, and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The worth of all actions of an agent at once; what the others did is told with a one for each action.
    All,
    /// The worth of what all agents did, told with the number of each one's action.
    One,
}

impl Asked {
    /// Inputs, units and outputs of a critic.
    pub(super) fn critic_sizes(self, spec: &Spec, hidden: &[NonZeroU32]) -> Vec<usize> {
        let (agents, actions) = (spec.agents() as usize, spec.action.count() as usize);
        let (about_actions, answers) = match self {
            Asked::All => (actions + 1, actions),
            Asked::One => (1, 1),
        };
        let mut sizes = vec![agents * (NetworkPolicy::inputs(spec, false) + about_actions)];
        sizes.extend(hidden.iter().map(|units| units.get() as usize));
        sizes.push(answers);
        sizes
    }
}

/// What distinguishes the methods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipe {
    pub(super) asked: Asked,
    /// Step length of the actor's Adam.
    pub(super) rate: f32,
    /// Step length of the critic's Adam.
    pub(super) critic_rate: f32,
    /// How far a ratio may move.
    pub(super) clip: f32,
    /// Passes of the actor over a rollout.
    pub(super) epochs: u32,
    /// Passes of the critic over a rollout.
    pub(super) critic_epochs: u32,
    /// Parts of a pass.
    pub(super) minibatches: u32,
    /// What a reward counts one step later.
    pub(super) discount: f32,
    /// From 0, the target critic's word, to 1, the whole return.
    pub(super) lambda: f32,
    /// Bonus for a nat of entropy.
    pub(super) entropy: f32,
    /// Updates from one copy of the critic to the next.
    pub(super) target_every: u32,
    /// Whether advantages are brought to mean 0 and deviation 1 over the rollout.
    pub(super) normalize: bool,
    /// Longest gradient.
    pub(super) longest: f64,
    /// How much of the mean of squares stays in a step of Adam.
    pub(super) squares_stay: f32,
    /// Whether the critic learns returns divided by their root mean square in the first rollout.
    pub(super) scaled: bool,
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

pub(super) struct Learning {
    recipe: Recipe,
    teaching: Teaching,
    actions: usize,
    learned: Learned,
    work: Work,
    trace: Trace,
}

impl Learning {
    /// `critic`: units of each hidden layer of the critic. Where the policy is a network for each agent, so is the critic.
    pub(super) fn new(
        recipe: Recipe,
        critic: &[NonZeroU32],
        teaching: Teaching,
        policy: NetworkPolicy,
        setting: &Setting,
    ) -> Result<Learning, Problem> {
        let sizes = recipe.asked.critic_sizes(&setting.spec, critic);
        if let Some(problem) = too_large(&sizes, policy.net.copies, "critic") {
            return Err(problem);
        }
        let critic = Mlp::several(policy.net.copies, sizes, Activation::Relu, 1.0, setting.seed, CRITIC_STREAM);
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
        let actions = setting.spec.action.count() as usize;
        Ok(Learning { recipe, teaching, actions, learned, work, trace })
    }
}

impl Learner for Learning {
    fn policy(&self) -> PolicyRef<'_> {
        PolicyRef::Network(&self.learned.actor.policy)
    }

    fn update(&mut self, rollout: &Rollout) -> Vec<(String, f64)> {
        let (taught, prices) = self.teaching.teach(rollout, &mut self.learned.multipliers);
        if self.learned.scale == 0.0 {
            let scaled = || root_mean_square(&returns(rollout, &taught)).max(1e-3);
            self.learned.scale = if self.recipe.scaled { scaled() } else { 1.0 };
        }
        let chances = self.chances(rollout);
        let mut advantage = self.advantages(rollout, &chances);
        if self.recipe.normalize {
            normalize(&mut advantage);
        }
        let (target, error) = self.targets(rollout, &taught);
        let before = self.learned.actor.choices(rollout, &mut self.work);
        let lesson = Lesson { rollout, advantage, before };
        let mut tally = Tally::default();
        for epoch in 0..self.recipe.epochs.max(self.recipe.critic_epochs) {
            tally = self.pass(&lesson, &target, epoch, tally);
        }
        self.learned.updates += 1;
        if self.learned.updates.is_multiple_of(self.recipe.target_every.into()) {
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
            let Learned { actor, critic, multipliers, .. } = learned;
            let Actor { policy, .. } = actor;
            (policy.net.sizes.clone(), policy.net.copies, critic.sizes.clone(), critic.copies, multipliers.len())
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

    /// What the critic is told of each agent of some lanes at some steps, one row for each. [`Asked::All`]: what all see,
    /// what the others did (its own action left out), and whose actions are asked about. [`Asked::One`]: what all see and the
    /// numbers of what all did, `instead` in the place of its own where that is asked about.
    fn questions(
        &self,
        rollout: &Rollout,
        units: impl Iterator<Item = usize>,
        instead: Option<usize>,
        to: &mut Vec<f32>,
    ) {
        let (agents, numbers) = (rollout.agents, rollout.agents * rollout.size);
        for unit in units {
            let did = |agent: usize| rollout.action.get(unit * agents + agent);
            for me in 0..agents {
                to.extend_from_slice(&rollout.features[unit * numbers..][..numbers]);
                let done = to.len();
                match self.recipe.asked {
                    Asked::All => {
                        to.resize(done + agents * self.actions + agents, 0.0);
                        for other in (0..agents).filter(|&other| other != me) {
                            to[done + other * self.actions + did(other) as usize] = 1.0;
                        }
                        to[done + agents * self.actions + me] = 1.0;
                    }
                    Asked::One => {
                        to.extend((0..agents).map(|agent| did(agent) as f32));
                        to[done + me] = instead.map_or(to[done + me], |action| action as f32);
                    }
                }
            }
        }
    }

    /// Calls `what` with what a critic says of every row's actions, in returns.
    fn each(&mut self, rollout: &Rollout, target: bool, mut what: impl FnMut(usize, &[f32])) {
        let (agents, scale, actions) = (rollout.agents, self.learned.scale, self.actions);
        let units = rollout.horizon * rollout.lanes;
        let part = 256_usize.div_ceil(agents);
        let (mut questions, mut said) = (std::mem::take(&mut self.work.features), vec![0.0; part * agents * actions]);
        for first in (0..units).step_by(part) {
            let last = units.min(first + part);
            // An answer says all actions, or one of them.
            let asked = match self.recipe.asked {
                Asked::All => vec![None],
                Asked::One => (0..actions).map(Some).collect(),
            };
            for (column, instead) in asked.into_iter().enumerate() {
                questions.clear();
                self.questions(rollout, first..last, instead, &mut questions);
                let Learned { critic, target: copied, .. } = &self.learned;
                let critic = if target { copied } else { critic };
                let answers = critic.forward(&questions, &mut self.trace).chunks_exact(critic.outputs());
                for (said, answer) in said.chunks_exact_mut(actions).zip(answers) {
                    said[column..column + answer.len()].copy_from_slice(answer);
                }
            }
            said.iter_mut().for_each(|value| *value *= scale);
            for (row, said) in said.chunks_exact(actions).take((last - first) * agents).enumerate() {
                what(first * agents + row, said);
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
        let (discount, lambda) = (self.recipe.discount, self.recipe.lambda);
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
        let passes = u64::from(self.recipe.epochs.max(self.recipe.critic_epochs));
        let order = shuffled(&self.teaching.key, self.learned.updates * passes + u64::from(epoch), units);
        let part = units.div_ceil(self.recipe.minibatches as usize).max(1);
        let (acts, judges) = (epoch < self.recipe.epochs, epoch < self.recipe.critic_epochs);
        let Recipe { rate, clip, entropy, longest, squares_stay, .. } = self.recipe;
        let stride = Stride { rate, clip, entropy, longest, squares_stay };
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
        self.work.gradient.clear();
        self.work.gradient.resize(self.learned.critic.weights.len(), 0.0);
        // Each of several critics learns from the mean over rows of its own.
        let share = self.learned.critic.copies as f32 / (units.len() * rollout.agents) as f32;
        // In parts, since what is told of all agents for each of them grows with the square of their number.
        for units in units.chunks(256_usize.div_ceil(rollout.agents)) {
            questions.clear();
            self.questions(rollout, units.iter().map(|&unit| unit as usize), None, &mut questions);
            let Learning { learned: Learned { critic, .. }, work, trace, .. } = self;
            let outputs = critic.outputs();
            let said = critic.forward(&questions, trace);
            work.slope.clear();
            work.slope.resize(said.len(), 0.0);
            for (index, row) in rows(units, rollout.agents).enumerate() {
                let answer = if outputs == 1 { 0 } else { rollout.action.get(row) as usize };
                let at = index * outputs + answer;
                work.slope[at] = (said[at] - target[row]) * share;
            }
            critic.backward(&work.slope, trace, &mut work.gradient);
        }
        let Learning { learned: Learned { critic, adam, .. }, work, recipe, .. } = self;
        work.features = questions;
        if shorten(&mut work.gradient, critic.copies, 0.0, recipe.longest).is_none() {
            return;
        }
        adam.descend(&mut critic.weights, &work.gradient, recipe.critic_rate, recipe.squares_stay);
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
