use super::{Limited, pairs};
use isonomy_engine::constraint::{Constraint, Exact, Judged, OccupancyRow, Overrun, Unjudged};
use isonomy_engine::metrics::Returns;
use isonomy_engine::model::TabularModel;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::spec::{GroupSpec, Spec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Equal opportunity: parity of returns among those who start qualified.
///
/// Rows `E[R | i, s₀ ∈ Q] − E[R | j, s₀ ∈ Q] − ε ≤ 0` for every ordered pair of groups and every task, `R` being the
/// undiscounted return of an episode and `Q` the qualified states; with `per_task: false` one row per pair, on returns
/// summed over tasks. Needs the environment's model. Hardt, Price & Srebro, arXiv 1610.02413 (2016); in decision processes
/// Wen, Bastani & Topcu, arXiv 1901.08568 (2019).
///
/// Surprises: whatever happens to those who do not start qualified, or how many of a group they are, is of no concern to
/// it. A planner can only write it as linear rows where everyone starts qualified: else an occupancy does not tell the
/// qualified from the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EqualOpportunity {
    /// The states in which a start counts as qualified, Q.
    pub qualified: Vec<u32>,
    /// The largest difference allowed, ε, in units of return.
    pub epsilon: NonNegative,
    /// Whether every task is compared on its own, or their sum.
    #[serde(default = "super::yes")]
    pub per_task: bool,
}

isonomy_engine::plugin!(Constraint: EqualOpportunity, "(qualified: [0, 1], epsilon: 0.1)");

impl EqualOpportunity {
    fn counts(&self, state: usize) -> bool {
        self.qualified.iter().any(|&qualified| qualified as usize == state)
    }

    /// The chance of a qualified start.
    fn qualifies(&self, model: &TabularModel, group: usize) -> f64 {
        model.start(group).iter().enumerate().filter(|(state, _)| self.counts(*state)).map(|(_, chance)| chance).sum()
    }

    /// What groups would earn if all their members started qualified, as likely in each state as the qualified do.
    fn among_qualified(&self, Exact { spec, model, policy }: Exact<'_>) -> Returns {
        let mut qualified = model.clone();
        for group in 0..model.groups {
            let all = self.qualifies(model, group);
            for (state, chance) in qualified.start_mut(group).iter_mut().enumerate() {
                *chance = if self.counts(state) { *chance / all } else { 0.0 };
            }
        }
        qualified.evaluate(spec, policy)
    }
}

fn row(better: &str, worse: &str, limited: &Limited) -> String {
    format!("qualified {better} − {worse}{}", limited.suffix)
}

#[typetag::serde]
impl Constraint for EqualOpportunity {
    fn overruns(&self, judged: &Judged<'_>) -> Result<Vec<Overrun>, Unjudged> {
        let returns = self.among_qualified(judged.exact("EqualOpportunity")?);
        let groups = &judged.returns.groups;
        let mut overruns = Vec::new();
        for limited in Limited::of_returns(judged.returns, self.per_task) {
            for (i, j) in pairs(groups.len()) {
                let value = limited.earns(&returns, i) - limited.earns(&returns, j) - self.epsilon.get();
                overruns.push(Overrun { row: row(&groups[i], &groups[j], &limited), value });
            }
        }
        Ok(overruns)
    }

    fn check(&self, spec: &Spec, model: Option<&TabularModel>) -> Vec<Problem> {
        let mut problems = super::alone(spec, "equal opportunity");
        problems.extend(super::without_model(model, "EqualOpportunity"));
        let states = spec.observation.count();
        for (index, state) in self.qualified.iter().enumerate().filter(|(_, state)| **state >= states) {
            let message = format!("there is no state {state}: they are 0 to {}", states - 1);
            problems.push(Problem::at(format!("qualified[{index}]"), message));
        }
        let never = |(index, _): &(usize, &GroupSpec)| model.is_some_and(|model| self.qualifies(model, *index) <= 0.0);
        for (_, group) in spec.groups.iter().enumerate().filter(never) {
            let message = format!("nobody of group {} starts in a qualified state", group.name);
            problems.push(Problem::at("qualified", message).help("add states in which every group can start"));
        }
        problems
    }

    fn linear_rows(&self, spec: &Spec, model: Option<&TabularModel>) -> Option<Vec<OccupancyRow>> {
        let model = model?;
        let all = |group| model.start(group).iter().enumerate().all(|(state, &p)| p == 0.0 || self.counts(state));
        if !(0..model.groups).all(all) {
            return None;
        }
        let mut rows = Vec::new();
        for limited in Limited::of_spec(spec, self.per_task) {
            for (i, j) in pairs(spec.groups.len()) {
                let name = row(&spec.groups[i].name, &spec.groups[j].name, &limited);
                let terms = limited.terms(i, 1.0).chain(limited.terms(j, -1.0)).collect();
                rows.push(OccupancyRow { name, terms, limit: self.epsilon.get() });
            }
        }
        Some(rows)
    }
}
