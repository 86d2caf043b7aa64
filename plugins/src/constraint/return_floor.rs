use super::Limited;
use isonomy_engine::constraint::{Constraint, Judged, OccupancyRow, Overrun, Unjudged};
use isonomy_engine::model::TabularModel;
use isonomy_engine::quantity::Finite;
use isonomy_engine::reference::Reference;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A floor under returns: every group, so also the worst off, earns at least this much.
///
/// Rows `floor − J[z,m] ≤ 0` for every group and task, `J` being expected undiscounted returns of an episode; with
/// `per_task: false` one row per group, on returns summed over tasks. Says nothing about how far others are above it
/// (sufficiency: Frankfurt, Ethics 98, 1987).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnFloor {
    /// The least return allowed.
    pub floor: Finite,
    /// Whether every task has this floor, or their sum.
    #[serde(default = "super::yes")]
    pub per_task: bool,
}

isonomy_engine::plugin!(Constraint: ReturnFloor, "(floor: 0.1)");

fn row(group: &str, limited: &Limited) -> String {
    format!("{group} above floor{}", limited.suffix)
}

#[typetag::serde]
impl Constraint for ReturnFloor {
    fn overruns(&self, judged: &Judged<'_>) -> Result<Vec<Overrun>, Unjudged> {
        let returns = judged.returns;
        let mut overruns = Vec::new();
        for limited in Limited::of_returns(returns, self.per_task) {
            for (index, group) in returns.groups.iter().enumerate() {
                let value = self.floor.get() - limited.earns(returns, index);
                overruns.push(Overrun { row: row(group, &limited), value });
            }
        }
        Ok(overruns)
    }

    fn linear_rows(&self, spec: &Spec, _model: Option<&TabularModel>) -> Option<Vec<OccupancyRow>> {
        let mut rows = Vec::new();
        for limited in Limited::of_spec(spec, self.per_task) {
            for (index, group) in spec.groups.iter().enumerate() {
                let terms = limited.terms(index, -1.0).collect();
                rows.push(OccupancyRow { name: row(&group.name, &limited), terms, limit: -self.floor.get() });
            }
        }
        Some(rows)
    }

    fn references(&self, spec: &Spec) -> Vec<Reference> {
        let limited = Limited::of_spec(spec, self.per_task);
        let groups = || 0..spec.groups.len();
        let metrics = limited.iter().flat_map(|limited| groups().map(|group| limited.metric(spec, group)));
        metrics.map(|metric| Reference::level(metric, "floor", self.floor.get())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_its_row() {
        let floor: ReturnFloor = ron::from_str("(floor: 4, per_task: false)").unwrap();
        let rows: Vec<_> = floor
            .overruns(&Judged::by(&super::super::returns()))
            .unwrap()
            .into_iter()
            .map(|row| (row.row, row.value))
            .collect();
        assert_eq!(rows, [("A above floor".to_owned(), 1.0), ("B above floor".to_owned(), -1.5)]);
    }
}
