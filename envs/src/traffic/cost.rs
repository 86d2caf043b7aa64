//! What constraints can be put on: costs of a decision, tasks beside the rewards. None is below zero.

use super::metrics::mean_wait_s;
use super::network::demand::Class;
use super::observation::{Sight, Sizes, network_share_waited, share_waited};
use super::reward::behind_network;
use super::state::{NONE, Shown};
use super::world::World;
use isonomy_engine::quantity::Positive;
use isonomy_engine::spec::TaskSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is counted as a cost of a crossing. Those of the whole network are the same at all crossings and given once, at the
/// end of an episode.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Cost {
    /// Movements before which somebody has been standing for longer than `after_s`.
    Starved {
        /// 120 s if not given.
        #[serde(default = "two_minutes")]
        after_s: Positive,
    },
    /// By how much the crossing serves worse than the network: `max(0, u_i - U) / (U + 0.05)`, as in the reward `Fair`.
    BehindNetwork {},
    /// Seconds by which buses have waited longer than cars, on average; of the network.
    BusesBehindCars {},
    /// The longest wait of the episode, in units of `unit_s`; of the network.
    LongestWait {
        /// 600 s if not given.
        #[serde(default = "ten_minutes")]
        unit_s: Positive,
    },
    /// Crosswalks at which somebody has been waiting for longer than the pedestrians' `bound_s`.
    PedestriansWait {},
}

fn two_minutes() -> Positive {
    Positive::new(120.0).expect("a constant above 0")
}

fn ten_minutes() -> Positive {
    Positive::new(600.0).expect("a constant above 0")
}

impl Cost {
    pub(super) fn name(self) -> &'static str {
        match self {
            Cost::Starved { .. } => "starved_movements",
            Cost::BehindNetwork {} => "behind_network",
            Cost::BusesBehindCars {} => "buses_behind_cars_s",
            Cost::LongestWait { .. } => "longest_wait",
            Cost::PedestriansWait {} => "pedestrians_wait",
        }
    }

    /// What it comes to at most.
    pub(super) fn task(self, sizes: &Sizes, episode_s: f64) -> TaskSpec {
        let most = match self {
            Cost::Starved { .. } => sizes.movements() as f64,
            Cost::BehindNetwork {} => 20.0,
            Cost::BusesBehindCars {} => episode_s,
            Cost::LongestWait { unit_s } => episode_s / unit_s.get(),
            Cost::PedestriansWait {} => sizes.crosswalks() as f64,
        };
        TaskSpec { name: self.name().to_owned(), reward: (0.0, (most * (1.0 + 1e-6)) as f32) }
    }

    /// What every crossing of `agents` pays.
    pub(super) fn charge(self, world: &World, state: Shown<'_>, agents: &[u32], cost: &mut [f32]) {
        let ends = state.tally.steps >= world.clock.steps;
        match self {
            Cost::Starved { after_s } => {
                for (&crossing, cost) in agents.iter().zip(cost) {
                    let sight = Sight { world, state, crossing: crossing as usize };
                    let movements = world.network.crossings[crossing as usize].movements.clone();
                    *cost = movements.filter(|&movement| sight.longest_halt_s(movement) > after_s.get()).count() as f32;
                }
            }
            Cost::BehindNetwork {} => {
                let network = network_share_waited(world, state);
                for (&crossing, cost) in agents.iter().zip(cost) {
                    *cost = behind_network(share_waited(world, state, crossing as usize), network) as f32;
                }
            }
            Cost::BusesBehindCars {} => {
                let mean = |class| mean_wait_s(world, state, |vehicle| world.kind(vehicle).class == class);
                let behind = match (ends, mean(Class::Bus), mean(Class::Car)) {
                    (true, Some(buses), Some(cars)) => (buses - cars).max(0.0),
                    _ => 0.0,
                };
                cost.fill(behind as f32);
            }
            Cost::LongestWait { unit_s } => {
                let entered = state.vehicles.iter().filter(|vehicle| vehicle.entered != NONE);
                let longest = entered.map(|vehicle| vehicle.waited).max().filter(|_| ends).unwrap_or(0);
                cost.fill((f64::from(longest) * world.clock.step_s / unit_s.get()) as f32);
            }
            Cost::PedestriansWait {} => {
                for (&crossing, cost) in agents.iter().zip(cost) {
                    let crosswalks = world.walkways.of(crossing as usize);
                    let beyond = |&crosswalk: &usize| world.is_beyond(world.longest_stand(state, crosswalk));
                    *cost = crosswalks.filter(beyond).count() as f32;
                }
            }
        }
    }
}
