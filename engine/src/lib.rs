//! Hosts everything: lanes, stages, noise, scenario files, rollouts, GPU, metrics and records.
pub mod gpu;
pub mod noise;
pub mod quantity;
pub mod record;
pub mod scenario;
