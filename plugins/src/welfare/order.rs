//! What ranks share: sums in which what counts depends on how many are worse off.

use isonomy_engine::welfare::{LinearRow, LinearRows};

/// Lends the places of utilities from the smallest up, equals in order of place.
/// The allocator is asked only where they are many.
pub(super) fn with<T>(utilities: &[f64], borrower: impl FnOnce(&[usize]) -> T) -> T {
    const FEW: usize = 64;
    fn sorted<'a>(utilities: &[f64], order: &'a mut [usize]) -> &'a [usize] {
        order.sort_unstable_by(|&a, &b| utilities[a].total_cmp(&utilities[b]).then(a.cmp(&b)));
        order
    }
    if utilities.len() <= FEW {
        let mut order: [usize; FEW] = std::array::from_fn(|place| place);
        borrower(sorted(utilities, &mut order[..utilities.len()]))
    } else {
        borrower(sorted(utilities, &mut (0..utilities.len()).collect::<Vec<_>>()))
    }
}

/// `Σ weight(k) · x_(k)`, ranks from 0.
pub(super) fn sum(utilities: &[f64], weight: impl Fn(usize) -> f64) -> f64 {
    let of_rank = |(rank, &place): (usize, &usize)| weight(rank) * utilities[place];
    with(utilities, |order| order.iter().enumerate().map(of_rank).sum())
}

/// Writes the weight of everyone's rank.
pub(super) fn weigh(utilities: &[f64], weights: &mut [f64], weight: impl Fn(usize) -> f64) {
    with(utilities, |order| {
        for (rank, &place) in order.iter().enumerate() {
            weights[place] = weight(rank);
        }
    });
}

/// Writes how many have less than one, minus how many have more, made into a weight: equals weigh the same.
pub(super) fn weigh_standing(utilities: &[f64], weights: &mut [f64], weight: impl Fn(f64) -> f64) {
    with(utilities, |order| {
        for (of_one, x) in weights.iter_mut().zip(utilities) {
            let below = order.partition_point(|&place| utilities[place] < *x);
            let up_to = order.partition_point(|&place| utilities[place] <= *x);
            *of_one = weight(below as f64 - (utilities.len() - up_to) as f64);
        }
    });
}

/// `Σ weight(k) · x_(k)` with weights that never rise, as a linear programme.
///
/// The sum of the `k` smallest is `max k t − Σ u_i` with `u_i ≥ t − x_i` and `u_i ≥ 0`; weights that fall are a sum of
/// such sums. Ogryczak & Śliwiński, European Journal of Operational Research 148 (2003).
pub(super) fn linear_rows(utilities: usize, weight: impl Fn(usize) -> f64) -> LinearRows {
    let last = weight(utilities - 1);
    let mut programme = LinearRows { utilities: vec![last; utilities], ..LinearRows::default() };
    for smallest in 1..utilities {
        let step = weight(smallest - 1) - weight(smallest);
        if step > 0.0 {
            add_smallest(&mut programme, step * smallest as f64, &vec![step; utilities]);
        }
    }
    programme
}

/// Adds `max (level · t − Σ shortfall_i · max(t − x_i, 0))`.
pub(super) fn add_smallest(programme: &mut LinearRows, level: f64, shortfall: &[f64]) {
    let t = programme.levels.len();
    programme.levels.push(level);
    for (place, shortfall) in shortfall.iter().enumerate() {
        let u = programme.levels.len();
        programme.levels.push(-shortfall);
        programme.rows.push(LinearRow { utilities: vec![(place, -1.0)], levels: vec![(t, 1.0), (u, -1.0)] });
        programme.rows.push(LinearRow { utilities: Vec::new(), levels: vec![(u, -1.0)] });
    }
}
