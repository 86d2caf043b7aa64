//! Environments: one folder each. `mod.rs` says what it is, `step.rs` how it moves, `step.wgsl` the same for the device.

pub mod data_centers;
pub mod ev_charging;
mod groups;
pub mod lending;
pub mod reasoning;
pub mod river_swim;
pub mod tabular_mdp;
#[cfg(test)]
mod tests;
pub mod traffic;
pub mod two_step_game;
mod wgsl;

pub use data_centers::{DataCenters, LoadBalancing, PublicModel};
pub use lending::Lending;
pub use reasoning::{CascadeSim, StageReplay};
pub use river_swim::RiverSwim;
pub use tabular_mdp::TabularMdp;
pub use two_step_game::TwoStepGame;
