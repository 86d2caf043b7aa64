//! The queue model: vehicles are times at which they reach the stop line, for large batches.
//!
//! On every lane vehicles stand in a line, each with the time at which it reaches the end on a free lane. The first leaves
//! when its movement has green and the lane ahead has room, and then at least a saturation headway after the one before.
//! Calibrated to what the micro model's queues do at a light; columns, lights, rules and measures are the same.
//!
//! All times are whole numbers of 1/1024 s. Their sums are exact, in 64 bits as in the 32 of a device, so both move the same
//! vehicles in the same steps (`twin/`).

use super::following::TURN_MPS;
use super::network::Turn;
use super::network::demand::Kind;
use super::observation::PLACE_M;
use super::state::{BLOCK, NONE, State, append, unlink};
use super::world::{Way, World};
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How vehicles are moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Model {
    /// Every vehicle's position and speed.
    #[default]
    Micro,
    /// Queues only: much faster, and travel times within a few percent.
    Queue {
        /// Time between two vehicles that leave a queue; 2.4667 if not given.
        #[serde(default = "headway_s")]
        headway_s: Positive,
        /// Time from green until the first one leaves; 2.13 if not given.
        #[serde(default = "lost_s")]
        lost_s: NonNegative,
    },
}

fn headway_s() -> Positive {
    Positive::new(2.4667).expect("a constant above 0")
}

fn lost_s() -> NonNegative {
    NonNegative::new(2.13).expect("a constant, 0 or above")
}

impl Model {
    /// The queue model as it was calibrated.
    pub fn queue() -> Self {
        Model::Queue { headway_s: headway_s(), lost_s: lost_s() }
    }
}

/// Time between two vehicles that enter the network on one lane.
pub(super) const ENTRY_S: f64 = 3.0;

/// After so many departures a vehicle is up to speed when it passes the line.
pub(super) const UP_TO_SPEED: f64 = 4.0;

/// Times are whole numbers of these in a second.
pub(super) const GRAINS: f64 = 1024.0;

/// The nearest whole number of `1 / per_s`.
pub(super) fn rounded(time_s: f64, per_s: f64) -> f64 {
    // What does not fit would take weeks.
    f64::from((time_s * per_s + 0.5) as u32) / per_s
}

impl World {
    /// Moves everybody by one step of the queue model.
    pub(super) fn step_queues(&self, state: &mut State<'_>, headway_s: f64, lost_s: f64) {
        let [headway_s, lost_s] = [headway_s, lost_s].map(|time_s| rounded(time_s, GRAINS));
        let now_s = f64::from(state.tally.steps) * self.clock.step_s;
        self.let_in(state, now_s);
        self.offer(state, now_s, lost_s);
        self.let_pass(state, now_s, headway_s);
        self.wait(state, now_s);
        state.tally.steps += 1;
    }

    /// Vehicles that can be on a lane.
    pub(super) fn fits(&self, lane: u32) -> u32 {
        // One vehicle stands on a lane, however short.
        ((self.network.lanes[lane as usize].length_m / PLACE_M) as u32).max(1)
    }

    /// Speed on a free lane.
    pub(super) fn cruise_mps(&self, lane: u32, kind: &Kind) -> f64 {
        self.network.lanes[lane as usize].limit_mps.min(kind.max_speed_mps)
    }

    /// The same as it is shown: a device has 32 bits for it.
    fn shown_mps(&self, lane: u32, kind: &Kind) -> f64 {
        f64::from(self.cruise_mps(lane, kind) as f32)
    }

    /// What speeding up from a stop costs. A quarter of it is a whole number of grains, too.
    pub(super) fn start_s(&self, lane: u32, kind: &Kind) -> f64 {
        rounded(self.cruise_mps(lane, kind) / (2.0 * kind.max_acceleration), GRAINS / UP_TO_SPEED)
    }

    /// From the begin of a lane to its end.
    pub(super) fn drive_s(&self, lane: u32, kind: &Kind) -> f64 {
        rounded(self.network.lanes[lane as usize].length_m / self.cruise_mps(lane, kind), GRAINS)
    }

    /// Through a link.
    pub(super) fn through_s(&self, link: &Way, kind: &Kind) -> f64 {
        let speed_mps = if link.turn == Turn::Straight { self.cruise_mps(link.to, kind) } else { TURN_MPS };
        rounded(link.length_m / speed_mps, GRAINS)
    }

    fn let_in(&self, state: &mut State<'_>, now_s: f64) {
        for &lane in &self.doors {
            let chain = &state.chains[lane as usize];
            let open = now_s >= chain.next_entry_s && chain.vehicles < self.fits(lane);
            let Some(vehicle) = self.next_outside(state, lane).filter(|_| open) else { continue };
            self.admit_one(state, lane, vehicle);
            state.chains[lane as usize].next_entry_s = now_s + ENTRY_S;
            let (kind, this) = (self.kind(vehicle), &mut state.vehicles[vehicle as usize]);
            this.eta_s = now_s + self.drive_s(lane, kind) + self.start_s(lane, kind);
            this.speed_mps = self.shown_mps(lane, kind);
        }
    }

    /// The first of every lane says whether it would go: a lane's offer is the link, or the lane itself to leave the network.
    fn offer(&self, state: &mut State<'_>, now_s: f64, lost_s: f64) {
        for crossing in 0..state.lights.len() {
            let shown = state.lights[crossing].phase;
            if std::mem::replace(&mut state.lights[crossing].before, shown) != shown {
                self.start_greens(state, crossing, now_s + lost_s);
            }
        }
        let soon_s = now_s + self.clock.step_s;
        self.each_lane(state, |world, state, lane| {
            let chain = &state.chains[lane as usize];
            let first = &state.vehicles[chain.first as usize];
            if first.eta_s > soon_s {
                return;
            }
            let offer = match world.way_at(first.at + 1) {
                None => lane,
                Some(link) => {
                    let way = &world.ways[link as usize];
                    let room = state.chains[way.to as usize].vehicles < world.fits(way.to);
                    let goes = chain.next_departure_s <= soon_s && room && world.has_green(state.lights, way);
                    if goes { link } else { NONE }
                }
            };
            state.chains[lane as usize].offer = offer;
        });
    }

    /// A phase begins: lanes that had red and have green now let the first one go a while later.
    fn start_greens(&self, state: &mut State<'_>, crossing: usize, first_s: f64) {
        for &lane in &self.network.crossings[crossing].incoming {
            let green = self.links_of(lane).iter().any(|&link| self.has_green(state.lights, &self.ways[link as usize]));
            let chain = &mut state.chains[lane as usize];
            let was_green = std::mem::replace(&mut chain.was_green, u32::from(green));
            if green && was_green == 0 {
                chain.next_departure_s = chain.next_departure_s.max(first_s);
                chain.departed = 0;
            }
        }
    }

    /// Lanes take what fits, in the order of the lanes it comes from; then all who were taken go.
    fn let_pass(&self, state: &mut State<'_>, now_s: f64, headway_s: f64) {
        self.each_lane(state, |world, state, lane| {
            let offer = state.chains[lane as usize].offer;
            if offer == NONE || offer == lane {
                return;
            }
            let to = world.ways[offer as usize].to;
            let target = &mut state.chains[to as usize];
            if target.vehicles + target.arrivals < world.fits(to) {
                target.arrivals += 1;
            } else {
                state.chains[lane as usize].offer = NONE;
            }
        });
        self.each_lane(state, |world, state, lane| {
            let offer = std::mem::replace(&mut state.chains[lane as usize].offer, NONE);
            if offer == lane {
                let vehicle = state.chains[lane as usize].first;
                unlink(state, lane, NONE, vehicle);
                state.vehicles[vehicle as usize].behind = NONE;
                world.finish(state, vehicle);
            } else if offer != NONE {
                world.pass(state, lane, offer, now_s, headway_s);
            }
        });
    }

    /// The first of a lane goes through a link.
    fn pass(&self, state: &mut State<'_>, lane: u32, link_at: u32, now_s: f64, headway_s: f64) {
        let (link, vehicle) = (&self.ways[link_at as usize], state.chains[lane as usize].first);
        let kind = self.kind(vehicle);
        unlink(state, lane, NONE, vehicle);
        let chain = &mut state.chains[lane as usize];
        let eta_s = state.vehicles[vehicle as usize].eta_s;
        let leaves_s = chain.next_departure_s.max(eta_s).max(now_s);
        chain.next_departure_s = leaves_s + headway_s;
        chain.departed += 1;
        let slow = (1.0 - f64::from(chain.departed - 1) / UP_TO_SPEED).max(0.0);
        let starts_s = if leaves_s > eta_s { self.start_s(link.to, kind) * slow } else { 0.0 };
        let at = state.vehicles[vehicle as usize].at;
        self.count_passage(state, vehicle, at + 1);
        let this = &mut state.vehicles[vehicle as usize];
        (this.at, this.halted, this.speed_mps) = (at + 2, 0, self.shown_mps(link.to, kind));
        this.eta_s = leaves_s + self.through_s(link, kind) + self.drive_s(link.to, kind) + starts_s;
        append(state, link.to, vehicle);
        state.chains[link.to as usize].arrivals = 0;
    }

    /// Who has reached the line and is still there waits.
    fn wait(&self, state: &mut State<'_>, now_s: f64) {
        self.each_lane(state, |_, state, lane| {
            let chain = &mut state.chains[lane as usize];
            let (mut vehicle, mut waiting) = (chain.first, 0);
            while vehicle != NONE {
                let this = &mut state.vehicles[vehicle as usize];
                if this.eta_s <= now_s {
                    this.waited += 1;
                    this.halted += 1;
                    this.speed_mps = 0.0;
                    waiting += 1;
                }
                vehicle = this.behind;
            }
            chain.waiting = waiting;
            chain.waited += waiting;
            state.tally.updates += u64::from(chain.vehicles);
        });
    }

    /// Does something with every lane that has a vehicle on it.
    fn each_lane(&self, state: &mut State<'_>, mut what: impl FnMut(&World, &mut State<'_>, u32)) {
        // Links are always empty here.
        for block in 0..(self.lanes as usize).div_ceil(BLOCK) {
            for lane in state.occupied[block].ways(block) {
                what(self, state, lane);
            }
        }
    }
}
