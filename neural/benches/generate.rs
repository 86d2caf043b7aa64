//! `cargo bench -p isonomy-neural`: how fast a decoder of the usual size (106,816 parameters) answers, alone, on one thread and on two
//! that share out the prompts, and how fast it learns, on one. `cargo bench -p isonomy-neural -- generate` measures answers only.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_envs::reasoning::tasks::{Address, DOMAINS, MOST_TOKENS, Split, encode};
use isonomy_neural::Backend;
use isonomy_neural::transformer::{Batch, Choice, Decoder, Decoding, Generated, gradient};
use std::thread;

const RESPONSES: usize = 8;

fn prompts(count: usize) -> Vec<Vec<u8>> {
    let prompt = |index: usize| {
        let address = Address::new(0, DOMAINS[index % 10], 2, Split::Train, index as u64).expect("level 2 exists");
        encode(&address.problem().prompt).expect("of the alphabet")
    };
    (0..count).map(prompt).collect()
}

fn generate(criterion: &mut Criterion) {
    let layout = Decoder::default().layout();
    let mut word = 0_u32;
    // A decoder that knows nothing hardly ever ends, so that every response has its 13 tokens.
    let parameters = layout.initial(|| {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(word) / f64::from(u32::MAX) * 3.4 - 1.7
    });
    let mut group = criterion.benchmark_group("generate");
    for (count, threads) in [(32, 1), (128, 1), (128, 2)] {
        let prompts = prompts(count);
        let mut words = vec![0; count * RESPONSES * MOST_TOKENS];
        Key::new(1, Phase::Training, Purpose::Policy).fill(0, 0, &mut words);
        let each = count / threads;
        let shares = prompts.chunks(each).zip(words.chunks(each * RESPONSES * MOST_TOKENS));
        let mut shares: Vec<_> =
            shares.map(|(prompts, words)| (prompts, words, Decoding::default(), Generated::default())).collect();
        let answer = |(prompts, words, decoding, out): &mut (&[Vec<u8>], &[u32], Decoding, Generated)| {
            let choice = Choice::Sampled { words, temperature: 1.0 };
            decoding.generate(&layout, &parameters, prompts, RESPONSES, choice, out);
            out.count()
        };
        group.throughput(Throughput::Elements(shares.iter_mut().map(answer).sum()));
        let name = format!("{} responses by {threads} thread(s), in tokens", count * RESPONSES);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (first, others) = shares.split_first_mut().expect("a thread");
                thread::scope(|scope| {
                    for share in others {
                        scope.spawn(move || answer(share));
                    }
                    answer(first)
                })
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("learn");
    let (rows, width) = (128, 16);
    let tokens: Vec<u8> = (0..rows * width).map(|at| 2 + (at * 7 % 42) as u8).collect();
    let batch = Batch { width, temperature: 1.0, next: tokens.clone(), tokens, weight: vec![-1e-3; rows * width] };
    group.throughput(Throughput::Elements((rows * width) as u64));
    group.bench_function("128 sequences of 16, in tokens", |bencher| {
        bencher.iter_batched(
            || (),
            |()| gradient(&layout, &parameters, &batch, Backend::Flex),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, generate);
criterion_main!(benches);
