//! Rules that plan: model predictive control, and the best that could have been done.

use super::named::check;
use super::program::{Goal, Load, Scene, Terms, solve};
use crate::ev_charging::dynamics::{Call, Charging};
use crate::ev_charging::step::{self, Bay, Lane, Meter, PLUGGED, Stay, TO_COME};
use bytemuck::Zeroable;
use isonomy_engine::controller::{Controller, Rule};
use isonomy_engine::environment::Environment;
use isonomy_engine::lanes::{At, LaneController, LaneRule, Shared};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

/// The best that could have been done: plans the whole day at its beginning, and knows all that is going to happen.
/// EvCharging only.
///
/// Nobody can act so; it is what others are measured by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfflineOptimum {
    /// What is best.
    pub objective: Objective,
}

/// What is best.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Objective {
    /// The largest energy.
    Energy,
    /// The smallest cost of the largest energy.
    Cost,
    /// The smallest emissions of the largest energy.
    Carbon,
    /// The largest smallest served share, then the largest energy.
    MaxMin,
    /// The largest `Σ f^(1-α)/(1-α)` of served shares.
    AlphaFair {
        /// 1 is proportional fairness.
        alpha: Positive,
    },
}

/// Plans some steps ahead for the cars that are there, does the first, and plans anew (MPC). EvCharging only.
///
/// Maximises a weighted sum, as adacharge does (Lee et al., *Adaptive Charging Networks*, IEEE TSG 2021). Cars leave when
/// they said; who is overdue is taken to stay for one more step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelPredictive {
    /// Steps ahead.
    #[serde(default = "twelve")]
    pub lookahead: NonZeroU32,
    /// What a kWh is worth.
    #[serde(default = "one")]
    pub energy: NonNegative,
    /// What a kWh is worth in addition if it comes at once; nothing in the last step, the more the sooner.
    #[serde(default = "one")]
    pub quick: NonNegative,
    /// Weight of `-Σ I²`: equal shares, as a tie-break.
    #[serde(default = "little")]
    pub equal_share: NonNegative,
    /// Weight of what the energy costs.
    #[serde(default = "nothing")]
    pub cost: NonNegative,
    /// Weight of the price of the peak.
    #[serde(default = "nothing")]
    pub demand_charge: NonNegative,
    /// Price of emissions, per kg.
    #[serde(default = "nothing")]
    pub carbon: NonNegative,
    /// Weight of `-Σ P²`, other loads included.
    #[serde(default = "nothing")]
    pub flatten: NonNegative,
}

fn twelve() -> NonZeroU32 {
    NonZeroU32::new(12).expect("not 0")
}

fn one() -> NonNegative {
    NonNegative::new(1.0).expect("not negative")
}

fn little() -> NonNegative {
    NonNegative::new(1e-6).expect("not negative")
}

fn nothing() -> NonNegative {
    NonNegative::new(0.0).expect("not negative")
}

/// Bounds and loads of the limits in some steps.
struct Ahead {
    most: Vec<f64>,
    offset: Vec<f64>,
}

impl Charging {
    /// Limits of `steps` steps from that of the meter on, as far as `calls` are known.
    fn ahead(&self, meter: &Meter, calls: &[Call], steps: usize, known: bool) -> Ahead {
        let mut ahead = Ahead { most: Vec::new(), offset: Vec::new() };
        let told: Vec<Call> = calls.iter().copied().filter(|call| known || call.announced <= meter.t).collect();
        self.with_room(|room| {
            for step in 0..steps as u32 {
                self.bounds(&Meter { t: meter.t + step, ..*meter }, &told, room);
                ahead.most.extend_from_slice(&room.most);
                ahead.offset.extend_from_slice(&room.offset);
            }
        });
        ahead
    }

    /// The largest current that a car takes.
    fn most_amps(&self, station: usize, most_kw: f64) -> f64 {
        let station = &self.site.grid.stations[station];
        station.pilots.most.min(most_kw / station.kw_per_amp)
    }
}

/// Currents of a whole day, `[steps, stations]`.
type Plan = Arc<Vec<f32>>;

/// Plans by lane and episode, and by what they are plans for: lanes that live through the same day share one.
#[derive(Default)]
struct Plans {
    lanes: HashMap<usize, (u64, Plan)>,
    known: HashMap<Vec<u8>, Plan>,
}

struct Planned {
    objective: Objective,
    plans: Mutex<Plans>,
}

/// More plans than this are not remembered.
const MOST_PLANS: usize = 4096;

impl LaneController<Charging> for Planned {
    fn act(&self, dynamics: &Charging, at: At<'_>, state: Shared<'_, Charging>, action: &mut [u32]) {
        let (stays, meter, calls) = (state.1, &state.2[0], state.3);
        let plan = self.plan(dynamics, at, stays, meter, calls);
        let stations = dynamics.site.grid.stations.len();
        let amps: Vec<f64> =
            plan[meter.t as usize * stations..][..stations].iter().map(|amps| f64::from(*amps)).collect();
        dynamics.write(&amps, action);
    }
}

impl Planned {
    fn plan(&self, dynamics: &Charging, at: At<'_>, stays: &[Stay], meter: &Meter, calls: &[Call]) -> Plan {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((episode, plan)) = plans.lanes.get(&at.lane)
            && *episode == at.episode
        {
            return plan.clone();
        }
        let (stays, meter) = afresh(dynamics, stays, meter);
        let mut key: Vec<u8> = bytemuck::cast_slice(&stays).to_vec();
        key.extend_from_slice(bytemuck::bytes_of(&meter));
        key.extend_from_slice(bytemuck::cast_slice(calls));
        if plans.known.len() >= MOST_PLANS {
            plans.known.clear();
        }
        let plan =
            plans.known.entry(key).or_insert_with(|| Arc::new(self.solve(dynamics, &stays, &meter, calls))).clone();
        plans.lanes.insert(at.lane, (at.episode, plan.clone()));
        plan
    }

    fn solve(&self, dynamics: &Charging, stays: &[Stay], meter: &Meter, calls: &[Call]) -> Vec<f32> {
        let (steps, stations) = (dynamics.clock.steps() as usize, dynamics.site.grid.stations.len());
        let came: Vec<&Stay> = stays.iter().filter(|stay| stay.status == PLUGGED).collect();
        let load = |stay: &&Stay| Load {
            station: stay.station as usize,
            from: stay.arrival as usize,
            to: (stay.departure as usize).min(steps),
            requested_kwh: stay.requested_kwh,
            had_kwh: 0.0,
            most_amps: dynamics.most_amps(stay.station as usize, stay.most_kw),
        };
        let loads: Vec<Load> = came.iter().map(load).collect();
        let Ahead { most, offset } = dynamics.ahead(meter, calls, steps, true);
        let (signals, day) = (&dynamics.signals, meter.day);
        let each = |price: &dyn Fn(u32) -> f64| (0..steps as u32).map(price).collect();
        let goal = match self.objective {
            Objective::Energy => Goal::Energy,
            Objective::Cost => Goal::Cost(each(&|t| signals.at(&signals.buy, day, t))),
            Objective::Carbon => Goal::Cost(each(&|t| f64::from(signals.emissions.rate(day as usize, t)))),
            Objective::MaxMin => Goal::MaxMin,
            Objective::AlphaFair { alpha } => Goal::AlphaFair(alpha.get()),
        };
        let (grid, hours) = (&dynamics.site.grid, dynamics.site.hours);
        let scene = Scene { grid, hours, most: &most, offset: &offset, steps, loads: &loads };
        let mut plan = vec![0.0; steps * stations];
        for (load, amps) in loads.iter().zip(solve(scene, &goal)) {
            for (step, amps) in (load.from..).zip(amps) {
                plan[step * stations + load.station] = amps as f32;
            }
        }
        plan
    }
}

/// The day as it was before it began, and who is plugged in where and from when on: that does not depend on what is
/// charged. `status` says who finds a station, `arrival` when.
fn afresh(dynamics: &Charging, stays: &[Stay], meter: &Meter) -> (Vec<Stay>, Meter) {
    let mut stays: Vec<Stay> = stays[..meter.sessions as usize].to_vec();
    for stay in &mut stays {
        (stay.status, stay.delivered_kwh) = (TO_COME, 0.0);
    }
    let mut bays = vec![Bay::zeroed(); dynamics.site.grid.stations.len()];
    let (day, sessions) = (meter.day, meter.sessions);
    let mut meter = Meter::zeroed();
    step::start(day, sessions, &mut Lane { bays: &mut bays, stays: &mut stays, meter: &mut meter });
    let mut plugged = vec![u32::MAX; stays.len()];
    for t in 0..dynamics.clock.steps() {
        for bay in bays.iter().filter(|bay| bay.session != 0) {
            let at = &mut plugged[bay.session as usize - 1];
            *at = (*at).min(t);
        }
        step::tick(&mut Lane { bays: &mut bays, stays: &mut stays, meter: &mut meter });
    }
    for (stay, plugged) in stays.iter_mut().zip(plugged) {
        (stay.status, stay.delivered_kwh) = (TO_COME, 0.0);
        if plugged != u32::MAX {
            (stay.arrival, stay.status) = (plugged, PLUGGED);
        }
    }
    (stays, Meter { day, sessions, ..Meter::zeroed() })
}

impl LaneController<Charging> for ModelPredictive {
    fn act(&self, dynamics: &Charging, _: At<'_>, state: Shared<'_, Charging>, action: &mut [u32]) {
        let (bays, meter, calls) = (state.0, &state.2[0], state.3);
        let left = dynamics.clock.steps() - meter.t;
        let steps = self.lookahead.get().min(left) as usize;
        let active = (0..bays.len()).filter(|&station| bays[station].active());
        let load = |station: usize| {
            let bay = &bays[station];
            Load {
                station,
                from: 0,
                to: (bay.est_departure.saturating_sub(meter.t).max(1) as usize).min(steps),
                requested_kwh: bay.requested_kwh,
                had_kwh: bay.delivered_kwh(),
                most_amps: dynamics.site.grid.stations[station].pilots.most,
            }
        };
        let loads: Vec<Load> = active.map(load).collect();
        let Ahead { most, offset } = dynamics.ahead(meter, calls, steps, false);
        let (grid, hours) = (&dynamics.site.grid, dynamics.site.hours);
        let scene = Scene { grid, hours, most: &most, offset: &offset, steps, loads: &loads };
        let currents = solve(scene, &Goal::Terms(self.terms(dynamics, meter, steps)));
        let mut amps = vec![0.0; bays.len()];
        for (load, own) in loads.iter().zip(currents) {
            amps[load.station] = own[0];
        }
        dynamics.write(&amps, action);
    }
}

impl ModelPredictive {
    fn terms(&self, dynamics: &Charging, meter: &Meter, steps: usize) -> Terms {
        let (signals, day) = (&dynamics.signals, meter.day);
        let emissions = &signals.emissions;
        // What is ahead is known as far as the forecast goes; then the last of it holds.
        let rate = |step: usize| match step.min(emissions.forecasts()) {
            0 => f64::from(emissions.rate(day as usize, meter.t)),
            known => f64::from(emissions.forecast(day as usize, meter.t)[known - 1]),
        };
        let worth = |step: usize| {
            let quick = self.quick.get() * (steps - step) as f64 / steps as f64;
            let price = signals.at(&signals.buy, day, meter.t + step as u32);
            self.energy.get() + quick - self.cost.get() * price - self.carbon.get() * rate(step)
        };
        let load = |step: usize| signals.at(&signals.load, day, meter.t + step as u32);
        let demand = self.demand_charge.get() * signals.demand_charge[day as usize];
        Terms {
            worth: (0..steps).map(worth).collect(),
            equal_share: self.equal_share.get(),
            flatten: self.flatten.get(),
            load: (0..steps).map(load).collect(),
            peak: (demand > 0.0).then_some((demand, meter.peak_kw)),
        }
    }
}

#[typetag::serde]
impl Controller for OfflineOptimum {
    fn rule(&self, _: &dyn Environment) -> Rule {
        Rule::Lane(LaneRule::new(Planned { objective: self.objective, plans: Mutex::default() }))
    }

    fn check(&self, environment: &dyn Environment) -> Vec<Problem> {
        check(environment)
    }
}

#[typetag::serde]
impl Controller for ModelPredictive {
    fn rule(&self, _: &dyn Environment) -> Rule {
        Rule::Lane(LaneRule::new(*self))
    }

    fn check(&self, environment: &dyn Environment) -> Vec<Problem> {
        check(environment)
    }
}

isonomy_engine::plugin!(Controller: OfflineOptimum, "(objective: AlphaFair(alpha: 1))");
isonomy_engine::plugin!(Controller: ModelPredictive, "(lookahead: 12)");
