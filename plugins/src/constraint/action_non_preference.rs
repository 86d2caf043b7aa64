use isonomy_engine::constraint::{Constraint, Exact, Judged, OccupancyRow, Overrun, Signal, Unjudged};
use isonomy_engine::model::TabularModel;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Probability};
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Action non-preference (meritocracy): a worse action is never more likely than a better one.
///
/// `Q*_h(s,a) < Q*_h(s,b) − slack` implies `π_h(a|s) ≤ π_h(b|s) + tolerance`, where `Q*` is the best return that can follow,
/// all tasks together. One row for every group: the largest `π(a|s) − π(b|s) − tolerance` over the steps and states that
/// the policy reaches. For planners one row for every step, state and such pair, `d[h,s,a] − d[h,s,b] ≤ tolerance · Σ d[h,s,·]`,
/// linear in occupancies. Needs the environment's model. Jabbari, Joseph, Kearns, Morgenstern & Roth, arXiv 1611.03071
/// (2016): there with ties, whose actions must be equally likely; here those are free.
///
/// Surprises: it compares actions within a group and says nothing about groups. The uniform policy satisfies it, and so does
/// the best one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionNonPreference {
    /// Values that differ by no more than this are taken as equal, in units of return.
    pub slack: NonNegative,
    /// By how much a worse action may be more likely all the same.
    pub tolerance: Probability,
}

isonomy_engine::plugin!(Constraint: ActionNonPreference, "(slack: 0.01, tolerance: 0.0)");

/// The best return that can follow a step, state and action, all tasks together, `[horizon, states, actions]`.
fn best(model: &TabularModel, group: usize) -> Vec<f64> {
    let cells = model.states * model.actions;
    let mut best = vec![0.0; model.horizon * cells];
    let mut after = vec![0.0; model.states];
    for of_step in best.chunks_exact_mut(cells).rev() {
        for (cell, best) in of_step.iter_mut().enumerate() {
            let (state, action) = (cell / model.actions, cell % model.actions);
            let pay: f64 = (0..model.tasks).map(|task| model.reward(group, task, state, action)).sum();
            let next = model.next(group, state, action);
            *best = pay + next.iter().zip(&after).map(|(chance, value)| chance * value).sum::<f64>();
        }
        let of_state = |best: &[f64]| best.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        after = of_step.chunks_exact(model.actions).map(of_state).collect();
    }
    best
}

impl ActionNonPreference {
    /// Lends every step, state, worse and better action.
    fn each(&self, model: &TabularModel, group: usize, mut borrower: impl FnMut(usize, usize, usize, usize)) {
        let best = best(model, group);
        // What rounding makes of a tie is no merit.
        let rounding = 1e-12 * best.iter().fold(0.0, |size: f64, best| size.max(best.abs()));
        for (cell, best) in best.chunks_exact(model.actions).enumerate() {
            for (worse, less) in best.iter().enumerate() {
                let beats = |more: &f64| *more > less + self.slack.get() + rounding;
                for (better, _) in best.iter().enumerate().filter(|(_, more)| beats(more)) {
                    borrower(cell / model.states, cell % model.states, worse, better);
                }
            }
        }
    }

    fn overrun(&self, Exact { model, policy, .. }: Exact<'_>, group: usize) -> f64 {
        let reached = model.occupancy(policy, group);
        let mut largest: f64 = -1.0;
        self.each(model, group, |step, state, worse, better| {
            let here = &reached[(step * model.states + state) * model.actions..][..model.actions];
            if here.iter().any(|&chance| chance > 0.0) {
                let chances = policy.chances(policy.cell(step, group, state));
                largest = largest.max(chances[worse] - chances[better]);
            }
        });
        largest - self.tolerance.get()
    }
}

#[typetag::serde]
impl Constraint for ActionNonPreference {
    fn overruns(&self, judged: &Judged<'_>) -> Result<Vec<Overrun>, Unjudged> {
        let exact = judged.exact("ActionNonPreference")?;
        let of_group = |(index, group): (usize, &String)| Overrun {
            row: format!("{group} prefers no worse action"),
            value: self.overrun(exact, index),
        };
        Ok(judged.returns.groups.iter().enumerate().map(of_group).collect())
    }

    fn check(&self, _spec: &Spec, model: Option<&TabularModel>) -> Vec<Problem> {
        super::without_model(model, "ActionNonPreference")
    }

    fn linear_rows(&self, spec: &Spec, model: Option<&TabularModel>) -> Option<Vec<OccupancyRow>> {
        let model = model?;
        let mut rows = Vec::new();
        for (index, group) in spec.groups.iter().enumerate() {
            self.each(model, index, |step, state, worse, better| {
                let factor = |action| {
                    let sign = f64::from(u8::from(action == worse)) - f64::from(u8::from(action == better));
                    sign - self.tolerance.get()
                };
                let term = |action| (index, Signal::Cell { step, state, action }, factor(action));
                let terms = (0..model.actions).map(term).filter(|(.., factor)| *factor != 0.0).collect();
                let name = format!("{} in state {state}, step {step}: {worse} − {better}", group.name);
                rows.push(OccupancyRow { name, terms, limit: 0.0 });
            });
        }
        Some(rows)
    }
}
