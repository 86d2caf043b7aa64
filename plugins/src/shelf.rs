//! What holds for every plugin on the shelf.

use isonomy_engine::advantage::{
    AdvantageEstimator, AdvantageModifier, DomainWeight, GroupFilter, KlEstimator, LossAggregator, PolicyLoss,
    RewardShaper,
};
use isonomy_engine::constraint::Constraint;
use isonomy_engine::controller::Controller;
use isonomy_engine::curriculum::Curriculum;
use isonomy_engine::fairness::FairnessReward;
use isonomy_engine::optimizer::Optimizer;
use isonomy_engine::plugin::{Kind, Plugin, plugins};
use isonomy_engine::policy::Policy;
use isonomy_engine::quantity::{Finite, NonNegative, Positive, Probability};
use isonomy_engine::welfare::Welfare;
use schemars::schema_for;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// A plugin read from RON and written as JSON, and the names that typetag knows for its kind.
type Reading = (Result<String, String>, Vec<String>);

fn read<T: ?Sized>(text: &str) -> Reading
where
    Box<T>: DeserializeOwned + Serialize,
{
    let read = ron::from_str::<Box<T>>(text).map_err(|error| error.to_string());
    let written = read.and_then(|plugin| serde_json::to_string(&plugin).map_err(|error| error.to_string()));
    if let Ok(written) = &written {
        let again: Box<T> = serde_json::from_str(written).expect("what was written can be read");
        assert_eq!(serde_json::to_string(&again).ok().as_ref(), Some(written));
    }
    // The error for an unknown name lists the known ones, each in backticks, after the unknown one.
    let unknown = serde_json::from_str::<Box<T>>(r#"{"?": null}"#).err().map(|error| error.to_string());
    let known = unknown.unwrap_or_default().split('`').skip(3).step_by(2).map(str::to_owned).collect();
    (written, known)
}

fn read_as(kind: Kind, text: &str) -> Reading {
    match kind {
        Kind::Environment | Kind::ForecastNetwork => panic!("none is on this shelf"),
        Kind::Controller => read::<dyn Controller>(text),
        Kind::Policy => read::<dyn Policy>(text),
        Kind::FairnessReward => read::<dyn FairnessReward>(text),
        Kind::Welfare => read::<dyn Welfare>(text),
        Kind::Constraint => read::<dyn Constraint>(text),
        Kind::Optimizer => read::<dyn Optimizer>(text),
        Kind::AdvantageEstimator => read::<dyn AdvantageEstimator>(text),
        Kind::RewardShaper => read::<dyn RewardShaper>(text),
        Kind::GroupFilter => read::<dyn GroupFilter>(text),
        Kind::AdvantageModifier => read::<dyn AdvantageModifier>(text),
        Kind::DomainWeight => read::<dyn DomainWeight>(text),
        Kind::PolicyLoss => read::<dyn PolicyLoss>(text),
        Kind::LossAggregator => read::<dyn LossAggregator>(text),
        Kind::KlEstimator => read::<dyn KlEstimator>(text),
        Kind::Curriculum => read::<dyn Curriculum>(text),
    }
}

fn slot(plugin: &Plugin, fields: &str) -> String {
    format!("{{\"{}\": {fields}}}", plugin.name)
}

#[test]
fn every_example_is_read_and_survives_writing() {
    for plugin in plugins() {
        let (written, _) = read_as(plugin.kind, &slot(plugin, plugin.example));
        let written = written.unwrap_or_else(|error| panic!("{}: {error}", plugin.name));
        assert!(written.starts_with(&format!("{{\"{}\":{{", plugin.name)), "{written}");
    }
}

#[test]
fn unknown_fields_are_refused() {
    for plugin in plugins() {
        let fields = plugin.example.strip_suffix(')').expect("fields in parentheses");
        let comma = if fields == "(" { "" } else { ", " };
        let (written, _) = read_as(plugin.kind, &slot(plugin, &format!("{fields}{comma}colour: 3)")));
        let error = written.expect_err(plugin.name);
        assert!(error.contains("colour"), "{}: {error}", plugin.name);
    }
}

#[test]
fn names_are_unique_by_kind_and_known_to_typetag() {
    let elsewhere = [Kind::Environment, Kind::ForecastNetwork];
    for kind in Kind::ALL.into_iter().filter(|kind| !elsewhere.contains(kind)) {
        let listed: Vec<_> = plugins().into_iter().filter(|plugin| plugin.kind == kind).map(|p| p.name).collect();
        let unique: BTreeSet<_> = listed.iter().copied().collect();
        assert_eq!(unique.len(), listed.len(), "{kind:?}: {listed:?}");
        let (_, known) = read_as(kind, "()");
        assert_eq!(unique, known.iter().map(String::as_str).collect(), "{kind:?}: listed, and known to typetag");
        assert!(!listed.is_empty(), "{kind:?}");
    }
}

#[test]
fn everything_is_documented() {
    let of_types = [schema_for!(Finite), schema_for!(NonNegative), schema_for!(Positive), schema_for!(Probability)];
    let of_types: BTreeSet<_> =
        of_types.iter().filter_map(|schema| schema.as_value()["description"].as_str().map(str::to_owned)).collect();
    assert_eq!(of_types.len(), 4);
    for plugin in plugins() {
        let schema = (plugin.schema)().to_value();
        let about = schema["description"].as_str().unwrap_or_default();
        assert!(about.lines().next().is_some_and(|line| line.len() > 30), "{}: {about}", plugin.name);
        assert!(about.contains('`'), "{} shows no formula", plugin.name);
        for (field, of_field) in schema["properties"].as_object().into_iter().flatten() {
            let about = of_field["description"].as_str().unwrap_or_default();
            let own = !about.is_empty() && !of_types.contains(about);
            assert!(own, "{}.{field} is not documented", plugin.name);
        }
    }
}

/// A year that stands on its own, not the beginning of a number on arXiv.
fn has_year(text: &str) -> bool {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
    let years = words.map(|word| word.trim_end_matches('.')).filter(|word| word.len() == 4);
    years.filter_map(|word| word.parse::<u32>().ok()).any(|year| (1700..2100).contains(&year))
}

#[test]
fn years_are_told_from_numbers() {
    assert!(has_year("Nash, Econometrica 18 (1950).") && has_year("Bentham 1789; others"));
    assert!(!has_year("Fan et al., arXiv 2012.01382") && !has_year("page 12"));
}

/// What `isonomy explain` shows of a notion of fairness: what it is, a formula, and who said so when.
#[test]
fn notions_of_fairness_show_a_formula_and_a_source() {
    let notions = [Kind::Welfare, Kind::Constraint, Kind::FairnessReward];
    for plugin in plugins().into_iter().filter(|plugin| notions.contains(&plugin.kind)) {
        let schema = (plugin.schema)().to_value();
        let about = schema["description"].as_str().unwrap_or_default();
        assert!(about.lines().next().is_some_and(|line| line.ends_with('.')), "{}: {about}", plugin.name);
        let formulas = about.split('`').skip(1).step_by(2);
        let symbols = |formula: &str| formula.chars().any(|c| "=−·Σ≤".contains(c));
        assert!(formulas.into_iter().any(symbols), "{} shows no formula", plugin.name);
        assert!(has_year(about), "{} names no source with a year: {about}", plugin.name);
    }
}

/// The line that `isonomy explain` shows means something in an environment of two groups.
#[test]
fn examples_of_notions_make_sense() {
    let spec = crate::shapes::two_groups(2, 2, 5);
    let mut model = isonomy_engine::model::TabularModel::still(&spec);
    model.start.fill(0.5);
    for plugin in plugins() {
        let text = slot(plugin, plugin.example);
        let problems = match plugin.kind {
            Kind::Welfare => ron::from_str::<Box<dyn Welfare>>(&text).unwrap().check(2),
            Kind::Constraint => ron::from_str::<Box<dyn Constraint>>(&text).unwrap().check(&spec, Some(&model)),
            Kind::FairnessReward => ron::from_str::<Box<dyn FairnessReward>>(&text).unwrap().check(&spec),
            _ => continue,
        };
        assert_eq!(problems, [], "{}", plugin.name);
    }
}
