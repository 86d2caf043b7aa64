//! A device and the processor advance lanes whose agents move together alike, as far as `f32` allows.
//!
//! Runs on any adapter, a software one too. Where there is none, the tests say so and pass, unless
//! `ISONOMY_REQUIRE_GPU` is set.

mod cascades;
mod data_centers;
mod ev_charging;
#[path = "../every/mod.rs"]
mod every;
mod traffic;

use every::with;
use isonomy::engine::gpu::Device;
use isonomy::engine::run::{Means, Run};
use std::path::Path;

/// A scenario, its controller acting, on the processor and on a device.
fn both(path: &Path, sets: &[&str], device: &'static Device) -> [Run; 2] {
    [None, Some(device)].map(|device| {
        let scenario = with(path, sets).scenario;
        Run::new(scenario, Means { threads: 2, device }).unwrap_or_else(|error| panic!("{sets:?}: {error}"))
    })
}

/// What lets a rule act.
fn controller(rule: &str) -> String {
    format!("controller={rule}")
}
