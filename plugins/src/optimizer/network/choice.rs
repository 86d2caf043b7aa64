//! How likely a network finds an action, and how that depends on its outputs.

use isonomy_engine::policy::Head;

/// What a row's distribution says of the action that was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Choice {
    /// Logarithm of the action's chance or density.
    pub(crate) log: f32,
    /// Entropy of the distribution, nats.
    pub(crate) entropy: f32,
}

/// The choice of `action` by `outputs`.
pub(crate) fn choice(head: Head, outputs: &[f32], action: u32) -> Choice {
    match head {
        Head::Categorical | Head::Masked => {
            let normalizer = log_sum(outputs);
            let entropy = -outputs.iter().map(|logit| (logit - normalizer).exp() * (logit - normalizer)).sum::<f32>();
            Choice { log: outputs[action as usize] - normalizer, entropy }
        }
        Head::Gaussian { log_deviation } => {
            let score = (f32::from_bits(action) - outputs[0]) / log_deviation.exp();
            let log = -0.5 * score * score - log_deviation - HALF_LOG_TAU;
            Choice { log, entropy: log_deviation + HALF_LOG_TAU + 0.5 }
        }
    }
}

/// Writes `by_log · ∂log + by_entropy · ∂entropy` by every output; returns the same by the logarithm of the deviation.
pub(crate) fn slope(
    head: Head,
    outputs: &[f32],
    action: u32,
    (by_log, by_entropy): (f32, f32),
    slope: &mut [f32],
) -> f32 {
    match head {
        Head::Categorical | Head::Masked => {
            let normalizer = log_sum(outputs);
            let entropy = choice(head, outputs, action).entropy;
            for (index, (slope, logit)) in slope.iter_mut().zip(outputs).enumerate() {
                let log = logit - normalizer;
                let taken = f32::from(u8::from(index == action as usize));
                *slope = by_log * (taken - log.exp()) - by_entropy * log.exp() * (log + entropy);
            }
            0.0
        }
        Head::Gaussian { log_deviation } => {
            let deviation = log_deviation.exp();
            let score = (f32::from_bits(action) - outputs[0]) / deviation;
            slope[0] = by_log * score / deviation;
            by_log * (score * score - 1.0) + by_entropy
        }
    }
}

/// `ln(2π) / 2`.
const HALF_LOG_TAU: f32 = 0.918_938_5;

fn log_sum(logits: &[f32]) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    top + logits.iter().map(|logit| (logit - top).exp()).sum::<f32>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use isonomy_engine::policy::NEVER;

    #[test]
    fn slopes_are_those_of_finite_differences() {
        let heads = [
            (Head::Categorical, vec![0.3, -1.2, 0.8], 2),
            (Head::Masked, vec![NEVER, 0.3, NEVER, 0.8], 3),
            (Head::Gaussian { log_deviation: -0.4 }, vec![0.7], 1.1_f32.to_bits()),
        ];
        for (head, outputs, action) in heads {
            let value = |head: Head, outputs: &[f32]| {
                let choice = choice(head, outputs, action);
                0.7 * choice.log - 0.2 * choice.entropy
            };
            let mut found = vec![0.0; outputs.len()];
            let by_deviation = slope(head, &outputs, action, (0.7, -0.2), &mut found);
            for index in 0..outputs.len() {
                let (mut more, mut less) = (outputs.clone(), outputs.clone());
                more[index] += 1e-2;
                less[index] -= 1e-2;
                let expected = (value(head, &more) - value(head, &less)) / 2e-2;
                assert!((found[index] - expected).abs() < 2e-4, "{head:?} {index}: {} {expected}", found[index]);
            }
            if let Head::Gaussian { log_deviation } = head {
                let at = |moved: f32| value(Head::Gaussian { log_deviation: log_deviation + moved }, &outputs);
                let expected = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!((by_deviation - expected).abs() < 2e-4, "{by_deviation} {expected}");
            }
        }
    }

    #[test]
    fn chances_sum_to_one() {
        let logits = [0.1, 2.0, -3.0, 0.7];
        let sum: f32 = (0..4).map(|action| choice(Head::Categorical, &logits, action).log.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        assert!((choice(Head::Categorical, &[1.0; 4], 0).entropy - 4f32.ln()).abs() < 1e-6);
    }
}
