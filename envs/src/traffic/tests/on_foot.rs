//! People on foot: waits known to the second, who comes, and what follows for rewards, costs and what is seen.

use super::Lane;
use crate::traffic::Traffic;
use crate::traffic::host::{Columns, Streets};
use crate::traffic::metrics::Summary;
use crate::traffic::network::Network;
use crate::traffic::network::demand::{Clock, Demand};
use crate::traffic::network::generate::Grid;
use crate::traffic::pedestrians::OnFoot;
use crate::traffic::state::{Curb, NONE, Walker};
use crate::traffic::world::World;
use isonomy_engine::environment::Environment;
use isonomy_engine::lanes::{At, LaneDynamics, LaneState};
use isonomy_engine::spec::Space;
use serde::de::DeserializeOwned;

/// What stands in a scenario.
fn written<T: DeserializeOwned>(text: &str) -> T {
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    options.from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A crossing of roads of 24 m without vehicles.
fn empty(pedestrians: &str, clock: Clock) -> World {
    let grid: Grid = serde_json::from_str(r#"{"rows": 1, "columns": 1}"#).expect("a grid");
    let network = grid.network().expect("it can be built");
    let demand = Demand::build(&network, &[], clock).expect("nobody");
    let pedestrians = written(pedestrians);
    World::new(network, demand, clock).crossed_by(&pedestrians).unwrap_or_else(|problem| panic!("{problem}"))
}

/// The crosswalk that people cross in two phases.
fn crossed_in(world: &World, phases: [usize; 2]) -> usize {
    let walks = |number: &usize| phases.iter().all(|&phase| world.walkways.all[*number].crosswalk.walks[phase]);
    (0..world.walkways.all.len()).find(walks).expect("a crosswalk")
}

/// People who come to one crosswalk in these steps, and waiting people in all steps together.
fn stand(world: &World, crosswalk: usize, came: &[u32], phase: impl Fn(u32) -> u32) -> (Lane, u32) {
    let mut lane = Lane::start(world);
    let end = came.len() as u32;
    lane.walkers.fill(Walker { came: NONE, crossed: NONE });
    lane.walkers.iter_mut().zip(came).for_each(|(walker, &came)| walker.came = came);
    lane.curbs.fill(Curb { begin: end, first: end, next: end, end, green: 0 });
    lane.curbs[crosswalk] = Curb { begin: 0, first: 0, next: 0, end, green: 0 };
    let crossing = world.walkways.all[crosswalk].crosswalk.crossing as usize;
    let mut waiting = 0;
    for step in 0..world.clock.steps {
        lane.lights[crossing].phase = phase(step);
        world.step(&mut lane.state());
        world.walk(&mut lane.state());
        waiting += lane.curbs[crosswalk].waiting();
    }
    (lane, waiting)
}

#[test]
fn waits_are_known_to_the_second() {
    // 7 s and 24 m at 1.2 m/s: 27 s of green.
    let world = empty("(per_h: 60, bound_s: 60)", Clock { step_s: 1.0, steps: 200, seed: 0 });
    let east = crossed_in(&world, [2, 7]);
    let phase = |step: u32| match step {
        // Green too short for anybody.
        60..80 => 2,
        10..50 => 2,
        // One green and another that lets people cross as well.
        90..100 => 7,
        100..120 => 2,
        0..10 => 1,
        _ => 0,
    };
    let (mut lane, waiting) = stand(&world, east, &[0, 10, 36, 38, 55, 120], phase);
    let waits: Vec<u32> = lane.walkers[..6].iter().map(|walker| walker.waited(200)).collect();
    assert_eq!(waits, [36, 26, 0, 0, 61, 80]);
    assert_eq!(waiting, waits.iter().sum::<u32>());
    let found = OnFoot::of(&world, lane.state().shown());
    assert_eq!((found.waits_s.count, found.crossed), (6, 5));
    assert_eq!((found.waits_s.mean, found.waits_s.max, found.waits_s.p95), (203.0 / 6.0, 80.0, 80.0));
    assert_eq!((found.beyond, found.crosswalks[east].mean_s), (2.0 / 6.0, 203.0 / 6.0));
    // Nobody came to the others, and no vehicle has anybody in it.
    assert_eq!(found.crosswalks.iter().filter(|waits| waits.vehicles > 0).count(), 1);
    assert_eq!(Summary::of(&world, lane.state().shown()).person_wait_mean_s, 203.0 / 6.0);
}

#[test]
fn shorter_steps_and_narrower_roads() {
    for (pedestrians, step_s, expected) in [
        ("(per_h: 60)", 0.5, 54),
        ("(per_h: 60, width_m: 6)", 1.0, 12),
        ("(per_h: 60, width_m: 6.1)", 1.0, 13),
        ("(per_h: 60, width_m: 6, walk_s: 0, speed_mps: 1)", 1.0, 6),
        ("(per_h: 60, width_m: 0.001, walk_s: 0)", 1.0, 1),
    ] {
        let world = empty(pedestrians, Clock { step_s, steps: 100, seed: 0 });
        let west = crossed_in(&world, [2, 8]);
        let (lane, _) = stand(&world, west, &[0], |_| 8);
        assert_eq!(lane.walkers[0].waited(100), expected - 1, "{pedestrians}");
    }
}

#[test]
fn people_come_as_a_poisson_process() {
    let world = empty("(per_h: 60)", Clock { step_s: 1.0, steps: 3600, seed: 0 });
    let mut lane = Lane::start(&world);
    let (mut counts, mut times) = (Vec::new(), Vec::new());
    for episode in 0..300 {
        world.start_walking(&[episode, 7], &mut lane.curbs, &mut lane.walkers);
        for curb in &lane.curbs {
            let came = || lane.walkers[curb.begin as usize..curb.end as usize].iter().map(|walker| walker.came);
            assert!(came().is_sorted() && came().all(|came| came < 3600));
            counts.push(came().count() as f64);
            times.extend(came().map(f64::from));
        }
        let end = lane.curbs.last().expect("crosswalks").end as usize;
        assert!(end < lane.walkers.len() && lane.walkers[end..].iter().all(|walker| walker.came == NONE));
    }
    let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
    let n = counts.len() as f64;
    assert_eq!(n, 1200.0);
    assert!((mean(&counts) - 60.0).abs() < 4.0 * f64::sqrt(60.0 / n), "{}", mean(&counts));
    let variance = counts.iter().map(|count| (count - mean(&counts)).powi(2)).sum::<f64>() / n;
    assert!((variance / 60.0 - 1.0).abs() < 4.0 * f64::sqrt((2.0 + 1.0 / 60.0) / n), "{variance}");
    // Evenly over the hour.
    let off = 3600.0 / f64::sqrt(12.0 * times.len() as f64);
    assert!((mean(&times) - 1799.5).abs() < 4.0 * off, "{}", mean(&times));
}

fn streets(rest: &str) -> (Traffic, Streets) {
    let text = format!(
        "(network: {{\"Grid\": (rows: 1, columns: 2)}}, demand: {{\"Entries\": (main_per_h: 500, side_per_h: 300)}}, \
         duration_s: 900, {rest})"
    );
    let traffic: Traffic = written(&text);
    let streets = Streets::new(&traffic, traffic.world().unwrap_or_else(|problem| panic!("{problem}")).clone());
    (traffic, streets)
}

const WALKED: &str = "pedestrians: (per_h: 90, bound_s: 60, seen: true), rewards: [Telescoping(persons: true), Fair()], \
    costs: [PedestriansWait()]";

/// What people waited in an episode, in both models.
#[test]
fn rewards_costs_and_what_is_seen() {
    for model in ["Micro", "Queue()"] {
        let (traffic, streets) = streets(&format!("{WALKED}, model: {model}"));
        let (world, spec) = (streets.world(), traffic.spec());
        let Space::Real { size, .. } = spec.observation else { panic!("numbers") };
        let mut lane = Columns::new(&streets);
        let at = |elapsed, words| At { lane: 0, episode: 0, elapsed, words };
        streets.start(at(0, &[3, 4]), lane.view());
        let (mut paid, mut seen) = (vec![0.0; 6], vec![0.0; 2 * size as usize]);
        let (mut stood, mut returned, mut charged) = (0, 0.0, 0.0);
        for decision in 0..spec.time_limit {
            let action = [decision / 5 % 8, decision / 4 % 8];
            streets.decide(at(decision, &[]), &action, lane.view(), &mut paid, |state| {
                stood += state.curbs.iter().map(Curb::waiting).sum::<u32>();
            });
            returned += f64::from(paid[0]) + f64::from(paid[1]);
            charged += paid[4] + paid[5];
            streets.observe(at(decision, &[]), <Streets as LaneDynamics>::State::shared(&lane.view()), &mut seen);
            for crossing in 0..2 {
                let walkways = world.walkways.of(crossing);
                assert_eq!(walkways.len(), 4);
                let own = &seen[crossing * size as usize..][..size as usize];
                let mut beyond = 0.0;
                for (crosswalk, seen) in walkways.zip(own[size as usize - 8..].chunks_exact(2)) {
                    let curb = lane.curbs[crosswalk];
                    let since = lane.walkers[curb.first as usize].came;
                    let stands = if curb.waiting() > 0 { 10 * (decision + 1) - since } else { 0 };
                    let expected = [(curb.waiting() as f32 / 10.0).min(4.0), (stands as f32 / 120.0).min(2.0)];
                    assert_eq!(seen, expected, "{curb:?}");
                    beyond += f32::from(u8::from(stands > 60));
                }
                assert_eq!(paid[4 + crossing], beyond);
            }
        }
        let now = 10 * spec.time_limit;
        let view = lane.view();
        let shown = <Streets as LaneDynamics>::State::shared(&view);
        let mut measures = vec![0.0; streets.measures().len()];
        streets.measure(shown, &mut measures);
        let measure =
            |name: &str| measures[streets.measures().iter().position(|known| known == name).expect("a measure")];
        let waits: Vec<u32> =
            shown.9.iter().filter(|walker| walker.came < now).map(|walker| walker.waited(now)).collect();
        assert_eq!(stood, waits.iter().sum::<u32>());
        assert_eq!(measure("pedestrians_created"), waits.len() as f64);
        let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-5, "{found}, {expected}");
        close(measure("pedestrian_wait_mean_s"), f64::from(stood) / waits.len() as f64);
        assert_eq!(measure("pedestrian_wait_max_s"), f64::from(*waits.iter().max().expect("people")));
        assert!(
            measure("pedestrians_served") > 50.0 && measure("pedestrian_beyond_bound_share") > 0.0 && charged > 0.0
        );
        let squares = |waits: &mut dyn Iterator<Item = (f64, u32)>| -> f64 {
            waits.map(|(persons, waited)| persons * f64::from(waited).powi(2) / 2.0).sum()
        };
        let mut vehicles = shown.0.iter().map(|vehicle| (1.2, vehicle.waited));
        let mut people = waits.iter().map(|&waited| (1.0, waited));
        close(returned, -(squares(&mut vehicles) + squares(&mut people)) / 1000.0);
    }
}

#[test]
fn vehicles_take_no_notice_and_nothing_is_drawn_where_nobody_walks() {
    let run = |rest: &str| {
        let (traffic, streets) = streets(rest);
        let mut lane = Columns::new(&streets);
        let at = |elapsed, words| At { lane: 0, episode: 0, elapsed, words };
        streets.start(at(0, &[3, 4][..streets.start_draws()]), lane.view());
        let mut paid = vec![0.0; 2];
        for decision in 0..traffic.spec().time_limit {
            streets.step(at(decision, &[]), &[decision / 3 % 8; 2], lane.view(), &mut paid);
        }
        (lane.vehicles, paid, streets.measures(), streets.start_draws(), lane.walkers.len())
    };
    let (vehicles, paid, measures, draws, walkers) = run("");
    let (same_vehicles, same_paid, more, two, rows) = run("pedestrians: (per_h: 200)");
    assert_eq!((vehicles, paid), (same_vehicles, same_paid));
    assert_eq!((draws, walkers, two), (0, 0, 2));
    assert!(rows > 400 && more.len() == measures.len() + 10);
    assert!(!measures.iter().any(|name| name.contains("pedestrian") || name.contains("crosswalk")));
}

#[test]
fn a_device_leaves_people_on_foot_to_the_processor() {
    let (_, streets) = streets("pedestrians: (per_h: 60), model: Queue()");
    assert!(streets.twin().map(|_| ()).expect_err("refused").contains("people on foot have no WGSL twin"));
}

/// Names of the roads that are crossed, width, and phases that let people cross.
fn told(network: &Network) -> Vec<(String, f64, usize)> {
    let name = |&road: &u32| network.roads[road as usize].name.as_str();
    let walks = network.crosswalks().into_iter().map(|walk| {
        let roads: Vec<&str> = walk.roads.iter().map(name).collect();
        (roads.join(" "), walk.width_m, walk.walks.iter().filter(|walks| **walks).count())
    });
    walks.collect()
}

#[test]
fn where_a_road_ends_at_another_people_cross_while_that_one_goes() {
    let text = r#"{"network": {"Ring": {"crossings": 12}}, "demand": {"Trips": {"entry_per_h": 100}}}"#;
    let traffic: Traffic = serde_json::from_str(text).expect("a ring");
    let network = &traffic.world().unwrap_or_else(|problem| panic!("{problem}")).network;
    let crosswalks = network.crosswalks();
    assert_eq!(crosswalks.len(), 36);
    for crosswalk in &crosswalks {
        let crossing = &network.crossings[crosswalk.crossing as usize];
        let movements = &network.movements[crossing.movements.start as usize..crossing.movements.end as usize];
        for phase in (0..crosswalk.walks.len()).filter(|&phase| crosswalk.walks[phase]) {
            let green = &network.phases[crossing.phases.start as usize + phase].green;
            for (movement, _) in movements.iter().zip(green).filter(|(_, green)| **green) {
                // Whoever drives over it turns right, or turns left into the leg.
                use crate::traffic::network::Turn;
                let leaves = crosswalk.roads.contains(&movement.from);
                let enters = crosswalk.roads.contains(&movement.to);
                let yields = movement.turn == Turn::Right || movement.turn == Turn::Left && !leaves;
                assert!(yields || !(leaves || enters), "{crosswalk:?}: {movement:?}");
            }
        }
    }
}

#[test]
fn crosswalks_of_a_network_of_sumos() {
    let text = include_str!("../../../../scenarios/traffic/junction/net.net.xml");
    let network = crate::traffic::network::sumo::net("n.net.xml", text, &[]).unwrap_or_else(|error| panic!("{error}"));
    let found = told(&network);
    // Two lanes in and one out, 3.2 m each; the side street has no light and no crosswalk.
    let expected = [("from_w to_w", 1), ("from_s to_s", 1), ("from_e to_e", 1), ("from_n to_n", 1)];
    assert_eq!(found.len(), 4, "{found:?}");
    for (roads, least) in expected {
        let this = found.iter().find(|(names, _, _)| names == roads).unwrap_or_else(|| panic!("{roads}: {found:?}"));
        assert!((this.1 - 9.6).abs() < 1e-9 && this.2 >= least, "{this:?}");
    }
}

#[test]
fn rates_and_widths_that_cannot_be() {
    for (field, expected) in [
        ("per_h: -1", "-1 is not a number above 0"),
        ("per_h: NaN", "NaN is not a number above 0"),
        ("per_h: 0", "0 is not a number above 0"),
        ("per_h: 60, width_m: Some(0)", "0 is not a number above 0"),
        ("per_h: 60, speed_mps: 0", "0 is not a number above 0"),
        ("per_h: 60, walk_s: -7", "-7 is not a number, 0 or above"),
        ("per_h: 60, bound_s: inf", "inf is not a number above 0"),
        ("walk_s: 7", "missing field named `per_h`"),
        ("per_h: 60, rate: 3", "rate"),
    ] {
        let read = ron::from_str::<crate::traffic::pedestrians::Pedestrians>(&format!("({field})"));
        let error = read.expect_err("refused").to_string();
        assert!(error.contains(expected), "{field}: {error}");
    }
    let check = |network: &str, rest: &str| {
        let demand = r#"{"Trips": {"entry_per_h": 100}}"#;
        let text = format!(r#"{{"network": {network}, "demand": {demand}, {rest}}}"#);
        let traffic: Traffic = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        traffic.check().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let single = r#"{"Single": {}}"#;
    let many = check(single, r#""pedestrians": {"per_h": 1e9}"#);
    assert!(many.starts_with("pedestrians.per_h: more than 1048576 people come in one episode"), "{many}");
    let none = check(single, r#""costs": [{"PedestriansWait": {}}]"#);
    assert!(none.starts_with("costs[0]: there are no pedestrians") && none.contains("(per_h: 60)"), "{none}");
    assert_eq!(check(single, r#""pedestrians": {"per_h": 60}, "costs": [{"PedestriansWait": {}}]"#), "");
}
