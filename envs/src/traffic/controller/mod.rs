//! Rules that users run today, each exactly as its source does it.
//!
//! `x` counts the vehicles on a lane, `q` those that wait. A rule is asked at every decision and answers with one of the
//! crossing's greens.

mod fixed_time;
mod max_pressure;
mod sotl;

pub use fixed_time::FixedTime;
pub use max_pressure::MaxPressure;
pub use sotl::Sotl;

use super::micro::{Shown, World};

/// A rule for one crossing.
pub trait Rule: std::fmt::Debug + Send + Sync {
    /// The green that the crossing shall show until the next decision.
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32;
}

/// The green of the highest score; the first of several.
fn best(greens: usize, mut score: impl FnMut(u32) -> f64) -> u32 {
    let mut best = (0, f64::NEG_INFINITY);
    for green in 0..greens as u32 {
        let score = score(green);
        if score > best.1 {
            best = (green, score);
        }
    }
    best.0
}

fn greens(world: &World, crossing: usize) -> usize {
    world.network.crossings[crossing].greens.len()
}
