//! Fair learners that advance together: what rollouts, counting and planning take of an episode.
//!
//! `cargo bench --bench fleet`. Rates are episodes per second on one thread. The last lines are medians of alternating
//! measurements in one process: the same episodes without a learner, with one that only counts, and with one that plans.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isonomy::engine::fleet::{Berth, Fleet};
use isonomy::engine::noise::Phase;
use isonomy::engine::run::{Means, Run};
use isonomy::engine::scenario::{self, Scenario};
use isonomy::engine::sim::{Setup, Sim};
use std::path::Path;
use std::time::Instant;

/// Runs side by side: as many as a fleet has room for.
const RUNS: u64 = 64;
const EPISODES: u64 = 2000;
/// Tells each run's noise apart.
const SEEDS: u64 = 4;

fn river(optimizer: &[&str]) -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/papers/group_fair_riverswim_multi_task.ron");
    let sets: Vec<String> = optimizer.iter().map(|set| (*set).to_owned()).collect();
    scenario::load(&file, &sets).unwrap_or_else(|problems| panic!("{problems}")).scenario
}

fn planner() -> Scenario {
    river(&["optimizer.OptPess.episodes=5000"])
}

fn counter() -> Scenario {
    river(&[r#"optimizer={"AlwaysPi0": (epsilon: 0.5, epsilon_0: 0.1)}"#])
}

fn fleet(scenario: &Scenario) -> Fleet<'_> {
    let berths: Vec<Berth<'_>> = (0..RUNS).map(|run| Berth { scenario, seed: run % SEEDS }).collect();
    Fleet::begin(&berths).expect("it begins").expect("it can").0
}

fn fleets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fleet");
    for (name, scenario) in [("counting", counter()), ("planning", planner())] {
        let mut fleet = fleet(&scenario);
        group.throughput(Throughput::Elements(RUNS));
        group.bench_function(format!("{name}, {RUNS} runs side by side"), |bencher| {
            bencher.iter(|| {
                if !fleet.next_iteration(None) {
                    fleet = self::fleet(&scenario);
                }
            });
        });
    }
    let mut run = Run::new(planner(), Means { threads: 1, device: None }).expect("it begins");
    group.throughput(Throughput::Elements(1));
    group.bench_function("planning, a run alone", |bencher| {
        bencher.iter(|| match run.next_iteration() {
            Ok(Some(_)) => {}
            _ => run = Run::new(planner(), Means { threads: 1, device: None }).expect("it begins"),
        });
    });
    group.finish();
}

/// Microseconds per episode of a run, the median of five.
fn microseconds(mut work: impl FnMut() -> f64) -> f64 {
    let mut times: Vec<f64> = (0..5).map(|_| work() * 1e6 / (RUNS * EPISODES) as f64).collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

fn shares(_: &mut Criterion) {
    let (counter, planner) = (counter(), planner());
    let setup = Setup { lanes: RUNS as usize, seed: 1, phase: Phase::Training, threads: 1, device: None };
    let mut sim = Sim::new(&*planner.environment, Vec::new(), setup).expect("builds");
    let mut rollout = sim.room(20);
    let alone = microseconds(|| {
        let begun = Instant::now();
        for _ in 0..EPISODES {
            sim.rollout_into(&mut rollout).expect("runs");
        }
        begun.elapsed().as_secs_f64()
    });
    let of = |scenario: &Scenario| {
        microseconds(|| {
            let mut fleet = fleet(scenario);
            let begun = Instant::now();
            while fleet.done() < EPISODES {
                fleet.next_iteration(None);
            }
            begun.elapsed().as_secs_f64()
        })
    };
    let (counted, planned) = (of(&counter), of(&planner));
    println!("rollout alone, lanes of one run: {alone:.3} µs an episode");
    println!("runs with noise and policies of their own, counting: {counted:.3} µs an episode");
    println!("the same, planning too: {planned:.3} µs an episode ({:.0} k episodes/s)", 1e3 / planned);
}

criterion_group!(benches, fleets, shares);
criterion_main!(benches);
