//! Sessions that a file has and an import leaves out, counted by reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($($(#[$about:meta])* $name:ident: $words:literal),* $(,)?) => {
        /// How many sessions were left out, and why. A session that several reasons apply to counts for the first.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct Dropped {
            $($(#[$about])* #[serde(skip_serializing_if = "none")] pub $name: u64,)*
        }

        impl Dropped {
            /// Every reason in words, with its count.
            pub fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($words, self.$name)),*].into_iter()
            }
        }
    };
}

reasons! {
    /// No driver said what is needed.
    unclaimed: "unclaimed",
    /// At a station that the network does not have.
    unknown_station: "at unknown stations",
    /// Arrives on no day of the calendar.
    outside_calendar: "outside the calendar",
    /// Has not ended in the source.
    no_departure: "without a departure",
    /// Is still there, or meant to be, when the days of its episode end.
    crosses_midnight: "crossing midnight",
    /// Ends in the hour that a day has more when clocks are put back.
    after_last_step: "ending after the last step",
    /// The driver named a time that is not after the arrival.
    est_departure_not_after_arrival: "with an estimated departure not after the arrival",
    /// Comes and goes within one step.
    shorter_than_a_step: "shorter than a step",
    /// Asks for nothing.
    no_energy: "without energy",
    /// Begins or ends when local clocks show a time twice or skip it, in a source that gives no offset.
    ambiguous_time: "at ambiguous local times",
    /// Begins at a station while another is there.
    overlapping: "overlapping another",
}

fn none(count: &u64) -> bool {
    *count == 0
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.reasons().map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = self.reasons().filter(|(_, count)| *count > 0);
        let words: Vec<String> = there.map(|(reason, count)| format!("{count} {reason}")).collect();
        if words.is_empty() { f.write_str("none") } else { f.write_str(&words.join(", ")) }
    }
}
