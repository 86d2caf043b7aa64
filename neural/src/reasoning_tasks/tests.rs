//! A decoder of a few thousand parameters, on a few problems.

use super::asked::{self, Asked};
use super::batch::{Source, choose};
use super::lane::{Bill, Cell, Lane, Training};
use super::turns::Turn;
use super::update::Workspace;
use super::warm::Plan;
use super::*;
use crate::transformer::Generated;
use isonomy_engine::lanes::{At, LaneDynamics};
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
    teachers: Vec<f32>,
    cells: Vec<Cell>,
    memory: Vec<f64>,
    bill: Bill,
}

impl State {
    fn new(training: &Training, weights: &[f32]) -> Self {
        let [parameters, _, _, teachers, cells, memory, _] = training.rows();
        let nothing = || vec![0.0; parameters];
        let mut state = State {
            weights: nothing(),
            moments: [nothing(), nothing()],
            teachers: vec![0.0; teachers],
            cells: vec![Cell::default(); cells],
            memory: vec![0.0; memory],
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
            teachers: &mut self.teachers,
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
    let problems = training.problems(&words[16..32], &workspace.batch.of_cell);
    let turns = std::mem::take(&mut workspace.batch.turns);
    assert_eq!((turns.len(), turns[0].whose.len()), (1, 128));
    let score = |at: usize| {
        let source = &training.sources[workspace.batch.of_cell[at / 8]];
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
    let problems = training.problems(&words[16..32], &workspace.batch.of_cell);
    let mut tokens = 0;
    for number in 0..3 {
        let turn = &workspace.batch.turns[number];
        tokens += turn.generated.count();
        let mut wrong = Vec::new();
        for (at, &whose) in turn.whose.iter().enumerate() {
            let (problem, source) = (&problems[whose / 8], &training.sources[workspace.batch.of_cell[whose / 8]]);
            let prompt = decode(turn.prompt(at)).expect("characters");
            assert!(prompt.starts_with(&problem.prompt) && prompt.ends_with('!') == (number > 0), "{prompt}");
            if finished(turn.said(at)).is_none_or(|response| source.score(problem, &response) == 0.0) {
                wrong.push((whose, turn.said(at).to_vec()));
            }
        }
        let Some(next) = workspace.batch.turns.get(number + 1) else { continue };
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

/// Few problems that are neither solved nor hopeless, so that a filter drops some groups and keeps others.
const RECOVERING: &str = r#"rounds: 3, filter: {"Rsr": (filter: {"DapoFilter": ()})}, rate: 0.001,
    warm_start: (steps: 60, problems: 32, rate: 0.01)"#;

/// What tells a group from all others: its domain, its problem, what was said.
fn groups(asked: &Asked) -> Vec<(usize, u32, Vec<u8>)> {
    let said = |group: usize| asked.turns[0].generated.tokens[group * 8 * MOST_TOKENS..][..8 * MOST_TOKENS].to_vec();
    (0..asked.of_cell.len()).map(|group| (asked.of_cell[group], asked.indices[group], said(group))).collect()
}

#[test]
fn surplus_groups_wait_for_one_update() {
    let mut tasks = tasks(RECOVERING);
    tasks.sampling = read(r#"{"Vade": (decay: 1)}"#);
    assert_eq!(messages(&tasks), [""; 0]);
    let training = Training::new(&tasks);
    let mut state = State::new(&training, training.warm());
    let (mut workspace, mut waited) = (Workspace::default(), Asked::default());
    let (mut seen, mut in_all) = (std::collections::BTreeSet::new(), 0);
    for step in 0..8 {
        let mut memory = state.memory[training.remembered()..].to_vec();
        let waiting = waited.take_back(&training.sources, training.sizes(), false, &mut memory);
        in_all += waiting;
        let words = noise(u64::from(step), training.draws());
        let at = At { lane: 0, episode: 0, elapsed: step, words: &words };
        training.update(&mut state.lane(), at, 1.0, &mut workspace);
        let batch = groups(&workspace.batch);
        // Who waited comes first, and nobody is learned from twice.
        assert_eq!(batch[..waiting], groups(&waited), "step {step}");
        assert!(batch.iter().all(|group| seen.insert(group.clone())), "step {step}");
        let left = state.memory[training.remembered()];
        assert!(batch.len() == 16 || (batch.len() < 16 && left == 0.0), "step {step}: {} groups", batch.len());
        for rewards in workspace.batch.reward.chunks(8) {
            let sum: f64 = rewards.iter().sum();
            assert!(sum > 0.0 && sum < 8.0, "the filter drops it");
        }
    }
    assert!(in_all > 0, "nobody ever waited");
    assert_eq!(asked::recovered(&state.memory[training.remembered()..]), 8.0 * in_all as f64);
    // A curriculum hears of all that was sampled, once, whatever the filter says of it.
    assert_eq!(state.memory[..training.remembered()].iter().sum::<f64>(), state.bill.generated);
}

#[test]
fn groups_that_wait_are_kept_as_they_are() {
    let mut tasks = tasks(&format!(r#"turns: 2, {RECOVERING}"#));
    tasks.estimator = read(r#"{"Remax": ()}"#);
    let training = Training::new(&tasks);
    let mut state = State::new(&training, training.warm());
    let mut workspace = Workspace::default();
    let words = noise(0, training.draws());
    let at = At { lane: 0, episode: 0, elapsed: 0, words: &words };
    training.update(&mut state.lane(), at, 1.0, &mut workspace);
    let mut waiting = vec![0.0; training.sizes().room()];
    let left: Vec<bool> = (0..16).map(|group| group % 3 == 1).collect();
    let (mut expected, mut back) = (Asked::default(), Asked::default());
    expected.clear(2);
    expected.append(&workspace.fresh, &left, 8);
    workspace.fresh.put_aside(&left, training.sizes(), &mut waiting);
    assert_eq!(back.take_back(&training.sources, training.sizes(), true, &mut waiting), 5);
    assert!(!expected.turns[1].whose.is_empty());
    // Later turns stand group by group.
    let sorted = |mut turn: Turn| {
        let mut order: Vec<usize> = (0..turn.whose.len()).collect();
        order.sort_by_key(|&at| turn.whose[at]);
        let said: Vec<_> = order.iter().map(|&at| (turn.prompt(at).to_vec(), turn.said(at).to_vec())).collect();
        turn.whose.sort_unstable();
        (turn.whose, said)
    };
    assert_eq!((&back.of_cell, &back.indices), (&expected.of_cell, &expected.indices));
    assert_eq!((&back.reward, &back.greedy), (&expected.reward, &expected.greedy));
    assert_eq!(back.turns[0], expected.turns[0]);
    assert_eq!(sorted(back.turns.remove(1)), sorted(expected.turns.remove(1)));
}

#[test]
fn what_cannot_wait_is_refused() {
    let told = messages(&tasks(r#"filter: {"Rsr": (filter: {"DapoFilter": ()})}"#));
    assert!(told[0].contains("nothing is ever left for the next step"), "{told:?}");
    let told = messages(&tasks("rounds: 2"));
    assert!(told[0].contains("prompts are sampled once where no filter drops any"), "{told:?}");
    let mut wrapped = tasks(RECOVERING);
    wrapped.estimator = read(r#"{"Ngrpo": ()}"#);
    assert!(messages(&wrapped)[0].contains("from which Ngrpo is meant to learn"), "{:?}", messages(&wrapped));
}

/// Two stages, then distillation.
const DISTILLING: &str = r#"distil: (steps: 40, estimator: {"Mopd": ()}, sampling: {"Uniform": ()}, rate: 0.003, teachers: Last),
    rate: 0.001, warm_start: (steps: 60, problems: 32, rate: 0.01)"#;

fn distilling() -> ReasoningTasks {
    let mut tasks = tasks(DISTILLING);
    tasks.steps = NonZeroU32::new(43).unwrap();
    let stages = r#"{"Cascade": (stages: [(domains: ["sort 1"], steps: 2), (domains: ["bool 1"], steps: 1)])}"#;
    tasks.sampling = read(stages);
    tasks
}

#[test]
fn checkpoints_of_stages_teach_their_domains() {
    let tasks = distilling();
    assert_eq!(messages(&tasks), [""; 0]);
    let training = Training::new(&tasks);
    let mut state = State::new(&training, training.warm());
    let (mut workspace, parameters) = (Workspace::default(), training.plan.layout.parameters());
    let mut kept = Vec::new();
    for step in 0..4 {
        let words = noise(u64::from(step), training.draws());
        let at = At { lane: 0, episode: 0, elapsed: step, words: &words };
        training.advance(&mut state.lane(), at, &mut [0.0; 4], &mut workspace);
        kept.push(state.weights.clone());
    }
    // The first stage is over after two updates, the second after three.
    assert!(state.teachers[..parameters] == kept[1] && state.teachers[parameters..] == kept[2]);
    assert_eq!(state.cells.iter().map(|cell| cell.teacher).collect::<Vec<_>>(), [2.0, 1.0]);
    // The policy when distillation began was bool's teacher.
    assert_eq!(state.cells[0].undistilled, state.cells[0].of_teacher);
    assert!(state.cells[0].of_teacher > 0.0, "{:?}", state.cells);
    // The rate rises anew.
    assert_eq!((training.due(2), training.due(3), training.due(42)), (1.0, 0.5, 1.0));
}

#[test]
fn the_best_checkpoint_teaches() {
    let mut tasks = distilling();
    tasks.distil.as_mut().expect("it is there").teachers = Teachers::Best;
    let training = Training::new(&tasks);
    let mut state = State::new(&training, training.warm());
    let (mut workspace, distil) = (Workspace::default(), training.distil.as_ref().expect("it is there"));
    training.first_teacher(distil, &mut state.lane(), &mut workspace);
    let warm: Vec<f64> = state.cells.iter().map(|cell| cell.taught).collect();
    assert!(warm[0] > 0.0, "{warm:?}");
    // Who knows nothing is better than the warm start in nothing; who knows as much as a teacher does not take its place.
    state.weights.copy_from_slice(&training.plan.layout.initial(|| 0.0));
    training.keep(distil, 2, &mut state.lane(), &mut workspace);
    assert_eq!(
        state.cells.iter().map(|cell| (cell.teacher, cell.taught)).collect::<Vec<_>>(),
        [(0.0, warm[0]), (0.0, warm[1])]
    );
    state.weights.copy_from_slice(training.warm());
    state.cells[1].taught = -1.0;
    training.keep(distil, 3, &mut state.lane(), &mut workspace);
    assert_eq!(
        state.cells.iter().map(|cell| (cell.teacher, cell.taught)).collect::<Vec<_>>(),
        [(0.0, warm[0]), (2.0, warm[1])]
    );
}

#[test]
fn a_pupil_comes_nearer_to_its_teachers() {
    let training = Training::new(&distilling());
    let mut state = State::new(&training, training.warm());
    let pupil = Plan::new(&tasks("warm_start: (steps: 25, problems: 32, rate: 0.01)")).make(|_| {});
    state.weights.copy_from_slice(&pupil);
    let mut workspace = Workspace::default();
    let mut leads = Vec::new();
    for step in 3..43 {
        let words = noise(u64::from(step), training.draws());
        let at = At { lane: 0, episode: 0, elapsed: step, words: &words };
        let before = state.weights.clone();
        training.update(&mut state.lane(), at, 1.0, &mut workspace);
        assert!(before != state.weights);
        // What the teacher, here the warm start, gives to what the pupil said, above what the pupil did: KL's opposite.
        let teacher = training.taught(&state.lane(), 128, &mut workspace);
        let said = &workspace.batch.turns[0].generated;
        let lead: f64 = teacher.iter().zip(&said.log_prob).map(|(teacher, own)| teacher - f64::from(*own)).sum();
        leads.push(lead / said.count() as f64);
    }
    let mean = |leads: &[f64]| leads.iter().sum::<f64>() / leads.len() as f64;
    let (first, last) = (mean(&leads[..5]), mean(&leads[35..]));
    assert!(first < -0.02 && last > 0.5 * first, "from {first} to {last}");
}

#[test]
fn teachers_are_refused_where_there_are_none() {
    let mut plain = tasks("");
    plain.estimator = read(r#"{"Mopd": ()}"#);
    assert!(messages(&plain)[0].contains("use it in `distil`"), "{:?}", messages(&plain));
    let told = messages(&tasks(DISTILLING));
    assert!(told[0].contains("40 updates from teachers, of 3 in all"), "{told:?}");
    let mut endless = tasks(DISTILLING);
    endless.steps = NonZeroU32::new(90).unwrap();
    assert!(messages(&endless)[0].contains("has 50 stages"), "{:?}", messages(&endless));
    let mut turns = distilling();
    turns.turns = NonZeroU32::new(2).unwrap();
    assert!(messages(&turns)[0].starts_with("distil.estimator: "), "{:?}", messages(&turns));
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
