//! What holds of every domain, asked of solvers that know nothing of the generators.

mod lines;
mod oracle;
mod properties;
mod published;

use super::*;

/// Every domain at every level.
fn levels() -> impl Iterator<Item = (&'static dyn Domain, u32)> {
    DOMAINS.into_iter().flat_map(|domain| (1..=domain.levels()).map(move |level| (domain, level)))
}

fn at(seed: u64, domain: &'static dyn Domain, level: u32, split: Split, index: u64) -> Problem {
    Address::new(seed, domain, level, split, index).expect("a level of the domain").problem()
}

/// The first problems of a level.
fn first(domain: &'static dyn Domain, level: u32, many: u64) -> impl Iterator<Item = Problem> {
    (0..many).map(move |index| at(7, domain, level, Split::Train, index))
}

/// Problems of a level whatever their split, as the generator makes them.
fn unsplit(domain: &'static dyn Domain, level: u32, many: u64) -> impl Iterator<Item = Problem> {
    let key = isonomy_engine::noise::Key([level; 8]);
    (0..many).map(move |index| domain.generate(&mut Words::new(key, index), level))
}
