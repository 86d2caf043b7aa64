//! What an environment gives so that its lanes run on a device.

use crate::gpu::Table;
use std::borrow::Cow;

/// The dynamics of lanes in WGSL: the twin of [`LaneDynamics`](crate::lanes::LaneDynamics).
///
/// A workgroup of [`width`](Self::width) invocations moves one lane through all steps of a rollout. The engine writes
/// the loop, the noise, the choices of policies, the ledger and the trajectory around functions that the source
/// defines. All invocations of the lane call each of them together, so a function shares out its work by
/// `at.thread`, and calls `workgroupBarrier()` before it reads what another invocation wrote; the engine puts a barrier
/// before and after each call.
///
/// | function          | does                                                                                       |
/// |-------------------|--------------------------------------------------------------------------------------------|
/// | `advance(at: At)` | one step: reads `actions[agent]`, writes all of `rewards[task * AGENTS + agent]`             |
/// | `observe(at: At)` | what agents see: `show(agent, feature, value)`; only where agents see numbers               |
/// | `start(at: At)`   | the start of an episode; only with [`Episodes::Device`]                                    |
/// | `measure(at: At)` | `measures[i]` of an episode that has ended, `at` its last step; only with [`Episodes::Device`] and measures |
/// | `act(at: At)`     | defined by the [`RuleTwin`] of a controller: writes `actions[agent]`                        |
///
/// `At` has `thread`, `lane`, `episode` (its low 32 bits) and `elapsed`, all `u32`. `word(i)` is word `i` of the noise
/// that the function may look at, the same as on the processor. `passes(word, threshold)` is the twin of
/// [`chance::passes`](crate::chance); `exact_exp`, `exact_tanh`, `exact_log`, `cos_turns` and `normal(word, word)` are
/// functions whose digits do not depend on the driver (`math.wgsl`). There are the constants `AGENTS`, `GROUPS`,
/// `TASKS`, `FEATURES` (numbers that an agent sees), `TIME_LIMIT`, `WIDTH`, and for every column its rows.
///
/// A column that is [`Home::Workgroup`] is an array of one lane's rows: `bays[i]`. One that is [`Home::Storage`] is read
/// by `get_stays(i)` and written by `set_stays(i, row)`, a named scalar of it by `get_stays_arrival(i)` and
/// `set_stays_arrival(i, value)`; within a function `storageBarrier()` stands before another invocation reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneTwin {
    /// WGSL with the functions above. Binds the tables at `@group(1) @binding(i)`.
    pub source: Cow<'static, str>,
    /// What the source's storage buffers hold, in the order of their bindings.
    pub tables: Vec<Table>,
    /// The columns, in the order of [`LaneDynamics::State`](crate::lanes::LaneDynamics::State).
    pub columns: Vec<LaneColumn>,
    /// Invocations of a lane, at most 256. Work of more parts is done in strides.
    pub width: u32,
    /// Where episodes start and are measured.
    pub episodes: Episodes,
    /// About how many iterations of its loops an invocation makes in a step, at most. Drivers of software adapters stop
    /// an invocation after 65,535 of them, so dispatches are cut by this there; one that was stopped is an error.
    pub loops: u32,
}

/// Where episodes start and are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Episodes {
    /// On the processor, by [`LaneDynamics`](crate::lanes::LaneDynamics): a dispatch ends with the episode, the lanes come
    /// down, and what starts goes up. For episodes of hundreds of steps whose start is hard to write in WGSL.
    Host,
    /// On the device, by `start` and `measure` of the source. A rollout of many episodes is one dispatch.
    Device,
}

/// A column of a lane, on the device.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneColumn {
    /// Its name in WGSL, a plural: `bays`. The number of its rows is the constant `BAYS`.
    pub name: &'static str,
    /// What a row is made of: [`device_row!`](crate::device_row).
    pub row: DeviceRow,
    /// Where it lives.
    pub home: Home,
}

/// Where a column lives while a lane is advanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// In the memory that a workgroup shares, which is fast and small: 16 KiB on every device, for all columns together.
    Workgroup,
    /// In the device's memory.
    Storage,
}

/// How a row of a column looks on the device: named scalars of 4 bytes. A scalar that is not named stays on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceRow {
    /// The name of the struct in WGSL.
    pub name: &'static str,
    /// Bytes of a row on the host.
    pub size: usize,
    /// Its scalars. A row of a single one, called `0`, is that scalar and no struct.
    pub fields: Vec<DeviceField>,
}

/// A scalar of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceField {
    /// Its name, the same on both devices.
    pub name: &'static str,
    /// Where it is in a row of the host.
    pub offset: usize,
    /// What it is.
    pub kind: ScalarKind,
}

/// What a scalar is on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarKind {
    /// `u32` on both.
    U32,
    /// `f32` on both.
    F32,
    /// `f64` on the host, rounded to `f32` on the device.
    F64,
    /// `u64` on the host, its low 32 bits on the device: for counts of which an environment knows that they fit.
    U64,
}

impl ScalarKind {
    fn wgsl(self) -> &'static str {
        match self {
            ScalarKind::U32 | ScalarKind::U64 => "u32",
            ScalarKind::F32 | ScalarKind::F64 => "f32",
        }
    }
}

/// A scalar that a device can take.
pub trait DeviceScalar {
    /// Which one.
    const KIND: ScalarKind;
}

impl DeviceScalar for u32 {
    const KIND: ScalarKind = ScalarKind::U32;
}

impl DeviceScalar for f32 {
    const KIND: ScalarKind = ScalarKind::F32;
}

impl DeviceScalar for f64 {
    const KIND: ScalarKind = ScalarKind::F64;
}

impl DeviceScalar for u64 {
    const KIND: ScalarKind = ScalarKind::U64;
}

impl DeviceField {
    /// A scalar whose kind follows from its type; `_field` says which one it is.
    pub fn of<R, S: DeviceScalar>(name: &'static str, offset: usize, _field: fn(&R) -> S) -> Self {
        DeviceField { name, offset, kind: S::KIND }
    }
}

/// How a row of a column looks on the device: `device_row!(Bay: missing_kwh session)`, `device_row!(Cups: 0)`.
#[macro_export]
macro_rules! device_row {
    ($row:ident: $($field:tt)+) => {
        $crate::gpu::DeviceRow {
            name: stringify!($row),
            size: ::std::mem::size_of::<$row>(),
            fields: vec![$($crate::gpu::DeviceField::of(
                stringify!($field),
                ::std::mem::offset_of!($row, $field),
                |row: &$row| row.$field,
            )),+],
        }
    };
}

impl DeviceRow {
    /// Words of a row on the device.
    pub(super) fn words(&self) -> usize {
        self.fields.len()
    }

    /// Whether a row is a single scalar without a name.
    fn is_scalar(&self) -> bool {
        matches!(&self.fields[..], [DeviceField { name: "0", .. }])
    }

    /// The type of a row in WGSL.
    pub(super) fn wgsl(&self) -> &'static str {
        if self.is_scalar() { self.fields[0].kind.wgsl() } else { self.name }
    }

    /// The struct in WGSL, and functions that read a row from the words of `lane_state` and write it there.
    pub(super) fn declaration(&self) -> String {
        let name = self.wgsl();
        let read = |index: usize, kind: ScalarKind| match kind.wgsl() {
            "f32" => format!("bitcast<f32>(lane_state[at + {index}u])"),
            _ => format!("lane_state[at + {index}u]"),
        };
        let fields = self.fields.iter().enumerate();
        if self.is_scalar() {
            return String::new();
        }
        let members: String = fields.clone().map(|(_, f)| format!("    {}: {},\n", f.name, f.kind.wgsl())).collect();
        let reads: Vec<String> = fields.clone().map(|(index, f)| read(index, f.kind)).collect();
        let writes: String = fields
            .map(|(index, f)| format!("    lane_state[at + {index}u] = bitcast<u32>(row.{});\n", f.name))
            .collect();
        format!(
            "struct {name} {{\n{members}}}\n\
             fn read_{name}(at: u32) -> {name} {{\n    return {name}({});\n}}\n\
             fn write_{name}(at: u32, row: {name}) {{\n{writes}}}\n",
            reads.join(", "),
        )
    }

    /// An expression that reads the row at word `at`.
    pub(super) fn read(&self, at: &str) -> String {
        match self.is_scalar() {
            true => format!("bitcast<{}>(lane_state[{at}])", self.wgsl()),
            false => format!("read_{}({at})", self.name),
        }
    }

    /// A statement that writes a row to word `at`.
    pub(super) fn write(&self, at: &str, row: &str) -> String {
        match self.is_scalar() {
            true => format!("lane_state[{at}] = bitcast<u32>({row});"),
            false => format!("write_{}({at}, {row});", self.name),
        }
    }

    /// Functions that read and write a scalar of a row of a column, whose rows begin at `place` of `index`.
    pub(super) fn accessors(&self, column: &str, place: &str) -> String {
        if self.is_scalar() {
            return String::new();
        }
        let each = self.fields.iter().enumerate().map(|(number, field)| {
            let (name, ty) = (field.name, field.kind.wgsl());
            format!(
                "fn get_{column}_{name}(index: u32) -> {ty} {{ return bitcast<{ty}>(lane_state[{place} + {number}u]); }}\n\
                 fn set_{column}_{name}(index: u32, value: {ty}) {{ lane_state[{place} + {number}u] = bitcast<u32>(value); }}\n",
            )
        });
        each.collect()
    }

    /// The words of rows of the host.
    pub(super) fn up(&self, rows: &[u8], words: &mut [u32]) {
        for (row, words) in rows.chunks_exact(self.size).zip(words.chunks_exact_mut(self.words())) {
            for (field, word) in self.fields.iter().zip(words) {
                let bytes = &row[field.offset..];
                *word = match field.kind {
                    ScalarKind::U32 | ScalarKind::F32 => u32::from_ne_bytes(first(bytes)),
                    ScalarKind::F64 => (f64::from_ne_bytes(first(bytes)) as f32).to_bits(),
                    ScalarKind::U64 => u64::from_ne_bytes(first(bytes)) as u32,
                };
            }
        }
    }

    /// Rows of the host from their words.
    pub(super) fn down(&self, words: &[u32], rows: &mut [u8]) {
        for (row, words) in rows.chunks_exact_mut(self.size).zip(words.chunks_exact(self.words())) {
            for (field, word) in self.fields.iter().zip(words) {
                let bytes = &mut row[field.offset..];
                match field.kind {
                    ScalarKind::U32 | ScalarKind::F32 => bytes[..4].copy_from_slice(&word.to_ne_bytes()),
                    ScalarKind::F64 => bytes[..8].copy_from_slice(&f64::from(f32::from_bits(*word)).to_ne_bytes()),
                    ScalarKind::U64 => bytes[..8].copy_from_slice(&u64::from(*word).to_ne_bytes()),
                }
            }
        }
    }
}

fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut first = [0; N];
    first.copy_from_slice(&bytes[..N]);
    first
}

/// A controller's rule in WGSL: the twin of a [`LaneController`](crate::lanes::LaneController).
#[derive(Clone, Debug, PartialEq)]
pub struct RuleTwin {
    /// WGSL that defines `act(at: At)`. It stands behind the environment's source and may call its functions.
    pub source: Cow<'static, str>,
}

/// The WGSL of numbers as constants: `constants(&[("STATIONS", 54)])`.
pub fn constants(named: &[(&str, u32)]) -> String {
    named.iter().map(|(name, value)| format!("const {name} = {value}u;\n")).collect()
}

/// The same of numbers that are no counts, as the nearest finite `f32`: `real_constants(&[("RATE", 0.1)])`.
pub fn real_constants(named: &[(&str, f64)]) -> String {
    named.iter().map(|(name, value)| format!("const {name} = f32({:e});\n", finite(*value))).collect()
}

fn finite(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}

/// The WGSL of a function from a place to a number, `fn NAME(i: u32) -> f32`; 0 beyond the last.
pub fn numbers_by_place(name: &str, numbers: impl IntoIterator<Item = f64>) -> String {
    let case = |(place, number)| format!("        case {place}u: {{ return f32({:e}); }}\n", finite(number));
    let cases: String = numbers.into_iter().enumerate().map(case).collect();
    format!("fn {name}(i: u32) -> f32 {{\n    switch i {{\n{cases}        default: {{ return 0.0; }}\n    }}\n}}\n")
}
