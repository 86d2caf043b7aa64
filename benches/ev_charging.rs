//! Site-steps of EV charging per second and core, by network and projection.
//!
//! `cargo bench --bench ev_charging`. *device* is the same rollout on an adapter, named with the figure; a software adapter
//! where there is no GPU, nothing where there is neither.
//! A site-step is one step of one whole site: commands, projection, quantisation,
//! batteries, meters, departures, arrivals; 54 stations at Caltech, 52 at JPL. *core* is the bare step on plain arrays with
//! commands of the largest current, *hosted* is the engine's rollout with everything around it, and *4,096 sites* is that for whole days of
//! the scenario `caltech_day.ron`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use isonomy::engine::gpu::{Device, DeviceChoice};
use isonomy::engine::noise::Phase;
use isonomy::engine::policy::TabularPolicy;
use isonomy::engine::scenario;
use isonomy::engine::sim::{Setup, Sim};
use isonomy::envs::ev_charging::grid::Grid;
use isonomy::envs::ev_charging::network::Network;
use isonomy::envs::ev_charging::projection::{Projection, Quantisation};
use isonomy::envs::ev_charging::session::Session;
use isonomy::envs::ev_charging::step::{self, Bay, Cells, Lane, Meter, Room, Site, Stay};
use std::path::Path;

const STEPS: u32 = 288;

/// A busy day: so many cars, from morning to evening, at stations all over the site.
fn day(stations: usize, cars: u32) -> Vec<Stay> {
    let car = |index: u32| {
        let arrival = 84 + index * 100 / cars;
        let session = Session {
            arrival,
            departure: arrival + 40 + (index * 37) % 60,
            est_departure: arrival + 40 + (index * 37) % 60,
            requested_kwh: 5.0 + f64::from((index * 53) % 20),
            station: Some((index * 7) % stations as u32),
            claimed: true,
            battery: None,
            max_kw: None,
            operator: 0,
        };
        Stay::new(&session, session.requested_kwh, 0.0, 6.656)
    };
    (0..cars).map(car).collect()
}

struct Bare {
    site: Site,
    day: Vec<Stay>,
    bays: Vec<Bay>,
    stays: Vec<Stay>,
    meter: Meter,
    room: Room,
}

impl Bare {
    fn new(grid: Grid, projection: Projection, cars: u32) -> Self {
        let (day, bays) = (day(grid.stations.len(), cars), vec![Bay::default(); grid.stations.len()]);
        let room = Room::new(&grid);
        let (cells, quantisation) = (Cells::default(), Quantisation::Floor);
        let site = Site { grid, cells, hours: 1.0 / 12.0, projection, quantisation };
        Bare { site, stays: day.clone(), day, bays, meter: Meter::default(), room }
    }

    fn episode(&mut self) -> f64 {
        let Bare { site, day, bays, stays, meter, room } = self;
        stays.copy_from_slice(day);
        let mut lane = Lane { bays, stays, meter };
        step::start(0, day.len() as u32, &mut lane);
        for _ in 0..STEPS {
            room.amps.fill(32.0);
            site.settle(lane.bays, lane.meter, room);
            site.charge(&mut lane, room);
            step::tick(&mut lane);
        }
        lane.meter.energy_kwh
    }
}

fn core(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("site-steps, core");
    group.throughput(Throughput::Elements(STEPS.into()));
    for (name, network, cars) in [
        ("Simple 150 kW, 40 cars", "Simple(kw: 150, stations: 54)", 40),
        ("Caltech 150 kW, 40 cars", "Caltech()", 40),
        ("Caltech 50 kW, 40 cars", "Caltech(transformer_kw: 50)", 40),
        ("JPL, 50 cars", "Jpl()", 50),
    ] {
        let network: Network = ron::from_str(network).expect("a network");
        for projection in [Projection::None, Projection::L2, Projection::Uniform, Projection::MaxMin] {
            let mut bare = Bare::new(network.grid(), projection, cars);
            let id = BenchmarkId::new(name, format!("{projection:?}"));
            group.bench_function(id, |bencher| bencher.iter(|| bare.episode()));
        }
    }
    group.finish();
}

/// Sampled days at Caltech: the garage as it is scaled down by the scenario, or its stations behind a single limit.
fn sampled(network: &str, projection: &str, lanes: usize, threads: usize, device: Option<&Device>) -> Sim {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/ev_charging/caltech_day.ron");
    let sets = [
        format!("environment.EvCharging.projection={projection}"),
        format!("environment.EvCharging.network={network}"),
        "environment.EvCharging.action=Discrete(levels: 4)".to_owned(),
    ];
    let loaded = scenario::load(&file, &sets).unwrap_or_else(|problems| panic!("{problems}"));
    let setup = Setup { lanes, seed: 1, phase: Phase::Training, threads, device };
    let mut sim = Sim::new(&*loaded.scenario.environment, Vec::new(), setup).expect("builds");
    let full = TabularPolicy::from_chances(sim.spec(), 1, |_, _, _, chances| chances[4] = 1.0);
    sim.set_policy(&full);
    sim
}

const NETWORKS: [(&str, &str); 2] = [
    ("Caltech 50 kW, sampled days", "Caltech(transformer_kw: 50)"),
    ("Simple 50 kW, sampled days", "Simple(kw: 50, stations: 54)"),
];

fn hosted(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("site-steps, hosted");
    let lanes = 256;
    group.throughput(Throughput::Elements(u64::from(STEPS) * lanes));
    group.sample_size(10);
    for (name, network) in NETWORKS {
        for projection in ["None", "L2", "MaxMin"] {
            let mut sim = sampled(network, projection, lanes as usize, 1, None);
            group.bench_function(BenchmarkId::new(name, projection), |bencher| {
                bencher.iter(|| sim.advance(STEPS as usize).expect("no device"))
            });
        }
    }
    group.finish();
}

/// A day of as many sites as a learner has lanes, sampled anew each time.
fn whole_days(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("4,096 sites, a day");
    let lanes = 4096;
    group.throughput(Throughput::Elements(u64::from(STEPS) * lanes));
    group.sample_size(10);
    for (name, network) in NETWORKS {
        for threads in [1, 2] {
            let mut sim = sampled(network, "L2", lanes as usize, threads, None);
            group.bench_function(BenchmarkId::new(name, format!("L2, {threads} threads")), |bencher| {
                bencher.iter(|| sim.advance(STEPS as usize).expect("no device"))
            });
        }
    }
    group.finish();
}

fn device(criterion: &mut Criterion) {
    let choices = [DeviceChoice::Gpu, DeviceChoice::Software];
    let Some(device) = choices.into_iter().find_map(|choice| Device::open(choice).ok().flatten()) else {
        return eprintln!("no adapter: nothing is measured on a device");
    };
    // A software adapter takes seconds where a GPU needs thousands of lanes to be busy.
    let lanes: u64 = if device.info().kind.is_gpu() { 4096 } else { 64 };
    let mut group = criterion.benchmark_group(format!("site-steps, {} lanes on {}", lanes, device.info().name));
    group.throughput(Throughput::Elements(u64::from(STEPS) * lanes));
    group.sample_size(10);
    for (name, network) in NETWORKS {
        for projection in ["None", "L2", "MaxMin"] {
            let mut sim = sampled(network, projection, lanes as usize, 1, Some(&device));
            group.bench_function(BenchmarkId::new(name, projection), |bencher| {
                bencher.iter(|| sim.advance(STEPS as usize).expect("the device should not fail"))
            });
        }
    }
    group.finish();
}

criterion_group!(benches, core, hosted, whole_days, device);
criterion_main!(benches);
