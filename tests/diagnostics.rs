//! What is said about files that cannot be meant. Every file of `tests/bad` has a snapshot.

use isonomy::engine::run::{Means, Run};
use isonomy::engine::scenario::{Diagnostics, load, parse, place};
use isonomy::engine::sim::BuildError;
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("tests/bad").expect("the folder is in the tree");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ron"));
    files.sort();
    files
}

/// The names of all plugins of a kind are left out, so that a new plugin changes no snapshot.
fn snapshot(name: &str, text: &str) {
    let without = |line: &str| match line.split_once("names are ") {
        Some((before, _)) => format!("{before}names are …\n"),
        None => format!("{line}\n"),
    };
    let text: String = text.lines().map(without).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text.as_str()));
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

/// What only the model can tell is said when the run begins, before there is a folder.
#[test]
fn what_cannot_begin_says_why() {
    let entries = std::fs::read_dir("tests/bad/begin").expect("the folder is in the tree");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    assert!(files.len() >= 3);
    for file in files {
        let loaded = load(&file, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        let error = match Run::new(loaded.scenario, Means { threads: 1, device: None }) {
            Ok(_) => panic!("{} begins", file.display()),
            Err(BuildError::Optimizer(problem)) => place(&file, &[], problem).to_string(),
            Err(error) => error.to_string(),
        };
        snapshot(&format!("begin_{}", file.file_stem().expect("it has a name").to_string_lossy()), &error);
    }
}

/// A scenario without mistakes, for `--set` to make some.
const GOOD: &str = "tests/bad/parts/base.ron";

fn with(sets: &[&str]) -> Result<isonomy::engine::scenario::Loaded, Diagnostics> {
    load(Path::new(GOOD), &sets.iter().map(|set| (*set).to_owned()).collect::<Vec<_>>())
}

#[test]
fn an_unknown_plugin_is_answered_with_the_known_ones() {
    let problems = with(&["controller={\"Alway\": ()}"]).expect_err("there is none");
    let help = problems.0[0].help.as_deref().unwrap_or_default();
    assert!(help.starts_with("did you mean `Always`? The names are "), "{help}");
    assert!(["Always", "Fixed", "Uniform"].iter().all(|name| help.contains(name)), "{help}");
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
    assert!(scenario[0].message.starts_with("expected one of a few words"), "{}", scenario[0].message);
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
    let said = parse(&brackets, "brackets", Path::new(""), &[]).expect_err("it is refused").to_string();
    assert!(said.contains("nested deeper than 64 levels"), "{said}");
    let commas = ",".repeat(1 << 20);
    assert!(parse(&commas, "commas", Path::new(""), &[]).expect_err("it is refused").0.len() <= 100);
}

#[test]
fn the_corpus_of_the_fuzzer_is_read() {
    let entries = std::fs::read_dir("fuzz/corpus/scenario").expect("the folder is in the tree");
    let (mut good, mut bad) = (0, Vec::new());
    for entry in entries {
        let bytes = std::fs::read(entry.expect("it can be listed").path()).expect("it can be read");
        let text = String::from_utf8_lossy(&bytes);
        // As the fuzz target does: the file, then sets, between NUL.
        let mut parts = text.split('\0');
        let file = parts.next().unwrap_or_default();
        let sets: Vec<String> = parts.map(str::to_owned).collect();
        match parse(file, "corpus", Path::new("nowhere"), &sets) {
            Ok(_) => good += 1,
            Err(problems) => {
                assert!(!problems.0.is_empty());
                bad.push(problems.to_string());
            }
        }
    }
    assert!(good >= 4 && bad.len() >= 6, "{good} good; {}", bad.join("\n\n"));
}

/// Whatever is said points into what was written.
fn points_into(problems: &Diagnostics) {
    assert!(!problems.0.is_empty() && problems.0.len() <= 100);
    for one in &problems.0 {
        let line = one.source_line.as_deref().expect("texts have lines");
        let width = line.chars().count();
        assert!(one.line >= 1 && (1..=width + 1).contains(&one.column), "{one}");
        assert!(one.length >= 1 && one.column + one.length <= width + 2, "{one}");
        assert!(!one.message.is_empty());
    }
}

mod anything {
    use super::{GOOD, points_into};
    use isonomy::engine::scenario::parse;
    use proptest::prelude::*;
    use std::path::Path;

    /// Characters that mean something, and some that do not.
    const MEANING: &str = "()[]{}:,\"'\\/*#!.-+_=019eEaxbrN \n\tö∞\u{0}\u{feff}";

    fn characters() -> impl Strategy<Value = String> {
        let one = proptest::sample::select(MEANING.chars().collect::<Vec<_>>());
        proptest::collection::vec(one, 0..6).prop_map(|some| some.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn changed_files_never_panic(
            edits in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..12, characters()), 1..4),
            end in proptest::option::of(any::<prop::sample::Index>()),
        ) {
            let mut text: Vec<char> = std::fs::read_to_string(GOOD)?.chars().collect();
            for (at, length, new) in edits {
                let from = at.index(text.len() + 1);
                let to = (from + length).min(text.len());
                text.splice(from..to, new.chars());
            }
            if let Some(end) = end {
                text.truncate(end.index(text.len() + 1));
            }
            let text: String = text.into_iter().collect();
            if let Err(problems) = parse(&text, "changed", Path::new("nowhere"), &[]) {
                points_into(&problems);
            }
        }

        #[test]
        fn sets_never_panic(path in "[a-zA-Z.\\[\\]0-9\"]{0,24}", value in characters()) {
            let text = std::fs::read_to_string(GOOD)?;
            for set in [format!("{path}={value}"), format!("environment.RiverSwim.{path}={value}"), path + &value] {
                if let Err(problems) = parse(&text, "good", Path::new("nowhere"), &[set]) {
                    points_into(&problems);
                }
            }
        }

        #[test]
        fn noise_never_panics(text in "\\PC{0,200}") {
            if let Err(problems) = parse(&text, "noise", Path::new("nowhere"), &[]) {
                points_into(&problems);
            }
        }
    }
}
