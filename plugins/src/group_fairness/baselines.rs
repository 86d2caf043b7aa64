use super::fair_lp::Tolerance;
use super::learner::{Counting, RewardsAre, Rule};
use super::opt_pess::Terms;
use super::pi0::Pi0;
use super::problem::Compare;
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::ParametricPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative};
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Plans the fair policies of what it has seen as if that were the truth: the baseline without caution.
///
/// The same linear programme as `OptPess`, with neither bonus nor margin nor π⁰; solved again when some count has
/// doubled. Called MLE by Satija, Lazaric, Pirotta & Pineau, TMLR 04/2023.
/// Reports what `OptPess` reports.
///
/// Surprises: it can look fair while it is stuck at a poor policy, because what it never tries it never learns: look at
/// `regret` beside `violations`. Where what it has seen allows no fair policy, it goes on with the one it has (the
/// uniform one at first) and counts that in `lp_failures`. π⁰ is never played; it is there for `regret_pi0`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertaintyEquivalence {
    /// The largest gap allowed: one number, or one per task. `inf` allows any.
    pub epsilon: Tolerance,
    /// The largest gap that π⁰ may have, below ε.
    pub epsilon_0: NonNegative,
    /// What is counted together.
    #[serde(default)]
    pub counts: Counting,
    /// Whether rewards are known.
    #[serde(default)]
    pub rewards: RewardsAre,
    /// How much each task counts, `w_m`; all the same if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Finite>,
    /// Which returns the method compares; `Nothing` for the baseline that is not fair.
    #[serde(default)]
    pub compare: Compare,
    /// The policy that `regret_pi0` compares with.
    #[serde(default)]
    pub pi0: Pi0,
}

isonomy_engine::plugin!(Optimizer: CertaintyEquivalence, "(epsilon: 0.5, epsilon_0: 0.1)");

#[typetag::serde]
impl Optimizer for CertaintyEquivalence {
    fn needs(&self) -> Needs {
        super::learner_needs()
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        self.terms().check(spec)
    }

    fn begin(&self, _policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        self.terms().begin(setting, |_, _| Rule::CertaintyEquivalent, self.counts, self.rewards)
    }
}

impl CertaintyEquivalence {
    fn terms(&self) -> Terms<'_> {
        Terms {
            epsilon: &self.epsilon,
            epsilon_0: self.epsilon_0.get(),
            weights: &self.weights,
            compare: &self.compare,
            pi0: &self.pi0,
        }
    }
}

/// Plays the policy that is known to be fair, for ever: what learning has to beat.
///
/// π⁰ as in `OptPess` (Song, Jiang, Chandra & Zhang, arXiv 2503.07817). Reports what `OptPess` reports.
///
/// Surprises: it learns nothing, and its regret grows by the same amount in every episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlwaysPi0 {
    /// The largest gap allowed: one number, or one per task. `inf` allows any.
    pub epsilon: Tolerance,
    /// The largest gap that π⁰ may have, below ε.
    pub epsilon_0: NonNegative,
    /// How much each task counts, `w_m`; all the same if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Finite>,
    /// The policy.
    #[serde(default)]
    pub pi0: Pi0,
}

isonomy_engine::plugin!(Optimizer: AlwaysPi0, "(epsilon: 0.5, epsilon_0: 0.1)");

#[typetag::serde]
impl Optimizer for AlwaysPi0 {
    fn needs(&self) -> Needs {
        super::learner_needs()
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        self.terms().check(spec)
    }

    fn begin(&self, _policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        self.terms().begin(setting, |_, _| Rule::Pi0, Counting::Pooled, RewardsAre::Known)
    }
}

impl AlwaysPi0 {
    fn terms(&self) -> Terms<'_> {
        Terms {
            epsilon: &self.epsilon,
            epsilon_0: self.epsilon_0.get(),
            weights: &self.weights,
            compare: &Compare::EachTask,
            pi0: &self.pi0,
        }
    }
}
