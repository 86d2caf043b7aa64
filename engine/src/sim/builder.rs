//! What an environment is given to build itself in: the World, the stages, the ledger.

use super::systems::{
    act, credit, finish, lend, record_choices, record_last, record_rewards, restart, shape, start, transition,
};
use super::{Acting, Clock, Lend, Memory, Recording, Ruling, Stage, Step, episode_ends, host};
use crate::columns::{Column, Group, Remembered, Return, Reward, Row, Shaped, Stored, Taught, Utility};
use crate::dynamics::Dynamics;
use crate::fairness::FairnessReward;
use crate::fused::{Keys, Rules, Scratch};
use crate::policy::TabularPolicy;
use crate::spec::Spec;
use bevy_ecs::prelude::*;
use bevy_ecs::schedule::{LogLevel, ScheduleBuildSettings, SingleThreadedExecutor};
use bevy_ecs::system::ScheduleSystem;

/// What an environment adds its rows and systems to.
pub struct Builder {
    pub(super) spec: Spec,
    pub(super) lanes: usize,
    pub(super) world: World,
    pub(super) schedule: Schedule,
    pub(super) stored: Vec<Stored>,
    /// How a fused rollout gets at the columns, where the environment has dynamics.
    pub(super) lend: Option<Lend>,
    pub(super) start: Option<fn(&mut World)>,
    pub(super) observation: Option<Stored>,
    /// What moves whole lanes, where agents move together.
    pub(super) host: Option<Box<dyn host::Host>>,
    /// Bytes of lanes that were not added because this machine has not got the memory.
    pub(super) too_large: Option<u128>,
    /// Whether the environment added systems of its own: then only the schedule can run it.
    pub(super) scheduled: bool,
}

impl Builder {
    pub(super) fn new(spec: Spec, lanes: usize, keys: Keys, fairness: Vec<Box<dyn FairnessReward>>) -> Self {
        let mut world = World::new();
        world.insert_resource(Clock { step: 0, time_limit: spec.time_limit });
        world.insert_resource(keys);
        let mut rules = Rules::new(&spec, keys);
        rules.fairness = fairness;
        let memories = rules.memories();
        world.insert_resource(Memory(Scratch::new(&rules)));
        world.insert_resource(rules);
        world.insert_resource(Acting(TabularPolicy::uniform(&spec, 1).table()));
        world.init_resource::<Ruling>();
        world.init_resource::<Recording>();
        let rows = lanes * spec.agents() as usize * spec.tasks.len();
        let ledger = (Reward(0.0), Shaped(0.0), Utility(0.0), Return(0.0), Taught(0.0));
        world.spawn_batch(std::iter::repeat_n(ledger, rows));
        world.spawn_batch(std::iter::repeat_n((Remembered(0.0),), rows * memories));
        let mut schedule = Schedule::new(Step);
        schedule.set_build_settings(ScheduleBuildSettings {
            ambiguity_detection: LogLevel::Error,
            hierarchy_detection: LogLevel::Error,
            ..Default::default()
        });
        schedule.set_executor(SingleThreadedExecutor::new());
        use Stage::{Act, Observe, Record, Reset, Shape, Transition};
        schedule.configure_sets((Act, Transition, Observe, Shape, Record, Reset).chain());
        schedule.configure_sets(Reset.run_if(episode_ends));
        schedule.add_systems((credit, shape).chain().in_set(Shape));
        schedule.add_systems(record_rewards.in_set(Record));
        schedule.add_systems(finish.in_set(Reset));
        let mut stored = <(Reward, Shaped, Utility, Return, Taught)>::stored();
        stored.extend((memories > 0).then(Stored::of::<Remembered>));
        Builder {
            spec,
            lanes,
            world,
            schedule,
            stored,
            lend: None,
            start: None,
            observation: None,
            host: None,
            too_large: None,
            scheduled: false,
        }
    }

    /// Shapes of what is being built.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Copies of the environment.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Rows of agents that move by `dynamics` and do not touch each other: `State` is where an agent is and what the
    /// policy sees of it, `Action` what it does. Nothing else is needed, and a rollout runs fused, on the device too.
    pub fn agents<State: Column, Action: Column>(&mut self, dynamics: impl Dynamics) -> &mut Self {
        self.world.resource_mut::<Rules>().dynamics = Some(Box::new(dynamics));
        self.spawn_agents(|_, _| (State::zeroed(), Action::zeroed()));
        self.interface::<State, Action>();
        self.schedule.add_systems(transition::<State, Action>.in_set(Stage::Transition));
        self.schedule.add_systems(restart::<State>.in_set(Stage::Reset));
        let mut state = None;
        self.lend = Some(Box::new(move |world, borrower| lend::<State, Action>(&mut state, world, borrower)));
        self.start = Some(start::<State>);
        self
    }

    /// One row per agent, lane by lane; `row` is given the lane and the agent's number in it.
    pub fn spawn_agents<R: Row>(&mut self, mut row: impl FnMut(usize, usize) -> R) -> &mut Self {
        let group = self.spec.agent_groups();
        let agents = group.len();
        let at = |index: usize| (Group(group[index % agents]), row(index / agents, index % agents));
        self.world.spawn_batch((0..self.lanes * agents).map(at).collect::<Vec<_>>());
        self.stored.extend(R::stored());
        self
    }

    /// One row per lane, for what belongs to no single agent.
    pub fn spawn_lanes<R: Row>(&mut self, row: impl FnMut(usize) -> R) -> &mut Self {
        self.world.spawn_batch((0..self.lanes).map(row).collect::<Vec<_>>());
        self.stored.extend(R::stored());
        self
    }

    /// Which column of the agents the policy sees, and which it sets.
    pub fn interface<Observation: Column, Action: Column>(&mut self) -> &mut Self {
        let systems = (act::<Observation, Action>, record_choices::<Observation, Action>).chain();
        self.schedule.add_systems(systems.in_set(Stage::Act));
        self.schedule.add_systems(record_last::<Observation>.in_set(Stage::Record).after(record_rewards));
        self.observation = Some(Stored::of::<Observation>());
        self
    }

    /// A value that systems can ask for.
    pub fn insert_resource<R: Resource>(&mut self, resource: R) -> &mut Self {
        self.world.insert_resource(resource);
        self
    }

    /// Systems of a stage. Two that write the same column must say who is first.
    pub fn add_systems<M>(&mut self, stage: Stage, systems: impl IntoScheduleConfigs<ScheduleSystem, M>) -> &mut Self {
        self.schedule.add_systems(systems.in_set(stage));
        self.scheduled = true;
        self
    }
}
