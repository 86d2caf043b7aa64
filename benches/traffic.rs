//! Vehicles moved per second on one core, and what hosting them in the engine costs.
//!
//! `cargo bench --bench traffic`. An hour of a made-up grid; where `ISONOMY_DATA` names the folder of the public networks, of
//! Hangzhou as well. Then the same in 32 bits and as queues: one copy on one core, and many on a device, where there is one.
//! CityFlow moves 1 to 2 million vehicles per second of a core, SUMO 0.1 to 0.2 million.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isonomy::engine::gpu::{Device, DeviceChoice};
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

/// Networks by name: a scenario file and what is set in it.
fn networks() -> Vec<(&'static str, &'static str, Vec<String>)> {
    let mut networks = vec![("grid_4x4", "grid_4x4.ron", vec!["lanes=1".to_owned()])];
    match std::env::var("ISONOMY_DATA") {
        Ok(data) => {
            let folder = format!("{data}/traffic/hangzhou_4x4");
            let network = format!("environment.Traffic.network=\"{folder}/roadnet.json\"");
            let demand = format!("environment.Traffic.demand=\"{folder}/flow_hz1.json\"");
            networks.push(("hangzhou", "cityflow.ron", vec![network, demand]));
        }
        Err(_) => eprintln!("SKIPPED: ISONOMY_DATA does not name the folder of the traffic networks"),
    }
    networks
}

const CONTROLLERS: [&str; 2] = ["FixedTime", "MaxPressure"];

fn controller(name: &str) -> String {
    format!("controller={{\"{name}\": ()}}")
}

fn hours(criterion: &mut Criterion) {
    for (model, set) in [("traffic", None), ("traffic, 32 bits", Some(SINGLE)), ("traffic, queues", Some(QUEUES))] {
        let mut group = criterion.benchmark_group(model);
        group.sample_size(10);
        for (name, file, sets) in networks() {
            for rule in CONTROLLERS {
                let sets: Vec<String> =
                    sets.iter().cloned().chain(set.map(str::to_owned)).chain([controller(rule)]).collect();
                group.throughput(Throughput::Elements(hour(file, &sets)));
                group.bench_function(format!("{name}/{rule}"), |bencher| bencher.iter(|| hour(file, &sets)));
            }
        }
        group.finish();
    }
}

const QUEUES: &str = "environment.Traffic.model=Queue()";
const SINGLE: &str = "environment.Traffic.precision=Single";

/// Whole episodes of many copies at once.
fn device(criterion: &mut Criterion) {
    let choices = [DeviceChoice::Gpu, DeviceChoice::Software];
    let Some(device) = choices.into_iter().find_map(|choice| Device::open(choice).ok().flatten()) else {
        return eprintln!("no adapter: nothing is measured on a device");
    };
    // A software adapter takes seconds where a GPU needs a thousand copies to be busy.
    let lanes: u64 = if device.info().kind.is_gpu() { 1024 } else { 4 };
    for (model, set) in [("32 bits", SINGLE), ("queues", QUEUES)] {
        let mut group =
            criterion.benchmark_group(format!("traffic, {model}, {lanes} copies on {}", device.info().name));
        group.sample_size(10);
        for (name, file, sets) in networks() {
            for rule in CONTROLLERS {
                let sets: Vec<String> = sets.iter().cloned().chain([set.to_owned(), controller(rule)]).collect();
                group.throughput(Throughput::Elements(lanes * hour(file, &sets)));
                let sets = [sets, vec![format!("lanes={lanes}")]].concat();
                let means = Means { threads: 1, device: Some(&device) };
                // A copy that is moved one by one takes more than the smallest of GPUs lend a thousand times.
                let mut run = match Run::new(scenario(file, &sets), means) {
                    Ok(run) => run,
                    Err(error) => {
                        eprintln!("SKIPPED: {name}/{rule}: {error}");
                        continue;
                    }
                };
                let steps = run.sim().spec().time_limit as usize;
                group.bench_function(format!("{name}/{rule}"), |bencher| {
                    bencher.iter(|| run.sim().advance(steps).expect("the device should not fail"))
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, hours, device);
criterion_main!(benches);
