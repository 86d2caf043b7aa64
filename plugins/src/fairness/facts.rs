//! What is known about fairness rewards: identities, closed forms, and sums over an episode.

use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_engine::spec::Spec;
use isonomy_engine::welfare::Welfare;

fn plugin(text: &str) -> Box<dyn FairnessReward> {
    ron::from_str(text).unwrap()
}

/// Groups of one, two and one agent, two lanes, two tasks: 16 rewards a step.
const GROUP: [u32; 4] = [0, 1, 1, 2];
const TASKS: usize = 2;
const CELLS: usize = 16;

/// What one step is taught.
fn shape(
    plugin: &dyn FairnessReward,
    elapsed: u32,
    reward: &[f32],
    utility: &[f32],
    expected: Option<&[f64]>,
) -> Vec<f32> {
    let mut shaped = reward.to_vec();
    plugin.shape(RewardBatch {
        group: &GROUP,
        groups: 3,
        tasks: TASKS,
        elapsed,
        reward,
        utility,
        expected,
        memory: &mut [],
        shaped: &mut shaped,
    });
    shaped
}

/// The same for a plugin that remembers.
fn shape_remembering(plugin: &dyn FairnessReward, elapsed: u32, reward: &[f32], memory: &mut [f32]) -> Vec<f32> {
    assert!(plugin.remembers());
    let mut shaped = reward.to_vec();
    let utility = &[f32::NAN; CELLS];
    let (groups, tasks, shaped_to) = (3, TASKS, &mut shaped);
    plugin.shape(RewardBatch {
        group: &GROUP,
        groups,
        tasks,
        elapsed,
        reward,
        utility,
        expected: None,
        memory,
        shaped: shaped_to,
    });
    shaped
}

/// Rewards from −0.25 to 1 of an episode of 20 steps.
fn episode() -> Vec<Vec<f32>> {
    let key = Key::new(5, Phase::Training, Purpose::Learner);
    let step = |step| {
        let mut words = [0; CELLS];
        key.fill(step, 0, &mut words);
        words.map(|word| word as f32 / u32::MAX as f32 * 1.25 - 0.25).to_vec()
    };
    (0..20).map(step).collect()
}

/// Sums over an episode: what was paid, what was taught.
fn sums(plugin: &dyn FairnessReward) -> (Vec<f32>, Vec<f32>) {
    let (mut utility, mut taught) = (vec![0.0; CELLS], vec![0.0; CELLS]);
    for (elapsed, reward) in episode().iter().enumerate() {
        utility.iter_mut().zip(reward).for_each(|(sum, reward)| *sum += reward);
        let shaped = shape(plugin, elapsed as u32, reward, &utility, None);
        taught.iter_mut().zip(shaped).for_each(|(sum, shaped)| *sum += shaped);
    }
    (utility, taught)
}

#[test]
fn without_strength_nothing_changes() {
    let reward = &episode()[0];
    for text in [
        r#"{"AlphaFair": (alpha: 0, floor: 0.1)}"#,
        r#"{"GapPenalty": (strength: 0)}"#,
        r#"{"InequityAversion": (envy: 0, guilt: 0)}"#,
        r#"{"LocalGlobal": (share: 0)}"#,
        r#"{"WelfareWeighted": (welfare: {"Utilitarian": ()})}"#,
    ] {
        assert_eq!(shape(&*plugin(text), 0, reward, reward, Some(&[1.0; 6])), *reward, "{text}");
    }
}

#[test]
fn alpha_fair_divides_by_what_one_has() {
    let plugin = plugin(r#"{"AlphaFair": (alpha: 2, floor: 0.5)}"#);
    let mut utility = [2.0; CELLS];
    utility[3] = 0.1;
    let shaped = shape(&*plugin, 4, &[1.0; CELLS], &utility, None);
    assert_eq!((shaped[0], shaped[3]), (0.25, 4.0));
}

#[test]
fn weights_too_large_for_a_number_are_refused() {
    let spec = crate::shapes::two_groups(2, 2, 5);
    let paths = |text| plugin(text).check(&spec).into_iter().map(|problem| problem.path).collect::<Vec<_>>();
    assert_eq!(paths(r#"{"AlphaFair": (alpha: 20, floor: 0.001)}"#), ["floor"]);
    assert_eq!(paths(r#"{"AlphaFair": (alpha: 0, floor: 1e-60)}"#), ["floor"]);
    assert!(paths(r#"{"AlphaFair": (alpha: 2, floor: 0.01)}"#).is_empty());
}

#[test]
fn gap_charges_add_up_to_the_final_lead() {
    let (utility, taught) = sums(&*plugin(r#"{"GapPenalty": (strength: 1.5)}"#));
    for (utility, taught) in utility.chunks_exact(4).zip(taught.chunks_exact(4)) {
        let means = [utility[0], (utility[1] + utility[2]) / 2.0, utility[3]];
        let worst = means.iter().copied().fold(f32::INFINITY, f32::min);
        for (agent, &group) in GROUP.iter().enumerate() {
            let expected = utility[agent] - 1.5 * (means[group as usize] - worst);
            assert!((taught[agent] - expected).abs() < 1e-4, "agent {agent}: {}, not {expected}", taught[agent]);
        }
    }
}

#[test]
fn inequity_aversion_of_one_two_three_four() {
    let plugin = plugin(r#"{"InequityAversion": (envy: 5, guilt: 0.05)}"#);
    let once: Vec<f32> = [1.0, 2.0, 3.0, 4.0].repeat(4);
    let shaped = shape(&*plugin, 0, &once, &once, None);
    for (found, expected) in shaped[..4].iter().zip([-9.0, -3.016667, 1.283333, 3.9]) {
        assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
    }
    assert_eq!(shaped[..4], shaped[12..]);
}

/// Hughes et al. 2018 by hand, at γλ = 1/2: `e_1 = (1, 2, 3, 4)`, `e_2 = (.5, 1, 1.5, 6)`.
#[test]
fn inequity_is_smoothed_over_time() {
    let plugin = plugin(r#"{"InequityAversion": (envy: 5, guilt: 0.05, decay: Some(0.5))}"#);
    let mut memory = [9.0; CELLS];
    let mut step = |elapsed, reward: [f32; 4], expected: [f32; 4]| {
        let shaped = shape_remembering(&*plugin, elapsed, &reward.repeat(4), &mut memory);
        for (found, expected) in shaped.iter().zip(expected.repeat(4)) {
            assert!((found - expected).abs() < 1e-5, "step {elapsed}: {found}, not {expected}");
        }
        memory
    };
    // What an episode left behind is forgotten.
    step(0, [1.0, 2.0, 3.0, 4.0], [-9.0, -3.016667, 1.283333, 3.9]);
    let memory = step(1, [0.0, 0.0, 0.0, 4.0], [-11.666667, -9.175, -7.525, 3.75]);
    assert_eq!(memory[..4], [0.5, 1.0, 1.5, 6.0]);
    step(2, [0.0; 4], [-5.833333, -4.5875, -3.7625, -0.125]);
    step(0, [1.0, 2.0, 3.0, 4.0], [-9.0, -3.016667, 1.283333, 3.9]);
}

#[test]
fn inequity_charges_add_up_to_the_final_discontent() {
    let plugin = plugin(r#"{"InequityAversion": (envy: 0.8, guilt: 0.3)}"#);
    let (utility, taught) = sums(&*plugin);
    let at_once = shape(&*plugin, 0, &utility, &utility, None);
    for (sum, at_once) in taught.iter().zip(at_once) {
        assert!((sum - at_once).abs() < 1e-4, "{sum}, not {at_once}");
    }
}

#[test]
fn fair_efficient_reward_of_one_two_three_four() {
    let plugin = plugin(r#"{"FairEfficient": (ceiling: 5, softness: 0.1)}"#);
    let earned: Vec<f32> = [3.0, 6.0, 9.0, 12.0].repeat(4);
    // After three steps the mean rewards are 1, 2, 3 and 4.
    let shaped = shape(&*plugin, 2, &[0.0; CELLS], &earned, None);
    for (found, expected) in shaped.iter().zip([0.714286, 1.666667, 1.666667, 0.714286].repeat(4)) {
        assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
    }
    assert_eq!(shape(&*plugin, 2, &[0.0; CELLS], &[0.0; CELLS], None), [0.0; CELLS]);
    let mut spec = crate::shapes::two_groups(2, 2, 5);
    assert!(plugin.check(&spec).is_empty());
    spec.tasks[0].reward.0 = -1.0;
    assert_eq!(plugin.check(&spec).len(), 1);
}

/// Whatever the welfare, an episode adds up to the welfare of what it earned in the end.
#[test]
fn long_term_rewards_add_up_to_the_welfare_of_the_episode() {
    for (welfare, sign) in [
        (r#"{"Nash": ()}"#, 1.0),
        (r#"{"AlphaFair": (alpha: 2)}"#, 1.0),
        (r#"{"GeneralizedGini": ()}"#, 1.0),
        (r#"{"Cvar": (share: 0.3)}"#, 1.0),
        (r#"{"Utilitarian": ()}"#, 1.0),
        (r#"{"Gini": ()}"#, -1.0),
        (r#"{"Atkinson": (aversion: 0.5)}"#, -1.0),
    ] {
        let (utility, taught) = sums(&*plugin(&format!(r#"{{"LongTerm": (welfare: {welfare}, endowment: 6)}}"#)));
        let of: Box<dyn Welfare> = ron::from_str(welfare).unwrap();
        for (utility, taught) in utility.chunks_exact(4).zip(taught.chunks_exact(4)) {
            let had: Vec<f64> = utility.iter().map(|&utility| 6.0 + f64::from(utility)).collect();
            let expected = sign * (of.value(&had).unwrap() - of.value(&[6.0; 4]).unwrap());
            for &taught in taught {
                assert!((f64::from(taught) - expected).abs() < 1e-4, "{welfare}: {taught}, not {expected}");
            }
        }
    }
}

#[test]
fn an_endowment_that_does_not_reach_is_refused() {
    let mut spec = crate::shapes::two_groups(2, 2, 5);
    fn paths(text: &str, spec: &Spec) -> Vec<String> {
        plugin(text).check(spec).into_iter().map(|problem| problem.path).collect()
    }
    assert_eq!(paths(r#"{"LongTerm": (welfare: {"Nash": ()})}"#, &spec), ["endowment"]);
    assert_eq!(paths(r#"{"LongTerm": (welfare: {"Gini": ()})}"#, &spec), ["endowment"]);
    assert!(paths(r#"{"LongTerm": (welfare: {"Nash": ()}, endowment: 0.1)}"#, &spec).is_empty());
    assert!(paths(r#"{"LongTerm": (welfare: {"SoftMin": (sharpness: 2)})}"#, &spec).is_empty());
    let gini = r#"{"LongTerm": (welfare: {"GeneralizedGini": (weights: [1])})}"#;
    assert_eq!(paths(gini, &spec), ["welfare.GeneralizedGini.weights"]);
    spec.tasks[0].reward.0 = -0.5;
    let problems = plugin(r#"{"LongTerm": (welfare: {"Nash": ()}, endowment: 2.5)}"#).check(&spec);
    assert_eq!(problems[0].message, "an agent may have 0 in pay, but Nash needs utilities above 0");
    assert!(paths(r#"{"LongTerm": (welfare: {"Nash": ()}, endowment: 2.6)}"#, &spec).is_empty());
}

#[test]
fn local_global_keeps_the_total() {
    let reward = &episode()[3];
    let half = shape(&*plugin(r#"{"LocalGlobal": (share: 0.5)}"#), 0, reward, reward, None);
    for (before, after) in reward.chunks_exact(4).zip(half.chunks_exact(4)) {
        let mean = before.iter().sum::<f32>() / 4.0;
        assert!((after.iter().sum::<f32>() / 4.0 - mean).abs() < 1e-6);
        assert!((after[1] - (before[1] + mean) / 2.0).abs() < 1e-6);
    }
}

/// Expected returns, `[groups, tasks]`.
const EXPECTED: [f64; 6] = [1.0, 0.0, 2.0, 3.0, 4.0, 3.0];

#[test]
fn welfare_weighs_groups_by_its_derivative() {
    let plugin = plugin(r#"{"WelfareWeighted": (welfare: {"AlphaFair": (alpha: 1)}, normalise: false)}"#);
    let shaped = shape(&*plugin, 0, &[1.0; CELLS], &[0.0; CELLS], Some(&EXPECTED));
    assert_eq!(shaped[..8], [1.0, 0.5, 0.5, 0.25, 1.0, 0.5, 0.5, 0.25]);
    // In the second task a group earns nothing: no logarithm, so the weights stay 1.
    assert_eq!(shaped[8..], [1.0; 8]);
    assert_eq!(shape(&*plugin, 0, &[1.0; CELLS], &[0.0; CELLS], None), [1.0; CELLS]);
}

#[test]
fn normalised_weights_average_one() {
    let max_min = plugin(r#"{"WelfareWeighted": (welfare: {"MaxMin": ()})}"#);
    let shaped = shape(&*max_min, 0, &[1.0; CELLS], &[0.0; CELLS], Some(&EXPECTED));
    assert_eq!(shaped[..4], [3.0, 0.0, 0.0, 0.0]);
    let jain = plugin(r#"{"WelfareWeighted": (welfare: {"Jain": ()})}"#);
    let shaped = shape(&*jain, 0, &[1.0; CELLS], &[0.0; CELLS], Some(&EXPECTED));
    assert!((shaped[0].abs() + shaped[1].abs() + shaped[3].abs() - 3.0).abs() < 1e-6 && shaped[3] < 0.0);
}

#[test]
fn many_groups_are_weighed_like_few() {
    let plugin = plugin(r#"{"WelfareWeighted": (welfare: {"GeneralizedGini": ()}, normalise: false)}"#);
    let group: Vec<u32> = (0..40).collect();
    let expected: Vec<f64> = (0..40).map(f64::from).collect();
    let mut shaped = vec![1.0; 40];
    plugin.shape(RewardBatch {
        group: &group,
        groups: 40,
        tasks: 1,
        elapsed: 0,
        reward: &[1.0; 40],
        utility: &[1.0; 40],
        expected: Some(&expected),
        memory: &mut [],
        shaped: &mut shaped,
    });
    assert_eq!(shaped[..3], [1.0, 0.5, 0.25]);
}

#[test]
fn mistakes_inside_the_welfare_are_reported_from_outside() {
    let plugin = plugin(r#"{"WelfareWeighted": (welfare: {"GeneralizedGini": (weights: [1]) })}"#);
    assert_eq!(plugin.check(&crate::shapes::two_groups(2, 2, 5))[0].path, "welfare.GeneralizedGini.weights");
}

#[test]
fn the_record_says_where_welfare_has_no_value() {
    let spec = crate::shapes::two_groups(2, 2, 5);
    let report = |expected: &[f64]| plugin(r#"{"WelfareWeighted": (welfare: {"MaxMin": ()})}"#).report(&spec, expected);
    assert_eq!(report(&[1.0, 2.0])[0], ("weight.A.pay".to_owned(), 2.0));
    assert_eq!(report(&[1.0, 2.0])[3], ("welfare_of_expected.pay".to_owned(), 1.0));
    let nash = plugin(r#"{"WelfareWeighted": (welfare: {"Nash": ()})}"#).report(&spec, &[0.0, 2.0]);
    assert_eq!(nash[1..], [("weight.B.pay".to_owned(), 1.0), ("outside_domain.pay".to_owned(), 1.0)]);
}
