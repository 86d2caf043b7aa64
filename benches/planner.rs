//! What the fair planner costs: 200 states, 10 actions, 50 steps, 8 groups, 4 tasks, four successors per action.
//!
//! `cargo bench --bench planner`. Two threads share the pricing where there are two cores. The lines at the end say where
//! the time goes and how much memory the process took at most.

use criterion::{Criterion, criterion_group, criterion_main};
use instances::Random;
use isonomy::engine::model::TabularModel;
use isonomy::plugins::group_fairness::chain::Chain;
use isonomy::plugins::group_fairness::{FairPlan, FairProblem, Solver};
use std::hint::black_box;
use std::time::Instant;

// The models that the planner's tests use.
#[allow(dead_code)]
#[path = "../plugins/tests/group_fairness/instances.rs"]
mod instances;

fn model() -> TabularModel {
    instances::random(11, (8, 4, 200, 10, 50), 4)
}

fn plan(model: &TabularModel) -> FairPlan {
    FairProblem::new(model, 1.0).solve(Solver::DantzigWolfe).expect("feasible")
}

/// What one backward induction per group is given: a signal that is no reward, so that nothing is sparse.
fn priced(chains: &[Chain]) -> Vec<Vec<f64>> {
    let mut random = Random(5);
    chains.iter().map(|chain| (0..chain.states * chain.actions).map(|_| random.unit()).collect()).collect()
}

fn planner(criterion: &mut Criterion) {
    let model = model();
    let chains: Vec<Chain> = (0..model.groups).map(|group| Chain::of(&model, group)).collect();
    let signals = priced(&chains);
    let mut group = criterion.benchmark_group("planner");
    group.sample_size(10);
    group.bench_function("plan", |bencher| bencher.iter(|| plan(&model)));
    group.bench_function("pricing of one round, one thread", |bencher| {
        bencher.iter(|| {
            let best = chains.iter().zip(&signals).map(|(chain, signal)| chain.best(signal).value);
            black_box(best.sum::<f64>())
        });
    });
    group.finish();
    account(&model, &chains, &signals);
}

/// How the time of a plan divides.
fn account(model: &TabularModel, chains: &[Chain], signals: &[Vec<f64>]) {
    let timed = |what: &mut dyn FnMut()| {
        let mut seconds: Vec<f64> = (0..5)
            .map(|_| {
                let begun = Instant::now();
                what();
                begun.elapsed().as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        seconds[2]
    };
    let solved = plan(model);
    let whole = timed(&mut || {
        black_box(plan(model));
    });
    let pricing = timed(&mut || {
        chains.iter().zip(signals).for_each(|(chain, signal)| drop(black_box(chain.best(signal))));
    });
    let rounds = solved.iterations as f64;
    println!(
        "{:.3} s a plan: {rounds} rounds, {} policies; pricing {:.2} ms a round on one thread, {:.0} % of the plan if alone",
        whole,
        solved.columns,
        1e3 * pricing,
        100.0 * rounds * pricing / whole,
    );
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    memory.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("peak memory {line}"));
}

criterion_group!(benches, planner);
criterion_main!(benches);
