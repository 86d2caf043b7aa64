//! Groups drawn by their successes: a word for the prompt's difficulty, one for how many responses pass uncut, one for how
//! many of the others passed but were cut short.

use super::parameters::{GroupSums, Parameters};
use super::sampled::Tally;
use super::training::Skill;
use crate::reasoning::numbers::{
    NONE, SIDE_BY_SIDE, Side, binomial, binomials, normal_above, normal_quantile, sigmoid, unit,
};
use multiversion::multiversion;

/// Words of noise per prompt, without the one that chooses its domain.
pub(super) fn words(parameters: &Parameters) -> usize {
    usize::from(spreads(parameters)) + 1 + usize::from(cuts(parameters))
}

/// Whether difficulties differ in any domain.
pub(super) fn spreads(parameters: &Parameters) -> bool {
    parameters.domains.iter().any(|domain| domain.items.spread > 0.0)
}

/// Whether responses may be cut short in any domain.
fn cuts(parameters: &Parameters) -> bool {
    parameters.domains.iter().any(|domain| domain.items.length.limit.is_finite())
}

/// A domain at its present skill.
#[derive(Clone, Copy)]
struct Now {
    skill: f32,
    difficulty: f32,
    spread: f32,
    discrimination: f32,
    guessing: f32,
    /// `(ln limit − mean) / spread` and `slope / spread` of lengths.
    cut: [f32; 2],
    can_be_cut: bool,
}

impl Now {
    fn of(parameters: &Parameters, domain: usize, skill: f64) -> Self {
        let items = &parameters.domains[domain].items;
        let (length, can_be_cut) = (items.length, items.length.limit.is_finite());
        let cut = [(length.limit - length.mean) / length.spread, length.slope / length.spread];
        Now {
            skill: skill as f32,
            difficulty: items.difficulty as f32,
            spread: items.spread as f32,
            discrimination: items.discrimination as f32,
            guessing: items.guessing as f32,
            cut: if can_be_cut { cut.map(|part| part as f32) } else { [0.0; 2] },
            can_be_cut,
        }
    }

    /// How far the skill is ahead of a prompt whose difficulty is so many deviations above the mean.
    #[inline(always)]
    fn ahead(&self, deviations: f32) -> f32 {
        self.skill - (self.difficulty + self.spread * deviations)
    }

    /// `s`, the chance to pass, and the chance not to be cut short.
    #[inline(always)]
    fn chances(&self, ahead: f32) -> [f32; 3] {
        let s = sigmoid(self.discrimination * ahead);
        let whole = if self.can_be_cut { 1.0 - normal_above(self.cut[0] + self.cut[1] * ahead) } else { 1.0 };
        [s, self.guessing + (1.0 - self.guessing) * s, whole]
    }
}

/// Accuracy of a domain with this skill, in single precision.
pub(super) fn accuracy(parameters: &Parameters, domain: usize, skill: f64) -> f64 {
    average(&Now::of(parameters, domain, skill), &parameters.nodes)
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn average(now: &Now, nodes: &[[f64; 2]]) -> f64 {
    let mut sum = NONE;
    for (sum, &[node, weight]) in sum.iter_mut().zip(nodes) {
        let [_, chance, whole] = now.chances(now.ahead(node as f32));
        *sum = weight as f32 * chance * whole;
    }
    sum.iter().map(|&part| f64::from(part)).sum()
}

/// Adds a round of prompts, `of_domain` of each, to the tallies. Words stand kind by kind.
pub(super) fn sample(
    parameters: &Parameters,
    skills: &[Skill],
    of_domain: &[usize],
    words: &[u32],
    tallies: &mut [Tally],
) {
    let prompts = parameters.prompts;
    let (passes, rest) = words.split_at(prompts);
    // Who does not look at a word is given another.
    let (difficulty, rest) = if spreads(parameters) { rest.split_at(prompts) } else { (passes, rest) };
    let cut = if cuts(parameters) { &rest[..prompts] } else { passes };
    let mut first = 0;
    for (domain, (&count, tally)) in of_domain.iter().zip(tallies).enumerate() {
        let own = first..first + count;
        first = own.end;
        if count == 0 {
            continue;
        }
        let now = Now::of(parameters, domain, skills[domain].skill);
        let most = parameters.responses;
        let words = [&difficulty[own.clone()], &passes[own.clone()], &cut[own]];
        let sums = draw(&now, &parameters.sums[domain], most, words);
        let items = &parameters.domains[domain].items;
        tally.prompts += count as f64;
        tally.gradient += sums[0];
        tally.passed += sums[1];
        tally.silent += sums[2];
        tally.kept += sums[3];
        tally.length += count as f64 * items.length.expected(skills[domain].skill, items.difficulty);
    }
}

/// Sums over prompts: gradient, responses that pass, silent groups, kept groups. Words are of difficulty, of passing, of
/// being cut short.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn draw(now: &Now, group: &GroupSums, most: usize, words: [&[u32]; 3]) -> [f64; 4] {
    let mut sums = [NONE; 4];
    for first in (0..words[0].len()).step_by(SIDE_BY_SIDE) {
        let len = (words[0].len() - first).min(SIDE_BY_SIDE);
        let mut counts = NONE;
        counts[..len].fill(1.0);
        let chunk = words.map(|words| match words[first..].first_chunk() {
            Some(whole) => *whole,
            None => {
                let mut part = [0; SIDE_BY_SIDE];
                part[..len].copy_from_slice(&words[first..]);
                part
            }
        });
        let found = prompts(now, group, most, &chunk);
        for (sum, found) in sums.iter_mut().zip(&found) {
            for j in 0..SIDE_BY_SIDE {
                sum[j] += counts[j] * found[j];
            }
        }
    }
    sums.map(|sums| sums.iter().map(|&sum| f64::from(sum)).sum())
}

/// Sixteen prompts and their groups of `most` responses.
#[inline(always)]
fn prompts(now: &Now, group: &GroupSums, most: usize, words: &[[u32; SIDE_BY_SIDE]; 3]) -> [Side; 4] {
    let (mut ahead, mut s, mut chance, mut whole) = (NONE, NONE, NONE, NONE);
    if now.spread > 0.0 {
        for j in 0..SIDE_BY_SIDE {
            ahead[j] = normal_quantile(unit(words[0][j]));
        }
    }
    for j in 0..SIDE_BY_SIDE {
        ahead[j] = now.ahead(ahead[j]);
        [s[j], chance[j], whole[j]] = now.chances(ahead[j]);
    }
    let all = [most as f32; SIDE_BY_SIDE];
    let (mut p, mut u) = (NONE, NONE);
    for j in 0..SIDE_BY_SIDE {
        (p[j], u[j]) = (chance[j] * whole[j], unit(words[1][j]));
    }
    let passed = binomial(most, &p, &u);
    // A response that passed but was cut short has the gradient of passing and the reward of failing.
    let (mut rest, mut lost) = (NONE, NONE);
    for j in 0..SIDE_BY_SIDE {
        rest[j] = all[j] - passed[j];
    }
    if now.can_be_cut {
        for j in 0..SIDE_BY_SIDE {
            p[j] = (chance[j] * (1.0 - whole[j]) / (1.0 - p[j]).max(1e-9)).min(1.0);
            u[j] = unit(words[2][j]);
        }
        lost = binomials(&rest, &p, &u, most);
    }
    let mut found = [NONE; 4];
    for j in 0..SIDE_BY_SIDE {
        // Next to 2²³ a whole number stands in the low bits.
        let at = (passed[j] + 8_388_608.0).to_bits() as usize & 127;
        let up = (1.0 - now.guessing) * now.discrimination * s[j] * (1.0 - s[j]) / chance[j];
        let down = -now.discrimination * s[j];
        found[0][j] = group.success[at] * up + group.failure[at] * (lost[j] * up + (rest[j] - lost[j]) * down);
        found[1][j] = passed[j];
        found[2][j] = 2.0 - passed[j].min(1.0) - rest[j].min(1.0);
        found[3][j] = group.kept[at];
    }
    found
}
