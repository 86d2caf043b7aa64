//! `isonomy schema`

use super::{Failure, Outcome, print};
use isonomy_engine::scenario;

/// Prints the JSON schema of scenario files, every linked plugin included
#[derive(clap::Args)]
pub(super) struct Args {}

pub(super) fn schema(_: Args) -> Result<Outcome, Failure> {
    print(serde_json::to_string_pretty(&scenario::schema())?)?;
    Ok(Outcome::Well)
}
