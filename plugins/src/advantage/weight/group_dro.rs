use super::{BY_SHARE, by_share};
use isonomy_engine::advantage::{DomainWeight, Progress, Repairs};
use isonomy_engine::gpu::real_constants;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Positive, Probability};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Group DRO: a distribution over domains that drifts towards those with the largest loss.
///
/// `q_d ← q_d · exp(rate · L_d)`, scaled to sum to 1, `L_d = 1 − J_d`; factors `q_d / w_d`, w the shares of what is sampled.
/// q starts even. Sagawa et al., arXiv 1911.08731 (2020).
///
/// Surprises: a domain that cannot improve would take all the weight, hence the cap; `reducible` measures the loss from
/// the best accuracy so far, which such a domain has at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupDro {
    /// How fast the distribution drifts, per step.
    pub rate: Positive,
    /// The most that one domain may have of it; 0.5 if not given.
    #[serde(default = "half")]
    pub cap: Probability,
    /// Whether loss is counted from the best accuracy a domain ever had, in place of 1.
    #[serde(default)]
    pub reducible: bool,
}

isonomy_engine::plugin!(DomainWeight: GroupDro, "(rate: 0.1)");

fn half() -> Probability {
    Probability::new(0.5).expect("a probability")
}

/// Lets nobody have more than `cap` of a distribution; what is taken goes to the others by what they have.
pub(super) fn hold_below(cap: f64, q: &mut [f64]) {
    // Each turn holds one more domain, so there are at most as many turns as domains.
    for _ in 0..q.len() {
        let held = q.iter().filter(|&&q| q >= cap).count() as f64;
        let rest: f64 = q.iter().filter(|&&q| q < cap).sum();
        if !q.iter().any(|&q| q > cap) || rest <= 0.0 {
            return;
        }
        let scale = (1.0 - held * cap) / rest;
        q.iter_mut().for_each(|q| *q = if *q >= cap { cap } else { *q * scale });
    }
}

#[typetag::serde]
impl DomainWeight for GroupDro {
    fn weigh(&self, progress: &Progress<'_>, memory: &mut [f64], weight: &mut [f64]) -> Repairs {
        for (domain, q) in memory.iter_mut().enumerate() {
            let reachable = if self.reducible { progress.best[domain] } else { 1.0 };
            *q *= (self.rate.get() * (reachable - progress.accuracy[domain])).exp();
        }
        let sum: f64 = memory.iter().sum();
        memory.iter_mut().for_each(|q| *q /= sum);
        hold_below(self.cap.get(), memory);
        weight.copy_from_slice(memory);
        by_share(weight, progress.sampled);
        Repairs::default()
    }

    fn memory(&self) -> usize {
        1
    }

    fn start(&self, memory: &mut [f64]) {
        memory.fill(1.0 / memory.len() as f64);
    }

    fn check(&self, domains: usize) -> Vec<Problem> {
        let (cap, least) = (self.cap.get(), 1.0 / domains as f64);
        let problem = || Problem::at("cap", format!("{domains} domains cannot share 1 with at most {cap} each"));
        (cap < least).then(|| problem().help(format!("use a cap of {least} or more"))).into_iter().collect()
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        let numbers = real_constants(&[("GROUP_DRO_RATE", self.rate.get()), ("GROUP_DRO_CAP", self.cap.get())]);
        let flag = format!("const GROUP_DRO_REDUCIBLE = {};\n", self.reducible);
        Ok((numbers + &flag + include_str!("group_dro.wgsl") + BY_SHARE).into())
    }
}
