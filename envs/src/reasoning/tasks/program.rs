//! `x2,3;2(a+b;3(b+1;a-1))=`: a is 2 and b is 3; twice: a += b, then three times: b += 1, a -= 1. What is a?

use super::numeral::{integer, natural};
use super::{Domain, LONGEST_PROMPT, Problem, Words};
use std::fmt;

/// What a small program leaves in `a`.
#[derive(Debug)]
pub(super) struct Program;

/// Statements that a program may execute; ours need 21 at most.
const PATIENCE: u32 = 1000;

/// `a+b`: the register becomes itself, operator, operand.
#[derive(Clone, Copy)]
struct Change {
    register: char,
    operator: char,
    /// `a`, `b` or a digit.
    operand: char,
}

/// A part of a program.
enum Part {
    Change(Change),
    /// `a>5?b+1`
    If(char, char, Change),
    /// `3(…;…)`
    Times(u32, Vec<Part>),
}

/// Two registers.
#[derive(Clone, Copy)]
struct Registers {
    a: i64,
    b: i64,
}

impl Domain for Program {
    fn name(&self) -> &'static str {
        "prog"
    }

    fn about(&self) -> &'static str {
        "what a small program leaves in a"
    }

    fn share(&self) -> f64 {
        0.0
    }

    fn closed(&self, _: u32) -> bool {
        false
    }

    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        let start = Registers { a: i64::from(words.below(10)), b: i64::from(words.below(10)) };
        let program = written(words, level);
        let mut end = start;
        program.iter().for_each(|part| part.execute(&mut end));
        Problem::new(format!("x{},{};{}=", start.a, start.b, Joined(&program)), end.a)
    }

    /// By stepping through the text of the program.
    fn accepts(&self, prompt: &str, response: &str) -> bool {
        let end = Interpreter::run(prompt);
        end.zip(integer(response)).is_some_and(|((a, _), response)| a == response)
    }

    fn question(&self, prompt: &str) -> Option<String> {
        let (a, b, text) = start(prompt)?;
        Interpreter::run(prompt)?;
        Some(format!(
            "What does this program print?\n\na, b = {a}, {b}\n{}print(a)\n\nAnswer with the number only.",
            python(text)
        ))
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        Interpreter::run(prompt).map(|(_, executed)| executed)
    }

    fn effort_counts(&self) -> &'static str {
        "statements and conditions executed"
    }
}

/// A program of a level: a change; two; a loop of two; a loop of a change and a condition; a loop in a loop.
fn written(words: &mut Words, level: u32) -> Vec<Part> {
    match level {
        1 => {
            let operand = if words.flip() { 'b' } else { digit(words) };
            vec![Part::Change(Change { register: 'a', operator: words.pick(&['+', '-', '*']), operand })]
        }
        2 => {
            let operand = if words.flip() { 'a' } else { digit(words) };
            let first = Change { register: 'b', operator: words.pick(&['+', '-', '*']), operand };
            let second = Change { register: 'a', operator: words.pick(&['+', '-', '*']), operand: 'b' };
            vec![Part::Change(first), Part::Change(second)]
        }
        3 => vec![Part::Times(words.between(2, 4), pair(words).into())],
        4 => {
            let change = Part::Change(grow('a', words));
            let condition = Part::If(words.pick(&['a', 'b']), digit(words), any(words));
            vec![Part::Times(words.between(2, 4), vec![change, condition])]
        }
        _ => {
            let inner = Part::Times(words.between(2, 3), pair(words).into());
            vec![Part::Times(words.between(2, 3), vec![Part::Change(any(words)), inner])]
        }
    }
}

/// A change of `a` by `b` and one of `b`, in any order.
fn pair(words: &mut Words) -> [Part; 2] {
    let mut pair = [grow('a', words), any_of('b', words)];
    words.shuffle(&mut pair);
    pair.map(Part::Change)
}

fn sign(words: &mut Words) -> char {
    words.pick(&['+', '-'])
}

fn digit(words: &mut Words) -> char {
    char::from(b'0' + words.between(1, 9) as u8)
}

/// A change by the other register.
fn grow(register: char, words: &mut Words) -> Change {
    Change { register, operator: sign(words), operand: if register == 'a' { 'b' } else { 'a' } }
}

/// A change by the other register or by a digit.
fn any_of(register: char, words: &mut Words) -> Change {
    let change = grow(register, words);
    if words.flip() { change } else { Change { operand: digit(words), ..change } }
}

fn any(words: &mut Words) -> Change {
    let register = words.pick(&['a', 'b']);
    any_of(register, words)
}

impl Registers {
    fn get(&self, name: char) -> i64 {
        match name {
            'a' => self.a,
            'b' => self.b,
            digit => i64::from(digit as u32 - '0' as u32),
        }
    }
}

impl Change {
    fn execute(self, registers: &mut Registers) {
        let (value, operand) = (registers.get(self.register), registers.get(self.operand));
        let changed = match self.operator {
            '+' => value + operand,
            '-' => value - operand,
            _ => value * operand,
        };
        *(if self.register == 'a' { &mut registers.a } else { &mut registers.b }) = changed;
    }
}

impl Part {
    fn execute(&self, registers: &mut Registers) {
        match self {
            Part::Change(change) => change.execute(registers),
            Part::If(register, limit, change) if registers.get(*register) > registers.get(*limit) => {
                change.execute(registers);
            }
            Part::If(..) => {}
            Part::Times(times, parts) => {
                (0..*times).for_each(|_| parts.iter().for_each(|part| part.execute(registers)))
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.register, self.operator, self.operand)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Change(change) => write!(f, "{change}"),
            Part::If(register, limit, change) => write!(f, "{register}>{limit}?{change}"),
            Part::Times(times, parts) => write!(f, "{times}({})", Joined(parts)),
        }
    }
}

/// Parts with `;` between them.
struct Joined<'a>(&'a [Part]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(Part::to_string).collect();
        f.write_str(&parts.join(";"))
    }
}

/// What the registers start with, and the program.
fn start(prompt: &str) -> Option<(u64, u64, &str)> {
    let (start, text) = prompt.strip_prefix('x')?.strip_suffix('=')?.split_once(';')?;
    let (a, b) = start.split_once(',')?;
    Some((natural(a)?, natural(b)?, text))
}

/// Goes through the text of a program as it stands; a loop jumps back to its bracket.
struct Interpreter<'a> {
    text: &'a [u8],
    at: usize,
    a: i64,
    b: i64,
    executed: u32,
}

impl Interpreter<'_> {
    /// What is in `a` at the end, and how many statements and conditions it took.
    fn run(prompt: &str) -> Option<(i64, u32)> {
        let (a, b, text) = start(prompt).filter(|_| prompt.len() <= LONGEST_PROMPT)?;
        let mut running = Interpreter { text: text.as_bytes(), at: 0, a: a as i64, b: b as i64, executed: 0 };
        // Open loops: where the bracket is, and how often to come back to it.
        let mut open: Vec<(usize, u8)> = Vec::new();
        loop {
            match (running.next()?, running.peek()) {
                (times @ b'1'..=b'9', Some(b'(')) => {
                    running.at += 1;
                    open.push((running.at, times - b'1'));
                    continue;
                }
                (register, Some(b'>')) => running.condition(register)?,
                (register, _) => running.change(register, true)?,
            }
            while running.peek() == Some(b')') {
                running.at += 1;
                let (bracket, more) = open.last_mut()?;
                if *more > 0 {
                    *more -= 1;
                    running.at = *bracket;
                    break;
                }
                open.pop();
            }
            match running.peek() {
                None => return open.is_empty().then_some((running.a, running.executed)),
                Some(b';') => running.at += 1,
                Some(_) if open.last().is_some_and(|&(bracket, _)| bracket == running.at) => {}
                Some(_) => return None,
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += 1;
        byte
    }

    fn value(&self, of: u8) -> Option<i64> {
        match of {
            b'a' => Some(self.a),
            b'b' => Some(self.b),
            b'0'..=b'9' => Some(i64::from(of - b'0')),
            _ => None,
        }
    }

    fn count(&mut self) -> Option<()> {
        self.executed += 1;
        (self.executed <= PATIENCE).then_some(())
    }

    fn condition(&mut self, register: u8) -> Option<()> {
        self.count()?;
        self.at += 1;
        let limit = self.next()?;
        let holds = self.value(register)? > self.value(limit)?;
        let (question, register) = (self.next()?, self.next()?);
        if question == b'?' { self.change(register, holds) } else { None }
    }

    fn change(&mut self, register: u8, happens: bool) -> Option<()> {
        let (operator, operand) = (self.next()?, self.next()?);
        let (value, operand) = (self.value(register)?, self.value(operand)?);
        let changed = match operator {
            b'+' => value.checked_add(operand)?,
            b'-' => value.checked_sub(operand)?,
            b'*' => value.checked_mul(operand)?,
            _ => return None,
        };
        if happens {
            self.count()?;
            *(match register {
                b'a' => &mut self.a,
                b'b' => &mut self.b,
                _ => return None,
            }) = changed;
        }
        Some(())
    }
}

/// A program that runs, in Python.
fn python(text: &str) -> String {
    let (mut lines, mut depth, mut rest) = (String::new(), 0, text);
    while let Some(first) = rest.chars().next() {
        let part = rest.split([';', '(', ')']).next().unwrap_or_default();
        match first {
            ';' | '(' => rest = &rest[1..],
            ')' => {
                depth -= 1;
                rest = &rest[1..];
            }
            _ => {
                let line = match part.split_once('?') {
                    Some((condition, change)) => {
                        format!("if {}: {}", condition.replace('>', " > "), assignment(change))
                    }
                    None if part.len() == 1 => format!("for _ in range({part}):"),
                    None => assignment(part),
                };
                lines += &format!("{}{line}\n", "    ".repeat(depth));
                depth += usize::from(part.len() == 1);
                rest = &rest[part.len()..];
            }
        }
    }
    lines
}

fn assignment(change: &str) -> String {
    let (register, rest) = change.split_at(1);
    let (operator, operand) = rest.split_at(1);
    format!("{register} {operator}= {operand}")
}
