//! Data centres and the carbon of what they run, in three tiers.
//!
//! | file           | what is in it                                                                      |
//! |----------------|------------------------------------------------------------------------------------|
//! | `provisioning` | tier 1: how many servers to run on a forecast of carbon; closed forms               |
//! | `charging`     | the same question for cars: which hours to charge in                                |
//! | `agents`       | who acts on a public forecast, what they pay, and what they regret                  |
//! | `signal`       | where a public signal comes from                                                    |
//! | `public_model` | the environment in which one model predicts for all of them                         |

mod agents;
pub mod charging;
pub mod provisioning;
mod public_model;
pub mod signal;

pub use agents::{Against, Agents, Cost, Delay, Demand, Regret};
pub use public_model::PublicModel;
pub use signal::Signal;
