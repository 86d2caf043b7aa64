use super::{Rule, greens};
use crate::traffic::micro::{Shown, World};

/// Self-organising lights: on to the next green when few use this one and many wait for another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sotl {
    /// Shortest time of a green, its clearance included.
    pub min_green_s: f64,
    /// As many that wait at the green count as few.
    pub few: u32,
    /// More that wait at red count as many.
    pub many: u32,
}

impl Rule for Sotl {
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32 {
        let light = &state.lights[crossing];
        if light.since_s < self.min_green_s {
            return light.green;
        }
        let (mut at_green, mut at_red) = (0, 0);
        for &lane in &world.network.crossings[crossing].incoming {
            let mut free = world.links_of_green(crossing, light.green);
            let waiting = state.chains[lane as usize].waiting;
            if free.any(|link| world.network.links[link as usize].from == lane) {
                at_green += waiting;
            } else {
                at_red += waiting;
            }
        }
        let next = (at_green <= self.few && at_red > self.many) || (at_green == 0 && at_red > 0);
        if next { (light.green + 1) % greens(world, crossing) as u32 } else { light.green }
    }
}
