//! The session table of the socially equitable public models (SEPM): `spaceID`, `start_time`, `done_charge`, `end_time`,
//! `total_power` and others. `total_power` is energy in kWh, times are local and have no offset; `done_charge` is not
//! looked at. Nothing says whether a driver claimed a session, so all count as claimed.

use super::each_row;
use super::intake::{Intake, Places, Stay};
use crate::ev_charging::reading::Flaws;
use crate::ev_charging::reading::table::{Column, Others, Row, shorten};
use crate::ev_charging::reading::time::{self, NoInstant};
use jiff::Timestamp;
use jiff::civil::DateTime;
use std::io::Read;

const COLUMNS: [Column; 4] = [
    Column { name: "start_time", required: true },
    Column { name: "end_time", required: true },
    Column { name: "total_power", required: true },
    Column { name: "spaceID", required: true },
];
const START: usize = 0;
const END: usize = 1;
const ENERGY: usize = 2;
const SPACE: usize = 3;

/// Takes in all sessions of a file.
pub(super) fn read(from: Box<dyn Read + '_>, (file, name): (u32, &str), intake: &mut Intake<'_>) -> Result<(), Flaws> {
    let rows = (&COLUMNS[..], Others::Ignored);
    each_row(from, name, rows, intake, |row, intake, flaws| take(row, file, intake, flaws))
}

fn take(row: &Row<'_, '_>, file: u32, intake: &mut Intake<'_>, flaws: &mut Flaws) -> Option<()> {
    let (start, end) = (instant(row, START, intake, flaws), instant(row, END, intake, flaws));
    let kwh = row.number(ENERGY, flaws);
    let (Some(arrival), Some(departure)) = (start?, end?) else {
        intake.ambiguous();
        return None;
    };
    let stay = Stay {
        arrival,
        departure: Some(departure),
        est_departure: None,
        kwh: kwh?,
        station: Some(row.text(SPACE, flaws)?),
        claimed: true,
        battery: None,
        max_kw: None,
        operator: 0,
    };
    let at = Places { departure: &|| row.place(END), station: &|| row.place(SPACE), kwh: &|| row.place(ENERGY) };
    intake.take(stay, file, row.line, at, flaws);
    Some(())
}

/// The instant of a local time such as `2018/04/25 04:08`; the inner `None` where clocks show it twice or never.
fn instant(row: &Row<'_, '_>, column: usize, intake: &Intake<'_>, flaws: &mut Flaws) -> Option<Option<Timestamp>> {
    let text = row.text(column, flaws)?;
    let civil = DateTime::strptime("%Y/%m/%d %H:%M", text).map_err(|_| NoInstant::Unreadable);
    match civil.and_then(|civil| time::local(civil, intake.clock().zone())) {
        Ok(instant) => Some(Some(instant)),
        Err(NoInstant::Twice | NoInstant::Skipped) => Some(None),
        Err(NoInstant::Unreadable) => {
            let found = format!("found {:?}", shorten(text));
            row.flaw(column, found, "a local time such as 2018/04/25 04:08 would do", flaws);
            None
        }
    }
}
