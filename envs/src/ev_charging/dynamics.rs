//! A site as lanes of the engine: what happens in a step, in the order of its events.

use super::action::{Action, Actors};
use super::calendar::{Calendar, Clock};
use super::controller::Look;
use super::controller::sorted::Order;
use super::grid::Bounds;
use super::measure::Compared;
use super::projection::{Projection, raise};
use super::reward::{Paid, Payments};
use super::sessions::Source;
use super::signals::{DemandResponse, Reduction};
use super::site_battery::{Stationary, Store};
use super::step::{self, Bay, Lane, Meter, Outcome, Room, Site, Stay};
use super::view::View;
use super::{Batteries, session::Session};
use bevy_ecs::component::Component;
use bytemuck::{Pod, Zeroable};
use isonomy_engine::figure::Drawn;
use isonomy_engine::gpu::LaneTwin;
use isonomy_engine::lanes::{self, At, LaneDynamics, Shared};
use std::cell::RefCell;
use std::sync::Arc;

/// A time in which the transformer may carry less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Component, Pod, Zeroable)]
#[repr(C)]
pub struct Call {
    /// The step from which on everybody knows.
    pub announced: u32,
    /// Its first step.
    pub start: u32,
    /// The first step after it.
    pub end: u32,
    /// Nothing.
    pub spare: u32,
    /// The share of the limit that is taken away.
    pub share: f64,
}

/// A station for the car of an index, any as often as any other (the finaliser of MurmurHash3).
fn somewhere(word: u32, index: u32, stations: usize) -> u32 {
    let mut mixed = word.wrapping_add(index.wrapping_mul(0x9E37_79B9));
    mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85EB_CA6B);
    mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xC2B2_AE35);
    ((u64::from(mixed ^ (mixed >> 16)) * stations as u64) >> 32) as u32
}

isonomy_engine::columns! {
    /// State of charge of a station's car at arrival and after every active step; only kept where wear counts.
    Soc(f32);
    /// What the projection remembers of the step before, by limit and class; only kept where it is `L2`.
    Pull(f64);
}

/// What is summed up for the wear of a station's car.
#[derive(Clone, Copy, Debug, Default, PartialEq, Component, Pod, Zeroable)]
#[repr(C)]
pub struct Worn {
    /// Energy through the battery.
    pub through_kwh: f64,
    /// States of charge written down.
    pub count: u32,
    /// Nothing.
    pub spare: u32,
}

/// Numbers of every step of every episode of the calendar.
#[derive(Clone, Debug)]
pub struct Signals {
    /// Steps of an episode.
    pub steps: usize,
    /// Where the hand of a clock with 24 hours stands, in radians.
    pub angle: Vec<f64>,
    /// Price of energy, per kWh.
    pub buy: Vec<f64>,
    /// Price of what is given back, per kWh.
    pub sell: Vec<f64>,
    /// Price of the peak of every episode, per kW.
    pub demand_charge: Vec<f64>,
    /// Emissions and their forecasts.
    pub emissions: super::signals::Emissions,
    /// Other loads behind the transformer, less the sun's power, kW.
    pub load: Vec<f64>,
    /// What the transformer carries, kW; empty where there is none.
    pub transformer: Vec<f64>,
    /// Power to follow, kW; empty where there is none.
    pub setpoint: Vec<f64>,
}

impl Signals {
    /// A number of a step; of the last one where the step is beyond it.
    pub fn at(&self, signal: &[f64], day: u32, t: u32) -> f64 {
        signal[day as usize * self.steps + (t as usize).min(self.steps - 1)]
    }
}

/// The lanes of [`EvCharging`](super::EvCharging).
#[derive(Clone, Debug)]
pub struct Charging {
    /// Stations, limits, batteries.
    pub site: Arc<Site>,
    pub(super) batteries: Batteries,
    pub(super) clock: Clock,
    pub(super) calendar: Calendar,
    pub(super) source: Source,
    pub(super) response: Option<DemandResponse>,
    pub(super) battery: Option<Stationary>,
    pub(super) signals: Signals,
    pub(super) action: Action,
    pub(super) actors: Actors,
    pub(super) payments: Payments,
    pub(super) view: View,
    pub(super) compared: Vec<Compared>,
    pub(super) phases: Phases,
}

/// Stations by the lines that they are between.
#[derive(Clone, Debug)]
pub(super) struct Phases {
    /// The phase of every station.
    pub of: Vec<u32>,
    /// Their names.
    pub names: Vec<String>,
}

impl Look<'_> {
    /// What a rule sees of a lane.
    fn of<'a>(dynamics: &'a Charging, bays: &'a [Bay], meter: &Meter, most: &'a [f64], offset: &'a [f64]) -> Look<'a> {
        let Site { grid, hours, .. } = &*dynamics.site;
        Look { grid, bounds: Bounds { most, offset }, bays, t: meter.t, hours: *hours }
    }
}

thread_local! {
    /// Nothing in it outlives a call; it only spares allocations.
    static ROOM: RefCell<Option<(Arc<Site>, Room)>> = RefCell::default();
}

impl Charging {
    /// Lends room for this site.
    pub(super) fn with_room<T>(&self, borrower: impl FnOnce(&mut Room) -> T) -> T {
        ROOM.with_borrow_mut(|room| match room {
            Some((site, room)) if Arc::ptr_eq(site, &self.site) => borrower(room),
            _ => borrower(&mut room.insert((self.site.clone(), Room::new(&self.site.grid))).1),
        })
    }

    /// What rules may count on in the step to come: bounds and loads, and what the site's battery can do about them.
    pub(super) fn bounds_with_battery(&self, meter: &Meter, calls: &[Call], store: &[Store], room: &mut Room) {
        self.bounds(meter, calls, room);
        if let (Some(battery), [store]) = (&self.battery, store) {
            battery.widen(store, room);
        }
    }

    /// Bounds and loads of the step to come.
    pub(super) fn bounds(&self, meter: &Meter, calls: &[Call], room: &mut Room) {
        if self.battery.is_some() {
            let bounds = self.site.grid.bounds();
            room.most.copy_from_slice(bounds.most);
            room.offset.copy_from_slice(bounds.offset);
        }
        if self.signals.transformer.is_empty() {
            return;
        }
        let (day, t) = (meter.day, meter.t);
        let limit = self.signals.at(&self.signals.transformer, day, t);
        let cut = calls.iter().filter(|call| call.holds(t)).map(|call| 1.0 - call.share);
        let last = room.most.len() - 1;
        room.most[last] = limit * cut.fold(1.0, f64::min);
        room.offset[last] = self.signals.at(&self.signals.load, day, t);
    }

    /// Writes what a rule would do, ampere for every station, into `room.amps`.
    pub(super) fn ask(
        &self,
        rule: &dyn super::controller::Rule,
        bays: &[Bay],
        meter: &Meter,
        words: &[u32],
        room: &mut Room,
    ) {
        let Room { amps, most, offset, work, .. } = room;
        amps.fill(0.0);
        rule.offer(&Look::of(self, bays, meter, most, offset), words, amps, work);
    }

    /// What the actions mean, as commands.
    fn command(&self, action: &[u32], bays: &[Bay], meter: &Meter, room: &mut Room) {
        match &self.actors {
            Actors::Stations(stations) => {
                for (&code, &station) in action.iter().zip(stations) {
                    room.amps[station as usize] = self.action.amps(code, &self.site.grid.stations[station as usize]);
                }
            }
            Actors::Operators { stations, split } => self.share_out(action, stations, *split, bays, meter, room),
        }
    }

    /// Gives every operator's stations a share of what all of them together could draw, in an order.
    fn share_out(
        &self,
        action: &[u32],
        stations: &[Vec<u32>],
        split: Order,
        bays: &[Bay],
        meter: &Meter,
        room: &mut Room,
    ) {
        let grid = &self.site.grid;
        let Room { amps, most, offset, work, .. } = room;
        let look = Look::of(self, bays, meter, most, offset);
        split.sort(&look, &[], work);
        amps.fill(0.0);
        for (&code, stations) in action.iter().zip(stations) {
            let kw = |station: usize| grid.stations[station].pilots.most * grid.stations[station].kw_per_amp;
            let all: f64 = stations.iter().map(|&station| kw(station as usize)).sum();
            let mut left = self.action.share(code).max(0.0) * all;
            for &station in &work.order {
                if left > 0.0 && stations.contains(&station) {
                    let station = station as usize;
                    amps[station] = look.most(station).min(left / grid.stations[station].kw_per_amp);
                    left -= amps[station] * grid.stations[station].kw_per_amp;
                }
            }
        }
    }

    /// Makes the commands in `room.amps` feasible.
    fn settle(&self, bays: &[Bay], meter: &Meter, room: &mut Room) {
        if !self.action.weighs() {
            return self.site.settle(bays, meter, room);
        }
        let Room { low, high, amps, most, offset, work } = room;
        let bounds = Bounds { most, offset };
        work.plugged.clear();
        work.resting.clear();
        meter.plugged(bays, |station| {
            let bay = &bays[station];
            work.plugged.push(station as u32);
            work.weights[station] = amps[station].clamp(-10.0, 10.0).exp();
            low[station] = 0.0;
            let most = self.site.grid.stations[station].pilots.most;
            let per_amp = self.site.grid.stations[station].kw_per_amp * self.site.hours;
            high[station] = if bay.active() { most.min(bay.missing_kwh / per_amp) } else { 0.0 };
            amps[station] = high[station];
        });
        raise(&self.site.grid, &bounds, amps, work);
        self.site.quantisation.apply(&self.site.grid, &bounds, high, amps, work);
    }

    /// From actions to what batteries took.
    pub(super) fn carry_out(
        &self,
        action: &[u32],
        lane: &mut Lane<'_>,
        (calls, store): (&[Call], &mut [Store]),
        room: &mut Room,
    ) -> Outcome {
        self.bounds_with_battery(lane.meter, calls, store, room);
        self.command(action, lane.bays, lane.meter, room);
        self.settle(lane.bays, lane.meter, room);
        let (Some(battery), [store]) = (&self.battery, store) else { return self.site.charge(lane, room) };
        let mut outcome = self.site.follow(lane.bays, room);
        self.bounds(lane.meter, calls, room);
        for &station in &room.work.plugged {
            room.amps[station as usize] = lane.bays[station as usize].amps;
        }
        room.work.load_plugged(&self.site.grid, &room.amps);
        let (signals, Meter { day, t, .. }) = (&self.signals, *lane.meter);
        let cars = outcome.energy_kwh - outcome.back_kwh;
        let kw = cars / self.site.hours + signals.at(&signals.load, day, t);
        let net = cars + battery.run(store, room, kw, signals.at(&signals.buy, day, t));
        (outcome.energy_kwh, outcome.back_kwh) = (net.max(0.0), (-net).max(0.0));
        self.site.count(lane.meter, &outcome);
        outcome
    }

    fn pay_for_energy(&self, meter: &mut Meter, outcome: &Outcome) {
        let (day, t) = (meter.day, meter.t);
        let signals = &self.signals;
        let paid = outcome.energy_kwh * signals.at(&signals.buy, day, t);
        meter.cost += paid - outcome.back_kwh * signals.at(&signals.sell, day, t);
        let net = outcome.energy_kwh - outcome.back_kwh;
        meter.carbon_kg += net * f64::from(signals.emissions.rate(day as usize, t));
        let peak = meter.power_kw + signals.at(&signals.load, day, t);
        if peak > meter.peak_kw {
            meter.cost += signals.demand_charge[day as usize] * (peak - meter.peak_kw);
            meter.peak_kw = peak;
        }
    }
}

impl LaneDynamics for Charging {
    type State = (Bay, Stay, Meter, Call, Worn, Soc, Pull, Store);

    fn counts(&self) -> Vec<usize> {
        let stations = self.site.grid.stations.len();
        let calls = self.response.as_ref().map_or(0, DemandResponse::most);
        let worn = if self.batteries.wear { stations } else { 0 };
        let pulls = if self.site.projection == Projection::L2 { super::nearest::memory(&self.site.grid) } else { 0 };
        vec![
            stations,
            self.source.most(),
            1,
            calls,
            worn,
            worn * (self.clock.steps() as usize + 1),
            pulls,
            self.battery.iter().len(),
        ]
    }

    fn draws(&self) -> usize {
        if self.batteries.noise_kw.get() > 0.0 { 2 * self.site.grid.stations.len() } else { 0 }
    }

    fn start_draws(&self) -> usize {
        1 + self.source.words() + self.response.as_ref().map_or(0, |_| DemandResponse::WORDS)
    }

    fn start(&self, at: At<'_>, (bays, stays, meter, calls, worn, socs, pulls, store): lanes::View<'_, Self>) {
        let day = self.calendar.pick(at.lane as u64, 1, at.episode, at.words[0]);
        let mut sessions: Vec<Session> = Vec::new();
        let turned_away = self.source.draw(day, &|word| at.words[1 + word], &mut sessions);
        stays.fill(Stay::zeroed());
        for (index, (stay, session)) in stays.iter_mut().zip(&sessions).enumerate() {
            *stay = self.batteries.stay(session, self.site.hours);
            stay.prefers = somewhere(at.words[0], index as u32, bays.len());
        }
        calls.fill(Call::zeroed());
        if let Some(response) = &self.response {
            let mut reductions: Vec<Reduction> = Vec::new();
            let first = 1 + self.source.words();
            response.draw(&self.clock, &|word| at.words[first + word], &mut reductions);
            for (call, reduction) in calls.iter_mut().zip(&reductions) {
                let Reduction { announced, start, end, share } = *reduction;
                *call = Call { announced, start, end, spare: 0, share: share.get() };
            }
        }
        worn.fill(Worn::zeroed());
        socs.fill(Soc(0.0));
        pulls.fill(Pull(0.0));
        store.fill(self.battery.as_ref().map_or_else(Store::zeroed, Stationary::start));
        step::start(day as u32, sessions.len() as u32, &mut Lane { bays, stays, meter: &mut meter[0] });
        meter[0].rejected = turned_away;
    }

    fn observe(&self, _: At<'_>, state: Shared<'_, Self>, features: &mut [f32]) {
        self.with_room(|room| self.view.write(self, state, room, features));
    }

    fn step(
        &self,
        at: At<'_>,
        action: &[u32],
        (bays, stays, meter, calls, worn, socs, pulls, store): lanes::View<'_, Self>,
        reward: &mut [f32],
    ) {
        self.with_room(|room| {
            let meter = &mut meter[0];
            let memory = bytemuck::cast_slice_mut(pulls);
            room.work.memory[..memory.len()].copy_from_slice(memory);
            let outcome = self.carry_out(action, &mut Lane { bays, stays, meter }, (calls, store), room);
            memory.copy_from_slice(&room.work.memory[..memory.len()]);
            if !at.words.is_empty() {
                self.batteries.lose(bays, at.words, self.site.hours);
            }
            let worn_off = if worn.is_empty() { 0.0 } else { self.wear(bays, meter.t, worn, socs) };
            self.pay_for_energy(meter, &outcome);
            meter.wear += worn_off;
            let mut paid = Paid::new(&self.payments, reward, &self.actors);
            paid.step(self, &outcome, worn_off, bays, meter, room);
            let t = meter.t + 1;
            for bay in bays.iter().filter(|_| meter.leaves <= t) {
                if bay.session != 0 && bay.departure <= t {
                    paid.leaves(bay, stays);
                }
            }
            let rejected = meter.rejected;
            step::tick(&mut Lane { bays, stays, meter });
            paid.finish(rejected, meter);
        });
    }

    fn measures(&self) -> Vec<String> {
        super::measure::names(&self.compared, self.battery.is_some())
    }

    fn measure(&self, state: Shared<'_, Self>, measures: &mut [f64]) {
        super::measure::write(self, state, measures);
    }

    fn traces(&self) -> usize {
        super::drawing::traces(self)
    }

    fn trace(&self, at: At<'_>, action: &[u32], state: Shared<'_, Self>, traces: &mut [f64]) {
        super::drawing::trace(self, at, action, state, traces);
    }

    fn draw(&self, state: Shared<'_, Self>, traces: &[f64]) -> Drawn {
        super::drawing::draw(self, state, traces)
    }

    fn twin(&self) -> Result<LaneTwin, String> {
        self.lane_twin()
    }
}

impl Charging {
    /// Writes states of charge down and adds up what batteries lost by leaving cars. `t`: the step that was made.
    fn wear(&self, bays: &[Bay], t: u32, worn: &mut [Worn], socs: &mut [Soc]) -> f64 {
        let room = self.clock.steps() as usize + 1;
        let mut lost = 0.0;
        for (station, bay) in bays.iter().enumerate() {
            let (worn, socs) = (&mut worn[station], &mut socs[station * room..][..room]);
            if bay.session == 0 {
                continue;
            }
            let energy = bay.amps * self.site.grid.stations[station].kw_per_amp * self.site.hours;
            if worn.count == 0 {
                let gained = if energy > 0.0 {
                    energy * self.site.cells.charging(bay.pilot)
                } else {
                    energy / self.site.cells.discharging
                };
                socs[0] = Soc(((bay.stored_kwh - gained) / bay.capacity_kwh) as f32);
                worn.count = 1;
            }
            if energy != 0.0 && (worn.count as usize) < room {
                socs[worn.count as usize] = Soc((bay.stored_kwh / bay.capacity_kwh) as f32);
                worn.count += 1;
                worn.through_kwh += energy.abs();
            }
            if bay.departure <= t + 1 {
                let hours = f64::from(bay.departure - bay.arrival + 1) * self.site.hours;
                let socs: &[f32] = bytemuck::cast_slice(&socs[..worn.count as usize]);
                let wear = super::battery::wear(socs, worn.through_kwh, hours);
                lost += wear.calendar + wear.cyclic;
                *worn = Worn::zeroed();
            }
        }
        lost
    }
}
