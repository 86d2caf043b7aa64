use isonomy_engine::advantage::{AdvantageEstimator, Responses, Signal};
use isonomy_engine::quantity::Positive;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// MOPD: on-policy distillation from the teacher of a prompt's domain, token by token.
///
/// `A_t = w_t · (ln π_teacher − ln π)`, `w_t = ρ_t` where `low ≤ ρ_t ≤ high`, else 0, with `ρ_t = π / π_sampling`. Teachers
/// are checkpoints of the same run, the best one for every domain. Nemotron-Cascade 2, arXiv 2603.19220 (2026).
///
/// Surprises: it looks at no reward, not even at one that is missing. Its fixed point is the teacher whatever weights the
/// domains have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mopd {
    /// Smallest ratio between the trained and the sampling policy that still counts; 0.5 if not given.
    #[serde(default = "half")]
    pub low: Positive,
    /// Largest ratio that still counts; 2 if not given.
    #[serde(default = "two")]
    pub high: Positive,
}

isonomy_engine::plugin!(AdvantageEstimator: Mopd, "()");

fn half() -> Positive {
    Positive::new(0.5).expect("positive")
}

fn two() -> Positive {
    Positive::new(2.0).expect("positive")
}

#[typetag::serde]
impl AdvantageEstimator for Mopd {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        let width = batch.width();
        for (at, advantage) in advantage.iter_mut().enumerate() {
            let ratio = (batch.log_prob[at] - batch.old_log_prob[at]).exp();
            let counts = (self.low.get()..=self.high.get()).contains(&ratio);
            let lead = batch.teacher_log_prob[at] - batch.log_prob[at];
            let counts = counts && batch.generated(at / width, at % width) && lead.is_finite();
            *advantage = if counts { ratio * lead } else { 0.0 };
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::LogProb, Signal::OldLogProb, Signal::TeacherLogProb]
    }
}
