//! `isonomy bench SUITE`

use super::run::{listen, progress};
use super::{Failure, Format, Outcome, print};
use crate::table::Table;
use clap::ValueEnum;
use indicatif::ProgressBar;
use isonomy_engine::record::{RecordError, Trials, comparison};
use isonomy_engine::suite::{self, Agreement, Cell, Plan, Ranking, Spread, Trial, Watch};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// More seeds than this are not told one by one in a table.
const FEW: usize = 5;

/// Makes all runs of a suite with all its seeds and prints what came out, beside what was published
///
/// Runs are made on the processor, one thread each; learning runs of one environment advance together. No run folders
/// are written: look closer at one of them with `isonomy run`. With `--record` the suite has a folder, from which it
/// can be gone on with.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The suite
    #[arg(required_unless_present = "resume")]
    suite: Option<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value = "table")]
    format: Layout,
    /// Changes a value of every run, PATH=VALUE, as in `isonomy run`; what a grid sets stays
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// Uses only so many of the suite's seeds, the first ones
    #[arg(long, value_name = "N")]
    seeds: Option<NonZeroUsize>,
    /// Runs that are made side by side; as many as there are threads if not given
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Writes the result to a file instead
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Keeps every run that is done in a folder, and tables with a row per run
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    /// Goes on with an interrupted suite; takes it from its folder
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["suite", "sets", "seeds", "record"])]
    resume: Option<PathBuf>,
}

/// How results are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// For people: a row per run of the suite or point of its grid, with the mean over seeds.
    Table,
    /// The same as a table of Markdown.
    Md,
    /// An array with an object for each of these rows.
    Json,
    /// Comma-separated values: a row per run and seed, with a heading.
    Csv,
    /// A page with a plot of every column, where the suite says over what.
    Html,
}

/// The same with all else as it is by itself, for whoever asks to run a suite.
pub(super) fn whole(suite: PathBuf, sets: Vec<String>, format: Format) -> Result<Outcome, Failure> {
    let format = match format {
        Format::Table => Layout::Table,
        Format::Json => Layout::Json,
        Format::Csv => Layout::Csv,
    };
    let suite = Some(suite);
    bench(Args { suite, format, sets, seeds: None, threads: None, out: None, record: None, resume: None })
}

pub(super) fn bench(args: Args) -> Result<Outcome, Failure> {
    let Some(Begun { plan, trials: done, folder }) = begin(&args)? else { return Ok(Outcome::Problem) };
    if args.format == Layout::Html && plan.suite.plot.is_none() {
        return Err("the suite does not say over what to draw: give it `plot: (over: \"PATH\")`".into());
    }
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, usize::from);
    let stop = listen()?;
    let bar = progress(plan.work());
    done.iter().for_each(|trial| bar.inc(u64::from(plan.iterations(trial.cell))));
    let (trials, folder) = carry_out(&plan, done, threads, &stop, &bar, folder)?;
    bar.finish_and_clear();
    if let Some(folder) = &folder {
        folder.write(&plan, &trials)?;
    }
    deliver(&lay_out(&plan, &trials, args.format)?, args.out)?;
    let stopped = trials.iter().filter(|trial| trial.outcome == suite::Outcome::Stopped).count();
    if stop.load(Ordering::Relaxed) && stopped > 0 {
        eprintln!("interrupted: {stopped} of {} runs are not in the result", trials.len());
        match &folder {
            Some(folder) => eprintln!("go on with: isonomy bench --resume {}", folder.path().display()),
            None => eprintln!("with --record FOLDER it could be gone on with"),
        }
        return Ok(Outcome::Interrupted);
    }
    let failed = trials.iter().any(|trial| matches!(trial.outcome, suite::Outcome::Failed(_)));
    Ok(if failed { Outcome::Problem } else { Outcome::Well })
}

/// What is to be done, what of it is done, and where that is kept.
struct Begun {
    plan: Plan,
    trials: Vec<Trial>,
    folder: Option<Trials>,
}

/// A new suite, or one that was interrupted; none where it has problems, which have been reported.
fn begin(args: &Args) -> Result<Option<Begun>, Failure> {
    if let Some(path) = &args.resume {
        let (folder, plan, trials) = Trials::resume(path)?;
        return Ok(Some(Begun { plan, trials, folder: Some(folder) }));
    }
    let file = args.suite.clone().unwrap_or_default();
    let mut plan = match suite::load(&file, &args.sets) {
        Ok(plan) => plan,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(None);
        }
    };
    if let Some(count) = args.seeds.map(NonZeroUsize::get) {
        let all = plan.seeds.len();
        if count > all {
            return Err(format!("--seeds {count}: the suite has {all}").into());
        }
        plan.first_seeds(count);
    }
    let folder = args.record.as_ref().map(|path| Trials::create(path, &plan)).transpose()?;
    Ok(Some(Begun { plan, trials: Vec::new(), folder }))
}

/// Makes what is not done, and keeps every run that comes to an end.
fn carry_out(
    plan: &Plan,
    done: Vec<Trial>,
    threads: usize,
    stop: &AtomicBool,
    bar: &ProgressBar,
    folder: Option<Trials>,
) -> Result<(Vec<Trial>, Option<Trials>), RecordError> {
    let (folder, failure) = (Mutex::new(folder), Mutex::new(None));
    let keep = |trials: &[Trial]| {
        let mut folder = folder.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match folder.as_mut().map_or(Ok(()), |folder| folder.keep(trials)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                *failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(error);
                ControlFlow::Break(())
            }
        }
    };
    let watch = Watch { tick: &|iterations| bar.inc(iterations), finished: &keep };
    let trials = plan.carry_out(done, threads, stop, &watch);
    match failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        Some(error) => Err(error),
        None => Ok((trials, folder.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()))),
    }
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
        Layout::Table => table(plan, trials) + &rankings(plan, trials),
        Layout::Md => markdown(plan, trials) + &rankings(plan, trials),
        Layout::Json => serde_json::to_string(&objects(plan, trials))?,
        Layout::Csv => plan.csv(trials),
        Layout::Html => comparison(plan, trials)?,
    })
}

/// The trials of a cell that came to an end, with their values.
fn done(trials: &[Trial], cell: usize) -> impl Iterator<Item = (&Trial, &Vec<Option<f64>>)> {
    of_cell(trials, cell).iter().filter_map(|trial| match &trial.outcome {
        suite::Outcome::Done(values) => Some((trial, values)),
        _ => None,
    })
}

/// The trials of a cell that failed, and why.
fn failures(trials: &[Trial], cell: usize) -> impl Iterator<Item = (&Trial, &String)> {
    of_cell(trials, cell).iter().filter_map(|trial| match &trial.outcome {
        suite::Outcome::Failed(reason) => Some((trial, reason)),
        _ => None,
    })
}

/// The trials of a cell, which stand together.
fn of_cell(trials: &[Trial], cell: usize) -> &[Trial] {
    let before = |bound: usize| trials.partition_point(|trial| trial.cell < bound);
    &trials[before(cell)..before(cell + 1)]
}

/// The values of a column, seed by seed, without those that are not there.
fn values(trials: &[Trial], cell: usize, column: usize) -> Vec<f64> {
    done(trials, cell).filter_map(|(_, values)| values[column]).collect()
}

/// What is published on a run in a column. A whole grid has one published row: its first.
fn published(plan: &Plan, cell: usize, column: usize) -> Option<&str> {
    let first = cell == 0 || plan.cells[cell - 1].method != plan.cells[cell].method;
    let text = plan.method(cell).published.get(column).filter(|_| first)?;
    (!text.is_empty()).then_some(text.as_str())
}

/// What stands above the columns of grids, and the paths whose values stand below: axes of different runs share a column where
/// they have the same heading.
fn headings(plan: &Plan) -> Vec<(&str, Vec<&str>)> {
    let together = |one: &str, other: &str| {
        let has = |cell: &Cell, path: &str| cell.value(path).is_some();
        plan.cells.iter().any(|cell| has(cell, one) && has(cell, other))
    };
    let mut headings: Vec<(&str, Vec<&str>)> = Vec::new();
    for axis in plan.axes() {
        let fits = |(title, paths): &&mut (&str, Vec<&str>)| {
            *title == axis.title() && !paths.iter().any(|path| together(path, &axis.path))
        };
        match headings.iter_mut().find(fits) {
            Some((_, paths)) => paths.push(&axis.path),
            None => headings.push((axis.title(), vec![&axis.path])),
        }
    }
    headings
}

/// Heading and rows, as text. `summary` tells what a cell says of the values of all seeds.
fn cells(plan: &Plan, trials: &[Trial], summary: fn(&[f64]) -> String) -> Vec<Vec<String>> {
    let suite = &plan.suite;
    let told = |column: usize| (0..plan.cells.len()).any(|cell| published(plan, cell, column).is_some());
    let columns: Vec<(usize, bool)> = (0..suite.columns.len()).map(|column| (column, told(column))).collect();
    let axes = headings(plan);
    let mut heading = vec!["method".to_owned()];
    heading.extend(axes.iter().map(|(title, _)| (*title).to_owned()));
    for (column, told) in &columns {
        heading.push(suite.columns[*column].title().to_owned());
        heading.extend(told.then(|| "published".to_owned()));
    }
    let width = heading.len();
    let mut rows = vec![heading];
    for cell in 0..plan.cells.len() {
        // A method none of whose runs came to an end has a row only where there is a reason to tell.
        if done(trials, cell).next().is_some() {
            let mut row = vec![plan.method(cell).name.clone()];
            let value = |paths: &Vec<&str>| paths.iter().find_map(|path| plan.cells[cell].value(path));
            row.extend(axes.iter().map(|(_, paths)| value(paths).unwrap_or_default().to_owned()));
            for (column, told) in &columns {
                row.push(summary(&values(trials, cell, *column)));
                row.extend(told.then(|| published(plan, cell, *column).unwrap_or_default().to_owned()));
            }
            rows.push(row);
        }
        for (trial, reason) in failures(trials, cell) {
            let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            let mut row = vec![format!("{}, seed {}", plan.name(cell), trial.seed), format!("failed: {reason}")];
            row.resize(width, String::new());
            rows.push(row);
        }
    }
    rows
}

fn table(plan: &Plan, trials: &[Trial]) -> String {
    let summary = |values: &[f64]| match Spread::of(values) {
        Some(Spread { mean, confidence: Some(reach), .. }) => format!("{} ± {}", short(mean), rough(reach)),
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
        let Some(Spread { mean, confidence, .. }) = Spread::of(values) else { return "–".to_owned() };
        match confidence {
            None => short(mean),
            Some(reach) if values.len() > FEW => format!("{} ± {}", short(mean), rough(reach)),
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
    let row = |cell: usize| {
        let metric = |column: usize| {
            let spread = Spread::of(&values(trials, cell, column));
            let interval =
                spread.and_then(|Spread { mean, confidence, .. }| confidence.map(|by| [mean - by, mean + by]));
            let number = |of: fn(&Spread) -> f64| spread.as_ref().map(of);
            let each: Vec<Option<f64>> = done(trials, cell).map(|(_, values)| values[column]).collect();
            json!({
                "metric": suite.columns[column].metric, "at": at(plan, cell, column),
                "heading": suite.columns[column].title(), "published": published(plan, cell, column),
                "mean": number(|spread| spread.mean),
                "standard_error": spread.and_then(|spread| spread.standard_error), "confidence_95": interval,
                "min": number(|spread| spread.least), "max": number(|spread| spread.largest), "values": each,
            })
        };
        let failed = |(trial, reason): (&Trial, &String)| json!({"seed": trial.seed, "reason": reason});
        let method = plan.method(cell);
        let sets = [&method.sets[..], &plan.sets].concat();
        let grid = plan.cells[cell].settings.iter().map(|setting| (setting.path.clone(), json!(setting.name)));
        json!({
            "name": method.name, "scenario": method.scenario, "sets": sets,
            "grid": grid.collect::<Map<_, _>>(),
            "seeds": done(trials, cell).map(|(trial, _)| trial.seed).collect::<Vec<_>>(),
            "metrics": (0..suite.columns.len()).map(metric).collect::<Vec<_>>(),
            "failures": failures(trials, cell).map(failed).collect::<Vec<_>>(),
        })
    };
    let ranking = |(ranking, agreement): (&Ranking, Agreement)| json!({"metric": ranking.metric, "of": ranking.of, "against": ranking.against, "agreement": agreement});
    (0..plan.cells.len()).map(row).chain(agreements(plan, trials).map(ranking)).collect()
}

/// How much alike runs rank, where the suite asks for it and every row has a value.
fn agreements<'a>(plan: &'a Plan, trials: &'a [Trial]) -> impl Iterator<Item = (&'a Ranking, Agreement)> {
    plan.suite.rankings.iter().filter_map(|ranking| Some((ranking, ranking.agreement(plan, trials)?)))
}

/// The same in words, a paragraph each.
fn rankings(plan: &Plan, trials: &[Trial]) -> String {
    let number = |value: Option<f64>, interval: Option<[f64; 2]>| match (value, interval) {
        (None, _) => "none, all rows are alike".to_owned(),
        (Some(value), None) => format!("{value:.2}"),
        (Some(value), Some([low, high])) => format!("{value:.2} ({low:.2} to {high:.2})"),
    };
    let told = |(ranking, agreement): (&Ranking, Agreement)| {
        let Agreement { rows, same_sign, .. } = agreement;
        let spearman = number(agreement.spearman, agreement.spearman_95);
        let kendall = number(agreement.kendall, agreement.kendall_95);
        format!(
            "\n\n{}: how {} ranks {rows} rows against {}: Spearman {spearman}, Kendall {kendall}; {same_sign} of {} differ \
             from the first row in the same direction.",
            ranking.metric,
            ranking.of,
            ranking.against,
            rows - 1,
        )
    };
    agreements(plan, trials).map(told).collect()
}

/// The iteration that a column is of.
fn at(plan: &Plan, cell: usize, column: usize) -> u32 {
    plan.suite.columns[column].at.map_or(plan.iterations(cell), |at| at.get())
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

/// How far off a number may be: with two digits that count.
fn rough(reach: f64) -> String {
    if reach == 0.0 || !reach.is_finite() {
        return short(reach);
    }
    let digits = 1 - reach.log10().floor() as i32;
    let unit = 10_f64.powi(-digits);
    format!("{:.*}", digits.max(0) as usize, (reach / unit).round() * unit)
}

#[cfg(test)]
mod tests {
    use super::{rough, short};

    #[test]
    fn what_is_uncertain_has_two_digits() {
        let numbers =
            [(0.0, "0"), (0.0712, "0.071"), (1.2345, "1.2"), (9.97, "10.0"), (487.3, "490"), (1e-9, "0.0000000010")];
        for (value, text) in numbers {
            assert_eq!(rough(value), text);
        }
    }

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
