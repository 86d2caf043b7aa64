//! Who opens how much.

use super::dynamics::{Centers, Site};
use super::{AHEAD, DataCenters, Waiting, twin};
use crate::data_centers::shifting::best_plan;
use isonomy_engine::gpu::RuleTwin;
use isonomy_engine::lane_controllers;
use isonomy_engine::lanes::{At, LaneController, LaneRule, Shared};
use isonomy_engine::quantity::Probability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
/// Minimises `Σ (w_carbon c + w_cost p + w_water w + w_queue wait) run` with all work done in time, by taking the best hour first
/// (`data_centers::shifting::best_plan`). What can no longer be done by the end of the episode is left over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CleanestHours {}

lane_controllers! {
    DataCenters, |rule| LaneRule::new::<Centers>(rule), |_: &DataCenters| Vec::new();
    RunEverything: "()";
    CarbonThreshold: "(share: 0.4)";
    CleanestHours: "()";
}

impl LaneController<Centers> for RunEverything {
    fn act(&self, centers: &Centers, at: At<'_>, (_, _, day): Shared<'_, Centers>, action: &mut [u32]) {
        let hour = centers.hour(day[0].0, at.elapsed);
        for (site, action) in centers.sites.iter().zip(action) {
            *action = centers.tell(site, hour, 1.0);
        }
    }

    fn twin(&self, centers: &Centers) -> Result<RuleTwin, String> {
        Ok(twin::threshold(centers, AHEAD, 1.0, 1.0))
    }
}

impl LaneController<Centers> for CarbonThreshold {
    fn act(&self, centers: &Centers, at: At<'_>, (_, _, day): Shared<'_, Centers>, action: &mut [u32]) {
        let hour = centers.hour(day[0].0, at.elapsed);
        for (site, action) in centers.sites.iter().zip(action) {
            let clean = site.cleaner(hour) as f64 <= self.share.get() * AHEAD as f64;
            *action = centers.tell(site, hour, if clean { 1.0 } else { self.otherwise.get() });
        }
    }

    fn twin(&self, centers: &Centers) -> Result<RuleTwin, String> {
        let most = (self.share.get() * AHEAD as f64) as usize;
        Ok(twin::threshold(centers, most, 1.0, self.otherwise.get()))
    }
}

impl LaneController<Centers> for CleanestHours {
    fn act(&self, centers: &Centers, at: At<'_>, (_, waiting, day): Shared<'_, Centers>, action: &mut [u32]) {
        let left = (centers.steps - at.elapsed) as usize;
        let queues = waiting.chunks_exact(centers.ages);
        for ((site, waiting), action) in centers.sites.iter().zip(queues).zip(action) {
            let open = centers.best_opening(site, waiting, day[0].0, at.elapsed, left);
            *action = centers.tell(site, centers.hour(day[0].0, at.elapsed), open);
        }
    }

    fn twin(&self, _: &Centers) -> Result<RuleTwin, String> {
        Err("a plan of all steps that are left has no WGSL twin (`CarbonThreshold` has)".to_owned())
    }
}

impl Centers {
    /// The action that opens a part; the battery follows its rule.
    fn tell(&self, site: &Site, hour: usize, open: f64) -> u32 {
        self.action.write(open, self.circumstances(site, hour).battery)
    }

    /// What to open now so as to follow the best plan of the steps that are left.
    fn best_opening(&self, site: &Site, waiting: &[Waiting], day: u32, elapsed: u32, left: usize) -> f64 {
        let (plant, late) = (&site.plant, self.ages - 1);
        let [carbon, cost, water, queue, _] = self.weights;
        let hours = 1.0 / f64::from(self.per_hour);
        let arrivals = |step: usize| site.load[self.hour(day, elapsed + step as u32)];
        let urgent = |step: usize| ((1.0 - plant.flexible) * arrivals(step)).min(plant.capacity);
        let worth: Vec<f64> = (0..left)
            .map(|step| {
                let hour = self.hour(day, elapsed + step as u32);
                let busy = (plant.full_kw - plant.idle_kw) * hours;
                let energy = plant.cooling.total_kw(busy, site.ambient[hour]);
                let here = water * busy * site.evaporated[hour];
                here + energy * (carbon * site.carbon[hour] + cost * site.price[hour] + water * site.water[hour])
                    + queue * hours * step as f64
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
