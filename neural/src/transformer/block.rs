//! A layer of a transformer in burn: attention, then a perceptron, each behind a norm (pre-norm, Xiong et al. 2020).

use super::kernel::EPSILON;
use super::shape::Layer;
use burn::activation::{sigmoid, softmax};
use burn::{Device, Tensor, TensorData};
use std::ops::Range;

/// Numbers as a tensor.
pub(crate) fn floats<const D: usize>(numbers: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), shape), device)
}

/// A tensor as numbers.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("numbers are f32")
}

/// The parameters of a layer.
pub(crate) struct Block {
    norm: Tensor<2>,
    qkv: Tensor<2>,
    out: Tensor<2>,
    second_norm: Tensor<2>,
    up: Tensor<2>,
    down: Tensor<2>,
}

impl Block {
    /// `of` makes a tensor of so many rows of a part of all parameters.
    pub(crate) fn new(at: &Layer, width: usize, of: impl Fn(&Range<usize>, usize) -> Tensor<2>) -> Self {
        Block {
            norm: of(&at.norm, 1),
            qkv: of(&at.qkv, width),
            out: of(&at.out, width),
            second_norm: of(&at.second_norm, 1),
            up: of(&at.up, width),
            down: of(&at.down, 4 * width),
        }
    }

    /// Every tensor with its place.
    pub(crate) fn parts<'a>(&'a self, at: &'a Layer) -> [(&'a Range<usize>, &'a Tensor<2>); 6] {
        [
            (&at.norm, &self.norm),
            (&at.qkv, &self.qkv),
            (&at.out, &self.out),
            (&at.second_norm, &self.second_norm),
            (&at.up, &self.up),
            (&at.down, &self.down),
        ]
    }

    /// Lets sequences of `length` pass, `[rows · length, width]`. `mask` is added to scores, `[1, 1, length, length]`.
    pub(crate) fn pass(&self, x: Tensor<2>, length: usize, heads: usize, mask: Option<&Tensor<4>>) -> Tensor<2> {
        let [cells, width] = x.dims();
        let (rows, size) = (cells / length, width / heads);
        let qkv = rms_norm(&x, &self.norm).matmul(self.qkv.clone());
        let part = |at: usize| {
            let part = qkv.clone().narrow(1, at * width, width);
            part.reshape([rows, length, heads, size]).swap_dims(1, 2)
        };
        let scores = (part(0) * (size as f32).sqrt().recip()).matmul(part(1).swap_dims(2, 3));
        let scores = match mask {
            Some(mask) => scores + mask.clone(),
            None => scores,
        };
        let seen = softmax(scores, 3).matmul(part(2)).swap_dims(1, 2).reshape([cells, width]);
        let x = x + seen.matmul(self.out.clone());
        let wide = rms_norm(&x, &self.second_norm).matmul(self.up.clone());
        x + gelu(wide).matmul(self.down.clone())
    }
}

/// As the kernel's.
pub(crate) fn rms_norm(x: &Tensor<2>, scale: &Tensor<2>) -> Tensor<2> {
    let length = (x.clone() * x.clone()).mean_dim(1) + EPSILON;
    x.clone() / length.sqrt() * scale.clone()
}

/// As the kernel's.
fn gelu(x: Tensor<2>) -> Tensor<2> {
    let inside = (x.clone() * x.clone() * 0.071_354_816 + 1.595_769_1) * x.clone();
    sigmoid(inside) * x
}
