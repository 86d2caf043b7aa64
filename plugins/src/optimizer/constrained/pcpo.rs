use super::blocks::{Blocks, Method, Prices, Report, Turn};
use super::cpo::Gradients;
use super::differentiable::Differentiable;
use super::learning::Learning;
use super::limits::{Limits, Row};
use super::trust_region::{TrustRegion, dot, free_length, projected_step};
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::{ParametricPolicy, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Projection-based constrained policy optimisation (PCPO): a free step, and then the shortest way back to the worst row.
///
/// `x = sqrt(2δ/q) H⁻¹g − max(0, (sqrt(2δ/q) r + c) / bᵀL⁻¹b) L⁻¹b`, with the letters of `Cpo`: g and b are the gradients
/// of the objective and of the row that is exceeded most, c its overrun, H the Fisher matrix, `q = gᵀH⁻¹g`, `r = gᵀH⁻¹b`;
/// L is H (projection by divergence) or the identity (by distance).
/// Yang, Rosca, Narasimhan & Ramadge, arXiv 2010.03152; several rows: the worst, which is our choice.
///
/// Surprises: the way back is as long as it needs to be, so `kl` may exceed δ; nothing is searched for along a line.
/// Reports `kl`, `undefined_rows`, `newest.…` and `tail.…`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pcpo {
    /// What is to hold: `f(J) ≤ 0` for every row of these. The scenario's own constraints only judge.
    #[serde(default)]
    pub constraints: Limits,
    /// How large the free step may be.
    #[serde(default)]
    pub trust_region: TrustRegion,
    /// How far below zero every row is to be held, in units of return.
    #[serde(default = "margin")]
    pub margin: NonNegative,
    /// What the way back is measured by.
    #[serde(default)]
    pub projection: Projection,
    /// From what it learns, in which order, and who acts.
    #[serde(default)]
    pub learning: Learning,
}

/// What the way back is measured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Projection {
    /// Divergence of the policies, to second order.
    #[default]
    Divergence,
    /// Distance of the parameters.
    Distance,
}

isonomy_engine::plugin!(Optimizer: Pcpo, r#"(constraints: [{"ReturnParity": (epsilon: 0.5)}])"#);

fn margin() -> NonNegative {
    NonNegative::new(0.0).expect("not below zero")
}

#[typetag::serde]
impl Optimizer for Pcpo {
    fn needs(&self) -> Needs {
        self.learning.needs()
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        self.learning.check(&self.constraints, spec)
    }

    fn begin(&self, policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let policy = policy.into_table()?;
        Blocks::begin(self.clone(), &self.constraints, &self.learning, 0.0, policy, setting)
    }
}

impl Method for Pcpo {
    fn improve(&self, turn: &Turn<'_>, _prices: &mut Prices<'_>, report: &mut Report) -> TabularPolicy {
        let worst = turn.concerned().into_iter().max_by(|a, b| a.overrun.total_cmp(&b.overrun));
        let rows: Vec<&Row> = worst.into_iter().collect();
        let gradients = Gradients::of(turn, &rows, &self.trust_region, self.margin.get());
        let (q, delta) = (gradients.q(), self.trust_region.divergence.get());
        let free = free_length(q, delta);
        let mut step: Vec<f64> = gradients.uphill.iter().map(|up| free * up).collect();
        for (row, r) in gradients.rows.iter().zip(gradients.r()) {
            let back = match self.projection {
                Projection::Divergence => &row.across,
                Projection::Distance => &row.gradient,
            };
            let along = projected_step(q, r, row.c, dot(&row.gradient, back), delta).along_row;
            step.iter_mut().zip(back).for_each(|(step, back)| *step -= along * back);
        }
        let policy = turn.policy.moved(&step);
        report.most("kl", policy.mean_divergence(turn.policy, &gradients.batch));
        policy
    }

    fn reports(&self) -> &'static [&'static str] {
        &["kl"]
    }
}
