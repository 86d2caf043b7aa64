// What crossings see and are paid for, lane by lane: the twin of Sight in observation.rs.

// Vehicle steps waited before the crossings that are controlled, and vehicles seen there, since the last decision.
var<workgroup> network_waited: atomic<u32>;
var<workgroup> network_seen: atomic<u32>;

fn fits(lane: u32) -> f32 {
    return f32(streets[lane].fits);
}

fn count(lane: u32) -> f32 {
    return f32(get_chains_vehicles(lane));
}

fn queue(lane: u32) -> f32 {
    return f32(get_chains_waiting(lane));
}

fn share(lane: u32, number: f32) -> f32 {
    return min(number / fits(lane), 1.0);
}

fn halt_s(vehicle: u32) -> f32 {
    return f32(get_vehicles_halted(vehicle)) * STEP_S;
}

// How long the first of a lane has been standing.
fn first_halt_s(lane: u32) -> f32 {
    if get_chains_vehicles(lane) == 0u {
        return 0.0;
    }
    return halt_s(get_chains_first(lane));
}

// Vehicles that are this near the end of a lane, as to_line measures it.
fn near(lane: u32, reach: f32) -> u32 {
    var sum = 0u;
    var vehicle = get_chains_first(lane);
    while vehicle != NONE {
        sum += u32(to_line(vehicle, lane) <= reach);
        vehicle = get_vehicles_behind(vehicle);
    }
    return sum;
}

// Steps that vehicles on a lane have been standing, all together.
fn halts(lane: u32) -> u32 {
    var sum = 0u;
    var vehicle = get_chains_first(lane);
    while vehicle != NONE {
        sum += get_vehicles_halted(vehicle);
        vehicle = get_vehicles_behind(vehicle);
    }
    return sum;
}

// Waiting over travel time, of all vehicles on a lane.
fn waiting_shares(lane: u32) -> f32 {
    var sum = 0.0;
    var vehicle = get_chains_first(lane);
    while vehicle != NONE {
        let steps = tally[0].steps - created(vehicle);
        sum += f32(get_vehicles_waited(vehicle)) / f32(max(steps, 1u));
        vehicle = get_vehicles_behind(vehicle);
    }
    return sum;
}

// x(from) / fits(from) - x(to) / fits(to), over the links of a movement.
fn pressure(movement: u32) -> f32 {
    var sum = 0.0;
    for (var link = movements[movement].link; link < movements[movement].link_end; link++) {
        let out_of = links[link].out_of;
        let to = links[link].to;
        sum += count(out_of) / fits(out_of) - count(to) / fits(to);
    }
    return sum;
}

// Vehicles waiting on a lane that leads to a light which somebody controls.
fn queue_before_light(lane: u32) -> f32 {
    return select(0.0, queue(lane), streets[lane].before_light == 1u);
}

// Vehicles waiting before a movement, less those on the lanes behind it that lead to another light.
fn queue_pressure(movement: u32) -> f32 {
    var sum = 0.0;
    for (var at = movements[movement].lanes_at; at < movements[movement].lanes_end; at++) {
        sum += queue(numbers[at]);
    }
    for (var link = movements[movement].link; link < movements[movement].link_end; link++) {
        var once = true;
        for (var earlier = movements[movement].link; earlier < link; earlier++) {
            once = once && links[earlier].to != links[link].to;
        }
        sum -= select(0.0, queue_before_light(links[link].to), once);
    }
    return sum;
}

// Whether a vehicle on a lane is before a movement.
fn takes(vehicle: u32, movement: u32) -> bool {
    let way = way_at(get_vehicles_at(vehicle) + 1u);
    return way != NONE && way - STREETS >= movements[movement].link && way - STREETS < movements[movement].link_end;
}

// Steps that the one has been standing who has been standing longest before a movement.
fn longest_halt(movement: u32) -> u32 {
    var longest = 0u;
    for (var at = movements[movement].lanes_at; at < movements[movement].lanes_end; at++) {
        var vehicle = get_chains_first(numbers[at]);
        while vehicle != NONE {
            longest = max(longest, select(0u, get_vehicles_halted(vehicle), takes(vehicle, movement)));
            vehicle = get_vehicles_behind(vehicle);
        }
    }
    return longest;
}

// Vehicle steps waited before a crossing, and vehicles seen there.
fn waited_and_seen(crossing: u32) -> vec2<u32> {
    var sum = vec2<u32>(0u, 0u);
    for (var at = crossings[crossing].incoming_at; at < crossings[crossing].incoming_end; at++) {
        sum += vec2<u32>(get_chains_waited(numbers[at]), get_chains_seen(numbers[at]));
    }
    return sum;
}

fn share_of(waited: u32, vehicles: u32) -> f32 {
    return f32(waited) / (f32(DECISION_STEPS) * max(f32(vehicles), 1.0));
}

// Share of presence before a crossing that was spent waiting since the last decision.
fn share_waited(crossing: u32) -> f32 {
    let sum = waited_and_seen(crossing);
    return share_of(sum.x, sum.y);
}

// Sums up for network_share_waited.
fn look_at_network(thread: u32) {
    if thread == 0u {
        atomicStore(&network_waited, 0u);
        atomicStore(&network_seen, 0u);
    }
    workgroupBarrier();
    for (var agent = thread; agent < AGENTS; agent += WIDTH) {
        let sum = waited_and_seen(agent_crossing(agent));
        atomicAdd(&network_waited, sum.x);
        atomicAdd(&network_seen, sum.y);
    }
    workgroupBarrier();
}

// The same of all crossings that are controlled.
fn network_share_waited() -> f32 {
    return share_of(atomicLoad(&network_waited), atomicLoad(&network_seen));
}
