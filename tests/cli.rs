//! The command line as a user sees it. What is printed stands in `tests/cmd`; `TRYCMD=overwrite` rewrites it.

use isonomy::engine::gpu::{Device, DeviceChoice, DeviceError};
use std::path::Path;
use std::process::{Command, Output};

#[test]
fn commands_print_what_they_should() {
    let cases = trycmd::TestCases::new();
    cases.case("tests/cmd/*.trycmd");
    // What a machine with a GPU says is another thing.
    if !matches!(Device::open(DeviceChoice::Gpu), Err(DeviceError::NoAdapter { .. })) {
        cases.skip("tests/cmd/no_gpu.trycmd");
    }
}

fn isonomy(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isonomy"));
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("it starts")
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn a_run_prints_one_json_object() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path().join("run");
    let folder = folder.to_str().expect("a temporary folder's name is text");
    let river = "scenarios/river_swim/group_riverswim.ron";
    let output =
        isonomy(&["run", river, "--lanes", "65536", "--set", "expect={}", "--format", "json", "--out", folder]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary = json(&output);
    let keys: Vec<&String> = summary.as_object().expect("an object").keys().collect();
    let promised = [
        "scenario",
        "seed",
        "device",
        "lanes",
        "agents",
        "steps",
        "agent_steps",
        "seconds",
        "agent_steps_per_second",
        "metrics",
        "groups",
    ];
    assert_eq!(keys, promised);
    assert_eq!(summary["scenario"], "group_riverswim");
    assert_eq!(summary["agent_steps"], 65536 * 2 * 10 * 10);
    for (group, expected) in [("A", 0.333431), ("B", 3.183407)] {
        let group = &summary["groups"][group];
        let number = |name: &str| group[name].as_f64().expect("a number");
        let off = (number("return_mean") - expected).abs();
        assert!(off < 5.0 * number("standard_error") && off < 0.05, "{group}");
    }
}

#[test]
fn the_schema_and_the_devices_are_json() {
    let schema = json(&isonomy(&["schema"]));
    assert!(schema["$schema"].is_string() && schema["properties"]["environment"].is_object());
    let devices = json(&isonomy(&["devices", "--format", "json"]));
    let first = &devices.as_array().expect("a list")[0];
    assert_eq!((&first["device"], &first["adapter"]), (&"cpu".into(), &"processor".into()));
    let plugins = json(&isonomy(&["list", "--format", "json"]));
    let known = |name: &str| plugins.as_array().expect("a list").iter().any(|plugin| plugin["name"] == name);
    assert!(known("RiverSwim") && known("PolicyGradient") && known("WelfareWeighted"));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = isonomy(&["completions", shell]);
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0));
        assert!(["verify", "resume", "devices"].iter().all(|word| script.contains(word)), "{shell}");
    }
}

#[test]
fn utilities_have_the_same_bytes_whatever_the_means() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let run = |name: &str, means: &[&str]| -> Option<Vec<u8>> {
        let folder = scratch.path().join(name);
        let river = "scenarios/river_swim/group_riverswim.ron";
        let mut args = vec!["run", river, "--lanes", "4096", "--set", "expect={}", "--set", "iterations=3", "--out"];
        args.push(folder.to_str().expect("a temporary folder's name is text"));
        args.extend(means);
        let output = isonomy(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("no software adapter") && std::env::var_os("ISONOMY_REQUIRE_GPU").is_none() {
            eprintln!("no software adapter found: it was not compared");
            return None;
        }
        assert_eq!(output.status.code(), Some(0), "{name}: {said}");
        Some(read(&folder.join("utilities.parquet")))
    };
    let one = run("one", &["--device", "cpu", "--threads", "1"]).expect("the processor is there");
    assert!(run("two", &["--device", "cpu", "--threads", "2"]).as_ref() == Some(&one), "two threads");
    if let Some(software) = run("software", &["--device", "software"]) {
        assert!(software == one, "the software adapter");
    }
}

#[test]
fn verify_finds_what_was_changed() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path().join("run");
    let name = folder.to_str().expect("a temporary folder's name is text");
    let bank = "scenarios/lending/fixed.ron";
    let sets = ["--lanes", "64", "--set", "iterations=3", "--device", "cpu", "--out", name];
    assert_eq!(isonomy(&[&["run", bank][..], &sets].concat()).status.code(), Some(0));
    let verify = || isonomy(&["verify", name, "--device", "cpu"]);
    assert_eq!(verify().status.code(), Some(0));
    let metrics = folder.join("metrics.csv");
    let text = String::from_utf8(read(&metrics)).expect("it is text");
    let hash = text.lines().nth(2).and_then(|row| row.split(',').nth(2)).expect("the second iteration's hash");
    std::fs::write(&metrics, text.replace(hash, "0123456789abcdef")).expect("it can be written");
    let output = verify();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said, format!("iteration 2: the state's hash is {hash}, recorded is 0123456789abcdef\n"));
}

#[test]
fn a_run_of_traffic_tells_its_rate_and_can_be_seen_again() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| scratch.path().join(name).to_str().expect("its name is text").to_owned();
    let (folder, page) = (path("run"), path("page.html"));
    let sets = ["--set", "environment.Traffic.duration_s=300", "--format", "json", "--out", &folder];
    let output = isonomy(&[&["run", "scenarios/traffic/grid_4x4.ron"][..], &sets].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let summary = json(&output);
    for name in
        ["average_travel_time_s", "wait_mean_s", "wait_p95_s", "wait_max_s", "wait_gini", "worst_movement_wait_s"]
    {
        assert!(summary["metrics"][name].is_f64(), "{name}: {summary}");
    }
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{summary}"));
    let made = number(&summary["metrics"]["vehicle_updates_per_second"]) * number(&summary["seconds"]);
    // Four lanes.
    assert!((made / (4.0 * number(&summary["metrics"]["vehicle_updates"])) - 1.0).abs() < 1e-9, "{summary}");
    let kept = String::from_utf8(read(&scratch.path().join("run/summary.json"))).expect("text");
    assert!(kept.contains("\"vehicle_updates\"") && !kept.contains("per_second"), "{kept}");
    let output = isonomy(&["replay", &folder, "-o", &page, "--lane", "1", "--lane", "3"]);
    assert_eq!((output.status.code(), output.stdout), (Some(0), format!("{page}\n").into_bytes()));
    let text = String::from_utf8(read(Path::new(&page))).expect("text");
    assert!(text.starts_with("<!doctype html>") && text.contains("Episode 1 with the noise of training"));
    assert!(text.contains("\"copies\":[{\"lane\":1,") && text.contains("{\"lane\":3,"));
    let output = isonomy(&["replay", &folder, "--lane", "4"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), said.as_str()),
        (Some(1), "isonomy: there is no lane 4: the run has 4, from 0\n")
    );
}

#[test]
fn what_cannot_be_seen_says_so() {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = scratch.path().join("run").to_str().expect("its name is text").to_owned();
    let run = ["run", "scenarios/lending/fixed.ron", "--lanes", "8", "--device", "cpu", "--out", &folder];
    assert_eq!(isonomy(&run).status.code(), Some(0));
    let output = isonomy(&["replay", &folder]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = "isonomy: Lending cannot be shown moving; `isonomy report` shows what its groups earned\n";
    assert_eq!((output.status.code(), said.as_str()), (Some(1), expected));
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
