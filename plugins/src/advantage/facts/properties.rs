//! What holds for every estimator on the shelf, on random batches.

use super::*;
use isonomy_engine::plugin::{Kind, plugins};
use proptest::prelude::*;

/// A batch with every column, for any estimator.
#[derive(Clone, Debug)]
struct Owned {
    sizes: Vec<usize>,
    tokens: usize,
    reward: Vec<f64>,
    mask: Vec<bool>,
    /// Numbers in (0, 1), `[B, T]`, of which the other columns are made.
    noise: Vec<f64>,
}

/// The columns of a batch as vectors, which tests permute and pad.
#[derive(Clone)]
struct Columns {
    group: Vec<u32>,
    reward: Vec<f64>,
    parts: [Vec<f64>; 2],
    chance: Vec<f64>,
    greedy: Vec<f64>,
    length: Vec<u32>,
    truncated: Vec<bool>,
    answer: Vec<u32>,
    mean_entropy: Vec<f64>,
    seat: Vec<u32>,
    tokens: usize,
    mask: Vec<bool>,
    noise: Vec<f64>,
}

impl Owned {
    fn columns(&self) -> Columns {
        let rows = self.reward.len();
        let group = self.sizes.iter().enumerate().flat_map(|(group, &size)| vec![group as u32; size]).collect();
        let first = |row: usize| self.noise[row * self.tokens];
        let of = |make: fn(f64) -> f64| (0..rows).map(|row| make(first(row))).collect::<Vec<f64>>();
        Columns {
            group,
            reward: self.reward.clone(),
            parts: [self.reward.clone(), of(|x| (3.0 * x).floor() / 2.0)],
            chance: vec![0.4; rows],
            greedy: of(|x| x.round()),
            length: (0..rows).map(|row| 1 + (first(row) * 100.0) as u32).collect(),
            truncated: (0..rows).map(|row| first(row) > 0.7).collect(),
            answer: (0..rows).map(|row| (first(row) * 3.0) as u32).collect(),
            mean_entropy: of(|x| x),
            seat: (0..rows).map(|row| (first(row) * 2.0) as u32).collect(),
            tokens: self.tokens,
            mask: self.mask.clone(),
            noise: self.noise.clone(),
        }
    }
}

impl Columns {
    fn estimate(&self, estimator: &dyn AdvantageEstimator) -> Vec<f64> {
        let of = |make: fn(f64) -> f64| self.noise.iter().map(|&x| make(x)).collect::<Vec<f64>>();
        let (value, log_prob, old) = (of(|x| x - 0.3), of(|x| x.ln()), of(|x| (0.9 * x).ln()));
        let (teacher, entropy, squares) = (of(|x| (0.5 * x + 0.4).ln()), of(|x| x), of(|x| x * x + 0.1 * (1.0 - x)));
        let observation: Vec<u64> = self.noise.iter().map(|x| (x * 3.0) as u64).collect();
        let parts = self.parts.concat();
        let batch = Responses {
            group: &self.group,
            domain: &self.group,
            seat: &self.seat,
            reward: &self.reward,
            parts: &parts,
            greedy_reward: &self.greedy,
            chance: &self.chance,
            length: &self.length,
            truncated: &self.truncated,
            answer: &self.answer,
            mean_entropy: &self.mean_entropy,
            tokens: self.tokens,
            mask: &self.mask,
            token_reward: &[],
            value: &value,
            log_prob: &log_prob,
            old_log_prob: &old,
            teacher_log_prob: &teacher,
            entropy: &entropy,
            sum_squares: &squares,
            observation: &observation,
        };
        of_batch(estimator, &batch)
    }

    /// The same responses in another order.
    fn permuted(&self, order: &[usize]) -> Columns {
        fn pick<T: Copy>(of: &[T], order: &[usize]) -> Vec<T> {
            order.iter().map(|&row| of[row]).collect()
        }
        let tokens: Vec<usize> = order.iter().flat_map(|&row| row * self.tokens..(row + 1) * self.tokens).collect();
        Columns {
            group: pick(&self.group, order),
            reward: pick(&self.reward, order),
            parts: self.parts.clone().map(|part| pick(&part, order)),
            chance: pick(&self.chance, order),
            greedy: pick(&self.greedy, order),
            length: pick(&self.length, order),
            truncated: pick(&self.truncated, order),
            answer: pick(&self.answer, order),
            mean_entropy: pick(&self.mean_entropy, order),
            seat: pick(&self.seat, order),
            tokens: self.tokens,
            mask: pick(&self.mask, &tokens),
            noise: pick(&self.noise, &tokens),
        }
    }

    /// One more column of tokens that were not generated.
    fn padded(&self) -> Columns {
        let mask = self.mask.chunks(self.tokens).flat_map(|own| [own, &[false]].concat()).collect();
        let noise = self.noise.chunks(self.tokens).flat_map(|own| [own, &[0.5]].concat()).collect();
        Columns { tokens: self.tokens + 1, mask, noise, ..self.clone() }
    }

    fn with_rewards(&self, change: impl Fn(f64) -> f64) -> Columns {
        let reward: Vec<f64> = self.reward.iter().map(|&reward| change(reward)).collect();
        let parts = self.parts.clone().map(|part| part.into_iter().map(&change).collect());
        Columns { reward, parts, ..self.clone() }
    }
}

fn batches() -> impl Strategy<Value = Owned> {
    (proptest::collection::vec(1usize..7, 1..5), 1usize..4).prop_flat_map(|(sizes, tokens)| {
        let rows: usize = sizes.iter().sum();
        let rewards = prop_oneof![Just(0.0), Just(1.0), -1.0..1.0];
        (
            Just(sizes),
            Just(tokens),
            proptest::collection::vec(rewards, rows),
            proptest::collection::vec(proptest::bool::weighted(0.8), rows * tokens),
            proptest::collection::vec(0.01..0.99, rows * tokens),
        )
            .prop_map(|(sizes, tokens, reward, mask, noise)| Owned { sizes, tokens, reward, mask, noise })
    })
}

/// Every estimator on the shelf, with the fields of its example.
fn shelf() -> Vec<(String, Box<dyn AdvantageEstimator>)> {
    let own = plugins().into_iter().filter(|plugin| plugin.kind == Kind::AdvantageEstimator);
    let mut shelf: Vec<String> = own.map(|plugin| format!(r#"{{"{}": {}}}"#, plugin.name, plugin.example)).collect();
    let others = [
        r#"{"Grpo": ()}"#,
        r#"{"Grpo": (dialect: Population)}"#,
        r#"{"Grpo": (dialect: TrlBatch)}"#,
        r#"{"Grpo": (dialect: Limit)}"#,
        r#"{"Gdpo": (order: SumFirst)}"#,
        r#"{"Copo": ()}"#,
        r#"{"Canon": (metric: Length)}"#,
        r#"{"ReinforcePlusPlus": ()}"#,
        r#"{"Gae": (whiten: true)}"#,
    ];
    shelf.extend(others.map(str::to_owned));
    shelf.into_iter().map(|text| (text.clone(), estimator(&text))).collect()
}

fn agree(found: &[f64], expected: &[f64], tolerance: f64) -> bool {
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0);
    found.len() == expected.len() && found.iter().zip(expected).all(near)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn numbers_where_something_was_generated_and_nothing_elsewhere(owned in batches(), lost in 0usize..20) {
        let mut columns = owned.columns();
        let lost = lost % columns.reward.len();
        columns.reward[lost] = f64::NAN;
        columns.parts.iter_mut().for_each(|part| part[lost] = f64::NAN);
        for (text, estimator) in shelf() {
            let found = columns.estimate(&*estimator);
            prop_assert!(found.iter().all(|a| a.is_finite()), "{text}: {found:?}");
            for (at, advantage) in found.iter().enumerate() {
                let row = at / columns.tokens;
                let silent = !columns.mask[at] || (row == lost && !text.contains("Mopd"));
                prop_assert!(!silent || *advantage == 0.0, "{text}: {found:?}");
            }
        }
    }

    #[test]
    fn padding_changes_nothing(owned in batches()) {
        let columns = owned.columns();
        for (text, estimator) in shelf() {
            let (found, padded) = (columns.estimate(&*estimator), columns.padded().estimate(&*estimator));
            let kept: Vec<f64> = padded.chunks(columns.tokens + 1).flat_map(|own| own[..columns.tokens].to_vec()).collect();
            prop_assert_eq!(found, kept, "{}", text);
        }
    }

    #[test]
    fn the_order_of_responses_and_groups_does_not_matter(owned in batches(), turn in 1usize..5) {
        let columns = owned.columns();
        // Groups from the last to the first, the members of each turned round.
        let (mut order, mut end) = (Vec::new(), columns.reward.len());
        for &size in owned.sizes.iter().rev() {
            order.extend((0..size).map(|member| end - size + (member + turn) % size));
            end -= size;
        }
        let turned = columns.permuted(&order);
        for (text, estimator) in shelf() {
            // Ties are broken by order, and who of several best responses is taught does not matter.
            if text.contains("Canon") || text.contains("PassK") {
                continue;
            }
            let (found, turned) = (columns.estimate(&*estimator), turned.estimate(&*estimator));
            let back: Vec<f64> =
                order.iter().flat_map(|&row| found[row * owned.tokens..(row + 1) * owned.tokens].to_vec()).collect();
            prop_assert!(agree(&turned, &back, 1e-9), "{text}: {turned:?} {back:?}");
        }
    }

    #[test]
    fn blindness_is_what_it_says(owned in batches(), sum in 0.1..3.0, factor in 1.5..3.0) {
        let columns = owned.columns();
        for (text, estimator) in shelf() {
            let (found, blind) = (columns.estimate(&*estimator), estimator.blind_to());
            // A group of one keeps its reward in one dialect.
            let of_one = owned.sizes.contains(&1) && (text.contains("Grpo") || text.contains("Gdpo"));
            if blind.sums && !of_one {
                let moved = columns.with_rewards(|reward| reward + sum).estimate(&*estimator);
                prop_assert!(agree(&moved, &found, 1e-6), "{text} + {sum}: {found:?} {moved:?}");
            }
            // Next to ε a small spread is not large.
            let narrow = columns.group.chunk_by(|a, b| a == b).count() == 0;
            if blind.factors && !of_one && !narrow {
                let scaled = columns.with_rewards(|reward| reward * factor).estimate(&*estimator);
                prop_assert!(agree(&scaled, &found, 2e-2), "{text} · {factor}: {found:?} {scaled:?}");
            }
        }
    }

    #[test]
    fn single_precision_is_enough(owned in batches()) {
        let columns = owned.columns();
        let rounded = columns.with_rewards(|reward| f64::from(reward as f32));
        for (text, estimator) in shelf() {
            // Thresholds and divisions by a spread that vanishes are not continuous.
            let delicate = ["Grpo", "Gdpo", "Hapo", "Copo", "Pshw", "Gpg", "ReinforcePlusPlus", "whiten"];
            if !delicate.iter().any(|name| text.contains(name)) || text.contains("DrGrpo") {
                prop_assert!(agree(&rounded.estimate(&*estimator), &columns.estimate(&*estimator), 2e-5), "{text}");
            }
        }
    }
}

#[test]
fn equal_rewards_teach_nothing_to_whoever_looks_at_groups() {
    for (text, estimator) in shelf().into_iter().filter(|(_, estimator)| estimator.blind_to().sums) {
        for reward in [0.0, 0.1, 1.0, -3.7] {
            let owned = Owned {
                sizes: vec![3, 5],
                tokens: 2,
                reward: vec![reward; 8],
                mask: vec![true; 16],
                noise: (0..16).map(|i| 0.03 + 0.06 * f64::from(i)).collect(),
            };
            let mut columns = owned.columns();
            columns.parts = [vec![reward; 8], vec![0.3; 8]];
            assert_eq!(columns.estimate(&*estimator), [0.0; 16], "{text} of {reward}");
        }
    }
}

#[test]
fn large_rewards_keep_their_signs() {
    for (text, estimator) in shelf().into_iter().filter(|(_, estimator)| estimator.blind_to().sums) {
        let owned = Owned {
            sizes: vec![4],
            tokens: 1,
            reward: vec![1e6 + 1.0, 1e6, 1e6, 1e6],
            mask: vec![true; 4],
            noise: vec![0.2, 0.4, 0.6, 0.8],
        };
        let mut columns = owned.columns();
        columns.parts = [columns.reward.clone(), vec![0.0; 4]];
        let found = columns.estimate(&*estimator);
        assert!(found[0] > 0.1 && found[1..].iter().all(|&a| a <= 0.0), "{text}: {found:?}");
    }
}
