//! Public models: one forecast that many agents act on, trained so that none regrets it much more than others.
//!
//! An environment offers the signal and its agents ([`PublicSignal`](isonomy_engine::public::PublicSignal)). A model is a
//! small [`network`] or one of the [`fixed`] forecasts; the [`goal`] is the Equitable Objective of regrets, blended
//! with the squared error; its [`gradient`] goes through the agents' regrets or is estimated from their costs alone.
//! [`PublicForecast`] is the optimiser; [`mod@judge`] says what a forecast comes to.

mod adam;
pub mod fixed;
pub mod goal;
pub mod gradient;
pub mod judge;
pub mod network;
mod optimizer;
mod random;
#[cfg(test)]
mod tests;

pub use optimizer::{Estimator, Model, PublicForecast};
pub use random::Words;
