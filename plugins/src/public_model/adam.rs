//! Adam: steps of a size that gradients only scale relative to their own past. Kingma & Ba, ICLR 2015.

use serde::{Deserialize, Serialize};

/// Moving averages of a gradient and of its square.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Adam {
    mean: Vec<f64>,
    square: Vec<f64>,
    steps: i32,
}

impl Adam {
    /// Moves parameters against a gradient.
    pub(super) fn step(
        &mut self,
        rate: f64,
        gradient: impl ExactSizeIterator<Item = f64>,
        parameters: &mut [&mut [f64]],
    ) {
        const KEEP: (f64, f64) = (0.9, 0.999);
        self.mean.resize(gradient.len(), 0.0);
        self.square.resize(gradient.len(), 0.0);
        self.steps = self.steps.saturating_add(1);
        let (mean_of, square_of) = (1.0 - KEEP.0.powi(self.steps), 1.0 - KEEP.1.powi(self.steps));
        let parameters = parameters.iter_mut().flat_map(|part| part.iter_mut());
        let averages = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, slope), (mean, square)) in parameters.zip(gradient).zip(averages) {
            *mean += (1.0 - KEEP.0) * (slope - *mean);
            *square += (1.0 - KEEP.1) * (slope * slope - *square);
            *parameter -= rate * (*mean / mean_of) / ((*square / square_of).sqrt() + 1e-8);
        }
    }
}
