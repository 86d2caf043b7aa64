//! Samples: prompts of every domain, responses to each, and what they say of an update.
//!
//! Two ways. Where a group's successes say all that the method wants to know, they are drawn at once, sixteen prompts side
//! by side ([`counts`](super::counts)). Else every response is drawn with its length, entropy and answer ([`responses`](super::responses)).

use super::parameters::{MOST_DOMAINS, Parameters};
use super::training::{Bill, Sample, Skill};
use super::{counts, responses};
use multiversion::multiversion;

/// Words of noise that a step looks at.
pub(super) fn draws(parameters: &Parameters) -> usize {
    if parameters.expected {
        return 0;
    }
    let per_prompt =
        if by_counts(parameters) { counts::words(parameters) } else { responses::words(parameters.responses) };
    let who_waits = usize::from(parameters.method.recovers());
    (1 + per_prompt) * parameters.prompts * parameters.method.rounds + who_waits
}

/// Whether groups are drawn by their successes alone.
fn by_counts(parameters: &Parameters) -> bool {
    !parameters.sums.is_empty()
}

/// What a step of sampling says about every domain. The first words choose domains, prompt by prompt and round by round.
pub(super) fn sample(
    parameters: &Parameters,
    skills: &[Skill],
    share: &[f64],
    weight: &[f64],
    words: &[u32],
    samples: &mut [Sample],
    bill: &mut Bill,
) {
    let (prompts, domains) = (parameters.prompts, samples.len());
    let (choices, words) = words.split_at(prompts * parameters.method.rounds);
    let per_round = words.len() / parameters.method.rounds;
    let mut tallies = [Tally::default(); MOST_DOMAINS];
    let tallies = &mut tallies[..domains];
    let mut kept = 0.0;
    for (choices, words) in choices.chunks_exact(prompts).zip(words.chunks_exact(per_round)) {
        let mut of_domain = [0; MOST_DOMAINS];
        let of_domain = &mut of_domain[..domains];
        choose(share, choices, of_domain);
        if by_counts(parameters) {
            counts::sample(parameters, skills, of_domain, words, tallies);
        } else {
            responses::sample(parameters, skills, weight, of_domain, words, tallies);
        }
        bill.generated += (prompts * parameters.responses) as f64;
        kept = tallies.iter().map(|tally| tally.kept).sum();
        if kept >= prompts as f64 {
            break;
        }
    }
    let drawn: f64 = tallies.iter().map(|tally| tally.prompts).sum();
    bill.dropped += (drawn - kept) * parameters.responses as f64;
    for (sample, tally) in samples.iter_mut().zip(tallies) {
        *sample = tally.sample(kept, parameters.responses);
    }
}

/// Sums over the prompts of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    /// Prompts.
    pub(super) prompts: f64,
    /// Of them, those that are learned from.
    pub(super) kept: f64,
    /// Of `A · ∇ ln P`, means over the responses of a group.
    pub(super) gradient: f64,
    /// Groups whose responses all passed or all failed.
    pub(super) silent: f64,
    /// Mean lengths.
    pub(super) length: f64,
    /// Responses that passed.
    pub(super) passed: f64,
}

impl Tally {
    /// What a step knows of the domain, where so many prompts of all domains are learned from, each with so many responses.
    pub(super) fn sample(&self, kept: f64, responses: usize) -> Sample {
        let of = |all: f64| if all > 0.0 { 1.0 / all } else { 0.0 };
        let (all, own) = (of(kept), of(self.prompts));
        Sample {
            share: self.kept * all,
            gradient: self.gradient * all,
            silent: self.silent * own,
            length: self.length * own,
            passed: self.passed,
            failed: self.prompts * responses as f64 - self.passed,
        }
    }
}

/// How many prompts every domain gets, a word each.
pub(super) fn choose(share: &[f64], words: &[u32], of_domain: &mut [usize]) {
    let (mut below, mut before) = (0.0, 0);
    let last = share.iter().rposition(|&share| share > 0.0).unwrap_or(0);
    for (domain, share) in share.iter().enumerate() {
        below += share;
        let so_far = if domain >= last { words.len() } else { count_below(words, (below * 4_294_967_296.0) as u32) };
        of_domain[domain] = so_far - before;
        before = so_far;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn count_below(words: &[u32], threshold: u32) -> usize {
    words.iter().map(|&word| u32::from(word < threshold)).sum::<u32>() as usize
}
