//! What every environment asks of its groups and tasks.

use isonomy_engine::problem::Problem;

/// More agents in one lane than any scenario means.
const MOST_AGENTS: u64 = 1 << 24;

/// Groups must exist, have names of their own, and fit into a lane.
pub(crate) fn check_groups<'a>(groups: impl Iterator<Item = (&'a str, u32)> + Clone) -> Vec<Problem> {
    let mut problems = check_names("groups", groups.clone().map(|(name, _)| name));
    let agents: u64 = groups.map(|(_, agents)| u64::from(agents)).sum();
    if agents > MOST_AGENTS {
        problems.push(
            Problem::at("groups", format!("{agents} agents in one lane"))
                .help(format!("use at most {MOST_AGENTS} agents per lane, and more lanes")),
        );
    }
    problems
}

/// A list of named things must not be empty, and no two may share a name.
pub(crate) fn check_names<'a>(place: &str, names: impl Iterator<Item = &'a str>) -> Vec<Problem> {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return vec![Problem::at(place, format!("there are no {place}")).help("give at least one")];
    }
    let mut problems = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let here = || format!("{place}[{index}].name");
        if name.trim().is_empty() {
            problems.push(Problem::at(here(), "the name is empty").help("tables and records need a name"));
        } else if let Some(before) = names[..index].iter().position(|other| other == name) {
            problems.push(
                Problem::at(here(), format!("{place}[{before}] has the same name, \"{name}\""))
                    .help("give every one a name of its own"),
            );
        }
    }
    problems
}
