//! Actions: what an agent decides, and for whom.

use super::controller::sorted::Order;
use super::grid::Station;
use isonomy_engine::spec::Space;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// What an agent decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Action {
    /// A share of the largest current, from 0 to 1; from -1 where stations can give back.
    #[default]
    Continuous,
    /// The same in so many steps per direction: 4 in SustainGym, 10 in Chargax. The code counts from the lowest current.
    Discrete {
        /// Currents above 0.
        levels: NonZeroU32,
    },
    /// The current in ampere.
    Amps,
    /// The logarithm of a weight, from -10 to 10. Everyone is raised at the speed of their weight until a limit stops
    /// them: whatever is decided can be carried.
    Weights,
}

/// Who decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Agents {
    /// Every station for itself.
    #[default]
    Stations,
    /// Every operator for all its stations: a share of what they could draw together, which is split by a rule.
    Operators {
        /// Who gets first.
        split: Order,
    },
}

/// Who decides, by agent.
#[derive(Clone, Debug)]
pub(super) enum Actors {
    /// The station of every agent.
    Stations(Vec<u32>),
    /// The stations of every agent.
    Operators { stations: Vec<Vec<u32>>, split: Order },
}

/// The largest logarithm of a weight.
const MOST_WEIGHT: f32 = 10.0;

impl Action {
    /// The space of this action where the largest currents are `most` and `back`.
    pub(super) fn space(self, most: f64, back: f64) -> Space {
        let real = |low: f64, high: f64| Space::Real { size: 1, low: low as f32, high: high as f32 };
        match self {
            Action::Continuous => real(if back > 0.0 { -1.0 } else { 0.0 }, 1.0),
            Action::Discrete { levels } => Space::Discrete(levels.get() * if back > 0.0 { 2 } else { 1 } + 1),
            Action::Amps => real(-back, most),
            Action::Weights => real(f64::from(-MOST_WEIGHT), f64::from(MOST_WEIGHT)),
        }
    }

    /// Whether it is a weight.
    pub(super) fn weighs(self) -> bool {
        self == Action::Weights
    }

    /// The share of the largest current, for codes without a way back.
    pub(super) fn share(self, code: u32) -> f64 {
        match self {
            Action::Discrete { levels } => f64::from(code.min(levels.get())) / f64::from(levels.get()),
            _ => f64::from(f32::from_bits(code)).clamp(0.0, 1.0),
        }
    }

    /// The current (or the weight) that a code asks of a station.
    pub(super) fn amps(self, code: u32, station: &Station) -> f64 {
        let back = station.most_back > 0.0;
        let share = match self {
            Action::Amps | Action::Weights => return f64::from(f32::from_bits(code)),
            Action::Continuous => f64::from(f32::from_bits(code)).clamp(-1.0, 1.0),
            Action::Discrete { levels } => {
                let levels = f64::from(levels.get());
                let level = f64::from(code) - if back { levels } else { 0.0 };
                (level / levels).min(1.0)
            }
        };
        share * if share < 0.0 { station.most_back } else { station.pilots.most }
    }

    /// The code that asks a station for a current, or for the next lower one that there is.
    pub(super) fn code(self, amps: f64, station: &Station) -> u32 {
        let share = amps / station.pilots.most;
        match self {
            Action::Amps | Action::Weights => down(amps).to_bits(),
            Action::Continuous => down(share).to_bits(),
            Action::Discrete { levels } => {
                let zero = if station.most_back > 0.0 { levels.get() } else { 0 };
                zero + (share * f64::from(levels.get()) + 1e-6).floor().max(0.0) as u32
            }
        }
    }
}

/// The nearest `f32` that is not larger: a limit that holds keeps holding.
fn down(number: f64) -> f32 {
    let near = number as f32;
    if f64::from(near) > number { near.next_down() } else { near }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ev_charging::pilots::Pilots;

    #[test]
    fn codes_are_read_as_they_are_written() {
        let pilots = Pilots { least: 6.0, most: 32.0, stride: 1.0 };
        let station = |most_back| Station {
            name: String::new(),
            kw_per_amp: 0.208,
            phase_deg: 0.0,
            pilots,
            most_back,
            operator: 0,
            post: None,
        };
        let discrete = Action::Discrete { levels: NonZeroU32::new(4).unwrap() };
        for action in [Action::Continuous, discrete, Action::Amps] {
            for station in [station(0.0), station(16.0)] {
                for amps in [0.0, 8.0, 24.0, 32.0] {
                    assert_eq!(action.amps(action.code(amps, &station), &station), amps, "{action:?}");
                }
                assert!(action.amps(action.code(10.1, &station), &station) <= 10.1);
            }
        }
        assert_eq!(discrete.amps(0, &station(16.0)), -16.0);
        assert_eq!(discrete.space(32.0, 16.0), Space::Discrete(9));
    }
}
