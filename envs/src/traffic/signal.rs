//! How a light gets from one green to the next.
//!
//! A request for another green first clears the crossing: nobody but the movements that are always free may go, and who
//! cannot stop any more drives through, which is what yellow means. The clock of a phase starts with its clearance, so
//! that "30 s" is 5 s of clearance and 25 s of green (LibSignal, arXiv 2211.10649).

use super::micro::{Light, Shown, World};
use super::network::Crossing;

/// Times that every change of a light keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Changes {
    /// Time between two greens.
    pub clearance_s: f64,
    /// Shortest green.
    pub min_green_s: f64,
    /// Longest green while somebody waits for another; the next green with demand follows. None: no limit.
    pub max_green_s: Option<f64>,
}

impl Changes {
    /// As in LibSignal: 5 s to clear, nothing else.
    pub const LIBSIGNAL: Changes = Changes { clearance_s: 5.0, min_green_s: 0.0, max_green_s: None };

    /// The light after a step in which this green (an index of the crossing's greens) was asked for.
    pub fn ask(&self, light: &mut Light, crossing: &Crossing, green: u32, step_s: f64) {
        let green = green.min(crossing.greens.len() as u32 - 1);
        if light.clearing == 1 {
            if light.since_s >= self.clearance_s {
                light.clearing = 0;
                light.phase = crossing.greens[light.green as usize];
            }
            light.since_s += step_s;
        } else if green == light.green || light.since_s < self.clearance_s + self.min_green_s {
            light.since_s += step_s;
        } else {
            light.green = green;
            light.since_s = step_s;
            light.clearing = u32::from(self.clearance_s > 0.0);
            light.phase = if self.clearance_s > 0.0 { crossing.clearance } else { crossing.greens[green as usize] };
        }
    }

    /// The green that a crossing gets where `green` was asked for: another where the shown one has lasted too long.
    pub fn allowed(&self, world: &World, state: Shown<'_>, crossing: usize, green: u32) -> u32 {
        let light = &state.lights[crossing];
        let over = self.max_green_s.is_some_and(|most| light.since_s >= self.clearance_s + most);
        if !over || green != light.green || light.clearing == 1 {
            return green;
        }
        let greens = world.network.crossings[crossing].greens.len() as u32;
        let next = |by: u32| (light.green + by) % greens;
        let wanted = |&green: &u32| {
            world.links_of_green(crossing, green).any(|link| {
                let from = world.network.links[link as usize].from;
                !world.is_green(state.lights, link) && state.chains[from as usize].vehicles > 0
            })
        };
        (1..greens).map(next).find(wanted).unwrap_or(green)
    }
}
