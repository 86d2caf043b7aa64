//! Recorded responses, one JSON object per line.

use super::missing;
use crate::command::Failure;
use isonomy_engine::advantage::{AdvantageEstimator, Responses, Signal};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::io::Read;
use std::path::Path;

/// More mistakes than this are not told one by one.
const ENOUGH: usize = 20;

/// One line.
#[derive(Deserialize)]
struct Line {
    prompt: Id,
    domain: String,
    /// Written in any case; null where it could not be computed.
    #[serde(deserialize_with = "written")]
    reward: Option<f64>,
    response: Option<Id>,
    length: Option<u32>,
    truncated: Option<bool>,
    answer: Option<Id>,
    greedy_reward: Option<f64>,
    entropy: Option<f64>,
    seat: Option<u32>,
    parts: Option<Vec<f64>>,
    log_probs: Option<Vec<f64>>,
    old_log_probs: Option<Vec<f64>>,
    teacher_log_probs: Option<Vec<f64>>,
    values: Option<Vec<f64>>,
    entropies: Option<Vec<f64>>,
    token_rewards: Option<Vec<f64>>,
    #[serde(flatten)]
    unread: BTreeMap<String, serde::de::IgnoredAny>,
}

/// A field that must be there, if only as null.
fn written<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<f64>, D::Error> {
    Option::deserialize(value)
}

/// What names a prompt, a response or an answer.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(i64),
}

/// A mistake and where it is.
#[derive(Debug, PartialEq)]
struct Mistake {
    line: usize,
    column: usize,
    message: String,
}

/// What keeps a file from being read, in the order of its lines.
#[derive(Debug, PartialEq)]
pub(super) struct Mistakes {
    file: String,
    found: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Mistake { line, column, message }) in self.found.iter().take(ENOUGH).enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{}:{line}:{column}: {message}", self.file)?;
        }
        match self.found.len().saturating_sub(ENOUGH) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

/// A file of responses as columns, the responses to a prompt side by side.
#[derive(Debug, Default)]
pub(super) struct Rollouts {
    file: String,
    domains: Vec<String>,
    unread: BTreeSet<String>,
    /// Where each response stands in the file, and where its reward does.
    places: Vec<(usize, usize)>,
    tokens: usize,
    group: Vec<u32>,
    domain: Vec<u32>,
    reward: Vec<f64>,
    seat: Vec<u32>,
    length: Vec<u32>,
    truncated: Vec<bool>,
    answer: Vec<u32>,
    greedy_reward: Vec<f64>,
    mean_entropy: Vec<f64>,
    parts: Vec<f64>,
    mask: Vec<bool>,
    of_tokens: [Vec<f64>; OF_TOKENS],
}

/// Columns of numbers per token.
const OF_TOKENS: usize = 6;

impl Line {
    /// Numbers per token, by name, in the order of [`Rollouts::of_tokens`].
    fn of_tokens(&self) -> [(&'static str, &Option<Vec<f64>>); OF_TOKENS] {
        [
            ("log_probs", &self.log_probs),
            ("old_log_probs", &self.old_log_probs),
            ("teacher_log_probs", &self.teacher_log_probs),
            ("values", &self.values),
            ("entropies", &self.entropies),
            ("token_rewards", &self.token_rewards),
        ]
    }

    /// Tokens, as far as it is said how many there are.
    fn tokens(&self) -> Option<usize> {
        self.of_tokens().iter().find_map(|(_, numbers)| numbers.as_ref().map(Vec::len))
    }

    /// What contradicts itself: the field and what is wrong with it.
    fn contradictions(&self) -> Option<(&'static str, String)> {
        let tokens = self.tokens();
        for (name, numbers) in self.of_tokens() {
            if let (Some(numbers), Some(tokens)) = (numbers, tokens)
                && numbers.len() != tokens
            {
                return Some((name, format!("{name} has {} numbers, the others have {tokens}", numbers.len())));
            }
        }
        match (self.length, tokens) {
            (Some(length), Some(tokens)) if length as usize != tokens => {
                Some(("length", format!("the length is {length}, but there are numbers for {tokens} tokens")))
            }
            _ => None,
        }
    }
}

impl Rollouts {
    /// Reads a file, or stdin for `-`. The outer error is of the file as a whole.
    pub(super) fn read(path: &Path) -> Result<Result<Rollouts, Mistakes>, Failure> {
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            std::io::stdin().lock().read_to_end(&mut bytes)?;
        } else {
            bytes = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        }
        Ok(Rollouts::parse(&path.display().to_string(), &bytes))
    }

    fn parse(file: &str, bytes: &[u8]) -> Result<Rollouts, Mistakes> {
        let (mut lines, mut found) = (Vec::new(), Vec::new());
        for (index, bytes) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            let number = index + 1;
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match parse_line(bytes) {
                Ok((line, reward)) => lines.push((number, reward, line)),
                Err((column, message)) => found.push(Mistake { line: number, column, message }),
            }
        }
        if lines.is_empty() && found.is_empty() {
            found.push(Mistake { line: 1, column: 1, message: "there are no responses in it".to_owned() });
        }
        found.extend(inconsistencies(&lines));
        found.sort_by_key(|mistake| (mistake.line, mistake.column));
        match found.is_empty() {
            true => Ok(Rollouts::of(file, lines)),
            false => Err(Mistakes { file: file.to_owned(), found }),
        }
    }

    /// Columns of lines without mistakes.
    fn of(file: &str, mut lines: Vec<(usize, usize, Line)>) -> Rollouts {
        let mut prompts: HashMap<Id, u32> = HashMap::new();
        let group = |line: &Line, prompts: &mut HashMap<Id, u32>| {
            let next = prompts.len() as u32;
            *prompts.entry(line.prompt.clone()).or_insert(next)
        };
        // Prompts in the order in which they first appear, their responses in the order of the file.
        for (_, _, line) in &lines {
            group(line, &mut prompts);
        }
        lines.sort_by_key(|(_, _, line)| prompts[&line.prompt]);
        let tokens = lines.iter().filter_map(|(_, _, line)| line.tokens()).max();
        let mut rollouts = Rollouts { file: file.to_owned(), tokens: tokens.unwrap_or(1).max(1), ..Default::default() };
        let everywhere = |has: fn(&Line) -> bool| lines.iter().all(|(_, _, line)| has(line));
        let known = (
            everywhere(|line| line.length.is_some() || line.tokens().is_some()),
            everywhere(|line| line.entropy.is_some() || line.entropies.is_some()),
        );
        let (mut domains, mut answers) = (HashMap::new(), HashMap::new());
        for (number, reward_at, line) in &lines {
            rollouts.places.push((*number, *reward_at));
            rollouts.group.push(prompts[&line.prompt]);
            let next = domains.len() as u32;
            rollouts.domain.push(*domains.entry(line.domain.clone()).or_insert_with(|| {
                rollouts.domains.push(line.domain.clone());
                next
            }));
            rollouts.reward.push(line.reward.unwrap_or(f64::NAN));
            rollouts.unread.extend(line.unread.keys().cloned());
            if known.0 {
                rollouts.length.push(line.length.unwrap_or_else(|| line.tokens().unwrap_or(0) as u32));
            }
            if known.1 {
                rollouts.mean_entropy.push(line.entropy.unwrap_or_else(|| mean(line.entropies.as_deref())));
            }
            rollouts.seat.extend(line.seat);
            rollouts.truncated.extend(line.truncated);
            rollouts.greedy_reward.extend(line.greedy_reward);
            rollouts.answer.extend(line.answer.as_ref().map(|answer| {
                let next = answers.len() as u32;
                *answers.entry((prompts[&line.prompt], answer.clone())).or_insert(next)
            }));
            rollouts.push_tokens(line);
        }
        let parts = lines[0].2.parts.as_ref().map_or(0, Vec::len);
        for part in 0..parts {
            let of = |(_, _, line): &(usize, usize, Line)| line.parts.as_ref().map(|parts| parts[part]);
            rollouts.parts.extend(lines.iter().filter_map(of));
        }
        rollouts
    }

    /// Numbers per token, padded to the longest response.
    fn push_tokens(&mut self, line: &Line) {
        let own = line.tokens().unwrap_or(1);
        self.mask.extend((0..self.tokens).map(|token| token < own));
        for (column, (_, numbers)) in self.of_tokens.iter_mut().zip(line.of_tokens()) {
            if let Some(numbers) = numbers {
                column.extend((0..self.tokens).map(|token| numbers.get(token).copied().unwrap_or(0.0)));
            }
        }
    }

    /// Names of domains in the order in which they first appear.
    pub(super) fn domains(&self) -> &[String] {
        &self.domains
    }

    /// Which tokens were generated, `[B, T]`.
    pub(super) fn mask(&self) -> &[bool] {
        &self.mask
    }

    /// Names of fields that nothing is made of; none where all were read.
    pub(super) fn unread(&self) -> Option<String> {
        let names: Vec<&str> = self.unread.iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// The columns.
    pub(super) fn responses(&self) -> Responses<'_> {
        let [log_prob, old_log_prob, teacher_log_prob, value, entropy, token_reward] = &self.of_tokens;
        Responses {
            group: &self.group,
            domain: &self.domain,
            seat: &self.seat,
            reward: &self.reward,
            parts: &self.parts,
            greedy_reward: &self.greedy_reward,
            length: &self.length,
            truncated: &self.truncated,
            answer: &self.answer,
            mean_entropy: &self.mean_entropy,
            tokens: self.tokens,
            mask: &self.mask,
            token_reward,
            value,
            log_prob,
            old_log_prob,
            teacher_log_prob,
            entropy,
            ..Default::default()
        }
    }

    /// What keeps an estimator from being used on these responses.
    pub(super) fn against(&self, estimator: &dyn AdvantageEstimator) -> Option<Mistakes> {
        let batch = self.responses();
        let lacks = |signal: &&Signal| !signal.is_in(&batch);
        let line = self.places.iter().map(|(line, _)| *line).min().unwrap_or(1);
        let mut found: Vec<Mistake> = estimator
            .needs()
            .iter()
            .filter(lacks)
            .map(|&signal| Mistake { line, column: 1, message: missing(estimator, signal) })
            .collect();
        let range = estimator.rewards();
        for (&(line, column), reward) in self.places.iter().zip(&self.reward) {
            if !reward.is_nan() && !range.contains(reward) {
                let message = format!(
                    "a reward of {reward}, but {} is made for at most {}",
                    estimator.typetag_name(),
                    range.end()
                );
                found.push(Mistake { line, column, message });
            }
        }
        let smallest = batch.groups().map(|members| members.len()).min().unwrap_or(0);
        for problem in estimator.check(smallest) {
            found.push(Mistake { line, column: 1, message: format!("{}: {problem}", estimator.typetag_name()) });
        }
        found.sort_by_key(|mistake| (mistake.line, mistake.column));
        (!found.is_empty()).then(|| Mistakes { file: self.file.clone(), found })
    }
}

fn mean(numbers: Option<&[f64]>) -> f64 {
    let numbers = numbers.unwrap_or_default();
    numbers.iter().sum::<f64>() / numbers.len().max(1) as f64
}

/// A line and the column of its reward, or the column of a mistake and what it is.
fn parse_line(bytes: &[u8]) -> Result<(Line, usize), (usize, String)> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        (before.chars().count() + 1, "not text in UTF-8".to_owned())
    })?;
    let line: Line = serde_json::from_str(text).map_err(|error| {
        // The place is counted from the start of the line, and told by us.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        (error.column().max(1), message)
    })?;
    if let Some((field, message)) = line.contradictions() {
        return Err((column_of(text, field), message));
    }
    let reward = column_of(text, "reward");
    Ok((line, reward))
}

/// Where a field stands in a line, from 1.
fn column_of(text: &str, field: &str) -> usize {
    text.find(&format!("\"{field}\"")).map_or(1, |at| text[..at].chars().count() + 1)
}

/// What lines have against each other.
fn inconsistencies(lines: &[(usize, usize, Line)]) -> Vec<Mistake> {
    let mut found = Vec::new();
    let mut seen: HashSet<(&Id, &Id)> = HashSet::new();
    let mut domain_of: HashMap<&Id, (&str, usize)> = HashMap::new();
    let Some((first_number, _, first)) = lines.first() else { return found };
    let mut mistake = |line: usize, message: String| found.push(Mistake { line, column: 1, message });
    for (number, _, line) in lines {
        if let Some(response) = &line.response
            && !seen.insert((&line.prompt, response))
        {
            mistake(*number, "the same prompt and response as in a line before".to_owned());
        }
        let (domain, before) = *domain_of.entry(&line.prompt).or_insert((&line.domain, *number));
        if domain != line.domain {
            mistake(
                *number,
                format!("this prompt is of domain \"{domain}\" in line {before}, of \"{}\" here", line.domain),
            );
        }
        for (name, has, first_has) in presence(line, first) {
            if has != first_has {
                let (with, without) = if has { (*number, *first_number) } else { (*first_number, *number) };
                mistake(*number, format!("{name} is there in line {with} and missing in line {without}"));
            }
        }
        if line.parts.as_ref().map(Vec::len) != first.parts.as_ref().map(Vec::len) && line.parts.is_some() {
            mistake(*number, format!("not as many parts as in line {first_number}"));
        }
    }
    found
}

/// Fields that all lines have or none: the name, whether this line has it, and whether the first has.
fn presence(line: &Line, first: &Line) -> Vec<(&'static str, bool, bool)> {
    let mut fields: Vec<(&'static str, bool, bool)> = vec![
        ("truncated", line.truncated.is_some(), first.truncated.is_some()),
        ("answer", line.answer.is_some(), first.answer.is_some()),
        ("greedy_reward", line.greedy_reward.is_some(), first.greedy_reward.is_some()),
        ("seat", line.seat.is_some(), first.seat.is_some()),
        ("parts", line.parts.is_some(), first.parts.is_some()),
    ];
    let tokens = line.of_tokens().into_iter().zip(first.of_tokens());
    fields.extend(tokens.map(|((name, own), (_, first))| (name, own.is_some(), first.is_some())));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Rollouts, String> {
        Rollouts::parse("file", text.as_bytes()).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn prompts_stand_side_by_side() {
        let rollouts = parsed(
            r#"{"prompt": "a", "domain": "math", "reward": 1, "log_probs": [-1, -2]}
{"prompt": 2, "domain": "code", "reward": null, "log_probs": [-1]}

{"prompt": "a", "domain": "math", "reward": 0, "log_probs": [-1, -2, -3], "text": "…"}
"#,
        )
        .unwrap();
        let batch = rollouts.responses();
        assert_eq!((batch.group, batch.domain, batch.length), (&[0, 0, 1][..], &[0, 0, 1][..], &[2, 3, 1][..]));
        assert_eq!(batch.mask, [true, true, false, true, true, true, true, false, false]);
        assert!(batch.reward[2].is_nan() && batch.width() == 3);
        assert_eq!(rollouts.domains(), ["math", "code"]);
        assert_eq!(rollouts.unread().unwrap(), "text");
    }

    #[test]
    fn every_mistake_has_a_place() {
        for (text, expected) in [
            ("{\"prompt\": 1, \"domain\": \"m\"", "file:1:27: EOF while parsing an object"),
            ("{\"prompt\": 1, \"reward\": 0}", "file:1:26: missing field `domain`"),
            ("{\"prompt\": 1, \"domain\": \"m\"}", "file:1:28: missing field `reward`"),
            ("\n{\"prompt\": 1, \"domain\": \"m\", \"reward\": \"yes\"}", "file:2:44: invalid type: string"),
            ("", "file:1:1: there are no responses in it"),
            (
                "{\"prompt\": 1, \"domain\": \"m\", \"reward\": 0, \"length\": 3, \"log_probs\": [-1]}",
                "file:1:43: the length is 3, but there are numbers for 1 tokens",
            ),
            (
                "{\"prompt\": 1, \"domain\": \"m\", \"reward\": 0}\n{\"prompt\": 1, \"domain\": \"c\", \"reward\": 0}",
                "file:2:1: this prompt is of domain \"m\" in line 1, of \"c\" here",
            ),
            (
                "{\"prompt\": 1, \"domain\": \"m\", \"reward\": 0, \"answer\": 1}\n{\"prompt\": 1, \"domain\": \"m\", \"reward\": 0}",
                "file:2:1: answer is there in line 1 and missing in line 2",
            ),
            (
                "{\"prompt\": 1, \"response\": 1, \"domain\": \"m\", \"reward\": 0}\n{\"prompt\": 1, \"response\": 1, \"domain\": \"m\", \"reward\": 0}",
                "file:2:1: the same prompt and response as in a line before",
            ),
        ] {
            let mistake = parsed(text).unwrap_err();
            assert!(mistake.starts_with(expected), "{mistake}");
        }
        let bytes = b"{\"prompt\": 1, \"domain\": \"\xff\", \"reward\": 0}";
        let mistake = Rollouts::parse("file", bytes).unwrap_err().to_string();
        assert_eq!(mistake, "file:1:26: not text in UTF-8");
    }

    #[test]
    fn only_so_many_mistakes_are_told() {
        let told = parsed(&"{\n".repeat(30)).unwrap_err();
        assert!(told.ends_with("and 10 more") && told.lines().count() == ENOUGH + 1, "{told}");
    }
}
