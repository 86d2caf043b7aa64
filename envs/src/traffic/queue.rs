//! The queue model: vehicles are times at which they reach the stop line, for large batches.
//!
//! On every lane vehicles stand in a line, each with the time at which it reaches the end on a free lane. The first leaves
//! when its movement has green and the lane ahead has room, and then at least a saturation headway after the one before.
//! Calibrated to what the micro model's queues do at a light; columns, lights, rules and measures are the same.

use super::following::TURN_MPS;
use super::micro::{NONE, State, World, append, unlink};
use super::network::Turn;
use super::observation::PLACE_M;
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
const ENTRY_S: f64 = 3.0;

/// After so many departures a vehicle is up to speed when it passes the line.
const UP_TO_SPEED: f64 = 4.0;

impl World {
    /// Moves everybody by one step of the queue model.
    pub(super) fn step_queues(&self, state: &mut State<'_>, headway_s: f64, lost_s: f64) {
        let now_s = f64::from(state.tally.steps) * self.clock.step_s;
        self.let_in(state, now_s);
        self.offer(state, now_s, lost_s);
        self.let_pass(state, now_s, headway_s);
        self.wait(state, now_s);
        state.tally.steps += 1;
    }

    fn fits(&self, lane: u32) -> u32 {
        (self.network.lanes[lane as usize].length_m / PLACE_M) as u32
    }

    /// Speed on a free lane.
    fn cruise_mps(&self, lane: u32, vehicle: u32) -> f64 {
        self.network.lanes[lane as usize].limit_mps.min(self.kind(vehicle).max_speed_mps)
    }

    /// What speeding up from a stop costs.
    fn start_s(&self, lane: u32, vehicle: u32) -> f64 {
        self.cruise_mps(lane, vehicle) / (2.0 * self.kind(vehicle).max_acceleration)
    }

    fn drive_s(&self, lane: u32, vehicle: u32) -> f64 {
        self.network.lanes[lane as usize].length_m / self.cruise_mps(lane, vehicle)
    }

    fn let_in(&self, state: &mut State<'_>, now_s: f64) {
        for &lane in &self.doors {
            let chain = &state.chains[lane as usize];
            let open = now_s >= chain.next_entry_s && chain.vehicles < self.fits(lane);
            let Some(vehicle) = self.next_outside(state, lane).filter(|_| open) else { continue };
            self.admit_one(state, lane, vehicle);
            state.chains[lane as usize].next_entry_s = now_s + ENTRY_S;
            state.vehicles[vehicle as usize].eta_s = now_s + self.drive_s(lane, vehicle) + self.start_s(lane, vehicle);
        }
    }

    /// The first of every lane says whether it would go: a lane's offer is the link, or the lane itself to leave the network.
    fn offer(&self, state: &mut State<'_>, now_s: f64, lost_s: f64) {
        for lane in 0..self.lanes {
            let was_green = std::mem::replace(&mut state.chains[lane as usize].was_green, 0);
            let green = self.links_of(lane).iter().any(|&link| self.has_green(state.lights, &self.ways[link as usize]));
            let chain = &mut state.chains[lane as usize];
            chain.was_green = u32::from(green);
            (chain.offer, chain.arrivals, chain.before) = (NONE, 0, chain.vehicles);
            if green && was_green == 0 {
                chain.next_departure_s = chain.next_departure_s.max(now_s + lost_s);
                chain.departed = 0;
            }
        }
        for lane in 0..self.lanes {
            let (first, leaves_s) = (state.chains[lane as usize].first, state.chains[lane as usize].next_departure_s);
            let soon_s = now_s + self.clock.step_s;
            if first == NONE || state.vehicles[first as usize].eta_s > soon_s {
                continue;
            }
            state.chains[lane as usize].offer = match self.way_of(first, state.vehicles[first as usize].at + 1) {
                None => lane,
                Some(link) => {
                    let way = &self.ways[link as usize];
                    let room = state.chains[way.to as usize].before < self.fits(way.to);
                    let goes = leaves_s <= soon_s && room && self.has_green(state.lights, way);
                    if goes { link } else { NONE }
                }
            };
        }
    }

    /// Lanes take what fits, in the order of the lanes it comes from.
    fn let_pass(&self, state: &mut State<'_>, now_s: f64, headway_s: f64) {
        for lane in 0..self.lanes {
            let (offer, vehicle) = (state.chains[lane as usize].offer, state.chains[lane as usize].first);
            if offer == NONE {
                continue;
            }
            if offer == lane {
                unlink(state, lane, NONE, vehicle);
                self.finish(state, vehicle);
                continue;
            }
            let link = &self.ways[offer as usize];
            let target = &mut state.chains[link.to as usize];
            if target.before + target.arrivals >= self.fits(link.to) {
                continue;
            }
            target.arrivals += 1;
            unlink(state, lane, NONE, vehicle);
            let chain = &mut state.chains[lane as usize];
            let eta_s = state.vehicles[vehicle as usize].eta_s;
            let leaves_s = chain.next_departure_s.max(eta_s).max(now_s);
            chain.next_departure_s = leaves_s + headway_s;
            chain.departed += 1;
            let slow = (1.0 - f64::from(chain.departed - 1) / UP_TO_SPEED).max(0.0);
            let starts_s = if leaves_s > eta_s { self.start_s(link.to, vehicle) * slow } else { 0.0 };
            let turns_mps = if link.turn == Turn::Straight { self.cruise_mps(link.to, vehicle) } else { TURN_MPS };
            let through_s = link.length_m / turns_mps;
            let at = state.vehicles[vehicle as usize].at;
            self.count_passage(state, vehicle, at + 1);
            let this = &mut state.vehicles[vehicle as usize];
            (this.at, this.previous) = (at + 2, offer);
            this.eta_s = leaves_s + through_s + self.drive_s(link.to, vehicle) + starts_s;
            append(state, link.to, vehicle);
        }
    }

    /// Who has reached the line and is still there waits.
    fn wait(&self, state: &mut State<'_>, now_s: f64) {
        for lane in 0..self.lanes {
            let chain = &mut state.chains[lane as usize];
            let mut vehicle = chain.first;
            let (length_m, mut waiting, mut moved) = (self.ways[lane as usize].length_m, 0, 0);
            while vehicle != NONE {
                let cruise_mps = self.cruise_mps(lane, vehicle);
                let this = &mut state.vehicles[vehicle as usize];
                let waits = u32::from(this.eta_s <= now_s);
                this.waited += waits;
                this.halted = (this.halted + 1) * waits;
                this.speed_mps = if waits == 1 { 0.0 } else { cruise_mps };
                this.position_m = (length_m - (this.eta_s - now_s).max(0.0) * cruise_mps).max(0.0);
                waiting += waits;
                moved += 1;
                vehicle = this.behind;
            }
            chain.waiting = waiting;
            chain.waited += waiting;
            state.tally.updates += moved;
        }
    }
}
