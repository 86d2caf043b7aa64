//! Cars that come at chances given by the time of day, and stay and ask for energy in ways given by it.
//!
//! A table has any number of entries; they divide the day into equal parts. Numbers from words: [`Words`].

use super::arrival_files::{ChargaxFiles, Ev2GymFiles};
use super::words::{Words, most_poisson};
use crate::ev_charging::calendar::Clock;
use crate::ev_charging::session::Session;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use jiff::civil::Weekday;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Who comes, how long they stay and what they ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Cars {
    /// Caltech in March 2019, roughly: see [`Tables::caltech_march_2019`].
    #[default]
    CaltechMarch2019,
    /// Tables of one's own.
    Own(Tables),
    /// Tables in the files of EV2Gym.
    Ev2Gym(Ev2GymFiles),
    /// Tables in the files of Chargax.
    Chargax(ChargaxFiles),
}

/// Tables over the time of day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tables {
    /// How many of the day's cars come in each part of it, in any unit.
    pub arrivals: Vec<NonNegative>,
    /// The same on Saturdays and Sundays, where it differs; nobody comes where all are 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekend_arrivals: Vec<NonNegative>,
    /// Mean stay of a car that comes in each part of the day, h; nobody stays for less than a step.
    pub stay_hours: Vec<NonNegative>,
    /// Mean energy that it asks for, kWh; nobody asks for less than 0.01.
    pub energy_kwh: Vec<NonNegative>,
    /// How both spread about their means.
    pub shape: Shape,
    /// Standard deviation of a stay, as a share of its mean.
    #[serde(default = "zero")]
    pub stay_spread: NonNegative,
    /// Standard deviation of the energy, as a share of its mean.
    #[serde(default = "zero")]
    pub energy_spread: NonNegative,
    /// Shorter stays last this long, h.
    #[serde(default = "zero")]
    pub least_stay_hours: NonNegative,
    /// Smaller requests ask for this much, kWh.
    #[serde(default = "zero")]
    pub least_kwh: NonNegative,
    /// Standard deviation of what a driver says about the departure, h.
    #[serde(default = "zero")]
    pub estimate_spread_hours: NonNegative,
}

/// How stays and requests are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Shape {
    /// Normal, as EV2Gym has it.
    Normal,
    /// Log-normal: never below 0, and skewed as stays and requests are.
    LogNormal,
    /// One of the numbers of the table, any as often as any other, whenever the car comes; what Chargax does.
    OneOf,
}

fn zero() -> NonNegative {
    NonNegative::new(0.0).expect("0 is not negative")
}

impl Tables {
    /// Plain numbers near those of the 954 sessions of Caltech in March 2019 (ACN-Data), in parts of two hours.
    ///
    /// Arrivals are shares of the sessions of the 21 weekdays and 10 weekend days by local time of arrival. Stay and
    /// energy are means over the 941 sessions that last less than a day, of all days together, rounded; the part with no
    /// session and those with fewer than ten take the mean of their neighbours or of all. Spreads are standard
    /// deviations of the quotient of a session and the mean of its part, .68 and .91.
    pub fn caltech_march_2019() -> Tables {
        let table = |numbers: [f64; 12]| numbers.map(|number| NonNegative::new(number).expect("not negative")).to_vec();
        Tables {
            arrivals: table([0.002, 0.0, 0.001, 0.081, 0.388, 0.161, 0.139, 0.045, 0.062, 0.073, 0.039, 0.009]),
            weekend_arrivals: table([0.015, 0.0, 0.0, 0.037, 0.187, 0.164, 0.187, 0.134, 0.097, 0.112, 0.052, 0.015]),
            stay_hours: table([6.0, 6.0, 6.0, 7.0, 7.4, 6.1, 4.6, 3.8, 2.9, 3.9, 5.3, 6.0]),
            energy_kwh: table([12.0, 9.3, 9.3, 9.3, 10.4, 8.4, 6.3, 7.2, 6.6, 9.4, 15.2, 15.2]),
            shape: Shape::LogNormal,
            stay_spread: NonNegative::new(0.68).expect("not negative"),
            energy_spread: NonNegative::new(0.91).expect("not negative"),
            least_stay_hours: zero(),
            least_kwh: zero(),
            estimate_spread_hours: zero(),
        }
    }

    /// Everything wrong with them.
    pub(super) fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let any = |table: &[NonNegative]| table.iter().any(|number| number.get() > 0.0);
        if !any(&self.arrivals) {
            problems.push(Problem::at("arrivals", "nobody comes").help("at least one entry above 0 would do"));
        }
        for (name, table) in [("stay_hours", &self.stay_hours), ("energy_kwh", &self.energy_kwh)] {
            if table.is_empty() {
                problems.push(Problem::at(name, "is empty").help("one entry would do for the whole day"));
            } else if !any(table) {
                problems.push(Problem::at(name, "all are 0").help("at least one entry above 0 would do"));
            }
        }
        for (name, spread) in [("stay_spread", self.stay_spread), ("energy_spread", self.energy_spread)] {
            if self.shape == Shape::OneOf && spread.get() > 0.0 {
                problems.push(Problem::at(name, "numbers of a table have no spread of their own").help("0 would do"));
            }
        }
        problems
    }
}

impl Cars {
    /// The tables, once resolved and checked.
    pub fn tables(&self) -> Tables {
        match self {
            Cars::CaltechMarch2019 => Tables::caltech_march_2019(),
            Cars::Own(tables) => tables.clone(),
            Cars::Ev2Gym(_) | Cars::Chargax(_) => unreachable!("`check` refuses files that have not been read"),
        }
    }

    /// Reads the files that they name, so that they stand on their own.
    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        *self = Cars::Own(match self {
            Cars::CaltechMarch2019 | Cars::Own(_) => return Ok(()),
            Cars::Ev2Gym(files) => files.read(folder)?,
            Cars::Chargax(files) => files.read(folder)?,
        });
        Ok(())
    }

    pub(super) fn check(&self) -> Vec<Problem> {
        match self {
            Cars::CaltechMarch2019 => Vec::new(),
            Cars::Own(tables) => tables.check().into_iter().map(|problem| problem.under("Own")).collect(),
            Cars::Ev2Gym(_) => vec![Problem::at("Ev2Gym", "its files have not been read")],
            Cars::Chargax(_) => vec![Problem::at("Chargax", "its files have not been read")],
        }
    }
}

/// Tables ready to be drawn from.
#[derive(Clone, Debug, PartialEq)]
struct Draws {
    tables: Tables,
    steps: u32,
    step_hours: f64,
    /// Cumulative arrivals of weekdays and of weekends.
    arrivals: [Vec<f64>; 2],
    /// Which of the two each episode of the calendar starts on.
    weekend: Vec<bool>,
}

impl Draws {
    fn new(tables: Tables, clock: &Clock) -> Self {
        let cumulative = |table: &[NonNegative]| -> Vec<f64> {
            let add = |sum: &mut f64, share: &NonNegative| {
                *sum += share.get();
                Some(*sum)
            };
            table.iter().scan(0.0, add).collect()
        };
        let weekend = if tables.weekend_arrivals.is_empty() { &tables.arrivals } else { &tables.weekend_arrivals };
        let is_weekend = |episode| matches!(clock.date(episode).weekday(), Weekday::Saturday | Weekday::Sunday);
        Draws {
            arrivals: [cumulative(&tables.arrivals), cumulative(weekend)],
            weekend: (0..clock.episodes()).map(is_weekend).collect(),
            steps: clock.steps(),
            step_hours: clock.step_hours(),
            tables,
        }
    }

    fn arrivals(&self, episode: usize) -> &[f64] {
        &self.arrivals[usize::from(self.weekend[episode])]
    }

    /// The session of a car that comes in a step. Takes three words.
    fn session(&self, arrival: u32, station: Option<u32>, words: &mut Words<'_>) -> Session {
        let tables = &self.tables;
        let hour = f64::from(arrival) * self.step_hours % 24.0;
        let stay = tables.shape.draw(&tables.stay_hours, hour, tables.stay_spread.get(), words);
        let stay = stay.max(tables.least_stay_hours.get());
        let kwh = tables.shape.draw(&tables.energy_kwh, hour, tables.energy_spread.get(), words);
        let error = tables.estimate_spread_hours.get() * words.normal();
        let steps = |hours: f64| (hours / self.step_hours).round().clamp(1.0, 1e6) as u32;
        Session {
            arrival,
            departure: (arrival + steps(stay)).min(self.steps),
            est_departure: arrival + steps(stay + error),
            requested_kwh: kwh.max(tables.least_kwh.get()).max(SOME_KWH),
            station,
            claimed: true,
            battery: None,
            max_kw: None,
            operator: 0,
        }
    }
}

/// Nobody plugs in for less, kWh.
const SOME_KWH: f64 = 1e-2;

impl Shape {
    /// Takes one word.
    fn draw(self, table: &[NonNegative], hour: f64, spread: f64, words: &mut Words<'_>) -> f64 {
        let mean = || table[(hour / 24.0 * table.len() as f64) as usize].get();
        match self {
            Shape::Normal => mean() * (1.0 + spread * words.normal()),
            Shape::LogNormal => {
                let variance = (spread * spread).ln_1p();
                mean() * (variance.sqrt() * words.normal() - variance / 2.0).exp()
            }
            Shape::OneOf => table[words.below(table.len())].get(),
        }
    }
}

/// Cars that come independently of each other and of who is there (a Poisson process).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Poisson {
    draws: Draws,
    /// Mean cars of an episode of weekdays and of weekends.
    mean: [f64; 2],
}

/// Mean cars of a day beyond which the chances of a Poisson distribution are no numbers.
pub(super) const MOST_MEAN: f64 = 700.0;

/// Words of a car: when it comes, and those of its session.
const WORDS_OF_A_CAR: usize = 4;

impl Poisson {
    /// `mean` is of a day; an episode has as much of it as it has of a day.
    pub(super) fn new(tables: Tables, mean: [f64; 2], clock: &Clock) -> Self {
        Poisson { draws: Draws::new(tables, clock), mean }
    }

    pub(super) fn most(&self) -> usize {
        most_poisson(self.mean[0].max(self.mean[1])) as usize
    }

    pub(super) fn words(&self) -> usize {
        1 + WORDS_OF_A_CAR * self.most()
    }

    /// Cars by arrival. Those whose time of day is after the last step do not come.
    pub(super) fn draw(&self, episode: usize, words: &mut Words<'_>, sessions: &mut Vec<Session>) {
        let cumulative = self.draws.arrivals(episode);
        if cumulative.last() == Some(&0.0) {
            return;
        }
        let day = 24.0 / self.draws.step_hours;
        for _ in 0..words.poisson(self.mean[usize::from(self.draws.weekend[episode])]) {
            let arrival = (quantile(cumulative, words.uniform()) * day) as u32;
            let session = self.draws.session(arrival, None, words);
            if arrival < self.draws.steps {
                sessions.push(session);
            }
        }
        sessions.sort_by_key(|session| session.arrival);
    }
}

/// The share of a day before which a share of its cars has come, when they come evenly within a part.
fn quantile(cumulative: &[f64], chance: f64) -> f64 {
    let parts = cumulative.len();
    let target = chance * cumulative[parts - 1];
    let part = cumulative.partition_point(|below| *below <= target).min(parts - 1);
    let before = if part == 0 { 0.0 } else { cumulative[part - 1] };
    let within = (target - before) / (cumulative[part] - before);
    (part as f64 + within.clamp(0.0, 1.0 - 1e-12)) / parts as f64
}

/// The rule of EV2Gym: in every step a car comes to every free port with a chance.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ports {
    draws: Draws,
    ports: u32,
    multiplier: f64,
}

impl Ports {
    pub(super) fn new(tables: Tables, ports: u32, multiplier: f64, clock: &Clock) -> Self {
        Ports { draws: Draws::new(tables, clock), ports, multiplier }
    }

    pub(super) fn most(&self) -> usize {
        let hours = self.draws.tables.least_stay_hours.get();
        let least = (hours / self.draws.step_hours).round().clamp(1.0, f64::from(self.draws.steps)) as u32;
        self.ports as usize * self.draws.steps.div_ceil(least) as usize
    }

    pub(super) fn words(&self) -> usize {
        self.ports as usize * self.draws.steps as usize + 3 * self.most()
    }

    /// The chance that a car comes to a free port in a step: `share · dt_h · multiplier`, where `share` is what EV2Gym's
    /// tables have, the share of the day's cars that come within the quarter of an hour.
    fn chance(&self, cumulative: &[f64], step: u32) -> f64 {
        let parts = cumulative.len();
        let part = (f64::from(step) * self.draws.step_hours % 24.0 / 24.0 * parts as f64) as usize;
        let before = if part == 0 { 0.0 } else { cumulative[part - 1] };
        let of_a_quarter = (cumulative[part] - before) / cumulative[parts - 1] * parts as f64 / 96.0;
        of_a_quarter * self.draws.step_hours * self.multiplier
    }

    /// Cars by arrival, then port.
    pub(super) fn draw(&self, episode: usize, words: &mut Words<'_>, sessions: &mut Vec<Session>) {
        let cumulative = self.draws.arrivals(episode);
        if cumulative.last() == Some(&0.0) {
            return;
        }
        let mut free_from = vec![0; self.ports as usize];
        for step in 0..self.draws.steps {
            let chance = self.chance(cumulative, step);
            for (port, free_from) in (0..).zip(&mut free_from) {
                if *free_from <= step && words.uniform() < chance {
                    let session = self.draws.session(step, Some(port), words);
                    *free_from = session.departure;
                    sessions.push(session);
                }
            }
        }
    }
}

#[cfg(test)]
pub(in crate::ev_charging) mod tests {
    use super::*;
    use crate::ev_charging::calendar::clock;
    use isonomy_engine::noise::{Key, Phase, Purpose};

    /// Sessions of many episodes, each from noise of its own.
    fn many(most_words: usize, episodes: u64, draw: impl Fn(&mut Words<'_>, &mut Vec<Session>)) -> Vec<Vec<Session>> {
        let key = Key::new(7, Phase::Training, Purpose::Reset);
        let one = |episode| {
            let word = |at: usize| key.word(episode, at as u64);
            let mut words = Words::new(&word);
            let mut sessions = Vec::new();
            draw(&mut words, &mut sessions);
            assert!(words.taken() <= most_words, "{} words", words.taken());
            sessions
        };
        (0..episodes).map(one).collect()
    }

    /// Fails where the mean of numbers is further from what is expected than four standard errors.
    pub(crate) fn assert_mean(what: &str, numbers: &[f64], expected: f64) {
        let n = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / n;
        let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let error = (variance / n).sqrt();
        assert!(
            n > 100.0 && (mean - expected).abs() <= 4.0 * error + 1e-12,
            "{what}: {mean} ± {error}, not {expected}"
        );
    }

    fn counts(days: &[Vec<Session>], which: impl Fn(&Session) -> bool) -> Vec<f64> {
        days.iter().map(|day| day.iter().filter(|session| which(session)).count() as f64).collect()
    }

    #[test]
    fn poisson_cars_have_the_means_of_their_tables() {
        // Friday and Saturday.
        let clock = clock("America/Los_Angeles", "2019-03-01", 2, 1, 5, 288);
        let tables = Tables::caltech_march_2019();
        let poisson = Poisson::new(tables.clone(), [39.0, 13.4], &clock);
        for (episode, mean, shares) in [(0, 39.0, &tables.arrivals), (1, 13.4, &tables.weekend_arrivals)] {
            let days = many(poisson.words(), 3000, |words, cars| poisson.draw(episode, words, cars));
            let count = counts(&days, |_| true);
            assert_mean("cars", &count, mean);
            let squares: Vec<f64> = count.iter().map(|count| (count - mean).powi(2)).collect();
            assert_mean("variance of cars", &squares, mean);
            assert!(days.iter().all(|day| day.len() <= poisson.most() && day.is_sorted_by_key(|car| car.arrival)));
            let total: f64 = shares.iter().map(|share| share.get()).sum();
            for (part, share) in shares.iter().enumerate() {
                let within = counts(&days, |car| car.arrival / 24 == part as u32);
                assert_mean("cars of a part of the day", &within, mean * share.get() / total);
            }
        }
        let days = many(poisson.words(), 3000, |words, cars| poisson.draw(0, words, cars));
        let of = |part: u32, number: &dyn Fn(&Session) -> f64| -> Vec<f64> {
            days.iter().flatten().filter(|car| car.arrival / 24 == part).map(number).collect()
        };
        assert_mean("energy", &of(4, &|car| car.requested_kwh), 10.4);
        assert_mean("energy", &of(6, &|car| car.requested_kwh), 6.3);
        // What the driver says is not cut at midnight; a stay shorter than half a step lasts one.
        assert_mean("stay", &of(4, &|car| f64::from(car.est_departure - car.arrival) / 12.0), 7.4);
        let mean = 10.4;
        assert_mean("spread", &of(4, &|car| (car.requested_kwh / mean - 1.0).powi(2)), 0.91 * 0.91);
    }

    /// The mean of the larger of `least` and a normal number.
    fn mean_of_larger(mean: f64, deviation: f64, least: f64) -> f64 {
        let (steps, end) = (200_000, 8.0);
        let width = 2.0 * end / steps as f64;
        let density = |z: f64| (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
        (0..steps)
            .map(|at| -end + (at as f64 + 0.5) * width)
            .map(|z| (mean + deviation * z).max(least) * density(z) * width)
            .sum()
    }

    #[test]
    fn cars_come_to_free_ports_by_the_rule_of_ev2gym() {
        let clock = clock("UTC", "2019-03-01", 1, 1, 15, 96);
        let entry = |number: f64| NonNegative::new(number).unwrap();
        let tables = Tables {
            arrivals: vec![entry(0.0), entry(3.0), entry(1.0), entry(0.0)],
            weekend_arrivals: Vec::new(),
            stay_hours: vec![entry(5.0)],
            energy_kwh: vec![entry(12.0)],
            shape: Shape::Normal,
            stay_spread: entry(0.2),
            energy_spread: entry(0.5),
            least_stay_hours: entry(2.0),
            least_kwh: entry(5.0),
            estimate_spread_hours: entry(0.0),
        };
        let ports = Ports::new(tables, 7, 5.0, &clock);
        // Three quarters of the cars in 24 quarters of an hour, a quarter of an hour being the step.
        let chance = 0.75 / 24.0 * 0.25 * 5.0;
        assert!((ports.chance(ports.draws.arrivals(0), 24) - chance).abs() < 1e-15);
        let days = many(ports.words(), 4000, |words, cars| ports.draw(0, words, cars));
        let first = counts(&days, |car| car.arrival == 24);
        assert_mean("cars of the first step with any", &first, 7.0 * chance);
        // Whoever came in the first step stays for at least two hours.
        let second = counts(&days, |car| car.arrival == 25);
        assert_mean("cars of the second", &second, 7.0 * (1.0 - chance) * chance);
        let energy: Vec<f64> = days.iter().flatten().map(|car| car.requested_kwh).collect();
        assert_mean("energy", &energy, mean_of_larger(12.0, 6.0, 5.0));
        let stay: Vec<f64> =
            days.iter().flatten().map(|car| f64::from(car.est_departure - car.arrival) / 4.0).collect();
        assert_mean("stay", &stay, mean_of_larger(5.0, 1.0, 2.0));
        for day in &days {
            let mut until = [0; 7];
            for car in day {
                let port = car.station.unwrap() as usize;
                assert!((24..72).contains(&car.arrival) && until[port] <= car.arrival && car.arrival < car.departure);
                until[port] = car.departure;
            }
            assert!(day.len() <= ports.most());
        }
    }

    #[test]
    fn the_same_noise_gives_the_same_cars() {
        let clock = clock("UTC", "2019-03-01", 1, 1, 5, 288);
        let poisson = Poisson::new(Tables::caltech_march_2019(), [39.0, 13.0], &clock);
        let draw = || many(poisson.words(), 3, |words, cars| poisson.draw(0, words, cars));
        assert_eq!(draw(), draw());
        assert_ne!(draw()[0], draw()[1]);
    }
}
