//! Traffic: lights at the crossings of a road network, every vehicle moved by itself.
//!
//! | column     | rows per lane | meaning                                                              |
//! |------------|---------------|----------------------------------------------------------------------|
//! | `Vehicle`  | departures    | where every vehicle of the episode is, how fast, how long it waited  |
//! | `Chain`    | ways          | who is on a lane or on a link through a crossing, from the front     |
//! | `Occupied` | ways / 32     | which ways have a vehicle on them, a bit each                        |
//! | `Light`    | crossings     | the phase that is shown                                              |
//! | `Passage`  | movements     | vehicles that came through, and what they waited                     |
//! | `Choosing` | greens        | decisions since a green was asked for                                |
//! | `Before`   | agents × tasks| what a reward compares with                                          |
//! | `Tally`    | 1             | steps, arrivals, travel times                                        |
//! | `Curb`     | crosswalks    | who waits at a crosswalk, if people walk                             |
//! | `Walker`   | people        | when somebody on foot came and when he crossed                       |
//!
//! Agents are the crossings whose light obeys a controller, a decision is a step of the environment, an action is one of
//! the crossing's greens, or what else `actions` says. `network/` knows the roads, `micro.rs` moves the vehicles as CityFlow
//! does, `action.rs` makes requests of actions, `signal.rs` changes the lights, `controller/` holds the rules that users run today.

pub mod action;
pub mod controller;
pub mod cost;
pub mod following;
mod host;
mod idm;
mod krauss;
pub mod metrics;
mod micro;
pub mod network;
pub mod observation;
pub mod pedestrians;
pub mod precision;
pub mod queue;
mod replay;
pub mod reward;
pub mod signal;
mod source;
pub mod state;
#[cfg(test)]
mod tests;
mod twin;
pub mod world;

pub use host::Streets;
pub use source::{Demand, Roads};

use source::Additional;

use action::{Actions, Requests};
use cost::Cost;
use following::Law;
use isonomy_engine::environment::Environment;
use isonomy_engine::plugin;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Positive};
use isonomy_engine::replay::Replay;
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Spec};
use network::demand::{Class, Clock};
use observation::{Observation, Sizes};
use pedestrians::Pedestrians;
use precision::Precision;
use queue::Model;
use reward::Payment;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use signal::{Changes, Greens, Signals};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use world::World;

/// Lights at the crossings of a road network. Vehicles move as in CityFlow, without changing lanes; an action is the green
/// that a crossing shows until the next decision.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// The roads: the path of a CityFlow `roadnet.json` or a SUMO `.net.xml`, or `{"Grid": (…)}`, `Arterial`, `Single`,
    /// `Ring`, `Town`.
    pub network: Roads,
    /// The vehicles: the path of a CityFlow `flow.json` or a SUMO `.rou.xml`, or `{"Entries": (…)}` for a
    /// grid, `{"Trips": (…)}` for any network.
    pub demand: Demand,
    /// Paths of SUMO's `.add.xml` files: programmes of lights, kinds of vehicles, routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional: Vec<String>,
    /// Time in SUMO's files at which the episode begins; the whole minute before the first departure if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begin_s: Option<NonNegative>,
    /// How long an episode is; an hour if not given.
    #[serde(default = "hour")]
    pub duration_s: Positive,
    /// Length of a step of the simulation; 1 if not given.
    #[serde(default = "second")]
    pub step_s: Positive,
    /// Time between decisions; that of `signals`, 10 or 5 or 15, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_s: Option<Positive>,
    /// Seed of the demand: of a grid's vehicles, and of CityFlow's choice of start lanes.
    #[serde(default)]
    pub seed: u32,
    /// How lights change, as a published environment does it; as in LibSignal if not given. `decision_s` above and the four
    /// fields that follow replace what it says.
    #[serde(default)]
    pub signals: Signals,
    /// Time between two greens, first, in which only what both of them free goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yellow_s: Option<NonNegative>,
    /// Time between two greens, behind yellow, in which only movements that are always free may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance_s: Option<NonNegative>,
    /// Shortest green; requests to end it earlier are ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_green_s: Option<NonNegative>,
    /// The greens that lights have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greens: Option<Greens>,
    /// Longest green while another is wanted: then the next wanted one follows, whatever is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_green_s: Option<Positive>,
    /// What a crossing decides: the green that it shows if not given.
    #[serde(default)]
    pub actions: Actions,
    /// Whether networks are told which actions begin to be obeyed at once, and choose among these only.
    #[serde(default)]
    pub masks: bool,
    /// Lights follow the tables of the network, and actions mean nothing.
    #[serde(default)]
    pub own_tables: bool,
    /// How vehicles are moved; one by one if not given.
    #[serde(default)]
    pub model: Model,
    /// With how many bits vehicles are moved one by one; `Double` if not given, `Single` as a device has them.
    #[serde(default)]
    pub precision: Precision,
    /// How vehicles follow each other in the micro model; as in CityFlow if not given.
    #[serde(default)]
    pub following: Law,
    /// People on foot; none if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pedestrians: Option<Pedestrians>,
    /// What a crossing sees; `Fair` if not given.
    #[serde(default)]
    pub observation: Observation,
    /// What a crossing earns, a task each; `Fair` alone if not given.
    #[serde(default = "fair")]
    pub rewards: Vec<Payment>,
    /// What constraints can be put on, a task each behind the rewards.
    #[serde(default)]
    pub costs: Vec<Cost>,
    /// How crossings are grouped; each by itself if not given.
    #[serde(default)]
    pub groups: Groups,
    #[serde(skip)]
    #[schemars(skip)]
    world: OnceLock<Result<Arc<World>, Problem>>,
}

/// How crossings are grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Groups {
    /// Every crossing is a group of its own.
    #[default]
    Crossings,
    /// All are one group.
    Network,
}

fn amount(constant: f64) -> Positive {
    Positive::new(constant).expect("a constant above 0")
}

fn hour() -> Positive {
    amount(3600.0)
}

fn second() -> Positive {
    amount(1.0)
}

fn fair() -> Vec<Payment> {
    vec![Payment::fair()]
}

/// Steps of the longest episode.
const MOST_STEPS: f64 = 1e7;

impl Traffic {
    /// Time between decisions.
    fn decision_s(&self) -> f64 {
        self.decision_s.map_or(self.signals.decision_s(), |time| time.get())
    }

    /// How lights change.
    fn changes(&self) -> Changes {
        let changes = self.signals.changes();
        let or = |own: Option<NonNegative>, time_s: f64| own.map_or(time_s, |own| own.get());
        Changes {
            yellow_s: or(self.yellow_s, changes.yellow_s),
            clearance_s: or(self.clearance_s, changes.clearance_s),
            min_green_s: or(self.min_green_s, changes.min_green_s),
            max_green_s: self.max_green_s.map(|most| most.get()),
            forgets: changes.forgets,
        }
    }

    /// Why no rule can act here, if it is so: rules name greens.
    fn cannot_obey(&self) -> Vec<Problem> {
        if self.actions == Actions::Green {
            return Vec::new();
        }
        let message = "rules for lights name greens, and `actions` of this environment are others";
        vec![Problem::at("", message).help("leave out `actions`, or let a `policy` act")]
    }

    fn decision_steps(&self) -> u32 {
        (self.decision_s() / self.step_s.get()).round().clamp(1.0, MOST_STEPS) as u32
    }

    fn decisions(&self) -> u32 {
        let steps = (self.duration_s.get() / self.step_s.get()).round().clamp(1.0, MOST_STEPS) as u32;
        steps.div_ceil(self.decision_steps())
    }

    fn clock(&self) -> Clock {
        Clock { step_s: self.step_s.get(), steps: self.decisions() * self.decision_steps(), seed: self.seed }
    }

    /// The roads and vehicles, read once.
    fn world(&self) -> Result<&Arc<World>, &Problem> {
        let read = || {
            if self.duration_s.get() / self.step_s.get() > MOST_STEPS {
                return Err(Problem::at("duration_s", format!("more than {MOST_STEPS} steps")).help("use longer steps"));
            }
            let clock = self.clock();
            let additional = Additional::read(&self.additional)?;
            let roads = self.network.read(&additional)?;
            let begin_s = self.begin_s.map(|begin| begin.get());
            let demand = self.demand.read(&self.network, &roads, &additional, clock, begin_s)?;
            let roads = roads.with_greens(self.greens.unwrap_or(self.signals.greens()));
            let roads = if self.changes().yellow_s > 0.0 { roads.showing_yellow() } else { roads };
            let world = World::following(roads, demand, clock, self.following).moved_by(self.model);
            let world = world.computed_in(self.precision).deciding_every(self.decision_steps());
            let world = match &self.pedestrians {
                Some(pedestrians) => world.crossed_by(pedestrians)?,
                None => world,
            };
            Ok(Arc::new(world))
        };
        self.world.get_or_init(read).as_ref()
    }
}

#[typetag::serde]
impl Environment for Traffic {
    fn spec(&self) -> Spec {
        // A network that cannot be read has no crossings; `check` has said why.
        let empty = World::new(network::Network::default(), network::demand::Demand::default(), self.clock());
        let world = self.world().map_or(&empty, |world| &**world);
        let sizes = Sizes::of(world);
        let vehicles = world.demand.departures.len();
        let episode_s = self.duration_s.get();
        let most_persons = world.demand.kinds.iter().map(|kind| kind.persons).fold(0.0, f64::max);
        let persons = vehicles.max(1) as f64 * most_persons + world.walkways.most as f64;
        let rewards = self.rewards.iter().map(|payment| payment.task(vehicles, persons, episode_s));
        let costs = self.costs.iter().map(|cost| cost.task(&sizes, episode_s));
        let requests = Requests::new(self.actions.clone(), self.changes(), self.masks, world, sizes.greens());
        let group = |name: &str, agents: usize| GroupSpec { name: name.to_owned(), agents: agents as u32 };
        let name = |crossing: u32| world.network.crossings[crossing as usize].name.as_str();
        let groups = match self.groups {
            Groups::Crossings => {
                requests.crossings.iter().map(|(crossing, agents)| group(name(*crossing), agents.len())).collect()
            }
            Groups::Network => vec![group("network", requests.agents().len())],
        };
        Spec {
            groups,
            tasks: rewards.chain(costs).collect(),
            observation: self.observation.space(&sizes, vehicles, requests.features(sizes.greens())),
            action: self.actions.space(sizes.greens(), self.masks),
            time_limit: self.decisions(),
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        match self.world() {
            Err(problem) => problems.push(problem.clone()),
            Ok(world) if world.network.controlled().next().is_none() => {
                let help = "a crossing is an agent if its light has two phases or more that free somebody";
                problems.push(Problem::at("network", "no crossing has a light to control").help(help));
            }
            Ok(_) => {}
        }
        if self.rewards.is_empty() {
            problems.push(Problem::at("rewards", "crossings earn nothing").help("name one reward or more"));
        }
        let rewards: Vec<&str> = self.rewards.iter().map(|payment| payment.name()).collect();
        let costs: Vec<&str> = self.costs.iter().map(|cost| cost.name()).collect();
        for (field, names) in [("rewards", rewards), ("costs", costs)] {
            for (index, name) in names.iter().enumerate().filter(|(index, name)| names[..*index].contains(name)) {
                problems.push(Problem::at(format!("{field}[{index}]"), format!("`{name}` is named twice")));
            }
        }
        if let Ok(world) = self.world()
            && let Some(index) = self.costs.iter().position(|cost| *cost == Cost::BusesBehindCars {})
            && !world.demand.kinds.iter().any(|kind| kind.class == Class::Bus)
        {
            let help = "give the demand a share of `buses`, or vehicles of that class";
            problems.push(Problem::at(format!("costs[{index}]"), "there are no buses").help(help));
        }
        if self.precision == Precision::Single && self.model != Model::Micro {
            let help = "leave it out: times of the queue model are exact in 32 bits";
            problems.push(Problem::at("precision", "only `model: Micro` is computed in a precision").help(help));
        }
        if self.pedestrians.is_none()
            && let Some(index) = self.costs.iter().position(|cost| *cost == Cost::PedestriansWait {})
        {
            let problem = Problem::at(format!("costs[{index}]"), "there are no pedestrians");
            problems.push(problem.help("say how many come: `pedestrians: (per_h: 60)`"));
        }
        if let Ok(world) = self.world() {
            let greens = Sizes::of(world).greens();
            problems.extend(self.actions.check(&self.changes(), self.masks, greens, self.decision_s()));
        }
        let changes = self.changes();
        if changes.max_green_s.is_some_and(|most| most < changes.min_green_s) {
            let message = format!("shorter than the shortest green, {} s", changes.min_green_s);
            problems.push(Problem::at("max_green_s", message).help("use a longer one or a shorter `min_green_s`"));
        }
        let ratio = self.decision_s() / self.step_s.get();
        if ratio < 1.0 || (ratio - ratio.round()).abs() > 1e-9 {
            let help = format!("give a multiple of `step_s`, {} s", self.step_s.get());
            problems.push(Problem::at("decision_s", "a decision must take whole steps").help(help));
        }
        problems
    }

    fn resolve(&mut self, folder: &Path) -> Result<(), Problem> {
        self.network.settle(folder);
        self.demand.settle(folder);
        self.additional.iter_mut().for_each(|path| *path = source::absolute(folder, path));
        self.world = OnceLock::new();
        self.world().map(|_| ()).map_err(Problem::clone)
    }

    fn replay(&self) -> Option<&dyn Replay> {
        Some(self)
    }

    fn build(&self, sim: &mut Builder) {
        if let Ok(world) = self.world() {
            sim.lanes_of(Streets::new(self, world.clone()));
        }
    }
}

plugin!(Environment: Traffic, "(
    network: {\"Grid\": (rows: 2, columns: 2)},
    demand: {\"Entries\": (main_per_h: 400, side_per_h: 200)},
    duration_s: 600,
    rewards: [Fair(), Queue()],
)");
