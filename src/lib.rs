//! isonomy: fairness algorithms for many agents, tried on batched simulations before they cost GPU weeks.
//!
//! This crate is the composition root: it links every plugin crate, so that a scenario can name what they hold, and it
//! is the command line. A crate of your own that adds plugins links this one and calls [`command::main`]:
//!
//! ```no_run
//! // use my_plugins as _;
//! fn main() -> std::process::ExitCode {
//!     isonomy::command::main()
//! }
//! ```

pub use isonomy_engine as engine;
pub use isonomy_envs as envs;
#[cfg(feature = "neural")]
pub use isonomy_neural as neural;
pub use isonomy_plugins as plugins;

pub mod command;
mod table;
