//! `g3,24=`

use super::numeral::natural;
use super::{Domain, Problem, Words};

/// The greatest common divisor.
#[derive(Debug)]
pub(super) struct Divisor;

impl Domain for Divisor {
    fn name(&self) -> &'static str {
        "gcd"
    }

    fn about(&self) -> &'static str {
        "the greatest common divisor"
    }

    fn share(&self) -> f64 {
        0.08
    }

    fn closed(&self, level: u32) -> bool {
        level <= 2
    }

    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        let common = words.between(1, 4 * level + 2);
        let (a, b) = (words.between(1, 4 * level + 3), words.between(1, 4 * level + 3));
        Problem::new(format!("g{},{}=", common * a, common * b), common * euclid(a, b).0)
    }

    /// Divides both, and what is left of them has no divisor in common.
    fn accepts(&self, prompt: &str, response: &str) -> bool {
        let divides = |((a, b), divisor): ((u64, u64), u64)| {
            divisor > 0 && a % divisor == 0 && b % divisor == 0 && {
                let (a, b) = (a / divisor, b / divisor);
                !(2..=a.min(b)).any(|other| a % other == 0 && b % other == 0)
            }
        };
        pair(prompt).zip(natural(response)).is_some_and(divides)
    }

    fn question(&self, prompt: &str) -> Option<String> {
        let (a, b) = pair(prompt)?;
        Some(format!("What is the greatest common divisor of {a} and {b}? Answer with the number only."))
    }

    /// The numbers may change places.
    fn kin(&self, prompt: &str) -> Option<String> {
        let (a, b) = pair(prompt)?;
        Some(format!("{},{}", a.min(b), a.max(b)))
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        let (a, b) = pair(prompt)?;
        Some(euclid(a.max(b) as u32, a.min(b) as u32).1)
    }

    fn effort_counts(&self) -> &'static str {
        "divisions of Euclid's algorithm"
    }
}

/// The greatest common divisor and the divisions that it takes to find it.
fn euclid(a: u32, b: u32) -> (u32, u32) {
    if b == 0 {
        return (a, 0);
    }
    let (divisor, divisions) = euclid(b, a % b);
    (divisor, divisions + 1)
}

/// Both numbers; four digits at most, so that trying all divisors stays cheap.
fn pair(prompt: &str) -> Option<(u64, u64)> {
    let (a, b) = prompt.strip_prefix('g')?.strip_suffix('=')?.split_once(',')?;
    let number = |text: &str| natural(text).filter(|number| (1..10_000).contains(number));
    number(a).zip(number(b))
}
