//! How fast a vehicle may drive because of the one ahead, a stop line or a crossing: functions of numbers alone.
//!
//! CityFlow's laws (Zhang et al. 2019 and its code) stand here, in its order of operations, so that in 64 bits results
//! agree to the bit. Krauss's and the intelligent driver model's stand in files of their own. `twin/micro.wgsl` has the same
//! in 32 bits, operation by operation.

use super::network::demand::Kind;
use super::precision::Real;
use super::{idm, krauss};
use isonomy_engine::quantity::Probability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// By which law a vehicle follows another. The headway of a vehicle is the law's reaction time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Law {
    /// CityFlow's: a stopping distance and a time gap.
    #[default]
    CityFlow,
    /// Krauss's, as SUMO has it.
    Krauss {
        /// How much a driver dawdles, SUMO's sigma; 0.5 if not given, 0 for none.
        #[serde(default = "half")]
        dawdling: Probability,
    },
    /// The intelligent driver model (Treiber, Hennecke and Helbing 2000), in four parts of a step as in SUMO.
    Idm {},
}

fn half() -> Probability {
    Probability::new(0.5).expect("a constant between 0 and 1")
}

/// Speed below which a vehicle waits, in m/s.
pub(super) const WAITING_BELOW_MPS: f64 = 0.1;

/// Distance that a vehicle keeps to a conflict point where it yields.
pub(super) const YIELD_M: f64 = 5.0;

/// Speed at which a vehicle turns.
pub(super) const TURN_MPS: f64 = 8.3333;

/// What `f64::min` is not: with nothing to compare, the second counts.
pub(super) fn lesser<R: Real>(a: R, b: R) -> R {
    if a < b { a } else { b }
}

pub(super) fn greater<R: Real>(a: R, b: R) -> R {
    if a > b { a } else { b }
}

/// A kind of vehicle, and what follows from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Driver<R = f64> {
    /// What it can do.
    pub(super) kind: Kind<R>,
    /// Length of a step.
    pub(super) step_s: R,
    /// How it follows.
    pub(super) law: Law,
    /// How far before a stop line it begins to look at the crossing, and how far it looks for a leader.
    pub(super) looks_m: R,
    /// A leader further away than this cannot slow it down, whatever either does.
    pub(super) free_m: R,
}

/// What a vehicle follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leader<R = f64> {
    pub(super) speed_mps: R,
    pub(super) max_braking: R,
    pub(super) usual_braking: R,
    pub(super) gap_m: R,
}

impl Driver {
    /// A driver of this kind of vehicle.
    ///
    /// `hardest_braking` is the strongest braking of any vehicle around.
    pub(super) fn new(kind: Kind, law: Law, step_s: f64, hardest_braking: f64) -> Self {
        let v = kind.max_speed_mps;
        let looks_m = v * v / kind.usual_braking / 2.0 + v * step_s * 2.0;
        let free_m = match law {
            Law::CityFlow => Driver::free_m(&kind, step_s, hardest_braking),
            _ => f64::INFINITY,
        };
        Driver { kind, law, step_s, looks_m, free_m }
    }

    /// All three bounds of [`Driver::behind`] grow with the gap and with the speed of the leader: this is where the last
    /// of them reaches the greatest speed, for a driver at that speed behind a wall.
    fn free_m(kind: &Kind, step_s: f64, hardest_braking: f64) -> f64 {
        let (v, half) = (kind.max_speed_mps, step_s / 2.0);
        let headway = v * (kind.headway_s + half);
        let braking = |b: f64, target: f64| {
            let stopping = v * half + target + b / 2.0 * ((v / b + half) * (v / b + half) - half * half);
            let following = target + half * (v + hardest_braking * step_s);
            stopping.max(following)
        };
        let brakes = braking(kind.max_braking, 0.0).max(braking(kind.usual_braking, kind.min_gap_m));
        1.001 * headway.max(brakes) + 0.001
    }

    /// The same driver, with numbers of another precision.
    pub(super) fn rounded<R: Real>(&self) -> Driver<R> {
        Driver {
            kind: self.kind.rounded(),
            step_s: R::of(self.step_s),
            law: self.law,
            looks_m: R::of(self.looks_m),
            free_m: R::of(self.free_m),
        }
    }
}

impl<R: Real> Driver<R> {
    /// Speed on a free road.
    pub(super) fn free(&self, speed_mps: R, limit_mps: R) -> R {
        let fastest = lesser(self.kind.max_speed_mps, speed_mps + self.kind.max_acceleration * self.step_s);
        match self.law {
            Law::Idm {} => lesser(idm::next_speed(self, speed_mps, limit_mps, None), limit_mps),
            _ => lesser(fastest, limit_mps),
        }
    }

    /// Speed behind a leader.
    pub(super) fn behind(&self, speed_mps: R, leader: Leader<R>) -> R {
        match self.law {
            Law::CityFlow => self.behind_in_cityflow(speed_mps, leader),
            Law::Krauss { .. } => krauss::safe_speed(self, leader),
            Law::Idm {} => {
                idm::next_speed(self, speed_mps, R::of(f64::INFINITY), Some((leader.speed_mps, leader.gap_m)))
            }
        }
    }

    /// Whether a standing vehicle will certainly stand behind one that stands, however the bounds turn out in detail.
    pub(super) fn stands_behind(&self, speed_mps: R, leader: &Leader<R>) -> bool {
        let room_m = leader.gap_m - self.kind.min_gap_m;
        self.law == Law::CityFlow
            && speed_mps == 0.0
            && leader.speed_mps == 0.0
            && room_m * 2.0 / self.step_s <= leader.usual_braking * self.step_s
    }

    fn behind_in_cityflow(&self, speed_mps: R, leader: Leader<R>) -> R {
        let (kind, dt) = (&self.kind, self.step_s);
        let Leader { speed_mps: ahead, gap_m: gap, .. } = leader;
        let never_touches = self.able_to_stop(speed_mps, leader, kind.max_braking, leader.max_braking, R::of(0.0));
        let keeps_gap = self.able_to_stop(speed_mps, leader, kind.usual_braking, leader.usual_braking, kind.min_gap_m);
        let slowing = if speed_mps > ahead { speed_mps - ahead } else { R::of(0.0) };
        let headway = (gap + (ahead + slowing / 2.0) * dt - speed_mps * dt / 2.0) / (kind.headway_s + dt / 2.0);
        lesser(lesser(never_touches, keeps_gap), headway)
    }

    /// Speed after which the way to a stop still ends `target_m` behind the leader's.
    fn able_to_stop(&self, speed_mps: R, leader: Leader<R>, braking: R, leader_braking: R, target_m: R) -> R {
        let (dt, ahead, gap) = (self.step_s, leader.speed_mps, leader.gap_m);
        let c = speed_mps * dt / 2.0 + target_m - ahead * 0.5 * ahead / leader_braking - gap;
        let a = R::of(0.5) / braking;
        let b = dt * 0.5;
        if b * b < a * 4.0 * c {
            // Too late: as strongly as possible.
            return R::of(-100.0);
        }
        let stopping = R::of(0.5) / a * ((b * b - a * 4.0 * c).sqrt() - b);
        let following = ahead * 2.0 - leader_braking * dt + (gap - target_m) * 2.0 / dt;
        lesser(stopping, following)
    }

    /// Speed before a line at which to stop.
    pub(super) fn stop_before(&self, speed_mps: R, distance_m: R) -> R {
        match self.law {
            Law::CityFlow => self.stop_before_in_cityflow(speed_mps, distance_m),
            Law::Krauss { .. } => krauss::stopping_speed(self, distance_m),
            // A wall that far ahead: the least gap stands between.
            Law::Idm {} => {
                let wall = (R::of(0.0), distance_m + self.kind.min_gap_m);
                idm::next_speed(self, speed_mps, R::of(f64::INFINITY), Some(wall))
            }
        }
    }

    fn stop_before_in_cityflow(&self, speed_mps: R, distance_m: R) -> R {
        let (kind, dt) = (&self.kind, self.step_s);
        let faster = speed_mps + kind.usual_acceleration * dt;
        let needed = (speed_mps + faster) * dt / 2.0 + (faster * faster / kind.usual_braking / 2.0);
        if needed < distance_m {
            return faster;
        }
        let steps = distance_m * 2.0 / (speed_mps + 1e-8) / dt;
        if steps >= 1.0 { speed_mps - speed_mps / steps.trunc() } else { speed_mps - speed_mps / steps }
    }

    /// Speed before a conflict point at which to yield.
    pub(super) fn yield_before(&self, speed_mps: R, distance_m: R) -> R {
        self.stop_before(speed_mps, distance_m - YIELD_M)
    }

    /// The shortest way to a stop.
    pub(super) fn shortest_stop_m(&self, speed_mps: R) -> R {
        match self.law {
            Law::CityFlow => speed_mps * 0.5 * speed_mps / self.kind.max_braking,
            // These lose speed first and move then.
            _ => krauss::braking_way_m(speed_mps, self.kind.max_braking, self.step_s),
        }
    }

    /// Whether it can yield at a point that far ahead (behind, if below zero).
    pub(super) fn can_yield(&self, speed_mps: R, distance_m: R) -> bool {
        (distance_m > 0.0 && self.shortest_stop_m(speed_mps) < distance_m - YIELD_M)
            || (distance_m < 0.0 && distance_m + self.kind.length_m < 0.0)
    }

    /// Steps until it can be that far ahead on a link.
    pub(super) fn steps_to(&self, speed_mps: R, distance_m: R, turns: bool) -> R {
        let (a, dt) = (self.kind.usual_acceleration, self.step_s);
        let target = if turns { R::of(TURN_MPS) } else { self.kind.max_speed_mps };
        if distance_m <= 0.0 {
            return R::of(0.0);
        }
        if speed_mps > target {
            return (distance_m / speed_mps).ceil();
        }
        let speeding = self.speeding_m(speed_mps, target);
        if speeding > distance_m {
            return (((speed_mps * speed_mps + a * 2.0 * distance_m).sqrt() - speed_mps) / a / dt).ceil();
        }
        ((target - speed_mps) / a / dt).ceil() + ((distance_m - speeding) / target / dt).ceil()
    }

    /// Way until it has a greater speed, in whole steps.
    fn speeding_m(&self, speed_mps: R, target_mps: R) -> R {
        let (a, dt) = (self.kind.usual_acceleration, self.step_s);
        if target_mps <= speed_mps {
            return R::of(0.0);
        }
        let steps = ((target_mps - speed_mps) / a / dt).floor();
        // Divided by the step, not multiplied: so does CityFlow.
        let reached = speed_mps + steps * a / dt;
        let way = (speed_mps + reached) * (steps * dt) / 2.0;
        way + if reached < target_mps { (reached + target_mps) * dt / 2.0 } else { R::of(0.0) }
    }

    /// Speed and way of the next step, from a speed that may be below zero: then it stops within the step. `share` is
    /// how much of the most that it can dawdle a driver does.
    pub(super) fn moved(&self, speed_mps: R, next_mps: R, share: R) -> (R, R) {
        if let Law::Krauss { .. } | Law::Idm {} = self.law {
            let next_mps = greater(next_mps - krauss::dawdled(self, next_mps, share), R::of(0.0));
            return (next_mps, next_mps * self.step_s);
        }
        if next_mps < 0.0 {
            return (R::of(0.0), speed_mps * 0.5 * speed_mps / self.kind.max_braking);
        }
        (next_mps, (speed_mps + next_mps) * self.step_s / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver() -> Driver {
        Driver::new(Kind { max_speed_mps: 11.11, ..Kind::CAR }, Law::CityFlow, 1.0, 4.5)
    }

    fn leader(speed_mps: f64, gap_m: f64) -> Leader {
        Leader { speed_mps, max_braking: 4.5, usual_braking: 4.5, gap_m }
    }

    fn close(found: f64, expected: f64, digits: f64) {
        assert!((found - expected).abs() <= digits, "{found} is not {expected}");
    }

    #[test]
    fn speeds_behind_a_leader() {
        for (speed, ahead, gap, never_touches, keeps_gap, headway) in [
            (0.0, 2.0, 4.5, 4.7901, 2.9522, 2.6),
            (10.0, 10.0, 15.0, 11.7165, 10.8863, 8.0),
            (10.0, 0.0, 15.0, 7.5, 6.2684, 6.0),
            (11.11, 11.11, 22.22, 14.4377, 13.7494, 11.11),
            (5.0, 8.0, 6.0, 7.7781, 6.5853, 4.6),
        ] {
            let leader = leader(ahead, gap);
            close(driver().able_to_stop(speed, leader, 4.5, 4.5, 0.0), never_touches, 5e-5);
            close(driver().able_to_stop(speed, leader, 4.5, 4.5, 2.5), keeps_gap, 5e-5);
            close(driver().behind(speed, leader), headway, 5e-5);
        }
        let standing = driver().behind(0.0, leader(0.0, 2.5));
        assert_eq!(driver().moved(0.0, greater(standing, -4.5), 0.0), (0.0, 0.0));
        close(standing, -4.5, 1e-12);
    }

    #[test]
    fn speeds_before_a_line() {
        for (speed, distance, expected) in
            [(11.11, 100.0, 13.11), (11.11, 40.0, 13.11), (11.11, 20.0, 7.4067), (11.11, 10.0, 0.0), (5.0, 5.0, 0.0)]
        {
            close(driver().stop_before(speed, distance), expected, 5e-5);
        }
    }

    #[test]
    fn a_far_leader_slows_nobody_down() {
        let driver = driver();
        for tenth in 0..=111 {
            let speed = f64::from(tenth) / 10.0;
            for ahead in [0.0, 3.0, 11.11] {
                assert!(driver.behind(speed, leader(ahead, driver.free_m)) >= 11.11, "{speed} behind {ahead}");
            }
        }
        assert!(driver.free_m < 80.0, "{}", driver.free_m);
    }
}
