//! `isonomy tasks [DOMAIN]`, `isonomy tasks score FILE`

mod score;

use super::{Failure, Outcome, print};
use crate::table::Table;
use clap::{Subcommand, ValueEnum};
use isonomy_envs::reasoning::tasks::{Address, DOMAINS, Domain, Majority, Record, Split, domain};
use serde_json::{Value, json};

/// Shows generated problems with their answers, exports them, and scores responses to them
///
/// Without a domain, lists the domains. A problem is found by seed, domain, level, split and index and is the same whenever
/// and wherever it is asked for.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    show: Show,
}

#[derive(Subcommand)]
enum Action {
    Score(score::Args),
}

/// Which problems are shown.
#[derive(clap::Args)]
struct Show {
    /// What kind of problem, as `isonomy tasks` lists them; `all` for every kind
    domain: Option<String>,
    /// How hard, from 1; every level if not given
    #[arg(long, requires = "domain")]
    level: Option<u32>,
    /// Other seeds, other problems
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many of each level
    #[arg(long, default_value_t = 5)]
    count: u64,
    /// The index of the first
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// What they are for; no problem is in two splits
    #[arg(long, value_enum, default_value = "train")]
    split: SplitName,
    /// How to print them
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// How problems are written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One JSON value.
    Json,
    /// One JSON object per line; of problems, the rows that verl trains on.
    Jsonl,
}

#[derive(Clone, Copy, ValueEnum)]
enum SplitName {
    Train,
    Validation,
    Test,
}

impl From<SplitName> for Split {
    fn from(name: SplitName) -> Split {
        match name {
            SplitName::Train => Split::Train,
            SplitName::Validation => Split::Validation,
            SplitName::Test => Split::Test,
        }
    }
}

pub(super) fn tasks(args: Args) -> Result<Outcome, Failure> {
    match (args.action, args.show.domain.as_deref()) {
        (Some(Action::Score(args)), _) => return score::score(args),
        (None, None) => overview(args.show.format)?,
        (None, Some("all")) => show(&args.show, &DOMAINS)?,
        (None, Some(name)) => show(&args.show, &[domain(name)?])?,
    }
    Ok(Outcome::Well)
}

fn show(args: &Show, domains: &[&'static dyn Domain]) -> Result<(), Failure> {
    let last = args.count.checked_sub(1).ok_or("--count 0: there is nothing to show")?;
    args.first.checked_add(last).ok_or("--first and --count lead beyond the last index, 18446744073709551615")?;
    let mut addresses = Vec::new();
    for domain in domains {
        let levels = args.level.map_or(1..=domain.levels(), |level| level..=level);
        for level in levels {
            addresses.push(Address::new(args.seed, *domain, level, args.split.into(), args.first)?);
        }
    }
    let mut all = addresses.iter().flat_map(|first| (args.first..=args.first + last).map(|index| first.at(index)));
    match args.format {
        // Line by line: there may be more of them than fit into memory.
        Format::Jsonl => all.try_for_each(|address| print(serde_json::to_string(&Record::of(&address))?)),
        Format::Json => print(serde_json::to_string_pretty(&all.map(|address| object(&address)).collect::<Vec<_>>())?),
        Format::Table => {
            let mut table = Table::new(["domain", "level", "index", "prompt", "answer"]);
            for address in all {
                let (problem, level) = (address.problem(), address.level().to_string());
                let index = address.index.to_string();
                table.row([address.domain.name().to_owned(), level, index, problem.prompt, problem.answer]);
            }
            print(table.to_string().trim_end())
        }
    }
}

fn object(address: &Address) -> Value {
    let problem = address.problem();
    json!({
        "domain": address.domain.name(),
        "level": address.level(),
        "split": address.split,
        "seed": address.seed,
        "index": address.index,
        "prompt": problem.prompt,
        "answer": problem.answer,
        "question": address.domain.question(&problem.prompt),
        "effort": address.domain.effort(&problem.prompt),
    })
}

/// What domains there are, with the share of problems that the most frequent answer solves at each level.
fn overview(format: Format) -> Result<(), Failure> {
    let objects = DOMAINS.into_iter().map(domain_object).collect::<Result<Vec<_>, _>>()?;
    match format {
        Format::Json => print(serde_json::to_string_pretty(&objects)?),
        Format::Jsonl => objects.iter().try_for_each(print),
        Format::Table => {
            let mut table =
                Table::new(["domain", "share", "example", "answer", "majority answer, by level", "what is asked"]);
            for (domain, object) in DOMAINS.into_iter().zip(&objects) {
                let problem = Address::new(0, domain, 2, Split::Train, 0)?.problem();
                let levels = object["levels"].as_array().into_iter().flatten();
                let share = |level: &Value| {
                    let closed = if level["closed"] == true { "*" } else { "" };
                    format!("{:.2}{closed}", level["majority_share"].as_f64().unwrap_or_default())
                };
                let majority = levels.map(share).collect::<Vec<_>>().join(" ");
                let name = domain.name().to_owned();
                let share = format!("{:.2}", domain.share());
                table.row([name, share, problem.prompt, problem.answer, majority, domain.about().to_owned()]);
            }
            print(format!("{table}\n* fewer than 1000 different problems: a high accuracy may be memory"))
        }
    }
}

fn domain_object(domain: &'static dyn Domain) -> Result<Value, Failure> {
    let level = |level: u32| -> Result<Value, Failure> {
        let Majority { answer, share } = Majority::of(domain, level, Split::Train)?;
        Ok(json!({
            "level": level, "closed": domain.closed(level), "majority_answer": answer, "majority_share": share,
        }))
    };
    Ok(json!({
        "domain": domain.name(),
        "about": domain.about(),
        "share": domain.share(),
        "effort_counts": domain.effort_counts(),
        "levels": (1..=domain.levels()).map(level).collect::<Result<Vec<_>, _>>()?,
    }))
}
