//! Columns: what is stored for every agent, every agent and task, every lane.
//!
//! | table  | rows                   | columns                                                          |
//! |--------|------------------------|------------------------------------------------------------------|
//! | agents | lanes × agents         | [`Group`], then what the environment adds                        |
//! | ledger | tasks × lanes × agents | [`Reward`], [`Shaped`], [`Utility`], [`Return`], [`Taught`]       |
//! | lanes  | lanes                  | what the environment adds, if anything                           |
//!
//! An environment whose agents move together adds tables of its own, see [`lanes`](crate::lanes); its agents have a
//! [`Choice`], and [`Measure`] holds what episodes are measured by, `[lanes, measures]`.
//!
//! Agents stand lane by lane: row = lane · agents + agent. The ledger holds one such block per task.

use bevy_ecs::bundle::{Bundle, NoBundleEffect};
use bevy_ecs::change_detection::ContiguousMut;
use bevy_ecs::component::Mutable;
use bevy_ecs::prelude::*;
use bevy_ecs::query::ArchetypeFilter;
use bytemuck::Pod;

/// A component of plain data made of 4-byte scalars (8-byte ones where only the processor uses it), so that its column
/// is an array that snapshots and the device can take as it is.
pub trait Column: Component<Mutability = Mutable> + Pod {}

impl<C: Component<Mutability = Mutable> + Pod> Column for C {}

/// Declares columns: documented wrappers of a scalar.
#[macro_export]
macro_rules! columns {
    ($($(#[$about:meta])* $name:ident($scalar:ty);)*) => {$(
        $(#[$about])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq,
            $crate::reexport::bytemuck::Pod, $crate::reexport::bytemuck::Zeroable,
        )]
        #[bytemuck(crate = "::isonomy_engine::reexport::bytemuck")]
        #[repr(transparent)]
        pub struct $name(pub $scalar);

        impl $crate::reexport::bevy_ecs::component::Component for $name {
            const STORAGE_TYPE: $crate::reexport::bevy_ecs::component::StorageType =
                $crate::reexport::bevy_ecs::component::StorageType::Table;
            type Mutability = $crate::reexport::bevy_ecs::component::Mutable;
        }
    )*};
}

columns! {
    /// Index of the agent's group.
    Group(u32);
    /// What the environment paid in the last step.
    Reward(f32);
    /// What the policy is taught instead. Only kept where a fairness reward is at work.
    Shaped(f32);
    /// Undiscounted return so far this episode.
    Utility(f32);
    /// Sum of the returns of the episodes that ended since returns were last taken.
    Return(f32);
    /// Sum of the shaped rewards since returns were last taken.
    Taught(f32);
    /// What a fairness reward remembers. In a table of its own, a ledger's rows for each reward that asks for it.
    Remembered(f32);
    /// What an agent does that moves together with others: the code of a discrete action or the bits of an `f32`.
    Choice(u32);
    /// Sum of a measure over the episodes that ended since returns were last taken.
    Measure(f64);
}

/// A bundle of columns: what one row of a table holds.
pub trait Row: Bundle<Effect: NoBundleEffect> {
    /// The columns, in the order of the tuple.
    fn stored() -> Vec<Stored>;
}

macro_rules! row {
    ($($column:ident)*) => {
        impl<$($column: Column),*> Row for ($($column,)*) {
            fn stored() -> Vec<Stored> {
                vec![$(Stored::of::<$column>()),*]
            }
        }
    };
}

row!(A);
row!(A B);
row!(A B C);
row!(A B C D);
row!(A B C D E);
row!(A B C D E F);
row!(A B C D E F G);
row!(A B C D E F G H);

/// A column whose type has been forgotten.
#[derive(Clone, Copy)]
pub struct Stored {
    /// The component's name.
    pub name: &'static str,
    /// The column as bytes.
    pub bytes: fn(&mut World) -> &mut [u8],
}

impl Stored {
    /// The column of `C`.
    pub fn of<C: Column>() -> Self {
        const { assert!(size_of::<C>().is_multiple_of(4), "a column is made of 4-byte scalars") };
        let name = std::any::type_name::<C>().rsplit("::").next().unwrap_or_default();
        Stored { name, bytes: |world| bytemuck::cast_slice_mut(column::<C>(world)) }
    }
}

/// The column `C` of the one table that has it.
pub fn column<C: Column>(world: &mut World) -> &mut [C] {
    let mut query = world.query::<&mut C>();
    let mut tables = query.query_mut(world).contiguous_iter_inner().ok().into_iter().flatten();
    tables.next().map_or(&mut [], |column| ContiguousMut::split(column).0)
}

/// The scalars of a contiguous column, without marking them changed.
pub fn scalars<'a, C: Column, S: Pod>(column: &'a mut ContiguousMut<'_, C>) -> &'a mut [S] {
    bytemuck::cast_slice_mut(column.bypass_change_detection())
}

/// The first table of a contiguous query; every column of the engine lives in exactly one.
pub fn only<'w, 's, D, F>(query: &'w mut Query<'_, 's, D, F>) -> Option<D::Contiguous<'w, 's>>
where
    D: bevy_ecs::query::ContiguousQueryData,
    F: ArchetypeFilter,
{
    query.contiguous_iter_mut().ok()?.next()
}
