//! What energy costs by season, day of the week and time of day.

use crate::ev_charging::calendar::Clock;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Finite;
use jiff::civil::{Date, DateTime, Weekday};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The price of energy, per kWh, and of the peak, per kW.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Tariff {
    /// Southern California Edison TOU-EV-4 of March 2019: cheap at night, 15.51 $/kW.
    SceTouEv4,
    /// Southern California Edison TOU-EV-8 of June 2019: dear from 16 to 21 h, no charge for the peak.
    SceTouEv8,
    /// One price at all times, per kWh.
    Flat(Finite),
    /// A JSON file as ACN-Sim has them, relative to the scenario's folder.
    File(String),
    /// What such a file holds.
    TimeOfUse(TimeOfUse),
}

/// A tariff as ACN-Sim writes it. On every day exactly one schedule is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimeOfUse {
    /// Name in reports.
    pub name: String,
    /// The schedules.
    pub schedule: Vec<Schedule>,
}

/// Prices of some days of the year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Name in messages.
    pub id: String,
    /// First day of the year, `MM-DD`. It may be later than the last one: then New Year lies between.
    pub effective_start: String,
    /// Last day of the year, `MM-DD`.
    pub effective_end: String,
    /// Days of the week.
    pub dow_mask: DaysOfWeek,
    /// Hours since midnight at which prices begin; the first is 0.
    pub times: Vec<f64>,
    /// Price from then on, per kWh.
    pub tariffs: Vec<f64>,
    /// Price of the peak, per kW.
    pub demand_charge: f64,
}

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DaysOfWeek {
    /// Monday to Friday.
    #[serde(rename = "WEEKDAYS")]
    Weekdays,
    /// Saturday and Sunday.
    #[serde(rename = "WEEKENDS")]
    Weekends,
    /// All seven.
    #[serde(rename = "ALL")]
    All,
}

/// Month and day.
type DayOfYear = (i8, i8);

impl Tariff {
    /// Reads the file that it names.
    pub fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        if let Tariff::File(name) = self {
            let wrong = |error: String| Problem::at("File", format!("{name}: {error}"));
            let text = std::fs::read_to_string(folder.join(&*name)).map_err(|error| wrong(error.to_string()))?;
            let read: TimeOfUse = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
            let problems: Vec<String> = read.check().iter().map(Problem::to_string).collect();
            if !problems.is_empty() {
                return Err(wrong(problems.join("\n")));
            }
            *self = Tariff::TimeOfUse(read);
        }
        Ok(())
    }

    /// Everything that its types could not refuse.
    pub fn check(&self) -> Vec<Problem> {
        match self {
            Tariff::File(name) => vec![Problem::at("File", format!("{name} has not been read"))],
            Tariff::TimeOfUse(tariff) => tariff.check().into_iter().map(|problem| problem.under("TimeOfUse")).collect(),
            Tariff::SceTouEv4 | Tariff::SceTouEv8 | Tariff::Flat(_) => Vec::new(),
        }
    }

    /// Prices of all steps, `[episodes, steps]` per kWh, at the local time at which they begin. Checked before.
    pub fn prices(&self, clock: &Clock) -> Vec<f64> {
        let tariff = match self {
            Tariff::Flat(price) => return vec![price.get(); clock.episodes() * clock.steps() as usize],
            other => other.time_of_use(),
        };
        let price = |(episode, step)| tariff.price(clock.local(episode, step));
        (0..clock.episodes())
            .flat_map(|episode| (0..clock.steps()).map(move |step| (episode, step)))
            .map(price)
            .collect()
    }

    /// The price of the peak of an episode that starts on a day, per kW.
    pub fn demand_charge(&self, day: Date) -> f64 {
        match self {
            Tariff::Flat(_) => 0.0,
            other => other.time_of_use().on(day).demand_charge,
        }
    }

    fn time_of_use(&self) -> TimeOfUse {
        match self {
            Tariff::SceTouEv4 => sce_tou_ev_4(),
            Tariff::SceTouEv8 => sce_tou_ev_8(),
            Tariff::TimeOfUse(tariff) => tariff.clone(),
            Tariff::Flat(_) | Tariff::File(_) => unreachable!("a flat price has no times, and `check` refuses a file"),
        }
    }
}

impl TimeOfUse {
    fn check(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.schedule.iter().enumerate().flat_map(Schedule::check).collect();
        if problems.is_empty() {
            problems.extend(self.check_days());
        }
        problems
    }

    /// The first day on which not exactly one schedule is in force.
    fn check_days(&self) -> Option<Problem> {
        // A leap year whose days are Mondays and Sundays in turn: what counts is only whether it is a weekend.
        let january = Date::new(2020, 1, 1).ok()?;
        let days = january.series(jiff::Span::new().days(1)).take(366);
        for (day, weekend) in days.flat_map(|day| [(day, false), (day, true)]) {
            let of_year = (day.month(), day.day());
            let there: Vec<&str> =
                self.schedule.iter().filter(|one| one.holds(of_year, weekend)).map(|one| &*one.id).collect();
            if there.len() != 1 {
                let kind = if weekend { "weekend day" } else { "weekday" };
                let found = match there.len() {
                    0 => format!("no schedule is in force on {:02}-{:02} if that is a {kind}", of_year.0, of_year.1),
                    _ => format!(
                        "{} are all in force on {:02}-{:02} if that is a {kind}",
                        there.join(", "),
                        of_year.0,
                        of_year.1
                    ),
                };
                return Some(Problem::at("schedule", found).help("exactly one schedule may be in force"));
            }
        }
        None
    }

    /// The schedule in force on a day.
    fn on(&self, day: Date) -> &Schedule {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        let holds = |one: &&Schedule| one.holds((day.month(), day.day()), weekend);
        self.schedule.iter().find(holds).expect("checked: one is in force on every day")
    }

    fn price(&self, at: DateTime) -> f64 {
        let schedule = self.on(at.date());
        let hour = f64::from(at.hour()) + f64::from(at.minute()) / 60.0 + f64::from(at.second()) / 3600.0;
        let begun = schedule.times.partition_point(|time| *time <= hour);
        schedule.tariffs[begun - 1]
    }
}

impl Schedule {
    fn check((index, schedule): (usize, &Schedule)) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |field: &str, found: String, help: &str| {
            problems.push(Problem::at(format!("schedule[{index}].{field}"), found).help(help));
        };
        for (field, text) in
            [("effective_start", &schedule.effective_start), ("effective_end", &schedule.effective_end)]
        {
            if day_of_year(text).is_none() {
                add(field, format!("{text:?} is no day of the year"), "MM-DD, such as 06-01, would do");
            }
        }
        let ascends = schedule.times.windows(2).all(|pair| pair[0] < pair[1]);
        let inside = schedule.times.iter().all(|time| (0.0..24.0).contains(time));
        if schedule.times.first() != Some(&0.0) || !ascends || !inside {
            let help = "hours that ascend from 0 and stay below 24 would do";
            add("times", format!("found {:?}", schedule.times), help);
        }
        if schedule.tariffs.len() != schedule.times.len() {
            let found = format!("{} prices for {} times", schedule.tariffs.len(), schedule.times.len());
            add("tariffs", found, "one price for each time would do");
        }
        if !schedule.tariffs.iter().all(|price| price.is_finite()) {
            add("tariffs", format!("found {:?}", schedule.tariffs), "finite numbers would do");
        }
        if !(schedule.demand_charge >= 0.0 && schedule.demand_charge.is_finite()) {
            add("demand_charge", format!("found {}", schedule.demand_charge), "a number, 0 or above, would do");
        }
        problems
    }

    fn holds(&self, day: DayOfYear, weekend: bool) -> bool {
        let (Some(first), Some(last)) = (day_of_year(&self.effective_start), day_of_year(&self.effective_end)) else {
            return false;
        };
        let in_season = if first <= last { first <= day && day <= last } else { day >= first || day <= last };
        in_season
            && match self.dow_mask {
                DaysOfWeek::All => true,
                DaysOfWeek::Weekdays => !weekend,
                DaysOfWeek::Weekends => weekend,
            }
    }
}

/// The day of a text such as `06-01` or `6-1`; there is a 29th of February.
fn day_of_year(text: &str) -> Option<DayOfYear> {
    let (month, day) = text.split_once('-')?;
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    Date::new(2020, month, day).ok().map(|_| (month, day))
}

/// A schedule from what differs between those of Southern California Edison.
fn sce(
    id: &str,
    season: [&str; 2],
    dow_mask: DaysOfWeek,
    times: &[f64],
    tariffs: &[f64],
    demand_charge: f64,
) -> Schedule {
    let [effective_start, effective_end] = season.map(str::to_owned);
    let (times, tariffs) = (times.to_vec(), tariffs.to_vec());
    Schedule { id: id.to_owned(), effective_start, effective_end, dow_mask, times, tariffs, demand_charge }
}

const SUMMER: [&str; 2] = ["06-01", "09-30"];
const WINTER: [&str; 2] = ["10-01", "05-31"];

fn sce_tou_ev_4() -> TimeOfUse {
    use DaysOfWeek::{Weekdays, Weekends};
    let times = &[0.0, 8.0, 12.0, 18.0, 23.0];
    let charge = 15.51;
    TimeOfUse {
        name: "SCE TOU-EV-4".to_owned(),
        schedule: vec![
            sce("summer weekday", SUMMER, Weekdays, times, &[0.05623, 0.0925, 0.26668, 0.0925, 0.05623], charge),
            sce("summer weekend", SUMMER, Weekends, &[0.0], &[0.05623], charge),
            sce("winter weekday", WINTER, Weekdays, times, &[0.06087, 0.07492, 0.0869, 0.07492, 0.06087], charge),
            sce("winter weekend", WINTER, Weekends, &[0.0], &[0.06087], charge),
        ],
    }
}

fn sce_tou_ev_8() -> TimeOfUse {
    use DaysOfWeek::{All, Weekdays, Weekends};
    let times = &[0.0, 16.0, 21.0];
    TimeOfUse {
        name: "SCE TOU-EV-8".to_owned(),
        schedule: vec![
            sce("summer weekday", SUMMER, Weekdays, times, &[0.12597, 0.49619, 0.12597], 0.0),
            sce("summer weekend", SUMMER, Weekends, times, &[0.12597, 0.25563, 0.12597], 0.0),
            sce("winter", WINTER, All, &[0.0, 8.0, 16.0, 21.0], &[0.13568, 0.07724, 0.297, 0.13568], 0.0),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ev_charging::calendar::clock;

    fn price(tariff: &TimeOfUse, at: &str) -> f64 {
        tariff.price(at.parse().unwrap())
    }

    #[test]
    fn built_in_prices_are_those_of_2019() {
        for tariff in [Tariff::SceTouEv4, Tariff::SceTouEv8] {
            assert_eq!(tariff.time_of_use().check(), [], "{tariff:?}");
        }
        let four = sce_tou_ev_4();
        for (at, expected) in [
            ("2019-07-01T07:59:59", 0.05623), // a Monday
            ("2019-07-01T08:00", 0.0925),
            ("2019-07-01T12:00", 0.26668),
            ("2019-07-01T23:00", 0.05623),
            ("2019-07-06T12:00", 0.05623), // a Saturday
            ("2019-01-01T12:00", 0.0869),
            ("2019-12-31T08:00", 0.07492),
            ("2019-05-31T18:00", 0.07492),
            ("2019-06-01T12:00", 0.05623),
            ("2019-03-03T12:00", 0.06087),
        ] {
            assert_eq!(price(&four, at), expected, "{at}");
        }
        let eight = sce_tou_ev_8();
        for (at, expected) in [
            ("2019-09-30T16:00", 0.49619),
            ("2019-09-29T20:59", 0.25563),
            ("2019-10-01T00:00", 0.13568),
            ("2019-10-05T15:00", 0.07724),
            ("2019-02-28T16:00", 0.297),
            ("2020-02-29T21:00", 0.13568),
        ] {
            assert_eq!(price(&eight, at), expected, "{at}");
        }
        let day = Date::new(2019, 7, 1).unwrap();
        assert_eq!((Tariff::SceTouEv4.demand_charge(day), Tariff::SceTouEv8.demand_charge(day)), (15.51, 0.0));
    }

    #[test]
    fn prices_follow_the_clock_on_the_wall() {
        let clock = clock("America/Los_Angeles", "2019-03-10", 2, 1, 60, 24);
        let prices = Tariff::SceTouEv4.prices(&clock);
        assert_eq!(prices.len(), 48);
        // Monday at 0 h; 02:00 of the Sunday before did not happen, so its last step is Monday's first hour.
        assert_eq!((prices[23], prices[24], prices[24 + 8]), (0.06087, 0.06087, 0.07492));
        let flat = Tariff::Flat(Finite::new(0.2).unwrap());
        assert_eq!((flat.prices(&clock), flat.demand_charge(clock.date(0))), (vec![0.2; 48], 0.0));
    }

    fn file(text: &str) -> Result<Tariff, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t.json"), text).unwrap();
        let mut tariff = Tariff::File("t.json".to_owned());
        assert_eq!(tariff.check().len(), 1);
        tariff.resolve(folder.path()).map_err(|problem| problem.to_string())?;
        assert_eq!(tariff.check(), []);
        Ok(tariff)
    }

    const FILE: &str = include_str!("../fixtures/tariff.json");

    #[test]
    fn a_file_of_acn_sim_is_read() {
        let tariff = file(FILE).unwrap();
        let Tariff::TimeOfUse(read) = &tariff else { panic!("{tariff:?}") };
        assert_eq!((price(read, "2019-12-25T08:29"), price(read, "2019-12-25T08:30")), (0.1, 0.2));
        assert_eq!(tariff.demand_charge(Date::new(2019, 5, 1).unwrap()), 3.5);
        let again: Tariff = ron::from_str(&ron::to_string(&tariff).unwrap()).unwrap();
        assert_eq!(again, tariff);
    }

    #[test]
    fn a_wrong_tariff_is_refused() {
        for (from, to, expected) in [
            // As PG&E A-10 has it in ACN-Sim: two schedules of one winter weekend.
            (
                "\"WEEKDAYS\"",
                "\"ALL\"",
                "schedule: winter weekday, winter weekend are all in force on 01-01 if that is a weekend day",
            ),
            ("\"11-01\"", "\"11-02\"", "schedule: no schedule is in force on 11-01 if that is a weekday"),
            ("\"11-01\"", "\"11-31\"", "schedule[0].effective_start: \"11-31\" is no day of the year"),
            ("[0, 8.5]", "[1, 8.5]", "schedule[0].times: found [1.0, 8.5]"),
            ("[0, 8.5]", "[0, 24]", "schedule[0].times: found [0.0, 24.0]"),
            ("[0, 8.5]", "[0, 8.5, 8.5]", "schedule[0].times: found"),
            ("[0.1, 0.2]", "[0.1]", "schedule[0].tariffs: 1 prices for 2 times"),
            ("[0.1, 0.2]", "[0.1, NaN]", "expected value at line"),
            ("\"demand_charge\": 2", "\"demand_charge\": -2", "schedule[0].demand_charge: found -2"),
            ("\"dow_mask\"", "\"days\"", "unknown field `days`"),
        ] {
            let text = FILE.replacen(from, to, 1);
            assert_ne!(text, FILE, "{from}");
            let error = file(&text).unwrap_err();
            assert!(error.starts_with(&format!("File: t.json: {expected}")), "{to}: {error}");
        }
    }
}
