//! Column generation: a small master programme mixes deterministic policies, backward induction finds the next ones.
//!
//! Only the rows join the groups. At given prices of the rows every group's best answer is a deterministic policy, found
//! by one backward induction on its rewards less the prices; the master decides how much of each to play. It ends
//! when no policy would improve the mixture. Dantzig and Wolfe 1960.

use super::chain::{Best, Chain};
use super::master::Master;
use super::program::{LpError, LpFault, Part, Program, Solution};

/// A policy is worth adding if it gains more than this share of the largest cost.
const TOLERANCE: f64 = 1e-11;
/// Rows that lack less than this cannot be told from rows that hold.
const HOLDS: f64 = 1e-9;
/// Rounds after which something must be wrong.
const ROUNDS: usize = 10_000;
/// Transitions below which threads cost more than they save.
const WORTH_THREADS: usize = 1_000_000;

/// A deterministic policy of one group, and its column in the master.
struct Proposal {
    group: usize,
    column: usize,
    actions: Vec<u32>,
    visits: Vec<f64>,
}

struct Search<'a> {
    program: &'a Program,
    master: Master,
    /// Two columns for each level, which may be negative.
    levels: Vec<[usize; 2]>,
    proposals: Vec<Proposal>,
}

pub(super) fn solve(program: &Program) -> Result<Solution, LpError> {
    let limits: Vec<f64> = program.rows.iter().map(|row| row.limit).collect();
    let mut master = Master::new(&limits, &vec![1.0; program.parts.len()]);
    let level = |(level, adds): (usize, &f64)| {
        [1.0, -1.0].map(|sign| master.add(sign * adds, level_entries(program, level, sign)))
    };
    let levels = program.levels.iter().enumerate().map(level).collect();
    let mut search = Search { program, master, levels, proposals: Vec::new() };
    search.propose(&vec![0.0; program.rows.len()], true);
    for round in 1..=ROUNDS {
        search.master.optimise(TOLERANCE)?;
        if search.master.wants_feasibility() && search.master.missing() <= HOLDS {
            search.master.maximise();
            search.master.optimise(TOLERANCE)?;
        }
        let prices = search.master.prices();
        if search.propose(&prices, !search.master.wants_feasibility()) {
            continue;
        }
        if search.master.wants_feasibility() {
            return Err(LpError::Infeasible);
        }
        return Ok(search.mixture(prices, round));
    }
    Err(LpFault::new("policies kept improving for too long").into())
}

fn level_entries(program: &Program, level: usize, sign: f64) -> Vec<f64> {
    let factor =
        |row: &super::program::Row| row.levels.iter().filter(|(of, _)| *of == level).map(|(_, f)| f).sum::<f64>();
    let of_rows = program.rows.iter().map(|row| sign * factor(row));
    of_rows.chain(std::iter::repeat_n(0.0, program.parts.len())).collect()
}

impl Search<'_> {
    /// Adds every group's best policy at these prices, where it improves; false where none does.
    /// At first there are no prices of groups, and every policy is welcome.
    fn propose(&mut self, prices: &[f64], earning: bool) -> bool {
        let rows = self.program.rows.len();
        let (of_rows, of_groups) = prices.split_at(rows);
        let signals: Vec<Vec<f64>> =
            (0..self.program.parts.len()).map(|group| self.priced(group, of_rows, earning)).collect();
        let tolerance = TOLERANCE * self.master.scale().max(10.0);
        let mut improved = false;
        for (group, best) in best_of_all(&self.program.parts, &signals).into_iter().enumerate() {
            let improves = of_groups.get(group).is_none_or(|price| best.value - price > tolerance);
            if improves && !self.known(group, &best.actions) {
                self.add(group, best.actions);
                improved = true;
            }
        }
        improved
    }

    /// A policy that is in the master already only seems to improve: rounding.
    fn known(&self, group: usize, actions: &[u32]) -> bool {
        self.proposals.iter().any(|proposal| proposal.group == group && proposal.actions == actions)
    }

    /// What a group is paid when rows have prices.
    fn priced(&self, group: usize, prices: &[f64], earning: bool) -> Vec<f64> {
        let part = &self.program.parts[group];
        let mut priced = match earning {
            true => part.objective.clone(),
            false => vec![0.0; part.objective.len()],
        };
        for (row, price) in self.program.rows.iter().zip(prices).filter(|(_, price)| **price != 0.0) {
            for &(of, signal, factor) in row.terms.iter().filter(|term| term.0 == group) {
                debug_assert_eq!(of, group);
                let paid = &part.signals[signal];
                priced.iter_mut().zip(paid).for_each(|(to, paid)| *to -= price * factor * paid);
            }
        }
        priced
    }

    fn add(&mut self, group: usize, actions: Vec<u32>) {
        let part = &self.program.parts[group];
        let visits = part.chain.visits(&actions);
        let earned: Vec<f64> = part.signals.iter().map(|signal| part.chain.earned(&visits, &actions, signal)).collect();
        let of_row = |row: &super::program::Row| -> f64 {
            row.terms.iter().filter(|term| term.0 == group).map(|&(_, signal, factor)| factor * earned[signal]).sum()
        };
        let mut entries: Vec<f64> = self.program.rows.iter().map(of_row).collect();
        entries.extend((0..self.program.parts.len()).map(|other| f64::from(u8::from(other == group))));
        let cost = part.chain.earned(&visits, &actions, &part.objective);
        let column = self.master.add(cost, entries);
        self.proposals.push(Proposal { group, column, actions, visits });
    }

    /// The occupancies of the mixture that the master has found.
    fn mixture(&self, prices: Vec<f64>, iterations: usize) -> Solution {
        let shares = self.master.solution();
        let mut occupancies: Vec<Vec<f64>> =
            self.program.parts.iter().map(|part| vec![0.0; part.chain.horizon * cells(&part.chain)]).collect();
        for proposal in &self.proposals {
            let (share, occupancy) = (shares[proposal.column], &mut occupancies[proposal.group]);
            let actions = self.program.parts[proposal.group].chain.actions;
            for (index, (&action, &here)) in proposal.actions.iter().zip(&proposal.visits).enumerate() {
                occupancy[index * actions + action as usize] += share * here;
            }
        }
        let levels: Vec<f64> = self.levels.iter().map(|&[above, below]| shares[above] - shares[below]).collect();
        let objective = self.program.worth(&occupancies, &levels);
        let prices = Some(prices[..self.program.rows.len()].to_vec());
        Solution { objective, occupancies, levels, prices, iterations, columns: self.proposals.len() }
    }
}

fn cells(chain: &Chain) -> usize {
    chain.states * chain.actions
}

/// One backward induction per group, side by side where they are long.
fn best_of_all(parts: &[Part], signals: &[Vec<f64>]) -> Vec<Best> {
    let work: usize = parts.iter().map(|part| part.chain.work()).sum();
    let best = |(part, signal): (&Part, &Vec<f64>)| part.chain.best(signal);
    // Asking how many threads there are reads files: it takes longer than many a small programme.
    let threads = || std::thread::available_parallelism().map_or(1, usize::from).min(parts.len());
    let threads = if work < WORTH_THREADS { 1 } else { threads() };
    if threads == 1 {
        return parts.iter().zip(signals).map(best).collect();
    }
    let share = parts.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let shares = parts.chunks(share).zip(signals.chunks(share));
        let running: Vec<_> = shares
            .map(|(parts, signals)| scope.spawn(move || parts.iter().zip(signals).map(best).collect::<Vec<_>>()))
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
