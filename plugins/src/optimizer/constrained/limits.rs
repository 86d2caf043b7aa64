//! Constraints as an optimiser sees them: rows, by how much they are exceeded and on whose returns they depend.

use isonomy_engine::constraint::{Constraint, Judged, Overrun};
use isonomy_engine::metrics::Returns;
use isonomy_engine::problem::Problem;
use isonomy_engine::spec::Spec;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::sync::Arc;

/// The constraints that an optimiser is to hold. A scenario's own list only judges.
#[derive(Clone, Debug)]
pub struct Limits(Arc<[Box<dyn Constraint>]>);

impl Default for Limits {
    fn default() -> Self {
        Limits(Arc::new([]))
    }
}

impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|constraints: Vec<Box<dyn Constraint>>| Limits(constraints.into()))
    }
}

impl JsonSchema for Limits {
    fn schema_name() -> Cow<'static, str> {
        "Limits".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<Box<dyn Constraint>>::json_schema(generator)
    }
}

/// One row of a constraint at some returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What the constraint calls it.
    pub name: String,
    /// `f(J)`: above zero where the row is exceeded.
    pub overrun: f64,
    /// `∂f/∂J[z,m]`, `[groups, tasks]`.
    pub slopes: Vec<f64>,
}

impl Row {
    /// Whether the row has a value and a slope here.
    pub(in crate::optimizer) fn defined(&self) -> bool {
        self.overrun.is_finite() && self.slopes.iter().all(|slope| slope.is_finite())
    }
}

/// Slopes of less than this are rounding.
pub(super) const FLAT: f64 = 1e-9;

impl Limits {
    pub(in crate::optimizer) fn check(&self, spec: &Spec) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, constraint) in self.0.iter().enumerate() {
            let place = format!("constraints[{index}].{}", constraint.typetag_name());
            problems.extend(constraint.check(spec, None).into_iter().map(|problem| problem.under(&place)));
        }
        problems
    }

    pub(super) fn overruns(&self, returns: &Returns) -> Vec<Overrun> {
        self.0.iter().flat_map(|constraint| overruns(&**constraint, returns)).collect()
    }

    /// All rows with their slopes, by central differences: exact for rows that are linear in the returns, the mean of
    /// both sides at a kink.
    pub fn rows(&self, returns: &Returns) -> Vec<Row> {
        let mut rows: Vec<Row> = self
            .overruns(returns)
            .into_iter()
            .map(|Overrun { row, value }| Row { name: row, overrun: value, slopes: vec![0.0; returns.mean.len()] })
            .collect();
        let mut near = returns.clone();
        for at in 0..returns.mean.len() {
            let step = 1e-4 * returns.mean[at].abs().max(1.0);
            near.mean[at] = returns.mean[at] + step;
            let above = self.overruns(&near);
            near.mean[at] = returns.mean[at] - step;
            for ((row, above), below) in rows.iter_mut().zip(above).zip(self.overruns(&near)) {
                let slope = (above.value - below.value) / (2.0 * step);
                row.slopes[at] = if slope.abs() < FLAT { 0.0 } else { slope };
            }
            near.mean[at] = returns.mean[at];
        }
        rows
    }

    /// The unit of every row: the size of its overrun where everyone earns nothing, 1 where that is no measure.
    pub(in crate::optimizer) fn units(&self, spec: &Spec) -> Vec<f64> {
        let unit = |overrun: Overrun| {
            let size = overrun.value.abs();
            if size.is_finite() && size > FLAT { size } else { 1.0 }
        };
        self.overruns(&Returns::zero(spec)).into_iter().map(unit).collect()
    }
}

/// The rows of one constraint. Where it has no value at these returns, they are all there and none of them has one.
fn overruns(constraint: &dyn Constraint, returns: &Returns) -> Vec<Overrun> {
    constraint.overruns(&Judged::by(returns)).unwrap_or_else(|_| {
        let somewhere = Returns { mean: vec![1.0; returns.mean.len()], ..returns.clone() };
        let mut rows = constraint.overruns(&Judged::by(&somewhere)).unwrap_or_default();
        rows.iter_mut().for_each(|row| row.value = f64::NAN);
        rows
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::two_groups;

    #[test]
    fn rows_and_slopes_of_any_constraint() {
        let limits: Limits =
            ron::from_str(r#"[{"ReturnParity": (epsilon: 0.25)}, {"ReturnFloor": (floor: 2)}]"#).unwrap();
        let spec = two_groups(2, 2, 3);
        let mut returns = Returns::zero(&spec);
        returns.mean = vec![1.0, 3.0];
        let rows = limits.rows(&returns);
        let found: Vec<_> =
            rows.iter().map(|row| (row.overrun, row.slopes.iter().map(|x| x.round()).collect())).collect();
        let expected =
            [(-2.25, vec![1.0, -1.0]), (1.75, vec![-1.0, 1.0]), (1.0, vec![-1.0, 0.0]), (-1.0, vec![0.0, -1.0])];
        assert_eq!(found, expected);
        assert!(rows.iter().all(|row| row.slopes.iter().all(|slope| (slope - slope.round()).abs() < 1e-10)));
        assert_eq!(limits.units(&spec), [0.25, 0.25, 2.0, 2.0]);
    }
}
