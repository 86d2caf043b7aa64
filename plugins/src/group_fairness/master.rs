//! A dense simplex that is grown column by column: the small programme that joins the groups.
//!
//! It maximises `Σ cost_k x_k` over `x ≥ 0`, subject to `Σ column_k x_k ≤ limit` in some rows and `=` in the others.
//! It is our own because it must report prices, keep its basis while columns arrive, and answer to the last digits:
//! gaps are judged to 1e-9. Rows are few (hundreds), so the basis is kept as a dense inverse.

use super::program::LpFault;

/// The programme and where the search stands.
pub(super) struct Master {
    limits: Vec<f64>,
    columns: Vec<Column>,
    /// Which column each row is solved for.
    basis: Vec<usize>,
    /// Inverse of the basis, `[rows, rows]`.
    inverse: Vec<f64>,
    value: Vec<f64>,
    phase: Phase,
    pivots: usize,
}

struct Column {
    cost: f64,
    /// One coefficient per row.
    entries: Vec<f64>,
    /// Stands for what a row lacks, and must be zero in the end.
    missing: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Removing what is missing.
    Feasible,
    /// Maximising.
    Best,
}

/// Pivots after which the inverse is computed afresh.
const REFRESH: usize = 64;
/// Pivots without progress after which the choice is made so that it cannot go round in circles (Bland 1977).
const PATIENCE: usize = 40;
/// Entries of a direction below this share of the largest one are rounding.
const ROUNDING: f64 = 1e-10;

impl Master {
    /// No columns yet: `at_most` rows, then `exactly` rows.
    pub(super) fn new(at_most: &[f64], exactly: &[f64]) -> Master {
        let rows = at_most.len() + exactly.len();
        let limits: Vec<f64> = at_most.iter().chain(exactly).copied().collect();
        let mut master = Master {
            columns: Vec::new(),
            basis: Vec::new(),
            inverse: vec![0.0; rows * rows],
            value: limits.iter().map(|limit| limit.abs()).collect(),
            phase: Phase::Feasible,
            limits,
            pivots: 0,
        };
        for row in 0..rows {
            let slack = (row < at_most.len()).then(|| master.unit(row, 1.0, false));
            let sign = if master.limits[row] < 0.0 { -1.0 } else { 1.0 };
            let begins = match slack {
                Some(slack) if sign > 0.0 => slack,
                _ => master.unit(row, sign, true),
            };
            master.basis.push(begins);
            master.inverse[row * rows + row] = sign;
        }
        master
    }

    fn unit(&mut self, row: usize, sign: f64, missing: bool) -> usize {
        let mut entries = vec![0.0; self.limits.len()];
        entries[row] = sign;
        self.columns.push(Column { cost: 0.0, entries, missing });
        self.columns.len() - 1
    }

    /// Adds a column and returns its number.
    pub(super) fn add(&mut self, cost: f64, entries: Vec<f64>) -> usize {
        self.columns.push(Column { cost, entries, missing: false });
        self.columns.len() - 1
    }

    /// Whether what is missing is still being removed: then a new column is worth what it adds to feasibility only.
    pub(super) fn wants_feasibility(&self) -> bool {
        self.phase == Phase::Feasible
    }

    /// What is missing in all rows together.
    pub(super) fn missing(&self) -> f64 {
        let missing =
            |(row, &column): (usize, &usize)| if self.columns[column].missing { self.value[row] } else { 0.0 };
        self.basis.iter().enumerate().map(missing).sum()
    }

    /// From now on the costs count.
    pub(super) fn maximise(&mut self) {
        self.phase = Phase::Best;
    }

    fn cost(&self, column: usize) -> f64 {
        let column = &self.columns[column];
        match self.phase {
            Phase::Feasible => -f64::from(u8::from(column.missing)),
            Phase::Best => column.cost,
        }
    }

    /// What one more unit of each row's limit is worth.
    pub(super) fn prices(&self) -> Vec<f64> {
        let rows = self.limits.len();
        let mut prices = vec![0.0; rows];
        for (row, &column) in self.basis.iter().enumerate() {
            let cost = self.cost(column);
            if cost != 0.0 {
                add(&mut prices, cost, &self.inverse[row * rows..][..rows]);
            }
        }
        prices
    }

    /// The largest size of a cost, what reduced costs are compared with.
    pub(super) fn scale(&self) -> f64 {
        (0..self.columns.len()).map(|column| self.cost(column).abs()).fold(1.0, f64::max)
    }

    /// Value of every column.
    pub(super) fn solution(&self) -> Vec<f64> {
        let mut solution = vec![0.0; self.columns.len()];
        for (&column, &value) in self.basis.iter().zip(&self.value) {
            solution[column] = value.max(0.0);
        }
        solution
    }

    /// Pivots until no known column improves.
    pub(super) fn optimise(&mut self, tolerance: f64) -> Result<(), LpFault> {
        let (mut patience, most) = (PATIENCE, self.pivots + 20_000);
        loop {
            let Some(entering) = self.entering(tolerance * self.scale(), patience == 0) else {
                return self.refresh();
            };
            let direction = self.direction(entering);
            let Some(leaving) = self.leaving(&direction, patience == 0) else {
                return Err(LpFault::new("a column of the master programme is unbounded"));
            };
            let moved = self.pivot(entering, leaving, &direction);
            patience = if moved > 1e-12 { PATIENCE } else { patience.saturating_sub(1) };
            self.pivots += 1;
            if self.pivots.is_multiple_of(REFRESH) {
                self.refresh()?;
            }
            if self.pivots > most {
                return Err(LpFault::new("the master programme goes round in circles"));
            }
        }
    }

    fn entering(&self, tolerance: f64, first: bool) -> Option<usize> {
        let prices = self.prices();
        let reduced = |&column: &usize| self.cost(column) - dot(&prices, &self.columns[column].entries);
        let mut candidates = (0..self.columns.len()).filter(|&column| !self.columns[column].missing);
        if first {
            return candidates.find(|column| reduced(column) > tolerance);
        }
        let gains = candidates.map(|column| (reduced(&column), column)).filter(|(gain, _)| *gain > tolerance);
        gains.max_by(|(a, i), (b, j)| a.total_cmp(b).then(j.cmp(i))).map(|(_, column)| column)
    }

    /// How much each basic value falls per unit of a column.
    fn direction(&self, column: usize) -> Vec<f64> {
        let entries = &self.columns[column].entries;
        self.inverse.chunks_exact(entries.len()).map(|row| dot(row, entries)).collect()
    }

    /// The row whose basic column is the first to reach zero.
    fn leaving(&self, direction: &[f64], lowest: bool) -> Option<usize> {
        let rounding = ROUNDING * direction.iter().fold(0.0_f64, |most, d| most.max(d.abs()));
        let mut best: Option<(f64, usize)> = None;
        for (row, &falls) in direction.iter().enumerate() {
            let missing = self.phase == Phase::Best && self.columns[self.basis[row]].missing;
            let room = match missing {
                // Nothing is missing any more, and nothing may be again.
                true if falls.abs() > rounding => 0.0,
                _ if falls > rounding => self.value[row].max(0.0) / falls,
                _ => continue,
            };
            let better = match best {
                None => true,
                Some((least, _)) if room < least - 1e-12 => true,
                Some((least, _)) if room > least + 1e-12 => false,
                // Among equals the largest pivot is the safest, the lowest number cannot go round in circles.
                Some((_, other)) if lowest => self.basis[row] < self.basis[other],
                Some((_, other)) => falls.abs() > direction[other].abs(),
            };
            if better {
                best = Some((best.map_or(room, |(least, _)| least.min(room)), row));
            }
        }
        best.map(|(_, row)| row)
    }

    fn pivot(&mut self, entering: usize, leaving: usize, direction: &[f64]) -> f64 {
        let rows = self.limits.len();
        let step = self.value[leaving].max(0.0) / direction[leaving];
        let pivot: Vec<f64> =
            self.inverse[leaving * rows..][..rows].iter().map(|entry| entry / direction[leaving]).collect();
        for (row, (inverse, value)) in self.inverse.chunks_exact_mut(rows).zip(&mut self.value).enumerate() {
            if row == leaving {
                inverse.copy_from_slice(&pivot);
                *value = step;
            } else if direction[row] != 0.0 {
                add(inverse, -direction[row], &pivot);
                *value -= direction[row] * step;
            }
        }
        self.basis[leaving] = entering;
        step
    }

    /// Computes inverse and values afresh from the columns of the basis.
    fn refresh(&mut self) -> Result<(), LpFault> {
        let rows = self.limits.len();
        let mut basis = vec![0.0; rows * rows];
        for (at, &column) in self.basis.iter().enumerate() {
            for (row, entry) in self.columns[column].entries.iter().enumerate() {
                basis[row * rows + at] = *entry;
            }
        }
        self.inverse =
            invert(basis, rows).ok_or_else(|| LpFault::new("the basis of the master programme is singular"))?;
        self.value = self.inverse.chunks_exact(rows).map(|row| dot(row, &self.limits)).collect();
        Ok(())
    }
}

/// Gauss and Jordan's inverse with the largest pivots; none where the matrix is singular.
fn invert(mut matrix: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    let mut inverse = vec![0.0; n * n];
    (0..n).for_each(|i| inverse[i * n + i] = 1.0);
    for column in 0..n {
        let pivot =
            (column..n).max_by(|&a, &b| matrix[a * n + column].abs().total_cmp(&matrix[b * n + column].abs()))?;
        let largest = matrix[pivot * n + column];
        if largest.abs() < 1e-14 {
            return None;
        }
        for table in [&mut matrix, &mut inverse] {
            (0..n).for_each(|j| table.swap(column * n + j, pivot * n + j));
            table[column * n..][..n].iter_mut().for_each(|entry| *entry /= largest);
        }
        for row in (0..n).filter(|&row| row != column) {
            let factor = matrix[row * n + column];
            if factor != 0.0 {
                for table in [&mut matrix, &mut inverse] {
                    let (to, from) = two_rows(table, row, column, n);
                    add(to, -factor, from);
                }
            }
        }
    }
    Some(inverse)
}

fn two_rows(table: &mut [f64], to: usize, from: usize, n: usize) -> (&mut [f64], &[f64]) {
    let (low, high) = table.split_at_mut(to.max(from) * n);
    let (first, second) = (&mut low[to.min(from) * n..][..n], &mut high[..n]);
    if to < from { (first, second) } else { (second, first) }
}

fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solve(master: &mut Master) -> Vec<f64> {
        master.optimise(1e-12).expect("bounded");
        assert!(master.missing() < 1e-12, "feasible");
        master.maximise();
        master.optimise(1e-12).expect("bounded");
        master.solution()
    }

    #[test]
    fn a_programme_with_every_kind_of_row() {
        // max 3x + 2y, x + y <= 4, -x <= -1 (so x >= 1), x - y = 1: x = 2.5, y = 1.5.
        let mut master = Master::new(&[4.0, -1.0], &[1.0]);
        let x = master.add(3.0, vec![1.0, -1.0, 1.0]);
        let y = master.add(2.0, vec![1.0, 0.0, -1.0]);
        let solution = solve(&mut master);
        assert!((solution[x] - 2.5).abs() < 1e-12 && (solution[y] - 1.5).abs() < 1e-12);
        let prices = master.prices();
        assert!((prices[0] - 2.5).abs() < 1e-12 && prices[1].abs() < 1e-12 && (prices[2] - 0.5).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_is_said_to_be_missing() {
        let mut master = Master::new(&[1.0], &[2.0]);
        master.add(1.0, vec![1.0, 1.0]);
        master.optimise(1e-12).expect("bounded");
        assert!((master.missing() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn beale_does_not_cycle() {
        // Beale 1955: the textbook example on which the simplex with the largest gain goes round in circles.
        let mut master = Master::new(&[0.0, 0.0, 1.0], &[]);
        for (cost, entries) in [
            (0.75, [0.25, 0.5, 0.0]),
            (-150.0, [-60.0, -90.0, 0.0]),
            (0.02, [-0.04, -0.02, 1.0]),
            (-6.0, [9.0, 3.0, 0.0]),
        ] {
            master.add(cost, entries.to_vec());
        }
        let solution = solve(&mut master);
        let worth: f64 = solution[3] * 0.75 - 150.0 * solution[4] + 0.02 * solution[5] - 6.0 * solution[6];
        assert!((worth - 0.05).abs() < 1e-12, "{worth}");
    }
}
