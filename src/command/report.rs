//! `isonomy report RUN`

use super::{Failure, Outcome, print};
use isonomy_engine::record;
use std::path::PathBuf;

/// Writes report.html of a run again, also of one that has not ended, and prints its path
#[derive(clap::Args)]
pub(super) struct Args {
    /// The run's folder
    run: PathBuf,
}

pub(super) fn report(args: Args) -> Result<Outcome, Failure> {
    print(record::report(&args.run)?.display())?;
    Ok(Outcome::Well)
}
