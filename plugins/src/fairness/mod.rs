//! What a policy is taught in place of what the environment pays.

mod alpha_fair;
mod fair_efficient;
mod gap_penalty;
mod inequity_aversion;
mod local_global;
mod long_term;
mod welfare_weighted;

pub use alpha_fair::AlphaFair;
pub use fair_efficient::FairEfficient;
pub use gap_penalty::GapPenalty;
pub use inequity_aversion::InequityAversion;
pub use local_global::LocalGlobal;
pub use long_term::LongTerm;
pub use welfare_weighted::WelfareWeighted;

use isonomy_engine::fairness::RewardBatch;

/// The agents of one lane, in one task.
struct Lane<'a> {
    reward: &'a [f32],
    utility: &'a [f32],
    shaped: &'a mut [f32],
}

impl Lane<'_> {
    /// What an agent has earned in the episode before this step.
    fn before(&self, agent: usize) -> f64 {
        self.after(agent) - f64::from(self.reward[agent])
    }

    /// What an agent has earned in the episode, this step included.
    fn after(&self, agent: usize) -> f64 {
        self.utility[agent].into()
    }
}

/// Every lane of a batch in every task.
fn lanes<'a>(batch: RewardBatch<'a>) -> impl Iterator<Item = Lane<'a>> {
    let agents = batch.group.len();
    let paid = batch.reward.chunks_exact(agents).zip(batch.utility.chunks_exact(agents));
    paid.zip(batch.shaped.chunks_exact_mut(agents)).map(|((reward, utility), shaped)| Lane { reward, utility, shaped })
}

/// Lends room for some numbers; the allocator is asked only where they are many.
fn with_room(len: usize, borrower: impl FnOnce(&mut [f64])) {
    const FEW: usize = 64;
    if len <= FEW { borrower(&mut [0.0; FEW][..len]) } else { borrower(&mut vec![0.0; len]) }
}

#[cfg(test)]
mod facts;
