//! Noise is addressed, not drawn: a word is a function of (seed, purpose, step, row, draw).
//!
//! The generator is ChaCha8 exactly as `rand_chacha` lays it out: the key says whose noise it is, the stream is
//! the step, the word position is `row * draws + draw`. Any thread and any device can compute any word, so no
//! result depends on the order in which words are asked for. `noise.wgsl` is the twin for the device.

/// What a word of noise decides. Different purposes never share a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Purpose {
    /// Where the environment moves.
    Transition = 0,
    /// Which action the policy takes.
    Policy = 1,
    /// Where an episode starts.
    Reset = 2,
    /// What a learner samples for itself (minibatches, initial parameters).
    Learner = 3,
}

/// Training and evaluation live in different noise, so that looking never changes what is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Phase {
    /// Rollouts that a learner sees.
    Training = 0,
    /// Rollouts that only report.
    Evaluation = 1,
}

/// The ChaCha8 key of one seed, phase and purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(pub [u32; 8]);

impl Key {
    /// Seed, purpose and phase, then the ASCII text `isonomy noise v1`.
    pub fn new(seed: u64, phase: Phase, purpose: Purpose) -> Self {
        let text = |at: usize| u32::from_le_bytes(*b"isonomy noise v1"[at..].first_chunk().unwrap_or(&[0; 4]));
        Key([seed as u32, (seed >> 32) as u32, purpose as u32, phase as u32, text(0), text(4), text(8), text(12)])
    }

    /// The key as the 32 bytes `rand_chacha`'s `from_seed` takes.
    pub fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (four, word) in bytes.chunks_exact_mut(4).zip(self.0) {
            four.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Fills `out` with the words at positions `first..first + out.len()` of the stream `step`.
    pub fn fill(&self, step: u64, first: u64, out: &mut [u32]) {
        let mut position = first;
        let mut rest = out;
        let inside = (position % WORDS) as usize;
        if inside != 0 && !rest.is_empty() {
            let block = self.block(step, position / WORDS);
            let (head, tail) = rest.split_at_mut(rest.len().min(WORDS as usize - inside));
            head.copy_from_slice(&block[inside..inside + head.len()]);
            position += head.len() as u64;
            rest = tail;
        }
        let whole = rest.len() / WORDS as usize * WORDS as usize;
        let (blocks, tail) = rest.split_at_mut(whole);
        fill_blocks(&self.0, step, position / WORDS, blocks);
        if !tail.is_empty() {
            let block = self.block(step, (position + whole as u64) / WORDS);
            tail.copy_from_slice(&block[..tail.len()]);
        }
    }

    /// One word.
    pub fn word(&self, step: u64, position: u64) -> u32 {
        self.block(step, position / WORDS)[(position % WORDS) as usize]
    }

    fn block(&self, step: u64, block: u64) -> [u32; 16] {
        let mut out = [0; 16];
        several::<1>(&self.0, step, block, &mut out);
        out
    }
}

/// Words in one ChaCha block.
const WORDS: u64 = 16;

/// Whole blocks, as many side by side as the processor's registers hold.
fn fill_blocks(key: &[u32; 8], step: u64, first: u64, out: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the feature was just detected.
            return unsafe { x86::fill_avx512(key, step, first, out) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the feature was just detected.
            return unsafe { x86::fill_avx2(key, step, first, out) };
        }
    }
    tile::<4>(key, step, first, out);
}

#[inline(always)]
fn tile<const N: usize>(key: &[u32; 8], step: u64, first: u64, out: &mut [u32]) {
    let mut block = first;
    let mut groups = out.chunks_exact_mut(16 * N);
    for group in &mut groups {
        several::<N>(key, step, block, group);
        block += N as u64;
    }
    for one in groups.into_remainder().chunks_exact_mut(16) {
        several::<1>(key, step, block, one);
        block += 1;
    }
}

/// `N` neighbouring blocks: word `w` of block `b` is computed in lane `b` of vector `w`.
#[inline(always)]
fn several<const N: usize>(key: &[u32; 8], step: u64, first: u64, out: &mut [u32]) {
    let start = state::<N>(key, step, first);
    let mut x = start;
    for _ in 0..4 {
        quarter(&mut x, 0, 4, 8, 12);
        quarter(&mut x, 1, 5, 9, 13);
        quarter(&mut x, 2, 6, 10, 14);
        quarter(&mut x, 3, 7, 11, 15);
        quarter(&mut x, 0, 5, 10, 15);
        quarter(&mut x, 1, 6, 11, 12);
        quarter(&mut x, 2, 7, 8, 13);
        quarter(&mut x, 3, 4, 9, 14);
    }
    for (word, (x, start)) in x.iter().zip(&start).enumerate() {
        for lane in 0..N {
            out[lane * 16 + word] = x[lane].wrapping_add(start[lane]);
        }
    }
}

#[inline(always)]
fn state<const N: usize>(key: &[u32; 8], step: u64, first: u64) -> [[u32; N]; 16] {
    let mut x = [[0; N]; 16];
    // "expand 32-byte k"
    for (word, constant) in [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574].into_iter().enumerate() {
        x[word] = [constant; N];
    }
    for (word, key) in key.iter().enumerate() {
        x[4 + word] = [*key; N];
    }
    (x[12], x[13]) = counters(first);
    x[14] = [step as u32; N];
    x[15] = [(step >> 32) as u32; N];
    x
}

/// The low and the high halves of `N` block numbers.
#[inline(always)]
fn counters<const N: usize>(first: u64) -> ([u32; N], [u32; N]) {
    let block = |lane: usize| first.wrapping_add(lane as u64);
    (std::array::from_fn(|lane| block(lane) as u32), std::array::from_fn(|lane| (block(lane) >> 32) as u32))
}

// Loops that LLVM turns into vectors wherever they are inlined; closures would have to be inlined first.
#[allow(clippy::needless_range_loop)]
#[inline(always)]
fn quarter<const N: usize>(x: &mut [[u32; N]; 16], a: usize, b: usize, c: usize, d: usize) {
    for (sum, other, turned, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        for lane in 0..N {
            x[sum][lane] = x[sum][lane].wrapping_add(x[other][lane]);
        }
        for lane in 0..N {
            x[turned][lane] = (x[turned][lane] ^ x[sum][lane]).rotate_left(by);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{counters, several, state, tile};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2")]
    pub(super) fn fill_avx2(key: &[u32; 8], step: u64, first: u64, out: &mut [u32]) {
        tile::<8>(key, step, first, out);
    }

    macro_rules! quarter {
        ($a:ident $b:ident $c:ident $d:ident) => {
            $a = _mm512_add_epi32($a, $b);
            $d = _mm512_rol_epi32::<16>(_mm512_xor_si512($d, $a));
            $c = _mm512_add_epi32($c, $d);
            $b = _mm512_rol_epi32::<12>(_mm512_xor_si512($b, $c));
            $a = _mm512_add_epi32($a, $b);
            $d = _mm512_rol_epi32::<8>(_mm512_xor_si512($d, $a));
            $c = _mm512_add_epi32($c, $d);
            $b = _mm512_rol_epi32::<7>(_mm512_xor_si512($b, $c));
        };
    }

    /// Sixteen blocks in sixteen registers, then a transpose so that words leave in order.
    #[target_feature(enable = "avx512f")]
    pub(super) fn fill_avx512(key: &[u32; 8], step: u64, first: u64, out: &mut [u32]) {
        let mut block = first;
        let mut groups = out.chunks_exact_mut(256);
        let mut start = state::<16>(key, step, block);
        for group in &mut groups {
            (start[12], start[13]) = counters(block);
            // SAFETY: `[u32; 16]` has the size of a register and unaligned loads are used.
            let load = |word: usize| unsafe { _mm512_loadu_si512(start[word].as_ptr().cast()) };
            let (mut a0, mut a1, mut a2, mut a3) = (load(0), load(1), load(2), load(3));
            let (mut b0, mut b1, mut b2, mut b3) = (load(4), load(5), load(6), load(7));
            let (mut c0, mut c1, mut c2, mut c3) = (load(8), load(9), load(10), load(11));
            let (mut d0, mut d1, mut d2, mut d3) = (load(12), load(13), load(14), load(15));
            for _ in 0..4 {
                quarter!(a0 b0 c0 d0);
                quarter!(a1 b1 c1 d1);
                quarter!(a2 b2 c2 d2);
                quarter!(a3 b3 c3 d3);
                quarter!(a0 b1 c2 d3);
                quarter!(a1 b2 c3 d0);
                quarter!(a2 b3 c0 d1);
                quarter!(a3 b0 c1 d2);
            }
            let rows = [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3];
            let mut x = rows;
            for word in 0..16 {
                x[word] = _mm512_add_epi32(rows[word], load(word));
            }
            transpose(&mut x);
            for (lane, row) in x.iter().enumerate() {
                // SAFETY: the group has 256 words, lane is below 16.
                unsafe { _mm512_storeu_si512(group.as_mut_ptr().add(16 * lane).cast(), *row) };
            }
            block += 16;
        }
        for one in groups.into_remainder().chunks_exact_mut(16) {
            several::<1>(key, step, block, one);
            block += 1;
        }
    }

    /// Transposes sixteen registers of sixteen words in place.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transpose(x: &mut [__m512i; 16]) {
        // Pairs of words, then pairs of pairs, within each 128-bit quarter.
        for four in x.chunks_exact_mut(4) {
            let (a, b) = (_mm512_unpacklo_epi32(four[0], four[1]), _mm512_unpackhi_epi32(four[0], four[1]));
            let (c, d) = (_mm512_unpacklo_epi32(four[2], four[3]), _mm512_unpackhi_epi32(four[2], four[3]));
            four[0] = _mm512_unpacklo_epi64(a, c);
            four[1] = _mm512_unpackhi_epi64(a, c);
            four[2] = _mm512_unpacklo_epi64(b, d);
            four[3] = _mm512_unpackhi_epi64(b, d);
        }
        // Quarter q of x[4 w + l] now holds words 4w..4w+4 of block 4 q + l: gather the quarters.
        let y = *x;
        for lane in 0..4 {
            let even = _mm512_shuffle_i32x4::<0x88>(y[lane], y[4 + lane]);
            let odd = _mm512_shuffle_i32x4::<0xdd>(y[lane], y[4 + lane]);
            let even2 = _mm512_shuffle_i32x4::<0x88>(y[8 + lane], y[12 + lane]);
            let odd2 = _mm512_shuffle_i32x4::<0xdd>(y[8 + lane], y[12 + lane]);
            x[lane] = _mm512_shuffle_i32x4::<0x88>(even, even2);
            x[8 + lane] = _mm512_shuffle_i32x4::<0xdd>(even, even2);
            x[4 + lane] = _mm512_shuffle_i32x4::<0x88>(odd, odd2);
            x[12 + lane] = _mm512_shuffle_i32x4::<0xdd>(odd, odd2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    const KEY: Key = Key([1, 0xdead_beef, 3, 4, 0x8000_0000, 6, 7, u32::MAX]);
    /// Steps and blocks whose halves matter.
    const STEPS: [u64; 4] = [0, 1, 0xffff_ffff, 0x1_2345_6789_abcd];

    fn by_rand_chacha(key: Key, step: u64, first: u64, len: usize) -> Vec<u32> {
        let mut rng = ChaCha8Rng::from_seed(key.bytes());
        rng.set_stream(step);
        rng.set_word_pos(first.into());
        (0..len).map(|_| rng.next_u32()).collect()
    }

    #[test]
    fn words_are_those_of_rand_chacha() {
        for step in STEPS {
            for first in [0, 1, 15, 16, 17, 250, (1 << 36) - 20, 1 << 40] {
                for len in [0, 1, 5, 15, 16, 17, 31, 127, 128, 129, 255, 256, 257, 300, 1000] {
                    let mut words = vec![0; len];
                    KEY.fill(step, first, &mut words);
                    assert_eq!(words, by_rand_chacha(KEY, step, first, len), "{len} words from {first} of {step}");
                }
                assert_eq!(vec![KEY.word(step, first)], by_rand_chacha(KEY, step, first, 1));
            }
        }
    }

    /// The key of zeros, as printed by `rand_chacha` 0.10 and by the reference implementation of ChaCha8.
    #[test]
    fn the_first_words_of_the_key_of_zeros_are_known() {
        let mut words = [0; 4];
        Key([0; 8]).fill(0, 0, &mut words);
        assert_eq!(words.map(u32::swap_bytes), [0x3e00_ef2f, 0x895f_40d6, 0x7f5b_b8e8, 0x1f09_a5a1]);
    }

    #[test]
    fn every_width_agrees() {
        let first = u64::from(u32::MAX) - 5;
        for step in STEPS {
            let mut one_by_one = vec![0; 16 * 45];
            tile::<1>(&KEY.0, step, first, &mut one_by_one);
            let mut portable = vec![0; 16 * 45];
            tile::<4>(&KEY.0, step, first, &mut portable);
            assert_eq!(portable, one_by_one);
            #[cfg(target_arch = "x86_64")]
            {
                let mut wide = vec![0; 16 * 45];
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the feature was just detected.
                    unsafe { x86::fill_avx2(&KEY.0, step, first, &mut wide) };
                    assert_eq!(wide, one_by_one, "AVX2");
                }
                if is_x86_feature_detected!("avx512f") {
                    wide.fill(0);
                    // SAFETY: the feature was just detected.
                    unsafe { x86::fill_avx512(&KEY.0, step, first, &mut wide) };
                    assert_eq!(wide, one_by_one, "AVX-512");
                }
            }
        }
    }

    #[test]
    fn purposes_phases_and_seeds_have_keys_of_their_own() {
        let mut keys = Vec::new();
        for seed in [0, 1, 1 << 32] {
            for phase in [Phase::Training, Phase::Evaluation] {
                for purpose in [Purpose::Transition, Purpose::Policy, Purpose::Reset, Purpose::Learner] {
                    keys.push(Key::new(seed, phase, purpose));
                }
            }
        }
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key));
            assert_eq!(&key.bytes()[16..], b"isonomy noise v1");
        }
    }
}
