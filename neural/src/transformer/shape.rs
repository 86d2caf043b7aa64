//! How large a decoder is, and where its parameters stand.

use isonomy_engine::problem::Problem;
use isonomy_envs::reasoning::tasks::{CONTEXT, VOCABULARY};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::ops::Range;

/// A decoder-only transformer over characters: learned positions, RMS norm before every part (Zhang & Sennrich 2019),
/// GELU, no biases, a head of its own. Its context is 40 tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decoder {
    /// Numbers per token; a multiple of 16. 64 if not given.
    #[serde(default = "usual_width")]
    pub width: NonZeroU32,
    /// Layers, each of attention and a perceptron of four times the width; 2 if not given.
    #[serde(default = "usual_layers")]
    pub layers: NonZeroU32,
    /// Heads of attention, which divide the width; 4 if not given.
    #[serde(default = "usual_heads")]
    pub heads: NonZeroU32,
}

fn usual_width() -> NonZeroU32 {
    NonZeroU32::new(64).expect("not 0")
}

fn usual_layers() -> NonZeroU32 {
    NonZeroU32::new(2).expect("not 0")
}

fn usual_heads() -> NonZeroU32 {
    NonZeroU32::new(4).expect("not 0")
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder { width: usual_width(), layers: usual_layers(), heads: usual_heads() }
    }
}

/// Wider models are no small preset of anything.
const WIDEST: u32 = 1024;
/// Nor are deeper ones.
const DEEPEST: u32 = 32;
/// Numbers of a vector that the cached decoder computes at once.
pub(super) const LANES: usize = 16;

impl Decoder {
    /// What in the fields makes no sense.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.width.get().is_multiple_of(LANES as u32) || self.width.get() > WIDEST {
            let help = format!("use a multiple of {LANES}, at most {WIDEST}");
            problems.push(Problem::at("width", format!("a width of {}", self.width)).help(help));
        }
        if !self.width.get().is_multiple_of(self.heads.get()) {
            let message = format!("{} heads do not divide a width of {}", self.heads, self.width);
            problems.push(Problem::at("heads", message).help("use a divisor of the width"));
        }
        if self.layers.get() > DEEPEST {
            let help = format!("use at most {DEEPEST}");
            problems.push(Problem::at("layers", format!("{} layers", self.layers)).help(help));
        }
        problems
    }

    /// Where the parameters stand.
    pub fn layout(&self) -> Layout {
        Layout::new(self.width.get() as usize, self.layers.get() as usize, self.heads.get() as usize)
    }
}

/// Parameters as one array: where each matrix stands. A matrix `[a, b]` maps rows of `a` numbers to rows of `b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Numbers per token, d.
    pub width: usize,
    /// Heads of attention.
    pub heads: usize,
    /// `[VOCABULARY, d]`
    pub tokens: Range<usize>,
    /// `[CONTEXT, d]`
    pub positions: Range<usize>,
    /// One after the other.
    pub layers: Vec<Layer>,
    /// `[d]`, the last norm.
    pub norm: Range<usize>,
    /// `[d, VOCABULARY]`
    pub head: Range<usize>,
}

/// Where the parameters of a layer stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// `[d]`, before attention.
    pub norm: Range<usize>,
    /// `[d, 3 d]`: queries, keys, values.
    pub qkv: Range<usize>,
    /// `[d, d]`
    pub out: Range<usize>,
    /// `[d]`, before the perceptron.
    pub second_norm: Range<usize>,
    /// `[d, 4 d]`
    pub up: Range<usize>,
    /// `[4 d, d]`
    pub down: Range<usize>,
}

impl Layer {
    /// The next places.
    pub(crate) fn new(width: usize, mut next: impl FnMut(usize) -> Range<usize>) -> Self {
        let square = width * width;
        Layer {
            norm: next(width),
            qkv: next(3 * square),
            out: next(square),
            second_norm: next(width),
            up: next(4 * square),
            down: next(4 * square),
        }
    }

    /// Asks for matrices with a standard deviation of one over the root of their inputs, less where they write into the
    /// residual stream, by the root of twice the layers (as GPT-2's).
    pub(crate) fn initial(&self, width: usize, layers: usize, mut fill: impl FnMut(&Range<usize>, f64)) {
        let (inner, deep) = ((width as f64).powf(-0.5), (2.0 * layers as f64).powf(-0.5));
        fill(&self.qkv, inner);
        fill(&self.out, inner * deep);
        fill(&self.up, inner);
        fill(&self.down, 0.5 * inner * deep);
    }
}

impl Layout {
    fn new(width: usize, layers: usize, heads: usize) -> Self {
        let mut end = 0;
        let mut next = |len: usize| {
            end += len;
            end - len..end
        };
        Layout {
            width,
            heads,
            tokens: next(VOCABULARY * width),
            positions: next(CONTEXT * width),
            layers: (0..layers).map(|_| Layer::new(width, &mut next)).collect(),
            norm: next(width),
            head: next(width * VOCABULARY),
        }
    }

    /// How many parameters there are.
    pub fn parameters(&self) -> usize {
        self.head.end
    }

    /// Parameters before training: norms are 1, embeddings have a standard deviation of 0.5, so that what layers add does not
    /// drown them, the head of 0.02. `normal` makes standard normal numbers.
    pub fn initial(&self, mut normal: impl FnMut() -> f64) -> Vec<f32> {
        let mut all = vec![1.0; self.parameters()];
        let mut fill = |range: &Range<usize>, deviation: f64| {
            all[range.clone()].iter_mut().for_each(|parameter| *parameter = (deviation * normal()) as f32);
        };
        fill(&self.tokens, 0.5);
        fill(&self.positions, 0.5);
        self.layers.iter().for_each(|layer| layer.initial(self.width, self.layers.len(), &mut fill));
        fill(&self.head, 0.02);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_decoder_has_106_816_parameters() {
        assert_eq!(Decoder::default().layout().parameters(), 106_816);
        assert!(Decoder::default().check().is_empty());
    }

    #[test]
    fn odd_sizes_are_refused() {
        let sizes = |width, layers, heads| {
            let of = |size| NonZeroU32::new(size).expect("not 0");
            let problems = Decoder { width: of(width), layers: of(layers), heads: of(heads) }.check();
            problems.into_iter().map(|problem| problem.path).collect::<Vec<_>>()
        };
        assert_eq!(sizes(40, 2, 4), ["width"]);
        assert_eq!(sizes(48, 2, 5), ["heads"]);
        assert_eq!(sizes(2048, 99, 4), ["width", "layers"]);
    }
}
