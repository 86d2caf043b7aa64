//! What the tests of environments share: scenario files, dynamics taken out of them, policies.
#![allow(dead_code)] // every test uses its part

extern crate isonomy_envs as _; // for its tags

use isonomy_engine::chance::NEVER;
use isonomy_engine::dynamics::{Dynamics, Moves, Starts};
use isonomy_engine::environment::Environment;
use isonomy_engine::noise::Phase;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::sim::{Setup, Sim};
use isonomy_engine::spec::Spec;
use std::path::{Path, PathBuf};

/// The environment of a scenario file, with the files it names.
pub fn environment(path: &Path) -> Box<dyn Environment> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut environment = parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    environment.resolve(path.parent().unwrap()).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
    let problems = environment.check();
    assert!(problems.is_empty(), "{}: {problems:?}", path.display());
    environment
}

/// The environment in the text of a scenario; its other parts may name plugins that are not linked here.
pub fn parse(scenario: &str) -> Result<Box<dyn Environment>, ron::error::SpannedError> {
    #[derive(serde::Deserialize)]
    struct Scenario {
        environment: Box<dyn Environment>,
    }
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    options.from_str::<Scenario>(scenario).map(|scenario| scenario.environment)
}

/// One of the scenario files of this repository's tabular environments.
pub fn scenario(name: &str) -> Box<dyn Environment> {
    environment(&folder().join(name))
}

/// Every scenario file of this repository's tabular environments.
pub fn scenarios() -> Vec<(String, Box<dyn Environment>)> {
    let mut all = Vec::new();
    for kind in ["river_swim"] {
        let entries = std::fs::read_dir(folder().join(kind)).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "ron")).collect();
        paths.sort();
        for path in paths.iter().filter(|path| !path.to_string_lossy().ends_with(".mdp.ron")) {
            all.push((format!("{kind}/{}", path.file_name().unwrap().to_string_lossy()), environment(path)));
        }
    }
    assert!(!all.is_empty(), "no scenarios in {}", folder().display());
    all
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// A simulation of these many lanes on these many threads.
pub fn sim(environment: &dyn Environment, lanes: usize, threads: usize) -> Sim {
    let setup = Setup { lanes, seed: 5, phase: Phase::Training, threads, device: None };
    Sim::new(environment, Vec::new(), setup).unwrap()
}

/// Always the same action.
pub fn always(spec: &Spec, action: usize) -> TabularPolicy {
    TabularPolicy::from_chances(spec, 1, |_, _, _, row| row[action] = 1.0)
}

/// Words near every threshold that a chance with a short binary or decimal form leads to, and a comb over all words.
pub fn words() -> Vec<u32> {
    let comb = (0..65_536u32).map(|tooth| (tooth << 16) + (1 << 15));
    comb.collect()
}

pub const EDGES: [u32; 3] = [0, NEVER - 1, NEVER];

pub fn begin(dynamics: &dyn Dynamics, words: &[u32]) -> Vec<u32> {
    let mut state = vec![9999; words.len()];
    dynamics.start(Starts { words, state: &mut state });
    state
}

pub fn step(dynamics: &dyn Dynamics, state: &mut [u32], action: &[u32], words: &[u32], reward: &mut [f32]) {
    dynamics.step(Moves { action, words, state, reward });
}
