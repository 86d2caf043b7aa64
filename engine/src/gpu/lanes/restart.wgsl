// Measures the episode that has ended, and starts the next.
fn restart(at: At, stream: vec2<u32>) {
    if MEASURES > 0u {
        lane_barrier();
        measure(at);
        lane_barrier();
        for (var index = at.thread; index < MEASURES; index += WIDTH) {
            let sum = lane_at + STATE_WORDS - 1u - MEASURES + index;
            lane_state[sum] = bitcast<u32>(bitcast<f32>(lane_state[sum]) + measures[index]);
        }
    }
    hold_words(at, dispatch.reset, stream, START_WORDS);
    start(At(at.thread, at.lane, at.episode + 1u, 0u));
}
