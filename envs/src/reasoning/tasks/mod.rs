//! ReasoningTasks, the text side: generated problems with exact verifiers, short enough for a character model.
//!
//! A problem is a function of its [`Address`] (seed, domain, level, split, index): nothing is drawn in order and nothing is
//! stored, so any problem can be made again alone and there is no end of them. Every domain stands in a file of its own:
//! how its problems are written, how a response is checked *from the prompt*, never against the answer that the generator
//! had, and which problems are the same one in other words.
//!
//! A response scores 1 where it is right and 0 everywhere else. There is no partial credit: whatever is paid for half an
//! answer can be earned without the other half.

mod addition;
mod address;
mod base;
mod baseline;
mod countdown;
mod divisor;
mod equation;
mod logic;
mod numeral;
mod path;
mod program;
mod record;
mod reversal;
mod sequence;
mod sorting;
mod story;
#[cfg(test)]
mod tests;
mod vocabulary;
mod words;

pub use address::{Address, NoSuchLevel, Split};
pub use baseline::{Majority, above};
pub use record::{Mistake, Record, Response, read};
pub use vocabulary::{ALPHABET, CONTEXT, EOS, MOST_TOKENS, NotInAlphabet, PAD, VOCABULARY, decode, encode, finished};
pub use words::Words;

use std::fmt;

/// A prompt and an answer to it. Other answers may be right too: ask [`Domain::score`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Problem {
    /// Ends with `=`.
    pub prompt: String,
    /// What the generator would reply.
    pub answer: String,
}

impl Problem {
    fn new(prompt: String, answer: impl fmt::Display) -> Self {
        Problem { prompt, answer: answer.to_string() }
    }
}

/// Characters that a prompt has at most.
pub const LONGEST_PROMPT: usize = 23;
/// Characters that the answer of a generator has at most.
pub const LONGEST_ANSWER: usize = 11;
/// Longer responses are wrong unseen, so that the work of a verifier is bounded whatever it is given.
pub const LONGEST_RESPONSE: usize = 24;

/// A kind of problem. What a method says of a prompt is `None` where the prompt is none of this domain's.
pub trait Domain: fmt::Debug + Send + Sync {
    /// At most four letters: they are part of the address of its noise.
    fn name(&self) -> &'static str;

    /// What is asked, in a few words.
    fn about(&self) -> &'static str;

    /// Part of the prompts in the long-tailed mix; 0 for a domain outside it.
    fn share(&self) -> f64;

    /// Levels go from 1 to this.
    fn levels(&self) -> u32 {
        5
    }

    /// Whether a level has fewer than 1000 different problems: what is held out of it is a handful, and a high
    /// accuracy may be memory.
    fn closed(&self, level: u32) -> bool;

    /// A problem of a level between 1 and [`Domain::levels`].
    fn generate(&self, words: &mut Words, level: u32) -> Problem;

    /// Whether the response answers the prompt. Finds out without the generator's way to the answer.
    fn accepts(&self, prompt: &str, response: &str) -> bool;

    /// 1 for an answer that is accepted, 0 for anything else.
    fn score(&self, problem: &Problem, response: &str) -> f64 {
        let right = could_be_an_answer(response) && self.accepts(&problem.prompt, response);
        f64::from(u8::from(right))
    }

    /// The prompt in plain English, for a language model.
    fn question(&self, prompt: &str) -> Option<String>;

    /// One text for all prompts that ask the same in other words; they are trained on or held out together.
    fn kin(&self, prompt: &str) -> Option<String> {
        Some(prompt.to_owned())
    }

    /// How hard a problem is, in the unit that [`Domain::effort_counts`] names. Its mean grows with the level.
    fn effort(&self, prompt: &str) -> Option<u32>;

    /// What [`Domain::effort`] counts.
    fn effort_counts(&self) -> &'static str;
}

/// Whether a response is short enough and of the alphabet. Looks at no more than [`LONGEST_RESPONSE`] bytes.
pub fn could_be_an_answer(response: &str) -> bool {
    response.len() <= LONGEST_RESPONSE && response.bytes().all(|byte| ALPHABET.as_bytes().contains(&byte))
}

/// All domains: the ten of the long-tailed mix by falling share, then those outside it.
pub const DOMAINS: [&dyn Domain; 12] = [
    &addition::Addition,
    &equation::Equation,
    &reversal::Reversal,
    &sorting::Sorting,
    &divisor::Divisor,
    &logic::Logic,
    &path::Path,
    &countdown::Countdown,
    &sequence::Sequence,
    &base::Base,
    &story::Story,
    &program::Program,
];

/// The domain of a name.
pub fn domain(name: &str) -> Result<&'static dyn Domain, UnknownDomain> {
    let known = DOMAINS.into_iter().find(|domain| domain.name() == name);
    known.ok_or_else(|| UnknownDomain::new(name))
}

/// A name that no domain has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDomain {
    /// What was written; the beginning of it where it is long.
    pub written: String,
    /// A domain whose name is near to that.
    pub near: Option<&'static str>,
}

impl UnknownDomain {
    fn new(written: &str) -> Self {
        const ENOUGH: usize = 32;
        let start: String = written.chars().take(ENOUGH).collect();
        let distance = |domain: &&dyn Domain| strsim::damerau_levenshtein(&start.to_lowercase(), domain.name());
        let near = DOMAINS.into_iter().min_by_key(distance).filter(|domain| distance(domain) <= 2);
        UnknownDomain { near: near.map(|domain| domain.name()), written: start }
    }
}

impl fmt::Display for UnknownDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = DOMAINS.map(|domain| domain.name()).join(", ");
        write!(f, "there is no domain {:?} (the domains are {names})", self.written)?;
        self.near.map_or(Ok(()), |near| write!(f, "; did you mean {near}?"))
    }
}

impl std::error::Error for UnknownDomain {}
