//! The programme written out in full: one variable per group, step, state and action.
//!
//! Simple, and independent of `dantzig_wolfe.rs`, which it checks; it grows with the horizon times the states.

use super::program::{LpError, LpFault, Program, Row, Solution};
use good_lp::{
    Constraint, DualValues, Expression, ProblemVariables, ResolutionError, Solution as _, SolutionWithDual,
    SolverModel, Variable, clarabel, microlp, variable,
};

pub(super) fn by_microlp(program: &Program) -> Result<Solution, LpError> {
    let Written { variables, objective, constraints, groups, levels, .. } = Written::new(program);
    let model = constraints.into_iter().fold(variables.maximise(objective).using(microlp), |mut model, constraint| {
        model.add_constraint(constraint);
        model
    });
    let solved = model.solve().map_err(fault)?;
    Ok(read(program, &groups, &levels, |variable| solved.value(variable), None))
}

pub(super) fn by_clarabel(program: &Program) -> Result<Solution, LpError> {
    let Written { variables, objective, constraints, groups, levels, stands } = Written::new(program);
    let mut model = variables.maximise(objective).using(clarabel);
    model.settings().tol_feas(1e-10).tol_gap_abs(1e-10).tol_gap_rel(1e-10);
    let references: Vec<_> = constraints.into_iter().map(|constraint| model.add_constraint(constraint)).collect();
    let mut solved = model.solve().map_err(fault)?;
    let duals = solved.compute_dual();
    // The price of an equality belongs to the one of its two rows that would be worth loosening.
    let price = |(at, sign): (usize, f64)| (sign * duals.dual(references[at].clone())).max(0.0);
    let prices = stands.into_iter().map(|stands| stands.map_or(0.0, price)).collect();
    Ok(read(program, &groups, &levels, |variable| solved.value(variable), Some(prices)))
}

fn fault(error: ResolutionError) -> LpError {
    match error {
        ResolutionError::Infeasible => LpError::Infeasible,
        other => LpFault::new(other.to_string()).into(),
    }
}

/// The programme in good_lp's words: its rows first, then what flows.
struct Written {
    variables: ProblemVariables,
    objective: Expression,
    constraints: Vec<Constraint>,
    /// The constraint that stands for each row, and -1 where it says the opposite; none where others imply the row.
    stands: Vec<Option<(usize, f64)>>,
    /// `[horizon, states, actions]` per group.
    groups: Vec<Vec<Variable>>,
    levels: Vec<Variable>,
}

impl Written {
    fn new(program: &Program) -> Written {
        let mut variables = ProblemVariables::new();
        let groups: Vec<Vec<Variable>> = program
            .parts
            .iter()
            .map(|part| variables.add_vector(variable().min(0.0), part.chain.occupancy_len()))
            .collect();
        let levels = variables.add_vector(variable(), program.levels.len());
        let mut objective = Expression::default();
        for (part, group) in program.parts.iter().zip(&groups) {
            add(&mut objective, 1.0, &part.objective, group);
        }
        program.levels.iter().zip(&levels).for_each(|(adds, level)| objective.add_mul(*adds, *level));
        let (mut constraints, mut stands): (Vec<Constraint>, Vec<Option<(usize, f64)>>) = (Vec::new(), Vec::new());
        let mut equalities = Equalities::default();
        for (index, row) in program.rows.iter().enumerate() {
            if let Some(earlier) = program.rows[..index].iter().position(|other| row.opposes(other)) {
                stands.push(stands[earlier].map(|(at, _)| (at, -1.0)));
                continue;
            }
            let fixed = program.rows[index..].iter().any(|other| row.opposes(other));
            if fixed && equalities.imply(row, program) {
                stands.push(None);
                continue;
            }
            let mut sum = Expression::default();
            for &(group, signal, factor) in &row.terms {
                add(&mut sum, factor, &program.parts[group].signals[signal], &groups[group]);
            }
            row.levels.iter().for_each(|&(level, factor)| sum.add_mul(factor, levels[level]));
            stands.push(Some((constraints.len(), 1.0)));
            constraints.push(if fixed { sum.eq(row.limit) } else { sum.leq(row.limit) });
        }
        for (part, group) in program.parts.iter().zip(&groups) {
            constraints.extend(part.chain.flow(group));
        }
        Written { variables, objective, constraints, stands, groups, levels }
    }
}

impl Row {
    /// Whether both rows together are one equality. Interior points do not get near one from two sides.
    fn opposes(&self, other: &Row) -> bool {
        let sorted = |row: &Row, sign: f64| {
            let terms = row.terms.iter().map(|&(group, signal, factor)| ((1, group, signal), sign * factor));
            let levels = row.levels.iter().map(|&(level, factor)| ((0, level, 0), sign * factor));
            let mut all: Vec<_> = terms.chain(levels).collect();
            all.sort_by_key(|(of, _)| *of);
            all
        };
        self.limit == -other.limit && sorted(self, 1.0) == sorted(other, -1.0)
    }
}

/// The equalities so far, each solved for one of its variables. Interior points lose digits over superfluous ones, and
/// of those between all pairs of groups most are.
#[derive(Default)]
struct Equalities(Vec<(usize, Vec<f64>)>);

impl Equalities {
    /// Whether a row follows from those before it; remembers it if not.
    fn imply(&mut self, row: &Row, program: &Program) -> bool {
        let signals = program.parts.iter().map(|part| part.signals.len()).max().unwrap_or(0);
        let variables = program.parts.len() * signals + program.levels.len();
        let mut left = vec![0.0; variables + 1];
        row.terms.iter().for_each(|&(group, signal, factor)| left[group * signals + signal] += factor);
        row.levels.iter().for_each(|&(level, factor)| left[variables - 1 - level] += factor);
        left[variables] = row.limit;
        for (pivot, equality) in &self.0 {
            let factor = left[*pivot];
            left.iter_mut().zip(equality).for_each(|(left, equality)| *left -= factor * equality);
        }
        let largest = (0..variables).max_by(|&a, &b| left[a].abs().total_cmp(&left[b].abs()));
        match largest.filter(|&pivot| left[pivot].abs() > 1e-9) {
            Some(pivot) => {
                let scale = left[pivot];
                left.iter_mut().for_each(|left| *left /= scale);
                self.0.push((pivot, left));
                false
            }
            // A row that contradicts the others is kept, so that the solver says so.
            None => left[variables] == 0.0,
        }
    }
}

/// Adds what `signal` pays.
fn add(sum: &mut Expression, factor: f64, signal: &[f64], occupancy: &[Variable]) {
    for (&variable, paid) in occupancy.iter().zip(signal.iter().cycle()).filter(|(_, paid)| **paid != 0.0) {
        sum.add_mul(factor * paid, variable);
    }
}

impl super::chain::Chain {
    fn occupancy_len(&self) -> usize {
        self.horizon * self.states * self.actions
    }

    /// Who is in a state was there at the start, or came there.
    fn flow(&self, occupancy: &[Variable]) -> Vec<Constraint> {
        let at = |step: usize, state: usize, action: usize| (step * self.states + state) * self.actions + action;
        let mut constraints = Vec::new();
        let mut come: Vec<Expression> = self.start.iter().map(|&start| Expression::from(start)).collect();
        for step in 0..self.horizon {
            let mut next = vec![Expression::default(); self.states];
            for (state, come) in come.into_iter().enumerate() {
                let here: Expression =
                    (0..self.actions).map(|action| Expression::from(occupancy[at(step, state, action)])).sum();
                constraints.push(here.eq(come));
                for action in 0..self.actions {
                    for &(to, chance) in self.successors(step, state, action) {
                        next[to as usize].add_mul(chance, occupancy[at(step, state, action)]);
                    }
                }
            }
            come = next;
        }
        constraints
    }
}

fn read(
    program: &Program,
    groups: &[Vec<Variable>],
    levels: &[Variable],
    value: impl Fn(Variable) -> f64,
    prices: Option<Vec<f64>>,
) -> Solution {
    let of_group = |group: &Vec<Variable>| group.iter().map(|&variable| value(variable).max(0.0)).collect();
    let occupancies: Vec<Vec<f64>> = groups.iter().map(of_group).collect();
    let levels: Vec<f64> = levels.iter().map(|&level| value(level)).collect();
    let objective = program.worth(&occupancies, &levels);
    let columns = groups.iter().map(Vec::len).sum::<usize>() + levels.len();
    Solution { objective, occupancies, levels, prices, iterations: 1, columns }
}
