//! EV charging: cars share the limits of a site. One lane is one site and day.

pub mod battery;
pub mod grid;
mod nearest;
pub mod network;
pub mod pilots;
pub mod projection;
pub mod session;
#[cfg(test)]
mod tests;
