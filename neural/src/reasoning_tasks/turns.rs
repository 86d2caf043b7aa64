//! Responses in turns: who was wrong is told what was wrong, and answers again.
//!
//! The next prompt is the problem, the wrong response and a `!` behind it: `5+33=` and then `5+33=37!`. Of a long response
//! only so much is told as there is room for.

use super::batch::{Source, tokens};
use crate::transformer::{Choice, Decoding, Generated, Layout};
use isonomy_envs::reasoning::tasks::{CONTEXT, EOS, LONGEST_PROMPT, MOST_TOKENS, PAD, Problem, encode, finished};

/// More turns are no small preset of anything.
pub(super) const MOST_TURNS: u32 = 8;

/// Tokens of the longest prompt of a later turn: behind it stand all tokens of a response but the last, which nobody reads.
const LONGEST: usize = CONTEXT - (MOST_TOKENS - 1);

const _: () = assert!(LONGEST_PROMPT + 2 <= LONGEST);

/// How the tokens of all turns are chosen.
#[derive(Clone, Copy, Debug)]
pub(super) enum Choosing<'a> {
    /// The likeliest.
    Greedy,
    /// By chance: a word for every token, `[turns, problems, responses, MOST_TOKENS]`.
    Sampled { words: &'a [u32], temperature: f32 },
}

/// What is asked.
pub(super) struct Questions<'a> {
    pub(super) problems: &'a [Problem],
    /// Who scores each.
    pub(super) sources: &'a dyn Fn(usize) -> &'a Source,
    /// Responses to each.
    pub(super) responses: usize,
    /// Turns in which a response may become right, at most.
    pub(super) turns: usize,
}

/// One turn of all who are still wrong.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Turn {
    pub(super) prompts: Vec<Vec<u8>>,
    /// Responses to each of its prompts.
    each: usize,
    /// Whose they are, of all responses; in the order of what was generated.
    pub(super) whose: Vec<usize>,
    pub(super) generated: Generated,
}

impl Turn {
    /// The prompt of what was generated as number `at`.
    pub(super) fn prompt(&self, at: usize) -> &[u8] {
        &self.prompts[at / self.each]
    }

    /// Adds a prompt, to be followed by `each` responses.
    pub(super) fn begin(&mut self, each: usize, prompt: Vec<u8>) {
        self.each = each;
        self.prompts.push(prompt);
    }

    /// Adds those responses of another turn that have a place. All responses to a prompt do, or none.
    pub(super) fn append(&mut self, other: &Turn, place: impl Fn(usize) -> Option<usize>) {
        self.each = other.each;
        for (number, prompt) in other.prompts.iter().enumerate() {
            let own = number * other.each..(number + 1) * other.each;
            let places = self.whose.len();
            self.whose.extend(other.whose[own.clone()].iter().filter_map(|&row| place(row)));
            if self.whose.len() > places {
                self.prompts.push(prompt.clone());
                self.generated.append(&other.generated, own);
            }
        }
    }

    /// The tokens of what was generated as number `at`.
    pub(super) fn said(&self, at: usize) -> &[u8] {
        &self.generated.tokens[at * MOST_TOKENS..][..self.generated.length[at] as usize]
    }

    /// The log-probability of every token by other parameters, as [`Generated::log_prob`].
    pub(super) fn scored_by<'g>(
        &self,
        layout: &Layout,
        parameters: &[f32],
        temperature: f32,
        decoding: &mut Decoding,
        again: &'g mut Generated,
    ) -> &'g [f32] {
        let Generated { tokens, length, .. } = &self.generated;
        let given = Choice::Given { tokens, length, temperature };
        decoding.generate(layout, parameters, &self.prompts, self.each, given, again);
        &again.log_prob
    }
}

/// Lets a decoder respond, turn by turn, into `turns`, whose memory is used again. Returns the reward of every response,
/// `[problems, responses]`: 1 where it became right.
pub(super) fn converse(
    questions: &Questions<'_>,
    (layout, parameters): (&Layout, &[f32]),
    choosing: Choosing<'_>,
    decoding: &mut Decoding,
    turns: &mut Vec<Turn>,
) -> Vec<f64> {
    let Questions { problems, sources, responses, .. } = *questions;
    let all = problems.len() * responses;
    let mut reward = vec![0.0; all];
    turns.resize_with(questions.turns, Turn::default);
    let mut left: Vec<usize> = (0..all).collect();
    for number in 0..questions.turns {
        let (before, now) = turns.split_at_mut(number);
        let turn = &mut now[0];
        (turn.prompts, turn.each) = match before.last() {
            None => (problems.iter().map(|problem| tokens(&problem.prompt)).collect(), responses),
            Some(before) => {
                let mut asked = left.iter().peekable();
                let wrong = before.whose.iter().enumerate().filter(|(_, whose)| asked.next_if_eq(whose).is_some());
                (wrong.map(|(at, &whose)| again(&problems[whose / responses].prompt, before.said(at))).collect(), 1)
            }
        };
        turn.whose.clone_from(&left);
        let mut words = Vec::new();
        let choice = match choosing {
            Choosing::Greedy => Choice::Greedy,
            Choosing::Sampled { words: all_words, temperature } => {
                // A response finds its words at its own place, whoever else is still wrong.
                let of_turn = &all_words[number * all * MOST_TOKENS..][..all * MOST_TOKENS];
                words.extend(left.iter().flat_map(|whose| &of_turn[whose * MOST_TOKENS..][..MOST_TOKENS]));
                Choice::Sampled { words: &words, temperature }
            }
        };
        decoding.generate(layout, parameters, &turn.prompts, turn.each, choice, &mut turn.generated);
        for (at, &whose) in turn.whose.iter().enumerate() {
            let problem = &problems[whose / responses];
            let score = |response: String| sources(whose / responses).score(problem, &response);
            reward[whose] = finished(&turn.generated.tokens[at * MOST_TOKENS..][..MOST_TOKENS]).map_or(0.0, score);
        }
        left.retain(|&whose| reward[whose] < 1.0);
    }
    reward
}

/// The prompt after a wrong response.
pub(super) fn again(prompt: &str, wrong: &[u8]) -> Vec<u8> {
    let mut next = tokens(prompt);
    let room = LONGEST - 1 - next.len();
    let characters = wrong.iter().filter(|&&token| token != PAD && token != EOS);
    next.extend(characters.take(room));
    next.extend(encode("!").expect("it is in the alphabet"));
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use isonomy_envs::reasoning::tasks::decode;

    #[test]
    fn a_wrong_response_stands_behind_the_problem() {
        let mut wrong = tokens("37");
        wrong.push(EOS);
        assert_eq!(decode(&again("5+33=", &wrong)).as_deref(), Some("5+33=37!"));
        let long = tokens("123456789012");
        let next = again("pBD,AD,AB,BE,AE,CD?EB=", &long);
        assert_eq!(decode(&next).as_deref(), Some("pBD,AD,AB,BE,AE,CD?EB=12345!"));
        assert_eq!(next.len(), LONGEST);
        assert_eq!(decode(&again("5+33=", &[EOS])).as_deref(), Some("5+33=!"));
    }
}
