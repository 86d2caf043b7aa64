// A decision, and how lights change: the twin of action.rs, signal.rs, host.rs and of what world.rs does for them. How vehicles move
// stands in queue.wgsl or in micro.wgsl.
//
// An invocation has every WIDTH-th way of the network, and of what else there is. It writes what is its own and reads
// what others wrote before the last barrier; vehicles on a way belong to whoever has the way. All times are whole
// numbers of 1/1024 s below 16,384 s, so that sums are exact.

const NONE = 0xffffffffu;

// Who arrived, how long that took, and vehicles moved, in this decision.
var<workgroup> finished: atomic<u32>;
var<workgroup> travelled: atomic<u32>;
var<workgroup> updates: atomic<u32>;

fn real(at: u32) -> f32 {
    return bitcast<f32>(numbers[at]);
}

// The way at an index of the paths; NONE where the path has ended.
fn way_at(index: u32) -> u32 {
    return numbers[PATHS_AT + index];
}

fn kind_of(vehicle: u32) -> u32 {
    return numbers[KINDS_AT + vehicle];
}

// In which step it wants to enter.
fn created(vehicle: u32) -> u32 {
    return numbers[CREATED_AT + vehicle];
}

fn agent_crossing(agent: u32) -> u32 {
    return numbers[AGENTS_AT + agent];
}

fn green_count(crossing: u32) -> u32 {
    return crossings[crossing].green_end - crossings[crossing].green;
}

fn frees(link: u32, phase: u32) -> bool {
    return numbers[links[link].green_at + phase * links[link].green_stride] == 1u;
}

fn append(way: u32, vehicle: u32) {
    let last = get_chains_last(way);
    set_chains_last(way, vehicle);
    set_chains_vehicles(way, get_chains_vehicles(way) + 1u);
    set_chains_seen(way, get_chains_seen(way) + 1u);
    if last == NONE {
        set_chains_first(way, vehicle);
    } else {
        set_vehicles_behind(last, vehicle);
    }
    set_vehicles_behind(vehicle, NONE);
}

// The green that a crossing gets where another was asked for.
fn allowed(crossing: u32, asked: u32) -> u32 {
    let light = get_lights(crossing);
    if !HAS_LONGEST || light.since_s < LONGEST_S || asked != light.green || light.clearing == 1u {
        return asked;
    }
    let count = green_count(crossing);
    for (var by = 1u; by < count; by++) {
        let next = (light.green + by) % count;
        let freed = greens[crossings[crossing].green + next];
        for (var at = freed.links_at; at < freed.links_end; at++) {
            let link = numbers[at];
            if !frees(link, light.phase) && get_chains_vehicles(links[link].out_of) > 0u {
                return next;
            }
        }
    }
    return asked;
}

fn ask(crossing: u32, asked: u32) {
    let first = crossings[crossing].green;
    let green = min(asked, green_count(crossing) - 1u);
    var light = get_lights(crossing);
    if light.clearing == 1u {
        if light.since_s >= BETWEEN_S {
            light.clearing = 0u;
            light.phase = greens[first + light.green].phase;
        } else if light.since_s >= YELLOW_S {
            light.phase = crossings[crossing].clearance;
        }
        light.since_s += STEP_S;
    } else if green == light.green || light.since_s < SHORTEST_S {
        light.since_s += STEP_S;
    } else {
        if SHOWS_YELLOW {
            light.phase = crossings[crossing].yellow + light.green * green_count(crossing) + green;
        } else {
            light.phase = select(greens[first + green].phase, crossings[crossing].clearance, CLEARS);
        }
        light.clearing = u32(SHOWS_YELLOW || CLEARS);
        light.green = green;
        light.since_s = STEP_S;
    }
    set_lights(crossing, light);
}

// The green that a light is asked for; now: in the first step of a decision.
fn wanted_green(crossing: u32, code: u32, now: bool) -> u32 {
    let light = get_lights(crossing);
    if DECIDES == GREENS && (now || !FORGETS) {
        return code;
    }
    if DECIDES == SWITCHES && now && code > 0u {
        return (light.green + 1u) % green_count(crossing);
    }
    if DECIDES == TIMED_GREENS && now && light.remaining_s <= 0.0 {
        set_lights_remaining_s(crossing, real(TIMES_AT + code % TIMES));
        return code / TIMES;
    }
    return light.green;
}

// Counts down how long a green still has been asked for; forced: the light shows another.
fn count_down(crossing: u32, forced: bool) {
    let light = get_lights(crossing);
    if DECIDES == TIMED_GREENS && (forced || light.clearing == 0u) {
        set_lights_remaining_s(crossing, select(max(light.remaining_s - STEP_S, 0.0), 0.0, forced));
    }
}

fn change_lights(thread: u32, now: bool) {
    for (var agent = thread; agent < AGENTS; agent += WIDTH) {
        let crossing = agent_crossing(agent);
        let asked = wanted_green(crossing, actions[agent], now);
        let green = allowed(crossing, asked);
        ask(crossing, green);
        count_down(crossing, green != asked);
    }
}

// Lights that follow their own tables turn.
fn turn_lights(thread: u32) {
    for (var crossing = thread; crossing < LIGHTS; crossing += WIDTH) {
        let it = crossings[crossing];
        if it.own_table == 1u {
            var light = get_lights(crossing);
            light.remaining_s -= STEP_S;
            while light.remaining_s <= 0.0 {
                light.phase = (light.phase + 1u) % (it.phases_end - it.phases_at);
                light.remaining_s += real(it.phases_at + light.phase);
            }
            set_lights(crossing, light);
        }
    }
}

// What the processor keeps about ways between steps.
fn tidy(thread: u32, begun: u32) {
    forget(thread, begun);
    for (var block = thread; block < OCCUPIED; block += WIDTH) {
        var bits = 0u;
        for (var bit = 0u; bit < 32u && block * 32u + bit < CHAINS; bit++) {
            bits |= u32(get_chains_vehicles(block * 32u + bit) > 0u) << bit;
        }
        set_occupied(block, bits);
    }
}

// Keeps in mind what crossings were asked for.
fn note_choices(thread: u32) {
    for (var agent = thread; agent < AGENTS; agent += WIDTH) {
        let it = crossings[agent_crossing(agent)];
        let green = select(get_lights_green(agent_crossing(agent)), actions[agent], DECIDES == GREENS);
        for (var choice = it.green; choice < it.green_end; choice++) {
            let passed_over = get_choices_passed_over(choice) + 1u;
            set_choices_passed_over(choice, select(passed_over, 0u, choice - it.green == green));
        }
    }
}

// One decision.
fn advance(at: At) {
    let begun = tally[0].steps;
    if at.thread == 0u {
        atomicStore(&finished, 0u);
        atomicStore(&travelled, 0u);
        atomicStore(&updates, 0u);
    }
    for (var lane = at.thread; lane < STREETS; lane += WIDTH) {
        set_chains_seen(lane, get_chains_vehicles(lane));
        set_chains_waited(lane, 0u);
    }
    prepare(at.thread);
    lane_barrier();
    for (var made = 0u; made < DECISION_STEPS; made++) {
        if !OWN_TABLES {
            change_lights(at.thread, made == 0u);
            lane_barrier();
        }
        move_vehicles(at.thread, begun + made);
        turn_lights(at.thread);
        lane_barrier();
    }
    note_choices(at.thread);
    tidy(at.thread, begun);
    if at.thread == 0u {
        tally[0].steps = begun + DECISION_STEPS;
        tally[0].finished += atomicLoad(&finished);
        tally[0].travelled += atomicLoad(&travelled);
        tally[0].updates += atomicLoad(&updates);
        tally[0].noise = noise_of_decision();
    }
    lane_barrier();
    pay(at.thread);
}
