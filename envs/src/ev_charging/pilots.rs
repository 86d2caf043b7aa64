//! Pilots: the currents that a station can offer to a car.

/// How far a pilot may be from an allowed one and still be taken for it.
pub const PILOT_TOLERANCE: f64 = 1e-3;

/// The currents a station can offer: 0, and either everything from `least` to `most` (`stride` 0) or every
/// `stride`-th ampere from `least` on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pilots {
    /// Smallest current above 0.
    pub least: f64,
    /// Largest current.
    pub most: f64,
    /// Distance of neighbouring currents; 0 for a station that is continuous above `least`.
    pub stride: f64,
}

impl Pilots {
    /// Whether every current between `least` and `most` can be offered.
    pub fn continuous(self) -> bool {
        self.stride == 0.0
    }

    /// The largest allowed current that is not above `amps`.
    pub fn floor(self, amps: f64) -> f64 {
        if amps < self.least - PILOT_TOLERANCE {
            return 0.0;
        }
        let amps = amps.min(self.most);
        if self.continuous() {
            return amps.max(self.least);
        }
        self.least + ((amps - self.least + PILOT_TOLERANCE) / self.stride).floor().max(0.0) * self.stride
    }

    /// The next allowed current above an allowed one, `increment` higher where the station is continuous.
    pub fn above(self, amps: f64, increment: f64) -> f64 {
        if amps < self.least - PILOT_TOLERANCE {
            return if self.continuous() { self.least.max(increment) } else { self.least };
        }
        amps + if self.continuous() { increment } else { self.stride }
    }

    /// The next allowed current below an allowed one.
    pub fn below(self, amps: f64) -> f64 {
        if amps <= self.least + PILOT_TOLERANCE { 0.0 } else { amps - self.stride }
    }

    /// The allowed current nearest to `amps`, except that what is below `least` on a station with a gap is 0, the rule
    /// of SustainGym: 5.7 A on {0, 6, 7, …} gives 0, on {0, 8, 16, …} it gives 8.
    pub fn nearest(self, amps: f64) -> f64 {
        if self.continuous() {
            return if amps < self.least { 0.0 } else { amps.min(self.most) };
        }
        let from_zero = self.least <= self.stride;
        if !from_zero && amps < self.least {
            return 0.0;
        }
        let base = if from_zero { 0.0 } else { self.least };
        (base + ((amps - base) / self.stride).round_ties_even() * self.stride).clamp(0.0, self.most)
    }

    /// Whether a station can offer `amps`.
    pub fn allow(self, amps: f64) -> bool {
        amps.abs() <= PILOT_TOLERANCE || (self.nearest(amps) - amps).abs() <= PILOT_TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AV: Pilots = Pilots { least: 6.0, most: 32.0, stride: 1.0 };
    const CC: Pilots = Pilots { least: 8.0, most: 32.0, stride: 8.0 };
    const DEADBAND: Pilots = Pilots { least: 6.0, most: 32.0, stride: 0.0 };

    #[test]
    fn floors() {
        assert_eq!([5.7, 6.0, 6.9995, 31.2, 40.0].map(|amps| AV.floor(amps)), [0.0, 6.0, 7.0, 31.0, 32.0]);
        assert_eq!([7.9, 8.0, 15.9, 31.9995].map(|amps| CC.floor(amps)), [0.0, 8.0, 8.0, 32.0]);
        assert_eq!([5.9, 6.3, 33.0].map(|amps| DEADBAND.floor(amps)), [0.0, 6.3, 32.0]);
    }

    #[test]
    fn the_rounding_of_sustaingym() {
        assert_eq!([5.7, 6.4, 6.6, 31.7].map(|amps| AV.nearest(amps)), [0.0, 6.0, 7.0, 32.0]);
        assert_eq!([3.9, 5.7, 12.1, 31.0].map(|amps| CC.nearest(amps)), [0.0, 8.0, 16.0, 32.0]);
        assert!(AV.allow(7.0005) && !AV.allow(5.0) && CC.allow(16.0) && !CC.allow(17.0) && DEADBAND.allow(0.0));
    }

    #[test]
    fn neighbours() {
        assert_eq!([AV.above(0.0, 0.1), AV.above(6.0, 0.1), CC.above(8.0, 1.0)], [6.0, 7.0, 16.0]);
        assert_eq!([AV.below(6.0), AV.below(7.0), CC.below(32.0)], [0.0, 6.0, 24.0]);
    }
}
