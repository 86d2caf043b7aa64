//! `isonomy explain NAME`

use super::{Failure, Outcome, nearest, print};
use isonomy_engine::plugin::{self, Kind, Plugin};
use serde_json::Value;

/// Says what a plugin does, its fields, its source and how a scenario names it
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plugin, as `isonomy list` shows it
    #[arg(required_unless_present = "all")]
    name: Option<String>,
    /// Everything there is, as a page of the book in Markdown
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

pub(super) fn explain(args: Args) -> Result<Outcome, Failure> {
    let plugins = plugin::plugins();
    let Some(name) = args.name else {
        print(book(&plugins).trim_end())?;
        return Ok(Outcome::Well);
    };
    let named: Vec<&Plugin> =
        plugins.iter().copied().filter(|plugin| plugin.name.eq_ignore_ascii_case(&name)).collect();
    if named.is_empty() {
        let near = nearest(&name, plugins.iter().map(|plugin| plugin.name));
        let hint = near.map_or("`isonomy list` shows them all".to_owned(), |near| format!("did you mean {near}?"));
        return Err(format!("there is no plugin \"{name}\": {hint}").into());
    }
    let pages: Vec<String> = named.into_iter().map(page).collect();
    print(pages.join("\n\n"))?;
    Ok(Outcome::Well)
}

/// A chapter per kind, a section per plugin.
fn book(plugins: &[&Plugin]) -> String {
    let mut book = "# Everything that plugs in\n\nWritten by `isonomy explain --all`.\n".to_owned();
    for kind in Kind::ALL {
        book += &format!("\n## {}\n", capitalised(kind.plural()));
        for plugin in plugins.iter().filter(|plugin| plugin.kind == kind) {
            let schema = (plugin.schema)();
            book += &format!("\n### {}\n\n{}\n", plugin.name, text(schema.as_value()));
            let fields = fields(schema.as_value());
            if !fields.is_empty() {
                book.push('\n');
            }
            for (name, default, about) in fields {
                book += &format!("- `{name}`{default}: {}\n", about.replace('\n', " "));
            }
            book += &format!("\n```ron\n{}\n```\n", example(plugin));
        }
    }
    book
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn page(plugin: &Plugin) -> String {
    let schema = (plugin.schema)();
    let schema = schema.as_value();
    let mut page = format!("{} ({})\n\n{}\n", plugin.name, plugin.kind.plural(), text(schema));
    let fields = fields(schema);
    if !fields.is_empty() {
        page += "\nFields\n";
    }
    for (name, default, about) in fields {
        page += &format!("  {name}{default}\n");
        page.extend(about.lines().map(|line| format!("      {line}\n")));
    }
    page + &format!("\nIn a scenario\n  {}", example(plugin))
}

/// Name, default and meaning of every field.
fn fields(schema: &Value) -> Vec<(&str, String, &str)> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let describe = |(name, field): (&'_ String, &'_ Value)| match &field["default"] {
        Value::Null if required.contains(&name.as_str()) => String::new(),
        Value::Null => " (optional)".to_owned(),
        default => format!(" (default {default})"),
    };
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields.map(|(name, field)| (name.as_str(), describe((name, field)), text(field))).collect()
}

/// A line of a scenario that names the plugin.
fn example(plugin: &Plugin) -> String {
    let value = format!("{{\"{}\": {}}}", plugin.name, plugin.example);
    plugin.kind.place().replace("{NAME}", &value)
}

fn text(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}
