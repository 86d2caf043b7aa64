use isonomy_engine::advantage::Progress;
use isonomy_engine::curriculum::{Curriculum, Sampler};
use isonomy_engine::problem::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::num::NonZeroU32;

/// Stages, one after the other, each with the domains that it trains.
///
/// Within a stage its domains share what is sampled by their shares of the data: `share_d = w_d / Σ_e w_e` over the stage.
/// Nemotron-Cascade, arXiv 2512.13607 (2025): RLHF, instructions, math, code, software engineering.
///
/// Surprises: the order is a decision about fairness. A domain that another one harms must come after it. When all stages
/// are over the last one goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cascade {
    /// The stages in order.
    pub stages: Vec<Stage>,
}

/// A part of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Names of the domains that are trained.
    pub domains: Vec<String>,
    /// Updates in this stage.
    pub steps: NonZeroU32,
}

isonomy_engine::plugin!(Curriculum: Cascade, r#"(stages: [
    (domains: ["math"], steps: 17),
    (domains: ["code", "puzzle"], steps: 34),
])"#);

/// Where stages end, and whom they train.
#[derive(Debug)]
struct Plan {
    /// Step at which each stage is over.
    ends: Vec<u32>,
    /// Whether each stage trains each domain, `[stages, domains]`.
    trains: Vec<Vec<bool>>,
}

#[typetag::serde]
impl Curriculum for Cascade {
    fn check(&self, domains: &[&str], steps: u32) -> Vec<Problem> {
        if self.stages.is_empty() {
            return vec![Problem::at("stages", "there are no stages").help("give at least one")];
        }
        let mut problems = Vec::new();
        for (index, stage) in self.stages.iter().enumerate() {
            let here = format!("stages[{index}].domains");
            if stage.domains.is_empty() {
                problems.push(Problem::at(&here, "this stage trains nothing").help("name at least one domain"));
            }
            for (place, name) in stage.domains.iter().enumerate() {
                if !domains.contains(&name.as_str()) {
                    let help = format!("the domains are {}", domains.join(", "));
                    problems.push(Problem::at(format!("{here}[{place}]"), format!("no domain \"{name}\"")).help(help));
                }
            }
        }
        let planned: u64 = self.stages.iter().map(|stage| u64::from(stage.steps.get())).sum();
        if planned != u64::from(steps) {
            let help = format!("let the stages have {steps} steps in all, or train for {planned}");
            problems
                .push(Problem::at("stages", format!("{planned} steps in all, but training has {steps}")).help(help));
        }
        problems
    }

    fn begin(&self, domains: &[&str]) -> Box<dyn Sampler> {
        let mut over = 0;
        let end = |stage: &Stage| {
            over += stage.steps.get();
            over
        };
        let ends = self.stages.iter().map(end).collect();
        let trains = |stage: &Stage| domains.iter().map(|name| stage.domains.iter().any(|own| own == name)).collect();
        Box::new(Plan { ends, trains: self.stages.iter().map(trains).collect() })
    }
}

impl Sampler for Plan {
    fn share(&self, progress: &Progress<'_>, _memory: &mut [f64], share: &mut [f64]) {
        let stage = self.ends.iter().take_while(|&&end| end <= progress.step).count().min(self.ends.len() - 1);
        let trains = &self.trains[stage];
        let total: f64 = progress.data.iter().zip(trains).filter(|(_, trains)| **trains).map(|(share, _)| share).sum();
        for ((share, data), &trains) in share.iter_mut().zip(progress.data).zip(trains) {
            *share = if trains { data / total } else { 0.0 };
        }
    }

    fn judges(&self, updates: u32) -> bool {
        self.ends.contains(&updates)
    }

    fn twin(&self) -> Result<Cow<'static, str>, String> {
        if self.trains.iter().any(|trains| trains.len() > 32) {
            return Err("Cascade has a WGSL twin for up to 32 domains".to_owned());
        }
        let bits = |trains: &Vec<bool>| trains.iter().rev().fold(0u32, |bits, &trains| bits << 1 | u32::from(trains));
        let mut stages = String::new();
        for (end, trains) in self.ends.iter().zip(&self.trains) {
            stages.push_str(&format!("    if step < {end}u {{ return {}u; }}\n", bits(trains)));
        }
        let last = self.trains.last().map_or(0, bits);
        let trained = format!("fn cascade_trains(step: u32) -> u32 {{\n{stages}    return {last}u;\n}}\n");
        Ok((trained + include_str!("cascade.wgsl")).into())
    }
}
