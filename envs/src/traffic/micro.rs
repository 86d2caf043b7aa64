//! The micro model: every vehicle's position and speed, step by step, as CityFlow moves them without lane changes.
//!
//! All of a step is computed from what was before it: speeds first, then everybody moves, then everybody looks for
//! the one ahead. A vehicle's slot is its number in the demand, and whoever is on a way is chained from the front to
//! the back, so nothing is allocated and nothing overflows.

use super::following::{Driver, Law, Leader, TURN_MPS, WAITING_BELOW_MPS, greater, lesser};
use super::network::demand::{Clock, Demand};
use super::network::{Network, Turn};
use super::queue::Model;
use bevy_ecs::component::Component;
use bytemuck::{Pod, Zeroable};

/// Nobody, nowhere, never.
pub const NONE: u32 = u32::MAX;

/// Where a vehicle is and how it got there.
#[derive(Clone, Copy, Component, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Vehicle {
    /// From the begin of its way to the front bumper.
    pub position_m: f64,
    /// How fast it is.
    pub speed_mps: f64,
    /// To the rear bumper of the one ahead.
    gap_m: f64,
    next_position_m: f64,
    /// In the queue model: when it reaches the end of its lane.
    pub(super) eta_s: f64,
    next_speed_mps: f64,
    /// The one ahead that it follows.
    leader: u32,
    /// The one behind it on the same way.
    pub(super) behind: u32,
    /// The one for whom it waits at a conflict point, since the step before.
    blocker: u32,
    next_blocker: u32,
    /// Where it is, as an index of the paths.
    pub(super) at: u32,
    /// The way that it was on before.
    pub(super) previous: u32,
    /// Step in which it entered the link that it is on.
    on_link_since: u32,
    /// Step in which it entered the network.
    pub entered: u32,
    /// Step in which it left the network.
    pub left: u32,
    /// Steps that it waited.
    pub waited: u32,
    /// Steps that it has been waiting without a break.
    pub halted: u32,
    /// Steps that it had waited when it came to its lane.
    waited_before: u32,
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
    entrants: u32,
    /// Vehicles that have entered the network here.
    admitted: u32,
    /// In the queue model: when the next one may leave, and when the next one may enter the network.
    pub(super) next_departure_s: f64,
    pub(super) next_entry_s: f64,
    /// Departures of this green.
    pub(super) departed: u32,
    /// Whether somebody could go in the step before.
    pub(super) was_green: u32,
    /// Where the first one would go.
    pub(super) offer: u32,
    /// Vehicles that were here when the step began, and that came in it.
    pub(super) before: u32,
    pub(super) arrivals: u32,
    unused: u32,
}

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
    unused: u32,
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
    /// One per crossing.
    pub lights: &'s mut [Light],
    /// One per movement.
    pub passages: &'s mut [Passage],
    /// One per green of every crossing.
    pub choices: &'s mut [Choosing],
    /// What is counted.
    pub tally: &'s mut Tally,
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
}

impl State<'_> {
    /// To look at.
    pub fn shown(&self) -> Shown<'_> {
        let State { vehicles, chains, lights, passages, choices, tally } = self;
        Shown { vehicles, chains, lights, passages, choices, tally }
    }
}

/// A lane or a link, as the step needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) length_m: f64,
    limit_mps: f64,
    /// Lane: its links, in `World::leaving`. Link: its conflicts.
    begin: u32,
    end: u32,
    /// Link: its lanes.
    from: u32,
    pub(super) to: u32,
    /// Link: its crossing, and where its greens stand, phase by phase.
    crossing: u32,
    green_at: u32,
    green_stride: u32,
    pub(super) turn: Turn,
}

/// A conflict point, as the step needs it.
#[derive(Clone, Copy, Debug)]
struct Conflict {
    at_m: f64,
    foe_at_m: f64,
    foe: u32,
}

/// Everything that stays as it is.
#[derive(Debug)]
pub struct World {
    /// The roads.
    pub network: Network,
    /// The vehicles.
    pub demand: Demand,
    /// The clock.
    pub clock: Clock,
    drivers: Vec<Driver>,
    pub(super) ways: Vec<Way>,
    pub(super) lanes: u32,
    leaving: Vec<u32>,
    conflicts: Vec<Conflict>,
    greens: Vec<bool>,
    /// Lanes on which vehicles start.
    pub(super) doors: Vec<u32>,
    model: Model,
    /// Whether vehicles look at [`Tally::noise`].
    pub dawdles: bool,
    /// Steps from one decision to the next.
    pub decision_steps: u32,
    /// Vehicles of the whole episode that want to take each movement.
    pub wanted: Vec<u32>,
    /// Where the greens of every crossing begin in [`State::choices`].
    pub choices_at: Vec<u32>,
}

impl World {
    /// A world of these roads and vehicles.
    pub fn new(network: Network, demand: Demand, clock: Clock) -> Self {
        World::following(network, demand, clock, Law::CityFlow)
    }

    /// The same, in which vehicles follow each other by another law.
    pub fn following(network: Network, demand: Demand, clock: Clock, law: Law) -> Self {
        let lanes = network.lanes.len() as u32;
        let (mut greens, mut green_ats) = (Vec::new(), Vec::new());
        for crossing in &network.crossings {
            green_ats.push(greens.len() as u32);
            let phases = &network.phases[crossing.phases.start as usize..crossing.phases.end as usize];
            greens.extend(phases.iter().flat_map(|phase| phase.green.iter().copied()));
        }
        let lane_way = |lane: &super::network::Lane| Way {
            length_m: lane.length_m,
            limit_mps: lane.limit_mps,
            begin: lane.leaving.start,
            end: lane.leaving.end,
            from: NONE,
            to: NONE,
            crossing: NONE,
            green_at: 0,
            green_stride: 0,
            turn: Turn::Straight,
        };
        let link_way = |link: &super::network::Link| {
            let movement = &network.movements[link.movement as usize];
            let crossing = &network.crossings[movement.crossing as usize];
            Way {
                length_m: link.length_m,
                // Links have no limit of their own.
                limit_mps: f64::INFINITY,
                begin: link.conflicts.start,
                end: link.conflicts.end,
                from: link.from,
                to: link.to,
                crossing: movement.crossing,
                green_at: green_ats[movement.crossing as usize] + link.movement - crossing.movements.start,
                green_stride: crossing.movements.len() as u32,
                turn: movement.turn,
            }
        };
        let ways = network.lanes.iter().map(lane_way).chain(network.links.iter().map(link_way)).collect();
        let conflict = |conflict: &super::network::Conflict| Conflict {
            at_m: conflict.at_m,
            foe_at_m: conflict.foe_at_m,
            foe: lanes + conflict.foe,
        };
        let braking = |kind: &super::network::demand::Kind| kind.max_braking.max(kind.usual_braking);
        let hardest_braking = demand.kinds.iter().map(braking).fold(0.0, f64::max);
        World {
            drivers: demand.kinds.iter().map(|&kind| Driver::new(kind, law, clock.step_s, hardest_braking)).collect(),
            ways,
            lanes,
            leaving: network.leaving.iter().map(|&link| lanes + link).collect(),
            conflicts: network.conflicts.iter().map(conflict).collect(),
            greens,
            decision_steps: 1,
            model: Model::Micro,
            dawdles: matches!(law, Law::Krauss { dawdling } if dawdling.get() > 0.0),
            wanted: wanted(&network, &demand),
            choices_at: choices_at(&network),
            doors: (0..lanes).filter(|&lane| !demand.queues[lane as usize].is_empty()).collect(),
            network,
            demand,
            clock,
        }
    }

    /// The same world, in which crossings decide every so many steps.
    pub fn deciding_every(mut self, steps: u32) -> Self {
        self.decision_steps = steps;
        self
    }

    /// The same world, moved by a model.
    pub fn moved_by(mut self, model: Model) -> Self {
        self.model = model;
        self
    }

    /// Links that leave a lane, as ways.
    pub(super) fn links_of(&self, lane: u32) -> &[u32] {
        let way = &self.ways[lane as usize];
        &self.leaving[way.begin as usize..way.end as usize]
    }

    /// What a vehicle can do.
    pub fn kind(&self, vehicle: u32) -> &super::network::demand::Kind {
        &self.driver(vehicle).kind
    }

    /// Vehicles that have wanted to enter in the first steps.
    pub fn created(&self, steps: u32) -> usize {
        self.demand.departures.partition_point(|departure| departure.step < steps)
    }

    /// Sets everything to the start of an episode. Lights that obey a controller show their first green.
    pub fn start(&self, state: State<'_>) {
        state.vehicles.fill(Vehicle {
            leader: NONE,
            behind: NONE,
            blocker: NONE,
            next_blocker: NONE,
            previous: NONE,
            on_link_since: NONE,
            entered: NONE,
            left: NONE,
            ..Vehicle::zeroed()
        });
        state.chains.fill(Chain { first: NONE, last: NONE, entrants: NONE, ..Chain::zeroed() });
        for (light, crossing) in state.lights.iter_mut().zip(&self.network.crossings) {
            let remaining_s = self.network.phases[crossing.phases.start as usize].duration_s;
            let phase = if crossing.controlled { crossing.greens[0] } else { 0 };
            *light = Light { remaining_s, phase, ..Light::zeroed() };
        }
        state.passages.fill(Passage::zeroed());
        state.choices.fill(Choosing::zeroed());
        *state.tally = Tally::zeroed();
    }

    /// Greens that a light can be asked for, over all crossings.
    pub fn choices(&self) -> usize {
        self.network.crossings.iter().map(|crossing| crossing.greens.len()).sum()
    }

    /// Keeps in mind what a crossing was asked for in a decision.
    pub fn note_choice(&self, choices: &mut [Choosing], crossing: usize, green: u32) {
        let begin = self.choices_at[crossing] as usize;
        let greens = self.network.crossings[crossing].greens.len();
        for (this, choosing) in (0..).zip(&mut choices[begin..begin + greens]) {
            choosing.passed_over = if this == green { 0 } else { choosing.passed_over + 1 };
        }
    }

    /// Forgets what was seen before: a decision begins.
    pub fn decide_anew(&self, state: &mut State<'_>) {
        for chain in &mut state.chains[..self.lanes as usize] {
            chain.seen = chain.vehicles;
            chain.waited = 0;
        }
    }

    /// Moves everybody by one step. Lights are not touched.
    pub fn step(&self, state: &mut State<'_>) {
        if let Model::Queue { headway_s, lost_s } = self.model {
            return self.step_queues(state, headway_s.get(), lost_s.get());
        }
        self.admit(state);
        self.decide(state);
        self.advance(state);
        self.look_ahead(state);
        state.tally.steps += 1;
    }

    fn driver(&self, vehicle: u32) -> &Driver {
        &self.drivers[self.demand.departures[vehicle as usize].kind as usize]
    }

    fn length_m(&self, vehicle: u32) -> f64 {
        self.driver(vehicle).kind.length_m
    }

    /// The way at `ahead` places behind the one at `at` in a vehicle's path.
    pub(super) fn way_of(&self, vehicle: u32, at: u32) -> Option<u32> {
        let end = self.demand.departures[vehicle as usize].path.1;
        (at < end).then(|| self.demand.paths[at as usize])
    }

    pub(super) fn has_green(&self, lights: &[Light], link: &Way) -> bool {
        self.greens[(link.green_at + lights[link.crossing as usize].phase * link.green_stride) as usize]
    }

    /// Links that one of a crossing's greens frees, those that are always free included.
    pub fn links_of_green(&self, crossing: usize, green: u32) -> impl Iterator<Item = u32> + '_ {
        let this = &self.network.crossings[crossing];
        let phase = &self.network.phases[(this.phases.start + this.greens[green as usize]) as usize];
        let movements = this.movements.clone().zip(&phase.green).filter(|(_, free)| **free);
        movements.flat_map(|(movement, _)| self.network.movements[movement as usize].links.clone())
    }

    /// Movements that one of a crossing's greens frees and that must wait in another.
    pub fn movements_of_green(&self, crossing: usize, green: u32) -> impl Iterator<Item = u32> + '_ {
        let this = &self.network.crossings[crossing];
        let free = |number: u32, movement: u32| {
            self.network.phases[(this.phases.start + this.greens[number as usize]) as usize].green[movement as usize]
        };
        let waits = move |movement: u32| (0..this.greens.len() as u32).any(|other| !free(other, movement));
        let numbers =
            (0..this.movements.len() as u32).filter(move |&movement| free(green, movement) && waits(movement));
        numbers.map(move |movement| this.movements.start + movement)
    }

    /// Lanes from which one of a crossing's greens lets vehicles go, those that are always free included.
    pub fn lanes_of_green(&self, crossing: usize, green: u32) -> impl Iterator<Item = u32> + '_ {
        let from = move |link: u32| self.network.links[link as usize].from;
        let freed = move |&lane: &u32| self.links_of_green(crossing, green).any(|link| from(link) == lane);
        self.network.crossings[crossing].incoming.iter().copied().filter(freed)
    }

    /// The movement before which a vehicle is.
    pub fn next_movement(&self, vehicle: u32, this: &Vehicle) -> Option<u32> {
        self.movement_at(vehicle, this.at + 1)
    }

    /// Metres that a vehicle on a lane has to the stop line.
    pub fn to_line_m(&self, lane: u32, this: &Vehicle) -> f64 {
        self.ways[lane as usize].length_m - this.position_m
    }

    /// Whether a link (by its number among links) has green.
    pub fn is_green(&self, lights: &[Light], link: u32) -> bool {
        self.has_green(lights, &self.ways[(self.lanes + link) as usize])
    }

    /// Lets one vehicle per lane in, where there is room.
    fn admit(&self, state: &mut State<'_>) {
        for &lane in &self.doors {
            let Some(vehicle) = self.next_outside(state, lane) else { continue };
            let tail = state.chains[lane as usize].last;
            let min_gap_m = self.kind(vehicle).min_gap_m;
            if tail != NONE && state.vehicles[tail as usize].position_m <= self.length_m(tail) + min_gap_m {
                continue;
            }
            self.admit_one(state, lane, vehicle);
            self.find_leader(state, vehicle, tail);
        }
    }

    /// The first who waits to enter on a lane.
    pub(super) fn next_outside(&self, state: &State<'_>, lane: u32) -> Option<u32> {
        let queue = &self.demand.queues[lane as usize];
        let next = queue.start + state.chains[lane as usize].admitted;
        let vehicle = (next < queue.end).then(|| self.demand.waiting[next as usize])?;
        (self.demand.departures[vehicle as usize].step <= state.tally.steps).then_some(vehicle)
    }

    pub(super) fn admit_one(&self, state: &mut State<'_>, lane: u32, vehicle: u32) {
        let this = &mut state.vehicles[vehicle as usize];
        (this.at, this.entered) = (self.demand.departures[vehicle as usize].path.0, state.tally.steps);
        state.chains[lane as usize].admitted += 1;
        append(state, lane, vehicle);
    }

    /// Everybody's next speed, from what is.
    fn decide(&self, state: &mut State<'_>) {
        for way in 0..self.ways.len() {
            let mut vehicle = state.chains[way].first;
            while vehicle != NONE {
                let (next_mps, blocker) = self.next_speed(&state.shown(), way as u32, vehicle);
                let share = if self.dawdles { dawdles(state.tally, vehicle) } else { 0.0 };
                let this = &mut state.vehicles[vehicle as usize];
                let (speed_mps, moved_m) = self.driver(vehicle).moved(this.speed_mps, next_mps, share);
                (this.next_speed_mps, this.next_blocker) = (speed_mps, blocker);
                this.next_position_m = moved_m + this.position_m;
                vehicle = this.behind;
            }
        }
    }

    /// The speed that a vehicle will try to have, and for whom it waits at a conflict point.
    fn next_speed(&self, state: &Shown<'_>, way: u32, vehicle: u32) -> (f64, u32) {
        let (this, driver, way) = (&state.vehicles[vehicle as usize], self.driver(vehicle), &self.ways[way as usize]);
        let kind = &driver.kind;
        let mut speed_mps = driver.free(this.speed_mps, way.limit_mps);
        if this.leader != NONE && this.gap_m < driver.free_m {
            let ahead = &self.driver(this.leader).kind;
            let leader = Leader {
                speed_mps: state.vehicles[this.leader as usize].speed_mps,
                max_braking: ahead.max_braking,
                usual_braking: ahead.usual_braking,
                gap_m: this.gap_m,
            };
            speed_mps = lesser(speed_mps, driver.behind(this.speed_mps, leader));
        }
        let (crossing_mps, blocker) = self.speed_at_crossing(state, way, vehicle);
        speed_mps = lesser(speed_mps, crossing_mps);
        (greater(speed_mps, this.speed_mps - kind.max_braking * driver.step_s), blocker)
    }

    /// The speed that the light, the lane behind the crossing and other links allow, and who is in the way.
    fn speed_at_crossing(&self, state: &Shown<'_>, way: &Way, vehicle: u32) -> (f64, u32) {
        let (this, driver) = (&state.vehicles[vehicle as usize], self.driver(vehicle));
        let speed_mps = this.speed_mps;
        let mut allowed_mps = driver.kind.max_speed_mps;
        let on_link = way.crossing != NONE;
        let rest_m = way.length_m - this.position_m;
        if !on_link && rest_m > driver.looks_m {
            return (allowed_mps, NONE);
        }
        let (link_at, begins_m) = match self.way_of(vehicle, this.at + u32::from(!on_link)) {
            None => return (allowed_mps, NONE),
            Some(link) => (link, if on_link { this.position_m } else { -rest_m }),
        };
        let link = &self.ways[link_at as usize];
        if !on_link {
            let open = self.has_green(state.lights, link) && self.has_room(state, link.to, driver.kind.length_m);
            if !open && driver.shortest_stop_m(speed_mps) <= rest_m {
                return (lesser(allowed_mps, driver.stop_before(speed_mps, rest_m)), NONE);
            }
            if link.turn != Turn::Straight {
                allowed_mps = lesser(allowed_mps, TURN_MPS);
            }
        }
        for conflict in &self.conflicts[link.begin as usize..link.end as usize] {
            if conflict.at_m < begins_m {
                continue;
            }
            let Some((foe, foe_in_m)) = self.foe(state, conflict) else { continue };
            let in_m = conflict.at_m - begins_m;
            let meeting = Meeting { link, in_m, foe, foe_in_m, foe_link: &self.ways[conflict.foe as usize] };
            if !self.may_pass(state, vehicle, &meeting) {
                return (lesser(allowed_mps, driver.yield_before(speed_mps, in_m)), foe);
            }
        }
        (allowed_mps, NONE)
    }

    /// Whether a vehicle of this length may drive onto a lane.
    fn has_room(&self, state: &Shown<'_>, lane: u32, length_m: f64) -> bool {
        let tail = state.chains[lane as usize].last;
        if tail == NONE {
            return true;
        }
        let vehicle = &state.vehicles[tail as usize];
        vehicle.position_m > self.length_m(tail) + length_m || vehicle.speed_mps >= 2.0
    }

    /// Who comes first to a conflict point, or is just leaving it, on the other link: the vehicle, and how far it has
    /// to go, below zero where it has passed.
    fn foe(&self, state: &Shown<'_>, conflict: &Conflict) -> Option<(u32, f64)> {
        let (link, at_m) = (&self.ways[conflict.foe as usize], conflict.foe_at_m);
        let beyond = state.chains[link.to as usize].last;
        if beyond != NONE && state.vehicles[beyond as usize].previous == conflict.foe {
            let position_m = state.vehicles[beyond as usize].position_m;
            let past_m = link.length_m - at_m;
            if past_m + (position_m - self.length_m(beyond)) < 0.0 {
                return Some((beyond, -(position_m + past_m)));
            }
        }
        let mut vehicle = state.chains[conflict.foe as usize].first;
        while vehicle != NONE {
            let this = &state.vehicles[vehicle as usize];
            if this.position_m <= at_m || this.position_m - at_m - self.length_m(vehicle) <= 0.0 {
                return Some((vehicle, at_m - this.position_m));
            }
            vehicle = this.behind;
        }
        let coming = state.chains[link.from as usize].first;
        if coming == NONE || !self.has_green(state.lights, link) {
            return None;
        }
        let this = &state.vehicles[coming as usize];
        let follows = self.way_of(coming, this.at + 1) == Some(conflict.foe);
        follows.then(|| (coming, (self.ways[link.from as usize].length_m - this.position_m) + at_m))
    }

    /// Whether a vehicle need not wait for its foe.
    fn may_pass(&self, state: &Shown<'_>, vehicle: u32, meeting: &Meeting<'_>) -> bool {
        let &Meeting { link, in_m, foe, foe_in_m, foe_link } = meeting;
        let (this, driver) = (&state.vehicles[vehicle as usize], self.driver(vehicle));
        let (other, other_driver) = (&state.vehicles[foe as usize], self.driver(foe));
        if !driver.can_yield(this.speed_mps, in_m) {
            return true;
        }
        let goes_first = || {
            if link.turn > foe_link.turn {
                return true;
            }
            if foe_in_m <= 0.0 {
                return foe_in_m + other_driver.kind.length_m < 0.0;
            }
            let foe_steps = other_driver.steps_to(other.speed_mps, foe_in_m, foe_link.turn != Turn::Straight);
            let steps = driver.steps_to(this.speed_mps, in_m, link.turn != Turn::Straight);
            if link.turn < foe_link.turn || foe_steps != steps {
                return foe_steps > steps;
            }
            if this.on_link_since != other.on_link_since {
                return this.on_link_since < other.on_link_since;
            }
            if in_m != foe_in_m {
                return in_m < foe_in_m;
            }
            let priority = |vehicle: u32| self.demand.departures[vehicle as usize].priority;
            priority(vehicle) > priority(foe)
        };
        let passes = other_driver.can_yield(other.speed_mps, foe_in_m) && goes_first();
        passes || waits_in_a_ring(state.vehicles, foe)
    }

    /// Everybody moves, from way to way where one ends.
    fn advance(&self, state: &mut State<'_>) {
        // Who changes its way is chained here in between: nobody may move twice.
        let mut movers = NONE;
        for way in 0..self.ways.len() as u32 {
            let (mut before, mut vehicle) = (NONE, state.chains[way as usize].first);
            while vehicle != NONE {
                let behind = state.vehicles[vehicle as usize].behind;
                state.tally.updates += 1;
                let next = state.vehicles[vehicle as usize].at + 1;
                if self.commit(state, vehicle) {
                    unlink(state, way, before, vehicle);
                    self.count_passage(state, vehicle, next);
                    state.vehicles[vehicle as usize].previous = way;
                    state.vehicles[vehicle as usize].behind = std::mem::replace(&mut movers, vehicle);
                } else {
                    before = vehicle;
                }
                vehicle = behind;
            }
        }
        while movers != NONE {
            let vehicle = movers;
            movers = state.vehicles[vehicle as usize].behind;
            match self.way_of(vehicle, state.vehicles[vehicle as usize].at) {
                Some(way) => self.enter(state, way, vehicle),
                None => self.finish(state, vehicle),
            }
        }
    }

    /// Takes over what was decided. Whether the vehicle has come to the end of its way.
    fn commit(&self, state: &mut State<'_>, vehicle: u32) -> bool {
        let this = &mut state.vehicles[vehicle as usize];
        (this.speed_mps, this.position_m) = (this.next_speed_mps, this.next_position_m);
        this.blocker = this.next_blocker;
        let waits = u32::from(this.speed_mps < WAITING_BELOW_MPS);
        this.waited += waits;
        this.halted = (this.halted + 1) * waits;
        let begin = this.at;
        while let Some(way) = self.way_of(vehicle, this.at)
            && this.position_m > self.ways[way as usize].length_m
        {
            this.position_m -= self.ways[way as usize].length_m;
            this.at += 1;
        }
        this.at != begin
    }

    /// A vehicle has gone on to `at` in its path; if that is a link, the link's movement counts it.
    pub(super) fn count_passage(&self, state: &mut State<'_>, vehicle: u32, at: u32) {
        if let Some(movement) = self.movement_at(vehicle, at) {
            let this = &mut state.vehicles[vehicle as usize];
            let waited = this.waited - std::mem::replace(&mut this.waited_before, this.waited);
            state.passages[movement as usize].count(waited);
        }
    }

    fn movement_at(&self, vehicle: u32, at: u32) -> Option<u32> {
        let way = self.way_of(vehicle, at).filter(|&way| way >= self.lanes)?;
        Some(self.network.links[(way - self.lanes) as usize].movement)
    }

    /// The movement before which a vehicle is, and the steps that it has waited there.
    pub fn waits_for(&self, vehicles: &[Vehicle], vehicle: u32) -> Option<(u32, u32)> {
        let this = &vehicles[vehicle as usize];
        if this.entered == NONE || this.left != NONE {
            return None;
        }
        Some((self.movement_at(vehicle, this.at + 1)?, this.waited - this.waited_before))
    }

    /// Vehicles on a way, from the front.
    pub fn on<'s>(&self, state: Shown<'s>, way: u32) -> impl Iterator<Item = (u32, &'s Vehicle)> + use<'s> {
        let first = state.chains[way as usize].first;
        let behind = move |&vehicle: &u32| some(state.vehicles[vehicle as usize].behind);
        std::iter::successors(some(first), behind).map(move |vehicle| (vehicle, &state.vehicles[vehicle as usize]))
    }

    /// Puts a vehicle at the back of a way, among those who came in this step by its position.
    fn enter(&self, state: &mut State<'_>, way: u32, vehicle: u32) {
        let on_link = way >= self.lanes;
        let this = &mut state.vehicles[vehicle as usize];
        this.on_link_since = if on_link { state.tally.steps } else { NONE };
        let position_m = this.position_m;
        let chain = &mut state.chains[way as usize];
        let mut before = NONE;
        let mut after = chain.entrants;
        if after == NONE {
            chain.entrants = vehicle;
            return append(state, way, vehicle);
        }
        while after != NONE && state.vehicles[after as usize].position_m >= position_m {
            (before, after) = (after, state.vehicles[after as usize].behind);
        }
        if after == NONE {
            return append(state, way, vehicle);
        }
        if before == NONE {
            // In front of all entrants: behind whoever was here before.
            let first = std::mem::replace(&mut state.chains[way as usize].entrants, vehicle);
            let mut at = state.chains[way as usize].first;
            while at != first {
                (before, at) = (at, state.vehicles[at as usize].behind);
            }
        }
        state.vehicles[vehicle as usize].behind = after;
        match before {
            NONE => state.chains[way as usize].first = vehicle,
            before => state.vehicles[before as usize].behind = vehicle,
        }
        state.chains[way as usize].vehicles += 1;
        state.chains[way as usize].seen += 1;
    }

    pub(super) fn finish(&self, state: &mut State<'_>, vehicle: u32) {
        let now = state.tally.steps;
        state.vehicles[vehicle as usize].left = now;
        state.tally.finished += 1;
        state.tally.travelled += u64::from(now - self.demand.departures[vehicle as usize].step);
    }

    /// Everybody finds whom it follows.
    fn look_ahead(&self, state: &mut State<'_>) {
        for way in 0..self.ways.len() {
            state.chains[way].entrants = NONE;
            let (mut ahead, mut vehicle) = (NONE, state.chains[way].first);
            let mut waiting = 0;
            while vehicle != NONE {
                self.find_leader(state, vehicle, ahead);
                let blocker = state.vehicles[vehicle as usize].blocker;
                if blocker != NONE && state.vehicles[blocker as usize].left != NONE {
                    state.vehicles[vehicle as usize].blocker = NONE;
                }
                waiting += u32::from(state.vehicles[vehicle as usize].halted > 0);
                (ahead, vehicle) = (vehicle, state.vehicles[vehicle as usize].behind);
            }
            state.chains[way].waiting = waiting;
            state.chains[way].waited += waiting;
        }
    }

    /// Sets whom a vehicle follows: the one ahead on its way, or the last on the ways that it will take.
    fn find_leader(&self, state: &mut State<'_>, vehicle: u32, ahead: u32) {
        let (leader, gap_m) = if ahead == NONE {
            self.leader_beyond(&state.shown(), vehicle)
        } else {
            let position_m = state.vehicles[ahead as usize].position_m;
            (ahead, position_m - self.length_m(ahead) - state.vehicles[vehicle as usize].position_m)
        };
        let this = &mut state.vehicles[vehicle as usize];
        (this.leader, this.gap_m) = (leader, gap_m);
    }

    fn leader_beyond(&self, state: &Shown<'_>, vehicle: u32) -> (u32, f64) {
        let (this, driver) = (&state.vehicles[vehicle as usize], self.driver(vehicle));
        let end = self.demand.departures[vehicle as usize].path.1;
        let ahead = &self.demand.paths[this.at as usize..end as usize];
        let mut distance_m = self.ways[ahead[0] as usize].length_m - this.position_m;
        let gap_to =
            |last: u32, distance_m: f64| distance_m + state.vehicles[last as usize].position_m - self.length_m(last);
        for &way in &ahead[1..] {
            let (mut leader, mut gap_m) = (NONE, 0.0);
            if way < self.lanes {
                leader = state.chains[way as usize].last;
                if leader != NONE {
                    gap_m = gap_to(leader, distance_m);
                }
            } else {
                // Links that begin together overlap.
                let from = &self.ways[self.ways[way as usize].from as usize];
                for &link in &self.leaving[from.begin as usize..from.end as usize] {
                    let last = state.chains[link as usize].last;
                    if last != NONE && (leader == NONE || gap_to(last, distance_m) < gap_m) {
                        (leader, gap_m) = (last, gap_to(last, distance_m));
                    }
                }
            }
            if leader != NONE {
                return (leader, gap_m);
            }
            distance_m += self.ways[way as usize].length_m;
            if distance_m > driver.looks_m {
                break;
            }
        }
        (NONE, 0.0)
    }

    /// Turns the lights that follow their own tables; all of them, if `all`.
    pub fn turn_lights(&self, lights: &mut [Light], all: bool) {
        for (light, crossing) in lights.iter_mut().zip(&self.network.crossings) {
            let phases = &self.network.phases[crossing.phases.start as usize..crossing.phases.end as usize];
            // A phase that was added to clear the crossing takes no time and is passed over.
            if crossing.boundary || (crossing.controlled && !all) || phases.len() < 2 {
                continue;
            }
            light.remaining_s -= self.clock.step_s;
            while light.remaining_s <= 0.0 {
                light.phase = (light.phase + 1) % phases.len() as u32;
                light.remaining_s += phases[light.phase as usize].duration_s;
            }
        }
    }

    /// Mean travel time of all vehicles created so far: the unfinished count with their time until now.
    pub fn average_travel_time_s(&self, state: &Shown<'_>) -> f64 {
        let now = state.tally.steps;
        let created = self.created(now);
        let mut steps = state.tally.travelled;
        for (vehicle, departure) in state.vehicles.iter().zip(&self.demand.departures[..created]) {
            if vehicle.left == NONE {
                steps += u64::from(now - departure.step);
            }
        }
        if created == 0 { 0.0 } else { steps as f64 * self.clock.step_s / created as f64 }
    }
}

fn choices_at(network: &Network) -> Vec<u32> {
    let next = |at: &mut u32, crossing: &super::network::Crossing| {
        let begin = *at;
        *at += crossing.greens.len() as u32;
        Some(begin)
    };
    network.crossings.iter().scan(0, next).collect()
}

fn wanted(network: &Network, demand: &Demand) -> Vec<u32> {
    let lanes = network.lanes.len() as u32;
    let mut wanted = vec![0; network.movements.len()];
    for departure in &demand.departures {
        let path = &demand.paths[departure.path.0 as usize..departure.path.1 as usize];
        for &way in path.iter().filter(|&&way| way >= lanes) {
            wanted[network.links[(way - lanes) as usize].movement as usize] += 1;
        }
    }
    wanted
}

impl Passage {
    fn count(&mut self, waited: u32) {
        self.vehicles += 1;
        self.waited += waited;
        self.longest = self.longest.max(waited);
    }
}

/// Two vehicles before a conflict point.
struct Meeting<'w> {
    link: &'w Way,
    in_m: f64,
    foe: u32,
    foe_in_m: f64,
    foe_link: &'w Way,
}

/// Whether somebody waits for somebody who, in the end, waits for him. Who yields there would lock the crossing.
fn waits_in_a_ring(vehicles: &[Vehicle], first: u32) -> bool {
    let blocker = |vehicle: u32| vehicles[vehicle as usize].blocker;
    let (mut fast, mut slow) = (first, first);
    while fast != NONE && blocker(fast) != NONE {
        slow = blocker(slow);
        fast = blocker(blocker(fast));
        if slow == fast {
            return true;
        }
    }
    false
}

/// A number from 0 to below 1 that belongs to a vehicle and a step: SplitMix64 of both and the decision's noise.
fn dawdles(tally: &Tally, vehicle: u32) -> f64 {
    let mut word = (u64::from(tally.noise) << 32 | u64::from(vehicle)) ^ u64::from(tally.steps) << 40;
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((word ^ (word >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

fn some(vehicle: u32) -> Option<u32> {
    (vehicle != NONE).then_some(vehicle)
}

pub(super) fn append(state: &mut State<'_>, way: u32, vehicle: u32) {
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
    if chain.last == vehicle {
        chain.last = before;
    }
    match before {
        NONE => chain.first = behind,
        before => state.vehicles[before as usize].behind = behind,
    }
}
