//! A level rises for everyone; what each gets at a level is the rule.
//!
//! The highest level that the limits carry is found by bisection. Whoever is part of a limit that stops it keeps what
//! that level gives, the others rise on.

use super::{Look, Rule};
use crate::ev_charging::projection::Work;

/// What a station gets at a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    /// The same current.
    Current,
    /// What brings everyone to the same share of its request, this step included: max-min fairness of shares.
    Share,
    /// What maximises the α-fair welfare of shares, this step included: `Σ f^(1-α)/(1-α)`.
    AlphaFair(f64),
    /// What leaves everyone the same laxity (smoothed least laxity first; Chen et al., arXiv 2102.08610).
    Laxity,
}

/// Lets the level rise as far as the limits carry.
#[derive(Clone, Copy, Debug)]
pub struct Rising(pub Level);

/// Halvings of the level; its range is at most some thousand.
const HALVINGS: u32 = 60;

impl Level {
    /// Highest level that makes a difference for a station, and lowest.
    fn range(self, look: &Look<'_>, station: usize) -> (f64, f64) {
        let most = look.grid.stations[station].pilots.most;
        match self {
            Level::Current => (0.0, most),
            Level::Share => (0.0, 1.0),
            // The level is the logarithm of a price per kWh, with its sign turned.
            Level::AlphaFair(_) => (-40.0, 40.0),
            Level::Laxity => (look.laxity(station) - 1.0, look.laxity(station)),
        }
    }

    fn at(self, level: f64, look: &Look<'_>, station: usize, requested_kwh: f64) -> f64 {
        let per_amp = look.grid.stations[station].kw_per_amp * look.hours;
        let delivered = requested_kwh - look.bays[station].missing_kwh;
        let amps = match self {
            Level::Current => level,
            Level::Share => (level * requested_kwh - delivered) / per_amp,
            Level::AlphaFair(alpha) => {
                let share = ((level - requested_kwh.ln()) / alpha).exp();
                (share * requested_kwh - delivered) / per_amp
            }
            Level::Laxity => look.grid.stations[station].pilots.most * (level - look.laxity(station) + 1.0),
        };
        amps.clamp(0.0, look.most(station))
    }
}

impl Rule for Rising {
    fn offer(&self, look: &Look<'_>, _: &[u32], amps: &mut [f64], work: &mut Work) {
        let Rising(rule) = *self;
        let mut order = std::mem::take(&mut work.order);
        order.clear();
        order.extend(look.active().map(|station| station as u32));
        let set = |level: f64, order: &[u32], amps: &mut [f64]| {
            for &station in order {
                let station = station as usize;
                amps[station] = rule.at(level, look, station, look.requested(station));
            }
        };
        while !order.is_empty() {
            let ranges = order.iter().map(|&station| rule.range(look, station as usize));
            let (mut low, mut high) =
                ranges.fold((f64::INFINITY, f64::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
            set(high, &order, amps);
            work.load(look.grid, amps);
            if look.bounds.all_hold(&work.flows) {
                break;
            }
            for _ in 0..HALVINGS {
                let middle = 0.5 * (low + high);
                set(middle, &order, amps);
                work.load(look.grid, amps);
                if look.bounds.all_hold(&work.flows) { low = middle } else { high = middle }
            }
            set(high, &order, amps);
            work.load(look.grid, amps);
            set(low, &order, amps);
            let before = order.len();
            order.retain(|&station| {
                let column = look.grid.column(look.grid.class[station as usize] as usize);
                column.iter().all(|term| look.bounds.holds(term.to as usize, work.flows[term.to as usize]))
            });
            if order.len() == before {
                break;
            }
        }
        work.order = order;
    }
}
