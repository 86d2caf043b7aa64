//! The composed kernel of lanes.

use super::twin::{Episodes, Home, LaneTwin, RuleTwin};
use crate::gpu::kernel::{READ, UNIFORM, WRITE, bind_tables, layout_of, module, pipeline, pipeline_layout};
use crate::gpu::{Device, DeviceError};
use crate::network::Activation;
use crate::policy::{Head, NetworkPolicy};
use crate::spec::{Space, Spec};
use std::fmt::Write;

/// Storage buffers of the kernel, the twin's tables not counted.
const STORAGE_BUFFERS: u32 = 6;
/// Largest width of a workgroup that every device has.
const MOST_WIDTH: u32 = 256;

/// How many words of noise a lane looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneDraws {
    /// In a step: [`LaneDynamics::draws`](crate::lanes::LaneDynamics::draws).
    pub step: usize,
    /// When an episode starts.
    pub start: usize,
    /// What episodes are measured by.
    pub measures: usize,
}

/// Who acts in lanes on a device.
#[derive(Clone, Debug, PartialEq)]
pub enum LaneActor<'a> {
    /// A table of chances.
    Table,
    /// A controller's rule, which looks at so many words in a step.
    Rule {
        /// Its twin.
        twin: RuleTwin,
        /// Words.
        draws: usize,
    },
    /// A network.
    Network(&'a NetworkPolicy),
}

impl LaneActor<'_> {
    fn draws(&self, agents: usize) -> usize {
        match self {
            LaneActor::Table => agents,
            LaneActor::Rule { draws, .. } => *draws,
            LaneActor::Network(policy) => policy.draws() * agents,
        }
    }
}

/// Words of a lane on the device: its columns, its sums of measures, and whether it was stopped.
pub(super) fn state_words(twin: &LaneTwin, counts: &[usize], measures: usize) -> usize {
    let columns = twin.columns.iter().zip(counts).map(|(column, count)| column.row.words() * count);
    columns.sum::<usize>() + measures_here(twin, measures) + 1
}

/// Measures that the device sums up.
pub(super) fn measures_here(twin: &LaneTwin, measures: usize) -> usize {
    if twin.episodes == Episodes::Device { measures } else { 0 }
}

/// The shader that makes the rollouts of lanes. `counts` are the rows of a lane's columns.
pub fn compose_lanes(
    spec: &Spec,
    twin: &LaneTwin,
    counts: &[usize],
    draws: LaneDraws,
    actor: &LaneActor<'_>,
) -> String {
    let mut shader = engine_part(spec, twin, counts, draws, actor);
    shader.push_str(&twin.source);
    if let LaneActor::Rule { twin, .. } = actor {
        shader.push('\n');
        shader.push_str(&twin.source);
    }
    shader
}

/// Everything before the twin's source.
fn engine_part(spec: &Spec, twin: &LaneTwin, counts: &[usize], draws: LaneDraws, actor: &LaneActor<'_>) -> String {
    let agents = spec.agents() as usize;
    let features = if let Space::Real { size, .. } = spec.observation { size as usize } else { 0 };
    let here = twin.episodes == Episodes::Device;
    let act = actor.draws(agents);
    let start = if here { draws.start } else { 0 };
    // The first word may stand anywhere in its block.
    let room = (act.max(draws.step).max(start) + 15).next_multiple_of(16);
    let constants = [
        ("AGENTS", agents),
        ("GROUPS", spec.groups.len()),
        ("TASKS", spec.tasks.len()),
        ("CELLS", agents * spec.tasks.len()),
        ("FEATURES", features),
        ("TIME_LIMIT", spec.time_limit as usize),
        ("WIDTH", twin.width as usize),
        ("POLICY_CELLS", spec.groups.len() * spec.observation.count() as usize),
        ("POLICY_THRESHOLDS", spec.action.count() as usize - 1),
        ("SHAPE_NUMBERS", 0),
        ("MOVE_WORDS", draws.step),
        ("ACT_WORDS", act),
        ("START_WORDS", start),
        ("NOISE_WORDS", room),
        ("MEASURES", measures_here(twin, draws.measures)),
        ("MEASURE_ROOM", draws.measures.max(1)),
        ("STATE_WORDS", state_words(twin, counts, draws.measures)),
    ];
    let mut shader = String::new();
    for (name, value) in constants {
        // Writing to a string cannot fail.
        let _ = writeln!(shader, "const {name} = {value}u;");
    }
    let _ = writeln!(shader, "const POLICY_SEES = {};", matches!(actor, LaneActor::Network(_)));
    for part in [include_str!("../../noise.wgsl"), include_str!("../shared.wgsl"), include_str!("../math.wgsl")] {
        shader.push_str(part);
    }
    shader.push_str(&columns(twin, counts));
    shader.push_str(include_str!("lanes.wgsl"));
    shader.push_str(match (here, features) {
        (true, _) => include_str!("restart.wgsl"),
        (false, _) => "fn restart(at: At, stream: vec2<u32>) {}\n",
    });
    if features == 0 {
        shader.push_str("fn observe(at: At) {}\n");
    }
    if here && draws.measures == 0 {
        shader.push_str("fn measure(at: At) {}\n");
    }
    match actor {
        LaneActor::Table => {
            shader.push_str("override POLICY_DRAWS: bool;\n");
            shader.push_str(include_str!("table.wgsl"));
        }
        LaneActor::Rule { .. } => shader.push_str(include_str!("rule.wgsl")),
        LaneActor::Network(policy) => shader.push_str(&network(policy)),
    }
    shader
}

/// The columns of a lane, and how they are loaded and stored.
fn columns(twin: &LaneTwin, counts: &[usize]) -> String {
    let (mut declared, mut load, mut store, mut at) = (String::new(), String::new(), String::new(), 0);
    for (column, &count) in twin.columns.iter().zip(counts) {
        let (name, row, words) = (column.name, &column.row, column.row.words());
        let ty = row.wgsl();
        declared.push_str(&row.declaration());
        let _ = writeln!(declared, "const {} = {count}u;", name.to_uppercase());
        match column.home {
            Home::Workgroup => {
                let _ = writeln!(declared, "var<workgroup> {name}: array<{ty}, {}>;", count.max(1));
                let rows = format!("for (var row = thread; row < {count}u; row += WIDTH)");
                let place = format!("lane_at + {at}u + row * {words}u");
                let _ = writeln!(load, "    {rows} {{ {name}[row] = {}; }}", row.read(&place));
                let _ = writeln!(store, "    {rows} {{ {} }}", row.write(&place, &format!("{name}[row]")));
            }
            Home::Storage => {
                let place = format!("lane_at + {at}u + index * {words}u");
                let _ = writeln!(declared, "fn get_{name}(index: u32) -> {ty} {{ return {}; }}", row.read(&place));
                let write = row.write(&place, "row");
                let _ = writeln!(declared, "fn set_{name}(index: u32, row: {ty}) {{ {write} }}");
                declared.push_str(&row.accessors(name, &place));
            }
        }
        at += words * count;
    }
    format!("{declared}fn load_columns(thread: u32) {{\n{load}}}\nfn store_columns(thread: u32) {{\n{store}}}\n")
}

/// A network's layers.
fn network(policy: &NetworkPolicy) -> String {
    let sizes = &policy.net.sizes;
    let mut shader = String::new();
    let units = sizes[1..].iter().copied().max().unwrap_or(1);
    let constants = [
        ("NETWORK_UNITS", units),
        ("NETWORK_OUTPUTS", policy.net.outputs()),
        ("NETWORK_IDENTITIES", policy.identities),
        ("NETWORK_WEIGHTS", policy.net.weights.len()),
        ("NETWORK_COPIES", policy.net.copies),
    ];
    for (name, value) in constants {
        let _ = writeln!(shader, "const {name} = {value}u;");
    }
    let _ = writeln!(shader, "const NETWORK_TANH = {};", policy.net.activation == Activation::Tanh);
    let _ = writeln!(shader, "const NETWORK_MASKED = {};", policy.head == Head::Masked);
    let _ = writeln!(shader, "const NETWORK_NORMAL = {};", matches!(policy.head, Head::Gaussian { .. }));
    shader.push_str(include_str!("network.wgsl"));
    shader.push_str("fn run_network(agent: u32) {\n    own_weights = agent % NETWORK_COPIES * (NETWORK_WEIGHTS / NETWORK_COPIES);\n");
    let mut at = 0;
    for (layer, pair) in sizes.windows(2).enumerate() {
        let _ = match layer {
            0 => writeln!(shader, "    first_layer(agent, {}u);", pair[1]),
            _ => writeln!(shader, "    layer({at}u, {}u, {}u);", pair[0], pair[1]),
        };
        if layer + 2 < sizes.len() {
            let _ = writeln!(shader, "    activate({}u);", pair[1]);
        }
        at += (pair[0] + 1) * pair[1];
    }
    shader.push_str("}\n");
    shader
}

/// What a rollout does without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// Whether a table leaves anything to chance.
    pub(super) draws: bool,
    /// Whether the trajectory is kept.
    pub(super) keeps: bool,
    /// Whether what agents see is.
    pub(super) features: bool,
}

/// A shader of lanes, compiled.
pub(super) struct LaneKernel {
    source: String,
    module: wgpu::ShaderModule,
    layout: wgpu::PipelineLayout,
    /// Whether a table acts.
    table: bool,
    rollouts: Vec<(Variant, wgpu::ComputePipeline)>,
    pub(super) columns: wgpu::BindGroupLayout,
    pub(super) tables: Option<wgpu::BindGroup>,
}

/// Whose lanes these are.
pub(super) struct Blueprint {
    pub(super) environment: String,
    pub(super) spec: Spec,
    pub(super) twin: LaneTwin,
    pub(super) counts: Vec<usize>,
    pub(super) draws: LaneDraws,
}

impl Blueprint {
    fn compose(&self, actor: &LaneActor<'_>) -> String {
        compose_lanes(&self.spec, &self.twin, &self.counts, self.draws, actor)
    }

    /// What is wrong with the syntax of the twin, by the lines of its own source.
    fn parse_error(&self, actor: &LaneActor<'_>) -> Option<String> {
        let shader = self.compose(actor);
        let error = wgpu::naga::front::wgsl::parse_str(&shader).err()?;
        let before = engine_part(&self.spec, &self.twin, &self.counts, self.draws, actor).lines().count() as u32;
        let line =
            error.location(&shader).and_then(|place| place.line_number.checked_sub(before)).filter(|&line| line > 0);
        Some(match line {
            Some(line) => format!("line {line}: {}", error.message()),
            None => error.message().to_owned(),
        })
    }

    fn check_limits(&self, device: &Device, shader: &str) -> Result<(), DeviceError> {
        let limits = device.device.limits();
        let allowed = |what: String, needed: u64, limit: u64, help: &'static str| {
            if needed > limit { Err(DeviceError::Limit { what, needed, limit, help }) } else { Ok(()) }
        };
        allowed(
            "the number of buffers that the kernel and the environment's tables fill".to_owned(),
            u64::from(STORAGE_BUFFERS) + self.twin.tables.len() as u64,
            limits.max_storage_buffers_per_shader_stage.into(),
            "join tables in the twin, or use `--device cpu`",
        )?;
        let most = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
        let help = "give the twin a smaller `width`, or use `--device cpu`";
        allowed("a lane's invocations".to_owned(), self.twin.width.into(), most.min(MOST_WIDTH).into(), help)?;
        for table in &self.twin.tables {
            allowed(
                format!("the size of the environment's table `{}`", table.name),
                table.bytes.len() as u64,
                limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
                "describe a smaller world, or use `--device cpu`",
            )?;
        }
        if let Some(shared) = shared_bytes(shader) {
            allowed(
                format!("what the {} agents of a lane of {} share, in bytes,", self.spec.agents(), self.environment),
                shared,
                limits.max_compute_workgroup_storage_size.into(),
                "describe a smaller lane, or use `--device cpu`",
            )?;
        }
        Ok(())
    }
}

/// Bytes that a workgroup of a shader shares; none where it does not compile.
fn shared_bytes(shader: &str) -> Option<u64> {
    let module = wgpu::naga::front::wgsl::parse_str(shader).ok()?;
    let shared = module.global_variables.iter().filter(|(_, var)| var.space == wgpu::naga::AddressSpace::WorkGroup);
    Some(shared.map(|(_, var)| u64::from(module.types[var.ty].inner.size(module.to_ctx()))).sum())
}

impl LaneKernel {
    pub(super) fn new(device: &Device, blueprint: &Blueprint, actor: &LaneActor<'_>) -> Result<Self, DeviceError> {
        let source = blueprint.compose(actor);
        blueprint.check_limits(device, &source)?;
        let environment = blueprint.environment.clone();
        let blamed = |error| match error {
            DeviceError::Failed { message, .. } => {
                let plain = blueprint.parse_error(&LaneActor::Table);
                let rule = matches!(actor, LaneActor::Rule { .. }) && plain.is_none();
                let message = plain.or_else(|| blueprint.parse_error(actor)).unwrap_or(message);
                match rule {
                    true => DeviceError::RuleTwin { message },
                    false => DeviceError::Twin { environment, message },
                }
            }
            other => other,
        };
        let columns = layout_of(device, &[UNIFORM, WRITE, WRITE, WRITE, READ, WRITE, WRITE])?;
        let tables = &blueprint.twin.tables;
        let (tables_layout, tables) = match tables.len() {
            0 => (None, None),
            count => {
                let layout = layout_of(device, &vec![READ; count])?;
                let bound = bind_tables(device, tables, &layout)?;
                (Some(layout), Some(bound))
            }
        };
        let groups: Vec<_> = [Some(&columns), tables_layout.as_ref()].into_iter().flatten().collect();
        let layout = pipeline_layout(device, &groups)?;
        let table = *actor == LaneActor::Table;
        let compiled = module(device, source.clone()).and_then(|module| {
            let mut kernel = LaneKernel { source, module, layout, table, rollouts: Vec::new(), columns, tables };
            // What the compiler has against the twin should be known before the run begins.
            kernel.rollout(device, Variant { draws: true, keeps: false, features: false })?;
            Ok(kernel)
        });
        compiled.map_err(blamed)
    }

    /// Whether this is the kernel for such an actor.
    pub(super) fn serves(&self, blueprint: &Blueprint, actor: &LaneActor<'_>) -> bool {
        self.source == blueprint.compose(actor)
    }

    /// The kernel of a variant.
    pub(super) fn rollout(&mut self, device: &Device, variant: Variant) -> Result<wgpu::ComputePipeline, DeviceError> {
        let variant = Variant { draws: variant.draws || !self.table, ..variant };
        if let Some((_, rollout)) = self.rollouts.iter().find(|(known, _)| *known == variant) {
            return Ok(rollout.clone());
        }
        let mut constants = vec![("KEEPS", f64::from(variant.keeps)), ("KEEPS_FEATURES", f64::from(variant.features))];
        if self.table {
            constants.push(("POLICY_DRAWS", f64::from(variant.draws)));
        }
        let compiled = pipeline(device, &self.module, &self.layout, "rollout", &constants)?;
        self.rollouts.push((variant, compiled.clone()));
        Ok(compiled)
    }
}
