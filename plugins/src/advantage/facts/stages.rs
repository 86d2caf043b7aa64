//! Worked numbers of losses, aggregators, divergences, shapers, filters, modifiers and weights.

use super::*;
use crate::advantage::loss::HapoClip;
use crate::advantage::modifier::{normalised_entropy, temperatures};
use crate::advantage::shaper::Overlong;
use isonomy_engine::advantage::{
    AdvantageModifier, DomainWeight, GroupFilter, KlEstimator, LossAggregator, PolicyLoss, Progress, Repairs,
    RewardShaper, Surrogate,
};

const MASK: [bool; 6] = [true, true, true, true, true, false];

/// Loss and slope on two responses of three tokens, the last of which was not generated.
fn of_loss(text: &str) -> [Vec<f64>; 2] {
    let loss: Box<dyn PolicyLoss> = ron::from_str(text).unwrap();
    let old = [0.5, 0.4, 0.25, 0.3, 0.6, 0.2].map(f64::ln);
    let new = [0.65, 0.4, 0.2, 0.21, 0.66, 0.2].map(f64::ln);
    let advantage = [1.0, 1.0, 1.0, -1.0, -1.0, -1.0];
    let batch = Surrogate {
        tokens: 3,
        mask: &MASK,
        log_prob: &new,
        old_log_prob: &old,
        advantage: &advantage,
        normalised_entropy: &[],
    };
    let (mut value, mut slope) = (vec![f64::NAN; 6], vec![f64::NAN; 6]);
    loss.loss(&batch, &mut value, &mut slope);
    [value, slope]
}

fn total(aggregator: &str, loss: &[f64]) -> f64 {
    let aggregator: Box<dyn LossAggregator> = ron::from_str(aggregator).unwrap();
    let mut weight = vec![f64::NAN; loss.len()];
    aggregator.weigh(3, &MASK, &mut weight);
    loss.iter().zip(weight).map(|(loss, weight)| loss * weight).sum()
}

const TOKEN_MEAN: &str = r#"{"TokenMean": ()}"#;
const SEQUENCE_MEAN: &str = r#"{"SeqMeanTokenMean": ()}"#;

#[test]
fn ppo_and_its_clips() {
    let [loss, slope] = of_loss(r#"{"Ppo": ()}"#);
    near(&loss, &[-1.2, -1.0, -0.8, 0.8, 1.1, 0.0]);
    near(&slope, &[0.0, -1.0, -0.8, 0.0, 1.1, 0.0]);
    near(&[of_loss(r#"{"Ppo": (high: 0.28)}"#)[0][0]], &[-1.28]);
    let [ngrpo, _] = of_loss(r#"{"Ppo": (low: 0.16, high: 0.24)}"#);
    near(&[ngrpo[0], ngrpo[3], total(TOKEN_MEAN, &ngrpo)], &[-1.24, 0.84, -0.22]);
}

/// Loss and slope of one token.
fn of_token(text: &str, ratio: f64, advantage: f64) -> [f64; 2] {
    let loss: Box<dyn PolicyLoss> = ron::from_str(text).unwrap();
    let (mut value, mut slope) = ([f64::NAN], [f64::NAN]);
    let batch = Surrogate {
        tokens: 1,
        log_prob: &[ratio.ln()],
        old_log_prob: &[0.0],
        advantage: &[advantage],
        ..Default::default()
    };
    loss.loss(&batch, &mut value, &mut slope);
    [value[0], slope[0]]
}

#[test]
fn a_dual_clip_bounds_what_a_bad_token_costs() {
    near(&of_token(r#"{"Ppo": ()}"#, 5.0, -1.0), &[5.0, 5.0]);
    near(&of_token(r#"{"Ppo": (dual: Some(3))}"#, 5.0, -1.0), &[3.0, 0.0]);
    near(&of_token(r#"{"Ppo": (dual: Some(3))}"#, 2.0, -1.0), &[2.0, 2.0]);
}

#[test]
fn losses_of_sequences() {
    let [gspo, slope] = of_loss(r#"{"Gspo": ()}"#);
    near(&gspo, &[-1.0004, -1.0004, -1.0004, 0.9997, 0.9997, 0.0]);
    assert_eq!(slope, [0.0; 6], "both responses are clipped");
    near(&[total(SEQUENCE_MEAN, &gspo)], &[-0.000350]);
    let [wide, slope] = of_loss(r#"{"Gspo": (low: 0.5, high: 0.5)}"#);
    near(&[-wide[0], wide[3]], &[1.013159, 0.877496]);
    assert_eq!(slope, wide);
    let [gmpo, _] = of_loss(r#"{"Gmpo": ()}"#);
    near(&[-gmpo[0], gmpo[3], total(SEQUENCE_MEAN, &gmpo)], &[1.013159, 0.877496, -0.067831]);
    let [narrow, slope] = of_loss(r#"{"Gmpo": (range: 0.2)}"#);
    near(&[-narrow[0], narrow[3]], &[0.992315, 0.949001]);
    assert_eq!((slope[0], slope[3]), (0.0, 0.0), "what is clipped has no slope");
}

#[test]
fn losses_without_a_hard_clip() {
    let [cispo, slope] = of_loss(r#"{"Cispo": ()}"#);
    near(&cispo, &[0.551402, 0.916291, 1.287550, -1.092453, -0.457067, 0.0]);
    near(&slope, &[-1.28, -1.0, -0.8, 0.7, 1.1, 0.0]);
    near(&[total(TOKEN_MEAN, &cispo)], &[0.241145]);
    let [sapo, _] = of_loss(r#"{"Sapo": ()}"#);
    near(&sapo, &[-2.297770, -2.0, -1.800664, 1.607218, 2.004670, 0.0]);
    let [_, slope] = of_loss(r#"{"DppoTv": ()}"#);
    near(&slope, &[-1.3, -1.0, -0.8, 0.7, 1.1, 0.0]);
    let [_, slope] = of_loss(r#"{"DppoTv": (low: 0.05, high: 0.1)}"#);
    near(&slope, &[0.0, -1.0, -0.8, 0.0, 1.1, 0.0]);
}

#[test]
fn covariances_choose_tokens() {
    // Advantages −1 and 1, log-probabilities far apart: the covariance is largest where both stand out.
    let (log_prob, advantage) = ([-4.0, -0.1, -0.2, -0.1], [-2.0, 1.0, 1.0, 0.0]);
    let batch = Surrogate {
        tokens: 4,
        log_prob: &log_prob,
        old_log_prob: &[-3.5, -0.1, -0.2, -0.1],
        advantage: &advantage,
        ..Default::default()
    };
    let of = |text: &str| {
        let loss: Box<dyn PolicyLoss> = ron::from_str(text).unwrap();
        let (mut value, mut slope) = ([f64::NAN; 4], [f64::NAN; 4]);
        loss.loss(&batch, &mut value, &mut slope);
        (value, slope)
    };
    // (−2 − 0)(−4 + 1.1) = 5.8 lies above the range, so the next largest, (1)(−.1 + 1.1) = 1, is not inside it either.
    let (value, _) = of(r#"{"ClipCov": (share: 0.25, most: 10)}"#);
    assert_eq!(value[0], 0.0);
    let (value, _) = of(r#"{"ClipCov": (share: 0.25)}"#);
    assert!(value[0] != 0.0 && value[1] == -1.0, "{value:?}");
    let (value, slope) = of(r#"{"KlCov": (share: 0.25)}"#);
    let ratio = (-0.5_f64).exp();
    near(&[value[0], slope[0], value[1]], &[2.0 * ratio + 0.5, 2.0 * ratio - 1.0, -1.0]);
}

#[test]
fn hapo_widens_ranges_by_entropy() {
    let entropy = [1.2, 0.1, 0.3, 0.05, 0.8];
    let h = normalised_entropy(&entropy, &[], 0.8, false);
    near(&h, &[1.0, -0.75, -0.353759, -1.0, 0.0]);
    near(&normalised_entropy(&entropy, &[], 0.8, true), &[1.0, 0.75, 0.353759, 1.0, 0.0]);
    assert_eq!(normalised_entropy(&[0.3; 4], &[], 0.8, false), [0.0; 4]);
    let clip: HapoClip = ron::from_str("()").unwrap();
    let ranges: Vec<[f64; 2]> = h.iter().map(|&h| clip.ranges(h)).collect();
    near(&ranges.iter().map(|range| range[0]).collect::<Vec<_>>(), &[0.2, 0.35, 0.270752, 0.4, 0.2]);
    near(&ranges.iter().map(|range| range[1]).collect::<Vec<_>>(), &[0.4, 0.2, 0.2, 0.2, 0.2]);
    near(&temperatures(1.0, 0.05, &h), &[1.05, 0.9625, 0.982312, 0.95, 1.0]);
    let redistribution: Box<dyn AdvantageModifier> = ron::from_str(r#"{"HapoRedistribution": ()}"#).unwrap();
    let batch = Responses {
        group: &[0],
        reward: &[1.0],
        tokens: 5,
        entropy: &entropy,
        log_prob: &[1.3_f64, 1.02, 0.95, 0.7, 1.05].map(f64::ln),
        old_log_prob: &[0.0; 5],
        ..Default::default()
    };
    let mut advantage = [1.224742, 1.224742, -0.816495, -0.816495, -0.816495];
    redistribution.modify(&batch, &mut advantage);
    near(&advantage, &[2.449485, 0.306186, -0.527652, -0.816495, -0.816495]);
}

#[test]
fn steps_that_are_shared_share_their_advantage() {
    let salt: Box<dyn AdvantageModifier> = ron::from_str(r#"{"Salt": ()}"#).unwrap();
    let grpo = [1.499997, -0.499999, -0.499999, -0.499999];
    let of = |observation: &[u64]| {
        let batch =
            Responses { group: &[0; 4], reward: A, tokens: observation.len() / 4, observation, ..Default::default() };
        let mut advantage: Vec<f64> = grpo.iter().flat_map(|a| vec![*a; observation.len() / 4]).collect();
        salt.modify(&batch, &mut advantage);
        advantage
    };
    // The first step is shared by trajectories 0 and 1, the second by none.
    let found = of(&[1, 10, 1, 11, 2, 12, 3, 13]);
    near(&found[..4], &[0.499999, 1.499997, 0.499999, -0.499999]);
    near(&of(&[1, 1, 1, 1]), &[0.0; 4]);
    near(&of(&[1, 2, 3, 4]), &grpo);
}

#[test]
fn aggregators_of_the_ppo_row() {
    let [ppo, _] = of_loss(r#"{"Ppo": ()}"#);
    for (aggregator, expected) in [
        (TOKEN_MEAN, -0.22),
        (r#"{"SeqMeanTokenSum": ()}"#, -0.55),
        (SEQUENCE_MEAN, -0.025),
        (r#"{"SeqMeanTokenSumNorm": ()}"#, -0.183333),
        (r#"{"SeqMeanTokenSumNorm": (norm: Some(6))}"#, -0.55 / 6.0),
    ] {
        near(&[total(aggregator, &ppo)], &[expected]);
        let aggregator: Box<dyn LossAggregator> = ron::from_str(aggregator).unwrap();
        let mut weight = [f64::NAN; 6];
        aggregator.weigh(3, &[false; 6], &mut weight);
        assert_eq!(weight, [0.0; 6], "where nothing was generated nothing counts");
    }
}

#[test]
fn divergences_of_one_half_from_two_fifths() {
    for (text, expected) in [
        (r#"{"K1": ()}"#, 0.223144),
        (r#"{"K2": ()}"#, 0.024897),
        (r#"{"K3": ()}"#, 0.023144),
        (r#"{"Absolute": ()}"#, 0.223144),
    ] {
        let estimator: Box<dyn KlEstimator> = ron::from_str(text).unwrap();
        let mut divergence = [f64::NAN; 2];
        estimator.estimate(&[0.5_f64.ln(), 0.3], &[0.4_f64.ln(), 0.3], &mut divergence);
        near(&divergence, &[expected, 0.0]);
    }
}

#[test]
fn overlong_responses_are_charged() {
    let soft: Overlong = ron::from_str("(limit: 20480, buffer: 4096)").unwrap();
    near(&[16384, 18432, 20480, 21000].map(|length| soft.charge(length)), &[0.0, -0.5, -1.0, -1.0]);
    let uncapped: Overlong = ron::from_str("(limit: 20480, buffer: 4096, capped: false)").unwrap();
    assert!(uncapped.charge(21000) < -1.0);
    let wrong: Overlong = ron::from_str("(limit: 10, buffer: 11)").unwrap();
    assert_eq!(wrong.check(1)[0].path, "buffer");
}

#[test]
fn bonuses_for_domains_are_lost_where_they_say_so() {
    let bonus: Box<dyn RewardShaper> = ron::from_str(r#"{"DomainBonus": (bonus: [0.7])}"#).unwrap();
    let factor: Box<dyn RewardShaper> = ron::from_str(r#"{"DomainFactor": (factor: [3])}"#).unwrap();
    let shaped = |shaper: &dyn RewardShaper| {
        let mut reward = A.to_vec();
        shaper.shape(&Responses { group: &[0; 4], domain: &[0; 4], reward: A, ..Default::default() }, &mut reward);
        reward
    };
    let grpo = estimator(r#"{"Grpo": ()}"#);
    near(&of_groups(&*grpo, &[&shaped(&*bonus)]), &of_groups(&*grpo, &[A]));
    near(&of_groups(&*grpo, &[&shaped(&*factor)]), &[1.499999, -0.5, -0.5, -0.5]);
    let dr_grpo = estimator(r#"{"DrGrpo": ()}"#);
    near(&of_groups(&*dr_grpo, &[&shaped(&*factor)]), &[2.25, -0.75, -0.75, -0.75]);
    assert!(bonus.changes_groups_by().sums && dr_grpo.blind_to().sums && !dr_grpo.blind_to().factors);
    assert_eq!(bonus.check(2)[0].path, "bonus");
}

#[test]
fn filters_drop_what_teaches_nothing() {
    let rewards = [A, C, D, &[f64::NAN, 0.0]].concat();
    let batch =
        Responses { group: &[0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3], reward: &rewards, ..Default::default() };
    for (text, expected) in [
        (r#"{"DapoFilter": ()}"#, [true, false, false, false]),
        (r#"{"NgrpoFilter": ()}"#, [true, true, false, true]),
        (r#"{"Rsr": (filter: {"NgrpoFilter": ()})}"#, [true, true, false, true]),
    ] {
        let filter: Box<dyn GroupFilter> = ron::from_str(text).unwrap();
        assert_eq!(filter.recovers(), text.contains("Rsr"));
        let mut keep = vec![false; rewards.len()];
        filter.keep(&batch, &mut keep);
        let kept: Vec<bool> = batch.groups().map(|members| keep[members.start]).collect();
        assert_eq!(kept, expected, "{text}");
    }
}

/// Factors for three domains of accuracies .2, .5, .9 with these shares, and what was mended.
fn weigh(text: &str, accuracy: [f64; 3], sampled: [f64; 3]) -> ([f64; 3], Vec<f64>, Repairs) {
    let weights: Box<dyn DomainWeight> = ron::from_str(text).unwrap();
    assert_eq!(weights.check(3), [], "{text}");
    let mut memory = vec![f64::NAN; weights.memory() * 3];
    weights.start(&mut memory);
    let progress = Progress { step: 0, accuracy: &accuracy, best: &accuracy, data: &sampled, sampled: &sampled };
    let mut weight = [f64::NAN; 3];
    let repairs = weights.weigh(&progress, &mut memory, &mut weight);
    (weight, memory, repairs)
}

const J: [f64; 3] = [0.2, 0.5, 0.9];
const SHARES: [f64; 3] = [0.6, 0.3, 0.1];

#[test]
fn welfare_gradients_on_advantages() {
    let third = [1.0 / 3.0; 3];
    for (welfare, expected) in [
        (r#"{"Utilitarian": ()}"#, [1.0, 1.0, 1.0]),
        (r#"{"AlphaFair": (alpha: 0.5)}"#, [2.236068, std::f64::consts::SQRT_2, 1.054093]),
        (r#"{"Nash": ()}"#, [5.0, 2.0, 1.111111]),
        (r#"{"AlphaFair": (alpha: 2)}"#, [25.0, 4.0, 1.234568]),
        (r#"{"SoftMin": (sharpness: 5)}"#, [0.797876, 0.178030, 0.024094]),
        (r#"{"MaxMin": ()}"#, [1.0, 0.0, 0.0]),
        (r#"{"GeneralizedGini": (weights: [0.571428571, 0.285714286, 0.142857143])}"#, [0.571429, 0.285714, 0.142857]),
        (r#"{"Cvar": (share: 0.5)}"#, [0.666667, 0.333333, 0.0]),
    ] {
        let (weight, _, repairs) = weigh(&format!(r#"{{"WelfareGradient": (welfare: {welfare})}}"#), J, third);
        let sum: f64 = expected.iter().sum();
        near(&weight.map(|weight| weight / 3.0), &expected.map(|part| part / sum));
        assert_eq!(repairs, Repairs::default(), "{welfare}");
    }
    let (nash, ..) = weigh(r#"{"WelfareGradient": (welfare: {"Nash": ()})}"#, J, SHARES);
    near(&nash, &[1.027397, 0.821918, 1.369863]);
}

#[test]
fn weights_that_had_to_be_mended_are_counted() {
    let (weight, _, repairs) = weigh(r#"{"WelfareGradient": (welfare: {"Nash": ()})}"#, [0.0, 0.5, 0.9], SHARES);
    assert_eq!(repairs, Repairs { negative: 0, floored: 1 });
    assert!(weight[0] > weight[1], "{weight:?}");
    // An index of inequality would train the best domain to fail.
    let (weight, _, repairs) = weigh(r#"{"WelfareGradient": (welfare: {"Gini": ()})}"#, J, SHARES);
    assert!(repairs.negative > 0 && weight.iter().all(|&weight| weight >= 0.0), "{repairs:?} {weight:?}");
    let (weight, ..) = weigh(r#"{"WelfareGradient": (welfare: {"Nash": ()})}"#, [0.5; 3], [0.5, 0.5, 0.0]);
    near(&weight, &[2.0 / 3.0, 2.0 / 3.0, 0.0]);
}

#[test]
fn local_and_global_rewards() {
    let of =
        |global: f64| weigh(&format!(r#"{{"LocalGlobal": (welfare: {{"Nash": ()}}, global: {global})}}"#), J, SHARES).0;
    near(&of(0.5), &[1.424658, 0.869863, 0.705479]);
    near(&of(0.0), &[1.0; 3]);
    near(&of(1.0), &[5.0, 2.0, 1.111111].map(|part: f64| 3.0 * part / 8.111111));
}

/// W with a response's outcome minus W with the group's mean in its place is the weight, to first order.
#[test]
fn a_counterfactual_is_the_gradient_of_welfare() {
    use isonomy_engine::welfare::Welfare;
    let nash: Box<dyn Welfare> = ron::from_str(r#"{"AlphaFair": (alpha: 1)}"#).unwrap();
    let (n, y, mean) = (1e6, 1.0, J[1]);
    let with = |outcome: f64| nash.value(&[J[0], J[1] + (outcome - mean) / n, J[2]]).unwrap();
    let expected = 1.0 / J[1] * (y - mean) / n;
    assert!((with(y) - with(mean) - expected).abs() < 1e-10);
}

#[test]
fn group_dro_drifts_and_is_held() {
    let accuracy = J.map(|loss| 1.0 - loss);
    let (weight, q, _) = weigh(r#"{"GroupDro": (rate: 0.5)}"#, accuracy, SHARES);
    near(&q, &[0.279259, 0.324453, 0.396288]);
    near(&weight, &[0.465432, 1.081510, 3.962878]);
    near(&[q.iter().zip(J).map(|(q, loss)| q * loss).sum()], &[0.574737]);
    let (_, held, _) = weigh(r#"{"GroupDro": (rate: 50, cap: 0.5)}"#, accuracy, SHARES);
    near(&held, &[0.0, 0.5, 0.5]);
    // A domain at its best has nothing to lose.
    let (_, reducible, _) = weigh(r#"{"GroupDro": (rate: 50, reducible: true)}"#, accuracy, SHARES);
    near(&reducible, &[1.0 / 3.0; 3]);
    let weights: Box<dyn DomainWeight> = ron::from_str(r#"{"GroupDro": (rate: 1, cap: 0.3)}"#).unwrap();
    assert_eq!(weights.check(3)[0].path, "cap");
}

#[test]
fn floors_raise_prices() {
    // Violations .3, .2 and −.1: prices .15, .1 and 0.
    let (weight, lambda, _) = weigh(r#"{"Floors": (floors: [0.5, 0.7, 0.8], rate: 0.5)}"#, J, SHARES);
    near(&lambda, &[0.15, 0.1, 0.0]);
    let mean = 0.6 * 1.15 + 0.3 * 1.1 + 0.1;
    near(&weight, &[1.15 / mean, 1.1 / mean, 1.0 / mean]);
}
