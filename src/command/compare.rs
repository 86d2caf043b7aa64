//! `isonomy compare RUN…`

use super::{Failure, Format, Outcome, print};
use crate::table::Table;
use isonomy_engine::record::{Past, open};
use std::path::PathBuf;

/// Puts the last numbers of several runs side by side, one column per run
#[derive(clap::Args)]
pub(super) struct Args {
    /// The runs' folders
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Only these numbers, in this order: `jain`, or `groups.` for all that begin so
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// How to print them
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// What is compared of a run.
struct Column {
    name: String,
    numbers: Vec<(String, f64)>,
}

pub(super) fn compare(args: Args) -> Result<Outcome, Failure> {
    let mut columns = Vec::new();
    for path in &args.runs {
        let past = open(path)?;
        if past.summary.is_none() {
            eprintln!("{} has not ended: its last iteration so far is compared", path.display());
        }
        columns.push(Column { name: path.display().to_string(), numbers: last(&past) });
    }
    let mut names: Vec<String> = Vec::new();
    for (name, _) in columns.iter().flat_map(|column| &column.numbers) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let names = chosen(names, &args.only)?;
    print(match args.format {
        Format::Table => table(&columns, &names),
        Format::Csv => csv(&columns, &names),
        Format::Json => json(&columns, &names),
    })?;
    Ok(Outcome::Well)
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

fn table(columns: &[Column], names: &[String]) -> String {
    let heading = std::iter::once(String::new()).chain(columns.iter().map(|column| column.name.clone()));
    let mut table = Table::new(heading);
    for name in names {
        let cell = |column: &Column| column.get(name).map_or_else(String::new, |value| format!("{value:.6}"));
        table.row(std::iter::once(name.clone()).chain(columns.iter().map(cell)));
    }
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
