//! Data centres and the carbon of what they run, in three tiers.
//!
//! | file             | what is in it                                                                     |
//! |------------------|-----------------------------------------------------------------------------------|
//! | `provisioning`   | tier 1: how many servers to run on a forecast of carbon; closed forms             |
//! | `charging`       | the same question for cars: which hours to charge in                              |
//! | `agents`         | who acts on a public forecast, what they pay, and what they regret                |
//! | `signal`         | where a public signal comes from                                                  |
//! | `public_model`   | the environment in which one model predicts for all of them                       |
//! | `shifting`       | tier 2: when to run what can wait; queue, power, cooling, battery                 |
//! | `centers`        | the environment of it, with its controllers                                       |
//! | `balancing`      | tier 3: where to run what arrives; the optimum and the online rule                |
//! | `load_balancing` | the environment of it, with its controllers                                       |
//! | `trace`          | numbers that change from hour to hour                                             |
//! | `device`         | what the WGSL twins of the two environments with lanes share                      |

mod agents;
pub mod balancing;
mod centers;
pub mod charging;
mod device;
mod load_balancing;
pub mod provisioning;
mod public_model;
pub mod shifting;
pub mod signal;
mod trace;

#[cfg(test)]
mod tests;

pub use agents::{Against, Agents, Cost, Delay, Demand, Regret};
pub use centers::{
    Action, Battery, CarbonThreshold, Center, CleanestHours, Cost as CenterCost, DataCenters, Day, Heat, RunEverything,
    Waiting, Weights,
};
pub use load_balancing::{Burden, FairHours, LoadBalancing, MirrorDescent, Place};
pub use public_model::{Forecast, Hour, PublicModel};
pub use signal::Signal;
pub use trace::Trace;
