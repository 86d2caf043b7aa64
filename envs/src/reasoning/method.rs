//! What the parts of a method, each right by itself, have against each other and against where they are used.

use isonomy_engine::advantage::{
    AdvantageEstimator, AdvantageModifier, DomainWeight, GroupFilter, PolicyLoss, Responses, RewardShaper, Signal,
};
use isonomy_engine::curriculum::Curriculum;
use isonomy_engine::problem::Problem;

/// From rewards of 0 and 1 to an update: the plugins that a scenario names, and for what.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct MethodParts<'a> {
    pub estimator: &'a dyn AdvantageEstimator,
    pub sampling: &'a dyn Curriculum,
    pub weights: Option<&'a dyn DomainWeight>,
    pub shaper: Option<&'a dyn RewardShaper>,
    pub filter: Option<&'a dyn GroupFilter>,
    pub modifier: Option<&'a dyn AdvantageModifier>,
    pub loss: Option<&'a dyn PolicyLoss>,
    /// Steps with the same responses.
    pub inner_steps: u32,
    /// Times that prompts are sampled, at most, until the filter has kept enough.
    pub rounds: u32,
    /// Names of the domains.
    pub domains: &'a [&'a str],
    /// Responses to a prompt.
    pub responses: usize,
    /// Updates.
    pub steps: u32,
}

impl MethodParts<'_> {
    /// All that is wrong. `lacks` says of a signal that responses do not come with what lacks it and what would do.
    pub fn problems(&self, lacks: impl Fn(Signal) -> Option<(&'static str, &'static str)>) -> Vec<Problem> {
        let under = |slot: &str, name: &str, problems: Vec<Problem>| {
            let slot = format!("{slot}.{name}");
            problems.into_iter().map(move |problem| problem.under(&slot))
        };
        let unknown = |slot: &'static str, needs: &'static [Signal]| {
            let lacks = &lacks;
            needs.iter().filter_map(move |signal| {
                let (what, help) = lacks(*signal)?;
                Some(Problem::at(slot, format!("needs {}, which {what} does not have", signal.name())).help(help))
            })
        };
        let (estimator, domains, mut problems) = (self.estimator, self.domains.len(), Vec::new());
        problems.extend(under("estimator", estimator.typetag_name(), estimator.check(self.responses)));
        problems.extend(under("sampling", self.sampling.typetag_name(), self.sampling.check(self.domains, self.steps)));
        if let Some(weights) = self.weights {
            problems.extend(under("weights", weights.typetag_name(), weights.check(domains)));
        }
        if let Some(shaper) = self.shaper {
            problems.extend(under("shaper", shaper.typetag_name(), shaper.check(domains)));
            problems.extend(self.invisible(shaper));
            problems.extend(unknown("shaper", shaper.needs()));
        }
        problems.extend(unknown("estimator", estimator.needs()));
        if let Some(modifier) = self.modifier {
            problems.extend(unknown("modifier", modifier.needs()));
        }
        problems.extend(self.rewards());
        problems.extend(self.combinations());
        problems
    }

    /// A change of rewards that the estimator cannot see.
    fn invisible(&self, shaper: &dyn RewardShaper) -> Option<Problem> {
        let (change, blind) = (shaper.changes_groups_by(), self.estimator.blind_to());
        let lost = (change.sums && blind.sums) || (change.factors && blind.factors);
        let (shaper, estimator) = (shaper.typetag_name(), self.estimator.typetag_name());
        lost.then(|| {
            let message = format!("{estimator} cannot see what {shaper} does: all responses to a prompt get the same");
            let help = "let `weights` multiply advantages, or let `sampling` choose the domains";
            Problem::at("shaper", message).help(help)
        })
    }

    /// Rewards are 0 and 1; does the estimator's formula hold for them?
    fn rewards(&self) -> Option<Problem> {
        let range = self.estimator.rewards();
        let fits = range.contains(&0.0) && range.contains(&1.0);
        (!fits).then(|| {
            let (low, high) = (range.start(), range.end());
            let message = format!("rewards are 0 and 1, the estimator is made for {low} to {high}");
            Problem::at("estimator", message).help("change its bounds")
        })
    }

    /// Combinations that the methods' authors exclude.
    fn combinations(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.estimator.typetag_name() == "Ngrpo" && self.filter.is_some_and(drops_failures) {
            let message = "this filter drops the groups in which all fail, from which Ngrpo is meant to learn";
            problems.push(Problem::at("filter", message).help("use NgrpoFilter"));
        }
        if self.filter.is_none() && self.rounds > 1 {
            let message = "prompts are sampled once where no filter drops any";
            problems.push(Problem::at("rounds", message).help("leave it out"));
        }
        if self.filter.is_some_and(|filter| filter.recovers()) && self.rounds < 2 {
            let message = "nothing is ever left for the next step where prompts are sampled once";
            problems.push(Problem::at("filter", message).help("let `rounds` be 2 or more"));
        }
        if self.loss.is_none() && self.inner_steps > 1 {
            let message = "several steps with the same responses need a surrogate";
            problems.push(Problem::at("inner_steps", message).help("give a `loss`, or make one step"));
        }
        problems
    }
}

/// Whether a filter drops a group in which all fail.
fn drops_failures(filter: &dyn GroupFilter) -> bool {
    let (group, domain, reward) = ([0; 2], [0; 2], [0.0; 2]);
    let mut keep = [true; 2];
    filter.keep(&Responses { group: &group, domain: &domain, reward: &reward, ..Responses::default() }, &mut keep);
    keep == [false; 2]
}

/// Whether number `index` of `all` is among `few` of them that are spread evenly over all, from a place that a word of noise
/// says: exactly so many are, each with the same chance.
pub fn spread_evenly(index: usize, all: usize, few: usize, word: u32) -> bool {
    if few >= all {
        return true;
    }
    let from = ((u64::from(word) * all as u64) >> 32) as usize;
    (index * few + from) / all < ((index + 1) * few + from) / all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_chosen_evenly() {
        for (all, few) in [(7, 3), (7, 0), (7, 7), (5, 9), (128, 127)] {
            let mut chosen = vec![0; all];
            for start in 0..all {
                // The middle of the words that say so.
                let word = (((2 * start + 1) as u64) << 31) / all as u64;
                let own = (0..all).filter(|&index| spread_evenly(index, all, few, word as u32));
                let before: usize = chosen.iter().sum();
                own.for_each(|index| chosen[index] += 1);
                assert_eq!(chosen.iter().sum::<usize>() - before, few.min(all));
            }
            assert!(chosen.iter().all(|&times| times == few.min(all)), "{few} of {all}: {chosen:?}");
        }
        // Neighbours of one domain do not all wait.
        let first = (0..60).filter(|&index| spread_evenly(index, 100, 50, 77)).count();
        assert!((29..=31).contains(&first), "{first} of the first 60");
    }
}
