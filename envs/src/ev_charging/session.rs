//! What a site knows about a car that is plugged in.

/// One stay of a car at a station; steps count from midnight of the day.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// First step in which the car can charge.
    pub arrival: u32,
    /// First step in which it is gone.
    pub departure: u32,
    /// When its driver said that it would leave.
    pub est_departure: u32,
    /// Energy asked for.
    pub requested_kwh: f64,
    /// Index in the network's registration order; `None`: any free one.
    pub station: Option<u32>,
    /// Whether a driver said what is needed.
    pub claimed: bool,
    /// The battery, where the source knows it.
    pub battery: Option<BatterySpec>,
    /// The most the car takes, where the source knows it.
    pub max_kw: Option<f64>,
    /// Whose customer it is.
    pub operator: u32,
}

/// The battery of a car.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatterySpec {
    /// What it holds when full.
    pub capacity_kwh: f64,
    /// What it holds on arrival.
    pub start_kwh: f64,
    /// State of charge above which it slows down, where the source knows it.
    pub slows_from: Option<f64>,
}
