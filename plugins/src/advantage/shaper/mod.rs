//! What a response is worth.

mod domain;
mod overlong;

pub use domain::{DomainBonus, DomainFactor};
pub use overlong::Overlong;
