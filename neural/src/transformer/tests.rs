//! The kernel against burn, the cache against none, gradients against differences.

use super::*;
use crate::backend::Backend;
use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_envs::reasoning::tasks::{EOS, MOST_TOKENS, PAD, encode};
use std::num::NonZeroU32;

fn decoder(width: u32, layers: u32, heads: u32) -> Layout {
    let of = |size| NonZeroU32::new(size).expect("not 0");
    Decoder { width: of(width), layers: of(layers), heads: of(heads) }.layout()
}

/// Parameters large enough that nothing is close to uniform.
fn parameters(layout: &Layout) -> Vec<f32> {
    let key = Key::new(5, Phase::Training, Purpose::Learner);
    let mut at = 0;
    let mut parameters = layout.initial(|| {
        at += 1;
        f64::from(key.word(0, at)) / 4_294_967_296.0 * 3.0 - 1.5
    });
    for range in [&layout.tokens, &layout.positions, &layout.head] {
        parameters[range.clone()].iter_mut().for_each(|parameter| *parameter *= 20.0);
    }
    parameters
}

fn prompts() -> Vec<Vec<u8>> {
    ["5+3=", "g3,24=", "pBD,AD,AB,BE,AE?EB=", "=", "c4,3,9>21=", "b!!0=", "pBD,AD,AB,BE,AE,CD?EB=", "h28>5=", "12+3="]
        .map(|prompt| encode(prompt).expect("of the alphabet"))
        .to_vec()
}

fn words(count: usize) -> Vec<u32> {
    let mut words = vec![0; count];
    Key::new(3, Phase::Training, Purpose::Policy).fill(7, 0, &mut words);
    words
}

fn generated(
    layout: &Layout,
    parameters: &[f32],
    prompts: &[Vec<u8>],
    responses: usize,
    choice: Choice<'_>,
) -> Generated {
    let mut out = Generated::default();
    Decoding::default().generate(layout, parameters, prompts, responses, choice, &mut out);
    out
}

/// Prompts with their responses, as burn reads them without a cache.
fn sequences(prompts: &[Vec<u8>], responses: usize, out: &Generated) -> Batch {
    let width = 22 + MOST_TOKENS;
    let rows = prompts.len() * responses;
    let (mut tokens, mut next) = (vec![PAD; rows * width], vec![PAD; rows * width]);
    for row in 0..rows {
        let own = &out.tokens[row * MOST_TOKENS..][..out.length[row] as usize];
        let all: Vec<u8> = prompts[row / responses].iter().chain(own).copied().collect();
        tokens[row * width..][..all.len() - 1].copy_from_slice(&all[..all.len() - 1]);
        next[row * width..][..all.len() - 1].copy_from_slice(&all[1..]);
    }
    Batch { width, temperature: 1.0, tokens, next, weight: vec![0.0; rows * width] }
}

#[test]
fn cached_generation_is_that_of_burn_without_a_cache() {
    for (width, layers, heads) in [(16, 1, 1), (32, 2, 4), (48, 1, 3)] {
        let layout = decoder(width, layers, heads);
        let (parameters, prompts) = (parameters(&layout), prompts());
        let words = words(prompts.len() * 3 * MOST_TOKENS);
        let choice = Choice::Sampled { words: &words, temperature: 1.0 };
        let out = generated(&layout, &parameters, &prompts, 3, choice);
        let batch = sequences(&prompts, 3, &out);
        let uncached = log_probs(&layout, &parameters, &batch, Backend::Flex);
        let mut compared = 0;
        for row in 0..out.length.len() {
            let first = row * batch.width + prompts[row / 3].len() - 1;
            for at in 0..out.length[row] as usize {
                let (cached, uncached) = (out.log_prob[row * MOST_TOKENS + at], uncached[first + at]);
                assert!((cached - uncached).abs() < 1e-5 * (1.0 + uncached.abs()), "{cached}, {uncached}");
                compared += 1;
            }
        }
        assert!(compared > 100, "{compared} tokens only");
    }
}

#[test]
fn a_response_does_not_know_what_stands_beside_it() {
    let layout = decoder(32, 2, 4);
    let (parameters, prompts) = (parameters(&layout), prompts());
    let words = words(prompts.len() * 20 * MOST_TOKENS);
    let sampled = |prompts: &[Vec<u8>], words: &[u32]| {
        let choice = Choice::Sampled { words, temperature: 0.8 };
        generated(&layout, &parameters, prompts, 20, choice)
    };
    // More responses than are generated side by side.
    let together = sampled(&prompts, &words);
    let lengths: std::collections::BTreeSet<u32> = together.length.iter().copied().collect();
    assert!(lengths.len() > 3, "all end at the same time: {lengths:?}");
    for (index, prompt) in prompts.iter().enumerate() {
        let rows = index * 20 * MOST_TOKENS..(index + 1) * 20 * MOST_TOKENS;
        let alone = sampled(std::slice::from_ref(prompt), &words[rows.clone()]);
        assert_eq!(alone.tokens, together.tokens[rows.clone()]);
        let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&alone.log_prob), bits(&together.log_prob[rows.clone()]));
        assert_eq!(bits(&alone.entropy), bits(&together.entropy[rows]));
    }
}

#[test]
fn what_was_said_is_scored_as_it_was_said() {
    let layout = decoder(32, 1, 2);
    let (parameters, prompts) = (parameters(&layout), prompts());
    let words = words(prompts.len() * 4 * MOST_TOKENS);
    let said = generated(&layout, &parameters, &prompts, 4, Choice::Sampled { words: &words, temperature: 1.3 });
    let given = Choice::Given { tokens: &said.tokens, length: &said.length, temperature: 1.3 };
    assert_eq!(generated(&layout, &parameters, &prompts, 4, given), said);
    let greedy = generated(&layout, &parameters, &prompts, 4, Choice::Greedy);
    let of_prompt = |at: usize| &greedy.tokens[at * MOST_TOKENS..(at + 1) * MOST_TOKENS];
    assert!((0..greedy.length.len()).all(|row| of_prompt(row) == of_prompt(row / 4 * 4)), "chance decides");
    for row in 0..said.length.len() {
        let own = &said.tokens[row * MOST_TOKENS..][..said.length[row] as usize];
        let ends = own.iter().position(|&token| token == EOS);
        assert!(ends == Some(own.len() - 1) || (ends.is_none() && own.len() == MOST_TOKENS), "{own:?}");
        let probability: f32 = said.sum_squares[row * MOST_TOKENS];
        assert!((0.0..=1.0).contains(&probability));
    }
}

#[test]
fn gradients_are_differences() {
    let layout = decoder(16, 1, 2);
    let (mut parameters, prompts) = (parameters(&layout), prompts());
    let words = words(prompts.len() * MOST_TOKENS);
    let said = generated(&layout, &parameters, &prompts, 1, Choice::Sampled { words: &words, temperature: 1.0 });
    let mut batch = sequences(&prompts, 1, &said);
    batch.temperature = 0.7;
    let key = Key::new(8, Phase::Training, Purpose::Learner);
    for at in 0..batch.weight.len() {
        batch.weight[at] = if batch.next[at] == PAD { 0.0 } else { key.word(1, at as u64) as f32 / 4.3e9 - 0.5 };
    }
    let (loss, slopes) = gradient(&layout, &parameters, &batch, Backend::Flex);
    let value = |parameters: &[f32]| -> f64 {
        let log_probs = log_probs(&layout, parameters, &batch, Backend::Flex);
        log_probs.iter().zip(&batch.weight).map(|(log_prob, weight)| f64::from(log_prob * weight)).sum()
    };
    assert!((loss - value(&parameters)).abs() < 1e-4, "{loss}");
    let last = &layout.layers[0];
    let mut some: Vec<usize> =
        [&last.norm, &last.qkv, &last.out, &last.second_norm, &last.up, &last.down, &layout.norm, &layout.head]
            .iter()
            .flat_map(|range| [range.start + 1, (range.start + range.end) / 2, range.end - 3])
            .collect();
    some.extend([
        layout.tokens.start + 16 * usize::from(EOS),
        layout.tokens.start + 16 * 7 + 3,
        layout.positions.start + 20,
    ]);
    for at in some {
        let own = parameters[at];
        let mut moved = |by: f32| {
            parameters[at] = own + by;
            value(&parameters)
        };
        let difference = (moved(5e-3) - moved(-5e-3)) / 1e-2;
        parameters[at] = own;
        let found = f64::from(slopes[at]);
        assert!((found - difference).abs() < 2e-3 + 0.02 * difference.abs(), "parameter {at}: {found}, {difference}");
    }
}

#[test]
fn parts_of_a_batch_add_up() {
    let layout = decoder(16, 1, 2);
    let parameters = parameters(&layout);
    let prompts = prompts();
    let words = words(prompts.len() * MOST_TOKENS);
    let said = generated(&layout, &parameters, &prompts, 1, Choice::Sampled { words: &words, temperature: 1.0 });
    let mut whole = sequences(&prompts, 1, &said);
    whole.weight.iter_mut().zip(&whole.next).for_each(|(weight, next)| *weight = f32::from(u8::from(*next != PAD)));
    let part = |rows: std::ops::Range<usize>| {
        let cells = rows.start * whole.width..rows.end * whole.width;
        Batch {
            tokens: whole.tokens[cells.clone()].to_vec(),
            next: whole.next[cells.clone()].to_vec(),
            weight: whole.weight[cells].to_vec(),
            ..whole
        }
    };
    let (loss, all) = gradient(&layout, &parameters, &whole, Backend::Flex);
    let parts = [part(0..2), part(2..3), part(3..9)];
    let (of_parts, sum) = gradient_of_all(&layout, &parameters, &parts, Backend::Flex, false);
    assert!((loss - of_parts).abs() < 1e-3, "{loss}, {of_parts}");
    assert!(all.iter().zip(&sum).all(|(a, b)| (a - b).abs() < 1e-3 * (1.0 + a.abs())));
    // Threads share the parts out; who adds first does not depend on them.
    let bits = |numbers: &[f32]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
    let shared = gradient_of_all(&layout, &parameters, &parts, Backend::Flex, true);
    assert_eq!((of_parts.to_bits(), bits(&sum)), (shared.0.to_bits(), bits(&shared.1)));
}
