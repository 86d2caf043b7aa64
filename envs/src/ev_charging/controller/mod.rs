//! Rules that charge without learning: what a site would run today, and what fairness can be had online.
//!
//! A rule sees who is there, what is missing and when they say they leave, and gives every station a current. It knows
//! the largest current of a station, not what a car makes of it.

pub mod level;
pub mod named;
pub mod planned;
pub mod program;
pub mod round_robin;
pub mod sorted;

use super::grid::{Bounds, Grid};
use super::projection::Work;
use super::step::Bay;
use super::twin::Act;

/// What a rule sees.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Stations and limits.
    pub grid: &'a Grid,
    /// The limits of this step.
    pub bounds: Bounds<'a>,
    /// Who is there.
    pub bays: &'a [Bay],
    /// The step.
    pub t: u32,
    /// Hours in a step.
    pub hours: f64,
}

impl Look<'_> {
    /// Energy of one ampere in one step.
    pub fn kwh_per_amp(&self, station: usize) -> f64 {
        self.grid.stations[station].kw_per_amp * self.hours
    }

    /// What is missing, in ampere for one step.
    pub fn missing_amps(&self, station: usize) -> f64 {
        self.bays[station].missing_kwh / self.kwh_per_amp(station)
    }

    /// What the car at a station asked for.
    pub fn requested(&self, station: usize) -> f64 {
        self.bays[station].requested_kwh
    }

    /// The most that is worth offering.
    pub fn most(&self, station: usize) -> f64 {
        self.missing_amps(station).min(self.grid.stations[station].pilots.most - self.bays[station].refused)
    }

    /// Steps until the announced departure; negative for who is overdue.
    pub fn steps_left(&self, station: usize) -> f64 {
        f64::from(self.bays[station].est_departure) - f64::from(self.t)
    }

    /// Steps that a car could wait and still be served by its announced departure.
    pub fn laxity(&self, station: usize) -> f64 {
        self.steps_left(station) - self.missing_amps(station) / self.grid.stations[station].pilots.most
    }

    /// Stations with a car that wants to charge, in the order of their registration.
    pub fn active(&self) -> impl Iterator<Item = usize> {
        (0..self.bays.len()).filter(|&station| self.bays[station].active())
    }
}

/// A rule.
pub trait Rule: std::fmt::Debug + Send + Sync {
    /// The current of every station; `amps` is 0 on entry. `words`: noise, one word per station.
    fn offer(&self, look: &Look<'_>, words: &[u32], amps: &mut [f64], work: &mut Work);

    /// The same rule on a device, where it has a twin.
    fn act(&self) -> Option<Act> {
        None
    }
}

/// Everyone gets all they can take, whatever the limits.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl Rule for Everything {
    fn offer(&self, look: &Look<'_>, _: &[u32], amps: &mut [f64], _: &mut Work) {
        for station in look.active() {
            amps[station] = look.grid.stations[station].pilots.floor(look.most(station));
        }
    }

    fn act(&self) -> Option<Act> {
        Some(Act::new("    take_everything(at.thread);\n"))
    }
}

/// Nobody gets anything.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Rule for Nothing {
    fn offer(&self, _: &Look<'_>, _: &[u32], _: &mut [f64], _: &mut Work) {}
}
