//! `h28>5=`

use super::numeral::natural;
use super::{Domain, Problem, Words};

/// A number in another base.
#[derive(Debug)]
pub(super) struct Base;

impl Domain for Base {
    fn name(&self) -> &'static str {
        "base"
    }

    fn about(&self) -> &'static str {
        "a number in another base"
    }

    fn share(&self) -> f64 {
        0.02
    }

    /// Level 4 has 508.
    fn closed(&self, level: u32) -> bool {
        level <= 4
    }

    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        const BASES: [u32; 4] = [2, 3, 5, 7];
        let number = words.between(1, (1 << (level + 3)) - 1);
        let base = words.pick(&BASES[..(level as usize + 1).min(BASES.len())]);
        Problem::new(format!("h{number}>{base}="), digits(number, base))
    }

    /// By reading the response as a number of that base.
    fn accepts(&self, prompt: &str, response: &str) -> bool {
        let Some((number, base)) = task(prompt) else { return false };
        let digit = |byte: u8| Some(u64::from(byte)).filter(|&byte| byte < 48 + base)?.checked_sub(48);
        let next = |value: u64, byte: u8| value.checked_mul(base)?.checked_add(digit(byte)?);
        natural(response).is_some() && response.bytes().try_fold(0, next) == Some(number)
    }

    fn question(&self, prompt: &str) -> Option<String> {
        let (number, base) = task(prompt)?;
        Some(format!("Write the decimal number {number} in base {base}. Answer with the digits only."))
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        let (number, base) = task(prompt)?;
        Some(number.checked_ilog(base).map_or(1, |power| power + 1))
    }

    fn effort_counts(&self) -> &'static str {
        "digits to find"
    }
}

/// By division, the last digit first.
fn digits(mut number: u32, base: u32) -> String {
    let mut digits = Vec::new();
    while number > 0 {
        digits.push((number % base).to_string());
        number /= base;
    }
    digits.into_iter().rev().collect()
}

fn task(prompt: &str) -> Option<(u64, u64)> {
    let (number, base) = prompt.strip_prefix('h')?.strip_suffix('=')?.split_once('>')?;
    Some((natural(number)?, natural(base).filter(|base| (2..10).contains(base))?))
}
