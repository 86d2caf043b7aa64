//! Tier 3: where to run what arrives. `Σ x_r = load`, `0 ≤ x_r ≤ cap_r`, at the least
//! `Σ price_r x_r + μ max_r carbon_r x_r + μ_w max_r water_r x_r`.
//! Environmentally equitable balancing after Li, Yang, Wierman & Ren, arXiv 2307.05494 (2023).

/// A region as it is now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// The most that it can take.
    pub capacity: f64,
    /// What a unit of load costs there.
    pub price: f64,
    /// What a unit of load emits there.
    pub carbon: f64,
    /// Water that a unit of load uses there.
    pub water: f64,
}

/// Prices of the worst region's burdens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burdens {
    /// Of its carbon.
    pub carbon: f64,
    /// Of its water.
    pub water: f64,
}

/// Fills regions from the lowest `price` up, each to its `most`. Returns the last price that was needed; infinite where
/// they cannot take everything.
pub fn fill(load: f64, prices: &[f64], most: &[f64], share: &mut [f64]) -> f64 {
    share.fill(0.0);
    let (mut left, mut last) = (load, f64::NEG_INFINITY);
    while left > 0.0 {
        // Nobody is taken twice: whoever has been is full, or nothing is left.
        let open = (0..prices.len()).filter(|&r| share[r] == 0.0 && most[r] > 0.0);
        let Some(next) = open.min_by(|&a, &b| prices[a].total_cmp(&prices[b])) else { return f64::INFINITY };
        share[next] = left.min(most[next]);
        left -= share[next];
        last = prices[next];
    }
    last
}

/// The shares that cost least where the worst region's carbon and the worst region's water have prices. Shares are written for
/// as much as the regions can take.
///
/// With one of the prices zero, bisection finds the other one's level (`level`). With both, what a level of carbon comes to,
/// the best level of water with it, is convex: its least value is bracketed by thirds.
pub fn optimum(load: f64, regions: &[Region], mu: Burdens, share: &mut [f64]) {
    let carbon: [f64; MOST] = std::array::from_fn(|r| regions.get(r).map_or(0.0, |region| region.carbon));
    let water: [f64; MOST] = std::array::from_fn(|r| regions.get(r).map_or(0.0, |region| region.water));
    let mut room: [f64; MOST] = std::array::from_fn(|r| regions.get(r).map_or(0.0, |region| region.capacity));
    if mu.water == 0.0 {
        return level(load, regions, &room, &carbon, mu.carbon, share);
    }
    if mu.carbon == 0.0 {
        return level(load, regions, &room, &water, mu.water, share);
    }
    let mut total = |most: f64, share: &mut [f64]| {
        for (room, region) in room.iter_mut().zip(regions) {
            *room = below(region.capacity, most, region.carbon);
        }
        level(load, regions, &room, &water, mu.water, share);
        let given: f64 = share.iter().sum();
        let cost: f64 = regions.iter().zip(&*share).map(|(region, share)| region.price * share).sum();
        let worst = regions.iter().zip(&*share).map(|(region, share)| region.water * share).fold(0.0, f64::max);
        if given < load * (1.0 - 1e-12) { f64::INFINITY } else { cost + mu.water * worst + mu.carbon * most }
    };
    let top = regions.iter().map(|region| region.carbon * region.capacity).fold(0.0, f64::max);
    let (mut low, mut high) = (0.0, top);
    for _ in 0..100 {
        let third = (high - low) / 3.0;
        let (left, right) = (total(low + third, share), total(high - third, share));
        // Levels below what the load needs are no choice at all.
        if left <= right && left.is_finite() { high -= third } else { low += third }
    }
    total(high, share);
}

/// What a region takes at most where its burden is held to a level.
fn below(capacity: f64, level: f64, burden: f64) -> f64 {
    if burden > 0.0 { capacity.min(level / burden) } else { capacity }
}

/// The shares that cost least where one burden of the worst region has the price `mu`, and regions have so much `room`.
///
/// For a given worst burden, cheap regions are filled first; how the cost changes with that level follows from the
/// regions that it holds down, and where it outweighs `mu` is found by bisection.
fn level(load: f64, regions: &[Region], room: &[f64], burden: &[f64], mu: f64, share: &mut [f64]) {
    let (mut most, mut prices) = ([0.0; MOST], [0.0; MOST]);
    let (most, prices) = (&mut most[..regions.len()], &mut prices[..regions.len()]);
    prices.iter_mut().zip(regions).for_each(|(price, region)| *price = region.price);
    let fill_below = |level: f64, most: &mut [f64], share: &mut [f64]| {
        for (most, (room, burden)) in most.iter_mut().zip(room.iter().zip(burden)) {
            *most = below(*room, level, *burden);
        }
        fill(load, prices, most, share)
    };
    let top = room.iter().zip(burden).map(|(room, burden)| room * burden).fold(0.0, f64::max);
    let (mut low, mut high) = (0.0, top);
    for _ in 0..100 {
        let level = 0.5 * (low + high);
        let last = fill_below(level, most, share);
        // What a little more of the burden saves: those held down take load from the last one.
        let saved: f64 = (0..regions.len())
            .filter(|&r| most[r] < room[r] && burden[r] > 0.0)
            .map(|r| (last - regions[r].price).max(0.0) / burden[r])
            .sum();
        if saved > mu {
            low = level;
        } else {
            high = level;
        }
    }
    fill_below(high, most, share);
}

/// Regions that a lane holds at most.
pub const MOST: usize = 64;

/// The shares of someone who does not know what is to come: what regions have borne so far sets prices on their carbon and
/// water, `mu · exp(rate · borne_r) / Σ exp(rate · borne)`, and load goes where all prices together are least.
///
/// That is mirror descent with entropy on the multipliers of `max_r carbon_r = max_κ Σ κ_r carbon_r`, κ on the simplex, and of
/// water alike.
pub fn online(load: f64, regions: &[Region], mu: Burdens, rate: f64, borne: [&[f64]; 2], share: &mut [f64]) {
    let [carbon, water] = borne.map(|borne| {
        let top = borne.iter().copied().fold(0.0, f64::max);
        let sum: f64 = borne.iter().map(|borne| (rate * (borne - top)).exp()).sum();
        move |r: usize| (rate * (borne[r] - top)).exp() / sum
    });
    let (mut prices, mut most) = ([0.0; MOST], [0.0; MOST]);
    for (r, region) in regions.iter().enumerate() {
        prices[r] = region.price + mu.carbon * carbon(r) * region.carbon + mu.water * water(r) * region.water;
        most[r] = region.capacity;
    }
    fill(load, &prices[..regions.len()], &most[..regions.len()], share);
}

/// The shares that weights ask for: proportional to them, but nobody gets more than it can take, and what is left goes
/// to the others. Without any weight, or where those with weight are full, by the room that is left.
pub fn proportional(load: f64, regions: &[Region], weights: &[f64], share: &mut [f64]) {
    share.fill(0.0);
    let mut left = load;
    for _ in 0..=2 * regions.len() {
        let room = |r: usize, share: &[f64]| regions[r].capacity - share[r];
        let weighted: f64 = (0..regions.len()).filter(|&r| room(r, share) > 0.0).map(|r| weights[r]).sum();
        let spare: f64 = (0..regions.len()).map(|r| room(r, share)).sum();
        if left <= 1e-12 * load || spare <= 1e-12 * load {
            return;
        }
        let mut given = 0.0;
        for r in 0..regions.len() {
            let own = if weighted > 0.0 { weights[r] / weighted } else { room(r, share) / spare };
            let more = (left * own).min(room(r, share));
            share[r] += more;
            given += more;
        }
        left -= given;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions() -> [Region; 3] {
        let region = |carbon, price| Region { capacity: 8.0, price, carbon, water: 0.0 };
        [region(0.2, 0.10), region(0.3, 0.08), region(0.5, 0.05)]
    }

    fn carbon(mu: f64) -> Burdens {
        Burdens { carbon: mu, water: 0.0 }
    }

    fn told(regions: &[Region], share: &[f64]) -> (f64, f64) {
        let cost = regions.iter().zip(share).map(|(region, share)| region.price * share).sum();
        let worst = regions.iter().zip(share).map(|(region, share)| region.carbon * share).fold(0.0, f64::max);
        (cost, worst)
    }

    #[test]
    fn dearer_carbon_is_shared_more_evenly() {
        for (mu, expected, cost, worst) in [
            (0.0, [0.0, 2.0, 8.0], 0.56, 4.0),
            (0.05, [0.0, 2.0, 8.0], 0.56, 4.0),
            (0.1, [0.0, 6.25, 3.75], 0.6875, 1.875),
            (0.2, [4.838710, 3.225806, 1.935484], 0.838710, 0.967742),
            (9.0, [4.838710, 3.225806, 1.935484], 0.838710, 0.967742),
        ] {
            let mut share = [0.0; 3];
            optimum(10.0, &regions(), carbon(mu), &mut share);
            let found = told(&regions(), &share);
            assert!((found.0 - cost).abs() < 5.1e-7 && (found.1 - worst).abs() < 5.1e-7, "{mu}: {found:?}");
            share.iter().zip(expected).for_each(|(found, expected)| assert!((found - expected).abs() < 5.1e-7));
        }
    }

    /// The same by a linear programme.
    fn programme(load: f64, regions: &[Region], mu: Burdens) -> f64 {
        use good_lp::{Expression, ProblemVariables, Solution, SolverModel, microlp, variable};
        let mut variables = ProblemVariables::new();
        let share: Vec<_> =
            regions.iter().map(|region| variables.add(variable().min(0.0).max(region.capacity))).collect();
        let [worst, thirst] = [0; 2].map(|_| variables.add(variable().min(0.0)));
        let mut objective: Expression = mu.carbon * worst + mu.water * thirst;
        regions.iter().zip(&share).for_each(|(region, share)| objective += region.price * *share);
        let mut model = variables.minimise(objective.clone()).using(microlp);
        model.add_constraint(share.iter().copied().sum::<Expression>().eq(load));
        for (region, share) in regions.iter().zip(&share) {
            model.add_constraint((region.carbon * *share - worst).leq(0.0));
            model.add_constraint((region.water * *share - thirst).leq(0.0));
        }
        model.solve().expect("there is room").eval(&objective)
    }

    #[test]
    fn bisection_finds_the_optimum_of_the_programme() {
        let key = isonomy_engine::noise::Key([3; 8]);
        for case in 0..80 {
            let word = |at: u64| f64::from(key.word(case, at) >> 12) / f64::from(1 << 20);
            let count = 2 + case % 5;
            let regions: Vec<Region> = (0..count)
                .map(|r| {
                    let [capacity, carbon, water] = [1.0 + 9.0 * word(r), 0.05 + word(40 + r), word(80 + r)];
                    Region { capacity, price: word(20 + r), carbon, water }
                })
                .collect();
            let load = word(60) * regions.iter().map(|region| region.capacity).sum::<f64>();
            let water = if case % 2 == 0 { 0.0 } else { 2.0 * word(63) * word(64) };
            let mu = Burdens { carbon: if case % 5 == 4 { 0.0 } else { 3.0 * word(61) * word(62) }, water };
            let mut share = vec![0.0; regions.len()];
            optimum(load, &regions, mu, &mut share);
            let (cost, worst) = told(&regions, &share);
            let thirst = regions.iter().zip(&share).map(|(region, share)| region.water * share).fold(0.0, f64::max);
            let found = cost + mu.carbon * worst + mu.water * thirst;
            let best = programme(load, &regions, mu);
            assert!((share.iter().sum::<f64>() - load).abs() < 1e-9);
            assert!((found - best).abs() < 1e-8, "{case}: {found}, {best}");
        }
    }

    #[test]
    fn who_knows_nothing_of_what_comes_gets_near_the_optimum() {
        // The same three regions in every step: the mean share is to be the optimum's.
        for (mu, cost, worst) in [(0.03, 0.56, 4.0), (0.1, 0.6875, 1.875), (0.3, 0.838710, 0.967742)] {
            let (steps, mut emitted, mut mean) = (20_000, [0.0; 3], [0.0; 3]);
            let rate = 2.0 / (f64::from(steps)).sqrt();
            for _ in 0..steps {
                let mut share = [0.0; 3];
                online(10.0, &regions(), carbon(mu), rate, [&emitted, &[0.0; 3]], &mut share);
                for r in 0..3 {
                    emitted[r] += regions()[r].carbon * share[r];
                    mean[r] += share[r] / f64::from(steps);
                }
            }
            let found = told(&regions(), &mean);
            let (found, best) = (found.0 + mu * found.1, cost + mu * worst);
            assert!(found > best - 1e-9 && found < best * 1.03, "{mu}: {found}, {best}");
        }
    }

    #[test]
    fn weights_are_heard_as_far_as_there_is_room() {
        let mut share = [0.0; 3];
        for (load, weights, expected) in [
            (10.0, [1.0, 1.0, 0.0], [5.0, 5.0, 0.0]),
            (20.0, [3.0, 1.0, 0.0], [8.0, 8.0, 4.0]),
            (12.0, [0.0, 0.0, 0.0], [4.0, 4.0, 4.0]),
            (30.0, [1.0, 0.0, 0.0], [8.0, 8.0, 8.0]),
            (0.0, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ] {
            proportional(load, &regions(), &weights, &mut share);
            share
                .iter()
                .zip(expected)
                .for_each(|(found, expected)| assert!((found - expected).abs() < 1e-9, "{share:?}"));
        }
    }
}
