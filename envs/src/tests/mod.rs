//! What is asked of every environment, over all of their scenario files. What is asked of whole scenarios (the protocol,
//! values known from theory) is in the `tests` of the workspace's root.

mod agreement;
mod facts;
mod problems;
mod twins;

pub(crate) use twins::assert_layout;

use crate::{Lending, RiverSwim, TabularMdp, lending, river_swim, tabular_mdp};
use isonomy_engine::dynamics::Dynamics;
use isonomy_engine::environment::Environment;
use isonomy_engine::noise::Phase;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::sim::{Setup, Sim};
use isonomy_engine::spec::Spec;
use std::path::{Path, PathBuf};

/// The text of a scenario file.
fn text(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The environment of a scenario file.
pub(crate) fn scenario(name: &str) -> Box<dyn Environment> {
    let mut environment = parse(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let path = folder().join(name);
    environment.resolve(path.parent().unwrap()).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    assert_eq!(environment.check(), [], "{name}");
    environment
}

/// The environment in the text of a scenario, whose other parts may name plugins that are not linked here.
fn parse(scenario: &str) -> Result<Box<dyn Environment>, ron::error::SpannedError> {
    #[derive(serde::Deserialize)]
    struct Scenario {
        environment: Box<dyn Environment>,
    }
    options().from_str::<Scenario>(scenario).map(|scenario| scenario.environment)
}

/// An environment in RON, as after `environment:`.
fn written(ron: &str) -> Box<dyn Environment> {
    let environment = options().from_str::<Box<dyn Environment>>(ron).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(environment.check(), [], "{ron}");
    environment
}

fn options() -> ron::Options {
    ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
}

/// Every scenario of these environments, and a few odd shapes.
fn all() -> Vec<(String, Box<dyn Environment>)> {
    let mut all = Vec::new();
    for kind in ["river_swim", "lending", "tabular_mdp"] {
        let entries = std::fs::read_dir(folder().join(kind)).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "ron")).collect();
        assert!(paths.len() >= 2, "{kind} has hardly any scenarios");
        paths.sort();
        for path in paths {
            let name = format!("{kind}/{}", path.file_name().unwrap().to_string_lossy());
            let environment = scenario(&name);
            all.push((name, environment));
        }
    }
    let uneven = r#"{"RiverSwim": (places: 2, time_limit: 3,
        groups: [
            (name: "many", agents: 300, advance: 0.0, stay: 1.0, first_advance: 1.0, last_stay: 0.0),
            (name: "few", agents: 5, advance: 1.0, stay: 0.0, start: At(place: 1, chance: 0.25)),
        ],
        tasks: [(name: "three payments", payments: [
            (place: 0, stroke: Right, reward: -1.5),
            (place: 0, stroke: Right, reward: 0.25, only_if_staying: true),
            (place: 1, stroke: Left, reward: 2.0),
        ])],
    )}"#;
    all.push(("uneven river".to_owned(), written(uneven)));
    let river = scenario("river_swim/group_multi_task.ron");
    let copy = TabularMdp::from_model(&river.spec(), &river.model().unwrap());
    all.push(("exported river".to_owned(), Box::new(copy)));
    all
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// The dynamics of one of this crate's environments.
fn dynamics(environment: &dyn Environment) -> Box<dyn Dynamics> {
    let value = serde_json::to_value(environment).unwrap();
    let (name, fields) = value.as_object().unwrap().iter().next().unwrap();
    fn read<E: serde::de::DeserializeOwned>(fields: &serde_json::Value) -> E {
        serde_json::from_value(fields.clone()).unwrap()
    }
    match name.as_str() {
        "RiverSwim" => Box::new(river_swim::step::Rivers::from(&read::<RiverSwim>(fields))),
        "Lending" => Box::new(lending::step::Bank::from(&read::<Lending>(fields))),
        "TabularMdp" => Box::new(tabular_mdp::step::Tables::from(read::<TabularMdp>(fields).mdp.as_ref().unwrap())),
        other => panic!("{other} is not of this crate"),
    }
}

fn sim(environment: &dyn Environment, lanes: usize, threads: usize) -> Sim {
    let setup = Setup { lanes, seed: 5, phase: Phase::Training, threads, device: None };
    Sim::new(environment, Vec::new(), setup).unwrap()
}

/// Always the same action.
fn always(spec: &Spec, action: usize) -> TabularPolicy {
    TabularPolicy::from_chances(spec, 1, |_, _, _, row| row[action] = 1.0)
}

/// Chances that differ from cell to cell, and from step to step.
fn motley(spec: &Spec) -> TabularPolicy {
    TabularPolicy::from_chances(spec, spec.time_limit as usize, |step, group, state, row| {
        let weight = |action: usize| ((step * 7 + group * 5 + state * 3 + action * 11) % 13) as f64;
        let sum: f64 = (0..row.len()).map(|action| weight(action) + 0.1).sum();
        row.iter_mut().enumerate().for_each(|(action, chance)| *chance = (weight(action) + 0.1) / sum);
    })
}
