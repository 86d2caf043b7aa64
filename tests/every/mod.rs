//! Every scenario of the tree, made small enough to test. A new one is tested without touching a test; `tests/odd`
//! holds shapes that nobody would want as an example.

// Each test file uses its own part of this.
#![allow(dead_code, unreachable_pub)]

use isonomy::engine::gpu::{Device, DeviceChoice};
use isonomy::engine::noise::Phase;
use isonomy::engine::policy::TabularPolicy;
use isonomy::engine::run::{Means, Run};
use isonomy::engine::scenario::{Loaded, Scenario, load};
use isonomy::engine::sim::{Setup, Sim};
use isonomy::engine::spec::Spec;
use isonomy::engine::suite::is_suite;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Every scenario file below `scenarios/` and `tests/odd/`, in the order of their names. Suites are none.
pub fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = ["scenarios", "tests/odd"].map(|name| root().join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is in the tree") {
            let path = entry.expect("it can be listed").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "ron" && !is_suite(&path) => files.push(path),
                _ => {}
            }
        }
    }
    // Without networks nobody knows the environment of these.
    let trained = |file: &Path| name(file).starts_with("reasoning/tasks_");
    files.retain(|file| cfg!(feature = "neural") || !trained(file));
    files.sort();
    assert!(files.len() >= 10, "there were more scenarios once");
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A scenario file by its path below `scenarios/`.
pub fn file(name: &str) -> PathBuf {
    root().join("scenarios").join(name)
}

/// The path of a file as [`file`] takes it, for messages.
pub fn name(file: &Path) -> String {
    file.strip_prefix(root().join("scenarios")).unwrap_or(file).display().to_string()
}

/// A scenario with some of its values replaced.
pub fn with(file: &Path, sets: &[&str]) -> Loaded {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load(file, &sets).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What makes a training run of minutes one of milliseconds.
const TINY: [&str; 9] = [
    "domains=[(domain: \"bool\", level: 2, share: 0.75), (domain: \"rev\", level: 2, share: 0.25)]",
    "steps=2",
    "prompts=4",
    "responses=2",
    "judged=2",
    "warm_start.steps=2",
    "warm_start.problems=4",
    "model=(width: 16, layers: 1, heads: 2)",
    "checkpoint=None",
];

/// Where the last updates learn from checkpoints: a stage, and distillation, of an update each.
const TINY_DISTILLATION: [&str; 2] =
    ["sampling={\"Cascade\": (stages: [(domains: [\"bool 2\", \"rev 2\"], steps: 1)])}", "distil.steps=1"];

/// A scenario with so many lanes, for learning and evaluation alike, and at most so many iterations.
pub fn small(file: &Path, lanes: usize, iterations: u32) -> Scenario {
    let written = with(file, &[]).scenario;
    let mut sets = vec![format!("lanes={lanes}")];
    sets.push(format!("iterations={}", iterations.min(written.iterations.get())));
    if written.evaluation.is_some() {
        sets.push(format!("evaluation.lanes={lanes}"));
    }
    if written.environment.typetag_name() == "ReasoningTasks" {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let distillation = if text.contains("distil: (") { &TINY_DISTILLATION[..] } else { &[] };
        sets.extend(TINY.iter().chain(distillation).map(|set| format!("environment.ReasoningTasks.{set}")));
    }
    with(file, &sets.iter().map(String::as_str).collect::<Vec<_>>()).scenario
}

/// As many lanes as were wanted, or, where agents move together and a lane takes long, so many that a test does not.
pub fn lanes(file: &Path, wanted: usize) -> usize {
    let one = small(file, 1, 1);
    let spec = one.environment.spec();
    if spec.observation.is_discrete() {
        return wanted;
    }
    let decisions = spec.time_limit as usize * spec.agents() as usize;
    // What a lane keeps tells what a step of it costs.
    let bytes = sim(one, 1, None).snapshot().columns.len();
    wanted.min((400_000 / decisions).min(1_000_000 / bytes.max(1)).max(5))
}

/// A scenario that is run on the processor.
pub fn run(scenario: Scenario, threads: usize) -> Run {
    Run::new(scenario, Means { threads, device: None }).unwrap_or_else(|error| panic!("{error}"))
}

/// The simulation of a scenario, fairness rewards included.
pub fn sim(scenario: Scenario, threads: usize, device: Option<&Device>) -> Sim {
    let (lanes, seed) = (scenario.lanes.get() as usize, scenario.seed);
    let setup = Setup { lanes, seed, phase: Phase::Training, threads, device };
    Sim::new(&*scenario.environment, scenario.fairness, setup).unwrap_or_else(|error| panic!("{error}"))
}

/// The table that acts in a scenario before anything is learned.
pub fn own(file: &Path) -> TabularPolicy {
    run(small(file, 1, 1), 1).policy().expect("a table").clone()
}

/// Chances that differ from cell to cell and from step to step; some are zero, some are one.
pub fn motley(spec: &Spec) -> TabularPolicy {
    TabularPolicy::from_chances(spec, spec.time_limit as usize, |step, group, observation, chances| {
        let weight = |action: usize| ((step * 7 + group * 5 + observation * 3 + action * 11) % 4) as f64;
        let sum: f64 = (0..chances.len()).map(weight).sum();
        match sum == 0.0 {
            true => chances[observation % chances.len()] = 1.0,
            false => chances.iter_mut().enumerate().for_each(|(action, chance)| *chance = weight(action) / sum),
        }
    })
}

/// Always the same action.
pub fn always(spec: &Spec, action: usize) -> TabularPolicy {
    TabularPolicy::from_chances(spec, 1, |_, _, _, chances| chances[action] = 1.0)
}

/// An adapter of this machine, opened once for all tests; none where there is none and nobody requires one.
pub fn device() -> Option<&'static Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let open = || {
        let choices = [DeviceChoice::Gpu, DeviceChoice::Software];
        choices.into_iter().find_map(|choice| Device::open(choice).ok().flatten())
    };
    let device = DEVICE.get_or_init(open).as_ref();
    match device {
        Some(device) => eprintln!("on {}", device.describe()),
        None if std::env::var_os("ISONOMY_REQUIRE_GPU").is_some() => {
            panic!("no adapter found, and ISONOMY_REQUIRE_GPU is set")
        }
        None => eprintln!("no adapter found: nothing was compared"),
    }
    device
}
