//! A battery of the site, beside those of the cars.
//!
//! Cars come first: limits that the battery hangs under carry as much more for them as it can give (or take) in the step, and once
//! it is known what they drew, the battery makes good what is beyond a limit. What is left to decide, its rule decides.

use super::grid::{Adds, Grid};
use super::step::Room;
use bevy_ecs::component::Component;
use bytemuck::{Pod, Zeroable};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, NonNegative, Positive, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A battery of the site. Chargax's has 2,500 kWh and 500 kW, starts at a quarter and keeps .995 each way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteBattery {
    /// Energy of a full one.
    pub kwh: Positive,
    /// Largest power either way, on the side of the grid.
    pub kw: Positive,
    /// How full it is when an episode begins.
    #[serde(default = "quarter")]
    pub start: Probability,
    /// Share of the energy from the grid that is stored.
    #[serde(default = "chargax")]
    pub charging: Positive,
    /// Share of the stored energy that comes back.
    #[serde(default = "chargax")]
    pub discharging: Positive,
    /// What it does beside keeping limits.
    #[serde(default)]
    pub rule: BatteryRule,
    /// Names of the limits that it hangs under (nodes of a tree, for instance), which must be limits on power. It always
    /// hangs under the transformer, if there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub under: Vec<String>,
}

/// What a site's battery does beside keeping limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum BatteryRule {
    /// Nothing: once empty it stays so.
    #[default]
    Idle,
    /// Takes all it can while energy costs at most `take_at`, gives all it can while it costs at least `give_at`, per kWh.
    Prices {
        /// The lower price.
        take_at: Finite,
        /// The higher price.
        give_at: Finite,
    },
    /// Brings the power of the site, other loads included, as close to this as it can.
    Level {
        /// The power.
        kw: NonNegative,
    },
}

/// What is in the battery of a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Component, Pod, Zeroable)]
#[repr(C)]
pub struct Store {
    /// Energy in it.
    pub stored_kwh: f64,
    /// Power in the last step, on the side of the grid; below 0 where it gave.
    pub kw: f64,
    /// Energy that it took from the grid and gave to it, added up.
    pub through_kwh: f64,
}

/// The battery with the limits that it hangs under.
#[derive(Clone, Debug)]
pub(super) struct Stationary {
    battery: SiteBattery,
    limits: Vec<usize>,
    hours: f64,
}

fn quarter() -> Probability {
    Probability::new(0.25).expect("a share")
}

fn chargax() -> Positive {
    Positive::new(0.995).expect("above 0")
}

impl SiteBattery {
    /// What makes no sense on this grid, the transformer's limit included.
    pub(super) fn check(&self, grid: &Grid) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (path, share) in [("charging", self.charging), ("discharging", self.discharging)] {
            if share.get() > 1.0 {
                let found = format!("{} is more than all of it", share.get());
                problems.push(Problem::at(path, found).help("a share up to 1"));
            }
        }
        for (index, name) in self.under.iter().enumerate() {
            let path = format!("under[{index}]");
            match grid.limits.iter().find(|limit| limit.name == *name) {
                None => {
                    let names: Vec<&str> = grid.limits.iter().take(5).map(|limit| &*limit.name).collect();
                    let help = format!("there are: {}", names.join(", "));
                    problems.push(Problem::at(path, format!("there is no limit {name:?}")).help(help));
                }
                Some(limit) if limit.adds != Adds::Power => {
                    let found =
                        format!("limit {name:?} is on currents, and nothing says on which lines the battery is");
                    problems.push(Problem::at(path, found).help("a limit in kW"));
                }
                Some(_) => {}
            }
        }
        if let BatteryRule::Prices { take_at, give_at } = self.rule
            && give_at.get() <= take_at.get()
        {
            let found = format!("{} is not above {}", give_at.get(), take_at.get());
            problems.push(Problem::at("rule.give_at", found).help("a price above `take_at`"));
        }
        problems
    }

    /// Ready to be used; `transformer`: whether the last limit is one.
    pub(super) fn stationary(&self, grid: &Grid, transformer: bool, hours: f64) -> Stationary {
        let last = grid.limits.len() - usize::from(transformer);
        let hangs = |limit: &usize| *limit >= last || self.under.contains(&grid.limits[*limit].name);
        Stationary { battery: self.clone(), limits: (0..grid.limits.len()).filter(hangs).collect(), hours }
    }
}

impl Stationary {
    pub(super) fn start(&self) -> Store {
        Store { stored_kwh: self.battery.start.get() * self.battery.kwh.get(), ..Store::zeroed() }
    }

    /// How full it is, from 0 to 1.
    pub(super) fn full(&self, store: &Store) -> f64 {
        store.stored_kwh / self.battery.kwh.get()
    }

    /// The largest powers that it can give and take for a step.
    fn reach(&self, store: &Store) -> [f64; 2] {
        let SiteBattery { kwh, kw, charging, discharging, .. } = &self.battery;
        let give = store.stored_kwh * discharging.get() / self.hours;
        let take = (kwh.get() - store.stored_kwh).max(0.0) / (charging.get() * self.hours);
        [give.min(kw.get()), take.min(kw.get())]
    }

    /// Widens the limits by what it can give and take: `-most - take ≤ flow + offset ≤ most + give`.
    pub(super) fn widen(&self, store: &Store, room: &mut Room) {
        let [give, take] = self.reach(store);
        for &limit in &self.limits {
            room.most[limit] += 0.5 * (give + take);
            room.offset[limit] += 0.5 * (take - give);
        }
    }

    /// Adds its power to what its limits carry.
    pub(super) fn add(&self, kw: f64, offset: &mut [f64]) {
        for &limit in &self.limits {
            offset[limit] += kw;
        }
    }

    /// Takes and gives for a step, and returns the energy from the grid (below 0: to it). `room` has the bounds without the
    /// battery and the flows of what cars drew, `kw` is the power of the site without it, `price` that of energy.
    pub(super) fn run(&self, store: &mut Store, room: &Room, kw: f64, price: f64) -> f64 {
        let [give, take] = self.reach(store);
        let wish = match self.battery.rule {
            BatteryRule::Idle => 0.0,
            BatteryRule::Prices { take_at, .. } if price <= take_at.get() => take,
            BatteryRule::Prices { give_at, .. } if price >= give_at.get() => -give,
            BatteryRule::Prices { .. } => 0.0,
            BatteryRule::Level { kw: level } => level.get() - kw,
        };
        let (mut least, mut most) = (-give, take);
        for &limit in &self.limits {
            let flow = room.work.flows[limit].re + room.offset[limit];
            least = least.max((-room.most[limit] - flow).min(take));
            most = most.min((room.most[limit] - flow).max(-give));
        }
        // Where limits contradict each other, what is drawn from the grid counts.
        let power = wish.max(least).min(most);
        let stored = if power > 0.0 {
            power * self.battery.charging.get() * self.hours
        } else {
            power / self.battery.discharging.get() * self.hours
        };
        store.stored_kwh = (store.stored_kwh + stored).clamp(0.0, self.battery.kwh.get());
        store.kw = power;
        store.through_kwh += power.abs() * self.hours;
        power * self.hours
    }
}
