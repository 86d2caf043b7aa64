//! The nearest commands that a grid can carry.
//!
//! `min Σ (z_i - a_i)²  with  low ≤ z ≤ high,  |F_j(z)| ≤ L_j`. Given multipliers `μ_j ≥ 0` of `|F_j|² ≤ L_j²`, every station
//! of class `g` moves by the same `λ_g = Σ_j μ_j/L_j Re(conj(F_j) B_jg)` until it meets a bound: `z_i = clip(a_i - λ_g)`.
//! So the unknowns are a sum per class and a multiplier per limit, a handful whatever the number of stations. Newton's
//! method on those equations, with the set of limits that bind guessed anew in every round, often ends after a few
//! rounds. Where it does not, an interior point comes close enough (convex programmes leave it no choice), and the same
//! method finishes.

use super::grid::{Bounds, Flow, Grid};
use super::projection;

/// Rounds of Newton's method before the longer way is taken.
const ROUNDS: usize = 6;
/// Rounds of the interior point; it needs about 15.
const MOST_ROUNDS: usize = 60;
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
    inner: Inner,
}

/// Room for the interior point: stations that can move, one behind the other, and limits.
#[derive(Clone, Debug, Default)]
struct Inner {
    class: Vec<u32>,
    wish: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    amps: Vec<f64>,
    /// Multipliers of the lower bounds, and of the upper ones.
    above: Vec<f64>,
    below: Vec<f64>,
    /// One over the distance to the lower bound, and to the upper one.
    up: Vec<f64>,
    down: Vec<f64>,
    weight: Vec<f64>,
    pull: Vec<f64>,
    change: Vec<f64>,
    /// How far limits are from binding, and how that changes.
    slack: Vec<f64>,
    slack_change: Vec<f64>,
    /// By class: sums of weights and of weighted pulls, and by how much the class moves against them.
    weights: Vec<f64>,
    pulls: Vec<f64>,
    against: Vec<f64>,
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
            inner: Inner::new(grid),
        }
    }
}

/// What is remembered from one step of a site to the next: multipliers of the limits, then sums of the classes. Zeros: nothing.
pub(super) fn memory(grid: &Grid) -> usize {
    grid.limits.len() + grid.classes()
}

/// Replaces `amps` by the nearest commands between `low` and `high` that the grid can carry. Expects the sums and the flows of
/// the commands between their bounds.
pub(super) fn project(
    grid: &Grid,
    bounds: &Bounds<'_>,
    low: &[f64],
    high: &[f64],
    amps: &mut [f64],
    work: &mut projection::Work,
) {
    let projection::Work { sums, flows, nearest, memory, plugged, .. } = work;
    for &station in &*plugged {
        nearest.start[station as usize] = amps[station as usize];
    }
    let problem = Problem { grid, bounds, plugged, low, high };
    let (multipliers, before) = memory.split_at_mut(flows.len());
    nearest.multiplier.copy_from_slice(multipliers);
    if multipliers.iter().any(|multiplier| *multiplier > 0.0) {
        sums.copy_from_slice(before);
        grid.flows(sums, flows);
    }
    if !newton(&problem, sums, flows, nearest) {
        approach(&problem, sums, flows, nearest);
        newton(&problem, sums, flows, nearest);
    }
    multipliers.copy_from_slice(&nearest.multiplier);
    before.copy_from_slice(sums);
    for &station in &*plugged {
        let station = station as usize;
        let wish = nearest.start[station] - nearest.shift[grid.class[station] as usize];
        amps[station] = wish.max(low[station]).min(high[station]);
    }
    grid.sums_of(plugged, amps, sums);
    grid.flows(sums, flows);
    if !bounds.all_hold(flows) {
        projection::shrink(grid, bounds, amps, work);
    }
}

struct Problem<'a> {
    grid: &'a Grid,
    bounds: &'a Bounds<'a>,
    /// Stations that count.
    plugged: &'a [u32],
    low: &'a [f64],
    high: &'a [f64],
}

impl Problem<'_> {
    /// The sum of every class where its stations move by `shift`, and how many of them are between their bounds.
    fn clip(&self, start: &[f64], shift: &[f64], clipped: &mut [f64], free: &mut [f64]) {
        clipped.fill(0.0);
        free.fill(0.0);
        for &station in self.plugged {
            let station = station as usize;
            let (low, high, class) = (self.low[station], self.high[station], self.grid.class[station] as usize);
            let wish = start[station] - shift[class];
            clipped[class] += wish.max(low).min(high);
            free[class] += f64::from(u8::from(wish > low && wish <= high));
        }
    }
}

/// Leaves the moves of the classes in `work.shift`. `sums` and `flows` are those of the commands on entry.
fn newton(problem: &Problem<'_>, sums: &mut [f64], flows: &mut [Flow], work: &mut Work) -> bool {
    let Problem { grid, bounds, .. } = *problem;
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

/// A primal-dual interior point. Leaves multipliers, sums and flows from which [`newton`] has not far to go.
///
/// Stations have multipliers `above`, `below` of their bounds; what they do to the sum of their class is a weight and a pull,
/// so that the linear system of a round has one row per class.
fn approach(problem: &Problem<'_>, sums: &mut [f64], flows: &mut [Flow], work: &mut Work) {
    let Problem { grid, bounds, .. } = *problem;
    let classes = grid.classes();
    let mut inner = std::mem::take(&mut work.inner);
    inner.begin(problem, sums, &work.start);
    grid.flows(sums, flows);
    work.binding.clear();
    work.binding.extend(0..flows.len() as u32);
    for (limit, &flow) in flows.iter().enumerate() {
        inner.slack[limit] = (-overrun(bounds, limit, flow)).max(0.1 * bounds.reach(limit));
        work.multiplier[limit] = START / inner.slack[limit];
    }
    let mut length = 0.0_f64;
    for _ in 0..MOST_ROUNDS {
        let gap = inner.gap(&work.multiplier);
        let off = (0..flows.len()).map(|limit| (overrun(bounds, limit, flows[limit]) + inner.slack[limit]).abs());
        if gap < 1e-9 && off.fold(0.0, f64::max) < 1e-7 {
            break;
        }
        let target = gap * ((1.0 - length) * (1.0 - length)).max(0.02);
        move_classes(grid, bounds, flows, work);
        inner.weigh(target, &work.shift);
        inner.system(grid, bounds, flows, target, work);
        cholesky(&mut work.matrix[..classes * classes], &mut work.right[..classes], classes);
        length = inner.reach(grid, bounds, flows, target, work);
        inner.advance(target, length, &mut work.multiplier);
        for (sum, step) in sums.iter_mut().zip(&work.right) {
            *sum += length * step;
        }
        grid.flows(sums, flows);
    }
    work.inner = inner;
}

/// Product of a multiplier and its distance at the beginning.
const START: f64 = 1.0;

impl Inner {
    fn new(grid: &Grid) -> Self {
        let [stations, limits, classes] = [grid.stations.len(), grid.limits.len(), grid.classes()];
        let list = || Vec::with_capacity(stations);
        Inner {
            class: Vec::with_capacity(stations),
            wish: list(),
            low: list(),
            high: list(),
            amps: list(),
            above: list(),
            below: list(),
            up: vec![0.0; stations],
            down: vec![0.0; stations],
            weight: vec![0.0; stations],
            pull: vec![0.0; stations],
            change: vec![0.0; stations],
            slack: vec![0.0; limits],
            slack_change: vec![0.0; limits],
            weights: vec![0.0; classes],
            pulls: vec![0.0; classes],
            against: vec![0.0; classes],
        }
    }

    /// Stations well between their bounds. Those that cannot move are only counted.
    fn begin(&mut self, problem: &Problem<'_>, sums: &mut [f64], start: &[f64]) {
        self.class.clear();
        for list in [&mut self.wish, &mut self.low, &mut self.high, &mut self.amps, &mut self.above, &mut self.below] {
            list.clear();
        }
        sums.fill(0.0);
        for &station in problem.plugged {
            let station = station as usize;
            let class = problem.grid.class[station];
            let (low, high) = (problem.low[station], problem.high[station]);
            let width = high - low;
            if width <= 0.0 {
                sums[class as usize] += low;
                continue;
            }
            let share = ((start[station] - low) / width).clamp(0.1, 0.9);
            sums[class as usize] += low + share * width;
            self.class.push(class);
            self.wish.push(start[station]);
            self.low.push(low);
            self.high.push(high);
            self.amps.push(low + share * width);
            self.above.push(START / (share * width));
            self.below.push(START / ((1.0 - share) * width));
        }
    }

    /// The mean product of multipliers and distances.
    fn gap(&self, multiplier: &[f64]) -> f64 {
        let mut gap: f64 = self.slack.iter().zip(multiplier).map(|(slack, multiplier)| slack * multiplier).sum();
        for at in 0..self.class.len() {
            gap += self.above[at] * (self.amps[at] - self.low[at]) + self.below[at] * (self.high[at] - self.amps[at]);
        }
        gap / (2 * self.class.len() + self.slack.len()) as f64
    }

    fn weigh(&mut self, target: f64, shift: &[f64]) {
        self.weights.fill(0.0);
        self.pulls.fill(0.0);
        for at in 0..self.class.len() {
            let class = self.class[at] as usize;
            let (up, down) = (1.0 / (self.amps[at] - self.low[at]), 1.0 / (self.high[at] - self.amps[at]));
            let weight = 1.0 / (1.0 + self.above[at] * up + self.below[at] * down);
            let pull = self.wish[at] - self.amps[at] - shift[class] + target * (up - down);
            (self.up[at], self.down[at], self.weight[at], self.pull[at]) = (up, down, weight, pull);
            self.weights[class] += weight;
            self.pulls[class] += weight * pull;
        }
    }

    /// `(1/W + M) dS = R/W - Σ_j (σ/s_j - θ_j g_j) c_j`, `M = Σ_j μ_j/L_j Re(Bᴴ B) + θ_j c_j c_jᵀ`, the lower triangle.
    fn system(&self, grid: &Grid, bounds: &Bounds<'_>, flows: &[Flow], target: f64, work: &mut Work) {
        let classes = grid.classes();
        let matrix = &mut work.matrix[..classes * classes];
        matrix.fill(0.0);
        for class in 0..classes {
            let weight = self.weights[class];
            // A class that cannot move stays.
            let (inverse, pull) = if weight > 0.0 { (1.0 / weight, self.pulls[class] / weight) } else { (1e300, 0.0) };
            matrix[class * classes + class] = inverse;
            work.right[class] = pull;
        }
        for (limit, &flow) in flows.iter().enumerate() {
            let (slack, multiplier) = (self.slack[limit], work.multiplier[limit]);
            let theta = multiplier / slack;
            let push = target / slack + theta * overrun(bounds, limit, flow);
            let bend = multiplier / bounds.reach(limit);
            let gradient = &work.gradient[limit * classes..][..classes];
            let terms = grid.row(limit);
            for (index, term) in terms.iter().enumerate() {
                let class = term.to as usize;
                work.right[class] -= push * gradient[class];
                for other in &terms[..=index] {
                    let to = other.to as usize;
                    let curve = bend * term.flow().dot(other.flow()) + theta * gradient[class] * gradient[to];
                    matrix[class * classes + to] += curve;
                }
            }
        }
    }

    /// How far everything can go without leaving its side of zero, at most 1.
    fn reach(&mut self, grid: &Grid, bounds: &Bounds<'_>, flows: &[Flow], target: f64, work: &Work) -> f64 {
        let classes = grid.classes();
        let mut steepest = 0.0_f64;
        for (limit, &flow) in flows.iter().enumerate() {
            let gradient = &work.gradient[limit * classes..][..classes];
            let terms = grid.row(limit).iter();
            let slope: f64 = terms.map(|term| gradient[term.to as usize] * work.right[term.to as usize]).sum();
            let (slack, multiplier) = (self.slack[limit], work.multiplier[limit]);
            let change = -overrun(bounds, limit, flow) - slack - slope;
            self.slack_change[limit] = change;
            steepest = steepest.max(-change / slack).max(1.0 - (target / multiplier - change) / slack);
        }
        for class in 0..classes {
            let weight = self.weights[class];
            self.against[class] = if weight > 0.0 { (self.pulls[class] - work.right[class]) / weight } else { 0.0 };
        }
        for at in 0..self.class.len() {
            let change = self.weight[at] * (self.pull[at] - self.against[self.class[at] as usize]);
            self.change[at] = change;
            let above = 1.0 - (target / self.above[at] - change) * self.up[at];
            let below = 1.0 - (target / self.below[at] + change) * self.down[at];
            steepest = steepest.max(-change * self.up[at]).max(change * self.down[at]).max(above).max(below);
        }
        (0.995 / steepest).min(1.0)
    }

    fn advance(&mut self, target: f64, length: f64, multiplier: &mut [f64]) {
        for (limit, multiplier) in multiplier.iter_mut().enumerate() {
            let (slack, change) = (self.slack[limit], self.slack_change[limit]);
            *multiplier += length * ((target - *multiplier * change) / slack - *multiplier);
            self.slack[limit] += length * change;
        }
        for at in 0..self.class.len() {
            let (change, above, below) = (self.change[at], self.above[at], self.below[at]);
            self.above[at] += length * ((target - above * change) * self.up[at] - above);
            self.below[at] += length * ((target + below * change) * self.down[at] - below);
            self.amps[at] += length * change;
        }
    }
}

/// Solves a symmetric positive definite system, given its lower triangle, in place.
fn cholesky(matrix: &mut [f64], right: &mut [f64], size: usize) {
    for row in 0..size {
        for column in 0..=row {
            let (before_row, before_column) = (&matrix[row * size..][..column], &matrix[column * size..][..column]);
            let known: f64 = before_row.iter().zip(before_column).map(|(a, b)| a * b).sum();
            let rest = matrix[row * size + column] - known;
            matrix[row * size + column] =
                if row == column { rest.max(1e-12).sqrt() } else { rest / matrix[column * size + column] };
        }
        let known: f64 = matrix[row * size..][..row].iter().zip(&*right).map(|(a, b)| a * b).sum();
        right[row] = (right[row] - known) / matrix[row * size + row];
    }
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|below| matrix[below * size + row] * right[below]).sum();
        right[row] = (right[row] - known) / matrix[row * size + row];
    }
}
