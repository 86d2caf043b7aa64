//! `isonomy explain NAME`

use super::{Failure, Outcome, nearest, print};
use isonomy_engine::plugin::{self, Plugin};
use serde_json::Value;

/// Says what a plugin does, its fields, its source and how a scenario names it
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plugin, as `isonomy list` shows it
    name: String,
}

pub(super) fn explain(args: Args) -> Result<Outcome, Failure> {
    let plugins = plugin::plugins();
    let named: Vec<&Plugin> =
        plugins.iter().copied().filter(|plugin| plugin.name.eq_ignore_ascii_case(&args.name)).collect();
    if named.is_empty() {
        let near = nearest(&args.name, plugins.iter().map(|plugin| plugin.name));
        let hint = near.map_or("`isonomy list` shows them all".to_owned(), |near| format!("did you mean {near}?"));
        return Err(format!("there is no plugin \"{}\": {hint}", args.name).into());
    }
    let pages: Vec<String> = named.into_iter().map(page).collect();
    print(pages.join("\n\n"))?;
    Ok(Outcome::Well)
}

fn page(plugin: &Plugin) -> String {
    let schema = (plugin.schema)();
    let schema = schema.as_value();
    let mut page = format!("{} ({})\n\n{}\n", plugin.name, plugin.kind.plural(), text(schema));
    let fields = schema["properties"].as_object();
    if let Some(fields) = fields.filter(|fields| !fields.is_empty()) {
        page += "\nFields\n";
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, field) in fields {
            let default = match &field["default"] {
                Value::Null if required.contains(&name.as_str()) => String::new(),
                Value::Null => " (optional)".to_owned(),
                default => format!(" (default {default})"),
            };
            page += &format!("  {name}{default}\n");
            page.extend(text(field).lines().map(|line| format!("      {line}\n")));
        }
    }
    let value = format!("{{\"{}\": {}}}", plugin.name, plugin.example);
    page + &format!("\nIn a scenario\n  {}", plugin.kind.place().replace("{NAME}", &value))
}

fn text(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}
