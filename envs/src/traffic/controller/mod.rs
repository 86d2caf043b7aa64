//! Rules that users run today, each exactly as its source does it.
//!
//! A rule is asked at every decision and answers with one of the crossing's greens; `since_s` of the light, by which
//! most rules keep a green for a while, counts its clearance. In the formulas `x` is how many vehicles are on a lane, `q`
//! how many of them wait.

mod fixed_time;
mod longest_wait;
mod max_pressure;
mod max_wave;
mod sotl;
pub mod webster;

pub use fixed_time::FixedTime;
pub use longest_wait::LongestWaitFirst;
pub use max_pressure::{AdvancedPressure, Dialect, MaxPressure, StarvationSafePressure};
pub use max_wave::MaxWave;
pub use sotl::Sotl;
pub use webster::Webster;

use super::state::Shown;
use super::world::World;
use super::{Traffic, host::Everywhere, host::Streets};
use isonomy_engine::gpu::RuleTwin;
use isonomy_engine::lane_controllers;
use isonomy_engine::lanes::LaneRule;
use isonomy_engine::quantity::{NonNegative, Positive};

/// A rule for one crossing.
pub trait Choose: std::fmt::Debug + Send + Sync {
    /// The green that the crossing shall show until the next decision.
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32;

    /// The same rule on a device that moves queues, or the reason why there is none.
    fn twin(&self, _world: &World) -> Result<RuleTwin, String> {
        Err("this rule has no WGSL twin".to_owned())
    }
}

fn seconds(constant: f64) -> NonNegative {
    NonNegative::new(constant).expect("a constant, 0 or above")
}

fn positive(constant: f64) -> Positive {
    Positive::new(constant).expect("a constant above 0")
}

/// The green of the highest score; the first of several.
fn best(greens: impl Iterator<Item = u32>, mut score: impl FnMut(u32) -> f64) -> Option<(u32, f64)> {
    let mut best = None;
    for green in greens {
        let score = score(green);
        if best.is_none_or(|(_, most)| score > most) {
            best = Some((green, score));
        }
    }
    best
}

fn greens(world: &World, crossing: usize) -> std::ops::Range<u32> {
    0..world.network.crossings[crossing].greens.len() as u32
}

/// Greens that free opposite movements of one kind only. All greens where a crossing has none of these.
fn plain_greens(world: &World, crossing: usize) -> impl Iterator<Item = u32> + Clone + '_ {
    let none = !greens(world, crossing).any(|green| world.is_plain(crossing, green));
    greens(world, crossing).filter(move |&green| none || world.is_plain(crossing, green))
}

lane_controllers! {
    Traffic, |rule| LaneRule::new::<Streets>(Everywhere(rule)), Traffic::cannot_obey;
    FixedTime: "(green_s: 30)";
    MaxPressure: "(dialect: LibSignal)";
    AdvancedPressure: "()";
    StarvationSafePressure: "(growth: 1.1)";
    Sotl: "()";
    MaxWave: "()";
    LongestWaitFirst: "(keep: 1.5)";
    Webster: "()";
}
