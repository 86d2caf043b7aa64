//! Accuracy without chance.

use super::batch::Source;
use super::turns::{Choosing, Questions, Turn, converse};
use crate::transformer::{Decoding, Layout};
use isonomy_envs::reasoning::tasks::Problem;

/// Problems that are looked at side by side.
const SIDE_BY_SIDE: usize = 128;

/// The share of these problems that are answered right by the likeliest tokens, in at most so many turns.
pub(super) fn accuracy(
    source: &Source,
    problem: impl Fn(u64) -> Problem,
    (layout, parameters): (&Layout, &[f32]),
    (first, count): (u64, u32),
    turns: usize,
    decoding: &mut Decoding,
    said: &mut Vec<Turn>,
) -> f64 {
    let mut right = 0.0;
    let indices: Vec<u64> = (first..first + u64::from(count)).collect();
    for indices in indices.chunks(SIDE_BY_SIDE) {
        let problems: Vec<_> = indices.iter().map(|&index| problem(index)).collect();
        let questions = Questions { problems: &problems, sources: &|_| source, responses: 1, turns };
        right += converse(&questions, (layout, parameters), Choosing::Greedy, decoding, said).iter().sum::<f64>();
    }
    right / f64::from(count)
}
