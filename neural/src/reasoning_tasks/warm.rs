//! The warm start: what a decoder learns from answers before it learns from rewards.

use super::batch::{SIDE_BY_SIDE, Sequence, Source, batches, choose, lesson, tokens};
use super::turns::again;
use super::{Domain, ReasoningTasks};
use crate::adam::Adam;
use crate::backend::Backend;
use crate::transformer::{Layout, gradient_of_all};
use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_engine::quantity::Positive;
use isonomy_plugins::public_model::Words;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Learning from answers: Adam's step size rises to `rate` in the first twentieth of the updates, then falls to 0 along
/// a cosine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WarmStart {
    /// Updates; 1000 if not given.
    pub steps: NonZeroU32,
    /// Problems per update; 128 if not given.
    pub problems: NonZeroU32,
    /// Adam's largest step size; 0.002 if not given.
    pub rate: Positive,
    /// Another seed, other problems and other parameters to begin with; 0 if not given.
    pub seed: u64,
}

impl Default for WarmStart {
    fn default() -> Self {
        WarmStart {
            steps: NonZeroU32::new(1000).expect("not 0"),
            problems: NonZeroU32::new(128).expect("not 0"),
            rate: Positive::new(2e-3).expect("above 0"),
            seed: 0,
        }
    }
}

/// What a warm start depends on, all of it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) layout: Layout,
    backend: Backend,
    warm: WarmStart,
    share: Vec<f64>,
    sources: Vec<Source>,
    /// Whether it is also shown wrong responses, of which it is to learn to say something else.
    wrong: bool,
    /// Tells plans apart.
    pub(super) hash: u64,
}

impl Plan {
    /// Of an environment that was checked.
    pub(super) fn new(tasks: &ReasoningTasks) -> Self {
        let cells = |domain: &Domain| (domain.domain.clone(), domain.level, domain.share);
        let cells: Vec<_> = tasks.domains.iter().map(cells).collect();
        let wrong = tasks.turns.get() > 1;
        let version = if wrong { 3_u32 } else { 2 };
        let written = (version, tasks.model, tasks.backend, tasks.warm_start, cells);
        let bytes = postcard::to_stdvec(&written).expect("plain numbers can be written");
        Plan {
            layout: tasks.model.layout(),
            backend: tasks.backend,
            warm: tasks.warm_start,
            share: tasks.domains.iter().map(|domain| domain.share.get()).collect(),
            sources: tasks.domains.iter().map(Source::new).collect(),
            wrong,
            hash: xxhash_rust::xxh3::xxh3_64(&bytes),
        }
    }

    /// The parameters that it leads to. `heard` is told the mean loss of a token after every update.
    pub(super) fn make(&self, mut heard: impl FnMut(f64)) -> Vec<f32> {
        let key = Key::new(self.warm.seed, Phase::Training, Purpose::Learner);
        let mut normal = normals(self.warm.seed);
        let mut parameters = self.layout.initial(&mut normal);
        let mut moments = [vec![0.0; parameters.len()], vec![0.0; parameters.len()]];
        let (steps, problems) = (self.warm.steps.get(), self.warm.problems.get() as usize);
        let (mut words, mut of_cell) = (vec![0; if self.wrong { 3 } else { 2 } * problems], Vec::new());
        for step in 0..steps {
            // Stream 0 is that of the initial parameters.
            key.fill(1 + u64::from(step), 0, &mut words);
            let (choices, rest) = words.split_at(problems);
            let (indices, others) = rest.split_at(problems);
            choose(&self.share, choices, &mut of_cell);
            let drawn = of_cell.iter().zip(indices);
            let mut lessons: Vec<_> =
                drawn.map(|(&cell, &index)| lesson(&self.sources[cell].training(u64::from(index)))).collect();
            // Every second problem is shown with an answer to another one of its kind, where that is wrong here.
            for (((prompt, _), (&cell, &index)), &other) in
                lessons.iter_mut().zip(of_cell.iter().zip(indices)).zip(others).step_by(2)
            {
                let source = &self.sources[cell];
                let (problem, wrong) = (source.training(u64::from(index)), source.training(u64::from(other)).answer);
                if source.score(&problem, &wrong) == 0.0 {
                    *prompt = again(&problem.prompt, &tokens(&wrong));
                }
            }
            let tokens: usize = lessons.iter().map(|(_, answer)| answer.len()).sum();
            let each = -1.0 / tokens as f32;
            let sequences = lessons
                .iter()
                .map(|(prompt, response)| Sequence { prompt, response, weight: vec![each; response.len()] })
                .collect();
            let (loss, gradient) = gradient_of_all(
                &self.layout,
                &parameters,
                &batches(sequences, 1.0, SIDE_BY_SIDE / 2),
                self.backend,
                true,
            );
            let [mean, square] = &mut moments;
            let rate = self.warm.rate.get() * schedule(step, steps);
            Adam::default().step(step + 1, rate as f32, &gradient, &mut parameters, [mean, square]);
            heard(loss);
        }
        parameters
    }
}

/// The part of the largest step size that is due: up in the first twentieth, then down along a cosine.
fn schedule(step: u32, steps: u32) -> f64 {
    let rise = f64::from(steps.div_ceil(20));
    let (step, steps) = (f64::from(step), f64::from(steps));
    if step < rise {
        return (step + 1.0) / rise;
    }
    let done = (step - rise) / (steps - rise).max(1.0);
    0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// Standard normal numbers of a seed.
fn normals(seed: u64) -> impl FnMut() -> f64 {
    let (mut words, mut left) = (Words::new(seed), None);
    move || {
        left.take().unwrap_or_else(|| {
            let [now, next] = words.normal_pair();
            left = Some(next);
            now
        })
    }
}
