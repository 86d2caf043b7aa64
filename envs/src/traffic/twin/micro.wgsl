// How vehicles move one by one: the twin of micro.rs in 32 bits. All of a step is computed from what was before it:
// next speeds, then everybody moves, then those who changed their way enter the next, then everybody looks ahead.
//
// Between steps the offer of a lane is the last vehicle on it. Within one, a way's offer is the first of those who leave it;
// the next of them stands where the leader does, whom everybody looks for anew at the end of a step.

// Metres that a vehicle has to the end of its lane.
fn to_line(vehicle: u32, lane: u32) -> f32 {
    return streets[lane].length_m - get_vehicles_position_m(vehicle);
}

fn length_of_way(way: u32) -> f32 {
    return real(LENGTHS_AT + way);
}

fn has_green(link: u32) -> bool {
    return frees(link, get_lights_phase(links[link].crossing));
}

// Lets one vehicle per lane in, where there is room.
fn admit(thread: u32, step: u32) {
    for (var door = thread; door < DOORS; door += WIDTH) {
        let lane = numbers[DOORS_AT + door];
        let next = streets[lane].outside_at + get_chains_admitted(lane);
        if next >= streets[lane].outside_end || created(numbers[next]) > step {
            continue;
        }
        let vehicle = numbers[next];
        let tail = get_chains_last(lane);
        if tail != NONE && get_vehicles_position_m(tail) <= length_of(tail) + driver_of(vehicle).min_gap_m {
            continue;
        }
        set_vehicles_at(vehicle, numbers[BEGINS_AT + vehicle]);
        set_vehicles_entered(vehicle, step);
        set_chains_admitted(lane, get_chains_admitted(lane) + 1u);
        append(lane, vehicle);
    }
}

// Who came in looks ahead. Lanes are let in one after the other, so those behind this one are as they were.
fn look_from_doors(thread: u32, step: u32) {
    for (var door = thread; door < DOORS; door += WIDTH) {
        let lane = numbers[DOORS_AT + door];
        let vehicle = get_chains_last(lane);
        if vehicle != get_chains_offer(lane) {
            find_leader(vehicle, get_chains_offer(lane), lane);
        }
    }
}

// The last vehicle on a way, seen by whom a lane lets in, or by everybody (NONE).
fn tail_of(way: u32, door: u32) -> u32 {
    if door != NONE && way < STREETS && way > door {
        return get_chains_offer(way);
    }
    return get_chains_last(way);
}

fn gap_to(ahead: u32, distance_m: f32) -> f32 {
    return distance_m + get_vehicles_position_m(ahead) - length_of(ahead);
}

fn set_leader(vehicle: u32, leader: u32, gap_m: f32) {
    set_vehicles_leader(vehicle, leader);
    set_vehicles_gap_m(vehicle, gap_m);
}

// Sets whom a vehicle follows: the one ahead on its way, or the last on the ways that it will take.
fn find_leader(vehicle: u32, ahead: u32, door: u32) {
    if ahead != NONE {
        let gap_m = get_vehicles_position_m(ahead) - length_of(ahead) - get_vehicles_position_m(vehicle);
        set_leader(vehicle, ahead, gap_m);
        return;
    }
    let driver = driver_of(vehicle);
    var at = get_vehicles_at(vehicle);
    var distance_m = length_of_way(way_at(at)) - get_vehicles_position_m(vehicle);
    if distance_m > driver.free_m + LONGEST_M {
        set_leader(vehicle, NONE, 0.0);
        return;
    }
    at++;
    var way = way_at(at);
    while way != NONE {
        var leader = NONE;
        var gap_m = 0.0;
        if way < STREETS {
            leader = tail_of(way, door);
            if leader != NONE {
                gap_m = gap_to(leader, distance_m);
            }
        } else {
            // Links that begin together overlap.
            let lane = links[way - STREETS].out_of;
            for (var leaving = streets[lane].leaving_at; leaving < streets[lane].leaving_end; leaving++) {
                let last = get_chains_last(STREETS + numbers[leaving]);
                if last != NONE && (leader == NONE || gap_to(last, distance_m) < gap_m) {
                    leader = last;
                    gap_m = gap_to(last, distance_m);
                }
            }
        }
        if leader != NONE {
            set_leader(vehicle, leader, gap_m);
            return;
        }
        distance_m = distance_m + length_of_way(way);
        if distance_m > driver.looks_m {
            break;
        }
        at++;
        way = way_at(at);
    }
    set_leader(vehicle, NONE, 0.0);
}

// A speed, and for whom a vehicle waits at a conflict point.
struct Decided {
    speed_mps: f32,
    blocker: u32,
}

// Everybody's next speed, from what is.
fn decide(thread: u32) {
    for (var way = thread; way < CHAINS; way += WIDTH) {
        var vehicle = get_chains_first(way);
        while vehicle != NONE {
            decide_one(way, vehicle);
            vehicle = get_vehicles_behind(vehicle);
        }
    }
}

fn decide_one(way: u32, vehicle: u32) {
    let driver = driver_of(vehicle);
    let own_mps = get_vehicles_speed_mps(vehicle);
    let gap_m = get_vehicles_gap_m(vehicle);
    var limit_mps = NO_LIMIT;
    if way < STREETS {
        limit_mps = real(LIMITS_AT + way);
    }
    var speed_mps = free_speed(driver, own_mps, limit_mps);
    let ahead = get_vehicles_leader(vehicle);
    if ahead != NONE && gap_m < driver.free_m {
        let other = driver_of(ahead);
        let leader = Leader(get_vehicles_speed_mps(ahead), other.max_braking, other.usual_braking, gap_m);
        if stands_behind(driver, own_mps, leader) {
            speed_mps = 0.0;
        } else {
            speed_mps = lesser(speed_mps, speed_behind(driver, own_mps, leader));
        }
    }
    let crossing = speed_at_crossing(way, vehicle, driver);
    speed_mps = lesser(speed_mps, crossing.speed_mps);
    speed_mps = greater(speed_mps, own_mps - driver.max_braking * STEP_S);
    let next = moved(driver, own_mps, speed_mps);
    set_vehicles_next_speed_mps(vehicle, next.x);
    set_vehicles_next_position_m(vehicle, next.y + get_vehicles_position_m(vehicle));
    set_vehicles_next_blocker(vehicle, crossing.blocker);
}

// The speed that the light, the lane behind the crossing and other links allow, and who is in the way.
fn speed_at_crossing(way: u32, vehicle: u32, driver: Driver) -> Decided {
    let position_m = get_vehicles_position_m(vehicle);
    let speed_mps = get_vehicles_speed_mps(vehicle);
    var allowed_mps = driver.max_speed_mps;
    let on_link = way >= STREETS;
    let rest_m = length_of_way(way) - position_m;
    if !on_link && rest_m > driver.looks_m {
        return Decided(allowed_mps, NONE);
    }
    var link_way = way;
    var begins_m = position_m;
    if !on_link {
        link_way = way_at(get_vehicles_at(vehicle) + 1u);
        begins_m = -rest_m;
    }
    if link_way == NONE {
        return Decided(allowed_mps, NONE);
    }
    let number = link_way - STREETS;
    let link = links[number];
    if !on_link {
        let open = has_green(number) && has_room(link.to, driver.length_m);
        if !open && shortest_stop_m(driver, speed_mps) <= rest_m {
            return Decided(lesser(allowed_mps, stop_before(driver, speed_mps, rest_m)), NONE);
        }
        if link.turns == 1u {
            allowed_mps = lesser(allowed_mps, TURN_MPS);
        }
    }
    for (var at = link.conflicts_at; at < link.conflicts_end; at += CONFLICT_WORDS) {
        let at_m = real(at);
        if at_m < begins_m {
            continue;
        }
        let foe = foe_at(numbers[at + 2u], real(at + 1u));
        if foe.vehicle == NONE {
            continue;
        }
        let in_m = at_m - begins_m;
        if !may_pass(vehicle, driver, link.turns == 1u, in_m, foe, numbers[at + 2u], numbers[at + 3u]) {
            return Decided(lesser(allowed_mps, stop_before(driver, speed_mps, in_m - YIELD_M)), foe.vehicle);
        }
    }
    return Decided(allowed_mps, NONE);
}

// Whether a vehicle of this length may drive onto a lane.
fn has_room(lane: u32, length_m: f32) -> bool {
    let tail = get_chains_last(lane);
    if tail == NONE {
        return true;
    }
    return get_vehicles_position_m(tail) > length_of(tail) + length_m || get_vehicles_speed_mps(tail) >= 2.0;
}

struct Foe {
    vehicle: u32,
    in_m: f32,
}

// Who comes first to a conflict point, or is just leaving it, on a link: the vehicle, and how far it has to go, below
// zero where it has passed.
fn foe_at(number: u32, at_m: f32) -> Foe {
    let link = links[number];
    let way = STREETS + number;
    let beyond = get_chains_last(link.to);
    if beyond != NONE && get_vehicles_previous(beyond) == way {
        let position_m = get_vehicles_position_m(beyond);
        let past_m = length_of_way(way) - at_m;
        if past_m + (position_m - length_of(beyond)) < 0.0 {
            return Foe(beyond, -(position_m + past_m));
        }
    }
    var vehicle = get_chains_first(way);
    while vehicle != NONE {
        let position_m = get_vehicles_position_m(vehicle);
        if position_m <= at_m || position_m - at_m - length_of(vehicle) <= 0.0 {
            return Foe(vehicle, at_m - position_m);
        }
        vehicle = get_vehicles_behind(vehicle);
    }
    let coming = get_chains_first(link.out_of);
    if coming == NONE || !has_green(number) || way_at(get_vehicles_at(coming) + 1u) != way {
        return Foe(NONE, 0.0);
    }
    return Foe(coming, (length_of_way(link.out_of) - get_vehicles_position_m(coming)) + at_m);
}

// Whether a vehicle need not wait for its foe.
fn may_pass(vehicle: u32, driver: Driver, turns: bool, in_m: f32, foe: Foe, foe_link: u32, order: u32) -> bool {
    let own_mps = get_vehicles_speed_mps(vehicle);
    if !can_yield(driver, own_mps, in_m) {
        return true;
    }
    let other = driver_of(foe.vehicle);
    if can_yield(other, get_vehicles_speed_mps(foe.vehicle), foe.in_m)
        && goes_first(vehicle, driver, turns, in_m, foe, other, links[foe_link].turns == 1u, order)
    {
        return true;
    }
    return waits_in_a_ring(foe.vehicle);
}

fn goes_first(
    vehicle: u32,
    driver: Driver,
    turns: bool,
    in_m: f32,
    foe: Foe,
    other: Driver,
    foe_turns: bool,
    order: u32,
) -> bool {
    if order == GOES_FIRST {
        return true;
    }
    if foe.in_m <= 0.0 {
        return foe.in_m + other.length_m < 0.0;
    }
    let foe_steps = steps_to(other, get_vehicles_speed_mps(foe.vehicle), foe.in_m, foe_turns);
    let steps = steps_to(driver, get_vehicles_speed_mps(vehicle), in_m, turns);
    if order == GOES_LAST || foe_steps != steps {
        return foe_steps > steps;
    }
    let since = get_vehicles_on_link_since(vehicle);
    let foe_since = get_vehicles_on_link_since(foe.vehicle);
    if since != foe_since {
        return since < foe_since;
    }
    if in_m != foe.in_m {
        return in_m < foe.in_m;
    }
    return bitcast<i32>(numbers[PRIORITIES_AT + vehicle]) > bitcast<i32>(numbers[PRIORITIES_AT + foe.vehicle]);
}

// The one for whom a vehicle waits; nobody waits for NONE.
fn blocker_of(vehicle: u32) -> u32 {
    if vehicle == NONE {
        return NONE;
    }
    return get_vehicles_blocker(vehicle);
}

// Whether somebody waits for somebody who, in the end, waits for him.
fn waits_in_a_ring(first: u32) -> bool {
    var fast = first;
    var slow = first;
    while blocker_of(fast) != NONE {
        slow = blocker_of(slow);
        fast = blocker_of(blocker_of(fast));
        if slow == fast {
            return true;
        }
    }
    return false;
}

// Everybody moves; who has come to the end of a way leaves it, and at the end of the path the network.
fn drive(thread: u32, step: u32) {
    var sum = 0u;
    for (var way = thread; way < CHAINS; way += WIDTH) {
        var before = NONE;
        var leaving = NONE;
        var vehicle = get_chains_first(way);
        sum += get_chains_vehicles(way);
        while vehicle != NONE {
            let behind = get_vehicles_behind(vehicle);
            if commit(vehicle) {
                unlink(way, before, vehicle, behind);
                set_vehicles_previous(vehicle, way);
                set_vehicles_leader(vehicle, leaving);
                leaving = vehicle;
                if way_at(get_vehicles_at(vehicle)) == NONE {
                    set_vehicles_left(vehicle, step);
                    set_vehicles_behind(vehicle, NONE);
                    atomicAdd(&finished, 1u);
                    atomicAdd(&travelled, step - created(vehicle));
                }
            } else {
                before = vehicle;
            }
            vehicle = behind;
        }
        set_chains_offer(way, leaving);
    }
    atomicAdd(&updates, sum);
}

// Takes over what was decided. Whether the vehicle has come to the end of its way.
fn commit(vehicle: u32) -> bool {
    let speed_mps = get_vehicles_next_speed_mps(vehicle);
    let waits = u32(speed_mps < WAITING_BELOW_MPS);
    set_vehicles_speed_mps(vehicle, speed_mps);
    set_vehicles_blocker(vehicle, get_vehicles_next_blocker(vehicle));
    set_vehicles_waited(vehicle, get_vehicles_waited(vehicle) + waits);
    set_vehicles_halted(vehicle, (get_vehicles_halted(vehicle) + 1u) * waits);
    let begin = get_vehicles_at(vehicle);
    var at = begin;
    var position_m = get_vehicles_next_position_m(vehicle);
    var way = way_at(at);
    while way != NONE && position_m > length_of_way(way) {
        position_m = position_m - length_of_way(way);
        at++;
        way = way_at(at);
    }
    set_vehicles_position_m(vehicle, position_m);
    set_vehicles_at(vehicle, at);
    return at != begin;
}

fn unlink(way: u32, before: u32, vehicle: u32, behind: u32) {
    let count = get_chains_vehicles(way) - 1u;
    set_chains_vehicles(way, count);
    if count == 0u {
        set_chains_waiting(way, 0u);
    }
    if get_chains_last(way) == vehicle {
        set_chains_last(way, before);
    }
    if before == NONE {
        set_chains_first(way, behind);
    } else {
        set_vehicles_behind(before, behind);
    }
}

// Movements count who has driven onto one of their links.
fn count_passages(thread: u32) {
    for (var movement = thread; movement < PASSAGES; movement += WIDTH) {
        for (var at = movements[movement].lanes_at; at < movements[movement].lanes_end; at++) {
            let lane = numbers[at];
            var vehicle = get_chains_offer(lane);
            while vehicle != NONE {
                // What came behind the lane in the path, however far it went in this step.
                var next = get_vehicles_at(vehicle);
                while way_at(next - 1u) != lane {
                    next--;
                }
                let way = way_at(next);
                let link = way - STREETS;
                if way != NONE && link >= movements[movement].link && link < movements[movement].link_end {
                    let now = get_vehicles_waited(vehicle);
                    let waited = now - get_vehicles_waited_before(vehicle);
                    set_vehicles_waited_before(vehicle, now);
                    let seen = get_passages(movement);
                    set_passages(movement, Passage(seen.vehicles + 1u, seen.waited + waited, max(seen.longest, waited)));
                }
                vehicle = get_vehicles_leader(vehicle);
            }
        }
    }
}

// Ways get who drove onto them, in the order of the processor: the last way first, and the last vehicle of it.
fn let_enter(thread: u32, step: u32) {
    for (var way = thread; way < CHAINS; way += WIDTH) {
        var entrants = NONE;
        let sources_end = numbers[SOURCES_AT + way + 1u];
        for (var source = numbers[SOURCES_AT + way]; source < sources_end; source++) {
            var vehicle = get_chains_offer(numbers[source]);
            while vehicle != NONE {
                if way_at(get_vehicles_at(vehicle)) == way {
                    set_vehicles_on_link_since(vehicle, select(NONE, step, way >= STREETS));
                    entrants = enter(way, vehicle, entrants);
                }
                vehicle = get_vehicles_leader(vehicle);
            }
        }
    }
}

// Puts a vehicle at the back of a way, among those who came in this step by its position; the first of these.
fn enter(way: u32, vehicle: u32, entrants: u32) -> u32 {
    let position_m = get_vehicles_position_m(vehicle);
    var before = NONE;
    var after = entrants;
    while after != NONE && get_vehicles_position_m(after) >= position_m {
        before = after;
        after = get_vehicles_behind(after);
    }
    if after == NONE {
        append(way, vehicle);
        return select(entrants, vehicle, entrants == NONE);
    }
    var first = entrants;
    if before == NONE {
        // In front of all entrants: behind whoever was here before.
        first = vehicle;
        var at = get_chains_first(way);
        while at != entrants {
            before = at;
            at = get_vehicles_behind(at);
        }
    }
    set_vehicles_behind(vehicle, after);
    if before == NONE {
        set_chains_first(way, vehicle);
    } else {
        set_vehicles_behind(before, vehicle);
    }
    set_chains_vehicles(way, get_chains_vehicles(way) + 1u);
    set_chains_seen(way, get_chains_seen(way) + 1u);
    return first;
}

// Everybody finds whom it follows.
fn look_ahead(thread: u32) {
    for (var way = thread; way < CHAINS; way += WIDTH) {
        var ahead = NONE;
        var waiting = 0u;
        var vehicle = get_chains_first(way);
        while vehicle != NONE {
            find_leader(vehicle, ahead, NONE);
            let blocker = get_vehicles_blocker(vehicle);
            if blocker != NONE && get_vehicles_left(blocker) != NONE {
                set_vehicles_blocker(vehicle, NONE);
            }
            waiting += u32(get_vehicles_halted(vehicle) > 0u);
            ahead = vehicle;
            vehicle = get_vehicles_behind(vehicle);
        }
        set_chains_waiting(way, waiting);
        set_chains_waited(way, get_chains_waited(way) + waiting);
        remember_tail(way);
    }
}

fn remember_tail(way: u32) {
    set_chains_offer(way, get_chains_last(way));
}

// Before the first step of a decision.
fn prepare(thread: u32) {
    for (var way = thread; way < CHAINS; way += WIDTH) {
        remember_tail(way);
    }
}

// One step. The caller puts a barrier behind it.
fn move_vehicles(thread: u32, step: u32) {
    admit(thread, step);
    lane_barrier();
    look_from_doors(thread, step);
    lane_barrier();
    decide(thread);
    lane_barrier();
    drive(thread, step);
    lane_barrier();
    count_passages(thread);
    let_enter(thread, step);
    lane_barrier();
    look_ahead(thread);
}

// What the processor does not keep between steps.
fn forget(thread: u32, begun: u32) {
    for (var way = thread; way < CHAINS; way += WIDTH) {
        set_chains_offer(way, NONE);
    }
    for (var vehicle = thread; vehicle < VEHICLES; vehicle += WIDTH) {
        let left = get_vehicles_left(vehicle);
        if left != NONE && left >= begun {
            set_vehicles_leader(vehicle, NONE);
        }
    }
}
