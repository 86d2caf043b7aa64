//! Lanes whose agents move together, on a device: one workgroup for each.

mod batch;
mod kernel;
mod twin;

pub use batch::LaneBatch;
pub(crate) use batch::{Lent, LentColumns};
pub use kernel::{LaneActor, LaneDraws, compose_lanes};
pub use twin::{
    DeviceField, DeviceRow, DeviceScalar, Episodes, Home, LaneColumn, LaneTwin, RuleTwin, ScalarKind, constants,
    numbers_by_place, real_constants,
};
