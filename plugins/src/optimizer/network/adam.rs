//! Adam (Kingma & Ba 2015, arXiv 1412.6980), with the constants of the paper.

use serde::{Deserialize, Serialize};

/// β₂ of the paper.
pub(crate) const SQUARES_STAY: f32 = 0.999;

/// Moments of the gradients of some weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    steps: i32,
}

impl Adam {
    pub(crate) fn new(weights: usize) -> Self {
        Adam { first: vec![0.0; weights], second: vec![0.0; weights], steps: 0 }
    }

    /// Moves the weights against the gradient. `stays` is β₂: how much of the mean of squares stays.
    pub(crate) fn descend(&mut self, weights: &mut [f32], gradient: &[f32], rate: f32, stays: f32) {
        const FIRST: f32 = 0.9;
        self.steps = self.steps.saturating_add(1);
        let (start, spread) = (1.0 - FIRST.powi(self.steps), 1.0 - stays.powi(self.steps));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((weight, gradient), (first, second)) in weights.iter_mut().zip(gradient).zip(moments) {
            *first = FIRST * *first + (1.0 - FIRST) * gradient;
            *second = stays * *second + (1.0 - stays) * gradient * gradient;
            *weight -= rate * (*first / start) / ((*second / spread).sqrt() + 1e-8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_has_the_length_of_the_rate() {
        let (mut adam, mut weights) = (Adam::new(2), [1.0, 1.0]);
        adam.descend(&mut weights, &[0.3, -20.0], 0.1, SQUARES_STAY);
        assert!((weights[0] - 0.9).abs() < 1e-6 && (weights[1] - 1.1).abs() < 1e-6);
    }

    #[test]
    fn it_finds_the_bottom_of_a_bowl() {
        let (mut adam, mut weights) = (Adam::new(2), [3.0, -2.0]);
        for _ in 0..2000 {
            let gradient = [2.0 * (weights[0] - 1.0), 40.0 * weights[1]];
            adam.descend(&mut weights, &gradient, 0.01, SQUARES_STAY);
        }
        assert!((weights[0] - 1.0).abs() < 1e-3 && weights[1].abs() < 1e-3, "{weights:?}");
    }
}
