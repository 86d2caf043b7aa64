use super::{Rule, best, greens};
use crate::traffic::micro::{Shown, World};

/// The green whose links have the most vehicles before them and the fewest behind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPressure {
    /// Shortest time of a green, its clearance included.
    pub min_green_s: f64,
}

impl Rule for MaxPressure {
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32 {
        let light = &state.lights[crossing];
        if light.since_s < self.min_green_s {
            return light.green;
        }
        let x = |lane: u32| f64::from(state.chains[lane as usize].vehicles);
        best(greens(world, crossing), |green| {
            let links = world.links_of_green(crossing, green).map(|link| &world.network.links[link as usize]);
            links.map(|link| x(link.from) - x(link.to)).sum()
        })
    }
}
