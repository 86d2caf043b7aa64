//! Pages of episodes: they hold what happened, and nothing in a name leaves its place.

use crate::traffic::Traffic;
use isonomy_engine::environment::Environment;
use isonomy_engine::replay::Caption;
use isonomy_engine::run::{Means, Run};
use isonomy_engine::scenario;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The data of a page of a scenario of the tree, the page itself, and what the run measured.
fn page(file: &str, sets: &[&str]) -> (Value, String, BTreeMap<String, f64>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/traffic").join(file);
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    let load = || scenario::load(&path, &sets).unwrap_or_else(|problems| panic!("{problems}")).scenario;
    let means = Means { threads: 1, device: None };
    let mut run = Run::new(load(), means).unwrap_or_else(|error| panic!("{error}"));
    let metrics = run.next_iteration().expect("the processor cannot fail").expect("one iteration").metrics();
    let mut again = Run::new(load(), means).unwrap_or_else(|error| panic!("{error}"));
    let last = again.shown().1.lanes() - 1;
    let episodes = again.episodes(&[last]).expect("the processor cannot fail").expect("lanes");
    let caption = Caption { scenario: "</script><b>".to_owned(), about: String::new(), episodes: "one".to_owned() };
    let scenario = load();
    let page = scenario.environment.replay().expect("it can be shown").page(&caption, &episodes);
    let begin = page.find("id=\"data\">").expect("data") + "id=\"data\">".len();
    let end = begin + page[begin..].find("</script>").expect("its end");
    let data = serde_json::from_str(&page[begin..end]).unwrap_or_else(|error| panic!("{error}"));
    (data, page, metrics.into_iter().collect())
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

/// What the page's lines say: everybody's wait adds up, and who left arrived at the end of his path.
fn is_true(data: &Value, metrics: &BTreeMap<String, f64>) {
    let copy = &data["copies"][0];
    let (steps, quantum) = (data["steps"].as_f64().expect("steps"), data["quantum"].as_f64().expect("a quantum"));
    let lengths = |list: &str| -> Vec<f64> {
        let rows = data[list].as_array().expect("ways").iter();
        rows.map(|row| row[3].as_f64().expect("a length")).collect()
    };
    let (lanes, links) = (lengths("lanes"), lengths("links"));
    let to = |link: f64| data["links"][link as usize][1].as_f64().expect("a lane") as usize;
    let paths: Vec<f64> = data["paths"]
        .as_array()
        .expect("paths")
        .iter()
        .map(|path| {
            let path = numbers(path);
            lanes[path[0] as usize] + path[1..].iter().map(|&link| links[link as usize] + lanes[to(link)]).sum::<f64>()
        })
        .collect();
    // Who reaches the end of his path with the episode has arrived or is about to.
    let (mut waited, mut finished, mut perhaps, mut travelled) = (0.0, 0.0, 0.0, 0.0);
    let vehicles = copy["vehicles"].as_array().expect("vehicles");
    for vehicle in vehicles {
        let row = numbers(vehicle);
        let [created, outside, path, _kind, corners @ ..] = row.as_slice() else { panic!("{row:?}") };
        let (mut now, mut place_m) = (created + outside, 0.0);
        for corner in corners.chunks_exact(2) {
            waited += if corner[1] == 0.0 { corner[0] } else { 0.0 };
            now += corner[0];
            place_m += corner[1] * quantum;
        }
        assert!(corners.len() % 2 == 0 && corners[..].chunks_exact(2).all(|corner| corner[0] > 0.0), "{row:?}");
        assert!(now <= steps && place_m <= paths[*path as usize] + 1.0, "{row:?}");
        let at_end = place_m >= paths[*path as usize] - 1.0;
        if now < steps {
            assert!(at_end, "{row:?}");
            finished += 1.0;
            // The step in which it arrives counts for nothing, as in CityFlow.
            travelled += now - 1.0 - created;
        } else {
            perhaps += f64::from(u8::from(at_end));
            travelled += steps - created;
        }
    }
    let outside = numbers(&copy["outside"]);
    travelled += outside.iter().map(|created| steps - created).sum::<f64>();
    let within = |found: f64, name: &str, off: f64| {
        let expected = metrics[name];
        assert!((found - expected).abs() <= off + 1e-9 * expected.abs().max(1.0), "{name}: {found} is not {expected}");
    };
    let close = |found: f64, name: &str| within(found, name, 0.0);
    close(vehicles.len() as f64, "vehicles_entered");
    close((vehicles.len() + outside.len()) as f64, "vehicles_created");
    within(finished + perhaps / 2.0, "vehicles_finished", perhaps / 2.0);
    close(waited / vehicles.len() as f64, "wait_mean_s");
    let created = (vehicles.len() + outside.len()) as f64;
    within(travelled / created, "average_travel_time_s", perhaps / created);
    close(copy["measures"]["wait_max_s"].as_f64().expect("a number"), "wait_max_s");
}

#[test]
fn pages_hold_what_happened() {
    for (model, letters) in [("Micro", "micro"), ("Queue()", "queue")] {
        let sets = [format!("environment.Traffic.model={model}"), "lanes=1".to_owned()];
        let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
        let (data, page, metrics) = page("grid_4x4.ron", &sets);
        assert_eq!(data["model"], letters);
        is_true(&data, &metrics);
        // Half an hour of 16 crossings and some 2,000 vehicles.
        assert!(page.len() < 1_500_000, "{} bytes", page.len());
        assert!(!page.contains("</script><b>") && data["caption"]["scenario"] == "</script><b>");
        let light = &data["copies"][0]["lights"][0];
        assert!(numbers(light).len() > 20, "{light}");
    }
}

#[test]
fn drivers_dawdle_in_the_page_as_they_did() {
    let sets = ["environment.Traffic.following=Krauss(dawdling: 0.5)", "environment.Traffic.duration_s=600", "lanes=1"];
    let (data, _, metrics) = page("grid_4x4.ron", &sets);
    is_true(&data, &metrics);
    let (data, _, metrics) = page("sumo.ron", &["environment.Traffic.own_tables=true"]);
    is_true(&data, &metrics);
    assert_eq!(data["kinds"].as_array().expect("kinds").iter().filter(|kind| kind["class"] == "bus").count(), 1);
}

#[test]
fn worlds_that_cannot_be_shown_have_no_page() {
    let traffic: Traffic =
        serde_json::from_str(r#"{"network": {"Single": {}}, "demand": {"Trips": {"entry_per_h": 100}}}"#).expect("one");
    assert!(traffic.replay().is_some());
}

#[test]
fn pages_show_who_waits_on_foot() {
    let (data, _, metrics) = page("crosswalks.ron", &["environment.Traffic.duration_s=600", "lanes=1"]);
    is_true(&data, &metrics);
    let (curbs, steps) = (&data["copies"][0]["curbs"], data["steps"].as_f64().expect("steps"));
    let waited: f64 = curbs
        .as_array()
        .expect("crosswalks")
        .iter()
        .map(|curb| {
            let (mut now, mut people, mut waited) = (0.0, 0.0, 0.0);
            for change in numbers(curb).chunks_exact(2) {
                waited += people * change[0];
                (now, people) = (now + change[0], change[1]);
            }
            waited + people * (steps + 1.0 - now)
        })
        .sum();
    let expected = metrics["pedestrian_wait_mean_s"] * metrics["pedestrians_created"];
    assert!(waited > 0.0 && (waited - expected).abs() < 1e-6 * expected, "{waited} is not {expected}");
    assert_eq!(data["crosswalks"].as_array().map(Vec::len), Some(8));
}
