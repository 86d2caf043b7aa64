//! Numbers from elsewhere: acnportal 0.3.3, EV2Gym 2.0.0, SustainGym 0.1.7 and programmes solved on paper.

mod batteries;
mod day;
mod episodes;
mod hosted;
mod programs;
mod projections;
mod site_battery;

use super::grid::{Adds, Grid, Limit};
use super::network::{Evse, Network};

pub(super) fn near(got: f64, want: f64, by: f64) -> bool {
    (got - want).abs() <= by
}

pub(super) fn all_near(got: &[f64], want: &[f64], by: f64) {
    assert!(got.len() == want.len() && got.iter().zip(want).all(|(&g, &w)| near(g, w, by)), "{got:?}, not {want:?}");
}

/// A site from RON, as a scenario would write it.
pub(super) fn network(ron: &str) -> Grid {
    let network: Network = ron::from_str(ron).unwrap();
    assert!(network.check().is_empty(), "{:?}", network.check());
    network.grid()
}

/// Stations AB, BC and CA whose lines carry 40 A each.
pub(super) fn delta() -> Grid {
    network(
        "Custom(stations: [
            (name: \"ab\", phase_deg: 30), (name: \"bc\", phase_deg: -90), (name: \"ca\", phase_deg: 150),
        ], limits: [
            (name: \"a\", most: Amps(40), terms: {\"ab\": 1, \"ca\": -1}),
            (name: \"b\", most: Amps(40), terms: {\"bc\": 1, \"ab\": -1}),
            (name: \"c\", most: Amps(40), terms: {\"ca\": 1, \"bc\": -1}),
        ])",
    )
}

/// Stations on one phase behind a limit in ampere.
pub(super) fn shared(stations: usize, amps: f64, evse: Evse) -> Grid {
    let row = format!("Custom(stations: [(name: \"s\", count: {stations})], limits: [])");
    let mut stations = network(&row).stations;
    stations.iter_mut().for_each(|station| station.pilots = evse.pilots());
    let terms = (0..stations.len()).map(|station| (station, 1.0)).collect();
    Grid::new(stations, vec![Limit { name: "site".into(), most: amps, adds: Adds::Phasors, terms }])
}
