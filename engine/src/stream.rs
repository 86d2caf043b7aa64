//! Copies that leave the caches to others: a trajectory is written once and read much later.

/// Copies `from` to `to`, past the caches where the processor can.
pub(crate) fn copy(from: &[f32], to: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && to.as_ptr().addr().is_multiple_of(16) {
        // SAFETY: the feature was just detected.
        return unsafe { x86::copy(from, to) };
    }
    to.copy_from_slice(from);
}

/// Copies values below 256 to bytes, past the caches where the processor can.
pub(crate) fn narrow(from: &[u32], to: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") && to.as_ptr().addr().is_multiple_of(16) {
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

    #[target_feature(enable = "avx512f")]
    pub(super) fn copy(from: &[f32], to: &mut [f32]) {
        let mut pieces = to.chunks_exact_mut(4);
        for (to, from) in (&mut pieces).zip(from.chunks_exact(4)) {
            // SAFETY: both hold four numbers, and `to` is aligned to 16 bytes because the first one is.
            unsafe { _mm_stream_ps(to.as_mut_ptr(), _mm_loadu_ps(from.as_ptr())) };
        }
        let rest = pieces.into_remainder();
        rest.copy_from_slice(&from[from.len() - rest.len()..]);
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn narrow(from: &[u32], to: &mut [u8]) {
        let mut pieces = to.chunks_exact_mut(16);
        for (to, from) in (&mut pieces).zip(from.chunks_exact(16)) {
            // SAFETY: both hold sixteen numbers, and `to` is aligned to 16 bytes because the first one is.
            unsafe {
                let sixteen = _mm512_loadu_si512(from.as_ptr().cast());
                _mm_stream_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(sixteen));
            };
        }
        let rest = pieces.into_remainder();
        let tail = &from[from.len() - rest.len()..];
        for (to, from) in rest.iter_mut().zip(tail) {
            *to = *from as u8;
        }
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
