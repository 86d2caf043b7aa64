//! Environments: one folder each. `mod.rs` says what it is, `step.rs` how it moves, `step.wgsl` the same for the device.

mod groups;
pub mod river_swim;

pub use river_swim::RiverSwim;
