//! `isonomy list [KIND]`

use super::{Failure, Format, Outcome, nearest, print};
use crate::table::Table;
use isonomy_engine::plugin::{self, Kind, Plugin};
use serde_json::json;

/// Lists what a scenario can name: environments, controllers, policies, fairness, welfare, constraints, optimizers
#[derive(clap::Args)]
pub(super) struct Args {
    /// Only this kind
    kind: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn list(args: Args) -> Result<Outcome, Failure> {
    let kind = args.kind.as_deref().map(kind_of).transpose()?;
    let plugins: Vec<&Plugin> =
        plugin::plugins().into_iter().filter(|plugin| kind.is_none_or(|kind| plugin.kind == kind)).collect();
    match args.format {
        Format::Json => {
            let row = |plugin: &&Plugin| json!({"kind": plugin.kind.plural(), "name": plugin.name, "about": first_line(plugin)});
            print(serde_json::to_string_pretty(&plugins.iter().map(row).collect::<Vec<_>>())?)?;
        }
        Format::Csv => {
            let mut lines = vec!["kind,name,about".to_owned()];
            let quote = |text: String| format!("\"{}\"", text.replace('"', "\"\""));
            lines.extend(plugins.iter().map(|p| format!("{},{},{}", p.kind.plural(), p.name, quote(first_line(p)))));
            print(lines.join("\n"))?;
        }
        Format::Table => {
            let mut table = Table::new(["kind", "name", "what it is"]);
            for plugin in plugins {
                table.row([plugin.kind.plural().to_owned(), plugin.name.to_owned(), first_line(plugin)]);
            }
            print(table.to_string().trim_end())?;
        }
    }
    Ok(Outcome::Well)
}

fn kind_of(written: &str) -> Result<Kind, Failure> {
    let fits = |kind: &Kind| kind.plural() == written || kind.plural().trim_end_matches('s') == written;
    Kind::ALL.into_iter().find(fits).ok_or_else(|| {
        let names: Vec<&str> = Kind::ALL.map(Kind::plural).to_vec();
        let hint =
            nearest(written, names.iter().copied()).map_or(String::new(), |near| format!("; did you mean {near}?"));
        format!("there is no kind \"{written}\" (the kinds are {}){hint}", names.join(", ")).into()
    })
}

/// The first sentence of a plugin's documentation.
pub(super) fn first_line(plugin: &Plugin) -> String {
    let schema = (plugin.schema)();
    let about = schema.get("description").and_then(|text| text.as_str()).unwrap_or_default();
    let paragraph = about.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    paragraph.split_inclusive(". ").next().unwrap_or_default().trim().trim_end_matches('.').to_owned()
}
