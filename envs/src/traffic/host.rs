//! The environment as the engine hosts it: a lane of the batch is a copy of the network, a step is a decision.

use super::Traffic;
use super::metrics::Summary;
use super::micro::{Chain, Choosing, Light, Passage, Shown, State, Tally, Vehicle, World};
use super::observation::{Observation, Sizes};
use super::reward::Payment;
use super::signal::Changes;
use isonomy_engine::columns;
use isonomy_engine::lanes::{At, LaneController, LaneDynamics, Shared, View};
use std::sync::Arc;

columns! {
    /// What a reward compares with: its number at the decision before.
    Before(f64);
}

/// The network and what is asked of it.
pub struct Streets {
    world: Arc<World>,
    changes: Changes,
    own_tables: bool,
    /// Crossings by the number of their agent.
    agents: Vec<u32>,
    sizes: Sizes,
    features: usize,
    observation: Observation,
    rewards: Vec<Payment>,
}

impl Streets {
    pub(super) fn new(traffic: &Traffic, world: Arc<World>) -> Self {
        let sizes = Sizes::of(&world);
        let features = match traffic.observation.space(&sizes, 0) {
            isonomy_engine::spec::Space::Real { size, .. } => size as usize,
            isonomy_engine::spec::Space::Discrete(_) => 1,
        };
        Streets {
            changes: Changes {
                clearance_s: traffic.clearance_s.get(),
                min_green_s: traffic.min_green_s.get(),
                max_green_s: traffic.max_green_s.map(|most| most.get()),
            },
            own_tables: traffic.own_tables,
            agents: world.network.controlled().map(|crossing| crossing as u32).collect(),
            sizes,
            features,
            observation: traffic.observation,
            rewards: traffic.rewards.clone(),
            world,
        }
    }

    /// The roads and vehicles.
    pub fn world(&self) -> &World {
        &self.world
    }

    fn shown<'a>(&self, state: Shared<'a, Self>) -> Shown<'a> {
        let (vehicles, chains, lights, passages, choices, _, tally) = state;
        Shown { vehicles, chains, lights, passages, choices, tally: &tally[0] }
    }
}

/// Names of what an episode comes to.
const MEASURES: [&str; 17] = [
    "average_travel_time_s",
    "wait_mean_s",
    "wait_p95_s",
    "wait_max_s",
    "wait_worst_decile_s",
    "wait_gini",
    "wait_jain",
    "finished_wait_mean_s",
    "worst_movement_wait_s",
    "worst_crossing_wait_s",
    "straight_wait_mean_s",
    "left_wait_mean_s",
    "right_wait_mean_s",
    "vehicles_created",
    "vehicles_entered",
    "vehicles_finished",
    "vehicle_updates",
];

impl LaneDynamics for Streets {
    type State = (Vehicle, Chain, Light, Passage, Choosing, Before, Tally);

    fn counts(&self) -> Vec<usize> {
        let network = &self.world.network;
        vec![
            self.world.demand.departures.len(),
            network.ways(),
            network.crossings.len(),
            network.movements.len(),
            self.world.choices(),
            self.agents.len() * self.rewards.len(),
            1,
        ]
    }

    fn draws(&self) -> usize {
        usize::from(self.world.dawdles)
    }

    fn start(&self, _: At<'_>, (vehicles, chains, lights, passages, choices, before, tally): View<'_, Self>) {
        let tally = &mut tally[0];
        self.world.start(State { vehicles, chains, lights, passages, choices, tally });
        if self.own_tables {
            lights.iter_mut().for_each(|light| light.phase = 0);
        }
        before.fill(Before(0.0));
    }

    fn observe(&self, _: At<'_>, state: Shared<'_, Self>, features: &mut [f32]) {
        let shown = self.shown(state);
        for (&crossing, features) in self.agents.iter().zip(features.chunks_exact_mut(self.features)) {
            self.observation.write(&self.world, shown, &self.sizes, crossing as usize, features);
        }
    }

    fn step(&self, at: At<'_>, action: &[u32], state: View<'_, Self>, reward: &mut [f32]) {
        let (vehicles, chains, lights, passages, choices, before, tally) = state;
        let (world, tally) = (&*self.world, &mut tally[0]);
        tally.noise = at.words.first().copied().unwrap_or(0);
        let mut state = State { vehicles, chains, lights, passages, choices, tally };
        world.decide_anew(&mut state);
        for _ in 0..world.decision_steps {
            if !self.own_tables {
                self.change_lights(action, &mut state);
            }
            world.step(&mut state);
            world.turn_lights(state.lights, self.own_tables);
        }
        for (&crossing, &action) in self.agents.iter().zip(action) {
            world.note_choice(state.choices, crossing as usize, action);
        }
        let before: &mut [f64] = bytemuck::cast_slice_mut(before);
        let agents = self.agents.len();
        let tasks = before.chunks_exact_mut(agents).zip(reward.chunks_exact_mut(agents));
        for (payment, (before, reward)) in self.rewards.iter().zip(tasks) {
            payment.pay(world, state.shown(), &self.agents, before, reward);
        }
    }

    fn measures(&self) -> Vec<String> {
        MEASURES.map(str::to_owned).to_vec()
    }

    fn measure(&self, state: Shared<'_, Self>, measures: &mut [f64]) {
        let shown = self.shown(state);
        let summary = Summary::of(&self.world, shown);
        let [straight, left, right] = summary.turns.map(|waits| waits.mean_s);
        let created = self.world.created(shown.tally.steps);
        measures.copy_from_slice(&[
            summary.average_travel_time_s,
            summary.waits_s.mean,
            summary.waits_s.p95,
            summary.waits_s.max,
            summary.waits_s.worst_decile,
            summary.waits_s.gini,
            summary.waits_s.jain,
            summary.finished_waits_s.mean,
            summary.worst_movement_s(),
            summary.worst_crossing_s(),
            straight,
            left,
            right,
            created as f64,
            summary.waits_s.count as f64,
            f64::from(shown.tally.finished),
            shown.tally.updates as f64,
        ]);
    }
}

impl Streets {
    fn change_lights(&self, action: &[u32], state: &mut State<'_>) {
        for (&crossing, &action) in self.agents.iter().zip(action) {
            let green = self.changes.allowed(&self.world, state.shown(), crossing as usize, action);
            let this = &self.world.network.crossings[crossing as usize];
            self.changes.ask(&mut state.lights[crossing as usize], this, green, self.world.clock.step_s);
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
}
