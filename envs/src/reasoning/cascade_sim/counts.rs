//! Groups drawn by their successes: a word for the prompt's difficulty, one for how many responses pass uncut, one for how
//! many of the others passed but were cut short.

use super::numbers::{INVERSE, binomial, normal_above, normal_quantile, sigmoid, unit};
use super::parameters::Parameters;
use super::sampled::{LARGEST_GROUP, Tally};
use super::training::Skill;
use multiversion::multiversion;

/// Words of noise per prompt, the one that chooses its domain included.
pub(super) const WORDS: usize = 4;

/// Prompts that are drawn side by side.
const SIDE_BY_SIDE: usize = 16;

/// What a domain's groups are worth by their successes, and what decides those.
struct Block {
    responses: usize,
    skill: f32,
    difficulty: f32,
    spread: f32,
    discrimination: f32,
    guessing: f32,
    /// `(ln limit − mean) / spread` and `slope / spread` of lengths.
    cut: [f32; 2],
    can_be_cut: bool,
    /// Mean advantage over the group's responses, from those that pass: `k · A / G`.
    success: [f32; LARGEST_GROUP + 1],
    /// The advantage of one that does not pass, over G.
    failure: [f32; LARGEST_GROUP + 1],
    kept: [f32; LARGEST_GROUP + 1],
}

impl Block {
    fn new(parameters: &Parameters, domain: usize, skill: f64) -> Self {
        let items = &parameters.domains[domain].items;
        let mut block = Block {
            responses: parameters.responses,
            skill: skill as f32,
            difficulty: items.difficulty as f32,
            spread: items.spread as f32,
            discrimination: items.discrimination as f32,
            guessing: items.guessing as f32,
            cut: [0.0; 2],
            can_be_cut: items.length.limit.is_finite(),
            success: [0.0; LARGEST_GROUP + 1],
            failure: [0.0; LARGEST_GROUP + 1],
            kept: [0.0; LARGEST_GROUP + 1],
        };
        if block.can_be_cut {
            let length = items.length;
            block.cut = [(length.limit - length.mean) / length.spread, length.slope / length.spread].map(|x| x as f32);
        }
        let group = parameters.responses as f64;
        for (k, outcome) in parameters.outcomes[domain].iter().enumerate() {
            if outcome.kept {
                block.success[k] = (k as f64 * outcome.success / group) as f32;
                block.failure[k] = (outcome.failure / group) as f32;
                block.kept[k] = 1.0;
            }
        }
        block
    }
}

/// Adds a round of prompts, `of_domain` of each, to the tallies. Words stand kind by kind.
pub(super) fn sample(
    parameters: &Parameters,
    skills: &[Skill],
    of_domain: &[usize],
    words: &[u32],
    tallies: &mut [Tally],
) {
    let (difficulty, rest) = words.split_at(parameters.prompts);
    let (passes, cuts) = rest.split_at(parameters.prompts);
    let mut first = 0;
    for (domain, (&prompts, tally)) in of_domain.iter().zip(tallies).enumerate() {
        let own = first..first + prompts;
        first = own.end;
        if prompts == 0 {
            continue;
        }
        let block = Block::new(parameters, domain, skills[domain].skill);
        let sums = draw(&block, &difficulty[own.clone()], &passes[own.clone()], &cuts[own]);
        let length = &parameters.domains[domain].items;
        tally.prompts += prompts as f64;
        tally.gradient += sums[0];
        tally.passed += sums[1];
        tally.silent += sums[2];
        tally.kept += sums[3];
        tally.length += prompts as f64 * length.length.expected(skills[domain].skill, length.difficulty);
    }
}

/// Sums over prompts: gradient, responses that pass, silent groups, kept groups.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn draw(block: &Block, difficulty: &[u32], passes: &[u32], cuts: &[u32]) -> [f64; 4] {
    let mut sums = [[0.0_f32; SIDE_BY_SIDE]; 4];
    for ((difficulty, passes), cuts) in
        difficulty.chunks(SIDE_BY_SIDE).zip(passes.chunks(SIDE_BY_SIDE)).zip(cuts.chunks(SIDE_BY_SIDE))
    {
        let mut words = [[0_u32; SIDE_BY_SIDE]; 3];
        let mut counts = [0.0_f32; SIDE_BY_SIDE];
        let len = difficulty.len();
        words[0][..len].copy_from_slice(difficulty);
        words[1][..len].copy_from_slice(passes);
        words[2][..len].copy_from_slice(cuts);
        counts[..len].fill(1.0);
        for j in 0..SIDE_BY_SIDE {
            let [gradient, passed, silent, kept] = prompt(block, words[0][j], words[1][j], words[2][j]);
            sums[0][j] += counts[j] * gradient;
            sums[1][j] += counts[j] * passed;
            sums[2][j] += counts[j] * silent;
            sums[3][j] += counts[j] * kept;
        }
    }
    sums.map(|sums| sums.iter().map(|&sum| f64::from(sum)).sum())
}

/// One prompt and its group.
#[inline(always)]
fn prompt(block: &Block, difficulty: u32, pass: u32, cut: u32) -> [f32; 4] {
    let (most, responses) = (block.responses, block.responses as f32);
    let ahead = block.skill - (block.difficulty + block.spread * normal_quantile(unit(difficulty)));
    let s = sigmoid(block.discrimination * ahead);
    let chance = block.guessing + (1.0 - block.guessing) * s;
    let kept_whole = if block.can_be_cut { 1.0 - normal_above(block.cut[0] + block.cut[1] * ahead) } else { 1.0 };
    let passed = binomial(responses, chance * kept_whole, unit(pass), most, &INVERSE);
    // A response that passed but was cut short has the gradient of passing and the reward of failing.
    let rest = responses - passed;
    let lost = if block.can_be_cut {
        let share = chance * (1.0 - kept_whole) / (1.0 - chance * kept_whole).max(1e-9);
        binomial(rest, share.min(1.0), unit(cut), most, &INVERSE)
    } else {
        0.0
    };
    let at = passed as usize & 127;
    let at = if at > LARGEST_GROUP { 0 } else { at };
    let up = (1.0 - block.guessing) * block.discrimination * s * (1.0 - s) / chance;
    let down = -block.discrimination * s;
    let gradient = block.success[at] * up + block.failure[at] * (lost * up + (rest - lost) * down);
    let silent = if passed == 0.0 || passed == responses { 1.0 } else { 0.0 };
    [gradient, passed, silent, block.kept[at]]
}
