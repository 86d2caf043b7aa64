//! Eight steps of one lane of every environment, as text a person can read.
//!
//! `BLESS=1 cargo test --test golden` writes the files of `tests/golden` anew; their diff is the review.

mod every;

use every::{files, name, run, small};
use isonomy::engine::policy::TabularPolicy;
use isonomy::engine::rollout::Rollout;
use isonomy::engine::spec::Spec;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const STEPS: usize = 8;

/// A scenario of every environment: the one that its golden file names, or the first.
fn one_of_each() -> BTreeMap<String, PathBuf> {
    let mut each = BTreeMap::new();
    for file in files() {
        let environment = small(&file, 1, 1).environment.typetag_name().to_owned();
        let known = std::fs::read_to_string(golden(&environment)).unwrap_or_default();
        if known.starts_with(&heading(&environment, &file)) {
            each.insert(environment, file);
        } else {
            each.entry(environment).or_insert(file);
        }
    }
    each
}

fn golden(environment: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{environment}.txt"))
}

fn heading(environment: &str, file: &Path) -> String {
    let discrete = small(file, 1, 1).environment.spec().action.is_discrete();
    let who = if discrete { "everybody at random" } else { "by its own rule" };
    format!("{environment}: {}, {who}", name(file))
}

/// A discrete observation, or the first numbers of many.
fn observed(rollout: &Rollout, at: usize) -> String {
    const SHOWN: usize = 4;
    match rollout.size {
        0 => rollout.observation.get(at).to_string(),
        size => {
            let shown = &rollout.features[at * size..][..size.min(SHOWN)];
            let numbers: Vec<String> = shown.iter().map(|number| format!("{number:.3}")).collect();
            numbers.join(" ") + if size > SHOWN { " …" } else { "" }
        }
    }
}

fn done(spec: &Spec, rollout: &Rollout, at: usize) -> String {
    let action = rollout.action.get(at);
    if spec.action.is_discrete() { action.to_string() } else { format!("{:.3}", f32::from_bits(action)) }
}

fn story(spec: &Spec, rollout: &Rollout) -> String {
    let group = spec.agent_groups();
    let mut lines = vec!["step  agent  group  observation  action  reward".to_owned()];
    for t in 0..rollout.horizon {
        for (agent, &group) in group.iter().enumerate() {
            let at = t * rollout.rows() + agent;
            let reward = |task: usize| rollout.reward[(t * rollout.tasks + task) * rollout.rows() + agent];
            let rewards: Vec<String> =
                spec.tasks.iter().enumerate().map(|(task, of)| format!("{} {}", of.name, reward(task))).collect();
            lines.push(format!(
                "{t:4}  {agent:5}  {:5}  {:>11}  {:>6}  {}",
                spec.groups[group as usize].name,
                observed(rollout, at),
                done(spec, rollout, at),
                rewards.join(", "),
            ));
        }
        if rollout.truncated(t) {
            lines.push("time limit".to_owned());
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn eight_steps_of_one_lane() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut differ = String::new();
    for (environment, file) in one_of_each() {
        // Chance acts where it can; a rule or a network of the scenario does where actions are numbers.
        let mut run = run(small(&file, 1, 1), 1);
        let sim = run.sim();
        if sim.spec().action.is_discrete() {
            let policy = TabularPolicy::uniform(sim.spec(), 1);
            sim.set_policy(&policy);
        }
        let rollout = sim.rollout(STEPS).expect("the processor cannot fail");
        let text = format!("{}\n\n{}", heading(&environment, &file), story(sim.spec(), &rollout));
        let golden = golden(&environment);
        if bless {
            std::fs::write(&golden, &text).expect("it can be written");
        }
        let known = std::fs::read_to_string(&golden).unwrap_or_default().replace("\r\n", "\n");
        if known != text {
            // Writing to a string cannot fail.
            let _ = writeln!(differ, "{} is now:\n{text}", golden.display());
        }
    }
    assert!(differ.is_empty(), "{differ}BLESS=1 rewrites the files");
}
