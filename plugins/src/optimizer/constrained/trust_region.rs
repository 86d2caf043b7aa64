//! Steps within a trust region `½ xᵀHx ≤ δ`, from products of gradients with `H⁻¹`. Pure functions on vectors.

use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A step `x = along_gradient · H⁻¹g − along_row · L⁻¹b`, `L` being `H` unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// What the step is made of.
    pub case: Case,
    /// Factor of `H⁻¹g`.
    pub along_gradient: f64,
    /// Factor of `L⁻¹b`, to be subtracted.
    pub along_row: f64,
}

/// How a step came to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Case {
    /// The row holds wherever the trust region reaches: as if there were none.
    Free,
    /// The row cannot hold in the trust region: straight back towards it.
    Recovery,
    /// The row cuts the trust region.
    Both {
        /// Multiplier of the trust region.
        lambda: f64,
        /// Multiplier of the row.
        nu: f64,
    },
}

/// The step that maximises `gᵀx` subject to `bᵀx + c ≤ 0` and `½ xᵀHx ≤ δ`, from `q = gᵀH⁻¹g`, `r = gᵀH⁻¹b` and
/// `s = bᵀH⁻¹b`. Achiam, Held, Tamar & Abbeel, arXiv 1705.10528, theorem 2, which is written for minimisation: with a
/// gradient to ascend, r has the other sign there.
pub fn constrained_step(q: f64, r: f64, s: f64, c: f64, delta: f64) -> Step {
    let free = || Step { case: Case::Free, along_gradient: free_length(q, delta), along_row: 0.0 };
    // A row that does not depend on the policy limits nothing.
    if s <= f64::MIN_POSITIVE {
        return free();
    }
    let reach = 2.0 * delta - c * c / s;
    if reach < 0.0 {
        let recovery = || Step { case: Case::Recovery, along_gradient: 0.0, along_row: (2.0 * delta / s).sqrt() };
        return if c < 0.0 { free() } else { recovery() };
    }
    let nu = |lambda: f64| ((lambda * c + r) / s).max(0.0);
    let dual = |lambda: f64| {
        let nu = nu(lambda);
        (q - 2.0 * nu * r + nu * nu * s) / (2.0 * lambda) + lambda * delta - nu * c
    };
    let candidates = [((q - r * r / s).max(0.0) / reach).sqrt(), (q / (2.0 * delta)).sqrt()];
    let (binding, loose) = validity(r, c);
    let projected = [(candidates[0], binding), (candidates[1], loose)].into_iter().filter_map(|(lambda, valid)| {
        let (low, high) = valid?;
        let lambda = lambda.clamp(low, high);
        (lambda > 0.0 && lambda.is_finite()).then_some(lambda)
    });
    match projected.min_by(|a, b| dual(*a).total_cmp(&dual(*b))) {
        Some(lambda) => {
            let nu = nu(lambda);
            Step { case: Case::Both { lambda, nu }, along_gradient: 1.0 / lambda, along_row: nu / lambda }
        }
        // There is nothing to gain: to the nearest point that keeps to the row.
        None => Step { along_row: c.max(0.0) / s, ..free() },
    }
}

/// A step `x = along_gradient · H⁻¹g − Σ_k along_rows[k] · H⁻¹b_k`.
#[derive(Clone, Debug, PartialEq)]
pub struct Steps {
    /// Whether the rows cannot all hold in the trust region; then the step goes straight back towards the worst.
    pub recovery: bool,
    /// Factor of `H⁻¹g`.
    pub along_gradient: f64,
    /// Factors of `H⁻¹b_k`, to be subtracted.
    pub along_rows: Vec<f64>,
}

/// The step that maximises `gᵀx` subject to `b_kᵀx + c_k ≤ 0` for all k and `½ xᵀHx ≤ δ`, from `q = gᵀH⁻¹g`,
/// `r_k = gᵀH⁻¹b_k` and `s_kl = b_kᵀH⁻¹b_l`. With one row it is [`constrained_step`].
///
/// For a multiplier λ of the trust region, those of the rows minimise `½ νᵀSν − νᵀ(r + λc)` over `ν ≥ 0`; the larger λ, the
/// shorter the step, so the right one is found by halving.
pub fn constrained_steps(q: f64, r: &[f64], s: &[Vec<f64>], c: &[f64], delta: f64) -> Steps {
    let size = |lambda: f64, nu: &[f64]| {
        let across: f64 = nu.iter().zip(s).map(|(own, s)| own * dot(s, nu)).sum();
        (q - 2.0 * dot(nu, r) + across) / (lambda * lambda)
    };
    // Beyond the second no step is stopped by the trust region.
    let (mut short, mut long) = (1e12_f64, (1e-6 * (q / (2.0 * delta)).sqrt()).max(1e-9));
    if size(short, &row_multipliers(short, r, s, c)) > 2.0 * delta * (1.0 + 1e-6) {
        return recovery(s, c, delta);
    }
    for _ in 0..HALVINGS {
        let lambda = (short * long).sqrt();
        let fits = size(lambda, &row_multipliers(lambda, r, s, c)) <= 2.0 * delta;
        *(if fits { &mut short } else { &mut long }) = lambda;
    }
    let along_rows = row_multipliers(short, r, s, c).iter().map(|nu| nu / short).collect();
    Steps { recovery: false, along_gradient: 1.0 / short, along_rows }
}

/// Back towards the row that is exceeded most.
fn recovery(s: &[Vec<f64>], c: &[f64], delta: f64) -> Steps {
    let mut along_rows = vec![0.0; c.len()];
    let movable = (0..c.len()).filter(|&row| s[row][row] > f64::MIN_POSITIVE);
    if let Some(worst) = movable.max_by(|&a, &b| c[a].total_cmp(&c[b])) {
        along_rows[worst] = (2.0 * delta / s[worst][worst]).sqrt();
    }
    Steps { recovery: true, along_gradient: 0.0, along_rows }
}

/// Halvings of the logarithm of a multiplier.
const HALVINGS: u32 = 70;
/// Rounds of improving one multiplier after the other.
const ROUNDS: u32 = 300;

/// What minimises `½ νᵀSν − νᵀ(r + λc)` over `ν ≥ 0`, one coordinate after the other.
fn row_multipliers(lambda: f64, r: &[f64], s: &[Vec<f64>], c: &[f64]) -> Vec<f64> {
    let mut nu = vec![0.0_f64; r.len()];
    for _ in 0..ROUNDS {
        let mut change = 0.0_f64;
        for row in (0..r.len()).filter(|&row| s[row][row] > f64::MIN_POSITIVE) {
            let better = (nu[row] + (r[row] + lambda * c[row] - dot(&s[row], &nu)) / s[row][row]).max(0.0);
            change = change.max((better - nu[row]).abs() / better.max(1e-300));
            nu[row] = better;
        }
        if change < 1e-13 {
            break;
        }
    }
    nu
}

/// An interval of multipliers, if there is one.
type Interval = Option<(f64, f64)>;

/// Where `λc + r ≥ 0`, so that the row binds, and where `λc + r ≤ 0`, among `λ ≥ 0`.
fn validity(r: f64, c: f64) -> (Interval, Interval) {
    let all = Some((0.0, f64::INFINITY));
    let (below, above) = (|at: f64| (at >= 0.0).then_some((0.0, at)), |at: f64| Some((at.max(0.0), f64::INFINITY)));
    match c {
        c if c < 0.0 => (below(-r / c), above(-r / c)),
        c if c > 0.0 => (above(-r / c), below(-r / c)),
        _ if r >= 0.0 => (all, None),
        _ => (None, all),
    }
}

/// `sqrt(2δ / q)`: how far along `H⁻¹g` the trust region ends.
pub fn free_length(q: f64, delta: f64) -> f64 {
    if q > f64::MIN_POSITIVE { (2.0 * delta / q).sqrt() } else { 0.0 }
}

/// The free step, and then the way back to `bᵀx + c ≤ 0` that is shortest in the norm of `L`, from `row_norm = bᵀL⁻¹b`:
/// `x = sqrt(2δ/q) H⁻¹g − max(0, (sqrt(2δ/q) r + c) / bᵀL⁻¹b) L⁻¹b`. Yang, Rosca, Narasimhan & Ramadge,
/// arXiv 2010.03152, with `L = H` (projection by divergence) or the identity (L2).
pub fn projected_step(q: f64, r: f64, c: f64, row_norm: f64, delta: f64) -> Step {
    let along_gradient = free_length(q, delta);
    let excess = (along_gradient * r + c).max(0.0);
    let along_row = if row_norm > f64::MIN_POSITIVE { excess / row_norm } else { 0.0 };
    Step { case: Case::Free, along_gradient, along_row }
}

/// Solves `A x = b` for a symmetric positive `A` that is only known by its products. Hestenes & Stiefel 1952.
pub fn conjugate_gradient(product: impl Fn(&[f64]) -> Vec<f64>, b: &[f64], iterations: u32) -> Vec<f64> {
    let (mut x, mut rest, mut along) = (vec![0.0; b.len()], b.to_vec(), b.to_vec());
    let mut size = dot(&rest, &rest);
    let enough = 1e-24 * size;
    for _ in 0..iterations {
        if size <= enough {
            break;
        }
        let image = product(&along);
        let length = size / dot(&along, &image);
        x.iter_mut().zip(&along).for_each(|(x, along)| *x += length * along);
        rest.iter_mut().zip(&image).for_each(|(rest, image)| *rest -= length * image);
        let before = std::mem::replace(&mut size, dot(&rest, &rest));
        along.iter_mut().zip(&rest).for_each(|(along, rest)| *along = rest + size / before * *along);
    }
    x
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// How large a step may be and how well it is computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrustRegion {
    /// Largest mean divergence of a step, δ, in nats.
    pub divergence: Positive,
    /// Added to the diagonal of the Fisher matrix.
    pub damping: NonNegative,
    /// Iterations of the conjugate gradient.
    pub iterations: u32,
}

impl Default for TrustRegion {
    fn default() -> Self {
        let (divergence, damping) = (Positive::new(0.01), NonNegative::new(1e-4));
        TrustRegion {
            divergence: divergence.expect("above zero"),
            damping: damping.expect("not below zero"),
            iterations: 15,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `H = diag(2, 1)`, `g = (1, 2)`, `b = (1, .5)`.
    const G: [f64; 2] = [0.5, 2.0];
    const B: [f64; 2] = [0.5, 0.5];
    const Q: f64 = 4.5;
    const R: f64 = 1.5;
    const S: f64 = 0.75;

    fn step(c: f64) -> (Case, [f64; 2]) {
        let step = constrained_step(Q, R, S, c, 0.01);
        (step.case, [0, 1].map(|i| step.along_gradient * G[i] - step.along_row * B[i]))
    }

    fn close(found: [f64; 2], expected: [f64; 2]) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}, not {expected:?}");
    }

    #[test]
    fn every_case_of_a_constrained_step() {
        assert_eq!(step(-0.5).0, Case::Free);
        close(step(-0.5).1, [0.033333, 0.133333]);
        for (c, lambda, nu, x) in
            [(-0.05, 9.486833, 1.367544, [-0.019371, 0.138743]), (0.02, 8.778086, 2.234082, [-0.070293, 0.100587])]
        {
            let (Case::Both { lambda: found_lambda, nu: found_nu }, found) = step(c) else { panic!("{:?}", step(c)) };
            close([found_lambda, found_nu], [lambda, nu]);
            close(found, x);
        }
        let along = step(-0.05).1;
        assert!((along[0] + 2.0 * along[1] - 0.258114).abs() < 1e-6);
        assert_eq!(step(0.3).0, Case::Recovery);
        close(step(0.3).1, [-0.081650, -0.081650]);
    }

    #[test]
    fn steps_are_at_least_as_good_as_any_on_a_grid() {
        for (r, c) in [(1.5, -0.05), (1.5, 0.0), (-1.5, 0.02), (-1.5, -0.05), (-1.5, 0.0), (0.0, 0.05)] {
            // H is the identity, g = (2, 0), b = (r / 2, 1): q = 4, s = r²/4 + 1.
            let (b, delta) = ([r / 2.0, 1.0], 0.01);
            let step = constrained_step(4.0, r, r * r / 4.0 + 1.0, c, delta);
            let x = [step.along_gradient * 2.0 - step.along_row * b[0], -step.along_row * b[1]];
            assert!(x[0] * x[0] + x[1] * x[1] <= 2.0 * delta + 1e-12 && b[0] * x[0] + b[1] * x[1] + c <= 1e-12);
            for turn in 0..10_000 {
                let (sin, cos) = (f64::from(turn) * std::f64::consts::TAU / 1e4).sin_cos();
                let other = [cos * (2.0 * delta).sqrt(), sin * (2.0 * delta).sqrt()];
                let allowed = b[0] * other[0] + b[1] * other[1] + c <= 0.0;
                assert!(!allowed || other[0] <= x[0] + 1e-9, "r {r}, c {c}: {other:?} beats {x:?}");
            }
        }
    }

    #[test]
    fn several_rows_are_one_row_where_the_others_are_far() {
        let s = [vec![S, -0.1], vec![-0.1, 0.4]];
        for c in [-0.5, -0.05, 0.02] {
            let (one, both) =
                (constrained_step(Q, R, S, c, 0.01), constrained_steps(Q, &[R, 0.2], &s, &[c, -9.0], 0.01));
            assert!((both.along_gradient / one.along_gradient - 1.0).abs() < 1e-6, "{both:?}, not {one:?}");
            assert!((both.along_rows[0] - one.along_row).abs() < 1e-6 && both.along_rows[1] == 0.0);
        }
        let back = constrained_steps(Q, &[R, 0.2], &s, &[0.3, -9.0], 0.01);
        assert!(back.recovery);
        assert!((back.along_rows[0] - constrained_step(Q, R, S, 0.3, 0.01).along_row).abs() < 1e-12);
    }

    #[test]
    fn two_rows_make_a_corner() {
        // H is the identity, g = (2, 1), x ≤ 0.05 and y ≤ 0.02, well inside of the circle.
        let steps = constrained_steps(5.0, &[2.0, 1.0], &[vec![1.0, 0.0], vec![0.0, 1.0]], &[-0.05, -0.02], 0.01);
        let x = [2.0, 1.0].map(|g| steps.along_gradient * g);
        close([x[0] - steps.along_rows[0], x[1] - steps.along_rows[1]], [0.05, 0.02]);
    }

    #[test]
    fn projections_by_divergence_and_by_distance() {
        let identity = [1.0, 0.5];
        for (c, by_divergence, by_distance) in
            [(-0.05, [0.0, 0.1], [-0.006667, 0.113333]), (0.02, [-0.046667, 0.053333], [-0.062667, 0.085333])]
        {
            for (row_norm, back, expected) in [(S, B, by_divergence), (1.25, identity, by_distance)] {
                let step = projected_step(Q, R, c, row_norm, 0.01);
                close([0, 1].map(|i| step.along_gradient * G[i] - step.along_row * back[i]), expected);
            }
        }
    }

    #[test]
    fn conjugate_gradients_solve() {
        let product = |x: &[f64]| vec![4.0 * x[0] + x[1], x[0] + 3.0 * x[1]];
        let x = conjugate_gradient(product, &[1.0, 2.0], 5);
        assert!((x[0] - 1.0 / 11.0).abs() < 1e-12 && (x[1] - 7.0 / 11.0).abs() < 1e-12);
        assert_eq!(conjugate_gradient(product, &[0.0, 0.0], 5), [0.0, 0.0]);
    }

    #[test]
    fn gradients_that_vanish_move_nothing() {
        assert_eq!(constrained_step(0.0, 0.0, 0.0, 0.3, 0.01).along_gradient, 0.0);
        // Nothing to gain, but within reach of the row: back onto it.
        let back = constrained_step(0.0, 0.0, 1.0, 0.1, 0.01);
        assert!((back.along_row - 0.1).abs() < 1e-12, "{back:?}");
        assert_eq!(projected_step(0.0, 0.0, 0.3, 0.0, 0.01).along_row, 0.0);
    }
}
