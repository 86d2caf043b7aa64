//! Sim: one World, one `Step` schedule, the order of its stages, and rollouts of many steps.

mod builder;
mod host;
pub(crate) mod lend;
mod systems;

use crate::columns::{self, Choice, Group, Measure, Return, Stored, Taught};
use crate::controller::Rule;
use crate::environment::Environment;
use crate::fairness::FairnessReward;
use crate::figure::Drawn;
use crate::fused::{self, Columns, Keys, Rules, Scratch};
use crate::gpu;
use crate::lanes::LaneRule;
use crate::memory;
use crate::metrics::Returns;
use crate::noise::Phase;
use crate::policy::{NetworkPolicy, PolicyRef, PolicyTable, TabularPolicy};
use crate::problem::Problem;
use crate::replay::Episode;
use crate::rollout::Rollout;
use crate::spec::Spec;
use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleLabel;

pub use builder::Builder;

/// The schedule that makes one step of all lanes.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
struct Step;

/// The parts of a step, in this order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The policy reads observations and sets actions.
    Act,
    /// The environment moves every row and writes rewards.
    Transition,
    /// The environment writes what agents see of where that led.
    Observe,
    /// Utilities grow; fairness rewards rewrite what the policy is taught.
    Shape,
    /// The trajectory is written.
    Record,
    /// At the time limit: the environment overwrites its rows, observations included.
    Reset,
}

/// The engine's clock. A resource.
#[derive(Clone, Copy, Debug, Resource)]
pub struct Clock {
    /// Steps made since the simulation was built.
    pub step: u64,
    /// Steps in an episode.
    pub time_limit: u32,
}

impl Clock {
    /// Steps since the episode began.
    pub fn elapsed(&self) -> u32 {
        (self.step % u64::from(self.time_limit)) as u32
    }

    /// Whether this step is the last of its episode.
    pub fn ends(&self) -> bool {
        self.elapsed() + 1 == self.time_limit
    }
}

/// A run condition: whether this step is the last of its episode. Systems of [`Stage::Reset`] run under it.
pub fn episode_ends(clock: Res<Clock>) -> bool {
    clock.ends()
}

/// What the policy does where.
#[derive(Resource)]
pub(crate) struct Acting(PolicyTable);

/// What acts in its place.
#[derive(Resource, Default)]
pub(crate) enum Ruling {
    #[default]
    Nothing,
    Rule(LaneRule),
    Network(NetworkPolicy),
}

/// The trajectory that is being written.
#[derive(Resource, Default)]
pub(crate) struct Recording(Option<Rollout>);

/// Memory of the engine's own systems.
#[derive(Resource)]
struct Memory(Scratch);

type Lend = Box<dyn FnMut(&mut World, &mut dyn FnMut(&Rules, &PolicyTable, Columns<'_>)) + Send + Sync>;

/// Why a simulation could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Two systems write one column and neither is first, or the stages contradict each other.
    #[error("the systems of this environment cannot be ordered: {0}")]
    Schedule(String),
    /// The environment did not add what its spec promised.
    #[error("the environment added {found} rows of agents, its spec promises {expected}")]
    Rows {
        /// Rows that were added.
        found: usize,
        /// Lanes times agents.
        expected: usize,
    },
    /// The optimizer finds in the model that it cannot do what it is asked to.
    #[error("{0}")]
    Optimizer(Problem),
    /// The controller acts in the lanes of another environment.
    #[error("the controller's rule is for the lanes of another environment")]
    Rule,
    /// This machine has not got the memory.
    #[error("the state of all lanes takes {} of memory, more than there is: use fewer lanes", memory::gib(*bytes))]
    Memory {
        /// What it takes.
        bytes: u128,
    },
    /// The device refused.
    #[error(transparent)]
    Device(#[from] gpu::DeviceError),
}

/// Copies of an environment, ready to run.
pub struct Sim {
    spec: Spec,
    lanes: usize,
    world: World,
    schedule: Schedule,
    stored: Vec<Stored>,
    observation: Option<Stored>,
    lend: Option<Lend>,
    host: Option<Box<dyn host::Host>>,
    /// Names of what episodes are measured by.
    measures: Vec<String>,
    /// Which of them counts what was computed.
    work: Option<String>,
    /// Those whose standard error over lanes is of interest.
    uncertain: Vec<String>,
    /// The policy that was set last, where no rule took its place.
    acting: Option<TabularPolicy>,
    scratch: Vec<Scratch>,
    device: Option<gpu::Batch>,
    /// Where lanes whose agents move together run, unless on the processor.
    lane_device: Option<gpu::LaneBatch>,
    /// Whether who acts has no twin, or a lane does not fit, and nobody asked for the device.
    twinless: bool,
    /// Episodes that ended since returns were last taken.
    episodes: u64,
}

/// How a simulation is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Copies of the environment.
    pub lanes: usize,
    /// Whose noise it is.
    pub seed: u64,
    /// Which part of that noise.
    pub phase: Phase,
    /// Threads that share the lanes.
    pub threads: usize,
    /// The device that rollouts run on; the processor where there is none.
    pub device: Option<&'a gpu::Device>,
}

impl Sim {
    /// Builds all lanes and starts their first episodes.
    pub fn new(
        environment: &dyn Environment,
        fairness: Vec<Box<dyn FairnessReward>>,
        setup: Setup<'_>,
    ) -> Result<Sim, BuildError> {
        let spec = environment.spec();
        let bytes = memory::columns(&spec, setup.lanes as u64);
        if !memory::can_be_had(bytes) {
            return Err(BuildError::Memory { bytes });
        }
        let mut builder = Builder::new(spec.clone(), setup.lanes, Keys::new(setup.seed, setup.phase), fairness);
        environment.build(&mut builder);
        let Builder { mut world, mut schedule, stored, lend, start, observation, scheduled, .. } = builder;
        if let Some(bytes) = builder.too_large {
            return Err(BuildError::Memory { bytes });
        }
        let (lend, mut host) = (lend.filter(|_| !scheduled), builder.host);
        let expected = setup.lanes * spec.agents() as usize;
        let found = columns::column::<Group>(&mut world).len();
        if found != expected {
            return Err(BuildError::Rows { found, expected });
        }
        schedule.initialize(&mut world).map_err(|error| BuildError::Schedule(format!("{error:?}")))?;
        if let Some(start) = start {
            start(&mut world);
        }
        if let Some(host) = &mut host {
            host.start(&mut world);
        }
        let names =
            |of: fn(&dyn host::Host) -> &[String]| host.as_deref().map(|host| of(host).to_vec()).unwrap_or_default();
        let (measures, uncertain) = (names(|host| host.measures()), names(|host| host.uncertain()));
        let work = host.as_ref().and_then(|host| host.work()).map(str::to_owned);
        let rules = world.resource::<Rules>();
        let scratch = (0..setup.threads.max(1)).map(|_| Scratch::new(rules)).collect();
        let lanes = setup.lanes;
        let host = host.filter(|_| !scheduled);
        let name = environment.typetag_name();
        let lane_device = match (&host, setup.device) {
            (Some(host), Some(device)) => lane_device(&**host, device, &spec, lanes, name)?,
            _ => None,
        };
        let twin = rules.dynamics.as_ref().is_some_and(|dynamics| dynamics.twin().is_some());
        let fit = |device: &&gpu::Device| host.is_none() && (!device.is_optional() || lend.is_some() && twin);
        let device = match setup.device.filter(fit) {
            Some(device) => {
                device.fits(&spec, setup.lanes)?;
                if lend.is_none() {
                    return Err(gpu::DeviceError::Scheduled { environment: name.to_owned() }.into());
                }
                Some(gpu::Batch::new(device, rules, &spec, setup.lanes, name)?)
            }
            None => None,
        };
        Ok(Sim {
            spec,
            lanes,
            world,
            schedule,
            stored,
            observation,
            lend,
            host,
            measures,
            work,
            uncertain,
            acting: None,
            scratch,
            device,
            lane_device,
            twinless: false,
            episodes: 0,
        })
    }

    /// Compiles what the one who acts needs on the device. An error where it has no twin, or a lane does not fit, and the
    /// device was asked for by name; where it was not, the processor runs it.
    pub fn prepare(&mut self) -> Result<(), gpu::DeviceError> {
        let (Some(host), Some(device)) = (&mut self.host, &mut self.lane_device) else { return Ok(()) };
        match host.prepare(&mut self.world, device) {
            Err(gpu::DeviceError::NoRuleTwin { .. } | gpu::DeviceError::Limit { .. }) if device.is_optional() => {
                self.twinless = true;
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// The environment's shapes.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Whether rollouts run on a device.
    pub fn is_on_device(&self) -> bool {
        self.device.is_some() || self.lane_device.is_some() && !self.twinless
    }

    /// Copies of the environment.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Steps made so far.
    pub fn steps(&self) -> u64 {
        self.world.resource::<Clock>().step
    }

    /// The columns, for reading and for tests.
    pub fn world(&mut self) -> &mut World {
        self.invalidate();
        &mut self.world
    }

    /// Sets what agents do.
    pub fn set_policy(&mut self, policy: &TabularPolicy) {
        // Making the table takes longer than an episode of a small environment, and learners often stay with a policy.
        if self.acting.as_ref() == Some(policy) {
            return;
        }
        self.twinless = false;
        self.world.resource_mut::<Acting>().0 = policy.table();
        *self.world.resource_mut::<Ruling>() = Ruling::Nothing;
        self.acting = Some(policy.clone());
    }

    /// Lets a policy act. False where it is a network and the environment shows it nothing.
    pub fn set_parametric(&mut self, policy: PolicyRef<'_>) -> bool {
        match policy {
            PolicyRef::Table(policy) => {
                self.set_policy(policy);
                true
            }
            PolicyRef::Network(policy) => {
                (self.acting, self.twinless) = (None, false);
                *self.world.resource_mut::<Ruling>() = Ruling::Network(policy.clone());
                self.host.is_some()
            }
        }
    }

    /// Lets a controller's rule act. False where the rule is for the lanes of another environment.
    pub fn set_rule(&mut self, rule: &Rule) -> bool {
        match rule {
            Rule::Table(policy) => {
                self.set_policy(policy);
                true
            }
            Rule::Lane(rule) => {
                (self.acting, self.twinless) = (None, false);
                *self.world.resource_mut::<Ruling>() = Ruling::Rule(rule.clone());
                self.host.as_ref().is_some_and(|host| host.obeys(rule))
            }
        }
    }

    /// Makes one step, stage by stage.
    pub fn step(&mut self) {
        self.invalidate();
        self.schedule.run(&mut self.world);
        let mut clock = self.world.resource_mut::<Clock>();
        self.episodes += u64::from(clock.ends());
        clock.step += 1;
    }

    /// Makes `horizon` steps and keeps only what each agent earned.
    pub fn advance(&mut self, horizon: usize) -> Result<(), gpu::DeviceError> {
        self.run(horizon, None)
    }

    /// Makes `horizon` steps and keeps the trajectory.
    pub fn rollout(&mut self, horizon: usize) -> Result<Rollout, gpu::DeviceError> {
        let mut rollout = self.room(horizon);
        self.run(horizon, Some(&mut rollout))?;
        Ok(rollout)
    }

    /// Makes as many steps as `rollout` has, a trajectory of an earlier call whose memory is used again.
    pub fn rollout_into(&mut self, rollout: &mut Rollout) -> Result<(), gpu::DeviceError> {
        let same_episodes = rollout.first_step % u64::from(self.spec.time_limit) == u64::from(self.elapsed());
        if same_episodes {
            rollout.first_step = self.steps();
        } else {
            *rollout = self.room(rollout.horizon);
        }
        self.run(rollout.horizon, Some(rollout))
    }

    /// Room for the trajectory of the next `horizon` steps.
    pub fn room(&self, horizon: usize) -> Rollout {
        let shaped = !self.world.resource::<Rules>().fairness.is_empty();
        Rollout::new(&self.spec, self.lanes, horizon, self.steps(), shaped)
    }

    fn elapsed(&self) -> u32 {
        self.world.resource::<Clock>().elapsed()
    }

    fn run(&mut self, horizon: usize, mut rollout: Option<&mut Rollout>) -> Result<(), gpu::DeviceError> {
        let first = self.world.resource::<Clock>().step;
        let steps = first..first + horizon as u64;
        if self.host.is_some() {
            self.prepare()?;
        }
        if let Some(host) = &mut self.host {
            let (world, scratch) = (&mut self.world, &mut self.scratch);
            match self.lane_device.as_mut() {
                Some(device) if !self.twinless => {
                    host.advance_on(world, device, steps.clone(), rollout.as_deref_mut(), scratch)?;
                }
                device => {
                    host.advance(world, steps.clone(), rollout.as_deref_mut(), scratch);
                    device.into_iter().for_each(gpu::LaneBatch::invalidate);
                }
            }
            if let Some(rollout) = rollout {
                host.look_ahead(&mut self.world, steps.end, rollout);
            }
        } else if let Some(lend) = &mut self.lend {
            let (device, scratch, mut outcome) = (&mut self.device, &mut self.scratch, Ok(()));
            lend(&mut self.world, &mut |rules, policy, columns| {
                let rollout = rollout.as_deref_mut();
                match device {
                    Some(device) => outcome = device.run(rules, policy, steps.clone(), columns, rollout),
                    None => fused::advance(rules, policy, steps.clone(), columns, rollout, scratch),
                }
            });
            outcome?;
            self.look_ahead(rollout);
        } else {
            self.run_schedule(horizon, rollout);
            return Ok(());
        }
        let mut clock = self.world.resource_mut::<Clock>();
        clock.step = steps.end;
        let limit = u64::from(clock.time_limit);
        self.episodes += steps.end / limit - first / limit;
        Ok(())
    }

    /// Whether [`lend_columns`](Self::lend_columns) lends any.
    pub(crate) fn lends(&self) -> bool {
        self.lend.is_some()
    }

    /// Lends all columns to who advances them in its own way. Clock and returns are the borrower's affair.
    pub(crate) fn lend_columns(&mut self, borrower: &mut dyn FnMut(&Rules, Columns<'_>)) {
        if let Some(lend) = &mut self.lend {
            lend(&mut self.world, &mut |rules, _, columns| borrower(rules, columns));
        }
    }

    fn look_ahead(&mut self, rollout: Option<&mut Rollout>) {
        if let (Some(rollout), Some(observation)) = (rollout, self.observation) {
            rollout.next_observation.write(0, bytemuck::cast_slice((observation.bytes)(&mut self.world)));
        }
    }

    /// The same steps as a fused rollout, one stage after the other over all lanes.
    pub fn run_schedule(&mut self, horizon: usize, rollout: Option<&mut Rollout>) {
        let Some(rollout) = rollout else {
            (0..horizon).for_each(|_| self.step());
            return;
        };
        let room = Rollout::new(&self.spec, 0, 0, 0, false);
        self.world.resource_mut::<Recording>().0 = Some(std::mem::replace(rollout, room));
        (0..horizon).for_each(|_| self.step());
        if let Some(written) = self.world.resource_mut::<Recording>().0.take() {
            *rollout = written;
        }
        let made = self.steps();
        if let Some(host) = &mut self.host {
            host.look_ahead(&mut self.world, made, rollout);
        }
        self.look_ahead(Some(rollout));
    }

    /// Makes the steps of the next episode and keeps what the agents of some lanes did; none where the agents of a lane do
    /// not move together. To be called where an episode begins.
    pub fn episodes(&mut self, lanes: &[usize]) -> Result<Option<Vec<Episode>>, gpu::DeviceError> {
        let (made, limit) = (self.steps(), self.spec.time_limit);
        let agents = self.spec.agents() as usize;
        let Some(host) = &self.host else { return Ok(None) };
        let keys = &self.world.resource::<Rules>().keys;
        let begin = |&lane: &usize| {
            let (start_words, words) = host.words(keys, lane, made, limit);
            let number = made / u64::from(limit);
            Episode { lane, number, start_words, words, actions: Vec::with_capacity(agents * limit as usize) }
        };
        let mut episodes: Vec<Episode> = lanes.iter().map(begin).collect();
        for _ in 0..limit {
            self.advance(1)?;
            let choices: &[u32] = bytemuck::cast_slice(columns::column::<Choice>(&mut self.world));
            for episode in &mut episodes {
                episode.actions.extend_from_slice(&choices[episode.lane * agents..][..agents]);
            }
        }
        Ok(Some(episodes))
    }

    /// Which of an episode's measures counts what was computed.
    pub fn work(&self) -> Option<&str> {
        self.work.as_deref()
    }

    /// Whether rollouts bypass the schedule: the environment has dynamics and no systems of its own.
    pub fn is_fused(&self) -> bool {
        self.lend.is_some() || self.host.is_some()
    }

    /// Mean returns of the episodes that ended since the last call, their sums `[tasks, lanes, agents]`, how many
    /// they were in every lane, and the mean of what an agent was taught a step. None where no episode ended.
    pub fn take_returns(&mut self) -> Option<Earnings> {
        let episodes = std::mem::take(&mut self.episodes);
        let taught = columns::column::<Taught>(&mut self.world);
        let taught_sum: f64 = taught.iter().map(|taught| f64::from(taught.0)).sum();
        taught.fill(Taught(0.0));
        let column = columns::column::<Return>(&mut self.world);
        let sums: Vec<f32> = bytemuck::cast_slice(column).to_vec();
        column.fill(Return(0.0));
        if let Some(device) = &mut self.device {
            device.take_returns();
        }
        let measures = self.take_measures(episodes);
        if episodes == 0 {
            return None;
        }
        let returns = Returns::from_sums(&self.spec, &sums, episodes);
        let mut rules = self.world.resource_mut::<Rules>();
        rules.expected = Some(returns.mean.clone());
        let agents = self.lanes as f64 * f64::from(self.spec.agents());
        let shaped = !rules.fairness.is_empty();
        let taught = shaped.then_some(taught_sum / agents / episodes as f64);
        Some(Earnings { returns, sums, episodes, taught, measures })
    }

    /// Names of what episodes are measured by, in the order of [`Earnings::measures`].
    pub(crate) fn measured(&self) -> Vec<String> {
        let of = |name: &String| self.measures.contains(name).then(|| format!("{name}.standard_error"));
        self.measures.iter().cloned().chain(self.uncertain.iter().filter_map(of)).collect()
    }

    /// What the episodes that ended were measured by, means over lanes and episodes.
    fn take_measures(&mut self, episodes: u64) -> Vec<(String, f64)> {
        let (count, ended) = (self.measures.len(), episodes as f64 * self.lanes as f64);
        let sums = columns::column::<Measure>(&mut self.world);
        let own = |index: usize| sums.iter().skip(index).step_by(count).map(|sum| sum.0);
        let mean = |index| own(index).sum::<f64>() / ended;
        let mut measures: Vec<_> = self.measures.iter().cloned().zip((0..count).map(mean)).collect();
        for name in &self.uncertain {
            let Some(index) = self.measures.iter().position(|known| known == name) else { continue };
            let (lanes, mean) = (self.lanes as f64, mean(index));
            let apart = own(index).map(|sum| (sum / episodes.max(1) as f64 - mean).powi(2)).sum::<f64>();
            let error = if lanes > 1.0 { (apart / (lanes - 1.0) / lanes).sqrt() } else { 0.0 };
            measures.push((format!("{name}.standard_error"), error));
        }
        sums.fill(Measure(0.0));
        measures
    }

    /// Sums of the returns since they were last taken, `[groups, tasks]`. A device adds them up in `f32` where it has
    /// them, so the last digits may differ from those of [`take_returns`](Self::take_returns).
    pub fn return_sums(&mut self) -> Result<Vec<f64>, gpu::DeviceError> {
        if let Some(device) = &mut self.device
            && let Some(sums) = device.return_sums()?
        {
            return Ok(sums);
        }
        let (group, tasks) = (self.spec.agent_groups(), self.spec.tasks.len());
        let mut sums = vec![0.0; self.spec.groups.len() * tasks];
        let column = columns::column::<Return>(&mut self.world);
        for (task, block) in column.chunks_exact(self.lanes * group.len()).enumerate() {
            for (returns, group) in block.iter().zip(group.iter().cycle()) {
                sums[*group as usize * tasks + task] += f64::from(returns.0);
            }
        }
        Ok(sums)
    }

    /// The host's columns may have changed.
    fn invalidate(&mut self) {
        if let Some(device) = &mut self.device {
            device.invalidate();
        }
        if let Some(device) = &mut self.lane_device {
            device.invalidate();
        }
    }

    /// The shader by which a device advances lanes whose agents move together, with who acts now; none where they
    /// do not, an error where something has no twin.
    pub fn lane_shader(&mut self) -> Option<Result<String, gpu::DeviceError>> {
        Some(self.host.as_mut()?.shader(&mut self.world, &self.spec))
    }

    /// The environment's dynamics in WGSL, where it has them.
    pub fn twin(&self) -> Option<gpu::Twin> {
        self.world.resource::<Rules>().dynamics.as_ref()?.twin()
    }

    /// The fairness rewards in WGSL, where a device shapes with them; none where some fairness reward has no twin.
    pub fn shape_twins(&self) -> Option<Vec<gpu::ShapeTwin>> {
        self.world.resource::<Rules>().shape_twins(&self.spec)
    }

    /// What the fairness rewards report of how the next rollout is shaped, by plugin and name.
    pub fn fairness_report(&self) -> Vec<(String, f64)> {
        let rules = self.world.resource::<Rules>();
        let Some(expected) = &rules.expected else { return Vec::new() };
        let mut reports = Vec::new();
        for plugin in &rules.fairness {
            let name = plugin.typetag_name();
            let report = plugin.report(&self.spec, expected).into_iter();
            reports.extend(report.map(|(what, value)| (format!("{name}.{what}"), value)));
        }
        reports
    }

    /// Plays the first episode in the first lane and draws it; none where the environment draws nothing. The other lanes and
    /// the clock stay where they are, so the simulation is of no use afterwards.
    pub fn draw(mut self) -> Option<Drawn> {
        let first = self.steps();
        self.host.as_mut()?.draw(&mut self.world, first..first + u64::from(self.spec.time_limit))
    }

    /// Everything that [`restore`](Self::restore) needs to go on to the same future.
    pub fn snapshot(&mut self) -> Snapshot {
        let mut columns = Vec::new();
        for stored in &self.stored {
            columns.extend_from_slice((stored.bytes)(&mut self.world));
        }
        let expected = self.world.resource::<Rules>().expected.clone();
        Snapshot { step: self.steps(), episodes: self.episodes, expected, columns }
    }

    /// 64 bits that differ where anything that [`snapshot`](Self::snapshot) keeps differs.
    pub fn hash(&mut self) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(&self.steps().to_le_bytes());
        for stored in &self.stored {
            hash.update((stored.bytes)(&mut self.world));
        }
        hash.digest()
    }

    /// Goes back to a snapshot of a simulation built the same way. False where it was not.
    pub fn restore(&mut self, snapshot: &Snapshot) -> bool {
        let total: usize = self.stored.iter().map(|stored| (stored.bytes)(&mut self.world).len()).sum();
        if total != snapshot.columns.len() {
            return false;
        }
        let mut rest = &snapshot.columns[..];
        for stored in &self.stored {
            let bytes = (stored.bytes)(&mut self.world);
            let (mine, after) = rest.split_at(bytes.len());
            bytes.copy_from_slice(mine);
            rest = after;
        }
        self.world.resource_mut::<Rules>().expected = snapshot.expected.clone();
        self.world.resource_mut::<Clock>().step = snapshot.step;
        self.episodes = snapshot.episodes;
        self.invalidate();
        true
    }
}

/// Room for lanes on a device; none where they have no twin and nobody asked for the device.
fn lane_device(
    host: &dyn host::Host,
    device: &gpu::Device,
    spec: &Spec,
    lanes: usize,
    name: &str,
) -> Result<Option<gpu::LaneBatch>, gpu::DeviceError> {
    let (twin, counts, draws) = host.twin();
    match twin {
        Ok(twin) => {
            device.fits(spec, lanes)?;
            match gpu::LaneBatch::new(device, name, spec, twin, counts, draws, lanes) {
                Err(gpu::DeviceError::Limit { .. }) if device.is_optional() => Ok(None),
                batch => batch.map(Some),
            }
        }
        Err(_) if device.is_optional() => Ok(None),
        Err(reason) => Err(gpu::DeviceError::NoLaneTwin { environment: name.to_owned(), reason }),
    }
}

/// What was earned in the episodes that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Earnings {
    /// Means per group and task.
    pub returns: Returns,
    /// Sums over episodes, `[tasks, lanes, agents]`.
    pub sums: Vec<f32>,
    /// Episodes of every lane.
    pub episodes: u64,
    /// What an agent was taught in an episode, where a fairness reward is at work.
    pub taught: Option<f64>,
    /// What the environment measures of an episode, by name.
    pub measures: Vec<(String, f64)>,
}

/// The state of a [`Sim`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Snapshot {
    /// Steps made.
    pub step: u64,
    /// Episodes that ended since returns were last taken.
    pub episodes: u64,
    /// What fairness rewards know of the last rollout.
    pub expected: Option<Vec<f64>>,
    /// All columns, one after the other.
    pub columns: Vec<u8>,
}
