//! One after the other: every station in some order, each the most that is left.

use super::{Look, Rule};
use crate::ev_charging::projection::Work;
use crate::ev_charging::twin::Act;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Brackets of the bisection end at this width, as in ACN-Sim.
const BRACKET_AMPS: f64 = 0.01;

/// Who comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Order {
    /// Who came first.
    FirstCome,
    /// Who came last.
    LastCome,
    /// Who leaves first.
    EarliestDeadline,
    /// Who can wait least.
    LeastLaxity,
    /// Who has least time left in proportion to the time that is needed.
    LeastLaxityRatio,
    /// Who needs the longest.
    LargestRemainingTime,
    /// Who has got the smallest share of its request.
    LeastServed,
    /// Chance, anew in every step.
    Random,
}

/// Serves stations in an order; equal ones as they are registered.
#[derive(Clone, Copy, Debug)]
pub struct Sorted(pub Order);

/// Everyone up to a share of its request, who can wait least first; what is left then by deadline. Where the share is
/// about what the site can give to all, nobody gets much more or less than it.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// The share.
    pub share: f64,
}

/// As [`Order::EarliestDeadline`], but nobody gets anything before it is needed.
#[derive(Clone, Copy, Debug)]
pub struct Latest;

impl Order {
    /// What is smaller comes first.
    pub fn key(self, look: &Look<'_>, station: usize, words: &[u32]) -> f64 {
        let bay = &look.bays[station];
        match self {
            Order::FirstCome => f64::from(bay.arrival),
            Order::LastCome => -f64::from(bay.arrival),
            Order::EarliestDeadline => f64::from(bay.est_departure),
            Order::LeastLaxity => look.laxity(station),
            Order::LeastLaxityRatio => {
                look.steps_left(station) * look.grid.stations[station].pilots.most / look.missing_amps(station)
            }
            Order::LargestRemainingTime => -look.missing_amps(station) / look.grid.stations[station].pilots.most,
            Order::LeastServed => -bay.missing_kwh / bay.requested_kwh,
            Order::Random => f64::from(words[station]),
        }
    }

    /// Leaves the active stations in this order in `work.order`.
    pub fn sort(self, look: &Look<'_>, words: &[u32], work: &mut Work) {
        let Work { order, keys, .. } = work;
        order.clear();
        for station in look.active() {
            keys[station] = self.key(look, station, words);
            order.push(station as u32);
        }
        order.sort_unstable_by(|&a, &b| keys[a as usize].total_cmp(&keys[b as usize]).then(a.cmp(&b)));
    }
}

impl Rule for Sorted {
    fn offer(&self, look: &Look<'_>, words: &[u32], amps: &mut [f64], work: &mut Work) {
        self.0.sort(look, words, work);
        serve(look, |station| look.most(station), amps, work);
    }

    fn act(&self) -> Option<Act> {
        Some(Act::serve(self.0, "ALL_THERE_IS"))
    }
}

impl Rule for Latest {
    fn offer(&self, look: &Look<'_>, words: &[u32], amps: &mut [f64], work: &mut Work) {
        Order::EarliestDeadline.sort(look, words, work);
        let needed = |station: usize| {
            let later = (look.steps_left(station) - 1.0).max(0.0) * look.grid.stations[station].pilots.most;
            (look.missing_amps(station) - later).clamp(0.0, look.most(station))
        };
        serve(look, needed, amps, work);
    }

    fn act(&self) -> Option<Act> {
        Some(Act::serve(Order::EarliestDeadline, "WHAT_IS_NEEDED"))
    }
}

impl Rule for Promise {
    fn offer(&self, look: &Look<'_>, words: &[u32], amps: &mut [f64], work: &mut Work) {
        let promised = |station: usize| {
            let kept_back = (1.0 - self.share) * look.requested(station);
            let missing = look.missing_amps(station) - kept_back / look.kwh_per_amp(station);
            missing.clamp(0.0, look.most(station))
        };
        Order::LeastLaxity.sort(look, words, work);
        serve(look, promised, amps, work);
        Order::EarliestDeadline.sort(look, words, work);
        serve(look, |station| look.most(station), amps, work);
    }

    fn act(&self) -> Option<Act> {
        let first = Act::serve(Order::LeastLaxity, "WHAT_IS_PROMISED").body;
        let rest = Act::serve(Order::EarliestDeadline, "ALL_THERE_IS").body;
        Some(Act { promised: self.share, ..Act::new(first + &rest) })
    }
}

/// Raises the stations of `work.order`, one after the other, to the most that the ones before leave.
fn serve(look: &Look<'_>, most: impl Fn(usize) -> f64, amps: &mut [f64], work: &mut Work) {
    work.load(look.grid, amps);
    for index in 0..work.order.len() {
        let station = work.order[index] as usize;
        let (class, had) = (look.grid.class[station], amps[station]);
        work.add(look.grid, class, -had);
        amps[station] = largest(look, station, most(station), work).max(had);
        work.add(look.grid, class, amps[station]);
    }
}

/// The largest current up to `most` that fits beside what is granted already.
fn largest(look: &Look<'_>, station: usize, most: f64, work: &Work) -> f64 {
    let (grid, pilots) = (look.grid, look.grid.stations[station].pilots);
    let fits = |amps: f64| work.fits(grid, &look.bounds, grid.class[station], amps);
    if !pilots.continuous() {
        let mut amps = pilots.floor(most);
        while amps > 0.0 && !fits(amps) {
            amps = pilots.below(amps);
        }
        return amps;
    }
    if fits(most) {
        return if most < pilots.least { 0.0 } else { most };
    }
    let (mut low, mut high) = (0.0, most);
    while high - low > BRACKET_AMPS {
        let middle = 0.5 * (low + high);
        if fits(middle) { low = middle } else { high = middle }
    }
    if low < pilots.least { 0.0 } else { low }
}
