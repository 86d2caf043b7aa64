//! Lorenz curves, and the order of vectors that they make.
//!
//! Where one curve lies above another, every index that likes transfers to the worse off agrees on which vector is more
//! equal; where curves cross, indices differ. So this is an order of some pairs, and no number: it filters sets of
//! results. Lorenz, Publications of the American Statistical Association 9 (1905); Atkinson, Journal of Economic Theory 2
//! (1970).

use isonomy_engine::welfare::{Domain, OutsideDomain};
use std::cmp::Ordering;

/// The Lorenz curve: what part of everything the `k` worst off have, `k` from 1 to all.
/// Utilities must be 0 or above, not all 0.
pub fn curve(utilities: &[f64]) -> Result<Vec<f64>, OutsideDomain> {
    Domain::SomePositive.admit("the Lorenz curve", utilities)?;
    let sums = sums(utilities);
    let total = sums[sums.len() - 1];
    Ok(sums.into_iter().map(|sum| sum / total).collect())
}

/// The generalised Lorenz curve: what the `k` worst off have, spread over everyone, `k` from 1 to all: the last is the
/// mean. Any utilities. Shorrocks, Economica 50 (1983).
pub fn generalized_curve(utilities: &[f64]) -> Result<Vec<f64>, OutsideDomain> {
    Domain::Any.admit("the generalised Lorenz curve", utilities)?;
    Ok(sums(utilities).into_iter().map(|sum| sum / utilities.len() as f64).collect())
}

/// Which of two vectors is more equal: `Greater` where the first one's Lorenz curve is nowhere below. None where the curves
/// cross, or the vectors are not of the same length. Utilities must be 0 or above, not all 0.
pub fn compare(first: &[f64], second: &[f64]) -> Result<Option<Ordering>, OutsideDomain> {
    Ok(above(&curve(first)?, &curve(second)?))
}

/// Which of two vectors is better whatever one's aversion to inequality: `Greater` where the first one's generalised Lorenz
/// curve is nowhere below. None where the curves cross, or the vectors are not of the same length. Any utilities.
pub fn generalized_compare(first: &[f64], second: &[f64]) -> Result<Option<Ordering>, OutsideDomain> {
    Ok(above(&generalized_curve(first)?, &generalized_curve(second)?))
}

fn sums(utilities: &[f64]) -> Vec<f64> {
    let mut sums = utilities.to_vec();
    sums.sort_unstable_by(f64::total_cmp);
    let mut sum = 0.0;
    sums.iter_mut().for_each(|x| {
        sum += *x;
        *x = sum;
    });
    sums
}

/// Which of two curves is nowhere below the other. Differences of rounding are none.
fn above(first: &[f64], second: &[f64]) -> Option<Ordering> {
    if first.len() != second.len() {
        return None;
    }
    let pairs = || first.iter().zip(second);
    let differs = |(a, b): &(&f64, &f64)| (*a - *b).abs() > 1e-12 * a.abs().max(b.abs());
    let higher = pairs().filter(differs).any(|(a, b)| a > b);
    let lower = pairs().filter(differs).any(|(a, b)| a < b);
    match (higher, lower) {
        (false, false) => Some(Ordering::Equal),
        (true, false) => Some(Ordering::Greater),
        (false, true) => Some(Ordering::Less),
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_of_one_two_three_four() {
        let near = |found: Vec<f64>, expected: [f64; 4]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        near(curve(&[4.0, 1.0, 3.0, 2.0]).unwrap(), [0.1, 0.3, 0.6, 1.0]);
        near(generalized_curve(&[4.0, 1.0, 3.0, 2.0]).unwrap(), [0.25, 0.75, 1.5, 2.5]);
    }

    #[test]
    fn a_transfer_lifts_the_curve_and_more_for_all_lifts_only_the_generalised_one() {
        let (x, even) = ([1.0, 2.0, 3.0, 4.0], [1.5, 2.0, 3.0, 3.5]);
        assert_eq!(compare(&even, &x), Ok(Some(Ordering::Greater)));
        assert_eq!(generalized_compare(&x, &even), Ok(Some(Ordering::Less)));
        let twice = x.map(|x| 2.0 * x);
        assert_eq!(compare(&twice, &x), Ok(Some(Ordering::Equal)));
        assert_eq!(generalized_compare(&twice, &x), Ok(Some(Ordering::Greater)));
    }

    #[test]
    fn curves_that_cross_and_vectors_of_other_lengths_have_no_order() {
        assert_eq!(compare(&[1.0, 5.0, 5.0], &[2.0, 2.0, 7.0]), Ok(None));
        assert_eq!(generalized_compare(&[1.0, 9.0], &[2.0, 2.0]), Ok(None));
        assert_eq!(compare(&[1.0], &[1.0, 1.0]), Ok(None));
    }

    #[test]
    fn shares_of_nothing_are_refused() {
        let error = curve(&[0.0, 0.0]).unwrap_err().to_string();
        assert_eq!(error, "utility 0 is 0, but the Lorenz curve needs utilities of 0 or above that are not all 0");
        assert!(curve(&[1.0, -1.0]).is_err() && generalized_curve(&[1.0, -1.0]).is_ok());
    }
}
