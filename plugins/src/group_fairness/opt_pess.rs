use super::confidence::{Alpha, Radius, Size, Width};
use super::fair_lp::{Tolerance, check_compare};
use super::judge::Judge;
use super::learner::{Caution, Counting, FairLearner, Method, RewardsAre, Rule};
use super::pi0::Pi0;
use super::problem::{Compare, FairProblem, Names};
use isonomy_engine::model::TabularModel;
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::ParametricPolicy;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative, Positive};
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// Learns the dynamics while being fair from the first episode on: optimism for reward, pessimism for fairness.
///
/// Counts give empirical dynamics `P̂` and a confidence radius `β(s,a) = κ sqrt(L / max(1, N(s,a)))`. For any policy the
/// true return lies between those of `r − wβ` and `r + wβ` in `P̂`, so a policy whose groups differ by at most ε in the
/// worst of these is fair. Among such policies it plays the one that maximises `Σ_m w_m r_m + αβ`, a linear programme
/// that is solved again when some count has doubled. Until the strictly fair policy π⁰ passes this test with room to
/// spare, and where the programme fails, π⁰ is played.
/// Song, Jiang, Chandra & Zhang, arXiv 2503.07817; Satija, Lazaric, Pirotta & Pineau, TMLR 04/2023 (one task);
/// Liu, Zhou, Kalathil, Kumar & Tian, arXiv 2106.02684 (the ancestor).
/// Reports `regret` against the fair optimum and `regret_pi0` against π⁰ (both summed over episodes), `regret_per_root`
/// (the first over √episodes), `violations` (episodes whose gap exceeds ε) and `violation_share` of all, `pi0_share`, `lp_solves`, `lp_failures`, `fair_optimum`, `gap` and `gap_task_N`; with a bootstrapped π⁰
/// `pi0_replacements` and `epsilon_0` as it is now. All
/// are judged by exact returns of the policy that acted, never by samples.
///
/// Surprises: with `beta_scale` below 1 nothing is guaranteed, and with 1 nothing is learned in any number of episodes
/// that anyone has run. Agents of a lane are independent samples of their group's policy. The model serves to judge, to
/// make π⁰ and for start distributions and known rewards; the dynamics are learned. `compare` says what the method
/// holds to, but violations are always judged in every task of finite tolerance. A negative regret means unfair play.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptPess {
    /// The largest gap allowed: one number, or one per task. `inf` allows any.
    pub epsilon: Tolerance,
    /// The largest gap that π⁰ may have, below ε.
    pub epsilon_0: NonNegative,
    /// Episodes that the confidence is to last for, K.
    pub episodes: NonZeroU64,
    /// κ: what the confidence radius is multiplied by. Below 1 the guarantee is void.
    #[serde(default = "theory")]
    pub beta_scale: Positive,
    /// How much exploration is worth.
    #[serde(default)]
    pub alpha: Alpha,
    /// What a unit of radius at each step can change a return by.
    #[serde(default)]
    pub width: Width,
    /// Chance that the confidence does not hold.
    #[serde(default = "a_tenth")]
    pub delta: Positive,
    /// What is counted together.
    #[serde(default)]
    pub counts: Counting,
    /// Whether rewards are known.
    #[serde(default)]
    pub rewards: RewardsAre,
    /// How much each task counts, `w_m`; all the same if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Finite>,
    /// Which returns the method compares.
    #[serde(default)]
    pub compare: Compare,
    /// The policy that is known to be fair.
    #[serde(default)]
    pub pi0: Pi0,
}

isonomy_engine::plugin!(
    Optimizer: OptPess,
    "(epsilon: 0.5, epsilon_0: 0.1, episodes: 20000, beta_scale: 0.0005)"
);

fn theory() -> Positive {
    Positive::new(1.0).expect("one is positive")
}

fn a_tenth() -> Positive {
    Positive::new(0.1).expect("a tenth is positive")
}

#[typetag::serde]
impl Optimizer for OptPess {
    fn needs(&self) -> Needs {
        super::learner_needs()
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let mut problems = self.terms().check(spec);
        if self.delta.get() >= 1.0 {
            problems.push(Problem::at("delta", format!("{} is no chance below 1", self.delta.get())));
        }
        if let Alpha::Times(factor) = self.alpha
            && !(factor >= 0.0 && factor.is_finite())
        {
            problems.push(Problem::at("alpha", format!("{factor} is no factor")).help("0 or above"));
        }
        problems
    }

    fn begin(&self, _policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let rule = |spec: &Spec, compared: &[(Vec<usize>, f64)]| Rule::Cautious(self.caution(spec, compared));
        self.terms().begin(setting, rule, self.counts, self.rewards)
    }
}

impl OptPess {
    fn terms(&self) -> Terms<'_> {
        Terms {
            epsilon: &self.epsilon,
            epsilon_0: self.epsilon_0.get(),
            weights: &self.weights,
            compare: &self.compare,
            pi0: &self.pi0,
        }
    }

    fn caution(&self, spec: &Spec, compared: &[(Vec<usize>, f64)]) -> Caution {
        let size = Size {
            groups: spec.groups.len(),
            states: spec.observation.count() as usize,
            actions: spec.action.count() as usize,
            horizon: spec.time_limit as usize,
        };
        let known = self.rewards == RewardsAre::Known;
        let largest = |(low, high): (f32, f32)| f64::from(low.abs().max(high.abs()));
        let widths: Vec<f64> = spec.tasks.iter().map(|task| self.width.of(size, largest(task.reward), known)).collect();
        let eta = compared.iter().map(|(_, epsilon)| epsilon - self.epsilon_0.get()).fold(f64::INFINITY, f64::min);
        let weights = super::task_weights(&self.weights, widths.len());
        let all = widths.iter().zip(&weights).map(|(width, weight)| width * weight.abs()).sum();
        Caution {
            radius: Radius::new(size, self.episodes.get(), self.delta.get(), self.beta_scale.get()),
            alpha: self.alpha.of(size, all, eta),
            epsilon_0: self.epsilon_0.get(),
            delta: self.delta.get(),
            bootstraps: matches!(self.pi0, Pi0::Bootstrapped { .. }),
            widths,
        }
    }
}

/// What every fair learner is asked for.
pub(super) struct Terms<'a> {
    pub(super) epsilon: &'a Tolerance,
    pub(super) epsilon_0: f64,
    pub(super) weights: &'a [Finite],
    pub(super) compare: &'a Compare,
    pub(super) pi0: &'a Pi0,
}

impl Terms<'_> {
    pub(super) fn check(&self, spec: &Spec) -> Vec<Problem> {
        let tasks = spec.tasks.len();
        let mut problems = self.epsilon.check(tasks);
        problems.extend(check_compare(self.compare, spec));
        problems.extend(self.pi0.check(spec));
        if !self.weights.is_empty() && self.weights.len() != tasks {
            let message = format!("{} weights for {tasks} tasks", self.weights.len());
            problems.push(Problem::at("weights", message).help("one per task, or none"));
        }
        if let Some(epsilon) = self.epsilon.per_task(tasks).iter().find(|epsilon| **epsilon <= self.epsilon_0) {
            let message = format!("pi0 may have a gap of {}, which is not below epsilon, {epsilon}", self.epsilon_0);
            problems.push(Problem::at("epsilon_0", message).help("0 or above, and below every tolerance"));
        }
        if spec.groups.len() < 2 {
            problems.push(Problem::at("", "fairness compares groups, and there is only one"));
        }
        problems
    }

    pub(super) fn begin(
        &self,
        setting: Setting,
        rule: impl FnOnce(&Spec, &[(Vec<usize>, f64)]) -> Rule,
        counting: Counting,
        rewards: RewardsAre,
    ) -> Result<Box<dyn Learner>, Problem> {
        let Setting { spec, model, .. } = setting;
        let model = model.expect("a scenario without a model is refused before");
        let weights = super::task_weights(self.weights, model.tasks);
        let epsilon = self.epsilon.per_task(model.tasks);
        let compared = self.compare.among(&Vec::from_iter(0..model.tasks), &epsilon);
        let fair = self.fair(&model, &spec, epsilon, &weights);
        let judge = Judge::new(&fair, self.pi0, self.epsilon_0).map_err(|error| Problem::at("", error.to_string()))?;
        let rule = rule(&spec, &compared);
        Ok(Box::new(FairLearner::new(Method { spec, model, rewards, weights, compared, rule }, judge, counting)))
    }

    /// What is judged: every task of finite tolerance, whatever the method compares.
    fn fair<'a>(&self, model: &'a TabularModel, spec: &Spec, epsilon: Vec<f64>, weights: &[f64]) -> FairProblem<'a> {
        FairProblem {
            epsilon,
            weights: weights.repeat(model.groups),
            names: Names::of(spec),
            ..FairProblem::new(model, 0.0)
        }
    }
}
