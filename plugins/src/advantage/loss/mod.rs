//! Surrogates: what is minimised, token by token.

mod cispo;
mod covariance;
mod dppo_tv;
mod gmpo;
mod gspo;
mod hapo_clip;
mod ppo;
mod sapo;

pub use cispo::Cispo;
pub use covariance::{ClipCov, KlCov};
pub use dppo_tv::DppoTv;
pub use gmpo::Gmpo;
pub use gspo::Gspo;
pub use hapo_clip::HapoClip;
pub use ppo::Ppo;
pub use sapo::Sapo;

use isonomy_engine::advantage::Surrogate;
use isonomy_engine::quantity::{NonNegative, Positive};
use std::ops::Range;

/// The largest difference of log-probabilities that is told from larger ones, as in verl.
const LARGEST: f64 = 20.0;

fn usual_range() -> NonNegative {
    NonNegative::new(0.2).expect("not negative")
}

fn positive(value: f64) -> Positive {
    Positive::new(value).expect("positive")
}

/// Whether a token was generated.
fn generated(batch: &Surrogate<'_>, at: usize) -> bool {
    batch.mask.is_empty() || batch.mask[at]
}

/// `ln π − ln π_old`, and whether it is small enough to have a slope.
fn log_ratio(batch: &Surrogate<'_>, at: usize) -> (f64, bool) {
    let difference = batch.log_prob[at] - batch.old_log_prob[at];
    (difference.clamp(-LARGEST, LARGEST), difference.abs() < LARGEST)
}

/// Writes loss and slope of every generated token from `rule(token) = [loss, slope]`.
fn each_token(batch: &Surrogate<'_>, loss: &mut [f64], slope: &mut [f64], rule: impl Fn(usize) -> [f64; 2]) {
    for (at, (loss, slope)) in loss.iter_mut().zip(slope).enumerate() {
        [*loss, *slope] = if generated(batch, at) { rule(at) } else { [0.0, 0.0] };
    }
}

/// The tokens of every response that has any, as positions in `[B, T]`, with the mean of their advantages.
fn sequences<'a>(batch: &'a Surrogate<'a>) -> impl Iterator<Item = (Range<usize>, usize, f64)> + 'a {
    let width = batch.tokens.max(1);
    (0..batch.log_prob.len() / width).filter_map(move |response| {
        let tokens = response * width..(response + 1) * width;
        let own = tokens.clone().filter(|&at| generated(batch, at));
        let count = own.clone().count();
        (count > 0).then(|| (tokens, count, own.map(|at| batch.advantage[at]).sum::<f64>() / count as f64))
    })
}

/// `max(−Aρ, −A clip(ρ))` of a ratio, and its derivative with respect to `ln ρ`.
fn clipped(ratio: f64, has_slope: bool, advantage: f64, [low, high]: [f64; 2]) -> [f64; 2] {
    let (free, held) = (-advantage * ratio, -advantage * ratio.clamp(1.0 - low, 1.0 + high));
    if free >= held { [free, if has_slope { free } else { 0.0 }] } else { [held, 0.0] }
}

/// Where the advantage is below 0, no loss is above `−c · A`.
fn dual_clipped([loss, slope]: [f64; 2], advantage: f64, most: Option<Positive>) -> [f64; 2] {
    match most.map(|most| -most.get() * advantage) {
        Some(most) if advantage < 0.0 && loss > most => [most, 0.0],
        _ => [loss, slope],
    }
}
