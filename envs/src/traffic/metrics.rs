//! How well a network serves, and how evenly: never the second without the first.
//!
//! Gini and Jain do not change when everybody waits twice as long, so a network in which all stand still looks fair to
//! them: the mean stands beside them, always.

use super::micro::{NONE, Shown, World};
use super::network::Turn;

/// How something is spread over those who have it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Variance of the population.
    pub variance: f64,
    /// What 95 in 100 do not exceed.
    pub p95: f64,
    /// The largest.
    pub max: f64,
    /// Mean of the largest tenth.
    pub worst_decile: f64,
    /// 0 where all have the same, towards 1 where one has everything.
    pub gini: f64,
    /// 1 where all have the same, 1 / count where one has everything.
    pub jain: f64,
    /// Atkinson's index with aversion 0.5.
    pub atkinson: f64,
}

impl Spread {
    /// How these are spread, none of them below zero.
    pub fn of(mut values: Vec<f64>) -> Self {
        if values.is_empty() {
            return Spread { jain: 1.0, ..Spread::default() };
        }
        values.sort_by(f64::total_cmp);
        let count = values.len();
        let n = count as f64;
        let (sum, squares) = (values.iter().sum::<f64>(), values.iter().map(|x| x * x).sum::<f64>());
        let mean = sum / n;
        let ranked: f64 = values.iter().enumerate().map(|(rank, x)| (rank + 1) as f64 * x).sum();
        let roots = values.iter().map(|x| x.sqrt()).sum::<f64>() / n;
        let worst = &values[count - count.div_ceil(10)..];
        let nothing = sum == 0.0;
        Spread {
            count,
            mean,
            variance: values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n,
            p95: values[(0.95 * n) as usize],
            max: values[count - 1],
            worst_decile: worst.iter().sum::<f64>() / worst.len() as f64,
            gini: if nothing { 0.0 } else { 2.0 * ranked / (n * sum) - (n + 1.0) / n },
            jain: if nothing { 1.0 } else { sum * sum / (n * squares) },
            atkinson: if nothing { 0.0 } else { 1.0 - roots * roots / mean },
        }
    }
}

/// What vehicles waited before a movement, those that still wait included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Waits {
    /// Vehicles that came.
    pub vehicles: u32,
    /// Mean wait of one of them.
    pub mean_s: f64,
}

/// What an episode comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// From creation to destination, the unfinished with their time until now.
    pub average_travel_time_s: f64,
    /// Waiting of all vehicles that entered.
    pub waits_s: Spread,
    /// Waiting of those that arrived.
    pub finished_waits_s: Spread,
    /// Mean wait before every movement.
    pub movements: Vec<Waits>,
    /// Mean wait before all movements of a crossing.
    pub crossings: Vec<Waits>,
    /// Mean wait before all movements that turn one way, in the order of [`Turn::ALL`].
    pub turns: [Waits; 3],
}

impl Summary {
    /// Of what has happened so far.
    pub fn of(world: &World, state: Shown<'_>) -> Self {
        let step_s = world.clock.step_s;
        let waits = |finished: bool| {
            let counts = state
                .vehicles
                .iter()
                .filter(|vehicle| if finished { vehicle.left != NONE } else { vehicle.entered != NONE });
            Spread::of(counts.map(|vehicle| f64::from(vehicle.waited) * step_s).collect())
        };
        let mut passed: Vec<(u32, u64)> =
            state.passages.iter().map(|passage| (passage.vehicles, u64::from(passage.waited))).collect();
        for vehicle in 0..state.vehicles.len() as u32 {
            if let Some((movement, waited)) = world.waits_for(state.vehicles, vehicle) {
                passed[movement as usize].0 += 1;
                passed[movement as usize].1 += u64::from(waited);
            }
        }
        let of = |chosen: &dyn Fn(usize) -> bool| {
            let chosen = passed.iter().enumerate().filter(|(movement, _)| chosen(*movement));
            let (vehicles, waited) = chosen.fold((0, 0), |sum, (_, passed)| (sum.0 + passed.0, sum.1 + passed.1));
            Waits { vehicles, mean_s: if vehicles == 0 { 0.0 } else { waited as f64 * step_s / f64::from(vehicles) } }
        };
        let network = &world.network;
        Summary {
            average_travel_time_s: world.average_travel_time_s(&state),
            waits_s: waits(false),
            finished_waits_s: waits(true),
            movements: (0..passed.len()).map(|movement| of(&|this| this == movement)).collect(),
            crossings: network
                .crossings
                .iter()
                .map(|crossing| of(&|movement| crossing.movements.contains(&(movement as u32))))
                .collect(),
            turns: Turn::ALL.map(|turn| of(&|movement| network.movements[movement].turn == turn)),
        }
    }

    /// The longest mean wait before a crossing that somebody used.
    pub fn worst_crossing_s(&self) -> f64 {
        self.crossings.iter().map(|waits| waits.mean_s).fold(0.0, f64::max)
    }

    /// The longest mean wait before a movement that somebody used.
    pub fn worst_movement_s(&self) -> f64 {
        self.movements.iter().map(|waits| waits.mean_s).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-7, "{found} is not {expected}");
    }

    #[test]
    fn known_spreads() {
        for (values, variance, gini, jain, atkinson) in [
            ([10.0, 10.0, 10.0, 10.0], 0.0, 0.0, 1.0, 0.0),
            ([0.0, 0.0, 0.0, 40.0], 300.0, 0.75, 0.25, 0.75),
            ([5.0, 10.0, 15.0, 30.0], 87.5, 0.333333, 0.72, 0.093667),
            ([20.0, 30.0, 50.0, 100.0], 950.0, 0.325, 0.724638, 0.087370),
        ] {
            let spread = Spread::of(values.to_vec());
            close(spread.variance, variance);
            close(spread.gini, gini);
            close(spread.jain, jain);
            close(spread.atkinson, atkinson);
            close(1.0 / (1.0 + spread.variance / (spread.mean * spread.mean)), spread.jain);
        }
        assert_eq!(Spread::of(vec![0.0; 3]).jain, 1.0);
        assert_eq!(Spread::of(Vec::new()).jain, 1.0);
    }
}
