//! Who acts on a public forecast, what they pay, and what they regret.

use super::signal::{self, read};
use super::{charging, provisioning};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;

/// Agents who act on the forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agents {
    /// Name in tables and records.
    pub name: String,
    /// What they decide and pay.
    pub cost: Cost,
    /// How much their costs count; 1 if not given.
    #[serde(default = "one")]
    pub weight: NonNegative,
    /// The hours of the day in which they act on the forecast, from the first up to, not including, the second; all if
    /// not given. `(20, 6)` is a night.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<(u32, u32)>,
}

/// What agents decide and pay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Cost {
    /// Data centres run servers, in every hour ahead: `c s + λ D / (s − D)`.
    Provisioning {
        /// Each centre's demands D, hour by hour and then from the beginning again.
        demand: Demand,
        /// Each centre's price of delay λ.
        delay: Delay,
    },
    /// Each reserves the forecast: too little costs `below` a unit, too much costs `above` a unit.
    Lopsided {
        /// How many.
        agents: NonZeroU32,
        /// Price of a unit of truth above the forecast.
        below: Positive,
        /// Price of a unit of forecast above the truth.
        above: Positive,
        /// What they regret not having reserved; the truth if not given.
        #[serde(default)]
        against: Against,
    },
    /// Each charges in the hours ahead that are forecast to be best.
    Charging {
        /// For each, how many hours its sessions need, one after the other and then from the beginning again.
        need: Vec<Vec<u32>>,
        /// What they regret; their decision if not given.
        #[serde(default)]
        regret: Regret,
    },
}

/// Demands of data centres.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Demand {
    /// These, centre by centre.
    Traces(Vec<Vec<Positive>>),
    /// The same for every hour, centre by centre.
    Steady(Vec<Positive>),
    /// So many made-up centres: centre m of M has `D = 8 (m / M) (1 + ½ sin(2π (h + 24 m / M) / 24))` in hour h, so that some
    /// are small and some large, and none has its peak when another has.
    Synthetic(NonZeroU32),
    /// A JSON file of a list of demands per centre.
    File(String),
    /// A table with a column `Demand` of half-hours, without its first row: summed by clock hour, scaled to [0, 10], rows
    /// 6 to 2890 cut into 50 centres, as in the published protocol.
    HalfHours(String),
}

/// Prices of delay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Delay {
    /// The same for all.
    Same(Positive),
    /// So much for the first, twice as much for the second, …
    Rising(Positive),
}

/// What a reservation is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Against {
    /// The reservation of someone who knows the truth, which costs nothing.
    #[default]
    Truth,
    /// The best reservation that is always the same.
    BestConstant,
}

/// What those who charge regret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Regret {
    /// What their hours cost above the best hours.
    #[default]
    Decision,
    /// How far the promised bill is from the best one.
    BillError,
}

fn one() -> NonNegative {
    NonNegative::new(1.0).expect("0 or above")
}

impl Agents {
    /// How many there are, once files have been read.
    pub(super) fn count(&self) -> u32 {
        match &self.cost {
            Cost::Provisioning { demand, .. } => demand.count() as u32,
            Cost::Lopsided { agents, .. } => agents.get(),
            Cost::Charging { need, .. } => need.len() as u32,
        }
    }

    pub(super) fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        let Cost::Provisioning { demand, .. } = &mut self.cost else { return Ok(()) };
        let found = match demand {
            Demand::File(file) => traces(&read(folder, file)?),
            Demand::HalfHours(file) => half_hours(&read(folder, file)?),
            _ => return Ok(()),
        };
        *demand = Demand::Traces(found.map_err(|problem| problem.under("cost"))?);
        Ok(())
    }

    pub(super) fn check(&self, ahead: u32) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some((from, until)) = self.hours
            && (from > 23 || until > 24 || from == until)
        {
            let help = "write (7, 19) for the day, (19, 7) for the night";
            problems.push(Problem::at("hours", "these are no hours of a day").help(help));
        }
        match &self.cost {
            Cost::Provisioning { demand, .. } => {
                if demand.count() == 0 || demand.trace(0).is_empty() {
                    problems.push(Problem::at("cost", "there are no demands"));
                }
                let empty = (1..demand.count()).find(|&centre| demand.trace(centre).is_empty());
                problems.extend(empty.map(|centre| Problem::at("cost", format!("centre {centre} has no demands"))));
            }
            Cost::Lopsided { against, .. } => {
                if ahead > 1 && *against == Against::BestConstant {
                    problems.push(Problem::at("cost", "a constant is the best of one value").help("write ahead: 1"));
                }
            }
            Cost::Charging { need, .. } => {
                if need.is_empty() || need.iter().any(Vec::is_empty) {
                    problems
                        .push(Problem::at("cost", "somebody has no session").help("give each a list of hours needed"));
                }
                if need.iter().flatten().any(|&hours| hours > ahead) {
                    let help = "raise `ahead`, or have sessions need less";
                    problems.push(Problem::at("cost", format!("a session needs more than {ahead} hours")).help(help));
                }
            }
        }
        problems
    }

    /// The agents as they act; `truths` are what a constant is compared with.
    pub(super) fn rules(&self, truths: &[f64]) -> Vec<Rule> {
        let rule = |acts: Acts| Rule { acts, weight: self.weight.get(), hours: self.hours };
        match &self.cost {
            Cost::Provisioning { demand, delay } => (0..demand.count())
                .map(|centre| {
                    let price = delay.of(centre);
                    let sensitivity = |demand: f64| provisioning::sensitivity(demand, price);
                    rule(Acts::Provision(demand.trace(centre).into_iter().map(sensitivity).collect()))
                })
                .collect(),
            Cost::Lopsided { agents, below, above, against } => {
                let (below, above) = (below.get(), above.get());
                let best = match against {
                    Against::Truth => 0.0,
                    Against::BestConstant => least_cost(truths, below, above),
                };
                vec![rule(Acts::Reserve { below, above, best }); agents.get() as usize]
            }
            Cost::Charging { need, regret } => {
                need.iter().map(|need| rule(Acts::Charge { need: need.clone(), regret: *regret })).collect()
            }
        }
    }
}

impl Demand {
    fn count(&self) -> usize {
        match self {
            Demand::Traces(traces) => traces.len(),
            Demand::Steady(demands) => demands.len(),
            Demand::Synthetic(centres) => centres.get() as usize,
            Demand::File(_) | Demand::HalfHours(_) => 0,
        }
    }

    fn trace(&self, centre: usize) -> Vec<f64> {
        match self {
            Demand::Traces(traces) => traces[centre].iter().map(|demand| demand.get()).collect(),
            Demand::Steady(demands) => vec![demands[centre].get()],
            Demand::Synthetic(centres) => {
                let share = (centre + 1) as f64 / f64::from(centres.get());
                let of_hour = |hour: i32| {
                    let turn = std::f64::consts::TAU * (f64::from(hour) / 24.0 + share);
                    8.0 * share * (1.0 + 0.5 * turn.sin())
                };
                (0..24).map(of_hour).collect()
            }
            Demand::File(_) | Demand::HalfHours(_) => Vec::new(),
        }
    }
}

impl Delay {
    fn of(&self, centre: usize) -> f64 {
        match self {
            Delay::Same(price) => price.get(),
            Delay::Rising(price) => price.get() * (centre + 1) as f64,
        }
    }
}

/// Demands of nothing, which a scaled trace has once, count as this much.
const LEAST_DEMAND: f64 = 1e-12;

fn positive(values: impl Iterator<Item = f64>) -> Option<Vec<Positive>> {
    values.map(|value| Positive::new(value.max(LEAST_DEMAND))).collect()
}

fn traces(text: &str) -> Result<Vec<Vec<Positive>>, Problem> {
    let wrong = |error: serde_json::Error| Problem::at("demand", format!("not a list of lists of numbers: {error}"));
    let traces: Vec<Vec<f64>> = serde_json::from_str(text).map_err(wrong)?;
    let refused = || Problem::at("demand", "a demand is not finite");
    traces.into_iter().map(|trace| positive(trace.into_iter()).ok_or_else(refused)).collect()
}

/// Rows that are cut into centres.
const TESTED: std::ops::Range<usize> = 6..2891;
const CENTRES: usize = 50;

fn half_hours(text: &str) -> Result<Vec<Vec<Positive>>, Problem> {
    let mut hours: Vec<(String, f64)> = Vec::new();
    for (number, line) in text.lines().enumerate().skip(2).filter(|(_, line)| !line.trim().is_empty()) {
        let cells = line.split_once(',').and_then(|(time, value)| Some((time, value.trim().parse::<f64>().ok()?)));
        let wrong = || Problem::at("demand", format!("line {}: a time and a demand are expected", number + 1));
        let (time, value) = cells.ok_or_else(wrong)?;
        // `2019-01-01 12:30`: up to the minutes.
        let hour = time.split(':').next().unwrap_or_default();
        match hours.last_mut() {
            Some((last, sum)) if last == hour => *sum += value,
            _ => hours.push((hour.to_owned(), value)),
        }
    }
    if hours.len() < TESTED.end {
        return Err(Problem::at("demand", format!("{} hours are too few, {} are needed", hours.len(), TESTED.end)));
    }
    let sums: Vec<f64> = hours.into_iter().map(|(_, sum)| sum).collect();
    let (low, high) = signal::bounds(&sums);
    let tested: Vec<f64> = sums[TESTED].iter().map(|sum| 10.0 * (sum - low) / (high - low)).collect();
    let (short, longer) = (tested.len() / CENTRES, tested.len() % CENTRES);
    let mut rest = &tested[..];
    (0..CENTRES)
        .map(|centre| {
            let (own, others) = rest.split_at(short + usize::from(centre < longer));
            rest = others;
            positive(own.iter().copied()).ok_or_else(|| Problem::at("demand", "a demand is not finite"))
        })
        .collect()
}

/// The mean cost of the best reservation that is always the same: a quantile of the truths.
fn least_cost(truths: &[f64], below: f64, above: f64) -> f64 {
    let mut sorted = truths.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (below / (below + above) * sorted.len() as f64) as usize;
    let best = sorted[at.min(sorted.len() - 1)];
    sorted.iter().map(|truth| reserve(best, *truth, below, above)).sum::<f64>() / sorted.len() as f64
}

fn reserve(forecast: f64, truth: f64, below: f64, above: f64) -> f64 {
    if forecast < truth { below * (truth - forecast) } else { above * (forecast - truth) }
}

/// One agent.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    acts: Acts,
    weight: f64,
    hours: Option<(u32, u32)>,
}

#[derive(Clone, Debug)]
enum Acts {
    /// Sensitivities, hour by hour.
    Provision(Vec<f64>),
    Reserve {
        below: f64,
        above: f64,
        best: f64,
    },
    Charge {
        need: Vec<u32>,
        regret: Regret,
    },
}

impl Rule {
    fn acts_at(&self, hour_of_day: u32) -> bool {
        self.hours.is_none_or(|(from, until)| match from < until {
            true => (from..until).contains(&hour_of_day),
            false => hour_of_day >= from || hour_of_day < until,
        })
    }

    /// What the agent regrets in a row.
    pub(super) fn regret(&self, row: usize, hour_of_day: u32, forecast: &[f64], truth: &[f64]) -> f64 {
        if !self.acts_at(hour_of_day) {
            return 0.0;
        }
        self.weight
            * match &self.acts {
                Acts::Provision(own) => {
                    let hours = forecast.iter().zip(truth).enumerate();
                    hours.map(|(ahead, (f, y))| provisioning::regret(own[(row + ahead) % own.len()], *f, *y)).sum()
                }
                Acts::Reserve { below, above, best } => {
                    let pairs = forecast.iter().zip(truth);
                    pairs.map(|(forecast, truth)| reserve(*forecast, *truth, *below, *above)).sum::<f64>() - best
                }
                Acts::Charge { need, regret } => {
                    let hours = need[row % need.len()] as usize;
                    match regret {
                        Regret::Decision => charging::decision_regret(forecast, truth, hours),
                        Regret::BillError => charging::bill_error(forecast, truth, hours),
                    }
                }
            }
    }

    /// Its derivative with respect to every value of the forecast; false where there is none.
    pub(super) fn slope(
        &self,
        row: usize,
        hour_of_day: u32,
        forecast: &[f64],
        truth: &[f64],
        slope: &mut [f64],
    ) -> bool {
        match &self.acts {
            Acts::Provision(own) => {
                for (ahead, (slope, (f, y))) in slope.iter_mut().zip(forecast.iter().zip(truth)).enumerate() {
                    *slope = provisioning::slope(own[(row + ahead) % own.len()], *f, *y);
                }
            }
            Acts::Reserve { below, above, .. } => {
                for (slope, (forecast, truth)) in slope.iter_mut().zip(forecast.iter().zip(truth)) {
                    *slope = if forecast < truth { -below } else { *above };
                }
            }
            Acts::Charge { regret: Regret::Decision, .. } => return false,
            Acts::Charge { need, regret: Regret::BillError } => {
                charging::bill_error_slope(forecast, truth, need[row % need.len()] as usize, slope);
            }
        }
        let factor = if self.acts_at(hour_of_day) { self.weight } else { 0.0 };
        slope.iter_mut().for_each(|slope| *slope *= factor);
        true
    }

    /// Whether a single regret may be below zero, and by how much at most.
    pub(super) fn rebate(&self) -> f64 {
        match &self.acts {
            Acts::Reserve { best, .. } => self.weight * best,
            _ => 0.0,
        }
    }

    /// No regret is larger where forecasts and truths are between `low` and `high`.
    pub(super) fn most(&self, (low, high): (f64, f64), ahead: usize) -> f64 {
        self.weight
            * match &self.acts {
                Acts::Provision(own) => {
                    let largest = own.iter().copied().fold(0.0, f64::max);
                    ahead as f64
                        * provisioning::regret(largest, low, high).max(provisioning::regret(largest, high, low))
                }
                Acts::Reserve { below, above, .. } => below.max(*above) * (high - low) * ahead as f64,
                Acts::Charge { .. } => (high - low) * ahead as f64,
            }
    }

    pub(super) fn needs_positive(&self) -> bool {
        matches!(self.acts, Acts::Provision(_))
    }
}
