//! From the stays that a file tells of to the sessions of an episode: one place for the rules of all formats.

use super::dropped::Dropped;
use crate::ev_charging::calendar::Clock;
use crate::ev_charging::reading::Flaws;
use crate::ev_charging::session::{BatterySpec, Session};
use isonomy_engine::quantity::Positive;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Which of a file's sessions take place. What does not is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Sessions for which no driver said what is needed.
    pub unclaimed: Fate,
    /// Cars that are still there, or said that they would be, when the days of their episode end.
    pub overnight: Overnight,
    /// Sessions that begin at a station while another is there.
    pub overlapping: Overlap,
    /// Sessions at stations that the network does not have.
    pub unknown_stations: Unknown,
    /// Larger requests count as this much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_kwh: Option<Positive>,
}

/// Whether sessions of a kind take place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Fate {
    /// They do.
    #[default]
    Keep,
    /// They do not.
    Drop,
}

/// What becomes of cars that stay beyond the end of an episode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Overnight {
    /// They leave when the episode ends; what they asked for stays the same.
    #[default]
    Cut,
    /// They do not come.
    Drop,
}

/// What becomes of a session at a station that is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Overlap {
    /// The file is wrong.
    #[default]
    Refuse,
    /// The later one is dropped.
    Drop,
}

/// What becomes of a session at a station that there is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unknown {
    /// The file does not fit the network.
    #[default]
    Refuse,
    /// It is dropped.
    Drop,
}

/// What an import found.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// Sessions of every episode of the calendar, by arrival, then station, then place in the file.
    pub episodes: Vec<Vec<Session>>,
    /// What was left out.
    pub dropped: Dropped,
    /// Requests that were cut to the most that counts.
    pub capped: u64,
    /// Sessions that the files have.
    pub read: u64,
}

impl Imported {
    /// Sessions that take place.
    pub fn kept(&self) -> u64 {
        self.episodes.iter().map(|sessions| sessions.len() as u64).sum()
    }
}

/// A stay as a source tells it.
pub(super) struct Stay<'a> {
    pub arrival: Timestamp,
    /// Nothing where the car was still there when the source was written.
    pub departure: Option<Timestamp>,
    /// Nothing where the source does not say; then the driver knew the departure.
    pub est_departure: Option<Timestamp>,
    pub kwh: f64,
    /// Nothing where the source has none: then any station will do.
    pub station: Option<&'a str>,
    pub claimed: bool,
    pub battery: Option<BatterySpec>,
    pub max_kw: Option<f64>,
    pub operator: u32,
}

/// Where a stay's parts are in the file, for those who must correct it.
pub(super) struct Places<'a> {
    pub departure: &'a dyn Fn() -> String,
    pub station: &'a dyn Fn() -> String,
    pub kwh: &'a dyn Fn() -> String,
}

/// Takes in stays one by one.
pub(super) struct Intake<'a> {
    clock: &'a Clock,
    rules: Rules,
    stations: HashMap<&'a str, u32>,
    episodes: Vec<Vec<Taken>>,
    dropped: Dropped,
    capped: u64,
    read: u64,
}

/// A session and where it was found.
struct Taken {
    session: Session,
    file: u32,
    /// Line or index, as the format counts them.
    nth: u64,
}

/// More sessions than this are not kept in memory.
const MOST_SESSIONS: u64 = 10_000_000;

/// No site delivers more to one car. Beyond this a unit was mistaken.
const MOST_KWH: f64 = 10_000.0;

impl<'a> Intake<'a> {
    /// `stations` are names in registration order.
    pub(super) fn new(clock: &'a Clock, stations: &'a [String], rules: Rules) -> Self {
        let stations = stations.iter().zip(0..).map(|(name, index)| (name.as_str(), index)).collect();
        let episodes = (0..clock.episodes()).map(|_| Vec::new()).collect();
        Intake { clock, rules, stations, episodes, dropped: Dropped::default(), capped: 0, read: 0 }
    }

    /// The clock that gives instants their steps.
    pub(super) fn clock(&self) -> &'a Clock {
        self.clock
    }

    /// A session of the file that has no place in time.
    pub(super) fn ambiguous(&mut self) {
        self.read += 1;
        self.dropped.ambiguous_time += 1;
    }

    /// Takes a stay in, drops it or finds a flaw in it. `nth` is its line or its index in file number `file`.
    pub(super) fn take(&mut self, stay: Stay<'_>, file: u32, nth: u64, at: Places<'_>, flaws: &mut Flaws) {
        self.read += 1;
        if let Some(departure) = stay.departure
            && departure < stay.arrival
        {
            let found = format!("the departure {departure} is before the arrival {}", stay.arrival);
            flaws.add(&(at.departure)(), found, "an instant after the arrival would do");
            return;
        }
        if !(0.0..=MOST_KWH).contains(&stay.kwh) {
            let help = format!("energy in kWh from 0 to {MOST_KWH} would do");
            flaws.add(&(at.kwh)(), format!("found {} kWh", stay.kwh), &help);
            return;
        }
        if let Some((episode, session)) = self.session(&stay, at, flaws) {
            self.episodes[episode].push(Taken { session, file, nth });
        }
    }

    /// The session of a stay that is none of those to be dropped.
    fn session(&mut self, stay: &Stay<'_>, at: Places<'_>, flaws: &mut Flaws) -> Option<(usize, Session)> {
        let dropped = &mut self.dropped;
        if self.rules.unclaimed == Fate::Drop && !stay.claimed {
            return count(&mut dropped.unclaimed);
        }
        let station = match stay.station.map(|name| (name, self.stations.get(name))) {
            None => None,
            Some(_) if self.stations.is_empty() => None,
            Some((_, Some(index))) => Some(*index),
            Some(_) if self.rules.unknown_stations == Unknown::Drop => return count(&mut dropped.unknown_station),
            Some((name, None)) => {
                let help = known(&self.stations);
                flaws.add(&(at.station)(), format!("the network has no station {name:?}"), &help);
                return None;
            }
        };
        let Some(episode) = self.clock.episode_of(stay.arrival) else { return count(&mut dropped.outside_calendar) };
        let Some(departs) = stay.departure else { return count(&mut dropped.no_departure) };
        let estimated = stay.est_departure.unwrap_or(departs);
        let step = |instant| self.clock.step_of(episode, instant);
        let (arrival, mut departure, est_departure) = (step(stay.arrival), step(departs), step(estimated));
        let last = i64::from(self.clock.steps());
        if est_departure <= arrival {
            return count(&mut dropped.est_departure_not_after_arrival);
        }
        match self.rules.overnight {
            Overnight::Drop if departs.max(estimated) >= self.clock.midnight_after(episode) => {
                return count(&mut dropped.crosses_midnight);
            }
            Overnight::Drop if departure > last => return count(&mut dropped.after_last_step),
            Overnight::Drop => {}
            Overnight::Cut if arrival >= last => return count(&mut dropped.after_last_step),
            Overnight::Cut => departure = departure.min(last),
        }
        if departure <= arrival {
            return count(&mut dropped.shorter_than_a_step);
        }
        if stay.kwh == 0.0 {
            return count(&mut dropped.no_energy);
        }
        let most = self.rules.most_kwh.map_or(f64::INFINITY, Positive::get);
        self.capped += u64::from(stay.kwh > most);
        let session = Session {
            arrival: arrival as u32,
            departure: departure as u32,
            est_departure: u32::try_from(est_departure).unwrap_or(u32::MAX),
            requested_kwh: stay.kwh.min(most),
            station,
            claimed: stay.claimed,
            battery: stay.battery,
            max_kw: stay.max_kw,
            operator: stay.operator,
        };
        Some((episode, session))
    }

    /// Whether no more can be taken in.
    pub(super) fn is_full(&self, flaws: &mut Flaws) -> bool {
        let full = self.read >= MOST_SESSIONS;
        if full {
            flaws.add("", format!("has more than {MOST_SESSIONS} sessions"), "split it");
        }
        full
    }

    /// What was taken in from the files, in order. `place` says in words where the `nth` session of a file is.
    pub(super) fn finish(mut self, files: &[String], place: fn(u64) -> String) -> Result<Imported, Flaws> {
        let mut flaws: Option<Flaws> = None;
        let mut episodes = Vec::new();
        for mut taken in self.episodes {
            taken.sort_by_key(|taken| (taken.session.arrival, taken.session.station, taken.file, taken.nth));
            let mut until: HashMap<u32, (u32, u64)> = HashMap::new();
            let mut sessions = Vec::with_capacity(taken.len());
            for Taken { session, file, nth } in taken {
                let station = session.station.and_then(|station| until.get(&station));
                if let Some(&(_, other)) = station.filter(|(until, _)| session.arrival < *until) {
                    if self.rules.overlapping == Overlap::Drop {
                        self.dropped.overlapping += 1;
                        continue;
                    }
                    let name = self.stations.iter().find(|(_, index)| Some(**index) == session.station);
                    let name = name.map_or("", |(name, _)| name);
                    let found = format!("begins at station {name:?} while that of {} is still there", place(other));
                    let help = "a station serves one car at a time; `overlapping: Drop` drops the later one";
                    let flaws = flaws.get_or_insert_with(|| Flaws::none(&files[file as usize]));
                    flaws.add(&place(nth), found, help);
                    continue;
                }
                if let Some(station) = session.station {
                    until.insert(station, (session.departure, nth));
                }
                sessions.push(session);
            }
            episodes.push(sessions);
        }
        let imported = Imported { episodes, dropped: self.dropped, capped: self.capped, read: self.read };
        if flaws.is_none() && imported.kept() == 0 {
            let found = match imported.read {
                0 => "has no sessions".to_owned(),
                read => format!("none of its {read} sessions takes place; dropped: {}", imported.dropped),
            };
            flaws = Some(Flaws::one(&files.join(", "), "", found, "look at the calendar and the rules"));
        }
        flaws.map_or(Ok(imported), Err)
    }
}

fn count<T>(reason: &mut u64) -> Option<T> {
    *reason += 1;
    None
}

/// Some of the names that would do.
fn known(stations: &HashMap<&str, u32>) -> String {
    let mut names: Vec<(&u32, &&str)> = stations.iter().map(|(name, index)| (index, name)).collect();
    names.sort();
    let few: Vec<&str> = names.iter().take(5).map(|(_, name)| **name).collect();
    format!("its {} stations are {}, …; `unknown_stations: Drop` drops such sessions", names.len(), few.join(", "))
}
