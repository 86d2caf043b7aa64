//! Everything that stays as it is during an episode: roads, vehicles to come, lights, and what follows from them.

use super::following::{Driver, Law};
use super::network::demand::{Clock, Demand, Departure, Kind};
use super::network::{Crossing, Lane, Link, Network, Turn};
use super::pedestrians::Walkways;
use super::precision::{Precision, Real, Single};
use super::queue::Model;
use super::state::{Chain, Choosing, Light, NONE, Occupied, Passage, Shown, State, Tally, Vehicle, some};
use bytemuck::Zeroable;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A lane or a link, as the step needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<R = f64> {
    pub(super) length_m: R,
    pub(super) limit_mps: R,
    /// Lane: its links, in `World::leaving`. Link: its conflicts.
    pub(super) begin: u32,
    pub(super) end: u32,
    /// Link: its lanes.
    pub(super) from: u32,
    pub(super) to: u32,
    /// Link: its crossing, and where its greens stand, phase by phase.
    pub(super) crossing: u32,
    pub(super) green_at: u32,
    pub(super) green_stride: u32,
    pub(super) turn: Turn,
}

/// A conflict point, as the step needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conflict<R = f64> {
    pub(super) at_m: R,
    pub(super) foe_at_m: R,
    pub(super) foe: u32,
    pub(super) order: Ordering,
}

impl Way {
    fn rounded<R: Real>(&self) -> Way<R> {
        let &Way { length_m, limit_mps, begin, end, from, to, crossing, green_at, green_stride, turn } = self;
        let [length_m, limit_mps] = [length_m, limit_mps].map(R::of);
        Way { length_m, limit_mps, begin, end, from, to, crossing, green_at, green_stride, turn }
    }
}

impl Conflict {
    fn rounded<R: Real>(&self) -> Conflict<R> {
        let &Conflict { at_m, foe_at_m, foe, order } = self;
        Conflict { at_m: R::of(at_m), foe_at_m: R::of(foe_at_m), foe, order }
    }
}

/// What the micro model computes with where it has 32 bits.
#[derive(Debug)]
pub(super) struct Rounded {
    pub(super) drivers: Vec<Driver<Single>>,
    pub(super) ways: Vec<Way<Single>>,
    pub(super) conflicts: Vec<Conflict<Single>>,
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
    pub(super) drivers: Vec<Driver>,
    pub(super) ways: Vec<Way>,
    pub(super) lanes: u32,
    pub(super) leaving: Vec<u32>,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) greens: Vec<bool>,
    /// Lanes on which vehicles start.
    pub(super) doors: Vec<u32>,
    pub(super) model: Model,
    pub(super) law: Law,
    pub(super) rounded: Option<Rounded>,
    /// Length of the longest vehicle.
    pub(super) longest_m: f64,
    /// Whether vehicles look at [`Tally::noise`].
    pub dawdles: bool,
    /// What every green frees, crossing by crossing.
    freed: Vec<Freed>,
    /// Steps from one decision to the next.
    pub decision_steps: u32,
    /// Vehicles of the whole episode that want to take each movement.
    pub wanted: Vec<u32>,
    /// Where the greens of every crossing begin in [`State::choices`].
    pub choices_at: Vec<u32>,
    /// Roads that no fewer vehicles take than others into the same crossing, on average.
    pub main_roads: Vec<bool>,
    /// Pairs of a first and a last road that somebody drives, and which pair every path is of, by where it begins.
    pub(super) pairs: u32,
    pub(super) pair_of: BTreeMap<u32, u32>,
    /// Of every crossing, the others that are controlled and at the other end of a road.
    neighbours: Vec<Vec<u32>>,
    /// Crosswalks, if people walk.
    pub(super) walkways: Walkways,
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
        let lane_way = |lane: &Lane| Way {
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
        let link_way = |link: &Link| {
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
            order: conflict.order,
        };
        let (pairs, pair_of) = pairs(&network, &demand);
        let braking = |kind: &Kind| kind.max_braking.max(kind.usual_braking);
        let hardest_braking = demand.kinds.iter().map(braking).fold(0.0, f64::max);
        World {
            drivers: demand.kinds.iter().map(|&kind| Driver::new(kind, law, clock.step_s, hardest_braking)).collect(),
            ways,
            lanes,
            leaving: network.leaving.iter().map(|&link| lanes + link).collect(),
            conflicts: network.conflicts.iter().map(conflict).collect(),
            greens,
            freed: freed(&network),
            decision_steps: 1,
            model: Model::Micro,
            law,
            rounded: None,
            longest_m: demand.kinds.iter().map(|kind| kind.length_m).fold(0.0, f64::max),
            dawdles: matches!(law, Law::Krauss { dawdling } if dawdling.get() > 0.0),
            wanted: wanted(&network, &demand),
            choices_at: choices_at(&network),
            main_roads: main_roads(&network, &demand),
            pairs,
            pair_of,
            neighbours: neighbours(&network),
            walkways: Walkways::default(),
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

    /// The same world, in which the micro model computes in a precision.
    pub fn computed_in(mut self, precision: Precision) -> Self {
        self.rounded = (precision == Precision::Single).then(|| Rounded {
            drivers: self.drivers.iter().map(Driver::rounded).collect(),
            ways: self.ways.iter().map(Way::rounded).collect(),
            conflicts: self.conflicts.iter().map(Conflict::rounded).collect(),
        });
        self
    }

    /// Ways on which vehicles can be: lanes, and links where vehicles are moved one by one.
    pub(super) fn used_ways(&self) -> usize {
        match self.model {
            Model::Micro => self.network.ways(),
            Model::Queue { .. } => self.network.lanes.len(),
        }
    }

    /// Links that leave a lane, as ways.
    pub(super) fn links_of(&self, lane: u32) -> &[u32] {
        let way = &self.ways[lane as usize];
        &self.leaving[way.begin as usize..way.end as usize]
    }

    /// What a vehicle can do.
    pub fn kind(&self, vehicle: u32) -> &Kind {
        // Most demands have one kind of vehicle: nothing is looked up then.
        if let [only] = self.demand.kinds.as_slice() {
            return only;
        }
        &self.demand.kinds[self.demand.departures[vehicle as usize].kind as usize]
    }

    /// Vehicles that have wanted to enter in the first steps.
    pub fn created(&self, steps: u32) -> usize {
        self.demand.departures.partition_point(|departure| departure.step < steps)
    }

    /// Controlled crossings at the other end of a road, each once, in the order of their numbers.
    pub fn neighbours(&self, crossing: usize) -> &[u32] {
        &self.neighbours[crossing]
    }

    /// Whether a lane leads to a crossing that is controlled.
    pub fn leads_to_light(&self, lane: u32) -> bool {
        let road = &self.network.roads[self.network.lanes[lane as usize].road as usize];
        self.network.crossings[road.to as usize].controlled
    }

    /// Whether there are main roads and others.
    pub(super) fn has_main_and_side(&self) -> bool {
        let leads = |road: u32| self.network.movements.iter().any(|movement| movement.from == road);
        let found = |main: bool| (0..).zip(&self.main_roads).any(|(road, this)| *this == main && leads(road));
        found(true) && found(false)
    }

    /// Length of a path, and the time that it takes on free roads.
    pub(super) fn free_way(&self, (begin, end): (u32, u32), fastest_mps: f64) -> (f64, f64) {
        let ways = self.demand.paths[begin as usize..end as usize].iter().map(|&way| &self.ways[way as usize]);
        ways.fold((0.0, 0.0), |(length_m, time_s), way| {
            (length_m + way.length_m, time_s + way.length_m / way.limit_mps.min(fastest_mps))
        })
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
        state.chains.fill(Chain { first: NONE, last: NONE, entrants: NONE, offer: NONE, ..Chain::zeroed() });
        state.occupied.fill(Occupied(0));
        for (light, crossing) in state.lights.iter_mut().zip(&self.network.crossings) {
            let (own, remaining_s) = self.table_at(crossing, self.demand.begin_s);
            let phase = if crossing.controlled { crossing.greens[0] } else { own };
            *light = Light { remaining_s, phase, before: NONE, ..Light::zeroed() };
        }
        state.passages.fill(Passage::zeroed());
        state.choices.fill(Choosing::zeroed());
        *state.tally = Tally::zeroed();
    }

    /// Lets all lights show what their own tables say at the start of an episode.
    pub fn follow_tables(&self, lights: &mut [Light]) {
        for (light, crossing) in lights.iter_mut().zip(&self.network.crossings) {
            light.phase = self.table_at(crossing, self.demand.begin_s).0;
        }
    }

    /// The phase that a light's own table shows at a time, and how long it still will.
    pub(super) fn table_at(&self, crossing: &Crossing, time_s: f64) -> (u32, f64) {
        let phases = &self.network.phases[crossing.phases.start as usize..crossing.phases.end as usize];
        let cycle_s: f64 = phases.iter().map(|phase| phase.duration_s).sum();
        let mut into_s = if cycle_s > 0.0 { (time_s - crossing.offset_s).rem_euclid(cycle_s) } else { 0.0 };
        for (number, phase) in phases.iter().enumerate() {
            // At the begin of a table a phase of no time is shown as well.
            if into_s < phase.duration_s || into_s == 0.0 && number == 0 {
                return (number as u32, phase.duration_s - into_s);
            }
            into_s -= phase.duration_s;
        }
        (0, phases[0].duration_s)
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

    /// The way at an index of the paths, if the path does not end there.
    pub(super) fn way_at(&self, at: u32) -> Option<u32> {
        some(self.demand.paths[at as usize])
    }

    pub(super) fn has_green<R>(&self, lights: &[Light], link: &Way<R>) -> bool {
        self.greens[(link.green_at + lights[link.crossing as usize].phase * link.green_stride) as usize]
    }

    fn freed(&self, crossing: usize, green: u32) -> &Freed {
        &self.freed[(self.choices_at[crossing] + green) as usize]
    }

    /// Links that one of a crossing's greens frees, those that are always free included.
    pub fn links_of_green(&self, crossing: usize, green: u32) -> impl Iterator<Item = u32> + Clone + '_ {
        self.freed(crossing, green).links.iter().copied()
    }

    /// Lanes from which one of a crossing's greens lets vehicles go, those that are always free included.
    pub fn lanes_of_green(&self, crossing: usize, green: u32) -> impl Iterator<Item = u32> + Clone + '_ {
        self.freed(crossing, green).lanes.iter().copied()
    }

    /// Lanes from which a movement leaves, each once.
    pub fn lanes_before(&self, movement: u32) -> impl Iterator<Item = u32> + '_ {
        let this = &self.network.movements[movement as usize];
        let links = &self.network.links[this.links.start as usize..this.links.end as usize];
        self.network.roads[this.from as usize].lanes.clone().filter(|&lane| links.iter().any(|link| link.from == lane))
    }

    /// Movements that one of a crossing's greens frees and that must wait in another.
    pub fn movements_of_green(&self, crossing: usize, green: u32) -> impl Iterator<Item = u32> + Clone + '_ {
        self.freed(crossing, green).movements.iter().copied()
    }

    /// Whether one of a crossing's greens frees opposite movements of one kind only, straight on or to the left: one of
    /// the classical four of a crossing of four roads.
    pub fn is_plain(&self, crossing: usize, green: u32) -> bool {
        self.freed(crossing, green).plain
    }

    /// The movement before which a vehicle is.
    pub fn next_movement(&self, this: &Vehicle) -> Option<u32> {
        self.movement_at(this.at + 1)
    }

    /// Metres that a vehicle on a lane has to the stop line.
    pub fn to_line_m(&self, state: Shown<'_>, lane: u32, this: &Vehicle) -> f64 {
        match self.model {
            Model::Micro => match &self.rounded {
                None => self.ways[lane as usize].length_m - this.position_m,
                Some(rounded) => (rounded.ways[lane as usize].length_m - this.at_m::<Single>()).get(),
            },
            Model::Queue { .. } => {
                let now_s = f64::from(state.tally.steps) * self.clock.step_s;
                (this.eta_s - now_s).max(0.0) * self.ways[lane as usize].limit_mps
            }
        }
    }

    /// Whether a link (by its number among links) has green.
    pub fn is_green(&self, lights: &[Light], link: u32) -> bool {
        self.has_green(lights, &self.ways[(self.lanes + link) as usize])
    }

    pub(super) fn movement_at(&self, at: u32) -> Option<u32> {
        let way = self.way_at(at).filter(|&way| way >= self.lanes)?;
        Some(self.network.links[(way - self.lanes) as usize].movement)
    }

    /// The movement before which a vehicle is, and the steps that it has waited there.
    pub fn waits_for(&self, vehicles: &[Vehicle], vehicle: u32) -> Option<(u32, u32)> {
        let this = &vehicles[vehicle as usize];
        if this.entered == NONE || this.left != NONE {
            return None;
        }
        Some((self.movement_at(this.at + 1)?, this.waited - this.waited_before))
    }

    /// Vehicles on a way, from the front.
    pub fn on<'s>(&self, state: Shown<'s>, way: u32) -> impl Iterator<Item = (u32, &'s Vehicle)> + use<'s> {
        let first = state.chains[way as usize].first;
        let behind = move |&vehicle: &u32| some(state.vehicles[vehicle as usize].behind);
        std::iter::successors(some(first), behind).map(move |vehicle| (vehicle, &state.vehicles[vehicle as usize]))
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

/// What a green frees.
#[derive(Debug)]
struct Freed {
    links: Vec<u32>,
    lanes: Vec<u32>,
    movements: Vec<u32>,
    plain: bool,
}

fn freed(network: &Network) -> Vec<Freed> {
    let each =
        network.crossings.iter().flat_map(|crossing| crossing.greens.iter().map(move |&green| (crossing, green)));
    each.map(|(crossing, green)| Freed::of(network, crossing, green)).collect()
}

impl Freed {
    fn of(network: &Network, crossing: &Crossing, phase: u32) -> Self {
        let free = |phase: u32, number: usize| network.phases[(crossing.phases.start + phase) as usize].green[number];
        let waits = |number: usize| crossing.greens.iter().any(|&other| !free(other, number));
        let numbers = (0..crossing.movements.len()).filter(|&number| free(phase, number));
        let movement = |number: usize| crossing.movements.start + number as u32;
        let movements: Vec<u32> = numbers.clone().filter(|&number| waits(number)).map(movement).collect();
        let links: Vec<u32> =
            numbers.flat_map(|number| network.movements[movement(number) as usize].links.clone()).collect();
        let from = |lane: &u32| links.iter().any(|&link| network.links[link as usize].from == *lane);
        let lanes = crossing.incoming.iter().copied().filter(from).collect();
        Freed { links, lanes, movements, plain: network.is_plain(crossing, phase) }
    }
}

fn choices_at(network: &Network) -> Vec<u32> {
    let next = |at: &mut u32, crossing: &Crossing| {
        let begin = *at;
        *at += crossing.greens.len() as u32;
        Some(begin)
    };
    network.crossings.iter().scan(0, next).collect()
}

fn neighbours(network: &Network) -> Vec<Vec<u32>> {
    let mut neighbours = vec![Vec::new(); network.crossings.len()];
    for road in &network.roads {
        for (one, other) in [(road.from, road.to), (road.to, road.from)] {
            if one != other && network.crossings[other as usize].controlled {
                neighbours[one as usize].push(other);
            }
        }
    }
    for of in &mut neighbours {
        of.sort_unstable();
        of.dedup();
    }
    neighbours
}

/// Roads into a crossing that no fewer vehicles take than its roads do on average.
fn main_roads(network: &Network, demand: &Demand) -> Vec<bool> {
    let mut used = vec![0u64; network.roads.len()];
    for (movement, wanted) in network.movements.iter().zip(wanted(network, demand)) {
        used[movement.from as usize] += u64::from(wanted);
    }
    let (mut sums, mut counts) = (vec![0u64; network.crossings.len()], vec![0u64; network.crossings.len()]);
    for (road, used) in network.roads.iter().zip(&used) {
        sums[road.to as usize] += used;
        counts[road.to as usize] += 1;
    }
    let main = |(road, used): (&super::network::Road, &u64)| used * counts[road.to as usize] >= sums[road.to as usize];
    network.roads.iter().zip(&used).map(main).collect()
}

/// How many pairs of a first and a last road there are, and which pair every path is of.
fn pairs(network: &Network, demand: &Demand) -> (u32, BTreeMap<u32, u32>) {
    let (mut pairs, mut pair_of) = (BTreeMap::new(), BTreeMap::new());
    for &Departure { path: (begin, end), .. } in &demand.departures {
        pair_of.entry(begin).or_insert_with(|| {
            let road = |at: u32| network.lanes[demand.paths[at as usize] as usize].road;
            let next = pairs.len() as u32;
            *pairs.entry((road(begin), road(end - 1))).or_insert(next)
        });
    }
    (pairs.len() as u32, pair_of)
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
