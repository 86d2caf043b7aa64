//! A steady step neither allocates nor frees; a fused rollout does so a fixed number of times, however long it is.

use isonomy_engine::chance::passes;
use isonomy_engine::columns;
use isonomy_engine::dynamics::{Dynamics, Moves, Starts};
use isonomy_engine::environment::Environment;
use isonomy_engine::noise::Phase;
use isonomy_engine::sim::{Builder, Setup, Sim};
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use serde::{Deserialize, Serialize};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn calls(work: impl FnOnce()) -> usize {
    let before = CALLS.load(Ordering::Relaxed);
    work();
    CALLS.load(Ordering::Relaxed) - before
}

/// A walk on a ring of five places that pays for being at the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ring;

columns! {
    /// Where a walker is.
    Place(u32);
    /// Whether it walks.
    Walk(u32);
}

#[typetag::serde]
impl Environment for Ring {
    fn spec(&self) -> Spec {
        Spec {
            groups: vec![GroupSpec { name: "A".into(), agents: 3 }],
            tasks: vec![TaskSpec { name: "first".into(), reward: (0.0, 1.0) }],
            observation: Space::Discrete(5),
            action: Space::Discrete(2),
            time_limit: 7,
            terminal: Vec::new(),
        }
    }

    fn build(&self, sim: &mut Builder) {
        sim.agents::<Place, Walk>(Ring);
    }
}

impl Dynamics for Ring {
    fn start(&self, starts: Starts<'_>) {
        for (state, word) in starts.state.iter_mut().zip(starts.words) {
            *state = word % 5;
        }
    }

    fn step(&self, moves: Moves<'_>) {
        for (i, state) in moves.state.iter_mut().enumerate() {
            moves.reward[i] = f32::from(u8::from(*state == 0));
            *state = (*state + (moves.action[i] & u32::from(passes(moves.words[i], 1 << 31)))) % 5;
        }
    }
}

// One test, so that no other thread of this process allocates while it counts.
#[test]
fn steady_steps_do_not_allocate() {
    let setup = Setup { lanes: 1000, seed: 1, phase: Phase::Training, threads: 1, device: None };
    let mut sim = Sim::new(&Ring, Vec::new(), setup).expect("builds");
    (0..20).for_each(|_| sim.step());
    assert_eq!(calls(|| (0..100).for_each(|_| sim.step())), 0, "calls of the allocator in 100 scheduled steps");

    let mut advance = |horizon| calls(|| sim.advance(horizon).expect("the processor does not fail"));
    advance(10);
    let (short, long) = (advance(10), advance(1000));
    assert_eq!(short, long, "calls of the allocator in fused rollouts of 10 and of 1000 steps");
}
