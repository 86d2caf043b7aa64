use super::ascent::{Ascent, Seen, climb};
use super::blocks::{Blocks, Method, Prices, Report, Turn};
use super::divergence::{divergence, tilt};
use super::learning::Learning;
use super::limits::Limits;
use super::multipliers::Multipliers;
use super::ppo_lagrangian;
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::{ParametricPolicy, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Positive;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Constrained update projection (CUP): first improve as if nothing were limited, then come back towards what is.
///
/// First pass: PPO on the objective, from `π` to `π'`. Second pass: minimise `KL(π'' ‖ π') + Σ_k ν_k κ E[A_k]`, `A_k` being
/// the advantages in the row `f_k(J) ≤ 0` and `ν_k ← clip(ν_k + α f_k(J), 0, ν_max)`. On a table the second pass is solved in closed
/// form, `π''(a|s) ∝ π'(a|s) exp(−κ Σ_k ν_k A_k(s,a))`. Yang et al., arXiv 2209.07089, where
/// `κ = (1 − γ λ_GAE) / (1 − γ)`; without a discount that has no value, so it is a field here.
///
/// Reports `kl` (of both passes together), `undefined_rows`, `multiplier.ROW`, `newest.…` and `tail.…`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cup {
    /// What is to hold: `f(J) ≤ 0` for every row of these. The scenario's own constraints only judge.
    #[serde(default)]
    pub constraints: Limits,
    /// Ratios further than this from one are not encouraged in the first pass.
    #[serde(default = "clip")]
    pub clip: Positive,
    /// How the surrogate of the first pass is climbed.
    #[serde(default)]
    pub ascent: Ascent,
    /// How much advantages in rows count in the second pass, κ.
    #[serde(default = "projection")]
    pub projection: Positive,
    /// How multipliers move.
    #[serde(default)]
    pub multipliers: Multipliers,
    /// From what it learns, in which order, and who acts.
    #[serde(default)]
    pub learning: Learning,
}

isonomy_engine::plugin!(Optimizer: Cup, r#"(constraints: [{"ReturnParity": (epsilon: 0.5)}])"#);

fn clip() -> Positive {
    Positive::new(0.2).expect("above zero")
}

fn projection() -> Positive {
    Positive::new(0.1).expect("above zero")
}

/// Exponents of the second pass beyond this size count as this much.
const STEEPEST: f64 = 5.0;

#[typetag::serde]
impl Optimizer for Cup {
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

impl Method for Cup {
    fn improve(&self, turn: &Turn<'_>, prices: &mut Prices<'_>, report: &mut Report) -> TabularPolicy {
        let weighed = prices.ascend(turn, &self.multipliers, false, &mut Report::default());
        let (batch, objective) = (turn.decisions(), &turn.appraisal.objective);
        let (mut policy, _) = climb(turn.policy, &batch, &self.ascent, |seen| {
            ppo_lagrangian::pull(seen.ratio, objective[batch.entries[seen.decision]], self.clip.get())
        });
        let (actions, mut apart) = (policy.actions, 0.0);
        for cell in turn.cells() {
            let entries = cell * actions..(cell + 1) * actions;
            let exponent = |entry| self.projection.get() * (turn.weighed(&weighed, entry) - objective[entry]);
            let exponents: Vec<f64> = entries.clone().map(exponent).collect();
            let after = tilt(&policy.chances(cell), &exponents, STEEPEST, 0.0);
            apart += turn.appraisal.visits[cell] * divergence(&after, &turn.policy.chances(cell));
            policy.logits[entries].iter_mut().zip(after).for_each(|(logit, chance)| *logit = chance.ln());
        }
        report.most("kl", apart / turn.visits());
        policy
    }

    fn reports(&self) -> &'static [&'static str] {
        &["kl"]
    }
}

/// `κ = (1 − γ λ) / (1 − γ)`, the published weight of the second pass.
pub fn coefficient(discount: f64, lambda: f64) -> f64 {
    (1.0 - discount * lambda) / (1.0 - discount)
}

/// How much of `∇ log π` a decision adds to the gradient of the second pass, for a policy with parameters; `seen` from the
/// policy that the first pass ended at, of which the batch is made. `price` is `κ Σ_k ν_k A_k`.
pub fn pull(seen: Seen, price: f64) -> f64 {
    -seen.ratio * (seen.ratio.ln() + price)
}

#[cfg(test)]
mod tests {
    use super::super::Decisions;
    use super::*;
    use crate::shapes::two_groups;
    use std::num::NonZeroU32;

    #[test]
    fn the_published_weight() {
        assert!((coefficient(0.99, 0.95) - 5.95).abs() < 1e-12);
    }

    #[test]
    fn descending_the_second_loss_ends_at_its_closed_form() {
        let improved = TabularPolicy::from_chances(&two_groups(1, 3, 1), 1, |_, _, _, row| {
            row.copy_from_slice(&[0.5, 0.3, 0.2]);
        });
        let prices = [0.4, -0.2, -0.7];
        let batch = Decisions::expected(&improved, &[0], &[1.0, 0.0]);
        let ascent = Ascent {
            epochs: NonZeroU32::new(4000).unwrap(),
            rate: Positive::new(0.002).unwrap(),
            divergence: Positive::new(1.0).unwrap(),
        };
        let (policy, _) = climb(&improved, &batch, &ascent, |seen| pull(seen, prices[batch.entries[seen.decision]]));
        let closed = tilt(&[0.5, 0.3, 0.2], &prices.map(|price| -price), STEEPEST, 0.0);
        assert!(policy.chances(0).iter().zip(&closed).all(|(a, b)| (a - b).abs() < 1e-4), "{closed:?}");
    }
}
