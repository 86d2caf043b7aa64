//! The rules by the names that scenarios call them.

use super::level::{Level, Rising};
use super::round_robin::InTurn;
use super::sorted::{Latest, Order, Promise, Sorted};
use super::{Everything, Nothing, Rule};
use crate::ev_charging::action::Actors;
use crate::ev_charging::dynamics::Charging;
use crate::ev_charging::{Action, Agents, EvCharging};
use isonomy_engine::controller::{self, Controller};
use isonomy_engine::environment::Environment;
use isonomy_engine::gpu::RuleTwin;
use isonomy_engine::lanes::{At, LaneController, LaneRule, Shared};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Positive, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A rule that acts for every station of a lane.
struct ByRule<R> {
    rule: R,
    draws: usize,
}

impl<R: Rule> LaneController<Charging> for ByRule<R> {
    fn draws(&self) -> usize {
        self.draws
    }

    fn act(&self, dynamics: &Charging, at: At<'_>, state: Shared<'_, Charging>, action: &mut [u32]) {
        let (bays, meter, calls) = (state.0, &state.2[0], state.3);
        dynamics.with_room(|room| {
            dynamics.bounds_with_battery(meter, calls, state.7, room);
            dynamics.ask(&self.rule, bays, meter, at.words, room);
            dynamics.write(&room.amps, action);
        });
    }

    fn twin(&self, _: &Charging) -> Result<RuleTwin, String> {
        self.rule.act().map(|act| act.twin()).ok_or_else(|| "this rule has no WGSL twin".to_owned())
    }
}

impl Charging {
    /// Currents as actions.
    pub(super) fn write(&self, amps: &[f64], action: &mut [u32]) {
        let Actors::Stations(stations) = &self.actors else { return };
        for (action, &station) in action.iter_mut().zip(stations) {
            *action = self.action.code(amps[station as usize], &self.site.grid.stations[station as usize]);
        }
    }
}

/// Whether a rule for stations can act in this environment.
pub(super) fn check(environment: &dyn Environment) -> Vec<Problem> {
    let Some(environment) = controller::of::<EvCharging>(environment) else {
        return controller::only_for(environment, "the stations of EvCharging");
    };
    let mut problems = Vec::new();
    if environment.agents != Agents::Stations {
        problems.push(Problem::at("", "this rule decides for stations").help("`agents: Stations` in the environment"));
    }
    if environment.action == Action::Weights {
        problems.push(
            Problem::at("", "this rule decides on currents, not on weights")
                .help("another `action` in the environment"),
        );
    }
    problems
}

fn stations(environment: &dyn Environment) -> usize {
    controller::of::<EvCharging>(environment).map_or(0, |environment| environment.names().len())
}

macro_rules! named {
    ($($(#[$about:meta])* $name:ident { $($(#[$field_about:meta])* $field:ident: $type:ty,)* }, $example:literal, $draws:literal, |$own:ident| $rule:expr;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_about])* pub $field: $type,)*
        }

        #[typetag::serde]
        impl Controller for $name {
            fn rule(&self, environment: &dyn Environment) -> controller::Rule {
                let $own = self;
                let draws = if $draws { stations(environment) } else { 0 };
                controller::Rule::Lane(LaneRule::new(ByRule { rule: $rule, draws }))
            }

            fn check(&self, environment: &dyn Environment) -> Vec<Problem> {
                check(environment)
            }
        }

        isonomy_engine::plugin!(Controller: $name, $example);
    )*};
}

fn one() -> Positive {
    Positive::new(1.0).expect("above 0")
}

named! {
    /// Every car gets all it can take, whatever the limits: what happens where nobody controls. EvCharging only.
    Uncontrolled {}, "()", false, |_own| Everything;
    /// Nobody gets anything: what is lost where nobody charges. EvCharging only.
    Idle {}, "()", false, |_own| Nothing;
    /// Who came first is served first, each as much as is left. EvCharging only.
    FirstComeFirstServed {}, "()", false, |_own| Sorted(Order::FirstCome);
    /// Who came last is served first. EvCharging only.
    LastComeFirstServed {}, "()", false, |_own| Sorted(Order::LastCome);
    /// Who said to leave first is served first (EDF). EvCharging only.
    EarliestDeadlineFirst {}, "()", false, |_own| Sorted(Order::EarliestDeadline);
    /// Who can wait least is served first (LLF). EvCharging only.
    LeastLaxityFirst {}, "()", false, |_own| Sorted(Order::LeastLaxity);
    /// Who has least time left in proportion to the time that is needed is served first (LLR; after Zeballos, Ferragut &
    /// Paganini on how overload is shared by rules of deadlines and laxities). EvCharging only.
    LeastLaxityRatioFirst {}, "()", false, |_own| Sorted(Order::LeastLaxityRatio);
    /// Who needs longest is served first (LRPT). EvCharging only.
    LargestRemainingTimeFirst {}, "()", false, |_own| Sorted(Order::LargestRemainingTime);
    /// Who has got the smallest share of its request is served first. EvCharging only.
    LeastServedFirst {}, "()", false, |_own| Sorted(Order::LeastServed);
    /// Who is served first is left to chance, anew in every step. EvCharging only.
    RandomOrder {}, "()", true, |_own| Sorted(Order::Random);
    /// Nobody gets anything before it is needed to be done in time; then by deadline. EvCharging only.
    AsLateAsPossible {}, "()", false, |_own| Latest;
    /// Everyone in turn, one increment at a time, in the order of arrival (ACN-Sim). EvCharging only.
    RoundRobin {
        /// What a turn adds where a station is continuous, A.
        #[serde(default = "one")]
        increment: Positive,
    }, "()", false, |own| InTurn { increment: own.increment.get() };
    /// Everyone's laxity ends the step as equal as can be (sLLF; Chen et al., arXiv 2102.08610). EvCharging only.
    SmoothedLeastLaxityFirst {}, "()", false, |_own| Rising(Level::Laxity);
    /// Everyone gets the same current, as far as they can take it: max-min fairness of currents. EvCharging only.
    EqualCurrents {}, "()", false, |_own| Rising(Level::Current);
    /// Everyone goes without the same current, as far as they have it: constrained equal losses. EvCharging only.
    EqualLosses {}, "()", false, |_own| Rising(Level::Loss);
    /// Half of what each can take like `EqualCurrents`, the rest like `EqualLosses`: the rule of the Talmud. EvCharging only.
    TalmudRule {}, "()", false, |_own| Rising(Level::Talmud);
    /// Everyone is brought to the same served share, this step included: max-min fairness of shares. EvCharging only.
    ///
    /// Fair to those who are here, not over the day: who comes when others have much waits for nobody.
    EqualShares {}, "()", false, |_own| Rising(Level::Share);
    /// Maximises the α-fair welfare `Σ f^(1-α)/(1-α)` of served shares, this step included. EvCharging only.
    AlphaFairShares {
        /// 1 is proportional fairness, large values approach `EqualShares`.
        alpha: Positive,
    }, "(alpha: 2)", false, |own| Rising(Level::AlphaFair(own.alpha.get()));
    /// Everyone is brought to the same share of what would be due by now at a steady pace. EvCharging only.
    ///
    /// Due is the request times the elapsed share of the stay. Nobody falls behind on the way, so nobody is far behind at the
    /// end, and nothing about the day must be known.
    EqualProgress {}, "()", false, |_own| Rising(Level::Progress);
    /// Everyone is served up to a share of the request, least laxity first; what is left then goes by deadline. EvCharging only.
    ///
    /// With about the share that the site can give to all, known from other days, nobody gets much more or less.
    PromisedShare {
        /// The share.
        share: Probability,
    }, "(share: 0.65)", false, |own| Promise { share: own.share.get() };
}
