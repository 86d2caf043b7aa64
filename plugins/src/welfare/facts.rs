//! What is known about every welfare function: tabulated values, derivatives, and the axioms they satisfy.

use super::*;
use isonomy_engine::welfare::{Direction, Domain, LinearRows, Welfare};
use proptest::prelude::*;

const X: [f64; 4] = [1.0, 2.0, 3.0, 4.0];

fn welfare(text: &str) -> Box<dyn Welfare> {
    ron::from_str(text).unwrap()
}

fn weights(welfare: &dyn Welfare, utilities: &[f64]) -> Vec<f64> {
    let mut weights = vec![f64::NAN; utilities.len()];
    welfare.weights(utilities, &mut weights).unwrap();
    weights
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 5e-7, "{found}, not {expected}");
}

#[test]
fn values_of_one_two_three_four() {
    for (text, expected) in [
        (r#"{"Utilitarian": ()}"#, 10.0),
        (r#"{"MaxMin": ()}"#, 1.0),
        (r#"{"AlphaFair": (alpha: 0)}"#, 10.0),
        (r#"{"AlphaFair": (alpha: 0.5)}"#, 12.292529),
        (r#"{"AlphaFair": (alpha: 1)}"#, 3.178054),
        (r#"{"AlphaFair": (alpha: 2)}"#, -2.083333),
        (r#"{"Nash": ()}"#, 2.213364),
        (r#"{"Jain": ()}"#, 0.833333),
        (r#"{"GeneralizedGini": ()}"#, 3.25),
        (r#"{"GeneralizedGini": (weights: [1, 0.5, 0.25, 0.125])}"#, 3.25),
        (r#"{"GeneralizedGini": (weights: [0.4375, 0.3125, 0.1875, 0.0625])}"#, 1.875),
        (r#"{"GeneralizedGini": (weights: [1, 0, 0, 0])}"#, 1.0),
        (r#"{"Gini": ()}"#, 0.25),
        (r#"{"GiniWelfare": ()}"#, 1.875),
        (r#"{"TheilT": ()}"#, 0.106440),
        (r#"{"TheilL": ()}"#, 0.121777),
        (r#"{"GeneralizedEntropy": (order: 0)}"#, 0.121777),
        (r#"{"GeneralizedEntropy": (order: 1)}"#, 0.106440),
        (r#"{"GeneralizedEntropy": (order: 2)}"#, 0.1),
        (r#"{"Atkinson": (aversion: 0)}"#, 0.0),
        (r#"{"Atkinson": (aversion: 0.5)}"#, 0.055586),
        (r#"{"Atkinson": (aversion: 1)}"#, 0.114654),
        (r#"{"Atkinson": (aversion: 2)}"#, 0.232),
        (r#"{"CoefficientOfVariation": ()}"#, 0.447214),
        (r#"{"Hoover": ()}"#, 0.2),
        (r#"{"PMean": (power: 1)}"#, 2.5),
        (r#"{"PMean": (power: 0)}"#, 2.213364),
        (r#"{"PMean": (power: -1)}"#, 1.92),
        (r#"{"Cvar": (share: 0.25)}"#, 1.0),
        (r#"{"Cvar": (share: 0.3)}"#, 1.166667),
        (r#"{"Cvar": (share: 0.5)}"#, 1.5),
        (r#"{"Cvar": (share: 1)}"#, 2.5),
        (r#"{"Cvar": (share: 0.5, sizes: [3, 1, 1, 1])}"#, 1.0),
        (r#"{"SoftMin": (sharpness: 1)}"#, 1.946105),
        (r#"{"SoftMin": (sharpness: 5)}"#, 1.275907),
        (r#"{"WorstGroup": (rate: 0.1)}"#, 1.0),
        (r#"{"Leximin": (ratio: 0.1)}"#, 1.234),
    ] {
        near(welfare(text).value(&X).unwrap(), expected);
    }
    let moved = [1.5, 2.0, 3.0, 3.5];
    near(GeneralizedGini::default().value(&moved).unwrap(), 3.6875);
    near(Gini {}.value(&moved).unwrap(), 0.175);
}

#[test]
fn one_step_towards_the_worst_group() {
    let WorstGroup { rate } = ron::from_str("(rate: 0.1)").unwrap();
    let mut mixture = [0.25; 4];
    WorstGroup { rate }.reweigh(&X, &mut mixture).unwrap();
    for (found, expected) in mixture.into_iter().zip([0.288651, 0.261183, 0.236328, 0.213838]) {
        near(found, expected);
    }
    // Who has no weight has no say, and huge differences neither overflow nor leave no one.
    let mut mixture = [0.0, 0.5, 0.5];
    WorstGroup { rate }.reweigh(&[-1e9, 0.0, 1e9], &mut mixture).unwrap();
    assert_eq!(mixture, [0.0, 1.0, 0.0]);
    assert!(WorstGroup { rate }.reweigh(&[f64::NAN], &mut [1.0]).is_err());
}

#[test]
fn following_the_worst_mixture_finds_the_worst_group() {
    let worst: WorstGroup = ron::from_str("(rate: 0.5)").unwrap();
    let mut mixture = [0.25; 4];
    for _ in 0..60 {
        worst.reweigh(&X, &mut mixture).unwrap();
    }
    assert!(mixture[0] > 1.0 - 1e-9);
}

#[test]
fn powers_and_orders_near_their_limits_keep_their_digits() {
    for (near_one, limit) in [
        (r#"{"PMean": (power: 1e-9)}"#, r#"{"PMean": (power: 0)}"#),
        (r#"{"Atkinson": (aversion: 0.999999999)}"#, r#"{"Atkinson": (aversion: 1)}"#),
        (r#"{"GeneralizedEntropy": (order: 1e-9)}"#, r#"{"TheilL": ()}"#),
        (r#"{"GeneralizedEntropy": (order: 1.000000001)}"#, r#"{"TheilT": ()}"#),
    ] {
        near(welfare(near_one).value(&X).unwrap(), welfare(limit).value(&X).unwrap());
        let (found, expected) = (weights(&*welfare(near_one), &X), weights(&*welfare(limit), &X));
        found.into_iter().zip(expected).for_each(|(found, expected)| near(found, expected));
    }
    // Extreme powers neither overflow nor vanish.
    near(welfare(r#"{"PMean": (power: -5000)}"#).value(&X).unwrap(), 1.000277);
    near(welfare(r#"{"PMean": (power: -2)}"#).value(&[1e-200, 1e200]).unwrap() * 1e200, 2f64.sqrt());
}

#[test]
fn leximin_ranks_word_by_word() {
    use std::cmp::Ordering::{Equal, Greater, Less};
    assert_eq!(leximin_order(&[3.0, 1.0, 2.0], &[9.0, 9.0, 0.5]), Some(Greater));
    assert_eq!(leximin_order(&[3.0, 1.0, 2.0], &[1.0, 9.0, 2.5]), Some(Less));
    assert_eq!(leximin_order(&[3.0, 1.0], &[1.0, 3.0]), Some(Equal));
    assert_eq!(leximin_order(&[3.0], &[1.0, 3.0]), None);
}

#[test]
fn equals_weigh_the_same_in_gini() {
    let weights = weights(&Gini {}, &[3.0, 1.0, 1.0]);
    assert_eq!(weights[1], weights[2]);
    assert_eq!(self::weights(&Gini {}, &[2.0; 5]), [0.0; 5]);
    let welfare = self::weights(&GiniWelfare {}, &[2.0; 5]);
    welfare.into_iter().for_each(|weight| near(weight, 0.2));
}

#[test]
fn fields_that_cannot_be_meant_are_refused() {
    for (text, path) in [
        (r#"{"PMean": (power: 2)}"#, "power"),
        (r#"{"Leximin": (ratio: 0)}"#, "ratio"),
        (r#"{"Leximin": (ratio: 1)}"#, "ratio"),
        (r#"{"Cvar": (share: 1.5)}"#, "share"),
        (r#"{"Cvar": (share: 0.5, sizes: [1, 2])}"#, "sizes"),
    ] {
        let paths: Vec<_> = welfare(text).check(3).into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, [path], "{text}");
    }
    SHELF.iter().for_each(|notion| assert!(welfare(notion.text).check(3).is_empty(), "{}", notion.text));
}

#[test]
fn who_is_outside_a_domain_is_named() {
    let outside = |domain: Domain| match domain {
        Domain::Any => vec![1.0, f64::NAN],
        Domain::NonNegative | Domain::SomePositive => vec![1.0, -0.5],
        Domain::Positive => vec![1.0, 0.0],
    };
    for notion in &SHELF {
        let welfare = welfare(notion.text);
        let utilities = outside(welfare.domain());
        for error in [welfare.value(&utilities).err(), welfare.weights(&utilities, &mut [0.0; 2]).err()] {
            let error = error.unwrap_or_else(|| panic!("{} of {utilities:?}", notion.text));
            assert_eq!(error.index, 1, "{}", notion.text);
            assert!(notion.text.contains(error.notion), "{error}");
        }
        assert!(welfare.value(&[f64::INFINITY, 1.0]).is_err(), "{}", notion.text);
    }
    let error = Hoover {}.value(&[0.0, 0.0]).unwrap_err().to_string();
    assert_eq!(error, "utility 0 is 0, but Hoover needs utilities of 0 or above that are not all 0");
}

#[test]
fn the_values_of_equal_utilities() {
    for notion in &SHELF {
        let welfare = welfare(notion.text);
        let value = welfare.value(&[2.5; 4]).unwrap();
        if notion.inequality {
            assert!(value.abs() < 1e-12, "{}: {value}", notion.text);
            let weights = weights(&*welfare, &[2.5; 4]);
            assert!(weights.iter().all(|weight| weight.abs() < 1e-12), "{}: {weights:?}", notion.text);
        }
        if ["Jain"].iter().any(|name| notion.text.contains(name)) {
            near(value, 1.0);
        }
        if ["Nash", "PMean", "SoftMin", "MaxMin", "WorstGroup", "Cvar", "GiniWelfare"]
            .iter()
            .any(|n| notion.text.contains(n))
        {
            near(value, 2.5);
        }
    }
}

/// The largest value of a programme whose utilities are given.
fn solved(programme: &LinearRows, x: &[f64]) -> f64 {
    use good_lp::{Expression, ProblemVariables, Solution, SolverModel, microlp, variable};
    let mut variables = ProblemVariables::new();
    let levels = variables.add_vector(variable(), programme.levels.len());
    let mut objective: Expression = programme.levels.iter().zip(&levels).map(|(factor, level)| *factor * *level).sum();
    objective += programme.utilities.iter().zip(x).map(|(factor, x)| factor * x).sum::<f64>();
    let mut model = variables.maximise(objective.clone()).using(microlp);
    for row in &programme.rows {
        let given: f64 = row.utilities.iter().map(|&(place, factor)| factor * x[place]).sum();
        let free: Expression = row.levels.iter().map(|&(level, factor)| factor * levels[level]).sum();
        model.add_constraint((free + given).leq(0.0));
    }
    let solved = model.solve().unwrap_or_else(|error| panic!("{programme:?} at {x:?}: {error}"));
    solved.eval(&objective)
}

#[test]
fn linear_rows_have_the_value_as_their_optimum() {
    let mut linear = 0;
    for notion in &SHELF {
        for x in [vec![1.0, 2.0, 3.0, 4.0], vec![2.0, -1.0, 2.0], vec![0.5, 7.0], vec![-3.0]] {
            let welfare = welfare(notion.text);
            let Some(programme) = welfare.linear_rows(x.len()) else { continue };
            let (found, expected) = (solved(&programme, &x), welfare.value(&x).unwrap());
            assert!((found - expected).abs() < 1e-9, "{} of {x:?}: {found}, not {expected}", notion.text);
            linear += 1;
        }
    }
    assert_eq!(linear, 4 * 8);
    let sized = welfare(r#"{"Cvar": (share: 0.4, sizes: [1, 4, 2])}"#);
    let x = [3.0, 1.5, 1.0];
    near(solved(&sized.linear_rows(3).unwrap(), &x), sized.value(&x).unwrap());
}

#[test]
fn weights_of_one_two_three_four() {
    let jain = weights(&Jain {}, &X);
    for (found, expected) in jain.into_iter().zip([0.111111, 0.055556, 0.0, -0.055556]) {
        near(found, expected);
    }
    assert_eq!(weights(&MaxMin {}, &[2.0, 1.0, 1.0]), [0.0, 0.5, 0.5]);
    assert_eq!(weights(&GeneralizedGini::default(), &[3.0, 1.0, 1.0]), [0.25, 1.0, 0.5]);
    assert_eq!(weights(&Jain {}, &[0.0, 0.0]), [0.0, 0.0]);
}

#[test]
fn what_has_no_value_is_refused_by_name() {
    let error = Nash {}.value(&[1.0, 0.0]).unwrap_err();
    assert_eq!(error.to_string(), "utility 1 is 0, but Nash needs utilities above 0");
    assert!(welfare(r#"{"AlphaFair": (alpha: 2)}"#).value(&[-1.0]).is_err());
    assert_eq!(welfare(r#"{"AlphaFair": (alpha: 0)}"#).value(&[-1.0]).unwrap(), -1.0);
    assert!(Jain {}.weights(&[-1.0, 2.0], &mut [0.0; 2]).is_err());
}

/// A notion and the axioms that hold for it.
struct Notion {
    text: &'static str,
    /// Less is better.
    inequality: bool,
    /// More for one is never worse.
    monotone: bool,
    /// A transfer to the worse off helps strictly.
    strict: bool,
    /// The unit of utility does not matter.
    scale_free: bool,
}

const fn good(text: &'static str, strict: bool) -> Notion {
    Notion { text, inequality: false, monotone: true, strict, scale_free: false }
}

const fn bad(text: &'static str, strict: bool) -> Notion {
    Notion { text, inequality: true, monotone: false, strict, scale_free: true }
}

const SHELF: [Notion; 31] = [
    good(r#"{"Utilitarian": ()}"#, false),
    good(r#"{"MaxMin": ()}"#, false),
    good(r#"{"AlphaFair": (alpha: 0.5)}"#, true),
    good(r#"{"AlphaFair": (alpha: 1)}"#, true),
    good(r#"{"AlphaFair": (alpha: 3)}"#, true),
    good(r#"{"Nash": ()}"#, true),
    good(r#"{"GeneralizedGini": ()}"#, true),
    Notion { text: r#"{"Jain": ()}"#, inequality: false, monotone: false, strict: true, scale_free: true },
    good(r#"{"Leximin": (ratio: 0.1)}"#, true),
    good(r#"{"SoftMin": (sharpness: 1)}"#, true),
    good(r#"{"WorstGroup": (rate: 0.1)}"#, false),
    good(r#"{"Cvar": (share: 0.3)}"#, false),
    good(r#"{"Cvar": (share: 1)}"#, false),
    good(r#"{"PMean": (power: 1)}"#, false),
    good(r#"{"PMean": (power: 0.5)}"#, true),
    good(r#"{"PMean": (power: 0)}"#, true),
    good(r#"{"PMean": (power: -1)}"#, true),
    good(r#"{"GiniWelfare": ()}"#, true),
    good(r#"{"Equitable": (p: 1, target: 10)}"#, false),
    good(r#"{"Equitable": (p: 3, target: 10)}"#, true),
    bad(r#"{"Gini": ()}"#, true),
    bad(r#"{"CoefficientOfVariation": ()}"#, true),
    bad(r#"{"TheilT": ()}"#, true),
    bad(r#"{"TheilL": ()}"#, true),
    bad(r#"{"GeneralizedEntropy": (order: -1)}"#, true),
    bad(r#"{"GeneralizedEntropy": (order: 0.5)}"#, true),
    bad(r#"{"GeneralizedEntropy": (order: 2)}"#, true),
    bad(r#"{"Atkinson": (aversion: 0.5)}"#, true),
    bad(r#"{"Atkinson": (aversion: 1)}"#, true),
    bad(r#"{"Atkinson": (aversion: 2)}"#, true),
    bad(r#"{"Hoover": ()}"#, false),
];

impl Notion {
    /// What is better is larger.
    fn score(&self, utilities: &[f64]) -> f64 {
        let value = welfare(self.text).value(utilities).unwrap();
        if self.inequality { -value } else { value }
    }
}

#[test]
fn every_welfare_is_in_the_table_and_says_which_way_it_points() {
    use isonomy_engine::plugin::{Kind, plugins};
    for plugin in plugins().into_iter().filter(|plugin| plugin.kind == Kind::Welfare) {
        let name = format!("\"{}\"", plugin.name);
        assert!(SHELF.iter().any(|notion| notion.text.contains(&name)), "{name} is in no table of axioms");
    }
    for notion in &SHELF {
        let direction = welfare(notion.text).direction();
        assert_eq!(direction == Direction::Inequality, notion.inequality, "{}", notion.text);
    }
}

/// Utilities of 0.5 to about 8, any two at least 0.01 apart, in any order.
fn distinct() -> impl Strategy<Value = Vec<f64>> {
    proptest::sample::subsequence((0..150).collect::<Vec<u32>>(), 2..7)
        .prop_shuffle()
        .prop_map(|places| places.into_iter().map(|place| 0.5 + f64::from(place) * 0.05).collect())
}

proptest! {
    #[test]
    fn weights_are_the_derivative(x in distinct()) {
        for notion in &SHELF {
            let welfare = welfare(notion.text);
            let weights = weights(&*welfare, &x);
            for (index, weight) in weights.into_iter().enumerate() {
                let at = |by: f64| {
                    let mut moved = x.clone();
                    moved[index] += by;
                    welfare.value(&moved).unwrap()
                };
                // Hoover has a kink where somebody has the mean.
                let mean = x.iter().sum::<f64>() / x.len() as f64;
                if notion.text.contains("Hoover") && x.iter().any(|x| (x - mean).abs() < 1e-4) {
                    continue;
                }
                let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                let text = notion.text;
                prop_assert!((weight - difference).abs() < 1e-6 * weight.abs().max(1.0), "{text}: {weight}, {difference}");
            }
        }
    }

    #[test]
    fn names_do_not_matter(x in distinct(), turn in 1usize..6) {
        for notion in &SHELF {
            let mut turned = x.clone();
            turned.rotate_left(turn % x.len());
            let (before, after) = (notion.score(&x), notion.score(&turned));
            prop_assert!((before - after).abs() < 1e-12 * before.abs().max(1.0), "{}: {before}, {after}", notion.text);
        }
    }

    #[test]
    fn more_for_one_is_not_worse(x in distinct(), who in 0usize..6, by in 0.01..3.0) {
        for notion in SHELF.iter().filter(|notion| notion.monotone) {
            let mut richer = x.clone();
            richer[who % x.len()] += by;
            let (before, after) = (notion.score(&x), notion.score(&richer));
            prop_assert!(after >= before - 1e-12, "{}: {before}, {after}", notion.text);
        }
    }

    #[test]
    fn a_transfer_to_the_worse_off_helps(x in distinct(), part in 0.05..0.45) {
        let (low, high) = (x[0].min(x[1]), x[0].max(x[1]));
        let mut moved = x.clone();
        (moved[0], moved[1]) = (low + part * (high - low), high - part * (high - low));
        for notion in &SHELF {
            let (before, after) = (notion.score(&x), notion.score(&moved));
            let helps = if notion.strict { after > before } else { after >= before - 1e-12 };
            prop_assert!(helps, "{}: {before}, {after}", notion.text);
        }
        prop_assert_eq!(lorenz::compare(&moved, &x), Ok(Some(std::cmp::Ordering::Greater)));
        prop_assert_eq!(lorenz::generalized_compare(&moved, &x), Ok(Some(std::cmp::Ordering::Greater)));
    }

    #[test]
    fn scale_matters_where_it_should(x in distinct(), scale in 1.5..4.0) {
        let scaled: Vec<f64> = x.iter().map(|x| x * scale).collect();
        for notion in &SHELF {
            let (before, after) = (notion.score(&x), notion.score(&scaled));
            let same = (before - after).abs() < 1e-12;
            prop_assert_eq!(same, notion.scale_free, "{}: {}, {}", notion.text, before, after);
        }
    }

    #[test]
    fn indices_agree_with_the_lorenz_order(x in distinct(), shares in proptest::collection::vec(0.1..5.0, 6)) {
        let other: Vec<f64> = shares[..x.len()].to_vec();
        for notion in SHELF.iter().filter(|notion| notion.scale_free) {
            let (first, second) = (notion.score(&x), notion.score(&other));
            match lorenz::compare(&x, &other).unwrap() {
                Some(std::cmp::Ordering::Greater) => prop_assert!(first >= second - 1e-12, "{}", notion.text),
                Some(std::cmp::Ordering::Less) => prop_assert!(second >= first - 1e-12, "{}", notion.text),
                _ => {}
            }
        }
    }

    #[test]
    fn identities(x in distinct()) {
        let value = |text: &str| welfare(text).value(&x).unwrap();
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        near(value(r#"{"CoefficientOfVariation": ()}"#).powi(2), 1.0 / value(r#"{"Jain": ()}"#) - 1.0);
        near(value(r#"{"GeneralizedEntropy": (order: 2)}"#) * 2.0, value(r#"{"CoefficientOfVariation": ()}"#).powi(2));
        near(value(r#"{"GiniWelfare": ()}"#), mean * (1.0 - value(r#"{"Gini": ()}"#)));
        near(value(r#"{"PMean": (power: -1)}"#), mean * (1.0 - value(r#"{"Atkinson": (aversion: 2)}"#)));
        near(value(r#"{"Cvar": (share: 1)}"#), mean);
        near(value(r#"{"Gini": ()}"#), isonomy_engine::metrics::gini(&x));
    }
}
