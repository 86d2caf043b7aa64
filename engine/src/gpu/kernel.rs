//! The composed kernel: noise, the loop over steps and an environment's twin in one shader.

use super::{Device, DeviceError, ShapeTwin, Table, Twin};
use crate::spec::Spec;
use bytemuck::{Pod, Zeroable};
use std::fmt::Write;

/// Storage buffers of the rollout kernel, the twin's tables not counted.
pub(super) const STORAGE_BUFFERS: u32 = 7;
/// Bytes that a workgroup of the rollout kernel shares: noise, and what agents of a lane see of each other.
pub(super) const WORKGROUP_MEMORY: u32 = 3 * 64 * 17 * 4 + 64 * 16;
/// Rows of a workgroup of the rollout kernel.
pub(super) const TILE_ROWS: u32 = 64;
/// Steps whose noise a workgroup holds at a time.
pub(super) const TILE_STEPS: u32 = 16;

/// `Dispatch` of `rollout.wgsl`: what one dispatch is to do.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Dispatch {
    pub(super) transition: [u32; 8],
    pub(super) policy: [u32; 8],
    pub(super) reset: [u32; 8],
    pub(super) step: [u32; 2],
    pub(super) steps: u32,
    pub(super) left: u32,
    pub(super) clock: u32,
    pub(super) clocks: u32,
    pub(super) rows: u32,
    pub(super) first: u32,
    pub(super) part: u32,
    pub(super) finals: u32,
    pub(super) episode: u32,
    pub(super) turns: u32,
}

/// `Sum` of `sums.wgsl`: which group's returns one dispatch is to sum.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Sum {
    pub(super) rows: u32,
    pub(super) agents: u32,
    pub(super) first: u32,
    pub(super) members: u32,
    pub(super) total: u32,
    pub(super) task: u32,
    pub(super) stretch: u32,
    pub(super) place: u32,
}

/// Bits of an action in a word of the trajectory.
pub(super) fn action_bits(spec: &Spec) -> u32 {
    bits(spec.action.count())
}

/// Bits that tell `count` values apart.
fn bits(count: u32) -> u32 {
    u32::BITS - count.saturating_sub(1).leading_zeros()
}

/// The shader that makes the rollouts of an environment, and shapes what it pays.
pub fn compose(spec: &Spec, twin: &Twin, shapes: &[ShapeTwin]) -> String {
    let mut shader = engine_part(spec, shapes);
    shader.push_str(twin.source);
    shader
}

/// Everything before the twin's source.
fn engine_part(spec: &Spec, shapes: &[ShapeTwin]) -> String {
    let cells = spec.groups.len() as u32 * spec.observation.count();
    let numbers = shapes.iter().map(|shape| shape.numbers.len() as u32).sum();
    let constants = [
        ("AGENTS", spec.agents()),
        ("GROUPS", spec.groups.len() as u32),
        ("TASKS", spec.tasks.len() as u32),
        ("POLICY_OBSERVATIONS", spec.observation.count()),
        ("POLICY_CELLS", cells),
        ("POLICY_THRESHOLDS", spec.action.count() - 1),
        ("SHAPE_NUMBERS", numbers),
        ("TIME_LIMIT", spec.time_limit),
        ("ACTION_BITS", action_bits(spec)),
    ];
    let mut shader = String::new();
    for (name, value) in constants {
        // Writing to a string cannot fail.
        let _ = writeln!(shader, "const {name} = {value}u;");
    }
    let _ = writeln!(shader, "const SHAPE_HERE = {};", !shapes.is_empty());
    shader.push_str(include_str!("../noise.wgsl"));
    shader.push_str(include_str!("shared.wgsl"));
    shader.push_str(&unroll(include_str!("rollout.wgsl"), spec.tasks.len()));
    shader.push_str(&shaping(shapes));
    shader
}

/// The functions of fairness rewards, and the one that calls them one after the other.
fn shaping(shapes: &[ShapeTwin]) -> String {
    const SEES: &str = "task: u32, agent: u32, group: u32, elapsed: u32, reward: f32, utility: f32";
    let (mut functions, mut calls) = (String::new(), String::new());
    let mut first = 0;
    for (index, shape) in shapes.iter().enumerate() {
        let _ = writeln!(functions, "fn shape_{index}({SEES}, shaped: f32, first: u32) -> f32 {{\n{}}}", shape.body);
        if shape.sees_lane {
            calls.push_str("    show_lane(local, reward, utility, shaped);\n");
        }
        let _ = writeln!(
            calls,
            "    shaped = shape_{index}(task, agent, group, elapsed, reward, utility, shaped, {first}u);"
        );
        first += shape.numbers.len();
    }
    format!(
        "{functions}fn shape(local: u32, {SEES}) -> f32 {{\n    var shaped = reward;\n{calls}    return shaped;\n}}\n"
    )
}

/// Most tasks that are worth a copy of the code each.
const UNROLLED: usize = 8;

/// Writes out the loops over tasks: a private array that is indexed by a variable lives in memory, not in registers,
/// and not every driver unrolls.
fn unroll(source: &str, tasks: usize) -> String {
    const LOOP: &str = "for (var task = 0u; task < TASKS; task++) {";
    let mut unrolled = String::new();
    let mut rest = source;
    while tasks <= UNROLLED
        && let Some((before, after)) = rest.split_once(LOOP)
    {
        let mut open = 1;
        let end = after.find(|letter| {
            open += i32::from(letter == '{') - i32::from(letter == '}');
            open == 0
        });
        let (body, behind) = after.split_at(end.unwrap_or(after.len()));
        unrolled.push_str(before);
        for task in 0..tasks {
            // Writing to a string cannot fail.
            let _ = write!(unrolled, "{{ const task = {task}u;{body}}}");
        }
        rest = behind.strip_prefix('}').unwrap_or(behind);
    }
    unrolled.push_str(rest);
    unrolled
}

/// What a rollout does without, so that its kernel need not ask in every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// Whether the policy leaves anything to chance.
    pub(super) draws: bool,
    /// Whether the trajectory is kept.
    pub(super) keeps: bool,
}

impl Variant {
    fn index(self) -> usize {
        usize::from(self.draws) + 2 * usize::from(self.keeps)
    }
}

/// What a device needs to run an environment.
pub(super) struct Kernel {
    module: wgpu::ShaderModule,
    layout: wgpu::PipelineLayout,
    /// By [`Variant`], compiled when first needed.
    rollouts: [Option<wgpu::ComputePipeline>; 4],
    pub(super) columns: wgpu::BindGroupLayout,
    pub(super) tables: Option<wgpu::BindGroup>,
    pub(super) add_up: wgpu::ComputePipeline,
    pub(super) sums: wgpu::BindGroupLayout,
}

pub(super) const UNIFORM: wgpu::BindingType = buffer(wgpu::BufferBindingType::Uniform);
pub(super) const READ: wgpu::BindingType = buffer(wgpu::BufferBindingType::Storage { read_only: true });
pub(super) const WRITE: wgpu::BindingType = buffer(wgpu::BufferBindingType::Storage { read_only: false });

const fn buffer(ty: wgpu::BufferBindingType) -> wgpu::BindingType {
    wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None }
}

impl Kernel {
    /// Compiles; `environment` is who to blame for the twin.
    pub(super) fn new(
        device: &Device,
        spec: &Spec,
        twin: &Twin,
        shapes: &[ShapeTwin],
        environment: &str,
    ) -> Result<Self, DeviceError> {
        check_limits(device, spec, twin)?;
        let columns = layout_of(device, &[UNIFORM, WRITE, WRITE, WRITE, WRITE, WRITE, READ, WRITE])?;
        let (tables_layout, tables) = match twin.tables.len() {
            0 => (None, None),
            count => {
                let layout = layout_of(device, &vec![READ; count])?;
                let tables = bind_tables(device, &twin.tables, &layout)?;
                (Some(layout), Some(tables))
            }
        };
        let groups: Vec<_> = [Some(&columns), tables_layout.as_ref()].into_iter().flatten().collect();
        let blamed = |error| blame(error, environment, spec, twin, shapes);
        let module = module(device, compose(spec, twin, shapes)).map_err(blamed)?;
        let layout = pipeline_layout(device, &groups)?;
        let sums = layout_of(device, &[UNIFORM, READ, WRITE])?;
        let sums_layout = pipeline_layout(device, &[&sums])?;
        let sums_module = self::module(device, include_str!("sums.wgsl").to_owned())?;
        let add_up = pipeline(device, &sums_module, &sums_layout, "add_up", &[])?;
        let mut kernel = Kernel { module, layout, rollouts: [const { None }; 4], columns, tables, add_up, sums };
        // What the compiler has against the twin should be known before the run begins.
        kernel.rollout(device, Variant { draws: true, keeps: false }).map_err(blamed)?;
        Ok(kernel)
    }

    /// The kernel of a variant.
    pub(super) fn rollout(&mut self, device: &Device, variant: Variant) -> Result<wgpu::ComputePipeline, DeviceError> {
        let rollout = &mut self.rollouts[variant.index()];
        if let Some(rollout) = rollout {
            return Ok(rollout.clone());
        }
        let constants = [("DRAWS", f64::from(variant.draws)), ("KEEPS", f64::from(variant.keeps))];
        let compiled = pipeline(device, &self.module, &self.layout, "rollout", &constants)?;
        Ok(rollout.insert(compiled).clone())
    }
}

fn check_limits(device: &Device, spec: &Spec, twin: &Twin) -> Result<(), DeviceError> {
    let limits = device.device.limits();
    let allowed = |what: String, needed: u64, limit: u64, help: &'static str| {
        if needed > limit { Err(DeviceError::Limit { what, needed, limit, help }) } else { Ok(()) }
    };
    allowed(
        "the number of buffers that the kernel and the environment's tables fill".to_owned(),
        u64::from(STORAGE_BUFFERS) + twin.tables.len() as u64,
        u64::from(limits.max_storage_buffers_per_shader_stage),
        "join tables in the twin, or use `--device cpu`",
    )?;
    for table in &twin.tables {
        allowed(
            format!("the size of the environment's table `{}`", table.name),
            table.bytes.len() as u64,
            limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            "describe a smaller world, or use `--device cpu`",
        )?;
    }
    allowed(
        "an observation together with an action, in bits,".to_owned(),
        u64::from(bits(spec.observation.count()) + action_bits(spec)),
        32,
        "use fewer observations or actions, or `--device cpu`",
    )
}

pub(super) fn layout_of(device: &Device, types: &[wgpu::BindingType]) -> Result<wgpu::BindGroupLayout, DeviceError> {
    let entry = |(binding, &ty): (usize, &wgpu::BindingType)| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty,
        count: None,
    };
    let entries: Vec<_> = types.iter().enumerate().map(entry).collect();
    let descriptor = wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries };
    device.guarded("laying out buffers", || device.device.create_bind_group_layout(&descriptor))
}

/// A bind group of whole buffers, in the order of their bindings.
pub(super) fn bind(
    device: &Device,
    layout: &wgpu::BindGroupLayout,
    buffers: &[&wgpu::Buffer],
) -> Result<wgpu::BindGroup, DeviceError> {
    let numbered = (0..).zip(buffers);
    let entries: Vec<_> = numbered
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    let descriptor = wgpu::BindGroupDescriptor { label: None, layout, entries: &entries };
    device.guarded("binding buffers", || device.device.create_bind_group(&descriptor))
}

pub(super) fn bind_tables(
    device: &Device,
    tables: &[Table],
    layout: &wgpu::BindGroupLayout,
) -> Result<wgpu::BindGroup, DeviceError> {
    let mut buffers = Vec::new();
    for table in tables {
        // A binding may not be empty, and an array of structs needs room for one of them.
        let size = (table.bytes.len() as u64).next_multiple_of(4).max(64);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some(table.name), size, usage, mapped_at_creation: false };
        let mut bytes = table.bytes.clone();
        bytes.resize(size as usize, 0);
        buffers.push(device.guarded("uploading tables", || {
            let buffer = device.device.create_buffer(&descriptor);
            device.queue.write_buffer(&buffer, 0, &bytes);
            buffer
        })?);
    }
    bind(device, layout, &buffers.iter().collect::<Vec<_>>())
}

pub(super) fn module(device: &Device, source: String) -> Result<wgpu::ShaderModule, DeviceError> {
    device.guarded("compiling a kernel", || {
        let source = wgpu::ShaderSource::Wgsl(source.into());
        device.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source })
    })
}

pub(super) fn pipeline_layout(
    device: &Device,
    groups: &[&wgpu::BindGroupLayout],
) -> Result<wgpu::PipelineLayout, DeviceError> {
    let bind_group_layouts: Vec<_> = groups.iter().map(|&group| Some(group)).collect();
    let descriptor =
        wgpu::PipelineLayoutDescriptor { label: None, bind_group_layouts: &bind_group_layouts, immediate_size: 0 };
    device.guarded("laying out buffers", || device.device.create_pipeline_layout(&descriptor))
}

pub(super) fn pipeline(
    device: &Device,
    module: &wgpu::ShaderModule,
    layout: &wgpu::PipelineLayout,
    entry: &str,
    constants: &[(&str, f64)],
) -> Result<wgpu::ComputePipeline, DeviceError> {
    let descriptor = wgpu::ComputePipelineDescriptor {
        label: Some(entry),
        layout: Some(layout),
        module,
        entry_point: Some(entry),
        // Every word of shared memory is written before it is read.
        compilation_options: wgpu::PipelineCompilationOptions { constants, zero_initialize_workgroup_memory: false },
        cache: None,
    };
    device.guarded("compiling a kernel", || device.device.create_compute_pipeline(&descriptor))
}

/// The engine's part of the shader compiles (a test sees to that), so what does not is a twin: that of a fairness
/// reward, where the shader is well without them.
fn blame(error: DeviceError, environment: &str, spec: &Spec, twin: &Twin, shapes: &[ShapeTwin]) -> DeviceError {
    let DeviceError::Failed { message, .. } = error else { return error };
    let plain = parse_error(spec, twin, &[]);
    if plain.is_none() && !shapes.is_empty() {
        let message = parse_error(spec, twin, shapes).unwrap_or(message);
        return DeviceError::ShapeTwin { message };
    }
    DeviceError::Twin { environment: environment.to_owned(), message: plain.unwrap_or(message) }
}

/// What is wrong with the twin's syntax, by the lines of its own source.
fn parse_error(spec: &Spec, twin: &Twin, shapes: &[ShapeTwin]) -> Option<String> {
    let shader = compose(spec, twin, shapes);
    let error = wgpu::naga::front::wgsl::parse_str(&shader).err()?;
    let before = engine_part(spec, shapes).lines().count() as u32;
    let line = error.location(&shader).and_then(|place| place.line_number.checked_sub(before)).filter(|&line| line > 0);
    Some(match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    })
}
