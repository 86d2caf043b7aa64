//! The micro model against numbers that CityFlow itself gave.

use super::controller::{FixedTime, MaxPressure, Rule, Sotl};
use super::metrics::Summary;
use super::micro::{Chain, Light, Passage, State, Tally, Vehicle, World};
use super::network::cityflow;
use super::network::demand::Clock;
use super::signal::Changes;
use bytemuck::Zeroable;
use std::path::PathBuf;

const HOUR: Clock = Clock { step_s: 1.0, steps: 3600, seed: 0 };

/// One lane of a batch.
struct Lane {
    vehicles: Vec<Vehicle>,
    chains: Vec<Chain>,
    lights: Vec<Light>,
    passages: Vec<Passage>,
    tally: Tally,
}

impl Lane {
    fn start(world: &World) -> Self {
        let mut lane = Lane {
            vehicles: vec![Vehicle::zeroed(); world.demand.departures.len()],
            chains: vec![Chain::zeroed(); world.network.ways()],
            lights: vec![Light::zeroed(); world.network.crossings.len()],
            passages: vec![Passage::zeroed(); world.network.movements.len()],
            tally: Tally::zeroed(),
        };
        world.start(lane.state());
        lane
    }

    fn state(&mut self) -> State<'_> {
        State {
            vehicles: &mut self.vehicles,
            chains: &mut self.chains,
            lights: &mut self.lights,
            passages: &mut self.passages,
            tally: &mut self.tally,
        }
    }
}

/// The data folder, or a loud word that it is missing.
fn data() -> Option<PathBuf> {
    let Some(data) = std::env::var_os("ISONOMY_DATA") else {
        eprintln!("SKIPPED: ISONOMY_DATA does not name the folder of the traffic networks");
        return None;
    };
    Some(PathBuf::from(data).join("traffic"))
}

fn load(folder: &str, flow: &str) -> Option<World> {
    let folder = data()?.join(folder);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of the data");
    let network = cityflow::roadnet("roadnet.json", &read("roadnet.json")).unwrap_or_else(|error| panic!("{error}"));
    let demand = cityflow::flows(flow, &read(flow), &network, HOUR).unwrap_or_else(|error| panic!("{error}"));
    Some(World::new(network, demand, HOUR))
}

/// An hour; without a rule the lights follow their own tables.
fn run(world: &World, rule: Option<&dyn Rule>, decision: u32) -> Lane {
    let mut lane = Lane::start(world);
    if rule.is_none() {
        lane.lights.iter_mut().for_each(|light| light.phase = 0);
    }
    let mut asked = vec![0; world.network.crossings.len()];
    for step in 0..world.clock.steps {
        if let Some(rule) = rule {
            for crossing in world.network.controlled() {
                if step % decision == 0 {
                    asked[crossing] = rule.choose(world, lane.state().shown(), crossing);
                }
                let (light, crossing_at) = (&mut lane.lights[crossing], &world.network.crossings[crossing]);
                Changes::LIBSIGNAL.ask(light, crossing_at, asked[crossing], 1.0);
            }
        }
        world.step(lane.state());
        if rule.is_none() {
            world.turn_lights(&mut lane.lights, true);
        }
    }
    lane
}

const FIXED: FixedTime = FixedTime { green_s: 30.0 };
const PRESSURE: MaxPressure = MaxPressure { min_green_s: 10.0 };
const SOTL: Sotl = Sotl { min_green_s: 5.0, few: 3, many: 6 };

fn assert_times(folder: &str, flow: &str, expected: &[(Option<&dyn Rule>, f64)], tolerance: f64) {
    let Some(world) = load(folder, flow) else { return };
    for &(rule, expected) in expected {
        let begun = std::time::Instant::now();
        let mut lane = run(&world, rule, 10);
        let updates = lane.tally.updates;
        let seconds = begun.elapsed().as_secs_f64();
        let found = world.average_travel_time_s(&lane.state().shown());
        eprintln!(
            "{folder}/{flow} {rule:?}: {found:.2} s, expected {expected}; {:.2} M/s",
            updates as f64 / seconds / 1e6
        );
        assert!((found - expected).abs() <= tolerance, "{folder}/{flow} {rule:?}: {found} s, not {expected} s");
    }
}

fn four(builtin: f64, fixed: f64, pressure: f64, sotl: f64) -> [(Option<&'static dyn Rule>, f64); 4] {
    [(None, builtin), (Some(&FIXED), fixed), (Some(&PRESSURE), pressure), (Some(&SOTL), sotl)]
}

#[test]
fn travel_times_of_one_crossing() {
    for (flow, builtin, pressure) in
        [("flow_800.json", 98.71, 73.60), ("flow_1600.json", 102.23, 243.64), ("flow_2400.json", 109.35, 759.48)]
    {
        assert_times("syn_1x1", flow, &[(None, builtin), (Some(&PRESSURE), pressure)], 0.01);
    }
    assert_times("hangzhou_1x1", "flow_bc-tyc_18041608.json", &four(556.05, 668.37, 445.62, 335.71), 0.01);
    assert_times("hangzhou_1x1", "flow_tms-xy_18041608.json", &four(535.41, 638.67, 284.02, 312.15), 0.01);
}

#[test]
fn travel_times_of_few_crossings() {
    assert_times("syn_1x3", "flow.json", &four(380.35, 491.38, 240.08, 582.08), 0.01);
    assert_times("syn_2x2", "flow.json", &four(453.73, 574.46, 316.67, 420.90), 0.01);
}

#[test]
fn travel_times_of_cities() {
    assert_times("hangzhou_4x4", "flow_hz1.json", &four(525.28, 575.56, 365.06, 354.13), 0.01);
    assert_times("jinan_3x4", "flow_jn1.json", &four(444.84, 514.14, 374.56, 369.64), 0.01);
    assert_times("manhattan_16x3", "flow.json", &four(1029.38, 1122.95, 203.08, 553.64), 0.01);
}

#[test]
fn hangzhou_waits() {
    let Some(world) = load("hangzhou_4x4", "flow_hz1.json") else { return };
    for rule in [None, Some(&FIXED as &dyn Rule), Some(&PRESSURE), Some(&SOTL)] {
        let mut lane = run(&world, rule, 10);
        let summary = Summary::of(&world, lane.state().shown());
        let means: Vec<f64> =
            summary.crossings.iter().filter(|waits| waits.vehicles > 0).map(|waits| waits.mean_s).collect();
        let crossings = super::metrics::Spread::of(means.clone());
        eprintln!(
            "{rule:?} {:?} {:?}\nworst {} turns {:?} crossings {} {} {}",
            summary.waits_s,
            summary.finished_waits_s,
            summary.worst_movement_s(),
            summary.turns,
            crossings.mean,
            crossings.max,
            crossings.gini
        );
    }
}
