//! An episode as a page: vehicles, lights, and who waits, on the map.
//!
//! What a vehicle did is a line through time and its way. It is kept as the few corners of that line, to a metre; where
//! the vehicle waits the line is level, to the step. The page (`replay.html`) draws the rest from them.

use super::host::Columns;
use super::network::{Crossing, Crosswalk, Network, Point, Turn};
use super::queue::Model;
use super::state::{NONE, Shown};
use super::world::World;
use super::{Streets, Traffic};
use isonomy_engine::lanes::{At, LaneDynamics, LaneState};
use isonomy_engine::replay::{Caption, Episode, Replay};
use serde::Serialize;
use std::collections::BTreeMap;

/// Places along a way are multiples of this.
const QUANTUM_M: f64 = 0.5;

/// How far a vehicle may be from where it is drawn, besides the rounding.
const OFF_M: f64 = 1.0;

/// Numbers of one episode; what comes after so many is left out, and the page says so.
const MOST_NUMBERS: usize = 1 << 23;

const PAGE: &str = include_str!("replay.html");

/// What the page reads.
#[derive(Serialize)]
struct Data<'d> {
    caption: Captioned<'d>,
    model: &'static str,
    step_s: f64,
    steps: u32,
    quantum: f64,
    place_m: f64,
    roads: Vec<&'d str>,
    /// Road, number from the left, width, length, line.
    lanes: Vec<(u32, u32, f64, f64, Vec<i64>)>,
    /// Lane from and to, movement, length, line.
    links: Vec<(u32, u32, u32, f64, Vec<i64>)>,
    /// Crossing, turn in the order of [`Turn::ALL`], links.
    movements: Vec<(u32, usize, u32, u32)>,
    crossings: Vec<CrossingData<'d>>,
    /// Crossing, line, and phases that let people cross.
    crosswalks: Vec<(u32, Vec<i64>, Vec<usize>)>,
    kinds: Vec<KindData>,
    /// The first lane of every path, then its links.
    paths: Vec<Vec<u32>>,
    copies: Vec<Copy>,
}

#[derive(Serialize)]
struct Captioned<'d> {
    scenario: &'d str,
    about: &'d str,
    episodes: &'d str,
}

#[derive(Serialize)]
struct CrossingData<'d> {
    name: &'d str,
    /// Whether it has a light.
    light: bool,
    movements: (u32, u32),
    /// Movements that are free in every phase, as numbers from the crossing's first.
    phases: Vec<Vec<usize>>,
}

#[derive(Serialize)]
struct KindData {
    length: f64,
    class: &'static str,
}

/// One lane of the batch.
#[derive(Serialize)]
struct Copy {
    lane: usize,
    /// Steps that are shown.
    steps: u32,
    /// Per vehicle that entered: step of creation, steps outside, path, kind; then the corners of its line, each as steps
    /// and quanta after the one before. No quanta: it waited.
    vehicles: Vec<Vec<u32>>,
    /// Steps in which those were created who never entered.
    outside: Vec<u32>,
    /// Per crossing: steps after the change before, phase, and so on.
    lights: Vec<Vec<u32>>,
    /// Per crosswalk: steps after the change before, people waiting, and so on.
    curbs: Vec<Vec<u32>>,
    measures: BTreeMap<String, f64>,
}

impl Replay for Traffic {
    fn page(&self, caption: &Caption, episodes: &[Episode]) -> String {
        let Ok(world) = self.world() else { return String::new() };
        let streets = Streets::new(self, world.clone());
        let (paths, path_of) = paths(world);
        let network = &world.network;
        let turn = |turn: Turn| Turn::ALL.iter().position(|&known| known == turn).unwrap_or_default();
        let data = Data {
            caption: Captioned { scenario: &caption.scenario, about: &caption.about, episodes: &caption.episodes },
            model: if world.model == Model::Micro { "micro" } else { "queue" },
            step_s: world.clock.step_s,
            steps: world.clock.steps,
            quantum: QUANTUM_M,
            place_m: super::observation::PLACE_M,
            roads: network.roads.iter().map(|road| road.name.as_str()).collect(),
            lanes: network
                .lanes
                .iter()
                .map(|lane| (lane.road, lane.index, lane.width_m, hundredths(lane.length_m), line(&lane.points)))
                .collect(),
            links: network
                .links
                .iter()
                .map(|link| (link.from, link.to, link.movement, hundredths(link.length_m), line(&link.points)))
                .collect(),
            movements: network
                .movements
                .iter()
                .map(|movement| (movement.crossing, turn(movement.turn), movement.links.start, movement.links.end))
                .collect(),
            crossings: network.crossings.iter().map(|crossing| CrossingData::of(network, crossing)).collect(),
            crosswalks: world.walkways.all.iter().map(|walkway| crosswalk(&walkway.crosswalk)).collect(),
            kinds: world
                .demand
                .kinds
                .iter()
                .map(|kind| KindData { length: hundredths(kind.length_m), class: kind.class.name() })
                .collect(),
            paths,
            copies: episodes.iter().map(|episode| film(&streets, episode, &path_of)).collect(),
        };
        // Nothing in a name may end the script element that the data stands in.
        let json = serde_json::to_string(&data).unwrap_or_default().replace('<', "\\u003c");
        PAGE.replacen("@DATA@", &json, 1)
    }
}

impl<'d> CrossingData<'d> {
    fn of(network: &Network, crossing: &'d Crossing) -> Self {
        let phases = &network.phases[crossing.phases.start as usize..crossing.phases.end as usize];
        let free = |green: &[bool]| (0..green.len()).filter(|&movement| green[movement]).collect();
        CrossingData {
            name: &crossing.name,
            light: crossing.phases.len() > 1,
            movements: (crossing.movements.start, crossing.movements.end),
            phases: phases.iter().map(|phase| free(&phase.green)).collect(),
        }
    }
}

fn crosswalk(this: &Crosswalk) -> (u32, Vec<i64>, Vec<usize>) {
    (this.crossing, line(&this.ends), (0..this.walks.len()).filter(|&phase| this.walks[phase]).collect())
}

fn hundredths(length_m: f64) -> f64 {
    (length_m * 100.0).round() / 100.0
}

/// A line in tenths of a metre: a point, then differences.
fn line(points: &[Point]) -> Vec<i64> {
    let mut before = (0, 0);
    let mut flat = Vec::with_capacity(2 * points.len());
    for point in points {
        let now = ((point.x * 10.0).round() as i64, (point.y * 10.0).round() as i64);
        flat.extend([now.0 - before.0, now.1 - before.1]);
        before = now;
    }
    flat
}

/// Every path that somebody takes, as its first lane and its links, and their numbers by where they begin.
fn paths(world: &World) -> (Vec<Vec<u32>>, BTreeMap<u32, u32>) {
    let lanes = world.network.lanes.len() as u32;
    let (mut paths, mut numbers) = (Vec::new(), BTreeMap::new());
    for departure in &world.demand.departures {
        let (begin, end) = departure.path;
        numbers.entry(begin).or_insert_with(|| {
            let ways = &world.demand.paths[begin as usize..end as usize];
            let links = ways.iter().filter(|&&way| way >= lanes).map(|way| way - lanes);
            paths.push(ways.iter().take(1).copied().chain(links).collect());
            paths.len() as u32 - 1
        });
    }
    (paths, numbers)
}

/// Simulates a lane's episode again and keeps what the page needs.
fn film(streets: &Streets, episode: &Episode, path_of: &BTreeMap<u32, u32>) -> Copy {
    let world = streets.world();
    let mut columns = Columns::new(streets);
    let at = |elapsed, words| At { lane: episode.lane, episode: episode.number, elapsed, words };
    streets.start(at(0, &episode.start_words), columns.view());
    let decisions = world.clock.steps / world.decision_steps;
    let (agents, draws) = (streets.agents.len(), streets.draws());
    let mut reward = vec![0.0; agents * streets.tasks()];
    let mut film = Film::new(world);
    for decision in 0..decisions as usize {
        let words = &episode.words[decision * draws..][..draws];
        let action = &episode.actions[decision * agents..][..agents];
        let going_on = film.numbers < MOST_NUMBERS;
        streets.decide(at(decision as u32, words), action, columns.view(), &mut reward, |state| {
            if going_on {
                film.see(world, state);
            }
        });
    }
    let mut measures = vec![0.0; streets.measures().len()];
    let view = columns.view();
    streets.measure(<Streets as LaneDynamics>::State::shared(&view), &mut measures);
    film.finish(episode.lane, path_of, world, streets.measures().into_iter().zip(measures).collect())
}

/// What has been seen of an episode.
struct Film {
    steps: u32,
    tracks: Vec<Option<Track>>,
    /// Vehicles that are in the network.
    present: Vec<u32>,
    /// Per crossing: when its light changed last and to what, and all changes.
    lights: Vec<(u32, u32, Vec<u32>)>,
    /// The same of the people who wait at every crosswalk.
    curbs: Vec<(u32, u32, Vec<u32>)>,
    numbers: usize,
}

impl Film {
    fn new(world: &World) -> Self {
        Film {
            steps: 0,
            tracks: (0..world.demand.departures.len()).map(|_| None).collect(),
            present: Vec::new(),
            lights: vec![(0, NONE, Vec::new()); world.network.crossings.len()],
            curbs: vec![(0, 0, Vec::new()); world.walkways.all.len()],
            numbers: 0,
        }
    }

    /// Looks at a step that has just been made.
    fn see(&mut self, world: &World, state: Shown<'_>) {
        let now = state.tally.steps;
        self.steps = now;
        for (light, (since, phase, changes)) in state.lights.iter().zip(&mut self.lights) {
            if light.phase != *phase {
                // This is what was shown during the step.
                changes.extend([now - 1 - *since, light.phase]);
                (*since, *phase) = (now - 1, light.phase);
            }
        }
        for (curb, (since, waiting, changes)) in state.curbs.iter().zip(&mut self.curbs) {
            if curb.waiting() != *waiting {
                changes.extend([now - *since, curb.waiting()]);
                (*since, *waiting) = (now, curb.waiting());
                self.numbers += 2;
            }
        }
        for way in 0..world.used_ways() as u32 {
            for (vehicle, this) in world.on(state, way) {
                let track = &mut self.tracks[vehicle as usize];
                if track.is_none() {
                    self.present.push(vehicle);
                }
                let track = track.get_or_insert_with(|| Track::new(this.entered, world, vehicle));
                track.pass_to(world, this.at);
                let place_m = match world.model {
                    Model::Micro => this.position_m,
                    Model::Queue { .. } => {
                        let length_m = world.network.lanes[way as usize].length_m;
                        length_m - world.to_line_m(state, way, this).min(length_m)
                    }
                };
                self.numbers += track.see(now, track.begin_m + place_m, this.halted > 0);
            }
        }
        self.present.retain(|&vehicle| {
            let stays = state.vehicles[vehicle as usize].left == NONE;
            if let Some(track) = &mut self.tracks[vehicle as usize]
                && !stays
            {
                track.pass_to(world, world.demand.departures[vehicle as usize].path.1);
                self.numbers += track.see(now, track.begin_m, false);
                track.close();
            }
            stays
        });
    }

    fn finish(
        mut self,
        lane: usize,
        path_of: &BTreeMap<u32, u32>,
        world: &World,
        measures: BTreeMap<String, f64>,
    ) -> Copy {
        for vehicle in self.present {
            if let Some(track) = &mut self.tracks[vehicle as usize] {
                track.close();
            }
        }
        let mut copy = Copy {
            lane,
            steps: self.steps,
            vehicles: Vec::new(),
            outside: Vec::new(),
            lights: self.lights.into_iter().map(|(_, _, changes)| changes).collect(),
            curbs: self.curbs.into_iter().map(|(_, _, changes)| changes).collect(),
            measures,
        };
        for (departure, track) in world.demand.departures.iter().zip(self.tracks) {
            match track {
                Some(track) => {
                    let path = path_of.get(&departure.path.0).copied().unwrap_or_default();
                    let mut row = vec![departure.step, track.entered - departure.step, path, departure.kind];
                    row.extend(track.corners);
                    copy.vehicles.push(row);
                }
                None if departure.step < self.steps => copy.outside.push(departure.step),
                None => {}
            }
        }
        copy
    }
}

/// Where a vehicle was, as the corners of a line.
struct Track {
    entered: u32,
    /// Where it is in its path, and the metres before.
    at: u32,
    begin_m: f64,
    corners: Vec<u32>,
    /// The last corner: step and quanta.
    corner: (u32, u32),
    /// The last place seen: step and metres.
    end: (u32, f64),
    /// Slopes, in metres a step, of lines from the last corner that come near enough to all places since.
    slopes: (f64, f64),
    waits: bool,
}

impl Track {
    fn new(entered: u32, world: &World, vehicle: u32) -> Self {
        Track {
            entered,
            at: world.demand.departures[vehicle as usize].path.0,
            begin_m: 0.0,
            corners: Vec::new(),
            corner: (entered, 0),
            end: (entered, 0.0),
            slopes: (0.0, f64::INFINITY),
            waits: false,
        }
    }

    /// Goes on to a place in the path.
    fn pass_to(&mut self, world: &World, at: u32) {
        while self.at < at
            && let Some(way) = world.way_at(self.at)
        {
            self.begin_m += world.ways[way as usize].length_m;
            self.at += 1;
        }
    }

    /// The vehicle is at `place_m` after step `now`, and waited in that step or not. How many numbers that took.
    fn see(&mut self, now: u32, place_m: f64, waits: bool) -> usize {
        let before = self.corners.len();
        if self.end.0 > self.corner.0 {
            let (low, high) = self.slopes;
            let straight = waits || (low..=high).contains(&self.slope(now, place_m));
            if waits != self.waits || !straight {
                self.close();
            }
        }
        self.waits = waits;
        if !waits {
            let (low, high) = self.slopes;
            self.slopes = (low.max(self.slope(now, place_m - OFF_M)), high.min(self.slope(now, place_m + OFF_M)));
        }
        self.end = (now, place_m);
        self.corners.len() - before
    }

    fn slope(&self, now: u32, place_m: f64) -> f64 {
        (place_m - f64::from(self.corner.1) * QUANTUM_M) / f64::from(now - self.corner.0)
    }

    /// Puts a corner at the last place seen.
    fn close(&mut self) {
        let steps = self.end.0 - self.corner.0;
        if steps == 0 {
            return;
        }
        let quanta = (self.end.1 / QUANTUM_M).round() as u32;
        let moved = if self.waits { 0 } else { quanta.saturating_sub(self.corner.1).max(1) };
        self.corners.extend([steps, moved]);
        self.corner = (self.end.0, self.corner.1 + moved);
        self.slopes = (0.0, f64::INFINITY);
    }
}
