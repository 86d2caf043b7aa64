//! Files that cannot be meant: what is said of them, and where.

use super::HOUR;
use crate::traffic::Traffic;
use crate::traffic::network::cityflow::{config, flows, roadnet};
use crate::traffic::network::demand::Clock;
use crate::traffic::precision::Precision;
use crate::traffic::queue::Model;
use isonomy_engine::environment::Environment;
use std::path::Path;

const ROADS: &str = include_str!("../../../../scenarios/traffic/crossing/roadnet.json");
const TRIPS: &str = include_str!("../../../../scenarios/traffic/crossing/flow.json");

fn roads(from: &str, to: &str) -> String {
    assert!(ROADS.contains(from), "{from}");
    roadnet("r.json", &ROADS.replacen(from, to, 1)).map(|_| ()).expect_err("refused").to_string()
}

fn trips(from: &str, to: &str) -> String {
    assert!(TRIPS.contains(from), "{from}");
    let network = roadnet("r.json", ROADS).expect("good");
    flows("f.json", &TRIPS.replacen(from, to, 1), &network, HOUR).map(|_| ()).expect_err("refused").to_string()
}

fn assert_says(found: &str, place: &str, what: &str) {
    assert!(found.contains(place) && found.contains(what), "{found}\ndoes not say\n{place} … {what}");
}

#[test]
fn the_files_as_they_are_can_be_read() {
    let network = roadnet("r.json", ROADS).expect("good");
    let demand = flows("f.json", TRIPS, &network, HOUR).expect("good");
    assert_eq!((network.roads.len(), network.links.len(), demand.kinds.len()), (8, 36, 1));
    assert!(demand.departures.len() > 1000);
}

#[test]
fn roads_that_lead_nowhere() {
    let found = roads("\"endIntersection\": \"crossing\"", "\"endIntersection\": \"moon\"");
    assert_says(&found, "roads[0].endIntersection: ", "there is no intersection \"moon\"");
    assert!(found.starts_with("r.json:"), "{found}");
    assert_says(
        &roads("\"startRoad\": \"from_west\"", "\"startRoad\": \"x\""),
        "intersections[0].roadLinks[0].startRoad: ",
        "there is no road \"x\"",
    );
    assert_says(
        &roads("\"startRoad\": \"from_west\"", "\"startRoad\": \"to_west\""),
        "roadLinks[0].startRoad: ",
        "does not end here",
    );
    assert_says(
        &roads("\"roads\": [\"from_west\"", "\"roads\": [\"x\""),
        "intersections[0].roads[0]: ",
        "there is no road \"x\"",
    );
    assert_says(
        &roads("{\"id\": \"from_south\"", "{\"id\": \"from_west\""),
        "roads[1].id: ",
        "two roads of the name \"from_west\"",
    );
}

#[test]
fn links_without_lanes() {
    assert_says(
        &roads("\"startLaneIndex\": 1", "\"startLaneIndex\": 7"),
        "laneLinks[0].startLaneIndex: ",
        "has no lane 7, only 3",
    );
    assert_says(
        &roads("\"startLaneIndex\": 1", "\"startLaneIndex\": -1"),
        "laneLinks[0].startLaneIndex: ",
        "expected a whole number",
    );
    let all = "\"laneLinks\": [{\"startLaneIndex\": 1, \"endLaneIndex\": 0}, {\"startLaneIndex\": 1, \"endLaneIndex\": 1}, {\"startLaneIndex\": 1, \"endLaneIndex\": 2}]";
    assert_says(&roads(all, "\"laneLinks\": []"), "roadLinks[0].laneLinks: ", "needs a lane link");
    assert_says(&roads("go_straight", "go_home"), "roadLinks[0].type: ", "found \"go_home\"");
    let points = "\"startLaneIndex\": 1, \"points\": [{\"x\": 0, \"y\": 0}]";
    assert_says(&roads("\"startLaneIndex\": 1", points), "laneLinks[0].points: ", "two points or more");
}

#[test]
fn phases_of_missing_links() {
    assert_says(
        &roads("\"availableRoadLinks\": [2", "\"availableRoadLinks\": [99"),
        "lightphases[0].availableRoadLinks[0]: ",
        "there is no road link 99, only 12",
    );
    assert_says(&roads("\"time\": 5", "\"time\": -5"), "lightphases[0].time: ", "0 or above, found -5");
}

#[test]
fn lengths_that_cannot_be() {
    assert_says(&roads("\"width\": 15", "\"width\": -15"), "intersections[0].width: ", "0 or above, found -15");
    assert_says(&roads("\"width\": 15", "\"width\": 500"), "roads[0]: ", "no longer than");
    assert_says(&roads("\"maxSpeed\": 11.111", "\"maxSpeed\": 0"), "lanes[0].maxSpeed: ", "above 0, found 0");
    assert_says(
        &roads("\"x\": -300, \"y\": 0}, {\"x\": 0, \"y\": 0}", "\"x\": 0, \"y\": 0}, {\"x\": 0, \"y\": 0}"),
        "roads[0]: ",
        "the same",
    );
    assert_says(
        &roads(
            "\"lanes\": [{\"width\": 4, \"maxSpeed\": 11.111}, {\"width\": 4, \"maxSpeed\": 11.111}, {\"width\": 4, \"maxSpeed\": 11.111}]",
            "\"lanes\": []",
        ),
        "roads[0].lanes: ",
        "needs a lane",
    );
    assert_says(&trips("\"length\": 5", "\"length\": -5"), "[0].vehicle.length: ", "above 0, found -5");
    assert_says(&trips("\"interval\": 9", "\"interval\": 0"), "[0].interval: ", "above 0, found 0");
}

#[test]
fn routes_that_do_not_connect() {
    assert_says(
        &trips("[\"from_west\", \"to_east\"]", "[\"to_east\", \"from_west\"]"),
        "[0].route: ",
        "no way leads from road \"to_east\" to road \"from_west\"",
    );
    assert_says(&trips("[\"from_west\", \"to_east\"]", "[\"from_west\"]"), "[0].route: ", "two roads or more");
    assert_says(&trips("[\"from_west\", \"to_east\"]", "[]"), "[0].route: ", "two roads or more");
    assert_says(
        &trips("[\"from_west\", \"to_east\"]", "[\"from_west\", \"x\"]"),
        "[0].route[1]: ",
        "there is no road \"x\"",
    );
}

#[test]
fn flows_that_end_before_they_start() {
    let found = trips("\"startTime\": 0, \"endTime\": -1", "\"startTime\": 100, \"endTime\": 50");
    assert_says(&found, "f.json:2:", "[0].endTime: the flow ends at 50 s, before it starts at 100 s");
}

#[test]
fn more_vehicles_than_anybody_can_drive() {
    assert_says(&trips("\"interval\": 9", "\"interval\": 0.001"), "[0]: ", "more than 1048576 vehicles");
    // A million do.
    let network = roadnet("r.json", ROADS).expect("good");
    let many = TRIPS.replacen("\"interval\": 9", "\"interval\": 0.0036", 1);
    let clock = Clock { step_s: 1.0, steps: 3600, seed: 0 };
    let demand = flows("f.json", &many, &network, clock).expect("a million vehicles");
    assert!(demand.departures.len() > 1_000_000);
}

#[test]
fn truncated_files() {
    for end in (0..ROADS.trim_end().len()).step_by(97) {
        roadnet("r.json", &ROADS[..end]).map(|_| ()).expect_err("refused");
    }
    let network = roadnet("r.json", ROADS).expect("good");
    for end in (0..TRIPS.trim_end().len()).step_by(53) {
        flows("f.json", &TRIPS[..end], &network, HOUR).map(|_| ()).expect_err("refused");
    }
}

#[test]
fn configurations() {
    let good = r#"{"interval": 1.0, "seed": 3, "dir": "d/", "roadnetFile": "r", "flowFile": "f", "laneChange": false,
        "rlTrafficLight": true}"#;
    let read = config("c.json", good).expect("good");
    assert_eq!((read.roadnet.as_str(), read.flow.as_str(), read.seed, read.controlled), ("d/r", "d/f", 3, true));
    let error = config("c.json", &good.replace("laneChange\": false", "laneChange\": true")).expect_err("refused");
    assert_says(&error.to_string(), "c.json:1:", "laneChange: changing lanes is not simulated");
}

#[test]
fn scenarios_whose_files_are_wrong() {
    let traffic = |network: &str| -> Traffic {
        let demand = r#"{"Entries": {"main_per_h": 100, "side_per_h": 100}}"#;
        serde_json::from_str(&format!(r#"{{"network": {network}, "demand": {demand}}}"#)).expect("a scenario")
    };
    let mut missing = traffic("\"nowhere.json\"");
    let problem = missing.resolve(Path::new("/tmp")).expect_err("refused");
    assert_says(&problem.to_string(), "network: cannot read ", "nowhere.json");
    assert_eq!(missing.check().len(), 1);
    assert_eq!(missing.spec().agents(), 0);
    let huge = traffic(r#"{"Grid": {"rows": 100000, "columns": 100000}}"#).resolve(Path::new("")).expect_err("refused");
    assert_says(&huge.to_string(), "network: ", "more than 4096 crossings");
    let tight = traffic(r#"{"Grid": {"rows": 1, "columns": 2, "block_m": 30}}"#).resolve(Path::new(""));
    assert_says(&tight.expect_err("refused").to_string(), "network: a road: ", "no longer than");
    for (fields, place, what) in [
        (r#""actions": "Split""#, "decision_s: a cycle of 8 greens takes 40 s at least", "`greens: Plain`"),
        (r#""actions": "Split", "decision_s": 90, "max_green_s": 30"#, "max_green_s: ", "no longest green"),
        (r#""actions": "Split", "decision_s": 90, "masks": true"#, "masks: ", "are numbers"),
        (r#""actions": {"Timed": {"durations_s": []}}"#, "actions.Timed.durations_s: ", "no time to choose"),
        (r#""actions": {"Timed": {}}, "max_green_s": 30"#, "actions.Timed.durations_s[3]: ", "the longest green, 30 s"),
        (r#""signals": "SumoRl", "max_green_s": 4"#, "max_green_s: ", "the shortest green, 5 s"),
        (r#""signals": "SumoRl", "step_s": 2"#, "decision_s: ", "whole steps"),
    ] {
        let traffic = traffic(&format!(r#"{{"Single": {{}}}}, {fields}"#));
        let problems = traffic.check();
        assert_eq!(problems.len(), 1, "{fields}: {problems:?}");
        assert_says(&problems[0].to_string(), place, what);
    }
    let mut queues = traffic(r#"{"Single": {}}"#);
    (queues.model, queues.precision) = (Model::queue(), Precision::Single);
    assert_says(&queues.check()[0].to_string(), "precision: only `model: Micro`", "leave it out");
}
