//! Tier 2: when to run what can wait. A queue with ages, power, cooling and a battery, as plain functions.

use bevy_ecs::prelude::Component;
use bytemuck::{Pod, Zeroable};

/// A centre's fixed numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plant {
    /// Servers; work is counted in servers kept busy for a step.
    pub capacity: f64,
    /// The part of arriving work that can wait, 0 to 1.
    pub flexible: f64,
    /// Power of an idle and of a busy server.
    pub idle_kw: f64,
    /// See `idle_kw`.
    pub full_kw: f64,
    /// How heat is moved out.
    pub cooling: Cooling,
    /// Energy that the battery holds; 0 where there is none.
    pub battery_kwh: f64,
    /// Its power, charging and discharging.
    pub battery_kw: f64,
    /// What of the energy is left after charging, and again after discharging.
    pub efficiency: f64,
    /// Charging slows down towards a full battery, discharging towards an empty one: both as if a step were so much longer
    /// (the battery model that SustainDC uses). 0: neither does.
    pub taper_hours: f64,
}

/// How heat is moved out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cooling {
    /// All power is so many times that of the servers.
    Effectiveness(f64),
    /// A chiller with `COP = 5 − 0.1 (T − 25)`, and at least 1.
    Chiller,
}

impl Cooling {
    /// Power of servers and cooling.
    pub fn total_kw(self, servers_kw: f64, ambient_c: f64) -> f64 {
        match self {
            Cooling::Effectiveness(times) => servers_kw * times,
            Cooling::Chiller => servers_kw * (1.0 + 1.0 / (5.0 - 0.1 * (ambient_c - 25.0)).max(1.0)),
        }
    }
}

/// What happens in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circumstances {
    /// Length of the step.
    pub hours: f64,
    /// Work that arrives.
    pub arrivals: f64,
    /// kg of CO₂ per kWh.
    pub carbon: f64,
    /// What a kWh costs.
    pub price: f64,
    /// Temperature outside.
    pub ambient_c: f64,
    /// Litres that cooling evaporates per kWh of the servers.
    pub evaporated: f64,
    /// Litres that the grid uses per kWh.
    pub grid_water: f64,
    /// The battery charges (above 0) or discharges (below 0) with this part of its power, as far as it can.
    pub battery: f64,
}

/// Litres that a cooling tower evaporates per kWh of the servers, by the wet-bulb temperature:
/// `6/5 (6e-5 w³ − 0.01 w² + 0.61 w − 10.4)` with w in degrees Fahrenheit, at least 0.05 (the formula of Liu, Yang, Li, Li & Ren,
/// ICML 2024, code).
pub fn water_effectiveness(wet_bulb_c: f64) -> f64 {
    let w = wet_bulb_c * 1.8 + 32.0;
    (1.2 * (6e-5 * w * w * w - 0.01 * w * w + 0.61 * w - 10.4)).max(0.05)
}

/// What a centre has done in an episode, and its battery.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable, Component)]
pub struct Account {
    /// In the battery.
    pub stored_kwh: f64,
    /// Bought.
    pub energy_kwh: f64,
    /// Emitted.
    pub carbon_kg: f64,
    /// Paid.
    pub cost: f64,
    /// Water used, here and by the grid, litres.
    pub water_l: f64,
    /// Work run, server-steps.
    pub run: f64,
    /// Work that arrived.
    pub arrived: f64,
    /// Work waiting after each step, summed, times hours.
    pub queue_hours: f64,
    /// Work that passed its deadline.
    pub overdue: f64,
    /// The capacity that was open in the step before.
    pub opened: f64,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Work run.
    pub run: f64,
    /// Work waiting afterwards.
    pub queue: f64,
    /// Work that passed its deadline in this step.
    pub overdue: f64,
    /// Of that, work that could not wait and found no room.
    pub crowded_out: f64,
    /// Energy bought; below zero where the battery feeds in.
    pub energy_kwh: f64,
    /// Emitted.
    pub carbon_kg: f64,
    /// Paid.
    pub cost: f64,
    /// Water used, litres.
    pub water_l: f64,
}

/// One step of a centre that opens the part `open` of its capacity, 0 to 1. `waiting[age]` is work that arrived so many steps
/// before; the last entry is work past its deadline, which runs as soon as there is capacity, open or not. So does work
/// that cannot wait and found no room.
pub fn step(plant: &Plant, open: f64, at: &Circumstances, waiting: &mut [f64], account: &mut Account) -> Outcome {
    let late = waiting.len() - 1;
    let urgent = (1.0 - plant.flexible) * at.arrivals;
    waiting[0] += at.arrivals - urgent;
    let first = urgent.min(plant.capacity);
    waiting[late] += urgent - first;
    let (queue, forced) = (waiting.iter().sum::<f64>(), waiting[late]);
    let chosen = (open.clamp(0.0, 1.0) * plant.capacity - first).max(forced);
    let shifted = queue.min(chosen).min(plant.capacity - first).max(0.0);
    let mut left = shifted;
    for work in waiting.iter_mut().rev() {
        let done = work.min(left);
        *work -= done;
        left -= done;
    }
    let run = first + shifted;
    let overdue = waiting[late - 1] + (urgent - first);
    waiting[late] += waiting[late - 1];
    waiting.copy_within(0..late - 1, 1);
    waiting[0] = 0.0;
    let queue: f64 = waiting.iter().sum();
    let busy = plant.idle_kw * plant.capacity + (plant.full_kw - plant.idle_kw) * run;
    let power = plant.cooling.total_kw(busy, at.ambient_c);
    let energy_kwh = power * at.hours + store(plant, at, power, &mut account.stored_kwh);
    let outcome = Outcome {
        run,
        queue,
        overdue,
        crowded_out: urgent - first,
        energy_kwh,
        carbon_kg: energy_kwh * at.carbon,
        cost: energy_kwh * at.price,
        water_l: busy * at.hours * at.evaporated + energy_kwh * at.grid_water,
    };
    account.energy_kwh += outcome.energy_kwh;
    account.carbon_kg += outcome.carbon_kg;
    account.cost += outcome.cost;
    account.water_l += outcome.water_l;
    account.run += run;
    account.arrived += at.arrivals;
    account.queue_hours += queue * at.hours;
    account.overdue += overdue;
    account.opened = open;
    outcome
}

/// Moves energy into the battery or out of it; returns what is bought more (or less) for that. What comes out serves the
/// centre only: nothing is fed in.
fn store(plant: &Plant, at: &Circumstances, power: f64, stored: &mut f64) -> f64 {
    let wish = at.battery.clamp(-1.0, 1.0) * plant.battery_kw * at.hours;
    if wish >= 0.0 {
        // p ≤ room / (η dt + u), and the same the other way.
        let room = (plant.battery_kwh - *stored) * at.hours / (plant.efficiency * at.hours + plant.taper_hours);
        let bought = wish.min(room).max(0.0);
        *stored += bought * plant.efficiency;
        bought
    } else {
        let there = *stored * at.hours / (at.hours / plant.efficiency + plant.taper_hours);
        let given = (-wish).min(there).min(power * at.hours);
        *stored -= given / plant.efficiency;
        -given
    }
}

/// Work to run in every step, at most its `capacity`, so that all is done at the least `Σ worth[s] · run[s]`, each piece at
/// most `patience` steps after it arrived: the optimum of someone who knows everything beforehand. What cannot be done
/// in time is left out.
///
/// Amounts that can be run within their windows form a polymatroid, so taking the best step first and as much as fits
/// is optimal (Edmonds 1970). Running a piece a step later costs the same whatever piece it is, so a price of waiting
/// is a `worth` that rises by it from step to step.
pub fn best_plan(capacity: &[f64], arrivals: &[f64], worth: &[f64], patience: usize) -> Vec<f64> {
    let steps = arrivals.len();
    let mut order: Vec<usize> = (0..steps).collect();
    order.sort_by(|&a, &b| worth[a].total_cmp(&worth[b]));
    let arrived = sums(arrivals);
    let mut run = vec![0.0; steps];
    for step in order {
        // No run of steps may be given more than the work that can run in it. All work is equally patient, so sets of
        // steps with gaps need no bound of their own.
        let planned = sums(&run);
        let until = (step + 1..=steps).map(|last| arrived[last] - planned[last]).fold(f64::INFINITY, f64::min);
        let since = |first: usize| planned[first] - arrived[first.saturating_sub(patience)];
        let from = (0..=step).map(since).fold(f64::INFINITY, f64::min);
        run[step] = capacity[step].min(until + from).max(0.0);
    }
    run
}

/// Sums of the first so many numbers, from none to all.
fn sums(numbers: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let grown = numbers.iter().map(|number| {
        sum += number;
        sum
    });
    std::iter::once(0.0).chain(grown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVALS: [f64; 5] = [6.0, 6.0, 2.0, 2.0, 0.0];
    const CARBON: [f64; 5] = [0.4, 0.5, 0.2, 0.1, 0.1];

    /// Ten servers of 1 kW, nothing else, all work can wait.
    fn plant() -> Plant {
        Plant {
            capacity: 10.0,
            flexible: 1.0,
            idle_kw: 0.0,
            full_kw: 1.0,
            cooling: Cooling::Effectiveness(1.0),
            battery_kwh: 0.0,
            battery_kw: 0.0,
            efficiency: 1.0,
            taper_hours: 0.0,
        }
    }

    fn hour(arrivals: f64, carbon: f64) -> Circumstances {
        Circumstances {
            hours: 1.0,
            arrivals,
            carbon,
            price: 0.0,
            ambient_c: 25.0,
            evaporated: 0.0,
            grid_water: 0.0,
            battery: 0.0,
        }
    }

    #[test]
    fn opening_less_when_the_grid_is_dirty() {
        for (open, run, carbon, queue_hours) in [
            ([1.0; 5], [6.0, 6.0, 2.0, 2.0, 0.0], 6.0, 0.0),
            ([0.4, 0.2, 0.6, 1.0, 1.0], [4.0, 2.0, 6.0, 4.0, 0.0], 4.2, 10.0),
            ([0.2, 0.2, 0.2, 1.0, 1.0], [2.0, 2.0, 2.0, 10.0, 0.0], 3.2, 20.0),
        ] {
            let (mut waiting, mut account) = ([0.0; 25], Account::default());
            for at in 0..5 {
                let hour = hour(ARRIVALS[at], CARBON[at]);
                let outcome = step(&plant(), open[at], &hour, &mut waiting, &mut account);
                assert!((outcome.run - run[at]).abs() < 1e-12, "hour {at}: {outcome:?}");
            }
            assert!((account.carbon_kg - carbon).abs() < 1e-12 && (account.queue_hours - queue_hours).abs() < 1e-12);
            assert_eq!(account.overdue, 0.0);
        }
    }

    #[test]
    fn the_best_plan_of_five_hours() {
        for (price, best) in [(0.0, 1.6), (0.05, 3.5), (0.2, 5.4)] {
            let worth: Vec<f64> = CARBON.iter().enumerate().map(|(at, carbon)| carbon + price * at as f64).collect();
            let run = best_plan(&[10.0; 5], &ARRIVALS, &worth, 24);
            let (mut queue, mut total) = (0.0, 0.0);
            for at in 0..5 {
                queue += ARRIVALS[at] - run[at];
                assert!(queue > -1e-12 && run[at] <= 10.0);
                total += CARBON[at] * run[at] + price * queue;
            }
            assert!(queue.abs() < 1e-12 && (total - best).abs() < 1e-12, "price {price}: {total}, {run:?}");
        }
    }

    /// The same by a linear programme: `piece[t][s]` of what arrived at t runs at s.
    fn programme(capacity: f64, arrivals: &[f64], worth: &[f64], patience: usize) -> Option<f64> {
        use good_lp::{Expression, ProblemVariables, Solution, SolverModel, microlp, variable};
        let (mut variables, steps) = (ProblemVariables::new(), arrivals.len());
        let pieces: Vec<Vec<_>> = (0..steps)
            .map(|t| (t..steps.min(t + patience + 1)).map(|_| variables.add(variable().min(0.0))).collect())
            .collect();
        let mut objective = Expression::default();
        let mut loads = vec![Expression::default(); steps];
        for (t, of) in pieces.iter().enumerate() {
            for (wait, piece) in of.iter().enumerate() {
                objective += worth[t + wait] * *piece;
                loads[t + wait] += *piece;
            }
        }
        let mut model = variables.minimise(objective.clone()).using(microlp);
        for (of, arrived) in pieces.iter().zip(arrivals) {
            model.add_constraint(of.iter().copied().sum::<Expression>().eq(*arrived));
        }
        for load in loads {
            model.add_constraint(load.leq(capacity));
        }
        model.solve().ok().map(|solved| solved.eval(&objective))
    }

    #[test]
    fn the_best_plan_is_the_optimum_of_a_linear_programme() {
        let key = isonomy_engine::noise::Key([7; 8]);
        let mut compared = 0;
        for case in 0..60 {
            let word = |at: u64| f64::from(key.word(case, at) >> 12) / f64::from(1 << 20);
            let steps = 3 + (case as usize % 6);
            let arrivals: Vec<f64> = (0..steps).map(|at| (5.0 * word(at as u64)).floor()).collect();
            let worth: Vec<f64> = (0..steps).map(|at| word(20 + at as u64)).collect();
            let (capacity, patience) = (4.0, case as usize % 4);
            let run = best_plan(&vec![capacity; steps], &arrivals, &worth, patience);
            let Some(best) = programme(capacity, &arrivals, &worth, patience) else { continue };
            let found: f64 = run.iter().zip(&worth).map(|(run, worth)| run * worth).sum();
            assert!((found - best).abs() < 1e-9, "{case}: {found}, {best}, {arrivals:?}, {worth:?}, {run:?}");
            compared += 1;
        }
        assert!(compared > 20, "{compared}");
    }

    #[test]
    fn work_is_neither_lost_nor_made() {
        let plant = Plant { flexible: 0.4, ..plant() };
        let (mut waiting, mut account) = ([0.0; 4], Account::default());
        for at in 0..200 {
            let arrivals = f64::from(at * 37 % 23);
            step(&plant, 0.3, &hour(arrivals, 0.3), &mut waiting, &mut account);
            assert!(waiting.iter().all(|work| *work >= 0.0));
        }
        assert!((account.arrived - account.run - waiting.iter().sum::<f64>()).abs() < 1e-9);
        assert!(account.overdue > 0.0, "eleven a step are too many for ten servers");
    }

    #[test]
    fn what_waited_too_long_runs_whatever_is_open() {
        let (mut waiting, mut account) = ([0.0; 4], Account::default());
        let runs: Vec<f64> = (0..6)
            .map(|at| step(&plant(), 0.0, &hour(if at == 0 { 6.0 } else { 0.0 }, 0.3), &mut waiting, &mut account).run)
            .collect();
        assert_eq!((runs, account.overdue), (vec![0.0, 0.0, 0.0, 6.0, 0.0, 0.0], 6.0));
    }

    #[test]
    fn batteries_lose_what_they_lose() {
        let plant = Plant { battery_kwh: 4.0, battery_kw: 2.0, efficiency: 0.9, idle_kw: 0.1, ..plant() };
        let (mut waiting, mut account) = ([0.0; 3], Account::default());
        let mut energy = |battery: f64| {
            let at = Circumstances { battery, ..hour(0.0, 0.2) };
            step(&plant, 1.0, &at, &mut waiting, &mut account).energy_kwh - 1.0
        };
        let moved = [1.0, 1.0, 1.0, -0.25, -1.0, -1.0, -1.0, -1.0].map(&mut energy);
        let expected = [2.0, 2.0, 0.4444444444444446, -0.5, -1.0, -1.0, -1.0, -0.1];
        for (found, expected) in moved.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{moved:?}");
        }
        assert!(account.stored_kwh.abs() < 1e-12);
    }

    #[test]
    fn batteries_slow_down_towards_their_ends() {
        let plant = Plant { battery_kwh: 4.0, battery_kw: 2.0, taper_hours: 1.0, idle_kw: 0.2, ..plant() };
        let (mut waiting, mut account) = ([0.0; 3], Account::default());
        let mut energy = |battery: f64| {
            let at = Circumstances { battery, ..hour(0.0, 0.2) };
            step(&plant, 1.0, &at, &mut waiting, &mut account).energy_kwh - 2.0
        };
        // Room for 4, then 2, then 1 kWh, half of which a step takes; then half of what is there comes back.
        assert_eq!([1.0, 1.0, 1.0, -1.0, -1.0].map(&mut energy), [2.0, 1.0, 0.5, -1.75, -0.875]);
    }

    #[test]
    fn water_is_evaporated_here_and_used_by_the_grid() {
        assert!((water_effectiveness(20.0) - 1.2 * (6e-5 * 314_432.0 - 46.24 + 41.48 - 10.4)).abs() < 1e-12);
        assert_eq!(water_effectiveness(-10.0), 0.05);
        let at = Circumstances { evaporated: 2.0, grid_water: 3.0, ..hour(4.0, 0.2) };
        let plant = Plant { cooling: Cooling::Effectiveness(1.1), ..plant() };
        let outcome = step(&plant, 1.0, &at, &mut [0.0; 3], &mut Account::default());
        assert!((outcome.water_l - 4.0 * (2.0 + 1.1 * 3.0)).abs() < 1e-12, "{outcome:?}");
    }

    #[test]
    fn chillers_work_harder_when_it_is_hot() {
        assert!((Cooling::Chiller.total_kw(10.0, 25.0) - 12.0).abs() < 1e-12);
        assert!((Cooling::Chiller.total_kw(10.0, 35.0) - 12.5).abs() < 1e-12);
        assert_eq!(Cooling::Chiller.total_kw(10.0, 90.0), 20.0);
    }
}
