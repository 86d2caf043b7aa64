//! `isonomy verify RUN`

use super::run::MeansArgs;
use super::{Failure, Outcome, print};
use isonomy_engine::record;
use isonomy_engine::run::{Means, Run};
use isonomy_engine::scenario;
use std::path::PathBuf;

/// Runs a recorded scenario again and compares the state after every iteration
#[derive(clap::Args)]
pub(super) struct Args {
    /// The run's folder
    run: PathBuf,
    #[command(flatten)]
    means: MeansArgs,
}

pub(super) fn verify(args: Args) -> Result<Outcome, Failure> {
    let past = record::open(&args.run)?;
    let text = &past.manifest.text;
    let loaded = scenario::parse(text, "scenario.ron", &args.run, &[]).map_err(|problems| problems.to_string())?;
    let device = args.means.open()?;
    let mut run = Run::new(loaded.scenario, Means { threads: args.means.threads(), device: device.as_ref() })?;
    for row in &past.rows {
        let Some(iteration) = run.next_iteration()? else {
            return Err(format!("iteration {} is recorded, but the scenario has fewer", row.iteration).into());
        };
        if iteration.state_hash != row.state_hash {
            print(format_args!(
                "iteration {}: the state's hash is {:016x}, recorded is {:016x}",
                row.iteration, iteration.state_hash, row.state_hash
            ))?;
            return Ok(Outcome::Problem);
        }
    }
    let iterations = if past.rows.len() == 1 { "iteration" } else { "iterations" };
    print(format_args!("{} {iterations}, every state as recorded", past.rows.len()))?;
    Ok(Outcome::Well)
}
