//! What scenario files may say, as JSON schemas: of the scenario and of every linked plugin.

use super::Scenario;
use crate::plugin::{Kind, Plugin, SLOT, plugins};
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

/// The schemas of everything that is linked, made once.
pub(super) struct Catalogue {
    scenario: Value,
    plugins: Vec<(&'static Plugin, Value)>,
}

/// The one catalogue.
pub(super) fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| Catalogue {
        scenario: scenario(),
        plugins: plugins().into_iter().map(|plugin| (plugin, (plugin.schema)().to_value())).collect(),
    })
}

/// A scenario with what the loader adds to it.
fn scenario() -> Value {
    let mut scenario = schemars::schema_for!(Scenario).to_value();
    if let Some(fields) = scenario.get_mut("properties").and_then(Value::as_object_mut) {
        let include = "Another scenario file, relative to this one, whose fields are the defaults of this one's.";
        fields.insert("include".to_owned(), json!({ "description": include, "type": "string" }));
    }
    scenario
}

impl Catalogue {
    /// What a whole file may say.
    pub(super) fn scenario(&self) -> Schema<'_> {
        Schema::root(&self.scenario)
    }

    /// The fields of a plugin.
    pub(super) fn plugin(&self, kind: &str, name: &str) -> Option<Schema<'_>> {
        let found = self.of_kind(kind).find(|(plugin, _)| plugin.name == name)?;
        Some(Schema::root(&found.1))
    }

    /// The names of all plugins of a kind.
    pub(super) fn names(&self, kind: &str) -> Vec<&'static str> {
        self.of_kind(kind).map(|(plugin, _)| plugin.name).collect()
    }

    /// What a plugin of this name is, whatever its kind.
    pub(super) fn any(&self, name: &str) -> Option<&'static Plugin> {
        self.plugins.iter().map(|(plugin, _)| *plugin).find(|plugin| plugin.name == name)
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &(&'static Plugin, Value)> {
        self.plugins.iter().filter(move |(plugin, _)| format!("{:?}", plugin.kind) == kind)
    }
}

/// A schema, and the document in which its references are found.
#[derive(Clone, Copy)]
pub(super) struct Schema<'a> {
    root: &'a Value,
    here: &'a Value,
}

impl<'a> Schema<'a> {
    fn root(root: &'a Value) -> Self {
        Schema { root, here: root }
    }

    fn at(self, here: &'a Value) -> Self {
        Schema { here, ..self }
    }

    /// A keyword's value.
    pub(super) fn get(self, keyword: &str) -> Option<&'a Value> {
        self.here.get(keyword)
    }

    /// A keyword's value as a schema.
    pub(super) fn sub(self, keyword: &str) -> Option<Schema<'a>> {
        self.get(keyword).filter(|value| value.is_object()).map(|value| self.at(value))
    }

    /// A keyword's text.
    pub(super) fn text(self, keyword: &str) -> Option<&'a str> {
        self.get(keyword)?.as_str()
    }

    /// A keyword's number.
    pub(super) fn number(self, keyword: &str) -> Option<f64> {
        self.get(keyword)?.as_f64()
    }

    /// A keyword's list.
    pub(super) fn list(self, keyword: &str) -> Option<impl Iterator<Item = Schema<'a>> + use<'a>> {
        Some(self.get(keyword)?.as_array()?.iter().map(move |value| self.at(value)))
    }

    /// The schema itself where it only refers to another.
    pub(super) fn resolved(mut self) -> Self {
        // References to references end in derived schemas; the bound guards against hand-written ones.
        for _ in 0..16 {
            let target = self.text("$ref").and_then(|path| self.root.pointer(path.strip_prefix('#')?));
            match target {
                Some(target) => self = self.at(target),
                None => break,
            }
        }
        self
    }

    /// The kind of plugin that belongs here, if one does.
    pub(super) fn slot(self) -> Option<&'a str> {
        self.text(SLOT)
    }

    /// The first line of the documentation.
    pub(super) fn about(self) -> Option<&'a str> {
        self.text("description")?.lines().next()
    }

    /// The schema of a field by that name.
    pub(super) fn property(self, name: &str) -> Option<Schema<'a>> {
        self.get("properties")?.get(name).map(|value| self.at(value))
    }

    /// The names of all fields.
    pub(super) fn properties(self) -> Vec<&'a str> {
        let fields = self.get("properties").and_then(Value::as_object);
        fields.map_or(Vec::new(), |fields| fields.keys().map(String::as_str).collect())
    }

    /// The fields that must be there.
    pub(super) fn required(self) -> impl Iterator<Item = &'a str> {
        self.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The values of a map with free keys, where this is one.
    pub(super) fn values(self) -> Option<Schema<'a>> {
        // Keys that are numbers have a pattern.
        let by_pattern = self.get("patternProperties").and_then(Value::as_object).and_then(|some| some.values().next());
        let values = self.sub("additionalProperties").or(by_pattern.map(|values| self.at(values)));
        values.filter(|_| self.get("properties").is_none())
    }

    /// Whether `None` is accepted.
    pub(super) fn optional(self) -> bool {
        match self.get("type") {
            Some(Value::Array(types)) => types.iter().any(|name| name == "null"),
            _ => self.list("anyOf").is_some_and(|mut any| any.any(Schema::is_null)),
        }
    }

    /// Whether only `()` or `None` is accepted.
    pub(super) fn is_null(self) -> bool {
        self.text("type") == Some("null")
    }

    /// Whether this is a list of a length that cannot change.
    pub(super) fn is_tuple(self) -> bool {
        self.number("maxItems").is_some_and(|most| self.number("minItems") == Some(most))
    }

    /// The alternatives, `None` apart.
    pub(super) fn alternatives(self) -> Option<Vec<Schema<'a>>> {
        let mut all: Vec<_> = self.list("anyOf").into_iter().flatten().collect();
        all.extend(self.list("oneOf").into_iter().flatten());
        all.retain(|schema| !schema.is_null());
        (!all.is_empty()).then_some(all)
    }

    /// What stands inside `Some(…)`, or the schema itself.
    pub(super) fn inner(self) -> Self {
        let schema = self.resolved();
        let some = schema.list("anyOf").into_iter().flatten().filter(|schema| !schema.is_null());
        match some.collect::<Vec<_>>().as_slice() {
            [only] => only.inner(),
            _ => schema,
        }
    }

    /// The one type, `null` apart.
    pub(super) fn kind(self) -> Option<&'a str> {
        match self.get("type")? {
            Value::Array(types) => types.iter().filter_map(Value::as_str).find(|&name| name != "null"),
            name => name.as_str(),
        }
    }

    /// The variants of an enumeration, each with what it holds; none where this is something else.
    pub(super) fn variants(self) -> Option<Vec<(&'a str, Option<Schema<'a>>)>> {
        // Enumerations without tags are written with `anyOf`.
        match self.list("oneOf") {
            Some(alternatives) => {
                let each: Option<Vec<_>> = alternatives.map(|one| one.resolved().variant()).collect();
                Some(each?.into_iter().flatten().collect())
            }
            None => self.words(),
        }
    }

    /// Words among which one chooses.
    fn words(self) -> Option<Vec<(&'a str, Option<Schema<'a>>)>> {
        if let Some(name) = self.text("const") {
            return Some(vec![(name, None)]);
        }
        self.get("enum")?.as_array()?.iter().map(|name| Some((name.as_str()?, None))).collect()
    }

    /// One alternative of an enumeration: words, or an object whose only field is the variant's name.
    fn variant(self) -> Option<Vec<(&'a str, Option<Schema<'a>>)>> {
        let (only, mut required) = (self.properties(), self.required());
        let tagged = only.len() == 1 && required.next() == Some(only[0]);
        if tagged { Some(vec![(only[0], self.property(only[0]))]) } else { self.words() }
    }
}

/// The complete JSON schema of scenario files. Where a plugin is named, its kind's definition lists every linked one.
///
/// RON writes `Name(…)` and `Some(…)` where JSON writes objects and bare values.
pub fn schema() -> Value {
    let catalogue = catalogue();
    let mut document = catalogue.scenario.clone();
    let mut definitions = match document.get_mut("$defs").map(Value::take) {
        Some(Value::Object(definitions)) => definitions,
        _ => Map::new(),
    };
    definitions.values_mut().for_each(|definition| expand(definition, ""));
    expand(&mut document, "");
    for kind in Kind::ALL {
        let kind = format!("{kind:?}");
        let mut choices = Vec::new();
        for (plugin, fields) in catalogue.of_kind(&kind) {
            let name = plugin.name;
            let mut fields = fields.clone();
            let prefix = format!("{kind}.{name}.");
            if let Some(Value::Object(own)) = fields.as_object_mut().and_then(|fields| fields.remove("$defs")) {
                for (key, mut definition) in own {
                    expand(&mut definition, &prefix);
                    definitions.insert(format!("{prefix}{key}"), definition);
                }
            }
            expand(&mut fields, &prefix);
            if let Some(fields) = fields.as_object_mut() {
                fields.remove("$schema");
            }
            definitions.insert(format!("{kind}.{name}"), fields);
            choices.push(json!({
                "type": "object",
                "properties": { name: { "$ref": format!("#/$defs/{kind}.{name}") } },
                "required": [name],
                "additionalProperties": false,
            }));
        }
        // A kind of which nothing is linked accepts nothing.
        let definition = if choices.is_empty() { json!({ "not": {} }) } else { json!({ "oneOf": choices }) };
        definitions.insert(kind, definition);
    }
    if let Some(document) = document.as_object_mut() {
        document.insert("$defs".to_owned(), Value::Object(definitions));
    }
    document
}

/// Turns slots into references to their kind, and puts `prefix` before the names of all other references.
fn expand(schema: &mut Value, prefix: &str) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| expand(item, prefix)),
        Value::Object(object) => {
            if let Some(Value::String(path)) = object.get_mut("$ref") {
                *path = path.replacen("#/$defs/", &format!("#/$defs/{prefix}"), 1);
            }
            if let Some(Value::String(kind)) = object.remove(SLOT) {
                object.insert("$ref".to_owned(), format!("#/$defs/{kind}").into());
            }
            object.values_mut().filter(|value| !value.is_string()).for_each(|value| expand(value, prefix));
        }
        _ => {}
    }
}
