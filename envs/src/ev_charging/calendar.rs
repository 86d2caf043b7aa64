//! Which local days are simulated, and which instant a step is.

use isonomy_engine::problem::Problem;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::num::NonZeroU32;

/// The local days that episodes take place on. An episode starts at midnight.
///
/// Steps count elapsed time, not what the clock on the wall shows: on the day when clocks are put forward (23 hours) the
/// last hour of an episode of 24 belongs to the next day; when they are put back (25 hours), the last hour of the day is
/// not simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Name of the site's time zone, such as `America/Los_Angeles`.
    pub time_zone: Zone,
    /// Date of the first episode, such as `2019-03-04`.
    pub first_day: Day,
    /// How many different episodes there are.
    #[serde(default = "one")]
    pub episodes: NonZeroU32,
    /// Days from the start of one to the start of the next.
    #[serde(default = "one")]
    pub days_per_episode: NonZeroU32,
    /// Which of them a lane lives through.
    #[serde(default)]
    pub order: Order,
}

/// Which of the calendar's episodes a lane lives through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Order {
    /// Lane after lane, episode after episode; from the start again after the last one.
    #[default]
    Sequential,
    /// Drawn with equal chances.
    Random,
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// A time zone of the database that comes with the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

/// A date of the years 1900 to 2199.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(Date);

impl Zone {
    /// The time zone.
    pub fn get(&self) -> &TimeZone {
        &self.0
    }
}

impl Day {
    /// The date.
    pub fn get(self) -> Date {
        self.0
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let unknown = |_| format!("{name:?} is no time zone; \"America/Los_Angeles\" or \"UTC\" would be");
        TimeZone::get(&name).map(Zone).map_err(unknown)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.0.iana_name().unwrap_or("UTC").to_owned()
    }
}

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let date = text.parse::<Date>().ok().filter(|date| text.len() == 10 && (1900..2200).contains(&date.year()));
        date.map(Day).ok_or_else(|| format!("{text:?} is no date; one such as \"2019-03-04\" would be"))
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.0.to_string()
    }
}

macro_rules! text_schema {
    ($name:ident, $about:literal) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $about })
            }
        }
    };
}

text_schema!(Zone, "the name of a time zone, such as America/Los_Angeles");
text_schema!(Day, "a date, such as 2019-03-04");

/// A calendar whose episodes have a number of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Clock {
    zone: TimeZone,
    /// Midnights at which episodes start, and the one after the last.
    midnights: Vec<Timestamp>,
    dates: Vec<Date>,
    step_seconds: i64,
    steps: u32,
}

/// More days than this are no calendar.
const MOST_EPISODES: u32 = 100_000;

impl Calendar {
    /// The calendar of episodes that have `steps` steps of `step_minutes` minutes.
    pub fn clock(&self, step_minutes: u32, steps: u32) -> Result<Clock, Problem> {
        let (episodes, days) = (self.episodes.get(), self.days_per_episode.get());
        if u64::from(episodes) * u64::from(days) > MOST_EPISODES.into() {
            let found = format!("{episodes} episodes of {days} days");
            return Err(Problem::at("episodes", found).help(format!("at most {MOST_EPISODES} days would do")));
        }
        if step_minutes == 0 || steps == 0 {
            return Err(Problem::at("", "an episode has no time").help("at least one step of one minute would do"));
        }
        if u64::from(step_minutes) * u64::from(steps) > u64::from(MOST_EPISODES) * 24 * 60 {
            let found = format!("{steps} steps of {step_minutes} minutes");
            return Err(Problem::at("", found).help(format!("at most {MOST_EPISODES} days would do")));
        }
        let zone = self.time_zone.get().clone();
        let mut clock =
            Clock { zone, midnights: Vec::new(), dates: Vec::new(), step_seconds: i64::from(step_minutes) * 60, steps };
        for episode in 0..=i64::from(episodes) {
            let date = self.first_day.get().checked_add((episode * i64::from(days)).days());
            // The first instant of a date, should clocks skip its midnight.
            let midnight = date.and_then(|date| Ok((date, date.to_zoned(clock.zone.clone())?.timestamp())));
            let (date, midnight) = midnight.map_err(|error| Problem::at("first_day", error.to_string()))?;
            clock.midnights.push(midnight);
            clock.dates.push(date);
        }
        Ok(clock)
    }

    /// The episode of the calendar that a lane lives through when it begins its episode number `episode`.
    /// `word` is looked at where the order is random.
    pub fn pick(&self, lane: u64, lanes: u64, episode: u64, word: u32) -> usize {
        let episodes = u64::from(self.episodes.get());
        match self.order {
            Order::Sequential => ((episode % episodes) * (lanes % episodes) + lane) as usize % episodes as usize,
            Order::Random => ((u64::from(word) * episodes) >> 32) as usize,
        }
    }
}

impl Clock {
    /// Different episodes.
    pub fn episodes(&self) -> usize {
        self.midnights.len() - 1
    }

    /// Steps of an episode.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Length of a step in hours.
    pub fn step_hours(&self) -> f64 {
        self.step_seconds as f64 / 3600.0
    }

    /// Length of a step in seconds.
    pub fn step_seconds(&self) -> i64 {
        self.step_seconds
    }

    /// The site's time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The date on which an episode starts.
    pub fn date(&self, episode: usize) -> Date {
        self.dates[episode]
    }

    /// The first instant of a step; steps after the last one are good too.
    pub fn instant(&self, episode: usize, step: u32) -> Timestamp {
        let after = SignedDuration::from_secs(self.step_seconds * i64::from(step));
        self.midnights[episode].saturating_add(after).unwrap_or(Timestamp::MAX)
    }

    /// What clocks on the wall show then.
    pub fn local(&self, episode: usize, step: u32) -> DateTime {
        self.zone.to_datetime(self.instant(episode, step))
    }

    /// The episode in whose days an instant lies.
    pub(crate) fn episode_of(&self, instant: Timestamp) -> Option<usize> {
        let after = self.midnights.partition_point(|midnight| *midnight <= instant);
        (1..self.midnights.len()).contains(&after).then(|| after - 1)
    }

    /// The first instant that is no longer of an episode's days.
    pub(crate) fn midnight_after(&self, episode: usize) -> Timestamp {
        self.midnights[episode + 1]
    }

    /// The step in which an instant lies, counted from the start of the episode. Negative before it.
    pub(crate) fn step_of(&self, episode: usize, instant: Timestamp) -> i64 {
        (instant.as_second() - self.midnights[episode].as_second()).div_euclid(self.step_seconds)
    }
}

#[cfg(test)]
pub(crate) fn clock(zone: &str, first_day: &str, episodes: u32, days: u32, minutes: u32, steps: u32) -> Clock {
    let (time_zone, first_day) =
        (Zone::try_from(zone.to_owned()).unwrap(), Day::try_from(first_day.to_owned()).unwrap());
    let (episodes, days_per_episode) = (NonZeroU32::new(episodes).unwrap(), NonZeroU32::new(days).unwrap());
    let calendar = Calendar { time_zone, first_day, episodes, days_per_episode, order: Order::Sequential };
    calendar.clock(minutes, steps).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_local_midnight_and_have_23_24_or_25_hours() {
        let spring = clock("America/Los_Angeles", "2019-03-09", 3, 1, 5, 288);
        assert_eq!(spring.instant(0, 0).to_string(), "2019-03-09T08:00:00Z");
        assert_eq!(spring.instant(1, 0).to_string(), "2019-03-10T08:00:00Z");
        assert_eq!(spring.instant(2, 0).to_string(), "2019-03-11T07:00:00Z");
        assert_eq!(spring.local(1, 24).to_string(), "2019-03-10T03:00:00", "02:00 does not happen");
        assert_eq!(spring.step_of(1, spring.instant(2, 0)), 276);
        let autumn = clock("America/Los_Angeles", "2019-11-03", 1, 1, 60, 24);
        assert_eq!(autumn.step_of(0, autumn.midnight_after(0)), 25);
        assert_eq!([1, 2].map(|step| autumn.local(0, step).hour()), [1, 1]);
    }

    #[test]
    fn an_instant_is_of_one_episode() {
        let clock = clock("UTC", "2020-02-28", 2, 2, 15, 192);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(clock.episode_of(at("2020-02-27T23:59:59Z")), None);
        assert_eq!(clock.episode_of(at("2020-02-29T23:59:59Z")), Some(0));
        assert_eq!(clock.episode_of(at("2020-03-01T00:00:00Z")), Some(1));
        assert_eq!(clock.episode_of(at("2020-03-03T00:00:00Z")), None);
        assert_eq!(clock.step_of(0, at("2020-02-28T00:14:59Z")), 0);
        assert_eq!(clock.step_of(0, at("2020-02-27T23:59:59Z")), -1);
        assert_eq!(clock.date(1).to_string(), "2020-03-01");
    }

    #[test]
    fn lanes_take_episodes_in_turn() {
        let mut calendar: Calendar =
            ron::from_str("(time_zone: \"UTC\", first_day: \"2019-01-01\", episodes: 5)").unwrap();
        let taken: Vec<usize> = (0..6).map(|n| calendar.pick(n % 3, 3, n / 3, 0)).collect();
        assert_eq!(taken, [0, 1, 2, 3, 4, 0]);
        calendar.order = Order::Random;
        assert_eq!([0, 1 << 31, u32::MAX].map(|word| calendar.pick(0, 1, 0, word)), [0, 2, 4]);
    }

    #[test]
    fn what_is_no_calendar_is_refused() {
        let read = |text: &str| ron::from_str::<Calendar>(text).map_err(|error| error.to_string());
        assert!(read("(time_zone: \"Mars\", first_day: \"2019-01-01\")").unwrap_err().contains("is no time zone"));
        assert!(read("(time_zone: \"UTC\", first_day: \"2019-02-29\")").unwrap_err().contains("is no date"));
        let long = read("(time_zone: \"UTC\", first_day: \"2019-01-01\", episodes: 4000000000)").unwrap();
        assert!(long.clock(5, 288).unwrap_err().to_string().contains("4000000000 episodes"));
        assert!(read("(time_zone: \"UTC\", first_day: \"2199-12-31\")").unwrap().clock(0, 288).is_err());
    }
}
