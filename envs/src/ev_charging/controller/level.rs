//! A level rises for everyone; what each gets at a level is the rule.
//!
//! The highest level that the limits carry is found by bisection. Whoever is part of a limit that stops it keeps what
//! that level gives, the others rise on.

use super::{Look, Rule};
use crate::ev_charging::projection::Work;
use crate::ev_charging::twin::Act;

/// What a station gets at a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    /// The same current.
    Current,
    /// What brings everyone to the same share of its request, this step included: max-min fairness of shares.
    Share,
    /// What maximises the α-fair welfare of shares, this step included: `Σ f^(1-α)/(1-α)`.
    AlphaFair(f64),
    /// What brings everyone to a share of its request in proportion to the elapsed share of its stay: nobody falls behind
    /// on the way, so nobody is far behind in the end.
    Progress,
    /// All but the same current that everyone goes without.
    Loss,
    /// The same current up to half of what each can take, the same loss above (the rule of the Talmud).
    Talmud,
    /// What leaves everyone the same laxity (smoothed least laxity first; Chen et al., arXiv 2102.08610).
    Laxity,
}

/// Lets the level rise as far as the limits carry.
#[derive(Clone, Copy, Debug)]
pub struct Rising(pub Level);

/// Halvings of the level; its range is at most some thousand.
const HALVINGS: u32 = 60;

impl Level {
    /// Lowest level that makes a difference for a station, and highest. `half`: half of the most that any can take.
    fn range(self, look: &Look<'_>, station: usize, half: f64) -> (f64, f64) {
        let most = look.grid.stations[station].pilots.most;
        match self {
            Level::Current => (0.0, most),
            Level::Loss => (-most, 0.0),
            Level::Talmud => (0.0, 2.0 * half),
            Level::Share => (0.0, 1.0),
            // The level is the logarithm of a price per kWh, with its sign turned.
            Level::AlphaFair(_) => (-40.0, 40.0),
            Level::Progress => (0.0, 1000.0),
            Level::Laxity => (look.laxity(station) - 1.0, look.laxity(station)),
        }
    }

    fn at(self, level: f64, look: &Look<'_>, station: usize, half: f64) -> f64 {
        let (requested_kwh, per_amp) = (look.requested(station), look.kwh_per_amp(station));
        let delivered = requested_kwh - look.bays[station].missing_kwh;
        let amps = match self {
            Level::Current => level,
            Level::Loss => look.most(station) + level,
            Level::Talmud if level <= half => level.min(0.5 * look.most(station)),
            Level::Talmud => look.most(station) - (2.0 * half - level).min(0.5 * look.most(station)),
            Level::Share => (level * requested_kwh - delivered) / per_amp,
            Level::AlphaFair(alpha) => {
                let share = ((level - requested_kwh.ln()) / alpha).exp();
                (share * requested_kwh - delivered) / per_amp
            }
            Level::Progress => {
                let bay = &look.bays[station];
                let stay = f64::from(bay.est_departure.max(look.t + 1) - bay.arrival);
                let elapsed = f64::from(look.t + 1 - bay.arrival) / stay;
                (level * elapsed * requested_kwh - delivered) / per_amp
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
        let half = order.iter().map(|&station| 0.5 * look.most(station as usize)).fold(0.0, f64::max);
        let set = |level: f64, order: &[u32], amps: &mut [f64]| {
            for &station in order {
                let station = station as usize;
                amps[station] = rule.at(level, look, station, half);
            }
        };
        while !order.is_empty() {
            let ranges = order.iter().map(|&station| rule.range(look, station as usize, half));
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

    fn act(&self) -> Option<Act> {
        Some(Act { level: Some(self.0), ..Act::new("    rise(at.thread);\n") })
    }
}
