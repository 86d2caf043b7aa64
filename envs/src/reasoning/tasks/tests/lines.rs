//! Task files and files of responses.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn record(name: &str, level: u32, index: u64) -> Value {
    let address = Address::new(3, domain(name).expect("there"), level, Split::Test, index).expect("a level");
    serde_json::to_value(Record::of(&address)).expect("JSON")
}

#[test]
fn a_record_has_the_form_that_verl_reads() {
    let row = record("add", 2, 9);
    let address = Address::new(3, domain("add").expect("there"), 2, Split::Test, 9).expect("a level");
    let Problem { prompt, answer } = address.problem();
    let (a, b) = prompt.strip_suffix('=').and_then(|sum| sum.split_once('+')).expect("a sum");
    let expected = json!({
        "data_source": "reasoning_tasks/add",
        "prompt": [{"role": "user", "content": format!("What is {a} + {b}? Answer with the number only.")}],
        "ability": "add",
        "reward_model": {"style": "rule", "ground_truth": answer},
        "extra_info": {"level": 2, "split": "test", "index": 9, "seed": 3},
    });
    assert_eq!(row, expected);
}

/// Every problem survives export, and its ground truth as a response scores 1.
#[test]
fn exported_rows_can_be_scored() {
    let mut lines = String::new();
    for (domain, level) in levels() {
        for index in 0..4 {
            let mut row = record(domain.name(), level, index);
            row["response"] = row["reward_model"]["ground_truth"].clone();
            lines += &format!("{row}\r\n\n");
            row["response"] = "é".into();
            lines += &format!("{row}\n");
        }
    }
    let responses = read(lines.as_bytes()).expect("all can be read");
    assert_eq!(responses.len(), 12 * 5 * 8);
    assert!(responses.iter().map(Response::score).eq((0..12 * 5 * 8).map(|at| f64::from(1 - at % 2))));
    assert_eq!((responses[0].line, responses[1].line, responses[2].line), (1, 3, 4));
}

#[test]
fn every_broken_line_is_told_with_its_place() {
    let good = r#"{"data_source":"reasoning_tasks/add","extra_info":{"level":1,"split":"test","index":0,"seed":0},"response":"1"}"#;
    let cases: Vec<(Vec<u8>, usize, &str)> = vec![
        (b"{".to_vec(), 1, "EOF while parsing an object"),
        (b"[1]".to_vec(), 2, "invalid type: integer `1`, expected a string"),
        (good.replace("add", "ad").into_bytes(), 35, "did you mean add?"),
        (good.replace(":1,", ":9,").into_bytes(), 52, "add has levels 1 to 5, not 9"),
        (good.replace(":1,", ":-1,").into_bytes(), 61, "invalid value: integer `-1`, expected u32"),
        (good.replace("\"test\"", "\"tset\"").into_bytes(), 75, "unknown variant `tset`, expected one of `train`"),
        (good.replace("\"response\"", "\"responce\"").into_bytes(), 111, "missing field `response`"),
        (good.replace("\"1\"}", "null}").into_bytes(), 111, "invalid type: null, expected a string"),
        (good.replace("\"1\"}", "\"1}").into_bytes(), 110, "EOF while parsing a string"),
        (good.replace("\"1\"}", "\"é\"}x").into_bytes(), 112, "trailing characters"),
        ([&good.as_bytes()[..20], b"\xff", &good.as_bytes()[20..]].concat(), 21, "not text in UTF-8"),
    ];
    let mut misplaced = Vec::new();
    for (bytes, column, message) in &cases {
        let file = [good.as_bytes(), b"\n\n", bytes, b"\n", good.as_bytes()].concat();
        let mistakes = read(&file).expect_err("a mistake");
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].message.contains(message), "{:?}: {}", String::from_utf8_lossy(bytes), mistakes[0]);
        if (mistakes[0].line, mistakes[0].column) != (3, *column) {
            misplaced.push(format!("{}, not in column {column}", mistakes[0]));
        }
    }
    assert!(misplaced.is_empty(), "{misplaced:#?}");
    let two = read(b"{\nnull\n").expect_err("two mistakes");
    assert_eq!(two.iter().map(|mistake| mistake.line).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(read(b" \n").expect_err("empty")[0].message, "there are no responses in it");
}

/// A file made by something else than this version would be scored against other problems.
#[test]
fn another_ground_truth_is_a_mistake() {
    let mut row = record("seq", 1, 0);
    row["response"] = "1".into();
    row["reward_model"]["ground_truth"] = "1000".into();
    let mistakes = read(row.to_string().as_bytes()).expect_err("a mistake");
    assert!(mistakes[0].message.starts_with("the answer of this problem is "), "{}", mistakes[0]);
    assert!(mistakes[0].message.ends_with(", not 1000") && mistakes[0].column > 100);
}

proptest! {
    #[test]
    fn garbage_is_told_as_mistakes(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        match read(&bytes) {
            Ok(responses) => prop_assert!(!responses.is_empty()),
            Err(mistakes) => prop_assert!(!mistakes.is_empty()),
        }
    }
}
