//! `isonomy run FILE`

use super::{Failure, Format, Outcome, bench, print};
use crate::table::Table;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isonomy_engine::gpu::{Device, DeviceChoice};
use isonomy_engine::record::{Folder, Manifest, Resumed, Summary};
use isonomy_engine::run::{Iteration, Means, Run};
use isonomy_engine::scenario::{self, Scenario};
use isonomy_engine::sim::BuildError;
use isonomy_engine::suite;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Runs a scenario and writes a run folder
#[derive(clap::Args)]
pub(super) struct Args {
    /// The scenario
    #[arg(required_unless_present = "resume")]
    file: Option<PathBuf>,
    /// Goes on with an interrupted run; takes the scenario from its folder
    #[arg(long, value_name = "RUN", conflicts_with_all = ["file", "out", "sets", "seed", "lanes"])]
    resume: Option<PathBuf>,
    /// Replaces a value of the scenario, e.g. `--set environment.RiverSwim.places=9`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// Replaces the scenario's seed
    #[arg(long)]
    seed: Option<u64>,
    /// Replaces the scenario's number of lanes
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    lanes: Option<u32>,
    #[command(flatten)]
    means: MeansArgs,
    /// The run's folder; the next free number under `runs/<scenario>/` if not given
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Seconds from one checkpoint to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    checkpoint_every: f64,
}

/// With what to run; none of it changes what comes out.
#[derive(clap::Args)]
pub(super) struct MeansArgs {
    /// Where rollouts run: auto, cpu, gpu, software
    #[arg(long, default_value = "auto")]
    pub(super) device: DeviceChoice,
    /// Threads that share the lanes; all there are if not given
    #[arg(long)]
    pub(super) threads: Option<std::num::NonZeroUsize>,
}

impl MeansArgs {
    pub(super) fn open(&self) -> Result<Option<Device>, Failure> {
        Ok(Device::open(self.device)?)
    }

    pub(super) fn threads(&self) -> usize {
        self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, usize::from)
    }
}

pub(super) fn run(args: Args) -> Result<Outcome, Failure> {
    if let Some(file) = args.file.as_deref().filter(|file| suite::is_suite(file)) {
        return run_suite(file, &args);
    }
    let device = args.means.open()?;
    let means = Means { threads: args.means.threads(), device: device.as_ref() };
    let every = Duration::try_from_secs_f64(args.checkpoint_every)?;
    let (run, folder) = match &args.resume {
        Some(folder) => resume(folder, means)?,
        None => match begin(&args, means)? {
            Some(begun) => begun,
            None => return Ok(Outcome::Problem),
        },
    };
    let path = folder.path().to_owned();
    match run {
        Some(run) => drive(run, folder, every, args.format).inspect_err(|_| {
            eprintln!("what was recorded is safe; go on with: isonomy run --resume {}", path.display());
        }),
        None => {
            eprintln!("{} is done already", folder.path().display());
            report(&folder.summary()?, args.format)?;
            Ok(Outcome::Well)
        }
    }
}

/// A suite is many runs: it is benched as it stands, and writes no folder.
fn run_suite(file: &Path, args: &Args) -> Result<Outcome, Failure> {
    let changed = args.seed.is_some() || args.lanes.is_some() || args.out.is_some();
    if changed {
        let file = file.display();
        return Err(format!(
            "{file} is a suite, which names its seeds and writes no run folder: leave out --seed, --lanes and --out"
        )
        .into());
    }
    bench::whole(file.to_owned(), args.sets.clone(), args.format)
}

/// A new run in a new folder; none where the scenario has problems, which have been reported.
fn begin(args: &Args, means: Means<'_>) -> Result<Option<(Option<Run>, Folder)>, Failure> {
    let file = args.file.as_deref().unwrap_or(Path::new(""));
    let mut sets = args.sets.clone();
    sets.extend(args.seed.map(|seed| format!("seed={seed}")));
    sets.extend(args.lanes.map(|lanes| format!("lanes={lanes}")));
    let loaded = match scenario::load(file, &sets) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(None);
        }
    };
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut manifest = Manifest::new(&name, &loaded.scenario, &loaded.text);
    // The run first: a scenario that a device refuses leaves no folder behind.
    let mut run = match Run::new(loaded.scenario, means) {
        Ok(run) => run,
        Err(BuildError::Optimizer(problem)) => {
            eprintln!("{}", scenario::place(file, &sets, problem));
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(device) = means.device.filter(|_| run.sim().is_on_device()) {
        manifest.device = if device.info().kind.is_gpu() { "gpu" } else { "software" }.to_owned();
        manifest.adapter = Some(device.describe());
    }
    manifest.command = std::env::args().skip(1).collect();
    manifest.references = run.references();
    let path = match &args.out {
        Some(path) => path.clone(),
        None => next_free(&Path::new("runs").join(&name))?,
    };
    Ok(Some((Some(run), Folder::create(path, manifest)?)))
}

/// The run that a folder holds, as far as it got; none where it is done.
fn resume(path: &Path, means: Means<'_>) -> Result<(Option<Run>, Folder), Failure> {
    let Resumed { folder, manifest, checkpoint } = Folder::resume(path)?;
    if folder.is_done() {
        return Ok((None, folder));
    }
    let scenario =
        scenario::parse(&manifest.text, "scenario.ron", path, &[]).map_err(|problems| problems.to_string())?;
    let mut run = Run::new(scenario.scenario, means)?;
    if let Some(checkpoint) = checkpoint
        && !run.restore(&checkpoint)
    {
        return Err(format!("the checkpoint in {} is of another scenario", path.display()).into());
    }
    Ok((Some(run), folder))
}

/// `runs/name/1`, or the first number that is not there yet.
fn next_free(base: &Path) -> Result<PathBuf, Failure> {
    let taken = |number: &u32| base.join(number.to_string()).exists();
    let number = (1..u32::MAX).find(|number| !taken(number)).ok_or("no free number for the run's folder")?;
    Ok(base.join(number.to_string()))
}

/// Iterates until all is done or the user interrupts.
fn drive(mut run: Run, mut folder: Folder, every: Duration, format: Format) -> Result<Outcome, Failure> {
    let interrupted = listen()?;
    let bar = progress(u64::from(run.scenario().iterations.get()));
    let mut saved = Instant::now();
    let mut work: Option<(String, f64)> = None;
    while let Some(iteration) = run.next_iteration()? {
        folder.write(&iteration)?;
        if let Some((name, count)) = run.work(&iteration) {
            work = Some((name, count + work.map_or(0.0, |(_, before)| before)));
        }
        bar.set_position(iteration.number);
        bar.set_message(in_short(&iteration));
        let stop = interrupted.load(Ordering::Relaxed);
        let last = iteration.number == u64::from(run.scenario().iterations.get());
        if last || stop || saved.elapsed() >= every {
            folder.checkpoint(&run.checkpoint())?;
            saved = Instant::now();
        }
        if stop && !last {
            bar.abandon();
            let (done, path) = (iteration.number, folder.path().display());
            eprintln!("interrupted after iteration {done}; go on with: isonomy run --resume {path}");
            return Ok(Outcome::Interrupted);
        }
    }
    bar.finish_and_clear();
    if let Some(drawn) = run.draw()? {
        folder.draw(drawn)?;
    }
    let mut summary = folder.summary()?;
    folder.finish(&summary)?;
    if let Some((name, count)) = work {
        summary.add_rate(&name, count);
    }
    eprintln!("wrote {}", folder.path().display());
    report(&summary, format)?;
    Ok(judge(run.scenario(), &summary))
}

/// A flag that the first Ctrl-C sets; the second one leaves at once.
pub(super) fn listen() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(Outcome::Interrupted as i32);
        }
        eprintln!("\nstopping after this iteration; once more to leave at once");
    })?;
    Ok(flag)
}

/// A bar on a terminal, nothing elsewhere.
pub(super) fn progress(iterations: u64) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(iterations), target);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}  {elapsed}, {eta} to go");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn in_short(iteration: &Iteration) -> String {
    let earnings = iteration.evaluation.as_ref().or(iteration.training.as_ref());
    earnings.map_or(String::new(), |earnings| {
        let returns = &earnings.returns;
        let totals = returns.groups.iter().zip(returns.totals());
        let groups: Vec<String> = totals.map(|(group, total)| format!("{group} {total:.3}")).collect();
        format!("{}  gap {:.3}", groups.join("  "), returns.largest_gap())
    })
}

/// Prints what a run came to.
fn report(summary: &Summary, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => print(summary.to_json()?),
        Format::Csv => {
            let mut lines = vec!["metric,value".to_owned()];
            lines.extend(summary.metrics.0.iter().map(|(name, value)| format!("{},{value}", cell(name))));
            for (name, group) in &summary.groups.0 {
                let name = format!("groups.{name}.return_mean");
                lines.push(format!("{},{}", cell(&name), group.return_mean));
            }
            print(lines.join("\n"))
        }
        Format::Table => print(tables(summary).trim_end()),
    }
}

fn tables(summary: &Summary) -> String {
    let exact =
        |name: &str| summary.metrics.get(&format!("exact.{name}")).map_or(String::new(), |value| number(*value));
    let first = summary.groups.0.first();
    let tasks: Vec<&str> =
        first.map_or(Vec::new(), |(_, group)| group.tasks.0.iter().map(|(name, _)| name.as_str()).collect());
    let several = if tasks.len() > 1 { &tasks[..] } else { &[] };
    let of_tasks = several.iter().flat_map(|task| [*task, "± s.e."]);
    let mut groups = Table::new(["group", "return", "± s.e.", "exact"].into_iter().chain(of_tasks));
    for (name, group) in &summary.groups.0 {
        let task = |name: &&str| {
            let task = group.tasks.get(name);
            task.map_or_else(Default::default, |task| [number(task.return_mean), number(task.standard_error)])
        };
        let expected = exact(&format!("groups.{name}.return_mean"));
        let own = [name.clone(), number(group.return_mean), number(group.standard_error), expected];
        groups.row(own.into_iter().chain(several.iter().flat_map(task)));
    }
    // What the environment measures of every group is a table of its own.
    let of_group = |name: &str, measure: &str| summary.metrics.get(&format!("groups.{name}.{measure}")).copied();
    let first = first.map_or("", |(name, _)| name);
    let names = summary
        .metrics
        .0
        .iter()
        .filter_map(|(name, _)| name.strip_prefix("groups.")?.strip_prefix(first)?.strip_prefix('.'));
    let measures: Vec<&str> =
        names.filter(|measure| summary.groups.0.iter().all(|(name, _)| of_group(name, measure).is_some())).collect();
    let mut measured = Table::new(["group"].into_iter().chain(measures.iter().copied()));
    for (name, _) in &summary.groups.0 {
        let values = measures.iter().map(|measure| of_group(name, measure).map_or(String::new(), number));
        measured.row([name.clone()].into_iter().chain(values));
    }
    let measured = if measures.is_empty() { String::new() } else { format!("{measured}\n") };
    let in_table = |metric: &str| {
        let of = |name: &str| metric.strip_prefix("groups.")?.strip_prefix(name)?.strip_prefix('.');
        summary.groups.0.iter().any(|(name, _)| of(name).is_some_and(|measure| measures.contains(&measure)))
    };
    let mut metrics = Table::new(["metric", "value", "exact"]);
    let others = summary.metrics.0.iter().filter(|(name, _)| !name.starts_with("exact.") && !in_table(name));
    for (name, value) in others {
        metrics.row([name.clone(), number(*value), exact(name)]);
    }
    let speed = summary.agent_steps_per_second.map_or(String::new(), |rate| format!(", {} agent-steps/s", short(rate)));
    let steps = format!("{} agent-steps on {}{speed}", short(summary.agent_steps as f64), summary.device);
    format!("{groups}\n{measured}{metrics}\n{steps}")
}

fn number(value: f64) -> String {
    format!("{value:.6}")
}

/// A name as a cell of CSV.
pub(super) fn cell(name: &str) -> String {
    let plain = !name.contains([',', '"', '\n', '\r']);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A large number with three digits and a suffix.
fn short(value: f64) -> String {
    if value < 1e3 {
        return format!("{value:.0}");
    }
    let scale = [(1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")];
    let (unit, suffix) = scale.into_iter().find(|(unit, _)| value >= *unit).unwrap_or((1e3, " k"));
    format!("{:.3}{suffix}", value / unit)
}

/// Compares the summary with what the scenario expects.
fn judge(scenario: &Scenario, summary: &Summary) -> Outcome {
    let mut outcome = Outcome::Well;
    for (name, bounds) in &scenario.expect {
        let value = summary.get(name);
        if !value.is_some_and(|value| bounds.hold(value)) {
            outcome = Outcome::Missed;
            let found = value.map_or("is not among the metrics".to_owned(), |value| format!("is {value}"));
            let bound =
                |word: &str, bound: Option<f64>| bound.map_or(String::new(), |bound| format!(" {word} {bound}"));
            let and = if bounds.at_least.and(bounds.at_most).is_some() { " and" } else { "" };
            let bounds = bound("at least", bounds.at_least) + and + &bound("at most", bounds.at_most);
            eprintln!("missed: {name} {found}, expected{bounds}");
        }
    }
    outcome
}
