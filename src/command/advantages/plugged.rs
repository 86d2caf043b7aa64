//! Plugins named on the command line.

use crate::command::{Failure, nearest};
use isonomy_engine::plugin::{Kind, Plugin, plugins};
use isonomy_engine::reexport::ron;
use ron::extensions::Extensions;
use serde::de::DeserializeOwned;

/// A plugin by its name, in any spelling (`dr_grpo`, `DrGrpo`), or with fields as a scenario writes it.
pub(super) fn plugged<T: ?Sized>(kind: Kind, text: &str) -> Result<Box<T>, Failure>
where
    Box<T>: DeserializeOwned,
{
    let options =
        ron::Options::default().with_default_extension(Extensions::IMPLICIT_SOME | Extensions::UNWRAP_NEWTYPES);
    if text.trim_start().starts_with('{') {
        return options.from_str(text).map_err(|error| format!("{text}: {error}").into());
    }
    let known: Vec<&Plugin> = plugins().into_iter().filter(|plugin| plugin.kind == kind).collect();
    let Some(plugin) = known.iter().find(|plugin| plain(plugin.name) == plain(text)) else {
        let names: Vec<&str> = known.iter().map(|plugin| plugin.name).collect();
        let hint = nearest(text, names.iter().copied()).map_or(String::new(), |near| format!("; did you mean {near}?"));
        return Err(format!("there is no \"{text}\" among {} ({}){hint}", kind.plural(), names.join(", ")).into());
    };
    let written = format!("{{\"{}\": ()}}", plugin.name);
    options.from_str(&written).map_err(|error| {
        let (name, example) = (plugin.name, plugin.example);
        format!("{name} needs fields ({}): write '{{\"{name}\": {example}}}'", error.code).into()
    })
}

/// Letters and digits in lower case; a plus is the word.
fn plain(name: &str) -> String {
    let spelt = name.replace('+', "plus").to_lowercase();
    spelt.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn spellings_of_a_name() {
        for (written, name) in [
            ("dr_grpo", "DrGrpo"),
            ("reinforce++", "ReinforcePlusPlus"),
            ("grpo-pass-k", "GrpoPassK"),
            ("NGRPO", "Ngrpo"),
        ] {
            assert_eq!(plain(written), plain(name));
        }
    }
}
