//! `isonomy check FILE…`

use super::{Failure, Outcome, print};
use isonomy_engine::{scenario, suite};
use std::path::{Path, PathBuf};

/// Says everything that is wrong with scenario files and suites; a folder stands for all `.ron` files in it
#[derive(clap::Args)]
pub(super) struct Args {
    /// Files or folders
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Replaces a value of scenarios before checking, e.g. `--set environment.RiverSwim.places=9`
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
}

pub(super) fn check(args: Args) -> Result<Outcome, Failure> {
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, &mut files)?;
    }
    let mut bad = 0;
    for file in &files {
        let outcome = match suite::is_suite(file) {
            true => suite::load(file, &args.sets).map(|_| ()),
            false => scenario::load(file, &args.sets).map(|_| ()),
        };
        match outcome {
            Ok(()) => print(format_args!("{}: ok", file.display()))?,
            Err(problems) => {
                bad += 1;
                eprintln!("{problems}");
            }
        }
    }
    match (files.len(), bad) {
        (0, _) => Err("no .ron file there".into()),
        (_, 0) => Ok(Outcome::Well),
        (all, bad) => {
            eprintln!("{bad} of {all} {} not run", if all == 1 { "scenario would" } else { "scenarios would" });
            Ok(Outcome::Problem)
        }
    }
}

/// Scenario files: the path itself, or every `.ron` below a folder, in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            collect(&entry, files)?;
        } else if entry.extension().is_some_and(|extension| extension == "ron") {
            files.push(entry);
        }
    }
    Ok(())
}
