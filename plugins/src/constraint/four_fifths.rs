use super::{Limited, pairs};
use isonomy_engine::constraint::{Constraint, Judged, OccupancyRow, Overrun, Unjudged};
use isonomy_engine::model::TabularModel;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Probability;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Ratio of returns, the four-fifths rule: whoever earns least earns at least `ratio` of what the others earn.
///
/// `min J / max J ≥ τ` as rows `τ J[i,m] − J[j,m] ≤ 0` for every ordered pair of groups and every task, `J` being expected
/// undiscounted returns of an episode, all above zero; with `per_task: false` one row per pair, on returns summed over
/// tasks. Linear in occupancies. US Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4 D (1978); Feldman
/// et al., arXiv 1412.3756 (2015).
///
/// Surprises: a ratio of numbers that may be zero or negative means nothing, so while some group earns nothing there are no
/// rows, and the record says `unjudged.FourFifths`. It is scale-free: uniformly bad service passes. A return that is near
/// zero makes it stricter than any difference in parity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FourFifths {
    /// The least ratio allowed, τ.
    #[serde(default = "four_fifths")]
    pub ratio: Probability,
    /// Whether every task is compared on its own, or their sum.
    #[serde(default = "super::yes")]
    pub per_task: bool,
}

isonomy_engine::plugin!(Constraint: FourFifths, "(ratio: 0.8)");

fn four_fifths() -> Probability {
    Probability::new(0.8).expect("four fifths are a part of one")
}

fn row(better: &str, worse: &str, limited: &Limited) -> String {
    format!("share of {better} that {worse} has{}", limited.suffix)
}

#[typetag::serde]
impl Constraint for FourFifths {
    fn overruns(&self, judged: &Judged<'_>) -> Result<Vec<Overrun>, Unjudged> {
        let returns = judged.returns;
        let mut overruns = Vec::new();
        for limited in Limited::of_returns(returns, self.per_task) {
            let earned: Vec<f64> = (0..returns.groups.len()).map(|group| limited.earns(returns, group)).collect();
            if let Some(group) = earned.iter().position(|&earned| earned.is_nan() || earned <= 0.0) {
                let signal = format!("{}{}", returns.groups[group], limited.suffix);
                let (notion, needed) = ("FourFifths", "returns above 0");
                return Err(Unjudged::OutsideDomain { notion, signal, value: earned[group], needed });
            }
            for (i, j) in pairs(earned.len()) {
                let value = self.ratio.get() * earned[i] - earned[j];
                overruns.push(Overrun { row: row(&returns.groups[i], &returns.groups[j], &limited), value });
            }
        }
        Ok(overruns)
    }

    fn check(&self, spec: &Spec, _model: Option<&TabularModel>) -> Vec<Problem> {
        let mut problems = super::alone(spec, "a ratio");
        for task in spec.tasks.iter().filter(|task| task.reward.1 <= 0.0) {
            let message = format!("returns in {} are never above 0, and ratios need that", task.name);
            problems.push(Problem::at("", message).help("compare differences with ReturnParity"));
        }
        problems
    }

    fn linear_rows(&self, spec: &Spec, _model: Option<&TabularModel>) -> Option<Vec<OccupancyRow>> {
        let mut rows = Vec::new();
        for limited in Limited::of_spec(spec, self.per_task) {
            for (i, j) in pairs(spec.groups.len()) {
                let name = row(&spec.groups[i].name, &spec.groups[j].name, &limited);
                let terms = limited.terms(i, self.ratio.get()).chain(limited.terms(j, -1.0)).collect();
                rows.push(OccupancyRow { name, terms, limit: 0.0 });
            }
        }
        Some(rows)
    }
}
