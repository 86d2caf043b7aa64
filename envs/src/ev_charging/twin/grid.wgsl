// Stations and limits: the twin of grid.rs and pilots.rs. An invocation carries stations, or limits, or classes.

struct Station {
    kw_per_amp: f32,
    // Currents that it can offer: 0, and from least to most every stride-th; all of them where the stride is 0.
    least: f32,
    most: f32,
    stride: f32,
    most_back: f32,
    class_of: u32,
    agent: u32,
    group: u32,
    // Who shares the post; 0: nobody.
    post: u32,
}

// A complex coefficient; to: the class, or the limit.
struct Term {
    to: u32,
    re: f32,
    im: f32,
}

@group(1) @binding(0) var<storage, read> stations: array<Station>;  // [STATIONS]
@group(1) @binding(1) var<storage, read> terms: array<Term>;        // by limit, then by class
// Ends of lists: the terms of every limit [LIMITS], those of every class [CLASSES], the stations of every class
// [CLASSES]; then those stations [STATIONS], then the station of every agent [STATIONS].
@group(1) @binding(2) var<storage, read> ends: array<u32>;
@group(1) @binding(3) var<storage, read> bounds: array<f32>;        // [LIMITS]
@group(1) @binding(4) var<storage, read> signals: array<f32>;       // see step.wgsl

// Larger than anything that is added up.
const MUCH = 1e30;
const PILOT_TOLERANCE = 1e-3;
const DONE_KWH = 1e-3;

// Commands, and what they may be.
var<workgroup> amps: array<f32, STATIONS>;
var<workgroup> low: array<f32, STATIONS>;
var<workgroup> high: array<f32, STATIONS>;
var<workgroup> wish: array<f32, STATIONS>;
var<workgroup> rising: array<u32, STATIONS>;
var<workgroup> speed: array<f32, STATIONS>;
// Sums of the currents of every class, and what every limit carries.
var<workgroup> sums: array<f32, CLASSES>;
var<workgroup> slopes: array<f32, CLASSES>;
var<workgroup> flows: array<vec2<f32>, LIMITS>;
// The limits of this step, and what they carry without cars.
var<workgroup> bound: array<f32, LIMITS>;
var<workgroup> offset: array<f32, LIMITS>;
// What one invocation tells the others.
var<workgroup> verdict: u32;
var<workgroup> number: f32;
var<workgroup> shares: array<f32, WIDTH>;

fn first_of(list: u32) -> u32 {
    return select(ends[max(list, 1u) - 1u], 0u, list == 0u);
}

// The terms of a limit are rows_from(limit) .. ends[limit]; those of a class columns_from(class) .. ends[LIMITS + class].
fn rows_from(limit: u32) -> u32 {
    return first_of(limit);
}

fn columns_from(class_of: u32) -> u32 {
    return ends[LIMITS + class_of - 1u];
}

// The station at a place of the list by class.
fn member(place: u32) -> u32 {
    return ends[LIMITS + 2u * CLASSES + place];
}

fn members_from(class_of: u32) -> u32 {
    return select(ends[LIMITS + CLASSES + max(class_of, 1u) - 1u], 0u, class_of == 0u);
}

fn station_of(agent: u32) -> u32 {
    return ends[LIMITS + 2u * CLASSES + STATIONS + agent];
}

fn square(flow: vec2<f32>) -> f32 {
    return dot(flow, flow);
}

// The whole flow through a limit, and the bound that commands are held to.
fn whole(limit: u32, flow: vec2<f32>) -> vec2<f32> {
    return vec2(flow.x + offset[limit], flow.y);
}

fn reach(limit: u32) -> f32 {
    return max(bound[limit], abs(offset[limit]));
}

// The host's tolerance is 1e-7 of a bound, which is less than the last digit here.
fn holds(limit: u32, flow: vec2<f32>) -> bool {
    let most = reach(limit) + max(1e-6 * reach(limit), 1e-5);
    return square(whole(limit, flow)) <= most * most;
}

fn all_hold() -> bool {
    var hold = true;
    for (var limit = 0u; limit < LIMITS; limit++) {
        hold = hold && holds(limit, flows[limit]);
    }
    return hold;
}

// What every limit carries with these sums.
fn flow_with(limit: u32) -> vec2<f32> {
    var sum = vec2(0.0);
    for (var term = rows_from(limit); term < ends[limit]; term++) {
        sum += vec2(terms[term].re, terms[term].im) * sums[terms[term].to];
    }
    return sum;
}

// Computes flows from sums.
fn load_flows(thread: u32) {
    workgroupBarrier();
    for (var limit = thread; limit < LIMITS; limit += WIDTH) {
        flows[limit] = flow_with(limit);
    }
    workgroupBarrier();
}

// Computes sums and flows from amps.
fn load(thread: u32) {
    workgroupBarrier();
    for (var class_of = thread; class_of < CLASSES; class_of += WIDTH) {
        var sum = 0.0;
        for (var place = members_from(class_of); place < ends[LIMITS + CLASSES + class_of]; place++) {
            sum += amps[member(place)];
        }
        sums[class_of] = sum;
    }
    load_flows(thread);
}

// Adds a current to a class. For one invocation.
fn add_amps(class_of: u32, more: f32) {
    for (var term = columns_from(class_of); term < ends[LIMITS + class_of]; term++) {
        flows[terms[term].to] += vec2(terms[term].re, terms[term].im) * more;
    }
}

// Whether the grid carries more in a class.
fn fits(class_of: u32, more: f32) -> bool {
    var fit = true;
    for (var term = columns_from(class_of); term < ends[LIMITS + class_of]; term++) {
        let limit = terms[term].to;
        fit = fit && holds(limit, flows[limit] + vec2(terms[term].re, terms[term].im) * more);
    }
    return fit;
}

// The smallest number of all invocations.
fn smallest(thread: u32, mine: f32) -> f32 {
    workgroupBarrier();
    shares[thread] = mine;
    for (var half = WIDTH / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if thread < half {
            shares[thread] = min(shares[thread], shares[thread + half]);
        }
    }
    workgroupBarrier();
    return shares[0];
}

fn continuous(station: Station) -> bool {
    return station.stride == 0.0;
}

fn pilot_floor(station: Station, current: f32) -> f32 {
    if current < station.least - PILOT_TOLERANCE {
        return 0.0;
    }
    let most = min(current, station.most);
    if continuous(station) {
        return max(most, station.least);
    }
    return station.least + max(floor((most - station.least + PILOT_TOLERANCE) / station.stride), 0.0) * station.stride;
}

fn pilot_above(station: Station, current: f32, increment: f32) -> f32 {
    if current < station.least - PILOT_TOLERANCE {
        return select(station.least, max(station.least, increment), continuous(station));
    }
    return current + select(station.stride, increment, continuous(station));
}

fn pilot_below(station: Station, current: f32) -> f32 {
    return select(current - station.stride, 0.0, current <= station.least + PILOT_TOLERANCE);
}

fn pilot_nearest(station: Station, current: f32) -> f32 {
    if continuous(station) {
        return select(min(current, station.most), 0.0, current < station.least);
    }
    let from_zero = station.least <= station.stride;
    if !from_zero && current < station.least {
        return 0.0;
    }
    let base = select(station.least, 0.0, from_zero);
    return clamp(base + round((current - base) / station.stride) * station.stride, 0.0, station.most);
}

fn active_at(station: u32) -> bool {
    return bays[station].session != 0u && bays[station].missing_kwh > DONE_KWH;
}

fn kwh_per_amp(station: u32) -> f32 {
    return stations[station].kw_per_amp * HOURS;
}
