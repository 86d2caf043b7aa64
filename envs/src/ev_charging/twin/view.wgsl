// What agents see: the twin of view.rs.

var<workgroup> group_mean: array<f32, GROUPS>;

fn put(agent: u32, feature: u32, number: f32) {
    show(agent, feature, clamp(number, -MOST_SEEN, MOST_SEEN));
}

// How much of a limit is used.
fn used(limit: u32) -> f32 {
    return length(whole(limit, flows[limit])) / max(reach(limit), 1e-9);
}

fn served_of(bay: Bay) -> f32 {
    return (bay.requested_kwh - bay.missing_kwh) / bay.requested_kwh;
}

// A number that everyone sees, in the view that is one's own car, one's group and the site.
fn site_number(index: u32) -> f32 {
    let t = meter[0].t;
    let day = meter[0].day;
    switch index {
        case 0u: { return f32(t) / f32(TIME_LIMIT); }
        case 1u: { return signal(SINE, day, t); }
        case 2u: { return signal(COSINE, day, t); }
        case 3u: { return signal(BUY, day, t); }
        case 4u: { return emission(day, t, 0u); }
        case 5u: {
            var most = 0.0;
            for (var limit = 0u; limit < LIMITS; limit++) {
                most = max(most, used(limit));
            }
            return most;
        }
        case 6u: { return signal(LOAD, day, t) / 100.0; }
        case 7u: {
            var most = 0.0;
            for (var call = 0u; call < CALLS; call++) {
                if calls[call].announced <= t && t < calls[call].end {
                    most = max(most, calls[call].share);
                }
            }
            return most;
        }
        default: {}
    }
    let ahead = (index - 8u) / 2u + 1u;
    if index % 2u == 0u {
        return signal(BUY, day, t + ahead);
    }
    if ahead >= EMISSION_WIDTH {
        return 0.0;
    }
    return emission(day, t, ahead);
}

fn observe_own(at: At) {
    let t = f32(meter[0].t);
    let steps = f32(TIME_LIMIT);
    for (var index = at.thread; index < STATIONS; index += WIDTH) {
        amps[index] = bays[index].amps;
    }
    load(at.thread);
    for (var group = at.thread; group < GROUPS; group += WIDTH) {
        var sum = 0.0;
        var count = 0.0;
        for (var index = 0u; index < STATIONS; index++) {
            if bays[index].session != 0u && stations[index].group == group {
                sum += served_of(bays[index]);
                count += 1.0;
            }
        }
        group_mean[group] = sum / max(count, 1.0);
    }
    workgroupBarrier();
    for (var index = at.thread; index < STATIONS; index += WIDTH) {
        let station = stations[index];
        let bay = bays[index];
        for (var feature = 0u; feature < 11u + GROUPS; feature++) {
            show(station.agent, feature, f32(u32(feature == 11u + station.group)));
        }
        if bay.session != 0u {
            let missing = bay.missing_kwh / kwh_per_amp(index);
            let left = f32(bay.est_departure) - t;
            var most_used = 0.0;
            for (var term = columns_from(station.class_of); term < ends[LIMITS + station.class_of]; term++) {
                most_used = max(most_used, used(terms[term].to));
            }
            put(station.agent, 0u, 1.0);
            put(station.agent, 1u, bay.missing_kwh / 100.0);
            put(station.agent, 2u, left / steps);
            put(station.agent, 3u, (t - f32(bay.arrival)) / steps);
            put(station.agent, 4u, bay.stored_kwh / bay.capacity_kwh);
            put(station.agent, 5u, bay.capacity_kwh / 100.0);
            put(station.agent, 6u, max(min(missing, station.most), 0.0) / station.most);
            put(station.agent, 7u, (left - missing / station.most) / steps);
            put(station.agent, 8u, served_of(bay));
            put(station.agent, 9u, served_of(bay) - group_mean[station.group]);
            put(station.agent, 10u, 1.0 - most_used);
        }
    }
    let begin = 11u + GROUPS;
    for (var feature = at.thread; feature < FEATURES - begin; feature += WIDTH) {
        let seen = site_number(feature);
        for (var agent = 0u; agent < AGENTS; agent++) {
            put(agent, begin + feature, seen);
        }
    }
}

// In the views of other simulators: a number that everyone sees.
fn number_for_all(index: u32) -> f32 {
    let t = meter[0].t;
    let day = meter[0].day;
    let before = select(1u, 2u + FORECAST, VIEW == EV2GYM_VIEW);
    if index < before {
        switch index {
            case 0u: { return select(f32(t) / f32(TIME_LIMIT), f32(t), VIEW == EV2GYM_VIEW); }
            case 1u: { return meter[0].power_kw; }
            default: { return signal(BUY, day, t + index - 2u); }
        }
    }
    if index < before + 2u * STATIONS {
        let place = index - before;
        let by_station = VIEW == EV2GYM_VIEW;
        let bay = bays[select(place % STATIONS, place / 2u, by_station)];
        let first = select(place >= STATIONS, place % 2u == 0u, by_station);
        if VIEW == SUSTAINGYM_VIEW && first {
            return max(bay.missing_kwh, 0.0);
        }
        if bay.session == 0u {
            return 0.0;
        }
        return select(f32(bay.est_departure) - f32(t), bay.stored_kwh / bay.capacity_kwh, first);
    }
    let rest = index - before - 2u * STATIONS;
    if VIEW == SUSTAINGYM_VIEW {
        return emission(day, t, rest);
    }
    let ahead = t + rest / 2u;
    if rest % 2u == 0u {
        return signal(LOAD, day, ahead);
    }
    var left = 1.0;
    for (var call = 0u; call < CALLS; call++) {
        if calls[call].announced <= t && calls[call].start <= ahead && ahead < calls[call].end {
            left = min(left, 1.0 - calls[call].share);
        }
    }
    return left * signal(TRANSFORMER_LIMIT, day, ahead);
}

fn observe(at: At) {
    set_bounds(at.thread);
    if VIEW == OWN_VIEW {
        observe_own(at);
        return;
    }
    for (var feature = at.thread; feature < FEATURES; feature += WIDTH) {
        var seen = 0.0;
        if feature + 1u < FEATURES {
            seen = number_for_all(feature);
        }
        for (var agent = 0u; agent < AGENTS; agent++) {
            put(agent, feature, select(seen, f32(agent) / f32(AGENTS), feature + 1u == FEATURES));
        }
    }
}
