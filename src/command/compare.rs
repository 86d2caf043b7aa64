//! `isonomy compare RUN…`

use super::{Failure, Format, Outcome, print};
use crate::table::Table;
use isonomy_engine::record::{Past, open};
use std::path::PathBuf;

/// Puts the last numbers of several runs side by side: a row per run, or a column where the numbers are many
#[derive(clap::Args)]
pub(super) struct Args {
    /// The runs' folders
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Only these numbers, in this order: `jain`, or `groups.` for all that begin so
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// All numbers, also where the environment names those that tell most
    #[arg(long, conflicts_with = "only")]
    all: bool,
    /// How to print them
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// What is compared of a run.
struct Column {
    name: String,
    /// What its command line sets.
    sets: Vec<String>,
    /// Numbers that its environment names as those that tell most.
    telling: Vec<String>,
    numbers: Vec<(String, f64)>,
}

pub(super) fn compare(args: Args) -> Result<Outcome, Failure> {
    let mut columns = Vec::new();
    for path in &args.runs {
        let past = open(path)?;
        if past.summary.is_none() {
            eprintln!("{} has not ended: its last iteration so far is compared", path.display());
        }
        columns.push(Column {
            name: path.display().to_string(),
            sets: sets(&past.manifest.command),
            telling: past.drawn.metrics.clone(),
            numbers: last(&past),
        });
    }
    let mut names: Vec<String> = Vec::new();
    for (name, _) in columns.iter().flat_map(|column| &column.numbers) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let mut names = chosen(names, &args.only)?;
    let telling = &columns[0].telling;
    let alike = !telling.is_empty() && columns.iter().all(|column| column.telling == *telling);
    if alike && args.only.is_empty() && !args.all {
        let all = names.len();
        names = telling.iter().filter(|name| names.contains(name)).cloned().collect();
        eprintln!("{} of {all} numbers; the others with --all", names.len());
    }
    print(match args.format {
        Format::Table => table(&columns, &names),
        Format::Csv => csv(&columns, &names),
        Format::Json => json(&columns, &names),
    })?;
    Ok(Outcome::Well)
}

/// What a command line sets beside the scenario: `--set` without the word, and the seed and the lanes.
fn sets(command: &[String]) -> Vec<String> {
    let mut sets = Vec::new();
    let mut words = command.iter();
    while let Some(word) = words.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let mut value = || value.clone().or_else(|| words.next().cloned()).unwrap_or_default();
        match option {
            "--set" => sets.push(value()),
            "--seed" | "--lanes" => sets.push(format!("{}={}", option.trim_start_matches('-'), value())),
            _ => {}
        }
    }
    sets
}

/// The last number of every column that has one.
fn last(past: &Past) -> Vec<(String, f64)> {
    let of = |(index, name): (usize, &String)| {
        let value = past.rows.iter().rev().find_map(|row| row.values[index])?;
        Some((name.clone(), value))
    };
    past.columns.iter().enumerate().filter_map(of).collect()
}

/// The names that were asked for; all where none was.
fn chosen(names: Vec<String>, only: &[String]) -> Result<Vec<String>, Failure> {
    if only.is_empty() {
        return Ok(names);
    }
    let mut chosen = Vec::new();
    for wanted in only {
        let before = chosen.len();
        chosen.extend(
            names.iter().filter(|name| *name == wanted || wanted.ends_with('.') && name.starts_with(wanted)).cloned(),
        );
        if chosen.len() == before {
            let near = super::nearest(wanted, names.iter().map(String::as_str));
            let help =
                near.map_or_else(|| format!("there are {}", names.join(", ")), |near| format!("did you mean {near}?"));
            return Err(format!("no run has a number called {wanted}: {help}").into());
        }
    }
    Ok(chosen)
}

impl Column {
    fn get(&self, name: &str) -> Option<f64> {
        self.numbers.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// What runs set differently: the path, and every run's value.
fn differences(columns: &[Column]) -> Vec<(String, Vec<String>)> {
    let mut paths: Vec<&str> = Vec::new();
    for (path, _) in columns.iter().flat_map(|column| &column.sets).filter_map(|set| set.split_once('=')) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let value = |column: &Column, path: &str| {
        let of = column.sets.iter().rev().find_map(|set| set.split_once('=').filter(|(known, _)| *known == path));
        of.map_or_else(String::new, |(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let row = |path: &&str| ((*path).to_owned(), columns.iter().map(|column| value(column, path)).collect::<Vec<_>>());
    paths.iter().map(row).filter(|(_, values)| values.iter().any(|value| *value != values[0])).collect()
}

/// Numbers that stand side by side in a row; with more there is a column per run.
const FEW: usize = 12;

fn table(columns: &[Column], names: &[String]) -> String {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.6}"));
    let differences = differences(columns);
    let table = if names.len() <= FEW {
        let paths = differences.iter().map(|(path, _)| path.clone());
        let mut table = Table::new(std::iter::once("run".to_owned()).chain(paths).chain(names.iter().cloned()));
        for (index, column) in columns.iter().enumerate() {
            let set = differences.iter().map(|(_, values)| values[index].clone());
            let numbers = names.iter().map(|name| number(column.get(name)));
            table.row(std::iter::once(column.name.clone()).chain(set).chain(numbers));
        }
        table
    } else {
        let mut table =
            Table::new(std::iter::once(String::new()).chain(columns.iter().map(|column| column.name.clone())));
        for name in names {
            table.row(std::iter::once(name.clone()).chain(columns.iter().map(|column| number(column.get(name)))));
        }
        table
    };
    table.to_string().trim_end().to_owned()
}

fn csv(columns: &[Column], names: &[String]) -> String {
    let quoted = |text: &str| match text.contains([',', '"', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let mut lines =
        vec![std::iter::once("run").chain(names.iter().map(String::as_str)).map(quoted).collect::<Vec<_>>()];
    for column in columns {
        let cell = |name: &String| column.get(name).map_or_else(String::new, |value| value.to_string());
        lines.push(std::iter::once(quoted(&column.name)).chain(names.iter().map(cell)).collect());
    }
    lines.iter().map(|line| line.join(",")).collect::<Vec<_>>().join("\n")
}

/// A list of one object per run; what a run has not got, or what is not finite, is null.
fn json(columns: &[Column], names: &[String]) -> String {
    let run = |column: &Column| {
        let number =
            |name: &String| (name.clone(), serde_json::json!(column.get(name).filter(|value| value.is_finite())));
        let numbers: serde_json::Map<String, serde_json::Value> = names.iter().map(number).collect();
        serde_json::json!({ "run": column.name, "metrics": numbers })
    };
    serde_json::Value::from(columns.iter().map(run).collect::<Vec<_>>()).to_string()
}
