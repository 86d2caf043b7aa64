//! Cars drawn from a Gaussian mixture over arrival, departure, estimated departure and energy, as SustainGym has it.
//!
//! A day has as many cars as a day of the data, drawn with equal chances. A car that falls outside the day, leaves
//! before it comes or asks for less than nothing is drawn again; four draws a car and sixteen more must do. By arrival,
//! cars take a free station, with chances in proportion to how often it was used; one that finds none goes away.

use super::words::Words;
use crate::ev_charging::calendar::Clock;
use crate::ev_charging::session::Session;
use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Positive;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Arrival, departure and estimated departure as shares of a day, and the energy asked for as a share of `scale_kwh`.
const FEATURES: usize = 4;

/// A Gaussian mixture with full covariances, and what a day needs beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// Chance of each component; they sum to 1.
    pub weights: Vec<f64>,
    /// Mean of each: arrival, departure, estimated departure (shares of a day), energy (share of `scale_kwh`).
    pub means: Vec<[f64; FEATURES]>,
    /// Covariance of each, `[components][4][4]`.
    pub covariances: Vec<[[f64; FEATURES]; FEATURES]>,
    /// The energy that counts as 1, kWh; 100 in SustainGym.
    pub scale_kwh: Positive,
    /// Cars of every day of the data.
    pub daily_counts: Vec<u32>,
    /// How often each station was used. Where it is empty, cars take any free station.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub station_usage: BTreeMap<String, f64>,
}

/// More cars than this come on no day.
const MOST_CARS: u32 = 10_000;

/// At least this share of what a mixture draws must be cars of a day.
const LEAST_ACCEPTED: f64 = 0.5;

impl Mixture {
    /// Everything wrong with it. `stations` are the network's.
    pub(super) fn check(&self, clock: &Clock, stations: &[String]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let components = self.weights.len();
        let mut add = |path: String, found: String, help: &str| problems.push(Problem::at(path, found).help(help));
        for (name, len) in [("means", self.means.len()), ("covariances", self.covariances.len())] {
            if len != components {
                add(name.to_owned(), format!("{len} for {components} weights"), "one per component would do");
            }
        }
        let sum: f64 = self.weights.iter().sum();
        if !((sum - 1.0).abs() <= 1e-6 && self.weights.iter().all(|weight| *weight >= 0.0)) {
            add("weights".to_owned(), format!("sum to {sum}"), "chances that sum to 1 would do");
        }
        if let Some(at) = self.means.iter().position(|mean| !mean.iter().all(|number| number.is_finite())) {
            add(format!("means[{at}]"), "is not finite".to_owned(), "four finite numbers would do");
        }
        if let Some(at) = self.covariances.iter().position(|covariance| root(covariance).is_none()) {
            let help = "a covariance is symmetric and has a variance above 0 in every direction";
            add(format!("covariances[{at}]"), "is no covariance".to_owned(), help);
        }
        match self.daily_counts.iter().max() {
            None => add("daily_counts".to_owned(), "is empty".to_owned(), "one number of cars per day would do"),
            Some(0) => add("daily_counts".to_owned(), "nobody comes".to_owned(), "a day with cars would do"),
            Some(most) if *most > MOST_CARS => {
                add("daily_counts".to_owned(), format!("{most} cars on a day"), "at most 10000 would do");
            }
            Some(_) => {}
        }
        for (name, usage) in &self.station_usage {
            if !stations.contains(name) {
                let found = format!("the network has no station {name:?}");
                add("station_usage".to_owned(), found, "the names of the network would do");
            } else if !(*usage >= 0.0 && usage.is_finite()) {
                add(format!("station_usage.{name}"), format!("found {usage}"), "a number, 0 or above, would do");
            }
        }
        if problems.is_empty() {
            problems.extend(self.acceptance(clock));
        }
        problems
    }

    /// A problem where most of what it draws is no car of a day.
    fn acceptance(&self, clock: &Clock) -> Option<Problem> {
        let sampler = Sampler::new(self, clock, &[], f64::INFINITY);
        let key = Key::new(0, Phase::Training, Purpose::Reset);
        let word = |at: usize| key.word(0, at as u64);
        let mut words = Words::new(&word);
        let trials = 4000;
        let accepted = (0..trials).filter(|_| sampler.car(&mut words).is_some()).count();
        let share = accepted as f64 / f64::from(trials);
        (share < LEAST_ACCEPTED).then(|| {
            let found = format!("only {:.0} % of what it draws are cars that come and go within a day", 100.0 * share);
            Problem::at("means", found).help("times are shares of a day, energy a share of `scale_kwh`")
        })
    }
}

/// The lower triangular root of a covariance (Cholesky), unless it is none.
fn root(covariance: &[[f64; FEATURES]; FEATURES]) -> Option<[[f64; FEATURES]; FEATURES]> {
    let largest = covariance.iter().flatten().fold(0.0f64, |largest, number| largest.max(number.abs()));
    let mut root = [[0.0; FEATURES]; FEATURES];
    for row in 0..FEATURES {
        for column in 0..=row {
            let symmetric = (covariance[row][column] - covariance[column][row]).abs() <= 1e-9 * largest;
            let products: f64 = (0..column).map(|k| root[row][k] * root[column][k]).sum();
            let rest = covariance[row][column] - products;
            root[row][column] = match row == column {
                _ if !symmetric => return None,
                true if rest > 0.0 && rest.is_finite() => rest.sqrt(),
                true => return None,
                false => rest / root[column][column],
            };
        }
    }
    Some(root)
}

/// A mixture ready to be drawn from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sampler {
    cumulative: Vec<f64>,
    means: Vec<[f64; FEATURES]>,
    roots: Vec<[[f64; FEATURES]; FEATURES]>,
    counts: Vec<u32>,
    /// Usage by registration order; empty where any station will do.
    usage: Vec<f64>,
    /// Steps of a day, which are those of an episode.
    steps: f64,
    scale_kwh: f64,
    most_kwh: f64,
}

/// The component, and one per feature.
const WORDS_OF_A_DRAW: usize = 1 + FEATURES;

impl Sampler {
    pub(super) fn new(mixture: &Mixture, clock: &Clock, stations: &[String], most_kwh: f64) -> Self {
        let add = |sum: &mut f64, weight: &f64| {
            *sum += weight;
            Some(*sum)
        };
        let usage = |name: &String| mixture.station_usage.get(name).copied().unwrap_or(0.0);
        let any = mixture.station_usage.is_empty();
        Sampler {
            cumulative: mixture.weights.iter().scan(0.0, add).collect(),
            means: mixture.means.clone(),
            roots: mixture.covariances.iter().map(|covariance| root(covariance).expect("checked")).collect(),
            counts: mixture.daily_counts.clone(),
            usage: if any { Vec::new() } else { stations.iter().map(usage).collect() },
            steps: 24.0 / clock.step_hours(),
            scale_kwh: mixture.scale_kwh.get(),
            most_kwh,
        }
    }

    pub(super) fn most(&self) -> usize {
        self.counts.iter().max().map_or(0, |most| *most as usize)
    }

    pub(super) fn words(&self) -> usize {
        1 + WORDS_OF_A_DRAW * attempts(self.most()) + self.most()
    }

    /// A car, unless what was drawn is none.
    fn car(&self, words: &mut Words<'_>) -> Option<Session> {
        let component = words.choice(&self.cumulative);
        let normal: [f64; FEATURES] = std::array::from_fn(|_| words.normal());
        let (mean, root) = (&self.means[component], &self.roots[component]);
        let [arrival, departure, estimated, energy] = std::array::from_fn(|row| {
            let spread: f64 = (0..=row).map(|column| root[row][column] * normal[column]).sum();
            mean[row] + spread
        });
        // Comparisons that NaN fails.
        if !(arrival >= 0.0 && departure < 1.0 && estimated < 1.0 && energy >= 0.0) {
            return None;
        }
        let step = |share: f64| (share * self.steps).floor();
        if !(step(arrival) < step(departure) && step(arrival) < step(estimated)) {
            return None;
        }
        Some(Session {
            arrival: step(arrival) as u32,
            departure: step(departure) as u32,
            est_departure: step(estimated) as u32,
            requested_kwh: (energy * self.scale_kwh).min(self.most_kwh),
            station: None,
            claimed: true,
            battery: None,
            max_kw: None,
            operator: 0,
        })
    }

    /// Cars by arrival. Returns how many there should have been beside them.
    pub(super) fn draw(&self, words: &mut Words<'_>, sessions: &mut Vec<Session>) -> u32 {
        let cars = self.counts[words.below(self.counts.len())] as usize;
        let first = sessions.len();
        for _ in 0..attempts(cars) {
            if sessions.len() - first == cars {
                break;
            }
            sessions.extend(self.car(words));
        }
        sessions[first..].sort_by_key(|session| session.arrival);
        if !self.usage.is_empty() {
            self.park(first, words, sessions);
        }
        (cars - (sessions.len() - first)) as u32
    }

    /// Gives the sessions from `first` on their stations; those that find none are taken out.
    fn park(&self, first: usize, words: &mut Words<'_>, sessions: &mut Vec<Session>) {
        let mut free_from = vec![0; self.usage.len()];
        let mut cumulative = vec![0.0; self.usage.len()];
        let mut kept = first;
        for index in first..sessions.len() {
            let arrival = sessions[index].arrival;
            let any = free_from.iter().any(|free_from| *free_from <= arrival);
            if !any {
                continue;
            }
            let used =
                self.usage.iter().zip(&free_from).any(|(usage, free_from)| *free_from <= arrival && *usage > 0.0);
            let mut sum = 0.0;
            for ((below, usage), free_from) in cumulative.iter_mut().zip(&self.usage).zip(&free_from) {
                // Where only stations that nobody used are free, each is as good as another.
                sum += if *free_from > arrival {
                    0.0
                } else if used {
                    *usage
                } else {
                    1.0
                };
                *below = sum;
            }
            let station = words.choice(&cumulative);
            free_from[station] = sessions[index].departure;
            sessions[index].station = Some(station as u32);
            sessions.swap(kept, index);
            kept += 1;
        }
        sessions.truncate(kept);
    }
}

/// How often a day of this many cars draws at most.
fn attempts(cars: usize) -> usize {
    4 * cars + 16
}

#[cfg(test)]
mod tests {
    use super::super::tables::tests::assert_mean;
    use super::*;
    use crate::ev_charging::calendar::clock;

    fn stations() -> Vec<String> {
        ["a", "b", "c"].map(str::to_owned).to_vec()
    }

    fn day() -> Clock {
        clock("UTC", "2019-05-01", 1, 1, 5, 288)
    }

    /// Two kinds of cars; the second mostly comes where the first does not.
    fn two_kinds() -> Mixture {
        let text = r#"{
            "weights": [0.7, 0.3],
            "means": [[0.35, 0.7, 0.65, 0.2], [0.55, 0.8, 0.85, 0.1]],
            "covariances": [
                [[9e-4, 4e-4, 3e-4, 0.0], [4e-4, 16e-4, 12e-4, 2e-4], [3e-4, 12e-4, 20e-4, 1e-4], [0.0, 2e-4, 1e-4, 4e-4]],
                [[4e-4, 0.0, 0.0, 0.0], [0.0, 4e-4, 0.0, 0.0], [0.0, 0.0, 4e-4, 0.0], [0.0, 0.0, 0.0, 1e-4]]
            ],
            "scale_kwh": 100.0, "daily_counts": [10, 20, 30]
        }"#;
        serde_json::from_str(text).unwrap()
    }

    fn days(sampler: &Sampler, count: u64) -> Vec<(Vec<Session>, u32)> {
        let key = Key::new(11, Phase::Training, Purpose::Reset);
        let one = |day| {
            let word = |at: usize| key.word(day, at as u64);
            let (mut words, mut cars) = (Words::new(&word), Vec::new());
            let missing = sampler.draw(&mut words, &mut cars);
            assert!(words.taken() <= sampler.words() && cars.len() <= sampler.most());
            (cars, missing)
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn cars_have_the_moments_of_the_mixture() {
        let mixture = two_kinds();
        assert_eq!(mixture.check(&day(), &[]), []);
        let days = days(&Sampler::new(&mixture, &day(), &[], f64::INFINITY), 2000);
        let cars: Vec<&Session> = days.iter().flat_map(|(cars, _)| cars).collect();
        let mean = |what, number: &dyn Fn(&Session) -> f64, expected| {
            assert_mean(what, &cars.iter().map(|car| number(car)).collect::<Vec<_>>(), expected);
        };
        let count: Vec<f64> = days.iter().map(|(cars, missing)| cars.len() as f64 + f64::from(*missing)).collect();
        assert_mean("cars", &count, 20.0);
        // A step is floored: half a step earlier on average.
        let share = |step: u32| (f64::from(step) + 0.5) / 288.0;
        mean("arrival", &|car| share(car.arrival), 0.7 * 0.35 + 0.3 * 0.55);
        mean("departure", &|car| share(car.departure), 0.7 * 0.7 + 0.3 * 0.8);
        mean("estimated departure", &|car| share(car.est_departure), 0.7 * 0.65 + 0.3 * 0.85);
        mean("energy", &|car| car.requested_kwh / 100.0, 0.7 * 0.2 + 0.3 * 0.1);
        let (mean_dep, mean_kwh) = (0.73, 0.17);
        let product = |car: &Session| (share(car.departure) - mean_dep) * (car.requested_kwh / 100.0 - mean_kwh);
        mean("covariance", &product, 0.7 * (2e-4 - 0.03 * 0.03) - 0.3 * 0.07 * 0.07);
    }

    #[test]
    fn cars_take_free_stations_by_their_usage() {
        let mut mixture = two_kinds();
        mixture.station_usage = [("a".to_owned(), 1.0), ("c".to_owned(), 3.0)].into();
        assert_eq!(mixture.check(&day(), &stations()), []);
        let days = days(&Sampler::new(&mixture, &day(), &stations(), 15.0), 2000);
        let first: Vec<f64> = days.iter().map(|(cars, _)| f64::from(u32::from(cars[0].station == Some(2)))).collect();
        assert_mean("the first car's station", &first, 0.75);
        assert!(days.iter().any(|(_, missing)| *missing > 0), "three stations are too few");
        for (cars, _) in &days {
            let mut until = [0; 3];
            for car in cars {
                let station = car.station.unwrap() as usize;
                assert!(until[station] <= car.arrival && car.requested_kwh <= 15.0);
                until[station] = car.departure;
            }
        }
    }

    #[test]
    fn what_is_no_mixture_is_refused() {
        let error = |change: &dyn Fn(&mut Mixture)| {
            let mut mixture = two_kinds();
            change(&mut mixture);
            mixture.check(&day(), &stations()).iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
        };
        assert!(error(&|mixture| mixture.weights[0] = 0.8).starts_with("weights: sum to 1.1"));
        assert!(error(&|mixture| mixture.weights[0] = f64::NAN).starts_with("weights: sum to NaN"));
        assert!(error(&|mixture| mixture.means.truncate(1)).starts_with("means: 1 for 2 weights"));
        assert!(error(&|mixture| mixture.means[1][2] = f64::NAN).starts_with("means[1]: is not finite"));
        assert!(error(&|mixture| mixture.covariances[1][3][3] = -1e-4).starts_with("covariances[1]: is no covariance"));
        assert!(error(&|mixture| mixture.covariances[0][0][1] = 1.0).starts_with("covariances[0]: is no covariance"));
        assert!(error(&|mixture| mixture.daily_counts.clear()).starts_with("daily_counts: is empty"));
        assert!(error(&|mixture| mixture.daily_counts[0] = u32::MAX).starts_with("daily_counts: 4294967295 cars"));
        let unknown = |mixture: &mut Mixture| mixture.station_usage = [("z".to_owned(), 1.0)].into();
        assert!(error(&unknown).starts_with("station_usage: the network has no station \"z\""));
        // Minutes for shares of a day.
        let minutes = |mixture: &mut Mixture| mixture.means.iter_mut().for_each(|mean| mean[1] *= 1440.0);
        assert!(error(&minutes).starts_with("means: only 0 % of what it draws"));
    }
}
