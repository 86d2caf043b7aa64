//! `s1875=`

use super::{Domain, Problem, Words};

/// Digits from least to greatest.
#[derive(Debug)]
pub(super) struct Sorting;

impl Domain for Sorting {
    fn name(&self) -> &'static str {
        "sort"
    }

    fn about(&self) -> &'static str {
        "digits from least to greatest"
    }

    fn share(&self) -> f64 {
        0.10
    }

    /// Digits in another order are the same problem: there are C(level + 11, level + 2) of them.
    fn closed(&self, level: u32) -> bool {
        level <= 2
    }

    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        let mut digits: Vec<u32> = (0..level + 2).map(|_| words.below(10)).collect();
        let text = |digits: &[u32]| digits.iter().map(u32::to_string).collect::<String>();
        let prompt = format!("s{}=", text(&digits));
        digits.sort_unstable();
        Problem::new(prompt, text(&digits))
    }

    /// Nowhere falling, and as many of every digit.
    fn accepts(&self, prompt: &str, response: &str) -> bool {
        let Some(digits) = digits(prompt) else { return false };
        let rising = response.as_bytes().windows(2).all(|pair| pair[0] <= pair[1]);
        let as_many = |digit: u8| count(digits, digit) == count(response, digit);
        rising && response.len() == digits.len() && (b'0'..=b'9').all(as_many)
    }

    fn question(&self, prompt: &str) -> Option<String> {
        Some(format!(
            "Sort the digits {} from smallest to largest. Answer with the sorted digits only, without spaces.",
            digits(prompt)?
        ))
    }

    /// Digits in another order have the same answer.
    fn kin(&self, prompt: &str) -> Option<String> {
        let digits = digits(prompt)?;
        Some((b'0'..=b'9').map(|digit| char::from(digit).to_string().repeat(count(digits, digit))).collect())
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        Some(digits(prompt)?.len() as u32)
    }

    fn effort_counts(&self) -> &'static str {
        "digits"
    }
}

fn count(text: &str, digit: u8) -> usize {
    text.bytes().filter(|&byte| byte == digit).count()
}

fn digits(prompt: &str) -> Option<&str> {
    let digits = prompt.strip_prefix('s')?.strip_suffix('=')?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}
