//! The decoder in burn: log-probabilities of whole sequences, and their gradient.

use super::block::{Block, floats, numbers, rms_norm};
use super::shape::Layout;
use crate::backend::Backend;
use burn::activation::log_softmax;
use burn::{Device, Int, Tensor, TensorData};
use std::ops::Range;

/// Sequences of tokens, and how much the log-probability of every next one counts. All are `[rows, width]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Tokens of a sequence; at most the context.
    pub width: usize,
    /// Logits are divided by this.
    pub temperature: f32,
    /// What is read.
    pub tokens: Vec<u8>,
    /// What follows each token.
    pub next: Vec<u8>,
    /// What the log-probability of what follows is multiplied by.
    pub weight: Vec<f32>,
}

/// `Σ weight · ln π(next)`, and its gradient.
pub fn gradient(layout: &Layout, parameters: &[f32], batch: &Batch, backend: Backend) -> (f64, Vec<f32>) {
    let device = backend.device().autodiff();
    let model = Model::new(layout, parameters, &device, true);
    let weight = floats::<2>(&batch.weight, [batch.weight.len(), 1], &device);
    let loss = (model.log_probs(layout, batch, &device) * weight).sum();
    let mut gradients = loss.backward();
    let mut all = vec![0.0; layout.parameters()];
    for (range, tensor) in model.parts(layout) {
        // What nothing depended on has no gradient.
        if let Some(own) = tensor.grad_remove(&mut gradients) {
            all[range.clone()].copy_from_slice(&numbers(own));
        }
    }
    (f64::from(numbers(loss)[0]), all)
}

/// The sum over batches, added up in their order. `shared`: by two threads, which makes no difference to it.
pub fn gradient_of_all(
    layout: &Layout,
    parameters: &[f32],
    batches: &[Batch],
    backend: Backend,
    shared: bool,
) -> (f64, Vec<f32>) {
    let of = |batch: &Batch| gradient(layout, parameters, batch, backend);
    let parts: Vec<(f64, Vec<f32>)> = match shared {
        false => batches.iter().map(of).collect(),
        true => {
            // Batches grow with their number: whoever takes the odd ones takes them from the other end.
            let mut parts = vec![(0.0, Vec::new()); batches.len()];
            std::thread::scope(|scope| {
                let (mut even, mut odd): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
                for (index, pair) in parts.iter_mut().zip(batches).enumerate() {
                    let first = (index % 4 == 0) || (index % 4 == 3);
                    if first { even.push(pair) } else { odd.push(pair) }
                }
                let work = |pairs: Vec<(&mut (f64, Vec<f32>), &Batch)>| {
                    pairs.into_iter().for_each(|(part, batch)| *part = of(batch));
                };
                scope.spawn(move || work(odd));
                work(even);
            });
            parts
        }
    };
    let mut sum = (0.0, vec![0.0; layout.parameters()]);
    for (loss, gradient) in parts {
        sum.0 += loss;
        sum.1.iter_mut().zip(gradient).for_each(|(sum, slope)| *sum += slope);
    }
    sum
}

/// `ln π(next)` of every token, `[rows, width]`.
pub fn log_probs(layout: &Layout, parameters: &[f32], batch: &Batch, backend: Backend) -> Vec<f32> {
    let device = backend.device();
    numbers(Model::new(layout, parameters, &device, false).log_probs(layout, batch, &device))
}

/// Parameters as tensors.
struct Model {
    tokens: Tensor<2>,
    positions: Tensor<2>,
    layers: Vec<Block>,
    norm: Tensor<2>,
    head: Tensor<2>,
}

impl Model {
    fn new(layout: &Layout, parameters: &[f32], device: &Device, learned: bool) -> Self {
        let width = layout.width;
        let of = |range: &Range<usize>, rows: usize| {
            let tensor = floats(&parameters[range.clone()], [rows, range.len() / rows], device);
            if learned { tensor.require_grad() } else { tensor }
        };
        Model {
            tokens: of(&layout.tokens, layout.tokens.len() / width),
            positions: of(&layout.positions, layout.positions.len() / width),
            layers: layout.layers.iter().map(|layer| Block::new(layer, width, of)).collect(),
            norm: of(&layout.norm, 1),
            head: of(&layout.head, width),
        }
    }

    /// Every tensor with its place in the array of parameters.
    fn parts<'a>(&'a self, layout: &'a Layout) -> Vec<(&'a Range<usize>, &'a Tensor<2>)> {
        let mut parts = vec![
            (&layout.tokens, &self.tokens),
            (&layout.positions, &self.positions),
            (&layout.norm, &self.norm),
            (&layout.head, &self.head),
        ];
        layout.layers.iter().zip(&self.layers).for_each(|(at, block)| parts.extend(block.parts(at)));
        parts
    }

    /// `ln π(next)`, `[rows · width, 1]`.
    fn log_probs(&self, layout: &Layout, batch: &Batch, device: &Device) -> Tensor<2> {
        let (width, columns, heads) = (batch.width, layout.width, layout.heads);
        let rows = batch.tokens.len() / width;
        let ids = |tokens: &[u8]| tokens.iter().map(|&token| i32::from(token)).collect::<Vec<_>>();
        let tokens = Tensor::<1, Int>::from_data(TensorData::new(ids(&batch.tokens), [rows * width]), device);
        let next = Tensor::<2, Int>::from_data(TensorData::new(ids(&batch.next), [rows * width, 1]), device);
        let ahead = |at: usize| if at % width > at / width { f32::MIN } else { 0.0 };
        let mask: Vec<f32> = (0..width * width).map(ahead).collect();
        let mask = floats::<4>(&mask, [1, 1, width, width], device);
        let positions = self.positions.clone().narrow(0, 0, width).reshape([1, width, columns]);
        let x = self.tokens.clone().select(0, tokens).reshape([rows, width, columns]) + positions;
        let mut x: Tensor<2> = x.reshape([rows * width, columns]);
        for block in &self.layers {
            x = block.pass(x, width, heads, Some(&mask));
        }
        let logits = rms_norm(&x, &self.norm).matmul(self.head.clone());
        log_softmax(logits / batch.temperature, 1).gather(1, next)
    }
}
