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
    assert_eq!(lines[0], "method,seed,violations,regret@5,regret@20,objective,failure");
    assert!(lines[1].starts_with("\"κ = 1e-3, pooled\",1,0,4.28446") && lines[1].ends_with(",,"), "{}", lines[1]);
    assert_eq!(lines.len(), 1 + 3, "one seed only");

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
fn a_value_may_be_set_in_every_run() {
    let axis = r#"grid: [(path: "iterations", values: [6, 7])]"#;
    let bench = Bench::new(&SUITE.replace(r#"published: ["0, 0", "", "21 | 22"],"#, axis));
    let text = bench.prints(&["--format", "json", "--seeds", "1", "--set", "iterations=20"]);
    let rows: Value = serde_json::from_str(&text).expect("JSON");
    // Over what a run says itself, and under what a grid does.
    let last = |row: usize| &rows[row]["metrics"][0]["at"];
    assert_eq!([last(0), last(1), last(2), last(3)], [6, 7, 20, 20]);
    assert!(rows[2]["metrics"][2]["mean"].is_number(), "ten iterations without: {text}");
    assert_eq!(rows[2]["sets"][2], "iterations=20");
    bench.complains(&["--set", "iteratons=3"], &["--set:1:1: ", "did you mean `iterations`?"]);
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
    assert_eq!(lines.lines().count(), 1 + 2, "both seeds of the first run: {lines}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("4 of 6 runs are not in the result") && said.contains("--record FOLDER"), "{said}");
}

const GRID: &str = r##"Suite(
    seeds: (first: 3, count: 3),
    columns: [(metric: "violations"), (metric: "regret", at: 10), (metric: "regret")],
    runs: [
        (
            name: "learned",
            scenario: "river.ron",
            sets: ["iterations=40"],
            grid: [
                (path: "optimizer.OptPess.epsilon", values: [0.5, 1.0], heading: "ε"),
                (path: "optimizer.OptPess.alpha", values: [WidthOnly, Times(0.5)]),
            ],
        ),
        (name: "planned", scenario: "river.ron", sets: ["iterations=1", r#"optimizer={"FairLp": (epsilon: 0.5)}"#]),
    ],
)
"##;

#[test]
fn every_point_of_a_grid_is_a_row() {
    let bench = Bench::new(GRID);
    let text = bench.prints(&["--format", "md"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "| method | ε | alpha | violations | regret | regret |");
    assert_eq!(lines.len(), 2 + 4 + 1);
    assert!(lines[3].starts_with("| learned | 0.5 | Times(0.5) | 0 (0, 0, 0) | 8.568929 ("), "{text}");
    assert!(lines[6].starts_with("| planned |  |  | – | – | – |"), "{text}");

    let text = bench.prints(&["--format", "csv", "--threads", "1"]);
    let lines: Vec<&str> = text.lines().collect();
    let heading = "method,optimizer.OptPess.epsilon,optimizer.OptPess.alpha,seed,violations,regret@10,regret,failure";
    assert_eq!(lines[0], heading);
    assert_eq!(lines.len(), 1 + 4 * 3 + 3, "a row per run");
    assert!(lines[9].starts_with("learned,1.0,WidthOnly,5,0,"), "{}", lines[9]);
    assert_eq!(text, bench.prints(&["--format", "csv", "--threads", "3"]), "threads change nothing");
    let fewer = bench.prints(&["--format", "csv", "--seeds", "1"]);
    for line in fewer.lines() {
        assert!(lines.contains(&line), "who stands beside a run changes nothing: {line}");
    }

    let rows: Value = serde_json::from_str(&bench.prints(&["--format", "json"])).expect("JSON");
    assert_eq!(rows[1]["grid"]["optimizer.OptPess.alpha"], "Times(0.5)");
    let (mean, interval) = (&rows[1]["metrics"][2]["mean"], &rows[1]["metrics"][2]["confidence_95"]);
    let reach =
        [0, 1].map(|side| (interval[side].as_f64().expect("a number") - mean.as_f64().expect("a number")).abs());
    let error = rows[1]["metrics"][2]["standard_error"].as_f64().expect("a number");
    assert!(reach.iter().all(|reach| (reach - 4.302652729911275 * error).abs() < 1e-9), "t of two degrees of freedom");
    // A run of the grid is the run that `isonomy run` makes.
    let sets = ["iterations=40", "optimizer.OptPess.epsilon=1.0", "optimizer.OptPess.alpha=WidthOnly"];
    let mut args = vec!["run", "river.ron", "--seed", "5", "--out", "one", "--format", "json"];
    sets.iter().for_each(|set| args.extend(["--set", set]));
    let output = bench.command(&args);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let regret = summary["metrics"]["regret"].as_f64().expect("a number");
    assert_eq!(rows[2]["metrics"][2]["values"][2].as_f64(), Some(regret));
}

#[test]
fn values_of_a_grid_may_have_names() {
    let named = GRID.replace("[WidthOnly, Times(0.5)]", "{\"width\": WidthOnly, \"half\": Times(0.5)}");
    let bench = Bench::new(&named);
    let text = bench.prints(&["--format", "csv", "--seeds", "1"]);
    let plain = Bench::new(GRID).prints(&["--format", "csv", "--seeds", "1"]);
    assert_eq!(text, plain.replace("WidthOnly", "width").replace("Times(0.5)", "half"));
    let wrong = named.replace("Times(0.5)", "Times(-0.5)");
    Bench::new(&wrong).complains(&[], &["suite.ron:11:88: -0.5 is no factor"]);
    let twice = named.replace("Times(0.5)", "WidthOnly");
    Bench::new(&twice).complains(&[], &["half is there already"]);
}

#[test]
fn rankings_are_told_below_the_table() {
    let again = |name: &str, iterations: u32| {
        format!(
            r##"(name: "{name}", scenario: "river.ron", sets: ["iterations={iterations}"], grid: [
                (path: "optimizer.OptPess.epsilon", values: {{"tight": 0.5, "loose": 2.0, "free": 5.0}}),
            ])"##
        )
    };
    let suite = |of: &str| {
        format!(
            "Suite(\n    seeds: [1, 2],\n    columns: [(metric: \"regret\")],\n    rankings: [(metric: \"regret\", of: \"{of}\", against: \"long\")],\n    runs: [{}, {}],\n)\n",
            again("short", 20),
            again("long", 40)
        )
    };
    let bench = Bench::new(&suite("short"));
    let text = bench.prints(&["--format", "md"]);
    let told = text.lines().last().expect("there are lines");
    assert!(told.starts_with("regret: how short ranks 3 rows against long: Spearman "), "{text}");
    let rows: Value = serde_json::from_str(&bench.prints(&["--format", "json"])).expect("JSON");
    assert_eq!((rows.as_array().map(Vec::len), &rows[6]["agreement"]["rows"]), (Some(7), &Value::from(3)));
    let spearman = rows[6]["agreement"]["spearman"].as_f64().expect("a number");
    assert!((-1.0..=1.0).contains(&spearman) && told.contains(&format!("Spearman {spearman:.2} (")), "{told}");
    Bench::new(&suite("shrt")).complains(&[], &["suite.ron:4:", "no run is called `shrt`", "did you mean `short`?"]);
    Bench::new(&suite("long")).complains(&[], &["a run ranks like itself"]);
}

#[test]
fn mistakes_of_grids_are_told_where_they_are() {
    let several = GRID
        .replace("optimizer.OptPess.alpha", "optimizer.OptPess.alpa")
        .replace("(metric: \"regret\")]", "(metric: \"regret\", at: 10)]");
    Bench::new(&several).complains(
        &[],
        &[
            "suite.ron:11:24: unknown field `alpa` in OptPess",
            "did you mean `alpha`?",
            "suite.ron:3:76: a column tells of `regret` at the same iteration already",
        ],
    );
    Bench::new(&GRID.replace("[0.5, 1.0]", "[0.5, -1.0]")).complains(&[], &["suite.ron:10:67: -1 is no tolerance"]);
    let empty = GRID.replace("[0.5, 1.0]", "[]").replace("[WidthOnly, Times(0.5)]", "[WidthOnly, WidthOnly]");
    let told = ["suite.ron:10:61: an axis needs at least one value", "suite.ron:11:71: WidthOnly is there already"];
    Bench::new(&empty).complains(&[], &told);
    let count = GRID.replace("(first: 3, count: 3)", "(first: 3, conut: 3)");
    Bench::new(&count).complains(&[], &["suite.ron:2:", "unknown field `conut`"]);
}

#[test]
fn a_folder_keeps_runs_and_their_tables() {
    let bench = Bench::new(GRID);
    let text = bench.prints(&["--format", "csv", "--record", "kept"]);
    let folder = bench.0.path().join("kept");
    assert_eq!(std::fs::read_to_string(folder.join("runs.csv")).expect("it is there"), text);
    let parquet = std::fs::read(folder.join("runs.parquet")).expect("it is there");
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    // Nothing is left to be done, and the suite's files are not needed any more.
    std::fs::remove_file(bench.0.path().join("suite.ron")).expect("it was there");
    std::fs::remove_file(bench.0.path().join("river.ron")).expect("it was there");
    let output = bench.command(&["bench", "--resume", "kept", "--format", "csv"]);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()), (Some(0), text));
    assert_eq!(std::fs::read(folder.join("runs.parquet")).expect("it is there"), parquet);

    let again = Bench::new(GRID);
    for (args, said) in [
        (&["bench", "suite.ron", "--record", "."][..], "is not empty and holds no suite"),
        (&["bench", "--resume", "."], "holds no suite (there is no suite.json)"),
    ] {
        let output = again.command(args);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{output:?}");
    }
    assert_eq!(again.prints(&["--record", "kept", "--seeds", "1"]).lines().count(), 1 + 5);
    let output = again.bench(&["--record", "kept"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("holds a suite already"), "{output:?}");
}

#[cfg(unix)]
#[test]
fn what_was_finished_is_not_made_again() {
    use std::process::Stdio;
    use std::time::{Duration, Instant};
    // The second method has only just begun when the first one is done.
    let long = SUITE.replace("seeds: [1, 2]", "seeds: [1]").replace("iterations=10\"", "iterations=20000\"");
    let whole = Bench::new(&long);
    let expected = whole.prints(&["--format", "csv", "--threads", "2"]);
    let bench = Bench::new(&long);
    let mut command = Command::new(env!("CARGO_BIN_EXE_isonomy"));
    command.current_dir(bench.0.path()).args(["bench", "suite.ron", "--record", "kept", "--threads", "1"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let (journal, begun) = (bench.0.path().join("kept/runs.journal"), Instant::now());
    while !std::fs::metadata(&journal).is_ok_and(|journal| journal.len() > 0) {
        assert!(begun.elapsed() < Duration::from_secs(120), "nothing is finished");
        std::thread::sleep(Duration::from_millis(2));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("there is a kill");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("2 of 3 runs are not in the result"), "{said}");
    assert!(said.contains("go on with: isonomy bench --resume kept"), "{said}");
    let kept = std::fs::read_to_string(bench.0.path().join("kept/runs.csv")).expect("it is there");
    assert_eq!(kept.lines().count(), 2, "the one that was finished: {kept}");
    // A frame that is torn is as if it had never been written.
    let mut torn = std::fs::read(&journal).expect("it is there");
    torn.extend_from_slice(&torn.clone()[..20]);
    std::fs::write(&journal, torn).expect("it is written");
    let output = bench.command(&["bench", "--resume", "kept", "--format", "csv"]);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()), (Some(0), expected));
}

#[test]
fn the_sweep_of_the_tree_runs() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/suites/group_fair_sweep.ron");
    let mut command = Command::new(env!("CARGO_BIN_EXE_isonomy"));
    let output = command.args(["bench", "--seeds", "1", "--format", "json"]).arg(suite).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let rows: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let value = |row: &Value, metric: usize| row["metrics"][metric]["values"][0].as_f64().expect("a number");
    assert_eq!(rows.as_array().expect("an array").len(), 25);
    for row in rows.as_array().expect("an array") {
        assert_eq!(value(row, 5), 0.0, "a plan failed: {row}");
        // π⁰ is played for ever where the radius is so wide that it never passes its own test.
        let only_pi0 = value(row, 3) == 1.0;
        assert_eq!(only_pi0, value(row, 4) == 0.0, "{row}");
        assert!(!only_pi0 || value(row, 0) == 0.0, "{row}");
    }
    // What is played first is fair, so at equal tolerance the most cautious is never worse.
    let of = |epsilon: usize, kappa: usize| &rows[5 * epsilon + kappa];
    for epsilon in 0..5 {
        assert!(value(of(epsilon, 4), 0) <= value(of(epsilon, 0), 0), "{epsilon}");
    }
}
