//! SUMO's files: what becomes of them, what is said of those that are wrong, and hours of real networks.

use super::{HOUR, Lane, data, run};
use crate::traffic::controller::MaxPressure;
use crate::traffic::following::Law;
use crate::traffic::network::demand::{Class, Demand};
use crate::traffic::network::sumo::{File, net, routes};
use crate::traffic::network::{Network, Turn};
use crate::traffic::queue::Model;
use crate::traffic::world::World;
use isonomy_engine::quantity::Probability;
use std::cmp::Ordering;

const NET: &str = include_str!("../../../../scenarios/traffic/junction/net.net.xml");
const TRIPS: &str = include_str!("../../../../scenarios/traffic/junction/trips.rou.xml");
const NIGHT: &str = include_str!("../../../../scenarios/traffic/junction/night.add.xml");

fn network() -> Network {
    net("n.xml", NET, &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn demand(network: &Network) -> Demand {
    routes("r.xml", TRIPS, &[], network, HOUR, None).unwrap_or_else(|error| panic!("{error}"))
}

fn road(network: &Network, name: &str) -> u32 {
    network.roads.iter().position(|road| road.name == name).unwrap_or_else(|| panic!("no road {name}")) as u32
}

fn krauss() -> Law {
    Law::Krauss { dawdling: Probability::new(0.0).expect("a constant between 0 and 1") }
}

#[test]
fn a_network_is_what_its_file_says() {
    let network = network();
    assert_eq!(network.roads.len(), 11);
    let lights: Vec<usize> = network.controlled().collect();
    let [light] = lights[..] else { panic!("{lights:?}") };
    let light = &network.crossings[light];
    assert_eq!((light.name.as_str(), light.movements.len(), light.greens.as_slice()), ("light", 12, &[0, 2, 4, 6][..]));
    assert_eq!(network.crossings.iter().filter(|crossing| crossing.boundary).count(), 5);
    let lanes = |name: &str| &network.lanes[network.roads[road(&network, name) as usize].lanes.start as usize..];
    // SUMO counts lanes from the right, we from the left.
    let [left, right, ..] = lanes("from_w") else { panic!("two lanes") };
    assert_eq!((left.length_m, left.points[0].y, right.points[0].y), (188.0, -1.6, -4.8));
    // Nobody drives on a footpath.
    assert_eq!(network.roads[road(&network, "far_east") as usize].lanes.len(), 1);
    let turns = |turn| network.movements.iter().filter(|movement| movement.turn == turn).count();
    assert_eq!((turns(Turn::Straight), turns(Turn::Left), turns(Turn::Right)), (6, 4, 5));
}

#[test]
fn requests_say_who_yields() {
    let network = network();
    let order = |(from, to): (&str, &str), (foe_from, foe_to): (&str, &str)| {
        let link = |from: &str, to: &str| {
            let ends = (road(&network, from), road(&network, to));
            let of = |lane: u32| network.lanes[lane as usize].road;
            let found = network.links.iter().position(|link| (of(link.from), of(link.to)) == ends);
            found.expect("a link") as u32
        };
        let conflicts = network.links[link(from, to) as usize].conflicts.clone();
        let conflicts = &network.conflicts[conflicts.start as usize..conflicts.end as usize];
        let foe = link(foe_from, foe_to);
        conflicts.iter().find(|conflict| conflict.foe == foe).map(|conflict| conflict.order)
    };
    assert_eq!(order(("side", "far_east"), ("to_e", "far_east")), Some(Ordering::Less));
    assert_eq!(order(("to_e", "far_east"), ("side", "far_east")), Some(Ordering::Greater));
    assert_eq!(order(("from_w", "to_n"), ("from_e", "to_w")), Some(Ordering::Less));
    assert_eq!(order(("from_w", "to_e"), ("from_s", "to_n")), Some(Ordering::Equal));
    assert_eq!(order(("from_w", "to_e"), ("from_w", "to_s")), None);
}

#[test]
fn vehicles_are_what_their_file_says() {
    let network = network();
    let demand = demand(&network);
    assert_eq!(demand.begin_s, 25200.0);
    let of = |class: Class| {
        let kind = |kind: u32| demand.kinds[kind as usize];
        demand.departures.iter().filter(|departure| kind(departure.kind).class == class).count()
    };
    // 3540 s hold six times 600 s: at 0, 600, ..., 3000 s.
    assert_eq!((of(Class::Bus), of(Class::Emergency)), (6, 1));
    let random = of(Class::Car) - (300 + 60 + 277 + 60 + 250 + 50 + 220 + 120 + 1);
    assert!((40..110).contains(&random), "{random}");
    let bus = demand.kinds.iter().find(|kind| kind.class == Class::Bus).expect("buses come");
    assert_eq!((bus.length_m, bus.max_acceleration, bus.max_speed_mps, bus.persons), (12.0, 1.2, 13.89, 20.0));
    let ends: Vec<u32> = demand
        .departures
        .iter()
        .map(|departure| {
            let last = demand.paths[departure.path.1 as usize - 1];
            network.lanes[last as usize].road
        })
        .collect();
    // Everybody comes to where he wants, also from the wrong lane.
    let ended = |name: &str| ends.iter().filter(|end| **end == road(&network, name)).count();
    assert_eq!(ended("to_n"), 310);
    assert_eq!(ended("far_east"), 300 + 120 + 6 + 1 + random);
    assert_eq!(ended("to_w"), 277 + 50 + 1);
}

#[test]
fn an_episode_begins_where_it_is_told_to() {
    let network = network();
    let later = routes("r.xml", TRIPS, &[], &network, HOUR, Some(27000.0)).expect("good");
    let whole = demand(&network);
    let since = whole.departures.iter().filter(|departure| departure.step >= 1800).count();
    // Half of what comes at random may differ by its clock's rounding, nothing else.
    assert_eq!((later.begin_s, later.departures.len()), (27000.0, since));
}

#[test]
fn additional_files_change_the_light() {
    let files: [File<'_>; 1] = [("a.xml", NIGHT)];
    let network = net("n.xml", NET, &files).unwrap_or_else(|error| panic!("{error}"));
    let light = network.controlled().next().expect("a light");
    assert_eq!(network.crossings[light].greens, [0, 2]);
    let mut demand = demand(&network);
    demand.begin_s = 25200.0;
    let world = World::following(network, demand, HOUR, krauss());
    let mut lane = Lane::start(&world);
    world.follow_tables(&mut lane.lights);
    // The table began at 10 s: 25190 s are 524 cycles of 48 s and 38 s, 6 s before the end of the third phase.
    assert_eq!((lane.lights[light].phase, lane.lights[light].remaining_s), (2, 6.0));
}

#[test]
fn everybody_drives_and_nobody_touches() {
    for model in [Model::Micro, Model::queue()] {
        let network = network();
        let demand = demand(&network);
        let created = demand.departures.len();
        let world = World::following(network, demand, HOUR, krauss()).moved_by(model);
        let lane = run(&world, Some(&MaxPressure::default()), 10);
        let finished = lane.tally.finished as usize;
        assert!(finished * 100 > created * 95, "{model:?}: {finished} of {created}");
        if model == Model::Micro {
            for way in 0..world.network.lanes.len() as u32 {
                let shown = lane_state(&lane);
                let places: Vec<(f64, f64)> =
                    world.on(shown, way).map(|(number, this)| (this.position_m, world.kind(number).length_m)).collect();
                assert!(places.windows(2).all(|pair| pair[1].0 <= pair[0].0 - pair[0].1 + 1e-6), "{places:?}");
            }
        }
    }
}

fn lane_state(lane: &Lane) -> crate::traffic::state::Shown<'_> {
    let Lane { vehicles, chains, lights, passages, choices, tally, curbs, walkers, .. } = lane;
    crate::traffic::state::Shown { vehicles, chains, lights, passages, choices, tally, curbs, walkers }
}

fn of_net(from: &str, to: &str) -> String {
    assert!(NET.contains(from), "{from}");
    net("n.xml", &NET.replacen(from, to, 1), &[]).map(|_| ()).expect_err("refused").to_string()
}

fn of_trips(from: &str, to: &str) -> String {
    assert!(TRIPS.contains(from), "{from}");
    let network = network();
    let text = TRIPS.replacen(from, to, 1);
    routes("r.xml", &text, &[], &network, HOUR, None).map(|_| ()).expect_err("refused").to_string()
}

fn assert_says(found: &str, place: &str, what: &str) {
    assert!(found.contains(place) && found.contains(what), "{found}\ndoes not say\n{place} … {what}");
}

#[test]
fn networks_that_cannot_be() {
    let found = of_net("to=\"c\" priority", "to=\"moon\" priority");
    assert_says(&found, "n.xml:49:", "net.edge[\"from_w\"].to: there is no junction \"moon\"");
    assert_says(&of_net("length=\"188.00\"", "length=\"-188\""), "lane[\"from_w_0\"].length: ", "above 0, found -188");
    assert_says(
        &of_net("speed=\"13.89\" length=\"188.00\"", "speed=\"fast\" length=\"188.00\""),
        ".speed: ",
        "expected a number, found \"fast\"",
    );
    assert_says(
        &of_net("shape=\"-200.00,-4.80 -12.00,-4.80\"", "shape=\"-200.00\""),
        ".shape: ",
        "expected points like",
    );
    assert_says(
        &of_net("shape=\"-200.00,-4.80 -12.00,-4.80\"", "shape=\"1,2 1,2\""),
        ".shape: ",
        "two different points",
    );
    assert_says(
        &of_net("from=\"from_w\" to=\"to_s\" fromLane=\"0\"", "from=\"from_w\" to=\"to_s\" fromLane=\"7\""),
        "net.connection.fromLane: ",
        "edge \"from_w\" has no lane 7",
    );
    assert_says(
        &of_net("from=\"from_w\" to=\"to_s\"", "from=\"from_w\" to=\"nowhere\""),
        "net.connection.to: ",
        "there is no edge \"nowhere\"",
    );
    assert_says(
        &of_net("from=\"from_w\" to=\"to_s\"", "from=\"from_w\" to=\"home\""),
        "net.connection.to: ",
        "does not begin where edge \"from_w\" ends",
    );
    assert_says(&of_net("via=\":c_0_0\"", "via=\":x_0_0\""), "net.connection.via: ", "no internal lane \":x_0_0\"");
    assert_says(
        &of_net("tl=\"light\" linkIndex=\"3\"", "tl=\"light\" linkIndex=\"12\""),
        "linkIndex: ",
        "no signal 12, only 12",
    );
    assert_says(&of_net("tl=\"light\"", "tl=\"dark\""), "net.connection.tl: ", "there is no light \"dark\"");
    assert_says(
        &of_net("state=\"GGgrrrGGgrrr\"", "state=\"GGgrrrGGgrr\""),
        "tlLogic[\"light\"].phase.state: ",
        "the first phase has 11",
    );
    assert_says(&of_net("state=\"GGgrrrGGgrrr\"", "state=\"GGgrrrGGgrrX\""), "phase.state: ", "found 'X'");
    assert_says(&of_net("duration=\"30\"", "duration=\"-30\""), "phase.duration: ", "0 or above, found -30");
    assert_says(
        &of_net("<request index=\"0\" response=\"0", "<request index=\"0\" response=\"2"),
        "request.response: ",
        "zeros and ones",
    );
    assert_says(&of_net("id=\"from_s\"", "id=\"from_w\""), "edge[\"from_w\"].id: ", "two edges of the name");
    assert_says(&of_net("<net version", "<routes version").replace("routes", "net"), "n.xml:", "");
}

#[test]
fn xml_that_is_broken_or_means_harm() {
    for end in (0..NET.trim_end().len()).step_by(211) {
        net("n.xml", &NET[..end], &[]).map(|_| ()).expect_err("refused");
    }
    let network = network();
    for end in (0..TRIPS.trim_end().len()).step_by(53) {
        routes("r.xml", &TRIPS[..end], &[], &network, HOUR, None).map(|_| ()).expect_err("refused");
    }
    // A billion laughs.
    let mut bomb = "<?xml version=\"1.0\"?>\n<!DOCTYPE net [<!ENTITY a \"ha\">".to_owned();
    for level in 1..30 {
        let (this, before) = (char::from(b'a' + level), char::from(b'a' + level - 1));
        if !this.is_ascii_lowercase() {
            break;
        }
        bomb += &format!(
            "<!ENTITY {this} \"&{before};&{before};&{before};&{before};&{before};&{before};&{before};&{before};\">"
        );
    }
    bomb += "]><net>&z;</net>";
    let found = net("n.xml", &bomb, &[]).map(|_| ()).expect_err("refused").to_string();
    assert_says(&found, "n.xml:2:", "a document type, which may define entities, is not read");
    let deep = format!("<net>{}", "<a>".repeat(100_000));
    net("n.xml", &deep, &[]).map(|_| ()).expect_err("refused");
    let closed = format!("<net>{}{}</net>", "<a>".repeat(20_000), "</a>".repeat(20_000));
    let _ = net("n.xml", &closed, &[]);
    let found = net("n.xml", TRIPS, &[]).map(|_| ()).expect_err("refused").to_string();
    assert_says(&found, "n.xml:3:1: routes: ", "expected <net>, found <routes>");
}

#[test]
fn vehicles_that_cannot_be() {
    assert_says(
        &of_trips("end=\"8:00:00\"", "end=\"6:00:00\""),
        "r.xml:",
        "flow[\"west_east\"].end: the flow ends at 21600 s, before it begins at 25200 s",
    );
    assert_says(
        &of_trips("from=\"from_w\" to=\"far_east\"", "from=\"to_w\" to=\"far_east\""),
        "flow[\"west_east\"]: ",
        "no way leads from road \"to_w\" to road \"far_east\"",
    );
    assert_says(
        &of_trips("edges=\"from_w to_e far_east\"", "edges=\"from_w x\""),
        "route[\"line_1\"].edges: ",
        "there is no edge \"x\"",
    );
    assert_says(&of_trips("edges=\"to_w\"", "edges=\"\""), ".edges: ", "needs an edge");
    assert_says(
        &of_trips("route=\"line_1\"", "route=\"line_2\""),
        "flow[\"bus\"].route: ",
        "no route \"line_2\" before this",
    );
    assert_says(
        &of_trips("type=\"ambulance\"", "type=\"tank\""),
        "trip[\"ambulance\"].type: ",
        "no vType \"tank\" before this",
    );
    assert_says(
        &of_trips("depart=\"26000\"", "depart=\"triggered\""),
        "trip[\"ambulance\"].depart: ",
        "found \"triggered\"",
    );
    assert_says(
        &of_trips("vClass=\"bus\"", "vClass=\"tram\""),
        "vType[\"bus\"].vClass: ",
        "does not drive on lanes for cars",
    );
    assert_says(&of_trips("sigma=\"0\"", "length=\"-5\""), "vType[\"car\"].length: ", "above 0, found -5");
    assert_says(&of_trips("period=\"13\"", "period=\"exp(0.1)\""), ".period: ", "random periods are not read");
    assert_says(&of_trips("probability=\"0.02\"", "probability=\"2\""), ".probability: ", "up to 1, found 2");
    let random = "begin=\"25200\" end=\"28800\" probability=\"0.02\"";
    let endless = random.replace("28800", "1e300").replace("0.02", "1e-9");
    assert_says(&of_trips(random, &endless), ".end: ", "last longer than 1000000000 s");
    // At such times a second more is no later.
    let late = random.replace("25200", "1e17").replace("28800", "100000000000000160").replace("0.02", "1e-9");
    let trips = TRIPS.replacen(random, &late, 1);
    routes("r.xml", &trips, &[], &network(), HOUR, None).unwrap_or_else(|error| panic!("{error}"));
    assert_says(&of_trips("vehsPerHour=\"300\" ", ""), "flow[\"west_east\"]: ", "expected `vehsPerHour`");
    assert_says(
        &of_trips("vehsPerHour=\"300\"", "vehsPerHour=\"2e9\""),
        "flow[\"west_east\"]: ",
        "more than 1048576 vehicles",
    );
}

/// An hour of a network of RESCO's: mean trip of those who arrived, mean wait of those who entered, arrived, created.
fn hour(name: &str, controlled: bool) -> Option<(f64, f64, usize, usize)> {
    let folder = data()?.join(format!("resco_{name}"));
    let read =
        |file: String| std::fs::read_to_string(folder.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let trips = if name == "grid4x4" { "grid4x4_1".to_owned() } else { name.to_owned() };
    let network = net(name, &read(format!("{name}.net.xml")), &[]).unwrap_or_else(|error| panic!("{error}"));
    let demand = routes(name, &read(format!("{trips}.rou.xml")), &[], &network, HOUR, None);
    let world = World::following(network, demand.unwrap_or_else(|error| panic!("{error}")), HOUR, krauss());
    // Nobody is lost on a wrong lane.
    for departure in &world.demand.departures {
        let last = world.demand.paths[departure.path.1 as usize - 1] as usize;
        assert!(last < world.network.lanes.len());
    }
    let rule = MaxPressure::default();
    let lane = run(&world, controlled.then_some(&rule as _), 10);
    let (mut trip, mut wait, mut entered) = (0.0, 0.0, 0.0);
    for vehicle in &lane.vehicles {
        if vehicle.entered != u32::MAX {
            entered += 1.0;
            wait += f64::from(vehicle.waited);
        }
        if vehicle.left != u32::MAX {
            trip += f64::from(vehicle.left - vehicle.entered);
        }
    }
    let finished = lane.tally.finished as usize;
    let found = (trip / finished as f64, wait / entered, finished, world.demand.departures.len());
    eprintln!("{name}, {}: {found:?}", if controlled { "max pressure" } else { "its own table" });
    Some(found)
}

#[test]
fn real_networks() {
    // What SUMO 1.28 measured with the same tables: mean trip of those who arrived, and how many these were. Its drivers
    // change lanes and dawdle, so ours are not expected to be the same; along the corridor of Ingolstadt that matters most.
    for (name, vehicles, trip, arrived, within) in [
        ("cologne1", 2015, 61.30, 1999, 0.06),
        ("cologne8", 2046, 112.67, 2005, 0.12),
        ("grid4x4", 1473, 203.15, 1439, 0.08),
        // One of 3,031 departs when the hour is over.
        ("ingolstadt7", 3030, 141.67, 2837, 0.25),
    ] {
        let Some((found_trip, _, found_arrived, created)) = hour(name, false) else { return };
        assert_eq!(created, vehicles, "{name}");
        let off = |found: f64, expected: f64| (found / expected - 1.0).abs();
        assert!(off(found_trip, trip) < within, "{name}: {found_trip} s");
        assert!(off(found_arrived as f64, arrived as f64) < within, "{name}: {found_arrived}");
        hour(name, true);
    }
}
