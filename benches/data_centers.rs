//! Steps of data centres per second: a lane-step is one step of all centres of a lane.
//!
//! `cargo bench --bench data_centers`. On one core, and on an adapter where there is one, a software adapter too; the name says which.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isonomy::engine::gpu::{Device, DeviceChoice};
use isonomy::engine::run::{Means, Run};
use isonomy::engine::scenario;
use std::path::Path;

/// Episodes of the three operators of `workload_shifting.ron`, by their threshold.
fn shifting(criterion: &mut Criterion, name: &str, lanes: u64, device: Option<&Device>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/data_centers/workload_shifting.ron");
    let loaded = scenario::load(&file, &[format!("lanes={lanes}")]).unwrap_or_else(|problems| panic!("{problems}"));
    let mut run = Run::new(loaded.scenario, Means { threads: 1, device }).unwrap_or_else(|error| panic!("{error}"));
    let steps = run.sim().spec().time_limit;
    let mut group = criterion.benchmark_group("lane-steps of data centres");
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(steps) * lanes));
    group.bench_function(format!("{lanes} lanes on {name}"), |bencher| {
        bencher.iter(|| run.sim().advance(steps as usize).expect("the device should not fail"))
    });
    group.finish();
}

fn rollouts(criterion: &mut Criterion) {
    shifting(criterion, "one core", 256, None);
    let choices = [DeviceChoice::Gpu, DeviceChoice::Software];
    let Some(device) = choices.into_iter().find_map(|choice| Device::open(choice).ok().flatten()) else {
        return eprintln!("no adapter: nothing is measured on a device");
    };
    // A GPU needs thousands of lanes to be busy.
    let lanes = if device.info().kind.is_gpu() { 65_536 } else { 256 };
    shifting(criterion, &device.info().name, lanes, Some(&device));
}

criterion_group!(benches, rollouts);
criterion_main!(benches);
