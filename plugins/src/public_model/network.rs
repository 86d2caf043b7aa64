//! Small networks with their own reverse pass: a line, a perceptron of one hidden layer, and an LSTM. Others plug in.

use super::random::Words;
use isonomy_engine::plugged::Plugged;
use isonomy_engine::public::ForecastNetwork;
use std::num::NonZeroU32;

/// What a network is made of.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A weighted sum of what is known, and a constant.
    Linear,
    /// One hidden layer of so many `tanh` units.
    Perceptron(NonZeroU32),
    /// One LSTM layer of so many cells, read at its last step.
    Lstm(NonZeroU32),
    /// Something else.
    Other(Plugged<dyn ForecastNetwork>),
}

/// A network of some shape: inputs are a history, one number per time step.
#[derive(Clone, Debug)]
pub struct Network {
    shape: Shape,
    inputs: usize,
    /// All weights; the output layer, `[outputs, hidden + 1]`, is the last part.
    pub parameters: Vec<f64>,
}

/// What a forward pass leaves for the way back: per time step of an LSTM the gates i, f, g, o, the cells and what they
/// show; for a perceptron its hidden units.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    gates: Vec<f64>,
    cells: Vec<f64>,
    hidden: Vec<f64>,
    pull: Vec<f64>,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `rows · (x, 1)` into `out`, weights `[rows, x + 1]`.
fn affine(weights: &[f64], x: &[f64], out: &mut [f64]) {
    for (out, row) in out.iter_mut().zip(weights.chunks_exact(x.len() + 1)) {
        *out = row[x.len()] + row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
    }
}

/// The way back through [`affine`]: adds to the weights' gradient, and to that of `x` where it is asked for.
fn affine_back(weights: &[f64], x: &[f64], out: &[f64], gradient: &mut [f64], mut to_x: Option<&mut [f64]>) {
    let rows = weights.chunks_exact(x.len() + 1).zip(gradient.chunks_exact_mut(x.len() + 1));
    for (pull, (row, gradient)) in out.iter().zip(rows) {
        gradient.iter_mut().zip(x).for_each(|(gradient, x)| *gradient += pull * x);
        gradient[x.len()] += pull;
        if let Some(to_x) = to_x.as_deref_mut() {
            to_x.iter_mut().zip(row).for_each(|(to_x, w)| *to_x += pull * w);
        }
    }
}

impl Network {
    /// Small random weights, and an output layer of zeros: at first it says nothing.
    pub fn new(shape: Shape, inputs: usize, outputs: usize, words: &mut Words) -> Self {
        let mut network = Network { shape, inputs, parameters: Vec::new() };
        let spread = |fan: usize| (3.0 / fan as f64).sqrt();
        match &network.shape {
            Shape::Linear => {}
            Shape::Other(other) => {
                let mut pair = None;
                let mut normal = || match pair.take() {
                    Some(second) => second,
                    None => {
                        let [first, second] = words.normal_pair();
                        pair = Some(second);
                        first
                    }
                };
                network.parameters = other.initial(inputs, outputs, &mut normal);
                return network;
            }
            Shape::Perceptron(_) => {
                let bound = spread(inputs + 1);
                network.parameters = (0..network.first_layer()).map(|_| bound * words.between()).collect();
            }
            Shape::Lstm(cells) => {
                let cells = cells.get() as usize;
                let bound = spread(cells + 1);
                network.parameters = (0..network.first_layer()).map(|_| bound * words.between()).collect();
                // A cell that remembers at first lets the gradient reach the far past.
                let row = cells + 2;
                (cells..2 * cells).for_each(|unit| network.parameters[unit * row + row - 1] = 1.0);
            }
        }
        network.parameters.resize(network.first_layer() + outputs * (network.hidden() + 1), 0.0);
        network
    }

    /// What the output layer reads.
    fn hidden(&self) -> usize {
        match &self.shape {
            Shape::Linear => self.inputs,
            Shape::Perceptron(units) | Shape::Lstm(units) => units.get() as usize,
            Shape::Other(_) => 0,
        }
    }

    /// Weights before the output layer.
    fn first_layer(&self) -> usize {
        match &self.shape {
            Shape::Linear | Shape::Other(_) => 0,
            Shape::Perceptron(units) => units.get() as usize * (self.inputs + 1),
            // Four gates that each see one input, all cells and a constant.
            Shape::Lstm(cells) => 4 * cells.get() as usize * (cells.get() as usize + 2),
        }
    }

    /// What the network says of a history.
    pub fn forward(&self, input: &[f64], tape: &mut Tape, out: &mut [f64]) {
        let (first, last) = self.parameters.split_at(self.first_layer());
        match &self.shape {
            Shape::Other(other) => other.forward(&self.parameters, self.inputs, input, out),
            Shape::Linear => affine(last, input, out),
            Shape::Perceptron(_) => {
                tape.hidden.resize(self.hidden(), 0.0);
                affine(first, input, &mut tape.hidden);
                tape.hidden.iter_mut().for_each(|unit| *unit = unit.tanh());
                affine(last, &tape.hidden, out);
            }
            Shape::Lstm(_) => {
                self.remember(first, input, tape);
                affine(last, &tape.hidden[input.len() * self.hidden()..], out);
            }
        }
    }

    /// Runs the cells along a history. Cells and what they show have a step more than the history, zeros before it.
    fn remember(&self, weights: &[f64], input: &[f64], tape: &mut Tape) {
        let (n, steps) = (self.hidden(), input.len());
        tape.gates.resize(steps * 4 * n, 0.0);
        for column in [&mut tape.cells, &mut tape.hidden] {
            column.clear();
            column.resize((steps + 1) * n, 0.0);
        }
        let mut seen = vec![0.0; n + 1];
        for (t, value) in input.iter().enumerate() {
            seen[0] = *value;
            seen[1..].copy_from_slice(&tape.hidden[t * n..][..n]);
            let gates = &mut tape.gates[t * 4 * n..][..4 * n];
            affine(weights, &seen, gates);
            for (index, gate) in gates.iter_mut().enumerate() {
                *gate = if index / n == 2 { gate.tanh() } else { sigmoid(*gate) };
            }
            for unit in 0..n {
                let [i, f, g, o] = [0, 1, 2, 3].map(|gate| gates[gate * n + unit]);
                let cell = f * tape.cells[t * n + unit] + i * g;
                tape.cells[(t + 1) * n + unit] = cell;
                tape.hidden[(t + 1) * n + unit] = o * cell.tanh();
            }
        }
    }

    /// Adds what `pull`, a derivative with respect to the outputs of the last [`forward`](Self::forward), is with
    /// respect to the parameters.
    pub fn backward(&self, input: &[f64], tape: &mut Tape, pull: &[f64], gradient: &mut [f64]) {
        let (first, last) = self.parameters.split_at(self.first_layer());
        let (to_first, to_last) = gradient.split_at_mut(self.first_layer());
        let n = self.hidden();
        match &self.shape {
            Shape::Other(other) => other.pull_back(&self.parameters, self.inputs, input, pull, gradient),
            Shape::Linear => affine_back(last, input, pull, to_last, None),
            Shape::Perceptron(_) => {
                tape.pull.clear();
                tape.pull.resize(n, 0.0);
                affine_back(last, &tape.hidden, pull, to_last, Some(&mut tape.pull));
                tape.pull.iter_mut().zip(&tape.hidden).for_each(|(pull, unit)| *pull *= 1.0 - unit * unit);
                affine_back(first, input, &tape.pull, to_first, None);
            }
            Shape::Lstm(_) => {
                tape.pull.clear();
                tape.pull.resize(n, 0.0);
                affine_back(last, &tape.hidden[input.len() * n..], pull, to_last, Some(&mut tape.pull));
                self.recall(first, input, tape, to_first);
            }
        }
    }

    /// What the network says of many histories, `[rows, inputs]`: `[rows, outputs]`.
    pub fn forward_all(&self, inputs: &[f64], rows: usize, tape: &mut Tape, out: &mut [f64]) {
        if let Shape::Other(other) = &self.shape {
            return other.forward(&self.parameters, self.inputs, inputs, out);
        }
        let outputs = out.len() / rows.max(1);
        for (row, out) in out.chunks_exact_mut(outputs.max(1)).enumerate() {
            self.forward(&inputs[row * self.inputs..][..self.inputs], tape, out);
        }
    }

    /// Adds what `pull`, a derivative with respect to `out` of [`forward_all`](Self::forward_all), is with respect to the
    /// parameters.
    pub fn backward_all(&self, inputs: &[f64], rows: usize, tape: &mut Tape, pull: &[f64], gradient: &mut [f64]) {
        if let Shape::Other(other) = &self.shape {
            return other.pull_back(&self.parameters, self.inputs, inputs, pull, gradient);
        }
        let mut out = vec![0.0; pull.len() / rows.max(1)];
        for (row, pull) in pull.chunks_exact(out.len().max(1)).enumerate() {
            let input = &inputs[row * self.inputs..][..self.inputs];
            self.forward(input, tape, &mut out);
            self.backward(input, tape, pull, gradient);
        }
    }

    /// The way back along a history; `tape.pull` is the derivative with respect to what the cells show at its end.
    fn recall(&self, weights: &[f64], input: &[f64], tape: &Tape, gradient: &mut [f64]) {
        let n = self.hidden();
        let (mut to_hidden, mut to_cells) = (tape.pull.clone(), vec![0.0; n]);
        let (mut seen, mut to_seen, mut to_gates) = (vec![0.0; n + 1], vec![0.0; n + 1], vec![0.0; 4 * n]);
        for (t, value) in input.iter().enumerate().rev() {
            let gates = &tape.gates[t * 4 * n..][..4 * n];
            for unit in 0..n {
                let [i, f, g, o] = [0, 1, 2, 3].map(|gate| gates[gate * n + unit]);
                let (before, shown) = (tape.cells[t * n + unit], tape.cells[(t + 1) * n + unit].tanh());
                let to_cell = to_cells[unit] + to_hidden[unit] * o * (1.0 - shown * shown);
                to_gates[unit] = to_cell * g * i * (1.0 - i);
                to_gates[n + unit] = to_cell * before * f * (1.0 - f);
                to_gates[2 * n + unit] = to_cell * i * (1.0 - g * g);
                to_gates[3 * n + unit] = to_hidden[unit] * shown * o * (1.0 - o);
                to_cells[unit] = to_cell * f;
            }
            seen[0] = *value;
            seen[1..].copy_from_slice(&tape.hidden[t * n..][..n]);
            to_seen.fill(0.0);
            affine_back(weights, &seen, &to_gates, gradient, Some(&mut to_seen));
            to_hidden.copy_from_slice(&to_seen[1..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_are_differences() {
        let three = NonZeroU32::new(3).unwrap();
        for (shape, inputs) in
            [(Shape::Linear, 0), (Shape::Linear, 4), (Shape::Perceptron(three), 4), (Shape::Lstm(three), 5)]
        {
            let mut words = Words::new(3);
            let mut network = Network::new(shape.clone(), inputs, 2, &mut words);
            network.parameters.iter_mut().for_each(|weight| *weight += 0.3 * words.between());
            let input: Vec<f64> = (0..inputs).map(|at| (at as f64 * 1.7 + 1.0).sin()).collect();
            let (pull, mut tape, mut out) = ([0.7, -1.3], Tape::default(), [0.0; 2]);
            let mut gradient = vec![0.0; network.parameters.len()];
            network.forward(&input, &mut tape, &mut out);
            network.backward(&input, &mut tape, &pull, &mut gradient);
            for (at, found) in gradient.iter().enumerate() {
                let mut value = |by: f64| {
                    let mut moved = network.clone();
                    moved.parameters[at] += by;
                    moved.forward(&input, &mut tape, &mut out);
                    out[0] * pull[0] + out[1] * pull[1]
                };
                let difference = (value(1e-5) - value(-1e-5)) / 2e-5;
                assert!((found - difference).abs() < 1e-8, "{shape:?}: {found}, {difference}");
            }
            assert!(gradient.iter().all(|gradient| *gradient != 0.0), "{shape:?}: a weight without effect");
        }
    }
}
