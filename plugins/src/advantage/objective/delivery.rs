//! Variance reduction system: does who is shown something match who was eligible? arXiv 2306.03293 (2023); the audit, arXiv
//! 2506.16560 (2025), adds that impressions are not people and that reach can fall while this improves. So give both counts.

/// Half the sum of differences between two distributions over groups: 0 where they are equal.
pub fn shuffle_distance(eligible: &[f64], delivered: &[f64]) -> f64 {
    eligible.iter().zip(delivered).map(|(eligible, delivered)| (eligible - delivered).abs()).sum::<f64>() / 2.0
}

/// Share of the items, among those with at least `least` impressions, whose distance is at most `bound`. None where there
/// are none.
pub fn coverage(items: &[(u64, f64)], least: u64, bound: f64) -> Option<f64> {
    let counted: Vec<f64> = items.iter().filter(|(count, _)| *count >= least).map(|(_, distance)| *distance).collect();
    let covered = counted.iter().filter(|&&distance| distance <= bound).count();
    (!counted.is_empty()).then(|| covered as f64 / counted.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_coverage() {
        assert!((shuffle_distance(&[0.5, 0.3, 0.2], &[0.58, 0.27, 0.15]) - 0.08).abs() < 1e-12);
        let items = [0.08, 0.12, 0.05, 0.3, 0.099].map(|distance| (1000, distance));
        assert_eq!(coverage(&items, 300, 0.1), Some(0.6));
        assert_eq!(coverage(&items, 3000, 0.1), None);
    }
}
