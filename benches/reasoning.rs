//! Responses of `CascadeSim` per second: training runs of 51 steps, 128 prompts and 8 responses to each.
//!
//! `cargo bench --bench reasoning`. *hosted* is the engine's rollout on one thread, *device* the same on an adapter, named with
//! the figure: a software adapter where there is no GPU, nothing where there is neither. `Sampled` draws them, `Expected` counts
//! those whose expectation was computed.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use isonomy::engine::gpu::{Device, DeviceChoice};
use isonomy::engine::noise::Phase;
use isonomy::engine::policy::TabularPolicy;
use isonomy::engine::scenario;
use isonomy::engine::sim::{Setup, Sim};
use std::path::Path;

/// A cascade of three stages, whose domains ask for their share.
fn cascade(mode: &str, lanes: usize, device: Option<&Device>) -> Sim {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/reasoning/cascade.ron");
    let set = format!("environment.CascadeSim.mode={mode}");
    let loaded = scenario::load(&file, &[set]).unwrap_or_else(|problems| panic!("{problems}"));
    let setup = Setup { lanes, seed: 1, phase: Phase::Training, threads: 1, device };
    let mut sim = Sim::new(&*loaded.scenario.environment, Vec::new(), setup).expect("builds");
    let their_share = TabularPolicy::from_chances(sim.spec(), 1, |_, _, _, chances| chances[1] = 1.0);
    sim.set_policy(&their_share);
    sim
}

fn measure(criterion: &mut Criterion, name: &str, lanes: usize, device: Option<&Device>) {
    let mut group = criterion.benchmark_group(format!("responses, {lanes} lanes {name}"));
    group.sample_size(10);
    for mode in ["Sampled", "Expected"] {
        let mut sim = cascade(mode, lanes, device);
        let steps = sim.spec().time_limit;
        group.throughput(Throughput::Elements(u64::from(steps) * lanes as u64 * 128 * 8));
        group.bench_function(BenchmarkId::from_parameter(mode), |bencher| {
            bencher.iter(|| sim.advance(steps as usize).expect("the device should not fail"))
        });
    }
    group.finish();
}

fn responses(criterion: &mut Criterion) {
    measure(criterion, "hosted", 256, None);
    let choices = [DeviceChoice::Gpu, DeviceChoice::Software];
    let Some(device) = choices.into_iter().find_map(|choice| Device::open(choice).ok().flatten()) else {
        return eprintln!("no adapter: nothing is measured on a device");
    };
    // A software adapter takes seconds where a GPU needs thousands of lanes to be busy.
    let lanes = if device.info().kind.is_gpu() { 65_536 } else { 256 };
    measure(criterion, &format!("on {}", device.info().name), lanes, Some(&device));
}

criterion_group!(benches, responses);
criterion_main!(benches);
