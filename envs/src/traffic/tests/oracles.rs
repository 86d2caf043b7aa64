//! Single vehicles, queues and choices whose numbers are known to the digit.

use super::{Lane, data};
use crate::traffic::controller::{AdvancedPressure, Choose, Dialect, MaxPressure};
use crate::traffic::following::Law;
use crate::traffic::metrics::Summary;
use crate::traffic::network::cityflow;
use crate::traffic::network::demand::{Clock, Demand, FlowPlan, Kind};
use crate::traffic::network::generate::Grid;
use crate::traffic::precision::Precision;
use crate::traffic::state::NONE;
use crate::traffic::world::World;
use isonomy_engine::quantity::Probability;
use serde_json::{Value, json};

const CAR: &str = r#"{"length": 5.0, "width": 2.0, "maxPosAcc": 2.0, "maxNegAcc": 4.5, "usualPosAcc": 2.0,
    "usualNegAcc": 4.5, "minGap": 2.5, "maxSpeed": 11.11, "headwayTime": 2.0}"#;

/// The synthetic crossing with these flows: routes, interval, start and end.
fn crossing(flows: &[(&[&str; 2], f64, u32, i64)], steps: u32) -> Option<World> {
    let text = std::fs::read_to_string(data()?.join("syn_1x1/roadnet.json")).expect("a file of the data");
    let network = cityflow::roadnet("roadnet.json", &text).unwrap_or_else(|error| panic!("{error}"));
    let car: Value = serde_json::from_str(CAR).expect("JSON");
    let flow = |&(route, interval, start, end): &(&[&str; 2], f64, u32, i64)| json!({ "vehicle": car, "route": route, "interval": interval, "startTime": start, "endTime": end });
    let flows = Value::from(flows.iter().map(flow).collect::<Vec<_>>()).to_string();
    let clock = Clock { step_s: 1.0, steps, seed: 0 };
    let demand = cityflow::flows("flow.json", &flows, &network, clock).unwrap_or_else(|error| panic!("{error}"));
    Some(World::new(network, demand, clock))
}

fn middle(world: &World) -> usize {
    world.network.controlled().next().expect("a light")
}

const STRAIGHT: [&str; 2] = ["road_0_1_0", "road_1_1_0"];
const LEFT: [&str; 2] = ["road_0_1_0", "road_1_1_1"];

/// Positions and speeds of one vehicle after every step, under one phase; and when it arrived.
fn alone(precision: Precision, route: &[&str; 2], phase: u32) -> Option<(Vec<(f64, f64)>, u32)> {
    let world = crossing(&[(route, 1.0, 0, 0)], 80)?.computed_in(precision);
    let mut lane = Lane::start(&world);
    lane.lights[middle(&world)].phase = phase;
    let mut seen = Vec::new();
    for _ in 0..80 {
        world.step(&mut lane.state());
        seen.push((lane.vehicles[0].position_m, lane.vehicles[0].speed_mps));
    }
    Some((seen, lane.vehicles[0].left))
}

fn assert_close(found: f64, expected: f64, rounding: f64) {
    assert!((found - expected).abs() <= rounding, "{found} is not {expected}");
}

/// How near numbers are to the true ones.
const PRECISIONS: [(Precision, f64); 2] = [(Precision::Double, 1e-9), (Precision::Single, 2e-4)];

#[test]
fn free_flow_straight_on() {
    for (precision, rounding) in PRECISIONS {
        let Some((seen, left)) = alone(precision, &STRAIGHT, 1) else { return };
        for (step, position) in (0..).zip([1.0, 4.0, 9.0, 16.0, 25.0, 35.555, 46.665, 57.775]) {
            assert_close(seen[step].0, position, rounding);
        }
        assert_close(seen[28].0, 1.085, rounding);
        assert_close(seen[30].0, 3.305, rounding);
        assert_eq!(left, 56);
    }
}

#[test]
fn free_flow_to_the_left() {
    for (precision, rounding) in PRECISIONS {
        let Some((seen, left)) = alone(precision, &LEFT, 3) else { return };
        assert_close(seen[29].0, 2.4766, 5e-5 + rounding);
        assert_close(seen[29].1, 8.3333, rounding);
        assert_eq!(left, 57);
    }
}

#[test]
fn stopping_at_red() {
    let Some((seen, left)) = alone(Precision::Double, &STRAIGHT, 2) else { return };
    for (step, (position, speed)) in
        (26..).zip([(268.865, 11.11), (278.123, 7.407), (284.296, 4.938), (287.999, 2.469), (289.233, 0.0)])
    {
        assert_close(seen[step].0, position, 5e-4);
        assert_close(seen[step].1, speed, 5e-4);
    }
    assert_close(seen[79].0, 289.233, 5e-4);
    assert_eq!(left, NONE);
}

/// Steps after green in which 20 stopped vehicles cross the line.
fn discharge(precision: Precision, route: &[&str; 2], phase: u32) -> Option<Vec<u32>> {
    let world = crossing(&[(route, 4.0, 0, 76)], 500)?.computed_in(precision);
    let mut lane = Lane::start(&world);
    let middle = middle(&world);
    lane.lights[middle].phase = 0;
    (0..300).for_each(|_| world.step(&mut lane.state()));
    let start = world.demand.paths[0] as usize;
    assert_eq!((lane.chains[start].vehicles, lane.chains[start].waiting), (20, 20));
    lane.lights[middle].phase = phase;
    let (mut times, mut before) = (Vec::new(), 20);
    for second in 1..=60 {
        world.step(&mut lane.state());
        let now = lane.chains[start].vehicles;
        times.extend((now..before).map(|_| second));
        before = now;
    }
    Some(times)
}

#[test]
fn queues_discharge_as_measured() {
    for (precision, _) in PRECISIONS {
        let Some(straight) = discharge(precision, &STRAIGHT, 1) else { return };
        assert_eq!(straight, [1, 5, 7, 10, 12, 15, 17, 20, 22, 25, 27, 30, 32, 35, 37, 40, 42, 44, 47, 49]);
        let left = discharge(precision, &LEFT, 3).expect("the same data");
        assert_eq!(left, [1, 5, 7, 10, 12, 15, 17, 20, 23, 25, 28, 30, 33, 35, 38, 41, 43, 46, 48, 51]);
    }
}

/// Delay under a two-phase light, of vehicles that come regularly on the four straight movements.
fn delay_s(interval: f64, green: u32, clearance: u32) -> Option<f64> {
    let routes = [STRAIGHT, ["road_2_1_2", "road_1_1_2"], ["road_1_0_1", "road_1_1_1"], ["road_1_2_3", "road_1_1_3"]];
    let flows: Vec<_> = routes.iter().map(|route| (route, interval, 0, -1)).collect();
    let world = crossing(&flows, 3600)?;
    let mut lane = Lane::start(&world);
    let middle = middle(&world);
    let cycle = 2 * (green + clearance);
    for second in 0..3600 {
        let at = second % cycle;
        // Straight on from west and east, then from south and north.
        lane.lights[middle].phase = match at {
            at if at < green => 1,
            at if (green + clearance..cycle - clearance).contains(&at) => 2,
            _ => 0,
        };
        world.step(&mut lane.state());
    }
    let (travelled, finished) = (lane.tally.travelled as f64, f64::from(lane.tally.finished));
    Some(travelled / finished - 56.0)
}

#[test]
fn delays_are_those_of_a_fluid_queue_and_half_a_second() {
    for (interval, green, measured) in [(7.0, 25, 16.29), (11.0, 25, 13.61), (13.0, 25, 13.00), (17.0, 25, 12.40)] {
        let Some(delay) = delay_s(interval, green, 5) else { return };
        assert_close(delay, measured, 0.15);
    }
    for (interval, measured) in [(7.0, 21.85), (11.0, 18.28)] {
        let Some(delay) = delay_s(interval, 40, 5) else { return };
        assert_close(delay, measured, 0.15);
    }
}

/// One crossing of the generator, whose movements and greens are numbered as in Hangzhou.
fn hangzhou_crossing() -> (World, Lane) {
    let grid: Grid = serde_json::from_value(json!({ "rows": 1, "columns": 1 })).expect("a grid");
    let network = grid.network().expect("it can be built");
    let flow = FlowPlan { kind: Kind::CAR, route: vec![], interval_s: 1.0, start_s: 0.0, end_s: Some(0.0) };
    let from = network.movements[0].from as usize;
    let flow = FlowPlan { route: vec![from, network.movements[0].to as usize], ..flow };
    let clock = Clock { step_s: 1.0, steps: 10, seed: 0 };
    let demand = Demand::build(&network, &[flow], clock).expect("it can be driven");
    let world = World::new(network, demand, clock);
    let mut lane = Lane::start(&world);
    for (movement, count) in (0..).zip([6, 2, 1, 0, 9, 1, 3, 5, 4, 3, 2, 2]) {
        let link = world.network.movements[movement].links.start;
        let from = world.network.links[link as usize].from as usize;
        (lane.chains[from].vehicles, lane.chains[from].waiting) = (count, count);
    }
    // Roads out of the crossing, by one movement that leads to each: east, north, south, west.
    for (movement, counts) in [(0, [1, 2, 0]), (4, [3, 0, 1]), (11, [0, 0, 2]), (7, [2, 1, 1])] {
        let road = world.network.movements[movement].to as usize;
        for (lane_at, count) in world.network.roads[road].lanes.clone().zip(counts) {
            (lane.chains[lane_at as usize].vehicles, lane.chains[lane_at as usize].waiting) = (count, count);
        }
    }
    lane.lights[middle(&world)].since_s = 30.0;
    (world, lane)
}

#[test]
fn pressures_of_a_known_crossing() {
    let (world, mut lane) = hangzhou_crossing();
    let crossing = middle(&world);
    let of = |lane: &mut Lane, dialect: Dialect| -> Vec<f64> {
        (0..8).map(|green| dialect.pressure(&world, lane.state().shown(), crossing, green)).collect()
    };
    assert_eq!(of(&mut lane, Dialect::LibSignal), [31.0, 32.0, 17.0, 10.0, 22.0, 26.0, 27.0, 15.0]);
    let efficient = of(&mut lane, Dialect::Efficient);
    for (found, expected) in efficient.into_iter().zip([8.667, 9.0, 4.0, 1.667, 5.667, 7.0, 7.333, 3.333]) {
        assert_close(found, expected, 5e-4);
    }
    for rule in [&MaxPressure::default() as &dyn Choose, &AdvancedPressure::default()] {
        assert_eq!(rule.choose(&world, lane.state().shown(), crossing), 1, "{rule:?}");
    }
}

#[test]
fn the_worst_service_has_the_best_gini() {
    let Some(world) = super::load("syn_1x1", "flow_2400.json") else { return };
    let mut lane = super::run(&world, Some(&MaxPressure::default()), 10);
    let crowded = Summary::of(&world, lane.state().shown()).waits_s;
    let world = super::load("syn_1x1", "flow_800.json").expect("the same data");
    let mut lane = super::run(&world, Some(&MaxPressure::default()), 10);
    let empty = Summary::of(&world, lane.state().shown()).waits_s;
    assert_close(crowded.gini, 0.243, 5e-4);
    assert_close(crowded.mean, 440.0, 0.05);
    assert!(crowded.gini < empty.gini && crowded.mean > 20.0 * empty.mean);
}

/// Steps after green in which 20 vehicles of SUMO's default kind cross the line of a crossing of the generator.
fn discharge_by(law: Law) -> Vec<u32> {
    let grid = json!({ "rows": 1, "columns": 1, "limit_mps": 13.89, "block_m": 500 });
    let grid: Grid = serde_json::from_value(grid).expect("a grid");
    let network = grid.network().expect("it can be built");
    let kind = Kind { headway_s: 1.0, max_acceleration: 2.6, max_speed_mps: 13.89, ..Kind::CAR };
    let route = vec![network.movements[0].from as usize, network.movements[0].to as usize];
    let flow = FlowPlan { kind, route, interval_s: 4.0, start_s: 0.0, end_s: Some(76.0) };
    let clock = Clock { step_s: 1.0, steps: 500, seed: 0 };
    let demand = Demand::build(&network, &[flow], clock).expect("it can be driven");
    let world = World::following(network, demand, clock, law);
    let mut lane = Lane::start(&world);
    let middle = middle(&world);
    lane.lights[middle].phase = 0;
    (0..300).for_each(|_| world.step(&mut lane.state()));
    let start = world.demand.paths[0] as usize;
    assert_eq!((lane.chains[start].vehicles, lane.chains[start].waiting), (20, 20), "{law:?}");
    lane.lights[middle].phase = 1;
    let (mut times, mut before) = (Vec::new(), 20);
    for second in 1..=60 {
        world.step(&mut lane.state());
        let now = lane.chains[start].vehicles;
        times.extend((now..before).map(|_| second));
        before = now;
    }
    times
}

#[test]
fn queues_of_other_laws_discharge_about_as_in_sumo() {
    let dawdling = |share| Law::Krauss { dawdling: Probability::new(share).expect("a share") };
    for (law, headway) in [(dawdling(0.0), 1.533), (dawdling(0.5), 1.867), (Law::Idm {}, 2.0)] {
        let times = discharge_by(law);
        assert_eq!(times.len(), 20, "{law:?}: {times:?}");
        let found = f64::from(times[19] - times[4]) / 15.0;
        eprintln!("{law:?}: {found:.3} s, SUMO {headway} s: {times:?}");
        assert!((found / headway - 1.0).abs() < 0.12, "{law:?}: {found} s");
    }
}
