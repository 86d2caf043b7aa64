//! One step of training: what is sampled, what it weighs, what it changes.

use super::parameters::{MOST_DOMAINS, Parameters};
use super::responses::recovery;
use super::{counts, expected, sampled};
use isonomy_engine::advantage::Progress;
use isonomy_engine::reexport::bevy_ecs::prelude::Component;
use isonomy_engine::reexport::bytemuck::{Pod, Zeroable};

/// What changes of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Component, Pod, Zeroable)]
#[bytemuck(crate = "::isonomy_engine::reexport::bytemuck")]
#[repr(C)]
pub struct Skill {
    /// The skill itself, in logits.
    pub skill: f64,
    /// Entropy of the policy.
    pub entropy: f64,
    /// Accuracy, as far as those who share out training know it.
    pub accuracy: f64,
    /// The best accuracy when domains were judged.
    pub best: f64,
    /// Share of what was sampled in the last step.
    pub share: f64,
    /// Factor on advantages in the last step.
    pub weight: f64,
    /// Share of groups in the last step whose responses all passed or all failed.
    pub silent: f64,
    /// Mean length of responses in the last step.
    pub length: f64,
}

/// What is counted of a whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Component, Pod, Zeroable)]
#[bytemuck(crate = "::isonomy_engine::reexport::bytemuck")]
#[repr(C)]
pub struct Bill {
    /// Responses that were generated.
    pub generated: f64,
    /// Of them, those of groups that were thrown away.
    pub dropped: f64,
    /// Factors on advantages that would have been below 0.
    pub negative_weights: f64,
    /// Accuracies that were too small for a welfare function.
    pub floored: f64,
}

/// The state of one lane.
pub struct Lane<'a> {
    /// `[domains]`
    pub skills: &'a mut [Skill],
    /// What sampler and weights remember, the sampler's first; then the groups that wait.
    pub memory: &'a mut [f64],
    /// One row.
    pub bill: &'a mut Bill,
}

/// What a step of sampling says about every domain.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Share of the prompts that were learned from.
    pub share: f64,
    /// `share · mean of A · ∇ ln P`, before weights: what the domain adds to an update at rate 1.
    pub gradient: f64,
    /// Share of silent groups.
    pub silent: f64,
    /// Mean length.
    pub length: f64,
    /// Responses that passed, and that did not.
    pub passed: f64,
    /// The others.
    pub failed: f64,
}

impl Lane<'_> {
    /// Sets everything to what it is before training.
    pub fn start(&mut self, parameters: &Parameters) {
        for (index, (skill, domain)) in self.skills.iter_mut().zip(&parameters.domains).enumerate() {
            *skill = Skill {
                skill: domain.reference,
                entropy: domain.entropy,
                accuracy: parameters.before[index],
                best: 0.0,
                share: domain.share,
                weight: 1.0,
                silent: 0.0,
                length: domain.items.length.expected(domain.reference, domain.items.difficulty),
            };
        }
        let [of_sampler, of_weights, waiting] = self.memories(parameters);
        waiting.fill(0.0);
        parameters.sampler.start(of_sampler);
        if let Some(weights) = &parameters.method.weights {
            weights.start(of_weights);
        }
        *self.bill = Bill::default();
    }

    /// What the sampler and what the weights remember, and the groups that wait.
    fn memories(&mut self, parameters: &Parameters) -> [&mut [f64]; 3] {
        let [sampler, weights] = parameters.memory().map(|per_domain| per_domain * parameters.domains.len());
        let (of_sampler, rest) = self.memory.split_at_mut(sampler);
        let (of_weights, waiting) = rest.split_at_mut(weights);
        [of_sampler, of_weights, waiting]
    }

    /// Makes a step. `bid` is what every domain asks for, as an index of what it can ask for.
    pub fn step(&mut self, parameters: &Parameters, elapsed: u32, bid: &[u32], words: &[u32]) {
        let domains = parameters.domains.len();
        let (mut share, mut weight) = ([0.0; MOST_DOMAINS], [1.0; MOST_DOMAINS]);
        let (share, weight) = (&mut share[..domains], &mut weight[..domains]);
        self.plan(parameters, elapsed, bid, share, weight);
        let mut samples = [Sample::default(); MOST_DOMAINS];
        let samples = &mut samples[..domains];
        if parameters.expected {
            expected::sample(parameters, self.skills, share, samples, self.bill);
        } else if parameters.method.recovers() {
            let waiting = parameters.domains.len() * parameters.memory().iter().sum::<usize>();
            let waiting = &mut self.memory[waiting..];
            recovery::sample(parameters, self.skills, [share, weight], words, waiting, samples, self.bill);
        } else {
            sampled::sample(parameters, self.skills, share, weight, words, samples, self.bill);
        }
        self.hear(parameters, samples);
        self.learn(parameters, samples, weight);
        self.judge(parameters, elapsed, samples);
    }

    /// Decides what is sampled, and how much it counts.
    fn plan(&mut self, parameters: &Parameters, elapsed: u32, bid: &[u32], share: &mut [f64], weight: &mut [f64]) {
        let mut known = [[0.0; MOST_DOMAINS]; 4];
        let [accuracy, best, data, before] = known.each_mut().map(|row| &mut row[..share.len()]);
        for (index, skill) in self.skills.iter().enumerate() {
            (accuracy[index], before[index]) = (skill.accuracy, skill.share);
            best[index] = skill.best.max(skill.accuracy);
            data[index] = parameters.domains[index].share;
        }
        let [of_sampler, of_weights, _] = self.memories(parameters);
        let progress = Progress { step: elapsed, accuracy, best, data, sampled: before };
        parameters.sampler.share(&progress, of_sampler, share);
        apply_bids(&parameters.bids, bid, share);
        if let Some(weights) = &parameters.method.weights {
            let repairs = weights.weigh(&Progress { sampled: share, ..progress }, of_weights, weight);
            self.bill.negative_weights += f64::from(repairs.negative);
            self.bill.floored += f64::from(repairs.floored);
        }
    }

    /// Tells the sampler how many responses passed.
    fn hear(&mut self, parameters: &Parameters, samples: &[Sample]) {
        let (mut passed, mut failed) = ([0.0; MOST_DOMAINS], [0.0; MOST_DOMAINS]);
        for (index, sample) in samples.iter().enumerate() {
            (passed[index], failed[index]) = (sample.passed, sample.failed);
        }
        let [of_sampler, ..] = self.memories(parameters);
        parameters.sampler.hear(&passed[..samples.len()], &failed[..samples.len()], of_sampler);
    }

    /// Moves skills and entropies by what was sampled.
    fn learn(&mut self, parameters: &Parameters, samples: &[Sample], weight: &[f64]) {
        let domains = parameters.domains.len();
        let (mut own, mut forget) = ([0.0; MOST_DOMAINS], [0.0; MOST_DOMAINS]);
        for (index, (sample, domain)) in samples.iter().zip(&parameters.domains).enumerate() {
            let skill = &mut self.skills[index];
            skill.weight = weight[index];
            let plasticity =
                if parameters.plasticity { (skill.entropy / domain.entropy_reference).min(1.0) } else { 1.0 };
            own[index] = parameters.rate * plasticity * skill.weight * sample.gradient;
            for (forget, rate) in forget.iter_mut().zip(&parameters.forgetting[index * domains..][..domains]) {
                *forget += sample.share * rate;
            }
        }
        for (index, (skill, domain)) in self.skills.iter_mut().zip(&parameters.domains).enumerate() {
            let transferred: f64 =
                (0..domains).map(|from| own[from] * parameters.transfer[from * domains + index]).sum();
            let away = skill.skill - domain.reference;
            let pull = if parameters.kl > 0.0 {
                let p = domain.items.average(skill.skill).pass;
                let stiffness = domain.items.discrimination.powi(2) * p * (1.0 - p);
                parameters.rate * parameters.kl * samples[index].share * stiffness
            } else {
                0.0
            };
            skill.skill = (skill.skill + transferred - (forget[index] + pull) * away).min(domain.ceiling);
            if parameters.plasticity {
                skill.entropy *= (-domain.entropy_decay * own[index].abs()).exp();
            }
        }
    }

    /// Writes down how domains do now.
    fn judge(&mut self, parameters: &Parameters, elapsed: u32, samples: &[Sample]) {
        let judged = parameters.sampler.judges(elapsed + 1);
        for (index, (skill, sample)) in self.skills.iter_mut().zip(samples).enumerate() {
            (skill.share, skill.silent) = (sample.share, sample.silent);
            if sample.length > 0.0 {
                skill.length = sample.length;
            }
            let responses = sample.passed + sample.failed;
            if parameters.expected {
                skill.accuracy = parameters.accuracy(index, skill.skill);
            } else if responses > 0.0 {
                let rate = sample.passed / responses;
                skill.accuracy = parameters.momentum * skill.accuracy + (1.0 - parameters.momentum) * rate;
            }
            if judged {
                let sampled = || counts::accuracy(parameters, index, skill.skill);
                let now = if parameters.expected { skill.accuracy } else { sampled() };
                skill.best = skill.best.max(now);
            }
        }
    }
}

/// Multiplies shares by what domains ask for.
fn apply_bids(bids: &[f64], bid: &[u32], share: &mut [f64]) {
    let asked = |bid: &u32| bids[(*bid as usize).min(bids.len() - 1)];
    let first = bid.first().map_or(1.0, asked);
    if bid.iter().all(|bid| asked(bid) == first) {
        return;
    }
    share.iter_mut().zip(bid).for_each(|(share, bid)| *share *= asked(bid));
    let sum: f64 = share.iter().sum();
    share.iter_mut().for_each(|share| *share /= sum);
}
