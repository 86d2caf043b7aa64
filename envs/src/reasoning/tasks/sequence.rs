//! `q9,16,23,30=`

use super::numeral::natural;
use super::{Domain, Problem, Words};

/// How a sequence of four goes on.
#[derive(Debug)]
pub(super) struct Sequence;

impl Domain for Sequence {
    fn name(&self) -> &'static str {
        "seq"
    }

    fn about(&self) -> &'static str {
        "the next number of a sequence"
    }

    fn share(&self) -> f64 {
        0.03
    }

    /// At the highest level there are 806.
    fn closed(&self, _: u32) -> bool {
        true
    }

    /// A constant is added; from level 3 on, every second sequence is multiplied by a constant instead.
    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        let terms: [u32; 5] = if level >= 3 && words.flip() {
            let (first, factor) = (words.between(1, 3), words.between(2, 3));
            std::array::from_fn(|at| first * factor.pow(at as u32))
        } else {
            let (first, step) = (words.below(10 * level), words.between(1, 3 * level + 1));
            std::array::from_fn(|at| first + step * at as u32)
        };
        let [a, b, c, d, next] = terms;
        Problem::new(format!("q{a},{b},{c},{d}="), next)
    }

    /// With the response behind it, the sequence still has one difference, or one ratio.
    fn accepts(&self, prompt: &str, response: &str) -> bool {
        let Some((mut terms, next)) = terms(prompt).zip(natural(response)) else { return false };
        terms.push(next);
        let triples = || terms.windows(3).map(|three| (three[0], three[1], three[2]));
        let one_difference = triples().all(|(a, b, c)| Some(2 * b) == a.checked_add(c));
        let one_ratio = triples().all(|(a, b, c)| a > 0 && Some(b * b) == a.checked_mul(c));
        one_difference || one_ratio
    }

    fn question(&self, prompt: &str) -> Option<String> {
        let terms: Vec<String> = terms(prompt)?.iter().map(u64::to_string).collect();
        Some(format!("What is the next number of the sequence {}? Answer with the number only.", terms.join(", ")))
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        terms(prompt)?.last().map(|&last| last as u32)
    }

    fn effort_counts(&self) -> &'static str {
        "the size of the last number given"
    }
}

/// The four numbers, each small enough to be squared.
fn terms(prompt: &str) -> Option<Vec<u64>> {
    let terms = prompt.strip_prefix('q')?.strip_suffix('=')?.split(',').take(5);
    let number = |text: &str| natural(text).filter(|&number| number < 1 << 31);
    terms.map(number).collect::<Option<Vec<u64>>>().filter(|terms| terms.len() == 4)
}
