//! A device and the processor make the same rollouts, to the bit.
//!
//! Runs on any adapter, a software one too. Where there is none, the tests say so and pass, unless
//! `ISONOMY_REQUIRE_GPU` is set.

use isonomy_engine::dynamics::{Dynamics, Moves, Starts, per_row};
use isonomy_engine::environment::Environment;
use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::gpu::{Budget, Device, DeviceChoice, DeviceError, ShapeTwin, Table, Twin, compose};
use isonomy_engine::noise::Phase;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::sim::{BuildError, Builder, Setup, Sim, Stage};
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

isonomy_engine::columns! {
    /// Where an agent is.
    Place(u32);
    /// What it does.
    Choice(u32);
}

fn groups(sizes: &[u32]) -> Vec<GroupSpec> {
    let group = |(index, &agents): (usize, &u32)| GroupSpec { name: format!("{index}"), agents };
    sizes.iter().enumerate().map(group).collect()
}

fn tasks(count: usize) -> Vec<TaskSpec> {
    (0..count).map(|task| TaskSpec { name: format!("{task}"), reward: (-1.0, 1.0) }).collect()
}

/// Six places in a current, two actions, two tasks.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stream {
    time_limit: u32,
}

struct StreamDynamics {
    group: Vec<u32>,
    per_agent: Vec<u32>,
}

impl StreamDynamics {
    fn new(spec: &Spec) -> Self {
        let per_agent = spec.agent_groups();
        StreamDynamics { group: per_row(&per_agent), per_agent }
    }
}

const ADVANCE: [u32; 2] = [0x9fff_ffff, 0xcfff_ffff];
const PAYS: [f32; 3] = [0.005, 1.0, 0.3];

#[typetag::serde]
impl Environment for Stream {
    fn spec(&self) -> Spec {
        Spec {
            groups: groups(&[1, 1]),
            tasks: tasks(2),
            observation: Space::Discrete(6),
            action: Space::Discrete(2),
            time_limit: self.time_limit,
            terminal: Vec::new(),
        }
    }

    fn build(&self, sim: &mut Builder) {
        let dynamics = StreamDynamics::new(sim.spec());
        sim.agents::<Place, Choice>(dynamics);
    }
}

impl Dynamics for StreamDynamics {
    fn start(&self, starts: Starts<'_>) {
        for (state, word) in starts.state.iter_mut().zip(starts.words) {
            *state = word >> 31;
        }
    }

    fn step(&self, moves: Moves<'_>) {
        let rows = moves.state.len();
        for row in 0..rows {
            let (at, action, word) = (moves.state[row], moves.action[row], moves.words[row]);
            let next = match action {
                0 => at.saturating_sub(1),
                _ if word >= ADVANCE[self.group[row] as usize] => (at + 1).min(5),
                _ if word < 0x1000_0000 => at.saturating_sub(1),
                _ => at,
            };
            moves.reward[row] = match (at, action) {
                (0, 0) => PAYS[0],
                (5, 1) => PAYS[1],
                _ => 0.0,
            };
            moves.reward[rows + row] = if next == 2 { PAYS[2] } else { 0.0 };
            moves.state[row] = next;
        }
    }

    fn twin(&self) -> Option<Twin> {
        let source = "
            @group(1) @binding(0) var<storage, read> group_of: array<u32>;
            @group(1) @binding(1) var<storage, read> advance: array<u32>;
            @group(1) @binding(2) var<storage, read> pays: array<f32>;

            fn begin(agent: u32, word: u32) -> u32 {
                return word >> 31u;
            }

            fn move_on(agent: u32, state: u32, action: u32, word: u32) -> u32 {
                if action == 0u {
                    return state - min(state, 1u);
                }
                if passes(word, advance[group_of[agent]]) {
                    return min(state + 1u, 5u);
                }
                return select(state, state - min(state, 1u), word < 0x10000000u);
            }

            fn pay(task: u32, agent: u32, state: u32, action: u32, next: u32, word: u32) -> f32 {
                if task == 1u {
                    return select(0.0, pays[2], next == 2u);
                }
                if state == 0u && action == 0u {
                    return pays[0];
                }
                return select(0.0, pays[1], state == 5u && action == 1u);
            }
        ";
        let tables =
            vec![Table::new("group_of", &self.per_agent), Table::new("advance", &ADVANCE), Table::new("pays", &PAYS)];
        Some(Twin { source, tables })
    }
}

/// A ring of 300 places, four actions, six agents in three groups, one task. Place 7 is terminal.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ring {
    time_limit: u32,
}

struct RingDynamics;

#[typetag::serde]
impl Environment for Ring {
    fn spec(&self) -> Spec {
        Spec {
            groups: groups(&[3, 1, 2]),
            tasks: tasks(1),
            observation: Space::Discrete(300),
            action: Space::Discrete(4),
            time_limit: self.time_limit,
            terminal: vec![7],
        }
    }

    fn build(&self, sim: &mut Builder) {
        sim.agents::<Place, Choice>(RingDynamics);
    }
}

impl Dynamics for RingDynamics {
    fn start(&self, starts: Starts<'_>) {
        for (row, (state, word)) in starts.state.iter_mut().zip(starts.words).enumerate() {
            *state = (word % 300 + row as u32 % 6) % 300;
        }
    }

    fn step(&self, moves: Moves<'_>) {
        for row in 0..moves.state.len() {
            let (at, action, word) = (moves.state[row], moves.action[row], moves.words[row]);
            let agent = row as u32 % 6;
            let next = if at == 7 { 7 } else { (at + action * 31 + agent + word % 5) % 300 };
            let pays = at != 7 && (word >> 9) & 3 == action;
            moves.reward[row] = if pays { 0.1 * agent as f32 } else { 0.0 };
            moves.state[row] = next;
        }
    }

    fn twin(&self) -> Option<Twin> {
        let source = "
            @group(1) @binding(0) var<storage, read> wage: array<f32>;

            fn begin(agent: u32, word: u32) -> u32 {
                return (word % 300u + agent) % 300u;
            }

            fn move_on(agent: u32, state: u32, action: u32, word: u32) -> u32 {
                return select((state + action * 31u + agent + word % 5u) % 300u, 7u, state == 7u);
            }

            fn pay(task: u32, agent: u32, state: u32, action: u32, next: u32, word: u32) -> f32 {
                return select(0.0, wage[agent], state != 7u && ((word >> 9u) & 3u) == action);
            }
        ";
        let wage: Vec<f32> = (0..6).map(|agent| 0.1 * agent as f32).collect();
        Some(Twin { source, tables: vec![Table::new("wage", &wage)] })
    }
}

/// Pays a mean over the lane, weighed by utility and clock: it would notice a lane that was cut, or a wrong utility.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shared;

#[typetag::serde]
impl FairnessReward for Shared {
    fn shape(&self, batch: RewardBatch<'_>) {
        let (rows, agents) = (batch.rows(), batch.group.len());
        let expected = batch.expected.map_or(0.0, |expected| expected[0] as f32);
        for first in (0..batch.shaped.len()).step_by(agents) {
            let mean: f32 = batch.reward[first..first + agents].iter().sum::<f32>() / agents as f32;
            for at in first..first + agents {
                let task = (at / rows) as f32;
                let clock = 0.01 * batch.elapsed as f32;
                batch.shaped[at] += mean / (1.0 + batch.utility[at]) + clock + task * 0.1 + 0.3 * expected;
            }
        }
    }
}

/// Pays what the next agent of the lane was paid, a little less, and more as the episode goes on: sums of products with
/// powers of two, which no device rounds otherwise. Twice as much once returns are known.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Passed;

/// Doubles what it is shown in the first task, and takes half in the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Doubled;

#[typetag::serde]
impl FairnessReward for Passed {
    fn shape(&self, batch: RewardBatch<'_>) {
        let agents = batch.group.len();
        let scale = if batch.expected.is_some() { 2.0 } else { 1.0 };
        for lane in batch.shaped.chunks_exact_mut(agents) {
            let before = lane.to_vec();
            for (agent, shaped) in lane.iter_mut().enumerate() {
                let clock = 0.25 * (batch.elapsed + batch.group[agent]) as f32;
                *shaped = scale * before[(agent + 1) % agents] + clock;
            }
        }
    }

    fn twin(&self, _spec: &Spec, expected: Option<&[f64]>) -> Option<ShapeTwin> {
        let body = "
            let next = lane_shaped((agent + 1u) % AGENTS);
            return shape_number(first) * next + 0.25 * f32(elapsed + lane_group(agent));
        ";
        Some(ShapeTwin { body, numbers: vec![if expected.is_some() { 2.0 } else { 1.0 }], sees_lane: true })
    }
}

#[typetag::serde]
impl FairnessReward for Doubled {
    fn shape(&self, batch: RewardBatch<'_>) {
        let rows = batch.rows();
        for (task, block) in batch.shaped.chunks_exact_mut(rows).enumerate() {
            block.iter_mut().for_each(|shaped| *shaped *= if task == 0 { 2.0 } else { 0.5 });
        }
    }

    fn twin(&self, spec: &Spec, _expected: Option<&[f64]>) -> Option<ShapeTwin> {
        let numbers = (0..spec.tasks.len()).map(|task| if task == 0 { 2.0 } else { 0.5 }).collect();
        Some(ShapeTwin { body: "return shaped * shape_number(first + task);", numbers, sees_lane: false })
    }
}

/// Fairness rewards that have twins, one of which looks at the lane.
fn with_twins() -> Vec<Box<dyn FairnessReward>> {
    vec![Box::new(Doubled), Box::new(Passed), Box::new(Doubled)]
}

fn open() -> Option<Device> {
    let choices = [DeviceChoice::Gpu, DeviceChoice::Software];
    choices.into_iter().find_map(|choice| Device::open(choice).ok().flatten())
}

/// Opened once for all tests.
fn device() -> Option<&'static Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let device = DEVICE.get_or_init(open).as_ref();
    match device {
        Some(device) => eprintln!("on {}", device.describe()),
        None if std::env::var_os("ISONOMY_REQUIRE_GPU").is_some() => {
            panic!("no adapter found, and ISONOMY_REQUIRE_GPU is set")
        }
        None => eprintln!("no adapter found: nothing was compared"),
    }
    device
}

/// A policy of any shape: some chances are zero, some cells leave nothing to chance.
fn policy(spec: &Spec, steps: usize) -> TabularPolicy {
    TabularPolicy::from_chances(spec, steps, |step, group, observation, chances| {
        for (action, chance) in chances.iter_mut().enumerate() {
            *chance = ((step * 7 + group * 5 + observation * 3 + action * 11) % 4) as f64;
        }
        if chances.iter().sum::<f64>() == 0.0 {
            chances[observation % 2] = 1.0;
        }
    })
}

/// Always the last action: no noise is drawn for it.
fn resolute(spec: &Spec) -> TabularPolicy {
    TabularPolicy::from_chances(spec, 1, |_, _, _, chances| {
        if let Some(last) = chances.last_mut() {
            *last = 1.0;
        }
    })
}

/// The same simulation twice.
struct Pair {
    host: Sim,
    device: Sim,
}

impl Pair {
    fn new(environment: &dyn Environment, lanes: usize, device: &Device, fair: bool) -> Pair {
        Pair::shaped(environment, lanes, device, || if fair { vec![Box::new(Shared)] } else { Vec::new() })
    }

    fn shaped(
        environment: &dyn Environment,
        lanes: usize,
        device: &Device,
        fairness: impl Fn() -> Vec<Box<dyn FairnessReward>>,
    ) -> Pair {
        let sim = |device| {
            let setup = Setup { lanes, seed: 0x1234_5678_9abc, phase: Phase::Training, threads: 2, device };
            Sim::new(environment, fairness(), setup).expect("the test's environments can be built")
        };
        Pair { host: sim(None), device: sim(Some(device)) }
    }

    fn set_policy(&mut self, policy: &TabularPolicy) {
        self.host.set_policy(policy);
        self.device.set_policy(policy);
    }

    fn advance(&mut self, horizon: usize) {
        self.host.advance(horizon).expect("the processor cannot fail");
        self.device.advance(horizon).expect("the device should not fail");
        self.compare();
    }

    fn rollout(&mut self, horizon: usize) {
        let host = self.host.rollout(horizon).expect("the processor cannot fail");
        let device = self.device.rollout(horizon).expect("the device should not fail");
        same_rollout(&host, &device);
        self.compare();
    }

    fn compare(&mut self) {
        let (host, device) = (self.host.snapshot(), self.device.snapshot());
        assert_eq!((host.step, host.episodes), (device.step, device.episodes));
        let differ = host.columns.iter().zip(&device.columns).position(|(host, device)| host != device);
        assert_eq!(differ, None, "first differing byte of {}", host.columns.len());
    }

    fn take_returns(&mut self) {
        assert_eq!(self.host.take_returns(), self.device.take_returns());
        self.compare();
    }
}

fn same_rollout(host: &Rollout, device: &Rollout) {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert!(host.observation == device.observation, "observations");
    assert!(host.action == device.action, "actions");
    assert!(bits(&host.reward) == bits(&device.reward), "rewards");
    assert!(bits(&host.shaped) == bits(&device.shaped), "shaped rewards");
    assert!(host.final_observation == device.final_observation, "final observations");
    assert!(host == device, "everything else");
}

/// Rollouts of several kinds, one after the other: what one leaves behind, the next starts from.
fn several(pair: &mut Pair, horizons: &[usize]) {
    let spec = pair.host.spec().clone();
    let policies = [policy(&spec, 1), policy(&spec, spec.time_limit as usize), resolute(&spec)];
    for (number, &horizon) in horizons.iter().enumerate() {
        pair.set_policy(&policies[number % policies.len()]);
        pair.rollout(horizon);
        pair.advance(horizon + 3);
        if number == 0 {
            pair.take_returns();
        }
    }
    pair.take_returns();
}

#[test]
fn two_actions_and_two_tasks() {
    let Some(device) = device() else { return };
    for lanes in [1, 63, 65, 1757] {
        several(&mut Pair::new(&Stream { time_limit: 20 }, lanes, device, false), &[33, 7, 50]);
    }
}

#[test]
fn four_actions_and_three_groups() {
    let Some(device) = device() else { return };
    for lanes in [1, 63, 65, 1757] {
        several(&mut Pair::new(&Ring { time_limit: 13 }, lanes, device, false), &[33, 7, 50]);
    }
}

#[test]
fn many_lanes() {
    let Some(device) = device() else { return };
    for environment in [&Stream { time_limit: 5 } as &dyn Environment, &Ring { time_limit: 5 }] {
        let mut pair = Pair::new(environment, 65_536, device, false);
        pair.set_policy(&policy(&environment.spec(), 5));
        pair.rollout(9);
        pair.advance(17);
        pair.take_returns();
    }
}

#[test]
fn episodes_of_any_length() {
    let Some(device) = device() else { return };
    for time_limit in [1, 2, 3, 16, 17, 400] {
        several(&mut Pair::new(&Stream { time_limit }, 65, device, false), &[1, 16, 40, 61]);
    }
}

#[test]
fn rollouts_that_are_cut_up() {
    let Some(device) = device() else { return };
    // One step of a few lanes at a time, several steps of a few lanes, several of all lanes.
    let cuts = [(1, 16, 1, [5, 3]), (6_000, 48, 1 << 20, [33, 50]), (40_000, 16, 1 << 20, [33, 50])];
    for (trajectory, steps, work, horizons) in cuts {
        let device = device.clone().with_budget(Budget { trajectory, steps, work, across: 2 });
        several(&mut Pair::new(&Stream { time_limit: 20 }, 65, &device, false), &horizons);
        several(&mut Pair::new(&Ring { time_limit: 13 }, 31, &device, true), &horizons);
    }
}

#[test]
fn fairness_rewards() {
    let Some(device) = device() else { return };
    for lanes in [1, 65, 1757] {
        several(&mut Pair::new(&Stream { time_limit: 20 }, lanes, device, true), &[33, 7, 50]);
        several(&mut Pair::new(&Ring { time_limit: 13 }, lanes, device, true), &[33, 7, 50]);
    }
}

#[test]
fn fairness_rewards_with_twins() {
    let Some(device) = device() else { return };
    for lanes in [1, 65, 1757] {
        let mut pair = Pair::shaped(&Stream { time_limit: 20 }, lanes, device, with_twins);
        assert_eq!(pair.device.shape_twins().map(|twins| twins.len()), Some(3));
        several(&mut pair, &[33, 7, 50]);
        // No workgroup sees the whole of a lane of six: the processor shapes.
        let mut pair = Pair::shaped(&Ring { time_limit: 13 }, lanes, device, with_twins);
        assert_eq!(pair.device.shape_twins(), None);
        several(&mut pair, &[33, 7, 50]);
        several(&mut Pair::shaped(&Ring { time_limit: 13 }, lanes, device, || vec![Box::new(Doubled)]), &[33, 7]);
    }
    for (trajectory, steps, work, horizons) in [(6_000, 48, 1 << 20, [33, 50]), (40_000, 16, 1 << 20, [33, 50])] {
        let device = device.clone().with_budget(Budget { trajectory, steps, work, across: 2 });
        several(&mut Pair::shaped(&Stream { time_limit: 20 }, 65, &device, with_twins), &horizons);
    }
    // One reward without a twin: the processor shapes, and nothing is shaped twice.
    let mixed = || -> Vec<Box<dyn FairnessReward>> { vec![Box::new(Doubled), Box::new(Shared)] };
    several(&mut Pair::shaped(&Stream { time_limit: 7 }, 65, device, mixed), &[33, 7]);
}

/// A fairness reward whose twin is wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Misspelt;

#[typetag::serde]
impl FairnessReward for Misspelt {
    fn shape(&self, _batch: RewardBatch<'_>) {}

    fn twin(&self, _spec: &Spec, _expected: Option<&[f64]>) -> Option<ShapeTwin> {
        Some(ShapeTwin { body: "return shaepd;", numbers: Vec::new(), sees_lane: false })
    }
}

#[test]
fn a_fairness_reward_that_is_wrong_is_blamed() {
    let Some(device) = device() else { return };
    let setup = Setup { lanes: 4, seed: 1, phase: Phase::Training, threads: 1, device: Some(device) };
    let built = Sim::new(&Stream { time_limit: 5 }, vec![Box::new(Misspelt)], setup);
    match built.err() {
        Some(BuildError::Device(DeviceError::ShapeTwin { message })) => {
            assert!(message.contains("shaepd"), "{message}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_device_forgets_what_the_host_changes() {
    let Some(device) = device() else { return };
    forgets(Pair::new(&Ring { time_limit: 13 }, 65, device, true));
    forgets(Pair::shaped(&Stream { time_limit: 13 }, 65, device, with_twins));
}

fn forgets(mut pair: Pair) {
    pair.set_policy(&policy(&pair.host.spec().clone(), 13));
    pair.advance(19);
    let snapshot = pair.device.snapshot();
    pair.rollout(20);
    // Back to the past, on both sides: the same future.
    let future = pair.device.snapshot();
    assert!(pair.device.restore(&snapshot) && pair.host.restore(&snapshot));
    pair.rollout(20);
    assert_eq!(pair.device.snapshot(), future);
    // Steps of the schedule between rollouts.
    pair.host.step();
    pair.device.step();
    pair.rollout(30);
    // A column changed by hand.
    for sim in [&mut pair.host, &mut pair.device] {
        isonomy_engine::columns::column::<Place>(sim.world()).fill(Place(3));
    }
    pair.rollout(14);
    pair.take_returns();
    pair.advance(14);
}

#[test]
fn sums_of_returns() {
    let Some(device) = device() else { return };
    for lanes in [1, 65, 9_001] {
        for environment in [&Stream { time_limit: 20 } as &dyn Environment, &Ring { time_limit: 13 }] {
            let mut pair = Pair::new(environment, lanes, device, false);
            pair.advance(200);
            let (host, device) = (pair.host.return_sums(), pair.device.return_sums());
            let (host, device) = (host.expect("no device"), device.expect("the device should not fail"));
            assert_eq!(host.len(), device.len());
            for (host, device) in host.iter().zip(&device) {
                assert!((host - device).abs() <= 1e-5 * host.abs(), "{host} and {device}");
            }
            assert!(host.iter().any(|sum| *sum > 0.0));
            pair.take_returns();
            let nothing = pair.device.return_sums().expect("the device should not fail");
            assert!(nothing.iter().all(|sum| *sum == 0.0));
        }
    }
}

#[test]
fn simulations_share_a_device_between_threads() {
    let Some(device) = device() else { return };
    std::thread::scope(|scope| {
        for time_limit in [7, 11] {
            scope.spawn(move || several(&mut Pair::new(&Stream { time_limit }, 65, device, false), &[33, 16]));
        }
    });
}

#[test]
fn shaders_compile_without_a_device() {
    let (stream, ring) = (Stream { time_limit: 20 }.spec(), Ring { time_limit: 13 }.spec());
    let twins = [StreamDynamics::new(&stream).twin(), RingDynamics.twin()];
    for (spec, twin) in [stream, ring].into_iter().zip(twins) {
        let shader = compose(&spec, &twin.expect("both have a twin"), &[]);
        let module =
            naga::front::wgsl::parse_str(&shader).unwrap_or_else(|error| panic!("{}", error.emit_to_string(&shader)));
        let (flags, capabilities) = (naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
        naga::valid::Validator::new(flags, capabilities)
            .validate(&module)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string(&shader)));
    }
}

/// A world whose twin is wrong or absent, or that has systems of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Odd {
    Misspelt,
    WrongTable,
    Incomplete,
    Twinless,
    Scheduled,
}

#[typetag::serde]
impl Environment for Odd {
    fn spec(&self) -> Spec {
        Spec { groups: groups(&[1]), tasks: tasks(1), ..Stream { time_limit: 5 }.spec() }
    }

    fn build(&self, sim: &mut Builder) {
        sim.agents::<Place, Choice>(OddDynamics(self.clone()));
        if let Odd::Scheduled = self {
            sim.add_systems(Stage::Observe, || {});
        }
    }
}

struct OddDynamics(Odd);

impl Dynamics for OddDynamics {
    fn start(&self, _starts: Starts<'_>) {}

    fn step(&self, _moves: Moves<'_>) {}

    fn twin(&self) -> Option<Twin> {
        let source = match self.0 {
            Odd::Twinless => return None,
            Odd::Misspelt => {
                "fn begin(agent: u32, word: u32) -> u32 {
                    return wrod;
                }
                fn move_on(agent: u32, state: u32, action: u32, word: u32) -> u32 { return state; }
                fn pay(task: u32, agent: u32, state: u32, action: u32, next: u32, word: u32) -> f32 { return 0.0; }"
            }
            Odd::WrongTable => {
                "@group(1) @binding(1) var<storage, read> absent: array<u32>;
                fn begin(agent: u32, word: u32) -> u32 { return absent[0]; }
                fn move_on(agent: u32, state: u32, action: u32, word: u32) -> u32 { return state; }
                fn pay(task: u32, agent: u32, state: u32, action: u32, next: u32, word: u32) -> f32 { return 0.0; }"
            }
            Odd::Incomplete | Odd::Scheduled => {
                "fn move_on(agent: u32, state: u32, action: u32, word: u32) -> u32 { return state; }
                fn pay(task: u32, agent: u32, state: u32, action: u32, next: u32, word: u32) -> f32 { return 0.0; }"
            }
        };
        Some(Twin { source, tables: vec![Table::new("numbers", &[1u32])] })
    }
}

fn refused(environment: &dyn Environment, lanes: usize, device: &Device) -> DeviceError {
    let setup = Setup { lanes, seed: 1, phase: Phase::Training, threads: 1, device: Some(device) };
    match Sim::new(environment, Vec::new(), setup) {
        Err(BuildError::Device(error)) => error,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it was built"),
    }
}

#[test]
fn what_cannot_run_is_refused_by_name() {
    let Some(device) = device() else { return };
    let message = |odd| refused(&odd, 3, device).to_string();
    let misspelt = message(Odd::Misspelt);
    assert!(misspelt.contains("twin of Odd") && misspelt.contains("line 2") && misspelt.contains("wrod"), "{misspelt}");
    let incomplete = message(Odd::Incomplete);
    assert!(incomplete.contains("twin of Odd") && incomplete.contains("begin"), "{incomplete}");
    let wrong = message(Odd::WrongTable);
    assert!(wrong.contains("twin of Odd"), "{wrong}");
    let most = device.info().largest_column as usize / (4 * 2 * 2);
    let many = refused(&Stream { time_limit: 5 }, most + 1, device);
    assert!(many.to_string().contains(&format!("use at most {most} lanes")), "{many}");
    let absent = refused(&Odd::Twinless, 3, device);
    assert!(matches!(&absent, DeviceError::NoTwin { environment } if environment == "Odd"), "{absent}");
    let scheduled = refused(&Odd::Scheduled, 3, device);
    assert!(matches!(&scheduled, DeviceError::Scheduled { environment } if environment == "Odd"), "{scheduled}");
}

#[test]
fn a_lost_device_is_an_error_and_the_host_keeps_its_columns() {
    if device().is_none() {
        return;
    }
    let device = open().expect("it was opened before");
    let setup = Setup { lanes: 65, seed: 1, phase: Phase::Training, threads: 1, device: Some(&device) };
    let mut sim = Sim::new(&Stream { time_limit: 20 }, Vec::new(), setup).expect("the device is well");
    sim.advance(30).expect("the device is well");
    let before = sim.snapshot();
    device.destroy();
    assert!(matches!(sim.advance(30), Err(DeviceError::Lost { .. })));
    assert!(matches!(sim.rollout(30), Err(DeviceError::Lost { .. })));
    assert_eq!(sim.snapshot(), before);
    assert!(matches!(refused(&Stream { time_limit: 20 }, 3, &device), DeviceError::Lost { .. }));
}

#[test]
fn choices_are_what_they_are_called() {
    for choice in DeviceChoice::ALL {
        assert_eq!(choice.to_string().parse(), Ok(choice));
    }
    assert!("cuda".parse::<DeviceChoice>().is_err());
    assert!(matches!(Device::open(DeviceChoice::Cpu), Ok(None)));
    let gpus = isonomy_engine::gpu::adapters().iter().filter(|adapter| adapter.kind.is_gpu()).count();
    match (gpus, Device::open(DeviceChoice::Gpu), Device::open(DeviceChoice::Auto)) {
        (0, Err(error @ DeviceError::NoAdapter { .. }), Ok(None)) => assert!(error.to_string().contains("GPU")),
        (1.., Ok(Some(_)), Ok(Some(_))) => {}
        (_, gpu, auto) => panic!("{gpu:?}, {auto:?}"),
    }
}

/// Prints agent-steps per second, returns only: `cargo test -p isonomy-engine --test parity -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a test"]
fn speed() {
    let Some(device) = device() else { return };
    const LANES: usize = 1 << 17;
    let setup = Setup { lanes: LANES, seed: 1, phase: Phase::Training, threads: 1, device: Some(device) };
    let mut sim = Sim::new(&Stream { time_limit: 20 }, Vec::new(), setup).expect("the device is well");
    let spec = sim.spec().clone();
    for (name, policy) in [("a policy that draws", policy(&spec, 1)), ("a rule", resolute(&spec))] {
        sim.set_policy(&policy);
        sim.advance(20).expect("the device is well");
        let start = std::time::Instant::now();
        sim.advance(960).expect("the device is well");
        let rate = (960 * 2 * LANES) as f64 / start.elapsed().as_secs_f64();
        eprintln!("{name}: {:.1} M agent-steps/s", rate / 1e6);
    }
}
