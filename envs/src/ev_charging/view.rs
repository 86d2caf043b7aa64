//! Views: what agents see.

use super::action::Actors;
use super::controller::Look;
use super::dynamics::{Call, Charging};
use super::grid::Bounds;
use super::step::{Bay, Meter, Room};
use isonomy_engine::lanes::Shared;
use isonomy_engine::spec::Space;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What agents see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum View {
    /// One's own car, one's group, and what concerns the site, last of all how full its battery is if it has one; numbers
    /// about as large as 1.
    Own {
        /// Prices and emissions of so many steps ahead.
        #[serde(default)]
        forecast: u32,
    },
    /// What SustainGym shows: the time, steps until departure and missing kWh of every station, the emission rate and its
    /// forecasts, in its units. The number of the agent's own station, as a share of all, is put behind it.
    SustainGym {
        /// Forecasts, at most as many as `moer` has.
        forecast: u32,
    },
    /// What EV2Gym shows: step, last power, prices ahead, state of charge and remaining steps of every station, then load and
    /// limit of the transformer ahead. The number of the agent's own station, as a share of all, is put behind it.
    Ev2Gym {
        /// Steps ahead, 20 in EV2Gym.
        forecast: u32,
    },
}

impl Default for View {
    fn default() -> Self {
        View::Own { forecast: 0 }
    }
}

/// Features of an agent's own car.
const OWN: usize = 11;
/// Features of the site that everyone sees.
const SITE: usize = 8;
/// None of the scaled features is larger.
const MOST: f32 = 10.0;
/// None of those in units is larger.
const MOST_IN_UNITS: f32 = 1e6;

/// A list to be filled.
struct Features<'a> {
    list: &'a mut [f32],
    at: usize,
    most: f32,
}

impl Features<'_> {
    fn put(&mut self, number: f64) {
        self.list[self.at] = (number as f32).clamp(-self.most, self.most);
        self.at += 1;
    }
}

impl View {
    /// No number that it shows is larger.
    pub(super) fn most(self) -> f32 {
        if let View::Own { .. } = self { MOST } else { MOST_IN_UNITS }
    }

    /// The space of what an agent sees.
    pub(super) fn space(self, stations: usize, groups: usize, transformer: bool, battery: bool) -> Space {
        let (size, most) = match self {
            View::Own { forecast } => (OWN + groups + SITE + 2 * forecast as usize + usize::from(battery), MOST),
            View::SustainGym { forecast } => (3 + 2 * stations + forecast as usize, MOST_IN_UNITS),
            View::Ev2Gym { forecast } => {
                (3 + 2 * stations + forecast as usize * if transformer { 3 } else { 1 }, MOST_IN_UNITS)
            }
        };
        Space::Real { size: size as u32, low: -most, high: most }
    }

    /// Writes what every agent sees.
    pub(super) fn write(self, dynamics: &Charging, state: Shared<'_, Charging>, room: &mut Room, features: &mut [f32]) {
        let (bays, meter, calls) = (state.0, &state.2[0], state.3);
        let agents = dynamics.actors.count();
        let size = features.len() / agents;
        dynamics.bounds_with_battery(meter, calls, state.7, room);
        match self {
            View::Own { forecast } => {
                own(dynamics, bays, meter, calls, forecast, room, features);
                if let (Some(battery), [store]) = (&dynamics.battery, state.7) {
                    features.chunks_exact_mut(size).for_each(|agent| agent[size - 1] = battery.full(store) as f32);
                }
            }
            View::SustainGym { .. } | View::Ev2Gym { .. } => {
                let (first, others) = features.split_at_mut(size);
                let mut list = Features { list: first, at: 0, most: MOST_IN_UNITS };
                match self {
                    View::Ev2Gym { forecast } => ev2gym(dynamics, bays, meter, calls, forecast, &mut list),
                    View::SustainGym { forecast } => sustaingym(dynamics, bays, meter, forecast, &mut list),
                    View::Own { .. } => {}
                }
                for agent in others.chunks_exact_mut(size) {
                    agent.copy_from_slice(first);
                }
                for (index, agent) in features.chunks_exact_mut(size).enumerate() {
                    agent[size - 1] = index as f32 / agents as f32;
                }
            }
        }
    }
}

fn sustaingym(dynamics: &Charging, bays: &[Bay], meter: &Meter, forecast: u32, list: &mut Features<'_>) {
    let steps = f64::from(dynamics.clock.steps());
    list.put(f64::from(meter.t) / steps);
    for bay in bays {
        let left = f64::from(bay.est_departure) - f64::from(meter.t);
        list.put(if bay.session == 0 { 0.0 } else { left });
    }
    for bay in bays {
        list.put(bay.missing_kwh.max(0.0));
    }
    let emissions = &dynamics.signals.emissions;
    let (day, t) = (meter.day as usize, meter.t.min(dynamics.clock.steps()));
    list.put(f64::from(emissions.rate(day, t)));
    for &ahead in &emissions.forecast(day, t)[..forecast as usize] {
        list.put(f64::from(ahead));
    }
}

fn ev2gym(dynamics: &Charging, bays: &[Bay], meter: &Meter, calls: &[Call], forecast: u32, list: &mut Features<'_>) {
    let signals = &dynamics.signals;
    list.put(f64::from(meter.t));
    list.put(meter.power_kw);
    for ahead in 0..forecast {
        list.put(signals.at(&signals.buy, meter.day, meter.t + ahead));
    }
    for bay in bays {
        let left = f64::from(bay.est_departure) - f64::from(meter.t);
        list.put(if bay.session == 0 { 0.0 } else { bay.stored_kwh / bay.capacity_kwh });
        list.put(if bay.session == 0 { 0.0 } else { left });
    }
    if signals.transformer.is_empty() {
        return;
    }
    for ahead in 0..forecast {
        list.put(signals.at(&signals.load, meter.day, meter.t + ahead));
        let cut = calls.iter().filter(|call| call.announced <= meter.t && call.holds(meter.t + ahead));
        let left = cut.map(|call| 1.0 - call.share).fold(1.0, f64::min);
        list.put(left * signals.at(&signals.transformer, meter.day, meter.t + ahead));
    }
}

#[allow(clippy::too_many_arguments)]
fn own(
    dynamics: &Charging,
    bays: &[Bay],
    meter: &Meter,
    calls: &[Call],
    forecast: u32,
    room: &mut Room,
    features: &mut [f32],
) {
    let agents = dynamics.actors.count();
    let size = features.len() / agents;
    for (amps, bay) in room.amps.iter_mut().zip(bays) {
        *amps = bay.amps;
    }
    room.work.load(&dynamics.site.grid, &room.amps);
    let payments = &dynamics.payments;
    let (first, others) = features.split_at_mut(size);
    let begin = OWN + payments.groups;
    let mut list = Features { list: first, at: begin, most: MOST };
    site(dynamics, meter, calls, forecast, room, &mut list);
    for agent in others.chunks_exact_mut(size) {
        agent[begin..].copy_from_slice(&first[begin..]);
    }
    for (index, agent) in features.chunks_exact_mut(size).enumerate() {
        agent[..begin].fill(0.0);
        agent[OWN + payments.group[index] as usize] = 1.0;
    }
    means(dynamics, bays, &mut room.work.keys);
    let look = Look {
        grid: &dynamics.site.grid,
        bounds: Bounds { most: &room.most, offset: &room.offset },
        bays,
        t: meter.t,
        hours: dynamics.site.hours,
    };
    for (station, bay) in bays.iter().enumerate().filter(|(_, bay)| bay.session != 0) {
        let agent = payments.agent[station] as usize;
        let weight = 1.0 / dynamics.actors.stations_of(agent) as f32;
        let numbers = of_car(dynamics, &look, station, bay, room, payments.group[agent] as usize);
        for (feature, number) in features[agent * size..][..OWN].iter_mut().zip(numbers) {
            *feature += weight * (number as f32).clamp(-MOST, MOST);
        }
    }
}

/// The mean served share of the cars of every group, in the first numbers of `means`.
fn means(dynamics: &Charging, bays: &[Bay], means: &mut [f64]) {
    let payments = &dynamics.payments;
    for (group, mean) in means.iter_mut().enumerate().take(payments.groups) {
        let (mut sum, mut count) = (0.0, 0.0);
        for (bay, &agent) in bays.iter().zip(&payments.agent) {
            if bay.session != 0 && payments.group[agent as usize] as usize == group {
                sum += bay.delivered_kwh() / bay.requested_kwh;
                count += 1.0;
            }
        }
        *mean = if count > 0.0 { sum / count } else { 0.0 };
    }
}

fn of_car(dynamics: &Charging, look: &Look<'_>, station: usize, bay: &Bay, room: &Room, group: usize) -> [f64; OWN] {
    let grid = &dynamics.site.grid;
    let (steps, pilots) = (f64::from(dynamics.clock.steps()), grid.stations[station].pilots);
    let bounds = look.bounds;
    let used = grid.column(grid.class[station] as usize).iter().map(|term| {
        let limit = term.to as usize;
        bounds.with(limit, room.work.flows[limit]).square().sqrt() / bounds.reach(limit).max(1e-9)
    });
    let served = bay.delivered_kwh() / bay.requested_kwh;
    [
        1.0,
        bay.missing_kwh / 100.0,
        look.steps_left(station) / steps,
        f64::from(look.t - bay.arrival) / steps,
        bay.stored_kwh / bay.capacity_kwh,
        bay.capacity_kwh / 100.0,
        look.most(station).max(0.0) / pilots.most,
        look.laxity(station) / steps,
        served,
        served - room.work.keys[group],
        1.0 - used.fold(0.0, f64::max),
    ]
}

/// What everyone sees: time, prices, emissions, power.
fn site(dynamics: &Charging, meter: &Meter, calls: &[Call], forecast: u32, room: &Room, list: &mut Features<'_>) {
    let (signals, day, t) = (&dynamics.signals, meter.day, meter.t);
    let angle = signals.at(&signals.angle, day, t);
    let emission = |step: u32| f64::from(signals.emissions.rate(day as usize, step.min(dynamics.clock.steps())));
    list.put(f64::from(t) / f64::from(dynamics.clock.steps()));
    list.put(angle.sin());
    list.put(angle.cos());
    list.put(signals.at(&signals.buy, day, t));
    list.put(emission(t));
    let used = (0..room.most.len()).map(|limit| {
        let bounds = Bounds { most: &room.most, offset: &room.offset };
        bounds.with(limit, room.work.flows[limit]).square().sqrt() / bounds.reach(limit).max(1e-9)
    });
    list.put(used.fold(0.0, f64::max));
    list.put(signals.at(&signals.load, day, t) / 100.0);
    let coming = calls.iter().filter(|call| call.announced <= t && t < call.end).map(|call| call.share);
    list.put(coming.fold(0.0, f64::max));
    for ahead in 1..=forecast {
        list.put(signals.at(&signals.buy, day, t + ahead));
        let known = signals.emissions.forecast(day as usize, t.min(dynamics.clock.steps()));
        list.put(known.get(ahead as usize - 1).map_or(0.0, |rate| f64::from(*rate)));
    }
}

impl Call {
    /// Whether the limit is lower in a step.
    pub(super) fn holds(&self, t: u32) -> bool {
        (self.start..self.end).contains(&t)
    }
}

impl Actors {
    /// How many agents there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Actors::Stations(stations) => stations.len(),
            Actors::Operators { stations, .. } => stations.len(),
        }
    }

    /// Stations of an agent.
    pub(super) fn stations_of(&self, agent: usize) -> usize {
        match self {
            Actors::Stations(_) => 1,
            Actors::Operators { stations, .. } => stations[agent].len(),
        }
    }
}
