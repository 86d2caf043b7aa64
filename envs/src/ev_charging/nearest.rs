//! The nearest commands that a grid can carry.
//!
//! `min ½ Σ (z_i - a_i)²  with  low ≤ z ≤ high,  |F_j(z)| ≤ L_j`. The dual problem has a complex number `y_j` for every limit,
//! its *pull*. Stations of class `g` move by the same `λ_g = Σ_j Re(conj(y_j) B_jg)` until they meet a bound,
//! `z_i = clip(a_i - λ_g)`, and what the pulls minimise is convex, `E(y)` with the gradient `L_j y_j/|y_j| - F_j(z)`. So the
//! unknowns are a few numbers whatever the number of stations, and `z` keeps to its bounds in every round.
//!
//! A round is one of Newton's method on what must hold at the solution: `y_j` points as `F_j` does, `|F_j| = L_j` where
//! `|y_j| = μ_j > 0`, `|F_j| ≤ L_j` elsewhere. With flows taken as linear in the sums of the classes that is a quadratic
//! programme in `μ ≥ 0`, solved as Lawson and Hanson do (*Solving Least Squares Problems*, 1974), so that limits that say
//! nearly the same do no harm. A step that goes too far, by the slope of `E` along it, is shortened. Two to four rounds are
//! usual, one where nothing changed since the step before. Should many not be enough, steps of the proximal gradient
//! method, which never fail but are slow, bring the pulls elsewhere.

use super::grid::{Bounds, Flow, Grid};
use super::projection;

/// How far from the solution is near enough: of flows in their own unit, of shifts in ampere.
const EXACT: f64 = 1e-9;
/// Below this a step is taken as it is.
const NEAR: f64 = 1e-6;
/// Rounds until the proximal gradient method helps, and rounds at most.
const ROUNDS: [usize; 2] = [20, 100];
/// Steps of the proximal gradient method, more each time.
const SWEEPS: usize = 40;
/// Times that a step is shortened.
const TRIALS: u32 = 8;
/// No step shifts a class further.
const FURTHEST_AMPS: f64 = 256.0;
/// Keeps systems solvable where limits say the same. It holds multipliers where they are, so that it changes no solution.
const RIDGE: f64 = 1e-12;

/// Room for intermediate results.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// By station: what is asked for.
    wish: Vec<f64>,
    /// By class: by how much stations move, and how many are between their bounds.
    shift: Vec<f64>,
    free: Vec<f64>,
    /// By class: its place among the classes that move.
    place: Vec<u32>,
    /// Classes that move and that a taut limit is part of.
    moving: Vec<u32>,
    /// By limit.
    pulls: Vec<Flow>,
    step: Vec<Flow>,
    /// What limits carried before it.
    flows: Vec<Flow>,
    taut: Vec<Taut>,
    quadratic: Quadratic,
}

/// A limit that pulls, or is exceeded.
#[derive(Clone, Copy, Debug, Default)]
struct Taut {
    limit: u32,
    /// The direction of its flow, and its size.
    unit: Flow,
    size: f64,
    /// By how much it is exceeded.
    over: f64,
    multiplier: f64,
    /// The multiplier that its curvature is taken with.
    bent: f64,
    /// Whether [`Quadratic::choose`] has it among those that pull.
    chosen: bool,
}

/// The quadratic programme of a round: what multipliers `μ` of the taut limits, and pulls `t` across their flows, make of the
/// sums of the classes. The curvature of `|F|` ties `t` to `μ`.
#[derive(Clone, Debug, Default)]
struct Quadratic {
    /// By moving class: how the flow of every taut limit grows with its sum, along itself, then across, then `λ`.
    rows: Vec<f64>,
    /// How many of its stations move.
    free: Vec<f64>,
    /// `rows · diag(free) · rowsᵀ`, the lower triangle.
    products: Vec<f64>,
    /// Taut limits that bend; the factor of their part of the products, with `|F|/μ` on the diagonal; its inverse times what
    /// flows do to `t`, a row per taut limit, then what `λ` does.
    bent: Vec<u32>,
    factor: Vec<f64>,
    turned: Vec<f64>,
    /// By taut limit: `t`.
    aside: Vec<f64>,
    /// `½ μᵀ M μ - goalᵀ μ`.
    matrix: Vec<f64>,
    goal: Vec<f64>,
    chosen: Vec<u32>,
    small: Vec<f64>,
    right: Vec<f64>,
}

/// A step along which the best length is looked for, 0 where there is none: two lengths, and the slopes of `E` there.
#[derive(Clone, Copy, Debug, Default)]
struct Search {
    fall: f64,
    length: f64,
    ends: [f64; 2],
    slopes: [f64; 2],
    trials: u32,
}

impl Work {
    /// Room for this grid.
    pub(super) fn new(grid: &Grid) -> Self {
        let (classes, limits, stations) = (grid.classes(), grid.limits.len(), grid.stations.len());
        Work {
            wish: vec![0.0; stations],
            shift: vec![0.0; classes],
            free: vec![0.0; classes],
            place: vec![u32::MAX; classes],
            moving: Vec::with_capacity(classes),
            pulls: vec![Flow::default(); limits],
            step: vec![Flow::default(); limits],
            flows: vec![Flow::default(); limits],
            taut: Vec::with_capacity(limits),
            quadratic: Quadratic::new(limits, classes),
        }
    }
}

/// What is remembered from one step of a site to the next: the pulls. Zeros: nothing.
pub(super) fn memory(grid: &Grid) -> usize {
    2 * grid.limits.len()
}

/// Replaces `amps` by the nearest commands between `low` and `high` that the grid can carry.
pub(super) fn project(
    grid: &Grid,
    bounds: &Bounds<'_>,
    low: &[f64],
    high: &[f64],
    amps: &mut [f64],
    work: &mut projection::Work,
) {
    for &station in &work.plugged {
        let station = station as usize;
        work.nearest.wish[station] = amps[station];
        amps[station] = amps[station].max(low[station]).min(high[station]);
    }
    // All of them at once; zeros may have a sign.
    if work.memory.iter().fold(0, |any, pull| any | pull.to_bits() << 1) == 0 {
        work.load_plugged(grid, amps);
        if bounds.all_hold(&work.flows) {
            return;
        }
    }
    let projection::Work { sums, flows, nearest, memory, plugged, .. } = work;
    for (pull, memory) in nearest.pulls.iter_mut().zip(memory.chunks_exact(2)) {
        *pull = Flow { re: memory[0], im: memory[1] };
    }
    let problem = Problem { grid, bounds, plugged, low, high };
    solve(&problem, amps, sums, flows, nearest);
    for (pull, memory) in nearest.pulls.iter().zip(memory.chunks_exact_mut(2)) {
        (memory[0], memory[1]) = (pull.re, pull.im);
    }
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

fn solve(problem: &Problem<'_>, amps: &mut [f64], sums: &mut [f64], flows: &mut [Flow], work: &mut Work) {
    let Problem { grid, bounds, .. } = *problem;
    let (mut search, mut best) = (Search::default(), f64::INFINITY);
    for round in 0..ROUNDS[1] {
        if round > 0 && round % ROUNDS[0] == 0 {
            for _ in 0..SWEEPS * round / ROUNDS[0] {
                problem.carry(amps, sums, flows, work);
                problem.sweep(flows, work);
            }
            (search, best) = (Search::default(), f64::INFINITY);
        }
        problem.carry(amps, sums, flows, work);
        let off = look(grid, bounds, flows, work);
        if off <= EXACT {
            return;
        }
        let better = off < 0.5 * best;
        best = best.min(off);
        if !better && off > NEAR && search.shorten(bounds, flows, work) {
            continue;
        }
        for at in 0..work.taut.len() {
            if work.taut[at].over > 0.0 || work.taut[at].multiplier > 0.0 {
                problem.unstick(work, at);
            }
        }
        step(grid, work);
        search = Search::begin(grid, flows, work).unwrap_or_default();
        if search.length == 0.0 {
            work.pulls.fill(Flow::default());
        }
    }
}

impl Problem<'_> {
    /// Where pulls bring the stations, and what limits carry then.
    fn carry(&self, amps: &mut [f64], sums: &mut [f64], flows: &mut [Flow], work: &mut Work) {
        let Work { wish, shift, free, pulls, .. } = work;
        shift.fill(0.0);
        for (limit, pull) in pulls.iter().enumerate() {
            if pull.re != 0.0 || pull.im != 0.0 {
                for term in self.grid.row(limit) {
                    shift[term.to as usize] += pull.dot(term.flow());
                }
            }
        }
        sums.fill(0.0);
        free.fill(0.0);
        // Neighbours are often of one class.
        let (mut last, mut by, mut sum, mut count) = (0, shift[0], 0.0, 0.0);
        for &station in self.plugged {
            let station = station as usize;
            let (low, high, class) = (self.low[station], self.high[station], self.grid.class[station] as usize);
            if class != last {
                (sums[last], free[last]) = (sums[last] + sum, free[last] + count);
                (last, by, sum, count) = (class, shift[class], 0.0, 0.0);
            }
            let moved = wish[station] - by;
            let now = moved.max(low).min(high);
            amps[station] = now;
            sum += now;
            count += f64::from(u8::from((moved > low) & (moved <= high)));
        }
        (sums[last], free[last]) = (sums[last] + sum, free[last] + count);
        self.grid.flows(sums, flows);
    }

    /// A step of the proximal gradient method, which never increases `E`: as long as is safe when all stations move.
    fn sweep(&self, flows: &[Flow], work: &mut Work) {
        work.free.fill(0.0);
        for &station in self.plugged {
            work.free[self.grid.class[station as usize] as usize] += 1.0;
        }
        let size = |flow: Flow| flow.square().sqrt();
        for (limit, &flow) in flows.iter().enumerate() {
            let steep = self.grid.row(limit).iter().map(|term| {
                let all: f64 = self.grid.column(term.to as usize).iter().map(|term| size(term.flow())).sum();
                work.free[term.to as usize] * size(term.flow()) * all
            });
            let steep: f64 = steep.sum();
            if steep > 0.0 {
                let (flow, pull) = (self.bounds.with(limit, flow), work.pulls[limit]);
                let pushed = Flow { re: pull.re + flow.re / steep, im: pull.im + flow.im / steep };
                let left = (1.0 - self.bounds.reach(limit) / (steep * size(pushed)).max(1e-300)).max(0.0);
                work.pulls[limit] = Flow { re: pushed.re * left, im: pushed.im * left };
            }
        }
    }

    /// Where no station of a taut limit would move: has the next one that will be all that moves until then.
    fn unstick(&self, work: &mut Work, at: usize) {
        let Taut { limit, unit, over, .. } = work.taut[at];
        let terms = self.grid.row(limit as usize);
        if terms.iter().any(|term| work.free[term.to as usize] > 0.0) {
            return;
        }
        let (mut least, mut next) = (f64::INFINITY, None);
        for term in terms {
            let slope = unit.dot(term.flow());
            let down = (over > 0.0) == (slope > 0.0);
            for &station in self.plugged.iter().filter(|&&station| self.grid.class[station as usize] == term.to) {
                let (low, high) = (self.low[station as usize], self.high[station as usize]);
                let moved = work.wish[station as usize] - work.shift[term.to as usize];
                let far = if down { moved - high } else { low - moved }.max(1e-9) / slope.abs();
                let can = low < high && if down { moved > low } else { moved <= high };
                if can && far < least {
                    (least, next) = (far, Some((term.to as usize, slope)));
                }
            }
        }
        if let Some((class, slope)) = next {
            work.free[class] = over.abs() / (slope * slope * least * 1.001);
        }
    }
}

/// Finds the taut limits. Returns by how much what must hold does not.
fn look(grid: &Grid, bounds: &Bounds<'_>, flows: &[Flow], work: &mut Work) -> f64 {
    work.taut.clear();
    let mut exceeded = Taut::default();
    let mut off = 0.0_f64;
    for (limit, (&flow, &pull)) in flows.iter().zip(&work.pulls).enumerate() {
        let (flow, reach) = (bounds.with(limit, flow), bounds.reach(limit));
        let (square, pulled) = (flow.square(), pull.square());
        if pulled == 0.0 && square <= reach * reach {
            continue;
        }
        let (size, multiplier) = (square.sqrt(), pulled.sqrt());
        let over = size - reach;
        if multiplier == 0.0 && over <= EXACT {
            continue;
        }
        // No flow has no direction; it is where its limit is 0 that there is none.
        let along = if size > EXACT { flow.times(1.0 / size) } else { pull.times(1.0 / multiplier) };
        off = off.max(over.abs());
        if multiplier > 0.0 {
            // What classes would be shifted by if the pull pointed as the flow does.
            let apart = Flow { re: pull.re - multiplier * along.re, im: pull.im - multiplier * along.im };
            off = off.max(grid.steepest(limit) * (apart.re.abs() + apart.im.abs()));
        }
        let (limit, size) = (limit as u32, size.max(EXACT));
        let taut = Taut { limit, unit: along, size, over, multiplier, bent: multiplier, chosen: false };
        if multiplier > 0.0 {
            work.taut.push(taut);
        } else if over > exceeded.over * grid.steepest(limit as usize) {
            exceeded = Taut { over: over / grid.steepest(limit as usize), ..taut };
        }
    }
    // Of those that are exceeded, and do not pull yet, the one that is so most for its size.
    if exceeded.over > 0.0 {
        exceeded.over *= grid.steepest(exceeded.limit as usize);
        work.taut.push(exceeded);
    }
    off
}

/// Newton's step, from `work.pulls` on; it is left in `work.step`.
fn step(grid: &Grid, work: &mut Work) {
    let Work { shift, free, place, moving, pulls, step, taut, quadratic, .. } = work;
    moving.clear();
    place.fill(u32::MAX);
    for at in &*taut {
        for term in grid.row(at.limit as usize) {
            let place = &mut place[term.to as usize];
            if *place == u32::MAX && free[term.to as usize] > 0.0 {
                *place = moving.len() as u32;
                moving.push(term.to);
            }
        }
    }
    quadratic.begin(grid, place, taut, moving.iter().map(|&class| (free[class as usize], shift[class as usize])));
    quadratic.solve(taut);
    // The curvature of a limit grows with its multiplier.
    let grew = |at: &Taut| (at.multiplier - at.bent).abs() > 0.3 * (at.multiplier + at.bent);
    if taut.iter().any(grew) {
        taut.iter_mut().for_each(|at| at.bent = at.multiplier);
        quadratic.solve(taut);
    }
    step.fill(Flow::default());
    for (at, aside) in taut.iter().zip(&quadratic.aside) {
        let pull = &mut pulls[at.limit as usize];
        let next = Flow {
            re: at.multiplier * at.unit.re - aside * at.unit.im,
            im: at.multiplier * at.unit.im + aside * at.unit.re,
        };
        step[at.limit as usize] = Flow { re: next.re - pull.re, im: next.im - pull.im };
        *pull = next;
    }
}

impl Quadratic {
    fn new(limits: usize, classes: usize) -> Self {
        let most = 2 * limits + 1;
        let square = vec![0.0; limits * limits];
        Quadratic {
            rows: vec![0.0; most * classes],
            free: vec![0.0; classes],
            products: vec![0.0; most * most],
            bent: Vec::with_capacity(limits),
            factor: square.clone(),
            turned: vec![0.0; (limits + 1) * limits],
            aside: vec![0.0; limits],
            matrix: square.clone(),
            goal: vec![0.0; limits],
            chosen: Vec::with_capacity(limits),
            small: square,
            right: vec![0.0; limits],
        }
    }

    /// What does not depend on multipliers. `moving`: of every moving class how many stations move, and its shift.
    fn begin(&mut self, grid: &Grid, place: &[u32], taut: &[Taut], moving: impl ExactSizeIterator<Item = (f64, f64)>) {
        let (width, count) = (moving.len(), taut.len());
        let most = 2 * count + 1;
        let rows = &mut self.rows[..most * width];
        rows.fill(0.0);
        for (row, at) in taut.iter().enumerate() {
            for term in grid.row(at.limit as usize) {
                let place = place[term.to as usize] as usize;
                if place < width {
                    rows[row * width + place] = at.unit.dot(term.flow());
                    rows[(count + row) * width + place] = at.unit.re * term.im - at.unit.im * term.re;
                }
            }
        }
        for (place, (free, shift)) in moving.enumerate() {
            self.free[place] = free;
            rows[2 * count * width + place] = shift;
        }
        for row in 0..most {
            let own = &rows[row * width..][..width];
            for column in 0..=row {
                let other = &rows[column * width..][..width];
                let both = own.iter().zip(other).zip(&self.free).map(|((own, other), free)| own * free * other);
                self.products[row * most + column] = both.sum();
            }
        }
    }

    /// Finds multipliers, and `aside`.
    fn solve(&mut self, taut: &mut [Taut]) {
        self.eliminate(taut);
        self.choose(taut);
        let (count, size) = (taut.len(), self.bent.len());
        let (rows, left) = self.turned[..(count + 1) * size].split_at_mut(count * size);
        for (row, at) in rows.chunks_exact(size.max(1)).zip(&*taut).filter(|(_, at)| at.multiplier > 0.0) {
            left.iter_mut().zip(row).for_each(|(left, by)| *left -= at.multiplier * by);
        }
        backward(&self.factor[..size * size], left);
        self.aside[..count].fill(0.0);
        for (&index, aside) in self.bent.iter().zip(left) {
            self.aside[index as usize] = *aside;
        }
    }

    /// The programme in `μ` alone.
    fn eliminate(&mut self, taut: &[Taut]) {
        let count = taut.len();
        let most = 2 * count + 1;
        let Quadratic { products, bent, factor, turned, matrix, goal, .. } = self;
        let product = |row: usize, column: usize| products[row.max(column) * most + row.min(column)];
        bent.clear();
        for (index, at) in taut.iter().enumerate() {
            if at.bent > 0.0 && product(count + index, count + index) > 0.0 {
                bent.push(index as u32);
            }
        }
        let size = bent.len();
        for (row, &index) in bent.iter().enumerate() {
            for (column, &other) in bent[..=row].iter().enumerate() {
                factor[row * size + column] = product(count + index as usize, count + other as usize);
            }
            factor[row * size + row] += taut[index as usize].size / taut[index as usize].bent;
        }
        cholesky(&mut factor[..size * size], size);
        for row in 0..=count {
            // The last row is that of the shifts.
            let of = if row == count { 2 * count } else { row };
            let turned = &mut turned[row * size..][..size];
            for (turned, &index) in turned.iter_mut().zip(&*bent) {
                *turned = product(of, count + index as usize);
            }
            forward(&factor[..size * size], turned);
        }
        let turned = |row: usize| &turned[row * size..][..size];
        for row in 0..count {
            for column in 0..=row {
                let both = product(row, column) - dot(turned(row), turned(column));
                matrix[row * count + column] = both;
                matrix[column * count + row] = both;
            }
            matrix[row * count + row] += RIDGE;
            let shifted = product(row, 2 * count) - dot(turned(row), turned(count));
            goal[row] = taut[row].over + shifted + RIDGE * taut[row].multiplier;
        }
    }

    /// Multipliers that minimise `½ μᵀ M μ - goalᵀ μ`, `μ ≥ 0`, from those that are there.
    fn choose(&mut self, taut: &mut [Taut]) {
        let count = taut.len();
        let Quadratic { matrix, goal, chosen, small, right, .. } = self;
        chosen.clear();
        for (index, at) in taut.iter_mut().enumerate() {
            at.chosen = at.multiplier > 0.0;
            if at.chosen {
                chosen.push(index as u32);
            }
        }
        for _ in 0..4 * count + 4 {
            // The minimum on those that are chosen; as far towards it as none of them falls below 0, which then leaves.
            while !chosen.is_empty() {
                let size = chosen.len();
                for (row, &index) in chosen.iter().enumerate() {
                    for (column, &other) in chosen[..=row].iter().enumerate() {
                        small[row * size + column] = matrix[index as usize * count + other as usize];
                    }
                    right[row] = goal[index as usize];
                }
                cholesky(&mut small[..size * size], size);
                forward(&small[..size * size], &mut right[..size]);
                backward(&small[..size * size], &mut right[..size]);
                let (mut share, mut out) = (1.0, None);
                for (row, &index) in chosen.iter().enumerate().filter(|(row, _)| right[*row] <= 0.0) {
                    let now = taut[index as usize].multiplier;
                    let until = if now > 0.0 { now / (now - right[row]) } else { 0.0 };
                    if out.is_none() || until < share {
                        (share, out) = (until, Some(row));
                    }
                }
                for (&index, &then) in chosen.iter().zip(&*right) {
                    let multiplier = &mut taut[index as usize].multiplier;
                    *multiplier += share * (then - *multiplier);
                }
                let Some(row) = out else { break };
                let at = &mut taut[chosen.remove(row) as usize];
                (at.multiplier, at.chosen) = (0.0, false);
            }
            let (mut most, mut next) = (0.001 * EXACT, None);
            for (index, _) in taut.iter().enumerate().filter(|(_, at)| !at.chosen) {
                let row = &matrix[index * count..][..count];
                let held: f64 = chosen.iter().map(|&at| row[at as usize] * taut[at as usize].multiplier).sum();
                if goal[index] - held > most {
                    (most, next) = (goal[index] - held, Some(index));
                }
            }
            let Some(index) = next else { return };
            taut[index].chosen = true;
            chosen.push(index as u32);
        }
    }
}

impl Search {
    /// Begins with the step that was just taken. One that is too long by far is shortened at once; none where it is no number.
    fn begin(grid: &Grid, flows: &[Flow], work: &mut Work) -> Option<Self> {
        let size = |limit: usize, step: Flow| grid.steepest(limit) * (step.re.abs() + step.im.abs());
        let furthest: f64 = work.taut.iter().map(|at| size(at.limit as usize, work.step[at.limit as usize])).sum();
        work.flows.copy_from_slice(flows);
        let mut search = Search { length: 1.0, ..Search::default() };
        if furthest > FURTHEST_AMPS {
            search.go(FURTHEST_AMPS / furthest, work);
        }
        furthest.is_finite().then_some(search)
    }

    /// Goes to another length of the step where this one is much too long or too short.
    fn shorten(&mut self, bounds: &Bounds<'_>, flows: &[Flow], work: &mut Work) -> bool {
        if self.length == 0.0 || self.trials == TRIALS {
            return false;
        }
        if self.trials == 0 {
            self.slopes[0] = slope(bounds, &work.flows, &work.step, |limit| {
                let (pull, step) = (work.pulls[limit], work.step[limit]);
                // A pull that begins at 0 grows.
                let before = Flow { re: pull.re - self.length * step.re, im: pull.im - self.length * step.im };
                if before.square() > 1e-24 { before } else { step }
            });
            self.fall = self.slopes[0];
        }
        let slope = slope(bounds, flows, &work.step, |limit| {
            let (pull, step) = (work.pulls[limit], work.step[limit]);
            // A pull that ends at 0 was shrinking until then.
            if pull.square() > 0.0 { pull } else { step.times(-1.0) }
        });
        let (long, short) = (slope > -0.2 * self.fall, slope < 0.7 * self.fall && self.ends[1] > 0.0);
        if self.fall >= 0.0 || !long && !short {
            return false;
        }
        let end = usize::from(long);
        (self.ends[end], self.slopes[end]) = (self.length, slope);
        let share = (self.slopes[0] / (self.slopes[0] - self.slopes[1])).clamp(0.1, 0.7);
        self.trials += 1;
        self.go(self.ends[0] + share * (self.ends[1] - self.ends[0]), work);
        true
    }

    fn go(&mut self, length: f64, work: &mut Work) {
        let more = length - self.length;
        for (pull, step) in work.pulls.iter_mut().zip(&work.step) {
            if step.re != 0.0 || step.im != 0.0 {
                *pull = Flow { re: pull.re + more * step.re, im: pull.im + more * step.im };
            }
        }
        self.length = length;
    }
}

/// The slope of `E` along a step, where limits carry these flows and pulls point in these ways.
fn slope(bounds: &Bounds<'_>, flows: &[Flow], step: &[Flow], way: impl Fn(usize) -> Flow) -> f64 {
    let moved = step.iter().enumerate().filter(|(_, step)| step.re != 0.0 || step.im != 0.0);
    let slope = moved.map(|(limit, step)| {
        let way = way(limit);
        bounds.reach(limit) * way.dot(*step) / way.square().sqrt() - bounds.with(limit, flows[limit]).dot(*step)
    });
    slope.sum()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Factors a symmetric positive definite matrix, given its lower triangle; the diagonal becomes one over the factor's.
fn cholesky(matrix: &mut [f64], size: usize) {
    for row in 0..size {
        let (above, own) = matrix.split_at_mut(row * size);
        for column in 0..row {
            let other = &above[column * size..][..size];
            own[column] = (own[column] - dot(&own[..column], &other[..column])) * other[column];
        }
        own[row] = 1.0 / (own[row] - dot(&own[..row], &own[..row])).max(RIDGE).sqrt();
    }
}

fn forward(factor: &[f64], right: &mut [f64]) {
    let size = right.len();
    for row in 0..size {
        let own = &factor[row * size..][..size];
        right[row] = (right[row] - dot(&own[..row], &right[..row])) * own[row];
    }
}

fn backward(factor: &[f64], right: &mut [f64]) {
    let size = right.len();
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|below| factor[below * size + row] * right[below]).sum();
        right[row] = (right[row] - known) * factor[row * size + row];
    }
}
