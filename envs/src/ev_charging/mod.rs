//! EV charging: who charges when a site has less power than its cars want.

pub mod calendar;
pub mod reading;
pub mod session;
pub mod sessions;
pub mod signals;
