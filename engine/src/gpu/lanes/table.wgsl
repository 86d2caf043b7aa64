// A table chooses. Of numbers it sees nothing.
fn choose_actions(at: At, stream: vec2<u32>, clock: u32) {
    if POLICY_DRAWS {
        hold_words(at, dispatch.policy, stream, AGENTS);
    }
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        // Where nothing is left to chance, any word will do.
        var chance = 0u;
        if POLICY_DRAWS {
            chance = word(agent);
        }
        actions[agent] = choose_action(clock * POLICY_CELLS + policy_table[agent], chance);
    }
}
