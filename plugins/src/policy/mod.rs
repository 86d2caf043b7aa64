//! How policies that learn begin.

mod softmax;

pub use softmax::Softmax;
