// A step of every centre, and the start of an episode: the twin of ../dynamics.rs and ../../shifting.rs. An invocation has centres of
// its own, and nobody else reads their rows before the episode ends.
//
// The host writes before this: account, put_account, queued and queue_up, wherever the columns live, and behind it pay_costs.

struct Site {
    capacity: f32,
    // The part of arriving work that cannot wait.
    urgent: f32,
    // Power of all servers while idle, and by how much a busy one takes more.
    idle_kw: f32,
    busy_kw: f32,
    // What the battery holds, moves in a step, and what is left of it after charging or discharging.
    battery_kwh: f32,
    battery_step_kwh: f32,
    efficiency: f32,
    // What of its room it takes in a step, and what of its content it gives.
    takes: f32,
    gives: f32,
    // Where its traces begin in hours.
    hours_at: u32,
}

struct Hour {
    load: f32,
    carbon: f32,
    price: f32,
    // All power, as a multiple of that of the servers.
    cooled: f32,
    // Temperature outside, by 25 degrees.
    warmth: f32,
    // Litres per kWh, here and by the grid.
    evaporated: f32,
    water: f32,
    // Whether the grid is cleaner than it will be, and how many of the hours ahead are cleaner than this one.
    charges: u32,
    cleaner: u32,
}

// What a step came to.
struct Outcome {
    queue: f32,
    overdue: f32,
    crowded_out: f32,
    carbon_kg: f32,
    cost: f32,
    water_l: f32,
}

@group(1) @binding(0) var<storage, read> sites: array<Site>;
@group(1) @binding(1) var<storage, read> hours: array<Hour>;
// Sine and cosine of the time of day, step by step.
@group(1) @binding(2) var<storage, read> turns: array<vec2<f32>>;

fn hour_of(elapsed: u32) -> u32 {
    return 24u * day[0] + elapsed / PER_HOUR;
}

// What an action opens: as a part of the capacity, and as work.
fn opening(action: u32, capacity: f32, load: f32) -> vec2<f32> {
    if ACTION == SHIFT && action % CODES == 1u {
        // No quotient in between: what arrives passes to the last digit.
        return vec2(min(load / capacity, 1.0), min(load, capacity));
    }
    var open = 0.0;
    if ACTION == OPEN {
        let is_number = (action & 0x7fffffffu) <= 0x7f800000u;
        open = clamp(select(0.0, bitcast<f32>(action), is_number), 0.0, 1.0);
    } else if ACTION == LEVELS {
        open = f32(action % CODES) / f32(max(CODES, 2u) - 1u);
    } else {
        open = f32(action % CODES == 2u);
    }
    return vec2(open, open * capacity);
}

// The part of its power with which the battery charges, or discharges below 0.
fn battery_of(action: u32, charges: u32) -> f32 {
    let told = select(2u - charges, min(action / CODES, 2u), DECIDES_ON_BATTERY);
    return f32(told == 1u) - f32(told == 2u);
}

// Runs work, oldest first, and makes what is left a step older. Returns what waits, and what passed its deadline.
fn run_oldest(agent: u32, shifted: f32, waits: f32) -> vec2<f32> {
    let first = agent * AGES;
    // All of it is all of it, whatever a sum was rounded to.
    var left = select(shifted, 3.4e38, shifted >= waits);
    let past = queued(first + LATE);
    var done = min(past, left);
    left -= done;
    let still_past = past - done;
    let last = queued(first + LATE - 1u);
    done = min(last, left);
    left -= done;
    let passes = last - done;
    var queue = still_past + passes;
    queue_up(first + LATE, queue);
    for (var age = LATE - 1u; age > 0u; age--) {
        let work = queued(first + age - 1u);
        done = min(work, left);
        left -= done;
        queue += work - done;
        queue_up(first + age, work - done);
    }
    queue_up(first, 0.0);
    return vec2(queue, passes);
}

// What is bought for the battery, or less because of it.
fn move_energy(site: Site, part: f32, needed_kwh: f32, stored: ptr<function, f32>) -> f32 {
    let wish = part * site.battery_step_kwh;
    if wish >= 0.0 {
        let bought = max(min(wish, (site.battery_kwh - *stored) * site.takes), 0.0);
        *stored += bought * site.efficiency;
        return bought;
    }
    let given = min(min(-wish, *stored * site.gives), needed_kwh);
    *stored = max(*stored - given / site.efficiency, 0.0);
    return -given;
}

fn advance(at: At) {
    let hour = hour_of(at.elapsed);
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        let site = sites[agent];
        let now = hours[site.hours_at + hour];
        var it = account(agent);
        let open = opening(actions[agent], site.capacity, now.load);
        let urgent = site.urgent * now.load;
        let first = min(urgent, site.capacity);
        let crowded_out = urgent - first;
        let oldest = agent * AGES + LATE;
        queue_up(agent * AGES, queued(agent * AGES) + (now.load - urgent));
        queue_up(oldest, queued(oldest) + crowded_out);
        let forced = queued(oldest);
        var waits = 0.0;
        for (var age = 0u; age < AGES; age++) {
            waits += queued(agent * AGES + age);
        }
        let chosen = max(open.y - first, forced);
        let shifted = max(min(min(waits, chosen), site.capacity - first), 0.0);
        let after = run_oldest(agent, shifted, waits);
        let run = first + shifted;
        let busy_kwh = (site.idle_kw + site.busy_kw * run) * HOURS;
        let needed_kwh = busy_kwh * now.cooled;
        var stored = it.stored_kwh;
        let moved_kwh = move_energy(site, battery_of(actions[agent], now.charges), needed_kwh, &stored);
        let energy_kwh = max(needed_kwh + moved_kwh, 0.0);
        let outcome = Outcome(
            after.x,
            after.y + crowded_out,
            crowded_out,
            energy_kwh * now.carbon,
            energy_kwh * now.price,
            busy_kwh * now.evaporated + energy_kwh * now.water,
        );
        it.stored_kwh = stored;
        it.energy_kwh += energy_kwh;
        it.carbon_kg += outcome.carbon_kg;
        it.cost += outcome.cost;
        it.water_l += outcome.water_l;
        it.run += run;
        it.arrived += now.load;
        it.queue_hours += outcome.queue * HOURS;
        it.overdue += outcome.overdue;
        it.opened = open.x;
        put_account(agent, it);
        rewards[agent] = -(WEIGHT_CARBON * outcome.carbon_kg + WEIGHT_COST * outcome.cost + WEIGHT_WATER * outcome.water_l
            + WEIGHT_QUEUE * outcome.queue * HOURS + WEIGHT_OVERDUE * outcome.overdue);
        pay_costs(agent, outcome, it.carbon_kg);
    }
}

// Of what was emitted in a step, what is above the budget. total_kg: so far, the step counted.
fn above_budget(total_kg: f32, step_kg: f32, budget_kg: f32) -> f32 {
    return clamp(total_kg - budget_kg, 0.0, max(step_kg, 0.0));
}

fn start(at: At) {
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        put_account(agent, Account());
        for (var age = 0u; age < AGES; age++) {
            queue_up(agent * AGES + age, 0.0);
        }
    }
    if at.thread == 0u {
        day[0] = drawn_day(word(0u));
    }
}
