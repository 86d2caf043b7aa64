//! Groups drawn response by response: whether each passes, its length, its entropy and its answer.

use super::item::Chance;
use super::parameters::{DomainParameters, Parameters};
use super::sampled::Tally;
use super::training::Skill;
use crate::reasoning::numbers::{normal_quantile, unit};
use isonomy_engine::advantage::{GroupFilter, Responses, Surrogate};
use std::cell::RefCell;
use std::ops::Range;

pub(super) mod recovery;

/// Words of noise per prompt, without the one that chooses its domain: its difficulty, and four per response.
pub(super) fn words(responses: usize) -> usize {
    1 + 4 * responses
}

/// The columns of a round, `[prompts · responses]`, kept from step to step.
#[derive(Debug, Default, PartialEq)]
struct Columns {
    group: Vec<u32>,
    domain: Vec<u32>,
    chance_of: Vec<Chance>,
    /// The skill at which it was sampled.
    sampled_at: Vec<f64>,
    difficulty: Vec<f64>,
    passed: Vec<bool>,
    chance: Vec<f64>,
    reward: Vec<f64>,
    greedy: Vec<f64>,
    shaped: Vec<f64>,
    length: Vec<u32>,
    truncated: Vec<bool>,
    entropy: Vec<f64>,
    answer: Vec<u32>,
    keep: Vec<bool>,
    advantage: Vec<f64>,
}

thread_local! {
    static COLUMNS: RefCell<Columns> = RefCell::default();
}

/// Adds a round of prompts, `of_domain` of each, to the tallies. Words stand prompt by prompt.
pub(super) fn sample(
    parameters: &Parameters,
    skills: &[Skill],
    weight: &[f64],
    of_domain: &[usize],
    words_of_all: &[u32],
    tallies: &mut [Tally],
) {
    COLUMNS.with_borrow_mut(|columns| {
        columns.draw(parameters, skills, of_domain, words_of_all);
        columns.judge(parameters, parameters.method.filter.as_deref());
        columns.count(tallies);
        columns.learn(parameters, skills, weight, tallies);
    });
}

/// The answer of a response that passes; wrong ones are numbered from 1.
const RIGHT: u32 = 0;

impl Columns {
    fn clear(&mut self) {
        self.group.clear();
        self.domain.clear();
        self.chance_of.clear();
        self.sampled_at.clear();
        self.difficulty.clear();
        self.passed.clear();
        self.chance.clear();
        self.reward.clear();
        self.greedy.clear();
        self.length.clear();
        self.truncated.clear();
        self.entropy.clear();
        self.answer.clear();
    }

    fn draw(&mut self, parameters: &Parameters, skills: &[Skill], of_domain: &[usize], all_words: &[u32]) {
        self.clear();
        let domains = of_domain.iter().enumerate().flat_map(|(domain, &count)| std::iter::repeat_n(domain, count));
        let per_prompt = words(parameters.responses);
        for (group, (domain, words)) in domains.zip(all_words.chunks_exact(per_prompt)).enumerate() {
            let (of, skill) = (&parameters.domains[domain], &skills[domain]);
            let difficulty = of.items.difficulty + of.items.spread * f64::from(normal_quantile(unit(words[0])));
            let chance = of.items.chance(skill.skill, difficulty);
            let whole = 1.0 - of.items.length.truncated(skill.skill, difficulty);
            for words in words[1..].chunks_exact(4) {
                self.group.push(group as u32);
                self.domain.push(domain as u32);
                self.chance_of.push(chance);
                self.sampled_at.push(skill.skill);
                self.difficulty.push(difficulty);
                self.chance.push(chance.pass * whole);
                // Without exploring the likelier outcome comes out.
                self.greedy.push(f64::from(u8::from(chance.pass * whole > 0.5)));
                self.respond(of, skill, chance, difficulty, words);
            }
        }
    }

    fn respond(&mut self, of: &DomainParameters, skill: &Skill, chance: Chance, difficulty: f64, words: &[u32]) {
        let passed = f64::from(words[0]) < chance.pass * 4_294_967_296.0;
        let normal = |word: u32| f64::from(normal_quantile(unit(word)));
        let lengths = &of.items.length;
        let logarithm = lengths.mean + lengths.slope * (difficulty - skill.skill) + lengths.spread * normal(words[1]);
        let truncated = logarithm > lengths.limit;
        let link = of.entropy_link * (if passed { 0.5 } else { -0.5 });
        self.passed.push(passed);
        self.truncated.push(truncated);
        self.length.push(logarithm.min(lengths.limit).exp().round().clamp(1.0, 1e9) as u32);
        self.entropy.push(skill.entropy * (link + 0.2 * normal(words[2])).exp());
        let wrong = 1 + ((u64::from(words[3]) * u64::from(of.wrong_answers)) >> 32) as u32;
        self.answer.push(if passed { RIGHT } else { wrong });
        self.reward.push(f64::from(u8::from(passed && !truncated)));
    }

    /// Shapes rewards, drops groups and makes advantages.
    fn judge(&mut self, parameters: &Parameters, filter: Option<&dyn GroupFilter>) {
        let method = &parameters.method;
        self.shaped.clear();
        self.shaped.extend(&self.reward);
        let plain = Responses {
            group: &self.group,
            domain: &self.domain,
            reward: &self.reward,
            greedy_reward: &self.greedy,
            chance: &self.chance,
            length: &self.length,
            truncated: &self.truncated,
            answer: &self.answer,
            mean_entropy: &self.entropy,
            ..Default::default()
        };
        if let Some(shaper) = &method.shaper {
            shaper.shape(&plain, &mut self.shaped);
        }
        let batch = Responses { reward: &self.shaped, ..plain };
        self.keep.clear();
        self.keep.resize(batch.len(), true);
        if let Some(filter) = filter {
            filter.keep(&batch, &mut self.keep);
        }
        self.advantage.clear();
        self.advantage.resize(batch.len(), 0.0);
        method.estimator.estimate(&batch, &mut self.advantage);
        for (advantage, &keep) in self.advantage.iter_mut().zip(&self.keep) {
            *advantage = if keep { *advantage } else { 0.0 };
        }
    }

    /// The responses of every group.
    fn groups(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut first = 0;
        self.group.chunk_by(|a, b| a == b).map(move |members| {
            first += members.len();
            first - members.len()..first
        })
    }

    /// Adds what came out.
    fn count(&self, tallies: &mut [Tally]) {
        for own in self.groups() {
            let tally = &mut tallies[self.domain[own.start] as usize];
            let (passed, group) = (self.reward[own.clone()].iter().sum::<f64>(), own.len() as f64);
            tally.prompts += 1.0;
            tally.passed += passed;
            tally.silent += f64::from(u8::from(passed == 0.0 || passed == group));
            tally.length += self.length[own].iter().map(|&length| f64::from(length)).sum::<f64>() / group;
        }
    }

    /// Adds what is learned from it.
    fn learn(&self, parameters: &Parameters, skills: &[Skill], weight: &[f64], tallies: &mut [Tally]) {
        for own in self.groups() {
            let tally = &mut tallies[self.domain[own.start] as usize];
            tally.kept += f64::from(u8::from(self.keep[own.start]));
            if parameters.method.loss.is_none() {
                let (of, group) = (|i: usize| self.advantage[i] * self.score(i), own.len() as f64);
                tally.gradient += own.map(of).sum::<f64>() / group;
            }
        }
        if parameters.method.loss.is_some() {
            self.descend(parameters, skills, weight, tallies);
        }
    }

    /// Gradient of the log-probability of what came out.
    fn score(&self, response: usize) -> f64 {
        if self.passed[response] { self.chance_of[response].up } else { self.chance_of[response].down }
    }

    /// Log-probability of a token of a response at a skill, and the gradient of the whole.
    fn log_prob(&self, parameters: &Parameters, row: usize, skill: f64) -> (f64, f64) {
        let items = &parameters.domains[self.domain[row] as usize].items;
        let chance = items.chance(skill, self.difficulty[row]);
        let passed = self.passed[row];
        let log = if passed { chance.pass.ln() } else { (1.0 - chance.pass).max(1e-300).ln() };
        (log / f64::from(self.length[row]), if passed { chance.up } else { chance.down })
    }

    /// Several steps down the surrogate with the same responses; the tallies get the sum of all steps.
    ///
    /// A token's log-ratio is that of the whole response, divided by its length. Domains move by their own gradients
    /// between the steps; transfer and forgetting follow at the end.
    fn descend(&self, parameters: &Parameters, skills: &[Skill], weight: &[f64], tallies: &mut [Tally]) {
        let Some(loss) = &parameters.method.loss else { return };
        let kept: f64 = tallies.iter().map(|tally| tally.kept).sum();
        let rows = self.group.len();
        let mut skill: Vec<f64> = skills.iter().map(|skill| skill.skill).collect();
        let (mut old, mut new) = (vec![0.0; rows], vec![0.0; rows]);
        let (mut value, mut slope) = (vec![0.0; rows], vec![0.0; rows]);
        for step in 0..parameters.method.inner_steps {
            let mut gradient = vec![0.0; skill.len()];
            let mut scores = vec![0.0; rows];
            for row in 0..rows {
                let now = skill[self.domain[row] as usize];
                (new[row], scores[row]) = self.log_prob(parameters, row, now);
                if step == 0 {
                    let then = self.sampled_at[row];
                    old[row] = if then == now { new[row] } else { self.log_prob(parameters, row, then).0 };
                }
            }
            let batch = Surrogate {
                tokens: 1,
                log_prob: &new,
                old_log_prob: &old,
                advantage: &self.advantage,
                ..Default::default()
            };
            loss.loss(&batch, &mut value, &mut slope);
            for row in 0..rows {
                gradient[self.domain[row] as usize] -= slope[row] * scores[row] / parameters.responses as f64;
            }
            for (domain, gradient) in gradient.into_iter().enumerate() {
                tallies[domain].gradient += gradient;
                if kept > 0.0 {
                    skill[domain] += parameters.rate * weight[domain] * gradient / kept;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reasoning::cascade_sim::item::{Items, Lengths};
    use isonomy_engine::noise::{Key, Phase, Purpose};

    /// Responses of one domain to many prompts, all of the difficulty that makes half of them pass.
    fn drawn() -> Columns {
        let length = Lengths { mean: 4.0, slope: 0.15, spread: 0.4, limit: 100_f64.ln() };
        let items = Items { difficulty: 0.0, spread: 0.0, discrimination: 1.0, guessing: 0.0, length };
        let of = DomainParameters {
            share: 1.0,
            items,
            reference: 0.0,
            ceiling: f64::INFINITY,
            entropy: 1.0,
            entropy_reference: 1.0,
            entropy_decay: 0.0,
            entropy_link: 0.5,
            wrong_answers: 4,
        };
        let skill = Skill { entropy: 1.0, ..Default::default() };
        let mut words = vec![0; 4 * 40_000];
        Key::new(5, Phase::Training, Purpose::Transition).fill(0, 0, &mut words);
        let mut columns = Columns::default();
        words.chunks_exact(4).for_each(|words| columns.respond(&of, &skill, items.average(0.0), 0.0, words));
        columns
    }

    fn share(of: impl ExactSizeIterator<Item = bool>) -> f64 {
        let count = of.len() as f64;
        of.filter(|&holds| holds).count() as f64 / count
    }

    #[test]
    fn responses_pass_are_cut_short_and_agree_by_chance() {
        let columns = drawn();
        for (found, expected) in [
            (share(columns.passed.iter().copied()), 0.5),
            (share(columns.truncated.iter().copied()), 0.065149),
            (share(columns.reward.iter().map(|&reward| reward == 1.0)), 0.467425),
            // Two answers agree with chance p² + (1−p)²/K.
            (share(columns.answer.chunks_exact(2).map(|pair| pair[0] == pair[1])), 0.3125),
        ] {
            assert!((found - expected).abs() < 0.012, "{found}, not {expected}");
        }
    }

    #[test]
    fn a_response_that_passes_has_more_entropy_where_they_are_linked() {
        let columns = drawn();
        let mean = |passed: bool| {
            let of: Vec<f64> = columns
                .entropy
                .iter()
                .zip(&columns.passed)
                .filter(|(_, own)| **own == passed)
                .map(|(h, _)| h.ln())
                .collect();
            of.iter().sum::<f64>() / of.len() as f64
        };
        assert!((mean(true) - mean(false) - 0.5).abs() < 0.01);
        assert!(columns.length.iter().all(|&length| (1..=100).contains(&length)));
    }
}
