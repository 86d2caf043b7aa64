// What agents see: the twin of observation.rs. The engine calls observe, which calls a function for each part of a crossing.

// Where numbers that grow with time are cut off.
const MOST = 4.0;

fn show_green(agent: u32, first: u32) {
    let light = get_lights(agent_crossing(agent));
    for (var green = 0u; green < MOST_GREENS; green++) {
        show(agent, first + green, f32(light.clearing == 0u && green == light.green));
    }
}

fn show_movement(agent: u32, first: u32, movement: u32) {
    var room = 0.0;
    var queued = 0.0;
    var close = 0.0;
    var halt = 0u;
    var waited = 0u;
    var vehicles = 0.0;
    for (var at = movements[movement].lanes_at; at < movements[movement].lanes_end; at++) {
        let lane = numbers[at];
        room += fits(lane);
        var vehicle = get_chains_first(lane);
        while vehicle != NONE {
            if takes(vehicle, movement) {
                queued += f32(get_vehicles_halted(vehicle) > 0u);
                close += f32(to_line(vehicle, lane) <= seen_within(lane));
                halt = max(halt, get_vehicles_halted(vehicle));
                waited += get_vehicles_waited(vehicle);
                vehicles += 1.0;
            }
            vehicle = get_vehicles_behind(vehicle);
        }
    }
    var taken = 0.0;
    for (var lane = movements[movement].behind; lane < movements[movement].behind_end; lane++) {
        taken += share(lane, count(lane));
    }
    show(agent, first, min(queued / max(room, 1.0), MOST));
    show(agent, first + 1u, min(close / 13.0, MOST));
    show(agent, first + 2u, min(f32(halt) * STEP_S / 120.0, 2.0));
    show(agent, first + 3u, min(f32(waited) * STEP_S / max(vehicles, 1.0) / 120.0, MOST));
    show(agent, first + 4u, 1.0 - taken / f32(movements[movement].behind_end - movements[movement].behind));
}

// Share of presence spent waiting since the last decision, relative to the network's.
fn compared(crossing: u32) -> f32 {
    return min(share_waited(crossing) / (network_share_waited() + 0.05), MOST);
}

fn show_drq(agent: u32, first: u32, lane: u32) {
    var queued = 0.0;
    var coming = 0.0;
    var halt = 0u;
    var speed = 0.0;
    var vehicle = get_chains_first(lane);
    while vehicle != NONE {
        if to_line(vehicle, lane) <= seen_within(lane) {
            let waits = get_vehicles_halted(vehicle) > 0u;
            queued += f32(waits);
            coming += f32(!waits);
            halt += get_vehicles_halted(vehicle);
            speed += get_vehicles_speed_mps(vehicle);
        }
        vehicle = get_vehicles_behind(vehicle);
    }
    var free = false;
    for (var at = streets[lane].leaving_at; at < streets[lane].leaving_end; at++) {
        let link = numbers[at];
        free = free || frees(link, get_lights_phase(links[link].crossing));
    }
    show(agent, first, f32(free));
    show(agent, first + 1u, coming / 28.0);
    show(agent, first + 2u, min(f32(halt) * STEP_S / 28.0, f32(FEATURES)));
    show(agent, first + 3u, queued / 28.0);
    show(agent, first + 4u, speed / 560.0);
}

fn show_wave_and_wait(agent: u32, first: u32, lane: u32) {
    show(agent, first, min(f32(near(lane, seen_within(lane))) / 5.0, 2.0));
    show(agent, first + 1u, min(first_halt_s(lane) / 100.0, 2.0));
}

// Which actions begin to be obeyed at once.
fn show_mask(agent: u32) {
    let crossing = agent_crossing(agent);
    let light = get_lights(crossing);
    let keeps = allowed(crossing, light.green) == light.green;
    let begins = light.clearing == 0u && light.since_s >= SHORTEST_S;
    for (var code = 0u; code < MASKED; code++) {
        var green = code / TIMES;
        if DECIDES == SWITCHES {
            green = select(light.green, green_count(crossing), code > 0u);
        }
        var can = (green < green_count(crossing) || DECIDES == SWITCHES) && select(begins, keeps, green == light.green);
        if DECIDES == TIMED_GREENS && light.remaining_s > 0.0 {
            can = code == light.green * TIMES;
        }
        show(agent, FEATURES - MASKED + code, f32(can));
    }
}
