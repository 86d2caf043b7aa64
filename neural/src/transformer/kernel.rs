//! The few loops in which a decoder spends its time, each over many rows.
//!
//! A row's result is the same sums in the same order whatever rows stand beside it, and no product is fused with a sum: the
//! same bits on every processor, in any batch.

use super::shape::LANES;
use isonomy_envs::reasoning::numbers::exp;
use multiversion::multiversion;

/// Rows that share a pass over a matrix.
const ROWS: usize = 8;
/// Vectors of a row that are summed at once.
const VECTORS: usize = 2;

/// `out = x · w`, or `out += x · w`. `x` is `[rows, inner]`, `w` `[inner, outer]`; `outer` is a multiple of [`LANES`].
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn product(x: &[f32], inner: usize, w: &[f32], outer: usize, out: &mut [f32], add: bool) {
    let mut column = 0;
    while column < outer {
        let vectors = ((outer - column) / LANES).min(VECTORS);
        let mut x = x.chunks_exact(ROWS * inner);
        let mut out = out.chunks_exact_mut(ROWS * outer);
        for (x, out) in (&mut x).zip(&mut out) {
            match vectors {
                VECTORS => tile::<ROWS, VECTORS>(x, inner, w, outer, column, out, add),
                _ => tile::<ROWS, 1>(x, inner, w, outer, column, out, add),
            }
        }
        for (x, out) in x.remainder().chunks_exact(inner).zip(out.into_remainder().chunks_exact_mut(outer)) {
            match vectors {
                VECTORS => tile::<1, VECTORS>(x, inner, w, outer, column, out, add),
                _ => tile::<1, 1>(x, inner, w, outer, column, out, add),
            }
        }
        column += vectors * LANES;
    }
}

/// A few rows and a few vectors of a product, in registers.
#[inline(always)]
fn tile<const R: usize, const V: usize>(
    x: &[f32],
    inner: usize,
    w: &[f32],
    outer: usize,
    column: usize,
    out: &mut [f32],
    add: bool,
) {
    let mut sums = [[[0.0f32; LANES]; V]; R];
    let rows: [&[f32]; R] = std::array::from_fn(|row| &x[row * inner..][..inner]);
    for at in 0..inner {
        let w = &w[at * outer + column..][..V * LANES];
        for (sums, x) in sums.iter_mut().zip(&rows) {
            let x = x[at];
            for (sums, w) in sums.iter_mut().zip(w.chunks_exact(LANES)) {
                for lane in 0..LANES {
                    sums[lane] += x * w[lane];
                }
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        let out = &mut out[row * outer + column..][..V * LANES];
        for (out, sums) in out.chunks_exact_mut(LANES).zip(sums) {
            for lane in 0..LANES {
                out[lane] = if add { out[lane] + sums[lane] } else { sums[lane] };
            }
        }
    }
}

/// Added to the mean square, so that nothing is divided by zero.
pub(super) const EPSILON: f32 = 1e-5;

/// `x / √(mean x² + ε) · scale`, row by row.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn rms_norm(x: &[f32], scale: &[f32], out: &mut [f32]) {
    let width = scale.len();
    for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        let mut squares = [0.0f32; LANES];
        for x in x.chunks_exact(LANES) {
            for lane in 0..LANES {
                squares[lane] += x[lane] * x[lane];
            }
        }
        let factor = (squares.iter().sum::<f32>() / width as f32 + EPSILON).sqrt().recip();
        for ((out, x), scale) in out.iter_mut().zip(x).zip(scale) {
            *out = x * factor * scale;
        }
    }
}

/// `GELU(x) = x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))`, Hendrycks & Gimpel 2016: the form with tanh, which is
/// `x / (1 + exp(−2 √(2/π) (x + 0.044715 x³)))`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn gelu(x: &mut [f32]) {
    for x in x {
        let inside = 1.595_769 * (*x + 0.044_715 * *x * *x * *x);
        *x /= 1.0 + exp(-inside);
    }
}

/// Keys and values of some positions of one layer: keys `[d, positions]`, values `[positions, d]`.
#[derive(Clone, Copy)]
pub(super) struct Past<'a> {
    pub(super) keys: &'a [f32],
    pub(super) values: &'a [f32],
    /// Positions that are looked at.
    pub(super) seen: usize,
}

/// Positions that are looked at side by side. Both parts of the past are kept in so many, or twice as many.
pub(super) const PROMPT: usize = 2 * LANES;
/// The same of what was generated.
pub(super) const OWN: usize = LANES;

/// What one row attends to: positions of its prompt, then positions of its own.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn attend(query: &[f32], heads: usize, prompt: Past<'_>, own: Past<'_>, out: &mut [f32]) {
    let (width, size) = (query.len(), query.len() / heads);
    let scale = (size as f32).sqrt().recip();
    for head in 0..heads {
        let part = head * size..(head + 1) * size;
        let mut scores = [0.0f32; PROMPT + OWN];
        let (of_prompt, of_own) = scores.split_at_mut(PROMPT);
        for (row, query) in part.clone().zip(&query[part.clone()]) {
            let keys = &prompt.keys[row * PROMPT..][..PROMPT];
            for at in 0..PROMPT {
                of_prompt[at] += query * keys[at];
            }
        }
        if own.seen > 0 {
            for (row, query) in part.clone().zip(&query[part.clone()]) {
                let keys = &own.keys[row * OWN..][..OWN];
                for at in 0..OWN {
                    of_own[at] += query * keys[at];
                }
            }
        }
        let (of_prompt, of_own) = (&mut of_prompt[..prompt.seen], &mut of_own[..own.seen]);
        let most = of_prompt.iter().chain(&*of_own).copied().fold(f32::MIN, f32::max);
        let mut sum = 0.0;
        for score in of_prompt.iter_mut().chain(&mut *of_own) {
            *score = exp((*score - most) * scale);
            sum += *score;
        }
        let out = &mut out[part.clone()];
        out.fill(0.0);
        for (past, scores) in [(prompt, &*of_prompt), (own, &*of_own)] {
            for (at, score) in scores.iter().enumerate() {
                let values = &past.values[at * width..][part.clone()];
                for (out, value) in out.iter_mut().zip(values) {
                    *out += score * value;
                }
            }
        }
        out.iter_mut().for_each(|out| *out /= sum);
    }
}

/// What a row of logits says: probabilities in its place. Returns their entropy and the sum of their squares.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn softmax(logits: &mut [f32], temperature: f32) -> (f32, f32) {
    let most = logits.iter().copied().fold(f32::MIN, f32::max);
    let (mut sum, mut mean) = (0.0, 0.0);
    for logit in &mut *logits {
        let above = (*logit - most) / temperature;
        *logit = exp(above);
        sum += *logit;
        mean += *logit * above;
    }
    let mut squares = 0.0;
    for logit in &mut *logits {
        *logit /= sum;
        squares += *logit * *logit;
    }
    (sum.ln() - mean / sum, squares)
}
