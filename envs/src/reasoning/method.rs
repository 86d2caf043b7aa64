//! What the parts of a method, each right by itself, have against each other and against where they are used.

use isonomy_engine::advantage::{
    AdvantageEstimator, AdvantageModifier, DomainWeight, GroupFilter, PolicyLoss, RewardShaper, Signal,
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
        let filter = self.filter.map(|filter| filter.typetag_name());
        let mut problems = Vec::new();
        if self.estimator.typetag_name() == "Ngrpo" && filter == Some("DapoFilter") {
            let message = "this filter drops the groups in which all fail, from which Ngrpo is meant to learn";
            problems.push(Problem::at("filter", message).help("use NgrpoFilter"));
        }
        if self.loss.is_none() && self.inner_steps > 1 {
            let message = "several steps with the same responses need a surrogate";
            problems.push(Problem::at("inner_steps", message).help("give a `loss`, or make one step"));
        }
        problems
    }
}
