//! Rollouts of RiverSwim: returns only and with the whole trajectory, next to the generator that they cannot outrun.
//!
//! `cargo bench --bench rollout`. Rates are agent-steps per second; the ratios at the end are medians of alternating
//! pairs in one process, so that a noisy machine disturbs both sides alike.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isonomy::engine::gpu::{Device, DeviceChoice};
use isonomy::engine::noise::{Key, Phase, Purpose};
use isonomy::engine::policy::TabularPolicy;
use isonomy::engine::scenario::{self, Scenario};
use isonomy::engine::sim::{Setup, Sim};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

const LANES: usize = 1 << 19;
const HORIZON: usize = 100;

fn river() -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/river_swim/osband.ron");
    scenario::load(&file, &[]).unwrap_or_else(|problems| panic!("{problems}")).scenario
}

/// Two words of noise per step: the policy leaves every choice to chance.
fn sim(scenario: &Scenario, threads: usize, device: Option<&Device>) -> Sim {
    let setup = Setup { lanes: LANES, seed: 1, phase: Phase::Training, threads, device };
    let mut sim = Sim::new(&*scenario.environment, Vec::new(), setup).expect("builds");
    sim.set_policy(&TabularPolicy::uniform(sim.spec(), 1));
    sim
}

fn agent_steps(sim: &Sim) -> u64 {
    (sim.lanes() * sim.spec().agents() as usize * HORIZON) as u64
}

fn rollouts(criterion: &mut Criterion) {
    let scenario = river();
    let mut group = criterion.benchmark_group("rollout");
    group.sample_size(10);

    let mut words = vec![0; 1024];
    let key = Key::new(1, Phase::Training, Purpose::Policy);
    let mut stream = 0;
    group.throughput(Throughput::Elements(words.len() as u64 / 2));
    group.bench_function("generator alone, two words a step", |bencher| {
        bencher.iter(|| {
            stream += 1;
            key.fill(stream, 0, black_box(&mut words));
        });
    });
    for threads in [1, 2] {
        let mut sim = sim(&scenario, threads, None);
        group.throughput(Throughput::Elements(agent_steps(&sim)));
        group.bench_function(format!("returns, threads {threads}"), |bencher| bencher.iter(|| sim.advance(HORIZON)));
        let mut rollout = sim.room(HORIZON);
        group.bench_function(format!("trajectory, threads {threads}"), |bencher| {
            bencher.iter(|| sim.rollout_into(&mut rollout));
        });
    }
    for choice in [DeviceChoice::Gpu, DeviceChoice::Software] {
        let Ok(Some(device)) = Device::open(choice) else { continue };
        let mut sim = sim(&scenario, 1, Some(&device));
        group.throughput(Throughput::Elements(agent_steps(&sim)));
        group.bench_function(format!("returns, {choice}"), |bencher| bencher.iter(|| sim.advance(HORIZON)));
    }
    group.finish();
}

/// Seconds per agent-step of some work, the median of five.
fn seconds(mut work: impl FnMut(), agent_steps: u64) -> f64 {
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64() / agent_steps as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

fn ratios(_: &mut Criterion) {
    let scenario = river();
    let (mut one, mut two) = (sim(&scenario, 1, None), sim(&scenario, 2, None));
    let (steps, mut rollout) = (agent_steps(&one), one.room(HORIZON));
    let key = Key::new(1, Phase::Training, Purpose::Policy);
    let mut words = vec![0; 1024];
    let generator = seconds(|| (0..steps / 512).for_each(|stream| key.fill(stream, 0, black_box(&mut words))), steps);
    let single = seconds(|| one.advance(HORIZON).expect("runs"), steps);
    let double = seconds(|| two.advance(HORIZON).expect("runs"), steps);
    let exported = seconds(|| one.rollout_into(&mut rollout).expect("runs"), steps);
    println!("returns, one thread: {:.3} G agent-steps/s", 1e-9 / single);
    println!("returns against the generator alone: {:.0} %", 100.0 * generator / single);
    println!("trajectory against returns: {:.0} %", 100.0 * single / exported);
    println!("two threads against one: {:.2}", single / double);
}

criterion_group!(benches, rollouts, ratios);
criterion_main!(benches);
