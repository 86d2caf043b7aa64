//! `isonomy advantages --estimator NAME --in FILE`

mod plugged;
mod rollouts;
mod shift;

use super::{Failure, Format, Outcome, print};
use crate::table::Table;
use isonomy_engine::advantage::{
    AdvantageEstimator, DomainWeight, GroupFilter, LossAggregator, Progress, Responses, Signal,
};
use isonomy_engine::plugin::Kind;
use plugged::plugged;
use rollouts::Rollouts;
use serde_json::{Value, json};
use shift::{Domain, domains};
use std::path::PathBuf;

/// Replays an estimator on recorded responses: what every domain weighs, and where an update would move the policy
///
/// Each line of the file is a JSON object: `prompt`, `domain` and `reward` (null where it could not be computed), and what
/// else is known: `response`, `length`, `log_probs`, `old_log_probs`, `teacher_log_probs`, `values`, `entropies`, `entropy`,
/// `answer`, `truncated`, `greedy_reward`, `parts`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The estimator: a name (`ngrpo`), or a name with fields (`{"Ngrpo": (largest: 2)}`)
    #[arg(long)]
    estimator: String,
    /// The responses, one JSON object per line; `-` reads from stdin
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// Groups that are learned from, e.g. `dapo_filter`; all if not given
    #[arg(long)]
    filter: Option<String>,
    /// Factors on the advantages of domains, e.g. `{"WelfareGradient": (welfare: {"Nash": ()})}`
    #[arg(long)]
    weights: Option<String>,
    /// How tokens count; every response alike if not given
    #[arg(long, default_value = "seq_mean_token_mean")]
    aggregator: String,
    /// How to print the result
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn advantages(args: Args) -> Result<Outcome, Failure> {
    let estimator = plugged::<dyn AdvantageEstimator>(Kind::AdvantageEstimator, &args.estimator)?;
    let filter = args.filter.as_deref().map(|text| plugged::<dyn GroupFilter>(Kind::GroupFilter, text)).transpose()?;
    let weights =
        args.weights.as_deref().map(|text| plugged::<dyn DomainWeight>(Kind::DomainWeight, text)).transpose()?;
    let aggregator = plugged::<dyn LossAggregator>(Kind::LossAggregator, &args.aggregator)?;
    let rollouts = match Rollouts::read(&args.input)? {
        Ok(rollouts) => rollouts,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return Ok(Outcome::Problem);
        }
    };
    if let Some(mistakes) = rollouts.against(&*estimator) {
        eprintln!("{mistakes}");
        return Ok(Outcome::Problem);
    }
    if let Some(names) = rollouts.unread() {
        eprintln!("not read: {names}");
    }
    let batch = rollouts.responses();
    let mut advantage = vec![0.0; batch.len() * batch.width()];
    estimator.estimate(&batch, &mut advantage);
    if let Some(filter) = &filter {
        drop_groups(&**filter, &batch, &mut advantage);
    }
    let factors = match &weights {
        Some(weights) => factors(&**weights, &rollouts, &batch)?,
        None => vec![1.0; rollouts.domains().len()],
    };
    for (response, own) in advantage.chunks_exact_mut(batch.width()).enumerate() {
        own.iter_mut().for_each(|advantage| *advantage *= factors[batch.domain[response] as usize]);
    }
    let mut token_weight = vec![0.0; advantage.len()];
    aggregator.weigh(batch.width(), rollouts.mask(), &mut token_weight);
    let rows = domains(&batch, rollouts.domains().len(), &advantage, &token_weight);
    match args.format {
        Format::Table => print(table(&rollouts, &rows, &factors).to_string().trim_end()),
        Format::Json => print(objects(&rollouts, &rows, &factors)),
        Format::Csv => print(lines(&rollouts, &rows, &factors)),
    }?;
    Ok(Outcome::Well)
}

/// Sets the advantages of groups that are not learned from to 0.
fn drop_groups(filter: &dyn GroupFilter, batch: &Responses<'_>, advantage: &mut [f64]) {
    let mut keep = vec![true; batch.len()];
    filter.keep(batch, &mut keep);
    for (own, _) in advantage.chunks_exact_mut(batch.width()).zip(keep).filter(|(_, keep)| !keep) {
        own.fill(0.0);
    }
}

/// Factors of domains, given their mean rewards in the batch.
fn factors(weights: &dyn DomainWeight, rollouts: &Rollouts, batch: &Responses<'_>) -> Result<Vec<f64>, Failure> {
    let count = rollouts.domains().len();
    if let Some(problem) = weights.check(count).into_iter().next() {
        return Err(format!("--weights {}: {problem}", weights.typetag_name()).into());
    }
    let (mut sum, mut scored, mut share) = (vec![0.0; count], vec![0.0; count], vec![0.0; count]);
    for (response, &domain) in batch.domain.iter().enumerate() {
        let domain = domain as usize;
        share[domain] += 1.0 / batch.len() as f64;
        if !batch.reward[response].is_nan() {
            sum[domain] += batch.reward[response];
            scored[domain] += 1.0;
        }
    }
    let accuracy: Vec<f64> = sum.iter().zip(&scored).map(|(sum, n)| if *n > 0.0 { sum / n } else { 0.0 }).collect();
    let mut memory = vec![0.0; count * weights.memory()];
    weights.start(&mut memory);
    let progress = Progress { step: 0, accuracy: &accuracy, best: &accuracy, data: &share, sampled: &share };
    let mut weight = vec![1.0; count];
    let repairs = weights.weigh(&progress, &mut memory, &mut weight);
    if repairs.negative > 0 {
        eprintln!("{} weights would have been below 0; 0 was used", repairs.negative);
    }
    if repairs.floored > 0 {
        eprintln!("{} mean rewards are too small for the welfare function; its floor was used", repairs.floored);
    }
    Ok(weight)
}

/// What is told of a domain: a heading, and how to get it.
type Column = (&'static str, fn(&Domain, f64) -> f64);

const COLUMNS: [Column; 14] = [
    ("prompts", |row, _| row.prompts as f64),
    ("responses", |row, _| row.responses as f64),
    ("unscored", |row, _| row.unscored as f64),
    ("mean_reward", |row, _| row.mean_reward),
    ("zero_signal", |row, _| row.silent),
    ("data_share", |row, _| row.share),
    ("effective_weight", |row, _| row.weight),
    ("weight_to_share", |row, _| if row.share > 0.0 { row.weight / row.share } else { f64::NAN }),
    ("factor", |_, factor| factor),
    ("mean_advantage", |row, _| row.mean_advantage),
    ("mean_size", |row, _| row.mean_size),
    ("reward_shift", |row, _| row.reward_shift),
    ("length_shift", |row, _| row.length_shift),
    ("entropy_shift", |row, _| row.entropy_shift),
];

fn table(rollouts: &Rollouts, rows: &[Domain], factors: &[f64]) -> Table {
    let mut table = Table::new(std::iter::once("domain").chain(COLUMNS.iter().map(|(name, _)| *name)));
    for ((name, row), &factor) in rollouts.domains().iter().zip(rows).zip(factors) {
        let number = |(_, of): &Column| {
            let value = of(row, factor);
            match value {
                _ if value.is_nan() => "-".to_owned(),
                _ if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value}"),
                _ => format!("{value:.6}"),
            }
        };
        table.row(std::iter::once(name.clone()).chain(COLUMNS.iter().map(number)));
    }
    table
}

fn objects(rollouts: &Rollouts, rows: &[Domain], factors: &[f64]) -> Value {
    let object = |((name, row), &factor): ((&String, &Domain), &f64)| {
        let mut object = json!({"domain": name});
        for (name, of) in COLUMNS {
            object[name] = json!(of(row, factor));
        }
        object
    };
    rollouts.domains().iter().zip(rows).zip(factors).map(object).collect()
}

fn lines(rollouts: &Rollouts, rows: &[Domain], factors: &[f64]) -> String {
    let mut lines =
        vec![std::iter::once("domain").chain(COLUMNS.iter().map(|(name, _)| *name)).collect::<Vec<_>>().join(",")];
    for ((name, row), &factor) in rollouts.domains().iter().zip(rows).zip(factors) {
        let number = |(_, of): &Column| {
            let value = of(row, factor);
            if value.is_nan() { String::new() } else { value.to_string() }
        };
        let cells = std::iter::once(super::run::cell(name)).chain(COLUMNS.iter().map(number));
        lines.push(cells.collect::<Vec<_>>().join(","));
    }
    lines.join("\n")
}

/// Why an estimator cannot do without a column.
fn missing(estimator: &dyn AdvantageEstimator, signal: Signal) -> String {
    format!("{} needs {}", estimator.typetag_name(), signal.name())
}
