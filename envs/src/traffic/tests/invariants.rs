//! What holds in every step of every network, whatever the lights show.

use super::Lane;
use crate::traffic::network::demand::{Clock, Demand};
use crate::traffic::network::generate::{Entries, Grid};
use crate::traffic::signal::Signals;
use crate::traffic::state::{NONE, Vehicle};
use crate::traffic::world::World;
use serde_json::json;

fn grid(rows: u32, columns: u32, per_h: f64, steps: u32) -> World {
    let grid: Grid = serde_json::from_value(json!({ "rows": rows, "columns": columns })).expect("a grid");
    let entries = json!({ "main_per_h": per_h, "side_per_h": per_h / 2.0, "left": 0.3, "right": 0.3 });
    let entries: Entries = serde_json::from_value(entries).expect("entries");
    let clock = Clock { step_s: 1.0, steps, seed: 3 };
    let network = grid.network().expect("it can be built");
    let flows = grid.flows(&entries, f64::from(steps), clock.seed);
    let demand = Demand::build(&network, &flows, clock).expect("it can be driven");
    World::new(network, demand, clock)
}

/// A green for a crossing in a decision: any will do.
fn some_green(crossing: usize, decision: u32) -> u32 {
    (crossing as u32).wrapping_mul(2_654_435_761).wrapping_add(decision.wrapping_mul(40_503)) >> 7 & 7
}

fn each_step(world: &World, mut watch: impl FnMut(&mut Lane, &[Vehicle])) -> Lane {
    let mut lane = Lane::start(world);
    for step in 0..world.clock.steps {
        for crossing in world.network.controlled() {
            let green = some_green(crossing, step / 10);
            Signals::LibSignal.changes().ask(
                &mut lane.lights[crossing],
                &world.network.crossings[crossing],
                green,
                1.0,
            );
        }
        let before = lane.vehicles.clone();
        world.step(&mut lane.state());
        watch(&mut lane, &before);
    }
    lane
}

#[test]
fn nobody_gets_lost_and_nobody_is_too_fast() {
    let world = grid(2, 3, 900.0, 1500);
    let mut waited_on_lanes = 0;
    let mut lane = each_step(&world, |lane, before| {
        let steps = lane.tally.steps;
        let on_ways: u32 = lane.chains.iter().map(|chain| chain.vehicles).sum();
        let entered = lane.vehicles.iter().filter(|vehicle| vehicle.entered != NONE).count();
        let outside = world.created(steps) - entered;
        assert_eq!(world.created(steps), lane.tally.finished as usize + on_ways as usize + outside);
        waited_on_lanes += lane.chains.iter().map(|chain| u64::from(chain.waiting)).sum::<u64>();
        for (now, before) in lane.vehicles.iter().zip(before) {
            assert!((0.0..=11.111).contains(&now.speed_mps));
            let change = now.speed_mps - before.speed_mps;
            assert!((-4.5 - 1e-9..=2.0 + 1e-9).contains(&change), "{change}");
        }
        for way in 0..world.network.lanes.len() as u32 {
            let places: Vec<f64> = world.on(lane.state().shown(), way).map(|(_, vehicle)| vehicle.position_m).collect();
            assert_eq!(places.len(), lane.chains[way as usize].vehicles as usize);
            for pair in places.windows(2) {
                assert!(pair[0] - pair[1] >= 5.0 - 1e-6, "{} and {} m on lane {way}", pair[0], pair[1]);
            }
        }
    });
    assert!(lane.tally.finished > 300, "{:?}", lane.tally);
    let waited: u64 = lane.vehicles.iter().map(|vehicle| u64::from(vehicle.waited)).sum();
    assert_eq!(waited, waited_on_lanes);
    // Waits before movements, and who is still there, are all the waits on lanes.
    let passed: u64 = lane.passages.iter().map(|passage| u64::from(passage.waited)).sum();
    let present: u64 = (0..lane.vehicles.len() as u32)
        .filter_map(|vehicle| world.waits_for(&lane.vehicles, vehicle))
        .map(|(_, waited)| u64::from(waited))
        .sum();
    assert!(passed + present <= waited && passed + present > waited * 9 / 10, "{passed} + {present} of {waited}");
    let first = world.average_travel_time_s(&lane.state().shown());
    let mut again = each_step(&world, |_, _| {});
    assert_eq!(first.to_bits(), world.average_travel_time_s(&again.state().shown()).to_bits());
    assert_eq!(lane.vehicles, again.vehicles);
}

#[test]
fn a_crowd_is_moved_as_well() {
    // Everything stands still sooner or later, and nothing breaks.
    let world = grid(3, 3, 3000.0, 2500);
    let lane = each_step(&world, |_, _| {});
    assert!(lane.vehicles.iter().filter(|vehicle| vehicle.halted > 100).count() > 100);
}

#[test]
fn all_greens_at_once_make_vehicles_yield() {
    // A light that frees everybody: conflict points alone keep vehicles apart, and no crossing locks.
    let mut world_plan = grid(1, 1, 500.0, 1800);
    for phase in &mut world_plan.network.phases {
        phase.green.fill(true);
    }
    let world = World::new(world_plan.network, world_plan.demand, world_plan.clock);
    let mut lane = Lane::start(&world);
    (0..1800).for_each(|_| world.step(&mut lane.state()));
    let waits = crate::traffic::metrics::Summary::of(&world, lane.state().shown()).waits_s;
    assert!(lane.tally.finished as usize > waits.count * 9 / 10, "{:?} of {}", lane.tally, waits.count);
    assert!(waits.max > 0.0 && waits.mean < 60.0, "{waits:?}");
}
