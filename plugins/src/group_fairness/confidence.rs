//! How far the dynamics that a learner has seen can be from the true ones, and what that is worth in return.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The confidence radius `β(s,a) = κ · sqrt(L / max(1, N(s,a)))` with `L = ln(4 |Z|² |S|² |A| H K / δ)`: for κ = 1 no
/// entry of the empirical dynamics is further from the true one, in any episode, with probability at least 1 − δ.
/// Smaller κ are what experiments use; the guarantee is void then. (Satija et al. 2023, code.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Radius {
    scale: f64,
    log: f64,
}

impl Radius {
    /// For `episodes` episodes of an environment of this shape.
    pub fn new(size: Size, episodes: u64, delta: f64, scale: f64) -> Radius {
        let Size { groups, states, actions, horizon } = size;
        let cells = 4.0 * (groups * groups * states * states * actions * horizon) as f64;
        Radius { scale, log: (cells * episodes as f64 / delta).ln() }
    }

    /// `L`.
    pub fn log(&self) -> f64 {
        self.log
    }

    /// `β` after so many visits.
    pub fn after(&self, visits: u32) -> f64 {
        self.scale * (self.log / f64::from(visits.max(1))).sqrt()
    }
}

/// Numbers of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Groups.
    pub groups: usize,
    /// States.
    pub states: usize,
    /// Actions.
    pub actions: usize,
    /// Steps in an episode.
    pub horizon: usize,
}

/// What a unit of radius at each step can change a return by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Width {
    /// `|S| H`, by the simulation lemma; one more where rewards are learned too. (Song et al. 2025.)
    #[default]
    Lemma,
    /// `1 + |Z| |S| H`: wider, hence as safe. (Satija et al. 2023, code.)
    Wide,
}

impl Width {
    /// Rewards of size up to `reward`; sizes below 1 count as 1.
    pub fn of(self, size: Size, reward: f64, known_rewards: bool) -> f64 {
        let Size { groups, states, horizon, .. } = size;
        let lemma = (states * horizon) as f64 * reward.max(1.0);
        match self {
            Width::Lemma if known_rewards => lemma,
            Width::Lemma => 1.0 + lemma,
            Width::Wide => 1.0 + groups as f64 * lemma,
        }
    }
}

/// How much exploration is worth, α, in units of the width of all tasks together, `M w`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Alpha {
    /// `M w (1 + 4 |Z| H / η)`, `η = ε − ε₀`: what makes the plan optimistic in spite of its caution. Explores for very
    /// long.
    Theory,
    /// `M w`: practical, and not provably optimistic.
    #[default]
    WidthOnly,
    /// So many times `M w`.
    Times(f64),
}

impl Alpha {
    /// The factor of the radius in the objective.
    pub fn of(self, size: Size, widths: f64, eta: f64) -> f64 {
        match self {
            Alpha::Theory => widths * (1.0 + 4.0 * (size.groups * size.horizon) as f64 / eta),
            Alpha::WidthOnly => widths,
            Alpha::Times(factor) => widths * factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { groups: 2, states: 7, actions: 2, horizon: 10 };

    #[test]
    fn the_constants_of_the_paper() {
        let radius = Radius::new(SIZE, 20_000, 0.1, 1.0);
        assert!((radius.log() - 21.866214).abs() < 1e-6);
        assert!((radius.after(1) - 4.676132).abs() < 1e-6 && (radius.after(0) - 4.676132).abs() < 1e-6);
        assert!((radius.after(100) - 0.467613).abs() < 1e-6);
        let longer = Radius::new(Size { horizon: 20, ..SIZE }, 5000, 0.1, 1.0);
        assert!((longer.log() - 21.173067).abs() < 1e-6);
        let width = Width::Wide.of(SIZE, 1.0, true);
        assert_eq!(width, 141.0);
        assert_eq!(Alpha::Theory.of(SIZE, width, 1.0), 11421.0);
        assert_eq!(Width::Lemma.of(SIZE, 0.5, true), 70.0);
        assert_eq!(Width::Lemma.of(SIZE, 1.0, false), 71.0);
        let twenty = Size { horizon: 20, ..SIZE };
        let widths = 2.0 * Width::Lemma.of(twenty, 1.0, true);
        assert!((Alpha::Theory.of(twenty, widths, 0.4) - 112_280.0).abs() < 1e-6);
    }
}
