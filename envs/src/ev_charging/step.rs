//! How a site moves: plain functions on the arrays of one lane.
//!
//! The order within step `t`: commands, what becomes of them, batteries, meters; then `t + 1`: who leaves, who comes. A car
//! charges in the steps `arrival..departure`, and a station that one car leaves is free for the next in the same step.

use super::battery::{Battery, Taper};
use super::grid::{Bounds, Grid};
use super::projection::{Projection, Quantisation, Work};
use super::session::Session;
use bevy_ecs::component::Component;
use bytemuck::{Pod, Zeroable};

/// A car wants to charge as long as more than this is missing.
pub const DONE_KWH: f64 = 1e-3;

/// What a station knows of the car that is plugged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Component, Pod, Zeroable)]
#[repr(C)]
pub struct Bay {
    /// What was asked for.
    pub requested_kwh: f64,
    /// What is missing of it; may fall below 0 by the last step.
    pub missing_kwh: f64,
    /// Energy in the battery.
    pub stored_kwh: f64,
    /// Energy of a full battery.
    pub capacity_kwh: f64,
    /// Largest power of the car.
    pub most_kw: f64,
    /// Current of the last step, negative towards the grid.
    pub amps: f64,
    /// Current that was offered in the last step.
    pub pilot: f64,
    /// State of charge above which the battery slows down; below 0: that of [`Cells`].
    pub slows_from: f64,
    /// How far below the station's largest current rules believe the car to stay, by [`ramp_down`].
    pub refused: f64,
    /// Index of the session, counted from 1; 0: nobody is here.
    pub session: u32,
    /// Step in which the car came.
    pub arrival: u32,
    /// Step in which it leaves.
    pub departure: u32,
    /// Step in which it was said to leave.
    pub est_departure: u32,
}

impl Bay {
    /// Whether a car is here that wants to charge.
    pub fn active(&self) -> bool {
        self.session != 0 && self.missing_kwh > DONE_KWH
    }

    /// What it has got of its request, less what it gave.
    pub fn delivered_kwh(&self) -> f64 {
        self.requested_kwh - self.missing_kwh
    }
}

/// A session of the day, and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Component, Pod, Zeroable)]
#[repr(C)]
pub struct Stay {
    /// What it asks for.
    pub requested_kwh: f64,
    /// Energy of a full battery.
    pub capacity_kwh: f64,
    /// Energy in it at arrival.
    pub start_kwh: f64,
    /// Largest power of the car.
    pub most_kw: f64,
    /// State of charge above which the battery slows down; below 0: that of [`Cells`].
    pub slows_from: f64,
    /// Energy it got until it left, less what it gave.
    pub delivered_kwh: f64,
    /// Step in which it comes.
    pub arrival: u32,
    /// Step in which it leaves.
    pub departure: u32,
    /// Step in which it says that it leaves.
    pub est_departure: u32,
    /// Where it goes, or went; [`ANYWHERE`]: not decided.
    pub station: u32,
    /// One of [`TO_COME`], [`WAITING`], [`PLUGGED`], [`GONE`], [`REJECTED`].
    pub status: u32,
    /// 1 where a driver said what is needed.
    pub claimed: u32,
    /// Whose customer it is.
    pub operator: u32,
    /// The station from which on a car that goes anywhere looks for a free one.
    pub prefers: u32,
}

/// Any free station will do.
pub const ANYWHERE: u32 = u32::MAX;

/// It has not come yet.
pub const TO_COME: u32 = 0;
/// It found no free station, and waits for one.
pub const WAITING: u32 = 1;
/// It is plugged in.
pub const PLUGGED: u32 = 2;
/// It left.
pub const GONE: u32 = 3;
/// It had to leave before a station was free.
pub const REJECTED: u32 = 4;

/// Clock and sums of one site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Component, Pod, Zeroable)]
#[repr(C)]
pub struct Meter {
    /// The step to come.
    pub t: u32,
    /// Which episode of the calendar this is.
    pub day: u32,
    /// Sessions of the day.
    pub sessions: u32,
    /// The next of them to come.
    pub next: u32,
    /// Cars that wait for a station.
    pub waiting: u32,
    /// Cars that had to leave before a station was free, and those that no session was made of for that reason.
    pub rejected: u32,
    /// Energy from the grid.
    pub energy_kwh: f64,
    /// Energy to the grid.
    pub back_kwh: f64,
    /// Largest power, other loads included.
    pub peak_kw: f64,
    /// By how much commands were beyond limits: ampere (or kW), summed over limits and steps.
    pub excess: f64,
    /// What the energy cost, less what giving back earned.
    pub cost: f64,
    /// What its generation emitted.
    pub carbon_kg: f64,
    /// What all agents were paid together, by the first task.
    pub reward: f64,
    /// Power of the last step, other loads not included.
    pub power_kw: f64,
    /// What batteries lost, as shares of their capacity.
    pub wear: f64,
    /// Which of the first 32 stations have a car, a bit each.
    pub taken: u32,
    /// Which of the next 32 have.
    pub taken_above: u32,
    /// The step before which no car leaves.
    pub leaves: u32,
    /// Nothing.
    pub spare: u32,
}

/// Stations that [`Meter::taken`] and [`Meter::taken_above`] tell of.
const BITS: usize = u64::BITS as usize;

#[inline]
fn each_bit(mut bits: u64, mut each: impl FnMut(usize)) {
    while bits != 0 {
        each(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

impl Meter {
    /// Stations that have a car, in the order of registration.
    #[inline]
    pub fn plugged(&self, bays: &[Bay], mut each: impl FnMut(usize)) {
        each_bit(self.bits(), &mut each);
        for (station, bay) in bays.iter().enumerate().skip(BITS) {
            if bay.session != 0 {
                each(station);
            }
        }
    }

    fn bits(&self) -> u64 {
        u64::from(self.taken_above) << 32 | u64::from(self.taken)
    }

    fn take(&mut self, station: usize, departure: u32) {
        self.leaves = self.leaves.min(departure);
        if station < BITS {
            *self.word(station) |= 1 << (station % 32);
        }
    }

    fn word(&mut self, station: usize) -> &mut u32 {
        if station < 32 { &mut self.taken } else { &mut self.taken_above }
    }

    fn free(&mut self, station: usize) {
        if station < BITS {
            *self.word(station) &= !(1 << (station % 32));
        }
    }
}

impl Stay {
    /// A session with the battery that it comes with.
    pub fn new(session: &Session, capacity_kwh: f64, start_kwh: f64, most_kw: f64) -> Self {
        Stay {
            requested_kwh: session.requested_kwh,
            capacity_kwh,
            start_kwh,
            most_kw,
            slows_from: session.battery.and_then(|battery| battery.slows_from).unwrap_or(-1.0),
            delivered_kwh: 0.0,
            arrival: session.arrival,
            departure: session.departure,
            est_departure: session.est_departure,
            station: session.station.unwrap_or(ANYWHERE),
            status: TO_COME,
            claimed: session.claimed.into(),
            operator: session.operator,
            prefers: 0,
        }
    }

    /// What it has got so far.
    pub fn delivered(&self, bays: &[Bay]) -> f64 {
        if self.status == PLUGGED { bays[self.station as usize].delivered_kwh() } else { self.delivered_kwh }
    }

    /// The share of its request that it got.
    pub fn served(&self, bays: &[Bay]) -> f64 {
        if self.requested_kwh > 0.0 { (self.delivered(bays) / self.requested_kwh).clamp(0.0, 1.0) } else { 1.0 }
    }
}

/// What is the same for every car.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cells {
    /// How charging slows down.
    pub taper: Taper,
    /// Largest power to the grid.
    pub most_back_kw: f64,
    /// Share of a battery that is never given back.
    pub least_share: f64,
    /// Share of the energy from the grid that is stored.
    pub charging: f64,
    /// The same by the current that is offered, in whole ampere; the last entry stands for larger ones.
    pub by_amps: Option<[f32; AMPS]>,
    /// Share of the stored energy that comes back.
    pub discharging: f64,
    /// Whether rules learn from what cars took what they take at most.
    pub ramp_down: bool,
}

/// The most that a car is believed to take, after it was offered `pilot` and took `amps`: the estimator of ACN-Sim (Lee et al.,
/// *Adaptive Charging Networks*, IEEE TSG 2021). `bound`: what was believed before; `most`: the station's largest current.
pub fn ramp_down(bound: f64, pilot: f64, amps: f64, most: f64) -> f64 {
    const NOTICED_AMPS: f64 = 1.0;
    let bound = if pilot - amps > NOTICED_AMPS {
        amps + NOTICED_AMPS
    } else if bound - amps < NOTICED_AMPS {
        bound + NOTICED_AMPS
    } else {
        bound
    };
    bound.clamp(0.0, most)
}

/// Currents that efficiencies are told apart by, from 0 A.
pub const AMPS: usize = 65;

impl Default for Cells {
    fn default() -> Self {
        Cells {
            taper: Taper::Never,
            most_back_kw: 0.0,
            least_share: 0.0,
            charging: 1.0,
            by_amps: None,
            discharging: 1.0,
            ramp_down: false,
        }
    }
}

impl Cells {
    /// What of the energy is stored at a current.
    #[inline]
    pub fn charging(&self, amps: f64) -> f64 {
        match &self.by_amps {
            None => self.charging,
            Some(table) => f64::from(table[(amps as usize).min(AMPS - 1)]),
        }
    }

    /// The battery of a car, at the current that it is offered.
    #[inline]
    pub fn battery(&self, bay: &Bay) -> Battery {
        let from = |site: f64| if bay.slows_from < 0.0 { site } else { bay.slows_from };
        let taper = match self.taper {
            Taper::Never => Taper::Never,
            Taper::Smooth { from: site, haste } => Taper::Smooth { from: from(site), haste },
            Taper::Stepwise { from: site } => Taper::Stepwise { from: from(site) },
        };
        Battery {
            capacity_kwh: bay.capacity_kwh,
            most_kw: bay.most_kw,
            most_back_kw: self.most_back_kw,
            least_share: self.least_share,
            charging: self.charging(bay.pilot),
            discharging: self.discharging,
            taper,
        }
    }
}

/// The state of one lane.
pub struct Lane<'a> {
    /// One row per station.
    pub bays: &'a mut [Bay],
    /// One row per session of the day, by arrival; days may have fewer.
    pub stays: &'a mut [Stay],
    /// Clock and sums.
    pub meter: &'a mut Meter,
}

/// What a site is, for all lanes.
#[derive(Clone, Debug)]
pub struct Site {
    /// Stations and limits.
    pub grid: Grid,
    /// Batteries.
    pub cells: Cells,
    /// Hours in a step.
    pub hours: f64,
    /// How commands are made feasible.
    pub projection: Projection,
    /// How they become what stations can offer.
    pub quantisation: Quantisation,
}

/// Room for intermediate results, so that a step allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// Least command of every station.
    pub low: Vec<f64>,
    /// Largest command of every station.
    pub high: Vec<f64>,
    /// Commands.
    pub amps: Vec<f64>,
    /// Bounds of the limits in this step.
    pub most: Vec<f64>,
    /// What the limits carry without cars in this step.
    pub offset: Vec<f64>,
    /// For projections and rules.
    pub work: Work,
}

impl Room {
    /// Room for this grid.
    pub fn new(grid: &Grid) -> Self {
        let none = vec![0.0; grid.stations.len()];
        let bounds = grid.bounds();
        Room {
            low: none.clone(),
            high: none.clone(),
            amps: none,
            most: bounds.most.to_vec(),
            offset: bounds.offset.to_vec(),
            work: Work::new(grid),
        }
    }
}

/// What happened in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Energy from the grid.
    pub energy_kwh: f64,
    /// Energy to the grid.
    pub back_kwh: f64,
    /// Sum of the currents.
    pub amps: f64,
    /// By how much the commands exceed the limits, summed over limits.
    pub excess: f64,
}

/// Empties a lane and plugs in who is there from the beginning. The stays are those of the day already.
pub fn start(day: u32, sessions: u32, lane: &mut Lane<'_>) {
    lane.bays.fill(Bay::zeroed());
    *lane.meter = Meter { day, sessions, leaves: u32::MAX, ..Meter::zeroed() };
    arrive(lane);
}

impl Site {
    /// Turns the commands in `room.amps` into ones that stations can offer and the grid can carry. What stands there for
    /// stations without a car means nothing afterwards.
    pub fn settle(&self, bays: &[Bay], meter: &Meter, room: &mut Room) {
        let Room { low, high, amps, most, offset, work } = room;
        let bounds = Bounds { most, offset };
        self.share_posts(amps);
        work.plugged.clear();
        work.resting.clear();
        let all_move = self.cells.ramp_down || self.grid.gives_back();
        let moves = |bay: &Bay| all_move | (bay.missing_kwh > DONE_KWH);
        // Bits first, so that there is nothing to guess in the loop over all cars.
        let (taken, mut moving, mut stops) = (meter.bits(), 0, false);
        each_bit(taken, |station| {
            let bay = &bays[station];
            moving |= u64::from(moves(bay)) << station;
            stops |= !moves(bay) & (bay.pilot != 0.0);
        });
        each_bit(moving, |station| {
            work.plugged.push(station as u32);
            self.within_range(station, &bays[station], [&mut *low, &mut *high, &mut *amps]);
        });
        if stops {
            each_bit(taken & !moving, |station| work.resting.push(station as u32));
        }
        for (station, bay) in bays.iter().enumerate().skip(BITS).filter(|(_, bay)| bay.session != 0) {
            if moves(bay) {
                work.plugged.push(station as u32);
                self.within_range(station, bay, [&mut *low, &mut *high, &mut *amps]);
            } else {
                work.resting.push(station as u32);
            }
        }
        self.projection.apply(&self.grid, &bounds, low, high, amps, work);
        self.quantisation.apply(&self.grid, &bounds, high, amps, work);
    }

    /// Finds the range of a station and brings its command there.
    #[inline(always)]
    fn within_range(&self, index: usize, bay: &Bay, [low, high, amps]: [&mut [f64]; 3]) {
        let station = &self.grid.stations[index];
        [low[index], high[index]] = self.range(index, bay);
        // A command that is no number is none.
        let wish = if amps[index].is_nan() { 0.0 } else { amps[index] };
        // The nearest commands are those nearest to what was asked for, not to what the cars could take of it.
        let [least, most] = match self.projection {
            Projection::L2 => [-station.most_back, station.pilots.most],
            _ => [low[index], high[index]],
        };
        amps[index] = wish.max(least).min(most);
    }

    /// What a station may be told: at most what the car can give back, at most what it still wants.
    #[inline]
    pub fn range(&self, station: usize, bay: &Bay) -> [f64; 2] {
        if bay.session == 0 {
            return [0.0; 2];
        }
        let station = &self.grid.stations[station];
        let per_amp = station.kw_per_amp * self.hours;
        let wanted = if self.projection == Projection::None { f64::INFINITY } else { bay.missing_kwh / per_amp };
        let high = if bay.missing_kwh > DONE_KWH { wanted.min(station.pilots.most) } else { 0.0 };
        if station.most_back == 0.0 {
            return [0.0, high];
        }
        let spare = (bay.stored_kwh - self.cells.least_share * bay.capacity_kwh).max(0.0) * self.cells.discharging;
        [-station.most_back.min(self.cells.most_back_kw / station.kw_per_amp).min(spare / per_amp), high]
    }

    /// Ports of one post share one station's current: commands beyond it shrink alike.
    fn share_posts(&self, amps: &mut [f64]) {
        for post in 0..self.grid.posts {
            let (mut sum, mut most) = (0.0, 0.0);
            for (station, amps) in self.grid.stations.iter().zip(&*amps) {
                if station.post == Some(post) {
                    sum += amps.max(0.0);
                    most = station.pilots.most;
                }
            }
            if sum > most {
                for (station, amps) in self.grid.stations.iter().zip(amps.iter_mut()) {
                    if station.post == Some(post) && *amps > 0.0 {
                        *amps *= most / sum;
                    }
                }
            }
        }
    }

    /// Charges for one step with the commands in `room.amps` that were [settled](Self::settle) for these bays.
    pub fn charge(&self, lane: &mut Lane<'_>, room: &mut Room) -> Outcome {
        let outcome = self.follow(lane.bays, room);
        self.count(lane.meter, &outcome);
        outcome
    }

    /// What batteries make of the commands.
    #[inline]
    pub(super) fn follow(&self, bays: &mut [Bay], room: &mut Room) -> Outcome {
        let Room { amps, most, offset, work, .. } = room;
        work.load_plugged(&self.grid, amps);
        let excess = self.grid.excess(&work.flows, &Bounds { most, offset });
        let mut outcome = Outcome { excess, ..Outcome::default() };
        for &index in &work.resting {
            let bay = &mut bays[index as usize];
            (bay.pilot, bay.amps) = (0.0, 0.0);
        }
        for &index in &work.plugged {
            let (station, bay) = (&self.grid.stations[index as usize], &mut bays[index as usize]);
            let pilot = amps[index as usize];
            bay.pilot = pilot;
            let battery = self.cells.battery(bay);
            let (energy, stored) = battery.follow(bay.stored_kwh, pilot * station.kw_per_amp, self.hours);
            bay.stored_kwh = stored;
            bay.missing_kwh -= energy;
            bay.amps = energy / (station.kw_per_amp * self.hours);
            if self.cells.ramp_down {
                let most = station.pilots.most;
                bay.refused = most - ramp_down(most - bay.refused, pilot, bay.amps, most);
            }
            outcome.amps += bay.amps;
            outcome.energy_kwh += energy.max(0.0);
            outcome.back_kwh -= energy.min(0.0);
        }
        outcome
    }

    /// Adds a step to the meter.
    #[inline]
    pub(super) fn count(&self, meter: &mut Meter, outcome: &Outcome) {
        meter.energy_kwh += outcome.energy_kwh;
        meter.back_kwh += outcome.back_kwh;
        meter.power_kw = (outcome.energy_kwh - outcome.back_kwh) / self.hours;
        meter.excess += outcome.excess;
    }
}

/// Moves the clock: who leaves at the step to come, then who comes.
pub fn tick(lane: &mut Lane<'_>) {
    lane.meter.t += 1;
    if lane.meter.leaves <= lane.meter.t {
        leave(lane);
    }
    arrive(lane);
}

fn leave(lane: &mut Lane<'_>) {
    let t = lane.meter.t;
    lane.meter.leaves = u32::MAX;
    for (station, bay) in lane.bays.iter_mut().enumerate().filter(|(_, bay)| bay.session != 0) {
        if bay.departure <= t {
            let stay = &mut lane.stays[bay.session as usize - 1];
            (stay.delivered_kwh, stay.status) = (bay.delivered_kwh(), GONE);
            *bay = Bay::zeroed();
            lane.meter.free(station);
        } else {
            lane.meter.leaves = lane.meter.leaves.min(bay.departure);
        }
    }
}

fn arrive(lane: &mut Lane<'_>) {
    let t = lane.meter.t;
    if lane.meter.waiting > 0 {
        for index in 0..lane.meter.next as usize {
            if lane.stays[index].status == WAITING {
                lane.meter.waiting -= 1;
                come(index, t, lane);
            }
        }
    }
    while lane.meter.next < lane.meter.sessions && lane.stays[lane.meter.next as usize].arrival <= t {
        come(lane.meter.next as usize, t, lane);
        lane.meter.next += 1;
    }
}

/// Plugs a car in, or has it wait, or counts it as rejected.
fn come(index: usize, t: u32, lane: &mut Lane<'_>) {
    let stay = &mut lane.stays[index];
    if stay.departure <= t {
        stay.status = REJECTED;
        lane.meter.rejected += 1;
        return;
    }
    let free = |station: &usize| lane.bays[*station].session == 0;
    let station = match stay.station {
        ANYWHERE => {
            let first = stay.prefers as usize;
            (first..lane.bays.len()).chain(0..first.min(lane.bays.len())).find(free)
        }
        station => Some(station as usize).filter(free),
    };
    let Some(station) = station else {
        stay.status = WAITING;
        lane.meter.waiting += 1;
        return;
    };
    (stay.status, stay.station) = (PLUGGED, station as u32);
    lane.meter.take(station, stay.departure);
    lane.bays[station] = Bay {
        requested_kwh: stay.requested_kwh,
        missing_kwh: stay.requested_kwh,
        stored_kwh: stay.start_kwh,
        capacity_kwh: stay.capacity_kwh,
        most_kw: stay.most_kw,
        amps: 0.0,
        pilot: 0.0,
        slows_from: stay.slows_from,
        refused: 0.0,
        session: index as u32 + 1,
        arrival: stay.arrival,
        departure: stay.departure,
        est_departure: stay.est_departure,
    };
}
