//! What is known about training in closed form, and what samples must agree with.

use super::*;
use isonomy_engine::advantage::{Progress, Reach, Responses, Signal};
use isonomy_engine::curriculum::Sampler;

/// Reward minus the group's mean, times a factor; a reach and needs to choose the way it is drawn.
#[derive(Debug, Serialize, Deserialize)]
struct Centred {
    /// `G/(G−1)` makes it unbiased.
    unbiased: bool,
    /// Whether it claims to look at answers, so that every response is drawn.
    looks: bool,
}

#[typetag::serde(name = "test.Centred")]
impl AdvantageEstimator for Centred {
    fn estimate(&self, batch: &Responses<'_>, advantage: &mut [f64]) {
        for members in batch.groups() {
            let rewards = &batch.reward[members.clone()];
            let n = rewards.len() as f64;
            let mean = rewards.iter().sum::<f64>() / n;
            let scale = if self.unbiased { n / (n - 1.0) } else { 1.0 };
            for (at, reward) in members.zip(rewards) {
                advantage[at] = scale * (reward - mean);
            }
        }
    }

    fn needs(&self) -> &'static [Signal] {
        if self.looks { &[Signal::Answer] } else { &[] }
    }

    fn reach(&self) -> Reach {
        Reach::Group
    }
}

/// Shares that change from stage to stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stages(Vec<(u32, Vec<f64>)>);

#[typetag::serde(name = "test.Stages")]
impl Curriculum for Stages {
    fn begin(&self, _domains: &[&str]) -> Box<dyn Sampler> {
        Box::new(self.clone())
    }
}

impl Sampler for Stages {
    fn share(&self, progress: &Progress<'_>, _memory: &mut [f64], share: &mut [f64]) {
        let mut end = 0;
        let now = self.0.iter().find(|(steps, _)| {
            end += steps;
            progress.step < end
        });
        share.copy_from_slice(now.map_or(progress.data, |(_, shares)| shares));
    }
}

/// Keeps groups in which some pass and some fail, and lets those wait for which there is no room.
#[derive(Debug, Serialize, Deserialize)]
struct Mixed {}

#[typetag::serde(name = "test.Mixed")]
impl GroupFilter for Mixed {
    fn keep(&self, batch: &Responses<'_>, keep: &mut [bool]) {
        for members in batch.groups() {
            let sum: f64 = batch.reward[members.clone()].iter().sum();
            keep[members.clone()].fill(sum > 0.0 && sum < members.len() as f64);
        }
    }

    fn recovers(&self) -> bool {
        true
    }
}

/// Shares of the data; remembers how many succeeded and failed.
#[derive(Debug, Serialize, Deserialize)]
struct Counting {}

#[typetag::serde(name = "test.Counting")]
impl Curriculum for Counting {
    fn begin(&self, _domains: &[&str]) -> Box<dyn Sampler> {
        Box::new(Counting {})
    }
}

impl Sampler for Counting {
    fn share(&self, progress: &Progress<'_>, _memory: &mut [f64], share: &mut [f64]) {
        share.copy_from_slice(progress.data);
    }

    fn memory(&self) -> usize {
        2
    }

    fn hear(&self, succeeded: &[f64], failed: &[f64], memory: &mut [f64]) {
        for (heard, now) in memory.chunks_exact_mut(2).zip(succeeded.iter().zip(failed)) {
            (heard[0], heard[1]) = (heard[0] + now.0, heard[1] + now.1);
        }
    }
}

/// Math, code and puzzles, drawn, with a filter whose surplus waits.
pub(super) fn recovering() -> CascadeSim {
    CascadeSim {
        mode: Mode::Sampled,
        responses: four(),
        prompts: NonZeroU32::new(32).unwrap(),
        filter: Some(Plugged::from(Box::new(Mixed {}) as Box<dyn GroupFilter>)),
        sampling: Plugged::from(Box::new(Counting {}) as Box<dyn Curriculum>),
        ..tri()
    }
}

#[test]
fn surplus_groups_are_learned_from_in_the_next_step_and_only_then() {
    let sim = recovering();
    let mut alone = Alone::of(&sim);
    let (prompts, responses, remembered) = (32.0, 4.0, 2 * 3);
    let draws = super::sampled::draws(&alone.parameters);
    let (mut waited, mut in_all) = (0.0, 0.0);
    for step in 0..40 {
        let (generated, dropped) = (alone.bill.generated, alone.bill.dropped);
        alone.step(&words(draws, step));
        let kept = (alone.bill.generated - generated - alone.bill.dropped + dropped) / responses;
        let waiting = &alone.memory[remembered..];
        in_all += waited * responses;
        assert_eq!(waiting[1], in_all, "step {step}: who waited was learned from, and once");
        // Nobody is lost: who waited and who was kept is in the batch or waits.
        let batch = waited + kept - waiting[0];
        assert!(batch == prompts || (batch < prompts && waiting[0] == 0.0), "step {step}: a batch of {batch}");
        for skill in &alone.skills {
            let groups = skill.share * batch;
            assert!((groups - groups.round()).abs() < 1e-9, "{groups} groups of {batch}");
        }
        waited = waiting[0];
    }
    assert!(in_all > 0.0 && waited < prompts);
    // Curricula hear of every response, of dropped and waiting groups too, and once.
    assert_eq!(alone.memory[..remembered].iter().sum::<f64>(), alone.bill.generated);
    assert_eq!(recovery::recovered(&alone.parameters, &alone.memory), Some(in_all));
}

#[test]
fn waiting_does_not_bend_what_is_learned() {
    // Means over many runs, with and without waiting, of what a filter's batch teaches.
    let skill = |recovers: bool| {
        let mut sim = recovering();
        sim.rate = NonNegative::new(0.2).unwrap();
        if !recovers {
            sim.filter = Some(Plugged::from(Box::new(Plain {}) as Box<dyn GroupFilter>));
            sim.estimator = plugged_estimator(false, true);
        }
        let mut sums = [0.0; 3];
        for run in 0..200 {
            let mut alone = Alone::of(&sim);
            let draws = super::sampled::draws(&alone.parameters);
            (0..10).for_each(|step| alone.step(&words(draws, 1000 + 10 * run + step)));
            sums.iter_mut().zip(alone.skill()).for_each(|(sum, skill)| *sum += skill / 200.0);
        }
        sums
    };
    close(&skill(true), &skill(false), 0.01);
}

/// As [`Mixed`], and nobody waits.
#[derive(Debug, Serialize, Deserialize)]
struct Plain {}

#[typetag::serde(name = "test.Plain")]
impl GroupFilter for Plain {
    fn keep(&self, batch: &Responses<'_>, keep: &mut [bool]) {
        Mixed {}.keep(batch, keep);
    }
}

#[test]
fn waiting_is_refused_where_nothing_can_wait() {
    let told = |sim: &CascadeSim| sim.check().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told(&recovering()), [""; 0]);
    let once = told(&CascadeSim { rounds: single(), ..recovering() });
    assert!(once.len() == 1 && once[0].contains("nothing is ever left"), "{once:?}");
    let expected = told(&CascadeSim { mode: Mode::Expected, ..recovering() });
    assert!(expected.len() == 1 && expected[0].contains("in expectation nothing is left over"), "{expected:?}");
    let Err(reason) = Training::new(&recovering()).twin() else { panic!("there is a twin") };
    assert!(reason.contains("keeps groups for the next step"), "{reason}");
}

fn plugged_estimator(unbiased: bool, looks: bool) -> Plugged<dyn AdvantageEstimator> {
    Plugged::from(Box::new(Centred { unbiased, looks }) as Box<dyn AdvantageEstimator>)
}

fn plugged_stages(stages: Vec<(u32, Vec<f64>)>) -> Plugged<dyn Curriculum> {
    Plugged::from(Box::new(Stages(stages)) as Box<dyn Curriculum>)
}

/// Math, code and puzzles, in expectation.
fn tri() -> CascadeSim {
    let domain = |name: &str, share: f64, difficulty: f64| Domain {
        name: name.to_owned(),
        share: positive(share),
        difficulty: finite(difficulty),
        difficulty_spread: zero(),
        discrimination: positive(1.0),
        guessing: never(),
        skill: nowhere(),
        ceiling: None,
        length: Length { limit: None, ..Default::default() },
        entropy: Entropy::default(),
        wrong_answers: four(),
    };
    let transfer = [[1.0, -0.4, 0.4], [0.0, 1.0, 0.0], [0.16, -0.05, 1.0]];
    CascadeSim {
        steps: NonZeroU32::new(50).unwrap(),
        mode: Mode::Expected,
        responses: eight(),
        prompts: usual_prompts(),
        rate: one(),
        kl: zero(),
        plasticity: None,
        estimator: plugged_estimator(false, false),
        sampling: plugged_stages(Vec::new()),
        weights: None,
        shaper: None,
        filter: None,
        rounds: four(),
        loss: None,
        inner_steps: single(),
        momentum: usual_momentum(),
        bids: nothing_to_ask(),
        transfer: transfer.map(|row| row.map(finite).to_vec()).to_vec(),
        forgetting: Vec::new(),
        domains: vec![domain("math", 0.6, 0.0), domain("code", 0.3, 0.5), domain("puzzle", 0.1, 1.0)],
    }
}

/// A lane by itself.
struct Alone {
    parameters: Parameters,
    skills: Vec<Skill>,
    memory: Vec<f64>,
    bill: Bill,
    elapsed: u32,
}

impl Alone {
    fn of(sim: &CascadeSim) -> Self {
        assert_eq!(sim.check(), []);
        let parameters = sim.parameters();
        let skills = vec![Skill::default(); parameters.domains.len()];
        let memory = vec![0.0; parameters.remembered()];
        let mut alone = Alone { parameters, skills, memory, bill: Bill::default(), elapsed: 0 };
        alone.lane(|lane, parameters| lane.start(parameters));
        alone
    }

    fn lane(&mut self, with: impl FnOnce(&mut Lane<'_>, &Parameters)) {
        let Alone { parameters, skills, memory, bill, .. } = self;
        with(&mut Lane { skills, memory, bill }, parameters);
    }

    fn step(&mut self, words: &[u32]) {
        let (elapsed, bid) = (self.elapsed, vec![0; self.skills.len()]);
        self.lane(|lane, parameters| lane.step(parameters, elapsed, &bid, words));
        self.elapsed += 1;
    }

    fn steps(mut self, count: u32) -> Self {
        (0..count).for_each(|_| self.step(&[]));
        self
    }

    fn skill(&self) -> Vec<f64> {
        self.skills.iter().map(|skill| skill.skill).collect()
    }

    fn accuracy(&self) -> Vec<f64> {
        self.skill().iter().enumerate().map(|(d, &skill)| self.parameters.accuracy(d, skill)).collect()
    }

    fn measured(&self, name: &str) -> f64 {
        let names: Vec<String> = ["math", "code", "puzzle"].map(str::to_owned)[..self.skills.len()].to_vec();
        let names = measures::names(&names);
        let mut out = vec![f64::NAN; names.len()];
        measures::measure(&self.parameters, &self.accuracy(), &self.skills, &self.bill, &mut out);
        out[names.iter().position(|own| own == name).unwrap()]
    }
}

#[track_caller]
fn near(found: &[f64], expected: &[f64]) {
    close(found, expected, 1e-6);
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let close = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < tolerance);
    assert!(close, "{found:?}, not {expected:?}");
}

#[test]
fn three_domains_step_by_step() {
    near(&Alone::of(&tri()).steps(1).skill(), &[0.134003, 0.008328, 0.069704]);
    near(&Alone::of(&tri()).steps(2).skill(), &[0.266969, 0.016931, 0.139091]);
    let trained = Alone::of(&tri()).steps(50);
    near(&trained.skill(), &[2.878923, 1.551551, 1.765094]);
    near(&trained.accuracy(), &[0.946795, 0.741073, 0.682459]);
    near(&[trained.measured("worst_domain"), trained.measured("groups.math.accuracy")], &[0.682459, 0.946795]);
}

#[test]
fn unbiased_rewards_learn_faster() {
    let sim = CascadeSim { estimator: plugged_estimator(true, false), ..tri() };
    near(&Alone::of(&sim).steps(50).accuracy(), &[0.953960, 0.780687, 0.712469]);
}

#[test]
fn even_sampling_helps_the_rare() {
    let even = vec![(50, vec![1.0 / 3.0; 3])];
    let sim = CascadeSim { sampling: plugged_stages(even), ..tri() };
    near(&Alone::of(&sim).steps(50).accuracy(), &[0.903315, 0.795711, 0.880010]);
}

#[test]
fn falling_entropy_slows_learning() {
    let sim = CascadeSim { plasticity: Some(true), ..tri() };
    close(&[Alone::of(&sim).steps(50).accuracy()[0]], &[0.941], 5e-4);
}

fn one_by_one(order: [usize; 3], sim: CascadeSim) -> Alone {
    let stage = |domain: usize| (17, (0..3).map(|d| f64::from(u8::from(d == domain))).collect());
    let sim = CascadeSim { sampling: plugged_stages(order.map(stage).to_vec()), ..sim };
    Alone::of(&sim).steps(51)
}

#[test]
fn without_transfer_the_order_of_stages_does_not_matter() {
    let nothing = vec![vec![never(); 3]; 3];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let sim = CascadeSim { transfer: Vec::new(), forgetting: nothing.clone(), ..tri() };
        near(&one_by_one(order, sim).skill(), &[2.373352, 2.694140, 2.948959]);
    }
}

#[test]
fn a_cascade_in_every_order() {
    for (order, accuracy) in [
        ([0, 1, 2], [0.886738, 0.773317, 0.907258]),
        ([0, 2, 1], [0.879582, 0.846439, 0.858772]),
        ([1, 0, 2], [0.913645, 0.640123, 0.911152]),
        ([1, 2, 0], [0.924506, 0.633732, 0.903614]),
        ([2, 0, 1], [0.892039, 0.843282, 0.849346]),
        ([2, 1, 0], [0.923096, 0.721715, 0.865878]),
    ] {
        near(&one_by_one(order, tri()).accuracy(), &accuracy);
    }
}

#[test]
fn skills_are_forgotten_towards_where_they_began() {
    let mut sim = tri();
    sim.transfer = Vec::new();
    sim.forgetting = vec![vec![Probability::new(0.05).unwrap(); 3]; 3];
    sim.sampling = plugged_stages(vec![(50, vec![1.0, 0.0, 0.0])]);
    let mut alone = Alone::of(&sim);
    alone.skills[1].skill = 2.0;
    near(&[alone.steps(10).skill()[1] / 2.0], &[0.598737]);
}

#[test]
fn what_one_domain_learns_carries_over() {
    let transfer = [[1.0, -0.412, 0.439], [0.0, 1.0, 0.0], [0.156, -0.046, 1.0]];
    let mut sim = tri();
    sim.transfer = transfer.map(|row| row.map(finite).to_vec()).to_vec();
    sim.forgetting = vec![vec![never(); 3]; 3];
    // Rates that make each domain learn .1, 0 and .05 by itself in one step.
    let mut alone = Alone::of(&sim);
    let parameters = &mut alone.parameters;
    parameters.rate = 1.0;
    for (domain, target) in [(0, 0.1), (1, 0.0), (2, 0.05)] {
        let p = parameters.domains[domain].items.average(0.0).pass;
        let own = parameters.domains[domain].share * p * (1.0 - p) * 7.0 / 8.0;
        parameters.domains[domain].items.discrimination = 1.0;
        parameters.outcomes[domain].iter_mut().for_each(|outcome| {
            outcome.success *= target / own;
            outcome.failure *= target / own;
        });
    }
    near(&alone.steps(1).skill(), &[0.107800, -0.043500, 0.093900]);
}

/// `2x + 2 sinh x`, x the lead of skill over difficulty, grows linearly in time.
#[test]
fn learning_curves_have_their_closed_form() {
    let mut sim = tri();
    sim.domains.truncate(1);
    sim.domains[0].share = positive(1.0);
    sim.domains[0].skill = finite(-2.0);
    sim.transfer = Vec::new();
    sim.rate = NonNegative::new(1e-3).unwrap();
    sim.estimator = plugged_estimator(true, false);
    sim.steps = NonZeroU32::new(20_000).unwrap();
    let mut alone = Alone::of(&sim);
    let mut at = Vec::new();
    for step in 1..=20_000 {
        alone.step(&[]);
        if [5_000, 10_000, 20_000].contains(&step) {
            at.push(alone.accuracy()[0]);
        }
    }
    close(&at, &[0.207064, 0.422892, 0.846469], 1e-4);
}

#[test]
fn a_ceiling_holds() {
    let mut sim = tri();
    sim.domains[2].ceiling = Some(nowhere());
    assert_eq!(Alone::of(&sim).steps(20).skill()[2], 0.0);
}

/// Noise of a step, by number.
pub(super) fn words(count: usize, step: u64) -> Vec<u32> {
    use isonomy_engine::noise::{Key, Phase, Purpose};
    let mut words = vec![0; count];
    Key::new(11, Phase::Training, Purpose::Transition).fill(step, 0, &mut words);
    words
}

/// Mean and standard error of what one step adds to the skills, over many steps from the same start.
fn one_step_over_and_over(sim: &CascadeSim, times: u64) -> [Vec<f64>; 2] {
    let mut alone = Alone::of(sim);
    let draws = sampled::draws(&alone.parameters);
    let (mut sum, mut squares) = (vec![0.0; 3], vec![0.0; 3]);
    for time in 0..times {
        alone.lane(|lane, parameters| lane.start(parameters));
        alone.elapsed = 0;
        alone.step(&words(draws, time));
        for (domain, skill) in alone.skill().into_iter().enumerate() {
            sum[domain] += skill;
            squares[domain] += skill * skill;
        }
    }
    let n = times as f64;
    let mean: Vec<f64> = sum.iter().map(|sum| sum / n).collect();
    let error = mean.iter().zip(&squares).map(|(mean, squares)| ((squares / n - mean * mean) / n).sqrt()).collect();
    [mean, error]
}

fn sampled_tri(looks: bool) -> CascadeSim {
    CascadeSim {
        mode: Mode::Sampled,
        prompts: NonZeroU32::new(32).unwrap(),
        plasticity: Some(false),
        estimator: plugged_estimator(false, looks),
        ..tri()
    }
}

#[test]
fn samples_agree_with_expectations() {
    for looks in [false, true] {
        let [mean, error] = one_step_over_and_over(&sampled_tri(looks), 4000);
        for ((mean, error), expected) in mean.iter().zip(&error).zip([0.134003, 0.008328, 0.069704]) {
            assert!(*error < 1e-3 && (mean - expected).abs() < 4.0 * error, "{mean} ± {error}, not {expected}");
        }
    }
}

/// Groups drawn by their successes, and responses drawn one by one, have the same mean and variance, with difficulties
/// that spread and responses that are cut short.
#[test]
fn both_ways_to_draw_agree() {
    let of = |looks: bool| {
        let mut sim = sampled_tri(looks);
        for domain in &mut sim.domains {
            domain.difficulty_spread = usual_spread();
            domain.guessing = Probability::new(0.2).unwrap();
            domain.length = Length { limit: Some(positive(60.0)), ..Default::default() };
        }
        one_step_over_and_over(&sim, 4000)
    };
    let ([mean, error], [other, other_error]) = (of(false), of(true));
    for domain in 0..3 {
        let bound = 4.0 * error[domain].hypot(other_error[domain]);
        assert!((mean[domain] - other[domain]).abs() < bound, "{mean:?} {other:?}");
        assert!((error[domain] / other_error[domain] - 1.0).abs() < 0.1, "{error:?} {other_error:?}");
    }
}

#[test]
fn accuracies_are_what_samples_show() {
    let mut sim = sampled_tri(false);
    for domain in &mut sim.domains {
        domain.difficulty_spread = usual_spread();
        domain.length = Length { limit: Some(positive(60.0)), ..Default::default() };
    }
    sim.prompts = NonZeroU32::new(50_000).unwrap();
    sim.momentum = never();
    let mut alone = Alone::of(&sim);
    let expected = alone.accuracy();
    alone.step(&words(sampled::draws(&alone.parameters), 0));
    let observed: Vec<f64> = alone.skills.iter().map(|skill| skill.accuracy).collect();
    close(&observed, &expected, 6e-3);
}

/// Accuracy by quadrature in double precision, and in the single precision that is fast enough for every step.
#[test]
fn both_ways_to_tell_accuracy_agree() {
    let mut sim = sampled_tri(false);
    sim.domains[1].difficulty_spread = usual_spread();
    sim.domains[1].guessing = Probability::new(0.25).unwrap();
    sim.domains[2].difficulty_spread = usual_spread();
    sim.domains[2].length = Length { limit: Some(positive(60.0)), ..Default::default() };
    let parameters = sim.parameters();
    for skill in [-3.0, 0.0, 0.7, 4.0] {
        for domain in 0..3 {
            close(&[counts::accuracy(&parameters, domain, skill)], &[parameters.accuracy(domain, skill)], 1e-6);
        }
    }
}

#[test]
fn bids_move_shares() {
    let mut sim = tri();
    sim.bids = vec![positive(1.0), positive(3.0)];
    let mut alone = Alone::of(&sim);
    alone.lane(|lane, parameters| lane.step(parameters, 0, &[0, 0, 1], &[]));
    let shares: Vec<f64> = alone.skills.iter().map(|skill| skill.share).collect();
    near(&shares, &[0.5, 0.25, 0.25]);
    // Who all ask for the same get what they would have had.
    let mut same = Alone::of(&sim);
    same.lane(|lane, parameters| lane.step(parameters, 0, &[1, 1, 1], &[]));
    assert_eq!(same.skill(), Alone::of(&tri()).steps(1).skill());
}

#[test]
fn mistakes_are_found() {
    let paths = |sim: CascadeSim| -> Vec<String> { sim.check().into_iter().map(|problem| problem.path).collect() };
    let mut sim = tri();
    sim.domains[0].share = positive(0.5);
    assert_eq!(paths(sim), ["domains"]);
    let mut sim = tri();
    sim.transfer.pop();
    assert_eq!(paths(sim), ["transfer"]);
    let mut sim = tri();
    sim.transfer[1][1] = finite(0.9);
    assert_eq!(paths(sim), ["transfer[1][1]"]);
    let mut sim = tri();
    sim.domains[1].name = "math".to_owned();
    assert_eq!(paths(sim), ["domains[1].name"]);
    let mut sim = tri();
    sim.kl = one();
    sim.estimator = plugged_estimator(false, true);
    assert_eq!(paths(sim), ["estimator", "kl"]);
    let mut sim = tri();
    sim.inner_steps = four();
    assert_eq!(paths(sim), ["inner_steps"]);
    let mut sim = tri();
    sim.bids.clear();
    assert_eq!(paths(sim), ["bids"]);
}
