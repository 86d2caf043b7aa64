use super::pairs;
use isonomy_engine::constraint::{Constraint, Exact, Judged, OccupancyRow, Overrun, Signal, Unjudged};
use isonomy_engine::model::TabularModel;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stepwise parity: in every step, groups are given an action equally often.
///
/// `|Pr_i(a_h = a) − Pr_j(a_h = a)| ≤ ε_h` for every step h, with `Pr_z(a_h = a) = Σ_s d_z[h,s,a]`: one row for every
/// ordered pair of groups, of the step in which it is exceeded most; one row per step and pair for planners, linear in
/// occupancies. Needs the environment's model. Deng, Sun, Wu, Song & Basu, arXiv 2211.03994 (2022).
///
/// Surprises: it looks at what is done, not at what it is worth to whom; parity in every step says nothing about returns
/// where groups live under different chances. Whoever has ended early still counts, with what the policy would do there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepwiseParity {
    /// The action that counts, e.g. 1 for granting a loan.
    pub action: u32,
    /// The largest difference of chances allowed: one number for all steps, or one for each.
    pub epsilon: Vec<NonNegative>,
}

isonomy_engine::plugin!(Constraint: StepwiseParity, "(action: 1, epsilon: [0.1])");

impl StepwiseParity {
    /// What is allowed in a step; the last number goes on.
    fn epsilon(&self, step: usize) -> f64 {
        self.epsilon.get(step).or(self.epsilon.last()).map_or(0.0, |epsilon| epsilon.get())
    }

    /// How often a group is given the action, in every step.
    fn chances(&self, Exact { model, policy, .. }: Exact<'_>, group: usize) -> Vec<f64> {
        let occupancy = model.occupancy(policy, group);
        let of_step = |cells: &[f64]| cells.iter().skip(self.action as usize).step_by(model.actions).sum();
        occupancy.chunks_exact(model.states * model.actions).map(of_step).collect()
    }
}

#[typetag::serde]
impl Constraint for StepwiseParity {
    fn overruns(&self, judged: &Judged<'_>) -> Result<Vec<Overrun>, Unjudged> {
        let exact = judged.exact("StepwiseParity")?;
        let groups = &judged.returns.groups;
        let chances: Vec<Vec<f64>> = (0..groups.len()).map(|group| self.chances(exact, group)).collect();
        let of_pair = |(i, j): (usize, usize)| {
            let of_step = |(step, (a, b)): (usize, (&f64, &f64))| a - b - self.epsilon(step);
            let value = chances[i].iter().zip(&chances[j]).enumerate().map(of_step).fold(f64::NEG_INFINITY, f64::max);
            Overrun { row: format!("action {} of {} − {}", self.action, groups[i], groups[j]), value }
        };
        Ok(pairs(groups.len()).map(of_pair).collect())
    }

    fn check(&self, spec: &Spec, model: Option<&TabularModel>) -> Vec<Problem> {
        let mut problems = super::alone(spec, "parity");
        problems.extend(super::without_model(model, "StepwiseParity"));
        let (actions, steps) = (spec.action.count(), spec.time_limit as usize);
        if self.action >= actions {
            let message = format!("there is no action {}: they are 0 to {}", self.action, actions - 1);
            problems.push(Problem::at("action", message));
        }
        if ![1, steps].contains(&self.epsilon.len()) {
            let message = format!("{} numbers for {steps} steps", self.epsilon.len());
            problems.push(Problem::at("epsilon", message).help("one number, or one for every step"));
        }
        problems
    }

    fn linear_rows(&self, spec: &Spec, _model: Option<&TabularModel>) -> Option<Vec<OccupancyRow>> {
        let mut rows = Vec::new();
        for step in 0..spec.time_limit as usize {
            for (i, j) in pairs(spec.groups.len()) {
                let act = Signal::Act { step, action: self.action as usize };
                let (first, second) = (&spec.groups[i].name, &spec.groups[j].name);
                let name = format!("action {} of {first} − {second}, step {step}", self.action);
                rows.push(OccupancyRow { name, terms: vec![(i, act, 1.0), (j, act, -1.0)], limit: self.epsilon(step) });
            }
        }
        Some(rows)
    }
}
