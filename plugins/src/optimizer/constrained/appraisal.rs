//! What a policy earns and how much better every decision is than what it does on average: exactly, from the model, or
//! as a rollout has it.

use isonomy_engine::model::TabularModel;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::Spec;

/// Returns and advantages of a policy.
#[derive(Clone, Debug)]
pub(super) struct Appraisal {
    /// What groups earn, `[groups, tasks]`.
    pub(super) returns: Vec<f64>,
    /// Visits of a cell in an episode, `[cells]`.
    pub(super) visits: Vec<f64>,
    /// Advantages of what the policy is taught, `[cells, actions]`.
    pub(super) objective: Vec<f64>,
    /// Advantages of what the environment pays, `[tasks]` of `[cells, actions]`.
    pub(super) tasks: Vec<Vec<f64>>,
}

/// The same for one group, step by step.
pub(super) struct Steps {
    returns: Vec<f64>,
    /// `[steps, observations]`.
    visits: Vec<f64>,
    /// `[steps, observations, actions]`.
    objective: Vec<f64>,
    /// `[tasks]` of `[steps, observations, actions]`.
    tasks: Vec<Vec<f64>>,
}

impl Appraisal {
    pub(super) fn empty(policy: &TabularPolicy, tasks: usize) -> Self {
        Appraisal {
            returns: vec![0.0; policy.groups * tasks],
            visits: vec![0.0; policy.cells()],
            objective: vec![0.0; policy.logits.len()],
            tasks: vec![vec![0.0; policy.logits.len()]; tasks],
        }
    }

    /// Puts in what is known of a group. A cell that acts at several steps gets the mean of its advantages over its visits.
    pub(super) fn fill(&mut self, policy: &TabularPolicy, group: usize, steps: &Steps) {
        let tasks = self.tasks.len();
        self.returns[group * tasks..][..tasks].copy_from_slice(&steps.returns);
        let place = |at: usize| policy.cell(at / policy.observations, group, at % policy.observations);
        for at in 0..policy.steps * policy.observations {
            self.visits[place(at)] = 0.0;
        }
        for (at, visits) in steps.visits.iter().enumerate() {
            self.visits[place(at)] += visits;
        }
        let signals = self.tasks.iter_mut().zip(&steps.tasks).chain([(&mut self.objective, &steps.objective)]);
        for (to, from) in signals {
            for at in 0..policy.steps * policy.observations {
                to[place(at) * policy.actions..][..policy.actions].fill(0.0);
            }
            for (at, (own, visits)) in from.chunks_exact(policy.actions).zip(&steps.visits).enumerate() {
                let share = if *visits > UNVISITED { visits / self.visits[place(at)] } else { 0.0 };
                let to = &mut to[place(at) * policy.actions..][..policy.actions];
                to.iter_mut().zip(own).for_each(|(to, own)| *to += share * own);
            }
        }
    }
}

/// A cell that is visited more rarely teaches nothing.
const UNVISITED: f64 = 1e-290;

/// What the model says of a group: of an episode, or of a life without end where a reward is worth `discount` times as
/// much a step later, for a policy that does not look at the clock.
pub(super) fn exact(
    model: &TabularModel,
    policy: &TabularPolicy,
    group: usize,
    discount: Option<f64>,
    weights: &[f64],
) -> Steps {
    let mut steps = match discount {
        Some(discount) => endless(model, policy, group, discount),
        None => episodic(model, policy, group),
    };
    for (task, weight) in steps.tasks.iter().zip(weights) {
        steps.objective.iter_mut().zip(task).for_each(|(sum, advantage)| *sum += weight * advantage);
    }
    steps
}

fn episodic(model: &TabularModel, policy: &TabularPolicy, group: usize) -> Steps {
    let occupancy = model.occupancy(policy, group);
    let visits: Vec<f64> = occupancy.chunks_exact(model.actions).map(|cell| cell.iter().sum()).collect();
    let chances: Vec<f64> = (0..visits.len())
        .flat_map(|at| policy.chances(policy.cell(at / model.states, group, at % model.states)))
        .collect();
    let (mut returns, mut tasks) = (Vec::new(), Vec::new());
    for task in 0..model.tasks {
        let (mut advantages, mut value) = (vec![0.0; occupancy.len()], vec![0.0; model.states]);
        let per_step = model.states * model.actions;
        for step in (0..model.horizon).rev() {
            let own = step * per_step..(step + 1) * per_step;
            value = appraise(model, group, task, (&chances[own.clone()], &value, 1.0), &mut advantages[own]);
        }
        returns.push(dot(model.start(group), &value));
        tasks.push(advantages);
    }
    Steps { returns, visits, objective: vec![0.0; occupancy.len()], tasks }
}

/// Advantages of one step, given chances `[states, actions]`, the value of what comes after and what that is worth now.
/// Returns the value of the step.
fn appraise(
    model: &TabularModel,
    group: usize,
    task: usize,
    (chances, after, discount): (&[f64], &[f64], f64),
    advantages: &mut [f64],
) -> Vec<f64> {
    let cells = advantages.chunks_exact_mut(model.actions).zip(chances.chunks_exact(model.actions));
    let of_state = |(state, (own, chances)): (usize, (&mut [f64], &[f64]))| {
        for (action, own) in own.iter_mut().enumerate() {
            *own = model.reward(group, task, state, action) + discount * dot(model.next(group, state, action), after);
        }
        let value = dot(own, chances);
        own.iter_mut().for_each(|own| *own -= value);
        value
    };
    cells.enumerate().map(of_state).collect()
}

fn endless(model: &TabularModel, policy: &TabularPolicy, group: usize, discount: f64) -> Steps {
    let n = model.states;
    let chances: Vec<f64> = (0..n).flat_map(|state| policy.chances(policy.cell(0, group, state))).collect();
    // I − γP, and its transpose for the visits.
    let (mut forward, mut backward) = (vec![0.0; n * n], vec![0.0; n * n]);
    let mut pays = vec![vec![0.0; n]; model.tasks];
    for state in 0..n {
        forward[state * n + state] += 1.0;
        for action in 0..model.actions {
            let chance = chances[state * model.actions + action];
            for (to, next) in model.next(group, state, action).iter().enumerate() {
                forward[state * n + to] -= discount * chance * next;
            }
            for (task, pay) in pays.iter_mut().enumerate() {
                pay[state] += chance * model.reward(group, task, state, action);
            }
        }
    }
    (0..n * n).for_each(|at| backward[at % n * n + at / n] = forward[at]);
    let mut visits = vec![model.start(group).to_vec()];
    solve(&mut backward, &mut visits);
    solve(&mut forward, &mut pays);
    let (mut returns, mut tasks) = (Vec::new(), Vec::new());
    for (task, value) in pays.iter().enumerate() {
        let mut advantages = vec![0.0; n * model.actions];
        appraise(model, group, task, (&chances, value, discount), &mut advantages);
        returns.push(dot(model.start(group), value));
        tasks.push(advantages);
    }
    Steps { returns, visits: visits.remove(0), objective: vec![0.0; n * model.actions], tasks }
}

/// Solves `M x = b` for every `b`, in its place, by elimination. `I − γP` is dominated by its diagonal, by rows or by
/// columns, so nothing needs to be swapped.
fn solve(matrix: &mut [f64], sides: &mut [Vec<f64>]) {
    let n = matrix.len().isqrt();
    for pivot in 0..n {
        for row in pivot + 1..n {
            let factor = matrix[row * n + pivot] / matrix[pivot * n + pivot];
            for column in pivot..n {
                matrix[row * n + column] -= factor * matrix[pivot * n + column];
            }
            sides.iter_mut().for_each(|side| side[row] -= factor * side[pivot]);
        }
    }
    for side in sides {
        for row in (0..n).rev() {
            let known: f64 = (row + 1..n).map(|column| matrix[row * n + column] * side[column]).sum();
            side[row] = (side[row] - known) / matrix[row * n + row];
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What the whole episodes of a rollout say, group by group; none where it has no whole episode.
///
/// The advantage of an action is the mean return to go after it, less the mean of its cell. It is zero for an action that
/// was never taken.
pub(super) fn sampled(rollout: &Rollout, spec: &Spec, weights: &[f64]) -> Option<Vec<Steps>> {
    let limit = rollout.time_limit as usize;
    let begin = (limit - rollout.elapsed(0) as usize) % limit;
    let firsts: Vec<usize> = (begin..).step_by(limit).take_while(|first| first + limit <= rollout.horizon).collect();
    let mut tallies: Vec<Tally> = spec.groups.iter().map(|_| Tally::empty(spec)).collect();
    for &first in &firsts {
        tally_episode(rollout, spec, first, weights, &mut tallies);
    }
    let episodes = firsts.len() * rollout.lanes;
    let of = |(tally, group): (Tally, u32)| tally.steps(spec, episodes as f64 * f64::from(group));
    (episodes > 0).then(|| tallies.into_iter().zip(spec.groups.iter().map(|group| group.agents)).map(of).collect())
}

/// Sums over the episodes of a group's agents.
struct Tally {
    returns: Vec<f64>,
    /// `[steps, observations, actions]`.
    visits: Vec<f64>,
    /// Returns to go: every task, then what is taught, each `[steps, observations, actions]`.
    sums: Vec<Vec<f64>>,
}

fn tally_episode(rollout: &Rollout, spec: &Spec, first: usize, weights: &[f64], tallies: &mut [Tally]) {
    let (rows, tasks, groups) = (rollout.rows(), rollout.tasks, spec.agent_groups());
    let (observations, actions) = (spec.observation.count() as usize, spec.action.count() as usize);
    let mut to_go = vec![vec![0.0; rows]; tasks + 1];
    for elapsed in (0..rollout.time_limit as usize).rev() {
        let t = first + elapsed;
        for task in 0..tasks {
            let own = (t * tasks + task) * rows..(t * tasks + task + 1) * rows;
            to_go[task].iter_mut().zip(&rollout.reward[own.clone()]).for_each(|(sum, r)| *sum += f64::from(*r));
            let taught = to_go[tasks].iter_mut().zip(&rollout.taught()[own]);
            taught.for_each(|(sum, r)| *sum += weights[task] * f64::from(*r));
        }
        for row in 0..rows {
            let tally = &mut tallies[groups[row % rollout.agents] as usize];
            let (seen, done) = (rollout.observation.get(t * rows + row), rollout.action.get(t * rows + row));
            let at = (elapsed * observations + seen as usize) * actions + done as usize;
            tally.visits[at] += 1.0;
            tally.sums.iter_mut().zip(&to_go).for_each(|(sum, to_go)| sum[at] += to_go[row]);
        }
    }
    for row in 0..rows {
        let tally = &mut tallies[groups[row % rollout.agents] as usize];
        tally.returns.iter_mut().zip(&to_go).for_each(|(sum, to_go)| *sum += to_go[row]);
    }
}

impl Tally {
    fn empty(spec: &Spec) -> Self {
        let entries = (spec.time_limit * spec.observation.count() * spec.action.count()) as usize;
        let tasks = spec.tasks.len();
        Tally { returns: vec![0.0; tasks], visits: vec![0.0; entries], sums: vec![vec![0.0; entries]; tasks + 1] }
    }

    /// The means, over this many episodes.
    fn steps(mut self, spec: &Spec, episodes: f64) -> Steps {
        let actions = spec.action.count() as usize;
        for sums in &mut self.sums {
            for (sums, visits) in sums.chunks_exact_mut(actions).zip(self.visits.chunks_exact(actions)) {
                let mean = sums.iter().sum::<f64>() / visits.iter().sum::<f64>();
                let advantage = |sum: f64, visits: f64| if visits > 0.0 { sum / visits - mean } else { 0.0 };
                sums.iter_mut().zip(visits).for_each(|(sum, visits)| *sum = advantage(*sum, *visits));
            }
        }
        let objective = self.sums.pop().expect("one for what is taught");
        Steps {
            returns: self.returns.iter().map(|sum| sum / episodes).collect(),
            visits: self.visits.chunks_exact(actions).map(|cell| cell.iter().sum::<f64>() / episodes).collect(),
            objective,
            tasks: self.sums,
        }
    }
}
