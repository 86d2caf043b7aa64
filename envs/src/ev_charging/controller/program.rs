//! Programmes: the best currents of many steps at once, as a convex programme for an interior-point solver (clarabel).

use crate::ev_charging::grid::Grid;
use clarabel::algebra::CscMatrix;
use clarabel::solver::SupportedConeT::{
    self, ExponentialConeT, NonnegativeConeT, PowerConeT, SecondOrderConeT, ZeroConeT,
};
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver};

/// A car that is to be planned for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Where it is.
    pub station: usize,
    /// First step in which it can charge, counted from the first of the plan.
    pub from: usize,
    /// First step in which it cannot any more.
    pub to: usize,
    /// What was asked for.
    pub requested_kwh: f64,
    /// What it has got already.
    pub had_kwh: f64,
    /// The largest current that is worth anything.
    pub most_amps: f64,
}

/// What a site can do in the steps of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Stations and limits.
    pub grid: &'a Grid,
    /// Hours in a step.
    pub hours: f64,
    /// Bounds of the limits, `[steps, limits]`.
    pub most: &'a [f64],
    /// What the limits carry without cars, `[steps, limits]`.
    pub offset: &'a [f64],
    /// How many steps.
    pub steps: usize,
    /// The cars.
    pub loads: &'a [Load],
}

/// What is best.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// The largest energy.
    Energy,
    /// The smallest cost of the largest energy; prices per kWh, one per step.
    Cost(Vec<f64>),
    /// The largest smallest served share, and then the largest energy.
    MaxMin,
    /// The largest `Σ f^(1-α)/(1-α)` of served shares.
    AlphaFair(f64),
    /// The largest sum of terms.
    Terms(Terms),
}

/// Terms of a goal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// What a kWh is worth, one per step: prices and emissions subtracted.
    pub worth: Vec<f64>,
    /// Weight of `-Σ I²`, I in ampere: equal shares, as a tie-break.
    pub equal_share: f64,
    /// Weight of `-Σ_t P²`, P in kW with the other loads `load`.
    pub flatten: f64,
    /// Other loads, kW, one per step.
    pub load: Vec<f64>,
    /// Price of each kW beyond the largest power so far, and that power.
    pub peak: Option<(f64, f64)>,
}

/// Rows of the programme `min ½xᵀPx + qᵀx, Ax + s = b, s ∈ K`, by cone.
#[derive(Default)]
struct Rows {
    entries: (Vec<usize>, Vec<usize>, Vec<f64>),
    right: Vec<f64>,
    cones: Vec<SupportedConeT<f64>>,
}

impl Rows {
    /// One row: `b - Σ coefficient · x`.
    fn row(&mut self, terms: impl IntoIterator<Item = (usize, f64)>, right: f64) {
        let row = self.right.len();
        for (column, value) in terms {
            if value != 0.0 {
                self.entries.0.push(row);
                self.entries.1.push(column);
                self.entries.2.push(value);
            }
        }
        self.right.push(right);
    }

    fn cone(&mut self, cone: SupportedConeT<f64>) {
        match (self.cones.last_mut(), &cone) {
            (Some(NonnegativeConeT(size)), NonnegativeConeT(more)) => *size += more,
            (Some(ZeroConeT(size)), ZeroConeT(more)) => *size += more,
            _ => self.cones.push(cone),
        }
    }

    /// `Σ coefficient · x ≤ right`.
    fn at_most(&mut self, terms: impl IntoIterator<Item = (usize, f64)>, right: f64) {
        self.row(terms, right);
        self.cone(NonnegativeConeT(1));
    }
}

/// A programme over the currents of all loads in all their steps, and whatever else a goal adds.
struct Program<'a> {
    scene: Scene<'a>,
    /// The first column of every load.
    first: Vec<usize>,
    columns: usize,
    rows: Rows,
}

impl<'a> Program<'a> {
    fn new(scene: Scene<'a>) -> Self {
        let mut columns = 0;
        let first = scene.loads.iter().map(|load| {
            columns += load.to - load.from;
            columns - (load.to - load.from)
        });
        let first = first.collect();
        let mut program = Program { scene, first, columns, rows: Rows::default() };
        for (index, load) in scene.loads.iter().enumerate() {
            for step in load.from..load.to {
                let column = program.first[index] + step - load.from;
                program.rows.at_most([(column, -1.0)], 0.0);
                program.rows.at_most([(column, 1.0)], load.most_amps);
            }
            let missing = (load.requested_kwh - load.had_kwh).max(0.0);
            let energy = program.energy(index, 1.0);
            program.rows.at_most(energy, missing);
        }
        for step in 0..scene.steps {
            program.limit(step);
        }
        program
    }

    /// Energy of a load, times a factor.
    fn energy(&self, index: usize, by: f64) -> Vec<(usize, f64)> {
        let load = &self.scene.loads[index];
        let kwh = self.scene.grid.stations[load.station].kw_per_amp * self.scene.hours;
        (0..load.to - load.from).map(|step| (self.first[index] + step, by * kwh)).collect()
    }

    /// The columns of a step, with the station of each.
    fn at(&self, step: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let loads = self.scene.loads.iter().zip(&self.first);
        let there = loads.filter(move |(load, _)| (load.from..load.to).contains(&step));
        there.map(move |(load, first)| (first + step - load.from, load.station))
    }

    /// The limits of a step that could bind.
    fn limit(&mut self, step: usize) {
        let grid = self.scene.grid;
        for limit in 0..grid.limits.len() {
            let at = step * grid.limits.len() + limit;
            let offset = self.scene.offset[at];
            let most = self.scene.most[at].max(offset.abs());
            let terms = grid.row(limit);
            let of = |station: usize| terms.iter().find(|term| term.to == grid.class[station]);
            let found: Vec<(usize, f64, f64)> =
                self.at(step).filter_map(|(column, i)| of(i).map(|term| (column, term.re, term.im))).collect();
            let re = |by: f64| found.iter().map(move |&(column, re, _)| (column, by * re)).collect::<Vec<_>>();
            let im = found.iter().map(|&(column, _, im)| (column, -im)).collect::<Vec<_>>();
            let [first, ..] = found[..] else { continue };
            let along = |&(_, re, im): &(usize, f64, f64)| {
                (re * first.2 - im * first.1).abs() < 1e-12 && re * first.1 + im * first.2 > 0.0
            };
            if offset == 0.0 && found.iter().all(along) {
                self.rows.at_most(found.iter().map(|&(column, re, im)| (column, re.hypot(im))), most);
            } else if found.iter().all(|&(_, _, im)| im == 0.0) {
                self.rows.at_most(re(1.0), most - offset);
                self.rows.at_most(re(-1.0), most + offset);
            } else {
                self.rows.row([], most);
                self.rows.row(re(-1.0), offset);
                self.rows.row(im, 0.0);
                self.rows.cone(SecondOrderConeT(3));
            }
        }
    }

    /// A new column for every load that is its served share.
    fn shares(&mut self) -> Vec<usize> {
        let shares: Vec<usize> = (0..self.scene.loads.len()).map(|index| self.columns + index).collect();
        self.columns += shares.len();
        for (index, &share) in shares.iter().enumerate() {
            let load = self.scene.loads[index];
            let mut terms = self.energy(index, -1.0 / load.requested_kwh);
            terms.push((share, 1.0));
            self.rows.row(terms, load.had_kwh / load.requested_kwh);
            self.rows.cone(ZeroConeT(1));
        }
        shares
    }

    fn column(&mut self) -> usize {
        self.columns += 1;
        self.columns - 1
    }

    /// The values of all columns. `curved`: upper triangle of P.
    fn solve(self, linear: Vec<f64>, curved: Vec<(usize, usize, f64)>) -> Vec<f64> {
        let (columns, rows) = (self.columns, self.rows.right.len());
        let mut q = linear;
        q.resize(columns, 0.0);
        let (mut i, mut j, mut v) = (Vec::new(), Vec::new(), Vec::new());
        for (row, column, value) in curved {
            i.push(row.min(column));
            j.push(row.max(column));
            v.push(value);
        }
        let p = CscMatrix::new_from_triplets(columns, columns, i, j, v);
        let (i, j, v) = self.rows.entries;
        let a = CscMatrix::new_from_triplets(rows, columns, i, j, v);
        let settings = DefaultSettings { verbose: false, max_threads: 1, ..DefaultSettings::default() };
        let solver = DefaultSolver::new(&p, &q, &a, &self.rows.right, &self.rows.cones, settings);
        let mut solver = solver.expect("the sizes agree");
        solver.solve();
        // Nothing is infeasible here: no car need charge. What the solver has after its last round is good enough.
        solver.solution.x.iter().map(|x| if x.is_finite() { *x } else { 0.0 }).collect()
    }
}

/// The best currents, `[loads][steps of the load]`.
pub fn solve(scene: Scene<'_>, goal: &Goal) -> Vec<Vec<f64>> {
    if scene.loads.is_empty() {
        return Vec::new();
    }
    let values = match goal {
        Goal::Energy => most_energy(Program::new(scene)),
        Goal::Cost(prices) => least_cost(scene, prices),
        Goal::MaxMin => max_min(scene),
        Goal::AlphaFair(alpha) => alpha_fair(scene, *alpha),
        Goal::Terms(terms) => best_sum(scene, terms),
    };
    let mut first = 0;
    let of = |load: &Load| {
        let own = &values[first..first + load.to - load.from];
        first += load.to - load.from;
        own.iter().map(|amps| amps.clamp(0.0, load.most_amps)).collect()
    };
    scene.loads.iter().map(of).collect()
}

fn most_energy(program: Program<'_>) -> Vec<f64> {
    let linear = (0..program.scene.loads.len()).flat_map(|index| program.energy(index, -1.0));
    let linear = linear.map(|(_, kwh)| kwh).collect();
    program.solve(linear, Vec::new())
}

fn total(program: &Program<'_>, by: f64) -> Vec<(usize, f64)> {
    (0..program.scene.loads.len()).flat_map(|index| program.energy(index, by)).collect()
}

/// What a second stage may give away of what the first one found.
const SLACK: f64 = 1e-7;

fn least_cost(scene: Scene<'_>, prices: &[f64]) -> Vec<f64> {
    let best = most_energy(Program::new(scene));
    let mut program = Program::new(scene);
    let energy: f64 = total(&program, 1.0).iter().map(|&(column, kwh)| kwh * best[column]).sum();
    let terms = total(&program, -1.0);
    program.rows.at_most(terms, -energy * (1.0 - SLACK));
    let mut linear = vec![0.0; program.columns];
    for (index, load) in scene.loads.iter().enumerate() {
        for ((column, kwh), step) in program.energy(index, 1.0).into_iter().zip(load.from..) {
            linear[column] = kwh * prices[step];
        }
    }
    program.solve(linear, Vec::new())
}

fn max_min(scene: Scene<'_>) -> Vec<f64> {
    let with_floor = |floor: Option<f64>| {
        let mut program = Program::new(scene);
        let shares = program.shares();
        let least = floor.is_none().then(|| program.column());
        for share in shares {
            match (floor, least) {
                (None, Some(least)) => program.rows.at_most([(least, 1.0), (share, -1.0)], 0.0),
                (floor, _) => program.rows.at_most([(share, -1.0)], -floor.unwrap_or(0.0)),
            }
        }
        (program, least)
    };
    let (program, least) = with_floor(None);
    let least = least.unwrap_or_default();
    let mut linear = vec![0.0; program.columns];
    linear[least] = -1.0;
    let floor = program.solve(linear, Vec::new())[least];
    most_energy(with_floor(Some(floor - SLACK)).0)
}

fn alpha_fair(scene: Scene<'_>, alpha: f64) -> Vec<f64> {
    let mut program = Program::new(scene);
    let shares = program.shares();
    let mut linear = vec![0.0; program.columns + shares.len()];
    for share in shares {
        let height = program.column();
        let one = |rows: &mut Rows, column: usize| rows.row([(column, -1.0)], 0.0);
        if alpha == 1.0 {
            // exp(height) ≤ share.
            linear[height] = -1.0;
            one(&mut program.rows, height);
            program.rows.row([], 1.0);
            one(&mut program.rows, share);
            program.rows.cone(ExponentialConeT());
        } else if alpha < 1.0 {
            // height ≤ share^(1-α).
            linear[height] = -1.0 / (1.0 - alpha);
            one(&mut program.rows, share);
            program.rows.row([], 1.0);
            one(&mut program.rows, height);
            program.rows.cone(PowerConeT(1.0 - alpha));
        } else {
            // height · share^(α-1) ≥ 1.
            linear[height] = 1.0 / (alpha - 1.0);
            one(&mut program.rows, height);
            one(&mut program.rows, share);
            program.rows.row([], 1.0);
            program.rows.cone(PowerConeT(1.0 / alpha));
        }
    }
    program.solve(linear, Vec::new())
}

fn best_sum(scene: Scene<'_>, terms: &Terms) -> Vec<f64> {
    let mut program = Program::new(scene);
    let peak = terms.peak.map(|(price, so_far)| (program.column(), price, so_far));
    let mut linear = vec![0.0; program.columns];
    let mut curved = Vec::new();
    for (index, load) in scene.loads.iter().enumerate() {
        for ((column, kwh), step) in program.energy(index, 1.0).into_iter().zip(load.from..) {
            linear[column] -= kwh * terms.worth[step];
            curved.push((column, column, 2.0 * terms.equal_share));
        }
    }
    for step in 0..scene.steps {
        let there: Vec<(usize, f64)> =
            program.at(step).map(|(column, station)| (column, scene.grid.stations[station].kw_per_amp)).collect();
        let load = terms.load.get(step).copied().unwrap_or(0.0);
        if terms.flatten > 0.0 {
            for (at, &(column, kw)) in there.iter().enumerate() {
                linear[column] += 2.0 * terms.flatten * kw * load;
                for &(other, other_kw) in &there[at..] {
                    curved.push((column, other, 2.0 * terms.flatten * kw * other_kw));
                }
            }
        }
        if let Some((peak, _, _)) = peak {
            program.rows.at_most(there.into_iter().chain([(peak, -1.0)]), -load);
        }
    }
    if let Some((peak, price, so_far)) = peak {
        linear[peak] = price;
        program.rows.at_most([(peak, -1.0)], -so_far);
    }
    program.solve(linear, curved)
}
