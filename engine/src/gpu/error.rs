//! What can go wrong on a device, and what would help.

/// What went wrong on a device. What was recorded before is unharmed, and the last checkpoint is good.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No adapter of the kind that was asked for.
    #[error("no {wanted} adapter: {help}")]
    NoAdapter {
        /// What was asked for.
        wanted: &'static str,
        /// What would do.
        help: String,
    },
    /// The adapter cannot do what the kernels need.
    #[error("{adapter} cannot run rollouts: {reason}; use another device, or `--device cpu`")]
    Unfit {
        /// Its name.
        adapter: String,
        /// What it lacks.
        reason: String,
    },
    /// The environment runs by systems of its own, which only the processor can do.
    #[error("{environment} runs by systems that only the processor has; use `--device cpu`")]
    Scheduled {
        /// Its name.
        environment: String,
    },
    /// The environment has no dynamics in WGSL.
    #[error("{environment} has no WGSL twin of its dynamics; use `--device cpu`, or give `Dynamics::twin`")]
    NoTwin {
        /// Its name.
        environment: String,
    },
    /// The lanes of the environment have no twin as the scenario describes them.
    #[error("{environment} cannot run on a device: {reason}; use `--device cpu`")]
    NoLaneTwin {
        /// Its name.
        environment: String,
        /// What has no twin.
        reason: String,
    },
    /// The controller's rule has no twin.
    #[error("the controller cannot act on a device: {reason}; use another controller, or `--device cpu`")]
    NoRuleTwin {
        /// What has no twin.
        reason: String,
    },
    /// The controller's rule in WGSL is wrong.
    #[error("the WGSL twin of the controller does not compile: {message}")]
    RuleTwin {
        /// What the compiler says; where it names a line, it counts from the beginning of the environment's source.
        message: String,
    },
    /// The environment's dynamics in WGSL are wrong.
    #[error("the WGSL twin of {environment} does not compile: {message}")]
    Twin {
        /// Its name.
        environment: String,
        /// What the compiler says; where it names a line, it is a line of the twin's source.
        message: String,
    },
    /// The scenario's fairness rewards in WGSL are wrong.
    #[error("the WGSL twin of a fairness reward does not compile: {message}")]
    ShapeTwin {
        /// What the compiler says.
        message: String,
    },
    /// More agents than a buffer of the device can hold.
    #[error(
        "{lanes} lanes of {agents} agents and {tasks} tasks need buffers of {bytes} bytes, and this device's \
         largest has {limit}; use at most {most} lanes, or `--device cpu`"
    )]
    Lanes {
        /// What was asked for.
        lanes: usize,
        /// Agents in a lane.
        agents: usize,
        /// Tasks.
        tasks: usize,
        /// Size of the largest column.
        bytes: u64,
        /// Size of the largest buffer.
        limit: u64,
        /// Lanes that fit.
        most: u64,
    },
    /// Something else is larger than the device allows.
    #[error("{what} needs {needed}, and this device allows {limit}; {help}")]
    Limit {
        /// What is too large.
        what: String,
        /// How large it is.
        needed: u64,
        /// How large it may be.
        limit: u64,
        /// What would do.
        help: &'static str,
    },
    /// The driver stopped a lane in the middle of a step.
    #[error(
        "the driver stopped a lane because its loops are too long, as software adapters do after 65,535 turns; use a \
         smaller lane, a GPU, or `--device cpu`"
    )]
    Stopped,
    /// The device has no memory left.
    #[error("the device ran out of memory {doing}; use fewer lanes, or `--device cpu`")]
    Memory {
        /// Meanwhile.
        doing: &'static str,
    },
    /// The device went away: unplugged, reset by its driver, or stopped by a watchdog.
    #[error("the device was lost ({reason}); start again from the last checkpoint, with fewer lanes if it repeats")]
    Lost {
        /// What the driver says.
        reason: String,
    },
    /// The driver refused something it should not have.
    #[error("the device failed {doing}: {message}; this is a defect of the engine or of the driver")]
    Failed {
        /// Meanwhile.
        doing: &'static str,
        /// What the driver says.
        message: String,
    },
}
