//! Problems by chance, and sequences to learn from.

use super::Domain;
use crate::transformer::Batch;
use isonomy_envs::reasoning::tasks::{self, Address, EOS, Majority, PAD, Problem, Split, encode};

/// Where the problems of a cell are found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// The first of its problems to learn from.
    training: Address,
    /// The first of those to be judged by: of the split `test`, or, where so few problems are there that what is held out is a
    /// handful, those to learn from.
    judging: Address,
    /// The first of those by which checkpoints are compared: of the split `validation`, or of those to learn from.
    choosing: Address,
}

/// Problems to learn from are far away from this one, where they are compared by.
const FAR: u64 = 1 << 50;

impl Source {
    /// Of a domain that was checked.
    pub(super) fn new(domain: &Domain) -> Self {
        let of = tasks::domain(&domain.domain).expect("checked");
        let first = |split| Address::new(0, of, domain.level.get(), split, 0).expect("checked");
        let training = first(Split::Train);
        let [judging, choosing] = match of.closed(domain.level.get()) {
            true => [training, training.at(FAR)],
            false => [first(Split::Test), first(Split::Validation)],
        };
        Source { training, judging, choosing }
    }

    /// Whether it is judged by problems that nobody learns from.
    pub(super) fn held_out(&self) -> bool {
        self.judging.split == Split::Test
    }

    /// The share of the problems to be judged by that the most frequent answer solves.
    pub(super) fn majority(&self) -> f64 {
        let Address { domain, split, .. } = self.judging;
        let majority = Majority::of(domain, self.judging.level(), split);
        majority.expect("checked").share
    }

    /// A problem to learn from.
    pub(super) fn training(&self, index: u64) -> Problem {
        self.training.at(index).problem()
    }

    /// A problem to be judged by.
    pub(super) fn judging(&self, index: u64) -> Problem {
        self.judging.at(index).problem()
    }

    /// A problem by which checkpoints are compared.
    pub(super) fn choosing(&self, index: u64) -> Problem {
        self.choosing.at(self.choosing.index + index).problem()
    }

    /// 1 for a right answer.
    pub(super) fn score(&self, problem: &Problem, response: &str) -> f64 {
        self.judging.domain.score(problem, response)
    }
}

/// The tokens of a prompt or an answer.
pub(super) fn tokens(text: &str) -> Vec<u8> {
    encode(text).expect("generators write in the alphabet")
}

/// How many of so many prompts every cell gets, a word each: prompt i falls where `(i + u) / n` does, so that no cell gets
/// more than one prompt above or below its share.
pub(super) fn choose(share: &[f64], words: &[u32], of_cell: &mut Vec<usize>) {
    of_cell.clear();
    let last = share.iter().rposition(|&share| share > 0.0).unwrap_or(0);
    let (mut cell, mut below) = (0, share.first().copied().unwrap_or(0.0));
    for (prompt, word) in words.iter().enumerate() {
        let at = (prompt as f64 + f64::from(*word) / 4_294_967_296.0) / words.len() as f64;
        while at >= below && cell < last {
            cell += 1;
            below += share[cell];
        }
        of_cell.push(cell);
    }
}

/// A prompt and a response, and how much the log-probability of every token of the response counts.
pub(super) struct Sequence<'a> {
    pub(super) prompt: &'a [u8],
    /// The end among them, where it came.
    pub(super) response: &'a [u8],
    pub(super) weight: Vec<f32>,
}

/// Sequences that are padded together: so many that a pass over them outweighs calling it.
pub(super) const SIDE_BY_SIDE: usize = 128;

/// Batches of at most so many sequences, of about the same length.
pub(super) fn batches(mut sequences: Vec<Sequence<'_>>, temperature: f32, most: usize) -> Vec<Batch> {
    let len = |sequence: &Sequence<'_>| sequence.prompt.len() + sequence.response.len();
    sequences.sort_by_key(len);
    let together = |sequences: &[Sequence<'_>]| {
        // What follows the last token is never asked for.
        let width = sequences.iter().map(len).max().unwrap_or(1).max(2) - 1;
        let rows = sequences.len();
        let mut batch = Batch {
            width,
            temperature,
            tokens: vec![PAD; rows * width],
            next: vec![PAD; rows * width],
            weight: vec![0.0; rows * width],
        };
        for (row, sequence) in sequences.iter().enumerate() {
            let all = || sequence.prompt.iter().chain(sequence.response);
            let (own, first) = (row * width..(row + 1) * width, sequence.prompt.len() - 1);
            batch.tokens[own.clone()].iter_mut().zip(all()).for_each(|(to, from)| *to = *from);
            batch.next[own.clone()].iter_mut().zip(all().skip(1)).for_each(|(to, from)| *to = *from);
            let weight = batch.weight[own].iter_mut().skip(first);
            weight.zip(&sequence.weight).for_each(|(to, from)| *to = *from);
        }
        batch
    };
    let mut rest = &sequences[..];
    let count = sequences.len().div_ceil(most);
    (0..count)
        .map(|at| {
            let (own, others) = rest.split_at(rest.len().div_ceil(count - at));
            rest = others;
            together(own)
        })
        .collect()
}

/// The tokens of a problem and of the generator's answer, its end among them.
pub(super) fn lesson(problem: &Problem) -> (Vec<u8>, Vec<u8>) {
    let mut answer = tokens(&problem.answer);
    answer.push(EOS);
    (tokens(&problem.prompt), answer)
}
