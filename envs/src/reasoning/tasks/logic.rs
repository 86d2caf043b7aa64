//! `b((1&0)|1)=`

use super::{Domain, Problem, Words};

/// The value of a formula.
#[derive(Debug)]
pub(super) struct Logic;

impl Domain for Logic {
    fn name(&self) -> &'static str {
        "bool"
    }

    fn about(&self) -> &'static str {
        "the value of a formula of and, or, not"
    }

    fn share(&self) -> f64 {
        0.06
    }

    fn closed(&self, level: u32) -> bool {
        level <= 3
    }

    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        let (formula, value) = grow(words, level);
        Problem::new(format!("b{formula}="), u8::from(value))
    }

    fn accepts(&self, prompt: &str, response: &str) -> bool {
        formula(prompt).is_some_and(|formula| formula.value == (response == "1")) && matches!(response, "0" | "1")
    }

    fn question(&self, prompt: &str) -> Option<String> {
        formula(prompt)?;
        let text = prompt.strip_prefix('b')?.strip_suffix('=')?;
        let spelled = text.replace('&', " and ").replace('|', " or ").replace('!', "not ");
        Some(format!("0 is false and 1 is true. What is the value of {spelled}? Answer with 0 or 1 only."))
    }

    /// What is on the two sides of `&` or `|` may change places.
    fn kin(&self, prompt: &str) -> Option<String> {
        Some(formula(prompt)?.ordered)
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        formula(prompt)?;
        Some(prompt.bytes().filter(|byte| b"&|!".contains(byte)).count() as u32)
    }

    fn effort_counts(&self) -> &'static str {
        "operators"
    }
}

/// A formula of `level` levels and its value: not, or a formula on the left and a leaf on the right. Half of those on the
/// left are leaves too.
fn grow(words: &mut Words, level: u32) -> (String, bool) {
    if level == 0 {
        let leaf = words.flip();
        return (u8::from(leaf).to_string(), leaf);
    }
    let operator = words.pick(&['!', '&', '|']);
    if operator == '!' {
        let (formula, value) = grow(words, level - 1);
        return (format!("!{formula}"), !value);
    }
    let deep = words.flip();
    let (left, a) = grow(words, if deep { level - 1 } else { 0 });
    let (right, b) = grow(words, 0);
    (format!("({left}{operator}{right})"), if operator == '&' { a && b } else { a || b })
}

/// A formula as it is read.
struct Formula {
    value: bool,
    /// Both sides of `&` and `|` in order.
    ordered: String,
}

fn formula(prompt: &str) -> Option<Formula> {
    let text = prompt.strip_prefix('b')?.strip_suffix('=')?;
    if text.len() > super::LONGEST_PROMPT {
        return None;
    }
    let (formula, rest) = parse(text)?;
    rest.is_empty().then_some(formula)
}

/// The formula that a text starts with, and what follows it.
fn parse(text: &str) -> Option<(Formula, &str)> {
    let rest = text.get(1..)?;
    match text.as_bytes()[0] {
        b'!' => {
            let (Formula { value, ordered }, rest) = parse(rest)?;
            Some((Formula { value: !value, ordered: format!("!{ordered}") }, rest))
        }
        b'(' => {
            let (a, rest) = parse(rest)?;
            let operator = rest.chars().next().filter(|operator| "&|".contains(*operator))?;
            let (b, rest) = parse(&rest[1..])?;
            let value = [a.value, b.value].contains(&true) && (operator == '|' || a.value == b.value);
            let (first, second) = if a.ordered <= b.ordered { (&a, &b) } else { (&b, &a) };
            let ordered = format!("({}{operator}{})", first.ordered, second.ordered);
            Some((Formula { value, ordered }, rest.strip_prefix(')')?))
        }
        leaf @ (b'0' | b'1') => Some((Formula { value: leaf == b'1', ordered: char::from(leaf).to_string() }, rest)),
        _ => None,
    }
}
