//! `FairProblem`: the optima of the group-fair instances, to six digits, by all three solvers.

use crate::instances::{self, THREE, TWO};
use crate::learners::{read, spec};
use isonomy_engine::constraint::{Constraint, Exact, Judged};
use isonomy_engine::model::TabularModel;
use isonomy_engine::optimizer::{Optimizer, Setting};
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::welfare::Welfare;
use isonomy_plugins::group_fairness::{
    Compare, FairLp, FairPlan, FairProblem, LpError, PlanError, Reading, Rows, Solver,
};
use std::sync::Arc;

const SOLVERS: [Solver; 3] = [Solver::DantzigWolfe, Solver::Microlp, Solver::Clarabel];

/// Solves by all solvers and both ways of writing rows, checks that they agree, and returns Dantzig and Wolfe's plan.
fn solved(problem: &FairProblem) -> FairPlan {
    let first = problem.solve(Solver::DantzigWolfe).expect("feasible");
    for rows in [Rows::Pairs, Rows::Bounds] {
        for solver in SOLVERS {
            let plan = FairProblem { rows, ..problem.clone() }.solve(solver).expect("feasible");
            near(plan.objective, first.objective, 1e-6, &format!("{solver:?} {rows:?}"));
        }
    }
    for report in &first.rows {
        assert!(report.activity <= report.limit + 1e-9, "{report:?}");
    }
    let policy = &first.policies[0];
    for group in 0..problem.model.groups {
        let earned = returns(problem.model, policy, group);
        for (task, earned) in earned.into_iter().enumerate() {
            near(earned, first.returns[group * problem.model.tasks + task], 1e-9, "the policy earns what was planned");
        }
    }
    first
}

/// What a policy earns, by a forward pass of this test's own.
fn returns(model: &TabularModel, policy: &TabularPolicy, group: usize) -> Vec<f64> {
    returns_of(model, group, |step, state| policy.chances(policy.cell(step, group, state)))
}

/// The same for chances of actions given by step and state.
pub(crate) fn returns_of(model: &TabularModel, group: usize, act: impl Fn(usize, usize) -> Vec<f64>) -> Vec<f64> {
    let mut earned = vec![0.0; model.tasks];
    let mut here = model.start(group).to_vec();
    for step in 0..model.horizon {
        let mut next = vec![0.0; model.states];
        for (state, here) in here.iter().enumerate() {
            for (action, chance) in act(step, state).into_iter().enumerate() {
                let share = here * chance;
                (0..model.tasks).for_each(|task| earned[task] += share * model.reward(group, task, state, action));
                next.iter_mut().zip(model.next(group, state, action)).for_each(|(to, chance)| *to += share * chance);
            }
        }
        here = next;
    }
    earned
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, not {expected}");
}

const DIGITS: f64 = 1e-6;

#[test]
fn one_task_on_riverswim() {
    let model = instances::gfrl();
    for (epsilon, optimum) in [
        (0.0, 0.829771),
        (0.1, 0.929771),
        (0.5, 1.329771),
        (1.0, 1.829771),
        (1.1, 1.929771),
        (2.5, 3.329771),
        (2.773615, 3.603385),
        (100.0, 3.603385),
        (f64::INFINITY, 3.603385),
    ] {
        near(solved(&FairProblem::new(&model, epsilon)).objective, optimum, DIGITS, &format!("ε = {epsilon}"));
    }
    let plan = solved(&FairProblem::new(&model, 1.1));
    let row = plan.rows.iter().find(|row| row.name == "1 − 0, task 1").expect("the row");
    assert!(row.binds());
    near(row.price.expect("a price"), 1.0, DIGITS, "price of the binding row");
    let free = solved(&FairProblem { compare: Compare::Nothing, ..FairProblem::new(&model, 0.0) });
    near(free.returns[0], 0.414886, DIGITS, "J_A*");
    near(free.returns[1], 3.188500, DIGITS, "J_B*");
    near(free.gap(0), 2.773614, DIGITS, "gap");
}

#[test]
fn two_tasks_on_riverswim() {
    let model = instances::multi_task();
    for (epsilon, optimum) in [
        (0.0, 10.364701),
        (0.05, 10.424317),
        (0.1, 10.483479),
        (0.25, 10.645367),
        (0.5, 10.883288),
        (1.0, 11.223060),
        (2.0, 11.790326),
        (5.0, 13.492123),
        (10.0, 15.710153),
    ] {
        near(solved(&FairProblem::new(&model, epsilon)).objective, optimum, DIGITS, &format!("ε = {epsilon}"));
    }
    let fair = FairProblem::new(&model, 0.5);
    let plan = solved(&fair);
    near(plan.gap(0), 0.5, DIGITS, "gap of task 1");
    near(plan.gap(1), 0.5, DIGITS, "gap of task 2");
    for row in &plan.rows {
        let price = match row.name.as_str() {
            "1 − 0, task 1" => 0.665629,
            "1 − 0, task 2" => 0.227305,
            _ => 0.0,
        };
        near(row.price.expect("a price"), price, DIGITS, &row.name);
        assert_eq!(row.binds(), price > 0.0, "{row:?}");
    }
    let clarabel = fair.solve(Solver::Clarabel).expect("feasible");
    for (row, same) in plan.rows.iter().zip(&clarabel.rows) {
        near(same.price.expect("a price"), row.price.expect("a price"), 1e-5, &row.name);
    }
}

#[test]
fn fairness_in_one_task_is_none_in_the_other() {
    let model = instances::multi_task();
    let fair = FairProblem::new(&model, 0.5);
    let gaps = |compare| {
        let plan = solved(&FairProblem { compare, ..fair.clone() });
        (plan.objective, plan.gap(0), plan.gap(1))
    };
    let (objective, first, second) = gaps(Compare::Nothing);
    near(objective, 15.710153, DIGITS, "unconstrained");
    near(first, 9.837562, DIGITS, "gap of task 1");
    near(second, 4.630693, DIGITS, "gap of task 2");
    let (objective, first, second) = gaps(Compare::Tasks(vec![0]));
    near(objective, 10.939427, DIGITS, "task 1 only");
    near(first, 0.5, DIGITS, "gap of task 1");
    near(second, 1.059946, DIGITS, "gap of task 2");
    let (objective, first, second) = gaps(Compare::Tasks(vec![1]));
    near(objective, 13.902651, DIGITS, "task 2 only");
    near(first, 6.975613, DIGITS, "gap of task 1");
    near(second, 0.5, DIGITS, "gap of task 2");
    let (objective, first, second) = gaps(Compare::Sum);
    near(objective, 11.003284, DIGITS, "sum only");
    assert!(first > 1.0 && second > 1.0, "gaps of opposite signs cancel in the sum: {first}, {second}");
}

#[test]
fn the_first_task_as_the_only_goal() {
    let model = instances::multi_task();
    for (epsilon, optimum) in [
        (0.0, 4.568763),
        (0.1, 4.668763),
        (0.5, 5.068763),
        (1.0, 5.568763),
        (5.0, 9.568763),
        (f64::INFINITY, 12.136028),
    ] {
        let problem = FairProblem {
            weights: vec![1.0, 0.0, 1.0, 0.0],
            epsilon: vec![epsilon, f64::INFINITY],
            ..FairProblem::new(&model, epsilon)
        };
        near(solved(&problem).objective, optimum, DIGITS, &format!("ε = {epsilon}"));
    }
}

#[test]
fn other_horizons_and_group_counts() {
    let model = instances::two_tasks(&TWO, 10);
    for (compare, optimum) in [
        (Compare::Nothing, 5.645160),
        (Compare::Tasks(vec![0]), 4.443165),
        (Compare::Tasks(vec![1]), 4.852639),
        (Compare::Sum, 4.019290),
        (Compare::EachTask, 4.119290),
    ] {
        let what = format!("{compare:?}");
        near(solved(&FairProblem { compare, ..FairProblem::new(&model, 0.1) }).objective, optimum, DIGITS, &what);
    }
    let ten = instances::two_tasks(&THREE, 10);
    near(solved(&FairProblem::new(&ten, 0.1)).objective, 6.186493, DIGITS, "three groups");
    near(solved(&FairProblem::new(&ten, f64::INFINITY)).objective, 7.732566, DIGITS, "three groups, unconstrained");
    let twenty = instances::two_tasks(&THREE, 20);
    near(solved(&FairProblem::new(&twenty, 0.5)).objective, 16.524625, DIGITS, "three groups, twenty steps");
}

#[test]
fn pencil_and_paper() {
    let model = instances::pencil_and_paper();
    for (epsilon, one, both) in [
        (0.0, 1.133333, 0.6),
        (0.05, 1.166667, 0.9),
        (0.1, 1.2, 1.2),
        (0.2, 1.266667, 1.266667),
        (0.4, 1.4, 1.4),
        (0.7, 1.4, 1.4),
    ] {
        let fair = FairProblem::new(&model, epsilon);
        let first = FairProblem { compare: Compare::Tasks(vec![0]), ..fair.clone() };
        near(solved(&first).objective, one, DIGITS, &format!("one row, ε = {epsilon}"));
        near(solved(&fair).objective, both, DIGITS, &format!("both rows, ε = {epsilon}"));
    }
    let plan = solved(&FairProblem::new(&model, 0.05));
    // How likely each group goes right in the first step.
    near(plan.occupancies[0][0][1], 0.5, DIGITS, "x_A");
    near(plan.occupancies[0][1][1], 1.0 / 3.0, DIGITS, "x_B");
    for (epsilon, optimum) in [(0.0, 1.0), (0.1, 1.1), (0.4, 1.4)] {
        let problem = FairProblem {
            weights: vec![1.0, 0.0, 1.0, 0.0],
            compare: Compare::Tasks(vec![0]),
            ..FairProblem::new(&model, epsilon)
        };
        near(solved(&problem).objective, optimum, DIGITS, &format!("first task alone, ε = {epsilon}"));
    }
}

#[test]
fn lending_with_frequencies() {
    let optima = [
        (false, [(f64::INFINITY, 12.444272), (0.0, 12.309948), (0.01, 12.322273), (0.11, 12.415109), (0.2, 12.444272)]),
        (true, [(f64::INFINITY, 13.649448), (0.0, 13.489020), (0.01, 13.497497), (0.11, 13.580793), (0.2, 13.645556)]),
    ];
    for (legacy, optima) in optima {
        let model = instances::lending(legacy);
        for (epsilon, optimum) in optima {
            let problem = FairProblem {
                weights: vec![0.5, 0.0, 0.5, 0.0],
                scales: vec![0.5, 0.5],
                epsilon: vec![f64::INFINITY, epsilon],
                ..FairProblem::new(&model, 0.0)
            };
            let plan = solved(&problem);
            near(plan.objective, optimum, DIGITS, &format!("legacy {legacy}, ε = {epsilon}"));
            if !legacy && epsilon.is_infinite() {
                near(plan.returns[1], 4.343560, DIGITS, "loans of A");
                near(plan.returns[3], 4.045720, DIGITS, "loans of B");
            }
        }
    }
}

#[test]
fn a_policy_that_knows_the_task_solves_each_task_alone() {
    let model = instances::multi_task();
    let problem = FairProblem { reading: Reading::TaskConditioned, ..FairProblem::new(&model, 0.5) };
    let plan = problem.solve(Solver::DantzigWolfe).expect("feasible");
    let alone = |task: usize| {
        let weights = (0..4).map(|index| if index % 2 == task { 1.0 } else { 0.0 }).collect();
        let compare = Compare::Tasks(vec![task]);
        solved(&FairProblem { weights, compare, ..FairProblem::new(&model, 0.5) }).objective
    };
    near(plan.objective, alone(0) + alone(1), DIGITS, "objective");
    assert_eq!(plan.policies.len(), 2);
    assert!(plan.gap(0) <= 0.5 + 1e-9 && plan.gap(1) <= 0.5 + 1e-9);
    for (task, policy) in plan.policies.iter().enumerate() {
        for group in 0..2 {
            near(returns(&model, policy, group)[task], plan.returns[group * 2 + task], 1e-9, "its own policy");
        }
    }
}

#[test]
fn solvers_agree_on_random_models() {
    for seed in 60..78 {
        let s = seed as usize;
        let shape = (2 + s % 4, 1 + s % 3, 2 + s % 6, 1 + s % 4, 1 + s % 9);
        let model = instances::random(1000 + seed, shape, 1 + s % 3);
        for epsilon in [0.0, 0.02, 0.3] {
            match FairProblem::new(&model, epsilon).solve(Solver::DantzigWolfe) {
                Ok(_) => {
                    solved(&FairProblem::new(&model, epsilon));
                }
                Err(PlanError::Lp(LpError::Infeasible)) => {
                    for solver in [Solver::Microlp, Solver::Clarabel] {
                        let also = FairProblem::new(&model, epsilon).solve(solver);
                        assert!(matches!(also, Err(PlanError::Lp(LpError::Infeasible))), "{also:?}");
                    }
                }
                Err(other) => panic!("seed {seed}: {other}"),
            }
        }
    }
}

#[test]
fn nobody_can_be_fair_to_those_who_cannot_earn() {
    let mut model = instances::gfrl();
    (0..14).for_each(|cell| model.reward[cell] = 0.0);
    (0..14).for_each(|cell| model.reward[14 + cell] = 1.0);
    for solver in SOLVERS {
        let error = FairProblem::new(&model, 1.0).solve(solver).expect_err("10 is more than 1 above 0");
        assert!(matches!(error, PlanError::Lp(LpError::Infeasible)), "{error}");
    }
}

#[test]
fn nonsense_is_refused() {
    let model = instances::gfrl();
    let said = |problem: FairProblem| problem.solve(Solver::DantzigWolfe).expect_err("nonsense").to_string();
    assert!(said(FairProblem::new(&model, f64::NAN)).contains("tolerance of task 1 is NaN"));
    assert!(said(FairProblem::new(&model, -0.1)).contains("tolerance of task 1 is -0.1"));
    assert!(said(FairProblem { epsilon: vec![1.0; 2], ..FairProblem::new(&model, 1.0) }).contains("2 entries"));
    assert!(said(FairProblem { weights: vec![f64::NAN; 2], ..FairProblem::new(&model, 1.0) }).contains("weights"));
    let named = FairProblem { compare: Compare::Tasks(vec![1]), ..FairProblem::new(&model, 1.0) };
    assert!(said(named).contains("no task 1"));
    let mut leaky = model.clone();
    leaky.next_mut(1, 3, 1)[0] = 0.5;
    assert!(said(FairProblem::new(&leaky, 1.0)).contains("of group 1 are no distribution"));
    let mut smaller = model.clone();
    smaller.start.truncate(13);
    assert!(said(FairProblem::new(&smaller, 1.0)).contains("13 entries"));
}

#[test]
fn where_nobody_comes_the_policy_is_uniform() {
    let mut model = instances::gfrl();
    model.start = vec![0.0; 14];
    (model.start[0], model.start[7]) = (1.0, 1.0);
    let plan = solved(&FairProblem::new(&model, 0.5));
    let policy = &plan.policies[0];
    assert_eq!(policy.chances(policy.cell(0, 0, 6)), [0.5, 0.5]);
    assert!(policy.logits.iter().all(|logit| !logit.is_nan()));
}

#[test]
fn many_groups_and_states_take_seconds() {
    let model = instances::random(11, (8, 4, 200, 10, 50), 4);
    let begun = std::time::Instant::now();
    let plan = FairProblem::new(&model, 1.0).solve(Solver::DantzigWolfe).expect("feasible");
    let seconds = begun.elapsed().as_secs_f64();
    println!("{seconds:.2} s, {} rounds, {} policies, objective {}", plan.iterations, plan.columns, plan.objective);
    assert!((0..4).all(|task| plan.gap(task) <= 1.0 + 1e-9));
    assert!(plan.rows.iter().any(|row| row.binds()));
    assert!(seconds < 60.0, "{seconds} s");
}

fn welfare(text: &str) -> Box<dyn Welfare> {
    read(text)
}

/// Every welfare that is linear by pieces.
const LINEAR: [&str; 7] = [
    r#"{"Utilitarian": ()}"#,
    r#"{"MaxMin": ()}"#,
    r#"{"GeneralizedGini": ()}"#,
    r#"{"GiniWelfare": ()}"#,
    r#"{"Cvar": (share: 0.4)}"#,
    r#"{"Leximin": (ratio: 0.1)}"#,
    r#"{"WorstGroup": (rate: 0.1)}"#,
];

/// The optimum by all solvers; the planned returns have the welfare that was promised.
fn best(problem: &FairProblem, welfare: &dyn Welfare, what: &str) -> FairPlan {
    let groups = problem.model.groups;
    let problem = FairProblem { welfare: welfare.linear_rows(groups), ..problem.clone() };
    assert!(problem.welfare.is_some(), "{what}");
    let plan = solved(&problem);
    let worth = plan.returns.iter().zip(&problem.weights).map(|(earned, weight)| earned * weight).collect::<Vec<_>>();
    let totals: Vec<f64> = worth.chunks_exact(problem.model.tasks).map(|tasks| tasks.iter().sum()).collect();
    near(welfare.value(&totals).expect("in its domain"), plan.objective, 1e-6, what);
    plan
}

#[test]
fn any_linear_welfare_can_be_planned_for() {
    let model = instances::multi_task();
    let free = FairProblem::new(&model, f64::INFINITY);
    near(best(&free, &*welfare(LINEAR[0]), "sum").objective, 15.710153, DIGITS, "sum");
    near(best(&free, &*welfare(LINEAR[1]), "max-min").objective, 5.251642, DIGITS, "max-min over group totals");
    // Without a comparison every group has its optimum whatever the welfare: 5.251642 and 10.458511.
    near(best(&free, &*welfare(LINEAR[2]), "GGF").objective, 5.251642 + 10.458511 / 2.0, DIGITS, "GGF");
    // A comparison sets them against each other.
    let fair = FairProblem::new(&model, 0.5);
    near(best(&fair, &*welfare(LINEAR[0]), "sum").objective, 10.883288, DIGITS, "fair sum");
    let worst = best(&fair, &*welfare(LINEAR[1]), "max-min");
    assert!(worst.objective > 4.95 && worst.objective <= 5.251643, "{}", worst.objective);
    assert!(worst.rows.iter().all(|row| row.name != "welfare"), "what defines the welfare is no limit");
}

#[test]
fn welfare_and_constraints_on_random_models() {
    for seed in 0..12 {
        let groups = 2 + seed as usize % 3;
        let model = instances::random(500 + seed, (groups, 1 + seed as usize % 2, 4, 2, 2 + seed as usize % 4), 2);
        let named = spec(&model);
        let fair = FairProblem::new(&model, 0.2 + 0.2 * seed as f64);
        for text in LINEAR {
            best(&fair, &*welfare(text), &format!("{text}, seed {seed}"));
        }
        let limits = [r#"{"StepwiseParity": (action: 1, epsilon: [0.2])}"#, r#"{"FourFifths": (ratio: 0.5)}"#];
        let rows = limits
            .iter()
            .flat_map(|text| read::<Box<dyn Constraint>>(text).linear_rows(&named, Some(&model)).expect("linear"));
        let constrained = FairProblem { constraints: rows.collect(), ..FairProblem::new(&model, f64::INFINITY) };
        let plan = best(&constrained, &*welfare(LINEAR[1]), &format!("constrained, seed {seed}"));
        let returns = model.evaluate(&named, &plan.policies[0]);
        let exact = Exact { spec: &named, model: &model, policy: &plan.policies[0] };
        for text in limits {
            let judged = Judged { returns: &returns, exact: Some(exact) };
            let overruns = read::<Box<dyn Constraint>>(text).overruns(&judged).expect("everyone earns something");
            assert!(overruns.iter().all(|row| row.value <= 1e-8), "{text}, seed {seed}: {overruns:?}");
        }
    }
}

/// The comparison written as a constraint is the comparison.
#[test]
fn parity_as_a_constraint() {
    let model = instances::multi_task();
    let named = spec(&model);
    let rows = |text: &str| read::<Box<dyn Constraint>>(text).linear_rows(&named, Some(&model)).expect("linear");
    let optimum = |text| {
        let free = FairProblem::new(&model, f64::INFINITY);
        solved(&FairProblem { constraints: rows(text), ..free }).objective
    };
    near(optimum(r#"{"ReturnParity": (epsilon: 0.5)}"#), 10.883288, DIGITS, "both tasks");
    near(optimum(r#"{"ReturnParity": (epsilon: 0.5, tasks: [0])}"#), 10.939427, DIGITS, "task 1 only");
    near(optimum(r#"{"ReturnParity": (epsilon: [inf, 0.5])}"#), 13.902651, DIGITS, "task 2 only");
    near(optimum(r#"{"ReturnParity": (epsilon: 0.5, per_task: false)}"#), 11.003284, DIGITS, "sum only");
}

#[test]
fn welfare_and_constraints_by_the_optimiser() {
    let best = |text: &str| played(instances::multi_task(), text).unwrap_or_else(|said| panic!("{text}: {said}"));
    let text = r#"(epsilon: inf, welfare: {"MaxMin": ()}, constraints: [{"ReturnParity": (epsilon: 0.5)}])"#;
    let objective = best(text).iter().find(|(name, _)| name == "objective").map(|(_, value)| *value);
    assert!(objective.is_some_and(|worst| (4.95..5.2517).contains(&worst)), "{objective:?}");
    let refused = |text: &str| played(instances::multi_task(), text).expect_err(text);
    assert!(refused(r#"(epsilon: 1, welfare: {"Nash": ()})"#).contains("welfare: Nash is not linear by pieces"));
    let weights = r#"(epsilon: 1, welfare: {"GeneralizedGini": (weights: [1])})"#;
    assert!(refused(weights).contains("welfare.GeneralizedGini.weights: 1 weights for 2 utilities"));
    let apart = r#"(epsilon: 1, welfare: {"MaxMin": ()}, reading: TaskConditioned)"#;
    assert!(refused(apart).contains("looks at all tasks together"));
    let nowhere = r#"(epsilon: 1, constraints: [{"EnvyFreeness": (epsilon: 0.1)}])"#;
    assert!(refused(nowhere).contains("EnvyFreeness is not linear in occupancies"));
    let field = r#"(epsilon: 1, constraints: [{"ReturnParity": (epsilon: NaN)}])"#;
    assert!(refused(field).contains("constraints[0].ReturnParity.epsilon: NaN is no tolerance"));
    let unreachable = r#"(epsilon: 1, constraints: [{"ReturnFloor": (floor: 50)}])"#;
    assert!(refused(unreachable).contains("no policies satisfy all fairness rows"));
}

/// What `FairLp` reports, or why it does not begin.
fn played(model: TabularModel, text: &str) -> Result<Vec<(String, f64)>, String> {
    let (spec, optimizer) = (spec(&model), read::<FairLp>(text));
    if let Some(problem) = optimizer.check(&spec).first() {
        return Err(problem.to_string());
    }
    let setting = Setting { spec: spec.clone(), model: Some(Arc::new(model.clone())), public: None, seed: 1 };
    let mut learner =
        optimizer.begin(TabularPolicy::uniform(&spec, 1).into(), setting).map_err(|problem| problem.to_string())?;
    let report = learner.update(&Rollout::new(&spec, 1, 0, 0, false));
    let (snapshot, policy) = (learner.snapshot(), learner.policy().table().expect("a table").clone());
    learner.restore(&snapshot).expect("its own");
    assert_eq!(*learner.policy().table().expect("a table"), policy);
    Ok(report)
}

#[test]
fn the_plugin_reports_its_plan() {
    let report = played(instances::multi_task(), "(epsilon: 0.5)").expect("feasible");
    let names: Vec<&str> = report.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["objective", "gap", "gap_task_1", "gap_task_2", "iterations", "columns", "price.B − A, 0"];
    assert_eq!(names, [&expected[..], &["price.B − A, 1"]].concat());
    near(report[0].1, 10.883288, DIGITS, "objective");
    near(report[3].1, 0.5, DIGITS, "gap of task 2");
    let lending = "(epsilon: [inf, 0.11], weights: [[1.0, 0.0]], frequencies: [0.5, 0.5], solver: Clarabel)";
    let report = played(instances::lending(false), lending).expect("feasible");
    near(report[0].1, 12.415109, DIGITS, "objective");
    let apart = "(epsilon: 0.5, reading: TaskConditioned, rows: Bounds)";
    let report = played(instances::multi_task(), apart).expect("feasible");
    assert!(report[0].1 > 10.883288 && report[1].1 <= 0.5 + DIGITS, "{report:?}");
}

#[test]
fn the_plugin_says_what_cannot_be() {
    let said = |model: TabularModel, text: &str| played(model, text).expect_err("nonsense");
    let mut unequal = instances::gfrl();
    (0..14).for_each(|cell| unequal.reward[cell] = 0.0);
    (0..14).for_each(|cell| unequal.reward[14 + cell] = 1.0);
    assert!(said(unequal, "(epsilon: 1.0)").contains("no policies satisfy all fairness rows"));
    assert!(said(instances::gfrl(), "(epsilon: -1.0)").contains("-1 is no tolerance"));
    assert!(said(instances::gfrl(), "(epsilon: [1.0, 1.0])").contains("2 tolerances for 1 tasks"));
    assert!(said(instances::gfrl(), "(epsilon: 1.0, weights: [[1.0], [1.0], [1.0]])").contains("3 lists for 2 groups"));
    assert!(said(instances::gfrl(), "(epsilon: 1.0, weights: [[1.0, 1.0]])").contains("2 weights for 1 tasks"));
    assert!(said(instances::gfrl(), "(epsilon: 1.0, frequencies: [1.0])").contains("1 frequencies for 2 groups"));
}
