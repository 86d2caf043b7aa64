use super::{Choose, best, greens, positive, seconds};
use crate::traffic::state::Shown;
use crate::traffic::twin;
use crate::traffic::world::World;
use isonomy_engine::gpu::RuleTwin;
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The green with the most vehicles right before it, waiting or coming.
///
/// RESCO's greedy rule (Ault and Sharon, NeurIPS 2021 D&B): vehicles within `sensor_m` of the stop line are counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxWave {
    /// How far before the stop line vehicles are seen, in metres; 50 if not given.
    #[serde(default = "fifty")]
    pub sensor_m: Positive,
    /// Shortest time of a green, its clearance included; 10 if not given.
    #[serde(default = "ten")]
    pub min_green_s: NonNegative,
}

fn fifty() -> Positive {
    positive(50.0)
}

fn ten() -> NonNegative {
    seconds(10.0)
}

impl Default for MaxWave {
    fn default() -> Self {
        MaxWave { sensor_m: fifty(), min_green_s: ten() }
    }
}

impl Choose for MaxWave {
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32 {
        let light = &state.lights[crossing];
        if light.since_s < self.min_green_s.get() {
            return light.green;
        }
        let near = |lane: u32| {
            let seen =
                world.on(state, lane).filter(|(_, this)| world.to_line_m(state, lane, this) <= self.sensor_m.get());
            seen.count()
        };
        let score = |green: u32| world.lanes_of_green(crossing, green).map(near).sum::<usize>() as f64;
        best(greens(world, crossing), score).map_or(light.green, |(green, _)| green)
    }

    fn twin(&self, world: &World) -> Result<RuleTwin, String> {
        let within = twin::within("counted_within", world, self.sensor_m.get());
        Ok(twin::best(&format!("{within}{BY_WAVE}"), self.min_green_s.get(), false))
    }
}

/// The vehicles that a green counts on a device.
const BY_WAVE: &str = "fn score_of(green: u32, shown: bool) -> i32 {
    var sum = 0u;
    for (var at = greens[green].lanes_at; at < greens[green].lanes_end; at++) {
        let lane = numbers[at];
        sum += near(lane, counted_within(lane));
    }
    return i32(sum);
}
";
