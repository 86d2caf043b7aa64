//! Users who want different things: a mixture of reward models, learned from which of two responses each user prefers, and
//! the group that is served worst. MaxMin-RLHF, arXiv 2402.08925 (2024), stage 1 and the choice of stage 2.

/// What a Bradley–Terry model makes of one user's choices, given by how much more it rewards what was preferred:
/// `Σ ln σ(margin)`.
pub fn log_likelihood(margins: &[f64]) -> f64 {
    margins.iter().map(|margin| -(-margin).exp().ln_1p()).sum()
}

/// The model that explains each user best, of log-likelihoods `[users][models]`; the first of equals. A model that nobody
/// is left for gets the user who is explained worst, of those who are not alone with theirs.
pub fn assign(likelihood: &[Vec<f64>]) -> Vec<usize> {
    let models = likelihood.first().map_or(0, Vec::len);
    let best = |of: &Vec<f64>| (0..models).fold(0, |best, model| if of[model] > of[best] { model } else { best });
    let mut of_user: Vec<usize> = likelihood.iter().map(best).collect();
    for model in 0..models {
        if of_user.contains(&model) {
            continue;
        }
        let shared = |&user: &usize| of_user.iter().filter(|other| **other == of_user[user]).count() > 1;
        let worst = |a: &usize, b: &usize| likelihood[*a][of_user[*a]].total_cmp(&likelihood[*b][of_user[*b]]);
        if let Some(user) = (0..of_user.len()).filter(shared).min_by(worst) {
            of_user[user] = model;
        }
    }
    of_user
}

/// Linear reward models, and who they are for.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    /// Weights of the features, `[models][features]`.
    pub weights: Vec<Vec<f64>>,
    /// The model of each user.
    pub of_user: Vec<usize>,
    /// Log-likelihood of all choices under the models of those who made them.
    pub likelihood: f64,
    /// Turns that were made.
    pub turns: usize,
}

/// Learns linear reward models by turns: users go to the model that explains them best, models are fitted to their users.
///
/// `choices` is `[users][pairs][features]`: features of the preferred response minus those of the other. `start` are the
/// weights to begin with, one per model. `ridge` pulls weights to zero; it must be positive, because choices that
/// never contradict each other have no finite best weights. The penalised likelihood never falls except where an empty model is
/// given a user, so the turns end: when nobody moves, or after `most`.
pub fn mixture(choices: &[Vec<Vec<f64>>], start: &[Vec<f64>], ridge: f64, most: usize) -> Mixture {
    assert!(ridge > 0.0);
    let mut weights = start.to_vec();
    let likelihood = |weights: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let of = |user: &Vec<Vec<f64>>, weights: &Vec<f64>| {
            log_likelihood(&user.iter().map(|pair| dot(weights, pair)).collect::<Vec<_>>())
        };
        choices.iter().map(|user| weights.iter().map(|weights| of(user, weights)).collect()).collect()
    };
    let mut of_user = Vec::new();
    let mut turns = 0;
    while turns < most {
        let next = assign(&likelihood(&weights));
        if next == of_user {
            break;
        }
        (of_user, turns) = (next, turns + 1);
        for (model, weights) in weights.iter_mut().enumerate() {
            let mine = choices.iter().zip(&of_user).filter(|(_, of)| **of == model);
            let pairs: Vec<&Vec<f64>> = mine.flat_map(|(user, _)| user).collect();
            fit(&pairs, ridge, weights);
        }
    }
    let likelihood = likelihood(&weights);
    let likelihood = of_user.iter().zip(&likelihood).map(|(model, of)| of[*model]).sum();
    Mixture { weights, of_user, likelihood, turns }
}

/// The group to be served next: the one whose mean reward is lowest; the first of equals.
pub fn worst_served(mean_reward: &[f64]) -> Option<usize> {
    (0..mean_reward.len()).min_by(|a, b| mean_reward[*a].total_cmp(&mean_reward[*b]))
}

/// Weights that maximise `Σ ln σ(w·x) − ridge/2 |w|²`, by ascent with the step that the curvature allows everywhere.
fn fit(pairs: &[&Vec<f64>], ridge: f64, weights: &mut [f64]) {
    // The curvature of ln σ is at most 1/4.
    let step = 1.0 / (ridge + pairs.iter().map(|pair| dot(pair, pair)).sum::<f64>() / 4.0);
    for _ in 0..10_000 {
        let mut gradient: Vec<f64> = weights.iter().map(|weight| -ridge * weight).collect();
        for pair in pairs {
            let doubt = 1.0 / (1.0 + dot(weights, pair).exp());
            gradient.iter_mut().zip(*pair).for_each(|(gradient, x)| *gradient += doubt * x);
        }
        weights.iter_mut().zip(&gradient).for_each(|(weight, gradient)| *weight += step * gradient);
        if gradient.iter().all(|gradient| gradient.abs() < 1e-9) {
            break;
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_go_to_the_model_that_explains_them() {
        let (first, second) = ([[1.0, 0.5, -0.2], [-0.4, -1.0, 0.3]], [[-0.3, 0.2, 0.1], [0.8, 0.6, -0.1]]);
        let likelihood: Vec<Vec<f64>> =
            (0..2).map(|user| vec![log_likelihood(&first[user]), log_likelihood(&second[user])]).collect();
        let expected = [[-1.585478, -2.096891], [-2.780632, -1.552985]];
        for (found, expected) in likelihood.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
        assert_eq!(assign(&likelihood), [0, 1]);
        assert_eq!(assign(&[vec![-1.0, -1.0], vec![-2.0, -3.0]]), [0, 1], "the empty model gets the worst explained");
        assert_eq!(assign(&[vec![-1.0, -1.0]]), [0], "nobody is taken from where nobody would be left");
        assert_eq!(assign(&[]), [0; 0]);
    }

    /// Two kinds of users: one likes the first feature, the other likes the second and dislikes the first.
    #[test]
    fn planted_tastes_are_found() {
        let taste = |user: usize| if user < 6 { [1.0, 0.0] } else { [-0.5, 1.0] };
        let choices: Vec<Vec<Vec<f64>>> = (0..10)
            .map(|user| {
                let pair = |k: usize| {
                    let angle = 0.7 * (user * 20 + k) as f64;
                    let x = vec![angle.cos(), angle.sin()];
                    if dot(&taste(user), &x) < 0.0 { x.iter().map(|x| -x).collect() } else { x }
                };
                (0..20).map(pair).collect()
            })
            .collect();
        let found = mixture(&choices, &[vec![0.1, 0.0], vec![0.0, 0.1]], 0.1, 50);
        assert_eq!(found.of_user, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
        assert!(found.turns < 50);
        for (weights, taste) in found.weights.iter().zip([taste(0), taste(9)]) {
            let cosine = dot(weights, &taste) / (dot(weights, weights) * dot(&taste, &taste)).sqrt();
            assert!(cosine > 0.98, "{weights:?} is not {taste:?}");
        }
        let all = mixture(&choices, &[vec![0.1, 0.1]], 0.1, 50);
        assert!(all.likelihood < found.likelihood - 20.0, "one model for all explains less");
        assert_eq!(worst_served(&[0.3, -0.2, -0.2]), Some(1));
    }
}
