//! EV charging: cars share the limits of a site. One lane is one site and day.

pub mod battery;
pub mod calendar;
pub mod controller;
pub mod grid;
mod nearest;
pub mod network;
pub mod pilots;
pub mod projection;
pub mod reading;
pub mod session;
pub mod sessions;
pub mod signals;
pub mod step;
#[cfg(test)]
mod tests;
