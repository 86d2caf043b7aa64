//! EV charging: cars share the limits of a site. One lane is one site and day.
//!
//! | column  | rows in a lane         | meaning                                                                |
//! |---------|------------------------|------------------------------------------------------------------------|
//! | `Bay`   | stations               | the car that is plugged in: what is missing, its battery, its current  |
//! | `Stay`  | most sessions of a day | every session of the day, and what became of it                        |
//! | `Meter` | 1                      | clock and sums                                                         |
//! | `Call`  | most calls of a day    | times in which the transformer may carry less                          |
//! | `Worn`  | stations, if wear      | energy through the battery                                             |
//! | `Soc`   | stations · (steps + 1) | states of charge of the stay, if wear                                  |
//! | `Pull`  | 2 × limits             | what the nearest commands of the step before were found with           |
//! | `Store` | 1, if `battery`        | the battery of the site                                                |
//!
//! A step: commands (or rules) → what the grid can carry of them → batteries → meters and rewards → who leaves → who comes.

mod action;
pub mod battery;
pub mod calendar;
pub mod controller;
mod drawing;
pub mod dynamics;
pub mod grid;
mod measure;
mod nearest;
pub mod network;
pub mod pilots;
pub mod projection;
pub mod reading;
mod reward;
pub mod session;
pub mod sessions;
pub mod signals;
pub mod site_battery;
pub mod step;
#[cfg(test)]
mod tests;
pub mod twin;
mod view;

pub use action::{Action, Agents};
pub use measure::Compared;
pub use reward::{Cost, Credit, Reward, Unhappy};
pub use view::View;

use action::Actors;
use calendar::{Calendar, Clock, Day, Zone};
use controller::sorted::Order;
use dynamics::{Charging, Phases, Signals};
use grid::{Adds, Grid, Limit};
use isonomy_engine::environment::Environment;
use isonomy_engine::plugin;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative, Positive, Probability};
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Spec};
use network::Network;
use projection::{Projection, Quantisation};
use reward::Payments;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use session::Session;
use sessions::Sessions;
use signals::{DemandResponse, Kind, Moer, Series, Tariff};
use site_battery::SiteBattery;
use std::f64::consts::TAU;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use step::{Bay, Cells, Site, Stay};

/// Cars that charge where there is not enough power for all of them at once.
///
/// Every station (or operator) decides how much current its car is offered; the grid has limits on sums of currents, with
/// their phases; a named projection makes of all commands what it can carry. `metrics` has energy, money, carbon, and how
/// the served shares of requests are spread over the cars (`jain`, `gini`, `served_min`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvCharging {
    /// Stations and limits.
    pub network: Network,
    /// Where the cars come from.
    pub sessions: Sessions,
    /// The days.
    #[serde(default = "a_day_in_pasadena")]
    pub calendar: Calendar,
    /// Length of a step, min.
    #[serde(default = "five")]
    pub step_minutes: NonZeroU32,
    /// Steps of an episode; as many as fit into a day unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<NonZeroU32>,
    /// Batteries of the cars.
    #[serde(default)]
    pub batteries: Batteries,
    /// A limit on the power of all stations and of what else hangs on the transformer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformer: Option<Transformer>,
    /// A battery of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<SiteBattery>,
    /// Price of energy.
    #[serde(default = "nothing")]
    pub tariff: Tariff,
    /// Price of energy in its place, where it changes from day to day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Series>,
    /// Price of what is given back to the grid.
    #[serde(default = "no_series")]
    pub sell_prices: Series,
    /// What another kWh emits.
    #[serde(default = "no_emissions")]
    pub moer: Moer,
    /// Power to follow, kW, for rewards that follow one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setpoint: Option<Series>,
    /// Who decides.
    #[serde(default)]
    pub agents: Agents,
    /// What an agent decides.
    #[serde(default)]
    pub action: Action,
    /// What becomes of commands that the grid cannot carry.
    #[serde(default)]
    pub projection: Projection,
    /// How commands become what stations can offer.
    #[serde(default)]
    pub quantisation: Quantisation,
    /// What an agent sees.
    #[serde(default)]
    pub view: View,
    /// Which stations are one group.
    #[serde(default)]
    pub groups: Groups,
    /// What agents are paid.
    #[serde(default)]
    pub reward: Reward,
    /// Who is paid for what.
    #[serde(default)]
    pub credit: Credit,
    /// What is counted as a cost, a task each.
    #[serde(default)]
    pub costs: Vec<Cost>,
    /// Classes of sessions whose served shares are told apart.
    #[serde(default)]
    pub compare: Vec<Compared>,
}

/// Which stations are one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Groups {
    /// Those between the same two lines; on one phase, all.
    #[default]
    Phase,
    /// Those of one operator.
    Operator,
    /// All of them.
    One,
}

/// Batteries of the cars.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Batteries {
    /// How charging slows down.
    pub model: Model,
    /// What is assumed where a source does not know the battery.
    pub unknown: Assumed,
    /// Largest power of a car where a source does not know it, kW.
    pub most_kw: Positive,
    /// Largest power back to the grid, kW.
    pub most_back_kw: NonNegative,
    /// Share of a battery that is never given back.
    pub least_share: Probability,
    /// Share of the energy from the grid that is stored.
    pub charging: Positive,
    /// The same by the current that is offered, pairs of ampere and share, from the lowest current up: a pair holds up to the next
    /// one's current, the first one below its own, too. `charging` then only says how large a battery is of which nothing but
    /// the request is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub charging_by_amps: Vec<(u32, Positive)>,
    /// Share of the stored energy that comes back.
    pub discharging: Positive,
    /// Standard deviation of a power that is lost in every step, kW (that of ACN-Sim).
    pub noise_kw: NonNegative,
    /// Whether wear is reckoned: `battery_wear`.
    pub wear: bool,
    /// Whether rules learn from what a car took what it takes at most (the ramp-down estimator of ACN-Sim). Else they
    /// offer what the station can.
    pub ramp_down: bool,
}

/// How charging slows down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Model {
    /// Not at all.
    #[default]
    Ideal,
    /// Exponentially, solved exactly.
    TwoStage {
        /// State of charge above which it does.
        #[serde(default = "four_fifths")]
        from: Probability,
        /// Factor on the exponent: 5 in EV2Gym's configurations.
        #[serde(default = "once")]
        haste: Positive,
    },
    /// By the state of charge at the beginning of a step.
    Stepwise {
        /// State of charge above which it does.
        #[serde(default = "four_fifths")]
        from: Probability,
    },
}

/// The battery of a car of which nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Assumed {
    /// As large as the request, and empty.
    #[default]
    Request,
    /// Of this size (or of the request's, where that is larger), and full once the request is fulfilled.
    Kwh(Positive),
    /// The smallest usual size that takes the request within the stay (ACN-Sim); as `Request` where none does.
    Sized,
}

/// A limit on the power of a site, other loads included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transformer {
    /// The limit, kW.
    pub kw: Series,
    /// Other loads, kW.
    #[serde(default = "no_series")]
    pub load: Series,
    /// Peak power of the site's own sun, kW.
    #[serde(default = "none")]
    pub sun_kw: NonNegative,
    /// What of it there is, as a share.
    #[serde(default = "no_series")]
    pub sun: Series,
    /// Times in which the limit is lower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<DemandResponse>,
}

fn a_day_in_pasadena() -> Calendar {
    let zone = Zone::try_from("America/Los_Angeles".to_owned()).expect("a time zone");
    let first_day = Day::try_from("2019-03-04".to_owned()).expect("a date");
    let one = NonZeroU32::MIN;
    Calendar { time_zone: zone, first_day, episodes: one, days_per_episode: one, order: calendar::Order::Sequential }
}

fn five() -> NonZeroU32 {
    NonZeroU32::new(5).expect("not 0")
}

fn nothing() -> Tariff {
    Tariff::Flat(Finite::new(0.0).expect("finite"))
}

fn no_series() -> Series {
    Series::Constant(Finite::new(0.0).expect("finite"))
}

fn no_emissions() -> Moer {
    Moer::Constant(none())
}

fn none() -> NonNegative {
    NonNegative::new(0.0).expect("not negative")
}

fn once() -> Positive {
    Positive::new(1.0).expect("above 0")
}

fn four_fifths() -> Probability {
    Probability::new(0.8).expect("a share")
}

impl Default for Batteries {
    fn default() -> Self {
        Batteries {
            model: Model::Ideal,
            unknown: Assumed::Request,
            most_kw: Positive::new(6.656).expect("above 0"),
            most_back_kw: none(),
            least_share: Probability::new(0.0).expect("a share"),
            charging: once(),
            charging_by_amps: Vec::new(),
            discharging: once(),
            noise_kw: none(),
            wear: false,
            ramp_down: false,
        }
    }
}

impl Batteries {
    fn cells(&self) -> Cells {
        let taper = match self.model {
            Model::Ideal => battery::Taper::Never,
            Model::TwoStage { from, haste } => battery::Taper::Smooth { from: from.get(), haste: haste.get() },
            Model::Stepwise { from } => battery::Taper::Stepwise { from: from.get() },
        };
        Cells {
            taper,
            most_back_kw: self.most_back_kw.get(),
            least_share: self.least_share.get(),
            charging: self.charging.get(),
            by_amps: self.charging_by_amps.first().map(|first| {
                std::array::from_fn(|amps| {
                    let holds = self.charging_by_amps.iter().rev().find(|(from, _)| *from as usize <= amps);
                    holds.unwrap_or(first).1.get() as f32
                })
            }),
            discharging: self.discharging.get(),
            ramp_down: self.ramp_down,
        }
    }

    /// A session with its battery.
    fn stay(&self, session: &Session, hours: f64) -> Stay {
        let most_kw = session.max_kw.unwrap_or(self.most_kw.get());
        if let Some(battery) = session.battery {
            return Stay::new(session, battery.capacity_kwh, battery.start_kwh, most_kw);
        }
        let wanted = session.requested_kwh * self.charging.get();
        let (capacity, start) = match self.unknown {
            Assumed::Request => (wanted, 0.0),
            Assumed::Kwh(kwh) => (kwh.get().max(wanted), kwh.get().max(wanted) - wanted),
            Assumed::Sized => {
                let stay = f64::from(session.departure - session.arrival) * hours;
                let from = match self.model {
                    Model::Ideal => 1.0 - 1e-9,
                    Model::TwoStage { from, .. } | Model::Stepwise { from } => from.get(),
                };
                battery::sized(wanted, stay, most_kw, from).unwrap_or((wanted, 0.0))
            }
        };
        Stay::new(session, capacity, start, most_kw)
    }

    /// Takes a little from every battery. Two words of noise per station.
    fn lose(&self, bays: &mut [Bay], words: &[u32], hours: f64) {
        let unit = |word: u32| (f64::from(word) + 0.5) / 4_294_967_296.0;
        for (bay, words) in bays.iter_mut().zip(words.chunks_exact(2)) {
            if bay.session != 0 {
                let normal = (-2.0 * unit(words[0]).ln()).sqrt() * (TAU * unit(words[1])).cos();
                bay.stored_kwh = (bay.stored_kwh - normal.abs() * self.noise_kw.get() * hours).max(0.0);
            }
        }
    }

    fn check(&self) -> Vec<Problem> {
        let share = |path: &str, share: f64| {
            (share > 1.0).then(|| Problem::at(path, format!("{share} is more than all of it")).help("a share up to 1"))
        };
        let mut problems: Vec<Problem> = [("charging", self.charging), ("discharging", self.discharging)]
            .into_iter()
            .filter_map(|(path, value)| share(path, value.get()))
            .collect();
        for (index, (amps, value)) in self.charging_by_amps.iter().enumerate() {
            let path = format!("charging_by_amps[{index}]");
            problems.extend(share(&path, value.get()));
            if *amps as usize >= step::AMPS {
                let found = format!("{amps} A is more than efficiencies are told apart by");
                problems.push(Problem::at(&path, found).help(format!("up to {} A", step::AMPS - 1)));
            }
            if index > 0 && self.charging_by_amps[index - 1].0 >= *amps {
                problems
                    .push(Problem::at(&path, "the pair before has this current, or a larger one").help("sort them"));
            }
        }
        let (Model::TwoStage { from, .. } | Model::Stepwise { from }) = self.model else { return problems };
        if from.get() == 1.0 {
            let found = "a battery that slows down above full never does";
            problems.push(Problem::at("model.from", found).help("a share below 1, or `Ideal`"));
        }
        problems
    }
}

impl Transformer {
    fn series(&mut self) -> [(&'static str, Kind, &mut Series); 3] {
        let Transformer { kw, load, sun, .. } = self;
        [("kw", Kind::Power, kw), ("load", Kind::Power, load), ("sun", Kind::Share, sun)]
    }

    fn check(&self, clock: &Clock) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, series) in [("kw", &self.kw), ("load", &self.load), ("sun", &self.sun)] {
            problems.extend(series.check(clock).into_iter().map(|problem| problem.under(name)));
        }
        let response = self.response.iter().flat_map(|response| response.check(clock));
        problems.extend(response.map(|problem| problem.under("response")));
        if !problems.is_empty() {
            return problems;
        }
        let kw = self.kw.values(clock);
        if kw.iter().any(|kw| *kw < 0.0) {
            problems.push(Problem::at("kw", "a limit below 0 carries nothing either way").help("0 or more"));
        }
        let sun = self.sun.values(clock).into_iter().map(|share| share * self.sun_kw.get());
        let load = self.load.values(clock).into_iter().zip(sun).map(|(load, sun)| load - sun);
        if kw.iter().zip(load).all(|(kw, load)| load >= *kw) {
            let found = "the other loads take all of the limit in every step: no car could ever charge";
            problems.push(Problem::at("load", found).help("less load, or a higher limit in `kw`"));
        }
        problems
    }
}

/// What a station's phase is called.
fn phase(station: &grid::Station) -> String {
    match station.phase_deg {
        30.0 => "AB".to_owned(),
        -90.0 => "BC".to_owned(),
        150.0 => "CA".to_owned(),
        degrees => format!("phase {degrees}"),
    }
}

/// Stations by a name that some of them share: the number of every station's name, and the names in order.
fn by_name(grid: &Grid, name: impl Fn(&grid::Station) -> String) -> (Vec<u32>, Vec<String>) {
    let mut names: Vec<String> = Vec::new();
    let mut numbers = Vec::new();
    for name in grid.stations.iter().map(name) {
        let known = names.iter().position(|other| *other == name);
        numbers.push(known.unwrap_or(names.len()) as u32);
        if known.is_none() {
            names.push(name);
        }
    }
    (numbers, names)
}

/// A day has so many minutes.
const MINUTES: u32 = 24 * 60;

/// An episode of more steps than this is none.
const MOST_STEPS: u32 = 1 << 20;

impl EvCharging {
    fn steps(&self) -> u32 {
        self.steps.map_or((MINUTES / self.step_minutes.get()).max(1), NonZeroU32::get)
    }

    fn clock(&self) -> Result<Clock, Problem> {
        if self.steps() > MOST_STEPS {
            let found = format!("{} steps", self.steps());
            return Err(Problem::at("steps", found).help(format!("at most {MOST_STEPS} would do")));
        }
        self.calendar.clock(self.step_minutes.get(), self.steps()).map_err(|problem| problem.under("calendar"))
    }

    /// Stations and limits, that of the transformer last.
    fn grid(&self) -> Grid {
        let Grid { stations, mut limits, .. } = self.network.grid();
        if self.transformer.is_some() {
            let terms = (0..stations.len()).map(|station| (station, 1.0)).collect();
            limits.push(Limit { name: "transformer".to_owned(), most: 0.0, adds: Adds::Power, terms });
        }
        Grid::new(stations, limits)
    }

    fn names(&self) -> Vec<String> {
        self.network.grid().stations.into_iter().map(|station| station.name).collect()
    }

    /// The group of every station, and the groups' names in order.
    fn grouped(&self, grid: &Grid) -> (Vec<u32>, Vec<String>) {
        match self.groups {
            Groups::One => by_name(grid, |_| "stations".to_owned()),
            Groups::Operator => by_name(grid, |station| format!("operator {}", station.operator)),
            Groups::Phase => by_name(grid, phase),
        }
    }

    /// Who acts, and in which group everyone is. Agents stand group by group.
    fn actors(&self, grid: &Grid) -> (Actors, Vec<u32>, Vec<String>) {
        match self.agents {
            Agents::Stations => {
                let (groups, names) = self.grouped(grid);
                let mut stations: Vec<u32> = (0..grid.stations.len() as u32).collect();
                stations.sort_by_key(|&station| groups[station as usize]);
                let group = stations.iter().map(|&station| groups[station as usize]).collect();
                (Actors::Stations(stations), group, names)
            }
            Agents::Operators { split } => {
                let mut operators: Vec<u32> = grid.stations.iter().map(|station| station.operator).collect();
                operators.sort_unstable();
                operators.dedup();
                let of = |&operator: &u32| {
                    (0..grid.stations.len() as u32)
                        .filter(|&i| grid.stations[i as usize].operator == operator)
                        .collect()
                };
                let names = operators.iter().map(|operator| format!("operator {operator}")).collect();
                let group = (0..operators.len() as u32).collect();
                (Actors::Operators { stations: operators.iter().map(of).collect(), split }, group, names)
            }
        }
    }

    fn signals(&self, clock: &Clock) -> Signals {
        let steps = clock.steps();
        let each = |signal: &dyn Fn(usize, u32) -> f64| -> Vec<f64> {
            (0..clock.episodes()).flat_map(|episode| (0..steps).map(move |step| signal(episode, step))).collect()
        };
        let angle = |episode, step| {
            let time = clock.local(episode, step).time();
            TAU * (f64::from(time.hour()) + f64::from(time.minute()) / 60.0) / 24.0
        };
        let buy = self.prices.as_ref().map_or_else(|| self.tariff.prices(clock), |prices| prices.values(clock));
        let peak = |episode| self.tariff.demand_charge(clock.date(episode));
        let zeros = || vec![0.0; clock.episodes() * steps as usize];
        let (transformer, load) = self.transformer.as_ref().map_or_else(
            || (Vec::new(), zeros()),
            |transformer| {
                let sun = transformer.sun.values(clock).into_iter().map(|share| share * transformer.sun_kw.get());
                let load = transformer.load.values(clock).into_iter().zip(sun).map(|(load, sun)| load - sun);
                (transformer.kw.values(clock), load.collect())
            },
        );
        Signals {
            steps: steps as usize,
            angle: each(&angle),
            buy,
            sell: self.sell_prices.values(clock),
            demand_charge: (0..clock.episodes()).map(peak).collect(),
            emissions: self.moer.emissions(clock),
            load,
            transformer,
            setpoint: self.setpoint.as_ref().map_or_else(Vec::new, |setpoint| setpoint.values(clock)),
        }
    }

    /// How its sites move, without a World around them. The scenario has been resolved and checked.
    pub fn dynamics(&self) -> Charging {
        let grid = self.grid();
        let clock = self.clock().expect("checked");
        let (actors, group, names) = self.actors(&grid);
        let mut agent = vec![0; grid.stations.len()];
        match &actors {
            Actors::Stations(stations) => {
                (0..).zip(stations).for_each(|(index, &station)| agent[station as usize] = index);
            }
            Actors::Operators { stations, .. } => {
                (0..).zip(stations).for_each(|(index, own)| own.iter().for_each(|&i| agent[i as usize] = index));
            }
        }
        let payments = Payments {
            reward: self.reward.clone(),
            credit: self.credit,
            costs: self.costs.clone(),
            agent,
            group,
            groups: names.len(),
        };
        let (of, names) = by_name(&grid, phase);
        let battery = self.battery.as_ref();
        let battery = battery.map(|battery| battery.stationary(&grid, self.transformer.is_some(), clock.step_hours()));
        let site = Site {
            grid,
            cells: self.batteries.cells(),
            hours: clock.step_hours(),
            projection: self.projection,
            quantisation: self.quantisation,
        };
        Charging {
            site: Arc::new(site),
            batteries: self.batteries.clone(),
            source: self.sessions.source(&clock, &self.names()),
            signals: self.signals(&clock),
            clock,
            calendar: self.calendar.clone(),
            response: self.transformer.as_ref().and_then(|transformer| transformer.response.clone()),
            battery,
            action: self.action,
            actors,
            payments,
            view: self.view,
            compared: self.compare.clone(),
            phases: Phases { of, names },
        }
    }

    /// Stations whose smallest current is more than a limit carries: no car there could ever charge.
    fn check_limits(&self) -> Option<Problem> {
        let grid = self.network.grid();
        let carries = |station: usize| {
            let least = grid.stations[station].pilots.least;
            grid.column(grid.class[station] as usize).iter().find(|term| {
                let most = grid.limits[term.to as usize].most;
                least * term.flow().square().sqrt() > most + grid::tolerance(most)
            })
        };
        let idle: Vec<(usize, &grid::Term)> =
            (0..grid.stations.len()).filter_map(|station| Some((station, carries(station)?))).collect();
        let &(first, term) = idle.first()?;
        let (station, limit) = (&grid.stations[first], &grid.limits[term.to as usize]);
        let unit = if limit.adds == Adds::Power { "kW" } else { "A" };
        let others = match idle.len() {
            1 => String::new(),
            count => format!(", and the same holds for {} other stations", count - 1),
        };
        let found = format!(
            "no car at station {:?} could ever charge: it offers {} A or more, and limit {:?} is {:.4} {unit}{others}",
            station.name, station.pilots.least, limit.name, limit.most
        );
        Some(Problem::at("network", found).help("a higher limit, or stations that can offer less"))
    }

    fn check_agents(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Agents::Operators { split } = self.agents {
            if matches!(self.action, Action::Amps | Action::Weights) {
                problems.push(
                    Problem::at("action", "an operator decides on a share of its power")
                        .help("`Continuous` or `Discrete` would do"),
                );
            }
            if split == Order::Random {
                problems
                    .push(Problem::at("agents.split", "an operator's split knows no chance").help("any other order"));
            }
        }
        if self.reward == Reward::Tracking && self.setpoint.is_none() {
            problems.push(Problem::at("reward", "there is nothing to follow").help("give a `setpoint`"));
        }
        if self.costs.contains(&Cost::Wear) && !self.batteries.wear {
            problems.push(Problem::at("costs", "wear is not reckoned").help("`wear: true` in `batteries`"));
        }
        if self.costs.contains(&Cost::TransformerExcess) && self.transformer.is_none() {
            problems.push(Problem::at("costs", "there is no transformer to overload").help("give a `transformer`"));
        }
        for (index, cost) in self.costs.iter().enumerate() {
            let same = |other: &Cost| std::mem::discriminant(other) == std::mem::discriminant(cost);
            if self.costs[..index].iter().any(same) {
                problems.push(Problem::at(format!("costs[{index}]"), "this is counted already"));
            }
        }
        problems
    }

    fn check_signals(&self, clock: &Clock) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |name: &str, found: Vec<Problem>| {
            problems.extend(found.into_iter().map(|problem| problem.under(name)));
        };
        add("tariff", self.tariff.check());
        add("prices", self.prices.as_ref().map_or_else(Vec::new, |prices| prices.check(clock)));
        add("sell_prices", self.sell_prices.check(clock));
        add("moer", self.moer.check(clock));
        add("setpoint", self.setpoint.as_ref().map_or_else(Vec::new, |setpoint| setpoint.check(clock)));
        add("transformer", self.transformer.as_ref().map_or_else(Vec::new, |transformer| transformer.check(clock)));
        if let View::SustainGym { forecast } = self.view
            && problems.is_empty()
            && self.moer.emissions(clock).forecasts() < forecast as usize
        {
            let found = format!("{forecast} forecasts where `moer` has {}", self.moer.emissions(clock).forecasts());
            problems.push(Problem::at("view", found).help("as many as `moer` keeps"));
        }
        problems
    }
}

#[typetag::serde]
impl Environment for EvCharging {
    fn spec(&self) -> Spec {
        let grid = self.grid();
        let (actors, group, names) = self.actors(&grid);
        let most = grid.stations.iter().map(|station| station.pilots.most).fold(0.0, f64::max);
        let back = grid.stations.iter().map(|station| station.most_back).fold(0.0, f64::max);
        let hours = f64::from(self.step_minutes.get()) / 60.0;
        let kwh = |station: &grid::Station| station.pilots.most.max(station.most_back) * station.kw_per_amp * hours;
        let all_kwh = grid.stations.iter().map(kwh).sum();
        let of = |index: usize| group.iter().filter(|group| **group as usize == index).count() as u32;
        Spec {
            groups: (0..).zip(&names).map(|(i, name)| GroupSpec { name: name.clone(), agents: of(i) }).collect(),
            tasks: Payments::tasks(&self.reward, &self.costs, all_kwh, grid.stations.len()),
            observation: self.view.space(
                grid.stations.len(),
                names.len(),
                self.transformer.is_some(),
                self.battery.is_some(),
            ),
            action: self.action.space(most, if matches!(actors, Actors::Stations(_)) { back } else { 0.0 }),
            time_limit: self.steps(),
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let network = self.network.check();
        if !network.is_empty() {
            return network.into_iter().map(|problem| problem.under("network")).collect();
        }
        let clock = match self.clock() {
            Ok(clock) => clock,
            Err(problem) => return vec![problem],
        };
        let mut problems: Vec<Problem> = self.check_limits().into_iter().collect();
        let sessions = self.sessions.check(&clock, &self.names());
        problems.extend(sessions.into_iter().map(|problem| problem.under("sessions")));
        problems.extend(self.batteries.check().into_iter().map(|problem| problem.under("batteries")));
        let battery = self.battery.iter().flat_map(|battery| battery.check(&self.grid()));
        problems.extend(battery.map(|problem| problem.under("battery")));
        problems.extend(self.check_signals(&clock));
        problems.extend(self.check_agents());
        problems
    }

    fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        // What is wrong with these, `check` says next.
        if !self.network.check().is_empty() {
            return Ok(());
        }
        let Ok(clock) = self.clock() else { return Ok(()) };
        let names = self.names();
        let at = |name: &'static str| move |problem: Problem| problem.under(name);
        self.sessions.resolve(folder, &clock, &names).map_err(at("sessions"))?;
        self.tariff.resolve(folder).map_err(at("tariff"))?;
        if let Some(prices) = &mut self.prices {
            prices.resolve(folder, &clock, Kind::Price).map_err(at("prices"))?;
        }
        self.sell_prices.resolve(folder, &clock, Kind::Price).map_err(at("sell_prices"))?;
        self.moer.resolve(folder, &clock).map_err(at("moer"))?;
        if let Some(setpoint) = &mut self.setpoint {
            setpoint.resolve(folder, &clock, Kind::Power).map_err(at("setpoint"))?;
        }
        for transformer in self.transformer.iter_mut() {
            for (name, kind, series) in transformer.series() {
                series.resolve(folder, &clock, kind).map_err(|problem| problem.under(name).under("transformer"))?;
            }
        }
        Ok(())
    }

    fn build(&self, sim: &mut Builder) {
        sim.lanes_of(self.dynamics());
    }
}

plugin!(Environment: EvCharging, "(
    network: Simple(kw: 20, stations: 3),
    sessions: Listed([
        (arrival: 96, departure: 192, requested_kwh: 12.0),
        (arrival: 102, departure: 150, requested_kwh: 18.5),
        (arrival: 110, departure: 228, requested_kwh: 6.2),
    ]),
)");
