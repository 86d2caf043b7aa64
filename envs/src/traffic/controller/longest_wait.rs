use super::{Choose, best, greens, positive, seconds};
use crate::traffic::state::Shown;
use crate::traffic::twin;
use crate::traffic::world::World;
use crate::wgsl::Constants;
use isonomy_engine::gpu::RuleTwin;
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

    fn twin(&self, world: &World) -> Result<RuleTwin, String> {
        let keep = self.keep.get() * 256.0;
        if keep.fract() != 0.0 || keep > 4096.0 {
            return Err("`keep` is no multiple of 1/256 up to 16, others have no WGSL twin (1.5 has)".to_owned());
        }
        if twin::counts(world).saturating_mul(self.keep.get().ceil() as u64) >= 1 << 30 {
            return Err("halts of so many vehicles, all together, need more than 32 bits".to_owned());
        }
        let mut named = Constants::default();
        named.whole("KEEP", keep as usize);
        Ok(twin::best(&format!("{}{BY_HALTS}", named.0), self.min_green_s.get(), false))
    }
}

/// Twice the sum of a green on a device, and one more where that of the shown green is no whole number: enough to compare it.
const BY_HALTS: &str = "fn score_of(green: u32, shown: bool) -> i32 {
    var sum = 0u;
    for (var at = greens[green].lanes_at; at < greens[green].lanes_end; at++) {
        sum += halts(numbers[at]);
    }
    if !shown {
        return i32(2u * sum);
    }
    let rest = (sum & 255u) * KEEP;
    return i32(2u * ((sum >> 8u) * KEEP + (rest >> 8u)) + u32((rest & 255u) != 0u));
}
";
