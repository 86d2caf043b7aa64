//! The shaders' structs and sizes are the host's; the shaders' noise is the host's.

use super::kernel::{self, Dispatch, Sum};
use super::transfer::{Piece, allocate, fetch};
use super::{Device, DeviceChoice};
use crate::noise::Key;
use crate::spec::{GroupSpec, Space, Spec, TaskSpec};
use std::mem::offset_of;

const TWIN: &str = "
    fn begin(agent: u32, word: u32) -> u32 { return 0u; }
    fn move_on(agent: u32, state: u32, action: u32, word: u32) -> u32 { return state; }
    fn pay(task: u32, agent: u32, state: u32, action: u32, next: u32, word: u32) -> f32 { return 0.0; }
";

fn spec(tasks: usize) -> Spec {
    let task = |task: usize| TaskSpec { name: task.to_string(), reward: (0.0, 1.0) };
    Spec {
        groups: vec![GroupSpec { name: "all".to_owned(), agents: 3 }],
        tasks: (0..tasks).map(task).collect(),
        observation: Space::Discrete(5),
        action: Space::Discrete(3),
        time_limit: 7,
        terminal: Vec::new(),
    }
}

fn parse(shader: &str) -> naga::Module {
    let module =
        naga::front::wgsl::parse_str(shader).unwrap_or_else(|error| panic!("{}", error.emit_to_string(shader)));
    let (flags, capabilities) = (naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
    let valid = naga::valid::Validator::new(flags, capabilities).validate(&module);
    valid.unwrap_or_else(|error| panic!("{}", error.emit_to_string(shader)));
    module
}

/// Names and offsets of a struct's members, and its size.
fn members(module: &naga::Module, name: &str) -> (Vec<(String, usize)>, usize) {
    let found = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name));
    let Some(naga::TypeInner::Struct { members, span }) = found.map(|(_, ty)| &ty.inner) else {
        panic!("there is no struct {name}")
    };
    let member = |member: &naga::StructMember| (member.name.clone().unwrap_or_default(), member.offset as usize);
    (members.iter().map(member).collect(), *span as usize)
}

macro_rules! offsets {
    ($type:ident: $($field:ident)*) => {
        vec![$((stringify!($field).to_owned(), offset_of!($type, $field))),*]
    };
}

fn rollout(tasks: usize) -> naga::Module {
    let twin = super::Twin { source: TWIN, tables: Vec::new() };
    parse(&super::compose(&spec(tasks), &twin, &[]))
}

#[test]
fn structs_are_laid_out_alike() {
    let expected =
        offsets!(Dispatch: transition policy reset step steps left clock clocks rows first part finals episode turns);
    assert_eq!(members(&rollout(2), "Dispatch"), (expected, size_of::<Dispatch>()));
    let expected = offsets!(Sum: rows agents first members total task stretch place);
    let sums = parse(include_str!("sums.wgsl"));
    assert_eq!(members(&sums, "Sum"), (expected, size_of::<Sum>()));
}

#[test]
fn sizes_are_those_of_the_shader() {
    let module = rollout(1);
    assert_eq!(module.entry_points[0].workgroup_size, [kernel::TILE_ROWS, 1, 1]);
    let shared = module.global_variables.iter().filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup);
    let bytes: u32 = shared.map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx())).sum();
    assert_eq!(bytes, kernel::WORKGROUP_MEMORY);
    let stored = |variable: &naga::GlobalVariable| matches!(variable.space, naga::AddressSpace::Storage { .. });
    let buffers = module.global_variables.iter().filter(|(_, variable)| stored(variable)).count();
    assert_eq!(buffers as u32, kernel::STORAGE_BUFFERS);
}

#[test]
fn any_number_of_tasks_compiles() {
    for tasks in [1, 3, 8, 9] {
        let loops = super::compose(&spec(tasks), &super::Twin { source: TWIN, tables: Vec::new() }, &[]);
        assert_eq!(loops.contains("task++"), tasks > 8);
        rollout(tasks);
    }
}

#[test]
fn fairness_rewards_compile() {
    let shape = |body: &'static str, sees_lane| super::ShapeTwin { body, numbers: vec![1.0, 2.0], sees_lane };
    let shapes = [
        shape("return shaped * shape_number(first + 1u) + f32(elapsed + task + agent + group);", false),
        shape(
            "var sum = 0.0; for (var i = 0u; i < AGENTS; i++) { sum += lane_shaped(i); } return sum / utility;",
            true,
        ),
        shape("return lane_reward(0u) + lane_utility(1u) + f32(lane_group(2u) + GROUPS + TASKS) - reward;", true),
    ];
    for tasks in [1, 3, 9] {
        let twin = super::Twin { source: TWIN, tables: Vec::new() };
        let shader = super::compose(&spec(tasks), &twin, &shapes);
        parse(&shader);
        // Numbers stand one behind the other.
        assert!(shader.contains("const SHAPE_NUMBERS = 6u;") && shader.contains("utility, shaped, 4u);"), "{shader}");
    }
}

#[test]
fn words_are_those_of_the_host() {
    let open = |choice| Device::open(choice).ok().flatten();
    let Some(device) = open(DeviceChoice::Gpu).or_else(|| open(DeviceChoice::Software)) else {
        assert!(std::env::var_os("ISONOMY_REQUIRE_GPU").is_none(), "no adapter found, and ISONOMY_REQUIRE_GPU is set");
        eprintln!("no adapter found: nothing was compared");
        return;
    };
    const BLOCKS: u32 = 64;
    let key = Key([1, 0xdead_beef, 3, 4, 0x8000_0000, 6, 7, u32::MAX]);
    // The last steps cross from the low to the high half while they are counted.
    for (first, step) in [(0, 0u64), (77, 1), (u32::MAX - BLOCKS, 0x1_2345_6789_abcd), (9, 0xffff_ffff - 20)] {
        let [a, b, c, d, e, f, g, h] = key.0;
        let shader = format!(
            "{}
            @group(0) @binding(0) var<storage, read_write> words: array<vec4<u32>>;
            @compute @workgroup_size({BLOCKS})
            fn fill(@builtin(local_invocation_index) local: u32) {{
                let key = NoiseKey(vec4({a}u, {b}u, {c}u, {d}u), vec4({e}u, {f}u, {g}u, {h}u));
                let block = noise_block(key, step_later(vec2({}u, {}u), local), {first}u + local);
                words[4u * local] = block.a;
                words[4u * local + 1u] = block.b;
                words[4u * local + 2u] = block.c;
                words[4u * local + 3u] = block.d;
            }}",
            include_str!("../noise.wgsl"),
            step as u32,
            step >> 32,
        );
        let words = run(&device, shader, 16 * BLOCKS as usize);
        for (block, words) in words.chunks_exact(16).enumerate() {
            let mut expected = [0; 16];
            key.fill(step + block as u64, 16 * (u64::from(first) + block as u64), &mut expected);
            assert_eq!(words, expected, "block {block} from {first} of {step}");
        }
    }
}

/// Runs one workgroup of a shader that fills its only buffer.
fn run(device: &Device, shader: String, len: usize) -> Vec<u32> {
    let run = || {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let words = allocate(device, 4 * len as u64, usage)?;
        let staging = allocate(device, 4 * len as u64, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)?;
        let layout = kernel::layout_of(device, &[kernel::WRITE])?;
        let pipeline = {
            let module = kernel::module(device, shader)?;
            kernel::pipeline(device, &module, &kernel::pipeline_layout(device, &[&layout])?, "fill", &[])?
        };
        let group = kernel::bind(device, &layout, &[&words])?;
        device.guarded("testing noise", || {
            let mut encoder = device.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(1, 1, 1);
            drop(pass);
            device.queue.submit([encoder.finish()])
        })?;
        let mut found = vec![0; len];
        fetch(device, &staging, &mut [Piece { from: &words, offset: 0, to: &mut found }])?;
        Ok::<_, super::DeviceError>(found)
    };
    run().expect("the device should not fail")
}
