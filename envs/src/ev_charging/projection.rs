//! Projections: what becomes of commands that the grid cannot carry.
//!
//! All of them keep commands between their bounds and all limits, so that whatever is learned or decided before them is
//! feasible after them. Which one is used decides who gets less, so it is a named choice of the scenario: for one shared
//! limit `L2` takes the same number of amperes from everyone (small requests starve), `MaxMin` gives everyone the same.

use super::grid::{Bounds, Flow, Grid, Term};
use super::nearest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of commands that the grid cannot carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Projection {
    /// They are carried out, and the excess is a cost.
    None,
    /// The nearest commands that it can carry, by the sum of squared differences: SustainGym's rule.
    #[default]
    L2,
    /// All of them times the same factor.
    Uniform,
    /// A level that rises for everyone until a limit stops those in it.
    MaxMin,
    /// As `MaxMin`, but what rises is the share of one's own command.
    ProportionalToRequest,
    /// One after the other, each as much as is left, in the order of registration.
    Registration,
}

/// Room for intermediate results, so that a step allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Sum of the currents of every class.
    pub sums: Vec<f64>,
    /// What every limit carries.
    pub flows: Vec<Flow>,
    /// The square of what every limit may carry.
    room: Vec<f64>,
    slopes: Vec<f64>,
    rising: Vec<bool>,
    /// By class: what did not fit, and after how many that did.
    refused: Vec<(f64, u32)>,
    /// Weights of the level that rises.
    pub weights: Vec<f64>,
    pub(super) nearest: nearest::Work,
    /// What `L2` remembers of the step before; zeros: nothing. It only saves time.
    pub memory: Vec<f64>,
    /// Stations whose car can be told anything but 0, in the order of registration; projections look at no others.
    pub plugged: Vec<u32>,
    /// Stations whose car has all that it wants and cannot give anything back. Empty where none of them was charged before.
    pub resting: Vec<u32>,
    /// Stations in some order.
    pub order: Vec<u32>,
    /// Keys of that order.
    pub keys: Vec<f64>,
}

impl Work {
    /// Room for this grid.
    pub fn new(grid: &Grid) -> Self {
        let stations = grid.stations.len();
        Work {
            sums: vec![0.0; grid.classes()],
            flows: vec![Flow::default(); grid.limits.len()],
            room: vec![0.0; grid.limits.len()],
            slopes: vec![0.0; grid.classes()],
            rising: vec![false; stations],
            refused: vec![(0.0, 0); grid.classes()],
            weights: vec![0.0; stations],
            nearest: nearest::Work::new(grid),
            memory: vec![0.0; nearest::memory(grid)],
            plugged: (0..stations as u32).collect(),
            resting: Vec::with_capacity(stations),
            order: Vec::with_capacity(stations),
            keys: vec![0.0; stations],
        }
    }

    /// Computes what every limit carries with these currents.
    pub fn load(&mut self, grid: &Grid, amps: &[f64]) {
        grid.sums(amps, &mut self.sums);
        grid.flows(&self.sums, &mut self.flows);
    }

    /// The same where only stations with a car draw anything.
    pub fn load_plugged(&mut self, grid: &Grid, amps: &[f64]) {
        grid.sums_of(&self.plugged, amps, &mut self.sums);
        grid.flows(&self.sums, &mut self.flows);
    }

    /// Adds `amps` to a class.
    pub fn add(&mut self, grid: &Grid, class: u32, amps: f64) {
        for term in grid.column(class as usize) {
            let flow = &mut self.flows[term.to as usize];
            flow.re += term.re * amps;
            flow.im += term.im * amps;
        }
    }

    /// Whether the grid carries `amps` more in a class.
    pub fn fits(&self, grid: &Grid, bounds: &Bounds<'_>, class: u32, amps: f64) -> bool {
        grid.column(class as usize).iter().all(|term| {
            let flow = self.flows[term.to as usize];
            let flow = Flow { re: flow.re + term.re * amps, im: flow.im + term.im * amps };
            bounds.holds(term.to as usize, flow)
        })
    }
}

impl Projection {
    /// Replaces commands by ones between their bounds `low ≤ 0 ≤ high` that the grid can carry. All but `L2` expect
    /// commands between their bounds; what is nearest depends on how far beyond them a command is.
    pub fn apply(self, grid: &Grid, bounds: &Bounds<'_>, low: &[f64], high: &[f64], amps: &mut [f64], work: &mut Work) {
        if self == Projection::L2 {
            return nearest::project(grid, bounds, low, high, amps, work);
        }
        if self == Projection::None {
            return;
        }
        work.load_plugged(grid, amps);
        if bounds.all_hold(&work.flows) {
            return;
        }
        match self {
            Projection::None | Projection::L2 => {}
            Projection::Uniform => shrink(grid, bounds, amps, work),
            Projection::MaxMin => {
                work.weights.fill(1.0);
                raise(grid, bounds, amps, work);
            }
            Projection::ProportionalToRequest => {
                for &station in &work.plugged {
                    work.weights[station as usize] = amps[station as usize].max(0.0);
                }
                raise(grid, bounds, amps, work);
            }
            Projection::Registration => one_by_one(grid, bounds, amps, work),
        }
    }
}

/// The largest `t ≤ most` up to which every limit of `slope` holds along `flow + t · slope`, and the limit that stops it.
fn furthest(bounds: &Bounds<'_>, flow: &[Flow], slope: impl Fn(usize) -> Flow, most: f64) -> (f64, Option<usize>) {
    let mut best = (most, None);
    for (limit, &flow) in flow.iter().enumerate() {
        let slope = slope(limit);
        // Limits are convex: one that holds here and there holds on the way.
        let there = Flow { re: flow.re + best.0 * slope.re, im: flow.im + best.0 * slope.im };
        let reach = bounds.reach(limit);
        if bounds.with(limit, there).square() <= reach * reach && bounds.with(limit, flow).square() <= reach * reach {
            continue;
        }
        let t = crossing(bounds, limit, flow, slope);
        if t < best.0 {
            best = (t, Some(limit));
        }
    }
    best
}

/// Where a limit stops holding along `flow + t · slope`, `t ≥ 0`; infinite where it never does.
fn crossing(bounds: &Bounds<'_>, limit: usize, flow: Flow, slope: Flow) -> f64 {
    let reach = bounds.reach(limit);
    leaving(bounds.with(limit, flow), slope, reach * reach)
}

/// Where `|flow + t · slope|²` becomes more than `room`.
fn leaving(flow: Flow, slope: Flow, room: f64) -> f64 {
    let steep = slope.square();
    if steep == 0.0 {
        return f64::INFINITY;
    }
    let along = flow.dot(slope);
    let short = (room - flow.square()).max(0.0);
    let root = (along * along + steep * short).sqrt();
    if along > 0.0 { short / (along + root) } else { (root - along) / steep }
}

/// Times one factor. The load that is there without cars is not scaled.
pub(super) fn shrink(grid: &Grid, bounds: &Bounds<'_>, amps: &mut [f64], work: &mut Work) {
    work.load_plugged(grid, amps);
    let factor = work.flows.iter().enumerate().map(|(limit, &flow)| crossing(bounds, limit, Flow::default(), flow));
    let factor = factor.fold(1.0, f64::min);
    for &station in &work.plugged {
        amps[station as usize] *= factor;
    }
    work.load_plugged(grid, amps);
}

/// Lets all positive commands rise from 0 with speeds `work.weights`, each up to itself; who is part of a limit that
/// is reached stops. What is given back to the grid is there from the beginning.
pub fn raise(grid: &Grid, bounds: &Bounds<'_>, amps: &mut [f64], work: &mut Work) {
    let mut any_back = false;
    for &station in &work.plugged {
        let station = station as usize;
        let wish = amps[station];
        work.keys[station] = wish;
        work.rising[station] = wish > 0.0 && work.weights[station] > 0.0;
        any_back |= wish < 0.0;
        amps[station] = wish.min(0.0);
    }
    if any_back {
        shrink(grid, bounds, amps, work);
    } else {
        work.flows.fill(Flow::default());
    }
    loop {
        work.slopes.fill(0.0);
        let mut most = f64::INFINITY;
        for &station in &work.plugged {
            let station = station as usize;
            if work.rising[station] {
                let weight = work.weights[station];
                work.slopes[grid.class[station] as usize] += weight;
                most = most.min((work.keys[station] - amps[station]) / weight);
            }
        }
        if most == f64::INFINITY {
            return;
        }
        let slope = |limit: usize| slope(grid, &work.slopes, limit);
        let (time, stopper) = furthest(bounds, &work.flows, slope, most);
        for (limit, flow) in work.flows.iter_mut().enumerate() {
            let slope = slope(limit);
            flow.re += time * slope.re;
            flow.im += time * slope.im;
        }
        for &station in &work.plugged {
            let station = station as usize;
            if work.rising[station] {
                let weight = work.weights[station];
                let reached = (work.keys[station] - amps[station]) / weight <= time;
                amps[station] = if reached { work.keys[station] } else { amps[station] + time * weight };
                work.rising[station] = !reached && !stopper.is_some_and(|limit| within(grid, limit, station));
            }
        }
    }
}

fn slope(grid: &Grid, slopes: &[f64], limit: usize) -> Flow {
    let mut sum = Flow::default();
    for term in grid.row(limit) {
        sum.re += term.re * slopes[term.to as usize];
        sum.im += term.im * slopes[term.to as usize];
    }
    sum
}

fn within(grid: &Grid, limit: usize, station: usize) -> bool {
    grid.row(limit).iter().any(|term| term.to == grid.class[station])
}

/// One station after the other, each as much of its command as the ones before leave.
fn one_by_one(grid: &Grid, bounds: &Bounds<'_>, amps: &mut [f64], work: &mut Work) {
    for &station in &work.plugged {
        let station = station as usize;
        work.keys[station] = amps[station];
        amps[station] = amps[station].min(0.0);
    }
    shrink(grid, bounds, amps, work);
    for index in 0..work.plugged.len() {
        let station = work.plugged[index] as usize;
        if work.keys[station] > 0.0 {
            amps[station] = most_in(grid, bounds, grid.class[station], work.keys[station], work);
            work.add(grid, grid.class[station], amps[station]);
        }
    }
}

/// The most that a class may draw beside what is drawn already, up to `most`.
fn most_in(grid: &Grid, bounds: &Bounds<'_>, class: u32, most: f64, work: &Work) -> f64 {
    grid.column(class as usize).iter().fold(most, |most, term| {
        most.min(crossing(bounds, term.to as usize, work.flows[term.to as usize], term.flow()))
    })
}

/// How commands become ones that a station can offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Quantisation {
    /// Not at all.
    None,
    /// Down to the next allowed current; what that leaves of every limit is handed out again, one increment after the
    /// other, in the order of registration.
    #[default]
    Floor,
    /// To the nearest allowed current, as SustainGym does. May exceed limits by a few amperes.
    Nearest,
}

impl Quantisation {
    /// Replaces commands by ones that the stations can offer. `wish`: what was asked for, which no station exceeds.
    pub fn apply(self, grid: &Grid, bounds: &Bounds<'_>, wish: &[f64], amps: &mut [f64], work: &mut Work) {
        if self == Quantisation::None || grid.stepless() {
            return;
        }
        let mut moved = false;
        for &station in &work.plugged {
            let (pilots, amps) = (grid.stations[station as usize].pilots, &mut amps[station as usize]);
            if *amps > 0.0 {
                let next = if self == Quantisation::Nearest { pilots.nearest(*amps) } else { pilots.floor(*amps) };
                moved |= next != *amps;
                *amps = next;
            }
        }
        if self == Quantisation::Floor && moved {
            hand_out(grid, bounds, wish, amps, work);
        }
    }
}

/// Raises stations to their next allowed current where it is within their wish and the limits.
fn hand_out(grid: &Grid, bounds: &Bounds<'_>, wish: &[f64], amps: &mut [f64], work: &mut Work) {
    work.load_plugged(grid, amps);
    if !bounds.all_hold(&work.flows) {
        return;
    }
    for (limit, room) in work.room.iter_mut().enumerate() {
        *room = bounds.room(limit);
    }
    // What did not fit in a class does not fit later in the step, unless something was added since.
    work.refused.fill((f64::NAN, 0));
    let mut added = 0;
    for at in 0..work.plugged.len() {
        let index = work.plugged[at] as usize;
        let (station, class) = (&grid.stations[index], grid.class[index]);
        while !station.pilots.continuous() && amps[index] >= 0.0 {
            let next = station.pilots.above(amps[index], 0.0);
            let more = next - amps[index];
            if next > wish[index] + super::pilots::PILOT_TOLERANCE {
                break;
            }
            if work.refused[class as usize] == (more, added) {
                break;
            }
            let column = grid.column(class as usize);
            let holds = |limit: usize, term: &Term, more: f64| {
                let flow = work.flows[limit];
                let flow = Flow { re: flow.re + term.re * more, im: flow.im + term.im * more };
                bounds.with(limit, flow).square() <= work.room[limit]
            };
            let carries = |more: f64| column.iter().all(|term| holds(term.to as usize, term, more));
            if !carries(more) {
                work.refused[class as usize] = (more, added);
                break;
            }
            // As many increments at once as fit: what holds here and there holds on the way.
            let wished = (wish[index] + super::pilots::PILOT_TOLERANCE - amps[index]) / more;
            if wished >= 3.0 && amps[index] >= station.pilots.least {
                let all = wished.floor() * more;
                let most = column.iter().fold(all, |most, term| {
                    let limit = term.to as usize;
                    if holds(limit, term, most) {
                        return most;
                    }
                    most.min(leaving(bounds.with(limit, work.flows[limit]), term.flow(), work.room[limit]))
                });
                let many = (most / more).floor() * more;
                if many > more && carries(many) {
                    work.add(grid, class, many);
                    added += 1;
                    amps[index] += many;
                    continue;
                }
            }
            work.add(grid, class, more);
            added += 1;
            amps[index] = next;
        }
    }
}
