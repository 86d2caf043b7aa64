//! The `isonomy` command line.

fn main() -> std::process::ExitCode {
    isonomy::command::main()
}
