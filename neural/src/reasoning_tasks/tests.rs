//! A decoder of a few thousand parameters, on a few problems.

use super::batch::{Source, choose};
use super::lane::{Bill, Cell, Lane, Training};
use super::update::Workspace;
use super::warm::Plan;
use super::*;
use crate::transformer::Generated;
use isonomy_engine::lanes::At;
use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_envs::reasoning::tasks::{MOST_TOKENS, VOCABULARY, decode, finished};

/// A tiny scenario with some of its fields replaced or added.
fn tasks(fields: &str) -> ReasoningTasks {
    let all = format!(
        r#"(
            steps: 3,
            model: (width: 16, layers: 1, heads: 2),
            prompts: 16,
            responses: 8,
            judged: 20,
            estimator: {{"DrGrpo": ()}},
            sampling: {{"Uniform": ()}},
            domains: [(domain: "bool", level: 1, share: 0.75), (domain: "sort", level: 1, share: 0.25)],
            {fields}
        )"#
    );
    read(&all)
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    options.from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn messages(tasks: &ReasoningTasks) -> Vec<String> {
    tasks.check().iter().map(ToString::to_string).collect()
}

/// What a lane keeps.
struct State {
    weights: Vec<f32>,
    moments: [Vec<f32>; 2],
    cells: Vec<Cell>,
    memory: Vec<f64>,
    bill: Bill,
}

impl State {
    fn new(training: &Training, weights: &[f32]) -> Self {
        let cells = training.sources.len();
        let nothing = || vec![0.0; weights.len()];
        let mut state = State {
            weights: nothing(),
            moments: [nothing(), nothing()],
            cells: vec![Cell::default(); cells],
            memory: vec![0.0; cells * training.memory().iter().sum::<usize>()],
            bill: Bill::default(),
        };
        training.begin(&mut state.lane(), 0.0);
        state.weights.copy_from_slice(weights);
        state
    }

    fn lane(&mut self) -> Lane<'_> {
        let [mean, square] = &mut self.moments;
        Lane {
            weights: &mut self.weights,
            moments: [mean, square],
            cells: &mut self.cells,
            memory: &mut self.memory,
            bill: &mut self.bill,
        }
    }
}

fn noise(step: u64, count: usize) -> Vec<u32> {
    let mut words = vec![0; count];
    Key::new(2, Phase::Training, Purpose::Transition).fill(step, 0, &mut words);
    words
}

#[test]
fn a_warm_start_raises_the_likelihood_of_answers() {
    let tasks = tasks("warm_start: (steps: 60, problems: 32, rate: 0.01)");
    let mut losses = Vec::new();
    let made = Plan::new(&tasks).make(|loss| losses.push(loss));
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (losses[0], mean(&losses[55..]));
    let clueless = (VOCABULARY as f64).ln();
    assert!((first - clueless).abs() < 0.3, "it begins at {first}, not near {clueless}");
    assert!(last < 0.5 * first, "from {first} to {last}");
    assert_eq!(made, Plan::new(&tasks).make(|_| {}), "another time, another warm start");
}

#[test]
fn an_update_makes_what_paid_likelier() {
    let tasks = tasks("rate: 0.003, warm_start: (steps: 60, problems: 32, rate: 0.01)");
    let training = Training::new(&tasks);
    let mut state = State::new(&training, training.warm());
    let mut workspace = Workspace::default();
    let words = noise(0, 16 * (2 + 8 * MOST_TOKENS));
    let before = state.weights.clone();
    let at = At { lane: 0, episode: 0, elapsed: 0, words: &words };
    training.update(&mut state.lane(), at, 1.0, &mut workspace);
    assert!(before != state.weights && state.weights.iter().all(|weight| weight.is_finite()));
    assert_eq!((state.bill.updates, state.bill.generated), (1.0, 128.0));
    // The same prompts and responses again, under the policy before and after.
    let problems = training.problems(&words[16..32], &workspace);
    let turns = std::mem::take(&mut workspace.turns);
    assert_eq!((turns.len(), turns[0].whose.len()), (1, 128));
    let score = |at: usize| {
        let source = &training.sources[workspace.of_cell[at / 8]];
        finished(turns[0].said(at)).map_or(0.0, |response| source.score(&problems[at / 8], &response))
    };
    let rewards: Vec<f64> = (0..128).map(score).collect();
    let (mut decoding, mut again) = (std::mem::take(&mut workspace.decoding), Generated::default());
    let mut log_prob = |weights: &[f32]| -> Vec<f32> {
        let scored = turns[0].scored_by(&training.plan.layout, weights, 1.0, &mut decoding, &mut again);
        scored.chunks_exact(MOST_TOKENS).map(|own| own.iter().sum()).collect()
    };
    let (was, is) = (log_prob(&before), log_prob(&state.weights));
    let mut gained = 0.0;
    for group in 0..16 {
        let rows = group * 8..group * 8 + 8;
        let mean = rewards[rows.clone()].iter().sum::<f64>() / 8.0;
        gained += rows.map(|row| (rewards[row] - mean) * f64::from(is[row] - was[row])).sum::<f64>();
    }
    assert!(rewards.iter().sum::<f64>() > 5.0, "hardly anything was right");
    assert!(gained > 0.0, "what paid became less likely: {gained}");
}

#[test]
fn updates_repeat_to_the_bit() {
    let kl = r#"kl: (divergence: {"K3": ()}, strength: 0.01), loss: {"Ppo": ()}, inner_steps: 2,
        aggregator: {"TokenMean": ()}, filter: {"DapoFilter": ()}, weights: {"GroupDro": (rate: 0.1)},
        warm_start: (steps: 30, problems: 32, rate: 0.01)"#;
    let run = || {
        let training = Training::new(&tasks(kl));
        let mut state = State::new(&training, training.warm());
        let mut workspace = Workspace::default();
        for step in 0..3 {
            let words = noise(step, 16 * (2 + 8 * MOST_TOKENS));
            let at = At { lane: 0, episode: 0, elapsed: step as u32, words: &words };
            training.update(&mut state.lane(), at, 1.0, &mut workspace);
        }
        (state.weights.iter().map(|weight| weight.to_bits()).collect::<Vec<_>>(), state.cells)
    };
    let (first, second) = (run(), run());
    assert_eq!(first.1, second.1);
    assert!(first.0 == second.0);
    assert!(first.1.iter().all(|cell| cell.share > 0.4 && cell.entropy > 0.0), "{:?}", first.1);
}

#[test]
fn steps_of_a_response_are_credited_one_by_one() {
    let mut tasks = tasks(r#"modifier: {"Salt": ()}, warm_start: (steps: 60, problems: 32, rate: 0.01)"#);
    tasks.estimator = read(r#"{"Gigpo": ()}"#);
    assert_eq!(messages(&tasks), [""; 0]);
    let training = Training::new(&tasks);
    let mut state = State::new(&training, training.warm());
    let words = noise(0, 16 * (2 + 8 * MOST_TOKENS));
    let at = At { lane: 0, episode: 0, elapsed: 0, words: &words };
    training.update(&mut state.lane(), at, 1.0, &mut Workspace::default());
    assert_eq!(state.bill.updates, 1.0);
}

#[test]
fn who_was_wrong_is_told_and_answers_again() {
    let warm = "warm_start: (steps: 60, problems: 32, rate: 0.01)";
    let mut several = tasks(&format!("turns: 3, {warm}"));
    several.estimator = read(r#"{"Gigpo": ()}"#);
    assert_eq!(messages(&several), [""; 0]);
    let training = Training::new(&several);
    let mut state = State::new(&training, training.warm());
    let mut workspace = Workspace::default();
    let words = noise(0, 16 * (2 + 3 * 8 * MOST_TOKENS));
    let at = At { lane: 0, episode: 0, elapsed: 0, words: &words };
    training.update(&mut state.lane(), at, 1.0, &mut workspace);
    assert_eq!(state.bill.updates, 1.0);
    let problems = training.problems(&words[16..32], &workspace);
    let mut tokens = 0;
    for number in 0..3 {
        let turn = &workspace.turns[number];
        tokens += turn.generated.count();
        let mut wrong = Vec::new();
        for (at, &whose) in turn.whose.iter().enumerate() {
            let (problem, source) = (&problems[whose / 8], &training.sources[workspace.of_cell[whose / 8]]);
            let prompt = decode(turn.prompt(at)).expect("characters");
            assert!(prompt.starts_with(&problem.prompt) && prompt.ends_with('!') == (number > 0), "{prompt}");
            if finished(turn.said(at)).is_none_or(|response| source.score(problem, &response) == 0.0) {
                wrong.push((whose, turn.said(at).to_vec()));
            }
        }
        let Some(next) = workspace.turns.get(number + 1) else { continue };
        assert_eq!(next.whose, wrong.iter().map(|(whose, _)| *whose).collect::<Vec<_>>());
        assert!(!next.whose.is_empty() && next.whose.len() < turn.whose.len(), "some are right, some are not");
        for (at, (whose, said)) in wrong.iter().enumerate() {
            assert_eq!(next.prompt(at), super::turns::again(&problems[whose / 8].prompt, said));
        }
    }
    assert_eq!((state.bill.generated, state.bill.tokens), (128.0, tokens as f64));
    // What is known of tokens only is not known of turns.
    several.estimator = read(r#"{"OptimalTokenBaseline": ()}"#);
    assert!(messages(&several)[0].contains("where steps are turns"), "{:?}", messages(&several));
    assert!(messages(&tasks("turns: 9"))[0].contains("9 turns"), "{:?}", messages(&tasks("turns: 9")));
}

#[test]
fn shares_are_kept_to_a_prompt() {
    let mut of_cell = Vec::new();
    for share in [[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.1, 0.0, 0.9]] {
        choose(&share, &noise(1, 200), &mut of_cell);
        for (cell, share) in share.iter().enumerate() {
            let count = of_cell.iter().filter(|&&of| of == cell).count() as f64;
            assert!((count - 200.0 * share).abs() <= 1.0, "{count} of 200 for {share}");
        }
    }
}

#[test]
fn garbage_earns_nothing_and_harms_nobody() {
    let tasks = tasks("");
    for domain in &tasks.domains {
        let source = Source::new(domain);
        let problem = source.training(3);
        for response in ["", "\u{1f980}", "1,2", &"1".repeat(1 << 20), &"(((((((".repeat(100_000), "\0\0"] {
            assert_eq!(source.score(&problem, response), 0.0);
        }
        assert_eq!(source.score(&problem, &problem.answer), 1.0);
    }
    // A decoder that knows nothing says all kinds of things.
    let training = Training::new(&tasks);
    let weights = training.plan.layout.initial(|| 0.0);
    let mut state = State::new(&training, &weights);
    let words = noise(0, 16 * (2 + 8 * MOST_TOKENS));
    let at = At { lane: 0, episode: 0, elapsed: 0, words: &words };
    training.update(&mut state.lane(), at, 1.0, &mut Workspace::default());
    assert!(state.cells.iter().all(|cell| (cell.entropy - (VOCABULARY as f64).ln()).abs() < 1e-4));
}

#[test]
fn a_warm_start_is_kept_and_told_from_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/tasks.warm");
    let parameters: Vec<f32> = (0..50).map(|at| at as f32 * 0.1).collect();
    assert_eq!(checkpoint::read(&path, 7, 50), Ok(None));
    checkpoint::write(&path, 7, &parameters).expect("it can be written");
    assert_eq!(checkpoint::read(&path, 7, 50), Ok(Some(parameters)));
    let told = |plan, count| checkpoint::read(&path, plan, count).expect_err("it is another").to_string();
    assert!(told(8, 50).contains("the warm start of another model"), "{}", told(8, 50));
    assert!(told(7, 49).contains("the warm start of another model"));
    let mut bytes = std::fs::read(&path).expect("it is there");
    bytes[40] ^= 1;
    std::fs::write(&path, &bytes).expect("it can be written");
    assert!(told(7, 50).contains("it is damaged"));
    std::fs::write(&path, "something else").expect("it can be written");
    assert!(told(7, 50).contains("it is no warm start"));
    // The scenario says so too.
    let tasks = tasks(&format!("checkpoint: {path:?}"));
    assert!(messages(&tasks)[0].starts_with("checkpoint: "), "{:?}", messages(&tasks));
}

#[test]
fn what_cannot_be_meant_is_told() {
    assert_eq!(messages(&tasks("")), [""; 0]);
    let of_domains = |domains: &str| {
        messages(&read::<ReasoningTasks>(&format!(
            r#"(steps: 1, estimator: {{"DrGrpo": ()}}, sampling: {{"Uniform": ()}}, domains: [{domains}])"#
        )))
    };
    let told = of_domains(r#"(domain: "ad", level: 1, share: 0.5), (domain: "add", level: 9, share: 0.4)"#);
    assert!(told[0].contains("there is no domain \"ad\"") && told[0].contains("did you mean add?"), "{told:?}");
    assert!(told[1].contains("add has no level 9") && told[2].contains("the shares sum to 0.9"), "{told:?}");
    let twice = of_domains(r#"(domain: "add", level: 1, share: 0.5), (domain: "add", level: 1, share: 0.5)"#);
    assert!(twice[0].contains("is the same domain at the same level, add 1"), "{twice:?}");
    assert!(of_domains("")[0].contains("0 domains"));
    let told = messages(&tasks("inner_steps: 2, temperature: 0.5"));
    assert!(told[0].contains("several steps with the same responses need a surrogate"), "{told:?}");
    let told = messages(&tasks("warm_start: (problems: 1000000)"));
    assert!(told[0].contains("1000000 problems per update"), "{told:?}");
    let backend = messages(&tasks("backend: Wgpu"));
    assert_eq!(backend.is_empty(), cfg!(feature = "wgpu"), "{backend:?}");
}
