use super::moments::Moments;
use isonomy_engine::advantage::{AdvantageEstimator, Responses, Signal};
use isonomy_engine::quantity::Probability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// SPO, chain: cuts a response where the policy was unsure, and pays each segment by what it changed in the value.
///
/// A cut lies before every token of probability below `sure`; of the cuts every `every`th is kept, the first included. Tokens
/// up to a cut get `V(cut) − V(cut before)`, the last segment `r − V(last cut)`; tokens of probability above `sure` get 0.
/// `value` holds V after each token, from fresh continuations; `chance` the value of the prompt, for a cut right after it.
/// Guo et al., arXiv 2505.23564 (2025).
///
/// Surprises: unless the first token is unsure, the first segment gets 0, for there is no value before it. A response
/// without a cut gets 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spo {
    /// Tokens of a lower probability are unsure; 0.9 if not given.
    #[serde(default = "usual_sure")]
    pub sure: Probability,
    /// One cut out of so many is kept; 5 if not given.
    #[serde(default = "five")]
    pub every: NonZeroU32,
}

isonomy_engine::plugin!(AdvantageEstimator: Spo, "(every: 2)");

fn usual_sure() -> Probability {
    Probability::new(0.9).expect("a probability")
}

fn five() -> NonZeroU32 {
    NonZeroU32::new(5).expect("not 0")
}

#[typetag::serde]
impl AdvantageEstimator for Spo {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        let (width, sure) = (batch.width(), self.sure.get());
        advantage.fill(0.0);
        for response in (0..batch.len()).filter(|&response| !batch.reward[response].is_nan()) {
            let own: Vec<usize> = (0..width).filter(|&token| batch.generated(response, token)).collect();
            let probability = |token: usize| batch.old_log_prob[response * width + token].exp();
            let unsure = (0..own.len()).filter(|&place| probability(own[place]) < sure);
            // Places in the response before which a kept cut lies; the cut is after the token before.
            let cuts: Vec<usize> = unsure.step_by(self.every.get() as usize).collect();
            let Some(&first) = cuts.first() else { continue };
            let value = |cut: usize| match cut.checked_sub(1) {
                Some(before) => batch.value[response * width + own[before]],
                None => batch.chance[response],
            };
            for place in first..own.len() {
                // The cut at or before this token, and what comes at the end of its segment.
                let past = cuts.iter().filter(|&&cut| cut <= place).count();
                let end = cuts.get(past).map_or(batch.reward[response], |&cut| value(cut));
                if probability(own[place]) <= sure {
                    advantage[response * width + own[place]] = end - value(cuts[past - 1]);
                }
            }
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::OldLogProb, Signal::Value, Signal::Chance]
    }
}

/// SPO, tree: a response and the alternatives that were sampled at the end of every segment.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A finished response and its score.
    Leaf(f64),
    /// The continuations of a segment.
    Node(Vec<Tree>),
}

impl Tree {
    /// The score, or the mean value of the continuations.
    pub fn value(&self) -> f64 {
        match self {
            Tree::Leaf(score) => *score,
            Tree::Node(children) => children.iter().map(Tree::value).sum::<f64>() / children.len() as f64,
        }
    }

    /// What each continuation is better than all of them on average; with `by_spread` divided by the population deviation
    /// of their values + 1e-8.
    pub fn edges(&self, by_spread: bool) -> Vec<f64> {
        let Tree::Node(children) = self else { return Vec::new() };
        let values = Moments::of(children.iter().map(Tree::value));
        let scale = if by_spread { values.population() + 1e-8 } else { 1.0 };
        children.iter().map(|child| (child.value() - values.mean) / scale).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_a_small_tree() {
        let node = |scores: [f64; 2]| Tree::Node(scores.map(Tree::Leaf).to_vec());
        let tree = Tree::Node(vec![node([1.0, 0.0]), node([1.0, 1.0])]);
        assert_eq!((tree.value(), tree.edges(false)), (0.75, vec![-0.25, 0.25]));
        let scaled = tree.edges(true);
        assert!((scaled[0] + 1.0).abs() < 1e-6 && (scaled[1] - 1.0).abs() < 1e-6, "{scaled:?}");
        assert_eq!((node([1.0, 0.0]).edges(false), node([1.0, 1.0]).edges(false)), (vec![0.5, -0.5], vec![0.0, 0.0]));
    }
}
