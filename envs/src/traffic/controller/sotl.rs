use super::{Choose, greens, seconds};
use crate::traffic::state::Shown;
use crate::traffic::twin;
use crate::traffic::world::World;
use crate::wgsl::Constants;
use isonomy_engine::gpu::RuleTwin;
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

    fn twin(&self, _: &World) -> Result<RuleTwin, String> {
        let mut named = Constants::default();
        named.real("LEAST_GREEN_S", twin::at_least(self.min_green_s.get()));
        named.whole("FEW", self.few as usize);
        named.whole("MANY", self.many as usize);
        Ok(twin::rule(&format!("{}{BY_WAITING}", named.0)))
    }
}

/// The rule on a device.
const BY_WAITING: &str = "fn choose(crossing: u32) -> u32 {
    let light = get_lights(crossing);
    if light.since_s < LEAST_GREEN_S {
        return light.green;
    }
    var all = 0u;
    for (var at = crossings[crossing].incoming_at; at < crossings[crossing].incoming_end; at++) {
        all += get_chains_waiting(numbers[at]);
    }
    var at_green = 0u;
    let freed = greens[crossings[crossing].green + light.green];
    for (var at = freed.lanes_at; at < freed.lanes_end; at++) {
        at_green += get_chains_waiting(numbers[at]);
    }
    let at_red = all - at_green;
    let next = (at_green <= FEW && at_red > MANY) || (at_green == 0u && at_red > 0u);
    return select(light.green, (light.green + 1u) % green_count(crossing), next);
}
";
