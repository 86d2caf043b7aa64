// Many steps of every row in one dispatch: the twin of fused.rs.
//
// One invocation carries one row, its utilities and returns through all steps. Noise comes in tiles of 64 rows and
// 16 steps: every invocation computes one block of it (16 neighbouring rows of one step) into memory that the workgroup
// shares, so each word is computed once.
//
// The engine writes before this: AGENTS, GROUPS, TASKS, POLICY_OBSERVATIONS, TIME_LIMIT, POLICY_CELLS (groups times
// observations), POLICY_THRESHOLDS (actions - 1), ACTION_BITS, SHAPE_HERE (whether fairness rewards shape here) and
// SHAPE_NUMBERS (those that they look up), and shared.wgsl. The environment's twin, behind it, defines begin, move_on and pay; the twins
// of fairness rewards make up shape. The loops over tasks are written out before the shader is compiled.

// Whether the policy leaves anything to chance, and whether the trajectory is kept.
override DRAWS: bool;
override KEEPS: bool;

@group(0) @binding(0) var<uniform> dispatch: Dispatch;
@group(0) @binding(1) var<storage, read_write> row_states: array<u32>;
@group(0) @binding(2) var<storage, read_write> row_actions: array<u32>;
// [tasks, rows], as the next two. With SHAPE_HERE, behind them what was taught in the last step and in all steps.
@group(0) @binding(3) var<storage, read_write> row_rewards: array<f32>;
@group(0) @binding(4) var<storage, read_write> row_utilities: array<f32>;
@group(0) @binding(5) var<storage, read_write> row_returns: array<f32>;
// Where the group of each agent begins in a clock's part of the table [agents], the numbers of fairness rewards
// [SHAPE_NUMBERS], then the table [clocks, POLICY_CELLS, POLICY_THRESHOLDS].
@group(0) @binding(6) var<storage, read> policy_table: array<u32>;
// [steps, STEP_WORDS, part]: observation and action in one word, then the rewards, then with SHAPE_HERE what is taught.
// Behind it [episodes, part].
@group(0) @binding(7) var<storage, read_write> trajectory: array<u32>;

const STEP_WORDS = 1u + select(1u, 2u, SHAPE_HERE) * TASKS;

const TILE_ROWS = 64u;
const TILE_STEPS = 16u;
// Blocks of a step. A block has 16 words; one word of padding keeps neighbouring invocations in different banks.
const TILE_BLOCKS = TILE_ROWS / 16u;
const NOISE_STRIDE = 17u;
const NOISE_TILE = TILE_ROWS * NOISE_STRIDE;

// The tiles of what moves rows, what chooses actions and what starts episodes, one behind the other.
var<workgroup> noise_words: array<u32, 3u * NOISE_TILE>;
const MOVE_WORDS = 0u;
const CHOICE_WORDS = NOISE_TILE;
const START_WORDS = 2u * NOISE_TILE;

// Where a tile holds the word of step or episode `number` for an invocation.
fn word_place(number: u32, local: u32) -> u32 {
    return (number * TILE_BLOCKS + local / 16u) * NOISE_STRIDE + local % 16u;
}

// Episodes that end within the first `steps` steps.
fn ends_within(steps: u32) -> u32 {
    if steps < dispatch.left {
        return 0u;
    }
    return 1u + (steps - dispatch.left) / TIME_LIMIT;
}

// What agents of a lane see of each other in a task: reward, utility and what is taught so far. Lanes are not cut by
// workgroups where some fairness reward looks here.
var<workgroup> lane_values: array<vec4<f32>, 64>;
var<private> lane_first: u32;

// Shows a row to its lane. All rows of the workgroup come here together.
fn show_lane(local: u32, reward: f32, utility: f32, shaped: f32) {
    workgroupBarrier();
    lane_values[local] = vec4(reward, utility, shaped, 0.0);
    workgroupBarrier();
}

fn lane_reward(agent: u32) -> f32 {
    return lane_values[lane_first + agent].x;
}

fn lane_utility(agent: u32) -> f32 {
    return lane_values[lane_first + agent].y;
}

fn lane_shaped(agent: u32) -> f32 {
    return lane_values[lane_first + agent].z;
}

fn lane_group(agent: u32) -> u32 {
    return policy_table[agent] / POLICY_OBSERVATIONS;
}

fn shape_number(index: u32) -> f32 {
    return bitcast<f32>(policy_table[AGENTS + index]);
}

@compute @workgroup_size(64)
fn rollout(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let place = (workgroup.y * grid.x + workgroup.x) * TILE_ROWS + local;
    let row = dispatch.first + place;
    let alive = place < dispatch.part;
    let agent = row % AGENTS;
    let block = (row - local) / 16u + local % TILE_BLOCKS;
    var offset = 0u;
    var state = 0u;
    var utility: array<f32, TASKS>;
    var earned: array<f32, TASKS>;
    var reward: array<f32, TASKS>;
    var shaped: array<f32, TASKS>;
    var taught: array<f32, TASKS>;
    let group = lane_group(agent);
    lane_first = local - min(agent, local);
    if alive {
        offset = policy_table[agent];
        state = row_states[row];
        for (var task = 0u; task < TASKS; task++) {
            utility[task] = row_utilities[task * dispatch.rows + row];
            earned[task] = row_returns[task * dispatch.rows + row];
            if SHAPE_HERE {
                taught[task] = row_rewards[(2u * TASKS + task) * dispatch.rows + row];
            }
        }
    }
    var action = 0u;
    var left = dispatch.left;
    var clock = dispatch.clock;
    // Episodes that ended before this tile, and those whose starts the workgroup holds.
    var ended = 0u;
    var held_from = 0u;
    var held_to = 0u;
    for (var base = 0u; base < dispatch.steps; base += TILE_STEPS) {
        let count = min(TILE_STEPS, dispatch.steps - base);
        let ends = ends_within(base + count);
        workgroupBarrier();
        if local / TILE_BLOCKS < count {
            let step = step_later(dispatch.step, base + local / TILE_BLOCKS);
            write_block(MOVE_WORDS + local * NOISE_STRIDE, noise_block(dispatch.transition, step, block));
            if DRAWS {
                write_block(CHOICE_WORDS + local * NOISE_STRIDE, noise_block(dispatch.policy, step, block));
            }
        }
        if ends > held_to {
            held_from = ended;
            held_to = ended + TILE_STEPS;
            let episode = ended + local / TILE_BLOCKS;
            if episode < ends_within(dispatch.steps) {
                let made = step_later(step_later(dispatch.step, dispatch.left), episode * TIME_LIMIT);
                write_block(START_WORDS + local * NOISE_STRIDE, noise_block(dispatch.reset, made, block));
            }
        }
        workgroupBarrier();
        // From one end of an episode to the next, or to the end of the tile.
        for (var k = 0u; k < count;) {
            let stretch = min(count - k, left);
            let stop = k + stretch;
            left -= stretch;
            for (; k < stop; k++) {
                let word = noise_words[MOVE_WORDS + word_place(k, local)];
                // Where nothing is left to chance, any word will do.
                var chance = 0u;
                if DRAWS {
                    chance = noise_words[CHOICE_WORDS + word_place(k, local)];
                }
                action = choose_action(clock * POLICY_CELLS + offset + state, chance);
                let next = move_on(agent, state, action, word);
                let at = (base + k) * STEP_WORDS * dispatch.part + place;
                if KEEPS && alive {
                    trajectory[at] = (state << ACTION_BITS) | action;
                }
                for (var task = 0u; task < TASKS; task++) {
                    reward[task] = pay(task, agent, state, action, next, word);
                    utility[task] += reward[task];
                    if KEEPS && alive {
                        trajectory[at + (1u + task) * dispatch.part] = bitcast<u32>(reward[task]);
                    }
                    if SHAPE_HERE {
                        let elapsed = TIME_LIMIT - left - (stop - k);
                        shaped[task] = shape(local, task, agent, group, elapsed, reward[task], utility[task]);
                        taught[task] += shaped[task];
                        if KEEPS && alive {
                            trajectory[at + (1u + TASKS + task) * dispatch.part] = bitcast<u32>(shaped[task]);
                        }
                    }
                }
                state = next;
                clock = select(clock + 1u, 0u, clock + 1u == dispatch.clocks);
            }
            if left == 0u {
                if KEEPS && alive {
                    trajectory[dispatch.finals + ended * dispatch.part + place] = state;
                }
                for (var task = 0u; task < TASKS; task++) {
                    earned[task] += utility[task];
                    utility[task] = 0.0;
                }
                state = begin(agent, noise_words[START_WORDS + word_place(ended - held_from, local)]);
                ended++;
                clock = 0u;
                left = TIME_LIMIT;
            }
        }
    }
    if alive {
        row_states[row] = state;
        row_actions[row] = action;
        for (var task = 0u; task < TASKS; task++) {
            row_rewards[task * dispatch.rows + row] = reward[task];
            row_utilities[task * dispatch.rows + row] = utility[task];
            row_returns[task * dispatch.rows + row] = earned[task];
            if SHAPE_HERE {
                row_rewards[(TASKS + task) * dispatch.rows + row] = shaped[task];
                row_rewards[(2u * TASKS + task) * dispatch.rows + row] = taught[task];
            }
        }
    }
}
