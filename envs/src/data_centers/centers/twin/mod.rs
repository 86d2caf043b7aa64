//! Centres on a device: their tables and columns for the WGSL beside this file.
//!
//! A workgroup is a lane, an invocation a centre. What compares numbers that hardly differ is compared on the processor, once
//! for every hour: whether a battery charges, and how many hours ahead are cleaner. So decisions of rules are the same on both devices, to
//! the bit; work, energy and what follows from them are sums in 32 bits.

use super::dynamics::{Centers, Site};
use super::{AHEAD, Action, Cost, Day, Waiting};
use crate::data_centers::device::{SHARED, check_steps, real, turns};
use crate::data_centers::shifting::Account;
use crate::wgsl::Constants;
use bytemuck::{Pod, Zeroable};
use isonomy_engine::device_row;
use isonomy_engine::gpu::{Episodes, Home, LaneColumn, LaneTwin, RuleTwin, Table};
use std::fmt::Write;

/// Invocations of a lane, at most.
const MOST_WIDTH: usize = 256;
/// Words of the columns that a workgroup's memory takes: half of what every device has.
const MOST_SHARED: usize = 2048;
/// Words of an account.
const ACCOUNT_WORDS: usize = 10;

/// `Site` of `step.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Place {
    capacity: f32,
    urgent: f32,
    idle_kw: f32,
    busy_kw: f32,
    battery_kwh: f32,
    battery_step_kwh: f32,
    efficiency: f32,
    takes: f32,
    gives: f32,
    hours_at: u32,
}

/// `Hour` of `step.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Hour {
    load: f32,
    carbon: f32,
    price: f32,
    cooled: f32,
    warmth: f32,
    evaporated: f32,
    water: f32,
    charges: u32,
    cleaner: u32,
}

impl Centers {
    /// The centres in WGSL.
    pub(super) fn lane_twin(&self) -> Result<LaneTwin, String> {
        check_steps(self.steps)?;
        let agents = self.sites.len();
        let shared = agents * (ACCOUNT_WORDS + self.ages) <= MOST_SHARED;
        let mut source = self.named();
        source.push_str(if shared { IN_WORKGROUP } else { IN_STORAGE });
        source.push_str(SHARED);
        source.push_str(include_str!("step.wgsl"));
        source.push_str(&self.pay_costs());
        source.push_str(include_str!("view.wgsl"));
        let home = if shared { Home::Workgroup } else { Home::Storage };
        let column = |name, row, home| LaneColumn { name, row, home };
        let columns = vec![
            column(
                "accounts",
                device_row!(Account: stored_kwh energy_kwh carbon_kg cost water_l run arrived queue_hours overdue opened),
                home,
            ),
            column("waiting", device_row!(Waiting: 0), home),
            column("day", device_row!(Day: 0), Home::Workgroup),
        ];
        let width = agents.next_multiple_of(32).min(MOST_WIDTH);
        let own = agents.div_ceil(width) * (3 * self.ages + agents + AHEAD + 16);
        Ok(LaneTwin {
            source: source.into(),
            tables: self.tables(),
            columns,
            width: width as u32,
            episodes: Episodes::Device,
            loops: (own + 4 * agents + 32).min(u32::MAX as usize) as u32,
        })
    }

    fn named(&self) -> String {
        let mut named = Constants::default();
        named.whole("PER_HOUR", self.per_hour as usize);
        named.whole("DAYS", self.days as usize);
        named.whole("AGES", self.ages);
        named.whole("LATE", self.ages - 1);
        named.whole("AHEAD", AHEAD);
        named.real("HOURS", 1.0 / f64::from(self.per_hour));
        let weights = ["CARBON", "COST", "WATER", "QUEUE", "OVERDUE"];
        weights.iter().zip(self.weights).for_each(|(name, weight)| named.real(&format!("WEIGHT_{name}"), weight));
        let action = match self.action {
            Action::Open => "OPEN",
            Action::Levels { .. } => "LEVELS",
            Action::Shift { .. } => "SHIFT",
        };
        named.one_of("ACTION", &["OPEN", "LEVELS", "SHIFT"], action);
        named.whole("CODES", self.action.openings().max(1) as usize);
        named.flag("DECIDES_ON_BATTERY", self.action.decides_on_battery());
        named.0
    }

    /// What is counted as a cost in WGSL.
    fn pay_costs(&self) -> String {
        let mut lines = String::new();
        for (task, cost) in (1..).zip(&self.costs) {
            let amount = match cost {
                Cost::Overdue => "outcome.overdue".to_owned(),
                Cost::CrowdedOut => "outcome.crowded_out".to_owned(),
                Cost::Carbon { budget_kg } => {
                    format!("above_budget(carbon_kg, outcome.carbon_kg, f32({:e}))", real(budget_kg.get()))
                }
            };
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "    rewards[{task}u * AGENTS + agent] = {amount};");
        }
        format!("fn pay_costs(agent: u32, outcome: Outcome, carbon_kg: f32) {{\n{lines}}}\n")
    }

    fn tables(&self) -> Vec<Table> {
        let (mut places, mut hours): (Vec<Place>, Vec<Hour>) = (Vec::new(), Vec::new());
        let mut begin = 0;
        for (index, site) in self.sites.iter().enumerate() {
            // Centres of a group are neighbours, and have the same traces.
            if index == 0 || *site != self.sites[index - 1] {
                begin = hours.len() as u32;
                hours.extend((0..site.carbon.len() - AHEAD).map(|hour| self.told(site, hour)));
                hours.extend((site.carbon.len() - AHEAD..site.carbon.len()).map(|hour| trace(site, hour)));
            }
            places.push(self.place(site, begin));
        }
        vec![Table::new("sites", &places), Table::new("hours", &hours), Table::new("turns", &turns(24 * self.per_hour))]
    }

    fn place(&self, site: &Site, hours_at: u32) -> Place {
        let (plant, hours) = (&site.plant, 1.0 / f64::from(self.per_hour));
        Place {
            capacity: real(plant.capacity),
            urgent: real(1.0 - plant.flexible),
            idle_kw: real(plant.idle_kw * plant.capacity),
            busy_kw: real(plant.full_kw - plant.idle_kw),
            battery_kwh: real(plant.battery_kwh),
            battery_step_kwh: real(plant.battery_kw * hours),
            efficiency: real(plant.efficiency),
            takes: real(hours / (plant.efficiency * hours + plant.taper_hours)),
            gives: real(hours / (hours / plant.efficiency + plant.taper_hours)),
            hours_at,
        }
    }

    /// An hour in which somebody decides.
    fn told(&self, site: &Site, hour: usize) -> Hour {
        let charges = u32::from(self.circumstances(site, hour).battery > 0.0);
        Hour { charges, cleaner: site.cleaner(hour) as u32, ..trace(site, hour) }
    }
}

fn trace(site: &Site, hour: usize) -> Hour {
    Hour {
        load: real(site.load[hour]),
        carbon: real(site.carbon[hour]),
        price: real(site.price[hour]),
        cooled: real(site.plant.cooling.total_kw(1.0, site.ambient[hour])),
        warmth: real(site.ambient[hour] / 25.0),
        evaporated: real(site.evaporated[hour]),
        water: real(site.water[hour]),
        charges: 0,
        cleaner: 0,
    }
}

/// Columns that are in the memory of the workgroup.
const IN_WORKGROUP: &str = "fn account(agent: u32) -> Account { return accounts[agent]; }
fn put_account(agent: u32, it: Account) { accounts[agent] = it; }
fn queued(place: u32) -> f32 { return waiting[place]; }
fn queue_up(place: u32, work: f32) { waiting[place] = work; }
";

/// Columns that are too large for that.
const IN_STORAGE: &str = "fn account(agent: u32) -> Account { return get_accounts(agent); }
fn put_account(agent: u32, it: Account) { set_accounts(agent, it); }
fn queued(place: u32) -> f32 { return get_waiting(place); }
fn queue_up(place: u32, work: f32) { set_waiting(place, work); }
";

/// The rule in WGSL that opens one part where at most `cleaner` of the hours ahead are cleaner, and another where more are.
pub(super) fn threshold(centers: &Centers, cleaner: usize, open: f64, otherwise: f64) -> RuleTwin {
    let mut named = Constants::default();
    named.whole("MOST_CLEANER", cleaner);
    // By whether the battery charges.
    for (name, open) in [("OPENS", open), ("OTHERWISE", otherwise)] {
        let [discharges, charges] = [-1.0, 1.0].map(|battery| centers.action.write(open, battery));
        // Writing to a string cannot fail.
        let _ = writeln!(named.0, "const {name} = vec2<u32>({discharges}u, {charges}u);");
    }
    RuleTwin { source: format!("{}{THRESHOLD}", named.0).into() }
}

const THRESHOLD: &str = "fn act(at: At) {
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        let now = hours[sites[agent].hours_at + hour_of(at.elapsed)];
        let codes = select(OTHERWISE, OPENS, now.cleaner <= MOST_CLEANER);
        actions[agent] = select(codes.x, codes.y, now.charges == 1u);
    }
}
";
