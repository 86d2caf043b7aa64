use super::ascent::Seen;
use super::blocks::{Blocks, Method, Prices, Report, Turn};
use super::divergence::{divergence, tilt};
use super::learning::Learning;
use super::limits::Limits;
use super::multipliers::Multipliers;
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::{ParametricPolicy, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Positive, Probability};
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// First-order constrained optimisation in policy space (FOCOPS), for groups that take turns.
///
/// In the turn of group z: `ν_k ← clip(ν_k + α f_k(J), 0, ν_max)` for every row `f_k(J) ≤ 0` that depends on what z earns,
/// then `c[m] = w[m] − Σ_k ν_k ∂f_k/∂J[z,m]` and `π'(a|s) ∝ π(a|s) exp(Σ_m c[m] A_m(s,a) / λ)`, which on a table is
/// the exact solution of "improve, but stay close". For parity of returns the rows of z are `J[z,m] − J[j,m] ≤ ε` (their
/// multipliers are ν⁺) and `J[j,m] − J[z,m] ≤ ε` (ν⁻), for every other group and task.
/// Zhang, Vuong & Ross, arXiv 2002.06506; for groups: Satija et al., TMLR 04/2023; per task: Song et al., arXiv 2503.07817.
///
/// Surprises: iterates swing around the constrained optimum, only their mean comes near it: look at `tail.…`, or let the
/// mixture act. Turns of groups may also come to rest at a point that is not optimal. A negative `c` teaches a group to
/// become worse; `levelled_down` counts these, `only_up` forbids them. Multipliers are updated on overruns in units of the
/// tolerance, at `rate` .05 up to 10, which is our choice; `multipliers: (raw: true, rate: 0.01, max: 2)` is the published form.
/// Reports `kl`, `levelled_down`, `undefined_rows`, `multiplier.ROW`, `newest.…` and `tail.…`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Focops {
    /// What is to hold: `f(J) ≤ 0` for every row of these. The scenario's own constraints only judge.
    #[serde(default)]
    pub constraints: Limits,
    /// What a nat of divergence costs, λ.
    #[serde(default = "temperature")]
    pub temperature: Positive,
    /// How multipliers move.
    #[serde(default)]
    pub multipliers: Multipliers,
    /// Whether no group is ever taught to become worse: `c[m] ≥ 0` (levelling up only).
    #[serde(default)]
    pub only_up: bool,
    /// Exponents beyond this size count as this much.
    #[serde(default = "clip")]
    pub clip: Positive,
    /// No action becomes less likely than about this.
    #[serde(default = "floor")]
    pub floor: Probability,
    /// From what it learns, in which order, and who acts.
    #[serde(default)]
    pub learning: Learning,
}

isonomy_engine::plugin!(Optimizer: Focops, r#"(constraints: [{"ReturnParity": (epsilon: 0.5)}])"#);

fn temperature() -> Positive {
    Positive::new(1.5).expect("above zero")
}

fn clip() -> Positive {
    Positive::new(5.0).expect("above zero")
}

fn floor() -> Probability {
    Probability::new(1e-6).expect("a chance")
}

#[typetag::serde]
impl Optimizer for Focops {
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

impl Method for Focops {
    fn improve(&self, turn: &Turn<'_>, prices: &mut Prices<'_>, report: &mut Report) -> TabularPolicy {
        let weighed = prices.ascend(turn, &self.multipliers, self.only_up, report);
        let (mut policy, actions, mut apart) = (turn.policy.clone(), turn.policy.actions, 0.0);
        for cell in turn.cells() {
            let entries = cell * actions..(cell + 1) * actions;
            let exponent = |entry| turn.weighed(&weighed, entry) / self.temperature.get();
            let exponents: Vec<f64> = entries.clone().map(exponent).collect();
            let before = turn.policy.chances(cell);
            let after = tilt(&before, &exponents, self.clip.get(), self.floor.get());
            apart += turn.appraisal.visits[cell] * divergence(&after, &before);
            policy.logits[entries].iter_mut().zip(after).for_each(|(logit, chance)| *logit = chance.ln());
        }
        report.most("kl", apart / turn.visits());
        policy
    }

    fn reports(&self) -> &'static [&'static str] {
        &["kl", "levelled_down"]
    }
}

/// The loss by which a policy with parameters approaches the tilt: `1{KL ≤ η} (KL − ρ A / λ)` of one decision.
pub fn loss(divergence: f64, ratio: f64, advantage: f64, temperature: f64, trusted: f64) -> f64 {
    if divergence <= trusted { divergence - ratio * advantage / temperature } else { 0.0 }
}

/// How much of `∇ log π` a decision adds to the gradient that descends the [`loss`], for [`climb`](super::climb).
pub fn pull(seen: Seen, advantage: f64, temperature: f64, trusted: f64) -> f64 {
    let inside = seen.divergence <= trusted;
    if inside { seen.ratio * (advantage / temperature - seen.ratio.ln()) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::super::{Ascent, Decisions, climb};
    use super::*;
    use crate::shapes::two_groups;
    use std::num::NonZeroU32;

    const CHANCES: [f64; 3] = [0.5, 0.3, 0.2];
    const ADVANTAGE: [f64; 3] = [1.0, 0.0, -2.0];
    const COST: [f64; 3] = [0.8, -0.4, -1.4];

    fn exponents(multiplier: f64) -> Vec<f64> {
        ADVANTAGE.iter().zip(COST).map(|(a, cost)| (a - multiplier * cost) / 1.5).collect()
    }

    #[test]
    fn tilts_and_how_far_they_go() {
        let expected = [
            (0.0, [0.734115, 0.226144, 0.039741], 0.153813),
            (0.5, [0.636025, 0.292290, 0.071685], 0.071885),
            (2.0, [0.282249, 0.430651, 0.287100], 0.098082),
        ];
        for (multiplier, chances, apart) in expected {
            let tilted = tilt(&CHANCES, &exponents(multiplier), 5.0, 0.0);
            assert!(tilted.iter().zip(chances).all(|(a, b)| (a - b).abs() < 1e-6), "{tilted:?}");
            assert!((divergence(&tilted, &CHANCES) - apart).abs() < 1e-6);
        }
    }

    #[test]
    fn the_loss_of_a_normal_distribution() {
        let apart = super::super::divergence::normal_divergence((0.1, 0.6), (0.0, 0.60653066));
        let log = |(mean, deviation): (f64, f64)| -((0.3 - mean) / deviation).powi(2) / 2.0 - deviation.ln();
        let ratio = (log((0.1, 0.6)) - log((0.0, 0.60653066))).exp();
        assert!((ratio - 1.080682).abs() < 1e-6);
        assert!((loss(apart, ratio, 0.7, 1.5, 0.02) + 0.490611).abs() < 1e-6);
        assert_eq!(loss(apart, ratio, 0.7, 1.5, 0.01), 0.0);
    }

    #[test]
    fn descending_the_loss_ends_at_the_tilt() {
        let spec = two_groups(1, 3, 1);
        let old = TabularPolicy::from_chances(&spec, 1, |_, _, _, row| row.copy_from_slice(&CHANCES));
        let batch = Decisions::expected(&old, &[0], &[1.0, 1.0]);
        let ascent = Ascent {
            epochs: NonZeroU32::new(4000).unwrap(),
            rate: Positive::new(0.002).unwrap(),
            divergence: Positive::new(1.0).unwrap(),
        };
        let advantage = exponents(0.5);
        let (policy, _) =
            climb(&old, &batch, &ascent, |seen| pull(seen, advantage[batch.entries[seen.decision]], 1.0, 1.0));
        let tilted = tilt(&CHANCES, &advantage, 5.0, 0.0);
        let found = policy.chances(0);
        assert!(found.iter().zip(&tilted).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}, not {tilted:?}");
        assert_eq!(policy.chances(1), old.chances(1));
    }
}
