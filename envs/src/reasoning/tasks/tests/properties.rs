//! Properties of every domain at every level.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

fn any_domain() -> impl Strategy<Value = &'static dyn Domain> {
    (0..DOMAINS.len()).prop_map(|at| DOMAINS[at])
}

fn any_address() -> impl Strategy<Value = Address> {
    let split = (0..3_usize).prop_map(|at| Split::ALL[at]);
    (any::<u64>(), any_domain(), 1..=5_u32, split, any::<u64>()).prop_map(|(seed, domain, level, split, index)| {
        Address::new(seed, domain, level, split, index).expect("a level")
    })
}

/// Where a response is one edit away from another.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Insert,
    Replace,
    Remove,
    Swap,
    Repeat,
}

fn any_edit() -> impl Strategy<Value = Edit> {
    prop_oneof![Just(Edit::Insert), Just(Edit::Replace), Just(Edit::Remove), Just(Edit::Swap), Just(Edit::Repeat)]
}

fn edited(text: &str, edit: Edit, at: usize, with: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let inside = at % bytes.len();
    match edit {
        Edit::Insert => bytes.insert(at % (bytes.len() + 1), with),
        Edit::Replace => bytes[inside] = with,
        Edit::Remove => drop(bytes.remove(inside)),
        Edit::Swap => bytes.swap(inside, (inside + 1) % text.len()),
        Edit::Repeat => bytes.extend_from_within(..),
    }
    String::from_utf8(bytes).expect("ASCII")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_answer_scores_1_and_another_less(
        address in any_address(), edit in any_edit(), at in 0..32_usize, with in 0..ALPHABET.len(),
    ) {
        let problem = address.problem();
        prop_assert_eq!(address.domain.score(&problem, &problem.answer), 1.0);
        let other = edited(&problem.answer, edit, at, ALPHABET.as_bytes()[with]);
        let right = address.domain.score(&problem, &other);
        if address.domain.name() == "cd" {
            // Another expression may be right: then it has the same numbers and says so to everyone.
            prop_assert!(right == 0.0 || other.len() == problem.answer.len());
        } else {
            prop_assert_eq!(right, f64::from(u8::from(other == problem.answer)));
        }
    }

    /// What earns part of a reward elsewhere: the answer inside something longer, twice, a beginning, an end.
    #[test]
    fn nothing_is_paid_for_a_part(address in any_address(), words in "[ -~]{1,12}") {
        let (domain, problem) = (address.domain, address.problem());
        let answer = &problem.answer;
        let padded = [
            format!("the answer is {answer}"), format!("{words}{answer}"), format!("{answer}{words}"),
            format!("{answer} "), format!(" {answer}"), format!("{answer}\n"), format!("{answer}={answer}"),
            format!("{answer},{answer}"), format!("{}{answer}", problem.prompt), format!("0{answer}"), format!("+{answer}"),
        ];
        for response in padded {
            let score = domain.score(&problem, &response);
            prop_assert!(score == 0.0 || score == 1.0);
            // Letters in front of letters are other letters, and digits before an expression other numbers.
            prop_assert!(score == 0.0 || domain.name() == "cd" && response.len() == answer.len(), "{response}: {problem:?}");
        }
        for end in 0..answer.len() {
            prop_assert_eq!(domain.score(&problem, &answer[..end]), 0.0);
            prop_assert_eq!(domain.score(&problem, &answer[end + 1..]), 0.0);
        }
    }

    #[test]
    fn garbage_scores_0(address in any_address(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let problem = address.problem();
        let response = String::from_utf8_lossy(&bytes);
        let score = address.domain.score(&problem, &response);
        prop_assert_eq!(score == 1.0, response == problem.answer);
    }

    /// Texts of the alphabet get as far as the verifiers.
    #[test]
    fn texts_of_the_alphabet_are_judged(address in any_address(), text in "[0-9a-hs+*()&|!?>,;x=-]{0,24}") {
        let problem = address.problem();
        let right = address.domain.score(&problem, &text) == 1.0;
        prop_assert!(right == (text == problem.answer) || address.domain.name() == "cd");
    }

    /// Prompts of anyone's are refused or answered, and answered at once.
    #[test]
    fn prompts_are_no_danger(domain in any_domain(), prompt in "[0-9a-hs+*()&|!?>,;xpqrcA-F=-]{0,40}", response in "[0-9-]{0,3}") {
        let first = ["", "", "r", "s", "g", "b", "p", "c", "q", "h", "f", "x"];
        let at = DOMAINS.iter().position(|other| other.name() == domain.name()).expect("one of them");
        for prompt in [prompt.clone(), format!("{}{prompt}=", first[at]), format!("x1,2;{prompt}=")] {
            domain.accepts(&prompt, &response);
            domain.kin(&prompt);
            domain.question(&prompt);
            domain.effort(&prompt);
        }
    }

    #[test]
    fn addresses_say_everything(address in any_address()) {
        let problem = address.problem();
        prop_assert_eq!(&problem, &address.problem());
        prop_assert_eq!(Split::of(address.domain, &problem.prompt), Some(address.split));
        prop_assert!(encode(&problem.prompt).is_ok() && encode(&problem.answer).is_ok(), "{problem:?}");
        prop_assert!(problem.prompt.len() <= LONGEST_PROMPT && problem.prompt.ends_with('='), "{problem:?}");
        prop_assert!((1..=LONGEST_ANSWER).contains(&problem.answer.len()), "{problem:?}");
        prop_assert!(problem.prompt.len() + MOST_TOKENS <= CONTEXT);
        prop_assert!(address.domain.question(&problem.prompt).is_some_and(|question| question.contains("nswer")));
        prop_assert!(address.domain.effort(&problem.prompt).is_some());
    }
}

/// Counts what a verifier is bothered with.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl Domain for Counting {
    fn name(&self) -> &'static str {
        "many"
    }
    fn about(&self) -> &'static str {
        "counts"
    }
    fn share(&self) -> f64 {
        0.0
    }
    fn closed(&self, _: u32) -> bool {
        false
    }
    fn generate(&self, _: &mut Words, _: u32) -> Problem {
        Problem::new("1=".to_owned(), 1)
    }
    fn accepts(&self, _: &str, response: &str) -> bool {
        self.0.fetch_add(response.len().max(1), Ordering::Relaxed);
        true
    }
    fn question(&self, _: &str) -> Option<String> {
        None
    }
    fn effort(&self, _: &str) -> Option<u32> {
        None
    }
    fn effort_counts(&self) -> &'static str {
        "nothing"
    }
}

/// What a verifier looks at is bounded: long responses and those with other characters never reach it.
#[test]
fn megabytes_are_refused_unseen() {
    let counting = Counting::default();
    let problem = counting.generate(&mut Words::new(isonomy_engine::noise::Key([0; 8]), 0), 1);
    let invalid: Vec<u8> = (0..4_000_000).map(|at| (at * 7) as u8).collect();
    let garbage = [
        "1".repeat(10_000_000),
        "9".repeat(LONGEST_RESPONSE + 1),
        "é".repeat(3_000_000),
        String::from_utf8_lossy(&invalid).into_owned(),
        "\0".repeat(10),
        " 1".to_owned(),
    ];
    for response in &garbage {
        assert_eq!(counting.score(&problem, response), 0.0);
        for (domain, level) in levels() {
            assert_eq!(domain.score(&first(domain, level, 1).next().expect("one"), response), 0.0);
        }
    }
    assert_eq!(counting.0.load(Ordering::Relaxed), 0);
    assert_eq!(counting.score(&problem, &"1".repeat(LONGEST_RESPONSE)), 1.0);
    assert_eq!(counting.0.load(Ordering::Relaxed), LONGEST_RESPONSE);
}

/// Nothing is in two splits, at any level, with any seed; and what differs in words only stays together.
#[test]
fn splits_share_no_problem() {
    for domain in DOMAINS {
        let mut seen: HashMap<String, Split> = HashMap::new();
        for level in 1..=domain.levels() {
            for split in Split::ALL {
                for index in 0..200 {
                    for problem in [at(0, domain, level, split, index), at(1 << 40, domain, level, split, index)] {
                        let kin = domain.kin(&problem.prompt).expect("a prompt of the domain");
                        let before = *seen.entry(kin).or_insert(split);
                        assert_eq!(before, split, "{problem:?} of {}", domain.name());
                    }
                }
            }
        }
    }
}

#[test]
fn the_same_in_other_words_is_kin() {
    let kin = |name: &str, a: &str, b: &str| {
        let domain = domain(name).expect("there");
        domain.kin(a).expect("a prompt") == domain.kin(b).expect("a prompt")
    };
    let same = [
        ("add", "5+33=", "33+5="),
        ("sort", "s1875=", "s5781="),
        ("gcd", "g3,24=", "g24,3="),
        ("bool", "b((0&1)|0)=", "b(0|(1&0))="),
        ("path", "pBD,AD,AB,BE,AE?EB=", "pAE,BE,BA,DA,DB?BE="),
        ("cd", "c4,3,9>21=", "c9,4,3>21="),
        ("word", "fa7ba+3cb*2?c=", "fda*2e7ae+3?d="),
        ("word", "fa7ba+3ca+b?=", "fcb+eb7eb+3?="),
    ];
    for (name, a, b) in same {
        assert!(kin(name, a, b), "{a} and {b}");
    }
    let other = [
        ("add", "5+33=", "6+33="),
        ("sort", "s1875=", "s1876="),
        ("cd", "c4,3,9>21=", "c4,3,9>22="),
        ("path", "pBD,AD?AB=", "pBD,AD?AD="),
        ("word", "fa7ba+3cb*2?c=", "fa7ba+3ca*2?c="),
        ("bool", "b!(0&1)=", "b(!0&1)="),
        ("seq", "q1,2,3,4=", "q2,3,4,5="),
    ];
    for (name, a, b) in other {
        assert!(!kin(name, a, b), "{a} and {b}");
    }
}

/// By the tenth part, as far as a level has problems enough to be divided so.
#[test]
fn a_tenth_is_held_out() {
    for (domain, level) in levels().filter(|(domain, level)| !domain.closed(*level)) {
        let kin: BTreeSet<String> =
            unsplit(domain, level, 4000).map(|problem| domain.kin(&problem.prompt).expect("a prompt")).collect();
        let count = |split: Split| {
            let of = |problem: &Problem| Split::of(domain, &problem.prompt) == Some(split);
            unsplit(domain, level, 4000).filter(of).count() as f64 / 4000.0
        };
        for (split, share) in [(Split::Train, 0.8), (Split::Validation, 0.1), (Split::Test, 0.1)] {
            let error = (share * (1.0 - share) / kin.len() as f64).sqrt();
            let off = (count(split) - share).abs();
            assert!(off < 6.0 * error, "{} {level} {split:?}: {off} of {} problems", domain.name(), kin.len());
        }
    }
}

/// Fewer than 1000 different problems, as far as 60,000 draws find them.
#[test]
fn closed_levels_are_small() {
    let mut wrong = Vec::new();
    for (domain, level) in levels() {
        let mut kin = HashSet::new();
        for problem in unsplit(domain, level, 60_000) {
            kin.insert(domain.kin(&problem.prompt).expect("a prompt"));
            if kin.len() >= 1000 {
                break;
            }
        }
        if domain.closed(level) != (kin.len() < 1000) {
            wrong.push(format!("{} {level}: {} problems", domain.name(), kin.len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The salt of the hash: even of the smallest levels something is held out, and something left to learn from.
#[test]
fn every_split_of_every_level_has_problems() {
    for (domain, level) in levels() {
        let mut splits: HashMap<Split, HashSet<String>> = HashMap::new();
        for problem in unsplit(domain, level, 2000) {
            let split = Split::of(domain, &problem.prompt).expect("a prompt");
            splits.entry(split).or_default().insert(domain.kin(&problem.prompt).expect("a prompt"));
        }
        let many = Split::ALL.map(|split| splits.get(&split).map_or(0, HashSet::len));
        assert!(many.iter().all(|&many| many > 0), "{} {level}: {many:?}", domain.name());
    }
}

#[test]
fn levels_get_harder() {
    let mut wrong = Vec::new();
    for domain in DOMAINS {
        let mean = |level: u32| {
            let efforts = unsplit(domain, level, 3000).map(|problem| domain.effort(&problem.prompt).expect("a prompt"));
            efforts.map(f64::from).sum::<f64>() / 3000.0
        };
        let means: Vec<f64> = (1..=domain.levels()).map(mean).collect();
        if !means.windows(2).all(|pair| pair[1] > 1.02 * pair[0]) {
            wrong.push(format!("{} by {}: {means:?}", domain.name(), domain.effort_counts()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn other_addresses_have_other_problems() {
    for (domain, level) in levels().filter(|(domain, level)| !domain.closed(*level)) {
        let here: Vec<Problem> = (0..40).map(|index| at(0, domain, level, Split::Train, index)).collect();
        let there: Vec<Problem> = (0..40).map(|index| at(1, domain, level, Split::Train, index)).collect();
        let far: Vec<Problem> = (0..40).map(|index| at(0, domain, level, Split::Train, u64::MAX - index)).collect();
        assert!(here != there && here != far && there != far, "{} {level}", domain.name());
        let different: HashSet<&Problem> = here.iter().collect();
        assert!(different.len() > 10, "{} {level}: {different:?}", domain.name());
    }
}

#[test]
fn domains_are_found_by_name() {
    let mut names: Vec<&str> = DOMAINS.iter().map(|domain| domain.name()).collect();
    for name in &names {
        assert_eq!(domain(name).expect("there").name(), *name);
        assert!((1..=4).contains(&name.len()), "{name} does not fit into an address");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), DOMAINS.len());
    let message = |name: &str| domain(name).expect_err("unknown").to_string();
    assert!(message("srot").ends_with("; did you mean sort?"), "{}", message("srot"));
    assert!(message("GCD").ends_with("; did you mean gcd?"));
    assert!(message("countdown").ends_with("word, prog)"), "{}", message("countdown"));
    assert!(message(&"é".repeat(1 << 20)).len() < 300);
    let share: f64 = DOMAINS.iter().map(|domain| domain.share()).sum();
    assert!((share - 1.0).abs() < 1e-12);
    assert!(DOMAINS.windows(2).all(|pair| pair[0].share() >= pair[1].share()));
}

#[test]
fn levels_that_are_not_there_are_refused() {
    for domain in DOMAINS {
        for level in [0, 6, u32::MAX] {
            let refused = Address::new(0, domain, level, Split::Train, 0).expect_err("no such level").to_string();
            assert_eq!(refused, format!("{} has levels 1 to 5, not {level}", domain.name()));
        }
    }
}
