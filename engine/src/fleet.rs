//! Fleets: independent learning runs of one environment that advance together, as lanes of one simulation.
//!
//! Every run keeps its own noise, policy and learner, so its numbers are those of the same run alone, to the bit,
//! whoever stands beside it. What the runs share is the work: one pass over the rows of all of them a step, one table of
//! what they all do, and one computation of the words that all runs of one seed look at.

use crate::constraint::Exact;
use crate::dynamics::{Dynamics, Moves, Starts, lanes_per_tile};
use crate::fused::{Columns, Keys, Rules, add};
use crate::metrics::Returns;
use crate::model::TabularModel;
use crate::noise::{Key, Phase};
use crate::optimizer::Learner;
use crate::policy::{PolicyTable, TabularPolicy, act};
use crate::rollout::{Codes, Rollout};
use crate::run::{self, Iteration};
use crate::scenario::Scenario;
use crate::sim::{BuildError, Earnings, Setup, Sim};
use crate::spec::Spec;
use std::ops::Range;
use std::sync::Arc;

/// Runs that advance together.
pub struct Fleet<'a> {
    sim: Sim,
    members: Vec<Member<'a>>,
    shape: Shape,
    noise: Noise,
    /// What every run does where: their tables, run by run within a step of the episode.
    table: PolicyTable,
    /// Where each row's cells begin in a step of the table.
    offset: Vec<u32>,
    /// What each row earned in a step, `[tasks, rows]`.
    reward: Vec<f32>,
    model: Option<Arc<TabularModel>>,
    /// Steps made so far.
    step: u64,
    done: u64,
}

/// A learning run that is to join a fleet.
#[derive(Clone, Copy, Debug)]
pub struct Berth<'a> {
    /// What is run.
    pub scenario: &'a Scenario,
    /// Its seed, whatever the scenario says.
    pub seed: u64,
}

struct Member<'a> {
    scenario: &'a Scenario,
    learner: Box<dyn Learner>,
    /// What the fleet's table says that it does.
    acting: TabularPolicy,
    /// Whether the learner may have changed its mind.
    unsure: bool,
    /// Its trajectory, where the learner asks for one.
    rollout: Option<Rollout>,
}

#[derive(Clone, Copy)]
struct Shape {
    lanes: usize,
    /// Rows of a run.
    rows: usize,
    tasks: usize,
    time_limit: u64,
    horizon: usize,
    iterations: u64,
}

/// What an iteration of a run showed, by name: the columns of `metrics.csv`.
pub type Metrics = Vec<(String, f64)>;

/// A fleet, and by index the runs that cannot begin.
pub type Begun<'a> = (Fleet<'a>, Vec<(usize, BuildError)>);

/// The most runs of a fleet: their tables and states stay in the second-level cache.
const MOST: usize = 64;
/// Thresholds of the largest policy that is worth a place in such a table.
const LARGEST: u64 = 1 << 14;

impl<'a> Fleet<'a> {
    /// How many runs of a scenario may advance together. One where the scenario asks for more than a fleet does, which is
    /// to learn, or where its runs are large enough to fill a tile on their own.
    pub fn room(scenario: &Scenario) -> usize {
        let spec = scenario.environment.spec();
        let cells = u64::from(spec.observation.count()) * spec.groups.len() as u64;
        let table = cells * u64::from(spec.action.count()) * u64::from(spec.time_limit);
        let tabular = scenario.policy.as_ref().is_some_and(|policy| !policy.is_network());
        let learns = scenario.optimizer.is_some() && tabular && spec.action.is_discrete();
        if !learns || !scenario.fairness.is_empty() || scenario.evaluation.is_some() || table > LARGEST {
            return 1;
        }
        (lanes_per_tile(spec.agents() as usize) / scenario.lanes.get() as usize).clamp(1, MOST)
    }

    /// Begins runs whose scenarios have one environment, and as many lanes, steps in a rollout and iterations; at most
    /// [`room`](Self::room) of them. None where nobody can begin, or the environment is not made of [`Dynamics`].
    pub fn begin(berths: &[Berth<'a>]) -> Result<Option<Begun<'a>>, BuildError> {
        let Some(first) = berths.first().map(|berth| berth.scenario) else { return Ok(None) };
        let spec = first.environment.spec();
        let model = first.environment.model().map(Arc::new);
        let (mut members, mut seeds, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (index, &Berth { scenario, seed }) in berths.iter().enumerate() {
            match run::begin(scenario, &spec, model.as_ref(), seed) {
                Ok(Some(learner)) => {
                    let Some(acting) = learner.policy().table().cloned() else { return Ok(None) };
                    members.push(Member { scenario, acting, learner, unsure: false, rollout: None });
                    seeds.push(seed);
                }
                Ok(None) => return Ok(None),
                Err(error) => refused.push((index, error)),
            }
        }
        let lanes = first.lanes.get() as usize;
        let setup =
            Setup { lanes: lanes * members.len(), seed: first.seed, phase: Phase::Training, threads: 1, device: None };
        let sim = Sim::new(&*first.environment, Vec::new(), setup)?;
        if members.is_empty() || !sim.lends() {
            return Ok(None);
        }
        let shape = Shape {
            lanes,
            rows: lanes * spec.agents() as usize,
            tasks: spec.tasks.len(),
            time_limit: u64::from(spec.time_limit),
            horizon: first.steps_per_rollout(),
            iterations: u64::from(first.iterations.get()),
        };
        let mut fleet = Fleet {
            noise: Noise::new(&seeds, shape.rows),
            table: empty_table(&spec, members.len()),
            offset: offsets(&spec, members.len(), lanes),
            reward: vec![0.0; shape.tasks * shape.rows * members.len()],
            sim,
            members,
            shape,
            model,
            step: 0,
            done: 0,
        };
        fleet.start(&spec);
        Ok(Some((fleet, refused)))
    }

    /// Runs that began.
    pub fn runs(&self) -> usize {
        self.members.len()
    }

    /// Iterations of a whole run.
    pub fn iterations(&self) -> u64 {
        self.shape.iterations
    }

    /// Iterations done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Makes the next iteration of all runs; false where all are done. Where it is to be `told`, it gets every run's
    /// metrics: what is not asked for is not computed.
    pub fn next_iteration(&mut self, told: Option<&mut Vec<Metrics>>) -> bool {
        if self.done >= self.shape.iterations {
            return false;
        }
        let first = self.step;
        self.advance();
        self.step += self.shape.horizon as u64;
        self.done += 1;
        match told {
            Some(told) => *told = self.tell(first),
            None => {
                let nothing = Rollout::new(self.sim.spec(), 0, 0, 0, false);
                for member in &mut self.members {
                    member.unsure = member.learner.learn(member.rollout.as_ref().unwrap_or(&nothing));
                }
            }
        }
        self.follow();
        true
    }

    /// Starts the first episodes.
    fn start(&mut self, spec: &Spec) {
        let Shape { lanes, horizon, .. } = self.shape;
        for member in &mut self.members {
            let needs = member.scenario.optimizer.as_ref().map(|optimizer| optimizer.needs()).unwrap_or_default();
            member.rollout = needs.trajectory.then(|| Rollout::new(spec, lanes, horizon, 0, false));
        }
        for run in 0..self.members.len() {
            write(&mut self.table, run, self.members.len(), &self.members[run].acting.table());
        }
        let noise = &mut self.noise;
        self.sim.lend_columns(&mut |rules, columns| {
            if let Some(dynamics) = &rules.dynamics {
                noise.restart(&**dynamics, 0, columns.state);
            }
        });
    }

    /// Writes what learners have changed their minds about into the table.
    fn follow(&mut self) {
        let runs = self.members.len();
        for (run, member) in self.members.iter_mut().enumerate() {
            if member.unsure
                && let Some(policy) = member.learner.policy().table()
                && member.acting != *policy
            {
                member.acting.clone_from(policy);
                write(&mut self.table, run, runs, &member.acting.table());
            }
        }
    }

    /// The steps of an iteration.
    fn advance(&mut self) {
        let Fleet { sim, members, noise, table, offset, reward, shape, .. } = self;
        for member in &mut *members {
            let rollout = member.rollout.as_mut();
            rollout.into_iter().for_each(|rollout| ready(rollout, sim.spec(), shape, self.step));
        }
        let steps = self.step..self.step + shape.horizon as u64;
        sim.lend_columns(&mut |rules, columns| {
            if let Some(dynamics) = &rules.dynamics {
                let work = Work { rules, dynamics: &**dynamics, table, offset, shape: *shape };
                work.advance(steps.clone(), columns, members, noise, reward);
            }
        });
    }

    /// What the iteration that began at step `first` showed, run by run.
    fn tell(&mut self, first: u64) -> Vec<Metrics> {
        let spec = self.sim.spec().clone();
        let mut sums: Vec<Vec<f32>> = Vec::new();
        let Shape { rows, time_limit, horizon, .. } = self.shape;
        self.sim.lend_columns(&mut |_, columns| {
            let of_run = |run: usize| columns.ledger.returns.iter().flat_map(move |task| &task[run * rows..][..rows]);
            sums = (0..columns.state.len() / rows).map(|run| of_run(run).copied().collect()).collect();
        });
        let last = first + horizon as u64;
        let episodes = last / time_limit - first / time_limit;
        let (number, model, nothing) = (self.done, &self.model, Rollout::new(&spec, 0, 0, 0, false));
        let tell = |(member, sums): (&mut Member<'_>, Vec<f32>)| {
            let training = (episodes > 0).then(|| {
                let returns = Returns::from_sums(&spec, &sums, episodes);
                Earnings { returns, sums, episodes, taught: None, measures: Vec::new() }
            });
            let exact = model.as_ref().map(|model| model.evaluate(&spec, &member.acting));
            let known = model.as_deref().map(|model| Exact { spec: &spec, model, policy: &member.acting });
            let returns = exact.as_ref().or(training.as_ref().map(|earnings| &earnings.returns));
            let judged = returns.map(|returns| run::judge(&member.scenario.constraints, returns, known));
            let (overruns, unjudged) = judged.unwrap_or_default();
            let update = member.learner.update(member.rollout.as_ref().unwrap_or(&nothing));
            member.unsure = true;
            let (evaluation, fairness, state_hash) = (None, Vec::new(), 0);
            let shown = Iteration {
                number,
                steps: last,
                training,
                evaluation,
                exact,
                overruns,
                unjudged,
                fairness,
                update,
                state_hash,
            };
            shown.metrics()
        };
        self.members.iter_mut().zip(sums).map(tell).collect()
    }
}

/// What stays the same in all steps of an iteration.
struct Work<'a> {
    rules: &'a Rules,
    dynamics: &'a dyn Dynamics,
    table: &'a PolicyTable,
    offset: &'a [u32],
    shape: Shape,
}

impl Work<'_> {
    fn advance(
        &self,
        steps: Range<u64>,
        columns: Columns<'_>,
        members: &mut [Member<'_>],
        noise: &mut Noise,
        reward: &mut [f32],
    ) {
        let Columns { state, action, mut ledger } = columns;
        let (all, mut episode) = (state.len(), 0);
        ledger.returns.iter_mut().for_each(|returns| returns.fill(0.0));
        for (t, step) in steps.enumerate() {
            let words = if self.table.draws { noise.fill(|keys| &keys.policy, step) } else { noise.any() };
            act(self.table.at(self.rules.elapsed(step)), self.table.actions, self.offset, state, words, action);
            self.track(members, |rollout| &mut rollout.observation, t, state);
            self.track(members, |rollout| &mut rollout.action, t, action);
            let words = noise.fill(|keys| &keys.transition, step);
            self.dynamics.step(Moves { action, words, state, reward });
            for (reward, utility) in reward.chunks_exact(all).zip(&mut ledger.utility) {
                add(reward, utility);
            }
            self.track_rewards(members, t, reward);
            if self.rules.ends(step) {
                self.track(members, |rollout| &mut rollout.final_observation, episode, state);
                episode += 1;
                for (utility, returns) in ledger.utility.iter_mut().zip(&mut ledger.returns) {
                    add(utility, returns);
                    utility.fill(0.0);
                }
                noise.restart(self.dynamics, step + 1, state);
            }
        }
        self.track(members, |rollout| &mut rollout.next_observation, 0, state);
    }

    /// Copies a column into entry `at` of the runs' trajectories.
    fn track(&self, members: &mut [Member<'_>], codes: impl Fn(&mut Rollout) -> &mut Codes, at: usize, column: &[u32]) {
        for (member, mine) in members.iter_mut().zip(column.chunks_exact(self.shape.rows)) {
            if let Some(rollout) = &mut member.rollout {
                codes(rollout).copy(at * mine.len(), mine);
            }
        }
    }

    fn track_rewards(&self, members: &mut [Member<'_>], t: usize, reward: &[f32]) {
        let Shape { rows, tasks, .. } = self.shape;
        for (task, block) in reward.chunks_exact(reward.len() / tasks).enumerate() {
            for (member, mine) in members.iter_mut().zip(block.chunks_exact(rows)) {
                if let Some(rollout) = &mut member.rollout {
                    rollout.reward[(t * tasks + task) * rows..][..rows].copy_from_slice(mine);
                }
            }
        }
    }
}

/// Readies a trajectory for the steps from `first` on.
fn ready(rollout: &mut Rollout, spec: &Spec, shape: &Shape, first: u64) {
    let same_episodes = (first - rollout.first_step).is_multiple_of(shape.time_limit);
    if same_episodes {
        rollout.first_step = first;
    } else {
        *rollout = Rollout::new(spec, shape.lanes, shape.horizon, first, false);
    }
}

/// A table for the policies of so many runs, for every step of the episode.
fn empty_table(spec: &Spec, runs: usize) -> PolicyTable {
    let (steps, actions) = (spec.time_limit as usize, spec.action.count() as usize);
    let row = runs * spec.groups.len() * spec.observation.count() as usize;
    PolicyTable { steps, row, actions, draws: false, thresholds: vec![0; steps * row * (actions - 1)] }
}

/// Writes a run's policy into its place.
fn write(table: &mut PolicyTable, run: usize, runs: usize, own: &PolicyTable) {
    let all = table.row * (table.actions - 1);
    let part = all / runs;
    for (step, row) in table.thresholds.chunks_exact_mut(all.max(1)).enumerate() {
        row[run * part..][..part].copy_from_slice(own.at(step as u32));
    }
    // Once some policy leaves something to chance, noise is computed for ever: any word does for those that do not.
    table.draws |= own.draws;
}

/// Where the cells of each row's run and group begin.
fn offsets(spec: &Spec, runs: usize, lanes: usize) -> Vec<u32> {
    let (groups, observations) = (spec.groups.len() as u32, spec.observation.count());
    let group = spec.agent_groups();
    let of_run = |run: u32| {
        let lane = group.iter().map(move |group| (run * groups + group) * observations);
        std::iter::repeat_n(lane, lanes).flatten()
    };
    (0..runs as u32).flat_map(of_run).collect()
}

/// The words of all runs: those of one seed look at the same ones.
struct Noise {
    keys: Vec<Keys>,
    /// Which of the keys each run has.
    of_run: Vec<usize>,
    /// What was computed for each of the keys, `[keys, rows of a run]`.
    own: Vec<u32>,
    words: Vec<u32>,
    rows: usize,
}

impl Noise {
    fn new(seeds: &[u64], rows: usize) -> Noise {
        let mut known: Vec<u64> = seeds.to_vec();
        known.sort_unstable();
        known.dedup();
        Noise {
            keys: known.iter().map(|&seed| Keys::new(seed, Phase::Training)).collect(),
            of_run: seeds.iter().map(|seed| known.binary_search(seed).unwrap_or_default()).collect(),
            own: vec![0; known.len() * rows],
            words: vec![0; seeds.len() * rows],
            rows,
        }
    }

    /// The words of all rows in a step, or after so many.
    fn fill(&mut self, key: impl Fn(&Keys) -> &Key, step: u64) -> &[u32] {
        for (keys, own) in self.keys.iter().zip(self.own.chunks_exact_mut(self.rows)) {
            key(keys).fill(step, 0, own);
        }
        for (words, of) in self.words.chunks_exact_mut(self.rows).zip(&self.of_run) {
            words.copy_from_slice(&self.own[of * self.rows..][..self.rows]);
        }
        &self.words
    }

    /// Words for those who do not look at them.
    fn any(&self) -> &[u32] {
        &self.words
    }

    /// Starts the episodes of all rows; `made` is the number of steps made before.
    fn restart(&mut self, dynamics: &dyn Dynamics, made: u64, state: &mut [u32]) {
        let words = if dynamics.draws_starts() { self.fill(|keys| &keys.reset, made) } else { self.any() };
        dynamics.start(Starts { words, state });
    }
}
