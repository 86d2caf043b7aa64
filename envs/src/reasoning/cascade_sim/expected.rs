//! Expectations in place of samples: every number of successes, weighed by its chance.

use super::parameters::{MOST_DOMAINS, Parameters};
use super::training::{Bill, Sample, Skill};
use isonomy_engine::advantage::Outcome;

/// What a step of sampling says about every domain, on average.
pub(super) fn sample(
    parameters: &Parameters,
    skills: &[Skill],
    share: &[f64],
    samples: &mut [Sample],
    bill: &mut Bill,
) {
    let (mut kept, mut all_kept) = ([0.0; MOST_DOMAINS], 0.0);
    let responses = (parameters.prompts * parameters.responses) as f64;
    for (domain, sample) in samples.iter_mut().enumerate() {
        let items = &parameters.domains[domain].items;
        let chance = items.average(skills[domain].skill);
        let known = parameters.outcomes.get(domain);
        let made = if known.is_some() { Default::default() } else { parameters.outcomes_at(domain, chance.pass) };
        let group = of_group(known.unwrap_or(&made), [chance.pass, chance.up, chance.down]);
        kept[domain] = group.kept;
        all_kept += share[domain] * group.kept;
        *sample = Sample {
            share: share[domain],
            gradient: if group.kept > 0.0 { group.gradient / group.kept } else { 0.0 },
            silent: group.silent,
            length: items.length.expected(skills[domain].skill, items.difficulty),
            passed: responses * share[domain] * chance.pass,
            failed: responses * share[domain] * (1.0 - chance.pass),
        };
    }
    // Groups that are dropped are replaced, whatever their domain.
    for (sample, kept) in samples.iter_mut().zip(kept) {
        sample.share = if all_kept > 0.0 { sample.share * kept / all_kept } else { 0.0 };
        sample.gradient *= sample.share;
    }
    let drawn = if all_kept > 0.0 { (1.0 / all_kept).min(parameters.method.rounds as f64) } else { 1.0 };
    bill.generated += drawn * responses;
    bill.dropped += drawn * (1.0 - all_kept) * responses;
}

/// Expectations over one group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Group {
    /// Of the mean of `A · ∇ ln P`, where a group that is dropped counts 0.
    pub(super) gradient: f64,
    /// Chance that the group is learned from.
    pub(super) kept: f64,
    /// Chance that all responses pass or all fail.
    pub(super) silent: f64,
}

/// Enumerates the successes of a group; `chance` is to pass, then the gradients of passing and failing.
pub(super) fn of_group(outcomes: &[Outcome], [pass, up, down]: [f64; 3]) -> Group {
    let responses = outcomes.len() - 1;
    let (mut group, mut total) = (Group::default(), 0.0);
    let mut add = |successes: usize, chance: f64| {
        let (s, f) = (successes as f64, (responses - successes) as f64);
        let Outcome { success, failure, kept } = outcomes[successes];
        total += chance;
        if kept {
            group.kept += chance;
            group.gradient += chance * (s * success * up + f * failure * down) / responses as f64;
        }
        if s == 0.0 || f == 0.0 {
            group.silent += chance;
        }
    };
    // Relative to the likeliest number, so that nothing that matters vanishes in a large group.
    let likeliest = (pass * (responses + 1) as f64) as usize;
    let likeliest = likeliest.min(responses);
    let odds = pass / (1.0 - pass);
    add(likeliest, 1.0);
    let mut chance = 1.0;
    for k in likeliest..responses {
        chance *= (responses - k) as f64 / (k + 1) as f64 * odds;
        add(k + 1, chance);
    }
    chance = 1.0;
    for k in (0..likeliest).rev() {
        chance *= (k + 1) as f64 / (responses - k) as f64 / odds;
        add(k, chance);
    }
    group.gradient /= total;
    group.kept /= total;
    group.silent /= total;
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reward minus the group's mean: Dr. GRPO.
    fn centred(responses: usize) -> Vec<Outcome> {
        let outcome = |k: usize| {
            let mean = k as f64 / responses as f64;
            Outcome { failure: -mean, success: 1.0 - mean, kept: true }
        };
        (0..=responses).map(outcome).collect()
    }

    #[test]
    fn the_gradient_of_centred_rewards() {
        for p in [1e-9, 0.05, 0.3, 0.5, 0.9, 1.0 - 1e-9] {
            let group = of_group(&centred(8), [p, 1.0 - p, -p]);
            assert!((group.gradient - p * (1.0 - p) * 7.0 / 8.0).abs() < 1e-12, "{p}: {group:?}");
            assert!((group.kept - 1.0).abs() < 1e-12);
            assert!((group.silent - p.powi(8) - (1.0 - p).powi(8)).abs() < 1e-12);
        }
    }

    #[test]
    fn large_groups_do_not_vanish() {
        let group = of_group(&centred(4096), [0.5, 0.5, -0.5]);
        assert!((group.gradient - 0.25 * 4095.0 / 4096.0).abs() < 1e-9, "{group:?}");
    }
}
