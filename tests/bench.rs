//! `isonomy bench`: tables of suites.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SUITE: &str = r##"Suite(
    about: "Does caution cost anything?",
    seeds: [1, 2],
    columns: [
        (metric: "violations"),
        (metric: "regret", at: 5, heading: "regret at 5"),
        (metric: "regret", at: 20, heading: "regret at 20"),
        (metric: "objective"),
    ],
    runs: [
        (
            name: "κ = 1e-3, pooled",
            scenario: "river.ron",
            sets: ["iterations=20", "optimizer.OptPess.beta_scale=0.001"],
            published: ["0, 0", "", "21 | 22"],
        ),
        (
            name: "careless",
            scenario: "river.ron",
            sets: ["iterations=10", r#"optimizer={"CertaintyEquivalence": (epsilon: 0.5, epsilon_0: 0.1)}"#],
        ),
        (name: "planned", scenario: "river.ron", sets: ["iterations=1", r#"optimizer={"FairLp": (epsilon: 0.5)}"#]),
    ],
)
"##;

/// A folder with a suite and its scenario.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new(suite: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/papers");
        let river = scenarios.join("group_fair_riverswim_multi_task.ron");
        std::fs::copy(river, folder.path().join("river.ron")).expect("it is in the tree");
        std::fs::write(folder.path().join("suite.ron"), suite).expect("it is written");
        Bench(folder)
    }

    fn command(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isonomy"));
        command.current_dir(self.0.path()).args(args).output().expect("it starts")
    }

    fn bench(&self, args: &[&str]) -> Output {
        self.command(&[&["bench", "suite.ron"], args].concat())
    }

    /// What it prints where all is well.
    fn prints(&self, args: &[&str]) -> String {
        let output = self.bench(args);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).expect("it is text")
    }

    /// What it complains of.
    #[track_caller]
    fn complains(&self, args: &[&str], of: &[&str]) {
        let output = self.bench(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(output.stdout.is_empty(), "nothing was run");
        for part in of {
            assert!(said.contains(part), "no `{part}` in\n{said}");
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(self.0.path()).expect("it is there").map(|entry| entry.expect("listed").path()).collect();
        files.sort();
        files
    }
}

#[test]
fn json_holds_every_value_and_threads_change_none() {
    let bench = Bench::new(SUITE);
    let before = bench.files();
    let text = bench.prints(&["--format", "json", "--threads", "1"]);
    assert_eq!(text, bench.prints(&["--format", "json", "--threads", "2"]));
    let rows: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(rows.as_array().expect("an array").len(), 3);
    let regret = &rows[0]["metrics"][2];
    assert_eq!(
        (&regret["metric"], &regret["at"], &regret["published"]),
        (&"regret".into(), &20.into(), &"21 | 22".into())
    );
    // π⁰ is played at first: as much is lost in every episode.
    for (column, episodes) in [(1, 5.0), (2, 20.0)] {
        let metric = &rows[0]["metrics"][column];
        for value in metric["values"].as_array().expect("an array") {
            assert!((value.as_f64().expect("a number") - 0.856893 * episodes).abs() < 1e-3, "{metric}");
        }
    }
    let [careless, planned] = [&rows[1]["metrics"], &rows[2]["metrics"]];
    let values: Vec<f64> =
        careless[1]["values"].as_array().expect("an array").iter().filter_map(Value::as_f64).collect();
    let mean = careless[1]["mean"].as_f64().expect("a number");
    assert_eq!(values.len(), 2);
    assert!((mean - (values[0] + values[1]) / 2.0).abs() < 1e-12);
    let error = careless[1]["standard_error"].as_f64().expect("a number");
    assert!((error - (values[0] - values[1]).abs() / 2.0).abs() < 1e-12);
    // It is over after ten episodes, and has no plan to tell of.
    assert_eq!(careless[2]["values"], serde_json::json!([null, null]));
    assert_eq!(careless[3]["mean"], Value::Null);
    assert!((planned[3]["mean"].as_f64().expect("a number") - 10.883288).abs() < 1e-6);
    assert_eq!(bench.files(), before, "no folders are left behind");
}

#[test]
fn tables_for_people_and_for_programs() {
    let bench = Bench::new(SUITE);
    let text = bench.prints(&["--format", "md"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "| method | violations | published | regret at 5 | regret at 20 | published | objective |");
    assert_eq!(lines[1], "|---|---|---|---|---|---|---|");
    let (first, last) = ("| κ = 1e-3, pooled | 0 (0, 0) | 0, 0 | 4.284465 (", " | 21 \\| 22 | – |");
    assert!(lines[2].starts_with(first) && lines[2].ends_with(last), "{text}");
    assert_eq!(lines[4], "| planned | – |  | – | – |  | 10.883288 (10.883288, 10.883288) |");
    assert_eq!(lines.len(), 5);

    let text = bench.prints(&["--format", "csv", "--seeds", "1"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "method,seed,metric,at,value,failure");
    assert_eq!(lines[1], "\"κ = 1e-3, pooled\",1,violations,20,0,");
    assert_eq!(lines.len(), 1 + 3 * 4, "one seed only");

    let text = bench.prints(&["--out", "table.txt"]);
    assert_eq!(text, "");
    let table = std::fs::read_to_string(bench.0.path().join("table.txt")).expect("it was written");
    assert!(table.contains("10.883288 ± 0") && table.contains("published"), "{table}");
}

#[test]
fn mistakes_are_told_where_they_are() {
    let two = SUITE.replace("\"violations\"", "\"violatons\"").replace("at: 20,", "at: 21,");
    Bench::new(&two).complains(
        &[],
        &[
            "suite.ron:5:18: no run has a metric `violatons`",
            "help: did you mean `violations`?",
            "suite.ron:7:32: no run has 21 iterations",
        ],
    );
    let several = SUITE
        .replacen("\"river.ron\"", "\"rivet.ron\"", 1)
        .replace("seeds: [1, 2]", "seeds: [1, 1]")
        .replace("beta_scale=0.001", "beta_scale=-1")
        .replace("iterations=10", "iteratons=10");
    let told =
        ["suite.ron:3:16: seed 1 is there already", "suite.ron:13:23: there is no such file", "suite.ron:20:20: "];
    Bench::new(&several).complains(&[], &told);
    let field = SUITE.replace(
        "scenario: \"river.ron\",\n            sets: [\"iterations=10\"",
        "scenaro: \"river.ron\", sets: [\"iterations=10\"",
    );
    assert_ne!(field, SUITE);
    Bench::new(&field).complains(&[], &["suite.ron:19:", "unknown field `scenaro`", "did you mean `scenario`?"]);
    Bench::new(SUITE).complains(&["--seeds", "3"], &["the suite has 2"]);
}

#[test]
fn check_knows_suites() {
    let output = Bench::new(SUITE).command(&["check", "."]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("suite.ron: ok"));
    let output = Bench::new(&SUITE.replace("seeds: [1, 2]", "seeds: []")).command(&["check", "suite.ron"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("suite.ron:3:12: a suite needs at least one"),
        "{output:?}"
    );
}

#[test]
fn a_run_that_cannot_begin_is_a_row() {
    let refused = SUITE.replace("(epsilon: 0.5)}", "(epsilon: 0.5, solver: Impossible)}");
    assert_ne!(refused, SUITE);
    Bench::new(&refused).complains(&[], &["Impossible"]);
    // That π⁰ is not fair shows only when the learner begins.
    let unfair = SUITE.replace("\"optimizer.OptPess.beta_scale=0.001\"", "\"optimizer.OptPess.pi0=Always(1)\"");
    let output = Bench::new(&unfair).bench(&["--format", "md"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("| κ = 1e-3, pooled, seed 2 | failed: optimizer.OptPess"), "{text}");
    assert!(text.contains("| planned | –"), "{text}");
}

#[cfg(unix)]
#[test]
fn what_is_finished_when_it_is_interrupted_is_printed() {
    use std::process::Stdio;
    let long = SUITE.replace("iterations=10\"", "iterations=100000000\"");
    assert_ne!(long, SUITE);
    let bench = Bench::new(&long);
    let mut command = Command::new(env!("CARGO_BIN_EXE_isonomy"));
    command.current_dir(bench.0.path()).args(["bench", "suite.ron", "--format", "csv", "--threads", "1"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    std::thread::sleep(std::time::Duration::from_secs(4));
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("there is a kill");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let lines = String::from_utf8(output.stdout).expect("it is text");
    assert_eq!(lines.lines().count(), 1 + 2 * 4, "both seeds of the first run: {lines}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("4 of 6 runs are not in the result"));
}
