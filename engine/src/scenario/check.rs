//! Compares a file's tree with the schema: what can be said without knowing what a plugin means.

use super::Mistake;
use super::schema::{Catalogue, Schema};
use super::tree::{Field, Node, Value, shorten};
use std::ops::Range;

/// Everything in `root` that the schema of scenarios refuses. Unless it is `whole`, no field is missing.
pub(super) fn check(text: &str, root: &Node, catalogue: &Catalogue, whole: bool) -> Vec<Mistake> {
    let mut checker = Checker { text, catalogue, whole, mistakes: Vec::new() };
    checker.check(root, catalogue.scenario());
    checker.mistakes
}

struct Checker<'a> {
    text: &'a str,
    catalogue: &'a Catalogue,
    whole: bool,
    mistakes: Vec<Mistake>,
}

impl<'a> Checker<'a> {
    fn mistake(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.mistakes.push(Mistake { span, message: message.into(), help });
    }

    fn check(&mut self, node: &Node, schema: Schema<'a>) {
        let about = schema.about();
        let optional = schema.resolved().optional();
        let schema = schema.inner();
        let node = if optional { node.unwrapped() } else { node };
        if matches!(node.value, Value::Invalid) || optional && node.is_none() {
            return;
        }
        if let Some(kind) = schema.slot() {
            return self.slot(node.unwrapped(), kind);
        }
        if let Some(variants) = schema.variants() {
            return self.variant(node, &variants);
        }
        if let Some(alternatives) = schema.alternatives() {
            return self.any(node, alternatives);
        }
        match schema.kind() {
            Some("object") => match schema.values() {
                Some(values) => self.map(node, values),
                None => self.structure(node, schema),
            },
            Some("array") => self.array(node, schema),
            Some("null") => self.unit(node),
            Some("integer") => self.integer(node, schema, about),
            Some("number") => self.number(node, schema, about),
            Some("boolean") => match node.value {
                Value::Bool => {}
                _ => self.wrong(node, "true or false", about),
            },
            Some("string") => match node.value {
                Value::Text(_) => {}
                Value::Char if schema.number("maxLength") == Some(1.0) => {}
                Value::Name(_) => {
                    let help = format!("put it in quotes: \"{}\"", &self.text[node.span.clone()]);
                    self.mistake(node.span.clone(), "expected a text, found a bare word", Some(help));
                }
                _ => self.wrong(node, "a text", about),
            },
            // Anything goes.
            _ => {}
        }
    }

    /// Reports that something else was expected here.
    fn wrong(&mut self, node: &Node, expected: &str, about: Option<&str>) {
        let found = describe(node, self.text);
        let span = node.opening(self.text);
        self.mistake(span, format!("expected {expected}, found {found}"), about.map(str::to_owned));
    }

    /// A plugin: a map of one entry, its name and then its fields.
    fn slot(&mut self, node: &Node, kind: &str) {
        let what = kind_in_words(kind);
        let names = self.catalogue.names(kind);
        let Value::Map(entries) = &node.value else {
            let help = match &node.value {
                Value::Struct { name: Some(name), .. } | Value::Tuple { name: Some(name), .. } => {
                    format!("write {{\"{name}\": (…)}}")
                }
                Value::Name(name) | Value::Text(name) => format!("write {{\"{name}\": ()}}"),
                _ => format!("a plugin is written {{\"Name\": (…)}}; {}", one_of("the names are", &names)),
            };
            return self.wrong(node, &format!("{what} as a map of one entry"), Some(&help));
        };
        let mut named: Option<&str> = None;
        for (key, fields) in entries {
            let name = match &key.value {
                Value::Text(name) => name.as_str(),
                Value::Invalid => return,
                Value::Name(name) => {
                    self.mistake(key.span.clone(), "the name of a plugin is a text", Some(format!("write \"{name}\"")));
                    name.as_str()
                }
                _ => {
                    self.wrong(key, &format!("the name of {what}"), None);
                    continue;
                }
            };
            match (self.catalogue.plugin(kind, name), named) {
                (None, _) => self.unknown_plugin(key.span.clone(), name, kind, &names),
                (Some(_), Some(first)) => {
                    let message = format!("one {} is wanted here, and `{first}` is already one", bare(what));
                    self.mistake(key.span.clone(), message, Some("remove one of the two".into()));
                }
                (Some(schema), None) => {
                    named = Some(name);
                    self.plugin(fields, schema, name);
                }
            }
        }
        if entries.is_empty() {
            self.mistake(
                node.span.clone(),
                format!("expected {what}, found an empty map"),
                Some(one_of("the names are", &names)),
            );
        }
    }

    /// The fields of a plugin.
    fn plugin(&mut self, fields: &Node, schema: Schema<'a>, name: &str) {
        match schema.inner().kind() {
            Some("object") if schema.inner().values().is_none() && schema.inner().variants().is_none() => {
                self.fields_of(fields, schema.inner(), name);
            }
            _ => self.check(fields, schema),
        }
    }

    fn unknown_plugin(&mut self, span: Range<usize>, name: &str, kind: &str, names: &[&str]) {
        let what = bare(kind_in_words(kind));
        let help = match (nearest(name, names), self.catalogue.any(name)) {
            (_, Some(plugin)) => {
                let is = kind_in_words(&format!("{:?}", plugin.kind));
                format!(
                    "`{name}` is {is}, and goes to {}",
                    plugin.kind.place().replace("NAME", &format!("\"{name}\": (…)"))
                )
            }
            (Some(near), None) => format!("did you mean `{near}`? {}", one_of("The names are", names)),
            (None, None) => one_of("the names are", names),
        };
        self.mistake(span, format!("there is no {what} `{name}`"), Some(help));
    }

    fn structure(&mut self, node: &Node, schema: Schema<'a>) {
        let name = schema.text("title").unwrap_or_default();
        self.fields_of(node, schema, name);
    }

    fn fields_of(&mut self, node: &Node, schema: Schema<'a>, owner: &str) {
        let (fields, broken): (&[Field], bool) = match &node.value {
            Value::Struct { fields, broken, .. } => (fields, *broken),
            Value::Tuple { items, .. } if items.is_empty() => (&[], false),
            Value::Invalid => return,
            _ => {
                let help = match (&node.value, schema.properties()) {
                    (Value::Map(_), _) => {
                        Some("fields are written (name: value), without braces and quotes".to_owned())
                    }
                    (_, known) if known.is_empty() => None,
                    (_, known) => Some(one_of("the fields are", &known)),
                };
                return self.wrong(node, "fields in parentheses", help.as_deref());
            }
        };
        let place = if owner.is_empty() { String::new() } else { format!(" in {owner}") };
        if let (Value::Struct { name: Some(name), .. }, false) = (&node.value, owner.is_empty())
            && name != owner
        {
            let span = node.span.start..node.span.start + name.len();
            self.mistake(span, format!("expected {owner}(…), found {name}(…)"), None);
        }
        let known = schema.properties();
        let mut meant: Vec<&str> = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            if fields[..index].iter().any(|earlier| earlier.name == field.name) {
                let message = format!("the field `{}` is given twice", field.name);
                self.mistake(field.name_span.clone(), message, Some("remove one of the two".into()));
                continue;
            }
            match (schema.property(&field.name), schema.get("additionalProperties")) {
                // A schema that says nothing of types is not told apart from one that accepts nothing as well.
                (Some(property), _) if property.slot().is_some() && field.value.is_none() => {
                    if schema.required().any(|name| name == field.name) {
                        self.check(&field.value, property);
                    }
                }
                (Some(property), _) => self.check(&field.value, property),
                (None, Some(serde_json::Value::Bool(false))) => {
                    let taken = |name: &&&str| !fields.iter().any(|field| field.name == **name);
                    let free: Vec<&str> = known.iter().filter(taken).copied().collect();
                    let help = match nearest(&field.name, &free).or(nearest(&field.name, &known)) {
                        Some(near) => {
                            meant.push(near);
                            format!("did you mean `{near}`? {}", one_of("The fields are", &known))
                        }
                        None if known.is_empty() => "it has no fields: write ()".to_owned(),
                        None => one_of("the fields are", &known),
                    };
                    self.mistake(field.name_span.clone(), format!("unknown field `{}`{place}", field.name), Some(help));
                }
                (None, _) => {}
            }
        }
        if broken || !self.whole {
            return;
        }
        for name in schema.required() {
            if !fields.iter().any(|field| field.name == name) && !meant.contains(&name) {
                let about = schema.property(name).and_then(Schema::about);
                let help = about.map(|about| format!("`{name}`: {about}"));
                self.mistake(node.opening(self.text), format!("missing field `{name}`{place}"), help);
            }
        }
    }

    fn map(&mut self, node: &Node, values: Schema<'a>) {
        let Value::Map(entries) = &node.value else {
            return self.wrong(node, "a map", Some("a map is written {\"key\": value}"));
        };
        let mut seen: Vec<&str> = Vec::new();
        for (key, value) in entries {
            match &key.value {
                Value::Text(name) if seen.contains(&name.as_str()) => {
                    let message = format!("the key \"{name}\" is given twice");
                    self.mistake(key.span.clone(), message, Some("remove one of the two".into()));
                }
                Value::Text(name) => seen.push(name),
                Value::Name(name) => {
                    let help = Some(format!("write \"{name}\""));
                    self.mistake(key.span.clone(), "the key of a map is a text", help);
                }
                // Maps with keys of other types: ron judges.
                _ => {}
            }
            self.check(value, values);
        }
    }

    fn array(&mut self, node: &Node, schema: Schema<'a>) {
        let least = schema.number("minItems").unwrap_or(0.0) as usize;
        let most = schema.number("maxItems").map(|most| most as usize);
        let fixed = schema.is_tuple();
        let items = match &node.value {
            Value::List(items) if !fixed => items,
            Value::Tuple { items, .. } if fixed => items,
            _ if fixed => return self.wrong(node, &format!("{least} values in parentheses"), None),
            _ => return self.wrong(node, "a list in brackets", Some("a list is written [a, b]")),
        };
        if items.len() < least || most.is_some_and(|most| items.len() > most) {
            let wanted = match most {
                Some(most) if most == least => format!("{least} values"),
                Some(most) => format!("{least} to {most} values"),
                None => format!("at least {least} {}", if least == 1 { "value" } else { "values" }),
            };
            self.mistake(node.opening(self.text), format!("expected {wanted}, found {}", items.len()), None);
        }
        let first: Vec<Schema<'a>> = schema.list("prefixItems").into_iter().flatten().collect();
        let rest = schema.sub("items");
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = first.get(index).copied().or(rest) {
                self.check(item, schema);
            }
        }
    }

    fn unit(&mut self, node: &Node) {
        match &node.value {
            Value::Tuple { items, .. } if items.is_empty() => {}
            Value::Name(_) => {}
            Value::Struct { fields, .. } => {
                for field in fields {
                    let message = format!("unknown field `{}`", field.name);
                    self.mistake(field.name_span.clone(), message, Some("it has no fields: write ()".into()));
                }
            }
            _ => self.wrong(node, "()", None),
        }
    }

    fn integer(&mut self, node: &Node, schema: Schema<'a>, about: Option<&str>) {
        let (least, most) = whole_range(schema);
        let too_large = matches!(node.value, Value::Integer(value) if value > most);
        // Where a type ends is worth a word only to who went beyond.
        let stated = if too_large || schema.get("maximum").is_some() { most } else { i128::MAX };
        let expected = match (least, stated) {
            (i128::MIN, i128::MAX) => "a whole number".to_owned(),
            (least, i128::MAX) => format!("a whole number, {least} or above"),
            (i128::MIN, most) => format!("a whole number, {most} or below"),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        match node.value {
            Value::Integer(value) if (least..=most).contains(&value) => {}
            _ => self.wrong(node, &expected, about),
        }
    }

    fn number(&mut self, node: &Node, schema: Schema<'a>, about: Option<&str>) {
        let value = match node.value {
            Value::Integer(value) => value as f64,
            Value::Float(value) => value,
            _ => return self.wrong(node, &number_in_words(schema), about),
        };
        let inside = schema.number("minimum").is_none_or(|least| value >= least)
            && schema.number("maximum").is_none_or(|most| value <= most)
            && schema.number("exclusiveMinimum").is_none_or(|below| value > below)
            && schema.number("exclusiveMaximum").is_none_or(|above| value < above);
        // A plain f64 may be infinite; the types of `quantity` have no format and may not.
        let sensible = value.is_finite() || value.is_infinite() && schema.get("format").is_some();
        if !inside || !sensible {
            self.wrong(node, &number_in_words(schema), about);
        }
    }

    fn variant(&mut self, node: &Node, variants: &[(&'a str, Option<Schema<'a>>)]) {
        let names: Vec<&str> = variants.iter().map(|(name, _)| *name).collect();
        let name = match &node.value {
            Value::Name(name) => name,
            Value::Struct { name: Some(name), .. } | Value::Tuple { name: Some(name), .. } => name,
            Value::Text(name) if names.contains(&name.as_str()) => {
                return self.wrong(node, "a bare word", Some(&format!("write {name} without quotes")));
            }
            _ => return self.wrong(node, "one of a few words", Some(&one_of("they are", &names))),
        };
        let Some((_, inside)) = variants.iter().find(|(known, _)| known == name) else {
            let help = match nearest(name, &names) {
                Some(near) => format!("did you mean `{near}`? {}", one_of("The choices are", &names)),
                None => one_of("the choices are", &names),
            };
            let span = node.span.start..node.span.start + name.len();
            return self.mistake(span, format!("there is no choice `{name}`"), Some(help));
        };
        match (inside, &node.value) {
            (None, Value::Name(_)) => {}
            (None, _) => self.wrong(node, &format!("`{name}` alone"), None),
            (Some(_), Value::Name(_)) => self.wrong(node, &format!("`{name}(…)` with what it holds"), None),
            // A variant that holds a tuple is written like the tuple.
            (Some(inside), Value::Tuple { items, .. }) if items.len() == 1 && !inside.resolved().is_tuple() => {
                self.check(&items[0], *inside);
            }
            (Some(inside), _) => self.check(node, *inside),
        }
    }

    /// Whichever alternative fits; where none does, what the one that fits best has to say.
    fn any(&mut self, node: &Node, alternatives: Vec<Schema<'a>>) {
        let attempts = alternatives.into_iter().map(|alternative| {
            let mut attempt =
                Checker { whole: self.whole, text: self.text, catalogue: self.catalogue, mistakes: Vec::new() };
            attempt.check(node, alternative);
            attempt.mistakes
        });
        let opening = node.opening(self.text);
        let shallow = |mistakes: &Vec<Mistake>| mistakes.iter().filter(|mistake| mistake.span == opening).count();
        if let Some(best) = attempts.min_by_key(|mistakes| (shallow(mistakes), mistakes.len())) {
            self.mistakes.extend(best);
        }
    }
}

/// Least and greatest whole number that a schema accepts.
fn whole_range(schema: Schema<'_>) -> (i128, i128) {
    let (mut least, mut most) = match schema.text("format") {
        Some("uint8") => (0, u8::MAX.into()),
        Some("uint16") => (0, u16::MAX.into()),
        Some("uint32") => (0, u32::MAX.into()),
        Some("uint64" | "uint") => (0, u64::MAX.into()),
        Some("int8") => (i8::MIN.into(), i8::MAX.into()),
        Some("int16") => (i16::MIN.into(), i16::MAX.into()),
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("int64" | "int") => (i64::MIN.into(), i64::MAX.into()),
        _ => (i128::MIN, i128::MAX),
    };
    if let Some(at_least) = schema.number("minimum") {
        least = least.max(at_least as i128);
    }
    // The maximum of 64-bit types is not a double; their format already says it.
    if let Some(at_most) = schema.number("maximum").filter(|most| *most < 9e18) {
        most = most.min(at_most as i128);
    }
    (least, most)
}

fn number_in_words(schema: Schema<'_>) -> String {
    let bound = |keyword| schema.number(keyword);
    match (bound("minimum"), bound("exclusiveMinimum"), bound("maximum"), bound("exclusiveMaximum")) {
        (Some(least), _, Some(most), _) => format!("a number from {least} to {most}"),
        (Some(least), _, _, Some(above)) => format!("a number from {least} up to, not including, {above}"),
        (Some(least), ..) => format!("a finite number, {least} or above"),
        (_, Some(below), Some(most), _) => format!("a number above {below} and not above {most}"),
        (_, Some(below), _, Some(above)) => format!("a number between {below} and {above}, both excluded"),
        (_, Some(below), ..) => format!("a finite number above {below}"),
        (_, _, Some(most), _) => format!("a finite number, {most} or below"),
        (.., Some(above)) => format!("a finite number below {above}"),
        _ if schema.get("format").is_some() => "a number".to_owned(),
        _ => "a finite number".to_owned(),
    }
}

/// What stands there, as a person would say.
fn describe(node: &Node, text: &str) -> String {
    let written = || shorten(&text[node.span.clone()]);
    match &node.value {
        Value::Struct { name: Some(name), .. } | Value::Tuple { name: Some(name), .. } => format!("`{name}(…)`"),
        Value::Struct { .. } => "fields in parentheses".to_owned(),
        Value::Tuple { items, .. } if items.is_empty() => "()".to_owned(),
        Value::Tuple { items, .. } if items.len() == 1 => "one value in parentheses".to_owned(),
        Value::Tuple { items, .. } => format!("{} values in parentheses", items.len()),
        Value::Map(_) => "a map".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Text(_) => format!("the text {}", written()),
        Value::Char => format!("the character {}", written()),
        Value::Bytes => "bytes".to_owned(),
        Value::Integer(_) | Value::Float(_) | Value::Bool => written(),
        Value::Name(name) => format!("the bare word {}", shorten(name)),
        Value::Invalid => "something unreadable".to_owned(),
    }
}

fn kind_in_words(kind: &str) -> &'static str {
    match kind {
        "Environment" => "an environment",
        "Controller" => "a controller",
        "Policy" => "a policy",
        "FairnessReward" => "a fairness reward",
        "Welfare" => "a welfare function",
        "Constraint" => "a constraint",
        "Optimizer" => "an optimizer",
        _ => "a plugin",
    }
}

/// Without its article.
fn bare(what: &str) -> &str {
    what.split_once(' ').map_or(what, |(_, what)| what)
}

fn one_of(heading: &str, names: &[&str]) -> String {
    if names.is_empty() { "there is none".to_owned() } else { format!("{heading} {}", names.join(", ")) }
}

/// The known name that is nearest to what was written, if one is near.
pub(crate) fn nearest<'n>(written: &str, known: &[&'n str]) -> Option<&'n str> {
    // Quadratic in the length: what is much longer than any name is none.
    if written.len() > 100 {
        return None;
    }
    let distance = |name: &str| strsim::damerau_levenshtein(&written.to_lowercase(), &name.to_lowercase());
    let best = known.iter().copied().min_by_key(|name| distance(name))?;
    (distance(best) <= written.chars().count().max(3) / 3 + 1).then_some(best)
}
