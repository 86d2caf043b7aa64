//! What hosting in an ECS costs: one step by the schedule, and the same stages on plain arrays.
//!
//! `cargo bench --bench step`. The ratios at the end are medians of alternating pairs in one process.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use isonomy::engine::bare::Bare;
use isonomy::engine::noise::Phase;
use isonomy::engine::policy::TabularPolicy;
use isonomy::engine::scenario;
use isonomy::engine::sim::{Setup, Sim};
use isonomy::envs::river_swim::RiverSwim;
use std::path::Path;
use std::time::Instant;

fn both(lanes: usize) -> (Sim, Bare) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/river_swim/group_riverswim.ron");
    let loaded = scenario::load(&file, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let setup = Setup { lanes, seed: 1, phase: Phase::Training, threads: 1, device: None };
    let mut sim = Sim::new(&*loaded.scenario.environment, Vec::new(), setup).expect("builds");
    let policy = TabularPolicy::uniform(sim.spec(), 1);
    sim.set_policy(&policy);
    let river: RiverSwim = serde_json::from_value(
        serde_json::to_value(&loaded.scenario.environment).expect("serialises")["RiverSwim"].take(),
    )
    .expect("a river");
    let bare = Bare::new(sim.spec(), river.dynamics(), &policy, lanes, 1);
    (sim, bare)
}

fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    for agents in [1024, 8192, 65536] {
        let (mut sim, mut bare) = both(agents / 2);
        group.throughput(Throughput::Elements(agents as u64));
        group.bench_function(BenchmarkId::new("schedule", agents), |bencher| bencher.iter(|| sim.step()));
        group.bench_function(BenchmarkId::new("plain arrays", agents), |bencher| bencher.iter(|| bare.step()));
    }
    group.finish();
}

fn ratios(_: &mut Criterion) {
    for agents in [1024, 8192, 65536] {
        let (mut sim, mut bare) = both(agents / 2);
        let rounds = (1 << 24) / agents;
        let time = |work: &mut dyn FnMut()| {
            let begun = Instant::now();
            (0..rounds).for_each(|_| work());
            begun.elapsed().as_secs_f64()
        };
        let mut ratios: Vec<f64> = (0..5).map(|_| time(&mut || bare.step()) / time(&mut || sim.step())).collect();
        ratios.sort_by(f64::total_cmp);
        println!("{agents} agents: hosting keeps {:.0} % of the rate of plain arrays", 100.0 * ratios[2]);
    }
}

/// From a scenario in memory to the end of its first step.
fn cold_start(_: &mut Criterion) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/river_swim/group_multi_task.ron");
    let text = std::fs::read_to_string(file).expect("a scenario");
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let begun = Instant::now();
            let loaded = scenario::parse(&text, "river", Path::new(""), &[]).unwrap_or_else(|found| panic!("{found}"));
            let setup = Setup { lanes: 4096, seed: 1, phase: Phase::Training, threads: 1, device: None };
            Sim::new(&*loaded.scenario.environment, Vec::new(), setup).expect("builds").step();
            begun.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("cold start to first step, 4,096 lanes: {:.1} ms", 1e3 * times[2]);
}

criterion_group!(benches, steps, ratios, cold_start);
criterion_main!(benches);
