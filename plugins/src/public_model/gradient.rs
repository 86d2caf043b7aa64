//! How the goal changes with a model's parameters: exactly, through the agents' regrets, or from their costs alone.

use super::goal::{Goal, Standing};
use super::network::{Network, Shape, Tape};
use super::random::Words;
use isonomy_engine::public::{Part, PublicSignal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A network that predicts a signal in the signal's own unit, and how widely it tries other forecasts.
#[derive(Clone, Debug)]
pub struct Model {
    /// The network; it sees and says numbers of about 1.
    pub network: Network,
    /// Logarithm of the standard deviation of what is tried around a forecast, by value.
    pub log_spread: Vec<f64>,
    middle: f64,
    scale: f64,
    floor: f64,
}

/// A derivative with respect to a model's parameters.
#[derive(Clone, Debug)]
pub struct Gradient {
    /// Of the network's weights.
    pub network: Vec<f64>,
    /// Of the logarithms of the spread.
    pub log_spread: Vec<f64>,
}

/// Bounds of the logarithm of the spread.
const NARROWEST: f64 = -5.0;
const WIDEST: f64 = 1.0;

impl Model {
    /// A network for a signal. At first it predicts the last known value, or 0 where nothing is known.
    pub fn new(shape: Shape, signal: &dyn PublicSignal, spread: f64, words: &mut Words) -> Self {
        let truths = (0..signal.rows(Part::Training)).map(|row| signal.truth(Part::Training, row)[0]);
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for truth in truths {
            (count, sum, squares) = (count + 1.0, sum + truth, squares + truth * truth);
        }
        let middle: f64 = sum / count;
        let scale = (squares / count - middle * middle).max(1e-12).sqrt();
        Model {
            network: Network::new(shape, signal.history(), signal.values(), words),
            log_spread: vec![spread.ln().clamp(NARROWEST, WIDEST); signal.values()],
            middle,
            scale,
            floor: signal.floor(),
        }
    }

    /// Keeps a number above the floor, smoothly: `ln(1 + e^(k x)) / k` above it, where k is so steep that only what is within
    /// a quarter of the signal's spread is bent. Regrets may have slopes without bound towards the floor; what bends
    /// the forecast there also bends them. Returns the slope as well.
    fn above_floor(&self, value: f64) -> (f64, f64) {
        if self.floor == f64::NEG_INFINITY {
            return (value, 1.0);
        }
        let steep = 10.0 / self.scale;
        let x = steep * (value - self.floor);
        let bent = x.max(0.0) + (-x.abs()).exp().ln_1p();
        (self.floor + bent / steep, 1.0 / (1.0 + (-x).exp()))
    }

    fn input(&self, known: &[f64]) -> Vec<f64> {
        known.iter().map(|value| (value - self.middle) / self.scale).collect()
    }

    /// What the network says of a history, in the signal's unit.
    fn say(&self, known: &[f64], tape: &mut Tape, said: &mut [f64]) {
        self.network.forward(&self.input(known), tape, said);
        let last = known.last().copied().unwrap_or(0.0);
        said.iter_mut().for_each(|value| *value = last + self.scale * *value);
    }

    /// The forecast of what comes after a history.
    pub fn predict(&self, known: &[f64], tape: &mut Tape, forecast: &mut [f64]) {
        self.say(known, tape, forecast);
        forecast.iter_mut().for_each(|value| *value = self.above_floor(*value).0);
    }

    /// What the network sees of rows, what it says of them in the signal's unit.
    fn say_all(&self, signal: &dyn PublicSignal, part: Part, rows: &[usize], tape: &mut Tape) -> [Vec<f64>; 2] {
        let input: Vec<f64> = rows.iter().flat_map(|&row| self.input(signal.known(part, row))).collect();
        let mut said = vec![0.0; rows.len() * signal.values()];
        self.network.forward_all(&input, rows.len(), tape, &mut said);
        for (&row, said) in rows.iter().zip(said.chunks_exact_mut(signal.values())) {
            let last = signal.known(part, row).last().copied().unwrap_or(0.0);
            said.iter_mut().for_each(|value| *value = last + self.scale * *value);
        }
        [input, said]
    }

    /// The forecasts of rows, `[rows, values]`.
    pub fn predict_all(&self, signal: &dyn PublicSignal, part: Part, rows: &[usize], tape: &mut Tape) -> Vec<f64> {
        let [_, mut forecasts] = self.say_all(signal, part, rows, tape);
        forecasts.iter_mut().for_each(|value| *value = self.above_floor(*value).0);
        forecasts
    }

    /// Adds what `pull`, a derivative with respect to the forecasts of training rows, is with respect to the network's
    /// parameters.
    fn pull_back(
        &self,
        signal: &dyn PublicSignal,
        rows: &[usize],
        tape: &mut Tape,
        mut pull: Vec<f64>,
        gradient: &mut [f64],
    ) {
        let [input, said] = self.say_all(signal, Part::Training, rows, tape);
        for (pull, said) in pull.iter_mut().zip(said) {
            *pull *= self.scale * self.above_floor(said).1;
        }
        self.network.backward_all(&input, rows.len(), tape, &pull, gradient);
    }

    /// Keeps the spread within its bounds.
    pub fn settle(&mut self) {
        self.log_spread.iter_mut().for_each(|log| *log = log.clamp(NARROWEST, WIDEST));
    }

    fn no_gradient(&self) -> Gradient {
        Gradient { network: vec![0.0; self.network.parameters.len()], log_spread: vec![0.0; self.log_spread.len()] }
    }
}

impl Gradient {
    /// All numbers: the network's, then the spread's.
    pub fn all(&self) -> impl ExactSizeIterator<Item = f64> {
        let whole: Vec<f64> = self.network.iter().chain(&self.log_spread).copied().collect();
        whole.into_iter()
    }
}

/// The mean squared error of a forecast, and its derivative times `factor` added to `pull`.
fn squared_error(forecast: &[f64], truth: &[f64], factor: f64, pull: &mut [f64]) -> f64 {
    let scale = 1.0 / truth.len() as f64;
    let errors = forecast.iter().zip(truth).map(|(forecast, truth)| forecast - truth);
    errors.zip(pull).map(|(error, pull)| (*pull += factor * 2.0 * error * scale, error * error * scale).1).sum()
}

/// Through the regrets of rows, where agents can tell their slopes. `None` where they cannot.
pub fn exact(signal: &dyn PublicSignal, model: &Model, goal: &Goal, rows: &[usize]) -> Option<(Standing, Gradient)> {
    let (agents, values) = (signal.agents(), signal.values());
    let (mut tape, mut samples, mut error) = (Tape::default(), vec![0.0; rows.len() * agents], 0.0);
    let forecasts = model.predict_all(signal, Part::Training, rows, &mut tape);
    let mut backs = vec![0.0; forecasts.len()];
    let each = || rows.iter().zip(forecasts.chunks_exact(values));
    for (((&row, forecast), regrets), back) in
        each().zip(samples.chunks_exact_mut(agents)).zip(backs.chunks_exact_mut(values))
    {
        let truth = signal.truth(Part::Training, row);
        signal.regrets(Part::Training, row, forecast, truth, regrets);
        error += squared_error(forecast, truth, 0.0, back);
    }
    let count = rows.len() as f64;
    let standing = Standing::of(goal, &samples, agents, error / count);
    let (pull, mut gradient) = (goal.pull(&standing), model.no_gradient());
    let mut slopes = vec![0.0; agents * values];
    for (((&row, forecast), regrets), back) in
        each().zip(samples.chunks_exact(agents)).zip(backs.chunks_exact_mut(values))
    {
        if !signal.slopes(Part::Training, row, forecast, &mut slopes) {
            return None;
        }
        for (agent, (slopes, regret)) in slopes.chunks_exact(values).zip(regrets).enumerate() {
            let weight = pull.of_sample(agent, *regret) / count;
            back.iter_mut().zip(slopes).for_each(|(back, slope)| *back += weight * slope);
        }
        squared_error(forecast, signal.truth(Part::Training, row), pull.of_error / count, back);
    }
    model.pull_back(signal, rows, &mut tape, backs, &mut gradient.network);
    Some((standing, gradient))
}

/// What a sample is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Baseline {
    /// The mean of the row's other samples; of the other rows where there is one sample.
    #[default]
    Mean,
    /// The line through the row's other samples, whose slope is put back where the score would have found it: still
    /// unbiased, and without noise where costs are straight. Three samples at least, and one value ahead.
    Line,
}

/// How forecasts are tried.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    /// In every row.
    pub samples: usize,
    /// What each is compared with.
    pub baseline: Baseline,
}

/// From costs alone: `E[∇ log σ(ŷ | x) · Σ_m w_m (ρ_m − b_m)]`, with forecasts tried around every row's own.
///
/// Agents are weighed as they stood `before` this batch, because a weight that knows the sample it weighs is biased; the
/// first batch has nothing else to go by.
pub fn score_function(
    signal: &dyn PublicSignal,
    model: &Model,
    goal: &Goal,
    rows: &[usize],
    Tries { samples, baseline }: Tries,
    before: Option<&Standing>,
    words: &mut Words,
) -> (Standing, Gradient) {
    let (agents, values, floor) = (signal.agents(), signal.values(), signal.floor());
    let spread: Vec<f64> = model.log_spread.iter().map(|log| log.exp()).collect();
    let (mut tape, mut error) = (Tape::default(), 0.0);
    let forecasts = model.predict_all(signal, Part::Training, rows, &mut tape);
    let mut tried = vec![0.0; values];
    let steps = normal(rows.len() * samples * values, words);
    let mut regrets = vec![0.0; rows.len() * samples * agents];
    let tries = steps.chunks_exact(samples * values).zip(regrets.chunks_exact_mut(samples * agents));
    for ((&row, forecast), (steps, regrets)) in rows.iter().zip(forecasts.chunks_exact(values)).zip(tries) {
        let truth = signal.truth(Part::Training, row);
        error += squared_error(forecast, truth, 0.0, &mut tried);
        for (steps, regrets) in steps.chunks_exact(values).zip(regrets.chunks_exact_mut(agents)) {
            for (value, tried) in tried.iter_mut().enumerate() {
                *tried = (forecast[value] + spread[value] * steps[value]).max(floor);
            }
            signal.regrets(Part::Training, row, &tried, truth, regrets);
        }
    }
    let standing = Standing::of(goal, &regrets, agents, error / rows.len() as f64);
    let pull = goal.pull(before.unwrap_or(&standing));
    let mut advantages: Vec<f64> = regrets.chunks_exact(agents).map(|regrets| pull.charge(regrets)).collect();
    let mut slopes = vec![0.0; advantages.len()];
    match (baseline, samples) {
        (Baseline::Mean, 1) => leave_one_out(&mut advantages),
        (Baseline::Mean, _) => advantages.chunks_exact_mut(samples).for_each(leave_one_out),
        (Baseline::Line, _) => {
            let rows = advantages.chunks_exact_mut(samples).zip(slopes.chunks_exact_mut(samples));
            rows.zip(steps.chunks_exact(samples)).for_each(|((own, slopes), steps)| straighten(own, slopes, steps));
        }
    }
    let (mut gradient, mut backs) = (model.no_gradient(), vec![0.0; forecasts.len()]);
    let (of_row, of_sample) = (1.0 / rows.len() as f64, 1.0 / advantages.len() as f64);
    let tries = advantages.chunks_exact(samples).zip(slopes.chunks_exact(samples));
    let rows_and_backs = rows.iter().zip(forecasts.chunks_exact(values)).zip(backs.chunks_exact_mut(values));
    for ((((&row, forecast), back), steps), (advantages, slopes)) in
        rows_and_backs.zip(steps.chunks_exact(samples * values)).zip(tries)
    {
        for ((steps, advantage), slope) in steps.chunks_exact(values).zip(advantages).zip(slopes) {
            for (value, step) in steps.iter().enumerate() {
                back[value] += (advantage * step + slope) / spread[value] * of_sample;
                gradient.log_spread[value] += advantage * (step * step - 1.0) * of_sample;
            }
        }
        if pull.of_error > 0.0 {
            squared_error(forecast, signal.truth(Part::Training, row), pull.of_error * of_row, back);
        }
    }
    model.pull_back(signal, rows, &mut tape, backs, &mut gradient.network);
    (standing, gradient)
}

/// Takes from every number the line through the others, at its own step, and writes that line's slope.
fn straighten(numbers: &mut [f64], slopes: &mut [f64], steps: &[f64]) {
    let others = numbers.len() as f64 - 1.0;
    let all = |of: &dyn Fn(usize) -> f64| -> f64 { (0..steps.len()).map(of).sum() };
    let (step, square) = (all(&|at| steps[at]), all(&|at| steps[at] * steps[at]));
    let (sum, product) = (all(&|at| numbers[at]), all(&|at| steps[at] * numbers[at]));
    for ((number, slope), own) in numbers.iter_mut().zip(slopes).zip(steps) {
        let (step, square) = (step - own, square - own * own);
        let (sum, product) = (sum - *number, product - own * *number);
        let apart = square - step * step / others;
        *slope = if apart > 1e-12 { (product - step * sum / others) / apart } else { 0.0 };
        *number -= (sum - *slope * step) / others + *slope * own;
    }
}

/// Takes from every number the mean of the others.
fn leave_one_out(numbers: &mut [f64]) {
    let count = numbers.len() as f64;
    let sum: f64 = numbers.iter().sum();
    if numbers.len() > 1 {
        numbers.iter_mut().for_each(|number| *number -= (sum - *number) / (count - 1.0));
    }
}

fn normal(count: usize, words: &mut Words) -> Vec<f64> {
    let mut numbers: Vec<f64> = (0..count.div_ceil(2)).flat_map(|_| words.normal_pair()).collect();
    numbers.truncate(count);
    numbers
}
