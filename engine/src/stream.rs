//! Copies that leave the caches to others: a trajectory is written once and read much later.

/// Copies `from` to `to`, past the caches where the processor can.
pub(crate) fn copy(from: &[f32], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the feature was just detected.
        return unsafe { x86::copy(from, to) };
    }
    to.copy_from_slice(from);
}

/// Copies values below 256 to bytes, past the caches where the processor can.
pub(crate) fn narrow(from: &[u32], to: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the feature was just detected.
        return unsafe { x86::narrow(from, to) };
    }
    narrow_plain(from, to);
}

/// Makes what this thread copied visible to whoever joins it.
pub(crate) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE, which every x86-64 processor has.
    unsafe {
        std::arch::x86_64::_mm_sfence()
    };
}

#[multiversion::multiversion(targets("x86_64+avx2"))]
fn narrow_plain(from: &[u32], to: &mut [u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from as u8;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// Bytes of a cache line, which is written whole or not at all.
    const LINE: usize = 64;

    /// Cuts both where a line of `to` begins, and where the last whole one ends.
    fn at_lines<'a, T: Copy, U>(from: &'a [T], to: &'a mut [U]) -> [(&'a [T], &'a mut [U]); 3] {
        let per_line = LINE / size_of::<U>();
        let head = to.as_ptr().align_offset(LINE).min(to.len());
        let whole = (to.len() - head) / per_line * per_line;
        let (from_head, from) = from[..to.len()].split_at(head);
        let (to_head, to) = to.split_at_mut(head);
        let (from_lines, from_tail) = from.split_at(whole);
        let (to_lines, to_tail) = to.split_at_mut(whole);
        [(from_head, to_head), (from_lines, to_lines), (from_tail, to_tail)]
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn copy(from: &[f32], to: &mut [f32]) {
        let [(from_head, head), (from, to), (from_tail, tail)] = at_lines(from, to);
        head.copy_from_slice(from_head);
        for (to, from) in to.chunks_exact_mut(16).zip(from.chunks_exact(16)) {
            // SAFETY: both hold a line, and `to` begins where one does.
            unsafe { _mm512_stream_ps(to.as_mut_ptr(), _mm512_loadu_ps(from.as_ptr())) };
        }
        tail.copy_from_slice(from_tail);
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn narrow(from: &[u32], to: &mut [u8]) {
        let [(from_head, head), (from, to), (from_tail, tail)] = at_lines(from, to);
        super::narrow_plain(from_head, head);
        for (to, from) in to.chunks_exact_mut(LINE).zip(from.chunks_exact(LINE)) {
            // SAFETY: `from` holds four registers, which become a line, and `to` begins where one does.
            unsafe {
                let four = |part: usize| _mm512_cvtepi32_epi8(_mm512_loadu_si512(from.as_ptr().add(16 * part).cast()));
                let line = _mm512_castsi128_si512(four(0));
                let line = _mm512_inserti32x4::<1>(line, four(1));
                let line = _mm512_inserti32x4::<2>(line, four(2));
                let line = _mm512_inserti32x4::<3>(line, four(3));
                _mm512_stream_si512(to.as_mut_ptr().cast(), line);
            };
        }
        super::narrow_plain(from_tail, tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_exact_at_any_length_and_alignment() {
        let from: Vec<u32> = (0..200).map(|i| i * 7 % 256).collect();
        let rewards: Vec<f32> = from.iter().map(|&i| i as f32 / 3.0).collect();
        for (start, len) in [(0, 200), (1, 15), (4, 64), (16, 33), (3, 0)] {
            let mut bytes = vec![0; 256];
            let mut floats = vec![0.0; 256];
            narrow(&from[..len], &mut bytes[start..start + len]);
            copy(&rewards[..len], &mut floats[start..start + len]);
            fence();
            assert!(bytes[start..start + len].iter().zip(&from).all(|(to, from)| u32::from(*to) == *from));
            assert_eq!(floats[start..start + len], rewards[..len]);
            assert!(bytes[start + len..].iter().all(|&byte| byte == 0));
        }
    }
}
