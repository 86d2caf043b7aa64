//! Aranyani: parity of decisions online, from running means per group in place of stored examples. arXiv 2310.11401 (2023).

/// Running means of a decision and of its gradient over the members of a group; nothing before the first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    seen: f64,
    decision: f64,
    gradient: Vec<f64>,
}

impl Group {
    /// Adds one member.
    pub fn observe(&mut self, decision: f64, gradient: &[f64]) {
        self.seen += 1.0;
        self.gradient.resize(gradient.len(), 0.0);
        self.decision += (decision - self.decision) / self.seen;
        for (mean, part) in self.gradient.iter_mut().zip(gradient) {
            *mean += (part - *mean) / self.seen;
        }
    }
}

/// What parity between two groups adds to a gradient: `strength · h'(F) · (mean gradient of the first − of the second)`, F
/// the gap of mean decisions, `h'(F) = F` below `linear_below` in size and its sign above. 0 until both groups were seen.
pub fn parity_gradient(groups: [&Group; 2], strength: f64, linear_below: f64) -> Vec<f64> {
    let [first, second] = groups;
    if first.seen == 0.0 || second.seen == 0.0 {
        return vec![0.0; first.gradient.len().max(second.gradient.len())];
    }
    let gap = first.decision - second.decision;
    let slope = if gap.abs() < linear_below { gap } else { gap.signum() };
    first.gradient.iter().zip(&second.gradient).map(|(a, b)| strength * slope * (a - b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_gap_and_a_small_one() {
        for (gap, expected) in [(0.3, [0.045, -0.075]), (0.004, [0.000180, -0.000300])] {
            let (mut first, mut second) = (Group::default(), Group::default());
            // Means over two members each.
            first.observe(0.5 + gap, &[0.3, -0.2]);
            first.observe(0.5 + gap, &[0.1, 0.0]);
            second.observe(0.4, &[0.05, 0.15]);
            second.observe(0.6, &[0.05, 0.15]);
            let found = parity_gradient([&first, &second], 0.3, 0.01);
            let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-9);
            assert!(near, "{found:?}, not {expected:?}");
            assert_eq!(parity_gradient([&first, &Group::default()], 0.3, 0.01), [0.0, 0.0]);
        }
    }
}
