//! Where the cars come from: written out, replayed from files that somebody recorded, or drawn.
//!
//! A file is read when the scenario is, into [`Sessions::Recorded`], which says it all. Whoever simulates asks a
//! [`Source`] for the sessions of an episode and hands it words of noise.

mod acn_data;
mod acn_queue;
mod arrival_files;
mod dropped;
mod intake;
mod mixture;
mod plain;
#[cfg(test)]
mod real;
mod sepm;
mod source;
mod sustaingym;
mod tables;
#[cfg(test)]
pub(super) mod tests;
mod words;
mod written;

pub use arrival_files::{ChargaxFiles, Ev2GymFiles, Place};
pub use dropped::Dropped;
pub use intake::{Fate, Imported, Overlap, Overnight, Rules, Unknown};
pub use mixture::Mixture;
pub use source::Source;
#[cfg(test)]
pub(super) use tables::tests::assert_mean;
pub use tables::{Cars, Shape, Tables};
pub(super) use words::Words;
pub use written::{Car, Sessions};

use super::calendar::{Clock, Day};
use super::reading::table::{Column, Others, Row, Table};
use super::reading::{self, Flaws};
use intake::Intake;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::num::NonZeroU32;
use std::path::Path;

/// Hands every row of a table to `take`, as long as there is room for sessions. All flaws of the table are told at once.
fn each_row<'a>(
    from: Box<dyn Read + 'a>,
    name: &str,
    (columns, others): (&[Column], Others),
    intake: &mut Intake<'_>,
    mut take: impl FnMut(&Row<'_, 'a>, &mut Intake<'_>, &mut Flaws) -> Option<()>,
) -> Result<(), Flaws> {
    let mut table = Table::open(from, name, columns, others)?;
    let mut flaws = Flaws::none(name);
    while let Some(row) = table.next(&mut flaws) {
        if intake.is_full(&mut flaws) {
            break;
        }
        take(&row, intake, &mut flaws);
    }
    flaws.or(())
}

/// How a file of sessions is laid out. Compressed files (gzip) are unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Format {
    /// A plain table: `arrival`, `departure`, `requested_kwh` and more.
    Plain,
    /// A table of SustainGym.
    SustainGym {
        /// What a car asks for.
        energy: Energy,
    },
    /// JSON of ACN-Data.
    AcnData {
        /// What a car asks for.
        energy: Energy,
    },
    /// An event queue of ACN-Sim.
    AcnQueue {
        /// The day whose midnight is step 0 of the file.
        starts: Day,
        /// Length of a step of the file, min.
        step_minutes: NonZeroU32,
    },
    /// The table of the socially equitable public models.
    Sepm,
}

/// Which energy of a recorded session is what its car asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Energy {
    /// What the driver said; where none did, what was delivered.
    Requested,
    /// What was delivered.
    Delivered,
}

/// The sessions of files of one format. `stations` are names in registration order; where there are none, stations in
/// the files are not looked at.
pub fn import(
    folder: &Path,
    files: &[String],
    format: Format,
    rules: Rules,
    clock: &Clock,
    stations: &[String],
) -> Result<Imported, Flaws> {
    let mut intake = Intake::new(clock, stations, rules);
    for (name, file) in files.iter().zip(0..) {
        take(reading::open(&folder.join(name), name)?, (file, name), format, &mut intake)?;
    }
    intake.finish(files, format.place())
}

fn take(from: Box<dyn Read + '_>, file: (u32, &str), format: Format, intake: &mut Intake<'_>) -> Result<(), Flaws> {
    match format {
        Format::Plain => plain::read(from, file, intake),
        Format::SustainGym { energy } => sustaingym::read(from, file, energy, intake),
        Format::AcnData { energy } => acn_data::read(from, file, energy, intake),
        Format::AcnQueue { starts, step_minutes } => {
            acn_queue::read(from, file, acn_queue::Steps { starts, step_minutes }, intake)
        }
        Format::Sepm => sepm::read(from, file, intake),
    }
}

impl Format {
    /// How to say where the nth session of such a file is.
    fn place(self) -> fn(u64) -> String {
        match self {
            Format::Plain | Format::SustainGym { .. } | Format::Sepm => |nth| format!("line {nth}"),
            Format::AcnData { .. } => |nth| format!("_items[{nth}]"),
            Format::AcnQueue { .. } => |nth| format!("_queue[{nth}]"),
        }
    }
}
