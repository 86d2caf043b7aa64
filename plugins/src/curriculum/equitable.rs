use isonomy_engine::advantage::Progress;
use isonomy_engine::curriculum::{Curriculum, Sampler};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::num::NonZeroU32;

/// Gives the next prompts to the domains whose learning curves promise most, and learns the curves on the way.
///
/// `err_d(n) = a n^−b`, fitted by a straight line through `ln err` against `ln n`; the next step is shared out part by part,
/// each to the domain that lowers the sum of errors most (`Sum`) or that has the largest error (`Max`). For concave metrics
/// such greedy choice is optimal. After arXiv 2202.01327 (2022), there for training data.
///
/// Surprises: until a domain has two points on its curve all are sampled alike. `Sum` starves a domain whose curve is flat.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Equitable {
    /// What is to become small.
    pub aggregate: Aggregate,
    /// Parts in which a step is shared out; 20 if not given.
    #[serde(default = "twenty")]
    pub parts: NonZeroU32,
}

/// What is to become small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum Aggregate {
    /// The sum of errors.
    Sum,
    /// The largest error.
    Max,
}

isonomy_engine::plugin!(Curriculum: Equitable, "(aggregate: Max)");

fn twenty() -> NonZeroU32 {
    NonZeroU32::new(20).expect("not 0")
}

/// A learning curve `a · n^−b`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curve {
    /// Error after one sample.
    pub a: f64,
    /// How fast it falls.
    pub b: f64,
}

impl Curve {
    /// The error after so many samples.
    pub fn error(&self, samples: f64) -> f64 {
        self.a * samples.powf(-self.b)
    }
}

/// Adds `units` samples one by one (each of the size `unit`) to `samples`, greedily; ties go to the lowest index.
pub fn allocate(curves: &[Curve], samples: &mut [f64], units: u32, unit: f64, aggregate: Aggregate) {
    for _ in 0..units {
        let gain = |domain: usize| match aggregate {
            Aggregate::Sum => curves[domain].error(samples[domain]) - curves[domain].error(samples[domain] + unit),
            Aggregate::Max => curves[domain].error(samples[domain]),
        };
        let best = (0..curves.len()).reduce(|best, domain| if gain(domain) > gain(best) { domain } else { best });
        if let Some(best) = best {
            samples[best] += unit;
        }
    }
}

/// Samples so far, then the sums of a straight line through points `(x, y)`: count, x, y, x², xy.
const REMEMBERED: usize = 6;

fn curve(sums: &[f64]) -> Option<Curve> {
    let &[_, n, x, y, xx, xy] = sums else { return None };
    let spread = n * xx - x * x;
    (n >= 2.0 && spread > 1e-12).then(|| {
        let slope = (n * xy - x * y) / spread;
        Curve { a: ((y - slope * x) / n).exp(), b: -slope }
    })
}

#[typetag::serde]
impl Curriculum for Equitable {
    fn begin(&self, _domains: &[&str]) -> Box<dyn Sampler> {
        Box::new(*self)
    }
}

impl Sampler for Equitable {
    fn share(&self, _progress: &Progress<'_>, memory: &mut [f64], share: &mut [f64]) {
        let domains = share.len() as f64;
        let curves: Option<Vec<Curve>> = memory.chunks_exact(REMEMBERED).map(curve).collect();
        let Some(curves) = curves else { return share.fill(1.0 / domains) };
        let before: Vec<f64> = memory.chunks_exact(REMEMBERED).map(|own| own[0]).collect();
        // A step is about as large as an even share of what was sampled so far, spread over the points of a curve.
        let step = before.iter().sum::<f64>() / memory[1].max(1.0);
        let mut after = before.clone();
        allocate(&curves, &mut after, self.parts.get(), step / f64::from(self.parts.get()), self.aggregate);
        for ((share, after), before) in share.iter_mut().zip(after).zip(before) {
            *share = (after - before) / step;
        }
    }

    fn memory(&self) -> usize {
        REMEMBERED
    }

    fn hear(&self, succeeded: &[f64], failed: &[f64], memory: &mut [f64]) {
        for (own, (succeeded, failed)) in memory.chunks_exact_mut(REMEMBERED).zip(succeeded.iter().zip(failed)) {
            let responses = succeeded + failed;
            if responses > 0.0 {
                own[0] += responses;
                // Half a failure where there is none, so that there is a logarithm.
                let (x, y) = (own[0].ln(), (failed.max(0.5) / responses).ln());
                [1.0, x, y, x * x, x * y].iter().zip(&mut own[1..]).for_each(|(part, sum)| *sum += part);
            }
        }
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        Err("Equitable has no WGSL twin: its curves want more digits than a device has".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_of_two_curves() {
        let curves = [Curve { a: 1.0, b: 0.5 }, Curve { a: 1.0, b: 0.3 }];
        for (aggregate, sizes, errors) in
            [(Aggregate::Sum, [45.0, 55.0], [0.149071, 0.300532]), (Aggregate::Max, [15.0, 85.0], [0.258199, 0.263739])]
        {
            let mut samples = [10.0, 10.0];
            allocate(&curves, &mut samples, 80, 1.0, aggregate);
            assert_eq!(samples, sizes);
            for ((curve, samples), error) in curves.iter().zip(samples).zip(errors) {
                assert!((curve.error(samples) - error).abs() < 2e-6);
            }
        }
    }

    #[test]
    fn curves_are_fitted_exactly() {
        let (law, sampler) = (Curve { a: 1.2, b: 0.4 }, Equitable { aggregate: Aggregate::Max, parts: twenty() });
        let mut memory = [0.0; REMEMBERED];
        for step in 1..=5 {
            let error = law.error(f64::from(step) * 100.0);
            sampler.hear(&[100.0 * (1.0 - error)], &[100.0 * error], &mut memory);
        }
        let fitted = curve(&memory).unwrap();
        assert!((fitted.a - 1.2).abs() < 1e-9 && (fitted.b - 0.4).abs() < 1e-9, "{fitted:?}");
    }
}
