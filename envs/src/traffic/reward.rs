//! What a crossing earns in a decision: published rewards by name, and the local and global fairness of ours.

use super::observation::{Sight, network_share_waited, share_waited};
use super::state::Shown;
use super::world::World;
use isonomy_engine::quantity::{NonNegative, Positive, Probability};
use isonomy_engine::spec::TaskSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a crossing earns in a decision. `q` and `x` are vehicles waiting and present on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Payment {
    /// `(1 - a) e_i + a E - b_G D_i - b_L F_i`. With `u` the share of presence spent waiting, `e_i = -u_i` and `E = -U` are
    /// efficiency here and in the network; `D_i = max(0, u_i - U) / (U + 0.05)` is paid by crossings that serve worse than
    /// the network does, so evening out by worsening others earns nothing; `F_i` is the longest halt over 120 s, at
    /// most 1, which sees one starved movement that means hide.
    Fair {
        /// `a`: how much the network's efficiency counts; 0.5 if not given.
        #[serde(default = "half")]
        team: Probability,
        /// `b_G`: price of serving worse than the network; 0.25 if not given.
        #[serde(default = "quarter")]
        worse: NonNegative,
        /// `b_L`: price of the longest halt; 0.25 if not given.
        #[serde(default = "quarter")]
        starving: NonNegative,
    },
    /// `-scale · mean q` over incoming lanes: CoLight, and with 12 LibSignal's DQN.
    Queue {
        /// 12 if not given.
        #[serde(default = "twelve")]
        scale: Positive,
    },
    /// `-(Σ x(in) - Σ x(out))`: LibSignal's pressure.
    Pressure {},
    /// `-|Σ x(from) / fits(from) - x(to) / fits(to)|` over links: PressLight, KDD 2019.
    PressLight {},
    /// `-(Σ q(in) - Σ q(out))`, where lanes out count that lead to another light: RESCO's `pressure`.
    QueuePressure {},
    /// Total halt over -224, at least -4: RESCO's `wait_norm`.
    Halt {},
    /// `-(Σ q + weight · Σ halt of the first)` over incoming lanes, and `neighbours` times what every neighbour earns so: MA2C,
    /// with 0.9. Neighbours are controlled crossings at the other end of a road.
    QueueAndWait {
        /// 0.2 if not given.
        #[serde(default = "fifth")]
        weight: NonNegative,
        /// 0 if not given.
        #[serde(default = "nothing")]
        neighbours: NonNegative,
    },
    /// What the waiting of vehicles on incoming lanes, all together, fell by, over 100: sumo-rl.
    WaitDifference {},
    /// Mean speed on incoming lanes, as a share of the greatest that a vehicle has.
    Speed {},
    /// `-|Σ waiting / travel time|` over vehicles on incoming lanes: FairLight, IEEE TCAD 2023.
    WaitingShare {},
    /// Everybody's `-w^(1 + power) / (1 + power)`, as it grew in this decision, shared by all crossings and divided by
    /// `scale`. Over an episode it sums up to the same of final waits `w` in seconds: 0 is total waiting, large powers
    /// approach the longest. With `persons` every vehicle counts as often as there are people in it, and so do people on foot.
    Telescoping {
        /// Whether people count rather than vehicles, those on foot included; no if not given.
        #[serde(default)]
        persons: bool,
        /// 1 if not given: half the sum of squares.
        #[serde(default = "one_or_more")]
        power: NonNegative,
        /// 1000 if not given.
        #[serde(default = "thousand")]
        scale: Positive,
    },
}

fn positive(constant: f64) -> Positive {
    Positive::new(constant).expect("a constant above 0")
}

fn non_negative(constant: f64) -> NonNegative {
    NonNegative::new(constant).expect("a constant, 0 or above")
}

fn half() -> Probability {
    Probability::new(0.5).expect("a constant between 0 and 1")
}

fn quarter() -> NonNegative {
    non_negative(0.25)
}

fn twelve() -> Positive {
    positive(12.0)
}

fn fifth() -> NonNegative {
    non_negative(0.2)
}

fn nothing() -> NonNegative {
    non_negative(0.0)
}

fn one_or_more() -> NonNegative {
    non_negative(1.0)
}

fn thousand() -> Positive {
    positive(1000.0)
}

/// Halts this long are the worst that our reward tells apart.
const STARVED_S: f64 = 120.0;

impl Payment {
    /// Ours, with its defaults.
    pub fn fair() -> Self {
        Payment::Fair { team: half(), worse: quarter(), starving: quarter() }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Payment::Fair { .. } => "fair",
            Payment::Queue { .. } => "queue",
            Payment::Pressure {} => "pressure",
            Payment::PressLight {} => "press_light",
            Payment::QueuePressure {} => "queue_pressure",
            Payment::Halt {} => "halt",
            Payment::QueueAndWait { .. } => "queue_and_wait",
            Payment::WaitDifference {} => "wait_difference",
            Payment::Speed {} => "speed",
            Payment::WaitingShare {} => "waiting_share",
            Payment::Telescoping { .. } => "telescoping",
        }
    }

    /// What it earns at least and at most.
    pub(super) fn task(self, vehicles: usize, people: f64, episode_s: f64) -> TaskSpec {
        // No count exceeds the vehicles there are, no wait the episode.
        let all = (vehicles as f64).max(1.0);
        let (low, high) = match self {
            Payment::Fair { worse, starving, .. } => (-1.0 - 20.0 * worse.get() - starving.get(), 0.0),
            Payment::Queue { scale } => (-scale.get() * all, 0.0),
            Payment::Pressure {} | Payment::PressLight {} | Payment::QueuePressure {} => (-all, all),
            Payment::Halt {} => (-4.0, 0.0),
            // What neighbours earn is on lanes of their own.
            Payment::QueueAndWait { weight, neighbours } => {
                (-(1.0 + neighbours.get()) * (all + weight.get() * all * episode_s), 0.0)
            }
            Payment::WaitDifference {} => (-all * episode_s / 100.0, all * episode_s / 100.0),
            Payment::Speed {} => (0.0, 1.0),
            Payment::WaitingShare {} => (-all, 0.0),
            Payment::Telescoping { power, scale, persons } => {
                let all = if persons { people } else { all };
                (-all * potential(episode_s, power.get()) / scale.get(), 0.0)
            }
        };
        // Sums in 32 bits may round past an exact bound.
        let wider = |bound: f64| (bound * (1.0 + 1e-6)).clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
        TaskSpec { name: self.name().to_owned(), reward: (wider(low), wider(high)) }
    }

    /// What every crossing of `agents` earns. `before` holds one number per crossing from the last decision, and gets the
    /// one for the next.
    pub(super) fn pay(self, world: &World, state: Shown<'_>, agents: &[u32], before: &mut [f64], reward: &mut [f32]) {
        if let Payment::Telescoping { power, scale, persons } = self {
            let waited = state.vehicles.iter().map(|vehicle| f64::from(vehicle.waited) * world.clock.step_s);
            let potentials = waited.map(|wait| potential(wait, power.get()));
            let now: f64 = match persons {
                true => {
                    let inside = potentials.zip(0..).map(|(unhappy, vehicle)| world.kind(vehicle).persons * unhappy);
                    let on_foot = world.on_foot(state).map(|walker| walker.waited(state.tally.steps));
                    let on_foot = on_foot.map(|steps| potential(f64::from(steps) * world.clock.step_s, power.get()));
                    inside.sum::<f64>() + on_foot.sum::<f64>()
                }
                false => potentials.sum(),
            };
            let earned = (before[0] - now) / scale.get();
            before[0] = now;
            return reward.fill((earned / agents.len() as f64) as f32);
        }
        let network = network_share_waited(world, state);
        for ((&crossing, before), reward) in agents.iter().zip(before).zip(reward) {
            let sight = Sight { world, state, crossing: crossing as usize };
            *reward = self.earned(&sight, network, before) as f32;
        }
    }

    fn earned(self, sight: &Sight<'_, '_>, network: f64, before: &mut f64) -> f64 {
        let lanes = || sight.incoming().iter().copied();
        match self {
            Payment::Fair { team, worse, starving } => {
                let own = share_waited(sight.world, sight.state, sight.crossing);
                let behind = behind_network(own, network);
                let halts = lanes().flat_map(|lane| sight.vehicles(lane)).map(|(_, vehicle)| sight.halt_s(vehicle));
                let starved = (halts.fold(0.0, f64::max) / STARVED_S).min(1.0);
                -(1.0 - team.get()) * own - team.get() * network - worse.get() * behind - starving.get() * starved
            }
            Payment::Queue { scale } => {
                let queues: f64 = lanes().map(|lane| sight.queue(lane)).sum();
                -scale.get() * queues / lanes().len().max(1) as f64
            }
            Payment::Pressure {} => {
                let outgoing = &sight.world.network.crossings[sight.crossing].outgoing;
                let behind: f64 = outgoing.iter().map(|&lane| sight.count(lane)).sum();
                behind - lanes().map(|lane| sight.count(lane)).sum::<f64>()
            }
            Payment::PressLight {} => {
                let movements = sight.world.network.crossings[sight.crossing].movements.clone();
                -movements.map(|movement| sight.pressure(movement)).sum::<f64>().abs()
            }
            Payment::QueuePressure {} => {
                let outgoing = &sight.world.network.crossings[sight.crossing].outgoing;
                let behind: f64 = outgoing.iter().map(|&lane| sight.queue_before_light(lane)).sum();
                behind - lanes().map(|lane| sight.queue(lane)).sum::<f64>()
            }
            Payment::Halt {} => {
                let all = lanes().flat_map(|lane| sight.vehicles(lane));
                let total: f64 = all.map(|(_, vehicle)| sight.halt_s(vehicle)).sum();
                (-total / 224.0).max(-4.0)
            }
            Payment::QueueAndWait { weight, neighbours } => {
                let earned = |sight: &Sight<'_, '_>| {
                    let first = |lane| sight.vehicles(lane).next().map_or(0.0, |(_, vehicle)| sight.halt_s(vehicle));
                    let lanes = sight.incoming().iter();
                    -lanes.map(|&lane| sight.queue(lane) + weight.get() * first(lane)).sum::<f64>()
                };
                let others = if neighbours.get() > 0.0 { sight.world.neighbours(sight.crossing) } else { &[] };
                let other = |&crossing: &u32| earned(&Sight { crossing: crossing as usize, ..*sight });
                earned(sight) + neighbours.get() * others.iter().map(other).sum::<f64>()
            }
            Payment::WaitDifference {} => {
                let all = lanes().flat_map(|lane| sight.vehicles(lane));
                let now = all.map(|(_, vehicle)| f64::from(vehicle.waited)).sum::<f64>() * sight.world.clock.step_s;
                (std::mem::replace(before, now) - now) / 100.0
            }
            Payment::Speed {} => {
                let (mut sum, mut count) = (0.0, 0.0);
                for (number, vehicle) in lanes().flat_map(|lane| sight.vehicles(lane)) {
                    sum += vehicle.speed_mps / sight.world.kind(number).max_speed_mps;
                    count += 1.0;
                }
                if count > 0.0 { sum / count } else { 1.0 }
            }
            Payment::WaitingShare {} => -lanes().map(|lane| sight.waiting_shares(lane)).sum::<f64>().abs(),
            // Paid to all at once.
            Payment::Telescoping { .. } => 0.0,
        }
    }
}

/// By how much a share of presence spent waiting exceeds the network's: `max(0, u_i - U) / (U + 0.05)`.
pub(super) fn behind_network(own: f64, network: f64) -> f64 {
    (own - network).max(0.0) / (network + 0.05)
}

/// `w^(1 + p) / (1 + p)`.
fn potential(wait_s: f64, power: f64) -> f64 {
    wait_s.powf(1.0 + power) / (1.0 + power)
}
