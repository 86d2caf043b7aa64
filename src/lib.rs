//! isonomy
pub use isonomy_engine as engine;
pub use isonomy_envs as envs;
pub use isonomy_plugins as plugins;
