//! The micro model: every vehicle's position and speed, step by step, as CityFlow moves them without lane changes.
//!
//! All of a step is computed from what was before it: speeds first, then everybody moves, then everybody looks for
//! the one ahead. A vehicle's slot is its number in the demand, and whoever is on a way is chained from the front to
//! the back, so nothing is allocated and nothing overflows. Columns have 64 bits; what is computed from them may have 32,
//! and then they hold numbers of 32 bits, as on a device (`twin/micro.wgsl`).

use super::following::{Driver, Leader, TURN_MPS, WAITING_BELOW_MPS, greater, lesser};
use super::network::Turn;
use super::precision::Real;
use super::queue::Model;
use super::state::{NONE, Shown, State, Tally, Vehicle, append, unlink};
use super::world::{Conflict, Rounded, Way, World};
use std::cmp::Ordering;

impl World {
    /// Moves everybody by one step. Lights are not touched.
    pub fn step(&self, state: &mut State<'_>) {
        if let Model::Queue { headway_s, lost_s } = self.model {
            return self.step_queues(state, headway_s.get(), lost_s.get());
        }
        match &self.rounded {
            None => Micro::new(self, &self.drivers, &self.ways, &self.conflicts).step(state),
            Some(Rounded { drivers, ways, conflicts }) => Micro::new(self, drivers, ways, conflicts).step(state),
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

    /// A vehicle has gone on to `at` in its path; if that is a link, the link's movement counts it.
    pub(super) fn count_passage(&self, state: &mut State<'_>, vehicle: u32, at: u32) {
        if let Some(movement) = self.movement_at(at) {
            let this = &mut state.vehicles[vehicle as usize];
            let waited = this.waited - std::mem::replace(&mut this.waited_before, this.waited);
            state.passages[movement as usize].count(waited);
        }
    }

    pub(super) fn finish(&self, state: &mut State<'_>, vehicle: u32) {
        let now = state.tally.steps;
        let this = &mut state.vehicles[vehicle as usize];
        (this.left, this.behind, this.leader) = (now, NONE, NONE);
        state.tally.finished += 1;
        state.tally.travelled += u64::from(now - self.demand.departures[vehicle as usize].step);
    }
}

/// The micro model in one precision.
struct Micro<'w, R> {
    world: &'w World,
    drivers: &'w [Driver<R>],
    ways: &'w [Way<R>],
    conflicts: &'w [Conflict<R>],
    /// Length of the longest vehicle.
    longest_m: R,
}

impl<'w, R: Real> Micro<'w, R> {
    fn new(world: &'w World, drivers: &'w [Driver<R>], ways: &'w [Way<R>], conflicts: &'w [Conflict<R>]) -> Self {
        Micro { world, drivers, ways, conflicts, longest_m: R::of(world.longest_m) }
    }

    fn step(&self, state: &mut State<'_>) {
        self.admit(state);
        self.decide(state);
        self.advance(state);
        self.look_ahead(state);
        state.tally.steps += 1;
    }

    fn driver(&self, vehicle: u32) -> &'w Driver<R> {
        // Most demands have one kind of vehicle: nothing is looked up then.
        if let [only] = self.drivers {
            return only;
        }
        &self.drivers[self.world.demand.departures[vehicle as usize].kind as usize]
    }

    fn length_m(&self, vehicle: u32) -> R {
        self.driver(vehicle).kind.length_m
    }

    /// Lets one vehicle per lane in, where there is room.
    fn admit(&self, state: &mut State<'_>) {
        for &lane in &self.world.doors {
            let Some(vehicle) = self.world.next_outside(state, lane) else { continue };
            let tail = state.chains[lane as usize].last;
            let min_gap_m = self.driver(vehicle).kind.min_gap_m;
            if tail != NONE && state.vehicles[tail as usize].at_m::<R>() <= self.length_m(tail) + min_gap_m {
                continue;
            }
            self.world.admit_one(state, lane, vehicle);
            self.find_leader(state, vehicle, tail);
        }
    }

    /// Everybody's next speed, from what is.
    fn decide(&self, state: &mut State<'_>) {
        for block in 0..state.occupied.len() {
            for way in state.occupied[block].ways(block) {
                let mut vehicle = state.chains[way as usize].first;
                while vehicle != NONE {
                    vehicle = self.decide_one(state, way, vehicle);
                }
            }
        }
    }

    /// Decides for one vehicle; who comes behind it.
    fn decide_one(&self, state: &mut State<'_>, way: u32, vehicle: u32) -> u32 {
        let (next_mps, blocker) = self.next_speed(&state.shown(), way, vehicle);
        let share = if self.world.dawdles { dawdles(state.tally, vehicle) } else { 0.0 };
        let this = &mut state.vehicles[vehicle as usize];
        let (speed_mps, moved_m) = self.driver(vehicle).moved(this.fast_mps(), next_mps, R::of(share));
        (this.next_speed_mps, this.next_blocker) = (speed_mps.get(), blocker);
        this.next_position_m = (moved_m + this.at_m::<R>()).get();
        this.behind
    }

    /// The speed that a vehicle will try to have, and for whom it waits at a conflict point.
    fn next_speed(&self, state: &Shown<'_>, way: u32, vehicle: u32) -> (R, u32) {
        let (this, driver, way) = (&state.vehicles[vehicle as usize], self.driver(vehicle), &self.ways[way as usize]);
        let (own_mps, gap_m) = (this.fast_mps(), R::of(this.gap_m));
        let mut speed_mps = driver.free(own_mps, way.limit_mps);
        if this.leader != NONE && gap_m < driver.free_m {
            let ahead = &self.driver(this.leader).kind;
            let leader = Leader {
                speed_mps: state.vehicles[this.leader as usize].fast_mps(),
                max_braking: ahead.max_braking,
                usual_braking: ahead.usual_braking,
                gap_m,
            };
            speed_mps = match driver.stands_behind(own_mps, &leader) {
                true => R::of(0.0),
                false => lesser(speed_mps, driver.behind(own_mps, leader)),
            };
        }
        let (crossing_mps, blocker) = self.speed_at_crossing(state, way, vehicle);
        speed_mps = lesser(speed_mps, crossing_mps);
        (greater(speed_mps, own_mps - driver.kind.max_braking * driver.step_s), blocker)
    }

    /// The speed that the light, the lane behind the crossing and other links allow, and who is in the way.
    fn speed_at_crossing(&self, state: &Shown<'_>, way: &Way<R>, vehicle: u32) -> (R, u32) {
        let (this, driver) = (&state.vehicles[vehicle as usize], self.driver(vehicle));
        let (position_m, speed_mps) = (this.at_m::<R>(), this.fast_mps::<R>());
        let mut allowed_mps = driver.kind.max_speed_mps;
        let on_link = way.crossing != NONE;
        let rest_m = way.length_m - position_m;
        if !on_link && rest_m > driver.looks_m {
            return (allowed_mps, NONE);
        }
        let (link_at, begins_m) = match self.world.way_at(this.at + u32::from(!on_link)) {
            None => return (allowed_mps, NONE),
            Some(link) => (link, if on_link { position_m } else { -rest_m }),
        };
        let link = &self.ways[link_at as usize];
        if !on_link {
            let open = self.world.has_green(state.lights, link) && self.has_room(state, link.to, driver.kind.length_m);
            if !open && driver.shortest_stop_m(speed_mps) <= rest_m {
                return (lesser(allowed_mps, driver.stop_before(speed_mps, rest_m)), NONE);
            }
            if link.turn != Turn::Straight {
                allowed_mps = lesser(allowed_mps, R::of(TURN_MPS));
            }
        }
        for conflict in &self.conflicts[link.begin as usize..link.end as usize] {
            if conflict.at_m < begins_m {
                continue;
            }
            let Some((foe, foe_in_m)) = self.foe(state, conflict) else { continue };
            let in_m = conflict.at_m - begins_m;
            let foe_link = &self.ways[conflict.foe as usize];
            let meeting = Meeting { link, in_m, foe, foe_in_m, foe_link, order: conflict.order };
            if !self.may_pass(state, vehicle, &meeting) {
                return (lesser(allowed_mps, driver.yield_before(speed_mps, in_m)), foe);
            }
        }
        (allowed_mps, NONE)
    }

    /// Whether a vehicle of this length may drive onto a lane.
    fn has_room(&self, state: &Shown<'_>, lane: u32, length_m: R) -> bool {
        let tail = state.chains[lane as usize].last;
        if tail == NONE {
            return true;
        }
        let vehicle = &state.vehicles[tail as usize];
        vehicle.at_m::<R>() > self.length_m(tail) + length_m || vehicle.fast_mps::<R>() >= 2.0
    }

    /// Who comes first to a conflict point, or is just leaving it, on the other link: the vehicle, and how far it has
    /// to go, below zero where it has passed.
    fn foe(&self, state: &Shown<'_>, conflict: &Conflict<R>) -> Option<(u32, R)> {
        let (link, at_m) = (&self.ways[conflict.foe as usize], conflict.foe_at_m);
        let beyond = state.chains[link.to as usize].last;
        if beyond != NONE && state.vehicles[beyond as usize].previous == conflict.foe {
            let position_m: R = state.vehicles[beyond as usize].at_m();
            let past_m = link.length_m - at_m;
            if past_m + (position_m - self.length_m(beyond)) < 0.0 {
                return Some((beyond, -(position_m + past_m)));
            }
        }
        let mut vehicle = state.chains[conflict.foe as usize].first;
        while vehicle != NONE {
            let this = &state.vehicles[vehicle as usize];
            let position_m: R = this.at_m();
            if position_m <= at_m || position_m - at_m - self.length_m(vehicle) <= 0.0 {
                return Some((vehicle, at_m - position_m));
            }
            vehicle = this.behind;
        }
        let coming = state.chains[link.from as usize].first;
        if coming == NONE || !self.world.has_green(state.lights, link) {
            return None;
        }
        let this = &state.vehicles[coming as usize];
        let follows = self.world.way_at(this.at + 1) == Some(conflict.foe);
        follows.then(|| (coming, (self.ways[link.from as usize].length_m - this.at_m::<R>()) + at_m))
    }

    /// Whether a vehicle need not wait for its foe.
    fn may_pass(&self, state: &Shown<'_>, vehicle: u32, meeting: &Meeting<'_, R>) -> bool {
        let &Meeting { link, in_m, foe, foe_in_m, foe_link, order } = meeting;
        let (this, driver) = (&state.vehicles[vehicle as usize], self.driver(vehicle));
        let (other, other_driver) = (&state.vehicles[foe as usize], self.driver(foe));
        let [own_mps, foe_mps]: [R; 2] = [this.fast_mps(), other.fast_mps()];
        if !driver.can_yield(own_mps, in_m) {
            return true;
        }
        let goes_first = || {
            if order == Ordering::Greater {
                return true;
            }
            if foe_in_m <= 0.0 {
                return foe_in_m + other_driver.kind.length_m < 0.0;
            }
            let foe_steps = other_driver.steps_to(foe_mps, foe_in_m, foe_link.turn != Turn::Straight);
            let steps = driver.steps_to(own_mps, in_m, link.turn != Turn::Straight);
            if order == Ordering::Less || foe_steps != steps {
                return foe_steps > steps;
            }
            if this.on_link_since != other.on_link_since {
                return this.on_link_since < other.on_link_since;
            }
            if in_m != foe_in_m {
                return in_m < foe_in_m;
            }
            let priority = |vehicle: u32| self.world.demand.departures[vehicle as usize].priority;
            priority(vehicle) > priority(foe)
        };
        let passes = other_driver.can_yield(foe_mps, foe_in_m) && goes_first();
        passes || waits_in_a_ring(state.vehicles, foe)
    }

    /// Everybody moves, from way to way where one ends.
    fn advance(&self, state: &mut State<'_>) {
        // Who changes its way is chained here in between: nobody may move twice.
        let mut movers = NONE;
        for block in 0..state.occupied.len() {
            for way in state.occupied[block].ways(block) {
                self.advance_on(state, way, &mut movers);
            }
        }
        while movers != NONE {
            let vehicle = movers;
            movers = state.vehicles[vehicle as usize].behind;
            match self.world.way_at(state.vehicles[vehicle as usize].at) {
                Some(way) => self.enter(state, way, vehicle),
                None => self.world.finish(state, vehicle),
            }
        }
    }

    fn advance_on(&self, state: &mut State<'_>, way: u32, movers: &mut u32) {
        let (mut before, mut vehicle) = (NONE, state.chains[way as usize].first);
        state.tally.updates += u64::from(state.chains[way as usize].vehicles);
        while vehicle != NONE {
            let this = &state.vehicles[vehicle as usize];
            let (behind, next) = (this.behind, this.at + 1);
            if self.commit(state, vehicle) {
                unlink(state, way, before, vehicle);
                self.world.count_passage(state, vehicle, next);
                state.vehicles[vehicle as usize].previous = way;
                state.vehicles[vehicle as usize].behind = std::mem::replace(movers, vehicle);
            } else {
                before = vehicle;
            }
            vehicle = behind;
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
        let (begin, mut position_m) = (this.at, this.at_m::<R>());
        while let Some(way) = self.world.way_at(this.at)
            && position_m > self.ways[way as usize].length_m
        {
            position_m = position_m - self.ways[way as usize].length_m;
            this.at += 1;
        }
        this.position_m = position_m.get();
        this.at != begin
    }

    /// Puts a vehicle at the back of a way, among those who came in this step by its position.
    fn enter(&self, state: &mut State<'_>, way: u32, vehicle: u32) {
        let on_link = way >= self.world.lanes;
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

    /// Everybody finds whom it follows.
    fn look_ahead(&self, state: &mut State<'_>) {
        for block in 0..state.occupied.len() {
            for way in state.occupied[block].ways(block) {
                self.look_ahead_on(state, way as usize);
            }
        }
    }

    fn look_ahead_on(&self, state: &mut State<'_>, way: usize) {
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

    /// Sets whom a vehicle follows: the one ahead on its way, or the last on the ways that it will take.
    fn find_leader(&self, state: &mut State<'_>, vehicle: u32, ahead: u32) {
        let (leader, gap_m) = if ahead == NONE {
            self.leader_beyond(&state.shown(), vehicle)
        } else {
            let [ahead_m, own_m]: [R; 2] = [ahead, vehicle].map(|of| state.vehicles[of as usize].at_m());
            (ahead, ahead_m - self.length_m(ahead) - own_m)
        };
        let this = &mut state.vehicles[vehicle as usize];
        (this.leader, this.gap_m) = (leader, gap_m.get());
    }

    fn leader_beyond(&self, state: &Shown<'_>, vehicle: u32) -> (u32, R) {
        let (this, driver) = (&state.vehicles[vehicle as usize], self.driver(vehicle));
        let mut ahead = self.world.demand.paths[this.at as usize..].iter().copied().take_while(|&way| way != NONE);
        let Some(own) = ahead.next() else { return (NONE, R::of(0.0)) };
        let mut distance_m = self.ways[own as usize].length_m - this.at_m::<R>();
        if distance_m > driver.free_m + self.longest_m {
            // Whoever is there slows nobody down.
            return (NONE, R::of(0.0));
        }
        let gap_to =
            |last: u32, distance_m: R| distance_m + state.vehicles[last as usize].at_m::<R>() - self.length_m(last);
        for way in ahead {
            let (mut leader, mut gap_m) = (NONE, R::of(0.0));
            if way < self.world.lanes {
                leader = state.chains[way as usize].last;
                if leader != NONE {
                    gap_m = gap_to(leader, distance_m);
                }
            } else {
                // Links that begin together overlap.
                for &link in self.world.links_of(self.ways[way as usize].from) {
                    let last = state.chains[link as usize].last;
                    if last != NONE && (leader == NONE || gap_to(last, distance_m) < gap_m) {
                        (leader, gap_m) = (last, gap_to(last, distance_m));
                    }
                }
            }
            if leader != NONE {
                return (leader, gap_m);
            }
            distance_m = distance_m + self.ways[way as usize].length_m;
            if distance_m > driver.looks_m {
                break;
            }
        }
        (NONE, R::of(0.0))
    }
}

/// Two vehicles before a conflict point.
struct Meeting<'w, R> {
    link: &'w Way<R>,
    in_m: R,
    foe: u32,
    foe_in_m: R,
    foe_link: &'w Way<R>,
    /// Whose right of way it is.
    order: Ordering,
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
