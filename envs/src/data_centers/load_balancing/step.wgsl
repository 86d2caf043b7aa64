// An hour of all regions, what they see and what an episode is measured by: the twin of mod.rs and of proportional in
// ../balancing.rs.

struct Region {
    capacity: f32,
    // Where its traces begin in hours.
    hours_at: u32,
}

struct Hour {
    price: f32,
    carbon: f32,
    water: f32,
}

@group(1) @binding(0) var<storage, read> regions: array<Region>;
@group(1) @binding(1) var<storage, read> hours: array<Hour>;
// What is to be spread, hour by hour.
@group(1) @binding(2) var<storage, read> loads: array<f32>;
// Sine and cosine of the hours of a day.
@group(1) @binding(3) var<storage, read> turns: array<vec2<f32>>;

var<workgroup> weights: array<f32, AGENTS>;
var<workgroup> share: array<f32, AGENTS>;

// Parts of the load that are sums of rounding errors.
const ROUNDING = 1e-6;

fn hour_of(elapsed: u32) -> u32 {
    return 24u * day[0] + elapsed;
}

fn now_in(region: u32, hour: u32) -> Hour {
    return hours[regions[region].hours_at + hour];
}

fn weight_of(action: u32) -> f32 {
    let is_number = (action & 0x7fffffffu) <= 0x7f800000u;
    return clamp(select(0.0, bitcast<f32>(action), is_number), 0.0, 1.0);
}

// Spreads a load in proportion to weights, as far as there is room. For one invocation. Returns what nobody could take.
fn spread(load: f32) -> f32 {
    var left = load;
    for (var region = 0u; region < AGENTS; region++) {
        share[region] = 0.0;
    }
    for (var round = 0u; round <= 2u * AGENTS; round++) {
        var weighted = 0.0;
        var spare = 0.0;
        for (var region = 0u; region < AGENTS; region++) {
            let room = regions[region].capacity - share[region];
            weighted += select(0.0, weights[region], room > 0.0);
            spare += room;
        }
        if left <= ROUNDING * load {
            return 0.0;
        }
        if spare <= ROUNDING * load {
            return left;
        }
        var given = 0.0;
        for (var region = 0u; region < AGENTS; region++) {
            let capacity = regions[region].capacity;
            let room = capacity - share[region];
            let own = select(room / spare, weights[region] / max(weighted, 1e-38), weighted > 0.0);
            // Who is full is so to the last digit, and out of the next round.
            let full = left * own >= room;
            given += select(left * own, room, full);
            share[region] = select(share[region] + left * own, capacity, full);
        }
        left -= given;
    }
    return select(0.0, left, left > ROUNDING * load);
}

fn advance(at: At) {
    let hour = hour_of(at.elapsed);
    for (var region = at.thread; region < AGENTS; region += WIDTH) {
        weights[region] = weight_of(actions[region]);
    }
    workgroupBarrier();
    if at.thread == 0u {
        burdens[0].refused += spread(loads[hour]);
    }
    workgroupBarrier();
    for (var region = at.thread; region < AGENTS; region += WIDTH) {
        let now = now_in(region, hour);
        let cost = now.price * share[region];
        let carbon = now.carbon * share[region];
        let water = now.water * share[region];
        burdens[region].load += share[region];
        burdens[region].cost += cost;
        burdens[region].carbon += carbon;
        burdens[region].water += water;
        rewards[region] = -(cost + WEIGHT_CARBON * carbon + WEIGHT_WATER * water);
    }
}

fn start(at: At) {
    for (var region = at.thread; region < AGENTS; region += WIDTH) {
        burdens[region] = Burden();
    }
    if at.thread == 0u {
        day[0] = drawn_day(word(0u));
    }
}

fn observe(at: At) {
    let hour = hour_of(at.elapsed);
    let turn = turns[at.elapsed % 24u];
    for (var region = at.thread; region < AGENTS; region += WIDTH) {
        let now = now_in(region, hour);
        show(region, 0u, turn.x);
        show(region, 1u, turn.y);
        show(region, 2u, loads[hour] / ALL);
        show(region, 3u, now.price);
        show(region, 4u, now.carbon);
        show(region, 5u, burdens[region].carbon / (regions[region].capacity * f32(TIME_LIMIT)));
        show(region, 6u, now.water);
    }
}

const COST = 0u;
const CARBON = 1u;
const WATER = 2u;

fn borne(region: u32, what: u32) -> f32 {
    switch what {
        case COST: { return burdens[region].cost; }
        case CARBON: { return burdens[region].carbon; }
        default: { return burdens[region].water; }
    }
}

fn measure(at: At) {
    compare_all(at.thread, CARBON);
    for (var place = at.thread; place < 9u; place += WIDTH) {
        switch place {
            case 0u: { measures[place] = sum_of(COST); }
            case 1u: { measures[place] = sum_of(CARBON); }
            case 2u: { measures[place] = worst_of(CARBON); }
            case 3u: { measures[place] = jain_of(CARBON); }
            case 4u: { measures[place] = gini_of(CARBON); }
            case 5u: { measures[place] = sum_of(WATER); }
            case 6u: { measures[place] = worst_of(WATER); }
            case 7u: { measures[place] = jain_of(WATER); }
            default: { measures[place] = burdens[0].refused; }
        }
    }
}
