use super::moments::Moments;
use super::returns::returns;
use isonomy_engine::advantage::{AdvantageEstimator, Blindness, Reach, Responses, Signal};
use isonomy_engine::quantity::Probability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// MARS: returns from every turn on, centred over the turns of one seat, so that seats with other payoffs do not leak in.
///
/// `A_t = R_t − mean of R over all turns of the seat`; with `by_spread` divided by their sample deviation + 1e-6. MARSHAL,
/// arXiv 2510.15414 (2025).
///
/// Surprises: the published code subtracts the mean over the different values of a seat (`unique`), which is another number
/// where values repeat. One turn alone in its seat scores 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mars {
    /// Discount from turn to turn; 1 if not given.
    #[serde(default = "super::undiscounted")]
    pub discount: Probability,
    /// Whether advantages are divided by the spread of their seat.
    #[serde(default)]
    pub by_spread: bool,
    /// Whether a value that repeats counts once in the mean, as in the published code.
    #[serde(default)]
    pub unique: bool,
}

isonomy_engine::plugin!(AdvantageEstimator: Mars, "()");

#[typetag::serde]
impl AdvantageEstimator for Mars {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        returns(batch, self.discount.get(), advantage);
        let width = batch.width();
        let turns: Vec<usize> = (0..advantage.len())
            .filter(|&at| batch.generated(at / width, at % width) && !batch.reward[at / width].is_nan())
            .collect();
        let from_here = advantage.to_vec();
        for &at in &turns {
            let seat = batch.seat[at / width];
            let same = turns.iter().filter(|&&other| batch.seat[other / width] == seat);
            let mut values: Vec<f64> = same.map(|&other| from_here[other]).collect();
            let all = Moments::of(values.iter().copied());
            if self.unique {
                values.sort_by(f64::total_cmp);
                values.dedup();
            }
            let centre = Moments::of(values).mean;
            let scale = if self.by_spread { all.sample() + 1e-6 } else { 1.0 };
            advantage[at] = if all.count > 1 { (from_here[at] - centre) / scale } else { 0.0 };
        }
    }

    fn needs(&self) -> &'static [Signal] {
        &[Signal::Seat]
    }

    fn reach(&self) -> Reach {
        Reach::Batch
    }

    fn blind_to(&self) -> Blindness {
        Blindness::default()
    }
}
