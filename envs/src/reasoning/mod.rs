//! Reasoning in several domains: what happens to rare and hard ones while a policy is trained on all of them.

pub mod cascade_sim;
mod method;
pub mod numbers;
pub mod stage_replay;
pub mod tasks;

pub use cascade_sim::CascadeSim;
pub use isonomy_engine::plugged::Plugged;
pub use method::{MethodParts, spread_evenly};
pub use stage_replay::StageReplay;
