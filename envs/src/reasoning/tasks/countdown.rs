//! `c4,3,9>21=`

use super::numeral::natural;
use super::{Domain, LONGEST_RESPONSE, Problem, Words};
use std::collections::BTreeSet;

/// An expression of all given numbers that makes the target.
#[derive(Debug)]
pub(super) struct Countdown;

/// Targets are below this.
const TARGETS: i64 = 100;
/// Numbers that are given at most.
const MOST: usize = 4;

struct Game<'a> {
    /// As written.
    numbers: Vec<&'a str>,
    target: i64,
}

impl Domain for Countdown {
    fn name(&self) -> &'static str {
        "cd"
    }

    fn about(&self) -> &'static str {
        "an expression of all numbers that makes the target"
    }

    fn share(&self) -> f64 {
        0.04
    }

    fn closed(&self, level: u32) -> bool {
        level == 1
    }

    /// Built from an expression, so there always is one.
    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        let count = match level {
            1 => 2,
            2 | 3 => 3,
            _ => MOST,
        };
        loop {
            let mut numbers: Vec<i64> = (0..count).map(|_| i64::from(words.between(1, 5 + 2 * level))).collect();
            let operators: Vec<char> = (1..count).map(|_| words.pick(&['+', '-', '*'])).collect();
            let target = value(&numbers, &operators);
            if (0..TARGETS).contains(&target) {
                let answer = expression(&numbers, &operators);
                words.shuffle(&mut numbers);
                let given: Vec<String> = numbers.iter().map(i64::to_string).collect();
                return Problem::new(format!("c{}>{target}=", given.join(",")), answer);
            }
        }
    }

    /// Numbers as they are written and no others, each as often as it is given; products before sums.
    fn accepts(&self, prompt: &str, response: &str) -> bool {
        let Some(game) = game(prompt) else { return false };
        if response.len() > LONGEST_RESPONSE {
            return false;
        }
        let (mut given, mut used) = (game.numbers, response.split(['+', '-', '*']).collect::<Vec<_>>());
        given.sort_unstable();
        used.sort_unstable();
        given == used && sum(response) == Some(game.target)
    }

    fn question(&self, prompt: &str) -> Option<String> {
        let Game { numbers, target } = game(prompt)?;
        Some(format!(
            "Use each of the numbers {} exactly once, with +, - and * and without brackets, to make {target}. \
             Answer with the expression only, without spaces, like 3*4+9.",
            numbers.join(", ")
        ))
    }

    /// Numbers in any order.
    fn kin(&self, prompt: &str) -> Option<String> {
        let Game { mut numbers, target } = game(prompt)?;
        numbers.sort_unstable();
        Some(format!("{}>{target}", numbers.join(",")))
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        let numbers = game(prompt)?.numbers.into_iter().map(|number| natural(number).map(|number| number as i64));
        let mut reached = BTreeSet::new();
        reach(&mut numbers.collect::<Option<Vec<i64>>>()?, 0, 0, 1, &mut reached);
        Some(reached.len() as u32)
    }

    fn effort_counts(&self) -> &'static str {
        "different values that the numbers can make"
    }
}

/// What numbers with operators between them are worth, products first.
fn value(numbers: &[i64], operators: &[char]) -> i64 {
    let (mut total, mut term) = (0, numbers[0]);
    for (operator, &number) in operators.iter().zip(&numbers[1..]) {
        match operator {
            '*' => term *= number,
            '-' => (total, term) = (total + term, -number),
            _ => (total, term) = (total + term, number),
        }
    }
    total + term
}

fn expression(numbers: &[i64], operators: &[char]) -> String {
    let rest = operators.iter().zip(&numbers[1..]).map(|(operator, number)| format!("{operator}{number}"));
    numbers[0].to_string() + &rest.collect::<String>()
}

/// The value of a text of numerals and operators: what is before the last sum sign, and the product behind it.
fn sum(text: &str) -> Option<i64> {
    let Some(sign) = text.rfind(['+', '-']) else { return product(text) };
    let (before, behind) = (sum(&text[..sign])?, product(&text[sign + 1..])?);
    if text[sign..].starts_with('+') { before.checked_add(behind) } else { before.checked_sub(behind) }
}

fn product(text: &str) -> Option<i64> {
    let factor = |text: &str| natural(text).map(|number| number as i64);
    text.split('*').try_fold(1_i64, |product, number| product.checked_mul(factor(number)?))
}

/// Collects all values of expressions that go on from `total + term` with the numbers not yet used, `numbers[used..]`.
fn reach(numbers: &mut [i64], used: usize, total: i64, term: i64, reached: &mut BTreeSet<i64>) {
    if used == numbers.len() {
        reached.insert(total + term);
        return;
    }
    for other in used..numbers.len() {
        numbers.swap(used, other);
        let number = numbers[used];
        reach(numbers, used + 1, total, term * number, reached);
        if used > 0 {
            reach(numbers, used + 1, total + term, number, reached);
            reach(numbers, used + 1, total + term, -number, reached);
        }
        numbers.swap(used, other);
    }
}

fn game(prompt: &str) -> Option<Game<'_>> {
    let (numbers, target) = prompt.strip_prefix('c')?.strip_suffix('=')?.split_once('>')?;
    let numbers: Vec<&str> = numbers.split(',').take(MOST + 1).collect();
    let small = |text: &&str| natural(text).is_some_and(|number| number < TARGETS as u64);
    let target = natural(target)? as i64;
    (numbers.len() <= MOST && numbers.iter().all(small)).then_some(Game { numbers, target })
}
