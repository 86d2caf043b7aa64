//! Tables of arrivals, stays and requests in the files of EV2Gym and of Chargax, most of whose numbers are ElaadNL's.
//!
//! Units are those of the formats: percent of a day's cars, hours, kWh. Reading turns the files into [`Tables`].

use super::tables::{Shape, Tables};
use crate::ev_charging::reading::table::{Others, Row, Table, shorten};
use crate::ev_charging::reading::{self, Flaws};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Tables of EV2Gym (arXiv 2404.01849).
///
/// Stays are `N(m, .2 m)` hours and requests `N(m, .5 m)`, at least 5 kWh, where `m` is the mean of the half hour of arrival. A mean
/// that a table leaves out is 0, as it is there. Where the weekend's table does not have the place, nobody comes then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ev2GymFiles {
    /// Where cars charge.
    pub place: Place,
    /// `distribution-of-arrival.csv`: percent of a weekday's cars by time of day.
    pub arrivals: String,
    /// `distribution-of-arrival-weekend.csv`; as on weekdays where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekend_arrivals: Option<String>,
    /// `mean-session-length-per.csv`: mean stay in hours by time of arrival.
    pub stay_hours: String,
    /// `mean-demand-per-arrival.csv`: mean request in kWh by time of arrival.
    pub energy_kwh: String,
    /// Shorter stays last this long, h.
    #[serde(default = "two")]
    pub least_stay_hours: NonNegative,
}

/// Where EV2Gym's cars charge. Its tables say `private` or `home`, `public`, `workplace` or `work`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Place {
    /// At home.
    Private,
    /// At a public station.
    Public,
    /// At work.
    Workplace,
}

/// Tables of Chargax (arXiv 2507.01522).
///
/// Stays and requests are one of the numbers of their tables, any as often as any other, whenever a car comes.
/// Where all of the weekend's numbers are -1, nobody comes then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChargaxFiles {
    /// The column of all tables, such as `highway`, `residential`, `workplace` or `shopping`.
    pub column: String,
    /// `car_arrival_percentages_workdays.csv`: percent of a weekday's cars by time of day.
    pub arrivals: String,
    /// `car_arrival_percentages_weekends.csv`; as on weekdays where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekend_arrivals: Option<String>,
    /// `car_connection_times.csv`: hours that so many percent of the cars stay longer than.
    pub stay_hours: String,
    /// `car_energy_demand.csv`: kWh that so many percent of the cars ask for more than.
    pub energy_kwh: String,
}

fn two() -> NonNegative {
    number(2.0)
}

fn number(number: f64) -> NonNegative {
    NonNegative::new(number).expect("not negative")
}

/// Column of the percentages in tables of quantiles.
const PERCENTAGE: &str = "Percentage of charging events";

/// Percentages of a day may miss 100 by this much: the published ones are rounded.
const ROUNDING: f64 = 1.0;

const MINUTES: u32 = 24 * 60;

impl Place {
    fn names(self) -> [&'static str; 2] {
        match self {
            Place::Private => ["private", "home"],
            Place::Public => ["public", "public"],
            Place::Workplace => ["workplace", "work"],
        }
    }
}

impl Ev2GymFiles {
    /// What the files say.
    pub(super) fn read(&self, folder: &Path) -> Result<Tables, Problem> {
        let names = self.place.names();
        let of = |field: &str, name: &str, day: &Day<'_>| {
            by_time(folder, name, day).map_err(|flaws| flaws.problem(&format!("Ev2Gym.{field}")))
        };
        let shares = Day { time: "Arrival time", names: &names, adds_up: true, gaps: false, nobody: Nobody::Refused };
        let means = Day { time: "Arrival Time", names: &names, adds_up: false, gaps: true, nobody: Nobody::Refused };
        let weekend = Day { nobody: Nobody::NoColumn, ..shares };
        Ok(Tables {
            arrivals: of("arrivals", &self.arrivals, &shares)?,
            weekend_arrivals: match &self.weekend_arrivals {
                Some(name) => of("weekend_arrivals", name, &weekend)?,
                None => Vec::new(),
            },
            stay_hours: of("stay_hours", &self.stay_hours, &means)?,
            energy_kwh: of("energy_kwh", &self.energy_kwh, &means)?,
            shape: Shape::Normal,
            stay_spread: number(0.2),
            energy_spread: number(0.5),
            least_stay_hours: self.least_stay_hours,
            least_kwh: number(5.0),
            estimate_spread_hours: number(0.0),
        })
    }
}

impl ChargaxFiles {
    /// What the files say.
    pub(super) fn read(&self, folder: &Path) -> Result<Tables, Problem> {
        let problem = |field: &str, flaws: Flaws| flaws.problem(&format!("Chargax.{field}"));
        let names = [&*self.column];
        let shares = Day { time: "time", names: &names, adds_up: true, gaps: false, nobody: Nobody::Refused };
        let weekend = Day { nobody: Nobody::MinusOne, ..shares };
        let of =
            |field: &str, name: &str, day: &Day<'_>| by_time(folder, name, day).map_err(|flaws| problem(field, flaws));
        let quantiles =
            |field: &str, name: &str| quantiles(folder, name, &self.column).map_err(|flaws| problem(field, flaws));
        Ok(Tables {
            arrivals: of("arrivals", &self.arrivals, &shares)?,
            weekend_arrivals: match &self.weekend_arrivals {
                Some(name) => of("weekend_arrivals", name, &weekend)?,
                None => Vec::new(),
            },
            stay_hours: quantiles("stay_hours", &self.stay_hours)?,
            energy_kwh: quantiles("energy_kwh", &self.energy_kwh)?,
            shape: Shape::OneOf,
            stay_spread: number(0.0),
            energy_spread: number(0.0),
            least_stay_hours: number(0.0),
            least_kwh: number(0.0),
            estimate_spread_hours: number(0.0),
        })
    }
}

/// How a table over the times of a day is laid out.
#[derive(Clone, Copy)]
struct Day<'a> {
    /// Column of the times, `HH:MM`.
    time: &'a str,
    /// What the column of the numbers may be called.
    names: &'a [&'a str],
    /// Whether the numbers are percentages of one day.
    adds_up: bool,
    /// Whether numbers may be left out, which are 0 then.
    gaps: bool,
    nobody: Nobody,
}

/// How a table says that nobody comes on such days.
#[derive(Clone, Copy, PartialEq)]
enum Nobody {
    Refused,
    NoColumn,
    MinusOne,
}

/// The numbers of a table by time of day, whatever the order of its rows.
fn by_time(folder: &Path, name: &str, day: &Day<'_>) -> Result<Vec<NonNegative>, Flaws> {
    let from = || reading::open(&folder.join(name), name);
    let mut columns = vec![(day.time, true)];
    columns.extend(day.names.iter().map(|name| (*name, false)));
    let mut table = Table::open_any(from()?, name, &columns, Others::Ignored)?;
    if day.gaps {
        table = table.with_short_rows();
    }
    let Some(column) = (1..columns.len()).find(|&column| table.has(column)) else {
        if day.nobody == Nobody::NoColumn {
            return Ok(vec![number(0.0)]);
        }
        let found = format!("has no column {:?}, but: {}", day.names[0], table.header().join(", "));
        return Err(Flaws::one(name, "line 1", found, "the first line names the columns"));
    };
    let mut flaws = Flaws::none(name);
    let mut rows: Vec<(u32, f64, u64)> = Vec::new();
    while let Some(row) = table.next(&mut flaws) {
        let time = minutes(&row, &mut flaws);
        let value = match row.maybe_number(column, &mut flaws) {
            Some(None) if day.gaps => Some(0.0),
            Some(None) => row.number(column, &mut flaws),
            Some(Some(value)) if value < 0.0 && !(day.nobody == Nobody::MinusOne && value == -1.0) => {
                row.flaw(column, format!("found {value}"), "0 or more would do", &mut flaws);
                None
            }
            value => value.flatten(),
        };
        rows.extend(time.zip(value).map(|(time, value)| (time, value, row.line)));
    }
    let mut flaws = flaws.or(Flaws::none(name))?;
    rows.sort_by_key(|(time, ..)| *time);
    for pair in rows.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let found = format!("{} is there in line {} already", clock(pair[1].0), pair[0].2);
        flaws.add(&format!("line {}, column {:?}", pair[1].2, day.time), found, "each time of day once");
    }
    let mut flaws = flaws.or(Flaws::none(name))?;
    // Rows are as far apart as the closest two.
    let apart = rows.windows(2).map(|pair| pair[1].0 - pair[0].0).min().unwrap_or(MINUTES);
    let mut all = (0..MINUTES).step_by(apart as usize);
    if rows.is_empty() {
        flaws.add("", "has no row but its header", "a row for each part of the day");
    } else if !MINUTES.is_multiple_of(apart) || !rows.iter().all(|row| row.0.is_multiple_of(apart)) {
        flaws.add("", format!("its times do not divide the day into parts of {apart} min"), "times as 00:00, 00:15, …");
    } else if let Some(time) = all.find(|time| !rows.iter().any(|row| row.0 == *time)) {
        flaws.add("", format!("has no row for {}", clock(time)), &format!("its rows are {apart} min apart"));
    }
    let mut flaws = flaws.or(Flaws::none(name))?;
    let (total, place) = (rows.iter().map(|row| row.1).sum::<f64>(), format!("column {:?}", columns[column].0));
    if day.nobody == Nobody::MinusOne && rows.iter().all(|row| row.1 == -1.0) {
        return Ok(vec![number(0.0)]);
    }
    if let Some(row) = rows.iter().find(|row| row.1 < 0.0) {
        flaws.add(&format!("line {}, {place}", row.2), "found -1", "0 or more, or -1 in all rows, would do");
    } else if day.adds_up && (total - 100.0).abs() > ROUNDING {
        flaws.add(
            &place,
            format!("its numbers add up to {total}"),
            "percentages of a day, which add up to 100, would do",
        );
    }
    flaws.or(())?;
    Ok(rows.into_iter().map(|row| number(row.1)).collect())
}

/// The numbers of a table of quantiles, the largest first.
fn quantiles(folder: &Path, name: &str, column: &str) -> Result<Vec<NonNegative>, Flaws> {
    let from = reading::open(&folder.join(name), name)?;
    let mut table = Table::open_any(from, name, &[(PERCENTAGE, true), (column, true)], Others::Ignored)?;
    let mut flaws = Flaws::none(name);
    let mut rows: Vec<[f64; 2]> = Vec::new();
    while let Some(row) = table.next(&mut flaws) {
        let (Some(percent), Some(value)) = (row.number(0, &mut flaws), row.number(1, &mut flaws)) else { continue };
        let before = rows.last().copied().unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        if !(0.0..=100.0).contains(&percent) || percent <= before[0] {
            row.flaw(0, format!("found {percent}"), "percentages from 0 to 100 that ascend would do", &mut flaws);
        }
        if value < 0.0 || value > before[1] {
            let help = "numbers, 0 or more, that do not ascend would do: fewer cars exceed a larger one";
            row.flaw(1, format!("found {value}"), help, &mut flaws);
        }
        rows.push([percent, value]);
    }
    let mut flaws = flaws.or(Flaws::none(name))?;
    let even = |pair: &[[f64; 2]]| (pair[1][0] - pair[0][0] - (rows[1][0] - rows[0][0])).abs() < 1e-9;
    if rows.is_empty() {
        flaws.add("", "has no row but its header", "a row for every percentage");
    } else if !rows.windows(2).all(even) {
        let found = format!("the numbers of column {PERCENTAGE:?} are not equally far apart");
        flaws.add("", found, "only then is any row as likely as any other");
    }
    flaws.or(())?;
    Ok(rows.into_iter().map(|row| number(row[1])).collect())
}

/// Minutes since midnight of the time in the first column.
fn minutes(row: &Row<'_, '_>, flaws: &mut Flaws) -> Option<u32> {
    let text = row.text(0, flaws)?;
    let time = text.split_once(':').and_then(|(hour, minute)| {
        let of = |part: &str, below: u32| (part.len() == 2).then(|| part.parse().ok())?.filter(|n: &u32| *n < below);
        Some(60 * of(hour, 24)? + of(minute, 60)?)
    });
    if time.is_none() {
        row.flaw(0, format!("found {:?}", shorten(text)), "a time of day such as 07:15 would do", flaws);
    }
    time
}

fn clock(minutes: u32) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::super::{Sessions, tables::tests::assert_mean};
    use crate::ev_charging::calendar::{Clock, clock};
    use isonomy_engine::noise::{Key, Phase, Purpose};
    use isonomy_engine::problem::Problem;
    use std::path::Path;

    /// A table over the day in parts of so many minutes: quoted names and times, as EV2Gym has them.
    fn day(header: &str, apart: u32, row: impl Fn(u32) -> String) -> String {
        let time = |at: u32| format!("\"{:02}:{:02}\"", at / 60, at % 60);
        let rows = (0..1440 / apart).map(|part| format!("{},{}\n", time(part * apart), row(part * apart / 60)));
        std::iter::once(format!("{header}\n")).chain(rows).collect()
    }

    /// Tiny tables in the formats of both. Cars come to work from 8 to 10, three quarters of them before 9, and on weekdays only.
    fn files(folder: &Path) {
        let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
        let at_work = |hour| match hour {
            8 => 18.75,
            9 => 6.25,
            _ => 0.0,
        };
        let row = |hour| format!("1.0416666666666667,1.0416666666666667,{}", at_work(hour));
        write("arrival.csv", day("\"Arrival time\",\"private\",\"public\",\"workplace\"", 15, row));
        let row = |_| "1.0416666666666667,1.0416666666666667".to_owned();
        write("arrival-weekend.csv", day("\"Arrival time\",\"private\",\"public\"", 15, row));
        // Nobody who works comes at night, and those rows end early; the second half of the day stands first.
        let means = |work: f64| {
            let row =
                |hour| if (6..19).contains(&hour) { format!("10,4,{}", work + f64::from(hour)) } else { "10,4".into() };
            let table = day("\"Arrival Time\",\"home\",\"public\",\"work\"", 30, row);
            let lines: Vec<&str> = table.lines().collect();
            [&lines[..1], &lines[25..], &lines[1..25]].concat().join("\n")
        };
        write("stay.csv", means(-1.0));
        write("energy.csv", means(6.0));
        let row = |hour| format!("1.0416666666666667,{}", at_work(hour));
        write("workdays.csv", day("time,highway,workplace", 15, row).replace('"', ""));
        let row = |hour| format!("{},-1", if hour < 12 { 25.0 / 12.0 } else { 0.0 });
        write("weekends.csv", day("time,highway,workplace", 15, row).replace('"', ""));
        let percent = |all: f64| -> String {
            let row = |percent: u32| format!("{percent},{},1.0\n", all * f64::from(100 - percent) / 100.0);
            std::iter::once("Percentage of charging events,workplace,highway\n".to_owned())
                .chain((0..=100).map(row))
                .collect()
        };
        write("connection.csv", percent(12.0));
        write("demand.csv", percent(60.0));
    }

    const EV2GYM: &str = r#"Arrivals(multiplier: 5, cars: Ev2Gym((place: Workplace, arrivals: "arrival.csv",
        weekend_arrivals: "arrival-weekend.csv", stay_hours: "stay.csv", energy_kwh: "energy.csv")))"#;
    const CHARGAX: &str = r#"Poisson(cars_per_day: 100, cars: Chargax((column: "workplace", arrivals: "workdays.csv",
        weekend_arrivals: "weekends.csv", stay_hours: "connection.csv", energy_kwh: "demand.csv")))"#;

    fn resolve(text: &str, folder: &Path, clock: &Clock) -> Result<Sessions, Problem> {
        let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let mut sessions: Sessions = options.from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(sessions.check(clock, &stations())[0].to_string().contains("files have not been read"));
        sessions.resolve(folder, clock, &stations())?;
        assert_eq!(sessions.check(clock, &stations()), []);
        // It stands on its own.
        assert_eq!(options.from_str::<Sessions>(&ron::to_string(&sessions).unwrap()).unwrap(), sessions);
        Ok(sessions)
    }

    fn stations() -> Vec<String> {
        (0..20).map(|at| at.to_string()).collect()
    }

    /// (arrival, stay, request) of many episodes of a day of the calendar, in hours and kWh.
    fn cars(sessions: &Sessions, clock: &Clock, episode: usize) -> Vec<[f64; 3]> {
        let (source, key) = (sessions.source(clock, &stations()), Key::new(7, Phase::Training, Purpose::Reset));
        let (mut all, mut drawn) = (Vec::new(), Vec::new());
        for run in 0..400 {
            source.draw(episode, &|word| key.word(run, word as u64), &mut drawn);
            assert!(drawn.len() <= source.most());
            all.extend(drawn.iter().map(|car| {
                let hours = |steps: u32| f64::from(steps) * clock.step_hours();
                [hours(car.arrival), hours(car.est_departure - car.arrival), car.requested_kwh]
            }));
        }
        all
    }

    #[test]
    fn files_of_ev2gym_are_read_as_it_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        files(folder.path());
        // Friday and Saturday.
        let clock = clock("Europe/Amsterdam", "2019-03-01", 2, 1, 15, 96);
        let sessions = resolve(EV2GYM, folder.path(), &clock).unwrap();
        let cars = self::cars(&sessions, &clock, 0);
        assert!(cars.iter().all(|car| (8.0..10.0).contains(&car[0]) && car[1] >= 2.0 && car[2] >= 5.0));
        let of = |hour: f64, at: usize| -> Vec<f64> {
            cars.iter().filter(|car| car[0].floor() == hour).map(|car| car[at]).collect()
        };
        // A stay of 7 h and a request of 14 kWh are the means of 8 o'clock; few stays are below 2 h, but .2 of the
        // requests would be below 5 kWh: E max(5, N(14, 7)) = 14.31.
        assert_mean("stay", &of(8.0, 1), 7.0);
        assert_mean("stay", &of(9.0, 1), 8.0);
        let (z, cumulative, density) = ((5.0 - 14.0) / 7.0, 0.0992714, 0.1745606);
        assert_mean("request", &of(8.0, 2), 14.0 + 7.0 * (density + z * cumulative));
        // .1875 · .25 h · 5 of the free ports in the first quarter of an hour.
        let first = cars.iter().filter(|car| car[0] == 8.0).count() as f64 / (400.0 * 20.0);
        assert!((first - 0.1875 * 0.25 * 5.0).abs() < 4.0 * (0.234_f64 * 0.766 / 8000.0).sqrt(), "{first}");
        assert_eq!(self::cars(&sessions, &clock, 1), [[0.0; 3]; 0], "nobody works on Saturdays");
        // Both names of a column are known, and at a public place the mean is that of all day.
        let public = resolve(&EV2GYM.replace("Workplace", "Public"), folder.path(), &clock).unwrap();
        let stays: Vec<f64> = self::cars(&public, &clock, 1).iter().map(|car| car[1]).collect();
        assert_mean("stay", &stays, 4.0);
        resolve(&EV2GYM.replace("Workplace", "Private"), folder.path(), &clock).unwrap();
    }

    #[test]
    fn files_of_chargax_are_read_as_it_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        files(folder.path());
        let clock = clock("Europe/Amsterdam", "2019-03-01", 2, 1, 5, 288);
        let sessions = resolve(CHARGAX, folder.path(), &clock).unwrap();
        let cars = self::cars(&sessions, &clock, 0);
        let of = |at: usize| -> Vec<f64> { cars.iter().map(|car| car[at]).collect() };
        assert!((cars.len() as f64 / 400.0 - 100.0).abs() < 2.0, "{} cars", cars.len());
        assert_mean("early", &of(0).iter().map(|at| f64::from(u8::from(*at < 9.0))).collect::<Vec<_>>(), 0.75);
        // Any of 0, 1, … 100 percent of 12 h and 60 kWh; the shortest stay is a step.
        assert_mean("stay", &of(1), (6.0 * 101.0 + 1.0 / 12.0) / 101.0);
        assert_mean("request", &of(2), (30.0 * 101.0 + 0.01) / 101.0);
        assert_eq!(self::cars(&sessions, &clock, 1), [[0.0; 3]; 0], "-1 is nobody");
        let highway = resolve(&CHARGAX.replace("\"workplace\"", "\"highway\""), folder.path(), &clock).unwrap();
        let weekend = self::cars(&highway, &clock, 1);
        assert!(weekend.iter().all(|car| car[0] < 12.0 && car[1] == 1.0 && car[2] == 1.0) && weekend.len() > 39_000);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_column() {
        let clock = clock("Europe/Amsterdam", "2019-03-01", 2, 1, 15, 96);
        for (text, file, from, to, expected) in [
            (
                EV2GYM,
                "arrival.csv",
                "\"08:15\"",
                "\"8:15\"",
                "line 35, column \"Arrival time\": found \"8:15\" (a time of",
            ),
            (
                EV2GYM,
                "arrival.csv",
                "\"08:15\"",
                "\"08:00\"",
                "line 35, column \"Arrival time\": 08:00 is there in line 34",
            ),
            (EV2GYM, "arrival.csv", "\"08:15\"", "\"08:16\"", "its times do not divide the day into parts of 14 min"),
            (
                EV2GYM,
                "arrival.csv",
                ",18.75",
                ",-18.75",
                "line 34, column \"workplace\": found -18.75 (0 or more would do)",
            ),
            (
                EV2GYM,
                "arrival.csv",
                ",18.75",
                ",",
                "line 34, column \"workplace\": found \"\" (a finite number would do)",
            ),
            (
                EV2GYM,
                "arrival.csv",
                ",18.75",
                ",.1875",
                "column \"workplace\": its numbers add up to 25.75 (percentages of a",
            ),
            (
                EV2GYM,
                "arrival.csv",
                "workplace",
                "office",
                "line 1: has no column \"workplace\", but: Arrival time, private,",
            ),
            (
                EV2GYM,
                "stay.csv",
                "Arrival Time",
                "Arrival",
                "line 1: has no column \"Arrival Time\", but: Arrival, home",
            ),
            (EV2GYM, "stay.csv", "\"08:30\",10,4,7\n", "", "has no row for 08:30 (its rows are 30 min apart)"),
            (EV2GYM, "stay.csv", ",10,4,7", ",10,4,7 h", "line 42, column \"work\": found \"7 h\" (a finite number"),
            (EV2GYM, "stay.csv", ",10,4,7", ",10,4,7,1", "line 42: has 5 fields where the header has 4"),
            (
                CHARGAX,
                "weekends.csv",
                "09:00,2.0833333333333335,-1",
                "09:00,2.08,0",
                "line 2, column \"workplace\": found -1",
            ),
            (CHARGAX, "workdays.csv", ",18.75", ",-1", "line 34, column \"workplace\": found -1 (0 or more would do)"),
            (CHARGAX, "connection.csv", "\n7,", "\n6,", "line 9, column \"Percentage of charging events\": found 6"),
            (
                CHARGAX,
                "connection.csv",
                "\n7,11.16,",
                "\n7,12.16,",
                "line 9, column \"workplace\": found 12.16 (numbers",
            ),
            (
                CHARGAX,
                "demand.csv",
                "\n7,",
                "\n7.5,",
                "the numbers of column \"Percentage of charging events\" are not",
            ),
            (CHARGAX, "demand.csv", "workplace", "office", "line 1: has no column \"workplace\""),
        ] {
            let folder = tempfile::tempdir().unwrap();
            files(folder.path());
            let path = folder.path().join(file);
            let old = std::fs::read_to_string(&path).unwrap();
            let new =
                if from == ",18.75" && to == ",.1875" { old.replace(from, to) } else { old.replacen(from, to, 1) };
            assert_ne!(old, new, "{from}");
            std::fs::write(path, new).unwrap();
            let error = resolve(text, folder.path(), &clock).unwrap_err().to_string();
            let found = error.split_once(&format!(": {file}: ")).unwrap_or_else(|| panic!("{error}"));
            assert!(found.1.starts_with(expected), "{error}\nnot {expected}");
            assert!(
                found.0.contains(".cars.") && (found.0.contains("Ev2Gym.") || found.0.contains("Chargax.")),
                "{error}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let error = resolve(CHARGAX, folder.path(), &clock).unwrap_err().to_string();
        assert!(error.starts_with("Poisson.cars.Chargax.arrivals: workdays.csv: cannot read"), "{error}");
    }
}
