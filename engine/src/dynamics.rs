//! How agents move: the part of an environment that knows nothing of the ECS.

use crate::gpu::Twin;

/// The rule by which agents that do not touch each other move, one batch of rows at a time.
///
/// A batch covers whole lanes: row `i` is agent `i % agents` of its lane, in the order of the environment's groups.
/// The engine calls these functions on slices short enough for the first-level cache, from any thread, for any
/// lanes and in any order of lanes: what they write may depend on their arguments only. A state is also what the policy observes; in a terminal
/// state (see [`Spec::terminal`](crate::spec::Spec)) `step` keeps the row where it is and pays nothing.
pub trait Dynamics: Send + Sync + 'static {
    /// Sets `state` to where episodes start.
    fn start(&self, starts: Starts<'_>);

    /// Moves every row by one step and pays it.
    fn step(&self, moves: Moves<'_>);

    /// Whether [`start`](Self::start) looks at its words. Where it does not, their noise is not computed.
    fn draws_starts(&self) -> bool {
        true
    }

    /// The same rule for the device.
    fn twin(&self) -> Option<Twin> {
        None
    }
}

/// Rows whose episode starts.
pub struct Starts<'a> {
    /// One word of noise per row.
    pub words: &'a [u32],
    /// Where each row starts, to be written.
    pub state: &'a mut [u32],
}

/// Rows that make a step.
pub struct Moves<'a> {
    /// What each row does.
    pub action: &'a [u32],
    /// One word of noise per row.
    pub words: &'a [u32],
    /// Where each row is, to be replaced by where it gets.
    pub state: &'a mut [u32],
    /// What each row earns, `[tasks, rows]`, to be written.
    pub reward: &'a mut [f32],
}

/// Rows in the largest batch, unless one lane alone has more agents.
pub const TILE: usize = 1024;

/// Lanes in one batch: about [`TILE`] rows, a multiple of 16 where the lanes allow, so that noise comes in whole blocks.
pub fn lanes_per_tile(agents: usize) -> usize {
    let unit = 16 / gcd(agents.max(1), 16);
    (TILE / (agents.max(1) * unit)).max(1) * if agents * unit <= TILE { unit } else { 1 }
}

/// One value per row of the largest batch, from one value per agent: what [`Dynamics`] index by row.
pub fn per_row<T: Copy>(per_agent: &[T]) -> Vec<T> {
    per_agent.iter().copied().cycle().take(per_agent.len() * lanes_per_tile(per_agent.len())).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_hold_whole_lanes_and_whole_blocks() {
        for agents in [1, 2, 3, 5, 7, 16, 33, 100, 511, 512, 513, 5000] {
            let rows = lanes_per_tile(agents) * agents;
            assert!(rows <= TILE || rows == agents, "{agents} agents: {rows} rows");
            assert!(rows.is_multiple_of(16) || agents * 16 / gcd(agents, 16) > TILE, "{agents} agents: {rows} rows");
            assert_eq!(per_row(&vec![0; agents]).len(), rows);
        }
    }
}
