//! What is said about files that cannot be meant. Every file of `tests/bad` has a snapshot.

use isonomy::engine::scenario::{Diagnostics, load, parse};
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("tests/bad").expect("the folder is in the tree");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ron"));
    files.sort();
    files
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn every_bad_file_is_refused_and_says_why() {
    let files = files();
    assert!(files.len() >= 50);
    for file in files {
        let problems = load(&file, &[]).expect_err(&format!("{} is bad", file.display()));
        let name = file.file_stem().expect("it has a name").to_string_lossy().into_owned();
        snapshot(&name, &problems.to_string());
    }
}

/// A scenario without mistakes, for `--set` to make some.
const GOOD: &str = "tests/bad/parts/base.ron";

fn with(sets: &[&str]) -> Result<isonomy::engine::scenario::Loaded, Diagnostics> {
    load(Path::new(GOOD), &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>())
}

#[test]
fn a_set_replaces_or_adds_at_any_depth() {
    let places = |set: &str| with(&[set]).expect(set).scenario.environment.spec().observation.count();
    assert_eq!(places("environment.RiverSwim.places=9"), 9);
    let loaded = with(&[
        "seed=8",
        "horizon = 20",
        "evaluation.every=5",
        "evaluation.lanes=3",
        "environment.RiverSwim.groups[1].start.At=(place: 2)",
        "expect.groups.A.return_mean.at_least=0.5",
        "expect.groups.A.return_mean.at_most=0.75",
        "expect.\"gap\"=(at_most: 1)",
    ]);
    let scenario = loaded.expect_err("a variant is no field").0;
    assert!(scenario[0].message.contains("`At`"), "{}", scenario[0].message);
    let loaded = with(&[
        "seed=8",
        "horizon = 20",
        "evaluation.every=5",
        "evaluation.lanes=3",
        "environment.RiverSwim.groups[1].start=At(place: 2)",
        "environment.RiverSwim.groups[2]=(name: \"C\", agents: 4, advance: 0.5, stay: 0.5)",
        "expect.groups.A.return_mean.at_least=0.5",
        "expect.groups.A.return_mean.at_most=0.75",
        "expect.\"gap\"=(at_most: 1)",
        "controller=None",
        "policy.Softmax.stationary=true",
        "optimizer={\"PolicyGradient\": (rate: 1)}",
        "optimizer.PolicyGradient.rate=0.25",
    ])
    .unwrap_or_else(|problems| panic!("{problems}"));
    let scenario = loaded.scenario;
    assert_eq!((scenario.seed, scenario.steps_per_rollout()), (8, 20));
    let evaluation = scenario.evaluation.expect("it was set");
    assert_eq!((evaluation.every.get(), evaluation.lanes.map(|lanes| lanes.get())), (5, Some(3)));
    let bounds = scenario.expect["groups.A.return_mean"];
    assert_eq!((bounds.at_least, bounds.at_most), (Some(0.5), Some(0.75)));
    assert_eq!(scenario.expect["gap"].at_most, Some(1.0));
    assert_eq!(scenario.environment.spec().agents(), 6);
    assert!(scenario.controller.is_none() && scenario.policy.is_some());
    assert!(format!("{:?}", scenario.optimizer).contains("0.25"));
    // What was composed says the same again.
    let again = parse(&loaded.text, "again", Path::new(""), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(format!("{:?}", again.scenario), format!("{scenario:?}"));
}

#[test]
fn a_set_reports_like_a_file() {
    let bad = [
        "environment.RiverSwim.plases=9",
        "environment.RiverSwom.places=9",
        "environment.RiverSwim.places=0",
        "environment.RiverSwim.places=many",
        "environment.RiverSwim.places=",
        "environment.RiverSwim.places",
        "environment.RiverSwim.places=[1, 2",
        "environment.RiverSwim.places=7 8",
        "environment.RiverSwim.groups[7].advance=0.1",
        "environment.RiverSwim.groups.A=1",
        "environment.RiverSwim.groups[0].advance=0.7",
        "environment.RiverSwim.groups[1].advnce=0.7",
        "environment[0]=1",
        "seed.first=1",
        "lane=5",
        "=5",
        "..=5",
        "controller.Uniform=()",
        "policy.Softmax.stationery=true",
        "fairness[1].AlphaFair.alpha=1",
        "controller=None",
        "lanes=4000000000",
        "include=\"other.ron\"",
    ];
    let said = bad.map(|set| {
        let problems = with(&[set]).err().unwrap_or_else(|| panic!("{set} was accepted"));
        format!("{problems}\n")
    });
    snapshot("sets", &said.join("\n"));
}

#[test]
fn fields_replace_those_of_the_included_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, text: &str| std::fs::write(path(name), text).expect("it can be written");
    std::fs::create_dir(path("deep")).expect("a folder");
    write("deep/base.ron", &std::fs::read_to_string(GOOD).expect("it is in the tree"));
    write("deep/middle.ron", "Scenario(lanes: 5, include: \"base.ron\")");
    write("top.ron", "// The top.\n(\n    seed: 77,\n    include: \"deep/middle.ron\", // where from\n)\n");
    write("only.ron", "(include: \"deep/base.ron\")");
    let loaded = load(&path("top.ron"), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((loaded.scenario.seed, loaded.scenario.lanes.get()), (77, 5));
    assert!(!loaded.text.contains("include"));
    let again = parse(&loaded.text, "again", Path::new(""), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(format!("{:?}", again.scenario), format!("{:?}", loaded.scenario));
    let loaded = load(&path("only.ron"), &["seed=3".to_owned()]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((loaded.scenario.seed, loaded.scenario.lanes.get()), (3, 64));
}

#[test]
fn what_is_no_text_is_refused_cheaply() {
    let folder = tempfile::tempdir().expect("a folder");
    let huge = folder.path().join("huge.ron");
    let file = std::fs::File::create(&huge).expect("a file");
    file.set_len(100_000_000).expect("a hole");
    let begun = std::time::Instant::now();
    let said = |path: &Path| load(path, &[]).expect_err("it is refused").0.remove(0).message;
    assert_eq!(said(&huge), "a scenario file has at most 16 MiB, and this one has more");
    assert!(begun.elapsed().as_millis() < 100);
    assert_eq!(said(folder.path()), "this is a folder, not a scenario file");
    assert_eq!(said(&folder.path().join("nowhere.ron")), "there is no such file");
}

#[test]
fn the_largest_file_is_read_in_reasonable_time() {
    let filler = "// nothing\n".repeat((16 << 20) / 11 - 100);
    let text = filler + &std::fs::read_to_string(GOOD).expect("it is in the tree");
    assert!(parse(&text, "large", Path::new(""), &[]).is_ok());
    let brackets = "[".repeat(16 << 20);
    assert_eq!(parse(&brackets, "brackets", Path::new(""), &[]).expect_err("it is refused").0.len(), 1);
    let commas = ",".repeat(1 << 20);
    assert!(parse(&commas, "commas", Path::new(""), &[]).expect_err("it is refused").0.len() <= 100);
}
