//! A transformer encoder that predicts a public signal.

use crate::backend::Backend;
use crate::transformer::Layer;
use crate::transformer::block::{Block, floats, numbers, rms_norm};
use burn::{Device, Tensor};
use isonomy_engine::plugin;
use isonomy_engine::problem::Problem;
use isonomy_engine::public::ForecastNetwork;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::ops::Range;

/// A transformer encoder (Vaswani et al. 2017) that sees a history value by value and speaks at the last one.
///
/// Each value is embedded by a line and its position by sines and cosines; layers of attention over the whole history and of
/// a perceptron of four times the width stand behind RMS norms (pre-norm, Xiong et al. 2020). Trained by burn's
/// reverse pass, in single precision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransformerEncoder {
    /// Numbers per value of the history, an even number; 16 if not given.
    #[serde(default = "usual_width")]
    pub width: NonZeroU32,
    /// Layers; 1 if not given.
    #[serde(default = "one")]
    pub layers: NonZeroU32,
    /// Heads of attention, which divide the width; 2 if not given.
    #[serde(default = "two")]
    pub heads: NonZeroU32,
    /// What computes it; the processor if not given.
    #[serde(default)]
    pub backend: Backend,
}

fn usual_width() -> NonZeroU32 {
    NonZeroU32::new(16).expect("not 0")
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn two() -> NonZeroU32 {
    NonZeroU32::new(2).expect("not 0")
}

plugin!(ForecastNetwork: TransformerEncoder, "(width: 16)");

/// Histories that pass at once.
const SIDE_BY_SIDE: usize = 512;
/// Larger ones are no small models.
const WIDEST: u32 = 512;
const DEEPEST: u32 = 16;

/// Where the parameters stand.
struct Places {
    /// `[2, d]`: the slope and the start of the line that embeds a value.
    embedding: Range<usize>,
    layers: Vec<Layer>,
    /// `[d]`
    norm: Range<usize>,
    /// `[d, values]`
    head: Range<usize>,
    /// `[values]`
    start: Range<usize>,
}

impl TransformerEncoder {
    fn places(&self, values: usize) -> Places {
        let (width, mut end) = (self.width.get() as usize, 0);
        let mut next = |len: usize| {
            end += len;
            end - len..end
        };
        Places {
            embedding: next(2 * width),
            layers: (0..self.layers.get()).map(|_| Layer::new(width, &mut next)).collect(),
            norm: next(width),
            head: next(width * values),
            start: next(values),
        }
    }

    /// Sines and cosines of a position, `[history, d]`: wavelengths from 2π to 10000 · 2π.
    fn positions(&self, history: usize) -> Vec<f32> {
        let width = self.width.get() as usize;
        let number = |at: usize| {
            let (position, column) = ((at / width) as f64, at % width);
            let angle = position * 10_000_f64.powf(-((column / 2 * 2) as f64) / width as f64);
            (if column % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
        };
        (0..history * width).map(number).collect()
    }

    /// What it says of some histories, and its parameters with their places.
    fn say(&self, parameters: &[f64], history: usize, seen: &[f64], values: usize, device: &Device) -> Said {
        let (width, heads) = (self.width.get() as usize, self.heads.get() as usize);
        let rows = seen.len() / history;
        let places = self.places(values);
        let narrow: Vec<f32> = parameters.iter().map(|parameter| *parameter as f32).collect();
        let of = |range: &Range<usize>, rows: usize| {
            let tensor = floats(&narrow[range.clone()], [rows, range.len() / rows], device);
            if device.is_autodiff() { tensor.require_grad() } else { tensor }
        };
        let seen: Vec<f32> = seen.iter().flat_map(|value| [*value as f32, 1.0]).collect();
        let embedding = of(&places.embedding, 2);
        let x = floats(&seen, [rows * history, 2], device).matmul(embedding.clone());
        let positions = floats(&self.positions(history), [1, history, width], device);
        let mut x: Tensor<2> = (x.reshape([rows, history, width]) + positions).reshape([rows * history, width]);
        let mut parts = vec![(places.embedding.clone(), embedding)];
        for at in &places.layers {
            let block = Block::new(at, width, of);
            x = block.pass(x, history, heads, None);
            parts.extend(block.parts(at).map(|(range, tensor)| (range.clone(), tensor.clone())));
        }
        let last = x.reshape([rows, history, width]).narrow(1, history - 1, 1).reshape([rows, width]);
        let (norm, head, start) = (of(&places.norm, 1), of(&places.head, width), of(&places.start, 1));
        let said = rms_norm(&last, &norm).matmul(head.clone()) + start.clone();
        parts.extend([(places.norm, norm), (places.head, head), (places.start, start)]);
        Said { said, parts }
    }
}

struct Said {
    /// `[rows, values]`
    said: Tensor<2>,
    parts: Vec<(Range<usize>, Tensor<2>)>,
}

#[typetag::serde]
impl ForecastNetwork for TransformerEncoder {
    fn check(&self, history: usize) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.backend.check().into_iter().collect();
        let (width, heads) = (self.width.get(), self.heads.get());
        if !width.is_multiple_of(2) || width > WIDEST {
            let help = format!("use an even number, at most {WIDEST}");
            problems.push(Problem::at("width", format!("a width of {width}")).help(help));
        }
        if !width.is_multiple_of(heads) {
            let message = format!("{heads} heads do not divide a width of {width}");
            problems.push(Problem::at("heads", message).help("use a divisor of the width"));
        }
        if self.layers.get() > DEEPEST {
            let help = format!("use at most {DEEPEST}");
            problems.push(Problem::at("layers", format!("{} layers", self.layers)).help(help));
        }
        if history == 0 {
            let message = "nothing is known beforehand that could be looked at";
            problems.push(Problem::at("", message).help("use Constant, or a signal with a history"));
        }
        problems
    }

    fn initial(&self, _history: usize, values: usize, normal: &mut dyn FnMut() -> f64) -> Vec<f64> {
        let (width, places) = (self.width.get() as usize, self.places(values));
        let mut all = vec![1.0; places.start.end];
        let mut fill = |range: &Range<usize>, deviation: f64| {
            all[range.clone()].iter_mut().for_each(|parameter| *parameter = deviation * normal());
        };
        fill(&places.embedding, 1.0);
        places.layers.iter().for_each(|layer| layer.initial(width, places.layers.len(), &mut fill));
        // At first it says nothing.
        all[places.head.start..places.start.end].fill(0.0);
        all
    }

    fn forward(&self, parameters: &[f64], history: usize, seen: &[f64], said: &mut [f64]) {
        let values = said.len() * history / seen.len();
        let device = self.backend.device();
        let each = seen.chunks(SIDE_BY_SIDE * history).zip(said.chunks_mut(SIDE_BY_SIDE * values));
        for (seen, said) in each {
            let found = numbers(self.say(parameters, history, seen, values, &device).said);
            said.iter_mut().zip(found).for_each(|(said, found)| *said = f64::from(found));
        }
    }

    fn pull_back(&self, parameters: &[f64], history: usize, seen: &[f64], pull: &[f64], gradient: &mut [f64]) {
        let values = pull.len() * history / seen.len();
        let device = self.backend.device().autodiff();
        for (seen, pull) in seen.chunks(SIDE_BY_SIDE * history).zip(pull.chunks(SIDE_BY_SIDE * values)) {
            let Said { said, parts } = self.say(parameters, history, seen, values, &device);
            let narrow: Vec<f32> = pull.iter().map(|pull| *pull as f32).collect();
            let pull = floats(&narrow, [pull.len() / values, values], &device);
            let mut gradients = (said * pull).sum().backward();
            for (range, tensor) in parts {
                let Some(own) = tensor.grad_remove(&mut gradients) else { continue };
                gradient[range].iter_mut().zip(numbers(own)).for_each(|(sum, slope)| *sum += f64::from(slope));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isonomy_plugins::public_model::Words;

    fn encoder() -> TransformerEncoder {
        TransformerEncoder { width: usual_width(), layers: one(), heads: two(), backend: Backend::Flex }
    }

    fn normal(seed: u64) -> impl FnMut() -> f64 {
        let mut words = Words::new(seed);
        move || words.normal_pair()[0]
    }

    #[test]
    fn gradients_are_differences() {
        let (encoder, history, values) = (encoder(), 5, 2);
        let mut normal = normal(1);
        let mut parameters = encoder.initial(history, values, &mut normal);
        let seen: Vec<f64> = (0..3 * history).map(|_| normal()).collect();
        let mut said = vec![1.0; 3 * values];
        encoder.forward(&parameters, history, &seen, &mut said);
        assert_eq!(said, [0.0; 6], "at first it says nothing");
        parameters.iter_mut().for_each(|parameter| *parameter += 0.3 * normal());
        let pull: Vec<f64> = (0..3 * values).map(|_| normal()).collect();
        let mut gradient = vec![0.0; parameters.len()];
        encoder.pull_back(&parameters, history, &seen, &pull, &mut gradient);
        for at in (0..parameters.len()).step_by(97).chain(parameters.len() - 40..parameters.len()) {
            let own = parameters[at];
            let mut value = |by: f64| {
                parameters[at] = own + by;
                encoder.forward(&parameters, history, &seen, &mut said);
                said.iter().zip(&pull).map(|(said, pull)| said * pull).sum::<f64>()
            };
            let difference = (value(5e-3) - value(-5e-3)) / 1e-2;
            parameters[at] = own;
            let found = gradient[at];
            assert!((found - difference).abs() < 2e-3 + 0.02 * difference.abs(), "{at}: {found}, {difference}");
        }
    }

    /// The third of six values, whatever the others are: a model that does not know their order can only say their mean,
    /// with a squared error of 5/6 of the variance.
    #[test]
    fn it_knows_the_order_of_what_it_sees() {
        let (encoder, history, rows) = (encoder(), 6, 64);
        let mut normal = normal(2);
        let mut parameters = encoder.initial(history, 1, &mut normal);
        let mut moments = [vec![0.0; parameters.len()], vec![0.0; parameters.len()]];
        let (mut said, mut error) = (vec![0.0; rows], 1.0);
        for step in 1..=400 {
            let seen: Vec<f64> = (0..rows * history).map(|_| normal()).collect();
            encoder.forward(&parameters, history, &seen, &mut said);
            let errors: Vec<f64> =
                said.iter().zip(seen.chunks_exact(history)).map(|(said, seen)| said - seen[2]).collect();
            error += 0.05 * (errors.iter().map(|error| error * error).sum::<f64>() / rows as f64 - error);
            let pull: Vec<f64> = errors.iter().map(|error| 2.0 * error / rows as f64).collect();
            let mut gradient = vec![0.0; parameters.len()];
            encoder.pull_back(&parameters, history, &seen, &pull, &mut gradient);
            let narrow = |numbers: &[f64]| numbers.iter().map(|number| *number as f32).collect::<Vec<_>>();
            let (gradient, mut moved) = (narrow(&gradient), narrow(&parameters));
            let [mean, square] = &mut moments;
            crate::adam::Adam::default().step(step, 0.01, &gradient, &mut moved, [mean, square]);
            parameters = moved.into_iter().map(f64::from).collect();
        }
        assert!(error < 0.2, "a squared error of {error}");
    }
}
