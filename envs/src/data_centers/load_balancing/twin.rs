//! Regions on a device: their tables and columns for the WGSL beside this file. A workgroup is a lane, an invocation a region.

use super::{Burden, FairHours, Regions};
use crate::data_centers::centers::Day;
use crate::data_centers::device::{SHARED, check_steps, real, turns};
use crate::wgsl::Constants;
use bytemuck::{Pod, Zeroable};
use isonomy_engine::device_row;
use isonomy_engine::gpu::{Episodes, Home, LaneColumn, LaneTwin, RuleTwin, Table};

/// `Region` of `step.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Region {
    capacity: f32,
    hours_at: u32,
}

impl Regions {
    /// The regions in WGSL.
    pub(super) fn lane_twin(&self) -> Result<LaneTwin, String> {
        check_steps(self.hours)?;
        let count = self.count();
        let mut named = Constants::default();
        named.whole("DAYS", self.days as usize);
        named.real("ALL", self.capacity.iter().sum());
        named.real("WEIGHT_CARBON", self.carbon_weight);
        named.real("WEIGHT_WATER", self.water_weight);
        let length = self.load.len();
        let region =
            |(index, capacity): (usize, &f64)| Region { capacity: real(*capacity), hours_at: (index * length) as u32 };
        let regions: Vec<Region> = self.capacity.iter().enumerate().map(region).collect();
        let hours = |r: usize| {
            (0..length).map(move |hour| [&self.price, &self.carbon, &self.water].map(|of| real(of[r][hour])))
        };
        let hours: Vec<[f32; 3]> = (0..count).flat_map(hours).collect();
        let loads: Vec<f32> = self.load.iter().copied().map(real).collect();
        let column = |name, row| LaneColumn { name, row, home: Home::Workgroup };
        Ok(LaneTwin {
            source: format!("{}{SHARED}{}", named.0, include_str!("step.wgsl")).into(),
            tables: vec![
                Table::new("regions", &regions),
                Table::new("hours", &hours),
                Table::new("loads", &loads),
                Table::new("turns", &turns(24)),
            ],
            columns: vec![
                column("burdens", device_row!(Burden: load cost carbon water refused)),
                column("day", device_row!(Day: 0)),
            ],
            width: count.next_multiple_of(32) as u32,
            episodes: Episodes::Device,
            // Rounds in which somebody is full, pairs that are compared, and the halvings of a rule.
            loops: (5 * count * count + 100 * count + 64) as u32,
        })
    }
}

/// [`FairHours`] in WGSL.
pub(super) fn fair(rule: &FairHours) -> Result<RuleTwin, String> {
    let (carbon, water) = (rule.mu.get(), rule.mu_water.get());
    if carbon > 0.0 && water > 0.0 {
        return Err("prices on carbon and on water at once have no WGSL twin (one of them has)".to_owned());
    }
    let mut named = Constants::default();
    named.real("MU", carbon.max(water));
    let burden = if water > 0.0 { "water" } else { "carbon" };
    let burden = format!("fn burden_of(now: Hour) -> f32 {{ return now.{burden}; }}\n");
    Ok(RuleTwin { source: format!("{}{burden}{}", named.0, include_str!("fair.wgsl")).into() })
}
