//! Problems and responses as lines of JSON, in the form that verl reads.

use super::{Address, Domain, Split, domain};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// A problem as a row of a task file (`data_source`, `prompt`, `ability`, `reward_model`, `extra_info`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    data_source: String,
    prompt: Vec<Message>,
    ability: &'static str,
    reward_model: RewardModel,
    extra_info: ExtraInfo,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Message {
    role: &'static str,
    content: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct RewardModel {
    style: &'static str,
    ground_truth: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct ExtraInfo {
    level: u32,
    split: Split,
    index: u64,
    seed: u64,
}

/// What stands before the name of the domain in `data_source`.
const SOURCE: &str = "reasoning_tasks/";

impl Record {
    /// The problem of an address, its question in plain English.
    pub fn of(address: &Address) -> Record {
        let problem = address.problem();
        let content = address.domain.question(&problem.prompt).expect("a prompt of this domain");
        let (level, split, index, seed) = (address.level(), address.split, address.index, address.seed);
        Record {
            data_source: format!("{SOURCE}{}", address.domain.name()),
            prompt: vec![Message { role: "user", content }],
            ability: address.domain.name(),
            reward_model: RewardModel { style: "rule", ground_truth: problem.answer },
            extra_info: ExtraInfo { level, split, index, seed },
        }
    }
}

/// A response to the problem of an address.
#[derive(Clone, Debug)]
pub struct Response {
    /// The line that it stands in, from 1.
    pub line: usize,
    /// What was asked.
    pub address: Address,
    /// What was answered.
    pub response: String,
}

impl Response {
    /// 1 where it is right, 0 where it is not.
    pub fn score(&self) -> f64 {
        self.address.domain.score(&self.address.problem(), &self.response)
    }
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// The fields of a line that are read; others may stand beside them.
#[derive(Deserialize)]
struct Line {
    #[serde(deserialize_with = "source")]
    data_source: &'static dyn Domain,
    extra_info: ExtraInfo,
    response: String,
    reward_model: Option<Truth>,
}

#[derive(Deserialize)]
struct Truth {
    ground_truth: Option<String>,
}

fn source<'de, D: Deserializer<'de>>(value: D) -> Result<&'static dyn Domain, D::Error> {
    let written = String::deserialize(value)?;
    domain(written.strip_prefix(SOURCE).unwrap_or(&written)).map_err(serde::de::Error::custom)
}

/// Reads responses, a JSON object per line: the fields of [`Record`] that say which problem it is (`data_source`,
/// `extra_info`) and the text of the `response`. Either all lines can be read or every mistake is told.
pub fn read(bytes: &[u8]) -> Result<Vec<Response>, Vec<Mistake>> {
    let (mut responses, mut mistakes) = (Vec::new(), Vec::new());
    for (index, bytes) in bytes.split(|&byte| byte == b'\n').enumerate() {
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        match response(index + 1, bytes) {
            Ok(response) => responses.push(response),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if responses.is_empty() && mistakes.is_empty() {
        mistakes.push(Mistake { line: 1, column: 1, message: "there are no responses in it".to_owned() });
    }
    if mistakes.is_empty() { Ok(responses) } else { Err(mistakes) }
}

fn response(line: usize, bytes: &[u8]) -> Result<Response, Mistake> {
    let mistake = |column: usize, message: String| Mistake { line, column, message };
    let text = std::str::from_utf8(bytes)
        .map_err(|error| mistake(characters(bytes, error.valid_up_to()) + 1, "not text in UTF-8".to_owned()))?;
    let Line { data_source, extra_info, response, reward_model } = serde_json::from_str(text).map_err(|error| {
        // serde_json counts bytes, and says the place that we say ourselves.
        let message = error.to_string();
        let column = characters(bytes, error.column().saturating_sub(1)) + 1;
        mistake(column, message.split(" at line ").next().unwrap_or_default().to_owned())
    })?;
    let ExtraInfo { level, split, index, seed } = extra_info;
    let address = Address::new(seed, data_source, level, split, index)
        .map_err(|error| mistake(column_of(text, "level"), error.to_string()))?;
    if let Some(truth) = reward_model.and_then(|model| model.ground_truth) {
        let answer = address.problem().answer;
        if truth != answer {
            let message = format!("the answer of this problem is {answer}, not {truth:.40}");
            return Err(mistake(column_of(text, "ground_truth"), message));
        }
    }
    Ok(Response { line, address, response })
}

/// Characters among the first so many bytes.
fn characters(bytes: &[u8], many: usize) -> usize {
    String::from_utf8_lossy(&bytes[..many.min(bytes.len())]).chars().count()
}

/// Where a field stands. In a string its quotes would have backslashes before them.
fn column_of(text: &str, field: &str) -> usize {
    text.find(&format!("\"{field}\"")).map_or(1, |at| text[..at].chars().count() + 1)
}
