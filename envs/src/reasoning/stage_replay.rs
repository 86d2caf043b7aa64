//! StageReplay: the stages of a cascade that somebody has run, as the changes they made.
//!
//! Nothing is learned and nothing is drawn. A step is a stage and adds its effects to the accuracies of all domains, in
//! logits; so the fairness of a published run can be read off stage by stage, and its stages put in another order.

use crate::groups::{check_groups, check_names};
use crate::reasoning::cascade_sim::item::{logit, sigmoid};
use crate::reasoning::cascade_sim::measures::{Spread, forgotten};
use isonomy_engine::environment::Environment;
use isonomy_engine::lanes::{At, LaneDynamics, Shared, View};
use isonomy_engine::plugin;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, Probability};
use isonomy_engine::reexport::bevy_ecs::prelude::Component;
use isonomy_engine::reexport::bytemuck::{Pod, Zeroable};
use isonomy_engine::sim::Builder;
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Replays the stages of a cascade that somebody has run: each adds what it did to every domain, in logits of accuracy.
///
/// `logit a_d ← logit a_d + S[stage][d]`. With `distil` a last step moves every domain towards its best checkpoint,
/// `logit a_d ← (1−s) logit a_d + s logit max a_d`, which is what distillation from checkpoints of the same run can reach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageReplay {
    /// The domains, and their accuracies before the first stage.
    pub domains: Vec<Starter>,
    /// The stages in order.
    pub stages: Vec<Stage>,
    /// How far a last step distils every domain towards its best checkpoint, from 0, not at all, to 1; 0 if not given.
    #[serde(default = "not_at_all")]
    pub distil: Probability,
}

/// A domain before training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Starter {
    /// Name in tables and records.
    pub name: String,
    /// Accuracy, above 0 and below 1.
    pub accuracy: Probability,
}

/// A stage that was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What it adds to every domain, in logits.
    pub effect: Vec<Finite>,
}

fn not_at_all() -> Probability {
    Probability::new(0.0).expect("a probability")
}

/// Where a domain is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Component, Pod, Zeroable)]
#[bytemuck(crate = "::isonomy_engine::reexport::bytemuck")]
#[repr(C)]
pub struct Mark {
    /// Accuracy in logits.
    pub logit: f64,
    /// The best so far.
    pub best: f64,
}

impl StageReplay {
    /// Accuracies after every stage, the start first, the distilled ones last where there are any: `[stages + 1, domains]`.
    pub fn accuracies(&self) -> Vec<Vec<f64>> {
        let replay = Replay::new(self);
        let mut marks = replay.start.clone();
        let read = |marks: &[Mark]| marks.iter().map(|mark| sigmoid(mark.logit)).collect();
        let mut rows = vec![read(&marks)];
        for step in 0..replay.steps() {
            replay.step(step, &mut marks);
            rows.push(read(&marks));
        }
        rows
    }
}

#[typetag::serde]
impl Environment for StageReplay {
    fn spec(&self) -> Spec {
        let group = |domain: &Starter| GroupSpec { name: domain.name.clone(), agents: 1 };
        Spec {
            groups: self.domains.iter().map(group).collect(),
            tasks: vec![TaskSpec { name: "accuracy".to_owned(), reward: (-1.0, 1.0) }],
            observation: Space::Real { size: 1, low: 0.0, high: 1.0 },
            action: Space::Discrete(1),
            time_limit: Replay::new(self).steps() as u32,
            terminal: Vec::new(),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = check_groups(self.domains.iter().map(|domain| (domain.name.as_str(), 1)));
        for problem in &mut problems {
            problem.path = problem.path.replace("groups", "domains");
            problem.message = problem.message.replace("groups", "domains");
        }
        problems.extend(check_names("stages", self.stages.iter().map(|stage| stage.name.as_str())));
        for (index, domain) in self.domains.iter().enumerate() {
            if domain.accuracy.get() <= 0.0 || domain.accuracy.get() >= 1.0 {
                let path = format!("domains[{index}].accuracy");
                problems.push(Problem::at(path, "has no logit").help("an accuracy above 0 and below 1"));
            }
        }
        for (index, stage) in self.stages.iter().enumerate() {
            let (found, domains) = (stage.effect.len(), self.domains.len());
            if found != domains {
                let message = format!("{found} effects for {domains} domains");
                problems.push(Problem::at(format!("stages[{index}].effect"), message).help("give one per domain"));
            }
        }
        problems
    }

    fn build(&self, sim: &mut Builder) {
        sim.lanes_of(Replay::new(self));
    }
}

/// The stages as numbers.
struct Replay {
    names: Vec<String>,
    start: Vec<Mark>,
    effects: Vec<Vec<f64>>,
    distil: f64,
}

impl Replay {
    fn new(of: &StageReplay) -> Self {
        let start = |domain: &Starter| Mark { logit: logit(domain.accuracy.get()), best: logit(domain.accuracy.get()) };
        let effect = |stage: &Stage| stage.effect.iter().map(|part| part.get()).collect();
        Replay {
            names: of.domains.iter().map(|domain| domain.name.clone()).collect(),
            start: of.domains.iter().map(start).collect(),
            effects: of.stages.iter().map(effect).collect(),
            distil: of.distil.get(),
        }
    }

    fn steps(&self) -> usize {
        self.effects.len() + usize::from(self.distil > 0.0)
    }

    fn step(&self, step: usize, marks: &mut [Mark]) {
        match self.effects.get(step) {
            Some(effects) => marks.iter_mut().zip(effects).for_each(|(mark, effect)| mark.logit += effect),
            None => marks.iter_mut().for_each(|mark| mark.logit += self.distil * (mark.best - mark.logit)),
        }
        marks.iter_mut().for_each(|mark| mark.best = mark.best.max(mark.logit));
    }
}

impl LaneDynamics for Replay {
    type State = (Mark,);

    fn counts(&self) -> Vec<usize> {
        vec![self.start.len()]
    }

    fn start(&self, _at: At<'_>, (marks,): View<'_, Self>) {
        marks.copy_from_slice(&self.start);
    }

    fn observe(&self, _at: At<'_>, (marks,): Shared<'_, Self>, features: &mut [f32]) {
        features.iter_mut().zip(marks).for_each(|(seen, mark)| *seen = sigmoid(mark.logit) as f32);
    }

    fn step(&self, at: At<'_>, _action: &[u32], (marks,): View<'_, Self>, reward: &mut [f32]) {
        let known = if at.elapsed == 0 { 0.0 } else { 1.0 };
        for (reward, mark) in reward.iter_mut().zip(&*marks) {
            *reward = -(known * sigmoid(mark.logit)) as f32;
        }
        self.step(at.elapsed as usize, marks);
        for (reward, mark) in reward.iter_mut().zip(&*marks) {
            *reward += sigmoid(mark.logit) as f32;
        }
    }

    fn measures(&self) -> Vec<String> {
        let of_run = ["worst_domain", "mean", "gap", "variance", "gini", "jain", "forgetting"];
        let of_domain = |name: &String| {
            [format!("groups.{name}.accuracy"), format!("groups.{name}.best"), format!("groups.{name}.forgetting")]
        };
        of_run.map(str::to_owned).into_iter().chain(self.names.iter().flat_map(of_domain)).collect()
    }

    fn measure(&self, (marks,): Shared<'_, Self>, out: &mut [f64]) {
        let accuracy: Vec<f64> = marks.iter().map(|mark| sigmoid(mark.logit)).collect();
        let lost = |mark: &Mark| forgotten(sigmoid(mark.best), sigmoid(mark.logit));
        let forgetting = marks.iter().map(lost).sum::<f64>() / marks.len() as f64;
        let Spread { mean, worst, gap, variance, gini, jain } = Spread::of(&accuracy);
        let (of_run, of_domains) = out.split_at_mut(7);
        of_run.copy_from_slice(&[worst, mean, gap, variance, gini, jain, forgetting]);
        for (out, mark) in of_domains.chunks_exact_mut(3).zip(marks) {
            out.copy_from_slice(&[sigmoid(mark.logit), sigmoid(mark.best), lost(mark)]);
        }
    }
}

plugin!(Environment: StageReplay, r#"(
    domains: [(name: "math", accuracy: 0.78), (name: "chat", accuracy: 0.7)],
    stages: [
        (name: "preferences", effect: [0.14, 1.34]),
        (name: "math", effect: [0.30, -0.12]),
    ],
)"#);

#[cfg(test)]
mod tests {
    use super::*;

    /// Percent after every stage of Nemotron-Cascade, arXiv 2512.13607: MMLU, MMLU-Pro, GPQA, ArenaHard, IFEval, IFBench,
    /// AIME24, AIME25, LCB v5, LCB v6, SWE; from SFT over RLHF, IF, math, code to SWE.
    const UNIFIED_8B: [[f64; 11]; 6] = [
        [83.0, 74.4, 63.5, 70.0, 70.8, 21.2, 83.6, 72.8, 59.2, 56.7, 26.1],
        [83.1, 77.8, 66.8, 90.1, 50.1, 24.5, 86.1, 75.0, 70.2, 67.2, 28.2],
        [83.4, 74.5, 66.1, 88.0, 90.4, 40.5, 86.2, 75.2, 70.2, 66.7, 28.3],
        [83.4, 75.0, 65.7, 87.0, 92.1, 40.4, 90.2, 81.9, 70.6, 67.4, 30.6],
        [83.7, 75.3, 67.4, 87.8, 90.7, 38.1, 89.1, 80.5, 75.3, 71.5, 31.6],
        [83.7, 75.7, 66.5, 87.9, 90.2, 40.8, 89.5, 80.1, 74.3, 71.1, 37.2],
    ];
    const THINKING_8B: [[f64; 11]; 6] = [
        [83.6, 74.5, 64.2, 71.7, 66.3, 23.2, 83.8, 71.6, 59.6, 56.7, 30.2],
        [83.9, 76.2, 67.3, 89.9, 45.5, 23.9, 86.4, 75.1, 70.3, 67.3, 33.3],
        [83.8, 74.8, 65.2, 86.3, 83.3, 42.1, 85.6, 72.3, 69.0, 65.9, 32.4],
        [83.8, 75.0, 63.8, 84.0, 84.7, 39.8, 90.2, 80.2, 71.2, 68.1, 32.5],
        [84.3, 75.4, 67.7, 85.4, 83.1, 41.8, 88.3, 81.8, 74.3, 71.0, 33.3],
        [84.0, 75.5, 66.7, 85.8, 83.7, 41.4, 88.8, 81.4, 74.5, 71.4, 38.5],
    ];
    const THINKING_14B: [[f64; 11]; 6] = [
        [84.9, 76.0, 68.3, 76.9, 69.8, 24.3, 86.9, 81.1, 66.1, 63.1, 34.5],
        [85.2, 77.7, 71.3, 93.1, 56.2, 25.6, 88.4, 81.8, 75.2, 72.3, 38.8],
        [85.0, 76.4, 70.1, 90.2, 81.3, 40.4, 89.2, 82.3, 75.3, 72.7, 38.4],
        [84.8, 76.9, 67.6, 89.3, 84.3, 41.0, 90.4, 83.3, 75.2, 72.4, 39.7],
        [85.1, 77.6, 70.3, 89.8, 81.8, 41.0, 90.4, 83.5, 78.0, 74.8, 39.6],
        [85.1, 77.0, 69.6, 89.5, 81.9, 41.7, 89.7, 83.3, 77.5, 74.6, 43.1],
    ];

    const NAMES: [&str; 6] = ["knowledge", "alignment", "instructions", "math", "code", "software"];

    /// Means of benchmarks that make a domain, as fractions.
    fn domains(row: &[f64; 11]) -> [f64; 6] {
        let mean = |from: usize, to: usize| row[from..to].iter().sum::<f64>() / (to - from) as f64 / 100.0;
        [mean(0, 3), mean(3, 4), mean(4, 6), mean(6, 8), mean(8, 10), mean(10, 11)]
    }

    /// What every stage did, in logits, `[stages][domains]`.
    fn effects(table: &[[f64; 11]; 6]) -> Vec<[f64; 6]> {
        let rows: Vec<[f64; 6]> = table.iter().map(|row| domains(row).map(logit)).collect();
        rows.windows(2).map(|pair| std::array::from_fn(|d| pair[1][d] - pair[0][d])).collect()
    }

    fn replay(start: [f64; 6], effects: &[[f64; 6]], distil: f64) -> StageReplay {
        let starter = |(name, accuracy): (&str, f64)| Starter {
            name: name.to_owned(),
            accuracy: Probability::new(accuracy).unwrap(),
        };
        let stage = |(index, effect): (usize, &[f64; 6])| Stage {
            name: format!("stage {index}"),
            effect: effect.map(|part| Finite::new(part).unwrap()).to_vec(),
        };
        StageReplay {
            domains: NAMES.into_iter().zip(start).map(starter).collect(),
            stages: effects.iter().enumerate().map(stage).collect(),
            distil: Probability::new(distil).unwrap(),
        }
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 2e-6, "{found}, not {expected}");
    }

    #[test]
    fn the_table_comes_back() {
        for table in [UNIFIED_8B, THINKING_8B, THINKING_14B] {
            let replayed = replay(domains(&table[0]), &effects(&table), 0.0).accuracies();
            for (row, published) in replayed.iter().zip(&table) {
                for (found, expected) in row.iter().zip(domains(published)) {
                    assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn fairness_after_every_stage() {
        let replayed = replay(domains(&UNIFIED_8B[0]), &effects(&UNIFIED_8B), 0.0).accuracies();
        let expected = [
            [58.647222, 26.1, 52.1, 325.923372, 0.168356],
            [63.458333, 28.2, 61.9, 518.597014, 0.195426],
            [67.594444, 28.3, 59.7, 364.590432, 0.144023],
            [68.933333, 30.6, 56.4, 354.881389, 0.139869],
            [69.577778, 31.6, 56.2, 347.029136, 0.137443],
            [70.566667, 37.2, 50.7, 278.165556, 0.123603],
        ];
        for (row, expected) in replayed.iter().zip(expected) {
            let percent: Vec<f64> = row.iter().map(|accuracy| 100.0 * accuracy).collect();
            let Spread { mean, worst, gap, variance, gini, .. } = Spread::of(&percent);
            for (found, expected) in [mean, worst, gap, variance, gini].into_iter().zip(expected) {
                near(found, expected);
            }
        }
    }

    #[test]
    fn what_each_model_forgot() {
        for (table, mean, worst, gap, variance, gini, forgetting) in [
            (UNIFIED_8B, 70.566667, 37.2, 50.7, 278.165556, 0.123603, 0.916667),
            (THINKING_8B, 70.05, 38.5, 47.3, 260.541667, 0.121580, 0.791667),
            (THINKING_14B, 72.363889, 43.1, 46.4, 249.790965, 0.117955, 1.013889),
        ] {
            let rows = replay(domains(&table[0]), &effects(&table), 0.0).accuracies();
            let last: Vec<f64> = rows[5].iter().map(|accuracy| 100.0 * accuracy).collect();
            let found = Spread::of(&last);
            for (found, expected) in [found.mean, found.worst, found.gap, found.variance, found.gini]
                .into_iter()
                .zip([mean, worst, gap, variance, gini])
            {
                near(found, expected);
            }
            let best = |domain: usize| rows.iter().map(|row| row[domain]).fold(0.0, f64::max);
            let lost: f64 = (0..6).map(|domain| 100.0 * forgotten(best(domain), rows[5][domain])).sum();
            near(lost / 6.0, forgetting);
        }
    }

    #[test]
    fn distillation_reaches_the_best_checkpoints() {
        let rows = replay(domains(&UNIFIED_8B[0]), &effects(&UNIFIED_8B), 1.0).accuracies();
        near(100.0 * rows[6].iter().sum::<f64>() / 6.0, 71.483333);
    }

    /// Mean of the three models, as printed in the reference.
    const MEAN_EFFECT: [[f64; 6]; 5] = [
        [0.101867, 1.339034, -0.343488, 0.137829, 0.452925, 0.144908],
        [-0.060819, -0.314730, 1.039660, -0.016706, -0.020275, -0.017582],
        [-0.020133, -0.123855, 0.030867, 0.303452, 0.039099, 0.056643],
        [0.065366, 0.078068, -0.042080, -0.034504, 0.166760, 0.026244],
        [-0.018493, 0.003162, 0.023167, -0.011718, -0.013240, 0.206409],
    ];

    #[test]
    fn the_mean_of_three_models() {
        let tables = [UNIFIED_8B, THINKING_8B, THINKING_14B];
        for (stage, row) in MEAN_EFFECT.iter().enumerate() {
            for (domain, expected) in row.iter().enumerate() {
                let sum: f64 = tables.iter().map(|table| effects(table)[stage][domain]).sum();
                assert!((sum / 3.0 - expected).abs() < 1e-6, "stage {stage}, {}: {}", NAMES[domain], sum / 3.0);
            }
        }
        let rows = replay(domains(&UNIFIED_8B[0]), &MEAN_EFFECT, 0.0).accuracies();
        let away = rows.iter().zip(&UNIFIED_8B).flat_map(|(row, published)| {
            row.iter()
                .zip(domains(published))
                .map(|(found, published)| 100.0 * (found - published).abs())
                .collect::<Vec<_>>()
        });
        near(away.fold(0.0, f64::max), 2.449947);
        let last: Vec<f64> = rows[5].iter().map(|accuracy| 100.0 * accuracy).collect();
        let Spread { mean, worst, gap, .. } = Spread::of(&last);
        near(mean, 69.222489);
        near(worst, 34.883694);
        near(gap, 51.280286);
    }

    #[test]
    fn replays_that_cannot_be_meant_are_refused() {
        let mut wrong = replay([0.5; 6], &MEAN_EFFECT, 0.0);
        wrong.stages[1].effect.pop();
        wrong.domains[2].accuracy = Probability::new(1.0).unwrap();
        let paths: Vec<_> = wrong.check().into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["domains[2].accuracy", "stages[1].effect"]);
    }
}
