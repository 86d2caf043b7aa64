//! isonomy's command line, with the plugins of this crate.

// Linking is enough: plugins register themselves.
use hill_climb as _;

fn main() -> std::process::ExitCode {
    isonomy::command::main()
}
