//! `isonomy replay RUN`

use super::{Failure, Outcome, print};
use isonomy_engine::noise::Phase;
use isonomy_engine::record;
use isonomy_engine::replay::Caption;
use isonomy_engine::run::{Means, Run};
use isonomy_engine::scenario;
use std::path::PathBuf;

/// Simulates an episode of a run again and writes a page that shows it moving
#[derive(clap::Args)]
pub(super) struct Args {
    /// The run's folder
    run: PathBuf,
    /// The page; replay.html in the run's folder if not given
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A copy of the environment to show, from 0; can be given several times
    #[arg(long = "lane", value_name = "LANE", default_value = "0")]
    lanes: Vec<usize>,
    /// Threads that share the lanes; all there are if not given
    #[arg(long)]
    threads: Option<std::num::NonZeroUsize>,
}

pub(super) fn replay(args: Args) -> Result<Outcome, Failure> {
    let past = record::open(&args.run)?;
    let text = &past.manifest.text;
    let loaded = scenario::parse(text, "scenario.ron", &args.run, &[]).map_err(|problems| problems.to_string())?;
    if loaded.scenario.environment.replay().is_none() {
        let name = loaded.scenario.environment.typetag_name();
        return Err(format!("{name} cannot be shown moving; `isonomy report` shows what its groups earned").into());
    }
    // A device moves the same lanes to the same places; what is looked at here are the processor's columns.
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, usize::from);
    let mut run = Run::new(loaded.scenario, Means { threads, device: None })?;
    let mut who = "the rule of the scenario".to_owned();
    if run.learns() {
        who = "the policy before it learned anything".to_owned();
        if let Some(checkpoint) = past.checkpoint()? {
            if !run.restore(&checkpoint) {
                return Err(format!("the checkpoint in {} is of another scenario", args.run.display()).into());
            }
            who = format!("the policy after iteration {}", checkpoint.done);
        }
    }
    let (phase, sim) = run.shown();
    let lanes = sim.lanes();
    if let Some(lane) = args.lanes.iter().find(|lane| **lane >= lanes) {
        return Err(format!("there is no lane {lane}: the run has {lanes}, from 0").into());
    }
    let phase = if phase == Phase::Evaluation { "an evaluation" } else { "training" };
    let Some(episodes) = run.episodes(&args.lanes)? else {
        return Err("the agents of this environment do not move lane by lane".into());
    };
    let number = episodes.first().map_or(0, |episode| episode.number + 1);
    let caption = Caption {
        scenario: past.manifest.scenario.clone(),
        about: past.manifest.about.clone(),
        episodes: format!("Episode {number} with the noise of {phase}, simulated again; {who} acts."),
    };
    let environment = &run.scenario().environment;
    let Some(replay) = environment.replay() else { return Ok(Outcome::Problem) };
    let page = replay.page(&caption, &episodes);
    let path = args.out.unwrap_or_else(|| args.run.join("replay.html"));
    std::fs::write(&path, page).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    print(path.display())?;
    Ok(Outcome::Well)
}
