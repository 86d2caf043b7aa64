use super::blocks::{Blocks, Method, Prices, Report, Turn};
use super::differentiable::{Decisions, Differentiable};
use super::learning::Learning;
use super::limits::{Limits, Row};
use super::trust_region::{Case, Steps, TrustRegion, conjugate_gradient, constrained_step, constrained_steps, dot};
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::{ParametricPolicy, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Constrained policy optimisation (CPO): the best step in a trust region that keeps to every row, to first order.
///
/// Maximises `gᵀx` subject to `b_kᵀx + c_k ≤ 0` and `½ xᵀHx ≤ δ`: g and b_k are the gradients of the objective and of the
/// rows `f_k(J) ≤ 0` that depend on what the block earns, c_k their overruns, H the Fisher matrix. Where no step of that
/// size brings the rows back, it goes straight back towards the worst. Then the step is shortened by .8, 20 times at most,
/// until the divergence is at most δ, no row is exceeded more than the worst was (or at all, if none was), and nothing is
/// lost in the objective unless a row was exceeded: all as far as the advantages of the old policy can tell.
/// Achiam, Held, Tamar & Abbeel, arXiv 1705.10528, who have one row; several at once are our choice, `rows: Worst` is the
/// worst row alone.
///
/// Surprises: without a `margin` nearly every step along an edge bends over it and is shortened to nothing. With the worst row alone, a step that keeps to one row may exceed another that binds as well, and is
/// shortened to nothing; `stuck` counts that. Groups that take turns come to rest where no group can gain alone.
/// Reports `kl`, `line_search` (how often a step was shortened), `stuck`, `recoveries`, `undefined_rows`, `newest.…` and
/// `tail.…`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cpo {
    /// What is to hold: `f(J) ≤ 0` for every row of these. The scenario's own constraints only judge.
    #[serde(default)]
    pub constraints: Limits,
    /// How large a step may be.
    #[serde(default)]
    pub trust_region: TrustRegion,
    /// Which rows a step is made to keep to.
    #[serde(default)]
    pub rows: Rows,
    /// How far below zero a step aims to hold every row, in units of return. The search along it asks for zero alone, so
    /// the margin is the room that steps along the edge need.
    #[serde(default = "margin")]
    pub margin: NonNegative,
    /// From what it learns, in which order, and who acts.
    #[serde(default)]
    pub learning: Learning,
}

/// Which rows a step is made to keep to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Rows {
    /// All that depend on what the block earns.
    #[default]
    All,
    /// The one that is exceeded most, or nearest to it.
    Worst,
}

isonomy_engine::plugin!(Optimizer: Cpo, r#"(constraints: [{"ReturnParity": (epsilon: 0.5)}])"#);

fn margin() -> NonNegative {
    NonNegative::new(0.01).expect("not below zero")
}

#[typetag::serde]
impl Optimizer for Cpo {
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

/// Gradients of a turn and their products with the inverse of the Fisher matrix.
pub(super) struct Gradients {
    pub(super) batch: Decisions,
    /// `g`.
    objective: Vec<f64>,
    /// `H⁻¹g`.
    pub(super) uphill: Vec<f64>,
    pub(super) rows: Vec<RowGradient>,
}

pub(super) struct RowGradient {
    /// `b`.
    pub(super) gradient: Vec<f64>,
    /// `H⁻¹b`.
    pub(super) across: Vec<f64>,
    /// By how much the row is exceeded.
    pub(super) c: f64,
}

impl Gradients {
    /// Of the objective and of some rows, which are to be held `margin` below zero.
    pub(super) fn of(turn: &Turn<'_>, rows: &[&Row], region: &TrustRegion, margin: f64) -> Self {
        let (batch, policy, visits) = (turn.decisions(), turn.policy, turn.visits());
        // In units of return: the batch is a mean over decisions, a return their sum.
        let gradient = |advantage: &dyn Fn(usize) -> f64| {
            let pulls = batch.entries.iter().zip(&batch.weights);
            let weights: Vec<f64> = pulls.map(|(&entry, weight)| visits * weight * advantage(entry)).collect();
            policy.score(&batch, &weights)
        };
        let inverse = |vector: &[f64]| {
            let damped = |x: &[f64]| {
                let mut product = policy.fisher_product(&batch, x);
                product.iter_mut().zip(x).for_each(|(product, x)| *product += region.damping.get() * x);
                product
            };
            conjugate_gradient(damped, vector, region.iterations)
        };
        let of_row = |row: &&Row| {
            let gradient = gradient(&|entry| turn.advantage_in(row, entry));
            RowGradient { across: inverse(&gradient), gradient, c: row.overrun + margin }
        };
        let objective = gradient(&|entry| turn.appraisal.objective[entry]);
        let (uphill, rows) = (inverse(&objective), rows.iter().map(of_row).collect());
        Gradients { batch, objective, uphill, rows }
    }

    /// The step that keeps to the only row there is, if there is one.
    fn step_of_one(&self, delta: f64) -> Steps {
        let (q, r, s) = (self.q(), self.r(), self.s());
        let one = self.rows.iter().map(|row| constrained_step(q, r[0], s[0][0], row.c, delta)).next();
        let step = one.unwrap_or_else(|| constrained_step(q, 0.0, 0.0, 0.0, delta));
        let recovery = step.case == Case::Recovery;
        Steps { recovery, along_gradient: step.along_gradient, along_rows: vec![step.along_row] }
    }

    /// `gᵀH⁻¹g`.
    pub(super) fn q(&self) -> f64 {
        dot(&self.objective, &self.uphill)
    }

    /// `gᵀH⁻¹b` of every row.
    pub(super) fn r(&self) -> Vec<f64> {
        self.rows.iter().map(|row| dot(&self.objective, &row.across)).collect()
    }

    /// `bᵀH⁻¹b` of every pair of rows.
    pub(super) fn s(&self) -> Vec<Vec<f64>> {
        let with = |row: &RowGradient| self.rows.iter().map(|other| dot(&row.gradient, &other.across)).collect();
        self.rows.iter().map(with).collect()
    }
}

impl Method for Cpo {
    fn improve(&self, turn: &Turn<'_>, _prices: &mut Prices<'_>, report: &mut Report) -> TabularPolicy {
        let (delta, margin) = (self.trust_region.divergence.get(), self.margin.get());
        let mut rows = turn.concerned();
        if self.rows == Rows::Worst {
            rows = rows.into_iter().max_by(|a, b| a.overrun.total_cmp(&b.overrun)).into_iter().collect();
        }
        let gradients = Gradients::of(turn, &rows, &self.trust_region, margin);
        let c: Vec<f64> = gradients.rows.iter().map(|row| row.c).collect();
        let steps = match self.rows {
            Rows::All => constrained_steps(gradients.q(), &gradients.r(), &gradients.s(), &c, delta),
            Rows::Worst => gradients.step_of_one(delta),
        };
        report.add("recoveries", f64::from(u8::from(steps.recovery)));
        let mut step: Vec<f64> = gradients.uphill.iter().map(|up| steps.along_gradient * up).collect();
        for (row, along) in gradients.rows.iter().zip(&steps.along_rows) {
            step.iter_mut().zip(&row.across).for_each(|(step, across)| *step -= along * across);
        }
        let worst = c.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let allowed = (worst - margin).max(0.0);
        let objective = |policy: &TabularPolicy| -> f64 {
            let of = |&cell: &usize| {
                let advantages = &turn.appraisal.objective[cell * policy.actions..][..policy.actions];
                turn.appraisal.visits[cell] * dot(&policy.chances(cell), advantages)
            };
            turn.cells().iter().map(of).sum()
        };
        for _ in 0..TRIES {
            let policy = turn.policy.moved(&step);
            let apart = policy.mean_divergence(turn.policy, &gradients.batch);
            let kept = || turn.worst(&turn.foreseen(&policy)) <= allowed + SLACK;
            if apart <= delta * (1.0 + SLACK) && kept() && (worst > 0.0 || objective(&policy) >= -SLACK) {
                report.most("kl", apart);
                return policy;
            }
            report.add("line_search", 1.0);
            step.iter_mut().for_each(|step| *step *= SHORTER);
        }
        report.add("stuck", 1.0);
        turn.policy.clone()
    }

    fn reports(&self) -> &'static [&'static str] {
        &["kl", "line_search", "stuck", "recoveries"]
    }
}

/// How often a step is tried.
const TRIES: u32 = 20;
/// By how much it is shortened after every try.
const SHORTER: f64 = 0.8;
/// What counts as nothing.
const SLACK: f64 = 1e-9;
