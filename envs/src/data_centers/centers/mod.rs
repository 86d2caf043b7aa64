//! DataCenters: work that can wait is shifted to hours in which the grid is clean. Tier 2; its core is `shifting.rs`.
//!
//! | column    | rows in a lane              | meaning                                                        |
//! |-----------|-----------------------------|----------------------------------------------------------------|
//! | `Account` | centres                     | what a centre has done in the episode, and its battery         |
//! | `Waiting` | centres × (deadline + 1)    | work that waits, by age; the last entry is past its deadline   |
//! | `Day`     | 1                           | the day of the traces with which the episode began             |
//!
//! The action of a centre is the part of its capacity that it opens, from 0 to 1, or one of some codes for that and for what its
//! battery does ([`Action`]); work that cannot wait, and work past its deadline, runs whether open or not. A number outside is
//! clamped, no number opens nothing. The reward is
//! `−(w_carbon kg + w_cost cost + w_water l + w_queue work·h + w_overdue work)`; every cost is a task of its own.

mod dynamics;
mod rules;
mod twin;

pub use rules::{CarbonThreshold, CleanestHours, RunEverything};

use super::shifting::{self, Account, Cooling, Plant};
use super::trace::Trace;
use crate::groups::check_groups;
use dynamics::{Centers, Site};
use isonomy_engine::environment::Environment;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Positive, Probability};
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{columns, plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;

/// Data centres that shift work which can wait to hours in which the grid is clean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataCenters {
    /// Hours in an episode; 48 if not given. An episode begins at midnight.
    #[serde(default = "two_days")]
    pub hours: NonZeroU32,
    /// Length of a step, a divisor of 60; 60 if not given.
    #[serde(default = "hour")]
    pub step_minutes: NonZeroU32,
    /// Days of the traces, on any of which an episode may begin; 30 if not given.
    #[serde(default = "month")]
    pub days: NonZeroU32,
    /// Hours after which work is overdue; 24 if not given.
    #[serde(default = "day")]
    pub deadline_hours: NonZeroU32,
    /// What a centre decides.
    #[serde(default)]
    pub action: Action,
    /// What the reward is made of.
    #[serde(default)]
    pub weights: Weights,
    /// What is counted as a cost, a task each.
    #[serde(default)]
    pub costs: Vec<Cost>,
    /// The centres. Each group is compared with the others.
    pub centers: Vec<Center>,
}

/// What a centre decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Action {
    /// The part of the capacity that is open, from 0 to 1.
    #[default]
    Open,
    /// The same in so many steps: code `k` opens `k / levels`.
    Levels {
        /// Codes above 0.
        levels: NonZeroU32,
        /// Whether the battery is decided on as well: code `k + (levels + 1) b`, where `b` 0 lets it rest, 1 charges, 2
        /// discharges. Where it is not, a battery follows its rule.
        #[serde(default)]
        battery: bool,
    },
    /// 0 defers all work that can wait, 1 lets pass what arrives, 2 drains the queue as well (SustainDC, arXiv 2408.07841).
    Shift {
        /// Whether the battery is decided on as well: code `k + 3 b`, with `b` as in `Levels`.
        #[serde(default)]
        battery: bool,
    },
}

/// What is counted as a cost, as one more task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Cost {
    /// Work that passes its deadline.
    Overdue,
    /// Work that could not wait and found no room.
    CrowdedOut,
    /// Emissions beyond a budget, kg.
    Carbon {
        /// The budget of a centre in an episode.
        budget_kg: NonNegative,
    },
}

/// What the reward is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Of a kg of CO₂; 1 if not given.
    #[serde(default = "one")]
    pub carbon: NonNegative,
    /// Of what energy costs; 0 if not given.
    #[serde(default = "nothing")]
    pub cost: NonNegative,
    /// Of a litre of water; 0 if not given.
    #[serde(default = "nothing")]
    pub water: NonNegative,
    /// Of a unit of work that waits for an hour; 0 if not given.
    #[serde(default = "nothing")]
    pub queue: NonNegative,
    /// Of a unit of work that passes its deadline; 1 if not given.
    #[serde(default = "one")]
    pub overdue: NonNegative,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { carbon: one(), cost: nothing(), water: nothing(), queue: nothing(), overdue: one() }
    }
}

/// Centres of one operator or region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Center {
    /// Name in tables and records.
    pub name: String,
    /// How many there are; 1 if not given.
    #[serde(default = "single")]
    pub agents: NonZeroU32,
    /// Servers of each.
    pub servers: Positive,
    /// The part of arriving work that can wait; 0.4 if not given.
    #[serde(default = "some")]
    pub flexible: Probability,
    /// Power of an idle server; 0.1 kW if not given.
    #[serde(default = "tenth")]
    pub idle_kw: NonNegative,
    /// Power of a busy server; 0.3 kW if not given.
    #[serde(default = "busy")]
    pub full_kw: NonNegative,
    /// How heat is moved out; 1.2 times the servers' power if not given.
    #[serde(default)]
    pub heat: Heat,
    /// A battery; none if not given. Where no action decides on it, it charges while the grid is cleaner than it will be on
    /// average in the next 24 hours, and serves the centre otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<Battery>,
    /// Work that arrives, in servers kept busy.
    pub load: Trace,
    /// kg of CO₂ per kWh.
    pub carbon: Trace,
    /// What a kWh costs; 0 if not given.
    #[serde(default = "free")]
    pub price: Trace,
    /// Degrees Celsius outside; 25 if not given.
    #[serde(default = "mild")]
    pub ambient: Trace,
    /// Wet-bulb temperature, degrees Celsius, where heat is moved out by a cooling tower that evaporates water.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wet_bulb: Option<Trace>,
    /// Litres that the grid takes from waters per kWh; 0 if not given.
    #[serde(default = "free")]
    pub water: Trace,
}

/// How heat is moved out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Heat {
    /// All power is so many times that of the servers.
    Effectiveness(Positive),
    /// A chiller with `COP = 5 − 0.1 (T − 25)` at T degrees outside.
    Chiller,
}

impl Default for Heat {
    fn default() -> Self {
        Heat::Effectiveness(Positive::new(1.2).expect("above zero"))
    }
}

/// A battery at a centre.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Battery {
    /// What it holds.
    pub capacity_kwh: Positive,
    /// How fast it charges and discharges.
    pub power_kw: Positive,
    /// What is left after charging, and again after discharging; 0.95 if not given.
    #[serde(default = "efficient")]
    pub efficiency: Probability,
    /// Charging slows down towards full, discharging towards empty, as if a step were so many hours longer; 0 if not given.
    #[serde(default = "nothing")]
    pub taper_hours: NonNegative,
}

columns! {
    /// Work of some age that waits at a centre.
    Waiting(f64);
    /// The day of the traces with which the episode began.
    Day(u32);
}

macro_rules! defaults {
    ($($name:ident: $type:ty = $value:expr;)*) => {$(
        fn $name() -> $type {
            <$type>::new($value).expect("a constant")
        }
    )*};
}

defaults! {
    two_days: NonZeroU32 = 48;
    hour: NonZeroU32 = 60;
    month: NonZeroU32 = 30;
    day: NonZeroU32 = 24;
    single: NonZeroU32 = 1;
    one: NonNegative = 1.0;
    nothing: NonNegative = 0.0;
    some: Probability = 0.4;
    tenth: NonNegative = 0.1;
    busy: NonNegative = 0.3;
    efficient: Probability = 0.95;
}

fn steady(value: f64) -> Trace {
    Trace::Steady(isonomy_engine::quantity::Finite::new(value).expect("a constant"))
}

fn free() -> Trace {
    steady(0.0)
}

fn mild() -> Trace {
    steady(25.0)
}

/// Steps that a deadline may have.
const LONGEST_WAIT: u32 = 24 * 7 * 60;
/// Hours that traces may have.
const LONGEST_TRACE: u64 = 24 * 366 * 10;
/// What a centre sees: the time of day twice, carbon now and for 24 hours, load, queue, five ages, temperature, what was
/// open, battery, litres per kWh.
const FEATURES: usize = 38;
/// What a battery can be told: to rest, to charge, to discharge.
const BATTERY_CODES: u32 = 3;
/// Levels that anybody tells apart.
const MOST_LEVELS: u32 = 1000;
/// No cost is larger.
const MUCH: f32 = 1e9;

impl Action {
    /// Codes for the capacity; 0 where it is a number.
    fn openings(self) -> u32 {
        match self {
            Action::Open => 0,
            Action::Levels { levels, .. } => levels.get() + 1,
            Action::Shift { .. } => 3,
        }
    }

    fn decides_on_battery(self) -> bool {
        matches!(self, Action::Levels { battery: true, .. } | Action::Shift { battery: true })
    }

    fn space(self) -> Space {
        match self.openings() {
            0 => Space::Real { size: 1, low: 0.0, high: 1.0 },
            codes if self.decides_on_battery() => Space::Discrete(codes * BATTERY_CODES),
            codes => Space::Discrete(codes),
        }
    }

    /// The part that an action opens, and what it tells the battery. `arriving`: the part that arriving work would fill.
    fn read(self, action: u32, arriving: f64) -> (f64, Option<f64>) {
        let codes = self.openings();
        if codes == 0 {
            let asked = f64::from(f32::from_bits(action));
            return (if asked.is_nan() { 0.0 } else { asked.clamp(0.0, 1.0) }, None);
        }
        let told = [0.0, 1.0, -1.0][(action / codes).min(BATTERY_CODES - 1) as usize];
        let open = match self {
            Action::Shift { .. } => [0.0, arriving.min(1.0), 1.0][(action % codes) as usize],
            _ => f64::from(action % codes) / f64::from(codes - 1),
        };
        (open, self.decides_on_battery().then_some(told))
    }

    /// The action that opens a part, or the next larger one that there is, and tells the battery something.
    fn write(self, open: f64, battery: f64) -> u32 {
        let codes = self.openings();
        let opening = match self {
            Action::Open => return (open as f32).to_bits(),
            Action::Levels { levels, .. } => (open * f64::from(levels.get()) - 1e-9).ceil().max(0.0) as u32,
            Action::Shift { .. } => u32::from(open > 0.0) + u32::from(open >= 1.0),
        };
        let told = if battery > 0.0 { 1 } else { 2 * u32::from(battery < 0.0) };
        opening + if self.decides_on_battery() { codes * told } else { 0 }
    }
}

impl Cost {
    fn name(self) -> &'static str {
        match self {
            Cost::Overdue => "overdue",
            Cost::CrowdedOut => "crowded_out",
            Cost::Carbon { .. } => "carbon_above_budget_kg",
        }
    }

    fn amount(self, outcome: &shifting::Outcome, account: &Account) -> f64 {
        match self {
            Cost::Overdue => outcome.overdue,
            Cost::CrowdedOut => outcome.crowded_out,
            Cost::Carbon { budget_kg } => {
                let above = |kg: f64| (kg - budget_kg.get()).max(0.0);
                (above(account.carbon_kg) - above(account.carbon_kg - outcome.carbon_kg)).max(0.0)
            }
        }
    }
}
/// Hours of carbon that are known ahead.
const AHEAD: usize = 24;

impl DataCenters {
    fn steps_per_hour(&self) -> u32 {
        60 / self.step_minutes.get()
    }

    fn centers(&self) -> Centers {
        let hours = 24 * self.days.get() as usize + self.hours.get() as usize + AHEAD + 1;
        let sites = self.centers.iter().flat_map(|center| {
            let site = Site {
                plant: center.plant(),
                load: center.load.hours(hours),
                carbon: center.carbon.hours(hours),
                price: center.price.hours(hours),
                ambient: center.ambient.hours(hours),
                evaporated: match &center.wet_bulb {
                    Some(trace) => trace.hours(hours).into_iter().map(shifting::water_effectiveness).collect(),
                    None => vec![0.0; hours],
                },
                water: center.water.hours(hours),
            };
            std::iter::repeat_n(site, center.agents.get() as usize)
        });
        let Weights { carbon, cost, water, queue, overdue } = &self.weights;
        Centers {
            sites: sites.collect(),
            per_hour: self.steps_per_hour(),
            steps: self.hours.get() * self.steps_per_hour(),
            days: self.days.get(),
            ages: (self.deadline_hours.get() * self.steps_per_hour()) as usize + 1,
            weights: [carbon, cost, water, queue, overdue].map(|weight| weight.get()),
            action: self.action,
            costs: self.costs.clone(),
            names: self.centers.iter().flat_map(Center::names).collect(),
        }
    }
}

impl Center {
    fn plant(&self) -> Plant {
        Plant {
            capacity: self.servers.get(),
            flexible: self.flexible.get(),
            idle_kw: self.idle_kw.get(),
            full_kw: self.full_kw.get(),
            cooling: match self.heat {
                Heat::Effectiveness(times) => Cooling::Effectiveness(times.get()),
                Heat::Chiller => Cooling::Chiller,
            },
            battery_kwh: self.battery.map_or(0.0, |battery| battery.capacity_kwh.get()),
            battery_kw: self.battery.map_or(0.0, |battery| battery.power_kw.get()),
            efficiency: self.battery.map_or(1.0, |battery| battery.efficiency.get()),
            taper_hours: self.battery.map_or(0.0, |battery| battery.taper_hours.get()),
        }
    }

    /// What every one of them is called in figures.
    fn names(&self) -> Vec<String> {
        match self.agents.get() {
            1 => vec![self.name.clone()],
            count => (1..=count).map(|number| format!("{} {number}", self.name)).collect(),
        }
    }

    fn traces(&mut self) -> impl Iterator<Item = (&'static str, &mut Trace)> {
        let Center { load, carbon, price, ambient, wet_bulb, water, .. } = self;
        let given = [("load", load), ("carbon", carbon), ("price", price), ("ambient", ambient), ("water", water)];
        given.into_iter().chain(wet_bulb.iter_mut().map(|trace| ("wet_bulb", trace)))
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = self.load.check("load", true);
        problems.extend(self.carbon.check("carbon", true));
        problems.extend(self.price.check("price", false));
        problems.extend(self.ambient.check("ambient", false));
        problems.extend(self.water.check("water", true));
        problems.extend(self.wet_bulb.iter().flat_map(|trace| trace.check("wet_bulb", false)));
        if self.full_kw < self.idle_kw {
            problems.push(Problem::at("full_kw", "a busy server takes less than an idle one"));
        }
        if self.battery.is_some_and(|battery| battery.efficiency.get() == 0.0) {
            problems.push(Problem::at("battery.efficiency", "nothing would be left of what is stored"));
        }
        problems
    }
}

#[typetag::serde]
impl Environment for DataCenters {
    fn spec(&self) -> Spec {
        let centers = self.centers();
        let group = |center: &Center| GroupSpec { name: center.name.clone(), agents: center.agents.get() };
        Spec {
            groups: self.centers.iter().map(group).collect(),
            tasks: std::iter::once(TaskSpec { name: "operation".to_owned(), reward: centers.bounds() })
                .chain(self.costs.iter().map(|cost| TaskSpec { name: cost.name().to_owned(), reward: (0.0, MUCH) }))
                .collect(),
            observation: Space::Real { size: FEATURES as u32, low: f32::MIN, high: f32::MAX },
            action: self.action.space(),
            time_limit: centers.steps,
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = check_groups(self.centers.iter().map(|center| (center.name.as_str(), center.agents.get())));
        problems.iter_mut().for_each(|problem| problem.path = problem.path.replace("groups", "centers"));
        for (index, center) in self.centers.iter().enumerate() {
            problems.extend(center.check().into_iter().map(|problem| problem.under(&format!("centers[{index}]"))));
        }
        for (index, cost) in self.costs.iter().enumerate() {
            if self.costs[..index].iter().any(|other| other.name() == cost.name()) {
                problems.push(Problem::at(format!("costs[{index}]"), "this is counted already"));
            }
        }
        if matches!(self.action, Action::Levels { levels, .. } if levels.get() > MOST_LEVELS) {
            problems.push(Problem::at("action", format!("use at most {MOST_LEVELS} levels")));
        }
        if self.action.decides_on_battery() && self.centers.iter().all(|center| center.battery.is_none()) {
            let help = "give a centre a `battery`, or leave `battery` out of the action";
            problems.push(Problem::at("action", "there is no battery to decide on").help(help));
        }
        if 60 % self.step_minutes.get() != 0 {
            let help = "use 60, 30, 20, 15, 12, 10, 6, 5, …";
            problems.push(Problem::at("step_minutes", "an hour is not a whole number of steps").help(help));
        } else if u64::from(self.deadline_hours.get()) * u64::from(self.steps_per_hour()) > u64::from(LONGEST_WAIT) {
            problems.push(Problem::at("deadline_hours", "a deadline of more than a week of minutes"));
        }
        if 24 * u64::from(self.days.get()) + u64::from(self.hours.get()) > LONGEST_TRACE {
            problems.push(Problem::at("days", "traces of more than ten years"));
        }
        problems
    }

    fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        for (index, center) in self.centers.iter_mut().enumerate() {
            for (name, trace) in center.traces() {
                trace.resolve(folder).map_err(|problem| problem.under(name).under(&format!("centers[{index}]")))?;
            }
        }
        Ok(())
    }

    fn build(&self, sim: &mut Builder) {
        sim.lanes_of(self.centers());
    }
}

plugin!(Environment: DataCenters, "(
    centers: [
        (
            name: \"north\",
            servers: 100,
            load: Daily(mean: 50, swing: 0.4, peak: 15),
            carbon: Grid(number: 1, low: 0.05, high: 0.5),
        ),
    ],
)");
