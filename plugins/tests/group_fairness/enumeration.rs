//! The planner against a programme of another kind: every deterministic policy of every group is a column.
//!
//! Nothing of the planner is used but what it plans: no occupancies, no flow, no chains.

use crate::instances;
use crate::planner::returns_of;
use good_lp::{Expression, ProblemVariables, ResolutionError, Solution, SolverModel, microlp, variable};
use isonomy_engine::model::TabularModel;
use isonomy_plugins::group_fairness::{Compare, FairProblem, LpError, PlanError, Reading, Rows, Solver};
use proptest::prelude::*;

/// What each deterministic policy of a group earns, `[policies]` of `[tasks]`.
fn all_policies(model: &TabularModel, group: usize) -> Vec<Vec<f64>> {
    let cells = model.horizon * model.states;
    let count = model.actions.pow(cells as u32);
    let earned = |number: usize| {
        let action = |cell: usize| number / model.actions.pow(cell as u32) % model.actions;
        returns_of(model, group, |step, state| {
            let mut chances = vec![0.0; model.actions];
            chances[action(step * model.states + state)] = 1.0;
            chances
        })
    };
    (0..count).map(earned).collect()
}

/// The optimum over mixtures of deterministic policies; none where no mixture is fair.
fn by_enumeration(problem: &FairProblem) -> Option<f64> {
    let model = problem.model;
    let (mut variables, mut objective) = (ProblemVariables::new(), Expression::default());
    let mut returns = vec![vec![Expression::default(); model.tasks]; model.groups];
    let mut sums = Vec::new();
    for (group, returns) in returns.iter_mut().enumerate() {
        let mut sum = Expression::default();
        for earned in all_policies(model, group) {
            let share = variables.add(variable().min(0.0));
            sum.add_mul(1.0, share);
            for (task, earned) in earned.into_iter().enumerate() {
                returns[task].add_mul(problem.scales[group] * earned, share);
                objective.add_mul(problem.weights[group * model.tasks + task] * earned, share);
            }
        }
        sums.push(sum.eq(1.0));
    }
    let all: Vec<usize> = (0..model.tasks).collect();
    let compared: Vec<Vec<usize>> = match &problem.compare {
        Compare::EachTask => all.into_iter().map(|task| vec![task]).collect(),
        Compare::Tasks(tasks) => tasks.iter().map(|&task| vec![task]).collect(),
        Compare::Sum => vec![all],
        Compare::Nothing => Vec::new(),
    };
    let mut rows = sums;
    for tasks in compared {
        let epsilon = tasks.iter().map(|&task| problem.epsilon[task]).fold(f64::INFINITY, f64::min);
        let sum = |group: usize| tasks.iter().map(|&task| returns[group][task].clone()).sum::<Expression>();
        for (i, j) in (0..model.groups).flat_map(|i| (0..model.groups).map(move |j| (i, j))) {
            if i != j && epsilon.is_finite() {
                rows.push((sum(i) - sum(j)).leq(epsilon));
            }
        }
    }
    let programme = variables.maximise(objective.clone()).using(microlp);
    let programme = rows.into_iter().fold(programme, |programme, row| programme.with(row));
    match programme.solve() {
        Ok(solution) => Some(solution.eval(&objective)),
        Err(ResolutionError::Infeasible) => None,
        Err(other) => panic!("{other}"),
    }
}

/// Groups, tasks, states, actions and horizon, such that policies can be counted.
fn shapes() -> impl Strategy<Value = (usize, usize, usize, usize, usize)> {
    let small = prop_oneof![Just((2, 2, 3)), Just((3, 2, 2)), Just((2, 3, 2)), Just((3, 3, 1)), Just((5, 2, 1))];
    (2..=6_usize, 1..=3_usize, small).prop_map(|(groups, tasks, (s, a, h))| (groups, tasks, s, a, h))
}

fn tolerance() -> impl Strategy<Value = f64> {
    prop_oneof![1 => Just(0.0), 4 => 0.0..1.0, 1 => Just(f64::INFINITY)]
}

fn compare() -> impl Strategy<Value = Compare> {
    let some = Just(Compare::Tasks(vec![0]));
    prop_oneof![4 => Just(Compare::EachTask), 1 => Just(Compare::Sum), 1 => some, 1 => Just(Compare::Nothing)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_plan_is_the_best_mixture_of_all_policies(
        shape in shapes(),
        seed in any::<u64>(),
        fan in 1..4_usize,
        epsilon in prop::collection::vec(tolerance(), 3),
        weights in prop::collection::vec(-0.5..2.0, 18),
        scales in prop::collection::vec(0.2..1.5, 6),
        compare in compare(),
        bounds in any::<bool>(),
    ) {
        let (groups, tasks, ..) = shape;
        let model = instances::random(seed, shape, fan);
        let problem = FairProblem {
            epsilon: epsilon[..tasks].to_vec(),
            weights: weights[..groups * tasks].to_vec(),
            scales: scales[..groups].to_vec(),
            compare,
            reading: Reading::Shared,
            rows: if bounds { Rows::Bounds } else { Rows::Pairs },
            ..FairProblem::new(&model, 0.0)
        };
        let expected = by_enumeration(&problem);
        match (problem.solve(Solver::DantzigWolfe), expected) {
            (Ok(plan), Some(expected)) => {
                prop_assert!((plan.objective - expected).abs() < 1e-6, "{}, not {expected}", plan.objective);
            }
            (Err(PlanError::Lp(LpError::Infeasible)), None) => {}
            (found, expected) => prop_assert!(false, "{found:?}, not {expected:?}"),
        }
    }
}
