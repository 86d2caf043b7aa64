//! The scenarios of the papers, run as a user would run them.

use serde_json::Value;
use std::process::Command;

/// What `isonomy run FILE --format json` prints.
fn run(file: &str, sets: &[&str]) -> Value {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_isonomy"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["run", file, "--device", "cpu", "--format", "json", "--out"]);
    command.arg(scratch.path().join("run")).args(sets.iter().flat_map(|set| ["--set", set]));
    let output = command.output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[track_caller]
fn near(summary: &Value, metric: &str, expected: f64, tolerance: f64) {
    let found = summary["metrics"][metric].as_f64().unwrap_or_else(|| panic!("no {metric} in {summary}"));
    assert!((found - expected).abs() <= tolerance, "{metric} is {found}, not {expected}");
}

#[test]
fn the_fair_optimum_of_two_tasks() {
    let file = "scenarios/river_swim/multi_task_fair_lp.ron";
    for (sets, optimum, gap) in [
        (vec![], 10.883288, 0.5),
        (vec!["optimizer.FairLp.epsilon=0.1"], 10.483479, 0.1),
        (vec!["optimizer.FairLp.epsilon=5", "optimizer.FairLp.solver=Clarabel"], 13.492123, 5.0),
        (vec!["optimizer.FairLp.rows=Bounds", "optimizer.FairLp.solver=Microlp"], 10.883288, 0.5),
    ] {
        let summary = run(file, &sets);
        near(&summary, "objective", optimum, 1e-6);
        near(&summary, "gap_task_1", gap, 1e-5);
        if gap < 5.0 {
            near(&summary, "gap_task_2", gap, 1e-5);
        }
    }
}

#[test]
fn lending() {
    for (legacy, optimum) in [("false", 12.415109), ("true", 13.580793)] {
        let summary = run("scenarios/papers/lending.ron", &[&format!("environment.Lending.legacy={legacy}")]);
        near(&summary, "objective", optimum, 1e-6);
        near(&summary, "gap_task_1", 0.22, 1e-6);
    }
}

#[test]
fn two_groups_are_learned_without_a_violation() {
    for (file, optimum, regret, gap) in [
        ("scenarios/papers/group_fair_riverswim.ron", 1.929771, 4500.0, 1.1),
        ("scenarios/papers/group_fair_riverswim_multi_task.ron", 10.883288, 4500.0, 0.5),
        ("scenarios/papers/lending_learned.ron", 12.415109, 20_000.0, f64::INFINITY),
    ] {
        let summary = run(file, &[]);
        near(&summary, "fair_optimum", optimum, 1e-6);
        near(&summary, "violations", 0.0, 0.0);
        near(&summary, "lp_failures", 0.0, 0.0);
        let number = |metric: &str| summary["metrics"][metric].as_f64().expect("a number");
        assert!(number("regret") < regret && number("regret_pi0") < -10_000.0, "{summary}");
        assert!(number("lp_solves") < 100.0 && number("pi0_share") < 0.2, "{summary}");
        assert!(number("gap") <= gap, "{summary}");
    }
}
