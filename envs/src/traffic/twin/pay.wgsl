// What crossings earn, and what they cost: the twin of reward.rs and cost.rs. pay calls a function for each task.

// The longest wait of the episode.
var<workgroup> longest_wait: atomic<u32>;

// By how much a share of presence spent waiting exceeds the network's.
fn behind_network(crossing: u32) -> f32 {
    let network = network_share_waited();
    return max(share_waited(crossing) - network, 0.0) / (network + 0.05);
}

fn pay_fair(crossing: u32, team: f32, worse: f32, starving: f32) -> f32 {
    var longest = 0u;
    for (var at = crossings[crossing].incoming_at; at < crossings[crossing].incoming_end; at++) {
        var vehicle = get_chains_first(numbers[at]);
        while vehicle != NONE {
            longest = max(longest, get_vehicles_halted(vehicle));
            vehicle = get_vehicles_behind(vehicle);
        }
    }
    let starved = min(f32(longest) * STEP_S / 120.0, 1.0);
    let efficiency = (1.0 - team) * share_waited(crossing) + team * network_share_waited();
    return -efficiency - worse * behind_network(crossing) - starving * starved;
}

fn pay_queue(crossing: u32, scale: f32) -> f32 {
    var queues = 0u;
    let it = crossings[crossing];
    for (var at = it.incoming_at; at < it.incoming_end; at++) {
        queues += get_chains_waiting(numbers[at]);
    }
    return -scale * f32(queues) / max(f32(it.incoming_end - it.incoming_at), 1.0);
}

fn pay_pressure(crossing: u32) -> f32 {
    var sum = 0.0;
    for (var at = crossings[crossing].outgoing_at; at < crossings[crossing].outgoing_end; at++) {
        sum += count(numbers[at]);
    }
    for (var at = crossings[crossing].incoming_at; at < crossings[crossing].incoming_end; at++) {
        sum -= count(numbers[at]);
    }
    return sum;
}

fn pay_press_light(crossing: u32) -> f32 {
    var sum = 0.0;
    for (var movement = crossings[crossing].movement; movement < crossings[crossing].movement_end; movement++) {
        sum += pressure(movement);
    }
    return -abs(sum);
}

fn pay_queue_pressure(crossing: u32) -> f32 {
    var sum = 0.0;
    for (var at = crossings[crossing].outgoing_at; at < crossings[crossing].outgoing_end; at++) {
        sum += queue_before_light(numbers[at]);
    }
    for (var at = crossings[crossing].incoming_at; at < crossings[crossing].incoming_end; at++) {
        sum -= queue(numbers[at]);
    }
    return sum;
}

fn pay_halt(crossing: u32) -> f32 {
    var sum = 0u;
    for (var at = crossings[crossing].incoming_at; at < crossings[crossing].incoming_end; at++) {
        sum += halts(numbers[at]);
    }
    return max(-f32(sum) * STEP_S / 224.0, -4.0);
}

fn pay_queue_and_wait(crossing: u32, weight: f32) -> f32 {
    var sum = 0.0;
    for (var at = crossings[crossing].incoming_at; at < crossings[crossing].incoming_end; at++) {
        sum += queue(numbers[at]) + weight * first_halt_s(numbers[at]);
    }
    return -sum;
}

// What it compares with stands in row `kept` of the column before.
fn pay_wait_difference(crossing: u32, kept: u32) -> f32 {
    var sum = 0u;
    for (var at = crossings[crossing].incoming_at; at < crossings[crossing].incoming_end; at++) {
        var vehicle = get_chains_first(numbers[at]);
        while vehicle != NONE {
            sum += get_vehicles_waited(vehicle);
            vehicle = get_vehicles_behind(vehicle);
        }
    }
    let now = f32(sum) * STEP_S;
    let earned = (get_before(kept) - now) / 100.0;
    set_before(kept, now);
    return earned;
}

fn pay_speed(crossing: u32) -> f32 {
    var sum = 0.0;
    var vehicles = 0.0;
    for (var at = crossings[crossing].incoming_at; at < crossings[crossing].incoming_end; at++) {
        var vehicle = get_chains_first(numbers[at]);
        while vehicle != NONE {
            sum += get_vehicles_speed_mps(vehicle) / real(FASTEST_AT + kind_of(vehicle));
            vehicles += 1.0;
            vehicle = get_vehicles_behind(vehicle);
        }
    }
    return select(1.0, sum / max(vehicles, 1.0), vehicles > 0.0);
}

fn pay_waiting_share(crossing: u32) -> f32 {
    var sum = 0.0;
    for (var at = crossings[crossing].incoming_at; at < crossings[crossing].incoming_end; at++) {
        sum += waiting_shares(numbers[at]);
    }
    return -abs(sum);
}

// Movements before which somebody has been standing for longer than after_s.
fn cost_starved(crossing: u32, after_s: f32) -> f32 {
    var sum = 0.0;
    for (var movement = crossings[crossing].movement; movement < crossings[crossing].movement_end; movement++) {
        sum += f32(f32(longest_halt(movement)) * STEP_S > after_s);
    }
    return sum;
}

// Finds the longest wait where the episode ends.
fn look_for_longest_wait(thread: u32) {
    if thread == 0u {
        atomicStore(&longest_wait, 0u);
    }
    workgroupBarrier();
    if tally[0].steps >= EPISODE_STEPS {
        for (var vehicle = thread; vehicle < VEHICLES; vehicle += WIDTH) {
            if get_vehicles_entered(vehicle) != NONE {
                atomicMax(&longest_wait, get_vehicles_waited(vehicle));
            }
        }
    }
    workgroupBarrier();
}

fn cost_longest_wait(unit_s: f32) -> f32 {
    return f32(atomicLoad(&longest_wait)) * STEP_S / unit_s;
}
