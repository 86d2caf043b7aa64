//! What is said of a day: energy, money, carbon, and who was served how well.

use super::dynamics::Charging;
use super::step::{Meter, Stay, TO_COME};
use isonomy_engine::lanes::Shared;
use isonomy_engine::metrics::{gini, jain};
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Classes of sessions that are compared. Every class gets `served_mean.<class>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Compared {
    /// By the phase pair of the station.
    Phase,
    /// Shorter stays than this, and longer ones.
    Stay {
        /// The limit.
        hours: Positive,
    },
    /// Whether a driver said what is needed.
    Claimed,
    /// Smaller batteries than this, and larger ones.
    Battery {
        /// The limit.
        kwh: Positive,
    },
    /// By the price of energy when they come: below this, or at least this.
    Tariff {
        /// The limit, per kWh.
        price: NonNegative,
    },
    /// Who comes before this hour, and after.
    Arrival {
        /// The limit.
        hour: Positive,
    },
    /// By who runs the station, or whose customer the car is.
    Operator {
        /// How many there are, counted from 0.
        count: std::num::NonZeroU32,
    },
}

const WHOLE: [&str; 16] = [
    "energy_kwh",
    "back_kwh",
    "requested_kwh",
    "served_mean",
    "served_min",
    "jain",
    "gini",
    "cars",
    "rejected",
    "cost",
    "carbon_kg",
    "peak_kw",
    "excess",
    "battery_wear",
    "total_reward",
    "delivered_kwh",
];

impl Compared {
    fn classes(&self) -> Vec<String> {
        let both = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        match self {
            Compared::Phase => ["ab", "bc", "ca", "other"].map(|phase| format!("phase_{phase}")).to_vec(),
            Compared::Stay { .. } => both("short_stay", "long_stay"),
            Compared::Claimed => both("unclaimed", "claimed"),
            Compared::Battery { .. } => both("small_battery", "large_battery"),
            Compared::Tariff { .. } => both("cheap_arrival", "dear_arrival"),
            Compared::Arrival { .. } => both("early_arrival", "late_arrival"),
            Compared::Operator { count } => (0..count.get()).map(|operator| format!("operator_{operator}")).collect(),
        }
    }

    fn class(&self, dynamics: &Charging, day: u32, stay: &Stay) -> usize {
        let stations = &dynamics.site.grid.stations;
        let above = |value: f64, limit: f64| usize::from(value >= limit);
        match self {
            Compared::Phase => match stations.get(stay.station as usize).map(|station| station.phase_deg) {
                Some(30.0) => 0,
                Some(-90.0) => 1,
                Some(150.0) => 2,
                _ => 3,
            },
            Compared::Stay { hours } => {
                above(f64::from(stay.departure - stay.arrival) * dynamics.site.hours, hours.get())
            }
            Compared::Claimed => stay.claimed as usize,
            Compared::Battery { kwh } => above(stay.capacity_kwh, kwh.get()),
            Compared::Tariff { price } => {
                above(dynamics.signals.at(&dynamics.signals.buy, day, stay.arrival), price.get())
            }
            Compared::Arrival { hour } => above(f64::from(stay.arrival) * dynamics.site.hours, hour.get()),
            Compared::Operator { count } => stay.operator.min(count.get() - 1) as usize,
        }
    }
}

/// What there is of a site's battery.
const BATTERY: [&str; 2] = ["site_battery_kwh", "site_battery_through_kwh"];

/// Names of all measures.
pub(super) fn names(compared: &[Compared], battery: bool) -> Vec<String> {
    let battery = BATTERY.iter().filter(|_| battery).map(|name| (*name).to_owned());
    let classes = compared.iter().flat_map(Compared::classes).map(|class| format!("served_mean.{class}"));
    WHOLE.iter().map(|name| (*name).to_owned()).chain(classes).chain(battery).collect()
}

/// The cars that came until now.
pub(super) fn came<'a>(stays: &'a [Stay], meter: &Meter) -> impl Iterator<Item = &'a Stay> {
    stays[..meter.sessions as usize].iter().filter(|stay| stay.status != TO_COME)
}

/// The measures of a day that has ended. Where nobody came, everybody was served.
pub(super) fn write(dynamics: &Charging, state: Shared<'_, Charging>, measures: &mut [f64]) {
    let (bays, stays, meter) = (state.0, state.1, &state.2[0]);
    let came: Vec<&Stay> = came(stays, meter).collect();
    let shares: Vec<f64> = came.iter().map(|stay| stay.served(bays)).collect();
    let mean = |sum: f64, count: usize| if count == 0 { 1.0 } else { sum / count as f64 };
    let whole = [
        meter.energy_kwh,
        meter.back_kwh,
        came.iter().map(|stay| stay.requested_kwh).sum(),
        mean(shares.iter().sum(), shares.len()),
        shares.iter().copied().fold(1.0, f64::min),
        jain(&shares),
        gini(&shares),
        came.len() as f64,
        meter.rejected.into(),
        meter.cost,
        meter.carbon_kg,
        meter.peak_kw,
        meter.excess,
        meter.wear,
        meter.reward,
        came.iter().map(|stay| stay.delivered(bays)).sum(),
    ];
    measures[..whole.len()].copy_from_slice(&whole);
    let mut next = whole.len();
    for compared in &dynamics.compared {
        let class: Vec<usize> = came.iter().map(|stay| compared.class(dynamics, meter.day, stay)).collect();
        for index in 0..compared.classes().len() {
            let of = || shares.iter().zip(&class).filter(|(_, class)| **class == index).map(|(share, _)| *share);
            measures[next] = mean(of().sum(), of().count());
            next += 1;
        }
    }
    for store in state.7 {
        measures[next..][..BATTERY.len()].copy_from_slice(&[store.stored_kwh, store.through_kwh]);
    }
}
