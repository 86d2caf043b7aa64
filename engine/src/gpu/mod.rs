//! Rollouts on a device, through wgpu.

use crate::fused::{Columns, Rules, Steps};
use crate::policy::PolicyTable;
use crate::rollout::Rollout;
use crate::spec::Spec;

/// An environment's dynamics in WGSL.
#[derive(Clone, Debug, PartialEq)]
pub struct Twin {
    /// WGSL that defines `begin(agent: u32, word: u32) -> u32`, `move_on(agent: u32, state: u32, action: u32,
    /// word: u32) -> u32` and `pay(task: u32, agent: u32, state: u32, action: u32, next: u32, word: u32) ->
    /// f32`, and binds the tables at `@group(1) @binding(i)`. May call `passes(word: u32, threshold: u32) -> bool`.
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

/// What went wrong on a device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No adapter of the kind that was asked for.
    #[error("no {wanted} adapter: {help}")]
    NoAdapter {
        /// What was asked for.
        wanted: &'static str,
        /// What would do.
        help: String,
    },
}

/// An adapter that has been opened.
#[derive(Debug)]
pub struct Device {}

/// All lanes of one simulation, resident on a device.
pub struct Batch {}

impl Batch {
    pub(crate) fn new(_device: &Device, _rules: &Rules, _spec: &Spec, _lanes: usize) -> Result<Self, DeviceError> {
        Ok(Batch {})
    }

    pub(crate) fn run(
        &mut self,
        _rules: &Rules,
        _policy: &PolicyTable,
        _steps: Steps,
        _columns: Columns<'_>,
        _rollout: Option<&mut Rollout>,
    ) -> Result<(), DeviceError> {
        Ok(())
    }
}
