//! Environments whose agents touch each other: a rule that moves a whole lane at a time.
//!
//! [`Dynamics`](crate::dynamics::Dynamics) are for agents that move by themselves, one word of state each. Here a lane
//! keeps whatever it needs in columns of its own (stations, cars, vehicles, a clock), and its rule sees all of them.

use crate::columns::{Column, Stored};
use crate::figure::Drawn;
use crate::gpu::{LaneTwin, RuleTwin};
use crate::sim::lend::{Lender, LenderParam, all, lender};
use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemState;
use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

/// The rule by which the agents of a lane move together.
///
/// The engine calls these functions from any thread, for any lanes and in any order of lanes: what they write may
/// depend on their arguments only. Everything that changes during an episode stands in the columns of
/// [`State`](Self::State), because a snapshot is their bytes.
pub trait LaneDynamics: Send + Sync + 'static {
    /// A tuple of up to ten columns, each of a type of its own.
    type State: LaneState;

    /// Rows of each column in a lane, in the order of the tuple.
    fn counts(&self) -> Vec<usize>;

    /// Words of noise that a lane may look at in a step.
    fn draws(&self) -> usize {
        0
    }

    /// Words of noise that a lane may look at when an episode starts.
    fn start_draws(&self) -> usize {
        0
    }

    /// Sets a lane to where an episode starts. What the columns held before must not matter.
    fn start(&self, at: At<'_>, state: View<'_, Self>);

    /// Writes what every agent sees, `[agents, size]`, where [`Spec::observation`](crate::spec::Spec) is `size` numbers. A
    /// network learns best from numbers about as large as 1. `at` has no words.
    fn observe(&self, at: At<'_>, state: Shared<'_, Self>, features: &mut [f32]);

    /// Makes one step. `action` is `[agents]`, `reward` is `[tasks, agents]` and to be written. An action is the code of
    /// a discrete one; where [`Spec::action`](crate::spec::Spec) is a range of numbers it is the bits of an `f32`,
    /// which may lie outside and is then to be clamped.
    fn step(&self, at: At<'_>, action: &[u32], state: View<'_, Self>, reward: &mut [f32]);

    /// Names of the numbers that tell of a whole episode, units in the name: `energy_kwh`. A run records their means
    /// over lanes and episodes.
    fn measures(&self) -> Vec<String> {
        Vec::new()
    }

    /// Which of the measures counts what was computed, vehicles moved say: a run tells it per second too.
    fn work(&self) -> Option<&str> {
        None
    }

    /// Those of the [`measures`](Self::measures) of which the standard error over lanes is recorded too, as
    /// `NAME.standard_error`: where a lane is an experiment of its own, its mean over lanes needs an interval.
    fn uncertain(&self) -> Vec<String> {
        Vec::new()
    }

    /// The [`measures`](Self::measures) of a lane whose episode has just ended.
    fn measure(&self, _state: Shared<'_, Self>, _measures: &mut [f64]) {}

    /// How many numbers are noted in every step of an episode that is drawn; 0: none ever is.
    fn traces(&self) -> usize {
        0
    }

    /// Notes the [`traces`](Self::traces) of the step that is about to be made from `state`. It is called for one lane in
    /// one episode of a run, so it may allocate, and may try the step on a copy.
    fn trace(&self, _at: At<'_>, _action: &[u32], _state: Shared<'_, Self>, _traces: &mut [f64]) {}

    /// Draws an episode that has just ended; `traces` is `[steps, traces]`.
    fn draw(&self, _state: Shared<'_, Self>, _traces: &[f64]) -> Drawn {
        Drawn::default()
    }

    /// The same rule for a device, or the reason why there is none as the scenario describes these lanes.
    fn twin(&self) -> Result<LaneTwin, String> {
        Err("its lanes have no WGSL twin".to_owned())
    }
}

/// The columns of one lane, to be changed: a tuple of slices.
pub type View<'a, D> = <<D as LaneDynamics>::State as LaneState>::View<'a>;

/// The columns of one lane, to be read: a tuple of slices.
pub type Shared<'a, D> = <<D as LaneDynamics>::State as LaneState>::Shared<'a>;

/// Where and when something happens, and the noise that decides it.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// Number of the lane.
    pub lane: usize,
    /// Number of the episode, from 0.
    pub episode: u64,
    /// Steps since the episode began.
    pub elapsed: u32,
    /// As many words as were asked for.
    pub words: &'a [u32],
}

/// A rule that acts for all agents of a lane and knows its columns: what a [`Controller`](crate::controller::Controller)
/// of one environment makes of itself.
pub trait LaneController<D: LaneDynamics>: Send + Sync {
    /// Words of noise that it may look at in a step.
    fn draws(&self) -> usize {
        0
    }

    /// Sets `action`, `[agents]`, as [`LaneDynamics::step`] reads it. It holds what was done in the step before.
    fn act(&self, dynamics: &D, at: At<'_>, state: Shared<'_, D>, action: &mut [u32]);

    /// The same rule for a device, or the reason why there is none.
    fn twin(&self, _dynamics: &D) -> Result<RuleTwin, String> {
        Err("its rule has no WGSL twin".to_owned())
    }
}

/// A [`LaneController`] that has forgotten whose lanes it is for.
#[derive(Clone)]
pub struct LaneRule(Arc<dyn Any + Send + Sync>);

impl LaneRule {
    /// A rule for the lanes of `D`.
    pub fn new<D: LaneDynamics>(controller: impl LaneController<D> + 'static) -> Self {
        LaneRule(Arc::new(Box::new(controller) as Box<dyn LaneController<D>>))
    }

    /// The rule again, if it is for the lanes of `D`.
    pub fn of<D: LaneDynamics>(&self) -> Option<&dyn LaneController<D>> {
        self.0.downcast_ref::<Box<dyn LaneController<D>>>().map(|rule| &**rule)
    }
}

impl std::fmt::Debug for LaneRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LaneRule")
    }
}

/// A tuple of columns: what the lanes of an environment keep. Implemented for all tuples of one to ten.
pub trait LaneState: Send + Sync + 'static {
    /// The columns of some neighbouring lanes.
    type View<'a>: Send;
    /// The same, to be read.
    type Shared<'a>: Copy + Send;
    /// Bytes of a lane with so many rows of each column.
    fn bytes(counts: &[usize]) -> u128;

    /// Adds the rows of all lanes, zeroed.
    fn spawn(world: &mut World, lanes: usize, counts: &[usize]);

    /// The columns, in the order of the tuple.
    fn stored() -> Vec<Stored>;

    /// One lane out of some.
    fn lane<'a>(all: &'a mut Self::View<'_>, counts: &[usize], lane: usize) -> Self::View<'a> {
        Self::some(all, counts, lane..lane + 1)
    }

    /// Some neighbouring lanes out of more.
    fn some<'a>(all: &'a mut Self::View<'_>, counts: &[usize], lanes: Range<usize>) -> Self::View<'a>;

    /// The bytes of each column.
    fn bytes_of<'a>(all: &'a mut Self::View<'_>) -> Vec<&'a mut [u8]>;

    /// A view that only reads.
    fn shared<'a>(view: &'a Self::View<'_>) -> Self::Shared<'a>;

    /// Cuts between two lanes.
    fn split_at_mut<'a>(all: Self::View<'a>, counts: &[usize], lanes: usize) -> (Self::View<'a>, Self::View<'a>);

    /// Takes all columns out of the world at once.
    #[doc(hidden)]
    fn lend(cache: &mut Cache, world: &mut World, borrower: impl for<'a> FnOnce(Lender<'a>, Self::View<'a>));
}

/// What makes lending cheap the second time.
#[doc(hidden)]
#[derive(Default)]
pub struct Cache(Option<Box<dyn Any + Send + Sync>>);

macro_rules! lane_state {
    ($($column:ident $at:tt)*) => {
        impl<$($column: Column),*> LaneState for ($($column,)*) {
            type View<'a> = ($(&'a mut [$column],)*);
            type Shared<'a> = ($(&'a [$column],)*);

            fn bytes(counts: &[usize]) -> u128 {
                // An entity and the ECS's two ticks a cell stand beside the value.
                [$(counts[$at] as u128 * (size_of::<$column>() as u128 + 24)),*].iter().sum()
            }

            fn spawn(world: &mut World, lanes: usize, counts: &[usize]) {
                $(world.spawn_batch(std::iter::repeat_n($column::zeroed(), lanes * counts[$at]));)*
            }

            fn stored() -> Vec<Stored> {
                vec![$(Stored::of::<$column>()),*]
            }

            fn some<'a>(all: &'a mut Self::View<'_>, counts: &[usize], lanes: Range<usize>) -> Self::View<'a> {
                ($(&mut all.$at[lanes.start * counts[$at]..lanes.end * counts[$at]],)*)
            }

            fn bytes_of<'a>(all: &'a mut Self::View<'_>) -> Vec<&'a mut [u8]> {
                vec![$(bytemuck::cast_slice_mut(&mut *all.$at)),*]
            }

            fn shared<'a>(view: &'a Self::View<'_>) -> Self::Shared<'a> {
                ($(&*view.$at,)*)
            }

            fn split_at_mut<'a>(all: Self::View<'a>, counts: &[usize], lanes: usize) -> (Self::View<'a>, Self::View<'a>) {
                let halves = ($(all.$at.split_at_mut(lanes * counts[$at]),)*);
                (($(halves.$at.0,)*), ($(halves.$at.1,)*))
            }

            fn lend(cache: &mut Cache, world: &mut World, borrower: impl for<'a> FnOnce(Lender<'a>, Self::View<'a>)) {
                type Lent<$($column),*> = SystemState<(
                    LenderParam<'static, 'static>,
                    ($(Query<'static, 'static, &'static mut $column>,)*)
                )>;
                let system = cache.0.get_or_insert_with(|| Box::new(Lent::<$($column),*>::new(world)));
                let Some(system) = system.downcast_mut::<Lent<$($column),*>>() else { return };
                let Ok((mut engine, mut state)) = system.get_mut(world) else { return };
                if let Some(lender) = lender(&mut engine) {
                    borrower(lender, ($(all(&mut state.$at),)*));
                }
            }
        }
    };
}

lane_state!(A 0);
lane_state!(A 0 B 1);
lane_state!(A 0 B 1 C 2);
lane_state!(A 0 B 1 C 2 D 3);
lane_state!(A 0 B 1 C 2 D 3 E 4);
lane_state!(A 0 B 1 C 2 D 3 E 4 F 5);
lane_state!(A 0 B 1 C 2 D 3 E 4 F 5 G 6);
lane_state!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7);
lane_state!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8);
lane_state!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9);
