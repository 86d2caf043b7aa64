//! A plain table of sessions: one line per stay, with a header.
//!
//! | column          | must be | meaning                                                                        |
//! |-----------------|---------|--------------------------------------------------------------------------------|
//! | `arrival`       | there   | `2019-05-01 08:00:00-07:00`, or without the offset in the calendar's time zone |
//! | `departure`     | there   | likewise                                                                       |
//! | `requested_kwh` | there   | energy asked for, kWh                                                          |
//! | `est_departure` |         | when the driver said that it would leave; empty: at the departure              |
//! | `station`       |         | name of a station; empty: any free one                                         |
//! | `claimed`       |         | `true` or `false`; empty: `true`                                               |
//! | `battery_kwh`   |         | what the battery holds when full, kWh; goes with `start_kwh`                   |
//! | `start_kwh`     |         | what it holds on arrival, kWh                                                  |
//! | `max_kw`        |         | the most that the car takes, kW                                                |
//! | `operator`      |         | whose customer it is, a whole number; empty: 0                                 |

use super::each_row;
use super::intake::{Intake, Places, Stay};
use super::sustaingym::{instant, truth};
use crate::ev_charging::reading::Flaws;
use crate::ev_charging::reading::table::{Column, Others, Row, shorten};
use crate::ev_charging::session::BatterySpec;
use std::io::Read;

const COLUMNS: [Column; 10] = [
    Column { name: "arrival", required: true },
    Column { name: "departure", required: true },
    Column { name: "requested_kwh", required: true },
    Column { name: "est_departure", required: false },
    Column { name: "station", required: false },
    Column { name: "claimed", required: false },
    Column { name: "battery_kwh", required: false },
    Column { name: "start_kwh", required: false },
    Column { name: "max_kw", required: false },
    Column { name: "operator", required: false },
];
const ARRIVAL: usize = 0;
const DEPARTURE: usize = 1;
const REQUESTED: usize = 2;
const ESTIMATED: usize = 3;
const STATION: usize = 4;
const CLAIMED: usize = 5;
const CAPACITY: usize = 6;
const START: usize = 7;
const MAX_KW: usize = 8;
const OPERATOR: usize = 9;

/// Takes in all sessions of a file.
pub(super) fn read(from: Box<dyn Read + '_>, (file, name): (u32, &str), intake: &mut Intake<'_>) -> Result<(), Flaws> {
    let rows = (&COLUMNS[..], Others::Refused);
    each_row(from, name, rows, intake, |row, intake, flaws| take(row, file, intake, flaws))
}

fn take(row: &Row<'_, '_>, file: u32, intake: &mut Intake<'_>, flaws: &mut Flaws) -> Option<()> {
    let zone = intake.clock().zone();
    let arrival = instant(row, ARRIVAL, zone, flaws);
    let departure = instant(row, DEPARTURE, zone, flaws);
    let kwh = row.number(REQUESTED, flaws);
    let estimated = match row.text(ESTIMATED, flaws)? {
        "" => Some(None),
        _ => instant(row, ESTIMATED, zone, flaws).map(Some),
    };
    let claimed = if row.text(CLAIMED, flaws)?.is_empty() { Some(true) } else { truth(row, CLAIMED, flaws) };
    let battery = battery(row, flaws);
    let max_kw = row.maybe_number(MAX_KW, flaws).and_then(|max_kw| positive(row, MAX_KW, max_kw, flaws));
    let operator = operator(row, flaws);
    let stay = Stay {
        arrival: arrival?,
        departure: Some(departure?),
        est_departure: estimated?,
        kwh: kwh?,
        station: Some(row.text(STATION, flaws)?).filter(|name| !name.is_empty()),
        claimed: claimed?,
        battery: battery?,
        max_kw: max_kw?,
        operator: operator?,
    };
    let at =
        Places { departure: &|| row.place(DEPARTURE), station: &|| row.place(STATION), kwh: &|| row.place(REQUESTED) };
    intake.take(stay, file, row.line, at, flaws);
    Some(())
}

fn positive(row: &Row<'_, '_>, column: usize, number: Option<f64>, flaws: &mut Flaws) -> Option<Option<f64>> {
    match number {
        Some(number) if number <= 0.0 => {
            row.flaw(column, format!("found {number}"), "a number above 0, or nothing, would do", flaws);
            None
        }
        number => Some(number),
    }
}

fn battery(row: &Row<'_, '_>, flaws: &mut Flaws) -> Option<Option<BatterySpec>> {
    let capacity = row.maybe_number(CAPACITY, flaws).and_then(|capacity| positive(row, CAPACITY, capacity, flaws));
    let start = row.maybe_number(START, flaws);
    match (capacity?, start?) {
        (None, None) => Some(None),
        (Some(capacity_kwh), Some(start_kwh)) if (0.0..=capacity_kwh).contains(&start_kwh) => {
            Some(Some(BatterySpec { capacity_kwh, start_kwh, slows_from: None }))
        }
        (Some(capacity), Some(start)) => {
            row.flaw(START, format!("found {start} kWh"), &format!("from 0 to the battery's {capacity} kWh"), flaws);
            None
        }
        (Some(_), None) => {
            row.flaw(START, "is empty although `battery_kwh` is not".to_owned(), "give both or neither", flaws);
            None
        }
        (None, Some(_)) => {
            row.flaw(CAPACITY, "is empty although `start_kwh` is not".to_owned(), "give both or neither", flaws);
            None
        }
    }
}

fn operator(row: &Row<'_, '_>, flaws: &mut Flaws) -> Option<u32> {
    let text = row.text(OPERATOR, flaws)?;
    let operator = if text.is_empty() { Some(0) } else { text.parse().ok() };
    if operator.is_none() {
        row.flaw(OPERATOR, format!("found {:?}", shorten(text)), "a whole number, 0 or above, would do", flaws);
    }
    operator
}
