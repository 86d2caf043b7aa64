//! Gradients against differences and closed forms, and a case whose best forecast is known for every power.

use super::goal::{Goal, Standing};
use super::gradient::{Baseline, Gradient, Model as Trained, Tries, exact, score_function};
use super::network::Shape;
use super::{Estimator, Model, PublicForecast, Words};
use crate::welfare::equitable::Reading;
use isonomy_engine::optimizer::{Learner, Optimizer, Setting};
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::public::{Part, PublicSignal};
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::{GroupSpec, Space, Spec};
use std::num::NonZeroU32;
use std::sync::Arc;

/// Agents whose regret is a function of forecast and truth.
#[derive(Clone, Copy, Debug)]
struct Agent {
    regret: fn(f64, f64, f64) -> f64,
    slope: Option<fn(f64, f64, f64) -> f64>,
    scale: f64,
}

/// A series of which `history` values are known; a forecast is of the next `values`, whose regrets are added.
#[derive(Clone, Debug)]
struct Series {
    numbers: Vec<f64>,
    history: usize,
    values: usize,
    agents: Vec<Agent>,
    signed: bool,
}

impl PublicSignal for Series {
    fn agents(&self) -> usize {
        self.agents.len()
    }

    fn values(&self) -> usize {
        self.values
    }

    fn history(&self) -> usize {
        self.history
    }

    fn rows(&self, _: Part) -> usize {
        self.numbers.len() + 1 - self.history - self.values
    }

    fn known(&self, _: Part, row: usize) -> &[f64] {
        &self.numbers[row..][..self.history]
    }

    fn truth(&self, _: Part, row: usize) -> &[f64] {
        &self.numbers[row + self.history..][..self.values]
    }

    fn past(&self, _: Part, row: usize, ago: usize) -> Option<f64> {
        (row + self.history).checked_sub(ago).map(|at| self.numbers[at])
    }

    fn regrets(&self, _: Part, _: usize, forecast: &[f64], truth: &[f64], regrets: &mut [f64]) {
        for (regret, agent) in regrets.iter_mut().zip(&self.agents) {
            *regret = forecast.iter().zip(truth).map(|(f, y)| (agent.regret)(agent.scale, *f, *y)).sum();
        }
    }

    fn slopes(&self, part: Part, row: usize, forecast: &[f64], slopes: &mut [f64]) -> bool {
        for (agent, slopes) in self.agents.iter().zip(slopes.chunks_exact_mut(self.values)) {
            let Some(of_value) = agent.slope else { return false };
            for ((slope, forecast), truth) in slopes.iter_mut().zip(forecast).zip(self.truth(part, row)) {
                *slope = of_value(agent.scale, *forecast, *truth);
            }
        }
        true
    }

    fn signed(&self) -> bool {
        self.signed
    }

    fn floor(&self) -> f64 {
        // Of some series, so that both kinds of forecast are tried.
        if self.values == 2 { 4.0 } else { f64::NEG_INFINITY }
    }

    fn action(&self, _: f64) -> u32 {
        0
    }
}

/// A data centre: its sensitivity is the scale.
fn provisioning(scale: f64) -> Agent {
    Agent {
        regret: |scale, f, y| scale * (f.sqrt() - y.sqrt()).powi(2) / f.sqrt(),
        slope: Some(|scale, f, y| 0.5 * scale * (f.powf(-0.5) - y * f.powf(-1.5))),
        scale,
    }
}

/// Costs that can only be queried.
fn quadratic(scale: f64) -> Agent {
    Agent { regret: |scale, f, _| scale * (f - 1.0).powi(2), slope: None, scale }
}

/// Three times as expensive below the truth as above it, or the other way round where `dear_above`; the best constant
/// decision costs .375.
fn lopsided(dear_above: bool) -> Agent {
    fn slope(below: f64, f: f64, y: f64) -> f64 {
        if f < y { -below } else { 4.0 - below }
    }
    Agent {
        regret: |below, f, y| slope(below, f, y) * (f - y) - 0.375,
        slope: Some(slope),
        scale: if dear_above { 1.0 } else { 3.0 },
    }
}

fn series(agents: Vec<Agent>, values: usize) -> Series {
    let numbers = (0..40).map(|hour| 5.0 + 2.0 * (f64::from(hour) * 0.7).sin() + (f64::from(hour) * 2.3).cos());
    Series { numbers: numbers.collect(), history: 5, values, agents, signed: false }
}

#[test]
fn exact_gradients_are_differences() {
    let signal = series(vec![provisioning(1.0), provisioning(3.0), provisioning(8.0)], 2);
    let rows: Vec<usize> = (0..signal.rows(Part::Training)).step_by(2).collect();
    let three = NonZeroU32::new(3).unwrap();
    for shape in [Shape::Linear, Shape::Perceptron(three), Shape::Lstm(three)] {
        for (p, blend, reading) in
            [(1.0, 0.0, Reading::PowerOfMean), (5.0, 0.2, Reading::PowerOfMean), (3.0, 0.1, Reading::MeanOfPower)]
        {
            let goal = Goal { p, reading, blend };
            let mut words = Words::new(5);
            let mut model = Trained::new(shape.clone(), &signal, 1.0, &mut words);
            model.network.parameters.iter_mut().for_each(|weight| *weight += 0.1 * words.between());
            let value = |model: &Trained| {
                let (standing, _) = exact(&signal, model, &goal, &rows).unwrap();
                goal.value(&standing)
            };
            let (_, gradient) = exact(&signal, &model, &goal, &rows).unwrap();
            for at in 0..model.network.parameters.len() {
                let moved = |by: f64| {
                    let mut moved = model.clone();
                    moved.network.parameters[at] += by;
                    value(&moved)
                };
                let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                let found = gradient.network[at];
                assert!((found - difference).abs() < 1e-7, "{shape:?}, {goal:?}: {found}, {difference}");
            }
        }
    }
}

/// Mean and standard error of the mean.
fn spread(values: &[f64]) -> (f64, f64) {
    let (n, sum) = (values.len() as f64, values.iter().sum::<f64>());
    let mean = sum / n;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt())
}

#[test]
fn the_score_function_finds_the_gradient_of_the_mean() {
    // ρ = a (ŷ − 1)², a = 1, 2, 5, ŷ ~ N(1.4, .3²).
    let agents = vec![quadratic(1.0), quadratic(2.0), quadratic(5.0)];
    let signal = Series { numbers: vec![1.4], history: 0, values: 1, agents, signed: false };
    let mut words = Words::new(11);
    let mut model = Trained::new(Shape::Linear, &signal, 0.3, &mut words);
    // What the network says is scaled by the signal's spread, which one number does not have.
    let scale = 1e-6;
    model.network.parameters[0] = 1.4 / scale;
    let standing = Standing { regrets: vec![0.25, 0.5, 1.25], squared_error: 0.0 };
    let (batches, tries) = (20, Tries { samples: 100_000, baseline: Baseline::Mean });
    for (p, value, of_mean, of_spread, error) in [
        (1.0, 0.666666667, 2.133333333, 0.48, 0.0028),
        (2.0, 0.456435465, 1.460593487, 0.328633535, 0.0019),
        (5.0, 0.417542973, 1.336137513, 0.300630941, 0.0018),
    ] {
        let goal = Goal { p, reading: Reading::PowerOfMean, blend: 0.0 };
        assert!((goal.value(&standing) - value).abs() < 1e-9);
        let mut found: [Vec<f64>; 2] = Default::default();
        for _ in 0..batches {
            let (_, gradient) = score_function(&signal, &model, &goal, &[0], tries, Some(&standing), &mut words);
            let Gradient { network, log_spread } = gradient;
            found[0].push(network[0] / scale);
            found[1].push(log_spread[0]);
        }
        for (found, expected, published) in [(&found[0], of_mean, Some(error)), (&found[1], of_spread, None)] {
            let (mean, own) = spread(found);
            assert!((mean - expected).abs() < 4.0 * own, "p = {p}: {mean} ± {own}, not {expected}");
            // The spread of twenty numbers is known to a third.
            published.inspect(|published| assert!((own / published - 1.0).abs() < 0.6, "{own}, {published}"));
        }
    }
}

#[test]
fn the_score_function_agrees_with_the_exact_gradient() {
    let signal = series(vec![provisioning(1.0), provisioning(3.0)], 1);
    let rows: Vec<usize> = (0..signal.rows(Part::Training)).collect();
    for reading in [Reading::PowerOfMean, Reading::MeanOfPower] {
        let goal = Goal { p: 3.0, reading, blend: 0.1 };
        let mut words = Words::new(2);
        // So narrow that the mean regret is hardly that of the mean forecast.
        let model = Trained::new(Shape::Linear, &signal, 0.02, &mut words);
        let (standing, expected) = exact(&signal, &model, &goal, &rows).unwrap();
        for (samples, baseline) in [(1, Baseline::Mean), (8, Baseline::Mean), (4, Baseline::Line)] {
            let tries = Tries { samples, baseline };
            let mut found = vec![Vec::new(); expected.network.len()];
            for _ in 0..400 {
                let (_, gradient) = score_function(&signal, &model, &goal, &rows, tries, Some(&standing), &mut words);
                found.iter_mut().zip(&gradient.network).for_each(|(found, value)| found.push(*value));
            }
            for (found, expected) in found.iter().zip(&expected.network) {
                let (mean, error) = spread(found);
                let slack = 4.5 * error + 2e-3 * expected.abs();
                assert!((mean - expected).abs() < slack, "{reading:?}, {tries:?}: {mean} ± {error}, not {expected}");
            }
        }
    }
}

fn spec(signal: &Series) -> Spec {
    Spec {
        groups: vec![GroupSpec { name: "all".to_owned(), agents: signal.agents.len() as u32 }],
        observation: Space::Discrete(signal.rows(Part::Judging) as u32),
        action: Space::Discrete(1),
        ..crate::shapes::two_groups(1, 1, 1)
    }
}

/// Two agents for whom too low a forecast is dear, and one for whom too high a forecast is; truths are spread evenly
/// over [0, 1], and nothing is known beforehand.
fn dispute() -> Series {
    let numbers = (0..1000).map(|at| (f64::from(at) + 0.5) / 1000.0).collect();
    let agents = vec![lopsided(false), lopsided(false), lopsided(true)];
    Series { numbers, history: 0, values: 1, agents, signed: true }
}

fn learner(plan: &PublicForecast, signal: Series) -> Box<dyn Learner> {
    let spec = spec(&signal);
    let setting = Setting { spec: spec.clone(), model: None, public: Some(Arc::new(signal)), seed: 1 };
    plan.begin(TabularPolicy::uniform(&spec, 1).into(), setting).unwrap()
}

fn nothing() -> Rollout {
    Rollout::new(&spec(&dispute()), 1, 0, 0, false)
}

fn number(report: &[(String, f64)], name: &str) -> f64 {
    report.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}")).1
}

#[test]
fn both_ways_find_the_best_forecast_of_a_dispute() {
    for (p, forecast, value, mean, variance, jain) in [
        (1.0, 0.583333, 0.111111, 0.111111, 0.006173, 0.666667),
        (1.5, 0.542893, 0.081690, 0.114382, 0.001635, 0.888889),
        (2.0, 0.528753, 0.069378, 0.117069, 0.000735, 0.949107),
        (5.0, 0.509622, 0.051229, 0.121978, 0.000082, 0.994499),
        (10.0, 0.504560, 0.046217, 0.123522, 0.000018, 0.998790),
    ] {
        for gradient in ["Exact", "ScoreFunction(samples: 4, spread: 0.1, baseline: Line)"] {
            let plan =
                format!("(model: Linear, p: {p}, gradient: {gradient}, rate: 0.1, halve_every: Some(1), batch: 25)");
            let plan: PublicForecast = ron::from_str(&plan).unwrap();
            let mut learner = learner(&plan, dispute());
            let mut report = Vec::new();
            for _ in 0..8 {
                report = learner.update(&nothing());
            }
            let found = |name: &str| number(&report, name);
            assert!(found("queries") <= 1e5, "{}", found("queries"));
            let off = found("forecast") - forecast;
            eprintln!("p = {p}, {gradient}: forecast off by {off:.6}, {} queries", found("queries"));
            assert!(off.abs() < 0.005, "p = {p}, {gradient}: {} is not {forecast}", found("forecast"));
            for (name, expected, slack) in [
                ("objective", value, 2e-4),
                ("regret_mean", mean, 1.5e-3),
                ("regret_variance", variance, 1e-3),
                ("jain", jain, 0.03),
            ] {
                assert!((found(name) - expected).abs() < slack, "p = {p}, {gradient}: {name} is {}", found(name));
            }
        }
    }
}

#[test]
fn learning_goes_on_from_a_snapshot() {
    let plan = "(model: Perceptron(3), p: 2, gradient: ScoreFunction(samples: 3, spread: 0.2), batch: 7)";
    let plan: PublicForecast = ron::from_str(plan).unwrap();
    let begin = || learner(&plan, series(vec![provisioning(1.0), provisioning(3.0)], 1));
    let (mut whole, mut again) = (begin(), begin());
    whole.update(&nothing());
    let snapshot = whole.snapshot();
    let future = whole.update(&nothing());
    again.restore(&snapshot).unwrap();
    assert_eq!(again.update(&nothing()), future);
    assert_eq!(again.snapshot(), whole.snapshot());
    let other: PublicForecast = ron::from_str("(model: Perceptron(4))").unwrap();
    assert!(learner(&other, series(vec![provisioning(1.0)], 1)).restore(&snapshot).is_err());
}

#[test]
fn what_cannot_be_learned_is_refused() {
    for (plan, signal, path) in [
        ("(model: Linear)", series(vec![quadratic(1.0)], 1), "gradient"),
        ("(model: Lstm(3))", dispute(), "model"),
        ("(model: Persistence)", dispute(), "model"),
        ("(model: LeastSquares)", series(vec![provisioning(1.0)], 1), "model"),
        ("(model: Seasonal(6))", series(vec![quadratic(1.0)], 1), "model"),
        ("(model: Linear, gradient: ScoreFunction(samples: 2, spread: 1, baseline: Line))", dispute(), "gradient"),
        ("(model: Linear, p: 2, reading: MeanOfPower)", dispute(), "reading"),
    ] {
        let plan: PublicForecast = ron::from_str(plan).unwrap();
        let spec = spec(&signal);
        let setting = Setting { spec: spec.clone(), model: None, public: Some(Arc::new(signal)), seed: 1 };
        let problem =
            plan.begin(TabularPolicy::uniform(&spec, 1).into(), setting).err().unwrap_or_else(|| panic!("{plan:?}"));
        assert_eq!(problem.path, path, "{plan:?}");
    }
}

#[test]
fn forecasts_that_nobody_trains() {
    let signal = series(vec![provisioning(1.0)], 1);
    let expected = |ago: usize| {
        let errors = (5..40).map(|at: usize| (signal.numbers[at - ago] - signal.numbers[at]).powi(2));
        errors.sum::<f64>() / 35.0
    };
    for (model, mse) in [(Model::Persistence, expected(1)), (Model::Seasonal(NonZeroU32::new(4).unwrap()), expected(4))]
    {
        let plan = PublicForecast { model, ..ron::from_str("(model: Persistence)").unwrap() };
        let report = learner(&plan, signal.clone()).update(&nothing());
        assert!((number(&report, "mse") - mse).abs() < 1e-12);
        assert_eq!(number(&report, "queries"), 0.0);
    }
    // Two frequencies need four coefficients, and a constant. A fifth could be anything.
    let signal = Series { history: 4, ..signal };
    let plan: PublicForecast = ron::from_str("(model: LeastSquares)").unwrap();
    let report = learner(&plan, signal).update(&nothing());
    assert!(number(&report, "mse") < 1e-15, "{}", number(&report, "mse"));
    assert!(matches!(plan.gradient, Estimator::Exact));
}
