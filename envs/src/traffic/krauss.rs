//! Krauss's law as SUMO has it today: a driver can stop behind whoever stops as hard as it can, after its reaction time.
//!
//! Krauss 1998 (*Microscopic modeling of traffic flow*), in the form of SUMO's `MSCFModel_Krauss`: steps are explicit, a gap
//! excludes the least gap. The reaction time is the vehicle's headway, braking its usual braking.

use super::following::{Driver, Law, Leader, greater, lesser};
use super::precision::Real;

/// What SUMO takes off every gap, in metres.
pub(super) const MARGIN_M: f64 = 0.001;

/// The speed from which a driver just stops within a gap.
pub(super) fn stopping_speed<R: Real>(driver: &Driver<R>, gap_m: R) -> R {
    let (dt, tau) = (driver.step_s, driver.kind.headway_s);
    let gap = gap_m - MARGIN_M;
    // Speed lost in a step.
    let lost = driver.kind.usual_braking * dt;
    if gap <= 0.0 {
        return R::of(0.0);
    }
    if gap <= lost {
        return lesser(lost, gap / dt);
    }
    let steps = (((dt * dt + (dt * (gap * 2.0 / lost - tau) + tau * tau) * 4.0).sqrt() / 2.0 - tau) / dt + 0.5).floor();
    let rest = gap - (steps * (steps - 1.0) * lost * dt / 2.0 + steps * lost * tau);
    steps * lost + rest / (steps * dt + tau)
}

/// The way to a stop, braking step by step.
pub(super) fn braking_way_m<R: Real>(speed_mps: R, braking: R, step_s: R) -> R {
    let lost = braking * step_s;
    let steps = (speed_mps / lost).floor();
    step_s * (steps * speed_mps - lost * steps * (steps + 1.0) / 2.0)
}

/// The speed from which a driver can stop behind a leader that brakes.
pub(super) fn safe_speed<R: Real>(driver: &Driver<R>, leader: Leader<R>) -> R {
    let braking = greater(driver.kind.usual_braking, leader.usual_braking);
    let way = braking_way_m(leader.speed_mps, braking, driver.step_s);
    stopping_speed(driver, leader.gap_m - driver.kind.min_gap_m + way)
}

/// What a driver is slower than it could be: at most `dawdling` times what it can gain in a step.
pub(super) fn dawdled<R: Real>(driver: &Driver<R>, speed_mps: R, share: R) -> R {
    match driver.law {
        Law::Krauss { dawdling } => {
            let most = greater(lesser(speed_mps, driver.kind.max_acceleration), R::of(0.0));
            driver.step_s * dawdling.get() * most * share
        }
        _ => R::of(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::network::demand::Kind;

    #[test]
    fn safe_speeds() {
        let kind = Kind { headway_s: 1.0, min_gap_m: 0.0, max_acceleration: 2.6, ..Kind::CAR };
        let driver = Driver::new(
            kind,
            Law::Krauss { dawdling: isonomy_engine::quantity::Probability::new(0.0).expect("0") },
            1.0,
            4.5,
        );
        for (gap_m, ahead, expected) in [
            (5.0, 0.0, 4.7495),
            (10.0, 0.0, 7.2495),
            (20.0, 0.0, 11.1663),
            (50.0, 0.0, 18.9998),
            (10.0, 10.0, 9.9997),
            (20.0, 10.0, 13.3330),
            (5.0, 13.89, 11.0563),
        ] {
            let leader = Leader { speed_mps: ahead, max_braking: 4.5, usual_braking: 4.5, gap_m };
            let found = safe_speed(&driver, leader);
            assert!((found - expected).abs() < 5e-5, "{found} is not {expected}");
        }
        assert!((braking_way_m(10.0, 4.5, 1.0) - 6.5).abs() < 1e-12);
        assert!((braking_way_m(13.89, 4.5, 1.0) - 14.67).abs() < 1e-9);
    }
}
