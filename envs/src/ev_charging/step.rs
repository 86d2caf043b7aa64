//! How a site moves: plain functions on the arrays of one lane.
//!
//! The order within step `t`: commands, what becomes of them, batteries, meters; then `t + 1`: who leaves, who comes. A car
//! charges in the steps `arrival..departure`, and a station that one car leaves is free for the next in the same step.

use super::battery::{Battery, Taper};
use super::grid::{Bounds, Grid};
use super::projection::{Projection, Quantisation, Work};
use super::session::Session;
use bytemuck::{Pod, Zeroable};

/// A car wants to charge as long as more than this is missing.
pub const DONE_KWH: f64 = 1e-3;

/// What a station knows of the car that is plugged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
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
}

/// What became of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Stay {
    /// Energy it got, less what it gave.
    pub delivered_kwh: f64,
    /// One of [`TO_COME`], [`WAITING`], [`PLUGGED`], [`GONE`], [`REJECTED`].
    pub status: u32,
    /// Where it was plugged in.
    pub station: u32,
}

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Meter {
    /// The step to come.
    pub t: u32,
    /// Which of the days this is.
    pub day: u32,
    /// The next session to come.
    pub next: u32,
    /// Cars that wait for a station.
    pub waiting: u32,
    /// Energy from the grid.
    pub energy_kwh: f64,
    /// Energy to the grid.
    pub back_kwh: f64,
    /// Largest power.
    pub peak_kw: f64,
    /// By how much commands were beyond limits: ampere (or kW), summed over limits and steps.
    pub excess: f64,
    /// What the energy cost.
    pub cost: f64,
    /// What its generation emitted.
    pub carbon_kg: f64,
    /// What batteries lost, as shares of their capacity.
    pub wear: f64,
}

/// A session, prepared.
#[derive(Clone, Debug, PartialEq)]
pub struct Car {
    /// The session.
    pub session: Session,
    /// Energy of a full battery.
    pub capacity_kwh: f64,
    /// Energy at arrival.
    pub start_kwh: f64,
    /// Largest power.
    pub most_kw: f64,
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
    /// Share of the stored energy that comes back.
    pub discharging: f64,
}

impl Default for Cells {
    fn default() -> Self {
        Cells { taper: Taper::Never, most_back_kw: 0.0, least_share: 0.0, charging: 1.0, discharging: 1.0 }
    }
}

impl Cells {
    /// The battery of a car.
    #[inline]
    pub fn battery(&self, bay: &Bay) -> Battery {
        Battery {
            capacity_kwh: bay.capacity_kwh,
            most_kw: bay.most_kw,
            most_back_kw: self.most_back_kw,
            least_share: self.least_share,
            charging: self.charging,
            discharging: self.discharging,
            taper: self.taper,
        }
    }
}

/// The state of one lane.
pub struct Lane<'a> {
    /// One row per station.
    pub bays: &'a mut [Bay],
    /// One row per session of the day; days may have fewer.
    pub stays: &'a mut [Stay],
    /// Clock and sums.
    pub meter: &'a mut Meter,
}

/// What commands are turned into before batteries see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Safety {
    /// How they are made feasible.
    pub projection: Projection,
    /// How they become what stations can offer.
    pub quantisation: Quantisation,
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

/// Empties a lane and plugs in who is there from the beginning.
pub fn start(cars: &[Car], day: u32, lane: &mut Lane<'_>) {
    lane.bays.fill(Bay::zeroed());
    lane.stays.fill(Stay::zeroed());
    *lane.meter = Meter { day, ..Meter::zeroed() };
    arrive(cars, lane);
}

/// The bounds of what a station may be told: what the car still wants, what it can give back.
fn bounds_of(grid: &Grid, cells: &Cells, bays: &[Bay], hours: f64, safety: Safety, work: &mut Limits) {
    for (index, bay) in bays.iter().enumerate() {
        let station = &grid.stations[index];
        let per_amp = station.kw_per_amp * hours;
        let wanted = if safety.projection == Projection::None { f64::INFINITY } else { bay.missing_kwh / per_amp };
        work.high[index] = if bay.active() { wanted.min(station.pilots.most) } else { 0.0 };
        let spare = (bay.stored_kwh - cells.least_share * bay.capacity_kwh).max(0.0) * cells.discharging / per_amp;
        work.low[index] = if bay.session == 0 { 0.0 } else { -station.most_back.min(spare) };
    }
}

/// Bounds of commands, one per station.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Least command.
    pub low: Vec<f64>,
    /// Largest command.
    pub high: Vec<f64>,
}

impl Limits {
    /// Room for this grid.
    pub fn new(grid: &Grid) -> Self {
        let none = vec![0.0; grid.stations.len()];
        Limits { low: none.clone(), high: none }
    }
}

/// Turns commands into ones that stations can offer and the grid can carry.
#[allow(clippy::too_many_arguments)]
pub fn settle(
    grid: &Grid,
    cells: &Cells,
    hours: f64,
    safety: Safety,
    bounds: &Bounds<'_>,
    bays: &[Bay],
    amps: &mut [f64],
    limits: &mut Limits,
    work: &mut Work,
) {
    bounds_of(grid, cells, bays, hours, safety, limits);
    share_posts(grid, amps);
    for (amps, station) in amps.iter_mut().zip(&grid.stations) {
        // A command that is no number is none.
        *amps = if amps.is_nan() { 0.0 } else { amps.max(-station.most_back).min(station.pilots.most) };
    }
    // The nearest commands are those nearest to what was asked for, not to what the cars could take of it.
    if safety.projection != Projection::L2 {
        clip(amps, limits);
    }
    safety.projection.apply(grid, bounds, &limits.low, &limits.high, amps, work);
    safety.quantisation.apply(grid, bounds, &limits.high, amps, work);
}

fn clip(amps: &mut [f64], limits: &Limits) {
    for (amps, (low, high)) in amps.iter_mut().zip(limits.low.iter().zip(&limits.high)) {
        *amps = amps.max(*low).min(*high);
    }
}

/// Ports of one post share one station's current: commands beyond it shrink alike.
fn share_posts(grid: &Grid, amps: &mut [f64]) {
    if grid.posts == 0 {
        return;
    }
    for post in 0..grid.posts {
        let (mut sum, mut most) = (0.0, 0.0);
        for (station, amps) in grid.stations.iter().zip(&*amps) {
            if station.post == Some(post) {
                sum += amps.max(0.0);
                most = station.pilots.most;
            }
        }
        if sum > most {
            for (station, amps) in grid.stations.iter().zip(amps.iter_mut()) {
                if station.post == Some(post) && *amps > 0.0 {
                    *amps *= most / sum;
                }
            }
        }
    }
}

/// Charges for one step. `amps`: settled commands.
pub fn charge(
    grid: &Grid,
    cells: &Cells,
    hours: f64,
    bounds: &Bounds<'_>,
    amps: &[f64],
    lane: &mut Lane<'_>,
    work: &mut Work,
) -> Outcome {
    work.load(grid, amps);
    let mut outcome = Outcome { excess: grid.excess(&work.flows, bounds), ..Outcome::default() };
    for ((station, bay), &pilot) in grid.stations.iter().zip(lane.bays.iter_mut()).zip(amps) {
        if bay.session == 0 {
            continue;
        }
        bay.pilot = pilot;
        let (energy, stored) = cells.battery(bay).follow(bay.stored_kwh, pilot * station.kw_per_amp, hours);
        bay.stored_kwh = stored;
        bay.missing_kwh -= energy;
        bay.amps = energy / (station.kw_per_amp * hours);
        outcome.amps += bay.amps;
        outcome.energy_kwh += energy.max(0.0);
        outcome.back_kwh -= energy.min(0.0);
    }
    let meter = &mut *lane.meter;
    meter.energy_kwh += outcome.energy_kwh;
    meter.back_kwh += outcome.back_kwh;
    meter.peak_kw = meter.peak_kw.max((outcome.energy_kwh - outcome.back_kwh) / hours);
    meter.excess += outcome.excess;
    outcome
}

/// Moves the clock: who leaves at the step to come, then who comes.
pub fn tick(cars: &[Car], lane: &mut Lane<'_>) {
    lane.meter.t += 1;
    let t = lane.meter.t;
    for bay in lane.bays.iter_mut() {
        if bay.session != 0 && bay.departure <= t {
            unplug(cars, bay, lane.stays);
        }
    }
    arrive(cars, lane);
}

/// Writes down what the cars that are still here have got so far.
pub fn close(cars: &[Car], lane: &mut Lane<'_>) {
    for bay in lane.bays.iter() {
        if let Some(index) = (bay.session as usize).checked_sub(1) {
            lane.stays[index].delivered_kwh = cars[index].session.requested_kwh - bay.missing_kwh;
        }
    }
}

fn unplug(cars: &[Car], bay: &mut Bay, stays: &mut [Stay]) {
    let index = bay.session as usize - 1;
    stays[index].delivered_kwh = cars[index].session.requested_kwh - bay.missing_kwh;
    stays[index].status = GONE;
    *bay = Bay::zeroed();
}

fn arrive(cars: &[Car], lane: &mut Lane<'_>) {
    let t = lane.meter.t;
    if lane.meter.waiting > 0 {
        for index in 0..lane.meter.next as usize {
            if lane.stays[index].status == WAITING {
                lane.meter.waiting -= 1;
                come(cars, index, t, lane);
            }
        }
    }
    while let Some(car) = cars.get(lane.meter.next as usize)
        && car.session.arrival <= t
    {
        come(cars, lane.meter.next as usize, t, lane);
        lane.meter.next += 1;
    }
}

/// Plugs a car in, or has it wait, or counts it as rejected.
fn come(cars: &[Car], index: usize, t: u32, lane: &mut Lane<'_>) {
    let Car { session, capacity_kwh, start_kwh, most_kw } = &cars[index];
    let stay = &mut lane.stays[index];
    if session.departure <= t {
        stay.status = REJECTED;
        return;
    }
    let free = |station: &usize| lane.bays[*station].session == 0;
    let station = match session.station {
        Some(station) => Some(station as usize).filter(free),
        None => (0..lane.bays.len()).find(free),
    };
    let Some(station) = station else {
        stay.status = WAITING;
        lane.meter.waiting += 1;
        return;
    };
    (stay.status, stay.station) = (PLUGGED, station as u32);
    lane.bays[station] = Bay {
        requested_kwh: session.requested_kwh,
        missing_kwh: session.requested_kwh,
        stored_kwh: *start_kwh,
        capacity_kwh: *capacity_kwh,
        most_kw: *most_kw,
        amps: 0.0,
        pilot: 0.0,
        session: index as u32 + 1,
        arrival: session.arrival,
        departure: session.departure,
        est_departure: session.est_departure,
    };
}
