//! `isonomy completions SHELL`

use super::{Failure, Outcome, print};

/// Prints completions for a shell, e.g. `isonomy completions bash > ~/.local/share/bash-completion/completions/isonomy`
#[derive(clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn completions(args: Args, command: &mut clap::Command) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "isonomy", &mut script);
    print(String::from_utf8(script)?.trim_end())?;
    Ok(Outcome::Well)
}
