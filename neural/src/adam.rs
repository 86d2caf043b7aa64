//! Adam: steps of a size that gradients only scale relative to their own past. Kingma & Ba, ICLR 2015.

/// How parameters move against gradients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adam {
    /// What is kept of the mean of gradients, and of the mean of their squares.
    pub(crate) keep: [f32; 2],
    /// Gradients longer than this are shortened to it.
    pub(crate) longest: f32,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { keep: [0.9, 0.99], longest: 1.0 }
    }
}

impl Adam {
    /// Makes step number `step`, from 1, of size `rate`. `moments` are the means of gradients and of their squares, 0 before
    /// the first step. Returns the length of the gradient.
    pub(crate) fn step(
        &self,
        step: u32,
        rate: f32,
        gradient: &[f32],
        parameters: &mut [f32],
        [mean, square]: [&mut [f32]; 2],
    ) -> f32 {
        let length = gradient.iter().map(|slope| f64::from(*slope).powi(2)).sum::<f64>().sqrt() as f32;
        let scale = if length > self.longest { self.longest / length } else { 1.0 };
        let [mean_of, square_of] = self.keep.map(|keep| 1.0 - keep.powi(step.min(1 << 20) as i32));
        let moments = mean.iter_mut().zip(square);
        for ((parameter, slope), (mean, square)) in parameters.iter_mut().zip(gradient).zip(moments) {
            let slope = slope * scale;
            *mean += (1.0 - self.keep[0]) * (slope - *mean);
            *square += (1.0 - self.keep[1]) * (slope * slope - *square);
            *parameter -= rate * (*mean / mean_of) / ((*square / square_of).sqrt() + 1e-8);
        }
        length
    }
}
