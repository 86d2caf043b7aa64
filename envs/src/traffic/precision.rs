//! Numbers of 64 or 32 bits: the micro model is written once, for both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// With how many bits the micro model computes positions and speeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Precision {
    /// 64 bits, as CityFlow: its numbers to the last digit.
    #[default]
    Double,
    /// 32 bits, as a device has them.
    Single,
}

/// Arithmetic in one precision, with constants that are written in 64 bits.
pub(super) trait Real:
    Copy
    + Debug
    + PartialOrd
    + PartialOrd<f64>
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
{
    /// The nearest number to this one.
    fn of(number: f64) -> Self;
    /// The same number in 64 bits.
    fn get(self) -> f64;
    fn sqrt(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn trunc(self) -> Self;
}

/// A number of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Single(pub(super) f32);

impl PartialEq<f64> for Single {
    fn eq(&self, other: &f64) -> bool {
        self.0 == *other as f32
    }
}

impl PartialOrd<f64> for Single {
    fn partial_cmp(&self, other: &f64) -> Option<std::cmp::Ordering> {
        self.0.partial_cmp(&(*other as f32))
    }
}

impl Neg for Single {
    type Output = Self;

    fn neg(self) -> Self {
        Single(-self.0)
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident),+) => {
        $(
            impl $operator for Single {
                type Output = Self;

                fn $method(self, other: Self) -> Self {
                    Single(self.0.$method(other.0))
                }
            }

            impl $operator<f64> for Single {
                type Output = Self;

                fn $method(self, other: f64) -> Self {
                    Single(self.0.$method(other as f32))
                }
            }
        )+
    };
}

operators!(Add add, Sub sub, Mul mul, Div div);

impl Real for f64 {
    fn of(number: f64) -> Self {
        number
    }

    fn get(self) -> f64 {
        self
    }

    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    fn floor(self) -> Self {
        f64::floor(self)
    }

    fn ceil(self) -> Self {
        f64::ceil(self)
    }

    fn trunc(self) -> Self {
        f64::trunc(self)
    }
}

impl Real for Single {
    fn of(number: f64) -> Self {
        Single(number as f32)
    }

    fn get(self) -> f64 {
        f64::from(self.0)
    }

    fn sqrt(self) -> Self {
        Single(self.0.sqrt())
    }

    fn floor(self) -> Self {
        Single(self.0.floor())
    }

    fn ceil(self) -> Self {
        Single(self.0.ceil())
    }

    fn trunc(self) -> Self {
        Single(self.0.trunc())
    }
}
