use super::{Choose, plain_greens, positive, seconds};
use crate::traffic::micro::{Shown, World};
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A fixed plan made for the demand: Webster's cycle, greens in proportion to the flows that need them.
///
/// Webster 1958 (*Traffic signal settings*): the cycle is `C = (1.5 L + 5) / (1 - Y)`, with `L` the time lost to clearance
/// and `Y` the sum over greens of the largest ratio of flow to saturation flow. Flows are means over the episode. Where
/// `Y` comes near 1 the formula breaks down, and the longest cycle is used. Decide every second or few.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webster {
    /// Vehicles that a lane lets go in an hour of green; 1459 if not given, as measured in the micro model.
    #[serde(default = "measured")]
    pub saturation_per_h: Positive,
    /// Time lost in every change; 5 if not given.
    #[serde(default = "five")]
    pub lost_s: NonNegative,
    /// Longest cycle; 180 if not given.
    #[serde(default = "three_minutes")]
    pub longest_cycle_s: Positive,
}

fn measured() -> Positive {
    positive(1459.0)
}

fn five() -> NonNegative {
    seconds(5.0)
}

fn three_minutes() -> Positive {
    positive(180.0)
}

impl Default for Webster {
    fn default() -> Self {
        Webster { saturation_per_h: measured(), lost_s: five(), longest_cycle_s: three_minutes() }
    }
}

/// The cycle of least delay in seconds, from the lost time and the sum of critical flow ratios. None where traffic does not
/// fit.
pub fn best_cycle_s(lost_s: f64, ratios: f64) -> Option<f64> {
    (ratios < 1.0).then(|| (1.5 * lost_s + 5.0) / (1.0 - ratios))
}

/// Webster's mean delay in seconds of a vehicle at a fixed light: flow and saturation flow in vehicles per second, cycle and
/// effective green in seconds. None where more come than the light lets go.
pub fn delay_s(flow: f64, saturation: f64, cycle_s: f64, green_s: f64) -> Option<f64> {
    let share = green_s / cycle_s;
    let x = flow / (share * saturation);
    (x < 1.0).then(|| {
        let uniform = cycle_s * (1.0 - share) * (1.0 - share) / (2.0 * (1.0 - share * x));
        let random = x * x / (2.0 * flow * (1.0 - x));
        uniform + random - 0.65 * (cycle_s / (flow * flow)).cbrt() * x.powf(2.0 + 5.0 * share)
    })
}

impl Webster {
    /// The largest ratio of flow to saturation flow among the movements of a green.
    fn ratio(&self, world: &World, crossing: usize, green: u32) -> f64 {
        let hours = f64::from(world.clock.steps) * world.clock.step_s / 3600.0;
        let of = |movement: u32| {
            let this = &world.network.movements[movement as usize];
            let links = &world.network.links[this.links.start as usize..this.links.end as usize];
            let lanes = world.network.roads[this.from as usize].lanes.clone();
            let lanes = lanes.filter(|&lane| links.iter().any(|link| link.from == lane)).count();
            f64::from(world.wanted[movement as usize]) / hours / (lanes as f64 * self.saturation_per_h.get())
        };
        world.movements_of_green(crossing, green).map(of).fold(0.0, f64::max)
    }
}

impl Choose for Webster {
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32 {
        let ratio = |green| self.ratio(world, crossing, green);
        let greens = plain_greens(world, crossing);
        let (count, sum) = greens.clone().fold((0.0, 0.0), |(count, sum), green| (count + 1.0, sum + ratio(green)));
        let lost = count * self.lost_s.get();
        let longest = self.longest_cycle_s.get().max(lost + 1.0);
        let cycle = best_cycle_s(lost, sum).map_or(longest, |cycle| cycle.min(longest)).max(lost + 1.0);
        let mut rest = f64::from(state.tally.steps) * world.clock.step_s % cycle;
        for green in greens.clone() {
            let share = if sum > 0.0 { ratio(green) / sum } else { 1.0 / count };
            rest -= self.lost_s.get() + (cycle - lost) * share;
            if rest < 0.0 {
                return green;
            }
        }
        greens.last().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_of_the_formula() {
        for (flow, cycle, green, expected) in [
            (0.10, 60.0, 25.0, 14.386),
            (0.15, 60.0, 25.0, 18.398),
            (0.18, 60.0, 25.0, 26.803),
            (0.10, 90.0, 40.0, 18.738),
        ] {
            let found = delay_s(flow, 0.5, cycle, green).expect("it fits");
            assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
        }
        assert_eq!(delay_s(0.25, 0.5, 60.0, 25.0), None);
    }

    #[test]
    fn cycles_of_the_formula() {
        for (lost, ratios, expected) in [(10.0, 0.6, 50.0), (10.0, 0.7, 66.7), (8.0, 0.6, 42.5)] {
            let found = best_cycle_s(lost, ratios).expect("it fits");
            assert!((found - expected).abs() < 0.05, "{found} is not {expected}");
        }
        assert_eq!(best_cycle_s(10.0, 1.0), None);
    }
}
