//! Rollouts on a device, through wgpu: the columns go up once and stay there, one dispatch makes many steps.

mod batch;
mod device;
mod error;
mod kernel;
pub(crate) mod lanes;
mod sink;
#[cfg(test)]
mod tests;
mod transfer;

pub use batch::Batch;
pub use device::{AdapterInfo, AdapterKind, Budget, Device, DeviceChoice, adapters};
pub use error::DeviceError;
pub use kernel::compose;
pub use lanes::{
    DeviceField, DeviceRow, DeviceScalar, Episodes, Home, LaneActor, LaneBatch, LaneColumn, LaneDraws, LaneTwin,
    RuleTwin, ScalarKind, compose_lanes, constants, numbers_by_place, real_constants,
};

/// An environment's dynamics in WGSL.
///
/// The engine provides `fn passes(word: u32, threshold: u32) -> bool`, the twin of [`chance::passes`](crate::chance).
/// A word of noise has the same value on both devices, so whole numbers come out the same to the bit. A device may
/// round `a * b + c` once where the processor rounds twice: a reward that is looked up or chosen is the same to the
/// bit, too, a computed one may not be. The engine's own names are those of `rollout.wgsl` and `noise.wgsl`; most begin
/// with `noise_`, `row_`, `tile_`, `policy_`, `lane_` or `shape_`.
#[derive(Clone, Debug, PartialEq)]
pub struct Twin {
    /// WGSL that defines `begin(agent: u32, word: u32) -> u32`, `move_on(agent: u32, state: u32, action: u32,
    /// word: u32) -> u32` and `pay(task: u32, agent: u32, state: u32, action: u32, next: u32, word: u32) -> f32`, and
    /// binds the tables at `@group(1) @binding(i)`. The word that pays is the one that moved. May call
    /// `passes(word: u32, threshold: u32) -> bool`.
    pub source: &'static str,
    /// What the source's storage buffers hold, in the order of their bindings.
    pub tables: Vec<Table>,
}

/// A fairness reward in WGSL.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeTwin {
    /// The statements of a function that returns what an agent is taught in a task, an `f32`. They see `task`, `agent` and
    /// `group: u32`, `elapsed: u32` (steps of the episode before this one), `reward`, `utility` (this step included) and
    /// `shaped: f32`, what the fairness reward before made of the reward; `shape_number(first + i)` is number `i`. The constants
    /// `AGENTS`, `GROUPS` and `TASKS` are there. With [`sees_lane`](Self::sees_lane) so are `lane_reward(i)`,
    /// `lane_utility(i)` and `lane_shaped(i)` of agent `i` of the lane in this task, and `lane_group(i)`.
    pub body: &'static str,
    /// As many in every rollout.
    pub numbers: Vec<f32>,
    /// Whether it looks at other agents of the lane. Only lanes that fill workgroups of 64 rows are shaped on the device.
    pub sees_lane: bool,
}

/// A table of plain data that a twin reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The name of the buffer's variable in WGSL.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Table {
    /// A table of structs or scalars.
    pub fn new<T: bytemuck::NoUninit>(name: &'static str, rows: &[T]) -> Self {
        Table { name, bytes: bytemuck::cast_slice(rows).to_vec() }
    }
}
