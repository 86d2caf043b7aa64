// Many steps of every row in one dispatch: the twin of fused.rs.
//
// One invocation carries one row, its utilities and returns through all steps. Noise comes in tiles of 64 rows and
// 16 steps: every invocation computes one block of it (16 neighbouring rows of one step) into memory that the workgroup
// shares, so each word is computed once.
//
// The engine writes before this: AGENTS, TASKS, CELLS (groups times observations), THRESHOLDS (actions - 1),
// TIME_LIMIT, ACTION_BITS. The environment's twin, behind it, defines begin, move_on and pay.

struct Run {
    transition: Key,
    policy: Key,
    reset: Key,
    // The engine's clock at the first step.
    step: vec2<u32>,
    steps: u32,
    // Steps to the end of an episode, at least one.
    left: u32,
    // Which entry of the policy's clock the first step reads, and how many there are.
    clock: u32,
    clocks: u32,
    // Rows of all lanes.
    rows: u32,
    // The part of them that this dispatch moves.
    first: u32,
    part: u32,
    // Where in the trajectory final observations begin.
    finals: u32,
}

// Whether the policy leaves anything to chance, and whether the trajectory is kept.
override DRAWS: bool;
override KEEPS: bool;

@group(0) @binding(0) var<uniform> run: Run;
@group(0) @binding(1) var<storage, read_write> states: array<u32>;
@group(0) @binding(2) var<storage, read_write> actions: array<u32>;
// [tasks, rows], as the next two.
@group(0) @binding(3) var<storage, read_write> rewards: array<f32>;
@group(0) @binding(4) var<storage, read_write> utilities: array<f32>;
@group(0) @binding(5) var<storage, read_write> returns: array<f32>;
// Where the group of each agent begins in a clock's part of the table, then the table [clocks, CELLS, THRESHOLDS].
@group(0) @binding(6) var<storage, read> policy: array<u32>;
// [steps, 1 + tasks, part]: observation and action in one word, then the rewards. Behind it [episodes, part].
@group(0) @binding(7) var<storage, read_write> trajectory: array<u32>;

const TILE_ROWS = 64u;
const TILE_STEPS = 16u;
// Blocks of a step. A block is 16 words; one word of padding keeps neighbouring invocations in different banks.
const BLOCKS = TILE_ROWS / 16u;
const STRIDE = 17u;
const TILE = TILE_ROWS * STRIDE;

// The tiles of what moves rows, what chooses actions and what starts episodes, one behind the other.
var<workgroup> words: array<u32, 3u * TILE>;
const MOVES = 0u;
const CHOICES = TILE;
const STARTS = 2u * TILE;

// Where a tile holds the word of step or episode `number` for an invocation.
fn place_of(number: u32, local: u32) -> u32 {
    return (number * BLOCKS + local / 16u) * STRIDE + local % 16u;
}

fn write(at: u32, block: Block) {
    words[at] = block.a.x;
    words[at + 1u] = block.a.y;
    words[at + 2u] = block.a.z;
    words[at + 3u] = block.a.w;
    words[at + 4u] = block.b.x;
    words[at + 5u] = block.b.y;
    words[at + 6u] = block.b.z;
    words[at + 7u] = block.b.w;
    words[at + 8u] = block.c.x;
    words[at + 9u] = block.c.y;
    words[at + 10u] = block.c.z;
    words[at + 11u] = block.c.w;
    words[at + 12u] = block.d.x;
    words[at + 13u] = block.d.y;
    words[at + 14u] = block.d.z;
    words[at + 15u] = block.d.w;
}

// Episodes that end within the first `steps` steps.
fn ends_within(steps: u32) -> u32 {
    if steps < run.left {
        return 0u;
    }
    return 1u + (steps - run.left) / TIME_LIMIT;
}

fn choose(cell: u32, word: u32) -> u32 {
    var action = 0u;
    for (var k = 0u; k < THRESHOLDS; k++) {
        action += u32(passes(word, policy[AGENTS + cell * THRESHOLDS + k]));
    }
    return action;
}

@compute @workgroup_size(64)
fn rollout(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let place = (workgroup.y * grid.x + workgroup.x) * TILE_ROWS + local;
    let row = run.first + place;
    let alive = place < run.part;
    let agent = row % AGENTS;
    let block = (row - local) / 16u + local % BLOCKS;
    var offset = 0u;
    var state = 0u;
    var utility: array<f32, TASKS>;
    var earned: array<f32, TASKS>;
    var reward: array<f32, TASKS>;
    if alive {
        offset = policy[agent];
        state = states[row];
        for (var task = 0u; task < TASKS; task++) {
            utility[task] = utilities[task * run.rows + row];
            earned[task] = returns[task * run.rows + row];
        }
    }
    var action = 0u;
    var left = run.left;
    var clock = run.clock;
    // Episodes that ended before this tile, and those whose starts the workgroup holds.
    var ended = 0u;
    var held_from = 0u;
    var held_to = 0u;
    for (var base = 0u; base < run.steps; base += TILE_STEPS) {
        let count = min(TILE_STEPS, run.steps - base);
        let ends = ends_within(base + count);
        workgroupBarrier();
        if local / BLOCKS < count {
            let step = later(run.step, base + local / BLOCKS);
            write(MOVES + local * STRIDE, noise_block(run.transition, step, block));
            if DRAWS {
                write(CHOICES + local * STRIDE, noise_block(run.policy, step, block));
            }
        }
        if ends > held_to {
            held_from = ended;
            held_to = ended + TILE_STEPS;
            let episode = ended + local / BLOCKS;
            if episode < ends_within(run.steps) {
                let made = later(later(run.step, run.left), episode * TIME_LIMIT);
                write(STARTS + local * STRIDE, noise_block(run.reset, made, block));
            }
        }
        workgroupBarrier();
        // From one end of an episode to the next, or to the end of the tile.
        for (var k = 0u; k < count;) {
            let stretch = min(count - k, left);
            let stop = k + stretch;
            left -= stretch;
            for (; k < stop; k++) {
                let word = words[MOVES + place_of(k, local)];
                action = choose(clock * CELLS + offset + state, words[CHOICES + place_of(k, local)]);
                let next = move_on(agent, state, action, word);
                let at = (base + k) * (1u + TASKS) * run.part + place;
                if KEEPS && alive {
                    trajectory[at] = (state << ACTION_BITS) | action;
                }
                for (var task = 0u; task < TASKS; task++) {
                    reward[task] = pay(task, agent, state, action, next, word);
                    utility[task] += reward[task];
                    if KEEPS && alive {
                        trajectory[at + (1u + task) * run.part] = bitcast<u32>(reward[task]);
                    }
                }
                state = next;
                clock = select(clock + 1u, 0u, clock + 1u == run.clocks);
            }
            if left == 0u {
                if KEEPS && alive {
                    trajectory[run.finals + ended * run.part + place] = state;
                }
                for (var task = 0u; task < TASKS; task++) {
                    earned[task] += utility[task];
                    utility[task] = 0.0;
                }
                state = begin(agent, words[STARTS + place_of(ended - held_from, local)]);
                ended++;
                clock = 0u;
                left = TIME_LIMIT;
            }
        }
    }
    if alive {
        states[row] = state;
        actions[row] = action;
        for (var task = 0u; task < TASKS; task++) {
            rewards[task * run.rows + row] = reward[task];
            utilities[task * run.rows + row] = utility[task];
            returns[task * run.rows + row] = earned[task];
        }
    }
}
