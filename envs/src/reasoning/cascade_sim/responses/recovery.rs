//! Recent sample recovery: a batch has as many groups as it should, and what the filter kept beyond it waits for one step.
//!
//! What waits stands behind what is remembered of domains: how many groups do, how many responses ever did and were learned from,
//! then group by group its domain, difficulty and the skill that sampled it, and of every response length, entropy, answer and
//! whether it was cut short.

use super::super::parameters::{MOST_DOMAINS, Parameters};
use super::super::sampled::{Tally, choose};
use super::super::training::{Bill, Sample, Skill};
use super::{Columns, RIGHT, words};
use crate::reasoning::spread_evenly;
use std::cell::RefCell;
use std::ops::Range;

/// Numbers before the first group.
const COUNTS: usize = 2;

/// Numbers of a group, and of each of its responses.
const OF_GROUP: usize = 3;
const OF_RESPONSE: usize = 4;

/// Numbers that are kept of groups that wait.
pub(in super::super) fn room(parameters: &Parameters) -> usize {
    // Before the last round the batch was not full, and the last one adds as many groups as a batch has.
    let group = OF_GROUP + OF_RESPONSE * parameters.responses;
    if parameters.method.recovers() { COUNTS + (parameters.prompts - 1) * group } else { 0 }
}

/// Responses that have waited and were learned from; nothing where none ever waits.
pub(in super::super) fn recovered(parameters: &Parameters, memory: &[f64]) -> Option<f64> {
    let room = room(parameters);
    (room > 0).then(|| memory[memory.len() - room + 1])
}

thread_local! {
    /// A round, and the batch.
    static COLUMNS: RefCell<[Columns; 2]> = RefCell::default();
}

/// As [`sampled::sample`](super::super::sampled::sample). The last word says who waits. `plan` are shares and weights of domains.
pub(in super::super) fn sample(
    parameters: &Parameters,
    skills: &[Skill],
    plan: [&[f64]; 2],
    all_words: &[u32],
    waiting: &mut [f64],
    samples: &mut [Sample],
    bill: &mut Bill,
) {
    let (prompts, rounds, responses) = (parameters.prompts, parameters.method.rounds, parameters.responses);
    let [share, weight] = plan;
    let mut tallies = [Tally::default(); MOST_DOMAINS];
    let tallies = &mut tallies[..samples.len()];
    let (choices, rest) = all_words.split_at(prompts * rounds);
    let per_round = prompts * words(responses);
    let who_waits = rest[rounds * per_round];
    COLUMNS.with_borrow_mut(|[fresh, batch]| {
        let mut full = batch.take_back(parameters, skills, waiting);
        waiting[1] += (full * responses) as f64;
        let mut left = Vec::new();
        for (choices, words) in choices.chunks_exact(prompts).zip(rest.chunks_exact(per_round)) {
            let mut of_domain = [0; MOST_DOMAINS];
            choose(share, choices, &mut of_domain[..samples.len()]);
            fresh.draw(parameters, skills, &of_domain[..samples.len()], words);
            fresh.judge(parameters, parameters.method.filter.as_deref());
            fresh.count(tallies);
            bill.generated += (prompts * responses) as f64;
            let kept = fresh.keep.iter().step_by(responses).filter(|&&keep| keep).count();
            bill.dropped += ((prompts - kept) * responses) as f64;
            let room = prompts - full;
            let groups = fresh.groups().filter(|own| fresh.keep[own.start]);
            for (number, own) in groups.enumerate() {
                if spread_evenly(number, kept, room, who_waits) {
                    batch.append(fresh, own);
                } else {
                    left.push(own);
                }
            }
            full += kept.min(room);
            if full == prompts {
                break;
            }
        }
        fresh.put_aside(&left, waiting);
        batch.judge(parameters, None);
        batch.learn(parameters, skills, weight, tallies);
        for (sample, tally) in samples.iter_mut().zip(tallies) {
            *sample = tally.sample(full as f64, responses);
        }
    });
}

impl Columns {
    /// Begins a batch with the groups that wait, and returns how many do.
    fn take_back(&mut self, parameters: &Parameters, skills: &[Skill], waiting: &mut [f64]) -> usize {
        self.clear();
        let (counts, groups) = waiting.split_at_mut(COUNTS);
        let count = std::mem::take(&mut counts[0]) as usize;
        let groups = groups.chunks_exact(OF_GROUP + OF_RESPONSE * parameters.responses);
        for (number, group) in groups.take(count).enumerate() {
            let (of_group, responses) = group.split_at(OF_GROUP);
            let &[domain, difficulty, sampled_at] = of_group else { return number };
            let items = &parameters.domains[domain as usize].items;
            let then =
                items.chance(sampled_at, difficulty).pass * (1.0 - items.length.truncated(sampled_at, difficulty));
            let now = items.chance(skills[domain as usize].skill, difficulty);
            for response in responses.chunks_exact(OF_RESPONSE) {
                let &[length, entropy, answer, truncated] = response else { return number };
                let (passed, truncated) = (answer as u32 == RIGHT, truncated > 0.0);
                self.group.push(number as u32);
                self.domain.push(domain as u32);
                self.difficulty.push(difficulty);
                self.sampled_at.push(sampled_at);
                self.chance_of.push(now);
                self.chance.push(then);
                self.greedy.push(f64::from(u8::from(then > 0.5)));
                self.passed.push(passed);
                self.truncated.push(truncated);
                self.length.push(length as u32);
                self.entropy.push(entropy);
                self.answer.push(answer as u32);
                self.reward.push(f64::from(u8::from(passed && !truncated)));
            }
        }
        count
    }

    /// Adds a group of a round.
    fn append(&mut self, round: &Columns, own: Range<usize>) {
        let number = self.group.last().map_or(0, |last| last + 1);
        self.group.extend(own.clone().map(|_| number));
        self.domain.extend(&round.domain[own.clone()]);
        self.difficulty.extend(&round.difficulty[own.clone()]);
        self.sampled_at.extend(&round.sampled_at[own.clone()]);
        self.chance_of.extend(&round.chance_of[own.clone()]);
        self.chance.extend(&round.chance[own.clone()]);
        self.greedy.extend(&round.greedy[own.clone()]);
        self.passed.extend(&round.passed[own.clone()]);
        self.truncated.extend(&round.truncated[own.clone()]);
        self.length.extend(&round.length[own.clone()]);
        self.entropy.extend(&round.entropy[own.clone()]);
        self.answer.extend(&round.answer[own.clone()]);
        self.reward.extend(&round.reward[own]);
    }

    /// Lets groups of this round wait.
    fn put_aside(&self, groups: &[Range<usize>], waiting: &mut [f64]) {
        let (counts, places) = waiting.split_at_mut(COUNTS);
        counts[0] = groups.len() as f64;
        let mut places = places.iter_mut();
        let mut put = |number: f64| *places.next().expect("room for all that a last round adds") = number;
        for own in groups {
            let first = own.start;
            [f64::from(self.domain[first]), self.difficulty[first], self.sampled_at[first]]
                .into_iter()
                .for_each(&mut put);
            for row in own.clone() {
                let truncated = f64::from(u8::from(self.truncated[row]));
                [f64::from(self.length[row]), self.entropy[row], f64::from(self.answer[row]), truncated]
                    .into_iter()
                    .for_each(&mut put);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reasoning::cascade_sim::tests::{recovering, words};

    #[test]
    fn who_waits_comes_back_as_it_was_and_once() {
        let parameters = recovering().parameters();
        let skills = [0.3, -0.2, 0.1].map(|skill| Skill { skill, entropy: 0.7, ..Default::default() });
        let mut drawn = Columns::default();
        let noise = words(parameters.prompts * super::words(parameters.responses), 3);
        drawn.draw(&parameters, &skills, &[10, 10, 12], &noise);
        let groups: Vec<_> = drawn.groups().skip(4).step_by(5).collect();
        let mut waiting = vec![0.0; room(&parameters)];
        drawn.put_aside(&groups, &mut waiting);
        let mut back = Columns::default();
        assert_eq!(back.take_back(&parameters, &skills, &mut waiting), groups.len());
        let mut expected = Columns::default();
        groups.into_iter().for_each(|own| expected.append(&drawn, own));
        assert_eq!(back, expected);
        // What has come back waits no longer.
        assert_eq!(back.take_back(&parameters, &skills, &mut waiting), 0);
        // Under another skill its chances then and the skill that sampled it are the same, the gradient is not.
        let mut later = skills;
        later[0].skill += 0.5;
        drawn.put_aside(std::slice::from_ref(&(0..parameters.responses)), &mut waiting);
        back.take_back(&parameters, &later, &mut waiting);
        assert_eq!((back.chance[0], back.sampled_at[0]), (drawn.chance[0], 0.3));
        assert!(back.score(0) != drawn.score(0));
    }
}
