//! What an update would do, read off the advantages of its batch.

use isonomy_engine::advantage::Responses;

/// What is told of a domain.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Domain {
    pub(super) prompts: usize,
    pub(super) responses: usize,
    /// Responses without a reward.
    pub(super) unscored: usize,
    pub(super) mean_reward: f64,
    /// Share of prompts all of whose advantages are 0.
    pub(super) silent: f64,
    /// Share of the responses of the batch.
    pub(super) share: f64,
    /// Share of the size of the update: of the sum of |A|, as tokens count.
    pub(super) weight: f64,
    /// Mean advantage of a token.
    pub(super) mean_advantage: f64,
    /// Mean size of it.
    pub(super) mean_size: f64,
    /// How the expected reward of a prompt changes with a small step, per unit of it.
    pub(super) reward_shift: f64,
    /// The same for the length; NaN where lengths are not known.
    pub(super) length_shift: f64,
    /// The same for the mean entropy.
    pub(super) entropy_shift: f64,
}

/// Of every domain. A policy that could raise the log-probability of each response by itself changes the expectation of x
/// over a prompt's responses by `mean of A_i (x_i − mean x)`, to first order.
pub(super) fn domains(batch: &Responses<'_>, count: usize, advantage: &[f64], token_weight: &[f64]) -> Vec<Domain> {
    let width = batch.width();
    let mut rows = vec![Domain::default(); count];
    let mut tokens = vec![0.0; count];
    let mut size = vec![0.0; count];
    let total: f64 = advantage.iter().zip(token_weight).map(|(a, weight)| a.abs() * weight).sum();
    let of_response = |response: usize| mean_over_tokens(batch, response, advantage);
    for members in batch.groups() {
        let domain = batch.domain[members.start] as usize;
        let row = &mut rows[domain];
        let own = members.start * width..members.end * width;
        row.prompts += 1;
        row.responses += members.len();
        row.silent += f64::from(u8::from(advantage[own.clone()].iter().all(|&a| a == 0.0)));
        for at in own {
            if batch.generated(at / width, at % width) {
                row.mean_advantage += advantage[at];
                row.mean_size += advantage[at].abs();
                tokens[domain] += 1.0;
            }
            size[domain] += advantage[at].abs() * token_weight[at];
        }
        let scored = members.clone().filter(|&response| !batch.reward[response].is_nan());
        row.unscored += members.len() - scored.clone().count();
        row.mean_reward += scored.map(|response| batch.reward[response]).sum::<f64>();
        row.reward_shift += shift(members.clone(), of_response, |response| batch.reward[response]);
        row.length_shift += shift(members.clone(), of_response, |response| {
            batch.length.get(response).map_or(f64::NAN, |&length| length.into())
        });
        row.entropy_shift +=
            shift(members, of_response, |response| batch.mean_entropy.get(response).copied().unwrap_or(f64::NAN));
    }
    let responses = batch.len() as f64;
    for ((row, tokens), size) in rows.iter_mut().zip(tokens).zip(size) {
        let prompts = row.prompts as f64;
        row.share = row.responses as f64 / responses;
        row.weight = if total > 0.0 { size / total } else { 0.0 };
        row.mean_reward /= (row.responses - row.unscored) as f64;
        row.mean_advantage /= tokens;
        row.mean_size /= tokens;
        for of_prompts in [&mut row.silent, &mut row.reward_shift, &mut row.length_shift, &mut row.entropy_shift] {
            *of_prompts /= prompts;
        }
        // Known of no response, as opposed to unknown of one.
        if batch.length.is_empty() {
            row.length_shift = f64::NAN;
        }
        if batch.mean_entropy.is_empty() {
            row.entropy_shift = f64::NAN;
        }
    }
    rows
}

fn mean_over_tokens(batch: &Responses<'_>, response: usize, advantage: &[f64]) -> f64 {
    let width = batch.width();
    let own = (0..width).filter(|&token| batch.generated(response, token));
    let count = own.clone().count().max(1) as f64;
    own.map(|token| advantage[response * width + token]).sum::<f64>() / count
}

/// `mean of A_i (x_i − mean x)` over the responses of which x is known.
fn shift(members: std::ops::Range<usize>, advantage: impl Fn(usize) -> f64, of: impl Fn(usize) -> f64) -> f64 {
    let known: Vec<usize> = members.filter(|&response| !of(response).is_nan()).collect();
    let n = known.len().max(1) as f64;
    let mean = known.iter().map(|&response| of(response)).sum::<f64>() / n;
    known.iter().map(|&response| advantage(response) * (of(response) - mean)).sum::<f64>() / n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_domains() {
        let batch = Responses {
            group: &[0, 0, 1, 1],
            domain: &[0, 0, 1, 1],
            reward: &[1.0, 0.0, 1.0, 1.0],
            length: &[10, 30, 5, 5],
            ..Default::default()
        };
        let rows = domains(&batch, 2, &[0.5, -0.5, 0.0, 0.0], &[0.25; 4]);
        assert_eq!((rows[0].silent, rows[1].silent, rows[0].weight, rows[1].share), (0.0, 1.0, 1.0, 0.5));
        assert_eq!((rows[0].reward_shift, rows[0].length_shift, rows[1].mean_reward), (0.25, -5.0, 1.0));
        assert!(rows[0].entropy_shift.is_nan() && rows[0].mean_size == 0.5);
    }
}
