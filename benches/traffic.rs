//! Vehicles moved per second on one core, and what hosting them in the engine costs.
//!
//! `cargo bench --bench traffic`. An hour of a made-up grid; where `ISONOMY_DATA` names the folder of the public networks, of
//! Hangzhou as well. CityFlow moves 1 to 2 million vehicles per second of a core, SUMO 0.1 to 0.2 million.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isonomy::engine::run::{Means, Run};
use isonomy::engine::scenario::{self, Scenario};
use std::path::Path;

fn scenario(file: &str, sets: &[String]) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/traffic").join(file);
    scenario::load(&path, sets).unwrap_or_else(|problems| panic!("{problems}")).scenario
}

/// An hour of every lane; vehicles moved in one of them.
fn hour(file: &str, sets: &[String]) -> u64 {
    let means = Means { threads: 1, device: None };
    let mut run = Run::new(scenario(file, sets), means).unwrap_or_else(|error| panic!("{error}"));
    let iteration = run.next_iteration().expect("the processor cannot fail").expect("one iteration");
    let updates = iteration.metrics().into_iter().find(|(name, _)| name == "vehicle_updates");
    updates.expect("it is measured").1 as u64
}

fn hours(criterion: &mut Criterion) {
    let mut cases = vec![("grid_4x4", "grid_4x4.ron", vec!["lanes=1".to_owned()])];
    match std::env::var("ISONOMY_DATA") {
        Ok(data) => {
            let folder = format!("{data}/traffic/hangzhou_4x4");
            let network = format!("environment.Traffic.network=\"{folder}/roadnet.json\"");
            let demand = format!("environment.Traffic.demand=\"{folder}/flow_hz1.json\"");
            cases.push(("hangzhou", "cityflow.ron", vec![network, demand]));
        }
        Err(_) => eprintln!("SKIPPED: ISONOMY_DATA does not name the folder of the traffic networks"),
    }
    let mut group = criterion.benchmark_group("traffic");
    group.sample_size(10);
    for (name, file, sets) in cases {
        for controller in ["FixedTime", "MaxPressure"] {
            let sets = [sets.clone(), vec![format!("controller={{\"{controller}\": ()}}")]].concat();
            group.throughput(Throughput::Elements(hour(file, &sets)));
            group.bench_function(format!("{name}/{controller}"), |bencher| bencher.iter(|| hour(file, &sets)));
        }
    }
    group.finish();
}

criterion_group!(benches, hours);
criterion_main!(benches);
