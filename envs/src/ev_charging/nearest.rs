//! The nearest commands that a grid can carry.
//!
//! `min Σ (z_i - a_i)²  with  low ≤ z ≤ high,  |F_j(z)| ≤ L_j`. Given multipliers `μ_j ≥ 0` of `|F_j|² ≤ L_j²`, every station
//! of class `g` moves by the same `λ_g = Σ_j μ_j/L_j Re(conj(F_j) B_jg)` until it meets a bound: `z_i = clip(a_i - λ_g)`.
//! So the unknowns are a sum per class and a multiplier per limit, a handful whatever the number of stations. Newton's
//! method on those equations, with the set of limits that bind guessed anew in every round, ends after a few rounds;
//! where it does not, accelerated projected gradients on the dual take over, which always converge.

use super::grid::{Bounds, Flow, Grid};
use super::projection;

/// Rounds of Newton's method before the slow way is taken.
const ROUNDS: usize = 25;
/// Accuracy of Newton's method, in ampere.
const EXACT: f64 = 1e-9;

/// Room for intermediate results.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// Classes that a binding limit is part of.
    touched: Vec<u32>,
    /// Limits that bind.
    binding: Vec<u32>,
    place: Vec<u32>,
    multiplier: Vec<f64>,
    shift: Vec<f64>,
    clipped: Vec<f64>,
    free: Vec<f64>,
    matrix: Vec<f64>,
    right: Vec<f64>,
    gradient: Vec<f64>,
    start: Vec<f64>,
    dual: Vec<Flow>,
    ahead: Vec<Flow>,
    steepness: f64,
}

impl Work {
    /// Room for this grid.
    pub(super) fn new(grid: &Grid) -> Self {
        let (classes, limits, stations) = (grid.classes(), grid.limits.len(), grid.stations.len());
        let most = classes + limits;
        Work {
            touched: Vec::with_capacity(classes),
            binding: Vec::with_capacity(limits),
            place: vec![0; classes],
            multiplier: vec![0.0; limits],
            shift: vec![0.0; classes],
            clipped: vec![0.0; classes],
            free: vec![0.0; classes],
            matrix: vec![0.0; most * most],
            right: vec![0.0; most],
            gradient: vec![0.0; limits * classes],
            start: vec![0.0; stations],
            dual: vec![Flow::default(); limits],
            ahead: vec![Flow::default(); limits],
            steepness: steepness(grid),
        }
    }
}

/// Replaces `amps` by the nearest commands between `low` and `high` that the grid can carry. Expects the flows of `amps`.
pub(super) fn project(
    grid: &Grid,
    bounds: &Bounds<'_>,
    low: &[f64],
    high: &[f64],
    amps: &mut [f64],
    work: &mut projection::Work,
) {
    let projection::Work { sums, flows, nearest, .. } = work;
    nearest.start.copy_from_slice(amps);
    let problem = Problem { grid, bounds, low, high };
    if !newton(&problem, sums, flows, nearest) {
        descend(&problem, sums, flows, nearest);
    }
    for (station, amps) in amps.iter_mut().enumerate() {
        *amps =
            (nearest.start[station] - nearest.shift[grid.class[station] as usize]).clamp(low[station], high[station]);
    }
    grid.sums(amps, sums);
    grid.flows(sums, flows);
    if !bounds.all_hold(flows) {
        projection::shrink(grid, bounds, amps, work);
    }
}

struct Problem<'a> {
    grid: &'a Grid,
    bounds: &'a Bounds<'a>,
    low: &'a [f64],
    high: &'a [f64],
}

impl Problem<'_> {
    /// The sum of every class where its stations move by `shift`, and how many of them are between their bounds.
    fn clip(&self, start: &[f64], shift: &[f64], clipped: &mut [f64], free: &mut [f64]) {
        clipped.fill(0.0);
        free.fill(0.0);
        for (station, &class) in self.grid.class.iter().enumerate() {
            let (low, high, class) = (self.low[station], self.high[station], class as usize);
            let wish = start[station] - shift[class];
            clipped[class] += wish.clamp(low, high);
            free[class] += f64::from(u8::from(wish > low && wish <= high));
        }
    }
}

/// Leaves the moves of the classes in `work.shift`. `sums` and `flows` are those of the commands on entry.
fn newton(problem: &Problem<'_>, sums: &mut [f64], flows: &mut [Flow], work: &mut Work) -> bool {
    let Problem { grid, bounds, .. } = *problem;
    work.multiplier.fill(0.0);
    for _ in 0..ROUNDS {
        choose(grid, bounds, flows, work);
        let worst = slack(bounds, flows, work);
        move_classes(grid, bounds, flows, work);
        problem.clip(&work.start, &work.shift, &mut work.clipped, &mut work.free);
        let off = (0..sums.len()).map(|class| (work.clipped[class] - sums[class]).abs()).fold(worst, f64::max);
        if off <= EXACT {
            return true;
        }
        if !off.is_finite() || !solve(grid, bounds, sums, flows, work) {
            return false;
        }
        grid.flows(sums, flows);
    }
    false
}

/// `(|F|² - L²) / 2L`: about by how much a limit is exceeded, in its own unit.
fn overrun(bounds: &Bounds<'_>, limit: usize, flow: Flow) -> f64 {
    let reach = bounds.reach(limit);
    (bounds.with(limit, flow).square() - reach * reach) / (2.0 * reach)
}

/// The limits that bind: exceeded, or with a multiplier that outweighs their slack.
fn choose(grid: &Grid, bounds: &Bounds<'_>, flows: &[Flow], work: &mut Work) {
    work.binding.clear();
    work.touched.clear();
    work.place.fill(u32::MAX);
    for (limit, &flow) in flows.iter().enumerate() {
        if work.multiplier[limit] + overrun(bounds, limit, flow) <= EXACT * 0.1 {
            work.multiplier[limit] = 0.0;
            continue;
        }
        work.binding.push(limit as u32);
        for term in grid.row(limit) {
            let place = &mut work.place[term.to as usize];
            if *place == u32::MAX {
                *place = work.touched.len() as u32;
                work.touched.push(term.to);
            }
        }
    }
}

/// The largest violation of what must hold at the solution, as far as it concerns limits and multipliers.
fn slack(bounds: &Bounds<'_>, flows: &[Flow], work: &Work) -> f64 {
    let off = |&limit: &u32| {
        let limit = limit as usize;
        overrun(bounds, limit, flows[limit]).abs().max(-work.multiplier[limit])
    };
    work.binding.iter().map(off).fold(0.0, f64::max)
}

/// `shift = Σ_j μ_j ∇_j`, where `∇_j` is the gradient of `|F_j|²/2L_j` by the sums of the classes, kept for [`solve`].
fn move_classes(grid: &Grid, bounds: &Bounds<'_>, flows: &[Flow], work: &mut Work) {
    let classes = grid.classes();
    work.shift.fill(0.0);
    for &limit in &work.binding {
        let limit = limit as usize;
        let flow = bounds.with(limit, flows[limit]);
        let reach = bounds.reach(limit);
        for term in grid.row(limit) {
            let slope = flow.dot(term.flow()) / reach;
            work.gradient[limit * classes + term.to as usize] = slope;
            work.shift[term.to as usize] += work.multiplier[limit] * slope;
        }
    }
}

/// One step of Newton's method on `sum_g = clip(shift_g)` and `|F_j| = L_j`; classes outside every binding limit are
/// where they started.
fn solve(grid: &Grid, bounds: &Bounds<'_>, sums: &mut [f64], flows: &[Flow], work: &mut Work) -> bool {
    let (touched, binding) = (work.touched.len(), work.binding.len());
    let size = touched + binding;
    let matrix = &mut work.matrix[..size * size];
    matrix.fill(0.0);
    for (row, &class) in work.touched.iter().enumerate() {
        matrix[row * size + row] = 1.0;
        work.right[row] = work.clipped[class as usize] - sums[class as usize];
    }
    for (index, &limit) in work.binding.iter().enumerate() {
        let limit = limit as usize;
        let terms = grid.row(limit);
        let scale = work.multiplier[limit] / bounds.reach(limit);
        let column = touched + index;
        for term in terms {
            let row = work.place[term.to as usize] as usize;
            let slope = work.gradient[limit * grid.classes() + term.to as usize];
            let free = work.free[term.to as usize];
            matrix[row * size + column] = free * slope;
            matrix[column * size + row] = slope;
            if scale != 0.0 && free != 0.0 {
                for other in terms {
                    let at = work.place[other.to as usize] as usize;
                    matrix[row * size + at] += free * scale * term.flow().dot(other.flow());
                }
            }
        }
        // Keeps the system solvable where binding limits say the same.
        matrix[column * size + column] = -1e-13;
        work.right[column] = -overrun(bounds, limit, flows[limit]);
    }
    if !eliminate(matrix, &mut work.right[..size], size) {
        return false;
    }
    for class in 0..sums.len() {
        let place = work.place[class];
        sums[class] += if place == u32::MAX { work.clipped[class] - sums[class] } else { work.right[place as usize] };
    }
    for (index, &limit) in work.binding.iter().enumerate() {
        work.multiplier[limit as usize] += work.right[touched + index];
    }
    true
}

/// Gauss, with the largest pivot of each column.
fn eliminate(matrix: &mut [f64], right: &mut [f64], size: usize) -> bool {
    for step in 0..size {
        let size_at = |row: usize| matrix[row * size + step].abs();
        let pivot = (step..size).max_by(|&a, &b| size_at(a).total_cmp(&size_at(b))).unwrap_or(step);
        if size_at(pivot) < 1e-300 {
            return false;
        }
        if pivot != step {
            for column in step..size {
                matrix.swap(pivot * size + column, step * size + column);
            }
            right.swap(pivot, step);
        }
        let (above, below) = matrix.split_at_mut((step + 1) * size);
        let pivot_row = &above[step * size..];
        for (row, values) in below.chunks_exact_mut(size).enumerate() {
            let factor = values[step] / pivot_row[step];
            if factor != 0.0 {
                for column in step + 1..size {
                    values[column] -= factor * pivot_row[column];
                }
                right[step + 1 + row] -= factor * right[step];
            }
        }
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|column| matrix[row * size + column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row * size + row];
    }
    right.iter().all(|x| x.is_finite())
}

/// Accelerated projected gradients on the dual, restarted whenever they overshoot. One complex multiplier `y_j` per limit:
/// `z = clip(a - Re(Bᴴ y))` is exact for any `y`, and `y` follows what `z` makes of the limits.
fn descend(problem: &Problem<'_>, sums: &mut [f64], flows: &mut [Flow], work: &mut Work) {
    const MOST_ROUNDS: usize = 20_000;
    let Problem { grid, bounds, .. } = *problem;
    let step = 1.0 / work.steepness;
    work.dual.fill(Flow::default());
    work.ahead.fill(Flow::default());
    let mut momentum = 1.0_f64;
    for _ in 0..MOST_ROUNDS {
        pull(grid, &work.ahead, &mut work.shift);
        problem.clip(&work.start, &work.shift, &mut work.clipped, &mut work.free);
        sums.copy_from_slice(&work.clipped);
        grid.flows(sums, flows);
        let next_momentum = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
        let weight = (momentum - 1.0) / next_momentum;
        let (mut change, mut overshoot) = (0.0_f64, 0.0);
        for (limit, &flow) in flows.iter().enumerate() {
            let (ahead, old) = (work.ahead[limit], work.dual[limit]);
            let new = toward(bounds, limit, ahead, flow, step);
            let moved = Flow { re: new.re - old.re, im: new.im - old.im };
            overshoot += Flow { re: ahead.re - new.re, im: ahead.im - new.im }.dot(moved);
            change = change.max(Flow { re: new.re - ahead.re, im: new.im - ahead.im }.square());
            work.ahead[limit] = Flow { re: new.re + weight * moved.re, im: new.im + weight * moved.im };
            work.dual[limit] = new;
        }
        momentum = if overshoot > 0.0 { 1.0 } else { next_momentum };
        if overshoot > 0.0 {
            work.ahead.copy_from_slice(&work.dual);
        }
        if change.sqrt() <= step * EXACT {
            break;
        }
    }
    pull(grid, &work.dual, &mut work.shift);
}

/// The multiplier after one step: of `y + step · F` what is beyond the disc that the limit allows.
fn toward(bounds: &Bounds<'_>, limit: usize, dual: Flow, flow: Flow, step: f64) -> Flow {
    let flow = bounds.with(limit, flow);
    let target = Flow { re: dual.re / step + flow.re, im: dual.im / step + flow.im };
    let size = target.square().sqrt();
    let reach = bounds.reach(limit);
    if size <= reach {
        return Flow::default();
    }
    let beyond = step * (1.0 - reach / size);
    Flow { re: beyond * target.re, im: beyond * target.im }
}

/// `shift_g = Σ_j Re(conj(B_jg) y_j)`.
fn pull(grid: &Grid, dual: &[Flow], shift: &mut [f64]) {
    for (class, shift) in shift.iter_mut().enumerate() {
        *shift = grid.column(class).iter().map(|term| term.flow().dot(dual[term.to as usize])).sum();
    }
}

/// A bound on the largest eigenvalue of `B diag(stations per class) Bᴴ`, by its largest sum of a row.
fn steepness(grid: &Grid) -> f64 {
    let mut count = vec![0.0; grid.classes()];
    for &class in &grid.class {
        count[class as usize] += 1.0;
    }
    let weight = |limit: usize| {
        let of = |class: usize, by: f64| -> f64 {
            grid.column(class).iter().map(|term| by * term.flow().square().sqrt()).sum()
        };
        grid.row(limit)
            .iter()
            .map(|term| of(term.to as usize, count[term.to as usize] * term.flow().square().sqrt()))
            .sum::<f64>()
    };
    (0..grid.limits.len()).map(weight).fold(1e-12, f64::max)
}
