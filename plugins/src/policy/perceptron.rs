use isonomy_engine::network::{Activation, Mlp};
use isonomy_engine::policy::{Head, NetworkPolicy, ParametricPolicy, Policy};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Positive;
use isonomy_engine::spec::{Space, Spec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// A multilayer perceptron: what an agent sees goes in, a distribution over its actions comes out. All agents share it, unless
/// each is to have one of its own.
///
/// Discrete actions: `π(a | x) = softmax(f(x))_a`. Numbers: `a ~ Normal(f(x), σ²)`, where σ is one number that is learned
/// beside the weights; what falls outside the bounds is clamped by the environment.
/// Where an environment says which actions can be chosen, the others have a chance of zero. At first outputs are near zero (the
/// last layer's weights are a hundredth of the others'), so all actions are about equally likely.
/// Groups share the weights: agents in the same situation are treated alike. `identities` lets the network tell the agents of a
/// lane apart; with `separate` every agent of a lane learns weights of its own, from its own part of a rollout. Schulman et al. 2017 (arXiv 1707.06347); sharing as in Yu et al. 2022 (arXiv 2103.01955).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Perceptron {
    /// Units of each hidden layer.
    pub hidden: Vec<NonZeroU32>,
    /// What a hidden unit makes of its sum; `Tanh` if not given.
    #[serde(default)]
    pub activation: Activation,
    /// Whether the network is also told which agent of the lane it acts for.
    #[serde(default)]
    pub identities: bool,
    /// Whether every agent of a lane has a network of its own.
    #[serde(default)]
    pub separate: bool,
    /// The first standard deviation of actions that are numbers; 0.5 if not given.
    #[serde(default = "half")]
    pub deviation: Positive,
}

isonomy_engine::plugin!(Policy: Perceptron, "(hidden: [64, 64], activation: Tanh)");

fn half() -> Positive {
    Positive::new(0.5).expect("a half is positive")
}

/// Weights of the largest network: a gigabyte with what learning keeps beside them.
const MOST: u128 = 1 << 26;

/// Why as many networks as `copies` of these layers are too large, if they are; `place` names the layers.
pub(crate) fn too_large(sizes: &[usize], copies: usize, place: &str) -> Option<Problem> {
    let one: u128 = sizes.windows(2).map(|pair| (pair[0] as u128 + 1) * pair[1] as u128).sum();
    let weights = one * copies as u128;
    let problem = || Problem::at(place, format!("{weights} weights do not fit")).help(format!("{MOST} are the most"));
    (weights > MOST).then(problem)
}

impl Perceptron {
    fn sizes(&self, spec: &Spec) -> Vec<usize> {
        let outputs = if spec.action.is_discrete() { spec.action.count() as usize } else { 1 };
        let mut sizes = vec![NetworkPolicy::inputs(spec, self.identities)];
        sizes.extend(self.hidden.iter().map(|units| units.get() as usize));
        sizes.push(outputs);
        sizes
    }

    fn copies(&self, spec: &Spec) -> usize {
        if self.separate { spec.agents() as usize } else { 1 }
    }
}

#[typetag::serde]
impl Policy for Perceptron {
    fn initial(&self, spec: &Spec, seed: u64) -> ParametricPolicy {
        let head = match spec.action {
            Space::Discrete(_) => Head::Categorical,
            Space::Masked(_) => Head::Masked,
            Space::Real { .. } => Head::Gaussian { log_deviation: self.deviation.get().ln() as f32 },
        };
        ParametricPolicy::Network(NetworkPolicy {
            net: Mlp::several(self.copies(spec), self.sizes(spec), self.activation, 0.01, seed, POLICY_STREAM),
            head,
            identities: if self.identities { spec.agents() as usize } else { 0 },
        })
    }

    fn is_network(&self) -> bool {
        true
    }

    fn is_separate(&self) -> bool {
        self.separate
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(too_large(&self.sizes(spec), self.copies(spec), "hidden"));
        if self.separate && self.identities {
            let message = "a network of one agent need not be told whose it is";
            problems.push(Problem::at("identities", message).help("leave out `identities` or `separate`"));
        }
        problems
    }
}

/// The stream of a learner's noise from which the first weights come.
pub(crate) const POLICY_STREAM: u64 = u64::MAX;
