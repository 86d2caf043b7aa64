//! Replays: episodes that were acted before, shown as a page.
//!
//! A run folder keeps no trajectories. What happened follows from the scenario, the policy and addressed noise, so it is
//! simulated again; an environment that can show itself is told what its agents did and with which noise.

/// An episode of one lane, as it was acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Episode {
    /// Number of the lane.
    pub lane: usize,
    /// Number of the episode, from 0.
    pub number: u64,
    /// Noise of the start, [`LaneDynamics::start_draws`](crate::lanes::LaneDynamics::start_draws) words.
    pub start_words: Vec<u32>,
    /// Noise of every step, `[steps, draws]`.
    pub words: Vec<u32>,
    /// What agents did, `[steps, agents]`.
    pub actions: Vec<u32>,
}

/// What a page says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// The scenario's name.
    pub scenario: String,
    /// What the scenario asks.
    pub about: String,
    /// Which episodes these are, and who acts.
    pub episodes: String,
}

/// An environment that can show episodes.
pub trait Replay {
    /// A page of HTML that needs nothing from elsewhere.
    fn page(&self, caption: &Caption, episodes: &[Episode]) -> String;
}
