//! What changes during an episode: columns of plain numbers, cut by lane of the batch.

use super::precision::Real;
use bevy_ecs::component::Component;
use bytemuck::{Pod, Zeroable};
use isonomy_engine::columns;

/// Nobody, nowhere, never.
pub const NONE: u32 = u32::MAX;

/// Where a vehicle is and how it got there. What every step looks at comes first: it fills a line of the cache.
#[derive(Clone, Copy, Component, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Vehicle {
    /// From the begin of its way to the front bumper. The queue model has no positions.
    pub position_m: f64,
    /// How fast it is.
    pub speed_mps: f64,
    /// In the queue model: when it reaches the end of its lane.
    pub(super) eta_s: f64,
    /// To the rear bumper of the one ahead.
    pub(super) gap_m: f64,
    /// The one behind it on the same way.
    pub(super) behind: u32,
    /// Where it is, as an index of the paths.
    pub(super) at: u32,
    /// Steps that it waited.
    pub waited: u32,
    /// Steps that it has been waiting without a break.
    pub halted: u32,
    /// The one ahead that it follows.
    pub(super) leader: u32,
    /// The one for whom it waits at a conflict point, since the step before.
    pub(super) blocker: u32,
    /// The way that it was on before.
    pub(super) previous: u32,
    /// Step in which it entered the link that it is on.
    pub(super) on_link_since: u32,
    pub(super) next_position_m: f64,
    pub(super) next_speed_mps: f64,
    pub(super) next_blocker: u32,
    /// Step in which it entered the network.
    pub entered: u32,
    /// Step in which it left the network.
    pub left: u32,
    /// Steps that it had waited when it came to its lane.
    pub(super) waited_before: u32,
}

/// Who is on a way.
#[derive(Clone, Copy, Component, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Chain {
    /// The one in front.
    pub first: u32,
    /// The one at the back.
    pub last: u32,
    /// How many there are.
    pub vehicles: u32,
    /// How many of them wait.
    pub waiting: u32,
    /// Vehicles that have been here since the last decision.
    pub seen: u32,
    /// Steps that vehicles have waited here since the last decision, all together.
    pub waited: u32,
    /// The first of those who came in this step.
    pub(super) entrants: u32,
    /// Vehicles that have entered the network here.
    pub(super) admitted: u32,
    /// In the queue model: when the next one may leave, and when the next one may enter the network.
    pub(super) next_departure_s: f64,
    pub(super) next_entry_s: f64,
    /// Departures of this green.
    pub(super) departed: u32,
    /// Whether somebody could go in the step before.
    pub(super) was_green: u32,
    /// Where the first one would go.
    pub(super) offer: u32,
    /// Vehicles that will come in this step.
    pub(super) arrivals: u32,
}

columns! {
    /// Which of 32 neighbouring ways have a vehicle on them, a bit each.
    Occupied(u32);
}

/// Ways of a row of [`Occupied`].
pub(super) const BLOCK: usize = 32;

/// A light.
#[derive(Clone, Copy, Component, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Light {
    /// Time left of the phase, where the light follows its own table.
    pub remaining_s: f64,
    /// Time since the last change began: clearance counts, so a fresh green starts at the clearance's length.
    pub since_s: f64,
    /// The phase that it shows.
    pub phase: u32,
    /// The green that it shows or will show, as an index of the crossing's greens.
    pub green: u32,
    /// Whether the crossing is being cleared for that green: 0 or 1.
    pub clearing: u32,
    /// In the queue model: the phase of the step before.
    pub(super) before: u32,
}

/// What a movement has seen in the episode.
#[derive(Clone, Copy, Component, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Passage {
    /// Vehicles that came through.
    pub vehicles: u32,
    /// Steps that they waited before it, all together.
    pub waited: u32,
    /// Steps that one of them waited, at most.
    pub longest: u32,
}

/// How a green has fared in decisions.
#[derive(Clone, Copy, Component, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Choosing {
    /// Decisions since it was last asked for.
    pub passed_over: u32,
}

/// Who waits at a crosswalk. People stand among the [`Walker`]s crosswalk by crosswalk, in the order in which they come.
#[derive(Clone, Copy, Component, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Curb {
    /// The first who comes in the episode.
    pub begin: u32,
    /// The first who waits. Those before have crossed.
    pub first: u32,
    /// The first who has not come yet.
    pub next: u32,
    /// The first of the next crosswalk.
    pub end: u32,
    /// Steps that the phases shown have let people cross without a break.
    pub green: u32,
}

/// Somebody on foot.
#[derive(Clone, Copy, Component, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Walker {
    /// Step in which he comes.
    pub came: u32,
    /// Step in which he has crossed.
    pub crossed: u32,
}

/// What a lane of the batch counts.
#[derive(Clone, Copy, Component, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Tally {
    /// Steps that are over.
    pub steps: u32,
    /// Vehicles that have reached their destination.
    pub finished: u32,
    /// Steps from creation to destination, of all that finished.
    pub travelled: u64,
    /// Vehicles moved, summed over steps.
    pub updates: u64,
    /// Noise of this decision, for drivers that dawdle.
    pub noise: u32,
    unused: u32,
}

/// What changes during an episode, of one lane of the batch.
pub struct State<'s> {
    /// One per departure.
    pub vehicles: &'s mut [Vehicle],
    /// One per way.
    pub chains: &'s mut [Chain],
    /// One per 32 ways.
    pub occupied: &'s mut [Occupied],
    /// One per crossing.
    pub lights: &'s mut [Light],
    /// One per movement.
    pub passages: &'s mut [Passage],
    /// One per green of every crossing.
    pub choices: &'s mut [Choosing],
    /// What is counted.
    pub tally: &'s mut Tally,
    /// One per crosswalk.
    pub curbs: &'s mut [Curb],
    /// Everybody on foot who comes in the episode, and rows that were not needed.
    pub walkers: &'s mut [Walker],
}

/// The same to look at.
#[derive(Clone, Copy)]
pub struct Shown<'s> {
    /// One per departure.
    pub vehicles: &'s [Vehicle],
    /// One per way.
    pub chains: &'s [Chain],
    /// One per crossing.
    pub lights: &'s [Light],
    /// One per movement.
    pub passages: &'s [Passage],
    /// One per green of every crossing.
    pub choices: &'s [Choosing],
    /// What is counted.
    pub tally: &'s Tally,
    /// One per crosswalk.
    pub curbs: &'s [Curb],
    /// Everybody on foot.
    pub walkers: &'s [Walker],
}

impl Vehicle {
    /// Where it is on its way, to compute with.
    pub(super) fn at_m<R: Real>(&self) -> R {
        R::of(self.position_m)
    }

    /// How fast it is, to compute with.
    pub(super) fn fast_mps<R: Real>(&self) -> R {
        R::of(self.speed_mps)
    }
}

impl State<'_> {
    /// To look at.
    pub fn shown(&self) -> Shown<'_> {
        let State { vehicles, chains, lights, passages, choices, tally, curbs, walkers, .. } = self;
        Shown { vehicles, chains, lights, passages, choices, tally, curbs, walkers }
    }
}

impl Passage {
    pub(super) fn count(&mut self, waited: u32) {
        self.vehicles += 1;
        self.waited += waited;
        self.longest = self.longest.max(waited);
    }
}

pub(super) fn some(vehicle: u32) -> Option<u32> {
    (vehicle != NONE).then_some(vehicle)
}

impl Occupied {
    /// The ways of a block that have a vehicle on them.
    pub(super) fn ways(self, block: usize) -> impl Iterator<Item = u32> + use<> {
        let each = std::iter::successors(some_bits(self.0), |bits| some_bits(bits & (bits - 1)));
        each.map(move |bits| (block * BLOCK) as u32 + bits.trailing_zeros())
    }
}

fn some_bits(bits: u32) -> Option<u32> {
    (bits != 0).then_some(bits)
}

pub(super) fn append(state: &mut State<'_>, way: u32, vehicle: u32) {
    state.occupied[way as usize / BLOCK].0 |= 1 << (way as usize % BLOCK);
    let chain = &mut state.chains[way as usize];
    let last = std::mem::replace(&mut chain.last, vehicle);
    chain.vehicles += 1;
    chain.seen += 1;
    match last {
        NONE => chain.first = vehicle,
        last => state.vehicles[last as usize].behind = vehicle,
    }
    state.vehicles[vehicle as usize].behind = NONE;
}

pub(super) fn unlink(state: &mut State<'_>, way: u32, before: u32, vehicle: u32) {
    let behind = state.vehicles[vehicle as usize].behind;
    let chain = &mut state.chains[way as usize];
    chain.vehicles -= 1;
    if chain.vehicles == 0 {
        chain.waiting = 0;
        state.occupied[way as usize / BLOCK].0 &= !(1 << (way as usize % BLOCK));
    }
    if chain.last == vehicle {
        chain.last = before;
    }
    match before {
        NONE => chain.first = behind,
        before => state.vehicles[before as usize].behind = behind,
    }
}
