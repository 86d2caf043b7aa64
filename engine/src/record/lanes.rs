//! Utilities of every lane, kept for some iterations.

use super::manifest::Manifest;
use super::summary::{GroupSummary, Named, TaskSummary};
use crate::run::Iteration;
use crate::sim::Earnings;

/// Rows of `utilities.parquet` that a run may have before iterations are left out.
const ROWS: u64 = 1 << 24;

/// Whether something was earned while learning or in an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Training,
    Evaluation,
}

impl Phase {
    pub(super) fn name(self) -> &'static str {
        match self {
            Phase::Training => "training",
            Phase::Evaluation => "evaluation",
        }
    }
}

/// What the groups of every lane earned in the episodes of one iteration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lanes {
    pub(super) iteration: u64,
    pub(super) phase: Phase,
    /// Episodes of every lane.
    pub(super) episodes: u64,
    /// Means over a group's agents and the episodes, `[lanes, groups, tasks]`.
    pub(super) utilities: Vec<f64>,
}

impl Lanes {
    /// From what agents earned.
    pub(super) fn new(manifest: &Manifest, iteration: u64, phase: Phase, earnings: &Earnings) -> Lanes {
        let (agents, tasks) = (manifest.agents as usize, manifest.tasks.len());
        let cells = manifest.cells();
        let lanes = earnings.sums.len() / (agents * tasks).max(1);
        let mut utilities = vec![0.0; lanes * cells];
        for (task, block) in earnings.sums.chunks_exact(lanes * agents).enumerate() {
            for (lane, mine) in block.chunks_exact(agents).zip(utilities.chunks_exact_mut(cells)) {
                let mut rest = lane;
                for (group, spec) in manifest.groups.iter().enumerate() {
                    let (members, after) = rest.split_at(spec.agents as usize);
                    let sum: f64 = members.iter().map(|&value| f64::from(value)).sum();
                    mine[group * tasks + task] = sum / (members.len() as u64 * earnings.episodes) as f64;
                    rest = after;
                }
            }
        }
        Lanes { iteration, phase, episodes: earnings.episodes, utilities }
    }

    /// Both phases of an iteration, training first.
    pub(super) fn of(manifest: &Manifest, iteration: &Iteration) -> Vec<Lanes> {
        let phases = [(Phase::Training, &iteration.training), (Phase::Evaluation, &iteration.evaluation)];
        let earned = phases.into_iter().filter_map(|(phase, earnings)| Some((phase, earnings.as_ref()?)));
        earned.map(|(phase, earnings)| Lanes::new(manifest, iteration.number, phase, earnings)).collect()
    }

    /// Means and standard errors over lanes.
    pub(super) fn groups(&self, manifest: &Manifest) -> Vec<(String, GroupSummary)> {
        let (cells, tasks) = (manifest.cells(), manifest.tasks.len());
        let mean_of = |of: &dyn Fn(&[f64]) -> f64| mean_and_error(self.utilities.chunks_exact(cells).map(of));
        let groups = manifest.groups.iter().enumerate();
        groups
            .map(|(group, spec)| {
                let first = group * tasks;
                let (return_mean, standard_error) = mean_of(&|lane| lane[first..first + tasks].iter().sum());
                let tasks = manifest.tasks.iter().enumerate().map(|(task, name)| {
                    let (return_mean, standard_error) = mean_of(&|lane| lane[first + task]);
                    (name.clone(), TaskSummary { return_mean, standard_error })
                });
                let tasks = Named(tasks.collect());
                (spec.name.clone(), GroupSummary { agents: spec.agents, return_mean, standard_error, tasks })
            })
            .collect()
    }

    /// As a frame of the journal.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(17 + self.utilities.len() * 8);
        bytes.extend(self.iteration.to_le_bytes());
        bytes.push(self.phase as u8);
        bytes.extend(self.episodes.to_le_bytes());
        bytes.extend(self.utilities.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// From a frame. None where it is none.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Lanes> {
        let (iteration, rest) = bytes.split_first_chunk::<8>()?;
        let (&phase, rest) = rest.split_first()?;
        let (episodes, rest) = rest.split_first_chunk::<8>()?;
        let (values, []) = rest.as_chunks::<8>() else { return None };
        Some(Lanes {
            iteration: u64::from_le_bytes(*iteration),
            phase: if phase == 0 { Phase::Training } else { Phase::Evaluation },
            episodes: u64::from_le_bytes(*episodes),
            utilities: values.iter().map(|value| f64::from_le_bytes(*value)).collect(),
        })
    }
}

/// Mean and standard error of it; the error of a single value is 0.
fn mean_and_error(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n * (n - 1.0).max(1.0))).sqrt())
}

/// Whether the utilities of an iteration are kept: those with an evaluation, evenly thinned so that they come to no
/// more than some sixteen million rows, and the last.
pub(super) fn keeps(manifest: &Manifest, iteration: &Iteration) -> bool {
    if iteration.number == manifest.iterations {
        return true;
    }
    let (Some(_), Some(plan)) = (&iteration.evaluation, manifest.evaluation) else { return false };
    let every = u64::from(plan.every.get());
    let evaluated = plan.lanes.map_or(manifest.lanes, std::num::NonZeroU32::get);
    let rows = (u64::from(manifest.lanes) + u64::from(evaluated)) * manifest.cells() as u64;
    let evaluations = manifest.iterations.div_ceil(every);
    let stride = evaluations.saturating_mul(rows).div_ceil(ROWS).max(1);
    (iteration.number / every).is_multiple_of(stride)
}
