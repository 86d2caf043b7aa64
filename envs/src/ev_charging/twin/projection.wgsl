// What becomes of commands that the grid cannot carry: the twin of projection.rs.

// Where a limit stops holding along flow + t slope, t >= 0.
fn crossing(limit: u32, flow: vec2<f32>, slope: vec2<f32>) -> f32 {
    let steep = square(slope);
    if steep == 0.0 {
        return MUCH;
    }
    let from_here = whole(limit, flow);
    let short = max(reach(limit) * reach(limit) - square(from_here), 0.0);
    let along = dot(from_here, slope);
    let root = sqrt(along * along + steep * short);
    return select((root - along) / steep, short / (along + root), along > 0.0);
}

// Times one factor.
fn shrink(thread: u32) {
    load(thread);
    if thread == 0u {
        number = 1.0;
        for (var limit = 0u; limit < LIMITS; limit++) {
            number = min(number, crossing(limit, vec2(0.0), flows[limit]));
        }
    }
    workgroupBarrier();
    for (var station = thread; station < STATIONS; station += WIDTH) {
        amps[station] *= number;
    }
    load(thread);
}

fn in_limit(limit: u32, class_of: u32) -> bool {
    var found = false;
    for (var term = rows_from(limit); term < ends[limit]; term++) {
        found = found || terms[term].to == class_of;
    }
    return found;
}

fn slope_of(limit: u32) -> vec2<f32> {
    var sum = vec2(0.0);
    for (var term = rows_from(limit); term < ends[limit]; term++) {
        sum += vec2(terms[term].re, terms[term].im) * slopes[terms[term].to];
    }
    return sum;
}

const NO_LIMIT = 0xffffffffu;

// Lets all positive commands rise from 0 with their speeds, each up to itself, until a limit stops them.
fn raise(thread: u32) {
    workgroupBarrier();
    for (var station = thread; station < STATIONS; station += WIDTH) {
        wish[station] = amps[station];
        rising[station] = u32(amps[station] > 0.0 && speed[station] > 0.0);
        amps[station] = min(amps[station], 0.0);
    }
    if GIVES_BACK {
        shrink(thread);
    } else {
        for (var limit = thread; limit < LIMITS; limit += WIDTH) {
            flows[limit] = vec2(0.0);
        }
    }
    // Every round stops a station or a limit.
    for (var tries = 0u; tries <= STATIONS + LIMITS; tries++) {
        var mine = MUCH;
        for (var station = thread; station < STATIONS; station += WIDTH) {
            if rising[station] != 0u {
                mine = min(mine, (wish[station] - amps[station]) / speed[station]);
            }
        }
        let most = smallest(thread, mine);
        if most == MUCH {
            break;
        }
        for (var class_of = thread; class_of < CLASSES; class_of += WIDTH) {
            var sum = 0.0;
            for (var place = members_from(class_of); place < ends[LIMITS + CLASSES + class_of]; place++) {
                sum += select(0.0, speed[member(place)], rising[member(place)] != 0u);
            }
            slopes[class_of] = sum;
        }
        workgroupBarrier();
        if thread == 0u {
            number = most;
            verdict = NO_LIMIT;
            for (var limit = 0u; limit < LIMITS; limit++) {
                let t = crossing(limit, flows[limit], slope_of(limit));
                if t < number {
                    number = t;
                    verdict = limit;
                }
            }
        }
        workgroupBarrier();
        for (var limit = thread; limit < LIMITS; limit += WIDTH) {
            flows[limit] += number * slope_of(limit);
        }
        for (var station = thread; station < STATIONS; station += WIDTH) {
            if rising[station] != 0u {
                let reached = (wish[station] - amps[station]) / speed[station] <= number;
                amps[station] = select(amps[station] + number * speed[station], wish[station], reached);
                let stopped = verdict != NO_LIMIT && in_limit(min(verdict, LIMITS - 1u), stations[station].class_of);
                rising[station] = u32(!reached && !stopped);
            }
        }
        workgroupBarrier();
    }
}

// One station after the other, each as much of its command as the ones before leave.
fn one_by_one(thread: u32) {
    workgroupBarrier();
    for (var station = thread; station < STATIONS; station += WIDTH) {
        wish[station] = amps[station];
        amps[station] = min(amps[station], 0.0);
    }
    shrink(thread);
    if thread == 0u {
        for (var station = 0u; station < STATIONS; station++) {
            if wish[station] > 0.0 {
                let class_of = stations[station].class_of;
                var most = wish[station];
                for (var term = columns_from(class_of); term < ends[LIMITS + class_of]; term++) {
                    let limit = terms[term].to;
                    most = min(most, crossing(limit, flows[limit], vec2(terms[term].re, terms[term].im)));
                }
                amps[station] = most;
                add_amps(class_of, most);
            }
        }
    }
    workgroupBarrier();
}

fn project(thread: u32) {
    if PROJECTION == NEAREST {
        nearest_between(thread);
        return;
    }
    load(thread);
    if PROJECTION == NONE || all_hold() {
        return;
    }
    switch PROJECTION {
        case UNIFORM: { shrink(thread); }
        case MAX_MIN, PROPORTIONAL: {
            for (var station = thread; station < STATIONS; station += WIDTH) {
                speed[station] = select(1.0, max(amps[station], 0.0), PROJECTION == PROPORTIONAL);
            }
            raise(thread);
        }
        default: { one_by_one(thread); }
    }
}

// Commands become currents that stations can offer.
fn quantise(thread: u32) {
    if QUANTISATION == NOT_AT_ALL {
        return;
    }
    workgroupBarrier();
    if thread == 0u {
        verdict = 0u;
    }
    workgroupBarrier();
    for (var index = thread; index < STATIONS; index += WIDTH) {
        let station = stations[index];
        if amps[index] > 0.0 {
            var next = 0.0;
            if QUANTISATION == TO_NEAREST {
                next = pilot_nearest(station, amps[index]);
            } else {
                next = pilot_floor(station, amps[index]);
            }
            if next != amps[index] {
                // All who write write the same.
                verdict = 1u;
            }
            amps[index] = next;
        }
    }
    workgroupBarrier();
    if QUANTISATION == TO_NEAREST || verdict == 0u {
        return;
    }
    // What rounding down left of every limit is handed out again, in the order of registration.
    load(thread);
    if thread == 0u && all_hold() {
        for (var index = 0u; index < STATIONS; index++) {
            let station = stations[index];
            while !continuous(station) && amps[index] >= 0.0 {
                let next = pilot_above(station, amps[index], 0.0);
                let more = next - amps[index];
                if next > high[index] + PILOT_TOLERANCE || !fits(station.class_of, more) {
                    break;
                }
                add_amps(station.class_of, more);
                amps[index] = next;
            }
        }
    }
    workgroupBarrier();
}
