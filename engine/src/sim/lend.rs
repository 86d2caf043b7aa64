//! How the World lends what the engine keeps beside an environment's own columns.

use super::{Acting, Ruling};
use crate::columns::{self, Choice, Column, Measure, Remembered, Return, Reward, Shaped, Taught, Utility};
use crate::fused::{Ledger, Rules, by_task};
use crate::policy::PolicyTable;
use bevy_ecs::change_detection::ContiguousMut;
use bevy_ecs::prelude::*;

/// What the engine keeps of some neighbouring lanes whose agents move together.
pub struct Lender<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) table: &'a PolicyTable,
    pub(crate) ruling: &'a Ruling,
    pub(crate) action: &'a mut [u32],
    pub(crate) ledger: Ledger<'a>,
    /// `[lanes, measures]`.
    pub(crate) measures: &'a mut [f64],
}

pub(crate) type LenderParam<'w, 's> = (
    Res<'w, Rules>,
    Res<'w, Acting>,
    Res<'w, Ruling>,
    Query<'w, 's, &'static mut Choice>,
    Query<
        'w,
        's,
        (&'static mut Reward, &'static mut Shaped, &'static mut Utility, &'static mut Return, &'static mut Taught),
    >,
    Query<'w, 's, &'static mut Measure>,
    Query<'w, 's, &'static mut Remembered>,
);

/// Opens what a system was given. None where there is no agent.
pub(crate) fn lender<'a>(param: &'a mut LenderParam<'_, '_>) -> Option<Lender<'a>> {
    let (rules, acting, ruling, action, ledger, measures, memory) = param;
    let (reward, shaped, utility, returns, taught) = columns::only(ledger)?;
    let tasks = rules.tasks;
    let ledger = Ledger {
        reward: by_task(ContiguousMut::split(reward).0, tasks),
        shaped: by_task(ContiguousMut::split(shaped).0, tasks),
        utility: by_task(ContiguousMut::split(utility).0, tasks),
        returns: by_task(ContiguousMut::split(returns).0, tasks),
        taught: by_task(ContiguousMut::split(taught).0, tasks),
        memory: by_task(all(memory), tasks * rules.memories()),
    };
    Some(Lender {
        rules,
        table: &acting.0,
        ruling,
        action: bytemuck::cast_slice_mut(all(action)),
        ledger,
        measures: bytemuck::cast_slice_mut(all(measures)),
    })
}

/// A whole column; one without rows has no table.
pub(crate) fn all<'a, C: Column>(query: &'a mut Query<'_, '_, &mut C>) -> &'a mut [C] {
    columns::only(query).map_or(&mut [], |column| ContiguousMut::split(column).0)
}
