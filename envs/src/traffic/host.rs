//! The environment as the engine hosts it: a lane of the batch is a copy of the network, a step is a decision.

use super::Traffic;
use super::action::{Actions, Requests};
use super::cost::Cost;
use super::metrics::Summary;
use super::observation::{Observation, Sizes};
use super::pedestrians;
use super::reward::Payment;
use super::state::{BLOCK, Chain, Choosing, Curb, Light, Occupied, Passage, Shown, State, Tally, Vehicle, Walker};
use super::world::World;
use bytemuck::Zeroable;
use isonomy_engine::columns;
use isonomy_engine::gpu::{LaneTwin, RuleTwin};
use isonomy_engine::lanes::{At, LaneController, LaneDynamics, Shared, View};
use std::sync::Arc;

columns! {
    /// What a reward compares with: its number at the decision before.
    Before(f64);
}

/// The network and what is asked of it.
pub struct Streets {
    pub(super) world: Arc<World>,
    pub(super) requests: Requests,
    pub(super) own_tables: bool,
    /// Crossings by the number of their agent.
    pub(super) agents: Vec<u32>,
    pub(super) sizes: Sizes,
    features: usize,
    pub(super) observation: Observation,
    pub(super) rewards: Vec<Payment>,
    pub(super) costs: Vec<Cost>,
    /// Of what an episode comes to.
    names: Vec<String>,
}

impl Streets {
    pub(super) fn new(traffic: &Traffic, world: Arc<World>) -> Self {
        let sizes = Sizes::of(&world);
        let requests = Requests::new(traffic.actions.clone(), traffic.changes(), traffic.masks, &world, sizes.greens());
        Streets {
            own_tables: traffic.own_tables,
            agents: requests.agents(),
            features: traffic.observation.features(&sizes) + requests.features(sizes.greens()),
            requests,
            sizes,
            observation: traffic.observation,
            rewards: traffic.rewards.clone(),
            costs: traffic.costs.clone(),
            names: super::metrics::names(&world),
            world,
        }
    }

    /// The roads and vehicles.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Rewards that a crossing earns, and costs.
    pub(super) fn tasks(&self) -> usize {
        self.rewards.len() + self.costs.len()
    }

    fn shown<'a>(&self, state: Shared<'a, Self>) -> Shown<'a> {
        let (vehicles, chains, _, lights, passages, choices, _, tally, curbs, walkers) = state;
        Shown { vehicles, chains, lights, passages, choices, tally: &tally[0], curbs, walkers }
    }
}

impl LaneDynamics for Streets {
    type State = (Vehicle, Chain, Occupied, Light, Passage, Choosing, Before, Tally, Curb, Walker);

    fn counts(&self) -> Vec<usize> {
        let network = &self.world.network;
        vec![
            self.world.demand.departures.len(),
            self.world.used_ways(),
            self.world.used_ways().div_ceil(BLOCK),
            network.crossings.len(),
            network.movements.len(),
            self.world.choices(),
            self.agents.len() * self.rewards.len(),
            1,
            self.world.walkways.all.len(),
            self.world.walkways.most,
        ]
    }

    fn draws(&self) -> usize {
        usize::from(self.world.dawdles)
    }

    fn start_draws(&self) -> usize {
        if self.world.walkways.all.is_empty() { 0 } else { pedestrians::WORDS }
    }

    fn start(&self, at: At<'_>, state: View<'_, Self>) {
        let (vehicles, chains, occupied, lights, passages, choices, before, tally, curbs, walkers) = state;
        self.world.start_walking(at.words, curbs, walkers);
        let tally = &mut tally[0];
        self.world.start(State { vehicles, chains, occupied, lights, passages, choices, tally, curbs, walkers });
        if self.own_tables {
            self.world.follow_tables(lights);
        } else {
            self.requests.start(lights);
        }
        before.fill(Before(0.0));
    }

    fn observe(&self, _: At<'_>, state: Shared<'_, Self>, features: &mut [f32]) {
        let shown = self.shown(state);
        let (world, sizes, requests) = (&self.world, &self.sizes, &self.requests);
        let mut agents = features.chunks_exact_mut(self.features);
        for (crossing, of) in &requests.crossings {
            for (green, features) in (0..of.len()).zip(&mut agents) {
                let (seen, more) = features.split_at_mut(self.observation.features(sizes));
                self.observation.write(world, shown, sizes, *crossing as usize, seen);
                match &requests.actions {
                    Actions::Split => (0..).zip(more).for_each(|(at, one)| *one = f32::from(u8::from(at == green))),
                    _ => requests.mask(world, shown, *crossing as usize, more),
                }
            }
        }
    }

    fn step(&self, at: At<'_>, action: &[u32], state: View<'_, Self>, reward: &mut [f32]) {
        self.decide(at, action, state, reward, |_| {});
    }

    fn measures(&self) -> Vec<String> {
        self.names.clone()
    }

    fn work(&self) -> Option<&str> {
        Some("vehicle_updates")
    }

    fn measure(&self, state: Shared<'_, Self>, measures: &mut [f64]) {
        let shown = self.shown(state);
        let summary = Summary::of(&self.world, shown);
        for (measure, (_, number)) in measures.iter_mut().zip(summary.numbers(&self.world, shown)) {
            *measure = number;
        }
    }

    fn twin(&self) -> Result<LaneTwin, String> {
        if !self.world.walkways.all.is_empty() {
            return Err("people on foot have no WGSL twin (without `pedestrians` there is one)".to_owned());
        }
        self.lane_twin()
    }
}

/// The columns of one lane that nobody hosts.
pub(super) struct Columns {
    pub(super) vehicles: Vec<Vehicle>,
    chains: Vec<Chain>,
    occupied: Vec<Occupied>,
    lights: Vec<Light>,
    passages: Vec<Passage>,
    choices: Vec<Choosing>,
    before: Vec<Before>,
    tally: Vec<Tally>,
    pub(super) curbs: Vec<Curb>,
    pub(super) walkers: Vec<Walker>,
}

impl Columns {
    pub(super) fn new(streets: &Streets) -> Self {
        let counts = streets.counts();
        Columns {
            vehicles: vec![Vehicle::zeroed(); counts[0]],
            chains: vec![Chain::zeroed(); counts[1]],
            occupied: vec![Occupied(0); counts[2]],
            lights: vec![Light::zeroed(); counts[3]],
            passages: vec![Passage::zeroed(); counts[4]],
            choices: vec![Choosing::zeroed(); counts[5]],
            before: vec![Before(0.0); counts[6]],
            tally: vec![Tally::zeroed(); counts[7]],
            curbs: vec![Curb::zeroed(); counts[8]],
            walkers: vec![Walker::zeroed(); counts[9]],
        }
    }

    pub(super) fn view(&mut self) -> View<'_, Streets> {
        let Columns { vehicles, chains, occupied, lights, passages, choices, before, tally, curbs, walkers } = self;
        (vehicles, chains, occupied, lights, passages, choices, before, tally, curbs, walkers)
    }
}

impl Streets {
    /// Makes the steps of a decision. `watch` sees every one of them, before lights that follow their tables turn.
    pub(super) fn decide(
        &self,
        at: At<'_>,
        action: &[u32],
        state: View<'_, Self>,
        reward: &mut [f32],
        mut watch: impl FnMut(Shown<'_>),
    ) {
        let (vehicles, chains, occupied, lights, passages, choices, before, tally, curbs, walkers) = state;
        let (world, tally) = (&*self.world, &mut tally[0]);
        tally.noise = at.words.first().copied().unwrap_or(0);
        let mut state = State { vehicles, chains, occupied, lights, passages, choices, tally, curbs, walkers };
        world.decide_anew(&mut state);
        for made in 0..world.decision_steps {
            if !self.own_tables {
                self.change_lights(action, made, &mut state);
            }
            world.step(&mut state);
            world.walk(&mut state);
            watch(state.shown());
            world.turn_lights(state.lights, self.own_tables);
        }
        for (crossing, agents) in &self.requests.crossings {
            let green = match self.requests.actions {
                Actions::Green => action[agents.start],
                _ => state.lights[*crossing as usize].green,
            };
            world.note_choice(state.choices, *crossing as usize, green);
        }
        let before: &mut [f64] = bytemuck::cast_slice_mut(before);
        let agents = self.agents.len();
        let (reward, costs) = reward.split_at_mut(agents * self.rewards.len());
        let tasks = before.chunks_exact_mut(agents).zip(reward.chunks_exact_mut(agents));
        for (payment, (before, reward)) in self.rewards.iter().zip(tasks) {
            payment.pay(world, state.shown(), &self.agents, before, reward);
        }
        for (cost, charged) in self.costs.iter().zip(costs.chunks_exact_mut(agents)) {
            cost.charge(world, state.shown(), &self.agents, charged);
        }
    }

    fn change_lights(&self, action: &[u32], made: u32, state: &mut State<'_>) {
        let (world, requests, step_s) = (&*self.world, &self.requests, self.world.clock.step_s);
        for (crossing, agents) in &requests.crossings {
            let crossing = *crossing as usize;
            let this = &world.network.crossings[crossing];
            let (codes, greens) = (&action[agents.clone()], this.greens.len() as u32);
            let wanted = requests.wanted(world, &mut state.lights[crossing], greens, codes, made);
            let green = requests.changes.allowed(world, state.shown(), crossing, wanted);
            let light = &mut state.lights[crossing];
            requests.changes.ask(light, this, green, step_s);
            requests.count_down(light, green != wanted, step_s);
        }
    }
}

/// A rule for one crossing, asked at all of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Everywhere<R>(pub(super) R);

impl<R: super::controller::Choose + 'static> LaneController<Streets> for Everywhere<R> {
    fn act(&self, streets: &Streets, _: At<'_>, state: Shared<'_, Streets>, action: &mut [u32]) {
        let shown = streets.shown(state);
        for (&crossing, action) in streets.agents.iter().zip(action) {
            *action = self.0.choose(&streets.world, shown, crossing as usize);
        }
    }

    fn twin(&self, streets: &Streets) -> Result<RuleTwin, String> {
        self.0.twin(&streets.world)
    }
}
