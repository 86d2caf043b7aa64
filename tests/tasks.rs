//! `isonomy tasks`, as a user meets it.

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn isonomy(args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isonomy"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    // A command that has no use for it closes stdin; that is no failure here.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("written");
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

fn lines(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn domains_are_listed_and_problems_shown() {
    let list = isonomy(&["tasks", "--format", "jsonl"], b"");
    let domains = lines(&list);
    assert_eq!(domains.len(), 12);
    assert_eq!((&domains[0]["domain"], &domains[0]["levels"][0]["closed"]), (&"add".into(), &true.into()));
    let table = isonomy(&["tasks", "cd", "--level", "3", "--count", "2"], b"");
    let table = text(&table.stdout).to_owned();
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.starts_with("domain  level  index  prompt"), "{table}");
    let all = isonomy(&["tasks", "all", "--count", "3", "--format", "json"], b"");
    let all: Value = serde_json::from_slice(&all.stdout).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(12 * 5 * 3));
}

/// What is exported, with the ground truth for a response, scores 1 and nothing else does.
#[test]
fn exported_problems_are_scored() {
    let rows = lines(&isonomy(
        &["tasks", "all", "--level", "1", "--count", "2", "--split", "test", "--seed", "5", "--format", "jsonl"],
        b"",
    ));
    assert_eq!(rows.len(), 24);
    let mut file = String::new();
    for (at, mut row) in rows.into_iter().enumerate() {
        row["response"] = if at % 2 == 0 { row["reward_model"]["ground_truth"].clone() } else { "?".into() };
        file += &format!("{row}\n");
    }
    let scores = lines(&isonomy(&["tasks", "score", "-", "--format", "jsonl"], file.as_bytes()));
    assert!(scores.iter().enumerate().all(|(at, score)| score["score"] == f64::from(1 - at as u32 % 2)));
    let summary = isonomy(&["tasks", "score", "-", "--format", "json"], file.as_bytes());
    let summary: Value = serde_json::from_slice(&summary.stdout).expect("JSON");
    assert_eq!((&summary["responses"], &summary["accuracy"]), (&24.into(), &0.5.into()));
    assert_eq!(summary["levels"].as_array().map(Vec::len), Some(12));
    let table = isonomy(&["tasks", "score", "-"], file.as_bytes());
    assert!(
        text(&table.stdout)
            .lines()
            .nth(1)
            .is_some_and(|row| row.starts_with("add         1  test           2    0.5000"))
    );
}

#[test]
fn mistakes_are_told_with_line_and_column() {
    let mut row =
        lines(&isonomy(&["tasks", "add", "--level", "1", "--count", "1", "--format", "jsonl"], b"")).remove(0);
    row["response"] = "1".into();
    let good = row.to_string();
    let file = format!("{good}\n{}\n{{\n", good.replace("reasoning_tasks/add", "reasoning_tasks/adt"));
    let broken = isonomy(&["tasks", "score", "-"], file.as_bytes());
    assert_eq!((broken.status.code(), broken.stdout.len()), (Some(1), 0));
    let told: Vec<&str> = text(&broken.stderr).lines().collect();
    assert!(
        told[0].starts_with("-:2:36: there is no domain \"adt\"") && told[0].ends_with("did you mean add?"),
        "{told:?}"
    );
    assert!(told[1].starts_with("-:3:1: EOF") && told.len() == 2, "{told:?}");
    let many = isonomy(&["tasks", "score", "-"], "{\n".repeat(30).as_bytes());
    assert!(text(&many.stderr).ends_with("\nand 10 more\n"));
    let missing = isonomy(&["tasks", "score", "no/such/file"], b"");
    assert!(text(&missing.stderr).starts_with("isonomy: no/such/file cannot be read: "));
}

#[test]
fn what_is_not_there_is_refused() {
    let refused = |args: &[&str]| {
        let output = isonomy(args, b"");
        assert_ne!(output.status.code(), Some(0), "{args:?}");
        text(&output.stderr).to_owned()
    };
    assert!(refused(&["tasks", "srot"]).ends_with("did you mean sort?\n"));
    assert_eq!(refused(&["tasks", "add", "--level", "6"]), "isonomy: add has levels 1 to 5, not 6\n");
    assert!(refused(&["tasks", "add", "--count", "0"]).contains("nothing to show"));
    assert!(refused(&["tasks", "add", "--first", "18446744073709551615"]).contains("beyond the last index"));
    assert!(refused(&["tasks", "--level", "2"]).contains("<DOMAIN>"));
}
