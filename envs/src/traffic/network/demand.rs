//! Who drives where and when: every vehicle of an episode, known before it starts.
//!
//! Without lane changes the way of a vehicle follows from its route and the lane on which it starts, so a vehicle is a
//! step, a kind and a path. The lane itself is drawn from the same generator in the same order as in CityFlow, so that
//! networks with several lanes per movement give the same numbers for the same seed.

use super::Network;
use crate::traffic::precision::Real;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;

/// Vehicles of one episode; a demand for more is refused.
pub const MOST_VEHICLES: usize = 1 << 20;

/// Entries of all paths together; a demand for more is refused.
const MOST_PATH_ENTRIES: usize = 1 << 27;

/// Stands behind the last way of every path.
pub const PATH_END: u32 = u32::MAX;

/// What sort of vehicle it is: groups by which waiting is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A car, and what is treated as one: taxis, vans, lorries.
    #[default]
    Car,
    /// A bus or a coach.
    Bus,
    /// An ambulance, a fire engine, the police.
    Emergency,
}

impl Class {
    /// All of them, as they are listed in tables.
    pub const ALL: [Class; 3] = [Class::Car, Class::Bus, Class::Emergency];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Class::Car => "car",
            Class::Bus => "bus",
            Class::Emergency => "emergency",
        }
    }

    /// People in it where nothing is said: 1.2 in a car, 20 in a bus, 2 in an emergency vehicle.
    pub fn persons(self) -> f64 {
        match self {
            Class::Car => 1.2,
            Class::Bus => 20.0,
            Class::Emergency => 2.0,
        }
    }
}

/// What vehicles of a kind can do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind<R = f64> {
    /// From bumper to bumper.
    pub length_m: R,
    /// Gap to the one ahead when standing.
    pub min_gap_m: R,
    /// Speed that it never exceeds.
    pub max_speed_mps: R,
    /// Time gap to the one ahead.
    pub headway_s: R,
    /// Strongest acceleration, in m/s².
    pub max_acceleration: R,
    /// Strongest braking, in m/s².
    pub max_braking: R,
    /// Acceleration that it plans with, in m/s².
    pub usual_acceleration: R,
    /// Braking that it plans with, in m/s².
    pub usual_braking: R,
    /// What sort it is.
    pub class: Class,
    /// People in it.
    pub persons: f64,
}

impl Kind {
    /// The same, with numbers of another precision.
    pub(in crate::traffic) fn rounded<R: Real>(&self) -> Kind<R> {
        Kind {
            length_m: R::of(self.length_m),
            min_gap_m: R::of(self.min_gap_m),
            max_speed_mps: R::of(self.max_speed_mps),
            headway_s: R::of(self.headway_s),
            max_acceleration: R::of(self.max_acceleration),
            max_braking: R::of(self.max_braking),
            usual_acceleration: R::of(self.usual_acceleration),
            usual_braking: R::of(self.usual_braking),
            class: self.class,
            persons: self.persons,
        }
    }

    /// The car of the public data sets.
    pub const CAR: Kind = Kind {
        length_m: 5.0,
        min_gap_m: 2.5,
        max_speed_mps: 11.111,
        headway_s: 2.0,
        max_acceleration: 2.0,
        max_braking: 4.5,
        usual_acceleration: 2.0,
        usual_braking: 4.5,
        class: Class::Car,
        persons: 1.2,
    };

    /// A vehicle of a class: a car, or what differs from it.
    pub fn of(class: Class) -> Kind {
        let car = Kind { class, persons: class.persons(), ..Kind::CAR };
        match class {
            Class::Bus => Kind {
                length_m: 12.0,
                max_acceleration: 1.2,
                usual_acceleration: 1.2,
                max_braking: 4.0,
                usual_braking: 4.0,
                ..car
            },
            Class::Car | Class::Emergency => car,
        }
    }
}

/// Vehicles that follow each other on one route.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowPlan {
    /// What they can do.
    pub kind: Kind,
    /// Roads that they must use, in order; gaps are filled with the shortest way.
    pub route: Vec<usize>,
    /// Time from one to the next.
    pub interval_s: f64,
    /// When the first one comes.
    pub start_s: f64,
    /// After this none comes. None: they never end.
    pub end_s: Option<f64>,
}

/// How long an episode is, and how it starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// Length of a step.
    pub step_s: f64,
    /// Steps of an episode.
    pub steps: u32,
    /// Seed of CityFlow's generator: start lanes where there is a choice, and priorities.
    pub seed: u32,
}

/// A vehicle that will come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Departure {
    /// Step in which it wants to enter.
    pub step: u32,
    /// What it can do, as an index of [`Demand::kinds`].
    pub kind: u32,
    /// Its ways, as indices of [`Demand::paths`].
    pub path: (u32, u32),
    /// Who goes first where nothing else decides.
    pub priority: i32,
}

/// All vehicles of an episode.
#[derive(Clone, Debug, Default)]
pub struct Demand {
    /// Kinds of vehicles.
    pub kinds: Vec<Kind>,
    /// Ways from lane to link to lane, one path after the other, each closed by [`PATH_END`].
    pub paths: Vec<u32>,
    /// Vehicles in the order in which they come.
    pub departures: Vec<Departure>,
    /// Vehicles by the lane on which they start, in the order in which they come.
    pub waiting: Vec<u32>,
    /// The part of `waiting` of every lane.
    pub queues: Vec<Range<u32>>,
    /// Time at which the episode begins, on the clock of the lights' own tables.
    pub begin_s: f64,
}

/// How vehicles find the way between the roads that they must use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// By length, as CityFlow does. A route has two roads or more.
    ByLength,
    /// By time, as SUMO does. A route may be a single road.
    ByTime,
}

/// A flow that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowFault {
    /// Its number.
    pub flow: usize,
    /// Whether its route is to blame.
    pub route: bool,
    /// What is wrong.
    pub message: String,
}

impl Demand {
    /// The vehicles of these flows.
    pub fn build(network: &Network, flows: &[FlowPlan], clock: Clock) -> Result<Self, FlowFault> {
        Demand::routed(network, flows, clock, Routing::ByLength)
    }

    /// The same with another way of finding ways.
    pub fn routed(network: &Network, flows: &[FlowPlan], clock: Clock, by: Routing) -> Result<Self, FlowFault> {
        let mut demand = Demand::default();
        let mut routes = Routes::new(network, by);
        let mut numbers = Vec::with_capacity(flows.len());
        for (flow, plan) in flows.iter().enumerate() {
            let fault = |message| FlowFault { flow, route: true, message };
            numbers.push((demand.kind(plan.kind), routes.number(&plan.route).map_err(fault)?));
        }
        let comings = comings(flows, clock)?;
        let mut random = MersenneTwister::new(clock.seed);
        demand.departures.reserve(comings.len());
        let mut at = 0;
        while at < comings.len() {
            let together = comings[at..].iter().take_while(|coming| coming.step == comings[at].step).count();
            let now = &comings[at..at + together];
            for coming in now {
                let (kind, _) = numbers[coming.flow as usize];
                let priority = random.next() as i32;
                // CityFlow draws the thread that will move the vehicle.
                random.next();
                demand.departures.push(Departure { step: coming.step, kind, path: (0, 0), priority });
            }
            let route = |index: usize| numbers[now[index].flow as usize].1;
            let mut by_road: Vec<usize> = (0..together).collect();
            by_road.sort_by_key(|&index| routes.roads(route(index))[0]);
            for index in by_road {
                let fault = |message| FlowFault { flow: now[index].flow as usize, route: true, message };
                let lot = random.next();
                demand.departures[at + index].path =
                    routes.path(route(index), lot, &mut demand.paths).map_err(fault)?;
            }
            at += together;
        }
        demand.line_up(network.lanes.len());
        Ok(demand)
    }

    fn kind(&mut self, kind: Kind) -> u32 {
        let known = self.kinds.iter().position(|&known| known == kind);
        known.unwrap_or_else(|| {
            self.kinds.push(kind);
            self.kinds.len() - 1
        }) as u32
    }

    /// Sorts the vehicles by the lane on which they start.
    fn line_up(&mut self, lanes: usize) {
        let start = |vehicle: u32| self.paths[self.departures[vehicle as usize].path.0 as usize];
        let mut waiting: Vec<u32> = (0..self.departures.len() as u32).collect();
        waiting.sort_by_key(|&vehicle| start(vehicle));
        let mut at = 0;
        self.queues = (0..lanes as u32)
            .map(|lane| {
                let begin = at;
                at += waiting[at..].iter().take_while(|&&vehicle| start(vehicle) == lane).count();
                begin as u32..at as u32
            })
            .collect();
        self.waiting = waiting;
    }
}

struct Coming {
    step: u32,
    flow: u32,
}

/// Who comes when, in the order of steps and then of flows.
fn comings(flows: &[FlowPlan], clock: Clock) -> Result<Vec<Coming>, FlowFault> {
    // Time is summed up step by step, as CityFlow does.
    let next = |now: &f64| Some(now + clock.step_s);
    let times: Vec<f64> = std::iter::successors(Some(0.0), next).take(clock.steps as usize).collect();
    let mut comings = Vec::new();
    for (flow, plan) in flows.iter().enumerate() {
        let begin = times.partition_point(|&time| time < plan.start_s);
        let end = plan.end_s.map_or(times.len(), |end| times.partition_point(|&time| time <= end));
        let mut since = plan.interval_s;
        for step in begin..end.max(begin) {
            while since >= plan.interval_s {
                comings.push(Coming { step: step as u32, flow: flow as u32 });
                since -= plan.interval_s;
                if comings.len() > MOST_VEHICLES {
                    let message = format!("with this flow more than {MOST_VEHICLES} vehicles come in one episode");
                    return Err(FlowFault { flow, route: false, message });
                }
            }
            since += clock.step_s;
        }
    }
    comings.sort_by_key(|coming| coming.step);
    Ok(comings)
}

/// Routes and the paths along them, each found once.
struct Routes<'n> {
    network: &'n Network,
    by: Routing,
    /// Roads to which a movement leads, and what driving along one costs.
    next: Vec<Vec<u32>>,
    costs: Vec<f64>,
    numbers: BTreeMap<Vec<u32>, usize>,
    routes: Vec<Vec<u32>>,
    /// Paths by route and start lane.
    paths: BTreeMap<(usize, u32), (u32, u32)>,
}

impl<'n> Routes<'n> {
    fn new(network: &'n Network, by: Routing) -> Self {
        let mut next: Vec<Vec<u32>> = vec![Vec::new(); network.roads.len()];
        for movement in &network.movements {
            if !next[movement.from as usize].contains(&movement.to) {
                next[movement.from as usize].push(movement.to);
            }
        }
        let cost = |lane: &super::Lane| match by {
            Routing::ByLength => lane.length_m,
            Routing::ByTime => lane.length_m / lane.limit_mps,
        };
        let mean_cost = |road: &super::Road| {
            let lanes = &network.lanes[road.lanes.start as usize..road.lanes.end as usize];
            lanes.iter().map(cost).sum::<f64>() / lanes.len() as f64
        };
        let costs = network.roads.iter().map(mean_cost).collect();
        Routes { network, by, next, costs, numbers: BTreeMap::new(), routes: Vec::new(), paths: BTreeMap::new() }
    }

    fn name(&self, road: u32) -> &str {
        &self.network.roads[road as usize].name
    }

    fn roads(&self, number: usize) -> &[u32] {
        &self.routes[number]
    }

    /// The number of the route along these roads.
    fn number(&mut self, anchors: &[usize]) -> Result<usize, String> {
        let anchors: Vec<u32> = anchors.iter().map(|&road| road as u32).collect();
        if let Some(&number) = self.numbers.get(&anchors) {
            return Ok(number);
        }
        let route = self.fill(&anchors)?;
        if route.len() < 2 && self.by == Routing::ByLength {
            return Err("a route needs two roads or more".to_owned());
        }
        self.routes.push(route);
        self.numbers.insert(anchors, self.routes.len() - 1);
        Ok(self.routes.len() - 1)
    }

    fn fill(&self, anchors: &[u32]) -> Result<Vec<u32>, String> {
        let mut route: Vec<u32> = anchors.iter().take(1).copied().collect();
        for ends in anchors.windows(2).filter(|ends| ends[0] != ends[1]) {
            if self.next[ends[0] as usize].contains(&ends[1]) {
                route.push(ends[1]);
            } else {
                let between = self.shortest(ends[0], ends[1]).ok_or_else(|| {
                    format!("no way leads from road {:?} to road {:?}", self.name(ends[0]), self.name(ends[1]))
                })?;
                route.extend(between);
            }
        }
        Ok(route)
    }

    /// Roads from one to another, without the first.
    fn shortest(&self, from: u32, to: u32) -> Option<Vec<u32>> {
        let mut best = vec![f64::INFINITY; self.next.len()];
        let mut before = vec![u32::MAX; self.next.len()];
        let mut open = BinaryHeap::from([Open { so_far: 0.0, road: from }]);
        best[from as usize] = 0.0;
        while let Some(Open { so_far, road }) = open.pop() {
            if road == to {
                let mut way = vec![to];
                while before[way[way.len() - 1] as usize] != from {
                    way.push(before[way[way.len() - 1] as usize]);
                }
                way.reverse();
                return Some(way);
            }
            if so_far > best[road as usize] {
                continue;
            }
            for &next in &self.next[road as usize] {
                let through = so_far + self.costs[next as usize];
                if through < best[next as usize] {
                    (best[next as usize], before[next as usize]) = (through, road);
                    open.push(Open { so_far: through, road: next });
                }
            }
        }
        None
    }

    /// The path of a vehicle on this route, whose start lane is drawn by `lot`.
    fn path(&mut self, number: usize, lot: u32, paths: &mut Vec<u32>) -> Result<(u32, u32), String> {
        let network = self.network;
        let route = &self.routes[number];
        let lanes = network.roads[route[0] as usize].lanes.clone();
        let leads_on = |lane: u32| route.get(1).is_none_or(|&next| network.links_to(lane, next).next().is_some());
        let able = || lanes.clone().filter(|&lane| leads_on(lane));
        let count = able().count() as u32;
        let Some(start) = (count > 0).then(|| able().nth((lot % count) as usize)).flatten() else {
            let (from, to) = (self.name(route[0]), self.name(route[1]));
            return Err(format!("no lane of road {from:?} has a link to road {to:?}"));
        };
        if let Some(&path) = self.paths.get(&(number, start)) {
            return Ok(path);
        }
        let begin = paths.len();
        paths.push(start);
        let mut lane = start;
        for at in 1..route.len() {
            let Some(link) = next_link(network, lane, route[at], route.get(at + 1).copied()) else {
                // Who stands on a wrong lane leaves the network at its end, as in CityFlow.
                break;
            };
            lane = network.links[link as usize].to;
            paths.extend([network.lanes.len() as u32 + link, lane]);
        }
        if paths.len() > MOST_PATH_ENTRIES {
            return Err(format!("all routes together have more than {MOST_PATH_ENTRIES} lanes and links"));
        }
        let path = (begin as u32, paths.len() as u32);
        paths.push(PATH_END);
        self.paths.insert((number, start), path);
        Ok(path)
    }
}

/// The link from a lane to the next road: one whose lane leads on to the road after that, as straight ahead as possible.
fn next_link(network: &Network, lane: u32, road: u32, after: Option<u32>) -> Option<u32> {
    let leads_on = |link: &u32| {
        after.is_none_or(|after| network.links_to(network.links[*link as usize].to, after).next().is_some())
    };
    let number = |lane: u32| i64::from(network.lanes[lane as usize].index);
    let aside = |link: &u32| (number(network.links[*link as usize].to) - number(lane)).abs();
    network.links_to(lane, road).filter(leads_on).min_by_key(aside)
}

#[derive(PartialEq)]
struct Open {
    so_far: f64,
    road: u32,
}

impl Eq for Open {}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Open {
    /// The nearest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.so_far.total_cmp(&self.so_far).then(other.road.cmp(&self.road))
    }
}

/// The generator that CityFlow draws from: MT19937 (Matsumoto and Nishimura 1998).
struct MersenneTwister {
    words: [u32; 624],
    at: usize,
}

impl MersenneTwister {
    fn new(seed: u32) -> Self {
        let mut words = [seed; 624];
        for at in 1..624 {
            let last: u32 = words[at - 1];
            words[at] = 1_812_433_253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(at as u32);
        }
        MersenneTwister { words, at: 624 }
    }

    fn next(&mut self) -> u32 {
        if self.at == 624 {
            self.twist();
        }
        let mut word = self.words[self.at];
        self.at += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for at in 0..624 {
            let joined = (self.words[at] & 0x8000_0000) | (self.words[(at + 1) % 624] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.words[at] = self.words[(at + 397) % 624] ^ (joined >> 1) ^ odd;
        }
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_one_of_the_standard_library() {
        // The C++ standard fixes the 10,000th number of the default seed.
        let mut random = MersenneTwister::new(5489);
        (0..9999).for_each(|_| _ = random.next());
        assert_eq!(random.next(), 4_123_659_995);
    }

    #[test]
    fn vehicles_come_at_once_and_then_every_interval() {
        let flow = |interval_s, start_s, end_s| FlowPlan { kind: Kind::CAR, route: vec![], interval_s, start_s, end_s };
        let clock = Clock { step_s: 1.0, steps: 20, seed: 0 };
        let steps = |plan| comings(&[plan], clock).expect("few").iter().map(|coming| coming.step).collect::<Vec<_>>();
        assert_eq!(steps(flow(5.0, 3.0, Some(13.0))), [3, 8, 13]);
        assert_eq!(steps(flow(5.0, 3.0, Some(3.0))), [3]);
        assert_eq!(steps(flow(7.0, 0.0, None)), [0, 7, 14]);
        assert_eq!(steps(flow(0.5, 18.0, None)), [18, 19, 19]);
        assert_eq!(steps(flow(2.5, 10.0, None)), [10, 13, 15, 18]);
        assert!(steps(flow(1.0, 25.0, None)).is_empty());
        let crowd = comings(&[flow(1e-7, 0.0, None)], clock).map(|_| ()).expect_err("too many");
        assert_eq!(crowd.message, "with this flow more than 1048576 vehicles come in one episode");
    }
}
