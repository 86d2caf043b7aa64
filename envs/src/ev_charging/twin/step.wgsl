// How a site moves: the twin of step.rs, dynamics.rs and reward.rs, in the order of their events.
//
// signals has, one block of DAYS * TIME_LIMIT numbers each: price, price of what is given back, other loads, the
// transformer's limit, the setpoint, sine and cosine of the time of day; from DEMAND_CHARGES on the price of the peak of
// every day; from EMISSIONS on [DAYS, TIME_LIMIT + 1, EMISSION_WIDTH] rates, each with its forecasts.

const TO_COME = 0u;
const WAITING = 1u;
const PLUGGED = 2u;
const GONE = 3u;
const REJECTED = 4u;
const ANYWHERE = 0xffffffffu;

const BUY = 0u;
const SELL = 1u;
const LOAD = 2u;
const TRANSFORMER_LIMIT = 3u;
const SETPOINT = 4u;
const SINE = 5u;
const COSINE = 6u;

// What the site earns or counts in a step, and what it gives and takes.
var<workgroup> site_pay: f32;
var<workgroup> excess: f32;
var<workgroup> taken_kwh: f32;
var<workgroup> given_kwh: f32;
var<workgroup> unmet: f32;
var<workgroup> owed: array<f32, STATIONS>;
var<workgroup> parting: array<f32, STATIONS>;

// A number of a step of a day; of the last step where it is beyond it.
fn signal(which: u32, day: u32, t: u32) -> f32 {
    return signals[which * DAYS * TIME_LIMIT + day * TIME_LIMIT + min(t, TIME_LIMIT - 1u)];
}

fn emission(day: u32, t: u32, ahead: u32) -> f32 {
    return signals[EMISSIONS + (day * (TIME_LIMIT + 1u) + min(t, TIME_LIMIT)) * EMISSION_WIDTH + ahead];
}

// Bounds and loads of the step to come.
fn set_bounds(thread: u32) {
    workgroupBarrier();
    for (var limit = thread; limit < LIMITS; limit += WIDTH) {
        bound[limit] = bounds[limit];
        offset[limit] = 0.0;
        if TRANSFORMER && limit == LIMITS - 1u {
            let t = meter[0].t;
            var left = 1.0;
            for (var index = 0u; index < CALLS; index++) {
                if calls[index].start <= t && t < calls[index].end {
                    left = min(left, 1.0 - calls[index].share);
                }
            }
            bound[limit] = left * signal(TRANSFORMER_LIMIT, meter[0].day, t);
            offset[limit] = signal(LOAD, meter[0].day, t);
        }
    }
    workgroupBarrier();
}

// The current (or the weight) that an action asks of a station.
fn command(code: u32, station: Station) -> f32 {
    if ACTION == AMPS || ACTION == WEIGHTS {
        return bitcast<f32>(code);
    }
    var share = 0.0;
    if ACTION == CONTINUOUS {
        share = clamp(bitcast<f32>(code), -1.0, 1.0);
    } else {
        let zero = select(0.0, f32(LEVELS), station.most_back > 0.0);
        share = min((f32(code) - zero) / f32(LEVELS), 1.0);
    }
    return share * select(station.most, station.most_back, share < 0.0);
}

// The action that asks a station for a current, or for the next lower one that there is.
fn code_of(current: f32, station: Station) -> u32 {
    if ACTION == AMPS {
        return bitcast<u32>(current);
    }
    let share = current / station.most;
    if ACTION == CONTINUOUS {
        return bitcast<u32>(share);
    }
    return select(0u, LEVELS, station.most_back > 0.0) + u32(max(floor(share * f32(LEVELS) + 1e-6), 0.0));
}

// Ports of one post share one station's current.
fn share_posts(thread: u32) {
    workgroupBarrier();
    for (var post = 1u + thread; post <= POSTS; post += WIDTH) {
        var sum = 0.0;
        var most = 0.0;
        for (var station = 0u; station < STATIONS; station++) {
            if stations[station].post == post {
                sum += max(amps[station], 0.0);
                most = stations[station].most;
            }
        }
        if sum > most {
            for (var station = 0u; station < STATIONS; station++) {
                if stations[station].post == post && amps[station] > 0.0 {
                    amps[station] *= most / sum;
                }
            }
        }
    }
    workgroupBarrier();
}

// The least and the most that a station may be told.
fn range_of(index: u32) -> vec2<f32> {
    let bay = bays[index];
    let station = stations[index];
    if bay.session == 0u {
        return vec2(0.0);
    }
    let per_amp = kwh_per_amp(index);
    var most = 0.0;
    if bay.missing_kwh > DONE_KWH {
        most = station.most;
        if PROJECTION != NONE {
            most = min(most, bay.missing_kwh / per_amp);
        }
    }
    if station.most_back == 0.0 {
        return vec2(0.0, most);
    }
    let spare = max(bay.stored_kwh - LEAST_SHARE * bay.capacity_kwh, 0.0) * DISCHARGING;
    return vec2(-min(min(station.most_back, MOST_BACK_KW / station.kw_per_amp), spare / per_amp), most);
}

// Makes commands feasible.
fn settle(thread: u32) {
    if ACTION == WEIGHTS {
        for (var index = thread; index < STATIONS; index += WIDTH) {
            speed[index] = exact_exp(clamp(amps[index], -10.0, 10.0));
            low[index] = 0.0;
            let most = min(stations[index].most, bays[index].missing_kwh / kwh_per_amp(index));
            high[index] = select(0.0, most, active_at(index));
            amps[index] = high[index];
        }
        raise(thread);
        quantise(thread);
        return;
    }
    if POSTS > 0u {
        share_posts(thread);
    }
    for (var index = thread; index < STATIONS; index += WIDTH) {
        let range = range_of(index);
        low[index] = range.x;
        high[index] = range.y;
        // The nearest commands are those nearest to what was asked for, not to what the cars could take of it.
        let asked = PROJECTION == NEAREST && bays[index].session != 0u;
        let least = select(low[index], -stations[index].most_back, asked);
        let most = select(high[index], stations[index].most, asked);
        // A command that is no number is none.
        let wished = select(0.0, amps[index], amps[index] == amps[index]);
        amps[index] = min(max(wished, least), most);
    }
    project(thread);
    quantise(thread);
}

// What a battery takes or gives: the energy of the grid, and what is stored afterwards.
fn follow(bay: Bay, kw: f32) -> vec2<f32> {
    if kw < 0.0 {
        let spare = max(bay.stored_kwh - LEAST_SHARE * bay.capacity_kwh, 0.0);
        let given = min(min(-kw, MOST_BACK_KW) * HOURS, spare * DISCHARGING);
        return vec2(-given, bay.stored_kwh - given / DISCHARGING);
    }
    let power = min(kw, bay.most_kw);
    let room = max(bay.capacity_kwh - bay.stored_kwh, 0.0);
    if power <= 0.0 || room == 0.0 {
        return vec2(0.0, bay.stored_kwh);
    }
    let offered = CHARGING * power * HOURS;
    var added = min(offered, room);
    if TAPER == STEPWISE {
        let share = room / bay.capacity_kwh;
        let allowed = select(bay.most_kw, bay.most_kw * share / tail(bay), share < tail(bay));
        added = min(CHARGING * min(power, allowed) * HOURS, room);
    }
    if TAPER == SMOOTH {
        added = tapered(bay, room, power, offered);
    }
    return vec2(added / CHARGING, bay.stored_kwh + added);
}

// The share of a battery, below a full one, in which it slows down.
fn tail(bay: Bay) -> f32 {
    return select(1.0 - bay.slows_from, TAIL, bay.slows_from < 0.0);
}

fn tapered(bay: Bay, room: f32, power: f32, offered: f32) -> f32 {
    let limited = power / bay.most_kw * tail(bay) * bay.capacity_kwh;
    if room - offered >= limited {
        return offered;
    }
    var left = room;
    var hours = HOURS;
    if room > limited {
        left = limited;
        hours = HOURS - (room - limited) / (CHARGING * power);
    }
    let rate = HASTE * CHARGING * bay.most_kw / (tail(bay) * bay.capacity_kwh);
    return min(room - left * exact_exp(max(-hours * rate, -80.0)), offered);
}

// Charges for one step with the settled commands.
fn charge(thread: u32) {
    load(thread);
    for (var index = thread; index < STATIONS; index += WIDTH) {
        owed[index] = 0.0;
        if bays[index].session == 0u {
            continue;
        }
        let station = stations[index];
        let followed = follow(bays[index], amps[index] * station.kw_per_amp);
        bays[index].pilot = amps[index];
        bays[index].stored_kwh = followed.y;
        bays[index].missing_kwh -= followed.x;
        bays[index].amps = followed.x / kwh_per_amp(index);
        // For now the energy; soon what it earns.
        owed[index] = followed.x;
    }
    workgroupBarrier();
    if thread == 0u {
        excess = 0.0;
        for (var limit = 0u; limit < LIMITS; limit++) {
            excess += max(length(whole(limit, flows[limit])) - bound[limit], 0.0);
        }
        taken_kwh = 0.0;
        given_kwh = 0.0;
        for (var index = 0u; index < STATIONS; index++) {
            taken_kwh += max(owed[index], 0.0);
            given_kwh -= min(owed[index], 0.0);
        }
        meter[0].energy_kwh += taken_kwh;
        meter[0].back_kwh += given_kwh;
        meter[0].power_kw = (taken_kwh - given_kwh) / HOURS;
        meter[0].excess += excess;
    }
    if MOVE_WORDS > 0u {
        for (var index = thread; index < STATIONS; index += WIDTH) {
            if bays[index].session != 0u {
                let lost = abs(normal(word(2u * index), word(2u * index + 1u))) * NOISE_KW * HOURS;
                bays[index].stored_kwh = max(bays[index].stored_kwh - lost, 0.0);
            }
        }
    }
    workgroupBarrier();
}

fn share_left(bay: Bay, missing: f32) -> f32 {
    return clamp(missing / bay.requested_kwh, 0.0, 1.0);
}

// What a station earns by its energy.
fn own_pay(bay: Bay, energy: f32) -> f32 {
    let t = meter[0].t;
    let day = meter[0].day;
    switch REWARD {
        case SERVED: { return share_left(bay, bay.missing_kwh + energy) - share_left(bay, bay.missing_kwh); }
        case ENERGY: { return energy; }
        case SUSTAINGYM: { return energy * (REWARD_A - REWARD_B * emission(day, t, 0u)); }
        default: {}
    }
    let price = select(signal(SELL, day, t), signal(BUY, day, t), energy > 0.0);
    if REWARD == EV2GYM {
        return -price * energy;
    }
    if REWARD == CHARGAX {
        let late = select(0.0, REWARD_C, t >= bay.est_departure);
        return REWARD_A * max(energy, 0.0) - price * energy - late - REWARD_F * max(-energy, 0.0);
    }
    return 0.0;
}

// What it costs that a car leaves.
fn parting_pay(bay: Bay) -> f32 {
    let missing = max(bay.missing_kwh, 0.0);
    if REWARD == EV2GYM {
        let served = 1.0 - share_left(bay, missing);
        return select(-REWARD_B * missing * missing, -REWARD_B * exact_exp(max(-REWARD_C * served, -80.0)), UNHAPPY_BY_SHARE);
    }
    return select(0.0, -REWARD_B * missing, REWARD == CHARGAX);
}

fn over_kw() -> f32 {
    if !TRANSFORMER {
        return 0.0;
    }
    return max(abs(meter[0].power_kw + offset[LIMITS - 1u]) - bound[LIMITS - 1u], 0.0);
}

// What the site is paid, beside its stations.
fn common_pay() -> f32 {
    switch REWARD {
        case SUSTAINGYM: { return -REWARD_C * excess * kwh_per_amp(0u); }
        case EV2GYM: { return -REWARD_A * over_kw(); }
        case CHARGAX: { return -REWARD_E * excess; }
        case TRACKING: {
            var potential = 0.0;
            for (var index = 0u; index < STATIONS; index++) {
                potential += high[index] * stations[index].kw_per_amp;
            }
            let missing = min(signal(SETPOINT, meter[0].day, meter[0].t), potential) - meter[0].power_kw;
            return -missing * missing;
        }
        default: { return 0.0; }
    }
}

// A cost of the site in this step.
fn cost(kind: u32, number: f32) -> f32 {
    switch kind {
        case NETWORK_EXCESS: { return excess; }
        case TRANSFORMER_EXCESS: { return over_kw(); }
        case UNMET: { return unmet; }
        case RESERVE: {
            var sum = 0.0;
            for (var index = 0u; index < STATIONS; index++) {
                if bays[index].session != 0u {
                    sum += max(number - bays[index].stored_kwh / bays[index].capacity_kwh, 0.0);
                }
            }
            return sum;
        }
        case GROUP_GAP: {
            var least = MUCH;
            var most = -MUCH;
            for (var group = 0u; group < GROUPS; group++) {
                var sum = 0.0;
                var count = 0.0;
                for (var index = 0u; index < STATIONS; index++) {
                    if bays[index].session != 0u && stations[index].group == group {
                        sum += 1.0 - share_left(bays[index], bays[index].missing_kwh);
                        count += 1.0;
                    }
                }
                if count > 0.0 {
                    least = min(least, sum / count);
                    most = max(most, sum / count);
                }
            }
            return max(most - least, 0.0);
        }
        case CARBON: {
            // The meter has this step's emissions already.
            let emitted = (taken_kwh - given_kwh) * emission(meter[0].day, meter[0].t, 0u);
            let before = max(meter[0].carbon_kg - emitted - number, 0.0);
            return max(max(meter[0].carbon_kg - number, 0.0) - before, 0.0);
        }
        case PEAK: {
            return max(meter[0].power_kw + signal(LOAD, meter[0].day, meter[0].t) - number, 0.0);
        }
        default: { return 0.0; }
    }
}

// Meters, then what everyone is owed for this step; what is shared is in site_pay.
fn pay(thread: u32) {
    let t = meter[0].t;
    let day = meter[0].day;
    for (var index = thread; index < STATIONS; index += WIDTH) {
        let bay = bays[index];
        parting[index] = 0.0;
        if bay.session != 0u {
            owed[index] = own_pay(bay, bay.amps * kwh_per_amp(index));
            if bay.departure <= t + 1u {
                parting[index] = parting_pay(bay);
            }
        }
    }
    if thread == 0u {
        meter[0].cost += taken_kwh * signal(BUY, day, t) - given_kwh * signal(SELL, day, t);
        meter[0].carbon_kg += (taken_kwh - given_kwh) * emission(day, t, 0u);
        let peak = meter[0].power_kw + signal(LOAD, day, t);
        if peak > meter[0].peak_kw {
            meter[0].cost += signals[DEMAND_CHARGES + day] * (peak - meter[0].peak_kw);
            meter[0].peak_kw = peak;
        }
        site_pay = common_pay();
        unmet = 0.0;
        for (var index = 0u; index < STATIONS; index++) {
            if bays[index].session != 0u && bays[index].departure <= t + 1u {
                unmet += share_left(bays[index], max(bays[index].missing_kwh, 0.0));
            }
        }
    }
    workgroupBarrier();
    if thread == 0u && SHARED_CREDIT {
        for (var index = 0u; index < STATIONS; index++) {
            site_pay += owed[index] + parting[index];
        }
    }
    for (var index = thread; index < COSTS; index += WIDTH) {
        let amount = cost(cost_kind(index), cost_number(index)) / f32(AGENTS);
        for (var agent = 0u; agent < AGENTS; agent++) {
            rewards[(1u + index) * AGENTS + agent] = amount;
        }
    }
    workgroupBarrier();
}

// Moves the clock: who leaves at the step to come, then who comes.
fn tick(thread: u32) {
    let t = meter[0].t + 1u;
    for (var index = thread; index < STATIONS; index += WIDTH) {
        let bay = bays[index];
        if bay.session != 0u && bay.departure <= t {
            var stay = get_stays(bay.session - 1u);
            stay.delivered_kwh = bay.requested_kwh - bay.missing_kwh;
            stay.status = GONE;
            set_stays(bay.session - 1u, stay);
            bays[index] = Bay();
        }
    }
    storageBarrier();
    workgroupBarrier();
    if thread == 0u {
        meter[0].t = t;
        if meter[0].waiting > 0u {
            for (var index = 0u; index < meter[0].next; index++) {
                if get_stays(index).status == WAITING {
                    meter[0].waiting--;
                    come(index, t);
                }
            }
        }
        while meter[0].next < meter[0].sessions && get_stays(min(meter[0].next, STAYS - 1u)).arrival <= t {
            come(meter[0].next, t);
            meter[0].next++;
        }
        meter[0].taken = 0u;
        meter[0].taken_above = 0u;
        meter[0].leaves = ~0u;
        for (var index = 0u; index < STATIONS; index++) {
            if bays[index].session == 0u {
                continue;
            }
            meter[0].leaves = min(meter[0].leaves, bays[index].departure);
            if index < 32u {
                meter[0].taken |= 1u << index;
            } else if index < 64u {
                meter[0].taken_above |= 1u << (index - 32u);
            }
        }
    }
    storageBarrier();
    workgroupBarrier();
}

// Plugs a car in, or has it wait, or counts it as rejected.
fn come(index: u32, t: u32) {
    var stay = get_stays(index);
    if stay.departure <= t {
        stay.status = REJECTED;
        set_stays(index, stay);
        meter[0].rejected++;
        return;
    }
    var found = STATIONS;
    if stay.station == ANYWHERE {
        for (var tries = 0u; tries < STATIONS && found == STATIONS; tries++) {
            let station = (stay.prefers + tries) % STATIONS;
            if bays[station].session == 0u {
                found = station;
            }
        }
    } else if bays[stay.station].session == 0u {
        found = stay.station;
    }
    if found == STATIONS {
        stay.status = WAITING;
        set_stays(index, stay);
        meter[0].waiting++;
        return;
    }
    stay.status = PLUGGED;
    stay.station = found;
    set_stays(index, stay);
    bays[found] = Bay(
        stay.requested_kwh,
        stay.requested_kwh,
        stay.start_kwh,
        stay.capacity_kwh,
        stay.most_kw,
        0.0,
        0.0,
        stay.slows_from,
        index + 1u,
        stay.arrival,
        stay.departure,
        stay.est_departure,
    );
}

fn advance(at: At) {
    let thread = at.thread;
    set_bounds(thread);
    for (var agent = thread; agent < AGENTS; agent += WIDTH) {
        let station = station_of(agent);
        amps[station] = command(actions[agent], stations[station]);
    }
    workgroupBarrier();
    settle(thread);
    charge(thread);
    pay(thread);
    let rejected = meter[0].rejected;
    tick(thread);
    // Car by car what it earned, then an equal share of what concerns the site.
    var shared_pay = site_pay;
    if REWARD == CHARGAX {
        shared_pay -= REWARD_D * f32(meter[0].rejected - rejected);
    }
    for (var agent = thread; agent < AGENTS; agent += WIDTH) {
        let station = station_of(agent);
        let own = select(owed[station] + parting[station], 0.0, SHARED_CREDIT);
        rewards[agent] = own + shared_pay / f32(AGENTS);
    }
    workgroupBarrier();
    if thread == 0u {
        for (var agent = 0u; agent < AGENTS; agent++) {
            meter[0].reward += rewards[agent];
        }
    }
}
