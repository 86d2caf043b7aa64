// Rules that charge without learning: the twin of controller/. The engine calls act of one of them.

// Keys of an order as whole numbers that sort alike.
var<workgroup> keys: array<u32, STATIONS>;
var<workgroup> order: array<u32, STATIONS>;
var<workgroup> ordered: u32;

fn sortable(key: f32) -> u32 {
    let bits = bitcast<u32>(key);
    return select(bits | 0x80000000u, ~bits, bits >> 31u == 1u);
}

fn missing_amps(station: u32) -> f32 {
    return bays[station].missing_kwh / kwh_per_amp(station);
}

// The most that is worth offering.
fn most_amps(station: u32) -> f32 {
    return min(missing_amps(station), stations[station].most);
}

fn steps_left(station: u32) -> f32 {
    return f32(bays[station].est_departure) - f32(meter[0].t);
}

// Steps that a car could wait and still be served by its announced departure.
fn laxity(station: u32) -> f32 {
    return steps_left(station) - missing_amps(station) / stations[station].most;
}

fn order_key(by: u32, station: u32) -> u32 {
    let bay = bays[station];
    switch by {
        case FIRST_COME: { return bay.arrival; }
        case LAST_COME: { return ~bay.arrival; }
        case EARLIEST_DEADLINE: { return bay.est_departure; }
        case LEAST_LAXITY: { return sortable(laxity(station)); }
        case LEAST_LAXITY_RATIO: {
            return sortable(steps_left(station) * stations[station].most / missing_amps(station));
        }
        case LARGEST_REMAINING_TIME: { return sortable(-missing_amps(station) / stations[station].most); }
        case LEAST_SERVED: { return sortable(-bay.missing_kwh / bay.requested_kwh); }
        default: {
            // Chance. Its twin alone has words.
            return chance_of(station);
        }
    }
}

// Leaves the active stations in an order, equal ones as they are registered: everyone counts who is before it.
fn sort_by(thread: u32, by: u32) {
    workgroupBarrier();
    for (var station = thread; station < STATIONS; station += WIDTH) {
        rising[station] = u32(active_at(station));
        keys[station] = order_key(by, station);
    }
    workgroupBarrier();
    if thread == 0u {
        ordered = 0u;
        for (var station = 0u; station < STATIONS; station++) {
            ordered += rising[station];
        }
    }
    for (var station = thread; station < STATIONS; station += WIDTH) {
        if rising[station] != 0u {
            var before = 0u;
            for (var other = 0u; other < STATIONS; other++) {
                let first = keys[other] < keys[station] || (keys[other] == keys[station] && other < station);
                before += u32(first) * rising[other];
            }
            order[before] = station;
        }
    }
    workgroupBarrier();
}

// The largest current up to most that fits beside what is granted already. For one invocation.
fn largest(index: u32, most: f32) -> f32 {
    let station = stations[index];
    if !continuous(station) {
        var current = pilot_floor(station, most);
        while current > 0.0 && !fits(station.class_of, current) {
            current = pilot_below(station, current);
        }
        return current;
    }
    if fits(station.class_of, most) {
        return select(most, 0.0, most < station.least);
    }
    var lower = 0.0;
    var upper = most;
    while upper - lower > 0.01 {
        let middle = 0.5 * (lower + upper);
        if fits(station.class_of, middle) {
            lower = middle;
        } else {
            upper = middle;
        }
    }
    return select(lower, 0.0, lower < station.least);
}

fn worth(kind: u32, station: u32) -> f32 {
    if kind == WHAT_IS_NEEDED {
        let later = max(steps_left(station) - 1.0, 0.0) * stations[station].most;
        return clamp(missing_amps(station) - later, 0.0, most_amps(station));
    }
    if kind == WHAT_IS_PROMISED {
        let kept_back = (1.0 - PROMISED) * bays[station].requested_kwh;
        return clamp(missing_amps(station) - kept_back / kwh_per_amp(station), 0.0, most_amps(station));
    }
    return most_amps(station);
}

// Raises the stations of the order, one after the other, to the most that the ones before leave.
fn serve(thread: u32, kind: u32) {
    load(thread);
    if thread == 0u {
        for (var index = 0u; index < ordered; index++) {
            let station = order[index];
            let class_of = stations[station].class_of;
            let had = amps[station];
            add_amps(class_of, -had);
            amps[station] = max(largest(station, worth(kind, station)), had);
            add_amps(class_of, amps[station]);
        }
    }
    workgroupBarrier();
}

// Everyone in turn, one increment at a time.
fn in_turn(thread: u32) {
    load(thread);
    if thread == 0u {
        while ordered > 0u {
            var left = 0u;
            for (var index = 0u; index < ordered; index++) {
                let station = order[index];
                let class_of = stations[station].class_of;
                let next = pilot_above(stations[station], amps[station], INCREMENT);
                if next <= most_amps(station) + 1e-5 && fits(class_of, next - amps[station]) {
                    add_amps(class_of, next - amps[station]);
                    amps[station] = next;
                    order[left] = station;
                    left++;
                }
            }
            ordered = left;
        }
    }
    workgroupBarrier();
}

// What a station gets at a level. half_most: half of the most that any can take.
fn at_level(station: u32, level: f32, half_most: f32) -> f32 {
    let requested = bays[station].requested_kwh;
    let delivered = requested - bays[station].missing_kwh;
    let per_amp = kwh_per_amp(station);
    let most = most_amps(station);
    var current = level;
    switch LEVEL {
        case BY_LOSS: { current = most + level; }
        case BY_TALMUD: {
            if level <= half_most {
                current = min(level, 0.5 * most);
            } else {
                current = most - min(2.0 * half_most - level, 0.5 * most);
            }
        }
        case BY_SHARE: { current = (level * requested - delivered) / per_amp; }
        case BY_ALPHA: {
            let share = exact_exp(clamp((level - exact_log(requested)) / ALPHA, -80.0, 80.0));
            current = (share * requested - delivered) / per_amp;
        }
        case BY_PROGRESS: {
            let now = meter[0].t + 1u;
            let stay = f32(max(bays[station].est_departure, now) - bays[station].arrival);
            let elapsed = f32(now - bays[station].arrival) / stay;
            current = (level * elapsed * requested - delivered) / per_amp;
        }
        case BY_LAXITY: { current = stations[station].most * (level - laxity(station) + 1.0); }
        default: {}
    }
    return clamp(current, 0.0, most);
}

// The lowest and the highest level that make a difference.
fn levels_of(station: u32, half_most: f32) -> vec2<f32> {
    let most = stations[station].most;
    switch LEVEL {
        case BY_LOSS: { return vec2(-most, 0.0); }
        case BY_TALMUD: { return vec2(0.0, 2.0 * half_most); }
        case BY_SHARE: { return vec2(0.0, 1.0); }
        case BY_ALPHA: { return vec2(-40.0, 40.0); }
        case BY_PROGRESS: { return vec2(0.0, 1000.0); }
        case BY_LAXITY: { return vec2(laxity(station) - 1.0, laxity(station)); }
        default: { return vec2(0.0, most); }
    }
}

fn set_level(thread: u32, level: f32, half_most: f32) {
    for (var station = thread; station < STATIONS; station += WIDTH) {
        if rising[station] != 0u {
            amps[station] = at_level(station, level, half_most);
        }
    }
    load(thread);
}

// A level rises as far as the limits carry; who is part of a limit that stops it keeps what it has, others rise on.
fn rise(thread: u32) {
    workgroupBarrier();
    var half_here = 0.0;
    for (var station = thread; station < STATIONS; station += WIDTH) {
        rising[station] = u32(active_at(station));
        if rising[station] != 0u {
            half_here = max(half_here, 0.5 * most_amps(station));
        }
    }
    let half_most = -smallest(thread, -half_here);
    for (var tries = 0u; tries <= LIMITS; tries++) {
        var least_here = MUCH;
        var most_here = -MUCH;
        for (var station = thread; station < STATIONS; station += WIDTH) {
            if rising[station] != 0u {
                let levels = levels_of(station, half_most);
                least_here = min(least_here, levels.x);
                most_here = max(most_here, levels.y);
            }
        }
        var lower = smallest(thread, least_here);
        var upper = -smallest(thread, -most_here);
        if lower == MUCH {
            break;
        }
        set_level(thread, upper, half_most);
        if all_hold() {
            break;
        }
        // An f32 has no more halves than these.
        for (var halving = 0u; halving < 40u; halving++) {
            let middle = 0.5 * (lower + upper);
            workgroupBarrier();
            set_level(thread, middle, half_most);
            if all_hold() {
                lower = middle;
            } else {
                upper = middle;
            }
        }
        workgroupBarrier();
        set_level(thread, upper, half_most);
        if thread == 0u {
            verdict = 0u;
        }
        for (var station = thread; station < STATIONS; station += WIDTH) {
            speed[station] = f32(u32(rising[station] != 0u && fits(stations[station].class_of, 0.0)));
        }
        workgroupBarrier();
        // What they keep is what the limits carry.
        set_level(thread, lower, half_most);
        for (var station = thread; station < STATIONS; station += WIDTH) {
            let goes_on = speed[station] > 0.0;
            if rising[station] != 0u && !goes_on {
                verdict = 1u;
            }
            rising[station] = u32(goes_on);
        }
        workgroupBarrier();
        if verdict == 0u {
            break;
        }
    }
    workgroupBarrier();
}

// Before a rule: nobody gets anything. After it: currents as actions.
fn prepare_rule(thread: u32) {
    set_bounds(thread);
    for (var station = thread; station < STATIONS; station += WIDTH) {
        amps[station] = 0.0;
    }
    workgroupBarrier();
}

fn write_actions(thread: u32) {
    workgroupBarrier();
    for (var agent = thread; agent < AGENTS; agent += WIDTH) {
        let station = station_of(agent);
        actions[agent] = code_of(amps[station], stations[station]);
    }
}

// Everyone gets all they can take, whatever the limits.
fn take_everything(thread: u32) {
    for (var station = thread; station < STATIONS; station += WIDTH) {
        if active_at(station) {
            amps[station] = pilot_floor(stations[station], most_amps(station));
        }
    }
}
