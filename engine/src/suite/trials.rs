//! How the runs of a suite are made: those that can be side by side in one fleet, the others one by one.

use super::{Outcome, Plan, Trial, again};
use crate::fleet::{Berth, Fleet};
use crate::run::{Means, Run};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Who looks on while a suite is carried out, from several threads.
pub struct Watch<'a> {
    /// Called after iterations, with their number.
    pub tick: &'a (dyn Fn(u64) + Sync),
    /// Called with trials that came to an end. The suite ends early where it says so.
    pub finished: &'a (dyn Fn(&[Trial]) -> ControlFlow<()> + Sync),
}

/// A run that is to be made: indices of the cell and of the seed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    seed: usize,
    cell: usize,
}

/// Shares of the work for every thread, so that nobody waits long for the last one.
const SHARES: usize = 4;
/// Runs that are worth more side by side than shared out so finely.
const FEW: usize = 8;

impl Plan {
    /// Makes all runs with all seeds that are not `done` on so many threads. Returns all trials, also those that were
    /// done, in the order of the file: cell by cell, seed by seed. Ends early where `stop` is raised. Neither the threads
    /// nor what was done before changes what comes out of any run.
    pub fn carry_out(&self, done: Vec<Trial>, threads: usize, stop: &AtomicBool, watch: &Watch<'_>) -> Vec<Trial> {
        let seeds: BTreeMap<u64, usize> = self.seeds.iter().enumerate().map(|(index, &seed)| (seed, index)).collect();
        let mut trials: BTreeMap<(usize, usize), Trial> = BTreeMap::new();
        for trial in done {
            if let Some(&seed) = seeds.get(&trial.seed) {
                trials.insert((trial.cell, seed), trial);
            }
        }
        let all = (0..self.seeds.len()).flat_map(|seed| (0..self.cells.len()).map(move |cell| Job { seed, cell }));
        let units = self.units(all.filter(|job| !trials.contains_key(&(job.cell, job.seed))).collect(), threads);
        let (next, made) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcomes = self.make(unit, stop, watch.tick);
                let of =
                    |(job, outcome): (&Job, Outcome)| Trial { cell: job.cell, seed: self.seeds[job.seed], outcome };
                let own: Vec<Trial> = unit.iter().zip(outcomes).map(of).collect();
                let ended: Vec<Trial> = own.iter().filter(|trial| trial.outcome != Outcome::Stopped).cloned().collect();
                if !ended.is_empty() && (watch.finished)(&ended).is_break() {
                    stop.store(true, Ordering::Relaxed);
                }
                made.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).extend(unit.iter().copied().zip(own));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, units.len().max(1)) {
                scope.spawn(work);
            }
        });
        let made = made.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        trials.extend(made.into_iter().map(|(job, trial)| ((job.cell, job.seed), trial)));
        trials.into_values().collect()
    }

    /// What a thread does at a time: runs of one environment and length side by side, those of one seed next to each
    /// other, for they look at the same noise.
    fn units(&self, jobs: Vec<Job>, threads: usize) -> Vec<Vec<Job>> {
        let mut groups: Vec<(Option<u64>, Vec<Job>)> = Vec::new();
        for job in jobs {
            let together = self.ready[job.cell].together;
            match groups.iter_mut().find(|(known, _)| together.is_some() && *known == together) {
                Some((_, group)) => group.push(job),
                None => groups.push((together, vec![job])),
            }
        }
        let mut units = Vec::new();
        for (_, mut group) in groups {
            group.sort_unstable();
            let room = group.iter().map(|job| self.ready[job.cell].room).min().unwrap_or(1);
            let (runs, threads) = (group.len(), threads.max(1));
            let size = runs.div_ceil(SHARES * threads).max(FEW.min(runs.div_ceil(threads))).min(room);
            units.extend(group.chunks(size).map(<[Job]>::to_vec));
        }
        units
    }

    /// Makes the runs of a unit.
    fn make(&self, unit: &[Job], stop: &AtomicBool, tick: &dyn Fn(u64)) -> Vec<Outcome> {
        if unit.len() > 1 {
            let berth = |job: &Job| Berth { scenario: &self.ready[job.cell].scenario, seed: self.seeds[job.seed] };
            let berths: Vec<Berth<'_>> = unit.iter().map(berth).collect();
            if let Ok(Some((fleet, refused))) = Fleet::begin(&berths) {
                let mut outcomes = self.sail(fleet, stop, tick).into_iter();
                let mut outcome = |index: usize| match refused.iter().find(|(of, _)| *of == index) {
                    Some((_, reason)) => Outcome::Failed(reason.to_string()),
                    None => outcomes.next().unwrap_or(Outcome::Stopped),
                };
                return (0..unit.len()).map(&mut outcome).collect();
            }
        }
        let alone = |job: &Job| self.make_alone(*job, stop, tick).unwrap_or_else(Outcome::Failed);
        unit.iter().map(alone).collect()
    }

    /// Makes all iterations of a fleet.
    fn sail(&self, mut fleet: Fleet<'_>, stop: &AtomicBool, tick: &dyn Fn(u64)) -> Vec<Outcome> {
        let last = fleet.iterations();
        let mut values = vec![vec![None; self.suite.columns.len()]; fleet.runs()];
        let mut told = Vec::new();
        while fleet.done() < last {
            if stop.load(Ordering::Relaxed) {
                return vec![Outcome::Stopped; fleet.runs()];
            }
            let number = fleet.done() + 1;
            let due = self.is_due(number, last);
            fleet.next_iteration(due.then_some(&mut told));
            if due {
                told.iter().zip(&mut values).for_each(|(metrics, values)| self.note(number, last, metrics, values));
            }
            tick(fleet.runs() as u64);
        }
        values.into_iter().map(Outcome::Done).collect()
    }

    fn make_alone(&self, job: Job, stop: &AtomicBool, tick: &dyn Fn(u64)) -> Result<Outcome, String> {
        if stop.load(Ordering::Relaxed) {
            return Ok(Outcome::Stopped);
        }
        let mut scenario = again(&self.ready[job.cell].text)?;
        scenario.seed = self.seeds[job.seed];
        let last = u64::from(scenario.iterations.get());
        let mut run = Run::new(scenario, Means { threads: 1, device: None }).map_err(|error| error.to_string())?;
        let mut values = vec![None; self.suite.columns.len()];
        while let Some(iteration) = run.next_iteration().map_err(|error| error.to_string())? {
            if self.is_due(iteration.number, last) {
                self.note(iteration.number, last, &iteration.metrics(), &mut values);
            }
            tick(1);
            if iteration.number < last && stop.load(Ordering::Relaxed) {
                return Ok(Outcome::Stopped);
            }
        }
        Ok(Outcome::Done(values))
    }

    /// Whether some column tells of this iteration.
    fn is_due(&self, number: u64, last: u64) -> bool {
        self.suite.columns.iter().any(|column| column.iteration(last) == number)
    }

    /// Takes the values of the columns that tell of this iteration.
    fn note(&self, number: u64, last: u64, metrics: &[(String, f64)], values: &mut [Option<f64>]) {
        for (column, value) in self.suite.columns.iter().zip(values) {
            if column.iteration(last) == number {
                *value = metrics.iter().find(|(name, _)| *name == column.metric).map(|(_, value)| *value);
            }
        }
    }
}
