// What the kernel of rows and the kernel of lanes share.

// What one dispatch is to do.
struct Dispatch {
    transition: NoiseKey,
    policy: NoiseKey,
    reset: NoiseKey,
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
    // Where in the trajectory final observations begin; for lanes, where in the features.
    finals: u32,
    // The number of the episode at the first step, its low half.
    episode: u32,
    // Turns that a lane makes in the end to find out whether it was stopped.
    turns: u32,
}

// Writes the words of a block one behind the other.
fn write_block(at: u32, block: NoiseBlock) {
    noise_words[at] = block.a.x;
    noise_words[at + 1u] = block.a.y;
    noise_words[at + 2u] = block.a.z;
    noise_words[at + 3u] = block.a.w;
    noise_words[at + 4u] = block.b.x;
    noise_words[at + 5u] = block.b.y;
    noise_words[at + 6u] = block.b.z;
    noise_words[at + 7u] = block.b.w;
    noise_words[at + 8u] = block.c.x;
    noise_words[at + 9u] = block.c.y;
    noise_words[at + 10u] = block.c.z;
    noise_words[at + 11u] = block.c.w;
    noise_words[at + 12u] = block.d.x;
    noise_words[at + 13u] = block.d.y;
    noise_words[at + 14u] = block.d.z;
    noise_words[at + 15u] = block.d.w;
}

// The action of a cell of the table of thresholds.
fn choose_action(cell: u32, word: u32) -> u32 {
    var action = 0u;
    for (var k = 0u; k < POLICY_THRESHOLDS; k++) {
        action += u32(passes(word, policy_table[AGENTS + SHAPE_NUMBERS + cell * POLICY_THRESHOLDS + k]));
    }
    return action;
}
