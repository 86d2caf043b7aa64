//! Accuracy without chance.

use super::batch::{Source, tokens};
use crate::transformer::{Choice, Decoding, Generated, Layout};
use isonomy_envs::reasoning::tasks::{MOST_TOKENS, finished};

/// Problems that are looked at side by side.
const SIDE_BY_SIDE: usize = 128;

/// The share of the problems `first..first + count` to be judged by that are answered right by the likeliest tokens.
pub(super) fn accuracy(
    source: &Source,
    layout: &Layout,
    parameters: &[f32],
    first: u64,
    count: u32,
    decoding: &mut Decoding,
) -> f64 {
    let (mut right, mut generated) = (0.0, Generated::default());
    let indices: Vec<u64> = (first..first + u64::from(count)).collect();
    for indices in indices.chunks(SIDE_BY_SIDE) {
        let problems: Vec<_> = indices.iter().map(|&index| source.judging(index)).collect();
        let prompts: Vec<_> = problems.iter().map(|problem| tokens(&problem.prompt)).collect();
        decoding.generate(layout, parameters, &prompts, 1, Choice::Greedy, &mut generated);
        for (problem, response) in problems.iter().zip(generated.tokens.chunks_exact(MOST_TOKENS)) {
            right += finished(response).map_or(0.0, |response| source.score(problem, &response));
        }
    }
    right / f64::from(count)
}
