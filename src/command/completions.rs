//! `isonomy completions SHELL`

use super::{Failure, Outcome};

/// Prints completions for a shell, e.g. `isonomy completions bash > ~/.local/share/bash-completion/completions/isonomy`
#[derive(clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn completions(args: Args, command: &mut clap::Command) -> Result<Outcome, Failure> {
    clap_complete::generate(args.shell, command, "isonomy", &mut std::io::stdout());
    Ok(Outcome::Well)
}
