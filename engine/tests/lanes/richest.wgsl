// Those drink who have most cups of their own, and sometimes another: the twin of `Richest`.
fn act(at: At) {
    var most = 0u;
    for (var agent = 0u; agent < AGENTS; agent++) {
        most = max(most, cups[agent]);
    }
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        actions[agent] = u32(cups[agent] == most || word(0u) % AGENTS == agent);
    }
}
