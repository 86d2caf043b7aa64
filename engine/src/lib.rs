//! Hosts everything: lanes, stages, noise, scenario files, rollouts, GPU, metrics and records.
//!
//! An archetype is a tensor: all agents of all lanes (a lane is one copy of the environment) are rows of one ECS table,
//! lane by lane. Follow one action from the scenario file to the record:
//!
//! 1. [`scenario`] reads the file and says everything that is wrong with it.
//! 2. [`environment`] adds rows and systems to a [`sim::Sim`]; [`mod@columns`] are what the rows are made of.
//! 3. A [`policy`] (or a [`controller`]) chooses with [`noise`] that is addressed, not drawn; [`dynamics`] move the row,
//!    in the stages of [`sim`], fused in `fused`, or on a device in [`gpu`]. Agents that touch each other move by
//!    the rule of their lane, in [`lanes`].
//! 4. [`fairness`] rewards rewrite what the policy is taught; a [`rollout`] keeps what happened.
//! 5. An [`optimizer`] improves the policy; [`run`] repeats all this; [`metrics`] judge it; [`record`] writes it down.
//!    What an environment draws of an episode is a [`figure`].
//!    A [`suite`] makes many such runs and puts their numbers side by side.

extern crate self as isonomy_engine;

pub mod advantage;
#[doc(hidden)]
pub mod bare;
pub mod chance;
pub mod columns;
pub mod constraint;
pub mod controller;
pub mod curriculum;
pub mod dynamics;
pub mod environment;
pub mod fairness;
pub mod figure;
pub mod fleet;
mod fused;
pub mod gpu;
pub mod lanes;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod network;
pub mod noise;
pub mod optimizer;
pub mod plugged;
pub mod plugin;
pub mod policy;
pub mod problem;
pub mod public;
pub mod quantity;
pub mod record;
pub mod reference;
pub mod replay;
pub mod rollout;
pub mod run;
pub mod scenario;
pub mod sim;
pub mod spec;
mod stream;
pub mod suite;
pub mod welfare;

pub use fused::Keys;

/// Crates that the macros of this one name.
pub mod reexport {
    pub use {bevy_ecs, bytemuck, inventory, ron, schemars};
}
