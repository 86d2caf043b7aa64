//! How much memory a simulation takes, and how much there is: an allocation that fails ends the process, so what cannot
//! fit is refused before.

use crate::spec::{Space, Spec};
use aligned_vec::{AVec, ConstAlign};
use bytemuck::Pod;

/// Bytes of the columns of all lanes, the ECS's ticks (8 bytes a cell) included.
pub fn columns(spec: &Spec, lanes: u64) -> u128 {
    const CELL: u128 = 4 + 8;
    let (in_agents, in_ledger, entity) = (3, 5, 16);
    let tasks = spec.tasks.len() as u128;
    u128::from(lanes) * agents(spec) * (in_agents * CELL + entity + tasks * (in_ledger * CELL + entity))
}

/// Bytes of the trajectory of a rollout.
pub fn trajectory(spec: &Spec, lanes: u64, horizon: u64, shaped: bool) -> u128 {
    let code = |count: u32| if count <= 256 { 1 } else { 4 };
    let seen = match spec.observation {
        Space::Discrete(count) | Space::Masked(count) => code(count),
        Space::Real { size, .. } => 4 * u128::from(size),
    };
    let codes: u128 = seen + code(spec.action.codes());
    let rewards = 4 * spec.tasks.len() as u128 * if shaped { 2 } else { 1 };
    u128::from(lanes) * agents(spec) * u128::from(horizon) * (codes + rewards)
}

fn agents(spec: &Spec) -> u128 {
    spec.groups.iter().map(|group| u128::from(group.agents)).sum()
}

/// Numbers that begin where a line of the cache does, so that whole lines are written.
pub type Track<T> = AVec<T, ConstAlign<64>>;

/// Zeros. Where there are many, the system is asked for large pages: a trajectory is written to hundreds of places in turn,
/// more than the processor remembers the small pages of.
pub(crate) fn zeros<T: Pod>(len: usize) -> Track<T> {
    let mut track: Track<T> = Track::with_capacity(0, len);
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 2 << 20;
        let begin = track.as_ptr().addr().next_multiple_of(PAGE);
        let end = (track.as_ptr().addr() + track.capacity() * size_of::<T>()) / PAGE * PAGE;
        if begin < end {
            // SAFETY: these are whole pages that `track` owns; the advice changes nothing that a program can see.
            unsafe { libc::madvise(begin as *mut libc::c_void, end - begin, libc::MADV_HUGEPAGE) };
        }
    }
    track.resize(len, T::zeroed());
    track
}

/// Whether this machine can still give so many bytes.
pub fn can_be_had(bytes: u128) -> bool {
    // Where the system does not tell, it is asked for them; it may promise what it cannot keep.
    let promised = || {
        let mut probe = Vec::<u8>::new();
        let had = usize::try_from(bytes).is_ok_and(|bytes| probe.try_reserve_exact(bytes).is_ok());
        std::hint::black_box(probe);
        had
    };
    available().map_or_else(promised, |available| bytes <= available)
}

fn available() -> Option<u128> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u128 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// A number of bytes for people.
pub fn gib(bytes: u128) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}
