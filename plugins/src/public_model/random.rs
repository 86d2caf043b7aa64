//! What a learner draws for itself: words of its own noise, in order, from any place on.

use isonomy_engine::noise::{Key, Phase, Purpose};

/// A reader of one seed's noise for learners. Where it is can be kept and set again.
#[derive(Clone, Debug)]
pub struct Words {
    key: Key,
    block: [u32; 16],
    /// Words read so far.
    pub read: u64,
}

impl Words {
    /// From the beginning.
    pub fn new(seed: u64) -> Self {
        Words { key: Key::new(seed, Phase::Training, Purpose::Learner), block: [0; 16], read: 0 }
    }

    /// Goes to a place.
    pub fn seek(&mut self, read: u64) {
        self.read = read;
        self.key.fill(0, read / 16 * 16, &mut self.block);
    }

    /// The next word.
    pub fn word(&mut self) -> u32 {
        let inside = (self.read % 16) as usize;
        if inside == 0 {
            self.key.fill(0, self.read, &mut self.block);
        }
        self.read += 1;
        self.block[inside]
    }

    /// Above 0, up to 1.
    fn unit(&mut self) -> f64 {
        (f64::from(self.word()) + 1.0) / 4_294_967_296.0
    }

    /// From -1 to 1.
    pub fn between(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }

    /// Two independent standard normal numbers (Box & Muller 1958).
    pub fn normal_pair(&mut self) -> [f64; 2] {
        let (radius, angle) = ((-2.0 * self.unit().ln()).sqrt(), std::f64::consts::TAU * self.unit());
        [radius * angle.cos(), radius * angle.sin()]
    }

    /// The numbers below `count` in random order (Fisher & Yates 1938).
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            let other = (u64::from(self.word()) * (last as u64 + 1)) >> 32;
            order.swap(last, other as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_can_be_found_again() {
        let mut words = Words::new(7);
        let first: Vec<u32> = (0..40).map(|_| words.word()).collect();
        for at in [0, 5, 16, 31] {
            words.seek(at);
            assert_eq!((0..9).map(|_| words.word()).collect::<Vec<_>>(), first[at as usize..][..9]);
        }
        let mut order = words.order(100);
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut words = Words::new(1);
        let draws: Vec<f64> = (0..50_000).flat_map(|_| words.normal_pair()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let square = draws.iter().map(|z| z * z).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.013 && (square - 1.0).abs() < 0.018, "{mean}, {square}");
    }
}
