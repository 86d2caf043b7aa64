// Many steps of every lane in one dispatch: the twin of sim/host.rs.
//
// One workgroup carries one lane, its columns and utilities through all steps. The engine writes before this: AGENTS,
// GROUPS, TASKS, CELLS (tasks times agents), FEATURES, TIME_LIMIT, WIDTH, the POLICY_ constants, MOVE_WORDS, ACT_WORDS
// and START_WORDS (words of noise that a lane may look at), NOISE_WORDS (room for them), MEASURES (0 where the
// processor measures), MEASURE_ROOM and STATE_WORDS; noise.wgsl, shared.wgsl and math.wgsl; the columns. Behind it: choose_actions, the environment's
// twin, and that of a rule.

// Whether the trajectory is kept, and whether what agents see is part of it.
override KEEPS: bool;
override KEEPS_FEATURES: bool;

@group(0) @binding(0) var<uniform> dispatch: Dispatch;
// [lanes, STATE_WORDS]: the columns of a lane one behind the other, its sums of measures, and 1 where it was stopped.
@group(0) @binding(1) var<storage, read_write> lane_state: array<u32>;
@group(0) @binding(2) var<storage, read_write> lane_actions: array<u32>;
// [3, TASKS, rows]: rewards of the last step, utilities, returns.
@group(0) @binding(3) var<storage, read_write> lane_ledger: array<f32>;
// What the policy is: the offset of every agent's group and a table of thresholds, or weights of a network.
@group(0) @binding(4) var<storage, read> policy_table: array<u32>;
// [steps, 1 + TASKS, part]: actions, then rewards.
@group(0) @binding(5) var<storage, read_write> trajectory: array<u32>;
// [steps, part, FEATURES], and behind it [episodes, part, FEATURES]; where they are not kept, one step.
@group(0) @binding(6) var<storage, read_write> lane_features: array<f32>;

// Where and when something happens.
struct At {
    // Which invocation of the lane this is.
    thread: u32,
    lane: u32,
    episode: u32,
    elapsed: u32,
}

var<workgroup> actions: array<u32, AGENTS>;
var<workgroup> rewards: array<f32, CELLS>;
var<workgroup> utilities: array<f32, CELLS>;
var<workgroup> measures: array<f32, MEASURE_ROOM>;
var<workgroup> noise_words: array<u32, NOISE_WORDS>;

// Where in noise_words the lane's words begin; where in lane_features what the agents see is written.
var<private> words_at: u32;
var<private> features_at: u32;
// Where the lane's columns begin.
var<private> lane_at: u32;

fn word(index: u32) -> u32 {
    return noise_words[words_at + index];
}

fn show(agent: u32, feature: u32, value: f32) {
    lane_features[features_at + agent * FEATURES + feature] = value;
}

// Computes the words that a lane may look at: those at positions lane * count .. of a stream.
fn hold_words(at: At, key: NoiseKey, stream: vec2<u32>, count: u32) {
    workgroupBarrier();
    let inside = at.lane % 16u * count;
    words_at = inside % 16u;
    let first = at.lane / 16u * count + inside / 16u;
    for (var block = at.thread; block * 16u < words_at + count; block += WIDTH) {
        write_block(block * 16u, noise_block(key, stream, first + block));
    }
    workgroupBarrier();
}

// Everyone of the lane sees what everyone wrote.
fn lane_barrier() {
    storageBarrier();
    workgroupBarrier();
}

@compute @workgroup_size(WIDTH)
fn rollout(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let place = (workgroup.y * grid.x + workgroup.x) * AGENTS;
    if place >= dispatch.part {
        return;
    }
    let row = dispatch.first + place;
    var at = At(thread, row / AGENTS, dispatch.episode, TIME_LIMIT - dispatch.left);
    lane_at = at.lane * STATE_WORDS;
    load_columns(at.thread);
    for (var cell = at.thread; cell < CELLS; cell += WIDTH) {
        utilities[cell] = lane_ledger[(TASKS + cell / AGENTS) * dispatch.rows + row + cell % AGENTS];
    }
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        actions[agent] = lane_actions[row + agent];
    }
    lane_barrier();
    var clock = dispatch.clock;
    var ended = 0u;
    for (var made = 0u; made < dispatch.steps; made++) {
        let now = step_later(dispatch.step, made);
        if KEEPS_FEATURES || POLICY_SEES {
            features_at = (select(0u, made * dispatch.part, KEEPS_FEATURES) + place) * FEATURES;
            observe(at);
            lane_barrier();
        }
        choose_actions(at, now, clock);
        lane_barrier();
        if MOVE_WORDS > 0u {
            hold_words(at, dispatch.transition, now, MOVE_WORDS);
        }
        advance(at);
        lane_barrier();
        let kept = made * (1u + TASKS) * dispatch.part + place;
        for (var cell = at.thread; cell < CELLS; cell += WIDTH) {
            utilities[cell] += rewards[cell];
            if KEEPS {
                trajectory[kept + (1u + cell / AGENTS) * dispatch.part + cell % AGENTS] = bitcast<u32>(rewards[cell]);
                if cell < AGENTS {
                    trajectory[kept + cell] = actions[cell];
                }
            }
        }
        clock = select(clock + 1u, 0u, clock + 1u == dispatch.clocks);
        at.elapsed++;
        if at.elapsed == TIME_LIMIT {
            if KEEPS_FEATURES {
                features_at = dispatch.finals + (ended * dispatch.part + place) * FEATURES;
                observe(at);
                lane_barrier();
            }
            for (var cell = at.thread; cell < CELLS; cell += WIDTH) {
                lane_ledger[(2u * TASKS + cell / AGENTS) * dispatch.rows + row + cell % AGENTS] += utilities[cell];
                utilities[cell] = 0.0;
            }
            at.elapsed--;
            restart(at, step_later(now, 1u));
            ended++;
            clock = 0u;
            at.episode++;
            at.elapsed = 0u;
        }
        lane_barrier();
    }
    store_columns(at.thread);
    for (var cell = at.thread; cell < CELLS; cell += WIDTH) {
        let to = cell / AGENTS * dispatch.rows + row + cell % AGENTS;
        lane_ledger[to] = rewards[cell];
        lane_ledger[TASKS * dispatch.rows + to] = utilities[cell];
    }
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        lane_actions[row + agent] = actions[agent];
    }
    // A driver that stops who has been in loops for too long stops these turns, too.
    var turns = 0u;
    while turns < dispatch.turns {
        turns++;
        if turns == 0xffffu {
            break;
        }
    }
    if turns < dispatch.turns {
        lane_state[lane_at + STATE_WORDS - 1u] = 1u;
    }
}
