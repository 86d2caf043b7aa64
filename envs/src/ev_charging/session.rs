//! Sessions: who comes when, wants how much, and has to leave when.

/// One stay of a car at a station; steps count from midnight of the day.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Step in which the car is plugged in.
    pub arrival: u32,
    /// First step in which it is gone.
    pub departure: u32,
    /// Departure as the driver announced it.
    pub est_departure: u32,
    /// Energy asked for.
    pub requested_kwh: f64,
    /// Index in the network's registration order; `None`: any free one.
    pub station: Option<u32>,
    /// Whether a driver claimed the session, and so told anything about it.
    pub claimed: bool,
    /// The battery, where a source knows it.
    pub battery: Option<BatterySpec>,
    /// What the car takes at most.
    pub max_kw: Option<f64>,
    /// Who runs the station.
    pub operator: u32,
}

/// The battery of a car, where a source knows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatterySpec {
    /// Energy of a full battery.
    pub capacity_kwh: f64,
    /// Energy in it when the car arrives.
    pub start_kwh: f64,
}
