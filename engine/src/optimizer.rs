//! Optimisers: what improves a policy from rollouts or from the model.

use crate::model::TabularModel;
use crate::policy::{ParametricPolicy, PolicyRef};
use crate::problem::Problem;
use crate::public::PublicSignal;
use crate::reference::Reference;
use crate::rollout::Rollout;
use crate::spec::Spec;
use std::sync::Arc;

/// A method that improves a policy. The struct is what the RON says; what learns is the [`Learner`] it begins.
#[typetag::serde]
pub trait Optimizer: std::fmt::Debug + Send + Sync {
    /// What an update is to be given.
    fn needs(&self) -> Needs;

    /// What in this environment or in the fields makes no sense; that [`needs`](Self::needs) are met is checked elsewhere.
    fn check(&self, _spec: &Spec) -> Vec<Problem> {
        Vec::new()
    }

    /// Starts learning from `policy`. What only the model can tell to be impossible is said here.
    fn begin(&self, policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem>;
}

/// What an optimiser cannot work without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The trajectory of every rollout.
    pub trajectory: bool,
    /// The tables of chances behind the environment.
    pub model: bool,
    /// A policy that is a network, not a table.
    pub network: bool,
    /// A policy with parameters of its own for every agent.
    pub separate: bool,
    /// The signal that one model predicts for all agents.
    pub public: bool,
    /// Whole episodes in every rollout: a horizon that is a multiple of the time limit.
    pub episodes: bool,
}

/// What a learner knows about its surroundings.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The environment's shapes.
    pub spec: Spec,
    /// Its model, where the optimiser asked for one.
    pub model: Option<Arc<TabularModel>>,
    /// Its public signal, where the optimiser asked for one.
    pub public: Option<Arc<dyn PublicSignal>>,
    /// The seed of the run, for draws of its own (with [`Purpose::Learner`](crate::noise::Purpose::Learner)).
    pub seed: u64,
}

/// A policy that is being improved.
pub trait Learner: Send {
    /// The policy to act with next.
    fn policy(&self) -> PolicyRef<'_>;

    /// Improves the policy; returns what is worth plotting, by name.
    fn update(&mut self, rollout: &Rollout) -> Vec<(String, f64)>;

    /// The same where nobody asks what is worth plotting. False only where the policy is what it was.
    fn learn(&mut self, rollout: &Rollout) -> bool {
        self.update(rollout);
        true
    }

    /// What its metrics are to be compared with in reports, asked before the first update. `episodes` are those that
    /// an iteration adds to sums.
    fn references(&self, _episodes: u64) -> Vec<Reference> {
        Vec::new()
    }

    /// Everything that [`restore`](Self::restore) needs to go on to the same future.
    fn snapshot(&self) -> Vec<u8>;

    /// Goes back to a snapshot of a learner that the same optimiser began.
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), postcard::Error>;
}
