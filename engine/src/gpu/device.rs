//! Adapters: finding them, describing them, opening one.

use super::DeviceError;
use crate::spec::Spec;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

/// What `--device` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// A GPU where there is one that can run rollouts, the processor otherwise.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A GPU, or an error.
    Gpu,
    /// An adapter that computes shaders on the processor, for tests; or an error.
    Software,
}

impl DeviceChoice {
    /// All of them, in the order in which they are offered.
    pub const ALL: [DeviceChoice; 4] =
        [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Gpu, DeviceChoice::Software];

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            DeviceChoice::Auto => "auto",
            DeviceChoice::Cpu => "cpu",
            DeviceChoice::Gpu => "gpu",
            DeviceChoice::Software => "software",
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = DeviceChoice::ALL.into_iter().find(|choice| choice.name() == text);
        found.ok_or_else(|| format!("`{text}` is not a device: expected auto, cpu, gpu or software"))
    }
}

/// What an adapter is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU lent to a virtual machine.
    Virtual,
    /// The processor, pretending.
    Software,
    /// Unknown to the driver.
    Other,
}

impl AdapterKind {
    fn of(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
            wgpu::DeviceType::Other => AdapterKind::Other,
        }
    }

    /// Whether `--device gpu` may take it.
    pub fn is_gpu(self) -> bool {
        matches!(self, AdapterKind::Discrete | AdapterKind::Integrated | AdapterKind::Virtual)
    }
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdapterKind::Discrete => "discrete",
            AdapterKind::Integrated => "integrated",
            AdapterKind::Virtual => "virtual",
            AdapterKind::Software => "software",
            AdapterKind::Other => "other",
        })
    }
}

/// An adapter that this machine has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterInfo {
    /// Its name.
    pub name: String,
    /// The interface it is reached through: vulkan, metal, dx12.
    pub backend: String,
    /// What it is made of.
    pub kind: AdapterKind,
    /// Its driver and the driver's version.
    pub driver: String,
    /// Bytes of the largest column.
    pub largest_column: u64,
    /// Workgroups per dimension of a dispatch.
    pub workgroups: u32,
    /// Storage buffers that a kernel can bind; the engine binds 7, a twin's tables come on top.
    pub storage_buffers: u32,
    /// Bytes that a workgroup can share.
    pub workgroup_memory: u32,
}

impl AdapterInfo {
    fn of(adapter: &wgpu::Adapter) -> Self {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        AdapterInfo {
            name: info.name,
            backend: info.backend.to_str().to_owned(),
            kind: AdapterKind::of(info.device_type),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            // Shaders count words in 32 bits; the drivers' limits keep further below that.
            largest_column: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(u32::MAX.into()),
            workgroups: limits.max_compute_workgroups_per_dimension,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            workgroup_memory: limits.max_compute_workgroup_storage_size,
        }
    }

    /// What keeps the engine's kernels from running on it.
    fn lacks(&self) -> Option<String> {
        let needed = super::kernel::STORAGE_BUFFERS;
        if self.storage_buffers < needed {
            return Some(format!("it binds {} storage buffers of the {needed} needed", self.storage_buffers));
        }
        let needed = super::kernel::WORKGROUP_MEMORY;
        (self.workgroup_memory < needed)
            .then(|| format!("a workgroup shares {} bytes of the {needed} needed", self.workgroup_memory))
    }
}

impl fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}, {})", self.name, self.kind, self.backend, self.driver)
    }
}

/// All adapters that this machine has, usable or not.
pub fn adapters() -> Vec<AdapterInfo> {
    enumerate().iter().map(AdapterInfo::of).collect()
}

fn enumerate() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.flags = wgpu::InstanceFlags::empty();
    pollster::block_on(wgpu::Instance::new(descriptor).enumerate_adapters(wgpu::Backends::all()))
}

/// How a rollout is cut into dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of trajectory on the device at a time. The device's largest buffer is a bound, too.
    pub trajectory: u64,
    /// Steps of a dispatch at most.
    pub steps: u32,
    /// Steps of a dispatch at most, summed over its rows, so that no watchdog thinks that the device hangs.
    pub work: u64,
    /// Workgroups of a dispatch that are numbered in one dimension. The device's own limit is a bound, too.
    pub across: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { trajectory: 256 << 20, steps: 256, work: 1 << 28, across: u32::MAX }
    }
}

/// An adapter that has been opened.
#[derive(Clone, Debug)]
pub struct Device {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) budget: Budget,
    info: AdapterInfo,
    /// Whether nobody asked for it: then what it cannot run goes to the processor.
    optional: bool,
    fault: Arc<Mutex<Option<DeviceError>>>,
}

impl Device {
    /// Opens what was chosen; none where that is the processor.
    pub fn open(choice: DeviceChoice) -> Result<Option<Device>, DeviceError> {
        let found = match choice {
            DeviceChoice::Cpu => return Ok(None),
            DeviceChoice::Auto | DeviceChoice::Gpu => best(|info| info.kind.is_gpu()),
            DeviceChoice::Software => best(|info| info.kind == AdapterKind::Software),
        };
        match (found, choice) {
            (Some(adapter), DeviceChoice::Auto) if AdapterInfo::of(&adapter).lacks().is_some() => Ok(None),
            (Some(adapter), DeviceChoice::Auto) => Ok(Some(Device { optional: true, ..Device::of(&adapter)? })),
            (Some(adapter), _) => Device::of(&adapter).map(Some),
            (None, DeviceChoice::Auto | DeviceChoice::Cpu) => Ok(None),
            (None, DeviceChoice::Gpu) => Err(DeviceError::NoAdapter {
                wanted: "GPU",
                help: "install the GPU's driver for Vulkan, Metal or DirectX 12, or use `--device cpu`".to_owned(),
            }),
            (None, DeviceChoice::Software) => Err(DeviceError::NoAdapter {
                wanted: "software",
                help: "install one (Debian and Ubuntu: `mesa-vulkan-drivers`), or use `--device cpu`".to_owned(),
            }),
        }
    }

    fn of(adapter: &wgpu::Adapter) -> Result<Device, DeviceError> {
        let info = AdapterInfo::of(adapter);
        let unfit = |reason: String| DeviceError::Unfit { adapter: info.to_string(), reason };
        if let Some(reason) = info.lacks() {
            return Err(unfit(reason));
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("isonomy"),
            required_limits: adapter.limits(),
            ..wgpu::DeviceDescriptor::default()
        };
        let opened = pollster::block_on(adapter.request_device(&descriptor));
        let (device, queue) = opened.map_err(|error| unfit(error.to_string()))?;
        let fault = Arc::new(Mutex::new(None));
        let first = |fault: &Mutex<Option<DeviceError>>, error| {
            fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        };
        let lost = fault.clone();
        device.set_device_lost_callback(move |_, reason| first(&lost, DeviceError::Lost { reason }));
        let other = fault.clone();
        device.on_uncaptured_error(Arc::new(move |error| first(&other, meaning("running a kernel", error))));
        Ok(Device { device, queue, budget: Budget::default(), info, optional: false, fault })
    }

    /// The same device, with rollouts cut up differently.
    pub fn with_budget(self, budget: Budget) -> Self {
        Device { budget, ..self }
    }

    /// The adapter.
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// Whether nobody asked for it by name: then an environment without a twin runs on the processor.
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// The adapter in one line, for the manifest.
    pub fn describe(&self) -> String {
        self.info.to_string()
    }

    /// Whether every column of so many lanes fits into a buffer; an error says how many lanes do.
    pub fn fits(&self, spec: &Spec, lanes: usize) -> Result<(), DeviceError> {
        let (agents, tasks) = (spec.agents() as usize, spec.tasks.len());
        let per_lane = 4 * agents as u64 * tasks as u64;
        let (bytes, limit) = ((lanes as u64).saturating_mul(per_lane), self.info.largest_column);
        if bytes > limit {
            return Err(DeviceError::Lanes { lanes, agents, tasks, bytes, limit, most: limit / per_lane });
        }
        Ok(())
    }

    /// Gives up the device: everything that uses it fails from now on with [`DeviceError::Lost`].
    pub fn destroy(&self) {
        self.device.destroy();
        let error = DeviceError::Lost { reason: "it was given up".to_owned() };
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// Does some work; what goes wrong in it is returned rather than printed or panicked over.
    pub(super) fn guarded<T>(&self, doing: &'static str, work: impl FnOnce() -> T) -> Result<T, DeviceError> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let done = work();
        let errors = [internal, validation, memory].map(|scope| pollster::block_on(scope.pop()));
        self.healthy()?;
        match errors.into_iter().flatten().next() {
            Some(error) => Err(meaning(doing, error)),
            None => Ok(done),
        }
    }

    /// Waits until a submission is through.
    pub(super) fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), DeviceError> {
        let until = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
        let waited = self.device.poll(until);
        self.healthy()?;
        waited
            .map(|_| ())
            .map_err(|error| DeviceError::Failed { doing: "waiting for a kernel", message: error.to_string() })
    }

    /// The first thing that went wrong behind our back.
    pub(super) fn healthy(&self) -> Result<(), DeviceError> {
        match &*self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

fn meaning(doing: &'static str, error: wgpu::Error) -> DeviceError {
    match error {
        wgpu::Error::OutOfMemory { .. } => DeviceError::Memory { doing },
        wgpu::Error::Validation { description, .. } | wgpu::Error::Internal { description, .. } => {
            DeviceError::Failed { doing, message: description }
        }
    }
}

/// The best adapter of a kind: one that can run rollouts before others, a discrete one before others, then the one that
/// the system lists first.
fn best(fits: fn(&AdapterInfo) -> bool) -> Option<wgpu::Adapter> {
    let rank = |adapter: &wgpu::Adapter| {
        let info = AdapterInfo::of(adapter);
        let kind = match info.kind {
            AdapterKind::Discrete => 0,
            AdapterKind::Virtual => 1,
            AdapterKind::Integrated => 2,
            AdapterKind::Software | AdapterKind::Other => 3,
        };
        (info.lacks().is_some(), kind)
    };
    enumerate().into_iter().filter(|adapter| fits(&AdapterInfo::of(adapter))).min_by_key(rank)
}
