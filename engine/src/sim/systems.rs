//! The engine's own systems, one stage after the other, and how a fused rollout borrows all columns at once.

use super::lend::all;
use super::{Acting, Clock, Memory, Recording};
use crate::columns::{self, Choice, Column, Remembered, Return, Reward, Shaped, Taught, Utility, scalars};
use crate::fused::{self, Columns, Ledger, Rules, Scratch, by_task};
use crate::policy::PolicyTable;
use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemState;

pub(super) fn act<O: Column, A: Column>(
    rules: Res<Rules>,
    policy: Res<Acting>,
    clock: Res<Clock>,
    mut memory: ResMut<Memory>,
    mut agents: Query<(&O, &mut A)>,
) {
    let Some((observation, mut action)) = columns::only(&mut agents) else { return };
    let (observation, action): (&[u32], &mut [u32]) = (bytemuck::cast_slice(observation), scalars(&mut action));
    for range in fused::tiles(&rules, observation.len()) {
        let words = &mut memory.0.words[..range.len()];
        let first = range.start as u64;
        fused::choose(&rules, &policy.0, clock.step, first, &observation[range.clone()], words, &mut action[range]);
    }
}

pub(super) fn transition<S: Column, A: Column>(
    rules: Res<Rules>,
    clock: Res<Clock>,
    mut memory: ResMut<Memory>,
    mut agents: Query<(&mut S, &A)>,
    mut ledger: Query<&mut Reward>,
) {
    let (Some((mut state, action)), Some(mut reward)) = (columns::only(&mut agents), columns::only(&mut ledger)) else {
        return;
    };
    let (state, reward) = (scalars(&mut state), scalars(&mut reward));
    fused::transition(&rules, clock.step, bytemuck::cast_slice(action), state, reward, &mut memory.0);
}

pub(super) fn credit(mut ledger: Query<(&Reward, &mut Utility)>) {
    if let Some((reward, mut utility)) = columns::only(&mut ledger) {
        fused::add(bytemuck::cast_slice(reward), scalars(&mut utility));
    }
}

pub(super) fn shape(
    rules: Res<Rules>,
    clock: Res<Clock>,
    mut ledger: Query<(&Reward, &Utility, &mut Shaped, &mut Taught)>,
    mut memory: Query<&mut Remembered>,
) {
    if rules.fairness.is_empty() {
        return;
    }
    if let Some((reward, utility, mut shaped, mut taught)) = columns::only(&mut ledger) {
        let shaped = scalars(&mut shaped);
        let memory = bytemuck::cast_slice_mut(all(&mut memory));
        rules.shape(clock.step, bytemuck::cast_slice(reward), bytemuck::cast_slice(utility), memory, shaped);
        fused::add(shaped, scalars(&mut taught));
    }
}

pub(super) fn record_choices<O: Column, A: Column>(
    clock: Res<Clock>,
    mut recording: ResMut<Recording>,
    mut agents: Query<(&O, &A)>,
) {
    let (Some(rollout), Some((observation, action))) = (&mut recording.0, columns::only(&mut agents)) else { return };
    let start = (clock.step - rollout.first_step) as usize * rollout.rows();
    rollout.observation.write(start, bytemuck::cast_slice(observation));
    rollout.action.write(start, bytemuck::cast_slice(action));
}

/// Writes the actions of agents that move together; what they see is not kept.
pub(super) fn record_actions(clock: Res<Clock>, mut recording: ResMut<Recording>, mut agents: Query<&Choice>) {
    let (Some(rollout), Some(action)) = (&mut recording.0, columns::only(&mut agents)) else { return };
    let start = (clock.step - rollout.first_step) as usize * rollout.rows();
    rollout.action.write(start, bytemuck::cast_slice(action));
}

pub(super) fn record_rewards(
    rules: Res<Rules>,
    clock: Res<Clock>,
    mut recording: ResMut<Recording>,
    mut ledger: Query<(&Reward, &Shaped)>,
) {
    let (Some(rollout), Some((reward, shaped))) = (&mut recording.0, columns::only(&mut ledger)) else { return };
    let start = (clock.step - rollout.first_step) as usize * reward.len();
    rollout.reward[start..][..reward.len()].copy_from_slice(bytemuck::cast_slice(reward));
    if !rules.fairness.is_empty() {
        rollout.shaped[start..][..shaped.len()].copy_from_slice(bytemuck::cast_slice(shaped));
    }
}

pub(super) fn record_last<O: Column>(clock: Res<Clock>, mut recording: ResMut<Recording>, mut agents: Query<&O>) {
    let (Some(rollout), Some(observation)) = (&mut recording.0, columns::only(&mut agents)) else { return };
    if clock.ends() {
        let limit = u64::from(clock.time_limit);
        let episode = (clock.step / limit - rollout.first_step / limit) as usize;
        rollout.final_observation.write(episode * observation.len(), bytemuck::cast_slice(observation));
    }
}

pub(super) fn finish(mut ledger: Query<(&mut Utility, &mut Return)>) {
    if let Some((mut utility, mut returns)) = columns::only(&mut ledger) {
        let utility = scalars(&mut utility);
        fused::add(utility, scalars(&mut returns));
        utility.fill(0.0);
    }
}

pub(super) fn restart<S: Column>(
    rules: Res<Rules>,
    clock: Res<Clock>,
    mut memory: ResMut<Memory>,
    mut agents: Query<&mut S>,
) {
    if let Some(mut state) = columns::only(&mut agents) {
        start_rows(&rules, clock.step + 1, scalars(&mut state), &mut memory.0);
    }
}

pub(super) type Fused<'w, 's, S, A> = (
    Res<'w, Rules>,
    Res<'w, Acting>,
    Query<'w, 's, (&'static mut S, &'static mut A)>,
    Query<
        'w,
        's,
        (&'static mut Reward, &'static mut Shaped, &'static mut Utility, &'static mut Return, &'static mut Taught),
    >,
    Query<'w, 's, &'static mut Remembered>,
);

/// Lends out all columns at once.
pub(super) fn lend<S: Column, A: Column>(
    state: &mut Option<SystemState<Fused<'static, 'static, S, A>>>,
    world: &mut World,
    borrower: &mut dyn FnMut(&Rules, &PolicyTable, Columns<'_>),
) {
    let system = state.get_or_insert_with(|| SystemState::new(world));
    let Ok((rules, policy, mut agents, mut ledger, mut memory)) = system.get_mut(world) else { return };
    let (Some((mut state, mut action)), Some((mut reward, mut shaped, mut utility, mut returns, mut taught))) =
        (columns::only(&mut agents), columns::only(&mut ledger))
    else {
        return;
    };
    let tasks = rules.tasks;
    let ledger = Ledger {
        reward: by_task(reward.bypass_change_detection(), tasks),
        shaped: by_task(shaped.bypass_change_detection(), tasks),
        utility: by_task(utility.bypass_change_detection(), tasks),
        returns: by_task(returns.bypass_change_detection(), tasks),
        taught: by_task(taught.bypass_change_detection(), tasks),
        memory: by_task(all(&mut memory), tasks * rules.memories()),
    };
    borrower(&rules, &policy.0, Columns { state: scalars(&mut state), action: scalars(&mut action), ledger });
}

/// Starts the first episodes.
pub(super) fn start<S: Column>(world: &mut World) {
    let mut system = SystemState::<(Res<Rules>, ResMut<Memory>, Query<&mut S>)>::new(world);
    if let Ok((rules, mut memory, mut agents)) = system.get_mut(world)
        && let Some(mut state) = columns::only(&mut agents)
    {
        start_rows(&rules, 0, scalars(&mut state), &mut memory.0);
    }
}

pub(super) fn start_rows(rules: &Rules, made: u64, state: &mut [u32], scratch: &mut Scratch) {
    for range in fused::tiles(rules, state.len()) {
        let words = &mut scratch.words[..range.len()];
        rules.start(made, range.start as u64, words, &mut state[range]);
    }
}
