//! `isonomy bench SUITE`

use super::run::{cell, listen, progress};
use super::{Failure, Format, Outcome, print};
use crate::table::Table;
use clap::ValueEnum;
use isonomy_engine::suite::{self, Plan, Spread, Trial};
use serde_json::{Value, json};
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// More seeds than this are not told one by one in a table.
const FEW: usize = 5;

/// Makes all runs of a suite with all its seeds and prints what came out, beside what was published
///
/// Runs are made on the processor, one thread each. No run folders are written: look closer at one of them with
/// `isonomy run`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The suite
    suite: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value = "table")]
    format: Layout,
    /// Uses only so many of the suite's seeds, the first ones
    #[arg(long, value_name = "N")]
    seeds: Option<NonZeroUsize>,
    /// Runs that are made side by side; as many as there are threads if not given
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Writes the result to a file instead; no run folders are written either way
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How results are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// For people.
    Table,
    /// The same as a table of Markdown.
    Md,
    /// An array with an object per run.
    Json,
    /// Comma-separated values, one per line, with a heading.
    Csv,
}

/// The same with nothing but a suite, for whoever asks to run one.
pub(super) fn whole(suite: PathBuf, format: Format) -> Result<Outcome, Failure> {
    let format = match format {
        Format::Table => Layout::Table,
        Format::Json => Layout::Json,
        Format::Csv => Layout::Csv,
    };
    bench(Args { suite, format, seeds: None, threads: None, out: None })
}

pub(super) fn bench(args: Args) -> Result<Outcome, Failure> {
    let mut plan = match suite::load(&args.suite) {
        Ok(plan) => plan,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(Outcome::Problem);
        }
    };
    if let Some(count) = args.seeds.map(NonZeroUsize::get) {
        let all = plan.suite.seeds.len();
        if count > all {
            return Err(format!("--seeds {count}: the suite has {all}").into());
        }
        plan.first_seeds(count);
    }
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, usize::from);
    let stop = listen()?;
    let bar = progress(plan.work());
    let trials = plan.carry_out(threads, &stop, &|| bar.inc(1));
    bar.finish_and_clear();
    let stopped = trials.iter().filter(|trial| trial.outcome == suite::Outcome::Stopped).count();
    let failed = trials.iter().any(|trial| matches!(trial.outcome, suite::Outcome::Failed(_)));
    deliver(&lay_out(&plan, &trials, args.format)?, args.out)?;
    if stop.load(Ordering::Relaxed) && stopped > 0 {
        eprintln!("interrupted: {stopped} of {} runs are not in the result", trials.len());
        return Ok(Outcome::Interrupted);
    }
    Ok(if failed { Outcome::Problem } else { Outcome::Well })
}

/// To stdout, or to a file. What took minutes to compute is not lost to a file that cannot be written.
fn deliver(text: &str, out: Option<PathBuf>) -> Result<(), Failure> {
    let Some(path) = out else { return print(text) };
    if let Err(error) = std::fs::write(&path, format!("{text}\n")) {
        print(text)?;
        return Err(format!("{} cannot be written: {error}", path.display()).into());
    }
    eprintln!("wrote {}", path.display());
    Ok(())
}

fn lay_out(plan: &Plan, trials: &[Trial], layout: Layout) -> Result<String, Failure> {
    Ok(match layout {
        Layout::Table => table(plan, trials),
        Layout::Md => markdown(plan, trials),
        Layout::Json => serde_json::to_string(&objects(plan, trials))?,
        Layout::Csv => lines(plan, trials),
    })
}

/// The trials of a run that came to an end, with their values.
fn done(trials: &[Trial], run: usize) -> impl Iterator<Item = (&Trial, &Vec<Option<f64>>)> {
    trials.iter().filter(move |trial| trial.run == run).filter_map(|trial| match &trial.outcome {
        suite::Outcome::Done(values) => Some((trial, values)),
        _ => None,
    })
}

/// The trials of a run that failed, and why.
fn failures(trials: &[Trial], run: usize) -> impl Iterator<Item = (&Trial, &String)> {
    trials.iter().filter(move |trial| trial.run == run).filter_map(|trial| match &trial.outcome {
        suite::Outcome::Failed(reason) => Some((trial, reason)),
        _ => None,
    })
}

/// The values of a column, seed by seed, without those that are not there.
fn values(trials: &[Trial], run: usize, column: usize) -> Vec<f64> {
    done(trials, run).filter_map(|(_, values)| values[column]).collect()
}

/// What is published on a run in a column.
fn published(plan: &Plan, run: usize, column: usize) -> Option<&str> {
    let text = plan.suite.runs[run].published.get(column)?;
    (!text.is_empty()).then_some(text.as_str())
}

/// Heading and rows, as text. `summary` tells what a cell says of the values of all seeds.
fn cells(plan: &Plan, trials: &[Trial], summary: fn(&[f64]) -> String) -> Vec<Vec<String>> {
    let suite = &plan.suite;
    let told = |column: usize| (0..suite.runs.len()).any(|run| published(plan, run, column).is_some());
    let columns: Vec<(usize, bool)> = (0..suite.columns.len()).map(|column| (column, told(column))).collect();
    let mut heading = vec!["method".to_owned()];
    for (column, told) in &columns {
        heading.push(suite.columns[*column].title().to_owned());
        heading.extend(told.then(|| "published".to_owned()));
    }
    let width = heading.len();
    let mut rows = vec![heading];
    for (run, method) in suite.runs.iter().enumerate() {
        // A method none of whose runs came to an end has a row only where there is a reason to tell.
        if done(trials, run).next().is_some() {
            let mut row = vec![method.name.clone()];
            for (column, told) in &columns {
                row.push(summary(&values(trials, run, *column)));
                row.extend(told.then(|| published(plan, run, *column).unwrap_or_default().to_owned()));
            }
            rows.push(row);
        }
        for (trial, reason) in failures(trials, run) {
            let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            let mut row = vec![format!("{}, seed {}", method.name, trial.seed), format!("failed: {reason}")];
            row.resize(width, String::new());
            rows.push(row);
        }
    }
    rows
}

fn table(plan: &Plan, trials: &[Trial]) -> String {
    let summary = |values: &[f64]| match Spread::of(values) {
        Some(Spread { mean, standard_error: Some(error), .. }) => format!("{} ± {}", short(mean), short(error)),
        Some(Spread { mean, .. }) => short(mean),
        None => "-".to_owned(),
    };
    let mut rows = cells(plan, trials, summary).into_iter();
    let mut table = Table::new(rows.next().unwrap_or_default());
    rows.for_each(|row| table.row(row));
    table.to_string().trim_end().to_owned()
}

fn markdown(plan: &Plan, trials: &[Trial]) -> String {
    let summary = |values: &[f64]| {
        let Some(Spread { mean, standard_error, .. }) = Spread::of(values) else { return "–".to_owned() };
        match standard_error {
            None => short(mean),
            Some(error) if values.len() > FEW => format!("{} ± {}", short(mean), short(error)),
            Some(_) => {
                let each: Vec<String> = values.iter().map(|value| short(*value)).collect();
                format!("{} ({})", short(mean), each.join(", "))
            }
        }
    };
    let mut text = String::new();
    for (index, row) in cells(plan, trials, summary).iter().enumerate() {
        let row: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(row.len()));
        }
    }
    text.trim_end().to_owned()
}

fn objects(plan: &Plan, trials: &[Trial]) -> Value {
    let suite = &plan.suite;
    let row = |run: usize| {
        let metric = |column: usize| {
            let Spread { mean, standard_error, least, largest } = match Spread::of(&values(trials, run, column)) {
                Some(spread) => spread,
                None => Spread { mean: f64::NAN, standard_error: None, least: f64::NAN, largest: f64::NAN },
            };
            let each: Vec<Option<f64>> = done(trials, run).map(|(_, values)| values[column]).collect();
            json!({
                "metric": suite.columns[column].metric, "at": at(plan, run, column),
                "heading": suite.columns[column].title(), "published": published(plan, run, column),
                "mean": mean, "standard_error": standard_error, "min": least, "max": largest, "values": each,
            })
        };
        let failed = |(trial, reason): (&Trial, &String)| json!({"seed": trial.seed, "reason": reason});
        json!({
            "name": suite.runs[run].name, "scenario": suite.runs[run].scenario,
            "sets": suite.runs[run].sets,
            "seeds": done(trials, run).map(|(trial, _)| trial.seed).collect::<Vec<_>>(),
            "metrics": (0..suite.columns.len()).map(metric).collect::<Vec<_>>(),
            "failures": failures(trials, run).map(failed).collect::<Vec<_>>(),
        })
    };
    (0..suite.runs.len()).map(row).collect()
}

fn lines(plan: &Plan, trials: &[Trial]) -> String {
    let mut text = "method,seed,metric,at,value,failure".to_owned();
    for (run, method) in plan.suite.runs.iter().enumerate() {
        let name = cell(&method.name);
        for (trial, values) in done(trials, run) {
            for (column, value) in values.iter().enumerate() {
                let (metric, at) = (cell(&plan.suite.columns[column].metric), at(plan, run, column));
                let value = value.map_or(String::new(), |value| value.to_string());
                let _ = write!(text, "\n{name},{},{metric},{at},{value},", trial.seed);
            }
        }
        for (trial, reason) in failures(trials, run) {
            let _ = write!(text, "\n{name},{},,,,{}", trial.seed, cell(reason));
        }
    }
    text
}

/// The iteration that a column is of.
fn at(plan: &Plan, run: usize, column: usize) -> u32 {
    plan.suite.columns[column].at.map_or(plan.iterations(run), |at| at.get())
}

/// A number as people like to read it: whole from 100 on, else with up to six digits behind the point.
fn short(value: f64) -> String {
    if value.abs() >= 100.0 || !value.is_finite() {
        return format!("{value:.0}");
    }
    let digits = format!("{value:.6}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    if digits == "-0" { "0".to_owned() } else { digits.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (-1e-9, "0"),
            (3.0, "3"),
            (100.0, "100"),
            (0.25, "0.25"),
            (10.8832882, "10.883288"),
            (-3740.406, "-3740"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
