//! Hill climbing: an optimiser that a third party might add.

use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_engine::optimizer::{Learner, Needs, Optimizer, Setting};
use isonomy_engine::plugin;
use isonomy_engine::policy::{ParametricPolicy, PolicyRef, TabularPolicy};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Positive;
use isonomy_engine::rollout::Rollout;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random search: nudges every logit at random and keeps the nudge where the rollout earned more than the best before.
///
/// The simplest method there is that learns from returns alone (Rastrigin 1963); a baseline that others must beat.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HillClimb {
    /// Largest change of a logit.
    pub step: Positive,
}

plugin!(Optimizer: HillClimb, "(step: 0.5)");

#[typetag::serde]
impl Optimizer for HillClimb {
    fn needs(&self) -> Needs {
        Needs { trajectory: true, ..Needs::default() }
    }

    fn begin(&self, policy: ParametricPolicy, setting: Setting) -> Result<Box<dyn Learner>, Problem> {
        let policy = policy.into_table()?;
        let key = Key::new(setting.seed, Phase::Training, Purpose::Learner);
        let memory = Memory { best: policy.clone(), tried: policy, most: f64::NEG_INFINITY, updates: 0 };
        Ok(Box::new(Climber { step: self.step.get(), key, memory }))
    }
}

struct Climber {
    step: f64,
    key: Key,
    memory: Memory,
}

/// All that changes, so that a snapshot is this and nothing else.
#[derive(Serialize, Deserialize)]
struct Memory {
    best: TabularPolicy,
    tried: TabularPolicy,
    most: f64,
    updates: u64,
}

impl Learner for Climber {
    fn policy(&self) -> PolicyRef<'_> {
        (&self.memory.tried).into()
    }

    fn update(&mut self, rollout: &Rollout) -> Vec<(String, f64)> {
        let memory = &mut self.memory;
        // What is taught, not what is paid: fairness rewards count.
        let taught: f64 = rollout.taught().iter().map(|&reward| f64::from(reward)).sum::<f64>() / rollout.rows() as f64;
        if taught > memory.most {
            memory.most = taught;
            memory.best = memory.tried.clone();
        }
        // Addressed noise: the same nudges whatever happened before, so that a resumed run goes on to the same future.
        let mut words = vec![0; memory.best.logits.len()];
        self.key.fill(memory.updates, 0, &mut words);
        memory.updates += 1;
        memory.tried = memory.best.clone();
        for (logit, word) in memory.tried.logits.iter_mut().zip(words) {
            *logit += self.step * (f64::from(word) / f64::from(u32::MAX) * 2.0 - 1.0);
        }
        vec![("taught".to_owned(), taught), ("best".to_owned(), memory.most)]
    }

    fn snapshot(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.memory).unwrap_or_default()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), postcard::Error> {
        self.memory = postcard::from_bytes(snapshot)?;
        Ok(())
    }
}
