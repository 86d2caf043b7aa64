use super::{Rule, greens};
use crate::traffic::micro::{Shown, World};

/// Every green in turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedTime {
    /// Time of a green, its clearance included.
    pub green_s: f64,
}

impl Rule for FixedTime {
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32 {
        let light = &state.lights[crossing];
        if light.since_s < self.green_s { light.green } else { (light.green + 1) % greens(world, crossing) as u32 }
    }
}
