use super::{Choose, greens, seconds};
use crate::traffic::micro::{Shown, World};
use isonomy_engine::quantity::NonNegative;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Self-organising lights: on to the next green in turn when few wait at the one shown and many at the others.
///
/// As in LibSignal (arXiv 2211.10649), after Cools, Gershenson and D'Hooghe 2008. With `g` vehicles waiting on lanes that
/// have green and `r` on the others: next if `g ≤ few` and `r > many`, or if `g = 0` and `r > 0`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sotl {
    /// Shortest time of a green, its clearance included; 5 if not given.
    #[serde(default = "five")]
    pub min_green_s: NonNegative,
    /// So many that wait at green are few; 3 if not given.
    #[serde(default = "three")]
    pub few: u32,
    /// More that wait at red are many; 6 if not given.
    #[serde(default = "six")]
    pub many: u32,
}

fn five() -> NonNegative {
    seconds(5.0)
}

fn three() -> u32 {
    3
}

fn six() -> u32 {
    6
}

impl Default for Sotl {
    fn default() -> Self {
        Sotl { min_green_s: five(), few: three(), many: six() }
    }
}

impl Choose for Sotl {
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32 {
        let light = &state.lights[crossing];
        if light.since_s < self.min_green_s.get() {
            return light.green;
        }
        let waiting = |lane: u32| state.chains[lane as usize].waiting;
        let all: u32 = world.network.crossings[crossing].incoming.iter().map(|&lane| waiting(lane)).sum();
        let at_green: u32 = world.lanes_of_green(crossing, light.green).map(waiting).sum();
        let at_red = all - at_green;
        let next = (at_green <= self.few && at_red > self.many) || (at_green == 0 && at_red > 0);
        if next { (light.green + 1) % greens(world, crossing).end } else { light.green }
    }
}
