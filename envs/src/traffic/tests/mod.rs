//! The micro model against numbers that CityFlow itself gave, theory, and files that are wrong.

mod cityflow;
mod hosted;
mod invariants;
mod on_foot;
mod oracles;
mod precisions;
mod queues;
mod refused;
mod replayed;
mod sumo;

use super::controller::Choose;
use super::network::cityflow::{flows, roadnet};
use super::network::demand::Clock;
use super::signal::Signals;
use super::state::{BLOCK, Chain, Choosing, Curb, Light, Occupied, Passage, Shown, State, Tally, Vehicle, Walker};
use super::world::World;
use bytemuck::Zeroable;
use std::path::PathBuf;

const HOUR: Clock = Clock { step_s: 1.0, steps: 3600, seed: 0 };

/// One lane of a batch.
struct Lane {
    vehicles: Vec<Vehicle>,
    chains: Vec<Chain>,
    occupied: Vec<Occupied>,
    lights: Vec<Light>,
    passages: Vec<Passage>,
    choices: Vec<Choosing>,
    tally: Tally,
    curbs: Vec<Curb>,
    walkers: Vec<Walker>,
}

impl Lane {
    fn start(world: &World) -> Self {
        let mut lane = Lane {
            vehicles: vec![Vehicle::zeroed(); world.demand.departures.len()],
            chains: vec![Chain::zeroed(); world.network.ways()],
            occupied: vec![Occupied(0); world.network.ways().div_ceil(BLOCK)],
            lights: vec![Light::zeroed(); world.network.crossings.len()],
            passages: vec![Passage::zeroed(); world.network.movements.len()],
            choices: vec![Choosing::zeroed(); world.choices()],
            tally: Tally::zeroed(),
            curbs: vec![Curb::zeroed(); world.walkways.all.len()],
            walkers: vec![Walker::zeroed(); world.walkways.most],
        };
        world.start(lane.state());
        lane
    }

    fn state(&mut self) -> State<'_> {
        State {
            vehicles: &mut self.vehicles,
            chains: &mut self.chains,
            occupied: &mut self.occupied,
            lights: &mut self.lights,
            passages: &mut self.passages,
            choices: &mut self.choices,
            tally: &mut self.tally,
            curbs: &mut self.curbs,
            walkers: &mut self.walkers,
        }
    }
}

/// The data folder, or a loud word that it is missing.
fn data() -> Option<PathBuf> {
    let Some(data) = std::env::var_os("ISONOMY_DATA") else {
        eprintln!("SKIPPED: ISONOMY_DATA does not name the folder of the traffic networks");
        return None;
    };
    Some(PathBuf::from(data).join("traffic"))
}

fn load(folder: &str, flow: &str) -> Option<World> {
    let folder = data()?.join(folder);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of the data");
    let network = roadnet("roadnet.json", &read("roadnet.json")).unwrap_or_else(|error| panic!("{error}"));
    let demand = flows(flow, &read(flow), &network, HOUR).unwrap_or_else(|error| panic!("{error}"));
    Some(World::new(network, demand, HOUR))
}

/// An hour; without a rule the lights follow their own tables.
fn run(world: &World, rule: Option<&dyn Choose>, decision: u32) -> Lane {
    run_watched(world, rule, decision, |_| {})
}

fn run_watched(world: &World, rule: Option<&dyn Choose>, decision: u32, mut watch: impl FnMut(Shown<'_>)) -> Lane {
    let mut lane = Lane::start(world);
    if rule.is_none() {
        lane.lights.iter_mut().for_each(|light| light.phase = 0);
    }
    let mut asked = vec![0; world.network.crossings.len()];
    for step in 0..world.clock.steps {
        if let Some(rule) = rule {
            for crossing in world.network.controlled() {
                if step % decision == 0 {
                    asked[crossing] = rule.choose(world, lane.state().shown(), crossing);
                    world.note_choice(&mut lane.choices, crossing, asked[crossing]);
                }
                let (light, crossing_at) = (&mut lane.lights[crossing], &world.network.crossings[crossing]);
                Signals::LibSignal.changes().ask(light, crossing_at, asked[crossing], 1.0);
            }
        }
        world.step(&mut lane.state());
        watch(lane.state().shown());
        if rule.is_none() {
            world.turn_lights(&mut lane.lights, true);
        }
    }
    lane
}
