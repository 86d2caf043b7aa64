//! ReAd: the advantage of a joint action as a sum over agents, each given the actions of those before, and the policy that
//! such an advantage asks for. arXiv 2405.14314 (2024); Peng et al., arXiv 1910.00177 (2019), for the regression.

/// `π(a) ∝ μ(a) exp(A(a)/temperature)`: the behaviour policy, weighed by advantages.
pub fn weighted_policy(behaviour: &[f64], advantage: &[f64], temperature: f64) -> Vec<f64> {
    let most = advantage.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let power = |(chance, advantage): (&f64, &f64)| chance * ((advantage - most) / temperature).exp();
    let powers: Vec<f64> = behaviour.iter().zip(advantage).map(power).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// Advantages of the agents of a joint action, `A_i(a_i | a_1 … a_{i−1})`, which sum to `Q(a) − V`.
///
/// `q` holds the value of every joint action, the last agent's action counting fastest; `policies` the chances of each
/// agent's actions.
pub fn decompose(q: &[f64], policies: &[Vec<f64>], action: &[usize]) -> Vec<f64> {
    // Values given the actions of the first agents, from all of them to none.
    let mut given = vec![q.to_vec()];
    for policy in policies.iter().rev() {
        let expected = |values: &[f64]| values.iter().zip(policy).map(|(value, chance)| value * chance).sum();
        let last = &given[given.len() - 1];
        given.push(last.chunks_exact(policy.len()).map(expected).collect());
    }
    given.reverse();
    let mut at = 0;
    let mut advantages = Vec::new();
    for (agent, policy) in policies.iter().enumerate() {
        let next = at * policy.len() + action[agent];
        advantages.push(given[agent + 1][next] - given[agent][at]);
        at = next;
    }
    advantages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_weighed_by_advantages() {
        let found = weighted_policy(&[0.5, 0.3, 0.2], &[0.3, -0.1, 0.0], 0.5);
        for (found, expected) in found.iter().zip([0.671537, 0.181045, 0.147419]) {
            assert!((found - expected).abs() < 2e-6, "{found}, not {expected}");
        }
    }

    #[test]
    fn parts_sum_to_the_whole() {
        let q: Vec<f64> = (0..12).map(|at| f64::from(at * at % 7)).collect();
        let policies = [vec![0.4, 0.6], vec![0.2, 0.5, 0.3], vec![0.9, 0.1]];
        let joint = |action: [usize; 3]| action[0] * 6 + action[1] * 2 + action[2];
        let chance = |action: [usize; 3]| (0..3).map(|agent| policies[agent][action[agent]]).product::<f64>();
        let all = || (0..12).map(|at| [at / 6, at / 2 % 3, at % 2]);
        let value: f64 = all().map(|action| chance(action) * q[joint(action)]).sum();
        for action in all() {
            let sum: f64 = decompose(&q, &policies, &action).iter().sum();
            assert!((sum - (q[joint(action)] - value)).abs() < 1e-12);
        }
    }
}
