//! Traffic on a device: its tables, its columns and its rules for the WGSL beside this file.
//!
//! A workgroup is a copy of the network. Vehicles of a way hang on each other as they do on the processor, from the front
//! to the back, so columns go up and come down as they are and nothing can overflow. Between two barriers an invocation
//! writes only to ways of its own, and reads what others wrote before, in a fixed order, so there is nothing to race for.
//!
//! Times are whole numbers of 1/1024 s ([`GRAINS`]), which 32 bits add without rounding below 16,384 s. So every column of
//! an episode of the queue model is the same on both devices, bit for bit. The micro model has a twin where the processor
//! computes in 32 bits as well ([`Precision::Single`](super::precision::Precision)); columns are the same on a device that
//! rounds every operation by itself. Rewards and observations are computed from these columns, in 32 bits there and in 64 here.

mod micro;

use super::action::Actions;
use super::cost::Cost;
use super::host::{Before, Streets};
use super::network::Turn;
use super::observation::Observation;
use super::queue::{ENTRY_S, GRAINS, Model, UP_TO_SPEED, rounded};
use super::reward::Payment;
use super::state::{Chain, Choosing, Light, Occupied, Passage, Tally, Vehicle};
use super::world::World;
use crate::wgsl::Constants;
use bytemuck::{Pod, Zeroable};
use isonomy_engine::device_row;
use isonomy_engine::gpu::{Episodes, Home, LaneColumn, LaneTwin, RuleTwin, Table};
use std::fmt::Write;
use std::ops::Range;

/// Invocations of a copy of the network, at most: one for each lane, so that the GPU has others to turn to while one waits.
const MOST_WIDTH: usize = 256;

/// Times up to this one are exact in 32 bits.
const MOST_S: f64 = 16_384.0;

/// `Street` of `roads.wgsl`: a lane of a road.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Street {
    fits: u32,
    limit: u32,
    leaving: [u32; 2],
    coming: [u32; 2],
    outside: [u32; 2],
    length_m: f32,
    before_light: u32,
}

/// `Link` of `roads.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Link {
    out_of: u32,
    to: u32,
    crossing: u32,
    green_at: u32,
    green_stride: u32,
    turns: u32,
    conflicts: [u32; 2],
}

/// `Crossing` of `roads.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Crossing {
    incoming: [u32; 2],
    outgoing: [u32; 2],
    movements: [u32; 2],
    greens: [u32; 2],
    phases: [u32; 2],
    clearance: u32,
    yellow: u32,
    own_table: u32,
}

/// `Movement` of `roads.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Movement {
    links: [u32; 2],
    behind: [u32; 2],
    lanes: [u32; 2],
}

/// `Green` of `roads.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Green {
    phase: u32,
    links: [u32; 2],
    lanes: [u32; 2],
    movements: [u32; 2],
    plain: u32,
}

/// The table `numbers`: lists one behind the other.
#[derive(Default)]
struct Numbers(Vec<u32>);

impl Numbers {
    /// Appends a list; where it begins, and where it ends.
    fn list(&mut self, list: impl IntoIterator<Item = u32>) -> [u32; 2] {
        let begin = self.0.len() as u32;
        self.0.extend(list);
        [begin, self.0.len() as u32]
    }

    fn reals(&mut self, list: impl IntoIterator<Item = f64>) -> [u32; 2] {
        self.list(list.into_iter().map(|number| (number as f32).to_bits()))
    }
}

fn ends(range: &Range<u32>) -> [u32; 2] {
    [range.start, range.end]
}

/// The smallest of the numbers of 32 bits that are not below this one.
pub(super) fn at_least(number: f64) -> f64 {
    let near = number as f32;
    f64::from(if f64::from(near) < number { near.next_up() } else { near })
}

/// The largest of the numbers of 32 bits that are not above this one.
fn at_most(number: f64) -> f64 {
    -at_least(-number)
}

fn is_whole(time_s: f64) -> bool {
    (time_s * GRAINS).fract() == 0.0
}

/// Who is this near the end of a lane reaches it within this time, as [`World::to_line_m`] measures it.
fn reach_s(limit_mps: f64, within_m: f64) -> f64 {
    let inside = |grains: f64| grains / GRAINS * limit_mps <= within_m;
    let mut grains = (within_m / limit_mps * GRAINS).floor().min(MOST_S * GRAINS);
    while grains > 0.0 && !inside(grains) {
        grains -= 1.0;
    }
    while grains < MOST_S * GRAINS && inside(grains + 1.0) {
        grains += 1.0;
    }
    grains / GRAINS
}

/// The speed limits that lanes have, each once.
fn limits(world: &World) -> Vec<f64> {
    let mut limits: Vec<f64> = world.network.lanes.iter().map(|lane| lane.limit_mps).collect();
    limits.sort_by(f64::total_cmp);
    limits.dedup();
    limits
}

/// A function in WGSL that tells how near the end of a lane, as `to_line` measures it, vehicles are that have this far.
pub(super) fn within(name: &str, world: &World, within_m: f64) -> String {
    if world.model == Model::Micro {
        return format!("fn {name}(lane: u32) -> f32 {{ return f32({:e}); }}\n", at_most(within_m));
    }
    let mut cases = String::new();
    for (number, limit_mps) in limits(world).into_iter().enumerate() {
        let _ = writeln!(cases, "        case {number}u: {{ return f32({:e}); }}", reach_s(limit_mps, within_m));
    }
    format!(
        "fn {name}(lane: u32) -> f32 {{\n    switch streets[lane].limit {{\n{cases}        default: {{ return 0.0; }}\n    }}\n}}\n"
    )
}

/// Whether the 32 bits of a device count everything there is to count.
pub(super) fn counts(world: &World) -> u64 {
    world.demand.departures.len() as u64 * u64::from(world.clock.steps)
}

impl Streets {
    /// The network in WGSL.
    pub(super) fn lane_twin(&self) -> Result<LaneTwin, String> {
        let world = &*self.world;
        if world.model == Model::Micro {
            micro::check(world)?;
        }
        if self.requests.actions == Actions::Split {
            return Err("`Split` has no WGSL twin (other `actions` have)".to_owned());
        }
        if self.observation == Observation::Ma2c {
            return Err("`Ma2c`, which shows what neighbours see, has no WGSL twin (`WaveAndWait` has)".to_owned());
        }
        self.check_times()?;
        if counts(world) >= 1 << 32 {
            let reason = "waits of so many vehicles, all together, need more than 32 bits";
            return Err(format!("{reason} (fewer vehicles or a shorter `duration_s` have a WGSL twin)"));
        }
        let mut named = Constants::default();
        let (movement, vehicles, chains) = match world.model {
            Model::Queue { headway_s, lost_s } => {
                for (name, time_s) in [("HEADWAY_S", headway_s.get()), ("LOST_S", lost_s.get())] {
                    named.real(name, rounded(time_s, GRAINS));
                }
                let vehicles = device_row!(Vehicle: eta_s speed_mps behind at waited halted waited_before entered left);
                let chains = device_row!(Chain: first last vehicles waiting seen waited entrants admitted
                    next_departure_s next_entry_s departed was_green offer);
                (include_str!("queue.wgsl").to_owned(), vehicles, chains)
            }
            Model::Micro => {
                let vehicles = device_row!(Vehicle: position_m speed_mps gap_m behind at waited halted leader blocker
                    previous on_link_since next_position_m next_speed_mps next_blocker entered left waited_before);
                let chains = device_row!(Chain: first last vehicles waiting seen waited admitted offer);
                (micro::source(world), vehicles, chains)
            }
        };
        let tables = self.tables(&mut named);
        self.constants(&mut named);
        let mut source = named.0;
        for part in [include_str!("roads.wgsl"), include_str!("step.wgsl"), &movement, include_str!("sight.wgsl")] {
            source.push_str(part);
        }
        source.push_str(include_str!("pay.wgsl"));
        source.push_str(&self.pay()?);
        source.push_str(include_str!("view.wgsl"));
        source.push_str(&self.observe());
        let width = self.width() as u32;
        let column = |name, row| LaneColumn { name, row, home: Home::Storage };
        let columns = vec![
            column("vehicles", vehicles),
            column("chains", chains),
            column("occupied", device_row!(Occupied: 0)),
            column("lights", device_row!(Light: remaining_s since_s phase green clearing before)),
            column("passages", device_row!(Passage: vehicles waited longest)),
            column("choices", device_row!(Choosing: passed_over)),
            column("before", device_row!(Before: 0)),
            LaneColumn {
                name: "tally",
                row: device_row!(Tally: steps finished travelled updates noise),
                home: Home::Workgroup,
            },
        ];
        Ok(LaneTwin { source: source.into(), tables, columns, width, episodes: Episodes::Host, loops: self.loops() })
    }

    /// Times that are compared must be exact in 32 bits.
    fn check_times(&self) -> Result<(), String> {
        let world = &*self.world;
        let step_s = world.clock.step_s;
        if !is_whole(step_s) {
            return Err("`step_s` is no multiple of 1/1024 s, so times have no WGSL twin (`step_s: 1` has)".to_owned());
        }
        if f64::from(world.clock.steps) * step_s > MOST_S {
            return Err(format!("an episode of more than {MOST_S} s has no WGSL twin (a shorter `duration_s` has)"));
        }
        if let Actions::Timed { durations_s } = &self.requests.actions
            && let Some(time) = durations_s.iter().find(|time| !is_whole(time.get()) || time.get() > MOST_S)
        {
            return Err(format!("a green of {} s has no WGSL twin (multiples of 1/1024 s have)", time.get()));
        }
        let own = |number: &usize| self.turns(*number);
        for number in (0..world.network.crossings.len()).filter(own) {
            let crossing = &world.network.crossings[number];
            let phases = &world.network.phases[crossing.phases.start as usize..crossing.phases.end as usize];
            let now_s = world.table_at(crossing, world.demand.begin_s).1;
            if !phases
                .iter()
                .map(|phase| phase.duration_s)
                .chain([now_s])
                .all(|time_s| is_whole(time_s) && time_s <= MOST_S)
            {
                let reason = "follows a table whose times are no multiples of 1/1024 s, which has no WGSL twin";
                return Err(format!("the light of crossing {:?} {reason}", crossing.name));
            }
        }
        Ok(())
    }

    /// Whether the light of a crossing follows its own table.
    fn turns(&self, crossing: usize) -> bool {
        let this = &self.world.network.crossings[crossing];
        !this.boundary && (self.own_tables || !this.controlled) && this.phases.len() > 1
    }

    fn constants(&self, named: &mut Constants) {
        let (world, requests, sizes) = (&*self.world, &self.requests, &self.sizes);
        let changes = &requests.changes;
        named.whole("DECISION_STEPS", world.decision_steps as usize);
        named.whole("EPISODE_STEPS", world.clock.steps as usize);
        named.whole("STREETS", world.network.lanes.len());
        named.whole("LINKS", world.network.links.len());
        named.flag("OWN_TABLES", self.own_tables);
        named.real("STEP_S", world.clock.step_s);
        named.real("ENTRY_S", ENTRY_S);
        named.real("UP_TO_SPEED", UP_TO_SPEED);
        named.flag("SHOWS_YELLOW", changes.yellow_s > 0.0);
        named.real("YELLOW_S", at_least(changes.yellow_s));
        named.flag("CLEARS", changes.clearance_s > 0.0);
        named.real("BETWEEN_S", at_least(changes.between_s()));
        named.real("SHORTEST_S", at_least(changes.between_s() + changes.min_green_s));
        named.flag("HAS_LONGEST", changes.max_green_s.is_some());
        named.real("LONGEST_S", at_least(changes.between_s() + changes.max_green_s.unwrap_or(0.0)));
        named.flag("FORGETS", changes.forgets);
        let obeys = match requests.actions {
            Actions::Green => "GREENS",
            Actions::Switch => "SWITCHES",
            Actions::Timed { .. } => "TIMED_GREENS",
            Actions::Split => "SPLITS",
        };
        named.one_of("DECIDES", &["GREENS", "SWITCHES", "TIMED_GREENS", "SPLITS"], obeys);
        named.whole("MASKED", requests.masked);
        named.whole("MOST_MOVEMENTS", sizes.movements());
        named.whole("MOST_INCOMING", sizes.incoming());
        named.whole("MOST_OUTGOING", sizes.outgoing());
        named.whole("MOST_GREENS", sizes.greens());
        let noise = if world.dawdles { "word(0u)" } else { "0u" };
        let _ = writeln!(named.0, "fn noise_of_decision() -> u32 {{ return {noise}; }}");
    }

    fn tables(&self, named: &mut Constants) -> Vec<Table> {
        let (world, mut numbers) = (&*self.world, Numbers::default());
        let network = &world.network;
        let limits = limits(world);
        let mut coming: Vec<Vec<u32>> = vec![Vec::new(); network.lanes.len()];
        for (number, link) in (0..).zip(&network.links) {
            coming[link.to as usize].push(number);
        }
        let streets = (0..network.lanes.len() as u32).map(|lane| {
            let this = &network.lanes[lane as usize];
            let coming = &mut coming[lane as usize];
            coming.sort_by_key(|&link| network.links[link as usize].from);
            let outside = &world.demand.queues[lane as usize];
            let outside = world.demand.waiting[outside.start as usize..outside.end as usize].iter().copied();
            Street {
                fits: world.fits(lane),
                limit: limits.partition_point(|&limit| limit < this.limit_mps) as u32,
                leaving: numbers.list(world.links_of(lane).iter().map(|&link| link - world.lanes)),
                coming: numbers.list(coming.drain(..)),
                outside: numbers.list(outside),
                length_m: this.length_m as f32,
                before_light: u32::from(world.leads_to_light(lane)),
            }
        });
        let streets: Vec<Street> = streets.collect();
        let greens_at = numbers.list(world.greens.iter().map(|&green| u32::from(green)))[0];
        let links = world.ways[network.lanes.len()..].iter().map(|way| Link {
            turns: u32::from(way.turn != Turn::Straight),
            conflicts: numbers.list(micro::conflicts(world, way)),
            out_of: way.from,
            to: way.to,
            crossing: way.crossing,
            green_at: greens_at + way.green_at,
            green_stride: way.green_stride,
        });
        let links: Vec<Link> = links.collect();
        let crossings = network.crossings.iter().enumerate().map(|(number, crossing)| {
            let phases = &network.phases[crossing.phases.start as usize..crossing.phases.end as usize];
            let first = world.choices_at[number];
            Crossing {
                incoming: numbers.list(crossing.incoming.iter().copied()),
                outgoing: numbers.list(crossing.outgoing.iter().copied()),
                movements: ends(&crossing.movements),
                greens: [first, first + crossing.greens.len() as u32],
                phases: numbers.reals(phases.iter().map(|phase| phase.duration_s)),
                clearance: crossing.clearance,
                yellow: if self.requests.changes.yellow_s > 0.0 { crossing.yellow(0, 0) } else { 0 },
                own_table: u32::from(self.turns(number)),
            }
        });
        let crossings: Vec<Crossing> = crossings.collect();
        let movements = (0..).zip(&network.movements).map(|(number, movement)| Movement {
            links: ends(&movement.links),
            behind: ends(&network.roads[movement.to as usize].lanes),
            lanes: numbers.list(world.lanes_before(number)),
        });
        let movements: Vec<Movement> = movements.collect();
        let choices = network.crossings.iter().enumerate();
        let choices = choices.flat_map(|(crossing, this)| (0..).zip(&this.greens).map(move |green| (crossing, green)));
        let greens = choices.map(|(crossing, (green, &phase))| Green {
            phase,
            links: numbers.list(world.links_of_green(crossing, green)),
            lanes: numbers.list(world.lanes_of_green(crossing, green)),
            movements: numbers.list(world.movements_of_green(crossing, green)),
            plain: u32::from(world.is_plain(crossing, green)),
        });
        let greens: Vec<Green> = greens.collect();
        let (departures, kinds) = (&world.demand.departures, &world.demand.kinds);
        let by_lane = |of: &dyn Fn(u32, &super::network::demand::Kind) -> f64| {
            let each = kinds.iter().flat_map(|kind| (0..world.lanes).map(|lane| of(lane, kind)));
            each.collect::<Vec<f64>>()
        };
        let through = kinds
            .iter()
            .flat_map(|kind| world.ways[network.lanes.len()..].iter().map(|link| world.through_s(link, kind)));
        let through: Vec<f64> = through.collect();
        let times: &[_] = if let Actions::Timed { durations_s } = &self.requests.actions { durations_s } else { &[] };
        named.whole("TIMES", times.len().max(1));
        let places = [
            ("TIMES_AT", numbers.reals(times.iter().map(|time| time.get()))),
            ("PATHS_AT", numbers.list(world.demand.paths.iter().copied())),
            ("KINDS_AT", numbers.list(departures.iter().map(|departure| departure.kind))),
            ("CREATED_AT", numbers.list(departures.iter().map(|departure| departure.step))),
            ("BEGINS_AT", numbers.list(departures.iter().map(|departure| departure.path.0))),
            ("AGENTS_AT", numbers.list(self.agents.iter().copied())),
            ("DOORS_AT", numbers.list(world.doors.iter().copied())),
            ("DRIVES_AT", numbers.reals(by_lane(&|lane, kind| world.drive_s(lane, kind)))),
            ("STARTS_AT", numbers.reals(by_lane(&|lane, kind| world.start_s(lane, kind)))),
            ("CRUISES_AT", numbers.reals(by_lane(&|lane, kind| world.cruise_mps(lane, kind)))),
            ("THROUGHS_AT", numbers.reals(through)),
            ("FASTEST_AT", numbers.reals(kinds.iter().map(|kind| kind.max_speed_mps))),
        ];
        for (name, [begin, _]) in places {
            named.whole(name, begin as usize);
        }
        named.whole("DOORS", world.doors.len());
        if world.model == Model::Micro {
            micro::tables(world, &mut numbers, named);
        }
        vec![
            Table::new("streets", &streets),
            Table::new("links", &links),
            Table::new("crossings", &crossings),
            Table::new("movements", &movements),
            Table::new("greens", &greens),
            Table::new("numbers", &numbers.0),
        ]
    }

    /// What is paid in WGSL.
    fn pay(&self) -> Result<String, String> {
        let mut lines = String::new();
        let costs = (self.rewards.len()..).zip(&self.costs);
        for (task, payment) in self.rewards.iter().enumerate() {
            let paid = match *payment {
                Payment::Fair { team, worse, starving } => {
                    let [team, worse, starving] = [team.get(), worse.get(), starving.get()].map(|of| of as f32);
                    format!("pay_fair(crossing, f32({team:e}), f32({worse:e}), f32({starving:e}))")
                }
                Payment::Queue { scale } => format!("pay_queue(crossing, f32({:e}))", scale.get() as f32),
                Payment::Pressure {} => "pay_pressure(crossing)".to_owned(),
                Payment::PressLight {} => "pay_press_light(crossing)".to_owned(),
                Payment::QueuePressure {} => "pay_queue_pressure(crossing)".to_owned(),
                Payment::Halt {} => "pay_halt(crossing)".to_owned(),
                Payment::QueueAndWait { neighbours, .. } if neighbours.get() > 0.0 => {
                    return Err("what `neighbours` earn has no WGSL twin (without it `QueueAndWait` has)".to_owned());
                }
                Payment::QueueAndWait { weight, .. } => {
                    format!("pay_queue_and_wait(crossing, f32({:e}))", weight.get() as f32)
                }
                Payment::WaitDifference {} => format!("pay_wait_difference(crossing, {task}u * AGENTS + agent)"),
                Payment::Speed {} => "pay_speed(crossing)".to_owned(),
                Payment::WaitingShare {} => "pay_waiting_share(crossing)".to_owned(),
                Payment::Telescoping { .. } => {
                    let reason = "differences of the sums of `Telescoping` want more digits than a device has";
                    return Err(format!("{reason} (other rewards have a WGSL twin)"));
                }
            };
            let _ = writeln!(lines, "        rewards[{task}u * AGENTS + agent] = {paid};");
        }
        for (task, cost) in costs {
            let paid = match *cost {
                Cost::Starved { after_s } => {
                    format!("cost_starved(crossing, f32({:e}))", at_most(after_s.get()) as f32)
                }
                Cost::BehindNetwork {} => "behind_network(crossing)".to_owned(),
                Cost::LongestWait { unit_s } => format!("cost_longest_wait(f32({:e}))", unit_s.get() as f32),
                Cost::BusesBehindCars {} => {
                    return Err("`BusesBehindCars` has no WGSL twin (other costs have)".to_owned());
                }
                Cost::PedestriansWait {} => return Err("`PedestriansWait` has no WGSL twin".to_owned()),
            };
            let _ = writeln!(lines, "        rewards[{task}u * AGENTS + agent] = {paid};");
        }
        let longest = self.costs.iter().any(|cost| matches!(cost, Cost::LongestWait { .. }));
        let look = if longest { "    look_for_longest_wait(thread);\n" } else { "" };
        Ok(format!(
            "fn pay(thread: u32) {{\n    look_at_network(thread);\n{look}    for (var agent = thread; agent < AGENTS; \
             agent += WIDTH) {{\n        let crossing = agent_crossing(agent);\n{lines}    }}\n}}\n"
        ))
    }

    /// What agents see in WGSL.
    fn observe(&self) -> String {
        let lane = |list: &str, most: &str, does: &str| {
            format!(
                "    for (var index = at.thread; index < AGENTS * {most}; index += WIDTH) {{\n        \
                 let agent = index / {most};\n        let number = index % {most};\n        \
                 let begin = crossings[agent_crossing(agent)].{list}_at;\n        \
                 if begin + number < crossings[agent_crossing(agent)].{list}_end {{\n            \
                 let lane = numbers[begin + number];\n            {does};\n        }}\n    }}\n"
            )
        };
        let movement = |does: &str| {
            format!(
                "    for (var index = at.thread; index < AGENTS * MOST_MOVEMENTS; index += WIDTH) {{\n        \
                 let agent = index / MOST_MOVEMENTS;\n        let number = index % MOST_MOVEMENTS;\n        \
                 let movement = crossings[agent_crossing(agent)].movement + number;\n        \
                 if movement < crossings[agent_crossing(agent)].movement_end {{\n            {does};\n        }}\n    }}\n"
            )
        };
        let agent = |does: &str| {
            format!("    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {{\n        {does};\n    }}\n")
        };
        let incoming = |does: &str| lane("incoming", "MOST_INCOMING", does);
        let green = |first: &str| agent(&format!("show_green(agent, {first})"));
        let time = "min(get_lights_since_s(agent_crossing(agent)) / 60.0, MOST)";
        let (parts, sensor_m) = match self.observation {
            Observation::Fair | Observation::FairLocal => {
                let movements = movement("show_movement(agent, 5u * number, movement)");
                let first = "5u * MOST_MOVEMENTS";
                let time = agent(&format!("show(agent, {first} + MOST_GREENS, {time})"));
                let compared =
                    agent(&format!("show(agent, {first} + MOST_GREENS + 1u, compared(agent_crossing(agent)))"));
                let compared = if self.observation == Observation::Fair {
                    format!("    look_at_network(at.thread);\n{compared}")
                } else {
                    String::new()
                };
                (format!("{movements}{}{time}{compared}", green(first)), 100.0)
            }
            Observation::LaneCounts => {
                let lanes = incoming("show(agent, number, count(lane))");
                (format!("{lanes}{}", green("MOST_INCOMING")), 0.0)
            }
            Observation::FairLight => {
                let lanes = incoming("show(agent, number, waiting_shares(lane))");
                (format!("{lanes}{}", green("MOST_INCOMING")), 0.0)
            }
            Observation::PressLight => {
                let before = incoming("show(agent, number, count(lane))");
                let behind = lane("outgoing", "MOST_OUTGOING", "show(agent, MOST_INCOMING + number, count(lane))");
                (format!("{before}{behind}{}", green("MOST_INCOMING + MOST_OUTGOING")), 0.0)
            }
            Observation::MovementPressure => {
                let pressures = movement("show(agent, number, pressure(movement))");
                (format!("{pressures}{}", green("MOST_MOVEMENTS")), 0.0)
            }
            Observation::QueuePressure => {
                let pressures = movement("show(agent, MOST_GREENS + number, queue_pressure(movement))");
                (format!("{}{pressures}", green("0u")), 0.0)
            }
            Observation::DrqNorm => (incoming("show_drq(agent, 5u * number, lane)"), 200.0),
            // Refused before.
            Observation::Ma2c => (String::new(), 50.0),
            Observation::WaveAndWait => (incoming("show_wave_and_wait(agent, 2u * number, lane)"), 50.0),
            Observation::SumoRl => {
                let clearing = "show(agent, MOST_GREENS, f32(1u - get_lights_clearing(agent_crossing(agent))))";
                let counts = incoming("show(agent, MOST_GREENS + 1u + number, share(lane, count(lane)))");
                let queues =
                    incoming("show(agent, MOST_GREENS + 1u + MOST_INCOMING + number, share(lane, queue(lane)))");
                (format!("{}{}{counts}{queues}", green("0u"), agent(clearing)), 0.0)
            }
        };
        let parts = if self.requests.masked > 0 { format!("{parts}{}", agent("show_mask(agent)")) } else { parts };
        format!(
            "{}fn observe(at: At) {{\n    for (var index = at.thread; index < AGENTS * FEATURES; index += WIDTH) {{\n        \
             show(index / FEATURES, index % FEATURES, 0.0);\n    }}\n    lane_barrier();\n{parts}}}\n",
            within("seen_within", &self.world, sensor_m),
        )
    }

    fn width(&self) -> usize {
        self.world.used_ways().next_multiple_of(32).clamp(32, MOST_WIDTH)
    }

    /// About how many turns of loops an invocation makes in a decision at most.
    fn loops(&self) -> u32 {
        let (world, network) = (&*self.world, &self.world.network);
        let strides = |count: usize| count.div_ceil(self.width());
        let (lanes, crossings) = (network.lanes.len(), network.crossings.len());
        let most = |of: &dyn Fn(u32) -> usize| (0..world.lanes).map(of).max().unwrap_or(0);
        let (fits, leaving) = (most(&|lane| world.fits(lane) as usize), most(&|lane| world.links_of(lane).len()));
        let mut coming = vec![0; lanes];
        network.links.iter().for_each(|link| coming[link.to as usize] += 1);
        let coming = coming.into_iter().max().unwrap_or(0);
        let incoming = network.crossings.iter().map(|crossing| crossing.incoming.len()).max().unwrap_or(0);
        let greens = self.sizes.greens();
        // Everybody on every lane of a crossing, seen, paid for, and looked at by a rule for each green.
        let looked = strides(self.agents.len()) * incoming * (fits + leaving) * (greens + 2 + self.tasks());
        let step = match world.model {
            Model::Queue { .. } => strides(lanes) * (fits + 2 * coming + 8),
            Model::Micro => strides(world.used_ways()) * micro::loops(world, fits, leaving),
        };
        let step = step + strides(crossings) * (incoming * (leaving + 1) + 8);
        (step * world.decision_steps as usize + looked).min(u32::MAX as usize) as u32
    }
}

/// The rule that chooses the best green in WGSL: `source` has `score_of(green: u32, shown: bool) -> i32`, `green` as a number
/// among the greens of all crossings. With `plain` only greens of opposite movements compete.
pub(super) fn best(source: &str, least_green_s: f64, plain: bool) -> RuleTwin {
    let mut named = Constants::default();
    named.real("LEAST_GREEN_S", at_least(least_green_s));
    named.flag("ONLY_PLAIN", plain);
    rule(&format!("{}{}{source}", named.0, include_str!("best.wgsl")))
}

/// The rule of a crossing in WGSL: a function `choose(crossing: u32) -> u32` that looks at the columns.
pub(super) fn rule(source: &str) -> RuleTwin {
    let act = "fn act(at: At) {\n    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {\n        \
               actions[agent] = choose(agent_crossing(agent));\n    }\n}\n";
    RuleTwin { source: format!("{source}{act}").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_32_bits_on_either_side() {
        for number in [0.1, 12.3, 1.0 / 3.0, 4_999.999_999_9] {
            let (below, above) = (at_most(number) as f32, at_least(number) as f32);
            assert!(f64::from(below) < number && number < f64::from(above) && below.next_up() == above, "{number}");
        }
        assert_eq!([at_least(12.5), at_most(12.5), at_least(0.0), at_most(0.0)], [12.5, 12.5, 0.0, 0.0]);
    }

    #[test]
    fn how_far_it_is_follows_from_the_time() {
        for limit_mps in [11.111, 13.89, 8.3333, 0.5, 27.78] {
            for within_m in [50.0, 100.0, 167.0, 200.0, 0.01] {
                let reach_s = reach_s(limit_mps, within_m);
                assert!(is_whole(reach_s) && reach_s * limit_mps <= within_m, "{reach_s}");
                assert!((reach_s + 1.0 / GRAINS) * limit_mps > within_m, "{reach_s}");
            }
        }
    }
}
