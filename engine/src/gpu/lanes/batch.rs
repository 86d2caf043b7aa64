//! All lanes of one simulation on a device.

use super::kernel::{Blueprint, LaneActor, LaneDraws, LaneKernel, Variant, measures_here, state_words};
use super::twin::{Episodes, LaneTwin};
use crate::fused::{Ledger, Rules, Steps};
use crate::gpu::batch::{Chunk, STAGING, TRAJECTORY, chunks, submit};
use crate::gpu::kernel::{Dispatch, bind};
use crate::gpu::sink::Sink;
use crate::gpu::transfer::{POLICY, Piece, allocate, fetch, grow, send_policy, with_words};
use crate::gpu::{AdapterKind, Budget, Device, DeviceError};
use crate::policy::{Head, PolicyTable};
use crate::rollout::Rollout;
use crate::spec::{Space, Spec};
use std::ops::Range;

/// Iterations of loops after which llvmpipe stops an invocation, a few left for the engine's own.
const LOOPS: u32 = 60_000;

/// Lanes that the World lends.
pub(crate) trait Lent<'a> {
    /// What stays the same in every step.
    fn rules(&self) -> &'a Rules;

    /// What a table does.
    fn table(&self) -> &'a PolicyTable;

    /// Everything that changes.
    fn columns(&mut self) -> LentColumns<'_>;

    /// Measures the episodes that `step` ended in these lanes, and starts the next.
    fn restart(&mut self, lanes: Range<usize>, step: u64);
}

/// What lanes keep.
pub(crate) struct LentColumns<'l> {
    /// The environment's columns as bytes, in the order of its state.
    pub(crate) state: Vec<&'l mut [u8]>,
    pub(crate) action: &'l mut [u32],
    pub(crate) ledger: Ledger<'l>,
    /// Sums, `[lanes, measures]`.
    pub(crate) measures: &'l mut [f64],
}

/// All lanes of one simulation, resident on a device.
pub struct LaneBatch {
    device: Device,
    blueprint: Blueprint,
    kernel: Option<LaneKernel>,
    lanes: usize,
    /// Words of a lane.
    words: usize,
    /// Numbers that an agent sees.
    size: usize,
    state: wgpu::Buffer,
    action: wgpu::Buffer,
    ledger: wgpu::Buffer,
    run: wgpu::Buffer,
    policy: wgpu::Buffer,
    trajectory: wgpu::Buffer,
    features: wgpu::Buffer,
    /// Where what comes down is read from, in turns; the last is for columns.
    staging: [wgpu::Buffer; 3],
    /// Words on their way.
    travelling: Vec<u32>,
    /// Whether the device's columns are those of the host.
    current: bool,
}

/// What the dispatches of a rollout share.
struct Launch {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    tables: Option<wgpu::BindGroup>,
    variant: Variant,
    clocks: usize,
}

impl LaneBatch {
    /// Room for all lanes. `counts` are the rows of a lane's columns.
    pub(crate) fn new(
        device: &Device,
        environment: &str,
        spec: &Spec,
        twin: LaneTwin,
        counts: Vec<usize>,
        draws: LaneDraws,
        lanes: usize,
    ) -> Result<Self, DeviceError> {
        use wgpu::BufferUsages as Usage;
        let words = state_words(&twin, &counts, draws.measures);
        let (rows, tasks) = (lanes * spec.agents() as usize, spec.tasks.len());
        let per_lane = 4 * (words as u64).max(3 * tasks as u64 * u64::from(spec.agents())).max(1);
        let (needed, limit) = (per_lane * lanes as u64, device.info().largest_column);
        if needed > limit {
            let what = format!("what {lanes} lanes of {environment} keep, in bytes,");
            return Err(DeviceError::Limit { what, needed, limit, help: "use fewer lanes, or `--device cpu`" });
        }
        // A block of noise is numbered by 32 bits.
        let most = draws.step.max(draws.start).max(2 * spec.agents() as usize) as u64;
        let blocks = (lanes as u64 * most).div_ceil(16);
        if blocks > u64::from(u32::MAX) {
            let what = "the noise of all lanes, in blocks,".to_owned();
            let help = "use fewer lanes, or `--device cpu`";
            return Err(DeviceError::Limit { what, needed: blocks, limit: u32::MAX.into(), help });
        }
        let column =
            |words: usize| allocate(device, 4 * words as u64, Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST);
        let blueprint = Blueprint { environment: environment.to_owned(), spec: spec.clone(), twin, counts, draws };
        Ok(LaneBatch {
            kernel: None,
            lanes,
            words,
            size: if let Space::Real { size, .. } = spec.observation { size as usize } else { 0 },
            state: column(lanes * words)?,
            action: column(rows)?,
            ledger: column(3 * tasks * rows)?,
            run: allocate(device, size_of::<Dispatch>() as u64, Usage::UNIFORM | Usage::COPY_DST)?,
            policy: allocate(device, 4, POLICY)?,
            trajectory: allocate(device, 4, TRAJECTORY)?,
            features: allocate(device, 4, TRAJECTORY)?,
            staging: [allocate(device, 4, STAGING)?, allocate(device, 4, STAGING)?, allocate(device, 4, STAGING)?],
            travelling: Vec::new(),
            current: false,
            device: device.clone(),
            blueprint,
        })
    }

    /// The host's columns have changed: they go up again before the next rollout.
    pub(crate) fn invalidate(&mut self) {
        self.current = false;
    }

    /// Whether nobody asked for the device by name.
    pub(crate) fn is_optional(&self) -> bool {
        self.device.is_optional()
    }

    /// Compiles what `actor` needs.
    pub(crate) fn prepare(&mut self, actor: &LaneActor<'_>) -> Result<(), DeviceError> {
        if !self.kernel.as_ref().is_some_and(|kernel| kernel.serves(&self.blueprint, actor)) {
            self.kernel = None;
            self.kernel = Some(LaneKernel::new(&self.device, &self.blueprint, actor)?);
        }
        Ok(())
    }

    /// Makes steps of all lanes. Afterwards the host's columns are those of the device, and where something fails they
    /// are what they were.
    pub(crate) fn run<'a>(
        &mut self,
        lent: &mut dyn Lent<'a>,
        actor: &LaneActor<'_>,
        steps: Steps,
        rollout: Option<&mut Rollout>,
    ) -> Result<(), DeviceError> {
        if steps.is_empty() {
            return Ok(());
        }
        let before: Vec<Vec<u8>> = match self.restarts_here() {
            true => Vec::new(),
            false => lent.columns().state.iter().map(|column| column.to_vec()).collect(),
        };
        let measured = lent.columns().measures.to_vec();
        let outcome = self.attempt(lent, actor, steps, rollout);
        if outcome.is_err() {
            self.current = false;
            let LentColumns { state, measures, .. } = lent.columns();
            measures.copy_from_slice(&measured);
            for (column, before) in state.into_iter().zip(&before) {
                column.copy_from_slice(before);
            }
        }
        outcome
    }

    fn attempt<'a>(
        &mut self,
        lent: &mut dyn Lent<'a>,
        actor: &LaneActor<'_>,
        steps: Steps,
        rollout: Option<&mut Rollout>,
    ) -> Result<(), DeviceError> {
        self.prepare(actor)?;
        self.upload(lent, actor)?;
        let rules = lent.rules();
        // Should something fail, what the device has is worth nothing.
        self.current = false;
        let features = rollout.is_some() && self.size > 0;
        let keeps = rollout.is_some() || !rules.fairness.is_empty();
        let table = lent.table();
        let variant = Variant { draws: table.draws, keeps, features };
        let chunks = self.plan(steps.clone(), variant, rules)?;
        self.make_room(&chunks, variant)?;
        let clocks = if *actor == LaneActor::Table { table.steps } else { 1 };
        let Some(kernel) = &mut self.kernel else { return Ok(()) };
        let pipeline = kernel.rollout(&self.device, variant)?;
        let buffers =
            [&self.run, &self.state, &self.action, &self.ledger, &self.policy, &self.trajectory, &self.features];
        let group = bind(&self.device, &kernel.columns, &buffers)?;
        let launch = Launch { pipeline, group, tables: kernel.tables.clone(), variant, clocks };
        let rows = self.lanes * self.agents();
        let mut sink = Sink::of_lanes(rules, rows, steps.start, rollout);
        let mut pending = None;
        for (number, chunk) in chunks.into_iter().enumerate() {
            let staging = number % 2;
            let submission = self.dispatch(&launch, rules, &chunk, staging)?;
            let last = chunk.steps.end - 1;
            let lanes = chunk.rows.start / self.agents()..chunk.rows.end / self.agents();
            if keeps && let Some((chunk, staging, submission)) = pending.replace((chunk, staging, submission)) {
                self.take_down(&chunk, staging, submission, lent, &mut sink, variant)?;
            }
            if !self.restarts_here() && rules.ends(last) {
                self.state_down(lent, lanes.clone())?;
                lent.restart(lanes.clone(), last);
                self.state_up(lent, lanes)?;
            }
        }
        if let Some((chunk, staging, submission)) = pending {
            self.take_down(&chunk, staging, submission, lent, &mut sink, variant)?;
        }
        self.download(lent)?;
        sink.finish(&mut lent.columns().ledger);
        // Sums of measures have been taken.
        self.current = self.measures() == 0;
        Ok(())
    }

    fn agents(&self) -> usize {
        self.blueprint.spec.agents() as usize
    }

    fn measures(&self) -> usize {
        measures_here(&self.blueprint.twin, self.blueprint.draws.measures)
    }

    fn restarts_here(&self) -> bool {
        self.blueprint.twin.episodes == Episodes::Device
    }

    fn upload(&mut self, lent: &mut dyn Lent<'_>, actor: &LaneActor<'_>) -> Result<(), DeviceError> {
        if !self.current {
            self.state_up(lent, 0..self.lanes)?;
            let LentColumns { action, .. } = lent.columns();
            self.device.guarded("uploading columns", || {
                self.device.queue.write_buffer(&self.action, 0, bytemuck::cast_slice(action))
            })?;
        }
        let (rows, tasks) = (self.lanes * self.agents(), self.blueprint.spec.tasks.len());
        let LentColumns { ledger, .. } = lent.columns();
        self.device.guarded("uploading columns", || {
            for (kind, blocks) in [&ledger.reward, &ledger.utility, &ledger.returns].into_iter().enumerate() {
                for (task, block) in blocks.iter().enumerate() {
                    let place = 4 * ((kind * tasks + task) * rows) as u64;
                    self.device.queue.write_buffer(&self.ledger, place, bytemuck::cast_slice(block));
                }
            }
        })?;
        let agents = self.agents();
        let words: Vec<u32> = match actor {
            LaneActor::Table => {
                let offsets = lent.rules().offset[..agents].iter().copied();
                offsets.chain(lent.table().thresholds.iter().copied()).collect()
            }
            LaneActor::Rule { .. } => vec![0],
            LaneActor::Network(policy) => {
                let deviation = match policy.head {
                    Head::Categorical | Head::Masked => 0.0,
                    Head::Gaussian { log_deviation } => f64::from(log_deviation).exp() as f32,
                };
                policy.net.weights.iter().chain([&deviation]).map(|weight| weight.to_bits()).collect()
            }
        };
        send_policy(&self.device, &mut self.policy, &words, "use a smaller policy, or `--device cpu`")
    }

    /// Sends the columns of some lanes up.
    fn state_up(&mut self, lent: &mut dyn Lent<'_>, lanes: Range<usize>) -> Result<(), DeviceError> {
        let LentColumns { state, .. } = lent.columns();
        self.travelling.clear();
        self.travelling.resize(lanes.len() * self.words, 0);
        for (words, lane) in self.travelling.chunks_exact_mut(self.words.max(1)).zip(lanes.clone()) {
            let mut rest = words;
            for ((column, &count), bytes) in self.blueprint.twin.columns.iter().zip(&self.blueprint.counts).zip(&state)
            {
                let (mine, after) = rest.split_at_mut(count * column.row.words());
                column.row.up(&bytes[lane * count * column.row.size..][..count * column.row.size], mine);
                rest = after;
            }
        }
        let place = 4 * (lanes.start * self.words) as u64;
        let write = || self.device.queue.write_buffer(&self.state, place, bytemuck::cast_slice(&self.travelling));
        self.device.guarded("uploading columns", write)
    }

    /// Brings the columns of some lanes down.
    fn state_down(&mut self, lent: &mut dyn Lent<'_>, lanes: Range<usize>) -> Result<(), DeviceError> {
        self.travelling.resize(lanes.len() * self.words, 0);
        if self.travelling.is_empty() {
            return Ok(());
        }
        grow(&self.device, &mut self.staging[2], 4 * self.travelling.len() as u64, STAGING)?;
        let offset = 4 * (lanes.start * self.words) as u64;
        let piece = Piece { from: &self.state, offset, to: &mut self.travelling };
        fetch(&self.device, &self.staging[2], &mut [piece])?;
        let summed = self.measures();
        let LentColumns { mut state, measures, .. } = lent.columns();
        for (words, lane) in self.travelling.chunks_exact(self.words.max(1)).zip(lanes) {
            if words.last() == Some(&1) {
                return Err(DeviceError::Stopped);
            }
            let mut rest = words;
            for ((column, &count), bytes) in
                self.blueprint.twin.columns.iter().zip(&self.blueprint.counts).zip(&mut state)
            {
                let (mine, after) = rest.split_at(count * column.row.words());
                column.row.down(mine, &mut bytes[lane * count * column.row.size..][..count * column.row.size]);
                rest = after;
            }
            if summed > 0 {
                for (sum, word) in measures[lane * summed..][..summed].iter_mut().zip(rest) {
                    *sum += f64::from(f32::from_bits(*word));
                }
            }
        }
        Ok(())
    }

    fn download(&mut self, lent: &mut dyn Lent<'_>) -> Result<(), DeviceError> {
        self.state_down(lent, 0..self.lanes)?;
        let (rows, tasks) = (self.lanes * self.agents(), self.blueprint.spec.tasks.len());
        grow(&self.device, &mut self.staging[2], 4 * (rows * 3 * tasks).max(rows) as u64, STAGING)?;
        let LentColumns { action, mut ledger, .. } = lent.columns();
        fetch(&self.device, &self.staging[2], &mut [Piece { from: &self.action, offset: 0, to: action }])?;
        let blocks = ledger.reward.iter_mut().chain(&mut ledger.utility).chain(&mut ledger.returns);
        let mut pieces: Vec<Piece<'_>> = blocks
            .enumerate()
            .map(|(index, block)| Piece {
                from: &self.ledger,
                offset: 4 * (index * rows) as u64,
                to: bytemuck::cast_slice_mut(block),
            })
            .collect();
        fetch(&self.device, &self.staging[2], &mut pieces)
    }

    /// Cuts a rollout into dispatches that are short enough, whose trajectories fit, and that end where the processor
    /// starts episodes.
    fn plan(&self, steps: Steps, variant: Variant, rules: &Rules) -> Result<Vec<Chunk>, DeviceError> {
        let Budget { trajectory, steps: most, work, .. } = self.device.budget;
        let (agents, largest) = (self.agents(), self.device.info().largest_column);
        let largest_of = |rows: usize, steps: u64| {
            let [trajectory, features] = self.kept(rows, steps, variant);
            trajectory.max(features)
        };
        let least = largest_of(agents, 1);
        if 4 * least > largest {
            let what = format!("the trajectory of one step of {agents} agents, in bytes,");
            let help = "use fewer agents in a lane, or `--device cpu`";
            return Err(DeviceError::Limit { what, needed: 4 * least, limit: largest, help });
        }
        let words = trajectory.min(largest) / 4;
        let fit = words / least.max(1);
        let lanes = (work / agents.max(1) as u64).min(if least > 0 { fit } else { u64::MAX });
        let part = (lanes as usize).clamp(1, self.lanes.max(1)) * agents;
        let patience = match self.device.info().kind {
            AdapterKind::Software => u64::from(LOOPS / self.blueprint.twin.loops.max(1)),
            _ => u64::MAX,
        };
        let most = u64::from(most).min(patience).max(1);
        let mut length = (work / part.max(1) as u64).clamp(1, most);
        while length > 1 && largest_of(part, length) > words {
            length = length * 3 / 4;
        }
        let whole = chunks(self.lanes * agents, part, steps, length);
        if self.restarts_here() {
            return Ok(whole);
        }
        let limit = u64::from(rules.time_limit);
        let cut = |chunk: Chunk| {
            let mut start = chunk.steps.start;
            std::iter::from_fn(move || {
                let end = chunk.steps.end.min((start / limit + 1) * limit);
                let steps = start..end;
                start = end;
                (!steps.is_empty()).then(|| Chunk { rows: chunk.rows.clone(), steps })
            })
        };
        Ok(whole.into_iter().flat_map(cut).collect())
    }

    /// Words that some steps of some rows take in the trajectory, and among the features.
    fn kept(&self, rows: usize, steps: u64, variant: Variant) -> [u64; 2] {
        let (rows, size) = (rows as u64, self.size as u64);
        let trajectory = if variant.keeps { rows * steps * (1 + self.blueprint.spec.tasks.len() as u64) } else { 0 };
        let finals = steps.div_ceil(u64::from(self.blueprint.spec.time_limit));
        [trajectory, rows * size * if variant.features { steps + finals } else { 1 }]
    }

    fn make_room(&mut self, chunks: &[Chunk], variant: Variant) -> Result<(), DeviceError> {
        let of = |chunk: &Chunk| self.kept(chunk.rows.len(), chunk.steps.end - chunk.steps.start, variant);
        let most = |kind: usize| 4 * chunks.iter().map(|chunk| of(chunk)[kind]).max().unwrap_or(0);
        let sizes = [most(0), most(1)];
        grow(&self.device, &mut self.trajectory, sizes[0], TRAJECTORY)?;
        grow(&self.device, &mut self.features, sizes[1], TRAJECTORY)?;
        if variant.keeps {
            for staging in &mut self.staging[..chunks.len().min(2)] {
                grow(&self.device, staging, sizes[0] + if variant.features { sizes[1] } else { 0 }, STAGING)?;
            }
        }
        Ok(())
    }

    fn dispatch(
        &self,
        launch: &Launch,
        rules: &Rules,
        chunk: &Chunk,
        staging: usize,
    ) -> Result<wgpu::SubmissionIndex, DeviceError> {
        let (first, part) = (chunk.steps.start, chunk.rows.len());
        let (steps, elapsed) = (chunk.steps.end - first, rules.elapsed(first));
        let run = Dispatch {
            transition: rules.keys.transition.0,
            policy: rules.keys.policy.0,
            reset: rules.keys.reset.0,
            step: [first as u32, (first >> 32) as u32],
            steps: steps as u32,
            left: rules.time_limit - elapsed,
            clock: elapsed % launch.clocks as u32,
            clocks: launch.clocks as u32,
            rows: (self.lanes * self.agents()) as u32,
            first: chunk.rows.start as u32,
            part: part as u32,
            finals: (steps as usize * part * self.size) as u32,
            episode: (first / u64::from(rules.time_limit)) as u32,
            turns: 2,
        };
        let workgroups = (part / self.agents()) as u32;
        let across = workgroups.min(self.device.info().workgroups).min(self.device.budget.across.max(1));
        let [words, seen] = self.kept(part, steps, launch.variant);
        let mut copies = Vec::new();
        if launch.variant.keeps {
            copies.push((&self.trajectory, 0, 4 * words));
        }
        if launch.variant.features {
            copies.push((&self.features, 4 * words, 4 * seen));
        }
        submit(
            &self.device,
            &self.run,
            "running a rollout",
            bytemuck::bytes_of(&run),
            |pass| {
                pass.set_pipeline(&launch.pipeline);
                pass.set_bind_group(0, &launch.group, &[]);
                if let Some(tables) = &launch.tables {
                    pass.set_bind_group(1, tables, &[]);
                }
                pass.dispatch_workgroups(across, workgroups.div_ceil(across), 1);
            },
            &self.staging[staging],
            &copies,
        )
    }

    fn take_down(
        &self,
        chunk: &Chunk,
        staging: usize,
        submission: wgpu::SubmissionIndex,
        lent: &mut dyn Lent<'_>,
        sink: &mut Sink<'_>,
        variant: Variant,
    ) -> Result<(), DeviceError> {
        let [kept, seen] = self.kept(chunk.rows.len(), chunk.steps.end - chunk.steps.start, variant);
        let all = kept + if variant.features { seen } else { 0 };
        let columns = lent.columns();
        with_words(&self.device, &self.staging[staging], 4 * all, submission, |words| {
            let (kept, seen) = words.split_at(kept as usize);
            sink.take(chunk, kept, &columns.ledger);
            if variant.features {
                sink.see(chunk, bytemuck::cast_slice(seen));
            }
        })
    }
}
