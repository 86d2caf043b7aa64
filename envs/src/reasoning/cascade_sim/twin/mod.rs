//! Training runs on a device: their tables and columns for the WGSL beside this file.

use super::measures::{COVERED, OF_DOMAIN, OF_RUN, REGRESSION};
use super::parameters::{LARGEST_GROUP, Parameters};
use super::training::{Bill, Lane, Skill};
use super::{MOST_SEEN, Memory, Training, counts};
use bytemuck::{Pod, Zeroable};
use isonomy_engine::advantage::Reach;
use isonomy_engine::device_row;
use isonomy_engine::gpu::{Episodes, Home, LaneColumn, LaneTwin, Table, constants, real_constants};

/// Invocations of a training run where responses are drawn, and where they are not.
const WIDTHS: [u32; 2] = [64, 32];

/// Steps of the longest training run: a table says of each whether domains are judged.
const MOST_STEPS: u32 = 1 << 20;

/// `Domain` of `training.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Domain {
    share: f32,
    difficulty: f32,
    spread: f32,
    discrimination: f32,
    guessing: f32,
    reference: f32,
    ceiling: f32,
    entropy: f32,
    entropy_reference: f32,
    entropy_decay: f32,
    cut: f32,
    cut_slope: f32,
    can_be_cut: u32,
    length: f32,
    length_slope: f32,
    before: f32,
}

/// `Outcome` of `training.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Outcome {
    success: f32,
    failure: f32,
    kept: f32,
}

impl Training {
    /// The training run in WGSL.
    pub(super) fn lane_twin(&self) -> Result<LaneTwin, String> {
        let parameters = &self.parameters;
        let method = &parameters.method;
        if self.steps > MOST_STEPS {
            return Err(format!("training runs of more than {MOST_STEPS} steps have no WGSL twin"));
        }
        by_successes(parameters)?;
        let sampler = parameters.sampler.twin()?;
        let weights = method.weights.as_ref().map_or(Ok(NO_WEIGHTS.into()), |weights| weights.twin())?;
        let (numbers, mut source) = self.numbers();
        for part in [
            include_str!("numbers.wgsl"),
            include_str!("training.wgsl"),
            if parameters.expected { include_str!("expected.wgsl") } else { include_str!("groups.wgsl") },
            include_str!("measures.wgsl"),
            &sampler,
            &weights,
        ] {
            source.push_str(part);
        }
        let column = |name, row| LaneColumn { name, row, home: Home::Workgroup };
        Ok(LaneTwin {
            source: source.into(),
            tables: vec![
                Table::new("domains", &domains(parameters)),
                Table::new("outcomes", &outcomes(parameters)),
                Table::new("numbers", &numbers),
            ],
            columns: vec![
                column("skills", device_row!(Skill: skill entropy accuracy best share weight silent length)),
                column("memory", device_row!(Memory: 0)),
                column("bill", device_row!(Bill: generated dropped negative_weights floored)),
            ],
            width: WIDTHS[usize::from(parameters.expected)],
            episodes: Episodes::Device,
            loops: loops(parameters),
        })
    }

    /// The blocks of `numbers` in `training.wgsl`, and the constants.
    fn numbers(&self) -> (Vec<f32>, String) {
        let parameters = &self.parameters;
        let domains = parameters.domains.len();
        let [of_sampler, of_weights] = parameters.memory();
        let (mut skills, mut bill) = (vec![Skill::default(); domains], Bill::default());
        // A column has at least a row.
        let mut memory = vec![0.0; (domains * (of_sampler + of_weights)).max(1)];
        Lane { skills: &mut skills, memory: &mut memory, bill: &mut bill }.start(parameters);
        let judged = (1..=self.steps).map(|updates| f64::from(u8::from(parameters.sampler.judges(updates))));
        let mut numbers = Vec::new();
        let mut put = |block: &[f64]| {
            let at = numbers.len() as u32;
            numbers.extend(block.iter().map(|number| *number as f32));
            at
        };
        put(&parameters.transfer);
        let (words, spreads) = match parameters.expected {
            true => (0, 0),
            false => (counts::words(parameters) as u32, u32::from(counts::spreads(parameters))),
        };
        let (prompts, rounds) = (parameters.prompts as u32, parameters.method.rounds as u32);
        let named = [
            ("FORGETTING_AT", put(&parameters.forgetting)),
            ("BIDS_AT", put(&parameters.bids)),
            ("NODES_AT", put(parameters.nodes.as_flattened())),
            ("MEMORY_AT", put(&memory)),
            ("JUDGED_AT", put(&judged.collect::<Vec<_>>())),
            ("BIDS", parameters.bids.len() as u32),
            ("WEIGHTS_AT", (domains * of_sampler) as u32),
            ("RESPONSES", parameters.responses as u32),
            ("PROMPTS", prompts),
            ("ROUNDS", rounds),
            ("ROUND_WORDS", prompts * words),
            ("CUT_WORDS_AT", prompts * (1 + spreads)),
            ("EXPECTED", u32::from(parameters.expected)),
            ("PLASTICITY", u32::from(parameters.plasticity)),
            ("OF_RUN", OF_RUN.len() as u32),
            ("OF_DOMAIN", OF_DOMAIN.len() as u32),
        ];
        let real = [
            ("RATE", parameters.rate),
            ("KL", parameters.kl),
            ("MOMENTUM", parameters.momentum),
            ("MOST_SEEN", f64::from(MOST_SEEN)),
            ("REGRESSION", REGRESSION),
            ("COVERED", COVERED),
        ];
        (numbers, constants(&named) + &real_constants(&real))
    }
}

/// In place of a [`DomainWeight`](isonomy_engine::advantage::DomainWeight).
const NO_WEIGHTS: &str = "fn weigh() -> vec2<f32> {\n    return vec2(0.0);\n}\n";

/// Refuses methods that want to know more of a group than its successes, and groups too large to be drawn by them.
fn by_successes(parameters: &Parameters) -> Result<(), String> {
    let method = &parameters.method;
    if method.loss.is_some() {
        return Err("a `loss`, for several steps with the same responses, has no WGSL twin".to_owned());
    }
    if method.recovers() {
        return Err("a `filter` that keeps groups for the next step has no WGSL twin".to_owned());
    }
    let estimator = method.estimator.typetag_name();
    if method.estimator.reach() == Reach::Batch {
        return Err(format!("{estimator} looks at the whole batch, and has no WGSL twin"));
    }
    let shaper =
        method.shaper.iter().flat_map(|shaper| shaper.needs().iter().map(|need| (shaper.typetag_name(), need)));
    let mut needs = method.estimator.needs().iter().map(|need| (estimator, need)).chain(shaper);
    if let Some((plugin, need)) = needs.next() {
        return Err(format!("{plugin} looks at {}, and has no WGSL twin", need.name()));
    }
    if !parameters.expected && parameters.responses > LARGEST_GROUP {
        let responses = parameters.responses;
        return Err(format!("groups of {responses} responses have no WGSL twin (up to {LARGEST_GROUP} have)"));
    }
    Ok(())
}

fn domains(parameters: &Parameters) -> Vec<Domain> {
    let domain = |(of, before): (&super::DomainParameters, &f64)| {
        let length = of.items.length;
        let can_be_cut = length.limit.is_finite();
        let cut = |number: f64| if can_be_cut { (number / length.spread) as f32 } else { 0.0 };
        Domain {
            share: of.share as f32,
            difficulty: of.items.difficulty as f32,
            spread: of.items.spread as f32,
            discrimination: of.items.discrimination as f32,
            guessing: of.items.guessing as f32,
            reference: of.reference as f32,
            // WGSL knows no infinity.
            ceiling: of.ceiling.min(f64::from(f32::MAX)) as f32,
            entropy: of.entropy as f32,
            entropy_reference: of.entropy_reference as f32,
            entropy_decay: of.entropy_decay as f32,
            cut: cut(length.limit - length.mean),
            cut_slope: cut(length.slope),
            can_be_cut: u32::from(can_be_cut),
            length: (length.mean + 0.5 * length.spread * length.spread) as f32,
            length_slope: length.slope as f32,
            before: *before as f32,
        }
    };
    parameters.domains.iter().zip(&parameters.before).map(domain).collect()
}

/// `[domains, responses + 1]`
fn outcomes(parameters: &Parameters) -> Vec<Outcome> {
    let group = parameters.responses as f64;
    let outcome = |(successes, of): (usize, &isonomy_engine::advantage::Outcome)| match of.kept {
        true => Outcome {
            success: (successes as f64 * of.success / group) as f32,
            failure: (of.failure / group) as f32,
            kept: 1.0,
        },
        false => Outcome::zeroed(),
    };
    parameters.outcomes.iter().flat_map(|of| of.iter().enumerate().map(outcome)).collect()
}

/// Turns of loops that an invocation makes in a step, at most: those over domains and pairs of them, by one invocation, and
/// those over the group of every prompt or domain that is its own.
fn loops(parameters: &Parameters) -> u32 {
    let (domains, responses) = (parameters.domains.len(), parameters.responses);
    let width = WIDTHS[usize::from(parameters.expected)] as usize;
    let own = match parameters.expected {
        true => domains.div_ceil(width) * (responses + 2),
        false => {
            let prompts = parameters.prompts.div_ceil(width) * (2 * domains + 2 * responses + 12);
            let cells = (16 * domains).div_ceil(width) * (parameters.prompts.div_ceil(16) + 2);
            parameters.method.rounds * (prompts + cells + 2 * domains + 32)
        }
    };
    (own + 4 * domains * domains + 40 * domains + 100) as u32
}
