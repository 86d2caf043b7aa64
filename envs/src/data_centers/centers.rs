//! DataCenters: work that can wait is shifted to hours in which the grid is clean. Tier 2; its core is `shifting.rs`.
//!
//! | column    | rows in a lane              | meaning                                                        |
//! |-----------|-----------------------------|----------------------------------------------------------------|
//! | `Account` | centres                     | what a centre has done in the episode, and its battery         |
//! | `Waiting` | centres × (deadline + 1)    | work that waits, by age; the last entry is past its deadline   |
//! | `Day`     | 1                           | the day of the traces with which the episode began             |
//!
//! The action of a centre is the part of its capacity that it opens, from 0 to 1; work that cannot wait, and work past its
//! deadline, runs whether open or not. A number outside is clamped, no number opens nothing. The reward is
//! `−(w_carbon kg + w_cost cost + w_queue work·h + w_overdue work)`.

use super::shifting::{self, Account, Circumstances, Cooling, Plant, best_plan};
use super::trace::Trace;
use crate::groups::check_groups;
use isonomy_engine::environment::Environment;
use isonomy_engine::lanes::{At, LaneController, LaneDynamics, LaneRule, Shared, View};
use isonomy_engine::metrics::jain;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Positive, Probability};
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{columns, lane_controllers, plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

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
    /// What the reward is made of.
    #[serde(default)]
    pub weights: Weights,
    /// The centres. Each group is compared with the others.
    pub centers: Vec<Center>,
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
    /// Of a unit of work that waits for an hour; 0 if not given.
    #[serde(default = "nothing")]
    pub queue: NonNegative,
    /// Of a unit of work that passes its deadline; 1 if not given.
    #[serde(default = "one")]
    pub overdue: NonNegative,
}

impl Default for Weights {
    fn default() -> Self {
        Weights { carbon: one(), cost: nothing(), queue: nothing(), overdue: one() }
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
    /// A battery; none if not given. It charges while the grid is cleaner than it will be on average in the next 24
    /// hours, and serves the centre otherwise.
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
/// open, battery.
const FEATURES: usize = 37;
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
            };
            std::iter::repeat_n(site, center.agents.get() as usize)
        });
        let Weights { carbon, cost, queue, overdue } = &self.weights;
        Centers {
            sites: sites.collect(),
            per_hour: self.steps_per_hour(),
            steps: self.hours.get() * self.steps_per_hour(),
            days: self.days.get(),
            ages: (self.deadline_hours.get() * self.steps_per_hour()) as usize + 1,
            weights: [carbon.get(), cost.get(), queue.get(), overdue.get()],
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
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = self.load.check("load", true);
        problems.extend(self.carbon.check("carbon", true));
        problems.extend(self.price.check("price", false));
        problems.extend(self.ambient.check("ambient", false));
        if self.full_kw < self.idle_kw {
            problems.push(Problem::at("full_kw", "a busy server takes less than an idle one"));
        }
        if self.battery.is_some_and(|battery| battery.efficiency.get() == 0.0) {
            problems.push(Problem::at("battery.efficiency", "nothing would be left of what is stored"));
        }
        problems
    }
}

/// A centre with its traces, hour by hour.
#[derive(Clone, Debug)]
struct Site {
    plant: Plant,
    load: Vec<f64>,
    carbon: Vec<f64>,
    price: Vec<f64>,
    ambient: Vec<f64>,
}

/// How the centres of a lane work.
pub(super) struct Centers {
    sites: Vec<Site>,
    per_hour: u32,
    steps: u32,
    days: u32,
    /// Entries of a queue: the steps of the deadline, and one for what is past it.
    ages: usize,
    /// Of carbon, cost, queue and what is overdue.
    weights: [f64; 4],
}

impl Centers {
    fn hour(&self, day: u32, elapsed: u32) -> usize {
        24 * day as usize + (elapsed / self.per_hour) as usize
    }

    fn circumstances(&self, site: &Site, hour: usize) -> Circumstances {
        let later: f64 = site.carbon[hour + 1..][..AHEAD].iter().sum::<f64>() / AHEAD as f64;
        Circumstances {
            hours: 1.0 / f64::from(self.per_hour),
            arrivals: site.load[hour],
            carbon: site.carbon[hour],
            price: site.price[hour],
            ambient_c: site.ambient[hour],
            battery: if site.carbon[hour] < later { 1.0 } else { -1.0 },
        }
    }

    /// No step pays more or less.
    fn bounds(&self) -> (f32, f32) {
        let [carbon, cost, queue, overdue] = self.weights;
        let worst = |site: &Site| {
            let most = |values: &[f64]| values.iter().map(|value| value.abs()).fold(0.0, f64::max);
            let plant = &site.plant;
            let warmest = site.ambient.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let power = plant.cooling.total_kw(plant.full_kw * plant.capacity, warmest) + plant.battery_kw;
            let energy = power / f64::from(self.per_hour);
            let work = most(&site.load);
            energy * (carbon * most(&site.carbon) + cost * most(&site.price))
                + queue * work * f64::from(self.steps) / f64::from(self.per_hour)
                + overdue * work * f64::from(self.steps)
        };
        let gain = |site: &Site| {
            let least = site.price.iter().copied().fold(0.0, f64::min);
            let power = site.plant.cooling.total_kw(site.plant.full_kw * site.plant.capacity, 25.0) * 2.0;
            -least * cost * (power + site.plant.battery_kw) / f64::from(self.per_hour)
        };
        let widest = |of: &dyn Fn(&Site) -> f64| self.sites.iter().map(of).fold(0.0, f64::max) * (1.0 + 1e-6);
        (-widest(&worst) as f32, widest(&gain) as f32)
    }
}

impl LaneDynamics for Centers {
    type State = (Account, Waiting, Day);

    fn counts(&self) -> Vec<usize> {
        vec![self.sites.len(), self.sites.len() * self.ages, 1]
    }

    fn start_draws(&self) -> usize {
        1
    }

    fn start(&self, at: At<'_>, (accounts, waiting, day): View<'_, Self>) {
        accounts.fill(Account::default());
        waiting.fill(Waiting(0.0));
        day[0].0 = ((u64::from(at.words[0]) * u64::from(self.days)) >> 32) as u32;
    }

    fn step(&self, at: At<'_>, action: &[u32], (accounts, waiting, day): View<'_, Self>, reward: &mut [f32]) {
        let hour = self.hour(day[0].0, at.elapsed);
        let queues = waiting.chunks_exact_mut(self.ages);
        for ((((site, account), waiting), action), reward) in
            self.sites.iter().zip(accounts).zip(queues).zip(action).zip(reward)
        {
            let asked = f64::from(f32::from_bits(*action));
            let open = if asked.is_nan() { 0.0 } else { asked.clamp(0.0, 1.0) };
            let circumstances = self.circumstances(site, hour);
            let waiting: &mut [f64] = bytemuck::cast_slice_mut(waiting);
            let outcome = shifting::step(&site.plant, open, &circumstances, waiting, account);
            let [carbon, cost, queue, overdue] = self.weights;
            let pays = carbon * outcome.carbon_kg
                + cost * outcome.cost
                + queue * outcome.queue * circumstances.hours
                + overdue * outcome.overdue;
            *reward = -pays as f32;
        }
    }

    fn observe(&self, at: At<'_>, (accounts, waiting, day): Shared<'_, Self>, features: &mut [f32]) {
        let hour = self.hour(day[0].0, at.elapsed);
        let turn = std::f64::consts::TAU * f64::from(at.elapsed) / f64::from(24 * self.per_hour);
        let queues = waiting.chunks_exact(self.ages);
        for (((site, account), waiting), features) in
            self.sites.iter().zip(accounts).zip(queues).zip(features.chunks_exact_mut(FEATURES))
        {
            let plant = &site.plant;
            let mut seen = [0.0; FEATURES];
            (seen[0], seen[1]) = (turn.sin(), turn.cos());
            seen[2..][..=AHEAD].copy_from_slice(&site.carbon[hour..][..=AHEAD]);
            let rest = &mut seen[3 + AHEAD..];
            rest[0] = site.load[hour] / plant.capacity;
            let last = self.ages - 1;
            for (age, work) in waiting.iter().enumerate() {
                let quarter = if age == last { 4 } else { 4 * age / last };
                rest[2 + quarter] += work.0 / plant.capacity;
                rest[1] += work.0 / plant.capacity;
            }
            rest[7] = site.ambient[hour] / 25.0;
            rest[8] = account.opened;
            rest[9] = if plant.battery_kwh > 0.0 { account.stored_kwh / plant.battery_kwh } else { 0.0 };
            features.iter_mut().zip(seen).for_each(|(feature, seen)| *feature = seen as f32);
        }
    }

    fn measures(&self) -> Vec<String> {
        ["energy_kwh", "carbon_kg", "cost", "queue_hours", "overdue", "left_over", "run_share", "carbon_jain"]
            .map(str::to_owned)
            .to_vec()
    }

    fn measure(&self, (accounts, waiting, _): Shared<'_, Self>, measures: &mut [f64]) {
        let sum = |of: fn(&Account) -> f64| accounts.iter().map(of).sum::<f64>();
        let arrived = sum(|account| account.arrived);
        let per_server = |(account, site): (&Account, &Site)| account.carbon_kg / site.plant.capacity;
        let carbon: Vec<f64> = accounts.iter().zip(&self.sites).map(per_server).collect();
        measures.copy_from_slice(&[
            sum(|account| account.energy_kwh),
            sum(|account| account.carbon_kg),
            sum(|account| account.cost),
            sum(|account| account.queue_hours),
            sum(|account| account.overdue),
            waiting.iter().map(|work| work.0).sum(),
            if arrived > 0.0 { sum(|account| account.run) / arrived } else { 1.0 },
            jain(&carbon),
        ]);
    }
}

#[typetag::serde]
impl Environment for DataCenters {
    fn spec(&self) -> Spec {
        let centers = self.centers();
        let group = |center: &Center| GroupSpec { name: center.name.clone(), agents: center.agents.get() };
        Spec {
            groups: self.centers.iter().map(group).collect(),
            tasks: vec![TaskSpec { name: "operation".to_owned(), reward: centers.bounds() }],
            observation: Space::Real { size: FEATURES as u32, low: f32::MIN, high: f32::MAX },
            action: Space::Real { size: 1, low: 0.0, high: 1.0 },
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

/// Opens all capacity at all times: nothing waits that need not.
///
/// The action is `a = 1` in every step. What everyone does who does not look at carbon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunEverything {}

/// Opens all capacity while the grid is among its cleaner hours, and a part of it otherwise.
///
/// `a = 1` where carbon is at most the `share` quantile of now and the next 24 hours, else `a = otherwise`. After the
/// idea of virtual capacity curves: Radovanovic et al., Carbon-Aware Computing for Datacenters, 2021.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CarbonThreshold {
    /// The part of hours that count as clean.
    pub share: Probability,
    /// What is open in the others; 0 if not given.
    #[serde(default = "closed")]
    pub otherwise: Probability,
}

fn closed() -> Probability {
    Probability::new(0.0).expect("a chance")
}

/// Runs work in the best hours of the rest of the episode: someone who knows all that is to come.
///
/// Minimises `Σ (w_carbon c + w_cost p + w_queue wait) run` with all work done in time, by taking the best hour first
/// (`data_centers::shifting::best_plan`). What can no longer be done by the end of the episode is left over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanestHours {}

lane_controllers! {
    DataCenters, |rule| LaneRule::new::<Centers>(rule);
    RunEverything: "()";
    CarbonThreshold: "(share: 0.4)";
    CleanestHours: "()";
}

impl LaneController<Centers> for RunEverything {
    fn act(&self, _: &Centers, _: At<'_>, _: Shared<'_, Centers>, action: &mut [u32]) {
        action.fill(1.0_f32.to_bits());
    }
}

impl LaneController<Centers> for CarbonThreshold {
    fn act(&self, centers: &Centers, at: At<'_>, (_, _, day): Shared<'_, Centers>, action: &mut [u32]) {
        let hour = centers.hour(day[0].0, at.elapsed);
        for (site, action) in centers.sites.iter().zip(action) {
            let ahead = &site.carbon[hour..][..=AHEAD];
            let cleaner = ahead.iter().filter(|carbon| **carbon < site.carbon[hour]).count();
            let clean = cleaner as f64 <= self.share.get() * AHEAD as f64;
            *action = (if clean { 1.0 } else { self.otherwise.get() as f32 }).to_bits();
        }
    }
}

impl LaneController<Centers> for CleanestHours {
    fn act(&self, centers: &Centers, at: At<'_>, (_, waiting, day): Shared<'_, Centers>, action: &mut [u32]) {
        let left = (centers.steps - at.elapsed) as usize;
        let queues = waiting.chunks_exact(centers.ages);
        for ((site, waiting), action) in centers.sites.iter().zip(queues).zip(action) {
            *action = (centers.best_opening(site, waiting, day[0].0, at.elapsed, left) as f32).to_bits();
        }
    }
}

impl Centers {
    /// What to open now so as to follow the best plan of the steps that are left.
    fn best_opening(&self, site: &Site, waiting: &[Waiting], day: u32, elapsed: u32, left: usize) -> f64 {
        let (plant, late) = (&site.plant, self.ages - 1);
        let [carbon, cost, queue, _] = self.weights;
        let hours = 1.0 / f64::from(self.per_hour);
        let arrivals = |step: usize| site.load[self.hour(day, elapsed + step as u32)];
        let urgent = |step: usize| ((1.0 - plant.flexible) * arrivals(step)).min(plant.capacity);
        let worth: Vec<f64> = (0..left)
            .map(|step| {
                let hour = self.hour(day, elapsed + step as u32);
                let busy = (plant.full_kw - plant.idle_kw) * hours;
                let energy = plant.cooling.total_kw(busy, site.ambient[hour]);
                energy * (carbon * site.carbon[hour] + cost * site.price[hour]) + queue * hours * step as f64
            })
            .collect();
        // Work that waits already arrived in steps that have no room any more. What is past its deadline runs anyway.
        let mut work: Vec<f64> = waiting[1..late].iter().rev().map(|work| work.0).collect();
        let before = work.len();
        work.extend((0..left).map(|step| plant.flexible * arrivals(step)));
        let forced = waiting[late].0.min(plant.capacity - urgent(0));
        let mut room = vec![0.0; before];
        room.extend((0..left).map(|step| plant.capacity - urgent(step)));
        room[before] -= forced;
        let mut prices = vec![f64::INFINITY; before];
        prices.extend(worth);
        let plan = best_plan(&room, &work, &prices, late - 1);
        ((plan[before] + urgent(0) + forced) / plant.capacity).min(1.0)
    }
}
