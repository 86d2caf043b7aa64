//! The numbers that the specification of the domains was published with.

use super::*;
use std::collections::HashMap;

/// Prompts with their answers, as they stand in the specification.
#[test]
fn examples_are_answered() {
    let examples = [
        ("add", "5+33=", "38"),
        ("alg", "4x+19=43;x=", "6"),
        ("rev", "rfgae=", "eagf"),
        ("sort", "s1875=", "1578"),
        ("gcd", "g3,24=", "3"),
        ("bool", "b!!0=", "0"),
        ("path", "pBD,AD,AB,BE,AE?EB=", "1"),
        ("cd", "c4,3,9>21=", "3*4+9"),
        ("seq", "q9,16,23,30=", "37"),
        ("base", "h28>5=", "103"),
        ("word", "fca*2a7ba+3?=", "31"),
        ("prog", "x2,3;2(a+b;3(b+1;a-1))=", "5"),
    ];
    for (name, prompt, answer) in examples {
        let problem = Problem::new(prompt.to_owned(), answer);
        assert_eq!(domain(name).expect("there").score(&problem, answer), 1.0, "{prompt}");
    }
}

/// Shares of the majority answer at levels 1 to 3, before anything is held out, to two digits.
#[test]
fn majority_answers_are_those_published() {
    let published = [
        ("add", [0.10, 0.01, 0.00]),
        ("alg", [0.11, 0.07, 0.06]),
        ("rev", [0.00, 0.00, 0.00]),
        ("sort", [0.01, 0.00, 0.00]),
        ("gcd", [0.15, 0.09, 0.07]),
        ("bool", [0.51, 0.51, 0.51]),
        ("path", [0.59, 0.46, 0.37]),
        ("cd", [0.01, 0.00, 0.00]),
        ("seq", [0.09, 0.04, 0.10]),
        ("base", [0.07, 0.04, 0.02]),
    ];
    let mut wrong = Vec::new();
    for (name, shares) in published {
        for (level, share) in (1..).zip(shares) {
            let mut counts: HashMap<String, u32> = HashMap::new();
            unsplit(domain(name).expect("there"), level, 20_000)
                .for_each(|problem| *counts.entry(problem.answer).or_default() += 1);
            let measured = f64::from(*counts.values().max().expect("some")) / 20_000.0;
            if (measured - share).abs() > 0.015 {
                wrong.push(format!("{name} {level}: {measured}, published {share}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// How many different prompts there are among 4000, at levels 1 to 3; the published ones are of a single draw.
#[test]
fn prompts_repeat_as_often_as_published() {
    let published = [
        ("add", [0.03, 0.82, 1.0]),
        ("alg", [0.07, 0.35, 0.65]),
        ("rev", [0.13, 0.64, 0.94]),
        ("sort", [0.25, 0.82, 0.98]),
        ("gcd", [0.06, 0.25, 0.48]),
        ("bool", [0.00, 0.01, 0.07]),
        ("path", [0.68, 0.99, 1.0]),
        ("cd", [0.04, 0.71, 0.83]),
        ("seq", [0.01, 0.04, 0.08]),
        ("base", [0.01, 0.02, 0.06]),
    ];
    let mut wrong = Vec::new();
    for (name, shares) in published {
        for (level, share) in (1..).zip(shares) {
            let prompts: std::collections::HashSet<String> =
                unsplit(domain(name).expect("there"), level, 4000).map(|problem| problem.prompt).collect();
            let measured = prompts.len() as f64 / 4000.0;
            if (measured - share).abs() > 0.02 {
                wrong.push(format!("{name} {level}: {measured}, published {share}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
