//! Where a problem is found.

use super::{Domain, Problem, Words};
use isonomy_engine::noise::Key;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What problems are for. No problem is in two of these, whatever the seeds, levels and indices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// To learn from: eight problems in ten.
    #[default]
    Train,
    /// To choose with: one in ten.
    Validation,
    /// To report: one in ten.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// Where a problem belongs. Prompts that ask the same in other words have the same kin, so they stay together; the level
    /// does not matter, so that `5+3=` of level 1 cannot be trained on and tested at level 2.
    pub fn of(domain: &dyn Domain, prompt: &str) -> Option<Split> {
        let kin = domain.kin(prompt)?;
        let hash = [domain.name(), "/", &kin].iter().flat_map(|part| part.bytes()).fold(SALT, fnv);
        match mixed(hash) % 10 {
            0 => Some(Split::Test),
            1 => Some(Split::Validation),
            _ => Some(Split::Train),
        }
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// Where the hash starts. Chosen so that the splits have their tenths, nearly, even in levels of a few dozen problems, and that
/// none of them is without any of the eight of `bool` at level 1.
const SALT: u64 = 471;

/// A step of FNV-1a.
fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

/// Every bit of the result depends on every bit of the hash (the end of SplitMix64).
fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// Where a problem is found; the same address always holds the same problem.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// Other seeds, other problems.
    pub seed: u64,
    /// What kind of problem.
    pub domain: &'static dyn Domain,
    level: u32,
    /// What it is for.
    pub split: Split,
    /// Which one.
    pub index: u64,
}

impl Address {
    /// Refuses levels that the domain does not have.
    pub fn new(
        seed: u64,
        domain: &'static dyn Domain,
        level: u32,
        split: Split,
        index: u64,
    ) -> Result<Self, NoSuchLevel> {
        match (1..=domain.levels()).contains(&level) {
            true => Ok(Address { seed, domain, level, split, index }),
            false => Err(NoSuchLevel { domain: domain.name(), level, levels: domain.levels() }),
        }
    }

    /// How hard: from 1 to the levels of the domain.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// The address of another problem of the same kind.
    pub fn at(self, index: u64) -> Self {
        Address { index, ..self }
    }

    /// The problem that is found here: the first of the address's own stream that belongs to its split.
    pub fn problem(&self) -> Problem {
        /// A split has at least one problem in two hundred of a level, so so many attempts do not all fail.
        const ENOUGH: usize = 100_000;
        let mut words = Words::new(self.key(), self.index);
        let attempts = std::iter::repeat_with(|| self.domain.generate(&mut words, self.level)).take(ENOUGH);
        let mut fits = attempts.filter(|problem| Split::of(self.domain, &problem.prompt) == Some(self.split));
        fits.next()
            .unwrap_or_else(|| panic!("{} {} has no problem for {:?}", self.domain.name(), self.level, self.split))
    }

    /// Seed, domain, level and split, then the ASCII text `isonomy tasks v1`: no key of the engine's.
    fn key(&self) -> Key {
        let text = |at: usize| u32::from_le_bytes(*b"isonomy tasks v1"[at..].first_chunk().unwrap_or(&[0; 4]));
        let mut name = [0; 4];
        name.iter_mut().zip(self.domain.name().bytes()).for_each(|(to, from)| *to = from);
        let place = self.level << 8 | self.split as u32;
        let (low, high) = (self.seed as u32, (self.seed >> 32) as u32);
        Key([low, high, u32::from_le_bytes(name), place, text(0), text(4), text(8), text(12)])
    }
}

/// A level that a domain does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchLevel {
    domain: &'static str,
    level: u32,
    levels: u32,
}

impl fmt::Display for NoSuchLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has levels 1 to {}, not {}", self.domain, self.levels, self.level)
    }
}

impl std::error::Error for NoSuchLevel {}
