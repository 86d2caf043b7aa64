use super::grpo::verl;
use super::moments::{Moments, score_groups};
use isonomy_engine::advantage::{AdvantageEstimator, Reach, Responses, Signal};
use isonomy_engine::quantity::{Finite, NonNegative};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// COPO: blends GRPO with a comparison between prompts, the more so the more the answers to a prompt agree.
///
/// `A = w·A_local + (1−w)·A_global`, `w = σ(k(H − b))`, H the entropy in bits of a group's answers. `A_local` is GRPO;
/// `A_global = (R_g − mean) / (std + 1e-6)` over the groups, `R_g = mean(r)·(1 − λH)`, `λ = (1 − 1/n)/log₂ n`.
/// Consistency-Aware Policy Optimization, arXiv 2508.04138 (2025); its code blends losses, which is the same on policy.
///
/// Surprises: one of the few estimators here in which a reward that a whole group shares survives. With one group in the
/// batch there is nothing to compare, and the global part is 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copo {
    /// When the comparison between prompts counts; always, blended, if not given.
    #[serde(default)]
    pub mode: Mode,
    /// The entropy at which both parts count alike, b, in bits; 0.5 if not given.
    #[serde(default = "half")]
    pub balance: Finite,
    /// How sharply the blend turns, k; 1 if not given.
    #[serde(default = "one")]
    pub sharpness: NonNegative,
}

/// When the comparison between prompts counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Mode {
    /// In every group, blended.
    #[default]
    Blend,
    /// In every group, blended, and alone where the local part is 0.
    BlendAndFill,
    /// Alone, where the local part is 0.
    Fill,
    /// Blended, where the local part is 0.
    BlendWhereZero,
    /// Alone, in every group.
    Global,
    /// Never: GRPO.
    Local,
}

isonomy_engine::plugin!(AdvantageEstimator: Copo, "(mode: Fill)");

fn half() -> Finite {
    Finite::new(0.5).expect("finite")
}

fn one() -> NonNegative {
    NonNegative::new(1.0).expect("not negative")
}

impl Copo {
    /// The weight of the local part.
    fn local_weight(&self, entropy: f64, silent: bool) -> f64 {
        let blend = 1.0 / (1.0 + (-self.sharpness.get() * (entropy - self.balance.get())).exp());
        match (self.mode, silent) {
            (Mode::Local, _) | (Mode::Fill | Mode::BlendWhereZero, false) => 1.0,
            (Mode::Global, _) | (Mode::Fill | Mode::BlendAndFill, true) => 0.0,
            (Mode::Blend, _) | (Mode::BlendAndFill, false) | (Mode::BlendWhereZero, true) => blend,
        }
    }
}

/// Entropy of the answers of a group, in bits.
fn entropy(answers: &[u32]) -> f64 {
    let count = |answer: &u32| answers.iter().filter(|other| *other == answer).count() as f64;
    let n = answers.len() as f64;
    // Each of the c equal answers contributes 1/c of its share's term.
    -answers.iter().map(|answer| (count(answer) / n).log2() / n).sum::<f64>() + 0.0
}

/// Mean reward of a group, less where its answers disagree.
fn consistent_reward(rewards: &[f64], answers: &[u32]) -> f64 {
    let n = answers.len() as f64;
    let charge = if answers.len() > 1 { (1.0 - 1.0 / n) / n.log2() } else { 0.0 };
    Moments::of_rewards(rewards).mean * (1.0 - charge * entropy(answers))
}

#[typetag::serde]
impl AdvantageEstimator for Copo {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        score_groups(batch, advantage, verl);
        let reward =
            |members: std::ops::Range<usize>| consistent_reward(&batch.reward[members.clone()], &batch.answer[members]);
        let between: Vec<f64> = batch.groups().map(reward).collect();
        let prompts = Moments::of_rewards(&between);
        for (members, own) in batch.groups().zip(&between) {
            let global = (own - prompts.mean) / (prompts.sample() + 1e-6);
            let width = batch.width();
            let silent = advantage[members.start * width..members.end * width].iter().all(|&a| a == 0.0);
            let local = self.local_weight(entropy(&batch.answer[members.clone()]), silent);
            for response in members.filter(|&response| !batch.reward[response].is_nan()) {
                for token in 0..width {
                    if batch.generated(response, token) {
                        let advantage = &mut advantage[response * width + token];
                        *advantage = local * *advantage + (1.0 - local) * global;
                    }
                }
            }
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::Answer]
    }

    fn reach(&self) -> Reach {
        Reach::Batch
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn entropies_of_answers() {
        for (answers, bits) in [(&[7, 3, 3, 5][..], 1.5), (&[2, 2, 9, 2], 0.811278), (&[1], 0.0), (&[4, 4], 0.0)] {
            assert!((super::entropy(answers) - bits).abs() < 1e-6);
        }
    }
}
