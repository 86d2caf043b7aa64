//! `isonomy tasks score FILE`

use super::Format;
use crate::command::{Failure, Outcome, print};
use crate::table::Table;
use isonomy_envs::reasoning::tasks::{DOMAINS, Majority, Mistake, Response, Split, above, read};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// More mistakes than this are not told one by one.
const ENOUGH: usize = 20;

/// Scores responses: 1 for an answer, 0 for anything else
///
/// Each line of the file is a JSON object: `data_source` and `extra_info` of the problem, as `--format jsonl` exports them, and
/// the text of the `response`. A `reward_model` beside them must have the answer of that problem. Nothing is scored unless every
/// line can be read.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The responses, one JSON object per line; `-` reads from stdin
    file: PathBuf,
    /// How to print the result: by domain and level, or one score per line
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// Responses to the problems of a level.
struct Level {
    first: Response,
    responses: u32,
    right: f64,
}

impl Level {
    fn accuracy(&self) -> f64 {
        self.right / f64::from(self.responses)
    }

    fn majority(&self) -> Result<f64, Failure> {
        let address = &self.first.address;
        Ok(Majority::of(address.domain, address.level(), address.split)?.share)
    }
}

pub(super) fn score(args: Args) -> Result<Outcome, Failure> {
    let responses = match read(&bytes(&args.file)?) {
        Ok(responses) => responses,
        Err(mistakes) => {
            tell(&args.file, &mistakes);
            return Ok(Outcome::Problem);
        }
    };
    match args.format {
        Format::Jsonl => responses.iter().try_for_each(|response| print(line(response)))?,
        Format::Json => print(serde_json::to_string_pretty(&summary(levels(responses))?)?)?,
        Format::Table => print(table(levels(responses))?.to_string().trim_end())?,
    }
    Ok(Outcome::Well)
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        bytes = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    }
    Ok(bytes)
}

fn tell(file: &Path, mistakes: &[Mistake]) {
    for mistake in mistakes.iter().take(ENOUGH) {
        eprintln!("{}:{mistake}", file.display());
    }
    if mistakes.len() > ENOUGH {
        eprintln!("and {} more", mistakes.len() - ENOUGH);
    }
}

fn line(response: &Response) -> Value {
    let address = &response.address;
    json!({
        "line": response.line,
        "domain": address.domain.name(),
        "level": address.level(),
        "split": address.split,
        "seed": address.seed,
        "index": address.index,
        "score": response.score(),
    })
}

/// Responses by domain, level and split, in the order of the domains.
fn levels(responses: Vec<Response>) -> Vec<Level> {
    let key = |response: &Response| {
        let address = &response.address;
        let domain = DOMAINS.iter().position(|domain| domain.name() == address.domain.name());
        (domain, address.level(), Split::ALL.iter().position(|split| *split == address.split))
    };
    let mut levels = std::collections::BTreeMap::new();
    for response in responses {
        let (key, score) = (key(&response), response.score());
        let level = levels.entry(key).or_insert(Level { first: response, responses: 0, right: 0.0 });
        level.responses += 1;
        level.right += score;
    }
    levels.into_values().collect()
}

fn summary(levels: Vec<Level>) -> Result<Value, Failure> {
    let of = |level: &Level| -> Result<Value, Failure> {
        let (address, accuracy, majority) = (&level.first.address, level.accuracy(), level.majority()?);
        Ok(json!({
            "domain": address.domain.name(),
            "level": address.level(),
            "split": address.split,
            "closed": address.domain.closed(address.level()),
            "responses": level.responses,
            "accuracy": accuracy,
            "majority": majority,
            "above_majority": above(accuracy, majority),
        }))
    };
    let responses: u32 = levels.iter().map(|level| level.responses).sum();
    let right: f64 = levels.iter().map(|level| level.right).sum();
    let levels = levels.iter().map(of).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"responses": responses, "accuracy": right / f64::from(responses), "levels": levels}))
}

fn table(levels: Vec<Level>) -> Result<Table, Failure> {
    let mut table =
        Table::new(["domain", "level", "split", "responses", "accuracy", "majority answer", "above majority"]);
    for level in &levels {
        let (address, accuracy, majority) = (&level.first.address, level.accuracy(), level.majority()?);
        let number = |number: f64| format!("{number:.4}");
        table.row([
            address.domain.name().to_owned(),
            address.level().to_string(),
            address.split.name().to_owned(),
            level.responses.to_string(),
            number(accuracy),
            number(majority),
            above(accuracy, majority).map_or_else(String::new, number),
        ]);
    }
    Ok(table)
}
