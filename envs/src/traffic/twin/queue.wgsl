// How vehicles move as queues: the twin of queue.rs. Lanes offer their first vehicle, lanes accept, who was accepted goes.
// There are no vehicles on links, so lanes are all ways there are.

// Seconds that a vehicle has to the end of its lane, at most: what has passed counts as below 0.
fn to_line(vehicle: u32, lane: u32) -> f32 {
    return get_vehicles_eta_s(vehicle) - f32(tally[0].steps) * STEP_S;
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

fn let_in(thread: u32, step: u32) {
    let now_s = f32(step) * STEP_S;
    for (var door = thread; door < DOORS; door += WIDTH) {
        let lane = numbers[DOORS_AT + door];
        let next = streets[lane].outside_at + get_chains_admitted(lane);
        let open = now_s >= get_chains_next_entry_s(lane) && get_chains_vehicles(lane) < streets[lane].fits;
        if open && next < streets[lane].outside_end && created(numbers[next]) <= step {
            let vehicle = numbers[next];
            let kind = kind_of(vehicle) * STREETS + lane;
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
    let link = links[way - STREETS];
    let room = get_chains_vehicles(link.to) < streets[link.to].fits;
    let goes = get_chains_next_departure_s(lane) <= soon_s && frees(way - STREETS, get_lights_phase(link.crossing));
    return select(NONE, way, goes && room);
}

fn make_offers(thread: u32, soon_s: f32) {
    for (var lane = thread; lane < STREETS; lane += WIDTH) {
        set_chains_offer(lane, wanted(lane, soon_s));
        // Whoever is let through.
        set_chains_entrants(lane, NONE);
    }
}

// Lanes take what fits, in the order of the lanes it comes from.
fn accept(thread: u32) {
    for (var lane = thread; lane < STREETS; lane += WIDTH) {
        let street = streets[lane];
        var room = street.fits - min(get_chains_vehicles(lane), street.fits);
        for (var at = street.coming_at; at < street.coming_end && room > 0u; at++) {
            let out_of = links[numbers[at]].out_of;
            if get_chains_offer(out_of) == STREETS + numbers[at] {
                set_chains_entrants(out_of, get_chains_first(out_of));
                room--;
            }
        }
    }
}

// Who goes through a link in this step, if anyone.
fn passing(link: u32) -> u32 {
    let out_of = links[link].out_of;
    return select(NONE, get_chains_entrants(out_of), get_chains_offer(out_of) == STREETS + link);
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
    for (var lane = thread; lane < STREETS; lane += WIDTH) {
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
            let link = offer - STREETS;
            let kind = kind_of(vehicle);
            let ahead = kind * STREETS + links[link].to;
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
    for (var lane = thread; lane < STREETS; lane += WIDTH) {
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

// Steps of a decision need nothing before the first.
fn prepare(thread: u32) {}

// One step. The caller puts a barrier behind it.
fn move_vehicles(thread: u32, step: u32) {
    let now_s = f32(step) * STEP_S;
    let_in(thread, step);
    start_greens(thread, now_s);
    lane_barrier();
    make_offers(thread, now_s + STEP_S);
    lane_barrier();
    accept(thread);
    lane_barrier();
    count_passages(thread);
    lane_barrier();
    go(thread, step);
    lane_barrier();
    arrive_and_wait(thread, now_s);
}

// What the processor does not keep between steps.
fn forget(thread: u32, begun: u32) {
    for (var lane = thread; lane < STREETS; lane += WIDTH) {
        set_chains_offer(lane, NONE);
        set_chains_entrants(lane, NONE);
    }
}
