//! Rules that act without learning.

mod always;
mod fixed;
mod uniform;

pub use always::Always;
pub use fixed::Fixed;
pub use uniform::Uniform;
