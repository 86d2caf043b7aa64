//! Solvers that know only the prompt, and try what there is to try.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// Every right answer there is, sought by brute force.
fn answers(domain: &str, prompt: &str) -> BTreeSet<String> {
    let text = prompt.strip_suffix('=').expect("ends so");
    let one = |answer: String| BTreeSet::from([answer]);
    match domain {
        "add" => one(numbers(text).into_iter().fold(0, |sum, term| (0..term).fold(sum, |sum, _| sum + 1)).to_string()),
        "alg" => {
            let [factor, added, total] = numbers(text)[..] else { panic!("{prompt}") };
            (0..=1000).filter(|x| factor * x + added == total).map(|x: i64| x.to_string()).collect()
        }
        "rev" => one(text[1..].chars().fold(String::new(), |before, letter| format!("{letter}{before}"))),
        "sort" => one((b'0'..=b'9').flat_map(|digit| text[1..].matches(digit as char)).collect()),
        "gcd" => {
            let pair = numbers(text);
            let common = |divisor: &i64| pair.iter().all(|number| number % divisor == 0);
            one((1..=pair[0]).filter(common).max().expect("1 divides all").to_string())
        }
        "bool" => one(rewritten(&text[1..])),
        "path" => one(shortest(&text[1..])),
        "cd" => expressions(&text[1..]),
        "seq" => one(next(&numbers(text)).to_string()),
        "base" => {
            let [number, base] = numbers(text)[..] else { panic!("{prompt}") };
            // No digit of ours is above 6, so that counting up in the base is counting up and leaving some out.
            let digits = |text: &String| text.bytes().all(|byte| i64::from(byte - b'0') < base);
            one((0..).map(|all: u64| all.to_string()).filter(digits).nth(number as usize).expect("there are more"))
        }
        "word" => one(cards(&text[1..]).to_string()),
        "prog" => one(left_in_a(&text[1..]).to_string()),
        other => panic!("no oracle for {other}"),
    }
}

/// All runs of digits.
fn numbers(text: &str) -> Vec<i64> {
    let runs = text.split(|letter: char| !letter.is_ascii_digit()).filter(|run| !run.is_empty());
    runs.map(|run| run.parse().expect("digits")).collect()
}

/// Replaces what is known until one digit is left.
fn rewritten(formula: &str) -> String {
    let mut text = formula.to_owned();
    while text.len() > 1 {
        let before = text.clone();
        for (written, value) in [("!0", "1"), ("!1", "0"), ("(1&1)", "1"), ("(0|0)", "0")] {
            text = text.replace(written, value);
        }
        for written in ["(0&0)", "(0&1)", "(1&0)"] {
            text = text.replace(written, "0");
        }
        for written in ["(1|1)", "(0|1)", "(1|0)"] {
            text = text.replace(written, "1");
        }
        assert_ne!(text, before, "no formula");
    }
    text
}

/// Walks every way that visits no place twice.
fn shortest(text: &str) -> String {
    let (roads, asked) = text.split_once('?').expect("asks");
    let roads: Vec<Vec<char>> = roads.split(',').map(|road| road.chars().collect()).collect();
    let ends: Vec<char> = asked.chars().collect();
    let mut ways = vec![vec![ends[0]]];
    let mut best: Option<usize> = None;
    while let Some(way) = ways.pop() {
        let here = way[way.len() - 1];
        if here == ends[1] {
            best = Some(best.map_or(way.len() - 1, |best| best.min(way.len() - 1)));
        }
        for road in roads.iter().filter(|road| road.contains(&here)) {
            let there = if road[0] == here { road[1] } else { road[0] };
            if !way.contains(&there) {
                ways.push([&way[..], &[there]].concat());
            }
        }
    }
    best.map_or("-".to_owned(), |best| best.to_string())
}

/// Every expression of the given numbers that makes the target.
fn expressions<'a>(text: &'a str) -> BTreeSet<String> {
    let (numbers, target) = text.split_once('>').expect("has a target");
    let target: i64 = target.parse().expect("a number");
    let mut texts = vec![(String::new(), numbers.split(',').collect::<Vec<_>>())];
    for _ in 0..texts[0].1.len() {
        let longer = |(text, left): (String, Vec<&'a str>)| {
            let operators: &[&str] = if text.is_empty() { &[""] } else { &["+", "-", "*"] };
            let mut longer = Vec::new();
            for (at, number) in left.iter().enumerate() {
                let others = [&left[..at], &left[at + 1..]].concat();
                longer.extend(operators.iter().map(|sign| (format!("{text}{sign}{number}"), others.clone())));
            }
            longer
        };
        texts = texts.into_iter().flat_map(longer).collect();
    }
    texts.into_iter().map(|(text, _)| text).filter(|text| worth(text) == target).collect()
}

/// The value of an expression, its products done before its sums.
fn worth(text: &str) -> i64 {
    let terms = text.replace('-', "+-");
    let product = |term: &str| {
        let (sign, term) = term.strip_prefix('-').map_or((1, term), |term| (-1, term));
        sign * term.split('*').map(|factor| factor.parse::<i64>().expect("a number")).product::<i64>()
    };
    terms.split('+').map(product).sum()
}

/// The term behind four of which the same is always added, or by which the same is always multiplied.
fn next(terms: &[i64]) -> i64 {
    let fits = |next: &i64| {
        let all = [terms, &[*next]].concat();
        let steps: BTreeSet<i64> = all.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let grows = |factor: i64| all.windows(2).all(|pair| pair[1] == factor * pair[0]);
        steps.len() == 1 || (2..=3).any(grows)
    };
    let found: Vec<i64> = (0..1000).filter(fits).collect();
    assert_eq!(found.len(), 1, "{terms:?} goes on as {found:?}");
    found[0]
}

/// Puts what is told of people in place of their letters until only numbers are left, and computes those.
fn cards(text: &str) -> i64 {
    let (told, asked) = text.split_once('?').expect("asks");
    let mut facts: BTreeMap<char, String> = BTreeMap::new();
    let mut rest = told;
    while let Some(who) = rest.chars().next() {
        let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
        let end = if digits > 0 { 1 + digits } else { 4 };
        facts.insert(who, rest[1..end].to_owned());
        rest = &rest[end..];
    }
    let value = |who: &char| {
        let mut expression = facts[who].clone();
        while let Some(letter) = expression.chars().find(char::is_ascii_alphabetic) {
            expression = expression.replace(letter, &format!("({})", facts[&letter]));
        }
        bracketed(&expression)
    };
    if asked.is_empty() { facts.keys().map(value).sum() } else { value(&asked.chars().next().expect("somebody")) }
}

/// The value of an expression with brackets, the innermost first.
fn bracketed(expression: &str) -> i64 {
    let mut text = expression.to_owned();
    while let Some(close) = text.find(')') {
        let open = text[..close].rfind('(').expect("a pair");
        text = format!("{}{}{}", &text[..open], worth(&text[open + 1..close]), &text[close + 1..]);
    }
    worth(&text)
}

/// Writes loops out, then goes through the statements once.
fn left_in_a(text: &str) -> i64 {
    let (start, program) = text.split_once(';').expect("starts somewhere");
    let mut program = program.to_owned();
    while let Some(open) = program.rfind('(') {
        let close = open + program[open..].find(')').expect("a pair");
        let times: usize = program[open - 1..open].parse().expect("a digit");
        let body = vec![&program[open + 1..close]; times].join(";");
        program = format!("{}{body}{}", &program[..open - 1], &program[close + 1..]);
    }
    let mut registers: BTreeMap<String, i64> = (0..10).map(|digit| (digit.to_string(), digit)).collect();
    let start = numbers(start);
    registers.insert("a".to_owned(), start[0]);
    registers.insert("b".to_owned(), start[1]);
    for statement in program.split(';') {
        let (condition, change) = statement.split_once('?').unwrap_or(("1>0", statement));
        let (left, right) = condition.split_once('>').expect("compares");
        if registers[left] > registers[right] {
            let (value, operand) = (registers[&change[..1]], registers[&change[2..]]);
            let changed = match &change[1..2] {
                "+" => value + operand,
                "-" => value - operand,
                _ => value * operand,
            };
            registers.insert(change[..1].to_owned(), changed);
        }
    }
    registers["a"]
}

#[test]
fn brute_force_finds_the_answers() {
    for (domain, level) in levels() {
        for problem in first(domain, level, 150).chain(unsplit(domain, level, 50)) {
            let found = answers(domain.name(), &problem.prompt);
            assert!(found.contains(&problem.answer), "{}: {problem:?}, not {found:?}", domain.name());
            for answer in &found {
                assert_eq!(domain.score(&problem, answer), 1.0, "{}: {answer} for {problem:?}", domain.name());
            }
            assert!(found.len() == 1 || domain.name() == "cd", "{problem:?}: {found:?}");
        }
    }
}

/// Every text of digits and operators that is as long as an answer can be, for games of two numbers.
#[test]
fn nothing_but_the_right_expressions_is_accepted() {
    let cd = domain("cd").expect("there");
    let characters = ["", "0", "1", "2", "3", "4", "5", "6", "7", "+", "-", "*"];
    let mut texts = BTreeSet::from([String::new()]);
    for _ in 0..4 {
        texts = texts.iter().flat_map(|text| characters.map(|next| format!("{text}{next}"))).collect();
    }
    for problem in first(cd, 1, 5) {
        let accepted: BTreeSet<String> = texts.iter().filter(|text| cd.score(&problem, text) == 1.0).cloned().collect();
        assert_eq!(accepted, answers("cd", &problem.prompt), "{problem:?}");
    }
}

/// Elsewhere one text is right: every text of the domain's characters up to a length is asked about.
#[test]
fn nothing_but_the_right_text_is_accepted() {
    for (domain, level) in levels().filter(|(domain, _)| domain.name() != "cd") {
        for problem in first(domain, level, 5) {
            let digits: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
            let odd = ["-", "", "00", "-0", "+1", "01", "1 ", " 1", "1=", "a", "aa", "0x1", "１"];
            for text in digits.iter().map(String::as_str).chain(odd) {
                let right = domain.score(&problem, text) == 1.0;
                assert_eq!(right, text == problem.answer, "{}: {text} for {problem:?}", domain.name());
                let negative = format!("-{text}");
                let right = domain.score(&problem, &negative) == 1.0;
                assert_eq!(right, negative == problem.answer, "{}: {negative} for {problem:?}", domain.name());
            }
        }
    }
}
