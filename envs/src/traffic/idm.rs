//! The intelligent driver model: acceleration from the speed wanted and the gap wanted.
//!
//! Treiber, Hennecke and Helbing 2000 (*Congested traffic states in empirical observations and microscopic simulations*).
//! A step is made in four parts, as in SUMO; the reaction time is the vehicle's headway, braking its usual braking.

use super::following::{Driver, greater, lesser};
use super::precision::Real;

pub(super) const PARTS: u32 = 4;

/// Acceleration in m/s²; `ahead` is the leader's speed and the gap to it.
pub(super) fn acceleration<R: Real>(driver: &Driver<R>, speed_mps: R, wanted_mps: R, ahead: Option<(R, R)>) -> R {
    let kind = &driver.kind;
    let squared = |ratio: R| ratio * ratio;
    let free = squared(squared(speed_mps / wanted_mps));
    let close = ahead.map_or(R::of(0.0), |(ahead_mps, gap_m)| {
        let slack = (kind.max_acceleration * kind.usual_braking).sqrt() * 2.0;
        let dynamic = speed_mps * kind.headway_s + speed_mps * (speed_mps - ahead_mps) / slack;
        // A gap that is gone counts as almost none.
        squared((kind.min_gap_m + greater(dynamic, R::of(0.0))) / greater(gap_m, R::of(0.1)))
    });
    kind.max_acceleration * (R::of(1.0) - free - close)
}

/// Speed after a step.
pub(super) fn next_speed<R: Real>(driver: &Driver<R>, speed_mps: R, limit_mps: R, ahead: Option<(R, R)>) -> R {
    let wanted = lesser(driver.kind.max_speed_mps, limit_mps);
    let part_s = driver.step_s / f64::from(PARTS);
    let (mut speed, mut ahead) = (speed_mps, ahead);
    for _ in 0..PARTS {
        let lowest = -driver.kind.max_braking;
        speed = greater(speed + greater(acceleration(driver, speed, wanted, ahead), lowest) * part_s, R::of(0.0));
        ahead = ahead.map(|(ahead_mps, gap_m)| (ahead_mps, gap_m + (ahead_mps - speed) * part_s));
    }
    speed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::following::Law;
    use crate::traffic::network::demand::Kind;

    #[test]
    fn accelerations() {
        let kind = Kind { headway_s: 1.0, min_gap_m: 2.5, max_acceleration: 2.6, max_speed_mps: 13.89, ..Kind::CAR };
        let driver = Driver::new(kind, Law::Idm {}, 1.0, 4.5);
        for (speed, ahead, gap, expected) in [
            (0.0, 0.0, 100.0, 2.59838),
            (10.0, 10.0, 20.0, 0.88588),
            (10.0, 0.0, 30.0, -0.22289),
            (13.0, 13.0, 22.0, -0.68558),
        ] {
            let found = acceleration(&driver, speed, 13.89, Some((ahead, gap)));
            assert!((found - expected).abs() < 5e-6, "{found} is not {expected}");
        }
        let equilibrium = acceleration(&driver, 10.0, 13.89, Some((10.0, 14.6167)));
        assert!(equilibrium.abs() < 1e-4, "{equilibrium}");
    }
}
