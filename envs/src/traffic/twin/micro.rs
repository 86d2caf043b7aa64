//! What the twin of the micro model needs beside that of the queue model.

use super::super::following::{Law, TURN_MPS, WAITING_BELOW_MPS, YIELD_M};
use super::super::idm;
use super::super::krauss::MARGIN_M;
use super::super::network::demand::Kind;
use super::super::world::{Way, World};
use super::{Numbers, at_least};
use crate::wgsl::Constants;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// `order` of a conflict.
const GOES_LAST: u32 = 0;
const NOBODY_FIRST: u32 = 1;
const GOES_FIRST: u32 = 2;

/// Words of a conflict.
const CONFLICT_WORDS: usize = 4;

/// Why these vehicles are left to the processor.
pub(super) fn check(world: &World) -> Result<(), String> {
    if world.rounded.is_none() {
        let reason = "vehicles that are moved one by one in 64 bits have no WGSL twin";
        return Err(format!("{reason} (`precision: Single` and `model: Queue()` have)"));
    }
    if world.dawdles {
        return Err("drivers that dawdle have no WGSL twin (`Krauss(dawdling: 0.0)` has)".to_owned());
    }
    Ok(())
}

/// How vehicles move, in WGSL.
pub(super) fn source(world: &World) -> String {
    let mut named = Constants::default();
    named.one_of(
        "LAW",
        &["LAW_CITYFLOW", "LAW_KRAUSS", "LAW_IDM"],
        match world.law {
            Law::CityFlow => "LAW_CITYFLOW",
            Law::Krauss { .. } => "LAW_KRAUSS",
            Law::Idm {} => "LAW_IDM",
        },
    );
    named.real("TURN_MPS", TURN_MPS);
    named.real("YIELD_M", YIELD_M);
    named.real("MARGIN_M", MARGIN_M);
    named.real("WAITING_BELOW_MPS", at_least(WAITING_BELOW_MPS));
    named.real("LONGEST_M", world.longest_m);
    named.whole("IDM_PARTS", idm::PARTS as usize);
    named.whole("GOES_LAST", GOES_LAST as usize);
    named.whole("GOES_FIRST", GOES_FIRST as usize);
    named.whole("CONFLICT_WORDS", CONFLICT_WORDS);
    format!("{}{}{}", named.0, include_str!("following.wgsl"), include_str!("micro.wgsl"))
}

/// The conflicts of a link as `micro.wgsl` reads them: two places, the other link, and who goes first.
pub(super) fn conflicts(world: &World, link: &Way) -> impl Iterator<Item = u32> {
    world.conflicts[link.begin as usize..link.end as usize].iter().flat_map(|conflict| -> [u32; CONFLICT_WORDS] {
        let order = match conflict.order {
            Ordering::Less => GOES_LAST,
            Ordering::Equal => NOBODY_FIRST,
            Ordering::Greater => GOES_FIRST,
        };
        let [at_m, foe_at_m] = [conflict.at_m, conflict.foe_at_m].map(|metres| (metres as f32).to_bits());
        [at_m, foe_at_m, conflict.foe - world.lanes, order]
    })
}

/// Lists that only this model looks at.
pub(super) fn tables(world: &World, numbers: &mut Numbers, named: &mut Constants) {
    let finite = |number: f64| number.min(f64::from(f32::MAX));
    let driver = |driver: &super::super::following::Driver| {
        let kind = &driver.kind;
        [
            kind.length_m,
            kind.min_gap_m,
            kind.max_speed_mps,
            kind.headway_s,
            kind.max_acceleration,
            kind.max_braking,
            kind.usual_acceleration,
            kind.usual_braking,
            driver.looks_m,
            finite(driver.free_m),
        ]
    };
    let drivers: Vec<_> = world.drivers.iter().map(driver).collect();
    named.whole("DRIVER_WORDS", drivers.first().map_or(0, |words| words.len()));
    let lanes = &world.ways[..world.lanes as usize];
    let places = [
        ("DRIVERS_AT", numbers.reals(drivers.into_iter().flatten())),
        ("LENGTHS_AT", numbers.reals(world.ways.iter().map(|way| way.length_m))),
        ("LIMITS_AT", numbers.reals(lanes.iter().map(|lane| finite(lane.limit_mps)))),
        ("PRIORITIES_AT", numbers.list(world.demand.departures.iter().map(|departure| departure.priority as u32))),
    ];
    for (name, [begin, _]) in places {
        named.whole(name, begin as usize);
    }
    let mut ends = Vec::new();
    let before = before(world);
    for way in 0..world.ways.len() as u32 {
        ends.push(numbers.list(sources(world, &before, way).into_iter().rev()));
    }
    // Lists are neighbours: where one ends the next begins.
    let first = ends.first().map_or(0, |[begin, _]| *begin);
    let [begin, _] = numbers.list([first].into_iter().chain(ends.iter().map(|[_, end]| *end)));
    named.whole("SOURCES_AT", begin as usize);
}

/// Ways from which one gets to a way directly.
fn before(world: &World) -> Vec<Vec<u32>> {
    let mut before = vec![Vec::new(); world.ways.len()];
    for (number, link) in (world.lanes..).zip(&world.ways[world.lanes as usize..]) {
        before[number as usize].push(link.from);
        before[link.to as usize].push(number);
    }
    before
}

/// Ways from which a vehicle can get onto this one within a step, in order.
fn sources(world: &World, before: &[Vec<u32>], way: u32) -> Vec<u32> {
    let step_s = world.clock.step_s;
    // Nobody is faster than this, not even by a model that speeds up in parts of a step.
    let reach_m = |kind: &Kind| 1.001 * (kind.max_speed_mps + kind.max_acceleration * step_s) * step_s + 0.001;
    let reach_m = world.demand.kinds.iter().map(reach_m).fold(0.0, f64::max);
    // Metres that lie between a way and this one, at least.
    let mut between: BTreeMap<u32, f64> = BTreeMap::new();
    let mut open: Vec<(u32, f64)> = before[way as usize].iter().map(|&from| (from, 0.0)).collect();
    while let Some((from, metres)) = open.pop() {
        if metres > reach_m || between.get(&from).is_some_and(|known| *known <= metres) {
            continue;
        }
        between.insert(from, metres);
        let beyond = metres + world.ways[from as usize].length_m;
        open.extend(before[from as usize].iter().map(|&next| (next, beyond)));
    }
    between.into_keys().collect()
}

/// About how many turns of loops an invocation makes for a way in a step at most, where this many vehicles stand on the
/// longest lane and this many links leave one.
pub(super) fn loops(world: &World, fits: usize, leaving: usize) -> usize {
    let before = before(world);
    let sources = (0..world.ways.len() as u32).map(|way| sources(world, &before, way).len()).max().unwrap_or(0);
    let conflicts = world.ways[world.lanes as usize..].iter().map(|link| (link.end - link.begin) as usize).max();
    let shortest_m = world.demand.kinds.iter().map(|kind| kind.length_m + kind.min_gap_m).fold(f64::INFINITY, f64::min);
    let looks_m = world.drivers.iter().map(|driver| driver.looks_m).fold(0.0, f64::max);
    let near = (looks_m / shortest_m.max(1.0)).ceil() as usize + 1;
    // Everybody decides, moves and looks ahead; who is near a crossing looks at whom it meets there, a few on each link.
    3 * fits + near * conflicts.unwrap_or(0) * 4 + near * (leaving + 4) + 2 * sources + 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::network::demand::{Clock, Demand, FlowPlan};
    use crate::traffic::network::generate::Grid;

    #[test]
    fn short_ways_are_passed_within_a_step() {
        let grid: Grid = serde_json::from_value(serde_json::json!({ "rows": 1, "columns": 1 })).expect("a grid");
        let network = grid.network().expect("it can be built");
        let route = vec![network.movements[0].from as usize, network.movements[0].to as usize];
        let flow = FlowPlan { kind: Kind::CAR, route, interval_s: 1.0, start_s: 0.0, end_s: Some(0.0) };
        let clock = Clock { step_s: 1.0, steps: 10, seed: 0 };
        let demand = Demand::build(&network, &[flow], clock).expect("it can be driven");
        let mut world = World::new(network, demand, clock);
        let (link, way) = (world.lanes, world.ways[world.lanes as usize]);
        let direct = before(&world);
        assert_eq!(sources(&world, &direct, link), [way.from]);
        assert!(!sources(&world, &direct, way.to).contains(&way.from));
        world.ways[link as usize].length_m = 10.0;
        assert!(sources(&world, &direct, way.to).contains(&way.from));
        assert_eq!(sources(&world, &direct, link), [way.from]);
    }
}
