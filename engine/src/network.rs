//! Networks: a multilayer perceptron on plain arrays, forward and in reverse.
//!
//! It is here, and not in a library of tensors, because the same few loops run inside a fused rollout, in a learner and in
//! WGSL, and must give the same numbers whatever the batch: every output is a sum in the order of its inputs.

use crate::noise::{Key, Phase, Purpose};
use multiversion::multiversion;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a hidden unit makes of its sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Activation {
    /// `tanh(x)`, to 3e-7.
    #[default]
    Tanh,
    /// `max(x, 0)`.
    Relu,
}

/// Layers of weights, the last of which is linear; or several networks of one shape side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mlp {
    /// Inputs, units of each hidden layer, outputs.
    pub sizes: Vec<usize>,
    /// Between the layers.
    pub activation: Activation,
    /// Networks with weights of their own: row `r` of an input goes through number `r % copies`.
    pub copies: usize,
    /// For every copy and layer its weights `[inputs, outputs]` and then its biases `[outputs]`.
    pub weights: Vec<f32>,
}

/// What [`Mlp::forward`] leaves for [`Mlp::backward`]: the values of every layer, `[rows, units]`.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    rows: usize,
    layers: Vec<Vec<f32>>,
    /// Gradients of the layer at hand and of the one before.
    slopes: [Vec<f32>; 2],
}

impl Mlp {
    /// Weights drawn from a normal distribution of variance `gain² / inputs` (LeCun et al. 1998), biases zero. The last
    /// layer's gain is `last`: a small one begins with outputs near zero.
    pub fn new(sizes: Vec<usize>, activation: Activation, last: f32, seed: u64, stream: u64) -> Mlp {
        Mlp::several(1, sizes, activation, last, seed, stream)
    }

    /// As many networks as `copies`, each begun with numbers of its own.
    pub fn several(copies: usize, sizes: Vec<usize>, activation: Activation, last: f32, seed: u64, stream: u64) -> Mlp {
        let key = Key::new(seed, Phase::Training, Purpose::Learner);
        let total: usize = sizes.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum();
        let mut words = vec![0; 2 * copies * total];
        key.fill(stream, 0, &mut words);
        let mut weights = Vec::with_capacity(copies * total);
        let layers = || sizes.windows(2).enumerate();
        for (layer, pair) in (0..copies).flat_map(|_| layers()) {
            let gain = match activation {
                _ if layer + 2 == sizes.len() => last,
                Activation::Tanh => 1.0,
                Activation::Relu => std::f32::consts::SQRT_2,
            };
            let scale = f64::from(gain) / (pair[0] as f64).sqrt();
            for _ in 0..pair[0] * pair[1] {
                let at = 2 * weights.len();
                weights.push((scale * normal(words[at], words[at + 1])) as f32);
            }
            weights.extend(std::iter::repeat_n(0.0, pair[1]));
        }
        Mlp { sizes, activation, copies, weights }
    }

    /// Numbers that go in.
    pub fn inputs(&self) -> usize {
        self.sizes[0]
    }

    /// Numbers that come out.
    pub fn outputs(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// Rows that go through the same weights at once, of so many.
    fn together(&self, rows: usize) -> usize {
        if self.copies == 1 { rows.max(1) } else { 1 }
    }

    /// The outputs `[rows, outputs]` for `input`, `[rows, inputs]`. They may be changed: [`Mlp::backward`] does not read them.
    pub fn forward<'t>(&self, input: &[f32], trace: &'t mut Trace) -> &'t mut [f32] {
        let rows = input.len() / self.inputs();
        trace.rows = rows;
        trace.layers.resize_with(self.sizes.len(), Vec::new);
        trace.layers[0].clear();
        trace.layers[0].extend_from_slice(input);
        let (together, one) = (self.together(rows), self.weights.len() / self.copies);
        let mut at = 0;
        for (layer, pair) in self.sizes.windows(2).enumerate() {
            let (before, after) = trace.layers.split_at_mut(layer + 1);
            let (from, to) = (&before[layer], &mut after[0]);
            to.resize(rows * pair[1], 0.0);
            let parts = from.chunks(together * pair[0]).zip(to.chunks_mut(together * pair[1]));
            for (part, (from, to)) in parts.enumerate() {
                let own = &self.weights[part % self.copies * one + at..][..(pair[0] + 1) * pair[1]];
                let (matrix, bias) = own.split_at(pair[0] * pair[1]);
                affine(matrix, bias, from, to);
            }
            at += (pair[0] + 1) * pair[1];
            if layer + 2 < self.sizes.len() {
                activate(self.activation, to);
            }
        }
        &mut trace.layers[self.sizes.len() - 1]
    }

    /// Adds to `gradient` the derivative of a loss by every weight, given that by every output, `[rows, outputs]`, of the
    /// rows that `trace` was left by.
    pub fn backward(&self, slope: &[f32], trace: &mut Trace, gradient: &mut [f32]) {
        let (together, one) = (self.together(trace.rows), self.weights.len() / self.copies);
        let mut end = one;
        trace.slopes[0].clear();
        trace.slopes[0].extend_from_slice(slope);
        for (layer, pair) in self.sizes.windows(2).enumerate().rev() {
            let (inputs, outputs) = (pair[0], pair[1]);
            let start = end - (inputs + 1) * outputs;
            let [slope, before] = &mut trace.slopes;
            let parts = trace.layers[layer].chunks(together * inputs).zip(slope.chunks(together * outputs));
            for (part, (from, slope)) in parts.enumerate() {
                let own = &mut gradient[part % self.copies * one..][start..end];
                let (matrix, bias) = own.split_at_mut(inputs * outputs);
                accumulate(from, slope, matrix, bias);
            }
            if layer > 0 {
                before.resize(trace.rows * inputs, 0.0);
                let parts = before.chunks_mut(together * inputs).zip(slope.chunks(together * outputs));
                for (part, (before, slope)) in parts.enumerate() {
                    let own = &self.weights[part % self.copies * one..][start..start + inputs * outputs];
                    pull(own, slope, before, outputs);
                }
                slopes(self.activation, &trace.layers[layer], before);
            }
            trace.slopes.swap(0, 1);
            end = start;
        }
    }
}

/// A normal variate from two words (Box & Muller 1958).
pub fn normal(first: u32, second: u32) -> f64 {
    let unit = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
    (-2.0 * unit(first).ln()).sqrt() * (std::f64::consts::TAU * unit(second)).cos()
}

/// `to[row] = bias + from[row] · matrix`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn affine(matrix: &[f32], bias: &[f32], from: &[f32], to: &mut [f32]) {
    let outputs = bias.len();
    let inputs = matrix.len() / outputs;
    for (to, from) in to.chunks_exact_mut(outputs).zip(from.chunks_exact(inputs)) {
        to.copy_from_slice(bias);
        for (x, weights) in from.iter().zip(matrix.chunks_exact(outputs)) {
            for (to, weight) in to.iter_mut().zip(weights) {
                *to += x * weight;
            }
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn activate(activation: Activation, values: &mut [f32]) {
    match activation {
        Activation::Tanh => values.iter_mut().for_each(|value| *value = tanh(*value)),
        Activation::Relu => values.iter_mut().for_each(|value| *value = value.max(0.0)),
    }
}

/// Multiplies the slopes by the derivative of the activation, given its values.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn slopes(activation: Activation, values: &[f32], slopes: &mut [f32]) {
    match activation {
        Activation::Tanh => slopes.iter_mut().zip(values).for_each(|(slope, value)| *slope *= 1.0 - value * value),
        Activation::Relu => {
            slopes.iter_mut().zip(values).for_each(|(slope, value)| *slope *= f32::from(u8::from(*value > 0.0)));
        }
    }
}

/// Adds `Σ_row from[row] ⊗ slope[row]` to the matrix and `Σ_row slope[row]` to the bias.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn accumulate(from: &[f32], slope: &[f32], matrix: &mut [f32], bias: &mut [f32]) {
    let outputs = bias.len();
    let inputs = matrix.len() / outputs;
    for (from, slope) in from.chunks_exact(inputs).zip(slope.chunks_exact(outputs)) {
        for (x, matrix) in from.iter().zip(matrix.chunks_exact_mut(outputs)) {
            for (sum, slope) in matrix.iter_mut().zip(slope) {
                *sum += x * slope;
            }
        }
        for (sum, slope) in bias.iter_mut().zip(slope) {
            *sum += slope;
        }
    }
}

/// `before[row] = matrix · slope[row]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn pull(matrix: &[f32], slope: &[f32], before: &mut [f32], outputs: usize) {
    let inputs = matrix.len() / outputs;
    for (before, slope) in before.chunks_exact_mut(inputs).zip(slope.chunks_exact(outputs)) {
        for (before, weights) in before.iter_mut().zip(matrix.chunks_exact(outputs)) {
            *before = dot(weights, slope);
        }
    }
}

/// A sum in sixteen parts, the same whatever the processor's registers hold.
#[inline(always)]
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut parts = [0.0; 16];
    let (lefts, rights) = (left.chunks_exact(16), right.chunks_exact(16));
    let tail: f32 = lefts.remainder().iter().zip(rights.remainder()).map(|(x, y)| x * y).sum();
    for (left, right) in lefts.zip(rights) {
        for (part, (x, y)) in parts.iter_mut().zip(left.iter().zip(right)) {
            *part += x * y;
        }
    }
    parts.iter().sum::<f32>() + tail
}

/// `1 − 2 / (e^2x + 1)`. Vectorises, and is the same on every processor.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x.clamp(-9.0, 9.0)) + 1.0)
}

/// `e^x` for |x| up to 80: a power of two times a Taylor polynomial on half a logarithm of two; a relative error of 2e-7.
/// Vectorises, and is the same on every processor.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let power = (x * std::f32::consts::LOG2_E).round_ties_even();
    // The logarithm of two in two parts, the first of which has few enough digits that its multiples are exact.
    let rest = x - power * 0.693_359_4 + power * 2.121_944_4e-4;
    let factorials = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let taylor = factorials.into_iter().fold(0.0, |sum: f32, factor: f32| sum * rest + factor);
    taylor * f32::from_bits(((power as i32 + 127) << 23) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_is_near_enough() {
        for step in -2000..=2000 {
            let x = step as f32 / 150.0;
            assert!((exp(4.0 * x) / (4.0 * x).exp() - 1.0).abs() < 5e-6, "{x}");
            assert!((tanh(x) - x.tanh()).abs() < 3e-7, "{x}: {} {}", tanh(x), x.tanh());
        }
    }

    fn loss(net: &Mlp, input: &[f32], trace: &mut Trace) -> f64 {
        let weighted =
            |(index, value): (usize, &f32)| f64::from(*value) * ((index % 5) as f64 - 1.5) + f64::from(value * value);
        net.forward(input, trace).iter().enumerate().map(weighted).sum()
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        for activation in [Activation::Tanh, Activation::Relu] {
            let mut net = Mlp::new(vec![3, 20, 17, 2], activation, 1.0, 7, 0);
            let input: Vec<f32> = (0..12).map(|i| ((i * 7 % 5) as f32 - 2.0) / 2.0).collect();
            let (mut trace, mut gradient) = (Trace::default(), vec![0.0; net.weights.len()]);
            let slope: Vec<f32> = net
                .forward(&input, &mut trace)
                .iter()
                .enumerate()
                .map(|(i, y)| (i % 5) as f32 - 1.5 + 2.0 * y)
                .collect();
            net.backward(&slope, &mut trace, &mut gradient);
            for weight in (0..net.weights.len()).step_by(13) {
                let (kept, step) = (net.weights[weight], 1e-2_f32);
                let mut at = |moved: f32| {
                    net.weights[weight] = kept + moved;
                    loss(&net, &input, &mut trace)
                };
                let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
                net.weights[weight] = kept;
                assert!(
                    (slope - f64::from(gradient[weight])).abs() < 2e-3 * (1.0 + slope.abs()),
                    "{activation:?} {weight}: {slope} {}",
                    gradient[weight]
                );
            }
        }
    }

    #[test]
    fn a_row_does_not_know_of_others() {
        let net = Mlp::new(vec![4, 33, 3], Activation::Tanh, 0.1, 1, 2);
        let input: Vec<f32> = (0..400).map(|i| (i as f32 * 0.37).sin()).collect();
        let (mut trace, mut other) = (Trace::default(), Trace::default());
        let all = net.forward(&input, &mut trace).to_vec();
        for row in 0..100 {
            assert_eq!(net.forward(&input[4 * row..4 * row + 4], &mut other), &all[3 * row..3 * row + 3]);
        }
    }

    #[test]
    fn networks_side_by_side_are_each_by_itself() {
        let sizes = vec![3, 18, 2];
        let several = Mlp::several(4, sizes.clone(), Activation::Tanh, 1.0, 7, 0);
        let one = several.weights.len() / 4;
        let input: Vec<f32> = (0..3 * 12).map(|i| (i as f32 * 0.37).sin()).collect();
        let slope: Vec<f32> = (0..2 * 12).map(|i| (i as f32 * 0.71).cos()).collect();
        let (mut trace, mut gradient) = (Trace::default(), vec![0.0; several.weights.len()]);
        let outputs = several.forward(&input, &mut trace).to_vec();
        several.backward(&slope, &mut trace, &mut gradient);
        for copy in 0..4 {
            let of = |all: &[f32], width: usize| -> Vec<f32> {
                all.chunks(width).skip(copy).step_by(4).flatten().copied().collect()
            };
            let weights = several.weights[copy * one..][..one].to_vec();
            let single = Mlp { sizes: sizes.clone(), activation: Activation::Tanh, copies: 1, weights };
            let (mut trace, mut own) = (Trace::default(), vec![0.0; one]);
            assert_eq!(single.forward(&of(&input, 3), &mut trace), of(&outputs, 2));
            single.backward(&of(&slope, 2), &mut trace, &mut own);
            assert_eq!(own, gradient[copy * one..][..one]);
        }
        assert_ne!(several.weights[..one], several.weights[one..2 * one]);
    }

    #[test]
    fn weights_begin_as_they_should() {
        let net = Mlp::new(vec![100, 400, 2], Activation::Relu, 0.01, 3, 0);
        let first = &net.weights[..40_000];
        let mean = first.iter().sum::<f32>() / 4e4;
        let variance = first.iter().map(|w| w * w).sum::<f32>() / 4e4;
        assert!(mean.abs() < 3e-3 && (variance - 0.02).abs() < 1e-3, "{mean} {variance}");
        assert!(net.weights[40_000..40_400].iter().all(|&bias| bias == 0.0));
    }
}
