//! RiverSwim: a small sure reward downstream, a large unlikely one upstream.
//! Groups differ in the current they swim against and in where they start.
//!
//! | column   | shape          | meaning                                                            |
//! |----------|----------------|--------------------------------------------------------------------|
//! | `Place`  | lanes × agents | state and observation: 0 is the left bank, `places - 1` the right one |
//! | `Stroke` | lanes × agents | action: 0 left, always succeeds; 1 right, against the current      |
//!
//! A stroke to the right advances, stays or drifts back by one place. The variants of the literature are scenario files:
//! Strehl & Littman 2008 (J. Comput. Syst. Sci. 74:1309), where the large reward is paid only on staying at the right
//! bank; Osband's in TabulaRL; Satija et al. 2023 (*Group Fairness in Reinforcement Learning*, TMLR), with a slow and a
//! fast group; and one with two tasks after Song et al. (arXiv 2503.07817).

mod small;
pub(crate) mod step;

use crate::groups::{check_groups, check_names};
use isonomy_engine::dynamics::Dynamics;
use isonomy_engine::environment::Environment;
use isonomy_engine::model::TabularModel;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, Probability};
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{columns, plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Agents swim in a chain of places. Left is easy and pays little, right is hard and pays much; groups differ in the
/// current against them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RiverSwim {
    /// Length of the chain, at least 2. Place 0 is the left bank.
    pub places: NonZeroU32,
    /// Steps before an episode is truncated.
    pub time_limit: NonZeroU32,
    /// Who swims, and against which current.
    pub groups: Vec<Swimmers>,
    /// What is paid for; the same for all groups.
    pub tasks: Vec<Task>,
}

/// A group of agents in the same current. What a stroke to the right does has chances; to the left it always succeeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Swimmers {
    /// Name in tables and records.
    pub name: String,
    /// Agents of this group in every lane.
    pub agents: NonZeroU32,
    /// Chance to advance from a place between the banks.
    pub advance: Probability,
    /// Chance to stay at a place between the banks; what remains is the chance to drift back.
    pub stay: Probability,
    /// Chance to leave the left bank; 0.6 if not given. What remains is the chance to stay.
    #[serde(default = "bank")]
    pub first_advance: Probability,
    /// Chance to stay at the right bank; 0.6 if not given. What remains is the chance to drift back.
    #[serde(default = "bank")]
    pub last_stay: Probability,
    /// Where episodes start; at the left bank if not given.
    #[serde(default)]
    pub start: Start,
}

/// Where episodes start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Start {
    /// At one place with this chance, which is 1 if not given; what remains is shared evenly by all other places.
    At {
        /// The place.
        place: u32,
        /// Its chance.
        #[serde(default = "certain")]
        chance: Probability,
    },
    /// A chance for every place, in order.
    Chances(Vec<Probability>),
}

/// A task: what is paid for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Name in tables and records.
    pub name: String,
    /// What is paid. Payments for the same place and stroke add up.
    pub payments: Vec<Payment>,
}

/// A reward for making a stroke at a place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// Where the stroke is made.
    pub place: u32,
    /// Which stroke.
    pub stroke: Direction,
    /// What is paid.
    pub reward: Finite,
    /// Pays only if the agent is at the same place after the stroke.
    #[serde(default)]
    pub only_if_staying: bool,
}

/// A stroke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Direction {
    /// Downstream: always succeeds.
    Left,
    /// Upstream: may fail.
    Right,
}

columns! {
    /// Where an agent is; the policy sees it.
    Place(u32);
    /// 0 left, 1 right; the policy sets it.
    Stroke(u32);
}

/// What TabulaRL gives both banks.
fn bank() -> Probability {
    probability(0.6)
}

fn certain() -> Probability {
    probability(1.0)
}

fn probability(chance: f64) -> Probability {
    Probability::new(chance).expect("a constant between 0 and 1")
}

impl Default for Start {
    fn default() -> Self {
        Start::At { place: 0, chance: certain() }
    }
}

impl Start {
    /// The chance of every place.
    fn chances(&self, places: usize) -> Vec<f64> {
        match self {
            Start::At { place, chance } => {
                let elsewhere = (1.0 - chance.get()) / (places - 1) as f64;
                let of = |at| if at == *place as usize { chance.get() } else { elsewhere };
                (0..places).map(of).collect()
            }
            Start::Chances(chances) => chances.iter().map(|chance| chance.get()).collect(),
        }
    }

    fn check(&self, places: u32) -> Option<Problem> {
        match self {
            Start::At { place, .. } => outside("place", *place, places),
            Start::Chances(chances) if chances.len() != places as usize => Some(
                Problem::at("", format!("{} chances for {places} places", chances.len()))
                    .help("give one chance per place"),
            ),
            Start::Chances(chances) => {
                let sum: f64 = chances.iter().map(|chance| chance.get()).sum();
                let off = (sum - 1.0).abs() > 1e-9;
                off.then(|| Problem::at("", format!("the chances sum to {sum}")).help("they must sum to 1"))
            }
        }
    }
}

impl Swimmers {
    /// Chances to advance, to stay and to drift back after a stroke to the right.
    fn upstream(&self, place: usize, places: usize) -> [f64; 3] {
        let (advance, stay) = if place == 0 {
            (self.first_advance.get(), 1.0 - self.first_advance.get())
        } else if place == places - 1 {
            (0.0, self.last_stay.get())
        } else {
            (self.advance.get(), self.stay.get())
        };
        [advance, stay, (1.0 - advance - stay).max(0.0)]
    }

    fn check(&self, places: u32) -> Vec<Problem> {
        let mut problems = Vec::new();
        let sum = self.advance.get() + self.stay.get();
        if sum > 1.0 + 1e-9 {
            problems.push(
                Problem::at("stay", format!("advance and stay sum to {sum}"))
                    .help("their sum is at most 1; what remains is the chance to drift back"),
            );
        }
        problems.extend(self.start.check(places).map(|problem| problem.under("start")));
        problems
    }
}

impl Task {
    /// Least and greatest reward of a step.
    fn bounds(&self) -> (f32, f32) {
        let mut bounds = (0.0_f32, 0.0_f32);
        for payment in &self.payments {
            for stayed in [false, true] {
                let sum = self.pays(payment.place, payment.stroke, stayed);
                bounds = (bounds.0.min(sum), bounds.1.max(sum));
            }
        }
        bounds
    }

    fn pays(&self, place: u32, stroke: Direction, stayed: bool) -> f32 {
        let due = |payment: &&Payment| {
            payment.place == place && payment.stroke == stroke && (stayed || !payment.only_if_staying)
        };
        self.payments.iter().filter(due).map(|payment| payment.reward.get() as f32).sum()
    }

    fn check(&self, places: u32) -> Vec<Problem> {
        if self.payments.is_empty() {
            return vec![Problem::at("payments", "this task pays nothing").help("give at least one payment")];
        }
        let mut problems = Vec::new();
        for (index, payment) in self.payments.iter().enumerate() {
            let here = format!("payments[{index}]");
            problems.extend(outside("place", payment.place, places).map(|problem| problem.under(&here)));
            if !(payment.reward.get() as f32).is_finite() {
                let path = format!("{here}.reward");
                problems.push(Problem::at(path, "too large for a 32-bit float").help("use smaller units"));
            }
        }
        problems
    }
}

fn outside(path: &str, place: u32, places: u32) -> Option<Problem> {
    (place >= places).then(|| {
        Problem::at(path, format!("place {place} is outside the river"))
            .help(format!("the river's {places} places are numbered from 0 to {}", places - 1))
    })
}

/// What is worth simulating; also keeps place and stroke in one word.
const MOST_PLACES: u32 = 1 << 16;

impl RiverSwim {
    /// How its swimmers move, without a World around them.
    pub fn dynamics(&self) -> impl Dynamics {
        step::Rivers::from(self)
    }
}

#[typetag::serde]
impl Environment for RiverSwim {
    fn spec(&self) -> Spec {
        let group = |group: &Swimmers| GroupSpec { name: group.name.clone(), agents: group.agents.get() };
        let task = |task: &Task| TaskSpec { name: task.name.clone(), reward: task.bounds() };
        Spec {
            groups: self.groups.iter().map(group).collect(),
            tasks: self.tasks.iter().map(task).collect(),
            observation: Space::Discrete(self.places.get()),
            action: Space::Discrete(2),
            time_limit: self.time_limit.get(),
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let places = self.places.get();
        if !(2..=MOST_PLACES).contains(&places) {
            let help = format!("a river has from 2 to {MOST_PLACES} places");
            return vec![Problem::at("places", format!("{places} places make no river")).help(help)];
        }
        let mut problems = check_groups(self.groups.iter().map(|group| (group.name.as_str(), group.agents.get())));
        for (index, group) in self.groups.iter().enumerate() {
            let here = format!("groups[{index}]");
            problems.extend(group.check(places).into_iter().map(|problem| problem.under(&here)));
        }
        problems.extend(check_names("tasks", self.tasks.iter().map(|task| task.name.as_str())));
        for (index, task) in self.tasks.iter().enumerate() {
            let here = format!("tasks[{index}]");
            problems.extend(task.check(places).into_iter().map(|problem| problem.under(&here)));
        }
        problems
    }

    fn build(&self, sim: &mut Builder) {
        sim.agents::<Place, Stroke>(self.dynamics());
    }

    fn model(&self) -> Option<TabularModel> {
        let spec = self.spec();
        if !TabularModel::fits(&spec) {
            return None;
        }
        let mut model = TabularModel::still(&spec);
        let places = model.states;
        for (z, group) in self.groups.iter().enumerate() {
            model.start_mut(z).copy_from_slice(&group.start.chances(places));
            for place in 0..places {
                let [advance, stay, back] = group.upstream(place, places);
                model.next_mut(z, place, 0)[place.saturating_sub(1)] = 1.0;
                let next = model.next_mut(z, place, 1);
                next[(place + 1).min(places - 1)] += advance;
                next[place] += stay;
                next[place.saturating_sub(1)] += back;
            }
            for (m, task) in self.tasks.iter().enumerate() {
                for payment in &task.payments {
                    let (place, stroke) = (payment.place as usize, payment.stroke as usize);
                    let chance = if payment.only_if_staying { model.next(z, place, stroke)[place] } else { 1.0 };
                    *model.reward_mut(z, m, place, stroke) += chance * payment.reward.get();
                }
            }
        }
        Some(model)
    }
}

plugin!(Environment: RiverSwim, "(
    places: 6,
    time_limit: 20,
    groups: [
        (name: \"calm\", agents: 2, advance: 0.35, stay: 0.60),
        (name: \"strong\", agents: 2, advance: 0.20, stay: 0.60, start: At(place: 1, chance: 0.9)),
    ],
    tasks: [
        (name: \"swim\", payments: [
            (place: 0, stroke: Left, reward: 0.005),
            (place: 5, stroke: Right, reward: 1.0),
        ]),
    ],
)");
