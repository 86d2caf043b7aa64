//! What a scenario says about its sessions.

use super::dropped::Dropped;
use super::mixture::{Mixture, Sampler};
use super::source::{Kind, Source};
use super::tables::{Cars, MOST_MEAN, Poisson, Ports};
use super::{Format, Rules, import};
use crate::ev_charging::calendar::Clock;
use crate::ev_charging::session::{BatterySpec, Session};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Positive, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Where the cars come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Sessions {
    /// Cars written out; the same in every episode.
    Listed(Vec<Car>),
    /// Recorded cars, read from files.
    Replay {
        /// Files, relative to the scenario's folder.
        files: Vec<String>,
        /// How they are laid out.
        format: Format,
        /// Which of their sessions take place.
        #[serde(default)]
        rules: Rules,
    },
    /// What a replay has read: cars of every episode of the calendar.
    Recorded {
        /// Cars by episode.
        episodes: Vec<Vec<Car>>,
        /// What was left out.
        #[serde(default)]
        dropped: Dropped,
        /// Requests that were cut to the most that counts.
        #[serde(default)]
        capped: u64,
    },
    /// Cars drawn from a Gaussian mixture, written in the scenario (`mixture`) or in a JSON file (`file`).
    Gmm {
        /// A JSON file that holds what `mixture` would, relative to the scenario's folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// The mixture itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mixture: Option<Mixture>,
        /// Larger requests count as this much.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        most_kwh: Option<Positive>,
    },
    /// Cars that come independently of each other, at rates given by the time of day.
    Poisson {
        /// Mean cars of a weekday.
        cars_per_day: NonNegative,
        /// Mean cars of a Saturday or a Sunday, where it differs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weekend_cars_per_day: Option<NonNegative>,
        /// When they come, how long they stay and what they ask for.
        #[serde(default)]
        cars: Cars,
    },
    /// Cars that come to every free port with a chance in every step: the rule of EV2Gym.
    Arrivals {
        /// The chance is a port's share of the day's cars in a quarter of an hour, times the step in hours, times this.
        multiplier: NonNegative,
        /// When they come, how long they stay and what they ask for.
        #[serde(default)]
        cars: Cars,
    },
}

/// A car written out. Steps count from midnight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Car {
    /// First step in which it can charge.
    pub arrival: u32,
    /// First step in which it is gone.
    pub departure: u32,
    /// When its driver said that it would leave, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub est_departure: Option<u32>,
    /// Energy asked for, kWh.
    pub requested_kwh: Positive,
    /// Name of its station; any free one where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub station: Option<String>,
    /// Whether a driver said what is needed.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub claimed: bool,
    /// What its battery holds when full, kWh. Goes with `start_kwh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery_kwh: Option<Positive>,
    /// What it holds on arrival, kWh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_kwh: Option<NonNegative>,
    /// State of charge above which it slows down, where that differs from the environment's batteries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slows_from: Option<Probability>,
    /// The most that the car takes, kW.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_kw: Option<Positive>,
    /// Whose customer it is.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub operator: u32,
}

fn yes() -> bool {
    true
}

fn is_yes(yes: &bool) -> bool {
    *yes
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Problems that are listed one by one.
const MOST_LISTED: usize = 20;

/// Steps that cars may name: no episode is longer.
const LAST_STEP: u32 = 1 << 30;

impl Sessions {
    /// Reads the files that they name, so that they stand on their own. `stations` are the network's names in
    /// registration order.
    pub fn resolve(&mut self, folder: &Path, clock: &Clock, stations: &[String]) -> Result<(), Problem> {
        match self {
            Sessions::Replay { files, format, rules } => {
                if files.is_empty() {
                    return Err(Problem::at("Replay.files", "names no file").help("one file or more would do"));
                }
                let imported = import(folder, files, *format, *rules, clock, stations);
                let imported = imported.map_err(|flaws| flaws.problem("Replay.files"))?;
                let car = |session: &Session| Car::of(session, stations);
                let episodes = imported.episodes.iter().map(|cars| cars.iter().map(car).collect()).collect();
                *self = Sessions::Recorded { episodes, dropped: imported.dropped, capped: imported.capped };
            }
            // Where both are given, `check` says so.
            Sessions::Gmm { file: name @ Some(_), mixture: mixture @ None, .. } => {
                let file = name.take().unwrap_or_default();
                let wrong = |error: String| Problem::at("Gmm.file", format!("{file}: {error}"));
                let text = std::fs::read_to_string(folder.join(&file)).map_err(|error| wrong(error.to_string()))?;
                *mixture = Some(serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?);
            }
            Sessions::Poisson { cars, .. } => {
                cars.resolve(folder).map_err(|problem| problem.under("cars").under("Poisson"))?;
            }
            Sessions::Arrivals { cars, .. } => {
                cars.resolve(folder).map_err(|problem| problem.under("cars").under("Arrivals"))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Everything that their types could not refuse.
    pub fn check(&self, clock: &Clock, stations: &[String]) -> Vec<Problem> {
        let a_day = || {
            (clock.step_hours() * f64::from(clock.steps()) > 24.0 + 1e-9).then(|| {
                Problem::at("", "cars are drawn for one day, and an episode is longer")
                    .help("an episode of a day would do")
            })
        };
        let under = |name: &str, problems: Vec<Problem>| -> Vec<Problem> {
            problems.into_iter().chain(a_day()).map(|problem| problem.under(name)).collect()
        };
        match self {
            Sessions::Listed(cars) => check_cars("Listed", cars, clock, stations),
            Sessions::Replay { files, .. } => {
                vec![Problem::at("Replay.files", format!("{} have not been read", files.join(", ")))]
            }
            Sessions::Recorded { episodes, .. } if episodes.len() != clock.episodes() => {
                let found = format!("{} episodes where the calendar has {}", episodes.len(), clock.episodes());
                vec![Problem::at("Recorded.episodes", found).help("one list of cars per episode would do")]
            }
            Sessions::Recorded { episodes, .. } => {
                let of = |(index, cars): (usize, &Vec<Car>)| {
                    check_cars(&format!("Recorded.episodes[{index}]"), cars, clock, stations)
                };
                episodes.iter().enumerate().flat_map(of).take(MOST_LISTED).collect()
            }
            Sessions::Gmm { file, mixture, .. } => under(
                "Gmm",
                match (file, mixture) {
                    (None, Some(mixture)) => {
                        let problems = mixture.check(clock, stations);
                        problems.into_iter().map(|problem| problem.under("mixture")).collect()
                    }
                    (Some(_), Some(_)) => {
                        let found = "a mixture is given in the scenario as well";
                        vec![Problem::at("file", found).help("give either `file` or `mixture`")]
                    }
                    (Some(file), None) => vec![Problem::at("file", format!("{file} has not been read"))],
                    (None, None) => {
                        vec![Problem::at("", "no mixture is given").help("give either `mixture` or `file`")]
                    }
                },
            ),
            Sessions::Poisson { cars_per_day, weekend_cars_per_day, cars } => {
                let mut problems: Vec<Problem> =
                    cars.check().into_iter().map(|problem| problem.under("cars")).collect();
                let weekend = weekend_cars_per_day.unwrap_or(*cars_per_day);
                for (name, mean) in [("cars_per_day", *cars_per_day), ("weekend_cars_per_day", weekend)] {
                    if mean.get() > MOST_MEAN {
                        let help = format!("at most {MOST_MEAN} would do");
                        problems.push(Problem::at(name, format!("{} cars a day", mean.get())).help(help));
                    }
                }
                under("Poisson", problems)
            }
            Sessions::Arrivals { cars, .. } => {
                let mut problems: Vec<Problem> =
                    cars.check().into_iter().map(|problem| problem.under("cars")).collect();
                if stations.is_empty() {
                    problems.push(Problem::at("", "there is no port that cars could come to"));
                }
                under("Arrivals", problems)
            }
        }
    }

    /// What they mean, once resolved and checked.
    pub fn source(&self, clock: &Clock, stations: &[String]) -> Source {
        let session = |car: &Car| car.session(stations);
        let written = |cars: &Vec<Car>| {
            let mut sessions: Vec<Session> = cars.iter().map(session).collect();
            sessions.sort_by_key(|session| (session.arrival, session.station));
            sessions
        };
        Source(match self {
            Sessions::Listed(cars) => Kind::Written(vec![written(cars)]),
            Sessions::Recorded { episodes, .. } => Kind::Written(episodes.iter().map(written).collect()),
            Sessions::Gmm { mixture, most_kwh, .. } => {
                let mixture = mixture.as_ref().expect("resolved and checked");
                let most_kwh = most_kwh.map_or(f64::INFINITY, Positive::get);
                Kind::Mixture(Sampler::new(mixture, clock, stations, most_kwh))
            }
            Sessions::Poisson { cars_per_day, weekend_cars_per_day, cars } => {
                let weekend = weekend_cars_per_day.unwrap_or(*cars_per_day);
                Kind::Poisson(Poisson::new(cars.tables(), [cars_per_day.get(), weekend.get()], clock))
            }
            Sessions::Arrivals { multiplier, cars } => {
                Kind::Ports(Ports::new(cars.tables(), stations.len() as u32, multiplier.get(), clock))
            }
            Sessions::Replay { .. } => unreachable!("`check` refuses a replay that has not been read"),
        })
    }
}

impl Car {
    /// As it would be written.
    fn of(session: &Session, stations: &[String]) -> Car {
        let positive = |number: f64| Positive::new(number).expect("imported sessions are checked");
        Car {
            arrival: session.arrival,
            departure: session.departure,
            est_departure: (session.est_departure != session.departure).then_some(session.est_departure),
            requested_kwh: positive(session.requested_kwh),
            station: session.station.map(|station| stations[station as usize].clone()),
            claimed: session.claimed,
            battery_kwh: session.battery.map(|battery| positive(battery.capacity_kwh)),
            start_kwh: session.battery.and_then(|battery| NonNegative::new(battery.start_kwh)),
            slows_from: session.battery.and_then(|battery| Probability::new(battery.slows_from?)),
            max_kw: session.max_kw.map(positive),
            operator: session.operator,
        }
    }

    fn session(&self, stations: &[String]) -> Session {
        let index = |name: &String| stations.iter().position(|station| station == name);
        let battery = self.battery_kwh.zip(self.start_kwh).map(|(capacity, start)| BatterySpec {
            capacity_kwh: capacity.get(),
            start_kwh: start.get(),
            slows_from: self.slows_from.map(Probability::get),
        });
        Session {
            arrival: self.arrival,
            departure: self.departure,
            est_departure: self.est_departure.unwrap_or(self.departure),
            requested_kwh: self.requested_kwh.get(),
            station: self.station.as_ref().and_then(index).map(|index| index as u32),
            claimed: self.claimed,
            battery,
            max_kw: self.max_kw.map(Positive::get),
            operator: self.operator,
        }
    }
}

fn check_cars(path: &str, cars: &[Car], clock: &Clock, stations: &[String]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, car) in cars.iter().enumerate() {
        let mut add = |field: &str, found: String, help: String| {
            problems.push(Problem::at(format!("{path}[{index}].{field}"), found).help(help));
        };
        if car.departure <= car.arrival {
            let found = format!("step {} is not after the arrival in step {}", car.departure, car.arrival);
            add("departure", found, "a later step would do".to_owned());
        } else if car.departure > clock.steps() {
            let found = format!("step {} is after the end of the episode", car.departure);
            add("departure", found, format!("at most {} would do", clock.steps()));
        }
        if car.est_departure.is_some_and(|step| step <= car.arrival || step > LAST_STEP) {
            add("est_departure", "is not after the arrival".to_owned(), "a later step would do".to_owned());
        }
        match &car.station {
            Some(name) if !stations.contains(name) && !stations.is_empty() => {
                let few: Vec<&str> = stations.iter().take(5).map(String::as_str).collect();
                add("station", format!("the network has no station {name:?}"), format!("it has {}, …", few.join(", ")));
            }
            _ => {}
        }
        match (car.battery_kwh, car.start_kwh) {
            (Some(capacity), Some(start)) if start.get() > capacity.get() => {
                let found = format!("{} kWh in a battery of {} kWh", start.get(), capacity.get());
                add("start_kwh", found, "no more than it holds would do".to_owned());
            }
            (Some(_), None) | (None, Some(_)) => {
                add("battery_kwh", "goes with `start_kwh`".to_owned(), "give both or neither".to_owned());
            }
            _ => {}
        }
        if car.slows_from.is_some() && car.battery_kwh.is_none() {
            add("slows_from", "goes with `battery_kwh`".to_owned(), "give both or neither".to_owned());
        }
        if car.slows_from.is_some_and(|share| share.get() == 1.0) {
            add("slows_from", "is full".to_owned(), "a share below 1 would do".to_owned());
        }
        if problems.len() >= MOST_LISTED {
            break;
        }
    }
    if problems.is_empty() { check_overlaps(path, cars) } else { problems }
}

/// Cars that come to a station while another is there.
fn check_overlaps(path: &str, cars: &[Car]) -> Vec<Problem> {
    let mut order: Vec<usize> = (0..cars.len()).filter(|&index| cars[index].station.is_some()).collect();
    order.sort_by_key(|&index| (&cars[index].station, cars[index].arrival));
    let overlap = |pair: &[usize]| {
        let (there, comes) = (&cars[pair[0]], &cars[pair[1]]);
        (there.station == comes.station && comes.arrival < there.departure).then(|| {
            let found = format!("{path}[{}] is there when this one comes", pair[0]);
            Problem::at(format!("{path}[{}].station", pair[1]), found).help("a station serves one car at a time")
        })
    };
    order.windows(2).filter_map(overlap).take(MOST_LISTED).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::data;
    use super::*;
    use crate::ev_charging::calendar::clock;

    const PLAIN: &str = include_str!("../fixtures/plain.csv");

    fn stations() -> Vec<String> {
        ["B-1", "A-2", "A-1"].map(str::to_owned).to_vec()
    }

    fn day() -> Clock {
        clock("America/Los_Angeles", "2019-05-01", 1, 1, 5, 288)
    }

    fn read(text: &str) -> Sessions {
        ron::Options::default()
            .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
            .from_str(text)
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn problems(sessions: &Sessions) -> String {
        sessions.check(&day(), &stations()).iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_replay_becomes_what_it_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cars.csv"), PLAIN).unwrap();
        let mut sessions = read("Replay(files: [\"cars.csv\"], format: Plain, rules: (unclaimed: Drop))");
        assert!(problems(&sessions).starts_with("Replay.files: cars.csv have not been read"));
        sessions.resolve(folder.path(), &day(), &stations()).unwrap();
        assert_eq!(problems(&sessions), "");
        let Sessions::Recorded { dropped, .. } = &sessions else { panic!("{sessions:?}") };
        assert_eq!(dropped.to_string(), "1 unclaimed");
        let again = read(&ron::to_string(&sessions).unwrap());
        assert_eq!(again, sessions);
        let source = again.source(&day(), &stations());
        let (mut cars, clock) = (Vec::new(), day());
        assert_eq!((source.draw(0, &|_| 0, &mut cars), source.most(), source.words()), (0, 2, 0));
        let rules = Rules { unclaimed: super::super::Fate::Drop, ..Rules::default() };
        let names = ["cars.csv".to_owned()];
        let imported = import(folder.path(), &names, Format::Plain, rules, &clock, &stations()).unwrap();
        assert_eq!(cars, imported.episodes[0]);
        let gone = Sessions::Replay { files: vec!["no.csv".to_owned()], format: Format::Plain, rules };
        let error = gone.clone().resolve(folder.path(), &clock, &stations()).unwrap_err().to_string();
        assert!(error.starts_with("Replay.files: no.csv: cannot read"), "{error}");
    }

    #[test]
    fn samplers_are_written_in_a_few_words() {
        for text in [
            "Poisson(cars_per_day: 39, weekend_cars_per_day: 13.4)",
            "Arrivals(multiplier: 5, cars: CaltechMarch2019)",
            "Poisson(cars_per_day: 100, cars: Own((arrivals: [0, 1], stay_hours: [4], energy_kwh: [20], shape: LogNormal, \
             stay_spread: 0.5, energy_spread: 0.5)))",
            "Gmm(mixture: (weights: [1], means: [(0.4, 0.7, 0.7, 0.1)], covariances: [((0.001, 0, 0, 0), (0, 0.001, 0, 0), \
             (0, 0, 0.001, 0), (0, 0, 0, 0.0001))], scale_kwh: 100, daily_counts: [3]), most_kwh: 100)",
        ] {
            let sessions = read(text);
            assert_eq!(problems(&sessions), "", "{text}");
            assert_eq!(read(&ron::to_string(&sessions).unwrap()), sessions);
            let source = sessions.source(&day(), &stations());
            let mut cars = Vec::new();
            source.draw(0, &|at| 0x9e37_79b9u32.wrapping_mul(at as u32 + 1), &mut cars);
            assert!(!cars.is_empty() && cars.len() <= source.most(), "{text}");
        }
    }

    #[test]
    fn a_mixture_is_read_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"weights": [1], "means": [[0.4, 0.7, 0.7, 0.1]], "covariances": [[[1e-3, 0, 0, 0], [0, 1e-3, 0, 0],
            [0, 0, 1e-3, 0], [0, 0, 0, 1e-4]]], "scale_kwh": 100, "daily_counts": [3], "station_usage": {"A-1": 4}}"#;
        std::fs::write(folder.path().join("good.json"), text).unwrap();
        std::fs::write(folder.path().join("bad.json"), text.replace("100", "-100")).unwrap();
        let mut sessions = read("Gmm(file: \"good.json\")");
        sessions.resolve(folder.path(), &day(), &stations()).unwrap();
        assert_eq!(problems(&sessions), "");
        let error = read("Gmm(file: \"bad.json\")").resolve(folder.path(), &day(), &stations()).unwrap_err();
        assert!(error.to_string().starts_with("Gmm.file: bad.json: -100 is not a number above 0 at line 2"), "{error}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, expected) in [
            (
                "Listed([(arrival: 5, departure: 5, requested_kwh: 1)])",
                "Listed[0].departure: step 5 is not after the arrival",
            ),
            (
                "Listed([(arrival: 5, departure: 289, requested_kwh: 1)])",
                "Listed[0].departure: step 289 is after the end",
            ),
            (
                "Listed([(arrival: 5, departure: 9, est_departure: 5, requested_kwh: 1)])",
                "Listed[0].est_departure: is not",
            ),
            (
                "Listed([(arrival: 5, departure: 9, requested_kwh: 1, station: \"Z\")])",
                "Listed[0].station: the network has",
            ),
            (
                "Listed([(arrival: 5, departure: 9, requested_kwh: 1, battery_kwh: 4)])",
                "Listed[0].battery_kwh: goes with",
            ),
            (
                "Listed([(arrival: 5, departure: 9, requested_kwh: 1, battery_kwh: 4, start_kwh: 5)])",
                "Listed[0].start_kwh: 5 kWh",
            ),
            (
                "Listed([(arrival: 5, departure: 9, requested_kwh: 1, station: \"A-1\"), \
                 (arrival: 3, departure: 6, requested_kwh: 1, station: \"A-1\")])",
                "Listed[0].station: Listed[1] is there when this one comes",
            ),
            ("Recorded(episodes: [])", "Recorded.episodes: 0 episodes where the calendar has 1"),
            ("Poisson(cars_per_day: 701)", "Poisson.cars_per_day: 701 cars a day (at most 700 would do)"),
            ("Gmm()", "Gmm: no mixture is given"),
            (
                "Arrivals(multiplier: 1, cars: Own((arrivals: [0], stay_hours: [], energy_kwh: [1], shape: Normal, \
                 stay_spread: 0, energy_spread: 0)))",
                "Arrivals.cars.Own.arrivals: nobody comes (at least one entry above 0 would do)\nArrivals.cars.Own.stay_hours",
            ),
        ] {
            let found = problems(&read(text));
            assert!(found.starts_with(expected), "{text}:\n{found}");
        }
        let weeks = clock("UTC", "2019-05-01", 1, 7, 60, 168);
        let found = read("Poisson(cars_per_day: 30)").check(&weeks, &[]);
        assert!(found[0].to_string().starts_with("Poisson: cars are drawn for one day"), "{found:?}");
    }

    /// Real sessions: the built-in tables are near what they were made from.
    #[test]
    fn built_in_tables_are_near_their_month() {
        let Some(folder) = data("built_in_tables_are_near_their_month") else { return };
        let march = clock("America/Los_Angeles", "2019-03-01", 31, 1, 5, 288);
        let starts = crate::ev_charging::calendar::Day::try_from("2019-03-01".to_owned()).unwrap();
        let format = Format::AcnQueue { starts, step_minutes: std::num::NonZeroU32::new(5).unwrap() };
        let names = ["caltech_2019-03_events.json.gz".to_owned()];
        let imported = import(&folder, &names, format, Rules::default(), &march, &[]).unwrap();
        let real: Vec<&Session> = imported.episodes.iter().flatten().collect();
        let source = read("Poisson(cars_per_day: 39, weekend_cars_per_day: 13.4)").source(&march, &[]);
        let key = isonomy_engine::noise::Key([7; 8]);
        let mut drawn = Vec::new();
        for run in 0..100 {
            for episode in 0..31 {
                let mut cars = Vec::new();
                source.draw(episode, &|at| key.word(31 * run + episode as u64, at as u64), &mut cars);
                drawn.extend(cars);
            }
        }
        let near = |what: &str, number: &dyn Fn(&Session) -> f64, tolerance: f64| {
            let real = real.iter().map(|car| number(car)).sum::<f64>() / real.len() as f64;
            let ours = drawn.iter().map(number).sum::<f64>() / drawn.len() as f64;
            eprintln!("{what}: {ours:.3} drawn, {real:.3} recorded");
            assert!((ours / real - 1.0).abs() < tolerance, "{what}: {ours} drawn, {real} recorded");
        };
        assert!((drawn.len() as f64 / 100.0 / real.len() as f64 - 1.0).abs() < 0.02, "{} cars", drawn.len());
        near("arrival, h", &|car| f64::from(car.arrival) / 12.0, 0.03);
        near("stay within the day, h", &|car| f64::from(car.departure - car.arrival) / 12.0, 0.1);
        near("energy, kWh", &|car| car.requested_kwh, 0.05);
    }
}
