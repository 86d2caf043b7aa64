//! A small decoder-only transformer: how large it is, how it is trained, how it answers quickly.

pub(crate) mod block;
mod decode;
mod kernel;
mod shape;
#[cfg(test)]
mod tests;
mod train;

pub use decode::{Choice, Decoding, Generated};
pub use shape::{Decoder, Layer, Layout};
pub use train::{Batch, gradient, gradient_of_all, log_probs};
