//! `rfgae=`

use super::{Domain, Problem, Words};

/// Letters from last to first.
#[derive(Debug)]
pub(super) struct Reversal;

impl Domain for Reversal {
    fn name(&self) -> &'static str {
        "rev"
    }

    fn about(&self) -> &'static str {
        "letters from last to first"
    }

    fn share(&self) -> f64 {
        0.12
    }

    fn closed(&self, level: u32) -> bool {
        level == 1
    }

    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        let letters: String = (0..level + 2).map(|_| words.pick(&['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])).collect();
        let reversed: String = letters.chars().rev().collect();
        Problem::new(format!("r{letters}="), reversed)
    }

    fn accepts(&self, prompt: &str, response: &str) -> bool {
        let Some(letters) = letters(prompt) else { return false };
        let (letters, response) = (letters.as_bytes(), response.as_bytes());
        let mirrored = |at: usize| response[at] == letters[letters.len() - 1 - at];
        response.len() == letters.len() && (0..letters.len()).all(mirrored)
    }

    fn question(&self, prompt: &str) -> Option<String> {
        Some(format!("Write the letters {} in reverse order. Answer with the letters only.", letters(prompt)?))
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        Some(letters(prompt)?.len() as u32)
    }

    fn effort_counts(&self) -> &'static str {
        "letters"
    }
}

fn letters(prompt: &str) -> Option<&str> {
    let letters = prompt.strip_prefix('r')?.strip_suffix('=')?;
    (!letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(letters)
}
