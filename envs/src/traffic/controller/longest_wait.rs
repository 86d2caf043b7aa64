use super::{Choose, best, greens, positive, seconds};
use crate::traffic::micro::{Shown, World};
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The green whose vehicles have been standing longest, all together.
///
/// The score of a green is the sum of `halt` over the vehicles on its lanes, where `halt` is how long a vehicle has been
/// waiting without a break. The score of the green that is shown counts `keep` times, against needless changes. A rule
/// that starves nobody and is hard to beat in travel times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LongestWaitFirst {
    /// How much the shown green counts; 1.5 if not given.
    #[serde(default = "one_and_a_half")]
    pub keep: Positive,
    /// Shortest time of a green, its clearance included; 10 if not given.
    #[serde(default = "ten")]
    pub min_green_s: NonNegative,
}

fn one_and_a_half() -> Positive {
    positive(1.5)
}

fn ten() -> NonNegative {
    seconds(10.0)
}

impl Default for LongestWaitFirst {
    fn default() -> Self {
        LongestWaitFirst { keep: one_and_a_half(), min_green_s: ten() }
    }
}

impl Choose for LongestWaitFirst {
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32 {
        let light = &state.lights[crossing];
        if light.since_s < self.min_green_s.get() {
            return light.green;
        }
        let halts = |lane: u32| world.on(state, lane).map(|(_, vehicle)| u64::from(vehicle.halted)).sum::<u64>();
        let score = |green: u32| {
            let sum: u64 = world.lanes_of_green(crossing, green).map(halts).sum();
            if green == light.green { sum as f64 * self.keep.get() } else { sum as f64 }
        };
        best(greens(world, crossing), score).map_or(light.green, |(green, _)| green)
    }
}
