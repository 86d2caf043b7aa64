//! One update: problems, responses, rewards, advantages, a gradient.

use super::asked::Asked;
use super::batch::{SIDE_BY_SIDE, Sequence, batches, choose};
use super::lane::{Cell, Lane, Training};
use super::turns::{Choosing, Questions, Turn, converse};
use super::{Distillation, Kl, ReasoningTasks};
use crate::adam::Adam;
use crate::backend::Backend;
use crate::transformer::{Decoding, Generated, gradient_of_all};
use isonomy_engine::advantage::{
    AdvantageEstimator, AdvantageModifier, DomainWeight, GroupFilter, LossAggregator, PolicyLoss, Progress, Responses,
    RewardShaper, Signal, Surrogate,
};
use isonomy_engine::lanes::At;
use isonomy_envs::reasoning::tasks::{MOST_TOKENS, Problem, finished};
use isonomy_envs::reasoning::{Plugged, spread_evenly};
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

    /// That of distillation.
    pub(super) fn of_distillation(self, distil: &Distillation) -> Self {
        Method {
            estimator: distil.estimator.clone(),
            rate: distil.rate.map_or(self.rate, |rate| rate.get()),
            shaper: None,
            filter: None,
            modifier: None,
            loss: None,
            kl: None,
            inner_steps: 1,
            ..self
        }
    }

    /// Whether groups wait for the next update where a batch is full.
    pub(super) fn recovers(&self) -> bool {
        self.filter.as_ref().is_some_and(|filter| filter.recovers())
    }

    /// Rewards as estimators see them.
    fn shaped(&self, columns: &Columns) -> Vec<f64> {
        let mut shaped = columns.reward.clone();
        if let Some(shaper) = &self.shaper {
            shaper.shape(&columns.responses(), &mut shaped);
        }
        shaped
    }

    /// Whether each response is learned from.
    fn kept(&self, columns: &Columns) -> Vec<bool> {
        let mut keep = vec![true; columns.reward.len()];
        if let Some(filter) = &self.filter {
            filter.keep(&Responses { reward: &self.shaped(columns), ..columns.responses() }, &mut keep);
        }
        keep
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
    /// What was asked in the last round.
    pub(super) fresh: Asked,
    /// What is learned from, or dropped.
    pub(super) batch: Asked,
    /// Whether some of it waited.
    waited: bool,
    likeliest: Vec<Turn>,
    again: Generated,
}

/// What is known of the responses of an update, as plugins see it; B responses, T tokens of all turns together, S steps: turns, or,
/// where there is one only, tokens.
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
    /// Under the policy now, and under the one that sampled; they differ for groups that waited.
    log_prob: Vec<f64>,
    old_log_prob: Vec<f64>,
    /// Empty where nobody asks.
    teacher_log_prob: Vec<f64>,
    entropy: Vec<f64>,
    sum_squares: Vec<f64>,
    /// Steps per response, S.
    steps: usize,
    /// Which steps were made, `[B, S]`.
    step_mask: Vec<bool>,
    /// What was seen before them, `[B, S]`.
    observation: Vec<u64>,
}

impl Columns {
    fn responses(&self) -> Responses<'_> {
        let of_tokens = self.steps == MOST_TOKENS;
        let known = |column| if of_tokens { column } else { &[][..] };
        Responses {
            group: &self.group,
            domain: &self.domain,
            reward: &self.reward,
            greedy_reward: &self.greedy,
            length: &self.length,
            truncated: &self.truncated,
            answer: &self.answer,
            mean_entropy: &self.mean_entropy,
            tokens: self.steps,
            mask: &self.step_mask,
            log_prob: known(&self.log_prob),
            old_log_prob: known(&self.old_log_prob),
            teacher_log_prob: known(&self.teacher_log_prob),
            entropy: known(&self.entropy),
            sum_squares: known(&self.sum_squares),
            observation: &self.observation,
            ..Responses::default()
        }
    }
}

impl Columns {
    /// Adds what was generated in a turn as number `at`: of which response, and in its which turn.
    fn add(&mut self, turn: &Turn, at: usize, (row, number): (usize, usize), width: usize) {
        let (said, generated) = (turn.said(at), &turn.generated);
        let (from, to) = (at * MOST_TOKENS, row * width + number * MOST_TOKENS);
        for (offset, _) in said.iter().enumerate() {
            self.mask[to + offset] = true;
            self.old_log_prob[to + offset] = f64::from(generated.log_prob[from + offset]);
            self.entropy[to + offset] = f64::from(generated.entropy[from + offset]);
            self.sum_squares[to + offset] = f64::from(generated.sum_squares[from + offset]);
        }
        self.mean_entropy[row] += self.entropy[to..to + said.len()].iter().sum::<f64>();
        self.length[row] += said.len() as u32;
        self.truncated[row] = finished(said).is_none();
        self.answer[row] = xxh3_64(said) as u32;
        let mut seen = Xxh3::new();
        seen.update(turn.prompt(at));
        if width > MOST_TOKENS {
            let step = row * self.steps + number;
            self.step_mask[step] = true;
            self.observation.iter_mut().skip(step).take(1).for_each(|observed| *observed = seen.digest());
            return;
        }
        // A response as an episode of tokens: what is seen before each is the prompt and what has been said.
        for (offset, token) in said.iter().enumerate() {
            let step = row * self.steps + offset;
            self.step_mask[step] = true;
            self.observation.iter_mut().skip(step).take(1).for_each(|observed| *observed = seen.digest());
            seen.update(&[*token]);
        }
    }
}

impl Training {
    /// Makes an update, by a step of the part of the largest size that is `due`.
    pub(super) fn update(&self, lane: &mut Lane<'_>, at: At<'_>, due: f64, workspace: &mut Workspace) {
        let method = self.distilling(at.elapsed).map_or(&self.method, |distil| &distil.method);
        let (share, weight) = self.share_out(lane, at.elapsed);
        let mut heard = Heard::new(self.sources.len());
        let keep = self.sample(method, lane, at.words, &share, workspace, &mut heard);
        if !keep.is_empty() {
            let mut columns = self.columns(&workspace.batch, method);
            if workspace.waited {
                let Workspace { decoding, batch, again, .. } = &mut *workspace;
                self.scored(&batch.turns, lane.weights, decoding, again, &mut columns.log_prob);
            }
            if method.needs(Signal::TeacherLogProb) {
                columns.teacher_log_prob = self.taught(lane, columns.reward.len(), workspace);
            }
            let advantage = self.advantages(method, &columns, &weight);
            self.learn(method, lane, &columns, (&advantage, &keep), due, workspace);
        }
        self.hear(lane, at.elapsed, &heard, &weight);
    }

    /// Asks until the filter has kept enough. The batch is in the workspace then; returns whether each of its responses is learned
    /// from.
    fn sample(
        &self,
        method: &Method,
        lane: &mut Lane<'_>,
        all_words: &[u32],
        share: &[f64],
        workspace: &mut Workspace,
        heard: &mut Heard,
    ) -> Vec<bool> {
        let (sizes, responses) = (self.sizes(), self.responses);
        let recovers = method.recovers();
        let waiting = &mut lane.memory[self.remembered()..];
        let mut full = match recovers {
            true => {
                let greedy = method.needs(Signal::GreedyReward);
                workspace.batch.take_back(&self.sources, sizes, greedy, waiting)
            }
            false => {
                workspace.batch.clear(self.turns);
                0
            }
        };
        workspace.waited = full > 0;
        let mut keep = vec![true; full * responses];
        for words in all_words.chunks_exact(self.draws_of_round()) {
            self.ask(method, lane.weights, words, share, workspace);
            let columns = self.columns(&workspace.fresh, method);
            lane.bill.generated += columns.reward.len() as f64;
            lane.bill.tokens += columns.length.iter().map(|&length| f64::from(length)).sum::<f64>();
            heard.add(&columns, responses);
            let kept = method.kept(&columns);
            let groups: Vec<bool> = kept.iter().step_by(responses).copied().collect();
            let count = groups.iter().filter(|&&kept| kept).count();
            if recovers {
                let (room, mut number) = (self.prompts - full, 0);
                let who_waits = all_words.last().copied().unwrap_or_default();
                let mut left = groups.clone();
                for left in left.iter_mut().filter(|left| **left) {
                    *left = !spread_evenly(number, count, room, who_waits);
                    number += 1;
                }
                let chosen: Vec<bool> = groups.iter().zip(&left).map(|(kept, left)| *kept && !left).collect();
                workspace.batch.append(&workspace.fresh, &chosen, responses);
                workspace.fresh.put_aside(&left, sizes, waiting);
                full += count.min(room);
                keep.resize(full * responses, true);
            } else {
                workspace.batch.append(&workspace.fresh, &vec![true; groups.len()], responses);
                full += count;
                keep.extend(kept);
            }
            if full >= self.prompts {
                break;
            }
        }
        keep
    }

    /// Asks as many prompts as a batch has, and has them answered, by words of a round.
    fn ask(&self, method: &Method, weights: &[f32], words: &[u32], share: &[f64], workspace: &mut Workspace) {
        let (choices, rest) = words.split_at(self.prompts);
        let (indices, words) = rest.split_at(self.prompts);
        let Workspace { decoding, fresh, likeliest, .. } = workspace;
        choose(share, choices, &mut fresh.of_cell);
        fresh.indices.clear();
        fresh.indices.extend(indices);
        let problems = self.problems(indices, &fresh.of_cell);
        let sampled = Choosing::Sampled { words, temperature: method.temperature };
        let of_cell = &fresh.of_cell;
        let mut ask = |responses: usize, choosing: Choosing<'_>, turns: &mut Vec<Turn>| {
            let sources = |problem: usize| &self.sources[of_cell[problem]];
            let questions = Questions { problems: &problems, sources: &sources, responses, turns: self.turns };
            converse(&questions, (&self.plan.layout, weights), choosing, decoding, turns)
        };
        fresh.reward = ask(self.responses, sampled, &mut fresh.turns);
        let greedy = method.needs(Signal::GreedyReward);
        fresh.greedy = if greedy { ask(1, Choosing::Greedy, likeliest) } else { Vec::new() };
    }

    /// The problems of an update, a word each.
    pub(super) fn problems(&self, indices: &[u32], of_cell: &[usize]) -> Vec<Problem> {
        let drawn = of_cell.iter().zip(indices);
        drawn.map(|(&cell, &index)| self.sources[cell].training(u64::from(index))).collect()
    }

    /// The shares of domains in the next prompts and the factors on their advantages.
    fn share_out(&self, lane: &mut Lane<'_>, elapsed: u32) -> (Vec<f64>, Vec<f64>) {
        let column = |of: fn(&Cell) -> f64| lane.cells.iter().map(of).collect::<Vec<_>>();
        let (accuracy, before) = (column(|cell| cell.accuracy), column(|cell| cell.share));
        let best = column(|cell| cell.best.max(cell.accuracy));
        let cells = self.sources.len();
        let (mut share, mut weight) = (vec![0.0; cells], vec![1.0; cells]);
        let (sampler, of_sampler, of_weights) = self.shares(elapsed, lane.memory);
        // The steps of distillation are counted from its first.
        let step = elapsed - self.distilling(elapsed).map_or(0, |distil| distil.begins);
        let progress = Progress { step, accuracy: &accuracy, best: &best, data: &self.share, sampled: &before };
        sampler.share(&progress, of_sampler, &mut share);
        if let Some(weights) = &self.method.weights {
            let progress = Progress { step: elapsed, sampled: &share, ..progress };
            let repairs = weights.weigh(&progress, of_weights, &mut weight);
            lane.bill.negative_weights += f64::from(repairs.negative);
            lane.bill.floored += f64::from(repairs.floored);
        }
        (share, weight)
    }

    fn columns(&self, asked: &Asked, method: &Method) -> Columns {
        let (rows, width) = (asked.reward.len(), self.width());
        let prompt = |row: usize| row / self.responses;
        let steps = if self.turns > 1 { self.turns } else { MOST_TOKENS };
        let mut columns = Columns {
            group: (0..rows).map(|row| prompt(row) as u32).collect(),
            domain: (0..rows).map(|row| asked.of_cell[prompt(row)] as u32).collect(),
            reward: asked.reward.clone(),
            greedy: if asked.greedy.is_empty() {
                Vec::new()
            } else {
                (0..rows).map(|row| asked.greedy[prompt(row)]).collect()
            },
            length: vec![0; rows],
            truncated: vec![false; rows],
            answer: vec![0; rows],
            mean_entropy: vec![0.0; rows],
            mask: vec![false; rows * width],
            log_prob: Vec::new(),
            old_log_prob: vec![0.0; rows * width],
            teacher_log_prob: Vec::new(),
            sum_squares: vec![0.0; rows * width],
            entropy: vec![0.0; rows * width],
            steps,
            step_mask: vec![false; rows * steps],
            observation: vec![0; if method.needs(Signal::Observation) { rows * steps } else { 0 }],
        };
        for (number, turn) in asked.turns.iter().enumerate() {
            for (at, &row) in turn.whose.iter().enumerate() {
                columns.add(turn, at, (row, number), width);
            }
        }
        let each = columns.mean_entropy.iter_mut().zip(&columns.length);
        each.for_each(|(entropy, &length)| *entropy /= f64::from(length.max(1)));
        columns.log_prob.clone_from(&columns.old_log_prob);
        columns
    }

    /// Log-probabilities of the tokens of the responses that `turns` are of, by other parameters, `[B, T]`.
    fn scored(
        &self,
        turns: &[Turn],
        parameters: &[f32],
        decoding: &mut Decoding,
        again: &mut Generated,
        log_prob: &mut [f64],
    ) {
        let width = self.width();
        for (number, turn) in turns.iter().enumerate().filter(|(_, turn)| !turn.whose.is_empty()) {
            let scored = turn.scored_by(&self.plan.layout, parameters, self.method.temperature, decoding, again);
            for (own, row) in scored.chunks_exact(MOST_TOKENS).zip(&turn.whose) {
                let to = &mut log_prob[row * width + number * MOST_TOKENS..][..MOST_TOKENS];
                to.iter_mut().zip(own).for_each(|(to, from)| *to = f64::from(*from));
            }
        }
    }

    /// Log-probabilities of the batch under the teachers of its domains, `[B, T]`.
    pub(super) fn taught(&self, lane: &Lane<'_>, rows: usize, workspace: &mut Workspace) -> Vec<f64> {
        let Workspace { decoding, batch, again, .. } = workspace;
        let mut log_prob = vec![0.0; rows * self.width()];
        let teacher = |row: usize| lane.cells[batch.of_cell[row / self.responses]].teacher as usize;
        let last = self.distil.as_ref().map_or(0, |distil| distil.checkpoints.len());
        for number in 0..=last {
            let pupils = |turn: &Turn| {
                let mut own = Turn::default();
                own.append(turn, |row| (teacher(row) == number).then_some(row));
                own
            };
            let turns: Vec<Turn> = batch.turns.iter().map(pupils).collect();
            self.scored(&turns, self.teacher(lane.teachers, number), decoding, again, &mut log_prob);
        }
        log_prob
    }

    /// Tokens of all turns of a response, at most.
    fn width(&self) -> usize {
        self.turns * MOST_TOKENS
    }

    /// The advantage of every token.
    fn advantages(&self, method: &Method, columns: &Columns, weight: &[f64]) -> Vec<f64> {
        let shaped = method.shaped(columns);
        let batch = Responses { reward: &shaped, ..columns.responses() };
        let mut advantage = vec![0.0; columns.step_mask.len()];
        method.estimator.estimate(&batch, &mut advantage);
        if let Some(modifier) = &method.modifier {
            modifier.modify(&batch, &mut advantage);
        }
        for (own, domain) in advantage.chunks_exact_mut(columns.steps).zip(&columns.domain) {
            own.iter_mut().for_each(|advantage| *advantage *= weight[*domain as usize]);
        }
        if self.turns > 1 {
            // All tokens of a turn have its advantage.
            advantage = advantage.iter().flat_map(|&of_turn| [of_turn; MOST_TOKENS]).collect();
        }
        advantage
    }

    /// Moves the decoder.
    fn learn(
        &self,
        method: &Method,
        lane: &mut Lane<'_>,
        columns: &Columns,
        (advantage, keep): (&[f64], &[bool]),
        due: f64,
        workspace: &mut Workspace,
    ) {
        let (layout, width) = (&self.plan.layout, self.width());
        let learned = |(at, generated): (usize, &bool)| *generated && keep[at / width];
        let mask: Vec<bool> = columns.mask.iter().enumerate().map(learned).collect();
        let mut counts = vec![0.0; mask.len()];
        match &method.aggregator {
            Some(aggregator) => aggregator.weigh(width, &mask, &mut counts),
            None => {
                let each = 1.0 / (keep.iter().filter(|&&keep| keep).count().max(1) * width) as f64;
                counts.iter_mut().zip(&mask).for_each(|(count, &learned)| *count = if learned { each } else { 0.0 });
            }
        }
        let Workspace { decoding, batch, again, .. } = workspace;
        let turns = &batch.turns;
        let mut as_before = |parameters: &[f32]| {
            let mut log_prob = vec![0.0; mask.len()];
            self.scored(turns, parameters, decoding, again, &mut log_prob);
            log_prob
        };
        let reference = method.kl.as_ref().map(|_| as_before(self.warm()));
        let mut log_prob = columns.log_prob.clone();
        for inner in 0..method.inner_steps {
            if inner > 0 {
                log_prob = as_before(lane.weights);
            }
            let mut slope: Vec<f64> = advantage.iter().map(|advantage| -advantage).collect();
            if let Some(loss) = &method.loss {
                let normalised = normalised_entropy(&columns.entropy, &mask, PIVOT, false);
                let surrogate = Surrogate {
                    tokens: width,
                    mask: &mask,
                    log_prob: &log_prob,
                    old_log_prob: &columns.old_log_prob,
                    advantage,
                    normalised_entropy: &normalised,
                };
                loss.loss(&surrogate, &mut vec![0.0; mask.len()], &mut slope);
            }
            if let (Some(kl), Some(reference)) = (&method.kl, &reference) {
                pull(kl, &log_prob, reference, &mut slope);
            }
            let weight = |at: usize| (slope[at] * counts[at]) as f32;
            let mut sequences = Vec::new();
            for (number, turn) in turns.iter().enumerate() {
                for (at, row) in turn.whose.iter().enumerate() {
                    let (first, response) = (row * width + number * MOST_TOKENS, turn.said(at));
                    let weight: Vec<f32> = (first..first + response.len()).map(weight).collect();
                    // Most responses to easy and to hopeless prompts say nothing.
                    if weight.iter().any(|w| *w != 0.0) {
                        sequences.push(Sequence { prompt: turn.prompt(at), response, weight });
                    }
                }
            }
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
    fn hear(&self, lane: &mut Lane<'_>, elapsed: u32, heard: &Heard, weight: &[f64]) {
        let Heard { passed, failed, sums } = heard;
        let (sampler, of_sampler, _) = self.shares(elapsed, lane.memory);
        sampler.hear(passed, failed, of_sampler);
        let all: f64 = sums.iter().map(|[_, _, groups, _]| groups).sum();
        for (index, cell) in lane.cells.iter_mut().enumerate() {
            let ([entropy, length, groups, silent], responses) = (sums[index], passed[index] + failed[index]);
            cell.weight = weight[index];
            cell.share = groups / all;
            if responses > 0.0 {
                (cell.entropy, cell.length, cell.silent) = (entropy / responses, length / responses, silent / groups);
                let rate = passed[index] / responses;
                cell.accuracy = self.method.momentum * cell.accuracy + (1.0 - self.method.momentum) * rate;
                cell.best = cell.best.max(cell.accuracy);
            }
        }
    }
}

/// What came out of all that was sampled in an update, by domain.
struct Heard {
    /// Responses that were right.
    passed: Vec<f64>,
    /// The others.
    failed: Vec<f64>,
    /// Sums of mean entropies, of lengths, of groups, of silent groups.
    sums: Vec<[f64; 4]>,
}

impl Heard {
    fn new(cells: usize) -> Self {
        Heard { passed: vec![0.0; cells], failed: vec![0.0; cells], sums: vec![[0.0; 4]; cells] }
    }

    fn add(&mut self, columns: &Columns, responses: usize) {
        for (row, reward) in columns.reward.iter().enumerate() {
            let cell = columns.domain[row] as usize;
            self.passed[cell] += reward;
            self.failed[cell] += 1.0 - reward;
            self.sums[cell][0] += columns.mean_entropy[row];
            self.sums[cell][1] += f64::from(columns.length[row]);
        }
        for (rewards, cell) in columns.reward.chunks(responses).zip(columns.domain.chunks(responses)) {
            let sum = &mut self.sums[cell[0] as usize];
            sum[2] += 1.0;
            sum[3] += f64::from(u8::from(rewards.iter().all(|reward| reward == &rewards[0])));
        }
    }
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
