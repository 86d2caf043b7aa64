//! The list of everything that plugs in, made by the linker.
//!
//! `#[typetag::serde]` lets a scenario name a plugin; [`plugin!`](macro@crate::plugin) beside it says what the plugin is,
//! so that `list`, `explain` and `schema` can tell. The text is the type's own documentation.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

/// What a plugin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Kind {
    Environment,
    Controller,
    Policy,
    FairnessReward,
    Welfare,
    Constraint,
    Optimizer,
    AdvantageEstimator,
    RewardShaper,
    GroupFilter,
    AdvantageModifier,
    DomainWeight,
    PolicyLoss,
    LossAggregator,
    KlEstimator,
    Curriculum,
    ForecastNetwork,
}

impl Kind {
    /// All kinds, in the order in which they are listed.
    pub const ALL: [Kind; 17] = [
        Kind::Environment,
        Kind::Controller,
        Kind::Policy,
        Kind::FairnessReward,
        Kind::Welfare,
        Kind::Constraint,
        Kind::Optimizer,
        Kind::AdvantageEstimator,
        Kind::RewardShaper,
        Kind::GroupFilter,
        Kind::AdvantageModifier,
        Kind::DomainWeight,
        Kind::PolicyLoss,
        Kind::LossAggregator,
        Kind::KlEstimator,
        Kind::Curriculum,
        Kind::ForecastNetwork,
    ];

    /// The heading under which plugins of this kind are listed, also accepted by `isonomy list`.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Environment => "environments",
            Kind::Controller => "controllers",
            Kind::Policy => "policies",
            Kind::FairnessReward => "fairness",
            Kind::Welfare => "welfare",
            Kind::Constraint => "constraints",
            Kind::Optimizer => "optimizers",
            Kind::AdvantageEstimator => "advantages",
            Kind::RewardShaper => "shapers",
            Kind::GroupFilter => "filters",
            Kind::AdvantageModifier => "modifiers",
            Kind::DomainWeight => "weights",
            Kind::PolicyLoss => "losses",
            Kind::LossAggregator => "aggregators",
            Kind::KlEstimator => "divergences",
            Kind::Curriculum => "curricula",
            Kind::ForecastNetwork => "networks",
        }
    }

    /// Where a scenario names a plugin of this kind.
    pub fn place(self) -> &'static str {
        match self {
            Kind::Environment => "environment: {NAME}",
            Kind::Controller => "controller: {NAME}",
            Kind::Policy => "policy: {NAME}",
            Kind::FairnessReward => "fairness: [{NAME}]",
            Kind::Welfare => "welfare: {NAME} (inside a fairness reward)",
            Kind::Constraint => "constraints: [{NAME}]",
            Kind::Optimizer => "optimizer: {NAME}",
            Kind::AdvantageEstimator => "estimator: {NAME} (inside a reasoning environment)",
            Kind::RewardShaper => "shaper: {NAME} (inside a reasoning environment)",
            Kind::GroupFilter => "filter: {NAME} (inside a reasoning environment)",
            Kind::AdvantageModifier => "modifier: {NAME} (between an estimator and a loss)",
            Kind::DomainWeight => "weights: {NAME} (inside a reasoning environment)",
            Kind::PolicyLoss => "loss: {NAME} (inside a reasoning environment)",
            Kind::LossAggregator => "aggregator: {NAME} (beside a policy loss)",
            Kind::KlEstimator => "divergence: {NAME} (beside a policy loss)",
            Kind::Curriculum => "sampling: {NAME} (inside a reasoning environment)",
            Kind::ForecastNetwork => "model: Network({NAME}) (inside PublicForecast)",
        }
    }
}

/// One plugin, as the linker collected it.
pub struct Plugin {
    /// What it does.
    pub kind: Kind,
    /// Its name in scenario files.
    pub name: &'static str,
    /// Its fields and documentation.
    pub schema: fn() -> Schema,
    /// An example of its value in RON.
    pub example: &'static str,
}

inventory::collect!(Plugin);

/// The place where a scenario names a plugin of some kind, as a schema: `{"x-isonomy-kind": "Environment"}`.
/// What stands there is a map of one entry, a name of [`plugins`] and its fields.
pub const SLOT: &str = "x-isonomy-kind";

macro_rules! slots {
    ($($trait:path = $kind:ident;)*) => {$(
        impl JsonSchema for dyn $trait {
            fn schema_name() -> Cow<'static, str> {
                stringify!($kind).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "x-isonomy-kind": stringify!($kind) })
            }
        }
    )*};
}

slots! {
    crate::environment::Environment = Environment;
    crate::controller::Controller = Controller;
    crate::policy::Policy = Policy;
    crate::fairness::FairnessReward = FairnessReward;
    crate::welfare::Welfare = Welfare;
    crate::constraint::Constraint = Constraint;
    crate::optimizer::Optimizer = Optimizer;
    crate::advantage::AdvantageEstimator = AdvantageEstimator;
    crate::advantage::RewardShaper = RewardShaper;
    crate::advantage::GroupFilter = GroupFilter;
    crate::advantage::AdvantageModifier = AdvantageModifier;
    crate::advantage::DomainWeight = DomainWeight;
    crate::advantage::PolicyLoss = PolicyLoss;
    crate::advantage::LossAggregator = LossAggregator;
    crate::advantage::KlEstimator = KlEstimator;
    crate::curriculum::Curriculum = Curriculum;
    crate::public::ForecastNetwork = ForecastNetwork;
}

/// Every linked plugin, by kind and name.
pub fn plugins() -> Vec<&'static Plugin> {
    let mut all: Vec<_> = inventory::iter::<Plugin>.into_iter().collect();
    all.sort_by_key(|plugin| (plugin.kind, plugin.name));
    all
}

/// Puts a plugin on the list: its kind, its type and an example of its fields in RON.
#[macro_export]
macro_rules! plugin {
    ($kind:ident: $type:ident, $example:expr) => {
        $crate::reexport::inventory::submit! {
            $crate::plugin::Plugin {
                kind: $crate::plugin::Kind::$kind,
                name: stringify!($type),
                schema: || $crate::reexport::schemars::schema_for!($type),
                example: $example,
            }
        }
    };
}
