//! Noise as choices.

use isonomy_engine::noise::Key;

/// The words of one address, from the first on. Two of the same address say the same.
#[derive(Clone, Debug)]
pub struct Words {
    key: Key,
    stream: u64,
    next: u64,
    block: [u32; 16],
}

impl Words {
    /// The words of a stream of a key.
    pub fn new(key: Key, stream: u64) -> Self {
        Words { key, stream, next: 0, block: [0; 16] }
    }

    fn word(&mut self) -> u32 {
        let inside = (self.next % 16) as usize;
        if inside == 0 {
            self.key.fill(self.stream, self.next, &mut self.block);
        }
        self.next += 1;
        self.block[inside]
    }

    /// A number below `bound`, which is not 0. One word: chances are off by at most 2⁻³², which nobody can see.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.word()) * u64::from(bound)) >> 32) as u32
    }

    /// A number from `low` to `high`, both possible.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    /// Yes or no.
    pub fn flip(&mut self) -> bool {
        self.below(2) == 1
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u32) as usize]
    }

    /// Puts a slice into any order.
    pub fn shuffle<T>(&mut self, slice: &mut [T]) {
        for last in (1..slice.len()).rev() {
            slice.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}
