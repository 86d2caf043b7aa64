//! Reasoning in several domains: what happens to rare and hard ones while a policy is trained on all of them.

pub mod cascade_sim;
mod plugged;
pub mod stage_replay;

pub use cascade_sim::CascadeSim;
pub use plugged::Plugged;
pub use stage_replay::StageReplay;
