//! Rollouts of RiverSwim: returns only and with the whole trajectory, next to the generator that they cannot outrun.
//!
//! `cargo bench --bench rollout`. Rates are agent-steps per second; the ratios at the end are medians over rounds in which
//! all that is compared takes turns, so that a noisy machine disturbs both sides alike.

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
/// Of the ratios at the end.
const ROUNDS: usize = 21;

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

fn seconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn ratios(_: &mut Criterion) {
    let scenario = river();
    let (mut one, mut two) = (sim(&scenario, 1, None), sim(&scenario, 2, None));
    let (steps, mut rollout) = (agent_steps(&one), one.room(HORIZON));
    let key = Key::new(1, Phase::Training, Purpose::Policy);
    let generate = |steps: u64| {
        let mut words = vec![0; 1024];
        (0..steps / 512).for_each(|stream| key.fill(stream, 0, black_box(&mut words)));
    };
    one.rollout_into(&mut rollout).expect("runs");
    let times: Vec<[f64; 5]> = (0..ROUNDS)
        .map(|_| {
            [
                seconds(|| generate(steps)),
                seconds(|| one.advance(HORIZON).expect("runs")),
                seconds(|| one.rollout_into(&mut rollout).expect("runs")),
                seconds(|| two.advance(HORIZON).expect("runs")),
                seconds(|| {
                    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(|| generate(steps / 2)))));
                }),
            ]
        })
        .collect();
    let ratio = |of: fn(&[f64; 5]) -> f64| median(times.iter().map(of));
    println!("returns, one thread: {:.3} G agent-steps/s", 1e-9 * steps as f64 / ratio(|time| time[1]));
    println!("returns against the generator alone: {:.0} %", 100.0 * ratio(|time| time[0] / time[1]));
    println!("trajectory against returns: {:.0} %", 100.0 * ratio(|time| time[1] / time[2]));
    println!("two threads against one: {:.2}", ratio(|time| time[1] / time[3]));
    println!("two threads against one, the generator alone: {:.2}", ratio(|time| time[0] / time[4]));
}

criterion_group!(benches, rollouts, ratios);
criterion_main!(benches);
