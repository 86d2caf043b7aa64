//! LoadBalancing: one load is spread over regions whose carbon nobody else should have to bear. Tier 3; its core is
//! `balancing.rs`.
//!
//! | column    | rows in a lane | meaning                                                          |
//! |-----------|----------------|------------------------------------------------------------------|
//! | `Burden`  | regions        | load, cost and carbon of a region in the episode                 |
//! | `Day`     | 1              | the day of the traces with which the episode began               |
//!
//! The action of a region is its weight, 0 or above: load is spread in proportion, but nobody gets more than it can take.
//! What is below 0, or no number, is no weight. The reward of a region is
//! `−(w_cost price x + w_carbon carbon x + w_water water x)`.

mod twin;

use super::balancing::{self, Burdens, MOST, Region};
use super::centers::Day;
use super::trace::Trace;
use crate::groups::check_groups;
use bevy_ecs::prelude::Component;
use bytemuck::{Pod, Zeroable};
use isonomy_engine::environment::Environment;
use isonomy_engine::figure::{Curve, Drawn, Figure, Kind};
use isonomy_engine::gpu::{LaneTwin, RuleTwin};
use isonomy_engine::lanes::{At, LaneController, LaneDynamics, LaneRule, Shared, View};
use isonomy_engine::metrics::{gini, jain};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Positive};
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{lane_controllers, plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::Path;

/// One load that is spread over regions with prices and carbon of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancing {
    /// Hours in an episode, one step each; 24 if not given. An episode begins at midnight.
    #[serde(default = "day")]
    pub hours: NonZeroU32,
    /// Days of the traces, on any of which an episode may begin; 30 if not given.
    #[serde(default = "month")]
    pub days: NonZeroU32,
    /// What is to be spread.
    pub load: Trace,
    /// What a region's reward takes of its carbon; 1 if not given.
    #[serde(default = "one")]
    pub carbon_weight: NonNegative,
    /// What a region's reward takes of its water; 0 if not given.
    #[serde(default = "nothing")]
    pub water_weight: NonNegative,
    /// The regions. Each is an agent and a group.
    pub regions: Vec<Place>,
}

/// A region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Name in tables and records.
    pub name: String,
    /// The most load that it can take.
    pub capacity: Positive,
    /// What a unit of load costs.
    pub price: Trace,
    /// What a unit of load emits.
    pub carbon: Trace,
    /// Water that a unit of load uses; 0 if not given.
    #[serde(default = "no_water")]
    pub water: Trace,
}

/// What a region has taken in an episode.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable, Component)]
pub struct Burden {
    /// Load.
    pub load: f64,
    /// Paid.
    pub cost: f64,
    /// Emitted.
    pub carbon: f64,
    /// Water used.
    pub water: f64,
    /// Load that no region could take, counted with the first.
    pub refused: f64,
}

fn day() -> NonZeroU32 {
    NonZeroU32::new(24).expect("above zero")
}

fn month() -> NonZeroU32 {
    NonZeroU32::new(30).expect("above zero")
}

fn one() -> NonNegative {
    NonNegative::new(1.0).expect("0 or above")
}

fn nothing() -> NonNegative {
    NonNegative::new(0.0).expect("0 or above")
}

fn no_water() -> Trace {
    Trace::Steady(isonomy_engine::quantity::Finite::new(0.0).expect("a constant"))
}

/// Hours that traces may have.
const LONGEST_TRACE: u64 = 24 * 366 * 10;
/// The time of day twice, the load as a part of all capacity, own price, own carbon now, own carbon so far, own water now.
const FEATURES: usize = 7;

/// How load is spread over the regions of a lane.
pub(super) struct Regions {
    load: Vec<f64>,
    /// `[regions][hours]`.
    price: Vec<Vec<f64>>,
    carbon: Vec<Vec<f64>>,
    water: Vec<Vec<f64>>,
    capacity: Vec<f64>,
    hours: u32,
    days: u32,
    carbon_weight: f64,
    water_weight: f64,
    names: Vec<String>,
}

impl Regions {
    fn hour(&self, day: u32, elapsed: u32) -> usize {
        24 * day as usize + elapsed as usize
    }

    fn at(&self, hour: usize) -> [Region; MOST] {
        std::array::from_fn(|r| match self.capacity.get(r) {
            Some(&capacity) => {
                let [price, carbon, water] = [&self.price, &self.carbon, &self.water].map(|of| of[r][hour]);
                Region { capacity, price, carbon, water }
            }
            None => Region { capacity: 0.0, price: 0.0, carbon: 0.0, water: 0.0 },
        })
    }

    fn count(&self) -> usize {
        self.capacity.len()
    }

    /// The load that each region is given.
    fn shares(&self, hour: usize, action: &[u32]) -> [f64; MOST] {
        let (regions, mut weights, mut share) = (self.at(hour), [0.0; MOST], [0.0; MOST]);
        let count = self.count();
        for (weight, action) in weights.iter_mut().zip(action) {
            let asked = f64::from(f32::from_bits(*action));
            *weight = if asked > 0.0 { asked.min(1.0) } else { 0.0 };
        }
        balancing::proportional(self.load[hour], &regions[..count], &weights[..count], &mut share[..count]);
        share
    }
}

impl LaneDynamics for Regions {
    type State = (Burden, Day);

    fn counts(&self) -> Vec<usize> {
        vec![self.count(), 1]
    }

    fn start_draws(&self) -> usize {
        1
    }

    fn start(&self, at: At<'_>, (burdens, day): View<'_, Self>) {
        burdens.fill(Burden::default());
        day[0].0 = ((u64::from(at.words[0]) * u64::from(self.days)) >> 32) as u32;
    }

    fn step(&self, at: At<'_>, action: &[u32], (burdens, day): View<'_, Self>, reward: &mut [f32]) {
        let hour = self.hour(day[0].0, at.elapsed);
        let (regions, share) = (self.at(hour), self.shares(hour, action));
        let taken: f64 = share[..self.count()].iter().sum();
        burdens[0].refused += (self.load[hour] - taken).max(0.0);
        for (((burden, region), share), reward) in burdens.iter_mut().zip(&regions).zip(&share).zip(reward) {
            let [cost, carbon, water] = [region.price, region.carbon, region.water].map(|per_unit| per_unit * share);
            burden.load += share;
            burden.cost += cost;
            burden.carbon += carbon;
            burden.water += water;
            *reward = -(cost + self.carbon_weight * carbon + self.water_weight * water) as f32;
        }
    }

    fn observe(&self, at: At<'_>, (burdens, day): Shared<'_, Self>, features: &mut [f32]) {
        let hour = self.hour(day[0].0, at.elapsed);
        let (regions, all) = (self.at(hour), self.capacity.iter().sum::<f64>());
        let turn = std::f64::consts::TAU * f64::from(at.elapsed) / 24.0;
        for ((burden, region), features) in burdens.iter().zip(&regions).zip(features.chunks_exact_mut(FEATURES)) {
            let so_far = burden.carbon / (region.capacity * f64::from(self.hours));
            let load = self.load[hour] / all;
            let seen = [turn.sin(), turn.cos(), load, region.price, region.carbon, so_far, region.water];
            features.iter_mut().zip(seen).for_each(|(feature, seen)| *feature = seen as f32);
        }
    }

    fn measures(&self) -> Vec<String> {
        let carbon = ["cost", "carbon_kg", "worst_carbon_kg", "carbon_jain", "carbon_gini"];
        let others = ["water_l", "worst_water_l", "water_jain", "refused"];
        carbon.into_iter().chain(others).map(str::to_owned).collect()
    }

    fn measure(&self, (burdens, _): Shared<'_, Self>, measures: &mut [f64]) {
        let carbon: Vec<f64> = burdens.iter().map(|burden| burden.carbon).collect();
        let water: Vec<f64> = burdens.iter().map(|burden| burden.water).collect();
        measures.copy_from_slice(&[
            burdens.iter().map(|burden| burden.cost).sum(),
            carbon.iter().sum(),
            carbon.iter().copied().fold(0.0, f64::max),
            jain(&carbon),
            gini(&carbon),
            water.iter().sum(),
            water.iter().copied().fold(0.0, f64::max),
            jain(&water),
            burdens[0].refused,
        ]);
    }

    fn traces(&self) -> usize {
        3 * self.count()
    }

    fn trace(&self, at: At<'_>, action: &[u32], (burdens, day): Shared<'_, Self>, traces: &mut [f64]) {
        let hour = self.hour(day[0].0, at.elapsed);
        let (regions, share) = (self.at(hour), self.shares(hour, action));
        for (r, traces) in traces.chunks_exact_mut(3).enumerate() {
            traces.copy_from_slice(&[share[r], regions[r].carbon, burdens[r].carbon + share[r] * regions[r].carbon]);
        }
    }

    fn draw(&self, (burdens, _): Shared<'_, Self>, traces: &[f64]) -> Drawn {
        let figure = |title: &str, y: &str, what: usize| Figure {
            title: title.to_owned(),
            note: String::new(),
            x: "hours since midnight".to_owned(),
            y: y.to_owned(),
            ticks: None,
            curves: (0..self.count().min(MOST_SHOWN))
                .map(|r| {
                    let numbers = traces.iter().skip(3 * r + what).step_by(self.traces()).copied();
                    Curve::even(&self.names[r], Kind::Line, 1.0, 1.0, numbers)
                })
                .collect(),
        };
        let carbon: Vec<f64> = burdens.iter().map(|burden| burden.carbon).collect();
        let figures = vec![
            figure("Where the load runs", "load", 0),
            figure("What a unit of load emits", "carbon per unit", 1),
            figure("What regions have borne", "carbon so far", 2),
            Figure::sorted("Who bears how much", "regions", "carbon", &carbon),
        ];
        let metrics =
            ["cost", "carbon_kg", "worst_carbon_kg", "carbon_jain", "carbon_gini", "water_l", "worst_water_l"];
        Drawn { metrics: metrics.map(str::to_owned).to_vec(), figures }
    }

    fn twin(&self) -> Result<LaneTwin, String> {
        self.lane_twin()
    }
}

/// Regions that are drawn.
const MOST_SHOWN: usize = 8;

impl LoadBalancing {
    fn regions(&self) -> Regions {
        let hours = 24 * self.days.get() as usize + self.hours.get() as usize + 1;
        Regions {
            load: self.load.hours(hours),
            price: self.regions.iter().map(|place| place.price.hours(hours)).collect(),
            carbon: self.regions.iter().map(|place| place.carbon.hours(hours)).collect(),
            water: self.regions.iter().map(|place| place.water.hours(hours)).collect(),
            capacity: self.regions.iter().map(|place| place.capacity.get()).collect(),
            hours: self.hours.get(),
            days: self.days.get(),
            carbon_weight: self.carbon_weight.get(),
            water_weight: self.water_weight.get(),
            names: self.regions.iter().map(|place| place.name.clone()).collect(),
        }
    }
}

#[typetag::serde]
impl Environment for LoadBalancing {
    fn spec(&self) -> Spec {
        let regions = self.regions();
        let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let least = |values: &[f64]| values.iter().copied().fold(0.0, f64::min);
        let pays = |r: usize| {
            let carbon = regions.carbon_weight * most(&regions.carbon[r]);
            let water = regions.water_weight * most(&regions.water[r]);
            regions.capacity[r] * (most(&regions.price[r]) + carbon + water)
        };
        let gains = |r: usize| -regions.capacity[r] * least(&regions.price[r]);
        let widest = |of: &dyn Fn(usize) -> f64| (0..regions.count()).map(of).fold(0.0, f64::max) * (1.0 + 1e-6);
        let group = |place: &Place| GroupSpec { name: place.name.clone(), agents: 1 };
        Spec {
            groups: self.regions.iter().map(group).collect(),
            tasks: vec![TaskSpec { name: "burden".to_owned(), reward: (-widest(&pays) as f32, widest(&gains) as f32) }],
            observation: Space::Real { size: FEATURES as u32, low: f32::MIN, high: f32::MAX },
            action: Space::Real { size: 1, low: 0.0, high: 1.0 },
            time_limit: self.hours.get(),
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = check_groups(self.regions.iter().map(|place| (place.name.as_str(), 1)));
        problems.iter_mut().for_each(|problem| problem.path = problem.path.replace("groups", "regions"));
        problems.extend(self.load.check("load", true));
        for (index, place) in self.regions.iter().enumerate() {
            let own = place.price.check("price", false).into_iter().chain(place.carbon.check("carbon", true));
            let own = own.chain(place.water.check("water", true));
            problems.extend(own.map(|problem| problem.under(&format!("regions[{index}]"))));
        }
        if self.regions.len() > MOST {
            problems.push(Problem::at("regions", format!("more than {MOST} regions")));
        }
        if 24 * u64::from(self.days.get()) + u64::from(self.hours.get()) > LONGEST_TRACE {
            problems.push(Problem::at("days", "traces of more than ten years"));
        }
        problems
    }

    fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        self.load.resolve(folder).map_err(|problem| problem.under("load"))?;
        for (index, place) in self.regions.iter_mut().enumerate() {
            let Place { price, carbon, water, .. } = place;
            for (name, trace) in [("price", price), ("carbon", carbon), ("water", water)] {
                trace.resolve(folder).map_err(|problem| problem.under(name).under(&format!("regions[{index}]")))?;
            }
        }
        Ok(())
    }

    fn build(&self, sim: &mut Builder) {
        sim.lanes_of(self.regions());
    }
}

plugin!(Environment: LoadBalancing, "(
    load: Steady(10),
    regions: [
        (name: \"hydro\", capacity: 8, price: Steady(0.10), carbon: Steady(0.2)),
        (name: \"gas\", capacity: 8, price: Steady(0.08), carbon: Steady(0.3)),
        (name: \"coal\", capacity: 8, price: Steady(0.05), carbon: Steady(0.5)),
    ],
)");

/// Spreads every hour's load so that cost, the worst region's carbon and the worst region's water are least together.
///
/// Minimises `Σ price_r x_r + μ max_r carbon_r x_r + μ_w max_r water_r x_r` of the hour. μ = 0 is the cheapest; a large μ gives all regions the same
/// carbon. Li, Yang, Wierman & Ren, Towards Environmentally Equitable AI via Geographical Load Balancing, 2023.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FairHours {
    /// Price μ of the worst region's carbon.
    pub mu: NonNegative,
    /// Price μ_w of the worst region's water; 0 if not given.
    #[serde(default = "nothing")]
    pub mu_water: NonNegative,
}

/// Spreads load by price and by what each region has borne so far in the episode.
///
/// A unit of carbon of region r costs `μ exp(η e_r) / Σ exp(η e)`, where `e` is emitted so far, and water alike: dual mirror descent on the
/// multipliers of `max_r Σ_t carbon`. Li, Yang, Wierman & Ren, Towards Environmentally Equitable AI via Geographical Load
/// Balancing, 2023.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MirrorDescent {
    /// Price μ of the worst region's carbon.
    pub mu: NonNegative,
    /// Price μ_w of the worst region's water; 0 if not given.
    #[serde(default = "nothing")]
    pub mu_water: NonNegative,
    /// Step size η, per unit of carbon or water.
    pub rate: Positive,
}

lane_controllers! {
    LoadBalancing, |rule| LaneRule::new::<Regions>(rule), |_: &LoadBalancing| Vec::new();
    FairHours: "(mu: 0.1)";
    MirrorDescent: "(mu: 0.1, rate: 0.05)";
}

/// Weights that ask for a share: load is spread in proportion, and shares are within capacity.
fn ask(share: &[f64], action: &mut [u32]) {
    let top = share.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    action.iter_mut().zip(share).for_each(|(action, share)| *action = ((share / top) as f32).to_bits());
}

impl LaneController<Regions> for FairHours {
    fn act(&self, all: &Regions, at: At<'_>, (_, day): Shared<'_, Regions>, action: &mut [u32]) {
        let hour = all.hour(day[0].0, at.elapsed);
        let mut share = [0.0; MOST];
        let share = &mut share[..all.count()];
        let mu = Burdens { carbon: self.mu.get(), water: self.mu_water.get() };
        balancing::optimum(all.load[hour], &all.at(hour)[..all.count()], mu, share);
        ask(share, action);
    }

    fn twin(&self, _: &Regions) -> Result<RuleTwin, String> {
        twin::fair(self)
    }
}

impl LaneController<Regions> for MirrorDescent {
    fn act(&self, all: &Regions, at: At<'_>, (burdens, day): Shared<'_, Regions>, action: &mut [u32]) {
        let hour = all.hour(day[0].0, at.elapsed);
        let (mut share, mut borne) = ([0.0; MOST], [[0.0; MOST]; 2]);
        for (r, burden) in burdens.iter().enumerate() {
            (borne[0][r], borne[1][r]) = (burden.carbon, burden.water);
        }
        let (share, borne) = (&mut share[..all.count()], [&borne[0][..all.count()], &borne[1][..all.count()]]);
        let regions = &all.at(hour)[..all.count()];
        let mu = Burdens { carbon: self.mu.get(), water: self.mu_water.get() };
        balancing::online(all.load[hour], regions, mu, self.rate.get(), borne, share);
        ask(share, action);
    }

    fn twin(&self, _: &Regions) -> Result<RuleTwin, String> {
        let reason = "prices that it makes nearly equal are compared in more digits than a device has";
        Err(format!("{reason} (`FairHours` has a WGSL twin)"))
    }
}
