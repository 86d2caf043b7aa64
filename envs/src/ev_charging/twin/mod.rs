//! A site on a device: its tables, its columns and its rules for the WGSL beside this file.

use super::action::{Action, Actors};
use super::battery::Taper;
use super::controller::level::Level;
use super::controller::sorted::Order;
use super::dynamics::{Call, Charging, Pull, Soc, Worn};
use super::projection::{Projection, Quantisation};
use super::reward::{Cost, Credit, Reward, Unhappy};
use super::site_battery::Store;
use super::step::{Bay, Meter, Stay};
use super::view::View;
use crate::wgsl::Constants;
use bytemuck::{Pod, Zeroable};
use isonomy_engine::device_row;
use isonomy_engine::gpu::{Episodes, Home, LaneColumn, LaneTwin, RuleTwin, Table};
use std::fmt::Write;

/// Invocations of a site.
const WIDTH: u32 = 64;

/// `Station` of `grid.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Station {
    kw_per_amp: f32,
    least: f32,
    most: f32,
    stride: f32,
    most_back: f32,
    class_of: u32,
    agent: u32,
    group: u32,
    post: u32,
}

/// `Term` of `grid.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Term {
    to: u32,
    re: f32,
    im: f32,
}

impl Charging {
    /// The site in WGSL.
    pub(super) fn lane_twin(&self) -> Result<LaneTwin, String> {
        let Actors::Stations(agents) = &self.actors else {
            return Err("operators that split their power have no WGSL twin (`agents: Stations` has)".to_owned());
        };
        if self.batteries.wear {
            return Err("the wear of batteries has no WGSL twin (`wear: false` has)".to_owned());
        }
        if self.battery.is_some() {
            return Err("a battery of the site has no WGSL twin (`battery: None` has)".to_owned());
        }
        if self.site.cells.by_amps.is_some() {
            return Err("efficiencies by current have no WGSL twin (`charging` for all currents has)".to_owned());
        }
        if self.site.cells.ramp_down {
            return Err("rules that watch cars slow down have no WGSL twin (`ramp_down: false` has)".to_owned());
        }
        let mut source = self.constants(agents.len());
        for part in [
            include_str!("grid.wgsl"),
            include_str!("projection.wgsl"),
            if self.site.projection == Projection::L2 { include_str!("nearest.wgsl") } else { NO_NEAREST },
            include_str!("step.wgsl"),
            include_str!("view.wgsl"),
        ] {
            source.push_str(part);
        }
        let column = |name, row, home| LaneColumn { name, row, home };
        let columns = vec![
            column(
                "bays",
                device_row!(Bay: requested_kwh missing_kwh stored_kwh capacity_kwh most_kw amps pilot slows_from session
                    arrival departure est_departure),
                Home::Workgroup,
            ),
            column(
                "stays",
                device_row!(Stay: requested_kwh capacity_kwh start_kwh most_kw slows_from delivered_kwh arrival departure
                    est_departure station status prefers),
                Home::Storage,
            ),
            column(
                "meter",
                device_row!(Meter: t day sessions next waiting rejected energy_kwh back_kwh peak_kw excess cost
                    carbon_kg reward power_kw taken taken_above leaves),
                Home::Workgroup,
            ),
            column("calls", device_row!(Call: announced start end share), Home::Workgroup),
            column("worn", device_row!(Worn: count), Home::Storage),
            column("socs", device_row!(Soc: 0), Home::Storage),
            column("pulls", device_row!(Pull: 0), Home::Workgroup),
            column("stores", device_row!(Store: stored_kwh), Home::Storage),
        ];
        let (source, tables) = (source.into(), self.tables(agents));
        // A projection and a rule together can take tens of thousands of turns.
        Ok(LaneTwin { source, tables, columns, width: WIDTH, episodes: Episodes::Host, loops: u32::MAX })
    }

    fn constants(&self, agents: usize) -> String {
        let (site, cells) = (&self.site, &self.site.cells);
        let grid = &site.grid;
        let mut named = Constants::default();
        named.whole("STATIONS", grid.stations.len());
        named.whole("LIMITS", grid.limits.len().max(1));
        named.whole("CLASSES", grid.classes());
        named.whole("POSTS", grid.posts as usize);
        named.whole("DAYS", self.signals.demand_charge.len());
        named.whole("COSTS", self.payments.costs.len());
        named.flag("TRANSFORMER", !self.signals.transformer.is_empty());
        named.flag("GIVES_BACK", grid.stations.iter().any(|station| station.most_back > 0.0));
        named.real("HOURS", site.hours);
        named.real("MOST_BACK_KW", cells.most_back_kw);
        named.real("LEAST_SHARE", cells.least_share);
        named.real("CHARGING", cells.charging);
        named.real("DISCHARGING", cells.discharging);
        named.real("NOISE_KW", self.batteries.noise_kw.get());
        let (taper, tail, haste) = match cells.taper {
            Taper::Never => ("NEVER_TAPERS", 1.0, 1.0),
            Taper::Smooth { from, haste } => ("SMOOTH", 1.0 - from, haste),
            Taper::Stepwise { from } => ("STEPWISE", 1.0 - from, 1.0),
        };
        named.one_of("TAPER", &["NEVER_TAPERS", "SMOOTH", "STEPWISE"], taper);
        named.real("TAIL", tail);
        named.real("HASTE", haste);
        let projection = match site.projection {
            Projection::None => "NONE",
            Projection::L2 => "NEAREST",
            Projection::Uniform => "UNIFORM",
            Projection::MaxMin => "MAX_MIN",
            Projection::ProportionalToRequest => "PROPORTIONAL",
            Projection::Registration => "REGISTRATION",
        };
        let projections = ["NONE", "NEAREST", "UNIFORM", "MAX_MIN", "PROPORTIONAL", "REGISTRATION"];
        named.one_of("PROJECTION", &projections, projection);
        let quantisation = match site.quantisation {
            Quantisation::None => "NOT_AT_ALL",
            Quantisation::Floor => "TO_FLOOR",
            Quantisation::Nearest => "TO_NEAREST",
        };
        named.one_of("QUANTISATION", &["NOT_AT_ALL", "TO_FLOOR", "TO_NEAREST"], quantisation);
        let (action, levels) = match self.action {
            Action::Continuous => ("CONTINUOUS", 1),
            Action::Discrete { levels } => ("DISCRETE", levels.get()),
            Action::Amps => ("AMPS", 1),
            Action::Weights => ("WEIGHTS", 1),
        };
        named.one_of("ACTION", &["CONTINUOUS", "DISCRETE", "AMPS", "WEIGHTS"], action);
        named.whole("LEVELS", levels as usize);
        self.name_rewards(&mut named);
        let (view, forecast) = match self.view {
            View::Own { forecast } => ("OWN_VIEW", forecast),
            View::SustainGym { forecast } => ("SUSTAINGYM_VIEW", forecast),
            View::Ev2Gym { forecast } => ("EV2GYM_VIEW", forecast),
        };
        named.one_of("VIEW", &["OWN_VIEW", "SUSTAINGYM_VIEW", "EV2GYM_VIEW"], view);
        named.whole("FORECAST", forecast as usize);
        named.real("MOST_SEEN", f64::from(self.view.most()));
        let blocks = BLOCKS * self.signals.demand_charge.len() * self.signals.steps;
        named.whole("DEMAND_CHARGES", blocks);
        named.whole("EMISSIONS", blocks + self.signals.demand_charge.len());
        named.whole("EMISSION_WIDTH", self.signals.emissions.forecasts() + 1);
        debug_assert_eq!(agents, grid.stations.len());
        named.0
    }

    fn name_rewards(&self, named: &mut Constants) {
        let nothing = 0.0;
        let (mut by_share, mut numbers) = (false, [nothing; 6]);
        let reward = match &self.payments.reward {
            Reward::Served => "SERVED",
            Reward::Energy => "ENERGY",
            Reward::SustainGym { profit, carbon, excess } => {
                numbers[..3].copy_from_slice(&[profit.get(), carbon.get(), excess.get()]);
                "SUSTAINGYM"
            }
            Reward::Ev2GymProfit { overload, unhappy } => {
                numbers[0] = overload.get();
                match unhappy {
                    Unhappy::Exponential { weight, rate } => {
                        by_share = true;
                        numbers[1..3].copy_from_slice(&[weight.get(), rate.get()]);
                    }
                    Unhappy::Squared { weight } => numbers[1] = weight.get(),
                }
                "EV2GYM"
            }
            Reward::Tracking => "TRACKING",
            Reward::Chargax { price, unmet, overtime, rejected, excess, discharged } => {
                numbers = [price, unmet, overtime, rejected, excess, discharged].map(|number| number.get());
                "CHARGAX"
            }
        };
        let rewards = ["SERVED", "ENERGY", "SUSTAINGYM", "EV2GYM", "TRACKING", "CHARGAX"];
        named.one_of("REWARD", &rewards, reward);
        for (letter, number) in ["A", "B", "C", "D", "E", "F"].iter().zip(numbers) {
            named.real(&format!("REWARD_{letter}"), number);
        }
        named.flag("UNHAPPY_BY_SHARE", by_share);
        named.flag("SHARED_CREDIT", self.payments.credit == Credit::Shared);
        let kinds = ["NETWORK_EXCESS", "TRANSFORMER_EXCESS", "UNMET", "RESERVE", "GROUP_GAP", "CARBON", "PEAK", "WEAR"];
        named.one_of("", &kinds, "");
        let mut cases = [String::new(), String::new()];
        for (index, cost) in self.payments.costs.iter().enumerate() {
            let (kind, number) = match cost {
                Cost::NetworkExcess => ("NETWORK_EXCESS", 0.0),
                Cost::TransformerExcess => ("TRANSFORMER_EXCESS", 0.0),
                Cost::Unmet => ("UNMET", 0.0),
                Cost::Reserve { share } => ("RESERVE", share.get()),
                Cost::GroupGap => ("GROUP_GAP", 0.0),
                Cost::Carbon { budget_kg } => ("CARBON", budget_kg.get()),
                Cost::Peak { kw } => ("PEAK", kw.get()),
                Cost::Wear => ("WEAR", 0.0),
            };
            let _ = writeln!(cases[0], "        case {index}u: {{ return {kind}; }}");
            let _ = writeln!(cases[1], "        case {index}u: {{ return f32({:e}); }}", number as f32);
        }
        let _ = write!(
            named.0,
            "fn cost_kind(index: u32) -> u32 {{\n    switch index {{\n{}        default: {{ return WEAR; }}\n    }}\n}}\n\
             fn cost_number(index: u32) -> f32 {{\n    switch index {{\n{}        default: {{ return 0.0; }}\n    }}\n}}\n",
            cases[0], cases[1]
        );
    }

    fn tables(&self, agents: &[u32]) -> Vec<Table> {
        let grid = &self.site.grid;
        let stations = grid.stations.iter().enumerate().map(|(index, station)| {
            let agent = self.payments.agent[index];
            Station {
                kw_per_amp: station.kw_per_amp as f32,
                least: station.pilots.least as f32,
                most: station.pilots.most as f32,
                stride: station.pilots.stride as f32,
                most_back: station.most_back as f32,
                class_of: grid.class[index],
                agent,
                group: self.payments.group[agent as usize],
                post: station.post.map_or(0, |post| post + 1),
            }
        });
        let stations: Vec<Station> = stations.collect();
        let (mut terms, mut ends): (Vec<Term>, Vec<u32>) = (Vec::new(), Vec::new());
        let limits = (0..grid.limits.len()).map(|limit| grid.row(limit));
        // A grid without limits has one on nothing.
        let none: &[super::grid::Term] = &[];
        let limits = limits.chain(grid.limits.is_empty().then_some(none));
        for list in limits.chain((0..grid.classes()).map(|class| grid.column(class))) {
            terms.extend(list.iter().map(|term| Term { to: term.to, re: term.re as f32, im: term.im as f32 }));
            ends.push(terms.len() as u32);
        }
        let mut members: Vec<u32> = (0..grid.stations.len() as u32).collect();
        members.sort_by_key(|&station| grid.class[station as usize]);
        for class in 0..grid.classes() as u32 {
            ends.push(grid.class.iter().filter(|of| **of <= class).count() as u32);
        }
        ends.extend(members);
        ends.extend(agents);
        let bounds: Vec<f32> = grid.limits.iter().map(|limit| limit.most as f32).chain([1e9]).collect();
        vec![
            Table::new("stations", &stations),
            Table::new("terms", &terms),
            Table::new("ends", &ends),
            Table::new("bounds", &bounds),
            Table::new("signals", &self.signal_table()),
        ]
    }

    /// The blocks of `signals` in `step.wgsl`.
    fn signal_table(&self) -> Vec<f32> {
        let signals = &self.signals;
        let (days, steps) = (signals.demand_charge.len(), signals.steps);
        let mut table: Vec<f32> = Vec::new();
        let mut put = |signal: &[f64]| match signal.is_empty() {
            true => table.extend(std::iter::repeat_n(0.0, days * steps)),
            false => table.extend(signal.iter().map(|number| *number as f32)),
        };
        let turned = |by: fn(f64) -> f64| signals.angle.iter().map(|angle| by(*angle)).collect::<Vec<f64>>();
        for signal in [&signals.buy, &signals.sell, &signals.load, &signals.transformer, &signals.setpoint] {
            put(signal);
        }
        put(&turned(f64::sin));
        put(&turned(f64::cos));
        put(&signals.demand_charge);
        for day in 0..days {
            for step in 0..=steps as u32 {
                table.push(signals.emissions.rate(day, step));
                table.extend(signals.emissions.forecast(day, step));
            }
        }
        table
    }
}

/// Signals of every step.
const BLOCKS: usize = 7;

/// In place of `nearest.wgsl`, where nobody asks for the nearest commands.
const NO_NEAREST: &str = "fn nearest_between(thread: u32) {}\n";

/// A rule on a device: what `act` does, between clearing the currents and writing them as actions.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// Calls of functions of `rules.wgsl`.
    pub body: String,
    /// By what a level rises.
    pub level: Option<Level>,
    /// What a turn adds to a continuous station, A.
    pub increment: f64,
    /// The share that is promised.
    pub promised: f64,
    /// Whether it looks at a word per station.
    pub chance: bool,
}

impl Act {
    /// A rule of these calls.
    pub fn new(body: impl Into<String>) -> Self {
        Act { body: body.into(), level: None, increment: 1.0, promised: 1.0, chance: false }
    }

    /// Stations in an order, each the most that is left, or what is worth offering by `kind`.
    pub fn serve(order: Order, kind: &str) -> Self {
        let name = order_name(order);
        let chance = order == Order::Random;
        Act { chance, ..Act::new(format!("    sort_by(at.thread, {name});\n    serve(at.thread, {kind});\n")) }
    }

    /// In WGSL.
    pub fn twin(&self) -> RuleTwin {
        let mut named = Constants::default();
        named.one_of("", &ORDERS, "");
        named.one_of("", &["ALL_THERE_IS", "WHAT_IS_NEEDED", "WHAT_IS_PROMISED"], "");
        let level = match self.level {
            None | Some(Level::Current) => "BY_CURRENT",
            Some(Level::Loss) => "BY_LOSS",
            Some(Level::Talmud) => "BY_TALMUD",
            Some(Level::Share) => "BY_SHARE",
            Some(Level::AlphaFair(_)) => "BY_ALPHA",
            Some(Level::Progress) => "BY_PROGRESS",
            Some(Level::Laxity) => "BY_LAXITY",
        };
        let levels = ["BY_CURRENT", "BY_LOSS", "BY_TALMUD", "BY_SHARE", "BY_ALPHA", "BY_PROGRESS", "BY_LAXITY"];
        named.one_of("LEVEL", &levels, level);
        named.real("ALPHA", if let Some(Level::AlphaFair(alpha)) = self.level { alpha } else { 1.0 });
        named.real("INCREMENT", self.increment);
        named.real("PROMISED", self.promised);
        let chance = if self.chance { "word(station)" } else { "0u" };
        let Act { body, .. } = self;
        let source = format!(
            "{}fn chance_of(station: u32) -> u32 {{ return {chance}; }}\n{}\
             fn act(at: At) {{\n    prepare_rule(at.thread);\n{body}    write_actions(at.thread);\n}}\n",
            named.0,
            include_str!("rules.wgsl"),
        );
        RuleTwin { source: source.into() }
    }
}

const ORDERS: [&str; 8] = [
    "FIRST_COME",
    "LAST_COME",
    "EARLIEST_DEADLINE",
    "LEAST_LAXITY",
    "LEAST_LAXITY_RATIO",
    "LARGEST_REMAINING_TIME",
    "LEAST_SERVED",
    "BY_CHANCE",
];

fn order_name(order: Order) -> &'static str {
    match order {
        Order::FirstCome => "FIRST_COME",
        Order::LastCome => "LAST_COME",
        Order::EarliestDeadline => "EARLIEST_DEADLINE",
        Order::LeastLaxity => "LEAST_LAXITY",
        Order::LeastLaxityRatio => "LEAST_LAXITY_RATIO",
        Order::LargestRemainingTime => "LARGEST_REMAINING_TIME",
        Order::LeastServed => "LEAST_SERVED",
        Order::Random => "BY_CHANCE",
    }
}
