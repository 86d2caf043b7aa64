//! The stages of a step on plain arrays, without a World: what the cost of hosting is measured against.

use crate::dynamics::Dynamics;
use crate::fused::{self, Keys, Rules, Scratch};
use crate::noise::Phase;
use crate::policy::{PolicyTable, TabularPolicy};
use crate::spec::Spec;

/// All lanes of one environment as plain arrays.
pub struct Bare {
    rules: Rules,
    policy: PolicyTable,
    scratch: Scratch,
    step: u64,
    state: Vec<u32>,
    action: Vec<u32>,
    reward: Vec<f32>,
    utility: Vec<f32>,
    returns: Vec<f32>,
}

impl Bare {
    /// All lanes at the start of their first episodes.
    pub fn new(spec: &Spec, dynamics: impl Dynamics, policy: &TabularPolicy, lanes: usize, seed: u64) -> Self {
        let mut rules = Rules::new(spec, Keys::new(seed, Phase::Training));
        rules.dynamics = Some(Box::new(dynamics));
        let (rows, tasks) = (lanes * rules.group.len(), rules.tasks);
        let ledger = || vec![0.0; rows * tasks];
        let mut bare = Bare {
            policy: policy.table(),
            scratch: Scratch::new(&rules),
            rules,
            step: 0,
            state: vec![0; rows],
            action: vec![0; rows],
            reward: ledger(),
            utility: ledger(),
            returns: ledger(),
        };
        bare.restart(0);
        bare
    }

    /// Makes one step, stage by stage, as [`Sim::step`](crate::sim::Sim::step) does.
    pub fn step(&mut self) {
        for range in fused::tiles(&self.rules, self.state.len()) {
            let words = &mut self.scratch.words[..range.len()];
            let (first, state) = (range.start as u64, &self.state[range.clone()]);
            fused::choose(&self.rules, &self.policy, self.step, first, state, words, &mut self.action[range]);
        }
        let Bare { rules, scratch, state, action, reward, utility, returns, .. } = self;
        fused::transition(rules, self.step, action, state, reward, scratch);
        fused::add(reward, utility);
        if rules.ends(self.step) {
            fused::add(utility, returns);
            utility.fill(0.0);
            self.restart(self.step + 1);
        }
        self.step += 1;
    }

    fn restart(&mut self, made: u64) {
        for range in fused::tiles(&self.rules, self.state.len()) {
            let words = &mut self.scratch.words[..range.len()];
            self.rules.start(made, range.start as u64, words, &mut self.state[range]);
        }
    }

    /// Where every row is, to be compared with the World's.
    pub fn state(&self) -> &[u32] {
        &self.state
    }
}
