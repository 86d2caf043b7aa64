//! Round robin: everyone in turn, one increment at a time.

use super::sorted::Order;
use super::{Look, Rule};
use crate::ev_charging::projection::Work;
use crate::ev_charging::twin::Act;

/// Raises stations in turn, in the order of arrival, until nobody can be raised.
#[derive(Clone, Copy, Debug)]
pub struct InTurn {
    /// What a turn adds on a continuous station; others go to their next current.
    pub increment: f64,
}

impl Rule for InTurn {
    fn offer(&self, look: &Look<'_>, words: &[u32], amps: &mut [f64], work: &mut Work) {
        const ROUNDING: f64 = 1e-9;
        Order::FirstCome.sort(look, words, work);
        work.load(look.grid, amps);
        let mut order = std::mem::take(&mut work.order);
        while !order.is_empty() {
            order.retain(|&station| {
                let station = station as usize;
                let class = look.grid.class[station];
                let next = look.grid.stations[station].pilots.above(amps[station], self.increment);
                let rises = next <= look.most(station) + ROUNDING
                    && work.fits(look.grid, &look.bounds, class, next - amps[station]);
                if rises {
                    work.add(look.grid, class, next - amps[station]);
                    amps[station] = next;
                }
                rises
            });
        }
        work.order = order;
    }

    fn act(&self) -> Option<Act> {
        let body = "    sort_by(at.thread, FIRST_COME);\n    in_turn(at.thread);\n";
        Some(Act { increment: self.increment, ..Act::new(body) })
    }
}
