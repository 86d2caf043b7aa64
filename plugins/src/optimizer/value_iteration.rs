use isonomy_engine::model::TabularModel;
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::policy::{ParametricPolicy, PolicyRef, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Finite;
use isonomy_engine::rollout::Rollout;
use isonomy_engine::spec::Spec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Plans with the environment's own model: backward induction for every group, then acts greedily.
///
/// `V_h(s) = max_a Σ_m w_m r_m(s,a) + Σ_s' p(s' | s,a) V_{h+1}(s')`, with `V_H = 0`. Ties go to the lowest action.
/// Reports `optimal.GROUP`, the expected value of an episode, `Σ_s μ_z(s) V_0(s)`.
/// Bellman, Dynamic Programming (1957); Puterman, Markov Decision Processes (1994), section 4.5.
///
/// Surprises: it plans before the first step, so the policy it is given never acts and there is nothing to learn later.
/// It sees what the environment pays, never what fairness rewards make of it. It needs an environment with a finite
/// model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueIteration {
    /// How much each task counts, `w_m`; all the same if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<Finite>,
}

isonomy_engine::plugin!(Optimizer: ValueIteration, "()");

#[typetag::serde]
impl Optimizer for ValueIteration {
    fn needs(&self) -> Needs {
        Needs { model: true, ..Needs::default() }
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        super::check(&self.weights, spec)
    }

    fn begin(&self, _policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let model = setting.model.expect("a scenario without a model is refused before");
        let (policy, optimal) = greedy(&model, &setting.spec, &super::task_weights(&self.weights, model.tasks));
        Ok(Box::new(Planner { policy, optimal }))
    }
}

/// The greedy policy, and the expected value of an episode by group.
fn greedy(model: &TabularModel, spec: &Spec, weights: &[f64]) -> (TabularPolicy, Vec<(String, f64)>) {
    let plan = model.plan(weights);
    let policy = TabularPolicy::from_chances(spec, model.horizon, |step, group, observation, chances| {
        chances[plan.action[(step * model.groups + group) * model.states + observation] as usize] = 1.0;
    });
    let value = |(group, value): (usize, &[f64])| -> f64 {
        model.start(group).iter().zip(value).map(|(chance, value)| chance * value).sum()
    };
    let values = plan.value.chunks_exact(model.states).enumerate().map(value);
    (policy, spec.groups.iter().map(|group| format!("optimal.{}", group.name)).zip(values).collect())
}

struct Planner {
    policy: TabularPolicy,
    optimal: Vec<(String, f64)>,
}

impl Learner for Planner {
    fn policy(&self) -> PolicyRef<'_> {
        PolicyRef::Table(&self.policy)
    }

    fn update(&mut self, _rollout: &Rollout) -> Vec<(String, f64)> {
        self.optimal.clone()
    }

    fn snapshot(&self) -> Vec<u8> {
        super::snapshot(&self.policy)
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), postcard::Error> {
        super::restore(&mut self.policy, snapshot)
    }
}
