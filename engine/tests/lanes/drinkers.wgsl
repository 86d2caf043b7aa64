// How drinkers share a well: the twin of `Wells`. Agents are shared out over the invocations of their lane.

@group(1) @binding(0) var<storage, read> first_cups: array<f32>;

fn start(at: At) {
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        cups[agent] = word(agent) % 3u;
    }
    if at.thread == 0u {
        well[0] = first_cups[0];
    }
}

fn observe(at: At) {
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        show(agent, 0u, f32(cups[agent]));
        show(agent, 1u, well[0]);
        show(agent, 2u, f32(at.elapsed));
    }
}

// Who stands first at the well drinks first, so this is done by one invocation.
fn advance(at: At) {
    if at.thread > 0u {
        return;
    }
    well[0] += f32(word(0u) % 2u);
    for (var agent = 0u; agent < AGENTS; agent++) {
        let had = cups[agent] > 0u || well[0] >= 1.0;
        rewards[agent] = f32(u32(actions[agent] == 1u && had));
        if rewards[agent] == 0.0 {
            continue;
        }
        if cups[agent] == 0u {
            well[0] -= 1.0;
        } else {
            cups[agent]--;
        }
    }
}

fn measure(at: At) {
    if at.thread > 0u {
        return;
    }
    measures[0] = well[0];
    measures[1] = 0.0;
    for (var agent = 0u; agent < AGENTS; agent++) {
        measures[1] += f32(cups[agent]);
    }
}
