//! isonomy's command line, with the plugins of this crate.

// Linking is enough: plugins register themselves.
use envy_penalty as _;

fn main() -> std::process::ExitCode {
    isonomy::command::main()
}
