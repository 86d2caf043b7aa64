use super::{Choose, greens, seconds};
use crate::traffic::state::Shown;
use crate::traffic::twin;
use crate::traffic::world::World;
use crate::wgsl::Constants;
use isonomy_engine::gpu::RuleTwin;
use isonomy_engine::quantity::NonNegative;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shows every green in turn, each for the same time.
///
/// As in LibSignal (arXiv 2211.10649): a green is kept while its time, clearance included, is below `green_s`.
/// With eight greens of 30 s a cycle takes 240 s.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedTime {
    /// Time of a green, its clearance included; 30 if not given.
    #[serde(default = "thirty")]
    pub green_s: NonNegative,
}

fn thirty() -> NonNegative {
    seconds(30.0)
}

impl Default for FixedTime {
    fn default() -> Self {
        FixedTime { green_s: thirty() }
    }
}

impl Choose for FixedTime {
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32 {
        let light = &state.lights[crossing];
        let keeps = light.since_s < self.green_s.get();
        if keeps { light.green } else { (light.green + 1) % greens(world, crossing).end }
    }

    fn twin(&self, _: &World) -> Result<RuleTwin, String> {
        let mut named = Constants::default();
        named.real("GREEN_S", twin::at_least(self.green_s.get()));
        Ok(twin::rule(&format!("{}{IN_TURN}", named.0)))
    }
}

/// The rule on a device.
const IN_TURN: &str = "fn choose(crossing: u32) -> u32 {
    let light = get_lights(crossing);
    return select((light.green + 1u) % green_count(crossing), light.green, light.since_s < GREEN_S);
}
";
