//! Lanes whose agents move together, hosted: each goes through all stages of all steps while it is in the cache.

use super::lend::Lender;
use super::{Builder, Clock, Recording, Ruling, Stage, systems};
use crate::columns::{Choice, Measure, Stored};
use crate::figure::Drawn;
use crate::fused::{Keys, Ledger, Rules, Scratch, Steps, Tile, Tracks, choose};
use crate::gpu::lanes::{Lent, LentColumns};
use crate::gpu::{self, DeviceError, LaneActor, LaneBatch, LaneDraws, LaneTwin};
use crate::lanes::{At, Cache, LaneController, LaneDynamics, LaneRule, LaneState, View};
use crate::memory;
use crate::noise::Key;
use crate::policy::{NetworkPolicy, PolicyTable, Workspace};
use crate::rollout::Rollout;
use crate::spec::Spec;
use crate::stream;
use bevy_ecs::prelude::*;
use std::ops::Range;
use std::sync::Arc;

impl Builder {
    /// Agents of lanes that move by `dynamics`, together. Nothing else is needed, and a rollout runs fused.
    pub fn lanes_of<D: LaneDynamics>(&mut self, dynamics: D) -> &mut Self {
        let (host, limit) = (Lanes::new(dynamics), u64::from(self.spec.time_limit));
        let bytes = D::State::bytes(&host.law.counts) * self.lanes as u128;
        if !memory::can_be_had(bytes) {
            self.too_large = Some(bytes);
            return self;
        }
        self.spawn_agents(|_, _| (Choice(0),));
        D::State::spawn(&mut self.world, self.lanes, &host.law.counts);
        self.world.spawn_batch(std::iter::repeat_n(Measure(0.0), self.lanes * host.law.measures.len()));
        self.stored.extend(D::State::stored());
        self.stored.push(Stored::of::<Measure>());
        let (mut record, mut act) = (host.again(), host.again());
        let (mut transition, mut restart) = (host.again(), host.again());
        let record = move |world: &mut World| {
            record.record(world, false, |rollout, step| {
                let start = (step - rollout.first_step) as usize * rollout.rows() * rollout.size;
                Some(&mut rollout.features[start..])
            })
        };
        let act = move |world: &mut World| act.each(world, |lane, step| lane.act(step));
        self.schedule.add_systems((record, act, systems::record_actions).chain().in_set(Stage::Act));
        let transition = move |world: &mut World| transition.each(world, |lane, step| lane.transition(step));
        self.schedule.add_systems(transition.in_set(Stage::Transition));
        let restart = move |world: &mut World| {
            restart.record(world, true, |rollout, step| {
                let episode = step / limit - rollout.first_step / limit;
                let start = episode as usize * rollout.rows() * rollout.size;
                Some(&mut rollout.final_features[start..])
            });
            restart.each(world, |lane, step| lane.restart(step));
        };
        self.schedule.add_systems(restart.in_set(Stage::Reset).after(systems::finish));
        self.host = Some(Box::new(host));
        self
    }
}

/// A [`LaneDynamics`] whose type has been forgotten.
pub(super) trait Host: Send + Sync {
    /// Starts the first episodes.
    fn start(&mut self, world: &mut World);

    /// Advances all lanes, sharing them out over the threads that `scratch` has room for.
    fn advance(&mut self, world: &mut World, steps: Steps, rollout: Option<&mut Rollout>, scratch: &mut [Scratch]);

    /// Writes what agents see after `made` steps, in the trajectory that ends there.
    fn look_ahead(&mut self, world: &mut World, made: u64, rollout: &mut Rollout);

    /// Names of what episodes are measured by.
    fn measures(&self) -> &[String];

    /// Which of the measures counts what was computed.
    fn work(&self) -> Option<&str>;

    /// Those whose standard error is recorded too.
    fn uncertain(&self) -> &[String];

    /// Whether a rule is for these lanes.
    fn obeys(&self, rule: &LaneRule) -> bool;

    /// Makes these steps, an episode, in the first lane alone and has it drawn; none where nobody draws.
    fn draw(&mut self, world: &mut World, episode: Steps) -> Option<Drawn>;

    /// The words of noise that a lane looks at when the episode after `made` steps starts, and in all its steps.
    fn words(&self, keys: &Keys, lane: usize, made: u64, limit: u32) -> (Vec<u32>, Vec<u32>);

    /// The dynamics in WGSL, or why there are none, and what else a device must know.
    fn twin(&self) -> (Result<LaneTwin, String>, Vec<usize>, LaneDraws);

    /// Compiles what the one who acts needs on a device.
    fn prepare(&mut self, world: &mut World, device: &mut LaneBatch) -> Result<(), DeviceError>;

    /// The shader that a device would run.
    fn shader(&mut self, world: &mut World, spec: &Spec) -> Result<String, DeviceError>;

    /// As [`advance`](Self::advance), on a device; the threads start episodes.
    fn advance_on(
        &mut self,
        world: &mut World,
        device: &mut LaneBatch,
        steps: Steps,
        rollout: Option<&mut Rollout>,
        scratch: &mut [Scratch],
    ) -> Result<(), DeviceError>;
}

/// The dynamics with what they always answer the same.
struct Law<D> {
    dynamics: D,
    counts: Vec<usize>,
    draws: usize,
    start_draws: usize,
    measures: Vec<String>,
    uncertain: Vec<String>,
}

struct Lanes<D> {
    law: Arc<Law<D>>,
    cache: Cache,
}

impl<D: LaneDynamics> Lanes<D> {
    fn new(dynamics: D) -> Self {
        let (counts, measures, uncertain) = (dynamics.counts(), dynamics.measures(), dynamics.uncertain());
        let (draws, start_draws) = (dynamics.draws(), dynamics.start_draws());
        let law = Law { dynamics, counts, draws, start_draws, measures, uncertain };
        Lanes { law: Arc::new(law), cache: Cache::default() }
    }

    fn again(&self) -> Self {
        Lanes { law: self.law.clone(), cache: Cache::default() }
    }

    /// Does one thing with every lane, in one step of the schedule.
    fn each(&mut self, world: &mut World, what: impl FnMut(&mut Lane<'_, '_, D>, u64)) {
        let step = world.resource::<Clock>().step;
        self.each_at(world, step, what);
    }

    fn each_at(&mut self, world: &mut World, step: u64, mut what: impl FnMut(&mut Lane<'_, '_, D>, u64)) {
        self.with(world, |law, mut part, acting| {
            let mut scratch = Scratch::new(acting.rules);
            let mut own = acting.own(law);
            for index in 0..part.lanes {
                what(&mut Lane::of(law, &mut part, acting, index, &mut scratch, &mut own), step);
            }
        });
    }

    /// Writes what agents see to a part of the trajectory that is being recorded, if one is.
    fn record(&mut self, world: &mut World, last: bool, part: impl FnOnce(&mut Rollout, u64) -> Option<&mut [f32]>) {
        let step = world.resource::<Clock>().step;
        let Some(mut rollout) = world.resource_mut::<Recording>().0.take() else { return };
        if rollout.size > 0
            && let Some(features) = part(&mut rollout, step)
        {
            self.see(world, step, last, features);
        }
        world.resource_mut::<Recording>().0 = Some(rollout);
    }

    /// Writes what all agents see, `[lanes, agents, size]`.
    fn see(&mut self, world: &mut World, step: u64, last: bool, features: &mut [f32]) {
        let mut rest = features;
        self.each_at(world, step, |lane, step| {
            let seen = lane.see(step, last);
            let (mine, after) = std::mem::take(&mut rest).split_at_mut(seen.len());
            mine.copy_from_slice(seen);
            rest = after;
        });
    }

    fn with(&mut self, world: &mut World, what: impl FnOnce(&Law<D>, Part<'_, D>, Acting<'_, D>)) {
        let law = &*self.law;
        D::State::lend(&mut self.cache, world, |lender, state| {
            let Lender { rules, table, ruling, action, ledger, measures } = lender;
            let lanes = action.len() / rules.group.len().max(1);
            let actor = match ruling {
                Ruling::Nothing => Actor::Table(table),
                Ruling::Rule(rule) => rule.of::<D>().map_or(Actor::Table(table), Actor::Rule),
                Ruling::Network(policy) => Actor::Network(policy),
            };
            let acting = Acting { rules, table, actor };
            what(law, Part { first: 0, lanes, state, action, ledger, measures }, acting);
        });
    }
}

impl<D: LaneDynamics> Host for Lanes<D> {
    fn start(&mut self, world: &mut World) {
        self.each(world, |lane, step| lane.start(step));
    }

    fn advance(&mut self, world: &mut World, steps: Steps, rollout: Option<&mut Rollout>, scratch: &mut [Scratch]) {
        if steps.is_empty() {
            return;
        }
        let tracks = rollout.map(Tracks::of).unwrap_or_default();
        self.with(world, |law, part, acting| {
            let share = part.lanes.div_ceil(scratch.len().max(1));
            if share == part.lanes {
                if let Some(scratch) = scratch.first_mut() {
                    part.advance(law, acting, steps, tracks, scratch);
                }
                return;
            }
            std::thread::scope(|scope| {
                let (mut part, mut tracks) = (part, tracks);
                for scratch in scratch {
                    let take = share.min(part.lanes);
                    let (mine, rest) = part.split_at_mut(law, take);
                    let (my_tracks, rest_of_tracks) = tracks.split_at_mut(take * acting.rules.group.len());
                    let steps = steps.clone();
                    scope.spawn(move || mine.advance(law, acting, steps, my_tracks, scratch));
                    (part, tracks) = (rest, rest_of_tracks);
                }
            });
        });
    }

    fn look_ahead(&mut self, world: &mut World, made: u64, rollout: &mut Rollout) {
        if rollout.size > 0 {
            self.see(world, made, false, &mut rollout.next_features);
        }
    }

    fn measures(&self) -> &[String] {
        &self.law.measures
    }

    fn work(&self) -> Option<&str> {
        self.law.dynamics.work()
    }

    fn uncertain(&self) -> &[String] {
        &self.law.uncertain
    }

    fn obeys(&self, rule: &LaneRule) -> bool {
        rule.of::<D>().is_some()
    }

    fn draw(&mut self, world: &mut World, episode: Steps) -> Option<Drawn> {
        let count = self.law.dynamics.traces();
        let mut drawn = None;
        if count == 0 {
            return drawn;
        }
        self.with(world, |law, mut part, acting| {
            let mut scratch = Scratch::new(acting.rules);
            let mut own = acting.own(law);
            let mut traces = vec![0.0; episode.clone().count() * count];
            let mut lane = Lane::of(law, &mut part, acting, 0, &mut scratch, &mut own);
            for (step, traces) in episode.zip(traces.chunks_exact_mut(count)) {
                lane.act(step);
                lane.trace(step, traces);
                lane.moves(step);
            }
            let state = D::State::lane(&mut lane.part.state, &law.counts, 0);
            drawn = Some(law.dynamics.draw(D::State::shared(&state), &traces));
        });
        drawn
    }

    fn words(&self, keys: &Keys, lane: usize, made: u64, limit: u32) -> (Vec<u32>, Vec<u32>) {
        let (draws, mut start) = (self.law.draws, vec![0; self.law.start_draws]);
        keys.reset.fill(made, (lane * start.len()) as u64, &mut start);
        let mut words = vec![0; draws * limit as usize];
        if draws > 0 {
            for (step, words) in (made..).zip(words.chunks_exact_mut(draws)) {
                keys.transition.fill(step, (lane * draws) as u64, words);
            }
        }
        (start, words)
    }

    fn twin(&self) -> (Result<LaneTwin, String>, Vec<usize>, LaneDraws) {
        (self.law.dynamics.twin(), self.law.counts.clone(), self.law.device_draws())
    }

    fn prepare(&mut self, world: &mut World, device: &mut LaneBatch) -> Result<(), DeviceError> {
        let mut outcome = Ok(());
        self.with(world, |law, _, acting| outcome = acting.there(law).and_then(|actor| device.prepare(&actor)));
        outcome
    }

    fn shader(&mut self, world: &mut World, spec: &Spec) -> Result<String, DeviceError> {
        let twin = self.law.dynamics.twin();
        let twin =
            twin.map_err(|reason| DeviceError::NoLaneTwin { environment: "the environment".to_owned(), reason })?;
        let mut outcome = Ok(String::new());
        self.with(world, |law, _, acting| {
            let actor = acting.there(law);
            outcome = actor.map(|actor| gpu::compose_lanes(spec, &twin, &law.counts, law.device_draws(), &actor));
        });
        outcome
    }

    fn advance_on(
        &mut self,
        world: &mut World,
        device: &mut LaneBatch,
        steps: Steps,
        rollout: Option<&mut Rollout>,
        scratch: &mut [Scratch],
    ) -> Result<(), DeviceError> {
        let mut outcome = Ok(());
        self.with(world, |law, part, acting| {
            outcome = acting
                .there(law)
                .and_then(|actor| device.run(&mut Loan { law, part, acting, scratch }, &actor, steps, rollout));
        });
        outcome
    }
}

impl<D: LaneDynamics> Law<D> {
    fn device_draws(&self) -> LaneDraws {
        LaneDraws { step: self.draws, start: self.start_draws, measures: self.measures.len() }
    }
}

/// All lanes, lent to a device.
struct Loan<'a, 'p, 's, D: LaneDynamics> {
    law: &'a Law<D>,
    part: Part<'p, D>,
    acting: Acting<'a, D>,
    scratch: &'s mut [Scratch],
}

impl<'a, D: LaneDynamics> Lent<'a> for Loan<'a, '_, '_, D> {
    fn rules(&self) -> &'a Rules {
        self.acting.rules
    }

    fn table(&self) -> &'a PolicyTable {
        self.acting.table
    }

    fn columns(&mut self) -> LentColumns<'_> {
        let Part { state, action, ledger, measures, .. } = &mut self.part;
        let rows = 0..action.len();
        LentColumns { state: D::State::bytes_of(state), action, ledger: ledger.some(rows), measures }
    }

    fn restart(&mut self, lanes: Range<usize>, step: u64) {
        let Loan { law, part, acting, scratch } = self;
        let (law, acting) = (*law, *acting);
        let share = lanes.len().div_ceil(scratch.len().max(1));
        let mut part = part.some(law, lanes);
        std::thread::scope(|scope| {
            for scratch in scratch.iter_mut() {
                let take = share.min(part.lanes);
                let mine;
                (mine, part) = part.split_at_mut(law, take);
                scope.spawn(move || mine.restart(law, acting, step, scratch));
            }
        });
    }
}

/// Who acts, by which rules.
struct Acting<'a, D: LaneDynamics> {
    rules: &'a Rules,
    table: &'a PolicyTable,
    actor: Actor<'a, D>,
}

enum Actor<'a, D: LaneDynamics> {
    Table(&'a PolicyTable),
    Rule(&'a dyn LaneController<D>),
    Network(&'a NetworkPolicy),
}

impl<D: LaneDynamics> Clone for Actor<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: LaneDynamics> Copy for Actor<'_, D> {}

impl<D: LaneDynamics> Clone for Acting<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: LaneDynamics> Copy for Acting<'_, D> {}

impl<'a, D: LaneDynamics> Acting<'a, D> {
    /// Who acts on a device, if there is a twin.
    fn there(&self, law: &Law<D>) -> Result<LaneActor<'a>, DeviceError> {
        match self.actor {
            Actor::Table(_) => Ok(LaneActor::Table),
            Actor::Network(policy) => Ok(LaneActor::Network(policy)),
            Actor::Rule(rule) => {
                let twin = rule.twin(&law.dynamics).map_err(|reason| DeviceError::NoRuleTwin { reason })?;
                Ok(LaneActor::Rule { twin, draws: rule.draws() })
            }
        }
    }

    /// Room for a lane.
    fn own(&self, law: &Law<D>) -> Own {
        let agents = self.rules.group.len();
        let acts = match self.actor {
            Actor::Table(_) => agents,
            Actor::Rule(rule) => rule.draws(),
            Actor::Network(policy) => policy.draws() * agents,
        };
        Own {
            words: vec![0; law.draws.max(law.start_draws).max(acts)],
            unseen: vec![0; agents],
            features: vec![0.0; agents * self.rules.size],
            workspace: Workspace::default(),
            measures: vec![0.0; law.measures.len()],
        }
    }
}

/// Memory that a thread needs beside its [`Scratch`].
struct Own {
    words: Vec<u32>,
    /// What a table sees of numbers: one value.
    unseen: Vec<u32>,
    /// What the agents of a lane see.
    features: Vec<f32>,
    workspace: Workspace,
    measures: Vec<f64>,
}

/// Some neighbouring lanes.
struct Part<'a, D: LaneDynamics> {
    first: usize,
    lanes: usize,
    state: View<'a, D>,
    action: &'a mut [u32],
    ledger: Ledger<'a>,
    measures: &'a mut [f64],
}

impl<'a, D: LaneDynamics> Part<'a, D> {
    /// Some of its lanes.
    fn some(&mut self, law: &Law<D>, lanes: Range<usize>) -> Part<'_, D> {
        let agents = self.action.len() / self.lanes.max(1);
        let (rows, count) = (lanes.start * agents..lanes.end * agents, law.measures.len());
        Part {
            first: self.first + lanes.start,
            lanes: lanes.len(),
            state: D::State::some(&mut self.state, &law.counts, lanes.clone()),
            action: &mut self.action[rows.clone()],
            ledger: self.ledger.some(rows),
            measures: &mut self.measures[lanes.start * count..lanes.end * count],
        }
    }

    /// Measures the episodes that `step` ended, and starts the next.
    fn restart(mut self, law: &Law<D>, acting: Acting<'_, D>, step: u64, scratch: &mut Scratch) {
        let mut own = acting.own(law);
        for index in 0..self.lanes {
            Lane::of(law, &mut self, acting, index, scratch, &mut own).restart(step);
        }
    }

    fn split_at_mut(self, law: &Law<D>, lanes: usize) -> (Self, Self) {
        let agents = self.action.len() / self.lanes.max(1);
        let (state, state_rest) = D::State::split_at_mut(self.state, &law.counts, lanes);
        let (action, action_rest) = self.action.split_at_mut(lanes * agents);
        let (ledger, ledger_rest) = self.ledger.split_at_mut(lanes * agents);
        let (measures, measures_rest) = self.measures.split_at_mut(lanes * law.measures.len());
        let rest = (self.first + lanes, self.lanes - lanes);
        (
            Part { first: self.first, lanes, state, action, ledger, measures },
            Part {
                first: rest.0,
                lanes: rest.1,
                state: state_rest,
                action: action_rest,
                ledger: ledger_rest,
                measures: measures_rest,
            },
        )
    }

    fn advance(
        mut self,
        law: &Law<D>,
        acting: Acting<'_, D>,
        steps: Steps,
        mut tracks: Tracks<'_>,
        scratch: &mut Scratch,
    ) {
        let mut own = acting.own(law);
        for index in 0..self.lanes {
            let mut lane = Lane::of(law, &mut self, acting, index, scratch, &mut own);
            lane.load();
            let (mut episodes, numbers) = (0, lane.rows.start * tracks.size..lane.rows.end * tracks.size);
            for (t, step) in steps.clone().enumerate() {
                if let Some(track) = tracks.features.get_mut(t) {
                    track[numbers.clone()].copy_from_slice(lane.see(step, false));
                }
                lane.act(step);
                if let Some(track) = tracks.action.get_mut(t) {
                    track.write(lane.rows.start, &lane.part.action[lane.rows.clone()]);
                }
                lane.moves(step);
                lane.credit(t, step, &mut tracks);
                if acting.rules.ends(step) {
                    if let Some(track) = tracks.final_features.get_mut(episodes) {
                        track[numbers.clone()].copy_from_slice(lane.see(step, true));
                    }
                    episodes += 1;
                    lane.finish();
                    lane.restart(step);
                }
            }
            lane.store();
        }
        stream::fence();
    }
}

/// One lane of a part.
struct Lane<'a, 'p, D: LaneDynamics> {
    law: &'a Law<D>,
    part: &'a mut Part<'p, D>,
    acting: Acting<'a, D>,
    index: usize,
    rows: Range<usize>,
    scratch: &'a mut Scratch,
    own: &'a mut Own,
}

impl<'a, 'p, D: LaneDynamics> Lane<'a, 'p, D> {
    fn of(
        law: &'a Law<D>,
        part: &'a mut Part<'p, D>,
        acting: Acting<'a, D>,
        index: usize,
        scratch: &'a mut Scratch,
        own: &'a mut Own,
    ) -> Self {
        let agents = acting.rules.group.len();
        Lane { law, part, acting, index, rows: index * agents..(index + 1) * agents, scratch, own }
    }

    /// Where this lane is in `step`, with its words of the stream `step`.
    fn at<'w>(&self, key: Key, step: u64, words: &'w mut [u32]) -> At<'w> {
        let (rules, lane) = (self.acting.rules, self.part.first + self.index);
        key.fill(step, (lane * words.len()) as u64, words);
        At { lane, episode: step / u64::from(rules.time_limit), elapsed: rules.elapsed(step), words }
    }

    /// Starts the episode that begins after `made` steps.
    fn start(&mut self, made: u64) {
        let mut words = std::mem::take(&mut self.own.words);
        let at = self.at(self.acting.rules.keys.reset, made, &mut words[..self.law.start_draws]);
        self.law.dynamics.start(at, D::State::lane(&mut self.part.state, &self.law.counts, self.index));
        self.own.words = words;
    }

    /// What the agents see before `step`, or of where the last step of an episode led, `[agents, size]`.
    fn see(&mut self, step: u64, last: bool) -> &[f32] {
        let mut at = self.at(self.acting.rules.keys.transition, step, &mut []);
        at.elapsed += u32::from(last);
        let state = D::State::lane(&mut self.part.state, &self.law.counts, self.index);
        self.law.dynamics.observe(at, D::State::shared(&state), &mut self.own.features);
        &self.own.features
    }

    fn act(&mut self, step: u64) {
        let mut words = std::mem::take(&mut self.own.words);
        let (rules, rows) = (self.acting.rules, self.rows.clone());
        match self.acting.actor {
            Actor::Table(table) => {
                let first = ((self.part.first + self.index) * rows.len()) as u64;
                let (unseen, words) = (&self.own.unseen, &mut words[..rows.len()]);
                choose(rules, table, step, first, unseen, words, &mut self.part.action[rows]);
            }
            Actor::Rule(rule) => {
                let at = self.at(rules.keys.policy, step, &mut words[..rule.draws()]);
                let state = D::State::lane(&mut self.part.state, &self.law.counts, self.index);
                rule.act(&self.law.dynamics, at, D::State::shared(&state), &mut self.part.action[rows]);
            }
            Actor::Network(policy) => {
                self.see(step, false);
                let words = self.at(rules.keys.policy, step, &mut words[..policy.draws() * rows.len()]).words;
                let Own { features, workspace, .. } = &mut *self.own;
                policy.act(features, words, workspace, &mut self.part.action[rows]);
            }
        }
        self.own.words = words;
    }

    /// Notes the numbers of the move that is about to be made.
    fn trace(&mut self, step: u64, traces: &mut [f64]) {
        let mut words = std::mem::take(&mut self.own.words);
        let at = self.at(self.acting.rules.keys.transition, step, &mut words[..self.law.draws]);
        let state = D::State::lane(&mut self.part.state, &self.law.counts, self.index);
        self.law.dynamics.trace(at, &self.part.action[self.rows.clone()], D::State::shared(&state), traces);
        self.own.words = words;
    }

    /// Moves the lane; what it earns stands in the scratch.
    fn moves(&mut self, step: u64) {
        let mut words = std::mem::take(&mut self.own.words);
        let at = self.at(self.acting.rules.keys.transition, step, &mut words[..self.law.draws]);
        let state = D::State::lane(&mut self.part.state, &self.law.counts, self.index);
        let reward = &mut self.scratch.reward[..self.rows.len() * self.acting.rules.tasks];
        self.law.dynamics.step(at, &self.part.action[self.rows.clone()], state, reward);
        self.own.words = words;
    }

    /// The same in the schedule, where the ledger is credited later.
    fn transition(&mut self, step: u64) {
        self.moves(step);
        let earned = self.scratch.reward.chunks_exact(self.rows.len());
        for (block, earned) in self.part.ledger.reward.iter_mut().zip(earned) {
            block[self.rows.clone()].copy_from_slice(earned);
        }
    }

    /// Measures the episode that `step` ended, and starts the next.
    fn restart(&mut self, step: u64) {
        let count = self.law.measures.len();
        {
            let state = D::State::lane(&mut self.part.state, &self.law.counts, self.index);
            self.law.dynamics.measure(D::State::shared(&state), &mut self.own.measures);
        }
        let sums = &mut self.part.measures[self.index * count..][..count];
        for (sum, measure) in sums.iter_mut().zip(&self.own.measures) {
            *sum += measure;
        }
        self.start(step + 1);
    }

    fn load(&mut self) {
        let rows = self.rows.clone();
        tile(self.acting.rules, &rows, self.scratch).load(&self.part.ledger, rows);
    }

    fn credit(&mut self, t: usize, step: u64, tracks: &mut Tracks<'_>) {
        let rows = self.rows.clone();
        let mut tile = tile(self.acting.rules, &rows, self.scratch);
        tile.credit(&mut tracks.reward, t, rows.clone());
        tile.shape(step);
        tile.track(&mut tracks.shaped, t, rows);
    }

    fn finish(&mut self) {
        let rows = self.rows.clone();
        tile(self.acting.rules, &rows, self.scratch).finish(&mut self.part.ledger, rows);
    }

    fn store(&mut self) {
        let rows = self.rows.clone();
        tile(self.acting.rules, &rows, self.scratch).store(&mut self.part.ledger, rows);
    }
}

/// A lane as the tile that credits and shapes what was earned.
fn tile<'a>(rules: &'a Rules, rows: &Range<usize>, scratch: &'a mut Scratch) -> Tile<'a> {
    Tile { rules, first: rows.start as u64, len: rows.len(), scratch }
}
