//! The command line: one file per command. Data goes to stdout, talk to stderr.

mod advantages;
mod bench;
mod check;
mod compare;
mod completions;
mod device;
mod explain;
mod list;
mod new;
mod replay;
mod report;
mod run;
mod schema;
mod tasks;
mod verify;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use std::process::ExitCode;

/// Fairness algorithms for many agents, tried on batched simulations.
#[derive(Parser)]
#[command(name = "isonomy", version, about, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Advantages(advantages::Args),
    Bench(bench::Args),
    Check(check::Args),
    List(list::Args),
    Explain(explain::Args),
    Schema(schema::Args),
    New(new::Args),
    Devices(device::DevicesArgs),
    Doctor(device::DoctorArgs),
    Verify(verify::Args),
    Report(report::Args),
    Replay(replay::Args),
    Compare(compare::Args),
    Tasks(tasks::Args),
    Completions(completions::Args),
}

/// How data is written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One JSON value.
    Json,
    /// Comma-separated values with a heading.
    Csv,
}

/// What a command ended with, as an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// All is well.
    Well = 0,
    /// A problem was found, and has been reported.
    Problem = 1,
    /// A bound of the scenario's `expect` was missed.
    Missed = 3,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Something that keeps a command from being carried out; printed by [`main`].
type Failure = Box<dyn std::error::Error>;

/// The whole command line: reads the arguments of the process and returns its exit code.
///
/// 0 all is well, 1 a problem was found, 2 the command line was wrong, 3 a bound was missed, 130 interrupted.
pub fn main() -> ExitCode {
    quiet_drivers();
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Advantages(args) => advantages::advantages(args),
        Command::Bench(args) => bench::bench(args),
        Command::Check(args) => check::check(args),
        Command::List(args) => list::list(args),
        Command::Explain(args) => explain::explain(args),
        Command::Schema(args) => schema::schema(args),
        Command::New(args) => new::new(args),
        Command::Devices(args) => device::devices(args),
        Command::Doctor(args) => device::doctor(args),
        Command::Verify(args) => verify::verify(args),
        Command::Report(args) => report::report(args),
        Command::Replay(args) => replay::replay(args),
        Command::Compare(args) => compare::compare(args),
        Command::Tasks(args) => tasks::tasks(args),
        Command::Completions(args) => completions::completions(args, &mut Cli::command()),
    };
    match outcome {
        Ok(outcome) => ExitCode::from(outcome as u8),
        Err(failure) => {
            eprintln!("isonomy: {failure}");
            ExitCode::from(Outcome::Problem as u8)
        }
    }
}

/// Vulkan's loader complains on stderr where this variable is missing, as in containers, though nothing here needs it.
fn quiet_drivers() {
    const FOLDER: &str = "XDG_RUNTIME_DIR";
    if cfg!(target_os = "linux") && std::env::var_os(FOLDER).is_none() {
        // SAFETY: the first thing that the process does, while it has one thread.
        unsafe { std::env::set_var(FOLDER, std::env::temp_dir()) };
    }
}

/// Writes data to stdout. A reader that went away (`| head`) is no failure.
fn print(text: impl std::fmt::Display) -> Result<(), Failure> {
    use std::io::Write;
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// The known word nearest to what was written, if any is near.
fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |word: &str| strsim::damerau_levenshtein(&written.to_lowercase(), &word.to_lowercase());
    let best = known.into_iter().min_by_key(|word| distance(word))?;
    (distance(best) <= written.len().max(3) / 3 + 1).then_some(best)
}
