use super::{Choose, best, greens, plain_greens, positive, seconds};
use crate::traffic::state::Shown;
use crate::traffic::twin;
use crate::traffic::world::World;
use isonomy_engine::gpu::RuleTwin;
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The green that has the most vehicles before it and the fewest behind it.
///
/// Varaiya 2013 (*Max pressure control of a network of signalized intersections*), as different codes do it. Efficient on
/// average, but a movement that few use may wait for a very long time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxPressure {
    /// Whose pressure; LibSignal's if not given.
    #[serde(default)]
    pub dialect: Dialect,
    /// Shortest time of a green, its clearance included; 10 if not given.
    #[serde(default = "ten")]
    pub min_green_s: NonNegative,
}

/// Whose pressure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Dialect {
    /// LibSignal and PARL: the sum of `x(from) - x(to)` over lane links, so a lane with three links counts three times.
    #[default]
    LibSignal,
    /// XLight: the sum of `q(from) - q(road)` over two opposite movements, right turns not counted. Decide every 15 s.
    XLight,
    /// XLight's efficient pressure: only the mean queue of a lane of the next road is subtracted. All greens compete.
    Efficient,
    /// Varaiya's: vehicles that want to take the movement, less those behind it that will take each next movement, by
    /// the shares of the demand, times the lanes of the movement.
    Theory,
}

fn ten() -> NonNegative {
    seconds(10.0)
}

impl Default for MaxPressure {
    fn default() -> Self {
        MaxPressure { dialect: Dialect::default(), min_green_s: ten() }
    }
}

impl Choose for MaxPressure {
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32 {
        let light = &state.lights[crossing];
        if light.since_s < self.min_green_s.get() {
            return light.green;
        }
        let score = |green| self.dialect.pressure(world, state, crossing, green);
        let found = match self.dialect {
            Dialect::XLight => best(plain_greens(world, crossing), score),
            _ => best(greens(world, crossing), score),
        };
        found.map_or(light.green, |(green, _)| green)
    }

    fn twin(&self, _: &World) -> Result<RuleTwin, String> {
        let least_green_s = self.min_green_s.get();
        match self.dialect {
            Dialect::LibSignal => Ok(twin::best(BY_LINK, least_green_s, false)),
            Dialect::XLight => Ok(twin::best(BY_QUEUE, least_green_s, true)),
            Dialect::Efficient | Dialect::Theory => {
                let reason = "fractions that 32 bits compare differently have no WGSL twin";
                Err(format!("{reason} (`dialect: LibSignal` and `XLight` have)"))
            }
        }
    }
}

/// `by_link` of all links that a green frees.
const BY_LINK: &str = "fn score_of(green: u32, shown: bool) -> i32 {
    var sum = 0;
    for (var at = greens[green].links_at; at < greens[green].links_end; at++) {
        let link = links[numbers[at]];
        sum += i32(get_chains_vehicles(link.out_of)) - i32(get_chains_vehicles(link.to));
    }
    return sum;
}
";

/// `by_queue` of all movements that a green frees.
const BY_QUEUE: &str = "fn score_of(green: u32, shown: bool) -> i32 {
    var sum = 0;
    for (var at = greens[green].movements_at; at < greens[green].movements_end; at++) {
        let movement = movements[numbers[at]];
        for (var lane = movement.lanes_at; lane < movement.lanes_end; lane++) {
            sum += i32(get_chains_waiting(numbers[lane]));
        }
        for (var lane = movement.behind; lane < movement.behind_end; lane++) {
            sum -= i32(get_chains_waiting(lane));
        }
    }
    return sum;
}
";

impl Dialect {
    /// The pressure of a green.
    pub fn pressure(self, world: &World, state: Shown<'_>, crossing: usize, green: u32) -> f64 {
        let movements = world.movements_of_green(crossing, green);
        match self {
            Dialect::LibSignal => by_link(world, state, crossing, green),
            Dialect::XLight => movements.map(|movement| by_queue(world, state, movement, false)).sum(),
            Dialect::Efficient => movements.map(|movement| by_queue(world, state, movement, true)).sum(),
            Dialect::Theory => movements.map(|movement| by_share(world, state, movement)).sum(),
        }
    }
}

fn by_link(world: &World, state: Shown<'_>, crossing: usize, green: u32) -> f64 {
    let x = |lane: u32| f64::from(state.chains[lane as usize].vehicles);
    let links = world.links_of_green(crossing, green).map(|link| &world.network.links[link as usize]);
    links.map(|link| x(link.from) - x(link.to)).sum()
}

fn by_queue(world: &World, state: Shown<'_>, movement: u32, mean: bool) -> f64 {
    let q = |lane: u32| f64::from(state.chains[lane as usize].waiting);
    let before: f64 = world.lanes_before(movement).map(q).sum();
    let road = &world.network.roads[world.network.movements[movement as usize].to as usize];
    let behind: f64 = road.lanes.clone().map(q).sum();
    before - if mean { behind / road.lanes.len() as f64 } else { behind }
}

fn by_share(world: &World, state: Shown<'_>, movement: u32) -> f64 {
    let this = &world.network.movements[movement as usize];
    let upstream = wanting(world, state, movement);
    let (mut behind, mut all) = (0.0, 0.0);
    let next = &world.network.crossings[world.network.roads[this.to as usize].to as usize];
    for after in next.movements.clone().filter(|&after| world.network.movements[after as usize].from == this.to) {
        let share = f64::from(world.wanted[after as usize]);
        behind += share * wanting(world, state, after);
        all += share;
    }
    let lanes = world.lanes_before(movement).count() as f64;
    lanes * (upstream - if all > 0.0 { behind / all } else { 0.0 })
}

/// Vehicles before a movement that will take it.
fn wanting(world: &World, state: Shown<'_>, movement: u32) -> f64 {
    let will = |lane| world.on(state, lane).filter(|&(_, this)| world.next_movement(this) == Some(movement));
    world.lanes_before(movement).map(|lane| will(lane).count()).sum::<usize>() as f64
}

/// Efficient pressure, unless enough vehicles are about to use the green that is shown.
///
/// XLight's Advanced-MP (Zhang et al. 2022, *Expression might be enough*): the shown green is kept while `weight` times
/// the running vehicles within `sensor_m` of its stop lines reach the best efficient pressure. Decide every 15 s.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvancedPressure {
    /// How much a running vehicle counts; 1 if not given.
    #[serde(default = "one")]
    pub weight: Positive,
    /// How far before the stop line running vehicles count, in metres; 167 if not given: 15 s at 11.11 m/s.
    #[serde(default = "reach")]
    pub sensor_m: Positive,
}

fn one() -> Positive {
    positive(1.0)
}

fn reach() -> Positive {
    positive(167.0)
}

impl Default for AdvancedPressure {
    fn default() -> Self {
        AdvancedPressure { weight: one(), sensor_m: reach() }
    }
}

impl Choose for AdvancedPressure {
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32 {
        let shown = state.lights[crossing].green;
        let pressure = |green| Dialect::Efficient.pressure(world, state, crossing, green);
        let Some((green, most)) = best(plain_greens(world, crossing), pressure) else { return shown };
        let running = |lane: u32| {
            let runs = world.on(state, lane).filter(|(_, this)| this.halted == 0);
            runs.filter(|(_, this)| world.to_line_m(state, lane, this) <= self.sensor_m.get()).count()
        };
        let lanes = world.movements_of_green(crossing, shown).flat_map(|movement| world.lanes_before(movement));
        let demand = self.weight.get() * lanes.map(running).sum::<usize>() as f64;
        if demand >= most { shown } else { green }
    }
}

/// Max pressure that starves nobody for ever: a green counts the more, the longer it was passed over.
///
/// As in MOSS (arXiv 2406.10661): pressures, as LibSignal sums them, are multiplied by `growth` to the power of the
/// decisions since the green was last chosen; those below zero are divided, so that waiting always helps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StarvationSafePressure {
    /// How much more a green counts for every decision that passed it over; 1.1 if not given.
    #[serde(default = "eleven_tenths")]
    pub growth: Positive,
    /// Shortest time of a green, its clearance included; 10 if not given.
    #[serde(default = "ten")]
    pub min_green_s: NonNegative,
}

fn eleven_tenths() -> Positive {
    positive(1.1)
}

impl Default for StarvationSafePressure {
    fn default() -> Self {
        StarvationSafePressure { growth: eleven_tenths(), min_green_s: ten() }
    }
}

impl Choose for StarvationSafePressure {
    fn choose(&self, world: &World, state: Shown<'_>, crossing: usize) -> u32 {
        let light = &state.lights[crossing];
        if light.since_s < self.min_green_s.get() {
            return light.green;
        }
        let choices = &state.choices[world.choices_at[crossing] as usize..];
        let score = |green: u32| {
            let grown = self.growth.get().powi(choices[green as usize].passed_over as i32);
            let pressure = by_link(world, state, crossing, green);
            if pressure < 0.0 { pressure / grown } else { pressure * grown }
        };
        match best(greens(world, crossing), score) {
            Some((green, most)) if most > -1.0 => green,
            _ => light.green,
        }
    }
}
