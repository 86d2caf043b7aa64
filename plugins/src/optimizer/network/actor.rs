//! The side of an actor: the clipped surrogate, whoever says what an action is worth.

use super::adam::Adam;
use super::choice::{Choice, choice, slope};
use isonomy_engine::noise::Key;
use isonomy_engine::policy::{Head, NetworkPolicy, Workspace};
use isonomy_engine::rollout::Rollout;
use serde::{Deserialize, Serialize};

/// A policy that is being improved, and the moments of its gradients.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Actor {
    pub(super) policy: NetworkPolicy,
    weights: Adam,
    deviation: Adam,
}

/// How far a step goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stride {
    /// Step length of Adam.
    pub(super) rate: f32,
    /// How far a ratio may move.
    pub(super) clip: f32,
    /// Bonus for a nat of entropy.
    pub(super) entropy: f32,
    /// Longest gradient.
    pub(super) longest: f64,
    /// How much of the mean of squares stays in a step of Adam.
    pub(super) squares_stay: f32,
}

/// What a rollout says of the actions in it, row by row of `[horizon, lanes, agents]`.
pub(super) struct Lesson<'a> {
    pub(super) rollout: &'a Rollout,
    pub(super) advantage: Vec<f32>,
    /// What the policy that acted made of the actions.
    pub(super) before: Vec<Choice>,
}

/// Memory that is used again.
#[derive(Default)]
pub(super) struct Work {
    workspace: Workspace,
    pub(super) features: Vec<f32>,
    pub(super) slope: Vec<f32>,
    pub(super) gradient: Vec<f32>,
}

/// Sums over the rows of a pass.
#[derive(Default)]
pub(super) struct Tally {
    rows: f64,
    entropy: f64,
    kl: f64,
    clipped: f64,
    norm: f64,
}

impl Tally {
    /// Means over the rows, by name.
    pub(super) fn told(&self) -> [(&'static str, f64); 4] {
        [
            ("entropy", self.entropy / self.rows),
            ("kl", self.kl / self.rows),
            ("clipped", self.clipped / self.rows),
            ("gradient_norm", self.norm),
        ]
    }
}

impl Actor {
    pub(super) fn new(policy: NetworkPolicy) -> Self {
        Actor { weights: Adam::new(policy.net.weights.len()), deviation: Adam::new(1), policy }
    }

    /// Calls `what` with the outputs of every row of a rollout.
    pub(super) fn each(&self, rollout: &Rollout, work: &mut Work, mut what: impl FnMut(usize, &[f32])) {
        // In parts of whole lanes, so that the values of the layers stay in the cache.
        let part = rollout.agents * 1024_usize.div_ceil(rollout.agents);
        for (index, features) in rollout.features.chunks(part * rollout.size).enumerate() {
            let outputs = self.policy.outputs(features, &mut work.workspace);
            for (row, outputs) in outputs.chunks_exact(self.policy.net.outputs()).enumerate() {
                what(index * part + row, outputs);
            }
        }
    }

    /// What the policy makes of the actions of a rollout.
    pub(super) fn choices(&self, rollout: &Rollout, work: &mut Work) -> Vec<Choice> {
        let mut choices = Vec::with_capacity(rollout.horizon * rollout.rows());
        self.each(rollout, work, |row, outputs| {
            choices.push(choice(self.policy.head, outputs, rollout.action.get(row)));
        });
        choices
    }

    /// One step up the clipped surrogate and the entropy, on some lanes at some steps, whose features are in `work`.
    pub(super) fn improve(
        &mut self,
        lesson: &Lesson<'_>,
        units: &[u32],
        stride: Stride,
        work: &mut Work,
        tally: &mut Tally,
    ) {
        let Actor { policy, weights, deviation } = self;
        let (head, outputs) = (policy.head, policy.net.outputs());
        // Each of several networks learns from the mean over rows of its own.
        let share = policy.net.copies as f32 / (units.len() * lesson.rollout.agents) as f32;
        work.slope.resize(units.len() * lesson.rollout.agents * outputs, 0.0);
        let mut by_deviation = 0.0;
        let predicted = policy.outputs(&work.features, &mut work.workspace).chunks_exact(outputs);
        let slopes = work.slope.chunks_exact_mut(outputs);
        for ((row, predicted), slopes) in rows(units, lesson.rollout.agents).zip(predicted).zip(slopes) {
            let action = lesson.rollout.action.get(row);
            let (now, before, advantage) = (choice(head, predicted, action), lesson.before[row], lesson.advantage[row]);
            let ratio = (now.log - before.log).exp();
            let beyond = (ratio - 1.0).abs() > stride.clip;
            // The minimum is the clipped term where the ratio has moved too far in the direction that pays.
            let stopped = beyond && (ratio > 1.0) == (advantage > 0.0);
            let by_log = if stopped { 0.0 } else { -advantage * ratio * share };
            by_deviation += slope(head, predicted, action, (by_log, -stride.entropy * share), slopes);
            tally.rows += 1.0;
            tally.entropy += f64::from(now.entropy);
            tally.kl += f64::from(before.log - now.log);
            tally.clipped += f64::from(u8::from(beyond));
        }
        work.gradient.clear();
        work.gradient.resize(policy.net.weights.len(), 0.0);
        policy.net.backward(&work.slope, &mut work.workspace.trace, &mut work.gradient);
        tally.norm = norm(&work.gradient, by_deviation);
        let copies = policy.net.copies;
        let Some(by_deviation) = shorten(&mut work.gradient, copies, by_deviation, stride.longest) else { return };
        weights.descend(&mut policy.net.weights, &work.gradient, stride.rate, stride.squares_stay);
        if let Head::Gaussian { log_deviation } = &mut policy.head {
            deviation.descend(std::slice::from_mut(log_deviation), &[by_deviation], stride.rate, stride.squares_stay);
        }
    }
}

impl Work {
    /// Puts the features of some lanes at some steps side by side.
    pub(super) fn gather(&mut self, rollout: &Rollout, units: &[u32]) {
        let numbers = rollout.agents * rollout.size;
        self.features.clear();
        for &unit in units {
            self.features.extend_from_slice(&rollout.features[unit as usize * numbers..][..numbers]);
        }
    }
}

/// The rows of some lanes at some steps.
pub(super) fn rows(units: &[u32], agents: usize) -> impl Iterator<Item = usize> + '_ {
    units.iter().flat_map(move |&unit| unit as usize * agents..(unit as usize + 1) * agents)
}

/// `0..count` in an order that the words of a stream decide (Fisher & Yates).
pub(super) fn shuffled(key: &Key, stream: u64, count: usize) -> Vec<u32> {
    let mut words = vec![0; count];
    key.fill(stream, 0, &mut words);
    let mut order: Vec<u32> = (0..count as u32).collect();
    for (last, word) in (1..count).rev().zip(words) {
        let other = (u64::from(word) * (last as u64 + 1)) >> 32;
        order.swap(last, other as usize);
    }
    order
}

pub(super) fn norm(gradient: &[f32], other: f32) -> f64 {
    let squares: f64 = gradient.iter().map(|&slope| f64::from(slope).powi(2)).sum();
    (squares + f64::from(other).powi(2)).sqrt()
}

/// Makes the gradients of networks that stand side by side no longer than allowed, each together with `other`. Returns
/// what becomes of `other`; none where anything is not finite.
pub(super) fn shorten(gradient: &mut [f32], copies: usize, other: f32, longest: f64) -> Option<f32> {
    if !norm(gradient, other).is_finite() {
        return None;
    }
    let mut least = 1.0_f32;
    for own in gradient.chunks_mut((gradient.len() / copies).max(1)) {
        let scale = (longest / norm(own, other).max(1e-12)).min(1.0) as f32;
        own.iter_mut().for_each(|slope| *slope *= scale);
        least = least.min(scale);
    }
    Some(other * least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use isonomy_engine::noise::{Phase, Purpose};

    #[test]
    fn gradients_of_networks_side_by_side_are_shortened_each_by_itself() {
        let mut gradient = [3.0, 4.0, 0.3, 0.4];
        assert_eq!(shorten(&mut gradient, 2, 0.0, 1.0), Some(0.0));
        assert!(gradient.iter().zip([0.6, 0.8, 0.3, 0.4]).all(|(found, expected)| (found - expected).abs() < 1e-6));
        let mut gradient = [3.0, 0.0];
        let other = shorten(&mut gradient, 1, 4.0, 1.0).expect("it is finite");
        assert!((other - 0.8).abs() < 1e-6 && (gradient[0] - 0.6).abs() < 1e-6);
        assert_eq!(shorten(&mut [f32::NAN], 1, 0.0, 1.0), None);
    }

    #[test]
    fn shuffling_keeps_every_number_once() {
        let key = Key::new(1, Phase::Training, Purpose::Learner);
        let (one, other) = (shuffled(&key, 0, 1000), shuffled(&key, 1, 1000));
        let mut sorted = one.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..1000) && one != other && one != sorted);
    }
}
