// A controller's rule chooses.
fn choose_actions(at: At, stream: vec2<u32>, clock: u32) {
    if ACT_WORDS > 0u {
        hold_words(at, dispatch.policy, stream, ACT_WORDS);
    }
    act(at);
}
