use isonomy_engine::constraint::{Constraint, Overrun};
use isonomy_engine::metrics::Returns;
use isonomy_engine::quantity::Finite;
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

#[typetag::serde]
impl Constraint for ReturnFloor {
    fn overruns(&self, returns: &Returns) -> Vec<Overrun> {
        let mut overruns = Vec::new();
        for (task, earned) in super::signals(returns, self.per_task) {
            for (group, earned) in returns.groups.iter().zip(earned) {
                overruns.push(Overrun { row: format!("{group} above floor{task}"), value: self.floor.get() - earned });
            }
        }
        overruns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_its_row() {
        let floor: ReturnFloor = ron::from_str("(floor: 4, per_task: false)").unwrap();
        let rows: Vec<_> =
            floor.overruns(&super::super::returns()).into_iter().map(|row| (row.row, row.value)).collect();
        assert_eq!(rows, [("A above floor".to_owned(), 1.0), ("B above floor".to_owned(), -1.5)]);
    }
}
