//! `5+33=`

use super::numeral::natural;
use super::{Domain, Problem, Words};

/// The sum of two numbers below 10^level.
#[derive(Debug)]
pub(super) struct Addition;

impl Domain for Addition {
    fn name(&self) -> &'static str {
        "add"
    }

    fn about(&self) -> &'static str {
        "the sum of two numbers"
    }

    fn share(&self) -> f64 {
        0.30
    }

    fn closed(&self, level: u32) -> bool {
        level == 1
    }

    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        let bound = 10_u32.pow(level);
        let (a, b) = (words.below(bound), words.below(bound));
        Problem::new(format!("{a}+{b}="), a + b)
    }

    fn accepts(&self, prompt: &str, response: &str) -> bool {
        natural(response).is_some() && terms(prompt).is_some_and(|(a, b)| adds_up(a, b, response))
    }

    fn question(&self, prompt: &str) -> Option<String> {
        let (a, b) = terms(prompt)?;
        Some(format!("What is {a} + {b}? Answer with the number only."))
    }

    /// Terms may change places.
    fn kin(&self, prompt: &str) -> Option<String> {
        let (a, b) = terms(prompt)?;
        Some(format!("{}+{}", a.min(b), a.max(b)))
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        let (a, b) = terms(prompt)?;
        Some((a.len() + b.len()) as u32)
    }

    fn effort_counts(&self) -> &'static str {
        "digits of both terms"
    }
}

/// Both terms, as written.
fn terms(prompt: &str) -> Option<(&str, &str)> {
    let (a, b) = prompt.strip_suffix('=')?.split_once('+')?;
    natural(a).and(natural(b)).map(|_| (a, b))
}

/// Column by column from the right, as on paper.
fn adds_up(a: &str, b: &str, sum: &str) -> bool {
    let (mut a, mut b) = (a.bytes().rev(), b.bytes().rev());
    let mut carry = 0;
    for digit in sum.bytes().rev() {
        let column = carry + [a.next(), b.next()].into_iter().flatten().map(|digit| digit - b'0').sum::<u8>();
        if digit - b'0' != column % 10 {
            return false;
        }
        carry = column / 10;
    }
    carry == 0 && a.next().is_none() && b.next().is_none()
}
