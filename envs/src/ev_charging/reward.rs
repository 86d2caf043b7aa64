//! Rewards, and what is counted beside them for whoever must keep limits.

use super::action::Actors;
use super::dynamics::Charging;
use super::step::{Bay, Meter, Outcome, Room, Stay};
use isonomy_engine::quantity::{NonNegative, Probability};
use isonomy_engine::spec::TaskSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What agents are paid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Reward {
    /// The share of a car's request that it gets in the step: the return of a car is its served share.
    #[default]
    Served,
    /// Energy, kWh.
    Energy,
    /// The rule of SustainGym (NeurIPS 2023): profit, less the price of emissions, less that of excess current.
    SustainGym {
        /// Profit per kWh.
        #[serde(default = "margin")]
        profit: NonNegative,
        /// Price of emissions, per kg.
        #[serde(default = "carbon_price")]
        carbon: NonNegative,
        /// Price of excess currents, per kWh that they would carry.
        #[serde(default = "excess_price")]
        excess: NonNegative,
    },
    /// The profit of EV2Gym (arXiv 2404.01849): what the energy costs, less overload, less what drivers think who leave.
    Ev2GymProfit {
        /// Price of each kW above the transformer's limit, per step.
        #[serde(default = "hundred")]
        overload: NonNegative,
        /// What a driver who leaves costs.
        #[serde(default)]
        unhappy: Unhappy,
    },
    /// Minus the square of what is missing to a power: of EV2Gym. Needs `setpoint`.
    Tracking,
    /// The profit of Chargax (arXiv 2507.01522), less weighted shortcomings. Where the site has a battery, what all of it
    /// draws is paid for, as there.
    Chargax {
        /// What a driver pays, per kWh.
        #[serde(default = "customer_price")]
        price: NonNegative,
        /// Weight of each kWh that a car leaves without.
        #[serde(default = "nothing")]
        unmet: NonNegative,
        /// Weight of each step that a car stays beyond its announced departure.
        #[serde(default = "nothing")]
        overtime: NonNegative,
        /// Weight of each car that finds no station.
        #[serde(default = "nothing")]
        rejected: NonNegative,
        /// Weight of each ampere (or kW) beyond a limit.
        #[serde(default = "nothing")]
        excess: NonNegative,
        /// Weight of each kWh taken from a car.
        #[serde(default = "nothing")]
        discharged: NonNegative,
    },
}

/// What a driver costs who leaves with less than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Unhappy {
    /// `weight · exp(-rate · served share)`.
    Exponential {
        /// The weight.
        weight: NonNegative,
        /// The rate.
        rate: NonNegative,
    },
    /// `weight · missing²`, missing in kWh.
    Squared {
        /// The weight.
        weight: NonNegative,
    },
}

impl Default for Unhappy {
    fn default() -> Self {
        Unhappy::Exponential { weight: number(100.0), rate: number(10.0) }
    }
}

/// Who is paid for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Credit {
    /// Every agent for its own stations; what concerns the site is shared equally.
    #[default]
    Own,
    /// All is shared equally.
    Shared,
}

/// What is counted as a cost, as one more task. All agents bear equal shares; their sum is what is said here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Cost {
    /// Current (or power) that commands are beyond limits, summed over limits.
    NetworkExcess,
    /// Power beyond the transformer's limit, kW.
    TransformerExcess,
    /// Shares of their requests that cars leave without.
    Unmet,
    /// How far below a state of charge the plugged cars are, summed.
    Reserve {
        /// The state of charge.
        share: Probability,
    },
    /// The largest difference between groups in the mean served share of the cars that are there.
    GroupGap,
    /// Emissions beyond a budget, kg.
    Carbon {
        /// The budget of an episode.
        budget_kg: NonNegative,
    },
    /// Power beyond a limit, kW.
    Peak {
        /// The limit.
        kw: NonNegative,
    },
    /// What batteries lose, as shares of their capacity. Needs `wear`.
    Wear,
}

fn number(number: f64) -> NonNegative {
    NonNegative::new(number).expect("not negative")
}

fn nothing() -> NonNegative {
    number(0.0)
}

fn margin() -> NonNegative {
    number(0.15 * 0.2)
}

fn carbon_price() -> NonNegative {
    number(0.03085)
}

fn excess_price() -> NonNegative {
    number(0.001)
}

fn hundred() -> NonNegative {
    number(100.0)
}

fn customer_price() -> NonNegative {
    number(0.75)
}

/// Money has no natural bound; this is beyond what a site can earn or cost in a step.
const MUCH: f32 = 1e9;

impl Reward {
    /// Name in tables, and bounds.
    fn task(&self, most_kwh: f64, most_stations: usize) -> TaskSpec {
        let (name, most) = match self {
            Reward::Served => ("served", most_stations as f32),
            Reward::Energy => ("energy_kwh", most_kwh as f32 * 1.001),
            Reward::SustainGym { .. } | Reward::Ev2GymProfit { .. } | Reward::Chargax { .. } => ("profit", MUCH),
            Reward::Tracking => ("tracking", MUCH),
        };
        TaskSpec { name: name.to_owned(), reward: (-most, most) }
    }
}

impl Cost {
    fn name(&self) -> &'static str {
        match self {
            Cost::NetworkExcess => "network_excess",
            Cost::TransformerExcess => "transformer_excess_kw",
            Cost::Unmet => "unmet",
            Cost::Reserve { .. } => "below_reserve",
            Cost::GroupGap => "group_gap",
            Cost::Carbon { .. } => "carbon_above_budget_kg",
            Cost::Peak { .. } => "above_peak_kw",
            Cost::Wear => "battery_wear",
        }
    }
}

/// All that is paid and counted.
#[derive(Clone, Debug)]
pub(super) struct Payments {
    pub reward: Reward,
    pub credit: Credit,
    pub costs: Vec<Cost>,
    /// The agent of every station.
    pub agent: Vec<u32>,
    /// The group of every agent.
    pub group: Vec<u32>,
    pub groups: usize,
}

impl Payments {
    /// The tasks: the reward, then the costs.
    pub(super) fn tasks(reward: &Reward, costs: &[Cost], most_kwh: f64, most_stations: usize) -> Vec<TaskSpec> {
        let cost = |cost: &Cost| TaskSpec { name: cost.name().to_owned(), reward: (0.0, MUCH) };
        let first = reward.task(most_kwh, most_stations);
        std::iter::once(first).chain(costs.iter().map(cost)).collect()
    }
}

/// What is being paid in one step.
pub(super) struct Paid<'a> {
    payments: &'a Payments,
    /// `[tasks, agents]`.
    reward: &'a mut [f32],
    agents: usize,
    /// What all agents share, of the reward.
    common: f64,
    /// Shares that cars leave without.
    unmet: f64,
}

impl<'a> Paid<'a> {
    pub(super) fn new(payments: &'a Payments, reward: &'a mut [f32], actors: &Actors) -> Self {
        let agents = match actors {
            Actors::Stations(stations) => stations.len(),
            Actors::Operators { stations, .. } => stations.len(),
        };
        reward.fill(0.0);
        Paid { payments, reward, agents, common: 0.0, unmet: 0.0 }
    }

    fn pay(&mut self, station: usize, amount: f64) {
        match self.payments.credit {
            Credit::Own => self.reward[self.payments.agent[station] as usize] += amount as f32,
            Credit::Shared => self.common += amount,
        }
    }

    fn count(&mut self, cost: usize, amount: f64) {
        let share = (amount / self.agents as f64) as f32;
        self.reward[(1 + cost) * self.agents..][..self.agents].fill(share);
    }

    /// Pays for what stations did.
    pub(super) fn step(
        &mut self,
        dynamics: &Charging,
        outcome: &Outcome,
        worn: f64,
        bays: &[Bay],
        meter: &Meter,
        room: &Room,
    ) {
        let payments = self.payments;
        let (site, signals, t) = (&dynamics.site, &dynamics.signals, meter.t);
        let rate = f64::from(signals.emissions.rate(meter.day as usize, t));
        let (buy, sell) = (signals.at(&signals.buy, meter.day, t), signals.at(&signals.sell, meter.day, t));
        for (station, bay) in bays.iter().enumerate() {
            if bay.session == 0 {
                continue;
            }
            let energy = bay.amps * site.grid.stations[station].kw_per_amp * site.hours;
            let price = if energy > 0.0 { buy } else { sell };
            let own = match payments.reward {
                Reward::Served => served_in(bay, energy),
                Reward::Energy => energy,
                Reward::SustainGym { profit, carbon, .. } => energy * (profit.get() - carbon.get() * rate),
                Reward::Ev2GymProfit { .. } => -price * energy,
                Reward::Tracking => 0.0,
                Reward::Chargax { price: customer, overtime, discharged, .. } => {
                    let late = f64::from(u8::from(t >= bay.est_departure)) * overtime.get();
                    customer.get() * energy.max(0.0) - price * energy - late - discharged.get() * (-energy).max(0.0)
                }
            };
            self.pay(station, own);
        }
        let over_kw = transformer_excess(dynamics, meter, room);
        if dynamics.battery.is_some() && matches!(payments.reward, Reward::Chargax { .. }) {
            // Stations have paid for their own energy; the site pays for what its battery leaves of it.
            let energy = |(station, bay): (usize, &Bay)| bay.amps * site.grid.stations[station].kw_per_amp * site.hours;
            let plugged = bays.iter().enumerate().filter(|(_, bay)| bay.session != 0);
            let paid: f64 = plugged.map(energy).map(|kwh| kwh * if kwh > 0.0 { buy } else { sell }).sum();
            self.common += paid - (outcome.energy_kwh * buy - outcome.back_kwh * sell);
        }
        self.common += match payments.reward {
            Reward::SustainGym { excess, .. } => {
                -excess.get() * outcome.excess * site.grid.stations[0].kw_per_amp * site.hours
            }
            Reward::Ev2GymProfit { overload, .. } => -overload.get() * over_kw,
            Reward::Chargax { excess, .. } => -excess.get() * outcome.excess,
            Reward::Tracking => {
                let kw = |&station: &u32| room.high[station as usize] * site.grid.stations[station as usize].kw_per_amp;
                let potential: f64 = room.work.plugged.iter().map(kw).sum();
                let missing = signals.at(&signals.setpoint, meter.day, t).min(potential) - meter.power_kw;
                -missing * missing
            }
            Reward::Served | Reward::Energy => 0.0,
        };
        for (index, cost) in payments.costs.iter().enumerate() {
            let power = meter.power_kw + signals.at(&signals.load, meter.day, t);
            let emitted = (outcome.energy_kwh - outcome.back_kwh) * rate;
            let amount = match cost {
                Cost::NetworkExcess => outcome.excess,
                Cost::TransformerExcess => over_kw,
                Cost::Reserve { share } => below(bays, share.get()),
                Cost::GroupGap => group_gap(payments, bays),
                Cost::Carbon { budget_kg } => {
                    // The meter has this step's emissions already.
                    let above = |kg: f64| (kg - budget_kg.get()).max(0.0);
                    (above(meter.carbon_kg) - above(meter.carbon_kg - emitted)).max(0.0)
                }
                Cost::Peak { kw } => (power - kw.get()).max(0.0),
                Cost::Wear => worn,
                Cost::Unmet => continue,
            };
            self.count(index, amount);
        }
    }

    /// Pays for a car that leaves.
    pub(super) fn leaves(&mut self, bay: &Bay, stays: &[Stay]) {
        let station = stays[bay.session as usize - 1].station as usize;
        let missing = bay.missing_kwh.max(0.0);
        let served = 1.0 - (missing / bay.requested_kwh).clamp(0.0, 1.0);
        self.unmet += 1.0 - served;
        let amount = match self.payments.reward {
            Reward::Ev2GymProfit { unhappy: Unhappy::Exponential { weight, rate }, .. } => {
                -weight.get() * (-rate.get() * served).exp()
            }
            Reward::Ev2GymProfit { unhappy: Unhappy::Squared { weight }, .. } => -weight.get() * missing * missing,
            Reward::Chargax { unmet, .. } => -unmet.get() * missing,
            _ => return,
        };
        self.pay(station, amount);
    }

    /// Shares out what concerns the site. `rejected`: cars that had found no station before this step.
    pub(super) fn finish(mut self, rejected: u32, meter: &mut Meter) {
        if let Reward::Chargax { rejected: weight, .. } = &self.payments.reward {
            self.common -= weight.get() * f64::from(meter.rejected - rejected);
        }
        let share = (self.common / self.agents as f64) as f32;
        for paid in &mut self.reward[..self.agents] {
            *paid += share;
            meter.reward += f64::from(*paid);
        }
        if let Some(index) = self.payments.costs.iter().position(|cost| *cost == Cost::Unmet) {
            self.count(index, self.unmet);
        }
    }
}

/// The share of its request that a car got by this energy; what goes beyond the request counts as nothing.
fn served_in(bay: &Bay, energy: f64) -> f64 {
    let share = |missing: f64| 1.0 - (missing / bay.requested_kwh).clamp(0.0, 1.0);
    share(bay.missing_kwh) - share(bay.missing_kwh + energy)
}

fn transformer_excess(dynamics: &Charging, meter: &Meter, room: &Room) -> f64 {
    if dynamics.signals.transformer.is_empty() {
        return 0.0;
    }
    let last = room.most.len() - 1;
    ((meter.power_kw + room.offset[last]).abs() - room.most[last]).max(0.0)
}

fn below(bays: &[Bay], reserve: f64) -> f64 {
    let plugged = bays.iter().filter(|bay| bay.session != 0);
    plugged.map(|bay| (reserve - bay.stored_kwh / bay.capacity_kwh).max(0.0)).sum()
}

/// The largest difference between groups in the mean served share of their cars.
fn group_gap(payments: &Payments, bays: &[Bay]) -> f64 {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for group in 0..payments.groups {
        let (mut sum, mut count) = (0.0, 0.0);
        for (bay, &agent) in bays.iter().zip(&payments.agent) {
            if bay.session != 0 && payments.group[agent as usize] as usize == group {
                sum += (bay.delivered_kwh() / bay.requested_kwh).clamp(0.0, 1.0);
                count += 1.0;
            }
        }
        if count > 0.0 {
            (low, high) = (low.min(sum / count), high.max(sum / count));
        }
    }
    (high - low).max(0.0)
}
