use super::ascent::{Ascent, climb};
use super::blocks::{Blocks, Method, Prices, Report, Turn};
use super::learning::Learning;
use super::limits::Limits;
use super::multipliers::Multipliers;
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::{ParametricPolicy, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Positive;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Proximal policy optimisation with a price on every row that is exceeded.
///
/// In the turn of a block: `ν_k ← clip(ν_k + α f_k(J), 0, ν_max)` for the rows `f_k(J) ≤ 0` that depend on what it earns,
/// `A = Σ_m c[m] A_m` with `c[m] = w[m] − Σ_k ν_k ∂f_k/∂J[z,m]`, then gradient ascent on the clipped surrogate
/// `E[min(ρ A, clip(ρ, 1−κ, 1+κ) A)]`, `ρ = π/π_old`.
/// Schulman et al., arXiv 1707.06347; Ray, Achiam & Amodei 2019 (PPO-Lagrangian); with the same weights for groups: Satija
/// et al., TMLR 04/2023.
///
/// Without constraints it is plain PPO; with `multipliers: (initial: 1, rate: 0)` it is PPO with a fixed penalty.
/// Surprises: Adam does not see the scale of A, so dividing it by `1 + Σν`, as some do, would change nothing.
/// Reports `kl`, `levelled_down`, `undefined_rows`, `multiplier.ROW`, `newest.…` and `tail.…`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PpoLagrangian {
    /// What is to hold: `f(J) ≤ 0` for every row of these. The scenario's own constraints only judge.
    #[serde(default)]
    pub constraints: Limits,
    /// Ratios further than this from one are not encouraged, κ.
    #[serde(default = "clip")]
    pub clip: Positive,
    /// How the surrogate is climbed.
    #[serde(default)]
    pub ascent: Ascent,
    /// How multipliers move.
    #[serde(default)]
    pub multipliers: Multipliers,
    /// Whether no group is ever taught to become worse: `c[m] ≥ 0` (levelling up only).
    #[serde(default)]
    pub only_up: bool,
    /// From what it learns, in which order, and who acts.
    #[serde(default)]
    pub learning: Learning,
}

isonomy_engine::plugin!(Optimizer: PpoLagrangian, r#"(constraints: [{"ReturnParity": (epsilon: 0.5)}])"#);

fn clip() -> Positive {
    Positive::new(0.2).expect("above zero")
}

#[typetag::serde]
impl Optimizer for PpoLagrangian {
    fn needs(&self) -> Needs {
        self.learning.needs()
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        self.learning.check(&self.constraints, spec)
    }

    fn begin(&self, policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let policy = policy.into_table()?;
        let initial = self.multipliers.initial.get();
        Blocks::begin(self.clone(), &self.constraints, &self.learning, initial, policy, setting)
    }
}

impl Method for PpoLagrangian {
    fn improve(&self, turn: &Turn<'_>, prices: &mut Prices<'_>, report: &mut Report) -> TabularPolicy {
        let weighed = prices.ascend(turn, &self.multipliers, self.only_up, report);
        let batch = turn.decisions();
        let advantages: Vec<f64> = batch.entries.iter().map(|&entry| turn.weighed(&weighed, entry)).collect();
        let (policy, apart) = climb(turn.policy, &batch, &self.ascent, |seen| {
            pull(seen.ratio, advantages[seen.decision], self.clip.get())
        });
        report.most("kl", apart);
        policy
    }

    fn reports(&self) -> &'static [&'static str] {
        &["kl", "levelled_down"]
    }
}

/// How much of `∇ log π` a decision adds to the gradient of `min(ρ A, clip(ρ, 1−κ, 1+κ) A)`.
pub fn pull(ratio: f64, advantage: f64, clip: f64) -> f64 {
    let spent = if advantage > 0.0 { ratio > 1.0 + clip } else { ratio < 1.0 - clip };
    if spent { 0.0 } else { ratio * advantage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pull_is_the_slope_of_the_clipped_surrogate() {
        let surrogate = |ratio: f64, advantage: f64| (ratio * advantage).min(ratio.clamp(0.8, 1.2) * advantage);
        for advantage in [-1.5, 0.7] {
            for ratio in [0.5, 0.79, 0.9, 1.0, 1.1, 1.3] {
                // With respect to log π.
                let slope = |h: f64| surrogate(ratio * h.exp(), advantage);
                let slope = (slope(1e-6) - slope(-1e-6)) / 2e-6;
                assert!((pull(ratio, advantage, 0.2) - slope).abs() < 1e-8, "{ratio} {advantage}");
            }
        }
    }
}
