//! Numbers that cannot hold nonsense: what scenario files are read into.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

macro_rules! quantity {
    ($(#[$about:meta])* $name:ident, $expected:literal, $inside:expr, $schema:tt) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// The number, unless it is not one of these.
            pub fn new(value: f64) -> Option<Self> {
                let inside: fn(f64) -> bool = $inside;
                inside(value).then_some($name(value))
            }

            /// The number.
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = String;

            fn try_from(value: f64) -> Result<Self, String> {
                $name::new(value).ok_or_else(|| format!(concat!("{} is not ", $expected), value))
            }
        }

        impl From<$name> for f64 {
            fn from(value: $name) -> f64 {
                value.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

quantity!(
    /// A chance, from 0 to 1.
    Probability, "a probability between 0 and 1", |x| (0.0..=1.0).contains(&x),
    { "type": "number", "minimum": 0, "maximum": 1, "description": "a probability between 0 and 1" }
);
quantity!(
    /// A finite number above 0.
    Positive, "a number above 0", |x| x > 0.0 && x.is_finite(),
    { "type": "number", "exclusiveMinimum": 0, "description": "a number above 0" }
);
quantity!(
    /// A finite number, 0 or above.
    NonNegative, "a number, 0 or above", |x| x >= 0.0 && x.is_finite(),
    { "type": "number", "minimum": 0, "description": "a number, 0 or above" }
);
quantity!(
    /// A finite number.
    Finite, "a finite number", |x| x.is_finite(),
    { "type": "number", "description": "a finite number" }
);
