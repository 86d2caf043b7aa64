//! Environments: what a scenario simulates.

use crate::model::TabularModel;
use crate::problem::Problem;
use crate::public::PublicSignal;
use crate::replay::Replay;
use crate::sim::Builder;
use crate::spec::Spec;
use std::any::Any;
use std::path::Path;
use std::sync::Arc;

/// A world that agents act in, described by what a scenario says about it.
///
/// The struct is what the RON says and never changes; what moves lives in the rows that [`build`](Self::build) adds.
#[typetag::serde]
pub trait Environment: Any + std::fmt::Debug + Send + Sync {
    /// Groups, tasks, spaces and the clock.
    fn spec(&self) -> Spec;

    /// Everything about the fields that their types could not refuse. Called before any other method but
    /// [`resolve`](Self::resolve), which it follows; the others may rely on it.
    fn check(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Reads the files that the fields name, relative to `folder`, so that the value stands on its own afterwards.
    fn resolve(&mut self, _folder: &Path) -> Result<(), Problem> {
        Ok(())
    }

    /// Adds the rows of all lanes and the systems that move them.
    fn build(&self, sim: &mut Builder);

    /// The same world as tables of chances, where it has a finite one.
    fn model(&self) -> Option<TabularModel> {
        None
    }

    /// The signal that one model predicts for all agents, where the world is about one.
    fn public(&self) -> Option<Arc<dyn PublicSignal>> {
        None
    }

    /// What shows episodes of this world as a page, where there is something to see.
    fn replay(&self) -> Option<&dyn Replay> {
        None
    }
}
