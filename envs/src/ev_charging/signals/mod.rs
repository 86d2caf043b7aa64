//! What changes with time whoever charges: prices, emissions, sun, other loads, calls to take less.
//!
//! A signal is read when the scenario is, into numbers for every step of every episode of the calendar.

mod moer;
mod response;
mod rows;
mod series;
mod tariff;

pub use moer::{Emissions, Moer, WhichRow};
pub use response::{DemandResponse, Reduction};
pub use rows::Between;
pub use series::{Kind, Series, Unit};
pub use tariff::{DaysOfWeek, Schedule, Tariff, TimeOfUse};
