//! How the centres of a lane work, by what they are measured, and what is drawn of a day.

use super::{AHEAD, Action, Cost, Day, FEATURES, Waiting};
use crate::data_centers::shifting::{self, Account, Circumstances, Plant};
use isonomy_engine::figure::{Curve, Drawn, Figure, Kind};
use isonomy_engine::gpu::LaneTwin;
use isonomy_engine::lanes::{At, LaneDynamics, Shared, View};
use isonomy_engine::metrics::{gini, jain};

/// A centre with its traces, hour by hour.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Site {
    pub(super) plant: Plant,
    pub(super) load: Vec<f64>,
    pub(super) carbon: Vec<f64>,
    pub(super) price: Vec<f64>,
    pub(super) ambient: Vec<f64>,
    /// Litres per kWh, here and by the grid.
    pub(super) evaporated: Vec<f64>,
    pub(super) water: Vec<f64>,
}

/// How the centres of a lane work.
pub(in crate::data_centers) struct Centers {
    pub(super) sites: Vec<Site>,
    pub(super) per_hour: u32,
    pub(super) steps: u32,
    pub(super) days: u32,
    /// Entries of a queue: the steps of the deadline, and one for what is past it.
    pub(super) ages: usize,
    /// Of carbon, cost, water, queue and what is overdue.
    pub(super) weights: [f64; 5],
    pub(super) action: Action,
    pub(super) costs: Vec<Cost>,
    pub(super) names: Vec<String>,
}

impl Site {
    /// How many of the hours ahead are cleaner than this one.
    pub(super) fn cleaner(&self, hour: usize) -> usize {
        self.carbon[hour..][..=AHEAD].iter().filter(|carbon| **carbon < self.carbon[hour]).count()
    }
}

impl Centers {
    pub(super) fn hour(&self, day: u32, elapsed: u32) -> usize {
        24 * day as usize + (elapsed / self.per_hour) as usize
    }

    pub(super) fn circumstances(&self, site: &Site, hour: usize) -> Circumstances {
        let later: f64 = site.carbon[hour + 1..][..AHEAD].iter().sum::<f64>() / AHEAD as f64;
        Circumstances {
            hours: 1.0 / f64::from(self.per_hour),
            arrivals: site.load[hour],
            carbon: site.carbon[hour],
            price: site.price[hour],
            ambient_c: site.ambient[hour],
            evaporated: site.evaporated[hour],
            grid_water: site.water[hour],
            battery: if site.carbon[hour] < later { 1.0 } else { -1.0 },
        }
    }

    /// No step pays more or less.
    pub(super) fn bounds(&self) -> (f32, f32) {
        let [carbon, cost, water, queue, overdue] = self.weights;
        let worst = |site: &Site| {
            let most = |values: &[f64]| values.iter().map(|value| value.abs()).fold(0.0, f64::max);
            let plant = &site.plant;
            let warmest = site.ambient.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let power = plant.cooling.total_kw(plant.full_kw * plant.capacity, warmest) + plant.battery_kw;
            let energy = power / f64::from(self.per_hour);
            let work = most(&site.load);
            let litres = most(&site.evaporated) + most(&site.water);
            energy * (carbon * most(&site.carbon) + cost * most(&site.price) + water * litres)
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
        let (hour, agents) = (self.hour(day[0].0, at.elapsed), self.sites.len());
        let queues = waiting.chunks_exact_mut(self.ages);
        for (agent, (((site, account), waiting), action)) in
            self.sites.iter().zip(accounts).zip(queues).zip(action).enumerate()
        {
            let outcome = self.work(site, *action, hour, account, bytemuck::cast_slice_mut(waiting));
            let [carbon, cost, water, queue, overdue] = self.weights;
            let pays = carbon * outcome.carbon_kg
                + cost * outcome.cost
                + water * outcome.water_l
                + queue * outcome.queue / f64::from(self.per_hour)
                + overdue * outcome.overdue;
            reward[agent] = -pays as f32;
            for (task, cost) in (1..).zip(&self.costs) {
                reward[task * agents + agent] = cost.amount(&outcome, account) as f32;
            }
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
            rest[10] = site.evaporated[hour] + site.water[hour];
            features.iter_mut().zip(seen).for_each(|(feature, seen)| *feature = seen as f32);
        }
    }

    fn measures(&self) -> Vec<String> {
        let names = [
            "energy_kwh",
            "carbon_kg",
            "cost",
            "water_l",
            "queue_hours",
            "overdue",
            "left_over",
            "run_share",
            "carbon_jain",
            "carbon_gini",
            "water_jain",
            "wait_jain",
            "wait_worst_hours",
        ];
        names.map(str::to_owned).to_vec()
    }

    fn measure(&self, (accounts, waiting, _): Shared<'_, Self>, measures: &mut [f64]) {
        let sum = |of: fn(&Account) -> f64| accounts.iter().map(of).sum::<f64>();
        let arrived = sum(|account| account.arrived);
        let [carbon, water] = [
            self.per_server(accounts, |account| account.carbon_kg),
            self.per_server(accounts, |account| account.water_l),
        ];
        let waits = self.waits(accounts);
        measures.copy_from_slice(&[
            sum(|account| account.energy_kwh),
            sum(|account| account.carbon_kg),
            sum(|account| account.cost),
            sum(|account| account.water_l),
            sum(|account| account.queue_hours),
            sum(|account| account.overdue),
            waiting.iter().map(|work| work.0).sum(),
            if arrived > 0.0 { sum(|account| account.run) / arrived } else { 1.0 },
            jain(&carbon),
            gini(&carbon),
            jain(&water),
            jain(&waits),
            waits.iter().copied().fold(0.0, f64::max),
        ]);
    }

    fn traces(&self) -> usize {
        self.sites.len() * NOTED
    }

    /// Makes the step on a copy.
    fn trace(&self, at: At<'_>, action: &[u32], (accounts, waiting, day): Shared<'_, Self>, traces: &mut [f64]) {
        let hour = self.hour(day[0].0, at.elapsed);
        let queues = waiting.chunks_exact(self.ages);
        for ((((site, account), waiting), action), traces) in
            self.sites.iter().zip(accounts).zip(queues).zip(action).zip(traces.chunks_exact_mut(NOTED))
        {
            let (mut account, mut waiting): (Account, Vec<f64>) =
                (*account, waiting.iter().map(|work| work.0).collect());
            let outcome = self.work(site, *action, hour, &mut account, &mut waiting);
            let share = |work: f64| 100.0 * work / site.plant.capacity;
            let stored =
                if site.plant.battery_kwh > 0.0 { 100.0 * account.stored_kwh / site.plant.battery_kwh } else { 0.0 };
            traces.copy_from_slice(&[
                share(site.load[hour]),
                share(outcome.run),
                site.carbon[hour],
                share(outcome.queue),
                stored,
            ]);
        }
    }

    fn draw(&self, (accounts, _, _): Shared<'_, Self>, traces: &[f64]) -> Drawn {
        let by = 1.0 / f64::from(self.per_hour);
        let column = |site: usize, what: usize| traces.iter().skip(site * NOTED + what).step_by(self.traces()).copied();
        let line = |name: &str, kind, site, what, times: f64| {
            Curve::even(name, kind, by, by, column(site, what).map(move |number| number * times))
        };
        let figure = |title: String, y: &str, curves, note: &str| Figure {
            title,
            note: note.to_owned(),
            x: "hours since midnight".to_owned(),
            y: y.to_owned(),
            ticks: [3.0, 6.0, 12.0, 24.0].into_iter().find(|t| (4.0..=8.0).contains(&(f64::from(self.steps) * by / t))),
            curves,
        };
        let shown = 0..self.sites.len().min(MOST_SHOWN);
        let shifted = shown.clone().map(|site| {
            let dirtiest = column(site, 2).fold(f64::MIN_POSITIVE, f64::max);
            let curves = vec![
                line("work that arrives", Kind::Line, site, 0, 1.0),
                line("work that runs", Kind::Line, site, 1, 1.0),
                line("carbon intensity, % of its highest", Kind::Limit, site, 2, 100.0 / dirtiest),
            ];
            figure(
                format!("When {} works", self.names[site]),
                "% of the servers",
                curves,
                "Work is moved well where it runs in the dotted line's valleys.",
            )
        });
        let mut figures: Vec<Figure> = shifted.collect();
        let of_all = |what| shown.clone().map(|site| line(&self.names[site], Kind::Line, site, what, 1.0)).collect();
        figures.push(figure("Work that waits".to_owned(), "% of what the servers do in a step", of_all(3), ""));
        if self.sites.iter().any(|site| site.plant.battery_kwh > 0.0) {
            figures.push(figure("What batteries hold".to_owned(), "% of what they can", of_all(4), ""));
        }
        let carbon = self.per_server(accounts, |account| account.carbon_kg);
        figures.push(Figure::sorted("Whose work is dirty", "centres", "kg of CO₂ per server", &carbon));
        figures.push(Figure::sorted("Whose work waits", "centres", "hours that work waits", &self.waits(accounts)));
        let metrics = ["carbon_kg", "cost", "water_l", "queue_hours", "overdue", "carbon_jain", "wait_jain"];
        Drawn { metrics: metrics.map(str::to_owned).to_vec(), figures }
    }

    fn twin(&self) -> Result<LaneTwin, String> {
        self.lane_twin()
    }
}

/// Numbers of a centre that are drawn: what arrives, what runs, carbon, what waits, what is stored.
const NOTED: usize = 5;
/// Centres that are drawn.
const MOST_SHOWN: usize = 6;

impl Centers {
    /// One step of a centre.
    fn work(
        &self,
        site: &Site,
        action: u32,
        hour: usize,
        account: &mut Account,
        waiting: &mut [f64],
    ) -> shifting::Outcome {
        let mut circumstances = self.circumstances(site, hour);
        let (open, battery) = self.action.read(action, site.load[hour] / site.plant.capacity);
        circumstances.battery = battery.unwrap_or(circumstances.battery);
        shifting::step(&site.plant, open, &circumstances, waiting, account)
    }

    fn per_server(&self, accounts: &[Account], of: fn(&Account) -> f64) -> Vec<f64> {
        accounts.iter().zip(&self.sites).map(|(account, site)| of(account) / site.plant.capacity).collect()
    }

    /// How long a unit of work waited at every centre on average, hours.
    fn waits(&self, accounts: &[Account]) -> Vec<f64> {
        let wait = |account: &Account| if account.arrived > 0.0 { account.queue_hours / account.arrived } else { 0.0 };
        accounts.iter().map(wait).collect()
    }
}
