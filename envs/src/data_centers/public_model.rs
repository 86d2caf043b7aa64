//! PublicModel: one forecast of a public signal, on which many agents act before they pay under the truth.
//!
//! | column     | shape          | meaning                                                          |
//! |------------|----------------|------------------------------------------------------------------|
//! | `Hour`     | lanes × agents | state and observation: the row of the signal that is predicted   |
//! | `Forecast` | lanes × agents | action: the forecast, as one of evenly spaced levels             |
//! | `Reward`   | lanes × agents | minus the agent's regret                                         |
//!
//! An optimiser that trains forecasts asks for the signal itself ([`PublicSignal`]), whose forecasts are any numbers;
//! the simulation plays the nearest level, so that methods on tables can be tried on the same agents. Its lanes walk
//! through the rows for judging. A level beyond the last one counts as the last.

use super::agents::{Agents, Rule};
use super::charging;
use super::signal::{Signal, bounds};
use crate::groups::check_groups;
use isonomy_engine::dynamics::{Dynamics, Moves, Starts};
use isonomy_engine::environment::Environment;
use isonomy_engine::problem::Problem;
use isonomy_engine::public::{Part, PublicSignal};
use isonomy_engine::quantity::Probability;
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{columns, plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

/// One forecast of a public signal, on which many agents act before they pay under the truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicModel {
    /// What is predicted.
    pub signal: Signal,
    /// Values that are known before a forecast is made; 12 if not given.
    #[serde(default = "twelve")]
    pub history: u32,
    /// Values of a forecast; 1 if not given. The simulation plays the same number for all of them.
    #[serde(default = "one")]
    pub ahead: NonZeroU32,
    /// The part of the values, from the first, that models are trained on; 0.67 if not given.
    #[serde(default = "two_thirds")]
    pub training: Probability,
    /// Forecasts that the simulation tells apart; 101 if not given.
    #[serde(default = "percents")]
    pub levels: NonZeroU32,
    /// Hours in an episode of the simulation; 1 if not given.
    #[serde(default = "one")]
    pub time_limit: NonZeroU32,
    /// Who acts on the forecast.
    pub agents: Vec<Agents>,
}

columns! {
    /// The row that is predicted; the policy sees it.
    Hour(u32);
    /// The level of the forecast; the policy sets it.
    Forecast(u32);
}

fn twelve() -> u32 {
    12
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn percents() -> NonZeroU32 {
    NonZeroU32::new(101).expect("above zero")
}

fn two_thirds() -> Probability {
    Probability::new(0.67).expect("a chance")
}

/// Truths and forecasts that must be above zero count as at least this much, as in the published protocol.
const LEAST: f64 = 0.01;

/// Values of history that any scenario means.
const LONGEST_HISTORY: u32 = 8760;

impl PublicModel {
    /// First value and number of rows of both parts. The last row of a part is left out, as in the published protocol.
    fn rows(&self, values: usize) -> [(usize, usize); 2] {
        if let Signal::Even(_) = self.signal {
            return [(0, values); 2];
        }
        let split = (self.training.get() * values as f64) as usize;
        let needed = self.history as usize + self.ahead.get() as usize;
        let left_out = usize::from(self.history > 0);
        let rows = |values: usize| (values + 1).saturating_sub(needed + left_out);
        [(0, rows(split)), (split, rows(values - split))]
    }

    fn consulted(&self) -> Consulted {
        let values = self.signal.numbers();
        let groups = |truths: &[f64]| -> Vec<Rule> { self.agents.iter().flat_map(|own| own.rules(truths)).collect() };
        let positive = groups(&values).iter().any(Rule::needs_positive);
        let floor = if positive { LEAST } else { f64::NEG_INFINITY };
        let truths: Vec<f64> = values.iter().map(|value| value.max(floor)).collect();
        let mut range = bounds(&truths);
        if range.0 == range.1 {
            range = (range.0 - 0.5 * range.0.abs().max(f64::MIN_POSITIVE), range.0 + 0.5 * range.0.abs().max(1.0));
        }
        let rows = self.rows(values.len());
        let (history, ahead) = (self.history as usize, self.ahead.get() as usize);
        let rules = rows.map(|(first, count)| {
            let first = first + history;
            groups(&truths[first.min(truths.len())..(first + count).min(truths.len())])
        });
        Consulted { values, truths, history, ahead, rows, rules, floor, range, levels: self.levels.get() }
    }
}

/// The signal with its agents.
#[derive(Debug)]
struct Consulted {
    values: Vec<f64>,
    /// The same, where they are to be predicted.
    truths: Vec<f64>,
    history: usize,
    ahead: usize,
    rows: [(usize, usize); 2],
    /// All agents, for training and for judging.
    rules: [Vec<Rule>; 2],
    floor: f64,
    /// Of the levels of the simulation.
    range: (f64, f64),
    levels: u32,
}

fn index(part: Part) -> usize {
    match part {
        Part::Training => 0,
        Part::Judging => 1,
    }
}

impl Consulted {
    /// The place of the first value that a row predicts.
    fn first(&self, part: Part, row: usize) -> usize {
        self.rows[index(part)].0 + row + self.history
    }

    fn hour_of_day(&self, part: Part, row: usize) -> u32 {
        (self.first(part, row) % 24) as u32
    }

    fn level(&self, action: u32) -> f64 {
        let (low, high) = self.range;
        let steps = f64::from(self.levels.max(2) - 1);
        low + (high - low) * f64::from(action.min(self.levels - 1)) / steps
    }
}

impl PublicSignal for Consulted {
    fn agents(&self) -> usize {
        self.rules[0].len()
    }

    fn values(&self) -> usize {
        self.ahead
    }

    fn history(&self) -> usize {
        self.history
    }

    fn rows(&self, part: Part) -> usize {
        self.rows[index(part)].1
    }

    fn known(&self, part: Part, row: usize) -> &[f64] {
        &self.values[self.first(part, row) - self.history..][..self.history]
    }

    fn truth(&self, part: Part, row: usize) -> &[f64] {
        &self.truths[self.first(part, row)..][..self.ahead]
    }

    fn past(&self, part: Part, row: usize, ago: usize) -> Option<f64> {
        if self.history == 0 {
            return None;
        }
        self.first(part, row).checked_sub(ago).map(|at| self.values[at])
    }

    fn regrets(&self, part: Part, row: usize, forecast: &[f64], truth: &[f64], regrets: &mut [f64]) {
        let hour = self.hour_of_day(part, row);
        for (regret, rule) in regrets.iter_mut().zip(&self.rules[index(part)]) {
            *regret = rule.regret(row, hour, forecast, truth);
        }
    }

    fn slopes(&self, part: Part, row: usize, forecast: &[f64], slopes: &mut [f64]) -> bool {
        let (hour, truth) = (self.hour_of_day(part, row), self.truth(part, row));
        let mut all = self.rules[index(part)].iter().zip(slopes.chunks_exact_mut(self.ahead));
        all.all(|(rule, slope)| rule.slope(row, hour, forecast, truth, slope))
    }

    fn signed(&self) -> bool {
        self.rules.iter().flatten().any(|rule| rule.rebate() > 0.0)
    }

    fn floor(&self) -> f64 {
        self.floor
    }

    fn action(&self, forecast: f64) -> u32 {
        let (low, high) = self.range;
        let steps = f64::from(self.levels - 1);
        // A cast holds what is too small or too large at the bounds.
        ((forecast - low) / (high - low) * steps).round().min(steps) as u32
    }
}

#[typetag::serde]
impl Environment for PublicModel {
    fn spec(&self) -> Spec {
        let consulted = self.consulted();
        let group = |agents: &Agents| GroupSpec { name: agents.name.clone(), agents: agents.count() };
        let rules = &consulted.rules[index(Part::Judging)];
        let most = rules.iter().map(|rule| rule.most(consulted.range, consulted.ahead)).fold(0.0, f64::max);
        let rebate = rules.iter().map(Rule::rebate).fold(0.0, f64::max);
        // Rounding to 32 bits may add a digit.
        let widely = |amount: f64| (amount * (1.0 + 1e-6)) as f32;
        Spec {
            groups: self.agents.iter().map(group).collect(),
            tasks: vec![TaskSpec { name: "regret".to_owned(), reward: (-widely(most), widely(rebate)) }],
            observation: Space::Discrete(consulted.rows(Part::Judging) as u32),
            action: Space::Discrete(self.levels.get()),
            time_limit: self.time_limit.get(),
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = check_groups(self.agents.iter().map(|agents| (agents.name.as_str(), agents.count())));
        problems.iter_mut().for_each(|problem| problem.path = problem.path.replace("groups", "agents"));
        for (index, agents) in self.agents.iter().enumerate() {
            let own = agents.check(self.ahead.get()).into_iter();
            problems.extend(own.map(|problem| problem.under(&format!("agents[{index}]"))));
        }
        if self.history > LONGEST_HISTORY {
            problems.push(Problem::at("history", format!("more than {LONGEST_HISTORY} values")));
        }
        if self.ahead.get() as usize > charging::MOST {
            problems.push(Problem::at("ahead", format!("more than {} values", charging::MOST)));
        }
        if let Signal::Even(_) = self.signal
            && (self.history > 0 || self.ahead.get() > 1)
        {
            let help = "write history: 0 and ahead: 1";
            problems.push(Problem::at("history", "these truths have no order, so nothing is known before").help(help));
        }
        if problems.is_empty() && self.rows(self.signal.numbers().len()).iter().any(|(_, rows)| *rows == 0) {
            let help = "give more values, a shorter history, or another share for training";
            problems.push(Problem::at("signal", "there is nothing to train on, or nothing to judge").help(help));
        }
        problems
    }

    fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        self.signal.resolve(folder)?;
        for (index, agents) in self.agents.iter_mut().enumerate() {
            agents.resolve(folder).map_err(|problem| problem.under(&format!("agents[{index}]")))?;
        }
        Ok(())
    }

    fn build(&self, sim: &mut Builder) {
        sim.agents::<Hour, Forecast>(Walk(self.consulted()));
    }

    fn public(&self) -> Option<Arc<dyn PublicSignal>> {
        Some(Arc::new(self.consulted()))
    }
}

/// How lanes walk through the rows for judging.
struct Walk(Consulted);

impl Dynamics for Walk {
    fn start(&self, Starts { words, state }: Starts<'_>) {
        let (rows, agents) = (self.0.rows(Part::Judging) as u64, self.0.agents());
        // All agents of a lane live in the same hour.
        for (words, state) in words.chunks_exact(agents).zip(state.chunks_exact_mut(agents)) {
            state.fill(((u64::from(words[0]) * rows) >> 32) as u32);
        }
    }

    fn step(&self, Moves { action, state, reward, .. }: Moves<'_>) {
        let (rules, rows) = (&self.0.rules[index(Part::Judging)], self.0.rows(Part::Judging) as u32);
        let mut forecast = [0.0; charging::MOST];
        for (at, ((action, state), reward)) in action.iter().zip(state).zip(reward).enumerate() {
            let row = *state as usize;
            forecast.fill(self.0.level(*action));
            let (hour, truth) = (self.0.hour_of_day(Part::Judging, row), self.0.truth(Part::Judging, row));
            let regret = rules[at % rules.len()].regret(row, hour, &forecast[..self.0.ahead], truth);
            *reward = -regret as f32;
            *state = (*state + 1) % rows;
        }
    }
}

plugin!(Environment: PublicModel, "(
    signal: Even(1000),
    history: 0,
    agents: [
        (name: \"majority\", cost: Lopsided(agents: 2, below: 3, above: 1, against: BestConstant)),
        (name: \"minority\", cost: Lopsided(agents: 1, below: 1, above: 3, against: BestConstant)),
    ],
)");
