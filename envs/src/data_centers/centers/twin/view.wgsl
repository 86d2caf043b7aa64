// What centres see, and what an episode is measured by.

fn observe(at: At) {
    let hour = hour_of(at.elapsed);
    let turn = turns[at.elapsed % (24u * PER_HOUR)];
    for (var index = at.thread; index < AGENTS * (AHEAD + 1u); index += WIDTH) {
        let agent = index / (AHEAD + 1u);
        let ahead = index % (AHEAD + 1u);
        show(agent, 2u + ahead, hours[sites[agent].hours_at + hour + ahead].carbon);
    }
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        let site = sites[agent];
        let now = hours[site.hours_at + hour];
        let it = account(agent);
        show(agent, 0u, turn.x);
        show(agent, 1u, turn.y);
        let rest = 3u + AHEAD;
        show(agent, rest, now.load / site.capacity);
        var waits = 0.0;
        var age = 0u;
        for (var quarter = 0u; quarter < 4u; quarter++) {
            var part = 0.0;
            while age < LATE && 4u * age / LATE == quarter {
                part += queued(agent * AGES + age);
                age++;
            }
            waits += part;
            show(agent, rest + 2u + quarter, part / site.capacity);
        }
        let past = queued(agent * AGES + LATE);
        show(agent, rest + 6u, past / site.capacity);
        show(agent, rest + 1u, (waits + past) / site.capacity);
        show(agent, rest + 7u, now.warmth);
        show(agent, rest + 8u, it.opened);
        show(agent, rest + 9u, select(0.0, it.stored_kwh / max(site.battery_kwh, 1e-30), site.battery_kwh > 0.0));
        show(agent, rest + 10u, now.evaporated + now.water);
    }
}

const CARBON = 0u;
const WATER = 1u;
const WAIT = 2u;

// By server, or by unit of work.
fn borne(agent: u32, what: u32) -> f32 {
    let it = account(agent);
    switch what {
        case CARBON: { return it.carbon_kg / sites[agent].capacity; }
        case WATER: { return it.water_l / sites[agent].capacity; }
        default: { return select(0.0, it.queue_hours / max(it.arrived, 1e-30), it.arrived > 0.0); }
    }
}

// What waits at every centre at the end.
var<workgroup> left_over: array<f32, AGENTS>;

// A sum over centres, the measure at this place.
fn total(place: u32) -> f32 {
    var sum = 0.0;
    for (var agent = 0u; agent < AGENTS; agent++) {
        let it = account(agent);
        switch place {
            case 0u: { sum += it.energy_kwh; }
            case 1u: { sum += it.carbon_kg; }
            case 2u: { sum += it.cost; }
            case 3u: { sum += it.water_l; }
            case 4u: { sum += it.queue_hours; }
            case 5u: { sum += it.overdue; }
            case 6u: { sum += left_over[agent]; }
            case 7u: { sum += it.run; }
            default: { sum += it.arrived; }
        }
    }
    return sum;
}

fn measure(at: At) {
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        var waits = 0.0;
        for (var age = 0u; age < AGES; age++) {
            waits += queued(agent * AGES + age);
        }
        left_over[agent] = waits;
    }
    compare_all(at.thread, CARBON);
    for (var place = at.thread; place < 13u; place += WIDTH) {
        switch place {
            case 7u: {
                let arrived = total(8u);
                measures[place] = select(1.0, total(7u) / max(arrived, 1e-30), arrived > 0.0);
            }
            case 8u: { measures[place] = jain_of(CARBON); }
            case 9u: { measures[place] = gini_of(CARBON); }
            case 10u: { measures[place] = jain_of(WATER); }
            case 11u: { measures[place] = jain_of(WAIT); }
            case 12u: { measures[place] = worst_of(WAIT); }
            default: { measures[place] = total(place); }
        }
    }
}
