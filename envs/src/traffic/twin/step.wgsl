// How vehicles move and lights change: the twin of queue.rs, signal.rs, host.rs and of what world.rs does for them.
//
// An invocation has every WIDTH-th lane of the network, and of what else there is. It writes what is its own and reads
// what others wrote before the last barrier; vehicles on a lane belong to whoever has the lane. All times are whole
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

fn append(lane: u32, vehicle: u32) {
    let last = get_chains_last(lane);
    set_chains_last(lane, vehicle);
    set_chains_vehicles(lane, get_chains_vehicles(lane) + 1u);
    set_chains_seen(lane, get_chains_seen(lane) + 1u);
    if last == NONE {
        set_chains_first(lane, vehicle);
    } else {
        set_vehicles_behind(last, vehicle);
    }
    set_vehicles_behind(vehicle, NONE);
}

// Takes the first of a lane out of it.
fn take_first(lane: u32, vehicle: u32) {
    set_chains_first(lane, get_vehicles_behind(vehicle));
    let left = get_chains_vehicles(lane) - 1u;
    set_chains_vehicles(lane, left);
    if left == 0u {
        set_chains_waiting(lane, 0u);
        set_chains_last(lane, NONE);
    }
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
        if light.since_s >= CLEARANCE_S {
            light.clearing = 0u;
            light.phase = greens[first + light.green].phase;
        }
        light.since_s += STEP_S;
    } else if green == light.green || light.since_s < SHORTEST_S {
        light.since_s += STEP_S;
    } else {
        light.green = green;
        light.since_s = STEP_S;
        light.clearing = u32(CLEARS);
        light.phase = select(greens[first + green].phase, crossings[crossing].clearance, CLEARS);
    }
    set_lights(crossing, light);
}

fn change_lights(thread: u32) {
    for (var agent = thread; agent < AGENTS; agent += WIDTH) {
        let crossing = agent_crossing(agent);
        ask(crossing, allowed(crossing, actions[agent]));
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

fn let_in(thread: u32, step: u32) {
    let now_s = f32(step) * STEP_S;
    for (var door = thread; door < DOORS; door += WIDTH) {
        let lane = numbers[DOORS_AT + door];
        let next = streets[lane].outside_at + get_chains_admitted(lane);
        let open = now_s >= get_chains_next_entry_s(lane) && get_chains_vehicles(lane) < streets[lane].fits;
        if open && next < streets[lane].outside_end && created(numbers[next]) <= step {
            let vehicle = numbers[next];
            let kind = kind_of(vehicle) * CHAINS + lane;
            set_vehicles_at(vehicle, numbers[BEGINS_AT + vehicle]);
            set_vehicles_entered(vehicle, step);
            set_vehicles_eta_s(vehicle, now_s + real(DRIVES_AT + kind) + real(STARTS_AT + kind));
            set_vehicles_speed_mps(vehicle, real(CRUISES_AT + kind));
            set_chains_admitted(lane, get_chains_admitted(lane) + 1u);
            set_chains_next_entry_s(lane, now_s + ENTRY_S);
            append(lane, vehicle);
        }
    }
}

// Where a phase begins, lanes that had red and have green now let the first one go a while later.
fn start_greens(thread: u32, now_s: f32) {
    for (var crossing = thread; crossing < LIGHTS; crossing += WIDTH) {
        let shown = get_lights_phase(crossing);
        if get_lights_before(crossing) == shown {
            continue;
        }
        set_lights_before(crossing, shown);
        for (var at = crossings[crossing].incoming_at; at < crossings[crossing].incoming_end; at++) {
            let lane = numbers[at];
            var green = false;
            for (var leaving = streets[lane].leaving_at; leaving < streets[lane].leaving_end; leaving++) {
                green = green || frees(numbers[leaving], shown);
            }
            if green && get_chains_was_green(lane) == 0u {
                set_chains_next_departure_s(lane, max(get_chains_next_departure_s(lane), now_s + LOST_S));
                set_chains_departed(lane, 0u);
            }
            set_chains_was_green(lane, u32(green));
        }
    }
}

// Where the first of a lane would go: a way, the lane itself to leave the network, or NONE.
fn wanted(lane: u32, soon_s: f32) -> u32 {
    if get_chains_vehicles(lane) == 0u {
        return NONE;
    }
    let first = get_chains_first(lane);
    if get_vehicles_eta_s(first) > soon_s {
        return NONE;
    }
    let way = way_at(get_vehicles_at(first) + 1u);
    if way == NONE {
        return lane;
    }
    let link = links[way - CHAINS];
    let room = get_chains_vehicles(link.to) < streets[link.to].fits;
    let goes = get_chains_next_departure_s(lane) <= soon_s && frees(way - CHAINS, get_lights_phase(link.crossing));
    return select(NONE, way, goes && room);
}

fn make_offers(thread: u32, soon_s: f32) {
    for (var lane = thread; lane < CHAINS; lane += WIDTH) {
        set_chains_offer(lane, wanted(lane, soon_s));
        // Whoever is let through.
        set_chains_entrants(lane, NONE);
    }
}

// Lanes take what fits, in the order of the lanes it comes from.
fn accept(thread: u32) {
    for (var lane = thread; lane < CHAINS; lane += WIDTH) {
        let street = streets[lane];
        var room = street.fits - min(get_chains_vehicles(lane), street.fits);
        for (var at = street.coming_at; at < street.coming_end && room > 0u; at++) {
            let out_of = links[numbers[at]].out_of;
            if get_chains_offer(out_of) == CHAINS + numbers[at] {
                set_chains_entrants(out_of, get_chains_first(out_of));
                room--;
            }
        }
    }
}

// Who goes through a link in this step, if anyone.
fn passing(link: u32) -> u32 {
    let out_of = links[link].out_of;
    return select(NONE, get_chains_entrants(out_of), get_chains_offer(out_of) == CHAINS + link);
}

// Movements count who comes through, before anyone goes.
fn count_passages(thread: u32) {
    for (var movement = thread; movement < PASSAGES; movement += WIDTH) {
        for (var link = movements[movement].link; link < movements[movement].link_end; link++) {
            let vehicle = passing(link);
            if vehicle != NONE {
                let waited = get_vehicles_waited(vehicle) - get_vehicles_waited_before(vehicle);
                let before = get_passages(movement);
                set_passages(movement, Passage(before.vehicles + 1u, before.waited + waited, max(before.longest, waited)));
            }
        }
    }
}

// Who has been let through leaves its lane, and who is at the end of its way leaves the network.
fn go(thread: u32, step: u32) {
    let now_s = f32(step) * STEP_S;
    for (var lane = thread; lane < CHAINS; lane += WIDTH) {
        let offer = get_chains_offer(lane);
        let vehicle = get_chains_entrants(lane);
        if offer == lane {
            let first = get_chains_first(lane);
            take_first(lane, first);
            set_vehicles_behind(first, NONE);
            set_vehicles_left(first, step);
            atomicAdd(&finished, 1u);
            atomicAdd(&travelled, step - created(first));
        } else if vehicle != NONE {
            take_first(lane, vehicle);
            let link = offer - CHAINS;
            let kind = kind_of(vehicle);
            let ahead = kind * CHAINS + links[link].to;
            let eta_s = get_vehicles_eta_s(vehicle);
            let leaves_s = max(max(get_chains_next_departure_s(lane), eta_s), now_s);
            let departed = get_chains_departed(lane);
            let slow = max(1.0 - f32(departed) / UP_TO_SPEED, 0.0);
            let starts_s = select(0.0, real(STARTS_AT + ahead) * slow, leaves_s > eta_s);
            let through_s = real(THROUGHS_AT + kind * LINKS + link);
            set_chains_next_departure_s(lane, leaves_s + HEADWAY_S);
            set_chains_departed(lane, departed + 1u);
            set_vehicles_waited_before(vehicle, get_vehicles_waited(vehicle));
            set_vehicles_at(vehicle, get_vehicles_at(vehicle) + 2u);
            set_vehicles_halted(vehicle, 0u);
            set_vehicles_speed_mps(vehicle, real(CRUISES_AT + ahead));
            set_vehicles_eta_s(vehicle, leaves_s + through_s + real(DRIVES_AT + ahead) + starts_s);
        }
    }
}

// Lanes get who was let through to them, and who has reached the line and is still there waits.
fn arrive_and_wait(thread: u32, now_s: f32) {
    var moved = 0u;
    for (var lane = thread; lane < CHAINS; lane += WIDTH) {
        for (var at = streets[lane].coming_at; at < streets[lane].coming_end; at++) {
            let vehicle = passing(numbers[at]);
            if vehicle != NONE {
                append(lane, vehicle);
            }
        }
        let count = get_chains_vehicles(lane);
        if count == 0u {
            continue;
        }
        var waiting = 0u;
        var vehicle = get_chains_first(lane);
        while vehicle != NONE {
            if get_vehicles_eta_s(vehicle) <= now_s {
                set_vehicles_waited(vehicle, get_vehicles_waited(vehicle) + 1u);
                set_vehicles_halted(vehicle, get_vehicles_halted(vehicle) + 1u);
                set_vehicles_speed_mps(vehicle, 0.0);
                waiting++;
            }
            vehicle = get_vehicles_behind(vehicle);
        }
        set_chains_waiting(lane, waiting);
        set_chains_waited(lane, get_chains_waited(lane) + waiting);
        moved += count;
    }
    atomicAdd(&updates, moved);
}

// What the processor keeps about lanes between steps.
fn tidy(thread: u32) {
    for (var lane = thread; lane < CHAINS; lane += WIDTH) {
        set_chains_offer(lane, NONE);
        set_chains_entrants(lane, NONE);
    }
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
        for (var choice = it.green; choice < it.green_end; choice++) {
            let passed_over = get_choices_passed_over(choice) + 1u;
            set_choices_passed_over(choice, select(passed_over, 0u, choice - it.green == actions[agent]));
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
    for (var lane = at.thread; lane < CHAINS; lane += WIDTH) {
        set_chains_seen(lane, get_chains_vehicles(lane));
        set_chains_waited(lane, 0u);
    }
    lane_barrier();
    for (var made = 0u; made < DECISION_STEPS; made++) {
        let step = begun + made;
        let now_s = f32(step) * STEP_S;
        if !OWN_TABLES {
            change_lights(at.thread);
            lane_barrier();
        }
        let_in(at.thread, step);
        start_greens(at.thread, now_s);
        lane_barrier();
        make_offers(at.thread, now_s + STEP_S);
        lane_barrier();
        accept(at.thread);
        lane_barrier();
        count_passages(at.thread);
        lane_barrier();
        go(at.thread, step);
        lane_barrier();
        arrive_and_wait(at.thread, now_s);
        turn_lights(at.thread);
        lane_barrier();
    }
    note_choices(at.thread);
    tidy(at.thread);
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
