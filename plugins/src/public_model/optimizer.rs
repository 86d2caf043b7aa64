use super::adam::Adam;
use super::fixed::least_squares;
use super::goal::{Goal, Standing};
use super::gradient::{self, Baseline, Tries, exact, score_function};
use super::judge::judge;
use super::network::{Shape, Tape};
use super::random::Words;
use crate::welfare::equitable::{Reading, problem_of_power};
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::plugged::Plugged;
use isonomy_engine::policy::{ParametricPolicy, PolicyRef, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::public::{ForecastNetwork, Part, PublicSignal};
use isonomy_engine::quantity::{Finite, Positive, Probability};
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::sync::Arc;

/// One forecast for all agents, trained to keep their regrets small and alike.
///
/// Minimises `(1/M) (Σ_m (1−β) R_m^p + β MSE)^(1/p)` by Adam, where `R_m` is what agent m pays above what it would have
/// paid at best; an iteration is one pass over the rows for training. β = 1, p = 1 is the plain model that only
/// minimises the squared error. Reports, on the rows for judging, `forecast`, `mse`, `objective`, `regret_mean`,
/// `regret_variance`, `regret_c95_c5`, `regret_max`, `jain`, `gini` and `regret_entropy` of the agents' mean regrets,
/// `period_means.…` of forecasts averaged before anybody acts, and `queries`: how often an agent was asked for a cost.
/// Liu, Yang, Li, Li & Ren, Building Socially-Equitable Public Models, ICML 2024.
///
/// Surprises: `jain` and `gini` are of regrets, not of returns. The policy it is given never acts: the simulation plays
/// the forecast. A batch holds rows from all over time, evenly spaced.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicForecast {
    /// What predicts.
    pub model: Model,
    /// The power, p = q + 1, at least 1.
    #[serde(default = "one")]
    pub p: Finite,
    /// What the regret of an agent is, given samples of it; the power of their mean if not given.
    #[serde(default)]
    pub reading: Reading,
    /// The share β of the squared error; 0 if not given.
    #[serde(default = "none")]
    pub blend: Probability,
    /// How the gradient is found; through the agents' slopes if not given.
    #[serde(default)]
    pub gradient: Estimator,
    /// Adam's step size; 0.01 if not given.
    #[serde(default = "rate")]
    pub rate: Positive,
    /// Passes over the rows after which the step size is halved; never if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halve_every: Option<NonZeroU32>,
    /// Rows in a batch; 128 if not given.
    #[serde(default = "batch")]
    pub batch: NonZeroU32,
}

/// What predicts a public signal.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub enum Model {
    /// The last value known; not trained.
    Persistence,
    /// The value so many rows before; not trained.
    Seasonal(NonZeroU32),
    /// Always the same; not trained.
    Constant(Finite),
    /// The line through what is known with the least squared error; not trained further.
    LeastSquares,
    /// A line through what is known.
    Linear,
    /// A network with one hidden layer of so many units.
    Perceptron(NonZeroU32),
    /// A recurrent network of so many cells.
    Lstm(NonZeroU32),
    /// Another network: `isonomy list networks`.
    Network(Plugged<dyn ForecastNetwork>),
}

/// How the gradient of the objective is found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Estimator {
    /// Through the derivative of every agent's regret with respect to the forecast.
    #[default]
    Exact,
    /// From costs alone: forecasts around the model's own are tried, and those that cost less are made more likely.
    ScoreFunction {
        /// Forecasts tried in every row.
        samples: NonZeroU32,
        /// Standard deviation of what is tried, at first; it is learned.
        spread: Positive,
        /// What each is compared with; the mean of the row's others if not given.
        #[serde(default)]
        baseline: Baseline,
    },
}

fn one() -> Finite {
    Finite::new(1.0).expect("one is finite")
}

fn none() -> Probability {
    Probability::new(0.0).expect("a chance")
}

fn rate() -> Positive {
    Positive::new(0.01).expect("above zero")
}

fn batch() -> NonZeroU32 {
    NonZeroU32::new(128).expect("above zero")
}

isonomy_engine::plugin!(Optimizer: PublicForecast, "(model: Linear, p: 5)");

#[typetag::serde]
impl Optimizer for PublicForecast {
    fn needs(&self) -> Needs {
        Needs { public: true, ..Needs::default() }
    }

    fn check(&self, _spec: &Spec) -> Vec<Problem> {
        problem_of_power(self.p).into_iter().collect()
    }

    fn begin(&self, _policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let signal = setting.public.expect("an environment without a signal is refused before");
        let mut words = Words::new(setting.seed);
        let forecaster = self.forecaster(&*signal, &mut words)?;
        if self.reading == Reading::MeanOfPower && signal.signed() {
            let help = "these agents are compared with a decision that is always the same: use PowerOfMean";
            return Err(Problem::at("reading", "a power of single regrets needs them to be 0 or above").help(help));
        }
        let mut learner = Training {
            plan: self.clone(),
            goal: Goal { p: self.p.get(), reading: self.reading, blend: self.blend.get() },
            spec: setting.spec,
            policy: TabularPolicy { steps: 0, groups: 0, observations: 0, actions: 0, logits: Vec::new() },
            signal,
            forecaster,
            adam: Adam::default(),
            standing: None,
            words,
            epoch: 0,
            queries: 0,
        };
        learner.play();
        Ok(Box::new(learner))
    }
}

/// A model as it is now.
enum Forecaster {
    Ago(usize),
    Always(f64),
    /// Weights of a history and a constant, for every value.
    Line(Vec<Vec<f64>>),
    Trained(gradient::Model),
}

impl Forecaster {
    /// The forecasts of all rows of a part, `[rows, values]`.
    fn predict(&self, signal: &dyn PublicSignal, part: Part) -> Vec<f64> {
        let (rows, values) = (signal.rows(part), signal.values());
        let mut forecasts = vec![0.0; rows * values];
        let each = forecasts.chunks_exact_mut(values).enumerate();
        match self {
            Forecaster::Ago(ago) => each.for_each(|(row, forecast)| {
                // Of several values, the first is the nearest to what is known.
                for (ahead, value) in forecast.iter_mut().enumerate() {
                    let back = if *ago > ahead { ago - ahead } else { 1 };
                    *value = signal.past(part, row, back).expect("checked when learning began");
                }
            }),
            Forecaster::Always(value) => forecasts.fill(*value),
            Forecaster::Line(weights) => each.for_each(|(row, forecast)| {
                let known = signal.known(part, row);
                for (value, weights) in forecast.iter_mut().zip(weights) {
                    *value = weights[known.len()] + weights.iter().zip(known).map(|(w, x)| w * x).sum::<f64>();
                }
            }),
            Forecaster::Trained(model) => {
                let rows: Vec<usize> = (0..rows).collect();
                return model.predict_all(signal, part, &rows, &mut Tape::default());
            }
        }
        forecasts
    }
}

impl PublicForecast {
    fn forecaster(&self, signal: &dyn PublicSignal, words: &mut Words) -> Result<Forecaster, Problem> {
        let ago = |ago: usize| {
            let known = |row: usize| signal.past(Part::Judging, row, ago).is_some();
            let all = (0..signal.rows(Part::Judging)).all(known);
            let problem = || Problem::at("model", format!("what was {ago} rows before is not known in every row"));
            all.then_some(Forecaster::Ago(ago)).ok_or_else(problem)
        };
        let shape = match self.model {
            Model::Persistence => return ago(1),
            Model::Seasonal(period) => return ago(period.get() as usize),
            Model::Constant(value) => return Ok(Forecaster::Always(value.get())),
            Model::LeastSquares => {
                let problem = || Problem::at("model", "the rows for training do not determine the line");
                return least_squares(signal).map(Forecaster::Line).ok_or_else(problem);
            }
            Model::Linear => Shape::Linear,
            Model::Perceptron(units) => Shape::Perceptron(units),
            Model::Lstm(_) if signal.history() == 0 => {
                return Err(Problem::at("model", "nothing is known beforehand that could be remembered"));
            }
            Model::Lstm(cells) => Shape::Lstm(cells),
            Model::Network(ref network) => {
                if let Some(problem) = network.check(signal.history()).into_iter().next() {
                    return Err(problem.under("model"));
                }
                Shape::Other(network.clone())
            }
        };
        let spread = match self.gradient {
            Estimator::Exact => {
                let (values, agents) = (signal.values(), signal.agents());
                let truth = signal.truth(Part::Training, 0);
                if !signal.slopes(Part::Training, 0, truth, &mut vec![0.0; agents * values]) {
                    let help = "use ScoreFunction(samples: 8, spread: 0.5)";
                    return Err(Problem::at("gradient", "these agents' costs can only be queried").help(help));
                }
                1.0
            }
            Estimator::ScoreFunction { samples, baseline: Baseline::Line, .. }
                if samples.get() < 3 || signal.values() > 1 =>
            {
                let help = "use at least 3 samples and one value ahead, or baseline: Mean";
                return Err(Problem::at("gradient", "there is no line through the other samples").help(help));
            }
            Estimator::ScoreFunction { spread, .. } => spread.get(),
        };
        Ok(Forecaster::Trained(gradient::Model::new(shape, signal, spread, words)))
    }
}

struct Training {
    plan: PublicForecast,
    goal: Goal,
    spec: Spec,
    signal: Arc<dyn PublicSignal>,
    policy: TabularPolicy,
    forecaster: Forecaster,
    adam: Adam,
    standing: Option<Standing>,
    words: Words,
    epoch: u32,
    queries: u64,
}

/// What of a [`Training`] changes.
#[derive(Serialize, Deserialize)]
struct Kept {
    parameters: Vec<f64>,
    log_spread: Vec<f64>,
    adam: Adam,
    standing: Option<Standing>,
    read: u64,
    epoch: u32,
    queries: u64,
}

/// How far the standing of agents moves towards that of a batch.
const FOLLOW: f64 = 0.1;

impl Training {
    /// Forecasts of the rows for judging, `[rows, values]`, as the simulation plays them.
    fn played(&self, forecasts: &[f64]) -> TabularPolicy {
        TabularPolicy::from_chances(&self.spec, 1, |_, _, row, chances| {
            chances[self.signal.action(forecasts[row * self.signal.values()]) as usize] = 1.0;
        })
    }

    /// Plays the forecasts of now, and returns them.
    fn play(&mut self) -> Vec<f64> {
        let forecasts = self.forecaster.predict(&*self.signal, Part::Judging);
        self.policy = self.played(&forecasts);
        forecasts
    }

    /// One pass over the rows for training.
    fn pass(&mut self) {
        let Forecaster::Trained(model) = &mut self.forecaster else { return };
        let halvings = self.plan.halve_every.map_or(0, |every| self.epoch / every.get());
        let rate = self.plan.rate.get() * 0.5_f64.powi(halvings as i32);
        let (rows, agents) = (self.signal.rows(Part::Training), self.signal.agents());
        let batches = rows.div_ceil(self.plan.batch.get() as usize);
        for first in self.words.order(batches) {
            let batch: Vec<usize> = (first..rows).step_by(batches).collect();
            let (standing, gradient, tries) = match self.plan.gradient {
                Estimator::Exact => {
                    let found = exact(&*self.signal, model, &self.goal, &batch);
                    let (standing, gradient) = found.expect("checked when learning began");
                    (standing, gradient, 1)
                }
                Estimator::ScoreFunction { samples, baseline, .. } => {
                    let tries = Tries { samples: samples.get() as usize, baseline };
                    let (before, words) = (self.standing.as_ref(), &mut self.words);
                    let (standing, gradient) =
                        score_function(&*self.signal, model, &self.goal, &batch, tries, before, words);
                    (standing, gradient, tries.samples)
                }
            };
            self.queries += (tries * batch.len() * agents) as u64;
            match &mut self.standing {
                Some(before) => before.follow(&standing, FOLLOW),
                None => self.standing = Some(standing),
            }
            let parameters = &mut [&mut model.network.parameters[..], &mut model.log_spread[..]];
            self.adam.step(rate, gradient.all(), parameters);
            model.settle();
        }
        self.epoch = self.epoch.saturating_add(1);
    }
}

impl Learner for Training {
    fn policy(&self) -> PolicyRef<'_> {
        PolicyRef::Table(&self.policy)
    }

    fn update(&mut self, _rollout: &Rollout) -> Vec<(String, f64)> {
        self.pass();
        let (forecasts, values) = (self.play(), self.signal.values());
        let mut report = judge(&*self.signal, &self.spec, &self.goal, |row, forecast| {
            forecast.copy_from_slice(&forecasts[row * values..][..values]);
        });
        report.push(("queries".to_owned(), self.queries as f64));
        report
    }

    fn snapshot(&self) -> Vec<u8> {
        let (parameters, log_spread) = match &self.forecaster {
            Forecaster::Trained(model) => (model.network.parameters.clone(), model.log_spread.clone()),
            _ => (Vec::new(), Vec::new()),
        };
        let kept = Kept {
            parameters,
            log_spread,
            adam: self.adam.clone(),
            standing: self.standing.clone(),
            read: self.words.read,
            epoch: self.epoch,
            queries: self.queries,
        };
        postcard::to_stdvec(&kept).expect("plain numbers can be written")
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), postcard::Error> {
        let kept: Kept = postcard::from_bytes(snapshot)?;
        if let Forecaster::Trained(model) = &mut self.forecaster {
            if kept.parameters.len() != model.network.parameters.len() {
                return Err(postcard::Error::DeserializeUnexpectedEnd);
            }
            (model.network.parameters, model.log_spread) = (kept.parameters, kept.log_spread);
        }
        (self.adam, self.standing, self.epoch, self.queries) = (kept.adam, kept.standing, kept.epoch, kept.queries);
        self.words.seek(kept.read);
        self.play();
        Ok(())
    }
}
