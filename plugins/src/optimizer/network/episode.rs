//! Advantages along a rollout: generalised advantage estimation (Schulman et al. 2016, arXiv 1506.02438).

use isonomy_engine::rollout::Rollout;

/// How far ahead returns look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Horizon {
    /// What a reward counts one step later.
    pub(crate) discount: f32,
    /// From 0, one step and the critic, to 1, the whole return.
    pub(crate) lambda: f32,
}

/// `advantage[t] = Σ_k (γλ)^k δ[t+k]` with `δ[t] = r[t] + γ v[t+1] − v[t]`, `[horizon, rows]`.
///
/// The end of an episode is the end of what can be earned: nothing is expected after it. Where the rollout ends within an
/// episode, `next` (`[rows]`) is expected. `reward` and `value` are `[horizon, rows]`.
pub(crate) fn advantages(rollout: &Rollout, reward: &[f32], value: &[f32], next: &[f32], ahead: Horizon) -> Vec<f32> {
    let rows = rollout.rows();
    let mut advantage = vec![0.0; reward.len()];
    let mut following = next.to_vec();
    let mut sum = vec![0.0; rows];
    for t in (0..rollout.horizon).rev() {
        if rollout.truncated(t) {
            following.fill(0.0);
            sum.fill(0.0);
        }
        let here = t * rows..(t + 1) * rows;
        for (row, at) in here.enumerate() {
            let surprise = reward[at] + ahead.discount * following[row] - value[at];
            sum[row] = surprise + ahead.discount * ahead.lambda * sum[row];
            following[row] = value[at];
            advantage[at] = sum[row];
        }
    }
    advantage
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::two_groups;

    #[test]
    fn advantages_are_those_worked_out_by_hand() {
        // Episodes of three steps; the rollout ends one step into the second. Rows 1 and 2 copy row 0.
        let rollout = Rollout::new(&two_groups(2, 2, 3), 1, 4, 0, false);
        let each = |values: [f32; 4]| values.iter().flat_map(|&value| [value; 3]).collect::<Vec<_>>();
        let ahead = Horizon { discount: 0.5, lambda: 0.5 };
        let found = advantages(&rollout, &each([1.0, 2.0, 3.0, 4.0]), &each([0.5, 1.0, 1.5, 2.0]), &[6.0; 3], ahead);
        // δ = 1, 1.75, 1.5 and 4 + 3 − 2 = 5.
        let expected = [1.0 + 0.25 * (1.75 + 0.25 * 1.5), 1.75 + 0.25 * 1.5, 1.5, 5.0];
        assert_eq!(found, each(expected));
    }

    #[test]
    fn lambda_one_is_the_return_to_go_less_the_value() {
        let rollout = Rollout::new(&two_groups(2, 2, 3), 1, 3, 0, false);
        let reward: Vec<f32> = (0..9).map(|i| i as f32).collect();
        let value = vec![0.25; 9];
        let found = advantages(&rollout, &reward, &value, &[9.0; 3], Horizon { discount: 1.0, lambda: 1.0 });
        assert_eq!(&found[..3], &[0.0 + 3.0 + 6.0 - 0.25, 1.0 + 4.0 + 7.0 - 0.25, 2.0 + 5.0 + 8.0 - 0.25]);
    }
}
