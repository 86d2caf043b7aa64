//! What is known about every welfare function: tabulated values, derivatives, and the axioms they satisfy.

use super::*;
use isonomy_engine::welfare::Welfare;
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
    ] {
        near(welfare(text).value(&X).unwrap(), expected);
    }
    near(GeneralizedGini::default().value(&[1.5, 2.0, 3.0, 3.5]).unwrap(), 3.6875);
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

/// A welfare function and which axioms hold: monotone, a transfer to the worse off helps strictly, scale invariant.
const SHELF: [(&str, bool, bool, bool); 8] = [
    (r#"{"Utilitarian": ()}"#, true, false, false),
    (r#"{"MaxMin": ()}"#, true, false, false),
    (r#"{"AlphaFair": (alpha: 0.5)}"#, true, true, false),
    (r#"{"AlphaFair": (alpha: 1)}"#, true, true, false),
    (r#"{"AlphaFair": (alpha: 3)}"#, true, true, false),
    (r#"{"Nash": ()}"#, true, true, false),
    (r#"{"GeneralizedGini": ()}"#, true, true, false),
    (r#"{"Jain": ()}"#, false, true, true),
];

/// Utilities of 0.5 to about 8, any two at least 0.01 apart, in any order.
fn distinct() -> impl Strategy<Value = Vec<f64>> {
    proptest::sample::subsequence((0..150).collect::<Vec<u32>>(), 2..7)
        .prop_shuffle()
        .prop_map(|places| places.into_iter().map(|place| 0.5 + f64::from(place) * 0.05).collect())
}

proptest! {
    #[test]
    fn weights_are_the_derivative(x in distinct()) {
        for (text, ..) in SHELF {
            let welfare = welfare(text);
            let weights = weights(&*welfare, &x);
            for (index, weight) in weights.into_iter().enumerate() {
                let at = |by: f64| {
                    let mut moved = x.clone();
                    moved[index] += by;
                    welfare.value(&moved).unwrap()
                };
                let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                prop_assert!((weight - difference).abs() < 1e-6 * weight.abs().max(1.0), "{text}: {weight}, {difference}");
            }
        }
    }

    #[test]
    fn names_do_not_matter(x in distinct(), turn in 1usize..6) {
        for (text, ..) in SHELF {
            let mut turned = x.clone();
            turned.rotate_left(turn % x.len());
            let (before, after) = (welfare(text).value(&x).unwrap(), welfare(text).value(&turned).unwrap());
            prop_assert!((before - after).abs() < 1e-12 * before.abs().max(1.0), "{text}: {before}, {after}");
        }
    }

    #[test]
    fn more_for_one_is_not_worse(x in distinct(), who in 0usize..6, by in 0.01..3.0) {
        for (text, monotone, ..) in SHELF {
            let mut richer = x.clone();
            richer[who % x.len()] += by;
            let (before, after) = (welfare(text).value(&x).unwrap(), welfare(text).value(&richer).unwrap());
            prop_assert!(!monotone || after >= before, "{text}: {before}, {after}");
        }
    }

    #[test]
    fn a_transfer_to_the_worse_off_helps(x in distinct(), part in 0.05..0.45) {
        for (text, _, strictly, _) in SHELF {
            let (low, high) = (x[0].min(x[1]), x[0].max(x[1]));
            let mut moved = x.clone();
            (moved[0], moved[1]) = (low + part * (high - low), high - part * (high - low));
            let (before, after) = (welfare(text).value(&x).unwrap(), welfare(text).value(&moved).unwrap());
            prop_assert!(if strictly { after > before } else { after >= before - 1e-12 }, "{text}: {before}, {after}");
        }
    }

    #[test]
    fn scale_matters_where_it_should(x in distinct(), scale in 1.5..4.0) {
        for (text, .., invariant) in SHELF {
            let scaled: Vec<f64> = x.iter().map(|x| x * scale).collect();
            let (before, after) = (welfare(text).value(&x).unwrap(), welfare(text).value(&scaled).unwrap());
            prop_assert_eq!((before - after).abs() < 1e-12, invariant, "{}: {}, {}", text, before, after);
        }
    }
}
