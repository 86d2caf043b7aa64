//! Demand response: hours in which a site may take less.

use crate::ev_charging::calendar::Clock;
use crate::ev_charging::sessions::Words;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Times in which the limit of the transformer is lower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum DemandResponse {
    /// The same in every episode.
    Listed(Vec<Reduction>),
    /// One in every episode, drawn. The defaults are those of EV2Gym.
    Drawn {
        /// Mean and standard deviation of the reduction, percent of the limit; cut to 0 and 100.
        #[serde(default = "reduction")]
        reduction_percent: (NonNegative, NonNegative),
        /// Mean and standard deviation of its start, h; cut so that it lies within the episode.
        #[serde(default = "start")]
        start_hour: (NonNegative, NonNegative),
        /// How long it lasts, min.
        #[serde(default = "an_hour")]
        minutes: NonNegative,
        /// How long before it is announced, min.
        #[serde(default = "an_hour")]
        announced_minutes: NonNegative,
    },
}

/// A time in which the limit is lower. Steps count from the start of the episode.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reduction {
    /// The step from which on everybody knows.
    pub announced: u32,
    /// Its first step.
    pub start: u32,
    /// The first step after it.
    pub end: u32,
    /// The share of the limit that is taken away.
    pub share: Probability,
}

fn number(number: f64) -> NonNegative {
    NonNegative::new(number).expect("not negative")
}

fn reduction() -> (NonNegative, NonNegative) {
    (number(35.0), number(5.0))
}

fn start() -> (NonNegative, NonNegative) {
    (number(12.0), number(2.0))
}

fn an_hour() -> NonNegative {
    number(60.0)
}

impl DemandResponse {
    /// Words of noise of an episode.
    pub const WORDS: usize = 2;

    /// Everything that its types could not refuse.
    pub fn check(&self, clock: &Clock) -> Vec<Problem> {
        let DemandResponse::Listed(list) = self else { return Vec::new() };
        let wrong = |(index, one): (usize, &Reduction)| {
            let ordered = one.announced <= one.start && one.start < one.end && one.end <= clock.steps();
            (!ordered).then(|| {
                let found = format!("steps {}, {} and {}", one.announced, one.start, one.end);
                let help = format!("announced, then started, then ended, at most in step {}, would do", clock.steps());
                Problem::at(format!("Listed[{index}]"), found).help(help)
            })
        };
        list.iter().enumerate().filter_map(wrong).collect()
    }

    /// Most reductions of an episode.
    pub fn most(&self) -> usize {
        match self {
            DemandResponse::Listed(list) => list.len(),
            DemandResponse::Drawn { .. } => 1,
        }
    }

    /// Puts the reductions of an episode into `reductions`; `word` gives its [`Self::WORDS`] words of noise by number.
    pub fn draw(&self, clock: &Clock, word: &dyn Fn(usize) -> u32, reductions: &mut Vec<Reduction>) {
        reductions.clear();
        match self {
            DemandResponse::Listed(list) => reductions.extend_from_slice(list),
            DemandResponse::Drawn { reduction_percent, start_hour, minutes, announced_minutes } => {
                let mut words = Words::new(word);
                let step =
                    |hours: f64| (hours / clock.step_hours()).round().clamp(0.0, f64::from(clock.steps())) as u32;
                let lasts = step(minutes.get() / 60.0).clamp(1, clock.steps());
                let start = step(start_hour.0.get() + start_hour.1.get() * words.normal()).min(clock.steps() - lasts);
                let percent = reduction_percent.0.get() + reduction_percent.1.get() * words.normal();
                let share = Probability::new((percent / 100.0).clamp(0.0, 1.0)).expect("clamped");
                let announced = start.saturating_sub(step(announced_minutes.get() / 60.0));
                reductions.push(Reduction { announced, start, end: start + lasts, share });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ev_charging::calendar::clock;
    use crate::ev_charging::sessions::assert_mean;
    use isonomy_engine::noise::Key;

    #[test]
    fn drawn_reductions_have_the_moments_of_ev2gym() {
        let day = clock("UTC", "2019-05-01", 1, 1, 15, 96);
        let response: DemandResponse = ron::from_str("Drawn()").unwrap();
        let key = Key([3; 8]);
        let one = |episode: u64| {
            let mut reductions = Vec::new();
            response.draw(&day, &|at| key.word(episode, at as u64), &mut reductions);
            assert_eq!(reductions.len(), response.most());
            reductions[0]
        };
        let all: Vec<Reduction> = (0..4000).map(one).collect();
        let mean = |what: &str, number: &dyn Fn(&Reduction) -> f64, expected: f64| {
            assert_mean(what, &all.iter().map(number).collect::<Vec<_>>(), expected);
        };
        mean("start", &|one| f64::from(one.start) / 4.0, 12.0);
        mean("spread of the start", &|one| (f64::from(one.start) / 4.0 - 12.0).powi(2), 4.0 + 0.25 * 0.25 / 12.0);
        mean("reduction", &|one| one.share.get(), 0.35);
        mean("spread of the reduction", &|one| (one.share.get() - 0.35).powi(2), 0.05 * 0.05);
        assert!(all.iter().all(|one| one.end == one.start + 4 && one.announced + 4 == one.start));
    }

    #[test]
    fn reductions_lie_within_the_episode() {
        let day = clock("UTC", "2019-05-01", 1, 1, 15, 96);
        let late: DemandResponse = ron::from_str("Drawn(start_hour: (40, 0), minutes: 5000)").unwrap();
        let mut reductions = Vec::new();
        late.draw(&day, &|_| 0, &mut reductions);
        assert_eq!((reductions[0].announced, reductions[0].start, reductions[0].end), (0, 0, 96));
        let listed: DemandResponse = ron::from_str(
            "Listed([(announced: 9, start: 8, end: 9, share: 0.5), (announced: 1, start: 2, end: 3, share: 1)])",
        )
        .unwrap();
        let found = listed.check(&day);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("Listed[0]: steps 9, 8 and 9 (announced, then started"), "{found:?}");
    }
}
