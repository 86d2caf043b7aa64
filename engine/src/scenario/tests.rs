//! The loader against an environment whose fields are of every shape that serde knows.

use super::{load, parse, schema};
use crate::environment::Environment;
use crate::problem::Problem;
use crate::quantity::{Finite, Positive, Probability};
use crate::sim::Builder;
use crate::spec::{GroupSpec, Space, Spec, TaskSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Nothing happens here.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Shapes {
    small: u8,
    signed: i32,
    chance: Probability,
    size: Positive,
    any: Finite,
    float: f32,
    pair: (u32, String),
    three: [f64; 3],
    choice: Choice,
    either: Either,
    letter: char,
    switch: bool,
    by_number: BTreeMap<u32, Wrapped>,
    maybe: Option<Option<u32>>,
    unit: (),
    /// A text whose file is read into `content`.
    file: Option<PathBuf>,
    #[serde(default)]
    content: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Wrapped(f64);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
enum Choice {
    Plain,
    /// Documented.
    Other,
    One(u32),
    Two(u32, f64),
    Fields {
        depth: u32,
    },
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Either {
    Number(u32),
    Numbers(Vec<u32>),
}

crate::plugin!(Environment: Shapes, "()");

#[typetag::serde]
impl Environment for Shapes {
    fn spec(&self) -> Spec {
        Spec {
            groups: vec![GroupSpec { name: "all".into(), agents: self.small.into() }],
            tasks: vec![TaskSpec { name: "none".into(), reward: (0.0, 0.0) }],
            observation: Space::Discrete(1),
            action: Space::Discrete(1),
            time_limit: 4,
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let deep = matches!(self.choice, Choice::Fields { depth } if depth > 9);
        if deep { vec![Problem::at("choice.depth", "too deep")] } else { Vec::new() }
    }

    fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        if let Some(file) = self.file.take() {
            let path = folder.join(&file);
            self.content = std::fs::read_to_string(path).map_err(|error| Problem::at("file", error.to_string()))?;
        }
        Ok(())
    }

    fn build(&self, _: &mut Builder) {}
}

/// Never acts either.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Still {}

crate::plugin!(Controller: Still, "()");

#[typetag::serde]
impl crate::controller::Controller for Still {
    fn rule(&self, environment: &dyn Environment) -> crate::controller::Rule {
        crate::controller::Rule::Table(crate::policy::TabularPolicy::uniform(&environment.spec(), 1))
    }
}

const GOOD: &str = r#"#![enable(implicit_some)]
Scenario(
    seed: 1,
    lanes: 2,
    environment: {"Shapes": (
        small: 0x1F,
        signed: -5,
        chance: 1,
        size: 1e-3,
        any: -2.5,
        float: inf,
        pair: (7, "seven"),
        three: (1, 2.0, -3e0),
        choice: Fields(depth: 3),
        either: [1, 2],
        letter: 'x',
        switch: true,
        by_number: {3: 0.5, 4: 1.0},
        maybe: Some(None),
        unit: (),
        file: None,
    )},
    controller: {"Still": ()},
)
"#;

fn said(text: &str) -> Vec<String> {
    let problems = parse(text, "file", Path::new(""), &[]).expect_err("it is refused");
    problems.0.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.message)).collect()
}

fn with(change: (&str, &str)) -> Vec<String> {
    assert!(GOOD.contains(change.0), "{}", change.0);
    said(&GOOD.replace(change.0, change.1))
}

#[test]
fn every_shape_is_accepted() {
    let loaded = parse(GOOD, "good", Path::new(""), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.text, GOOD);
    let variants = ["Plain", "Other", "One(3)", "Two(3, 0.5)", "Fields(depth: 9)"];
    let eithers = ["7", "[]"];
    for (from, to) in variants.map(|to| ("Fields(depth: 3)", to)).into_iter().chain(eithers.map(|to| ("[1, 2]", to))) {
        let text = GOOD.replace(from, to);
        assert!(parse(&text, "good", Path::new(""), &[]).is_ok(), "{to}: {:?}", said(&text));
    }
}

#[test]
fn every_shape_says_what_it_expects() {
    let cases = [
        (("0x1F", "256"), "6:16 expected a whole number from 0 to 255, found 256"),
        (("-5", "-5e9"), "7:17 expected a whole number, -2147483648 or above, found -5e9"),
        (("chance: 1", "chance: 1.5"), "8:17 expected a number from 0 to 1, found 1.5"),
        (("1e-3", "0"), "9:15 expected a finite number above 0, found 0"),
        (("any: -2.5", "any: -inf"), "10:14 expected a finite number, found -inf"),
        (("float: inf", "float: NaN"), "11:16 expected a number, found NaN"),
        (("(7, \"seven\")", "(7,)"), "12:15 expected 2 values, found 1"),
        (("(7, \"seven\")", "[7]"), "12:15 expected 2 values in parentheses, found a list"),
        (("(7, \"seven\")", "(7, 7)"), "12:19 expected a text, found 7"),
        (("-3e0)", "-3, 4)"), "13:16 expected 3 values, found 4"),
        (("Fields(depth: 3)", "Field(depth: 3)"), "14:17 there is no choice `Field`"),
        (("Fields(depth: 3)", "Fields(dept: 3)"), "14:17 missing field `depth`"),
        (("Fields(depth: 3)", "Fields"), "14:17 expected `Fields(…)` with what it holds, found the bare word Fields"),
        (("Fields(depth: 3)", "Plain(3)"), "14:17 expected `Plain` alone, found `Plain(…)`"),
        (("Fields(depth: 3)", "Two(3)"), "14:17 expected 2 values, found 1"),
        (("Fields(depth: 3)", "One(x)"), "14:21 expected a whole number, 0 or above, found the bare word x"),
        (("Fields(depth: 3)", "Fields(depth: 10)"), "14:31 too deep"),
        (("[1, 2]", "[1, -2]"), "15:21 expected a whole number, 0 or above, found -2"),
        (("'x'", "'xy'"), "16:17 "),
        (("true", "yes"), "17:17 expected true or false, found the bare word yes"),
        (("4: 1.0", "4: Wrapped(1.0)"), "18:32 expected a number, found `Wrapped(…)`"),
        (("0.5,", "\"half\","), "18:24 expected a number, found the text \"half\""),
        (("Some(None)", "Some(\"x\")"), "19:21 expected a whole number, 0 or above, found the text \"x\""),
        (("file: None", "file: Some(3)"), "21:20 expected a text, found 3"),
        (("file: None", "file: \"nowhere\""), "21:15 "),
        (("\"Still\": ()", "\"Still\": (when: 1)"), "23:28 unknown field `when` in Still"),
        (("\"Still\"", "\"Stil\""), "23:18 there is no controller `Stil`"),
    ];
    let mut wrong = Vec::new();
    for (change, expected) in cases {
        let said = with(change);
        if said.len() != 1 || !said[0].starts_with(expected) {
            wrong.push(format!("{change:?}: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_found_beside_the_text_that_names_them_and_become_part_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("deep")).expect("a folder");
    std::fs::write(path("deep/content.txt"), "found \"it\"").expect("a file");
    std::fs::write(
        path("deep/base.ron"),
        GOOD.replace("#![enable(implicit_some)]", "").replace("file: None", "file: \"content.txt\""),
    )
    .expect("a file");
    std::fs::write(path("top.ron"), "(include: \"deep/base.ron\")").expect("a file");
    let loaded = load(&path("top.ron"), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let again = parse(&loaded.text, "again", Path::new("nowhere"), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(format!("{:?}", again.scenario).contains(r#"content: "found \"it\"""#));
    assert_eq!(format!("{:?}", again.scenario), format!("{:?}", loaded.scenario));
}

#[test]
fn mistakes_of_every_kind_are_reported_together() {
    let text = GOOD
        .replace("seed: 1", "seed: ?")
        .replace("chance: 1", "chance: 2")
        .replace("\"Still\"", "\"Stil\"")
        .replace("lanes: 2,", "lanes: 2, expect: {\"gap\": ()},");
    let said = said(&text);
    assert_eq!(
        said,
        [
            "3:11 expected a value, found `?`",
            "4:31 no value can be judged by these bounds",
            "8:17 expected a number from 0 to 1, found 2",
            "23:18 there is no controller `Stil`",
        ]
    );
}

#[test]
fn the_schema_has_no_open_end() {
    fn references<'a>(schema: &'a serde_json::Value, found: &mut Vec<&'a str>) {
        match schema {
            serde_json::Value::Object(object) => {
                found.extend(object.get("$ref").and_then(serde_json::Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let schema = schema();
    let mut found = Vec::new();
    references(&schema, &mut found);
    assert!(found.contains(&"#/$defs/Environment") && found.contains(&"#/$defs/Environment.Shapes"));
    assert!(found.contains(&"#/$defs/Environment.Shapes.Choice"));
    for reference in found {
        assert!(schema.pointer(&reference[1..]).is_some(), "{reference}");
    }
    assert!(!schema.to_string().contains(crate::plugin::SLOT));
}
