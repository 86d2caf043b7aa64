//! Gradient ascent on a surrogate that is only trusted near the policy it was made for.

use super::differentiable::Differentiable;
use isonomy_engine::quantity::Positive;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// How a surrogate is climbed: whole-batch steps of Adam, begun anew every time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ascent {
    /// Steps at most.
    pub epochs: NonZeroU32,
    /// Length of a step in every parameter.
    pub rate: Positive,
    /// Mean divergence from the old policy, in nats, beyond which there are no more steps.
    pub divergence: Positive,
}

impl Default for Ascent {
    fn default() -> Self {
        Ascent {
            epochs: const { NonZeroU32::new(10).expect("not zero") },
            rate: Positive::new(0.02).expect("above zero"),
            divergence: Positive::new(0.02).expect("above zero"),
        }
    }
}

/// Where a decision is, seen from the old policy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Its index in the batch.
    pub decision: usize,
    /// `ρ = π(a | s) / π_old(a | s)`.
    pub ratio: f64,
    /// `KL(π ‖ π_old)` in its situation.
    pub divergence: f64,
}

/// Climbs from `old`; `pull` says how much of `∇ log π` every decision adds to the gradient. Returns the policy and its
/// mean divergence.
pub fn climb<P: Differentiable>(old: &P, batch: &P::Batch, ascent: &Ascent, pull: impl Fn(Seen) -> f64) -> (P, f64) {
    let before = old.log_chances(batch);
    let (mut policy, mut adam, mut divergence) = (old.clone(), Adam::new(old.parameters()), 0.0);
    for _ in 0..ascent.epochs.get() {
        let (now, apart) = (policy.log_chances(batch), policy.divergences(old, batch));
        let weight = |(decision, weight): (usize, &f64)| {
            let ratio = (now[decision] - before[decision]).exp();
            weight * pull(Seen { decision, ratio, divergence: apart[decision] })
        };
        let weights: Vec<f64> = P::weights(batch).iter().enumerate().map(weight).collect();
        policy = policy.moved(&adam.step(&policy.score(batch, &weights), ascent.rate.get()));
        divergence = policy.mean_divergence(old, batch);
        if divergence > ascent.divergence.get() {
            break;
        }
    }
    (policy, divergence)
}

/// Steps of a gradient, each parameter in its own measure. Kingma & Ba, arXiv 1412.6980.
struct Adam {
    mean: Vec<f64>,
    square: Vec<f64>,
    steps: i32,
}

impl Adam {
    fn new(parameters: usize) -> Self {
        Adam { mean: vec![0.0; parameters], square: vec![0.0; parameters], steps: 0 }
    }

    fn step(&mut self, gradient: &[f64], rate: f64) -> Vec<f64> {
        const FORGET: (f64, f64) = (0.9, 0.999);
        self.steps += 1;
        let (grown, squared) = (1.0 - FORGET.0.powi(self.steps), 1.0 - FORGET.1.powi(self.steps));
        let of = |((mean, square), gradient): ((&mut f64, &mut f64), &f64)| {
            *mean += (1.0 - FORGET.0) * (gradient - *mean);
            *square += (1.0 - FORGET.1) * (gradient * gradient - *square);
            rate * (*mean / grown) / ((*square / squared).sqrt() + 1e-8)
        };
        self.mean.iter_mut().zip(&mut self.square).zip(gradient).map(of).collect()
    }
}
