//! Rollouts on a device, through wgpu: the columns go up once and stay there, one dispatch makes many steps.

mod batch;
mod device;
mod error;
mod kernel;
mod sink;
#[cfg(test)]
mod tests;
mod transfer;

pub use batch::Batch;
pub use device::{AdapterInfo, AdapterKind, Budget, Device, DeviceChoice, adapters};
pub use error::DeviceError;
pub use kernel::compose;

/// An environment's dynamics in WGSL.
///
/// The engine provides `fn passes(word: u32, threshold: u32) -> bool`, the twin of [`chance::passes`](crate::chance).
/// A word of noise has the same value on both devices, so whole numbers come out the same to the bit. A device may
/// round `a * b + c` once where the processor rounds twice: a reward that is looked up or chosen is the same to the
/// bit, too, a computed one may not be. The engine's own names are those of `rollout.wgsl` and `noise.wgsl`; most begin
/// with `noise_`, `row_`, `tile_` or `policy_`.
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
