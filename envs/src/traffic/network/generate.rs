//! Networks that need no file: a grid of crossings, of which an arterial and a single crossing are the small ones, and
//! vehicles that enter them.
//!
//! Every road has three lanes, one each to turn left, go straight on and turn right. Movements and phases are numbered as
//! in the public data sets: first the clearance in which only right turns go, then eight greens.

use super::demand::{Class, FlowPlan, Kind};
use super::{CrossingPlan, Fault, LanePlan, LinkPlan, MovementPlan, Network, PhasePlan, Point, RoadPlan, Turn};
use isonomy_engine::quantity::{Positive, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Crossings of the largest grid.
pub const MOST_CROSSINGS: u32 = 4096;

/// Crossings in rows and columns, with a road in from and out to every side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Rows, from south to north. One row is an arterial.
    pub rows: NonZeroU32,
    /// Columns, from west to east.
    pub columns: NonZeroU32,
    /// From crossing to crossing, in metres; 300 if not given.
    #[serde(default = "block_m")]
    pub block_m: Positive,
    /// What a crossing takes of every road that ends there, in metres; 15 if not given.
    #[serde(default = "crossing_m")]
    pub crossing_m: Positive,
    /// Speed limit; 11.111 if not given.
    #[serde(default = "limit_mps")]
    pub limit_mps: Positive,
}

/// A main road with crossings, each with a side road.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arterial {
    /// Crossings, from west to east.
    pub crossings: NonZeroU32,
    /// From crossing to crossing, in metres; 300 if not given.
    #[serde(default = "block_m")]
    pub block_m: Positive,
    /// What a crossing takes of every road that ends there, in metres; 15 if not given.
    #[serde(default = "crossing_m")]
    pub crossing_m: Positive,
    /// Speed limit; 11.111 if not given.
    #[serde(default = "limit_mps")]
    pub limit_mps: Positive,
}

/// One crossing of two roads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Single {
    /// Length of the roads, in metres; 300 if not given.
    #[serde(default = "block_m")]
    pub block_m: Positive,
    /// What the crossing takes of every road, in metres; 15 if not given.
    #[serde(default = "crossing_m")]
    pub crossing_m: Positive,
    /// Speed limit; 11.111 if not given.
    #[serde(default = "limit_mps")]
    pub limit_mps: Positive,
}

impl From<Arterial> for Grid {
    fn from(of: Arterial) -> Grid {
        let Arterial { crossings: columns, block_m, crossing_m, limit_mps } = of;
        Grid { rows: NonZeroU32::MIN, columns, block_m, crossing_m, limit_mps }
    }
}

impl From<Single> for Grid {
    fn from(of: Single) -> Grid {
        let Single { block_m, crossing_m, limit_mps } = of;
        Grid { rows: NonZeroU32::MIN, columns: NonZeroU32::MIN, block_m, crossing_m, limit_mps }
    }
}

/// Vehicles that enter a network on every road from outside, at random times. Each leaves it on another road that it can
/// reach, drawn like the rest, the shortest way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trips {
    /// Vehicles an hour on every road that leads in.
    pub entry_per_h: Positive,
    /// Share of buses; none if not given.
    #[serde(default = "none")]
    pub buses: Probability,
    /// Share of emergency vehicles; none if not given.
    #[serde(default = "none")]
    pub emergencies: Probability,
}

/// Vehicles that enter a grid from all sides, at random times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entries {
    /// Vehicles an hour on every road from the west and from the east: the main roads.
    pub main_per_h: Positive,
    /// Vehicles an hour on every road from the south and from the north: the side roads.
    pub side_per_h: Positive,
    /// Chance that a vehicle turns left somewhere on its way; 0.1 if not given.
    #[serde(default = "tenth")]
    pub left: Probability,
    /// Chance that it turns right; 0.1 if not given.
    #[serde(default = "tenth")]
    pub right: Probability,
    /// Share of buses; none if not given.
    #[serde(default = "none")]
    pub buses: Probability,
    /// Share of emergency vehicles; none if not given.
    #[serde(default = "none")]
    pub emergencies: Probability,
}

fn constant(value: f64) -> Positive {
    Positive::new(value).expect("a constant above 0")
}

pub(super) fn block_m() -> Positive {
    constant(300.0)
}

pub(super) fn crossing_m() -> Positive {
    constant(15.0)
}

pub(super) fn limit_mps() -> Positive {
    constant(11.111)
}

fn none() -> Probability {
    Probability::new(0.0).expect("a constant between 0 and 1")
}

fn tenth() -> Probability {
    Probability::new(0.1).expect("a constant between 0 and 1")
}

pub(super) const LANE_WIDTH_M: f64 = 4.0;

/// East, north, west, south: where a road leads.
const HEADINGS: [(i64, i64); 4] = [(1, 0), (0, 1), (-1, 0), (0, -1)];

/// Movements of a crossing, by where they come from (as a heading) and how they turn, in the order of the public data.
const MOVEMENTS: [(usize, Turn); 12] = [
    (0, Turn::Straight),
    (0, Turn::Left),
    (0, Turn::Right),
    (1, Turn::Right),
    (1, Turn::Straight),
    (1, Turn::Left),
    (2, Turn::Right),
    (2, Turn::Straight),
    (2, Turn::Left),
    (3, Turn::Left),
    (3, Turn::Right),
    (3, Turn::Straight),
];

/// Movements of every phase besides the right turns: first the clearance, then the greens.
const PHASES: [&[usize]; 9] = [&[], &[0, 7], &[4, 11], &[1, 8], &[5, 9], &[0, 1], &[7, 8], &[4, 5], &[9, 11]];

const RIGHT_TURNS: [usize; 4] = [2, 3, 6, 10];

fn turned(heading: usize, turn: Turn) -> usize {
    match turn {
        Turn::Straight => heading,
        Turn::Left => (heading + 1) % 4,
        Turn::Right => (heading + 3) % 4,
    }
}

pub(super) fn lane(turn: Turn) -> usize {
    match turn {
        Turn::Left => 0,
        Turn::Straight => 1,
        Turn::Right => 2,
    }
}

impl Grid {
    fn inside(&self, (x, y): (i64, i64)) -> bool {
        (1..=i64::from(self.columns.get())).contains(&x) && (1..=i64::from(self.rows.get())).contains(&y)
    }

    /// Crossings, then the ends of the roads that lead out of the grid.
    fn places(&self) -> Vec<(i64, i64)> {
        let (columns, rows) = (i64::from(self.columns.get()), i64::from(self.rows.get()));
        let all = (0..rows + 2).flat_map(|y| (0..columns + 2).map(move |x| (x, y)));
        let corner = |(x, y): (i64, i64)| (x == 0 || x == columns + 1) && (y == 0 || y == rows + 1);
        let (mut inside, outside): (Vec<_>, Vec<_>) =
            all.filter(|&place| !corner(place)).partition(|&place| self.inside(place));
        inside.extend(outside);
        inside
    }

    /// The roads: from where, and with which heading.
    fn roads(&self) -> Vec<((i64, i64), usize)> {
        let leads_somewhere = |&((x, y), heading): &((i64, i64), usize)| {
            let (dx, dy) = HEADINGS[heading];
            let to = (x + dx, y + dy);
            (self.inside((x, y)) && self.on_map(to)) || self.inside(to)
        };
        let all = self.places().into_iter().flat_map(|place| (0..4).map(move |heading| (place, heading)));
        all.filter(leads_somewhere).collect()
    }

    fn on_map(&self, (x, y): (i64, i64)) -> bool {
        (0..=i64::from(self.columns.get()) + 1).contains(&x) && (0..=i64::from(self.rows.get()) + 1).contains(&y)
    }

    /// The network.
    pub fn network(&self) -> Result<Network, Fault> {
        let (places, roads) = (self.places(), self.roads());
        let place_of = |place: (i64, i64)| places.iter().position(|&known| known == place).unwrap_or_default();
        let places_by: std::collections::BTreeMap<_, _> =
            places.iter().map(|&place| (place, place_of(place))).collect();
        let roads_by: std::collections::BTreeMap<_, _> =
            roads.iter().zip(0..).map(|(&road, number)| (road, number)).collect();
        let at = |(x, y): (i64, i64)| Point::new(x as f64 * self.block_m.get(), y as f64 * self.block_m.get());
        let road_plan = |&((x, y), heading): &((i64, i64), usize)| {
            let to = (x + HEADINGS[heading].0, y + HEADINGS[heading].1);
            RoadPlan {
                name: format!("road_{x}_{y}_{heading}"),
                from: places_by[&(x, y)],
                to: places_by[&to],
                points: vec![at((x, y)), at(to)],
                lanes: vec![LanePlan { width_m: LANE_WIDTH_M, limit_mps: self.limit_mps.get(), line: None }; 3],
            }
        };
        let movement = |(x, y): (i64, i64), (heading, turn): (usize, Turn)| {
            let before = (x - HEADINGS[heading].0, y - HEADINGS[heading].1);
            let links =
                (0..3).map(|to| LinkPlan { from: lane(turn), to, points: Vec::new(), right_of_way: None }).collect();
            let (from, to) = (roads_by[&(before, heading)], roads_by[&((x, y), turned(heading, turn))]);
            MovementPlan { turn, from, to, links }
        };
        let crossing = |&(x, y): &(i64, i64)| {
            let inside = self.inside((x, y));
            let phase = |free: &&[usize]| PhasePlan {
                duration_s: if free.is_empty() { 5.0 } else { 30.0 },
                movements: RIGHT_TURNS.iter().chain(*free).copied().collect(),
                passing: false,
            };
            CrossingPlan {
                name: format!("crossing_{x}_{y}"),
                point: at((x, y)),
                width_m: self.crossing_m.get(),
                boundary: !inside,
                controlled: inside,
                movements: if inside {
                    MOVEMENTS.iter().map(|&plan| movement((x, y), plan)).collect()
                } else {
                    Vec::new()
                },
                phases: if inside { PHASES.iter().map(phase).collect() } else { Vec::new() },
                offset_s: 0.0,
            }
        };
        Network::build(roads.iter().map(road_plan).collect(), places.iter().map(crossing).collect())
    }

    /// Vehicles that enter until `until_s`. Every one drives straight through, or turns once at one of the crossings.
    pub fn flows(&self, entries: &Entries, until_s: f64, seed: u32) -> Vec<FlowPlan> {
        let roads = self.roads();
        let numbers: std::collections::BTreeMap<_, _> =
            roads.iter().zip(0..).map(|(&road, number)| (road, number)).collect();
        let mut random = Random(u64::from(seed));
        let mut flows = Vec::new();
        for &(from, heading) in roads.iter().filter(|(from, _)| !self.inside(*from)) {
            let per_h = if heading % 2 == 0 { entries.main_per_h } else { entries.side_per_h };
            let crossings = if heading % 2 == 0 { self.columns } else { self.rows };
            let mut now_s = random.gap_s(per_h.get());
            while now_s < until_s && flows.len() <= super::demand::MOST_VEHICLES {
                let turn = random.turn(entries);
                let at = random.next() % u64::from(crossings.get());
                let ways = self.way(from, heading, turn, at as i64);
                let route = ways.iter().map(|road| numbers[road]).collect();
                let kind = random.kind(entries.buses, entries.emergencies);
                flows.push(single(kind, route, now_s));
                now_s += random.gap_s(per_h.get());
            }
        }
        flows.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        flows
    }

    /// Roads from an entry to the next end of the grid, turning once after `straight` crossings.
    fn way(&self, from: (i64, i64), heading: usize, turn: Turn, straight: i64) -> Vec<((i64, i64), usize)> {
        let (mut place, mut heading, mut passed) = (from, heading, 0);
        let mut way = Vec::new();
        loop {
            way.push((place, heading));
            place = (place.0 + HEADINGS[heading].0, place.1 + HEADINGS[heading].1);
            if !self.inside(place) {
                return way;
            }
            if passed == straight {
                heading = turned(heading, turn);
            }
            passed += 1;
        }
    }
}

/// A vehicle that comes in the second of a time.
fn single(kind: Kind, route: Vec<usize>, now_s: f64) -> FlowPlan {
    let start_s = now_s.floor();
    FlowPlan { kind, route, interval_s: 1.0, start_s, end_s: Some(start_s) }
}

impl Trips {
    /// Vehicles that enter until `until_s`; none where no road leads in from outside or nothing can be reached from one.
    pub fn flows(&self, network: &Network, until_s: f64, seed: u32) -> Option<Vec<FlowPlan>> {
        let mut next: Vec<Vec<u32>> = vec![Vec::new(); network.roads.len()];
        network.movements.iter().for_each(|movement| next[movement.from as usize].push(movement.to));
        let outside = |crossing: u32| network.crossings[crossing as usize].boundary;
        let mut random = Random(u64::from(seed));
        let mut flows = Vec::new();
        for (entry, road) in network.roads.iter().enumerate().filter(|(_, road)| outside(road.from)) {
            let (mut reached, mut open) = (vec![false; next.len()], vec![entry as u32]);
            while let Some(at) = open.pop() {
                if !std::mem::replace(&mut reached[at as usize], true) {
                    open.extend(&next[at as usize]);
                }
            }
            let ends = |exit: &usize| {
                let to = network.roads[*exit].to;
                reached[*exit] && *exit != entry && outside(to) && to != road.from
            };
            let exits: Vec<usize> = (0..network.roads.len()).filter(ends).collect();
            let mut now_s = random.gap_s(self.entry_per_h.get());
            while !exits.is_empty() && now_s < until_s && flows.len() <= super::demand::MOST_VEHICLES {
                let exit = exits[(random.next() % exits.len() as u64) as usize];
                let kind = random.kind(self.buses, self.emergencies);
                flows.push(single(kind, vec![entry, exit], now_s));
                now_s += random.gap_s(self.entry_per_h.get());
            }
        }
        flows.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
        (!flows.is_empty()).then_some(flows)
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): a demand is drawn once, when a scenario is read.
pub(in crate::traffic) struct Random(pub(in crate::traffic) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// From 0 to below 1.
    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Time to the next one of a Poisson process.
    pub(in crate::traffic) fn gap_s(&mut self, per_h: f64) -> f64 {
        -(1.0 - self.share()).ln() * 3600.0 / per_h
    }

    /// A car, if nothing else is wanted: then nothing is drawn.
    fn kind(&mut self, buses: Probability, emergencies: Probability) -> Kind {
        if buses.get() + emergencies.get() == 0.0 {
            return Kind::CAR;
        }
        match self.share() {
            share if share < buses.get() => Kind::of(Class::Bus),
            share if share < buses.get() + emergencies.get() => Kind::of(Class::Emergency),
            _ => Kind::CAR,
        }
    }

    fn turn(&mut self, entries: &Entries) -> Turn {
        let share = self.share();
        match share {
            share if share < entries.left.get() => Turn::Left,
            share if share < entries.left.get() + entries.right.get() => Turn::Right,
            _ => Turn::Straight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::demand::{Clock, Demand};
    use super::*;

    fn grid(rows: u32, columns: u32) -> Grid {
        let count = |count| NonZeroU32::new(count).expect("not zero");
        Grid {
            rows: count(rows),
            columns: count(columns),
            block_m: block_m(),
            crossing_m: crossing_m(),
            limit_mps: limit_mps(),
        }
    }

    #[test]
    fn a_grid_is_whole() {
        let network = grid(2, 3).network().expect("it can be built");
        assert_eq!(network.controlled().count(), 6);
        assert_eq!(network.roads.len(), 2 * (2 * 4 + 3 * 3));
        assert_eq!(network.movements.len(), 6 * 12);
        assert!(network.lanes.iter().all(|lane| lane.length_m == 270.0 || lane.length_m == 285.0));
        for crossing in network.controlled().map(|crossing| &network.crossings[crossing]) {
            assert_eq!((crossing.greens.len(), crossing.clearance), (8, 0));
            assert_eq!((crossing.incoming.len(), crossing.outgoing.len()), (12, 12));
        }
        let conflicts = |link: u32| network.links[link as usize].conflicts.len();
        assert!((0..network.links.len() as u32).all(|link| conflicts(link) > 0));
    }

    #[test]
    fn vehicles_find_their_way() {
        let (grid, clock) = (grid(2, 3), Clock { step_s: 1.0, steps: 3600, seed: 0 });
        let network = grid.network().expect("it can be built");
        let entries: Entries = serde_json::from_str(r#"{"main_per_h": 400, "side_per_h": 100}"#).expect("entries");
        let flows = grid.flows(&entries, 3600.0, 7);
        let demand = Demand::build(&network, &flows, clock).expect("it can be driven");
        let expected = 4.0 * 400.0 + 6.0 * 100.0;
        assert!((demand.departures.len() as f64 - expected).abs() < 4.0 * f64::sqrt(expected));
        // Nobody ends at a lane from which he cannot go on.
        for departure in &demand.departures {
            let last = demand.paths[departure.path.1 as usize - 1] as usize;
            let road = &network.roads[network.lanes[last].road as usize];
            assert!(network.crossings[road.to as usize].boundary);
        }
    }
}
