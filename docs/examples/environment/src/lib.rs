//! Commons: fishers share a stock that grows back. Everyone fishing at once empties it.

use bevy_ecs::prelude::*;
use isonomy_engine::columns::{Reward, only, scalars};
use isonomy_engine::environment::Environment;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Positive, Probability};
use isonomy_engine::sim::{Builder, Clock, Stage};
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{Keys, chance, columns, plugin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Fishers share a stock of fish that grows back.
///
/// Every lane has one stock between 0 and 1. A fisher who casts a net catches `catch · stock` with the chance of its
/// group's skill; then the stock grows by `growth · stock · (1 − stock)`. Who rests earns nothing.
///
/// | column  | shape          | meaning                                   |
/// |---------|----------------|-------------------------------------------|
/// | `Level` | lanes × agents | observation: the stock in tenths, 0 to 10 |
/// | `Cast`  | lanes × agents | action: 0 rests, 1 fishes                 |
/// | `Stock` | lanes          | what is left                              |
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Commons {
    /// Steps in an episode.
    pub time_limit: NonZeroU32,
    /// Share of the stock that one net takes.
    pub catch: Probability,
    /// How fast the stock grows back.
    pub growth: Positive,
    /// Who fishes.
    pub groups: Vec<Fishers>,
}

/// Fishers with the same boats.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fishers {
    /// Name in tables and records.
    pub name: String,
    /// Fishers of this group in every lane.
    pub agents: NonZeroU32,
    /// Chance that a net catches anything.
    pub skill: Probability,
}

plugin!(Environment: Commons,
    "(time_limit: 30, catch: 0.1, growth: 0.3, groups: [(name: \"A\", agents: 2, skill: 0.9)])");

columns! {
    /// What a fisher sees: the stock in tenths.
    Level(u32);
    /// What a fisher does: 0 rests, 1 fishes.
    Cast(u32);
    /// Fish left in a lane, from 0 to 1.
    Stock(f32);
}

#[typetag::serde]
impl Environment for Commons {
    fn spec(&self) -> Spec {
        let group = |group: &Fishers| GroupSpec { name: group.name.clone(), agents: group.agents.get() };
        Spec {
            groups: self.groups.iter().map(group).collect(),
            tasks: vec![TaskSpec { name: "catch".to_owned(), reward: (0.0, self.catch.get() as f32) }],
            observation: Space::Discrete(11),
            action: Space::Discrete(2),
            time_limit: self.time_limit.get(),
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        match self.groups.is_empty() {
            true => vec![Problem::at("groups", "nobody fishes").help("list at least one group")],
            false => Vec::new(),
        }
    }

    fn build(&self, sim: &mut Builder) {
        let skill = |group: u32| chance::threshold(self.groups[group as usize].skill.get());
        let rows = sim.spec().agents() as usize * sim.lanes();
        sim.insert_resource(Waters {
            skill: sim.spec().agent_groups().into_iter().map(skill).collect(),
            catch: self.catch.get() as f32,
            growth: self.growth.get() as f32,
            words: vec![0; rows],
        })
        .spawn_agents(|_lane, _agent| (Level(10), Cast(0)))
        .spawn_lanes(|_lane| (Stock(1.0),))
        .interface::<Level, Cast>()
        .add_systems(Stage::Transition, fish)
        .add_systems(Stage::Observe, look)
        .add_systems(Stage::Reset, (restock, look).chain());
    }
}

/// What stays the same, and room for the noise of a step.
#[derive(Resource)]
struct Waters {
    /// A word below this catches something, for every agent of a lane.
    skill: Vec<u32>,
    catch: f32,
    growth: f32,
    words: Vec<u32>,
}

fn fish(
    clock: Res<Clock>,
    keys: Res<Keys>,
    mut waters: ResMut<Waters>,
    mut fishers: Query<&Cast>,
    mut stocks: Query<&mut Stock>,
    mut ledger: Query<&mut Reward>,
) {
    let (Some(casts), Some(mut stocks), Some(mut rewards)) = (only(&mut fishers), only(&mut stocks), only(&mut ledger))
    else {
        return;
    };
    let Waters { skill, catch, growth, words } = &mut *waters;
    // One word per row, wherever the row is: lane 3 fishes the same whatever swims beside it.
    keys.transition.fill(clock.step, 0, words);
    let agents = skill.len();
    let lanes = scalars::<_, f32>(&mut stocks).iter_mut().zip(casts.chunks_exact(agents));
    let pay = scalars::<_, f32>(&mut rewards).chunks_exact_mut(agents).zip(words.chunks_exact(agents));
    for ((stock, casts), (rewards, words)) in lanes.zip(pay) {
        let before = *stock;
        for (agent, reward) in rewards.iter_mut().enumerate() {
            let caught = casts[agent].0 == 1 && words[agent] < skill[agent];
            *reward = if caught { (*catch * before).min(*stock) } else { 0.0 };
            *stock -= *reward;
        }
        *stock = (*stock + *growth * *stock * (1.0 - *stock)).min(1.0);
    }
}

fn look(mut stocks: Query<&Stock>, mut fishers: Query<&mut Level>) {
    let (Some(stocks), Some(mut levels)) = (only(&mut stocks), only(&mut fishers)) else { return };
    let levels: &mut [u32] = scalars(&mut levels);
    let agents = levels.len() / stocks.len();
    for (levels, stock) in levels.chunks_exact_mut(agents).zip(stocks) {
        levels.fill((stock.0 * 10.0) as u32);
    }
}

fn restock(mut stocks: Query<&mut Stock>) {
    if let Some(mut stocks) = only(&mut stocks) {
        scalars::<_, f32>(&mut stocks).fill(1.0);
    }
}
