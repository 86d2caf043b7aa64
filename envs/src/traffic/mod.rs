//! Traffic.
pub mod controller;
mod following;
pub mod metrics;
pub mod micro;
pub mod network;
pub mod signal;
#[cfg(test)]
mod tests;
