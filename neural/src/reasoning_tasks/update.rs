//! One update: problems, responses, rewards, advantages, a gradient.

use super::batch::{SIDE_BY_SIDE, Sequence, batches, choose, tokens};
use super::lane::{Cell, Lane, Training};
use super::{Kl, ReasoningTasks};
use crate::adam::Adam;
use crate::backend::Backend;
use crate::transformer::{Choice, Decoding, Generated, gradient_of_all};
use isonomy_engine::advantage::{
    AdvantageEstimator, AdvantageModifier, DomainWeight, GroupFilter, LossAggregator, PolicyLoss, Progress, Responses,
    RewardShaper, Signal, Surrogate,
};
use isonomy_engine::lanes::At;
use isonomy_envs::reasoning::Plugged;
use isonomy_envs::reasoning::tasks::{MOST_TOKENS, Problem, finished};
use isonomy_plugins::advantage::modifier::normalised_entropy;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The quantile of entropies that a normalised one is compared with, as in HAPO (arXiv 2509.16591).
const PIVOT: f64 = 0.8;

/// How an update is made of responses.
pub(super) struct Method {
    estimator: Plugged<dyn AdvantageEstimator>,
    shaper: Option<Plugged<dyn RewardShaper>>,
    filter: Option<Plugged<dyn GroupFilter>>,
    modifier: Option<Plugged<dyn AdvantageModifier>>,
    pub(super) weights: Option<Plugged<dyn DomainWeight>>,
    loss: Option<Plugged<dyn PolicyLoss>>,
    aggregator: Option<Plugged<dyn LossAggregator>>,
    kl: Option<Kl>,
    inner_steps: u32,
    temperature: f32,
    rate: f64,
    adam: Adam,
    momentum: f64,
    backend: Backend,
}

impl Method {
    pub(super) fn new(tasks: &ReasoningTasks) -> Self {
        Method {
            estimator: tasks.estimator.clone(),
            shaper: tasks.shaper.clone(),
            filter: tasks.filter.clone(),
            modifier: tasks.modifier.clone(),
            weights: tasks.weights.clone(),
            loss: tasks.loss.clone(),
            aggregator: tasks.aggregator.clone(),
            kl: tasks.kl.clone().filter(|kl| kl.strength.get() > 0.0),
            inner_steps: tasks.inner_steps.get(),
            temperature: tasks.temperature.get() as f32,
            rate: tasks.rate.get(),
            adam: Adam { longest: tasks.clip.get() as f32, ..Adam::default() },
            momentum: tasks.momentum.get(),
            backend: tasks.backend,
        }
    }

    fn needs(&self, signal: Signal) -> bool {
        let of_others = [
            self.shaper.as_ref().map_or(&[][..], |shaper| shaper.needs()),
            self.modifier.as_ref().map_or(&[][..], |modifier| modifier.needs()),
        ];
        self.estimator.needs().contains(&signal) || of_others.iter().any(|needs| needs.contains(&signal))
    }
}

/// Memory to work in, kept from update to update.
#[derive(Default)]
pub(super) struct Workspace {
    pub(super) decoding: Decoding,
    pub(super) generated: Generated,
    again: Generated,
    pub(super) of_cell: Vec<usize>,
}

/// What is known of the responses of an update, as plugins see it; B responses, T tokens.
#[derive(Default)]
struct Columns {
    group: Vec<u32>,
    domain: Vec<u32>,
    reward: Vec<f64>,
    greedy: Vec<f64>,
    length: Vec<u32>,
    truncated: Vec<bool>,
    answer: Vec<u32>,
    mean_entropy: Vec<f64>,
    mask: Vec<bool>,
    log_prob: Vec<f64>,
    entropy: Vec<f64>,
    sum_squares: Vec<f64>,
    observation: Vec<u64>,
}

impl Columns {
    fn responses(&self) -> Responses<'_> {
        Responses {
            group: &self.group,
            domain: &self.domain,
            reward: &self.reward,
            greedy_reward: &self.greedy,
            length: &self.length,
            truncated: &self.truncated,
            answer: &self.answer,
            mean_entropy: &self.mean_entropy,
            tokens: MOST_TOKENS,
            mask: &self.mask,
            log_prob: &self.log_prob,
            old_log_prob: &self.log_prob,
            entropy: &self.entropy,
            sum_squares: &self.sum_squares,
            observation: &self.observation,
            ..Responses::default()
        }
    }
}

impl Training {
    /// Makes an update, by a step of the part of the largest size that is `due`.
    pub(super) fn update(&self, lane: &mut Lane<'_>, at: At<'_>, due: f64, workspace: &mut Workspace) {
        let (choices, rest) = at.words.split_at(self.prompts);
        let (indices, words) = rest.split_at(self.prompts);
        let (share, weight) = self.share_out(lane, at.elapsed);
        choose(&share, choices, &mut workspace.of_cell);
        let problems = self.problems(indices, workspace);
        let prompts: Vec<Vec<u8>> = problems.iter().map(|problem| tokens(&problem.prompt)).collect();
        let temperature = self.method.temperature;
        let (layout, generated) = (&self.plan.layout, &mut workspace.generated);
        let sampled = Choice::Sampled { words, temperature };
        workspace.decoding.generate(layout, lane.weights, &prompts, self.responses, sampled, generated);
        let greedy = self.method.needs(Signal::GreedyReward).then(|| {
            workspace.decoding.generate(layout, lane.weights, &prompts, 1, Choice::Greedy, &mut workspace.again);
            self.rewards(&problems, &workspace.of_cell, &workspace.again)
        });
        let columns = self.columns(&problems, greedy, workspace);
        let (advantage, keep) = self.advantages(&columns, &weight);
        lane.bill.generated += columns.reward.len() as f64;
        lane.bill.tokens += workspace.generated.count() as f64;
        self.learn(lane, &columns, &advantage, &keep, &prompts, due, workspace);
        self.hear(lane, &columns, &weight);
    }

    /// The problems of an update, a word each.
    pub(super) fn problems(&self, indices: &[u32], workspace: &Workspace) -> Vec<Problem> {
        let drawn = workspace.of_cell.iter().zip(indices);
        drawn.map(|(&cell, &index)| self.sources[cell].training(u64::from(index))).collect()
    }

    /// The shares of domains in the next prompts and the factors on their advantages.
    fn share_out(&self, lane: &mut Lane<'_>, elapsed: u32) -> (Vec<f64>, Vec<f64>) {
        let column = |of: fn(&Cell) -> f64| lane.cells.iter().map(of).collect::<Vec<_>>();
        let (accuracy, before) = (column(|cell| cell.accuracy), column(|cell| cell.share));
        let best = column(|cell| cell.best.max(cell.accuracy));
        let cells = self.sources.len();
        let (mut share, mut weight) = (vec![0.0; cells], vec![1.0; cells]);
        let [of_sampler, of_weights] = self.memory().map(|per_cell| per_cell * cells);
        let (sampler, rest) = lane.memory.split_at_mut(of_sampler);
        let progress =
            Progress { step: elapsed, accuracy: &accuracy, best: &best, data: &self.share, sampled: &before };
        self.sampler.share(&progress, sampler, &mut share);
        if let Some(weights) = &self.method.weights {
            let progress = Progress { sampled: &share, ..progress };
            let repairs = weights.weigh(&progress, &mut rest[..of_weights], &mut weight);
            lane.bill.negative_weights += f64::from(repairs.negative);
            lane.bill.floored += f64::from(repairs.floored);
        }
        (share, weight)
    }

    /// The reward of every response.
    pub(super) fn rewards(&self, problems: &[Problem], of_cell: &[usize], generated: &Generated) -> Vec<f64> {
        let responses = generated.length.len() / problems.len();
        let each = generated.tokens.chunks_exact(MOST_TOKENS).enumerate();
        each.map(|(row, tokens)| {
            let (problem, cell) = (&problems[row / responses], of_cell[row / responses]);
            finished(tokens).map_or(0.0, |response| self.sources[cell].score(problem, &response))
        })
        .collect()
    }

    fn columns(&self, problems: &[Problem], greedy: Option<Vec<f64>>, workspace: &Workspace) -> Columns {
        let generated = &workspace.generated;
        let rows = generated.length.len();
        let prompt = |row: usize| row / self.responses;
        let wide = |numbers: &[f32]| numbers.iter().map(|&number| f64::from(number)).collect::<Vec<_>>();
        let generated_at = |at: usize| ((at % MOST_TOKENS) as u32) < generated.length[at / MOST_TOKENS];
        let own = |row: usize| &generated.tokens[row * MOST_TOKENS..][..generated.length[row] as usize];
        let entropy = wide(&generated.entropy);
        let mean_entropy = |row: usize| {
            let own = &entropy[row * MOST_TOKENS..][..generated.length[row] as usize];
            own.iter().sum::<f64>() / own.len().max(1) as f64
        };
        Columns {
            group: (0..rows).map(|row| prompt(row) as u32).collect(),
            domain: (0..rows).map(|row| workspace.of_cell[prompt(row)] as u32).collect(),
            reward: self.rewards(problems, &workspace.of_cell, generated),
            greedy: greedy.map_or(Vec::new(), |greedy| (0..rows).map(|row| greedy[prompt(row)]).collect()),
            length: generated.length.clone(),
            truncated: (0..rows).map(|row| finished(own(row)).is_none()).collect(),
            answer: (0..rows).map(|row| xxh3_64(own(row)) as u32).collect(),
            mean_entropy: (0..rows).map(mean_entropy).collect(),
            mask: (0..rows * MOST_TOKENS).map(generated_at).collect(),
            log_prob: wide(&generated.log_prob),
            sum_squares: wide(&generated.sum_squares),
            observation: if self.method.needs(Signal::Observation) { seen(problems, generated) } else { Vec::new() },
            entropy,
        }
    }

    /// The advantage of every token, and which responses are learned from.
    fn advantages(&self, columns: &Columns, weight: &[f64]) -> (Vec<f64>, Vec<bool>) {
        let plain = columns.responses();
        let mut shaped = columns.reward.clone();
        if let Some(shaper) = &self.method.shaper {
            shaper.shape(&plain, &mut shaped);
        }
        let batch = Responses { reward: &shaped, ..plain };
        let mut keep = vec![true; batch.len()];
        if let Some(filter) = &self.method.filter {
            filter.keep(&batch, &mut keep);
        }
        let mut advantage = vec![0.0; columns.mask.len()];
        self.method.estimator.estimate(&batch, &mut advantage);
        if let Some(modifier) = &self.method.modifier {
            modifier.modify(&batch, &mut advantage);
        }
        for (own, domain) in advantage.chunks_exact_mut(MOST_TOKENS).zip(&columns.domain) {
            own.iter_mut().for_each(|advantage| *advantage *= weight[*domain as usize]);
        }
        (advantage, keep)
    }

    /// Moves the decoder.
    #[allow(clippy::too_many_arguments)]
    fn learn(
        &self,
        lane: &mut Lane<'_>,
        columns: &Columns,
        advantage: &[f64],
        keep: &[bool],
        prompts: &[Vec<u8>],
        due: f64,
        workspace: &mut Workspace,
    ) {
        let (method, layout) = (&self.method, &self.plan.layout);
        let learned = |(at, generated): (usize, &bool)| *generated && keep[at / MOST_TOKENS];
        let mask: Vec<bool> = columns.mask.iter().enumerate().map(learned).collect();
        let mut counts = vec![0.0; mask.len()];
        match &method.aggregator {
            Some(aggregator) => aggregator.weigh(MOST_TOKENS, &mask, &mut counts),
            None => {
                let each = 1.0 / (keep.iter().filter(|&&keep| keep).count().max(1) * MOST_TOKENS) as f64;
                counts.iter_mut().zip(&mask).for_each(|(count, &learned)| *count = if learned { each } else { 0.0 });
            }
        }
        let Workspace { decoding, generated, again, .. } = workspace;
        let mut as_before = |parameters: &[f32], again: &mut Generated| -> Vec<f64> {
            let (tokens, length) = (&generated.tokens, &generated.length);
            let given = Choice::Given { tokens, length, temperature: method.temperature };
            decoding.generate(layout, parameters, prompts, self.responses, given, again);
            again.log_prob.iter().map(|&log_prob| f64::from(log_prob)).collect()
        };
        let reference = method.kl.as_ref().map(|_| as_before(self.warm(), again));
        let mut log_prob = columns.log_prob.clone();
        for inner in 0..method.inner_steps {
            if inner > 0 {
                log_prob = as_before(lane.weights, again);
            }
            let mut slope: Vec<f64> = advantage.iter().map(|advantage| -advantage).collect();
            if let Some(loss) = &method.loss {
                let normalised = normalised_entropy(&columns.entropy, &mask, PIVOT, false);
                let surrogate = Surrogate {
                    tokens: MOST_TOKENS,
                    mask: &mask,
                    log_prob: &log_prob,
                    old_log_prob: &columns.log_prob,
                    advantage,
                    normalised_entropy: &normalised,
                };
                loss.loss(&surrogate, &mut vec![0.0; mask.len()], &mut slope);
            }
            if let (Some(kl), Some(reference)) = (&method.kl, &reference) {
                pull(kl, &log_prob, reference, &mut slope);
            }
            let weight = |at: usize| (slope[at] * counts[at]) as f32;
            let sequence = |row: usize| {
                let first = row * MOST_TOKENS;
                let length = generated.length[row] as usize;
                Sequence {
                    prompt: &prompts[row / self.responses],
                    response: &generated.tokens[first..first + length],
                    weight: (first..first + length).map(weight).collect(),
                }
            };
            // Most responses to easy and to hopeless prompts say nothing.
            let sequences: Vec<_> =
                (0..keep.len()).map(sequence).filter(|of| of.weight.iter().any(|w| *w != 0.0)).collect();
            if sequences.is_empty() {
                continue;
            }
            let (_, gradient) = gradient_of_all(
                layout,
                lane.weights,
                &batches(sequences, method.temperature, SIDE_BY_SIDE),
                method.backend,
                false,
            );
            lane.bill.updates += 1.0;
            let rate = method.rate * due;
            let [mean, square] = &mut lane.moments;
            method.adam.step(lane.bill.updates as u32, rate as f32, &gradient, lane.weights, [mean, square]);
        }
    }

    /// Writes down how domains did.
    fn hear(&self, lane: &mut Lane<'_>, columns: &Columns, weight: &[f64]) {
        let cells = self.sources.len();
        let (mut passed, mut failed) = (vec![0.0; cells], vec![0.0; cells]);
        let mut sums = vec![[0.0; 4]; cells];
        for (row, reward) in columns.reward.iter().enumerate() {
            let cell = columns.domain[row] as usize;
            (passed[cell], failed[cell]) = (passed[cell] + reward, failed[cell] + 1.0 - reward);
            sums[cell][0] += columns.mean_entropy[row];
            sums[cell][1] += f64::from(columns.length[row]);
        }
        for (rewards, cell) in columns.reward.chunks(self.responses).zip(columns.domain.chunks(self.responses)) {
            let sum = &mut sums[cell[0] as usize];
            sum[2] += 1.0;
            sum[3] += f64::from(u8::from(rewards.iter().all(|reward| reward == &rewards[0])));
        }
        let of_sampler = self.memory()[0] * cells;
        self.sampler.hear(&passed, &failed, &mut lane.memory[..of_sampler]);
        for (index, cell) in lane.cells.iter_mut().enumerate() {
            let ([entropy, length, groups, silent], responses) = (sums[index], passed[index] + failed[index]);
            cell.weight = weight[index];
            cell.share = groups / self.prompts as f64;
            if responses > 0.0 {
                (cell.entropy, cell.length, cell.silent) = (entropy / responses, length / responses, silent / groups);
                let rate = passed[index] / responses;
                cell.accuracy = self.method.momentum * cell.accuracy + (1.0 - self.method.momentum) * rate;
                cell.best = cell.best.max(cell.accuracy);
            }
        }
    }
}

/// A response as an episode of steps: what is seen before each token is the prompt and what has been said, by its hash.
fn seen(problems: &[Problem], generated: &Generated) -> Vec<u64> {
    let responses = generated.length.len() / problems.len();
    let mut seen = vec![0; generated.tokens.len()];
    let rows = seen.chunks_exact_mut(MOST_TOKENS).zip(generated.tokens.chunks_exact(MOST_TOKENS));
    for (row, (seen, tokens)) in rows.enumerate() {
        let mut said = Xxh3::new();
        said.update(problems[row / responses].prompt.as_bytes());
        for (seen, token) in seen.iter_mut().zip(tokens) {
            *seen = said.digest();
            said.update(&[*token]);
        }
    }
    seen
}

/// Adds the slope of a divergence, by differences, because an estimator says nothing but its value.
fn pull(kl: &Kl, log_prob: &[f64], reference: &[f64], slope: &mut [f64]) {
    const APART: f64 = 1e-4;
    let moved = |by: f64| {
        let mut divergence = vec![0.0; log_prob.len()];
        let moved: Vec<f64> = log_prob.iter().map(|log_prob| log_prob + by).collect();
        kl.divergence.estimate(&moved, reference, &mut divergence);
        divergence
    };
    for ((slope, up), down) in slope.iter_mut().zip(moved(APART)).zip(moved(-APART)) {
        *slope += kl.strength.get() * (up - down) / (2.0 * APART);
    }
}
