//! Worked numbers of every estimator.

use super::*;
use isonomy_engine::advantage::{Outcome, Scoring};

fn first_and_rest(first: f64, rest: f64) -> [f64; 4] {
    [first, rest, rest, rest]
}

fn odd_one_out(usual: f64, odd: f64) -> [f64; 4] {
    [usual, usual, odd, usual]
}

#[test]
fn standard_fixtures() {
    for (text, of_a, of_b) in [
        (r#"{"Rloo": ()}"#, [1.0, -0.333333], [0.333333, -1.0]),
        (r#"{"Grpo": ()}"#, [1.499997, -0.499999], [0.499999, -1.499997]),
        (r#"{"Grpo": (dialect: Trl)}"#, [1.499700, -0.499900], [0.499900, -1.499700]),
        (r#"{"Grpo": (dialect: Population)}"#, [1.732051, -0.577350], [0.577350, -1.732051]),
        (r#"{"DrGrpo": ()}"#, [0.75, -0.25], [0.25, -0.75]),
        (r#"{"Ngrpo": ()}"#, [1.095443, -0.730295], [0.447213, -1.788850]),
        (r#"{"Pshw": ()}"#, [2.076, -0.692], [0.564, -1.692]),
    ] {
        let estimator = estimator(text);
        near(&of_groups(&*estimator, &[A]), &first_and_rest(of_a[0], of_a[1]));
        near(&of_groups(&*estimator, &[B]), &odd_one_out(of_b[0], of_b[1]));
        // Groups do not touch each other.
        near(&of_groups(&*estimator, &[B, A])[4..], &first_and_rest(of_a[0], of_a[1]));
        assert_eq!(of_groups(&*estimator, &[D]), [0.0; 4], "{text}");
        if !text.contains("Ngrpo") {
            assert_eq!(of_groups(&*estimator, &[C]), [0.0; 4], "{text}");
        }
    }
    near(&of_groups(&*estimator(r#"{"Ngrpo": ()}"#), &[C]), &[-0.447213; 4]);
}

#[test]
fn a_group_of_one() {
    for (text, expected) in [
        (r#"{"Rloo": ()}"#, 0.0),
        (r#"{"Grpo": ()}"#, 0.999999),
        (r#"{"Grpo": (dialect: Trl)}"#, 0.0),
        (r#"{"Grpo": (dialect: Population)}"#, 0.0),
        (r#"{"DrGrpo": ()}"#, 0.0),
        (r#"{"GrpoPassK": ()}"#, 0.0),
        (r#"{"Hapo": ()}"#, 0.0),
        (r#"{"ReinforcePlusPlus": ()}"#, 0.0),
        (r#"{"Pshw": ()}"#, 0.0),
    ] {
        near(&of_groups(&*estimator(text), &[&[1.0]]), &[expected]);
    }
}

#[test]
fn statistics_of_the_whole_batch() {
    for (text, a, b) in [
        (r#"{"Grpo": (dialect: TrlBatch)}"#, [1.402859, -0.467620], [0.467620, -1.402859]),
        (r#"{"ReinforcePlusPlus": (group_baseline: true)}"#, [1.620185, -0.540062], [0.540062, -1.620185]),
        (r#"{"Gpg": ()}"#, [1.5, -0.5], [0.5, -1.5]),
    ] {
        let found = of_groups(&*estimator(text), &[A, B]);
        near(&found[..4], &first_and_rest(a[0], a[1]));
        near(&found[4..], &odd_one_out(b[0], b[1]));
    }
    assert_eq!(of_groups(&*estimator(r#"{"Gpg": ()}"#), &[C, C]), [0.0; 8]);
}

#[test]
fn returns_of_tokens() {
    let batch =
        Responses { group: &[0], reward: &[1.0], tokens: 3, token_reward: &[0.0, 0.0, 1.0], ..Default::default() };
    let discounted = estimator(r#"{"Reinforce": (discount: 0.9)}"#);
    near(&of_batch(&*discounted, &batch), &[0.81, 0.9, 1.0]);
    // The reward of the outcome stands on the last token that was generated.
    let outcome = Responses { token_reward: &[], mask: &[true, true, false], ..batch };
    near(&of_batch(&*discounted, &outcome), &[0.9, 1.0, 0.0]);
    let nothing = Responses { mask: &[false; 3], ..batch };
    assert_eq!(of_batch(&*discounted, &nothing), [0.0; 3]);
    let missing = Responses { reward: &[f64::NAN], ..batch };
    assert_eq!(of_batch(&*discounted, &missing), [0.0; 3]);
}

#[test]
fn reinforce_plus_plus_whitens_tokens() {
    let batch = Responses {
        group: &[0, 1],
        reward: &[1.0, 0.0],
        tokens: 3,
        token_reward: &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        mask: &[true, true, false, true, true, true],
        ..Default::default()
    };
    let found = of_batch(&*estimator(r#"{"ReinforcePlusPlus": ()}"#), &batch);
    near(&found, &[1.095445, 1.095445, 0.0, -0.730297, -0.730297, -0.730297]);
}

fn critic<'a>(truncated: &'a [bool], token_reward: &'a [f64]) -> Responses<'a> {
    Responses {
        group: &[0],
        reward: &[1.0],
        tokens: 3,
        token_reward,
        value: &[0.2, 0.4, 0.6],
        truncated,
        ..Default::default()
    }
}

#[test]
fn gae_with_a_critic() {
    let batch = critic(&[], &[0.0, 0.0, 1.0]);
    near(&of_batch(&*estimator(r#"{"Gae": ()}"#), &batch), &[0.751, 0.58, 0.4]);
    near(&of_batch(&*estimator(r#"{"Gae": (discount: 0.99, trace: 0.9)}"#), &batch), &[0.686406, 0.5504, 0.4]);
    near(&of_batch(&*estimator(r#"{"Gae": (whiten: true)}"#), &batch), &[0.991344, 0.017092, -1.008436]);
}

#[test]
fn truncated_is_not_terminated() {
    let unfinished = critic(&[true], &[0.0; 3]);
    near(&of_batch(&*estimator(r#"{"Egae": ()}"#), &unfinished), &[0.39, 0.2, 0.0]);
    let discounted = estimator(r#"{"Egae": (discount: 0.99, trace: 0.9)}"#);
    near(&of_batch(&*discounted, &unfinished), &[0.364091, 0.188654, -0.006]);
    // What comes of mistaking one for the other.
    near(&of_batch(&*estimator(r#"{"Gae": ()}"#), &unfinished), &[-0.1515, -0.37, -0.6]);
    let finished = critic(&[false], &[0.0, 0.0, 1.0]);
    near(&of_batch(&*estimator(r#"{"Egae": ()}"#), &finished), &[0.751, 0.58, 0.4]);
}

#[test]
fn baselines_of_other_kinds() {
    let greedy = Responses { group: &[0], reward: &[1.0], greedy_reward: &[0.25], ..Default::default() };
    near(&of_batch(&*estimator(r#"{"Remax": ()}"#), &greedy), &[0.75]);
    let lengths = Responses { group: &[0; 4], reward: A, length: &[2, 4, 3, 1], ..Default::default() };
    near(&of_batch(&*estimator(r#"{"Opo": ()}"#), &lengths), &first_and_rest(0.8, -0.2));
    let empty = Responses { length: &[0; 4], ..lengths };
    assert_eq!(of_batch(&*estimator(r#"{"Opo": ()}"#), &empty), [0.0; 4]);
    let rewards: &[f64] = &[0.9, 0.4, 0.1, 0.4];
    near(&of_groups(&*estimator(r#"{"GrpoPassK": ()}"#), &[rewards]), &first_and_rest(1.507552, 0.0));
}

#[test]
fn the_optimal_baseline_of_tokens() {
    // One token with π = .5 and Σπ² = .5 in both: weights are equal and the baseline is the mean.
    let half = [0.5_f64.ln(); 2];
    let batch = Responses {
        group: &[0, 0],
        reward: &[1.0, 0.0],
        old_log_prob: &half,
        sum_squares: &[0.5, 0.5],
        ..Default::default()
    };
    let baseline = estimator(r#"{"OptimalTokenBaseline": ()}"#);
    near(&of_batch(&*baseline, &batch), &[0.5, -0.5]);
    // π = .8: 1 − 1.6 + .68 = .08; π = .2: 1 − .4 + .68 = 1.28; baseline .08 / 1.36.
    let uneven = Responses { old_log_prob: &[0.8_f64.ln(), 0.2_f64.ln()], sum_squares: &[0.68; 2], ..batch };
    near(&of_batch(&*baseline, &uneven), &[1.0 - 0.08 / 1.36, -0.08 / 1.36]);
}

#[test]
fn gdpo_keeps_apart_what_a_sum_cancels() {
    let parts = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0];
    let batch = Responses { group: &[0; 4], reward: &[1.0, 0.5, 0.5, 0.0], parts: &parts, ..Default::default() };
    for (order, expected) in [
        ("Verl", [1.300962, -0.081677, -0.081677, -1.137609]),
        ("Trl", [1.300792, -0.081653, -0.081653, -1.137486]),
        ("SumFirst", [1.224445, 0.0, 0.0, -1.224445]),
    ] {
        let gdpo = estimator(&format!(r#"{{"Gdpo": (weights: [1, 0.5], order: {order})}}"#));
        near(&of_batch(&*gdpo, &batch), &expected);
    }
}

#[test]
fn copo_compares_prompts() {
    let batch = Responses {
        group: &[0, 0, 0, 0, 1, 1, 1, 1],
        reward: &[A, B].concat(),
        answer: &[7, 3, 3, 5, 2, 2, 9, 2],
        ..Default::default()
    };
    let found = of_batch(&*estimator(r#"{"Copo": ()}"#), &batch);
    near(&found[..4], &first_and_rest(0.906416, -0.555698));
    near(&found[4..], &odd_one_out(0.587564, -0.566828));
    near(&of_batch(&*estimator(r#"{"Copo": (mode: Global)}"#), &batch), &[[-0.707104; 4], [0.707104; 4]].concat());
    let grpo = of_batch(&*estimator(r#"{"Grpo": ()}"#), &batch);
    for mode in ["Local", "Fill", "BlendWhereZero"] {
        assert_eq!(of_batch(&*estimator(&format!(r#"{{"Copo": (mode: {mode})}}"#)), &batch), grpo, "{mode}");
    }
    assert_eq!(of_batch(&*estimator(r#"{"Copo": (mode: BlendAndFill)}"#), &batch), found);
}

#[test]
fn copo_fills_silent_groups() {
    let batch =
        Responses { group: &[0, 0, 1, 1], reward: &[1.0, 1.0, 0.0, 0.0], answer: &[1, 1, 2, 3], ..Default::default() };
    let global = of_batch(&*estimator(r#"{"Copo": (mode: Global)}"#), &batch);
    assert!(global[0] > 0.5 && global[2] < -0.5, "{global:?}");
    for mode in ["Fill", "BlendAndFill"] {
        assert_eq!(of_batch(&*estimator(&format!(r#"{{"Copo": (mode: {mode})}}"#)), &batch), global, "{mode}");
    }
    let alone = Responses { group: &[0, 0], reward: &[1.0, 1.0], answer: &[1, 1], ..Default::default() };
    assert_eq!(of_batch(&*estimator(r#"{"Copo": (mode: Global)}"#), &alone), [0.0; 2]);
}

#[test]
fn canon_compares_halves() {
    let metric = [0.9, 0.2, 0.5, 0.4];
    let batch = Responses {
        group: &[0; 4],
        reward: &[1.0, 0.0, 1.0, 1.0],
        mean_entropy: &metric,
        length: &[90, 20, 50, 40],
        ..Default::default()
    };
    for (fields, expected) in [
        ("metric: Entropy", [0.5, -1.0, 0.5, 0.0]),
        ("metric: Entropy, across: 0", [0.0, -0.5, 0.0, 0.5]),
        ("metric: Entropy, across: 0.5", [0.25, -0.75, 0.25, 0.25]),
        ("metric: Entropy, preference: 0.9", [0.55, -1.0, 0.55, -0.1]),
        ("metric: Length, preference: 0.9", [0.4, -0.9, 0.4, 0.1]),
    ] {
        near(&of_batch(&*estimator(&format!(r#"{{"Canon": ({fields})}}"#)), &batch), &expected);
    }
    let dr_grpo = of_batch(&*estimator(r#"{"DrGrpo": ()}"#), &batch);
    let constant = Responses { mean_entropy: &[0.4; 4], ..batch };
    assert_eq!(of_batch(&*estimator(r#"{"Canon": (metric: Entropy)}"#), &constant), dr_grpo);
}

#[test]
fn hapo_averages_over_tokens() {
    let batch = Responses {
        group: &[0, 0],
        reward: &[1.0, 0.0],
        tokens: 3,
        mask: &[true, true, false, true, true, true],
        ..Default::default()
    };
    let hapo = estimator(r#"{"Hapo": ()}"#);
    near(&of_batch(&*hapo, &batch), &[1.224742, 1.224742, 0.0, -0.816495, -0.816495, -0.816495]);
    // An outlier: one short success among long failures falls back to GRPO.
    let outlier = Responses { group: &[0; 2], reward: &[1.0, 0.0], length: &[1, 99], ..Default::default() };
    near(&of_batch(&*hapo, &outlier), &of_groups(&*estimator(r#"{"Grpo": ()}"#), &[&[1.0, 0.0]]));
}

#[test]
fn mopd_pulls_towards_the_teacher() {
    let ln = |p: [f64; 3]| p.map(f64::ln);
    let (teacher, student, sampler) = (ln([0.7, 0.2, 0.5]), ln([0.5, 0.4, 0.5]), ln([0.5, 0.1, 0.45]));
    let batch = Responses {
        group: &[0],
        reward: &[f64::NAN],
        tokens: 3,
        log_prob: &student,
        old_log_prob: &sampler,
        teacher_log_prob: &teacher,
        ..Default::default()
    };
    let found = of_batch(&*estimator(r#"{"Mopd": ()}"#), &batch);
    near(&found, &[0.336472, 0.0, 0.0]);
    let loss = -found.iter().zip(student).map(|(a, log_prob)| a * log_prob).sum::<f64>() / 3.0;
    near(&[loss], &[0.077742]);
    let same = Responses { teacher_log_prob: &student, ..batch };
    assert_eq!(of_batch(&*estimator(r#"{"Mopd": ()}"#), &same), [0.0; 3]);
}

/// For a student that passes with chance p and a teacher that does with q, the logit moves by
/// `p(1−p)(logit q − logit p)` on average.
#[test]
fn the_fixed_point_of_distillation_is_the_teacher() {
    let pull = |p: f64, q: f64| {
        let of = |passed: bool| {
            let [student, teacher] = [p, q].map(|p| if passed { p.ln() } else { (1.0 - p).ln() });
            let batch = Responses {
                group: &[0],
                reward: &[0.0],
                log_prob: &[student],
                old_log_prob: &[student],
                teacher_log_prob: &[teacher],
                ..Default::default()
            };
            of_batch(&*estimator(r#"{"Mopd": ()}"#), &batch)[0]
        };
        p * of(true) * (1.0 - p) + (1.0 - p) * of(false) * -p
    };
    near(&[pull(0.3, 0.8), pull(0.4, 0.4)], &[0.469054, 0.0]);
}

#[test]
fn segments_between_unsure_tokens() {
    let spo = estimator(r#"{"Spo": (every: 2)}"#);
    let probabilities = [0.99, 0.5, 0.95, 0.6, 0.3, 0.99, 0.8, 0.97].map(f64::ln);
    let batch = Responses {
        group: &[0],
        reward: &[1.0],
        chance: &[f64::NAN],
        tokens: 8,
        old_log_prob: &probabilities,
        value: &[0.25, 9.0, 9.0, 0.75, 9.0, 9.0, 9.0, 9.0],
        ..Default::default()
    };
    near(&of_batch(&*spo, &batch), &[0.0, 0.5, 0.0, 0.5, 0.25, 0.0, 0.25, 0.0]);
    let unsure_from_the_start = [0.5, 0.95, 0.6, 0.3].map(f64::ln);
    let batch = Responses {
        group: &[0],
        reward: &[0.0],
        chance: &[0.25],
        tokens: 4,
        old_log_prob: &unsure_from_the_start,
        value: &[9.0, 9.0, 0.5, 9.0],
        ..Default::default()
    };
    near(&of_batch(&*spo, &batch), &[0.25, 0.0, 0.25, -0.5]);
    let sure = Responses { old_log_prob: &[-0.01; 4], ..batch };
    assert_eq!(of_batch(&*spo, &sure), [0.0; 4]);
}

/// Trajectories 0, 1 and 2 begin where they see the same; trajectory 0 goes on for two more steps and succeeds.
#[test]
fn gigpo_compares_steps_at_the_same_place() {
    let mask = [true, true, true, true, false, false, true, false, false, true, false, false];
    let batch = Responses {
        group: &[0; 4],
        reward: A,
        tokens: 3,
        mask: &mask,
        observation: &[7, 1, 2, 7, 0, 0, 7, 0, 0, 3, 0, 0],
        ..Default::default()
    };
    let found = of_batch(&*estimator(r#"{"Gigpo": ()}"#), &batch);
    near(&[found[0], found[3], found[6]], &[1.351667, -0.550833, -0.550833]);
    near(&[found[1], found[9]], &[0.75, -0.25]);
    let scaled = of_batch(&*estimator(r#"{"Gigpo": (by_spread: true)}"#), &batch);
    near(&[scaled[0] - 1.499997, scaled[3] + 0.499999], &[1.154698, -0.577349]);
}

#[test]
fn srpo_adds_a_bonus_for_exact_responses() {
    let scores: &[f64] = &[1.0, 1.0, 1.0, 0.866, 0.707, 0.5, 0.5, 0.0, 0.0, 0.0];
    let expected =
        [1.483028, 1.483028, 1.483028, 0.530624, 0.158601, -0.325731, -0.325731, -1.495616, -1.495616, -1.495616];
    near(&of_groups(&*estimator(r#"{"Srpo": ()}"#), &[scores]), &expected);
    let rewards = [(0, false), (1, false), (2, false), (3, false), (4, false), (9, false), (2, true)];
    let rewards = rewards.map(|(matching, exact)| crate::advantage::prefix_reward(matching, exact));
    assert_eq!(rewards, [0.0, 0.5, 0.707, 0.866, 0.95, 0.95, 1.0]);
}

#[test]
fn seats_do_not_leak_into_each_other() {
    let batch = Responses {
        group: &[0; 9],
        reward: &[1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0, 1.0, 1.0],
        seat: &[0, 0, 0, 0, 0, 1, 1, 1, 1],
        ..Default::default()
    };
    let found = of_batch(&*estimator(r#"{"Mars": ()}"#), &batch);
    near(&found, &[1.2, 1.2, -0.8, -0.8, -0.8, -1.0, -1.0, 1.0, 1.0]);
    let unique = of_batch(&*estimator(r#"{"Mars": (unique: true)}"#), &batch);
    near(&unique[..5], &[1.0, 1.0, -1.0, -1.0, -1.0]);
    let alone = Responses { group: &[0], reward: &[3.0], seat: &[0], ..Default::default() };
    assert_eq!(of_batch(&*estimator(r#"{"Mars": ()}"#), &alone), [0.0]);
    let teams =
        Responses { group: &[0; 4], reward: &[1.0, 0.5, -0.5, -1.0], seat: &[0, 0, 1, 1], ..Default::default() };
    near(&of_batch(&*estimator(r#"{"TeamBaseline": ()}"#), &teams), &[0.25, -0.25, 0.25, -0.25]);
}

/// `Σ_k C(G,k) p^k (1−p)^(G−k)` of a function of the number of successes.
fn over_successes(group: usize, p: f64, of: impl Fn(usize) -> f64) -> f64 {
    let mut chance = (1.0 - p).powi(group as i32);
    let mut sum = 0.0;
    for k in 0..=group {
        sum += chance * of(k);
        chance *= (group - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
    }
    sum
}

/// The expected gradient of the logit of a Bernoulli response with chance `p` of success.
fn expected_gradient(estimator: &dyn AdvantageEstimator, group: usize, p: f64) -> f64 {
    let scoring = Scoring { estimator, shaper: None, filter: None, domain: 0, chance: p };
    let outcomes = scoring.by_successes(group);
    over_successes(group, p, |k| {
        let Outcome { failure, success, .. } = outcomes[k];
        let (k, n) = (k as f64, group as f64);
        (k * success * (1.0 - p) - (n - k) * failure * p) / n
    })
}

#[test]
fn expected_gradients_in_groups_of_eight() {
    let chances = [0.05, 0.25, 0.5, 0.75, 0.95];
    for (text, expected) in [
        (r#"{"DrGrpo": ()}"#, [0.041562, 0.164062, 0.218750, 0.164062, 0.041563]),
        (r#"{"Grpo": ()}"#, [0.109883, 0.355360, 0.433951, 0.355360, 0.109883]),
        (r#"{"Ngrpo": ()}"#, [0.095640, 0.338111, 0.441952, 0.374765, 0.117937]),
        (r#"{"GrpoPassK": ()}"#, [0.093822, 0.070790, 0.005524, 0.000032, 0.000000]),
        (r#"{"Pshw": ()}"#, [0.118769, 0.443625, 0.549500, 0.380625, 0.090041]),
    ] {
        near(&chances.map(|p| expected_gradient(&*estimator(text), 8, p)), &expected);
    }
    for group in [1, 2, 5, 16] {
        let slopes = chances.map(|p| p * (1.0 - p));
        near(&chances.map(|p| expected_gradient(&*estimator(r#"{"Reinforce": ()}"#), group, p)), &slopes);
        if group > 1 {
            near(&chances.map(|p| expected_gradient(&*estimator(r#"{"Rloo": ()}"#), group, p)), &slopes);
        }
    }
    let limit = estimator(r#"{"Grpo": (dialect: Limit)}"#);
    near(&chances.map(|p| expected_gradient(&*limit, 8, p)), &chances.map(|p| (p * (1.0 - p)).sqrt()));
}

#[test]
fn grpo_given_a_mixed_group() {
    let grpo = estimator(r#"{"Grpo": ()}"#);
    let given = |p: f64| expected_gradient(&*grpo, 8, p) / (1.0 - p.powi(8) - (1.0 - p).powi(8));
    near(&[0.05, 0.25, 0.5].map(given), &[0.326470, 0.394901, 0.437368]);
}

/// NGRPO never has a group in which failing teaches nothing, and yet it learns more slowly where success is rare.
#[test]
fn ngrpo_is_slower_than_grpo_on_hard_prompts() {
    let gradient = |text: &str| expected_gradient(&*estimator(text), 8, 0.05);
    assert!(gradient(r#"{"Ngrpo": ()}"#) < gradient(r#"{"Grpo": ()}"#));
}

#[test]
fn learning_curves_have_their_closed_form() {
    // dx/dt = expected gradient, from x0 to p = .8, by steps of 1e-3.
    let time = |text: &str, x0: f64| {
        let estimator = estimator(text);
        let (mut x, mut steps) = (x0, 0);
        while 1.0 / (1.0 + (-x).exp()) < 0.8 {
            x += 1e-3 * expected_gradient(&*estimator, 2, 1.0 / (1.0 + (-x).exp()));
            steps += 1;
        }
        f64::from(steps) * 1e-3
    };
    close(&[time(r#"{"Rloo": ()}"#, -2.0)], &[17.777], 2e-3);
    close(&[time(r#"{"Grpo": (dialect: Limit)}"#, -2.0)], &[7.701], 2e-3);
}
