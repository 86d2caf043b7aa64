//! All lanes of one simulation on a device.

use super::kernel::{Dispatch, Kernel, Sum, TILE_ROWS, TILE_STEPS, Variant, action_bits, bind};
use super::sink::Sink;
use super::transfer::{POLICY, Piece, allocate, fetch, grow, send_policy, with_words};
use super::{Budget, Device, DeviceError};
use crate::fused::{Columns, Rules, Steps};
use crate::policy::PolicyTable;
use crate::rollout::Rollout;
use crate::spec::Spec;
use std::ops::Range;

/// All lanes of one simulation, resident on a device.
pub struct Batch {
    device: Device,
    kernel: Kernel,
    spec: Spec,
    rows: usize,
    columns: Resident,
    /// Whether fairness rewards shape here; what was taught then stands behind the rewards.
    shapes: bool,
    run: wgpu::Buffer,
    policy: wgpu::Buffer,
    trajectory: wgpu::Buffer,
    /// Where what comes down is read from, in turns.
    staging: [wgpu::Buffer; 2],
    /// Whether the device's columns are those of the host.
    current: bool,
    /// Whether the host has taken the returns since.
    taken: bool,
}

/// The columns, `[rows]` or `[tasks, rows]`.
struct Resident {
    state: wgpu::Buffer,
    action: wgpu::Buffer,
    reward: wgpu::Buffer,
    utility: wgpu::Buffer,
    returns: wgpu::Buffer,
}

/// What one dispatch does: some steps of some rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk {
    pub(super) rows: Range<usize>,
    pub(super) steps: Steps,
}

/// What the dispatches of a rollout share.
struct Launch {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    keeps: bool,
}

pub(super) const TRAJECTORY: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC);
pub(super) const STAGING: wgpu::BufferUsages = wgpu::BufferUsages::MAP_READ.union(wgpu::BufferUsages::COPY_DST);

impl Batch {
    pub(crate) fn new(
        device: &Device,
        rules: &Rules,
        spec: &Spec,
        lanes: usize,
        environment: &str,
    ) -> Result<Self, DeviceError> {
        let twin = rules.dynamics.as_ref().and_then(|dynamics| dynamics.twin());
        let twin = twin.ok_or_else(|| DeviceError::NoTwin { environment: environment.to_owned() })?;
        let rows = lanes * spec.agents() as usize;
        let three = 12 * (rows * spec.tasks.len()) as u64;
        let fits = three <= device.info().largest_column;
        let twins = rules.shape_twins(spec).filter(|_| fits).unwrap_or_default();
        let shapes = !twins.is_empty();
        let kernel = Kernel::new(device, spec, &twin, &twins, environment)?;
        let column = |tasks: usize| {
            use wgpu::BufferUsages as Usage;
            allocate(device, 4 * (rows * tasks) as u64, Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST)
        };
        let tasks = spec.tasks.len();
        let columns = Resident {
            state: column(1)?,
            action: column(1)?,
            reward: column(if shapes { 3 * tasks } else { tasks })?,
            utility: column(tasks)?,
            returns: column(tasks)?,
        };
        let run = allocate(
            device,
            size_of::<Dispatch>().max(size_of::<Sum>()) as u64,
            wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        )?;
        Ok(Batch {
            kernel,
            rows,
            columns,
            shapes,
            run,
            policy: allocate(device, 4, POLICY)?,
            trajectory: allocate(device, 4, TRAJECTORY)?,
            staging: [allocate(device, 4, STAGING)?, allocate(device, 4, STAGING)?],
            current: false,
            taken: false,
            device: device.clone(),
            spec: spec.clone(),
        })
    }

    /// The host's columns have changed: they go up again before the next rollout.
    pub(crate) fn invalidate(&mut self) {
        self.current = false;
    }

    /// The host has taken the returns and begins a new sum.
    pub(crate) fn take_returns(&mut self) {
        self.taken = true;
    }

    /// Makes steps of all rows. Afterwards the host's columns are those of the device.
    pub(crate) fn run(
        &mut self,
        rules: &Rules,
        policy: &PolicyTable,
        steps: Steps,
        mut columns: Columns<'_>,
        rollout: Option<&mut Rollout>,
    ) -> Result<(), DeviceError> {
        if steps.is_empty() {
            return Ok(());
        }
        self.upload(rules, policy, &columns)?;
        // Should something fail, what the device has is worth nothing.
        self.current = false;
        let keeps = rollout.is_some() || !(rules.fairness.is_empty() || self.shapes);
        let chunks = self.plan(steps.clone(), keeps)?;
        let mut sink = Sink::new(rules, action_bits(&self.spec), self.rows, steps.start, rollout, self.shapes);
        if keeps {
            self.make_room(&chunks)?;
        }
        let pipeline = self.kernel.rollout(&self.device, Variant { draws: policy.draws, keeps })?;
        let launch = Launch { pipeline, group: self.bind()?, keeps };
        let mut pending = None;
        for (number, chunk) in chunks.into_iter().enumerate() {
            let staging = number % 2;
            let submission = self.dispatch(&launch, rules, policy, &chunk, staging)?;
            if keeps && let Some((chunk, staging, submission)) = pending.replace((chunk, staging, submission)) {
                self.take_down(&chunk, staging, submission, &columns, &mut sink)?;
            }
        }
        if let Some((chunk, staging, submission)) = pending {
            self.take_down(&chunk, staging, submission, &columns, &mut sink)?;
        }
        self.download(&mut columns)?;
        sink.finish(&mut columns.ledger);
        self.current = true;
        Ok(())
    }

    /// Sums of the returns since they were last taken, `[groups, tasks]`; none where the host has changed its columns.
    pub(crate) fn return_sums(&mut self) -> Result<Option<Vec<f64>>, DeviceError> {
        if !self.current {
            return Ok(None);
        }
        self.clear_taken()?;
        let (agents, tasks) = (self.spec.agents(), self.spec.tasks.len() as u32);
        let lanes = self.rows as u64 / u64::from(agents);
        let mut jobs = Vec::new();
        let (mut first, mut place) = (0, 0);
        for group in &self.spec.groups {
            let total = lanes * u64::from(group.agents);
            let workgroups = total.div_ceil(4096).clamp(1, 1024);
            for task in 0..tasks {
                let sum = Sum {
                    rows: self.rows as u32,
                    agents,
                    first,
                    members: group.agents,
                    total: total as u32,
                    task,
                    stretch: total.div_ceil(workgroups) as u32,
                    place,
                };
                jobs.push((sum, workgroups as u32));
                place += workgroups as u32;
            }
            first += group.agents;
        }
        let sums = allocate(&self.device, 4 * u64::from(place), TRAJECTORY)?;
        let group = bind(&self.device, &self.kernel.sums, &[&self.run, &self.columns.returns, &sums])?;
        for (sum, workgroups) in &jobs {
            submit(
                &self.device,
                &self.run,
                "summing returns",
                bytemuck::bytes_of(sum),
                |pass| {
                    pass.set_pipeline(&self.kernel.add_up);
                    pass.set_bind_group(0, &group, &[]);
                    pass.dispatch_workgroups(*workgroups, 1, 1);
                },
                &self.staging[0],
                &[],
            )?;
        }
        let mut partial = vec![0.0f32; place as usize];
        grow(&self.device, &mut self.staging[0], 4 * u64::from(place), STAGING)?;
        let piece = Piece { from: &sums, offset: 0, to: bytemuck::cast_slice_mut(&mut partial) };
        fetch(&self.device, &self.staging[0], &mut [piece])?;
        let sum = |(sum, workgroups): &(Sum, u32)| -> f64 {
            partial[sum.place as usize..][..*workgroups as usize].iter().map(|&part| f64::from(part)).sum()
        };
        Ok(Some(jobs.iter().map(sum).collect()))
    }

    fn upload(&mut self, rules: &Rules, policy: &PolicyTable, columns: &Columns<'_>) -> Result<(), DeviceError> {
        if self.current {
            self.clear_taken()?;
        } else {
            self.device.guarded("uploading columns", || {
                let queue = &self.device.queue;
                queue.write_buffer(&self.columns.state, 0, bytemuck::cast_slice(columns.state));
                for (buffer, blocks) in
                    [(&self.columns.utility, &columns.ledger.utility), (&self.columns.returns, &columns.ledger.returns)]
                {
                    for (task, block) in blocks.iter().enumerate() {
                        queue.write_buffer(buffer, (4 * task * self.rows) as u64, bytemuck::cast_slice(block));
                    }
                }
                for (task, block) in columns.ledger.taught.iter().enumerate().filter(|_| self.shapes) {
                    let place = self.place_of_taught() + (4 * task * self.rows) as u64;
                    queue.write_buffer(&self.columns.reward, place, bytemuck::cast_slice(block));
                }
            })?;
            self.taken = false;
        }
        let agents = self.spec.agents() as usize;
        let twins = if self.shapes { rules.shape_twins(&self.spec).unwrap_or_default() } else { Vec::new() };
        let numbers = twins.iter().flat_map(|twin| &twin.numbers).map(|number| number.to_bits());
        let offsets = rules.offset[..agents].iter().copied();
        let table: Vec<u32> = offsets.chain(numbers).chain(policy.thresholds.iter().copied()).collect();
        send_policy(&self.device, &mut self.policy, &table, "use a stationary policy, or `--device cpu`")
    }

    /// Where in the buffer of rewards the sums of what was taught begin.
    fn place_of_taught(&self) -> u64 {
        8 * (self.rows * self.spec.tasks.len()) as u64
    }

    fn clear_taken(&mut self) -> Result<(), DeviceError> {
        if std::mem::take(&mut self.taken) {
            self.device.guarded("clearing returns", || {
                let mut encoder = self.device.device.create_command_encoder(&Default::default());
                encoder.clear_buffer(&self.columns.returns, 0, None);
                if self.shapes {
                    encoder.clear_buffer(&self.columns.reward, self.place_of_taught(), None);
                }
                self.device.queue.submit([encoder.finish()]);
            })?;
        }
        Ok(())
    }

    /// Cuts a rollout into dispatches that are short enough, and whose trajectories fit.
    fn plan(&self, steps: Steps, keeps: bool) -> Result<Vec<Chunk>, DeviceError> {
        let Budget { trajectory, steps: most, work, .. } = self.device.budget;
        let (tile, largest) = (u64::from(TILE_STEPS), self.device.info().largest_column);
        // Whole lanes, because fairness rewards see whole lanes, and whole blocks of noise.
        let agents = self.spec.agents() as usize;
        let unit = (1..=16).map(|lanes| lanes * agents).find(|rows| rows.is_multiple_of(16)).unwrap_or(16 * agents);
        let whole = |rows: u64| (rows as usize / unit).max(1).saturating_mul(unit).min(self.rows);
        let least = self.words(unit.min(self.rows), 1);
        if keeps && 4 * least > largest {
            let what = format!("the trajectory of one step of {} agents", unit.min(self.rows));
            let help = "use fewer agents in a lane, or `--device cpu`";
            return Err(DeviceError::Limit { what, needed: 4 * least, limit: largest, help });
        }
        let words = if keeps { trajectory.min(largest) / 4 } else { u64::MAX };
        let part = whole((work / tile).min(words / self.words(1, 1)));
        let mut length = (work / part as u64).clamp(tile, u64::from(most).max(tile)) / tile * tile;
        while length > 1 && self.words(part, length) > words {
            length = if length > tile { length - tile } else { length / 2 };
        }
        Ok(chunks(self.rows, part, steps, length))
    }

    /// Words of the trajectory of some steps of some rows.
    fn words(&self, rows: usize, steps: u64) -> u64 {
        rows as u64 * (steps * self.per_step() as u64 + self.finals(steps))
    }

    /// Words that a row leaves in a step: its choice, its rewards and what it is taught.
    fn per_step(&self) -> usize {
        1 + self.spec.tasks.len() * if self.shapes { 2 } else { 1 }
    }

    /// Episodes that can end in some steps.
    fn finals(&self, steps: u64) -> u64 {
        steps.div_ceil(u64::from(self.spec.time_limit))
    }

    fn make_room(&mut self, chunks: &[Chunk]) -> Result<(), DeviceError> {
        let size = |chunk: &Chunk| 4 * self.words(chunk.rows.len(), chunk.steps.end - chunk.steps.start);
        let most = chunks.iter().map(size).max().unwrap_or(4);
        grow(&self.device, &mut self.trajectory, most, TRAJECTORY)?;
        for staging in &mut self.staging[..chunks.len().min(2)] {
            grow(&self.device, staging, most, STAGING)?;
        }
        Ok(())
    }

    fn bind(&self) -> Result<wgpu::BindGroup, DeviceError> {
        let Resident { state, action, reward, utility, returns } = &self.columns;
        let buffers = [&self.run, state, action, reward, utility, returns, &self.policy, &self.trajectory];
        bind(&self.device, &self.kernel.columns, &buffers)
    }

    fn dispatch(
        &self,
        launch: &Launch,
        rules: &Rules,
        policy: &PolicyTable,
        chunk: &Chunk,
        staging: usize,
    ) -> Result<wgpu::SubmissionIndex, DeviceError> {
        let (first, part) = (chunk.steps.start, chunk.rows.len());
        let steps = chunk.steps.end - first;
        let elapsed = rules.elapsed(first);
        let run = Dispatch {
            transition: rules.keys.transition.0,
            policy: rules.keys.policy.0,
            reset: rules.keys.reset.0,
            step: [first as u32, (first >> 32) as u32],
            steps: steps as u32,
            left: rules.time_limit - elapsed,
            clock: elapsed % policy.steps as u32,
            clocks: policy.steps as u32,
            rows: self.rows as u32,
            first: chunk.rows.start as u32,
            part: part as u32,
            finals: (steps as usize * self.per_step() * part) as u32,
            episode: (first / u64::from(rules.time_limit)) as u32,
            turns: 0,
        };
        let workgroups = (part as u32).div_ceil(TILE_ROWS);
        let across = workgroups.min(self.device.info().workgroups).min(self.device.budget.across.max(1));
        let copy = launch.keeps.then(|| (&self.trajectory, 0, 4 * self.words(part, steps)));
        submit(
            &self.device,
            &self.run,
            "running a rollout",
            bytemuck::bytes_of(&run),
            |pass| {
                pass.set_pipeline(&launch.pipeline);
                pass.set_bind_group(0, &launch.group, &[]);
                if let Some(tables) = &self.kernel.tables {
                    pass.set_bind_group(1, tables, &[]);
                }
                pass.dispatch_workgroups(across, workgroups.div_ceil(across), 1);
            },
            &self.staging[staging],
            copy.as_slice(),
        )
    }

    fn take_down(
        &self,
        chunk: &Chunk,
        staging: usize,
        submission: wgpu::SubmissionIndex,
        columns: &Columns<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), DeviceError> {
        let words = self.words(chunk.rows.len(), chunk.steps.end - chunk.steps.start);
        with_words(&self.device, &self.staging[staging], 4 * words, submission, |words| {
            sink.take(chunk, words, &columns.ledger)
        })
    }

    fn download(&mut self, columns: &mut Columns<'_>) -> Result<(), DeviceError> {
        let tasks = self.spec.tasks.len() as u64;
        let column = 4 * self.rows as u64;
        let all = (2 + 5 * tasks) * column;
        let largest = self.device.device.limits().max_buffer_size;
        let room = all.min(largest).max(column);
        grow(&self.device, &mut self.staging[0], room, STAGING)?;
        let Columns { state, action, ledger } = columns;
        let Resident { state: from_state, action: from_action, reward, utility, returns } = &self.columns;
        let mut pieces: Vec<Piece<'_>> =
            vec![Piece { from: from_state, offset: 0, to: state }, Piece { from: from_action, offset: 0, to: action }];
        for (from, blocks) in
            [(reward, &mut ledger.reward), (utility, &mut ledger.utility), (returns, &mut ledger.returns)]
        {
            for (task, block) in blocks.iter_mut().enumerate() {
                pieces.push(Piece { from, offset: task as u64 * column, to: bytemuck::cast_slice_mut(block) });
            }
        }
        let taught = ledger.shaped.iter_mut().chain(ledger.taught.iter_mut());
        for (block, to) in taught.enumerate().filter(|_| self.shapes) {
            let offset = (tasks + block as u64) * column;
            pieces.push(Piece { from: reward, offset, to: bytemuck::cast_slice_mut(to) });
        }
        let at_a_time = (room / column) as usize;
        for pieces in pieces.chunks_mut(at_a_time.max(1)) {
            fetch(&self.device, &self.staging[0], pieces)?;
        }
        Ok(())
    }
}

/// One dispatch with its parameters, and what is copied to `staging` afterwards: from where, to which place, how much.
pub(super) fn submit(
    device: &Device,
    parameters: &wgpu::Buffer,
    doing: &'static str,
    run: &[u8],
    dispatch: impl FnOnce(&mut wgpu::ComputePass<'_>),
    staging: &wgpu::Buffer,
    copies: &[(&wgpu::Buffer, u64, u64)],
) -> Result<wgpu::SubmissionIndex, DeviceError> {
    device.guarded(doing, || {
        device.queue.write_buffer(parameters, 0, run);
        let mut encoder = device.device.create_command_encoder(&Default::default());
        dispatch(&mut encoder.begin_compute_pass(&Default::default()));
        for &(from, place, size) in copies {
            encoder.copy_buffer_to_buffer(from, 0, staging, place, size);
        }
        device.queue.submit([encoder.finish()])
    })
}

/// Cuts rows and steps; all steps of some rows come before the next rows.
pub(super) fn chunks(rows: usize, part: usize, steps: Steps, length: u64) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for first in (0..rows).step_by(part) {
        let mut start = steps.start;
        while start < steps.end {
            let end = steps.end.min(start + length);
            chunks.push(Chunk { rows: first..rows.min(first + part), steps: start..end });
            start = end;
        }
    }
    chunks
}
