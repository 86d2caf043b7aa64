use super::blocks::{Blocks, Method, Prices, Report, Turn};
use super::differentiable::{Decisions, Differentiable};
use super::learning::Learning;
use super::limits::Limits;
use super::trust_region::{Case, Step, TrustRegion, conjugate_gradient, constrained_step, dot};
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Constrained policy optimisation (CPO): the best step in a trust region that keeps to the worst row, to first order.
///
/// Maximises `gᵀx` subject to `bᵀx + c ≤ 0` and `½ xᵀHx ≤ δ`: g and b are the gradients of the objective and of the row
/// `f(J) ≤ 0` that is exceeded most (or nearest to it), c its overrun, H the Fisher matrix. Where no step of that size
/// brings the row back, it goes straight back towards it. Then the step is shortened by .8, 20 times at most, until the
/// divergence is at most δ, no row is exceeded more than the worst was (or at all, if none was), and nothing is lost in the
/// objective unless the row was exceeded: all as far as the advantages of the old policy can tell.
/// Achiam, Held, Tamar & Abbeel, arXiv 1705.10528; several rows: the worst, which is our choice.
///
/// Surprises: where two rows bind at once, a step that keeps to one may exceed the other and is shortened to nothing;
/// `stuck` counts that. `margin` keeps away from the edge, where it happens.
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
    /// How far below zero every row is to be held, in units of return.
    #[serde(default = "margin")]
    pub margin: NonNegative,
    /// From what it learns, in which order, and who acts.
    #[serde(default)]
    pub learning: Learning,
}

isonomy_engine::plugin!(Optimizer: Cpo, r#"(constraints: [{"ReturnParity": (epsilon: 0.5)}])"#);

fn margin() -> NonNegative {
    NonNegative::new(0.0).expect("not below zero")
}

#[typetag::serde]
impl Optimizer for Cpo {
    fn needs(&self) -> Needs {
        self.learning.needs()
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        self.learning.check(&self.constraints, spec)
    }

    fn begin(&self, policy: TabularPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        Blocks::begin(self.clone(), &self.constraints, &self.learning, 0.0, policy, setting)
    }
}

/// Gradients of a turn and their products with the inverse of the Fisher matrix.
pub(super) struct Gradients {
    pub(super) batch: Decisions,
    /// `H⁻¹g`.
    pub(super) uphill: Vec<f64>,
    /// `b`.
    pub(super) row: Vec<f64>,
    /// `H⁻¹b`.
    pub(super) across: Vec<f64>,
    pub(super) q: f64,
    pub(super) r: f64,
    pub(super) s: f64,
    /// By how much the row is exceeded; far below zero where there is no row.
    pub(super) c: f64,
}

impl Gradients {
    /// Of the objective, and of the worst row, where it is to be held `margin` below zero.
    pub(super) fn of(turn: &Turn<'_>, region: &TrustRegion, margin: f64) -> Self {
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
        let objective = gradient(&|entry| turn.appraisal.objective[entry]);
        let (row, c) = match turn.worst(turn.returns) {
            Some((worst, c)) => (gradient(&|entry| turn.advantage_in(&turn.rows[worst], entry)), c + margin),
            None => (vec![0.0; policy.parameters()], f64::MIN),
        };
        let (uphill, across) = (inverse(&objective), inverse(&row));
        let (q, r, s) = (dot(&objective, &uphill), dot(&objective, &across), dot(&row, &across));
        Gradients { batch, uphill, row, across, q, r, s, c }
    }

    /// A step along the gradient and back along `back`.
    pub(super) fn step(&self, step: &Step, back: &[f64]) -> Vec<f64> {
        let parts = self.uphill.iter().zip(back);
        parts.map(|(up, back)| step.along_gradient * up - step.along_row * back).collect()
    }
}

impl Method for Cpo {
    fn improve(&self, turn: &Turn<'_>, _prices: &mut Prices<'_>, report: &mut Report) -> TabularPolicy {
        let (delta, margin) = (self.trust_region.divergence.get(), self.margin.get());
        let gradients = Gradients::of(turn, &self.trust_region, margin);
        let step = constrained_step(gradients.q, gradients.r, gradients.s, gradients.c, delta);
        report.add("recoveries", f64::from(u8::from(step.case == Case::Recovery)));
        let mut step = gradients.step(&step, &gradients.across);
        let allowed = gradients.c.max(0.0);
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
            let kept =
                || turn.worst(&turn.foreseen(&policy)).is_none_or(|(_, worst)| worst + margin <= allowed + SLACK);
            if apart <= delta * (1.0 + SLACK) && kept() && (gradients.c > 0.0 || objective(&policy) >= -SLACK) {
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
