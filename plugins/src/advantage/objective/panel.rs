//! Individual fairness by a panel: pairs of individuals that are treated more differently than enough auditors think they
//! differ. One-sided feedback, arXiv 2206.04475 (2023).

/// Pairs that at least a share `quorum` of auditors flags, `(favoured, other)`. Auditor j flags a pair where the decisions
/// differ by more than `distance[j][a][b] + slack`.
pub fn flagged(decision: &[f64], distance: &[Vec<Vec<f64>>], slack: f64, quorum: f64) -> Vec<(usize, usize)> {
    let all = (0..decision.len()).flat_map(|a| (0..decision.len()).map(move |b| (a, b)));
    let flags = |&(a, b): &(usize, usize)| {
        let votes = distance.iter().filter(|of| excess(decision, of, slack, (a, b)) > 0.0).count();
        a != b && votes > 0 && votes as f64 >= quorum * distance.len() as f64
    };
    all.filter(flags).collect()
}

/// By how much a pair is treated more differently than one auditor admits.
pub fn excess(decision: &[f64], distance: &[Vec<f64>], slack: f64, (a, b): (usize, usize)) -> f64 {
    decision[a] - decision[b] - distance[a][b] - slack
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_of_two() {
        let symmetric = |d12, d13, d23| vec![vec![0.0, d12, d13], vec![d12, 0.0, d23], vec![d13, d23, 0.0]];
        let panel = [symmetric(0.3, 0.2, 0.3), symmetric(0.6, 0.4, 0.3)];
        let decision = [0.9, 0.4, 0.6];
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
        near(excess(&decision, &panel[0], 0.05, (0, 1)), 0.15);
        near(excess(&decision, &panel[0], 0.05, (0, 2)), 0.05);
        assert!(excess(&decision, &panel[1], 0.05, (0, 1)) < 0.0);
        assert_eq!(flagged(&decision, &panel, 0.05, 0.5), [(0, 1), (0, 2)]);
        assert_eq!(flagged(&decision, &panel, 0.05, 1.0), []);
    }
}
