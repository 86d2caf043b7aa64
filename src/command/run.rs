//! `isonomy run FILE`

use super::{Failure, Format, Outcome, print};
use crate::table::Table;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isonomy_engine::gpu::{Device, DeviceChoice};
use isonomy_engine::record::{Folder, Manifest, Summary};
use isonomy_engine::run::{Iteration, Means, Run};
use isonomy_engine::scenario::{self, Scenario};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
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
    #[arg(long)]
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
    let device = args.means.open()?;
    let means = Means { threads: args.means.threads(), device: device.as_ref() };
    let (run, folder) = match &args.resume {
        Some(folder) => resume(folder, means)?,
        None => match begin(&args, means)? {
            Some(begun) => begun,
            None => return Ok(Outcome::Problem),
        },
    };
    let every = Duration::try_from_secs_f64(args.checkpoint_every)?;
    drive(run, folder, every, args.format)
}

/// A new run in a new folder; none where the scenario has problems, which have been reported.
fn begin(args: &Args, means: Means<'_>) -> Result<Option<(Run, Folder)>, Failure> {
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
    let path = match &args.out {
        Some(path) => path.clone(),
        None => next_free(&Path::new("runs").join(&name))?,
    };
    let manifest = Manifest::new(&name, &loaded, means.device)?;
    let run = Run::new(loaded.scenario, means)?;
    Ok(Some((run, Folder::create(&path, manifest)?)))
}

fn resume(path: &Path, means: Means<'_>) -> Result<(Run, Folder), Failure> {
    let (folder, checkpoint) = Folder::resume(path)?;
    let mut run = Run::new(folder.scenario()?, means)?;
    if let Some(checkpoint) = checkpoint
        && !run.restore(&checkpoint)
    {
        return Err(format!("the checkpoint in {} is of another scenario", path.display()).into());
    }
    Ok((run, folder))
}

/// `runs/name/1`, or the first number that is not there yet.
fn next_free(base: &Path) -> Result<PathBuf, Failure> {
    let taken = |number: &u32| base.join(number.to_string()).exists();
    let number = (1..u32::MAX).find(|number| !taken(number)).ok_or("no free number for the run's folder")?;
    Ok(base.join(number.to_string()))
}

/// Iterates until all is done or the user interrupts.
fn drive(mut run: Run, mut folder: Folder, every: Duration, format: Format) -> Result<Outcome, Failure> {
    listen()?;
    let bar = progress(run.scenario());
    bar.set_position(run.done());
    let (begun, resumed_at, mut saved) = (Instant::now(), run.sim().steps(), Instant::now());
    let mut last = None;
    while let Some(iteration) = run.next_iteration()? {
        folder.write(&iteration)?;
        show(&bar, &iteration);
        last = Some(iteration);
        let interrupted = INTERRUPTED.load(Ordering::Relaxed);
        if interrupted || saved.elapsed() >= every {
            folder.checkpoint(&run.checkpoint())?;
            saved = Instant::now();
        }
        if interrupted && run.done() < u64::from(run.scenario().iterations.get()) {
            bar.abandon();
            eprintln!("interrupted after iteration {}; go on with: isonomy run --resume {}", run.done(), folder.path().display());
            return Ok(Outcome::Interrupted);
        }
    }
    bar.finish_and_clear();
    if let Some(iteration) = &last {
        folder.checkpoint(&run.checkpoint())?;
        folder.keep(iteration)?;
    }
    let steps = run.sim().steps() - resumed_at;
    let summary = folder.finish(begun.elapsed().as_secs_f64(), steps)?;
    eprintln!("wrote {}", folder.path().display());
    report(&summary, format)?;
    judge(run.scenario(), &summary)
}
