//! `fca*2a7ba+3?=`: Cara has twice as many as Ada, Ada has 7, Ben has 3 more than Ada; how many do all have together?

use super::numeral::natural;
use super::{Domain, Problem, Words};

/// How many cards somebody has, or all together, told in facts about who has more than whom.
#[derive(Debug)]
pub(super) struct Story;

/// Everyone there is, by the letter that a prompt calls them.
const PEOPLE: [(char, &str); 5] = [('a', "Ada"), ('b', "Ben"), ('c', "Cara"), ('d', "Dan"), ('e', "Eve")];

/// What is told about one person.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Number(u64),
    More(char, u64),
    Fewer(char, u64),
    Times(char, u64),
    Together(char, char),
}

struct Fact {
    who: char,
    told: Told,
}

struct Tale {
    facts: Vec<Fact>,
    /// Whose cards are asked for; everyone's if nobody's.
    asked: Option<char>,
}

impl Domain for Story {
    fn name(&self) -> &'static str {
        "word"
    }

    fn about(&self) -> &'static str {
        "a story in several steps: who has how many more than whom"
    }

    fn share(&self) -> f64 {
        0.0
    }

    fn closed(&self, level: u32) -> bool {
        level == 1
    }

    /// One to four people whose cards follow from those of others. Up to level 2 each follows from the one before, in order,
    /// and the last is asked for; from level 3 on facts stand in any order and all cards are asked for.
    fn generate(&self, words: &mut Words, level: u32) -> Problem {
        let tangled = level >= 3;
        let mut people = PEOPLE.map(|(letter, _)| letter);
        words.shuffle(&mut people);
        let people = &people[..if tangled { level as usize } else { level as usize + 1 }];
        let mut counts = vec![u64::from(words.between(1, 10 * level))];
        let mut facts = vec![Fact { who: people[0], told: Told::Number(counts[0]) }];
        for (at, &who) in people.iter().enumerate().skip(1) {
            let other = if tangled { words.below(at as u32) as usize } else { at - 1 };
            let (told, count) = follow(words, people, &counts, other);
            counts.push(count);
            facts.push(Fact { who, told });
        }
        let all = counts.iter().sum();
        let (asked, answer) = if tangled { (None, all) } else { (people.last().copied(), counts[level as usize]) };
        if tangled {
            words.shuffle(&mut facts);
        }
        Problem::new(Tale { facts, asked }.written(), answer)
    }

    /// By going through the facts until nothing new follows.
    fn accepts(&self, prompt: &str, response: &str) -> bool {
        let Some((tale, response)) = tale(prompt).zip(natural(response)) else { return false };
        let mut known = [None; PEOPLE.len()];
        for _ in &tale.facts {
            for fact in &tale.facts {
                known[place(fact.who)] = fact.told.count(|who| known[place(who)]);
            }
        }
        let asked = |fact: &&Fact| tale.asked.is_none_or(|asked| asked == fact.who);
        let counts = tale.facts.iter().filter(asked).map(|fact| known[place(fact.who)]);
        counts.sum::<Option<u64>>() == Some(response)
    }

    fn question(&self, prompt: &str) -> Option<String> {
        let tale = tale(prompt)?;
        let facts: Vec<String> = tale.facts.iter().map(Fact::sentence).collect();
        let question = match tale.asked {
            Some(who) => format!("How many cards does {} have?", name(who)),
            None => "How many cards do they have altogether?".to_owned(),
        };
        Some(format!("{} {question} Answer with the number only.", facts.join(" ")))
    }

    /// Facts in any order about people of any names: of all names, those that make the least text. Whose number is told is
    /// always named first.
    fn kin(&self, prompt: &str) -> Option<String> {
        let tale = tale(prompt)?;
        let numbered = |order: &Vec<usize>| matches!(tale.facts[order[0]].told, Told::Number(_));
        orders(tale.facts.len()).into_iter().filter(numbered).map(|order| tale.renamed(&order)).min()
    }

    fn effort(&self, prompt: &str) -> Option<u32> {
        let Tale { facts, asked } = tale(prompt)?;
        let steps = facts.len() as u32 - 1;
        Some(if asked.is_some() { steps } else { 2 * steps })
    }

    fn effort_counts(&self) -> &'static str {
        "sums, differences and products to compute"
    }
}

/// What may be told about someone's cards in terms of those of `people[other]`, and how many they are.
fn follow(words: &mut Words, people: &[char], counts: &[u64], other: usize) -> (Told, u64) {
    let (who, count) = (people[other], counts[other]);
    match words.below(4) {
        0 if count > 1 => {
            let fewer = u64::from(words.between(1, (count - 1).min(9) as u32));
            (Told::Fewer(who, fewer), count - fewer)
        }
        1 => {
            let times = u64::from(words.between(2, 4));
            (Told::Times(who, times), count * times)
        }
        2 if counts.len() > 1 => {
            let second = (other + 1 + words.below(counts.len() as u32 - 1) as usize) % counts.len();
            (Told::Together(who, people[second]), count + counts[second])
        }
        _ => {
            let more = u64::from(words.between(1, 9));
            (Told::More(who, more), count + more)
        }
    }
}

impl Told {
    /// How many cards these are, given how many others have.
    fn count(self, of: impl Fn(char) -> Option<u64>) -> Option<u64> {
        match self {
            Told::Number(count) => Some(count),
            Told::More(who, more) => of(who)?.checked_add(more),
            Told::Fewer(who, fewer) => of(who)?.checked_sub(fewer),
            Told::Times(who, times) => of(who)?.checked_mul(times),
            Told::Together(a, b) => of(a)?.checked_add(of(b)?),
        }
    }

    fn written(self, letter: impl Fn(char) -> char) -> String {
        match self {
            Told::Number(count) => count.to_string(),
            Told::More(who, more) => format!("{}+{more}", letter(who)),
            Told::Fewer(who, fewer) => format!("{}-{fewer}", letter(who)),
            Told::Times(who, times) => format!("{}*{times}", letter(who)),
            Told::Together(a, b) => format!("{}+{}", letter(a), letter(b)),
        }
    }
}

impl Fact {
    fn sentence(&self) -> String {
        let who = name(self.who);
        let cards = |count: u64| if count == 1 { "card" } else { "cards" };
        match self.told {
            Told::Number(count) => format!("{who} has {count} {}.", cards(count)),
            Told::More(other, more) => format!("{who} has {more} more {} than {}.", cards(more), name(other)),
            Told::Fewer(other, fewer) => format!("{who} has {fewer} fewer {} than {}.", cards(fewer), name(other)),
            Told::Times(other, times) => format!("{who} has {times} times as many cards as {}.", name(other)),
            Told::Together(a, b) => format!("{who} has as many cards as {} and {} together.", name(a), name(b)),
        }
    }
}

impl Tale {
    fn written(&self) -> String {
        let fact = |fact: &Fact| format!("{}{}", fact.who, fact.told.written(|letter| letter));
        let facts: String = self.facts.iter().map(fact).collect();
        format!("f{facts}?{}=", self.asked.map_or(String::new(), String::from))
    }

    /// The tale of people who are called by other letters, whom fact `order[n]` tells of by letter n, sorted.
    fn renamed(&self, order: &[usize]) -> String {
        let letter = |who: char| {
            let place = order.iter().position(|&at| self.facts[at].who == who);
            place.map_or(who, |place| PEOPLE[place].0)
        };
        let told = |told: Told| match told {
            Told::Together(a, b) if letter(a) > letter(b) => Told::Together(b, a),
            other => other,
        };
        let mut facts: Vec<String> =
            self.facts.iter().map(|fact| format!("{}{}", letter(fact.who), told(fact.told).written(letter))).collect();
        facts.sort_unstable();
        format!("{}?{}", facts.concat(), self.asked.map(letter).map_or(String::new(), String::from))
    }
}

/// All orders of `count` things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for next in 0..count {
        let put = |order: Vec<usize>| {
            (0..=next).map(move |at| [&order[..at], &[next], &order[at..]].concat()).collect::<Vec<_>>()
        };
        orders = orders.into_iter().flat_map(put).collect();
    }
    orders
}

fn place(who: char) -> usize {
    PEOPLE.iter().position(|&(letter, _)| letter == who).expect("checked when it was read")
}

fn name(who: char) -> &'static str {
    PEOPLE[place(who)].1
}

/// The tale of a prompt. People that something follows from must be told about, and everyone once.
fn tale(prompt: &str) -> Option<Tale> {
    let (mut rest, asked) = prompt.strip_prefix('f')?.strip_suffix('=')?.split_once('?')?;
    let mut facts: Vec<Fact> = Vec::new();
    while !rest.is_empty() && facts.len() < PEOPLE.len() {
        let (fact, behind) = fact(rest)?;
        if facts.iter().any(|before| before.who == fact.who) {
            return None;
        }
        facts.push(fact);
        rest = behind;
    }
    let asked = if asked.is_empty() { None } else { Some(person(asked)?) };
    let told = |who: char| facts.iter().any(|fact| fact.who == who);
    let follows = |fact: &Fact| fact.told.count(|who| told(who).then_some(100)).is_some();
    let whole = rest.is_empty() && !facts.is_empty() && asked.is_none_or(told) && facts.iter().all(follows);
    whole.then_some(Tale { facts, asked })
}

fn person(text: &str) -> Option<char> {
    PEOPLE.iter().map(|&(letter, _)| letter).find(|letter| text.strip_prefix(*letter) == Some(""))
}

/// The fact that a text starts with, and what follows it.
fn fact(text: &str) -> Option<(Fact, &str)> {
    let who = person(text.get(..1)?)?;
    let rest = &text[1..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        return Some((Fact { who, told: Told::Number(natural(&rest[..digits])?) }, &rest[digits..]));
    }
    let (other, operator, operand) = (person(rest.get(..1)?)?, rest.get(1..2)?, rest.get(2..3)?);
    let told = match (operator, natural(operand)) {
        ("+", Some(more)) => Told::More(other, more),
        ("-", Some(fewer)) => Told::Fewer(other, fewer),
        ("*", Some(times)) => Told::Times(other, times),
        ("+", None) => Told::Together(other, person(operand)?),
        _ => return None,
    };
    Some((Fact { who, told }, &rest[3..]))
}
