//! `4x+19=43;x=`

use super::numeral::natural;
use super::{Domain, Problem, Words};

/// The x of a linear equation.
#[derive(Debug)]
pub(super) struct Equation;

/// `factor · x + added = total`.
struct Line {
    factor: u64,
    added: u64,
    total: u64,
}

impl Domain for Equation {
    fn name(&self) -> &'static str {
        "alg"
    }

    fn about(&self) -> &'static str {
        "the x of a linear equation"
    }

    fn share(&self) -> f64 {
        0.20
    }

    fn closed(&self, level: u32) -> bool {
        level == 1
    }

    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        let factor = words.between(1, 2 * level + 1);
        let x = words.between(0, 5 * level + 4);
        let added = words.below(10 * level);
        Problem::new(format!("{factor}x+{added}={};x=", factor * x + added), x)
    }

    /// By putting the response in.
    fn accepts(&self, prompt: &str, response: &str) -> bool {
        let holds = |(Line { factor, added, total }, x): (Line, u64)| {
            factor.checked_mul(x).and_then(|product| product.checked_add(added)) == Some(total)
        };
        line(prompt).zip(natural(response)).is_some_and(holds)
    }

    fn question(&self, prompt: &str) -> Option<String> {
        let Line { factor, added, total } = line(prompt)?;
        Some(format!("Solve {factor}x + {added} = {total} for x. Answer with the value of x only."))
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        let Line { total, added, .. } = line(prompt)?;
        total.checked_sub(added)?.try_into().ok()
    }

    fn effort_counts(&self) -> &'static str {
        "the number left to divide"
    }
}

fn line(prompt: &str) -> Option<Line> {
    let (factor, rest) = prompt.strip_suffix(";x=")?.split_once("x+")?;
    let (added, total) = rest.split_once('=')?;
    let factor = natural(factor).filter(|&factor| factor > 0)?;
    Some(Line { factor, added: natural(added)?, total: natural(total)? })
}
