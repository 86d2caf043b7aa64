// The nearest commands that the grid can carry: the twin of nearest.rs, where the method is described. Stations are moved by
// all invocations, the few numbers of the pulls by one.

// How far from the solution is near enough, in units of which a limit of 100 has one.
const EXACT = 5e-5;
const NEAR = 1e-2;
const HELP_AFTER = 20u;
const MOST_ROUNDS = 100u;
const SWEEPS = 40u;
const TRIALS = 8u;
const FURTHEST_AMPS = 256.0;
const RIDGE = 1e-6;

// A limit that pulls, or is exceeded.
struct Taut {
    limit: u32,
    chosen: bool,
    way: vec2<f32>,
    size: f32,
    over: f32,
    multiplier: f32,
    before: f32,
    bent: f32,
}

// A step along which the best length is looked for.
struct Search {
    fall: f32,
    length: f32,
    ends: vec2<f32>,
    slopes: vec2<f32>,
    trials: u32,
}

var<workgroup> pull: array<vec2<f32>, LIMITS>;
var<workgroup> pull_step: array<vec2<f32>, LIMITS>;
var<workgroup> shift: array<f32, CLASSES>;
var<workgroup> free_ones: array<f32, CLASSES>;
// The rest is one invocation's.
var<workgroup> spot: array<u32, CLASSES>;
var<workgroup> moving: array<u32, CLASSES>;
var<workgroup> taut: array<Taut, LIMITS>;
var<workgroup> bent: array<u32, LIMITS>;
var<workgroup> picked: array<u32, LIMITS>;
var<workgroup> rows: array<f32, (2 * LIMITS + 1) * CLASSES>;
var<workgroup> factor: array<f32, LIMITS * LIMITS>;
var<workgroup> turned: array<f32, (LIMITS + 1) * LIMITS>;
var<workgroup> aside: array<f32, LIMITS>;
var<workgroup> matrix: array<f32, LIMITS * LIMITS>;
var<workgroup> goal: array<f32, LIMITS>;
var<workgroup> small: array<f32, LIMITS * LIMITS>;
var<workgroup> right: array<f32, LIMITS>;
var<private> width: u32;
var<private> tauts: u32;
var<private> bents: u32;
var<private> picks: u32;
var<private> search: Search;
var<private> best: f32;

fn nearest_between(thread: u32) {
    workgroupBarrier();
    for (var station = thread; station < STATIONS; station += WIDTH) {
        wish[station] = amps[station];
        amps[station] = min(max(amps[station], low[station]), high[station]);
    }
    var remembers = false;
    for (var limit = 0u; limit < LIMITS; limit++) {
        remembers = remembers || pulls[2u * limit] != 0.0 || pulls[2u * limit + 1u] != 0.0;
    }
    if !remembers {
        load(thread);
        if all_hold() {
            return;
        }
    }
    workgroupBarrier();
    for (var limit = thread; limit < LIMITS; limit += WIDTH) {
        pull[limit] = vec2(pulls[2u * limit], pulls[2u * limit + 1u]);
    }
    search = Search();
    best = MUCH;
    for (var tries = 0u; tries < MOST_ROUNDS; tries++) {
        if tries > 0u && tries % HELP_AFTER == 0u {
            for (var times = 0u; times < SWEEPS * tries / HELP_AFTER; times++) {
                carry(thread);
                sweep(thread);
            }
            search = Search();
            best = MUCH;
        }
        carry(thread);
        if thread == 0u {
            verdict = u32(next_pulls());
        }
        workgroupBarrier();
        if verdict == 1u {
            break;
        }
    }
    workgroupBarrier();
    for (var limit = thread; limit < LIMITS; limit += WIDTH) {
        pulls[2u * limit] = pull[limit].x;
        pulls[2u * limit + 1u] = pull[limit].y;
    }
    // What is near enough may be beyond a limit by as much.
    if verdict == 0u && !all_hold() {
        shrink(thread);
    }
    workgroupBarrier();
}

// Where pulls bring the stations, and what limits carry then.
fn carry(thread: u32) {
    workgroupBarrier();
    for (var class_of = thread; class_of < CLASSES; class_of += WIDTH) {
        var by = 0.0;
        for (var term = columns_from(class_of); term < ends[LIMITS + class_of]; term++) {
            by += dot(pull[terms[term].to], vec2(terms[term].re, terms[term].im));
        }
        var sum = 0.0;
        var free_count = 0.0;
        for (var place = members_from(class_of); place < ends[LIMITS + CLASSES + class_of]; place++) {
            let station = member(place);
            let moved = wish[station] - by;
            let now = min(max(moved, low[station]), high[station]);
            amps[station] = now;
            sum += now;
            free_count += f32(u32(moved > low[station] && moved <= high[station]));
        }
        shift[class_of] = by;
        sums[class_of] = sum;
        free_ones[class_of] = free_count;
    }
    load_flows(thread);
}

// A step of the proximal gradient method.
fn sweep(thread: u32) {
    for (var limit = thread; limit < LIMITS; limit += WIDTH) {
        var steep = 0.0;
        for (var term = rows_from(limit); term < ends[limit]; term++) {
            let class_of = terms[term].to;
            var all = 0.0;
            for (var other = columns_from(class_of); other < ends[LIMITS + class_of]; other++) {
                all += length(vec2(terms[other].re, terms[other].im));
            }
            let count = f32(ends[LIMITS + CLASSES + class_of] - members_from(class_of));
            steep += count * length(vec2(terms[term].re, terms[term].im)) * all;
        }
        if steep > 0.0 {
            let pushed = pull[limit] + whole(limit, flows[limit]) / steep;
            pull[limit] = pushed * max(1.0 - reach(limit) / max(steep * length(pushed), 1e-30), 0.0);
        }
    }
    workgroupBarrier();
}

// One round. Whether there was nothing left to do.
fn next_pulls() -> bool {
    let off = look();
    if off <= EXACT {
        return true;
    }
    let better = off < 0.5 * best;
    best = min(best, off);
    if !better && off > NEAR && shorten() {
        return false;
    }
    for (var index = 0u; index < tauts; index++) {
        if taut[index].over > 0.0 || taut[index].multiplier > 0.0 {
            unstick(index);
        }
    }
    step_pulls();
    begin_search();
    if !(abs(search.fall) < MUCH) {
        for (var limit = 0u; limit < LIMITS; limit++) {
            pull[limit] = vec2(0.0);
        }
        search = Search();
    }
    return false;
}

fn unit_of(limit: u32) -> f32 {
    return max(0.01 * reach(limit), 1.0);
}

fn steepest(limit: u32) -> f32 {
    var most = 0.0;
    for (var term = rows_from(limit); term < ends[limit]; term++) {
        most = max(most, length(vec2(terms[term].re, terms[term].im)));
    }
    return most;
}

// Finds the taut limits. Returns by how much what must hold does not.
fn look() -> f32 {
    tauts = 0u;
    var off = 0.0;
    var exceeded = Taut();
    var most = 0.0;
    for (var limit = 0u; limit < LIMITS; limit++) {
        let flow = whole(limit, flows[limit]);
        let size = length(flow);
        let over = size - reach(limit);
        let multiplier = length(pull[limit]);
        let exact = EXACT * unit_of(limit);
        if multiplier == 0.0 && over <= exact {
            continue;
        }
        var way = flow / max(size, 1e-30);
        if size <= exact {
            way = pull[limit] / max(multiplier, 1e-30);
        }
        let here = Taut(limit, false, way, max(size, exact), over, multiplier, multiplier, multiplier);
        off = max(off, abs(over) / unit_of(limit));
        if multiplier > 0.0 {
            let apart = abs(pull[limit] - multiplier * way);
            off = max(off, steepest(limit) * (apart.x + apart.y));
            taut[tauts] = here;
            tauts++;
        } else if over > most * steepest(limit) {
            most = over / steepest(limit);
            exceeded = here;
        }
    }
    // Of those that are exceeded, and do not pull yet, the one that is so most for its size.
    if most > 0.0 {
        taut[tauts] = exceeded;
        tauts++;
    }
    return off;
}

// Where no station of a taut limit would move: has the next one that will be all that moves until then.
fn unstick(index: u32) {
    let at = taut[index];
    var moves = false;
    for (var term = rows_from(at.limit); term < ends[at.limit]; term++) {
        moves = moves || free_ones[terms[term].to] > 0.0;
    }
    if moves {
        return;
    }
    var least = MUCH;
    var class_found = 0u;
    var slope_found = 0.0;
    for (var term = rows_from(at.limit); term < ends[at.limit]; term++) {
        let class_of = terms[term].to;
        let slope = dot(at.way, vec2(terms[term].re, terms[term].im));
        let down = (at.over > 0.0) == (slope > 0.0);
        for (var place = members_from(class_of); place < ends[LIMITS + CLASSES + class_of]; place++) {
            let station = member(place);
            let moved = wish[station] - shift[class_of];
            let far = max(select(low[station] - moved, moved - high[station], down), 1e-5) / max(abs(slope), 1e-30);
            let can = low[station] < high[station] && select(moved <= high[station], moved > low[station], down);
            if can && far < least {
                least = far;
                class_found = class_of;
                slope_found = slope;
            }
        }
    }
    if least < MUCH {
        free_ones[class_found] = abs(at.over) / (slope_found * slope_found * least * 1.001);
    }
}

// Newton's step.
fn step_pulls() {
    for (var class_of = 0u; class_of < CLASSES; class_of++) {
        spot[class_of] = NO_LIMIT;
    }
    width = 0u;
    for (var index = 0u; index < tauts; index++) {
        let limit = taut[index].limit;
        for (var term = rows_from(limit); term < ends[limit]; term++) {
            let class_of = terms[term].to;
            if spot[class_of] == NO_LIMIT && free_ones[class_of] > 0.0 {
                spot[class_of] = width;
                moving[width] = class_of;
                width++;
            }
        }
    }
    fill_rows();
    solve_programme();
    var grew = false;
    for (var index = 0u; index < tauts; index++) {
        let at = taut[index];
        grew = grew || abs(at.multiplier - at.bent) > 0.3 * (at.multiplier + at.bent);
    }
    if grew {
        for (var index = 0u; index < tauts; index++) {
            taut[index].bent = taut[index].multiplier;
        }
        solve_programme();
    }
    for (var limit = 0u; limit < LIMITS; limit++) {
        pull_step[limit] = vec2(0.0);
    }
    for (var index = 0u; index < tauts; index++) {
        let at = taut[index];
        let next = at.multiplier * at.way + aside[index] * vec2(-at.way.y, at.way.x);
        pull_step[at.limit] = next - pull[at.limit];
        pull[at.limit] = next;
    }
}

// How the flow of every taut limit grows with the sum of a class that moves, along itself, then across, then the shifts.
fn fill_rows() {
    for (var at = 0u; at < 2u * tauts * width; at++) {
        rows[at] = 0.0;
    }
    for (var index = 0u; index < tauts; index++) {
        let limit = taut[index].limit;
        let way = taut[index].way;
        for (var term = rows_from(limit); term < ends[limit]; term++) {
            let place = spot[terms[term].to];
            if place != NO_LIMIT {
                let by = vec2(terms[term].re, terms[term].im);
                rows[index * width + place] = dot(way, by);
                rows[(tauts + index) * width + place] = way.x * by.y - way.y * by.x;
            }
        }
    }
    for (var place = 0u; place < width; place++) {
        rows[2u * tauts * width + place] = shift[moving[place]];
    }
}

fn product(row: u32, column: u32) -> f32 {
    var sum = 0.0;
    for (var place = 0u; place < width; place++) {
        sum += rows[row * width + place] * free_ones[moving[place]] * rows[column * width + place];
    }
    return sum;
}

// Finds multipliers, and aside.
fn solve_programme() {
    eliminate();
    choose();
    for (var index = 0u; index < tauts; index++) {
        aside[index] = 0.0;
        for (var place = 0u; place < bents; place++) {
            turned[tauts * bents + place] -= taut[index].multiplier * turned[index * bents + place];
        }
    }
    for (var back = 0u; back < bents; back++) {
        let row = bents - 1u - back;
        var rest = turned[tauts * bents + row];
        for (var below = row + 1u; below < bents; below++) {
            rest -= factor[below * bents + row] * turned[tauts * bents + below];
        }
        turned[tauts * bents + row] = rest * factor[row * bents + row];
        aside[bent[row]] = turned[tauts * bents + row];
    }
}

// The programme in the multipliers alone.
fn eliminate() {
    bents = 0u;
    for (var index = 0u; index < tauts; index++) {
        if taut[index].bent > 0.0 && product(tauts + index, tauts + index) > 0.0 {
            bent[bents] = index;
            bents++;
        }
    }
    for (var row = 0u; row < bents; row++) {
        for (var column = 0u; column <= row; column++) {
            var rest = product(tauts + bent[row], tauts + bent[column]);
            if row == column {
                rest += taut[bent[row]].size / taut[bent[row]].bent;
            }
            for (var k = 0u; k < column; k++) {
                rest -= factor[row * bents + k] * factor[column * bents + k];
            }
            // One over the diagonal.
            factor[row * bents + column] =
                select(rest * factor[column * bents + column], inverseSqrt(max(rest, RIDGE)), row == column);
        }
    }
    for (var row = 0u; row <= tauts; row++) {
        // The last row is that of the shifts.
        let list = select(row, 2u * tauts, row == tauts);
        for (var place = 0u; place < bents; place++) {
            var rest = product(list, tauts + bent[place]);
            for (var k = 0u; k < place; k++) {
                rest -= factor[place * bents + k] * turned[row * bents + k];
            }
            turned[row * bents + place] = rest * factor[place * bents + place];
        }
    }
    for (var row = 0u; row < tauts; row++) {
        for (var column = 0u; column <= row; column++) {
            let both = product(row, column) - both_turned(row, column);
            matrix[row * tauts + column] = both;
            matrix[column * tauts + row] = both;
        }
        matrix[row * tauts + row] += RIDGE;
        let shifted = product(row, 2u * tauts) - both_turned(row, tauts);
        goal[row] = taut[row].over + shifted + RIDGE * taut[row].multiplier;
    }
}

fn both_turned(row: u32, column: u32) -> f32 {
    var sum = 0.0;
    for (var place = 0u; place < bents; place++) {
        sum += turned[row * bents + place] * turned[column * bents + place];
    }
    return sum;
}

// Multipliers x >= 0 that minimise x matrix x / 2 - goal x, from those that are there.
fn choose() {
    picks = 0u;
    for (var index = 0u; index < tauts; index++) {
        taut[index].chosen = taut[index].multiplier > 0.0;
        if taut[index].chosen {
            picked[picks] = index;
            picks++;
        }
    }
    for (var tries = 0u; tries < 4u * tauts + 4u; tries++) {
        // Every turn but the last drops one.
        var turns = picks;
        while turns > 0u {
            turns = select(0u, turns - 1u, minimise_picked());
        }
        var most = 0.1 * EXACT;
        var next = NO_LIMIT;
        for (var index = 0u; index < tauts; index++) {
            if taut[index].chosen {
                continue;
            }
            var left = goal[index];
            for (var place = 0u; place < picks; place++) {
                left -= matrix[index * tauts + picked[place]] * taut[picked[place]].multiplier;
            }
            if left > most {
                most = left;
                next = index;
            }
        }
        if next == NO_LIMIT {
            return;
        }
        taut[next].chosen = true;
        picked[picks] = next;
        picks++;
    }
}

// Goes towards the minimum on those that are picked as far as none of them falls below 0. Whether one did, which then leaves.
fn minimise_picked() -> bool {
    for (var row = 0u; row < picks; row++) {
        for (var column = 0u; column <= row; column++) {
            var rest = matrix[picked[row] * tauts + picked[column]];
            for (var k = 0u; k < column; k++) {
                rest -= small[row * picks + k] * small[column * picks + k];
            }
            small[row * picks + column] =
                select(rest * small[column * picks + column], inverseSqrt(max(rest, RIDGE)), row == column);
        }
        var rest = goal[picked[row]];
        for (var k = 0u; k < row; k++) {
            rest -= small[row * picks + k] * right[k];
        }
        right[row] = rest * small[row * picks + row];
    }
    for (var back = 0u; back < picks; back++) {
        let row = picks - 1u - back;
        var rest = right[row];
        for (var below = row + 1u; below < picks; below++) {
            rest -= small[below * picks + row] * right[below];
        }
        right[row] = rest * small[row * picks + row];
    }
    var share = 1.0;
    var out = NO_LIMIT;
    for (var row = 0u; row < picks; row++) {
        if right[row] <= 0.0 {
            let now = taut[picked[row]].multiplier;
            let until = select(0.0, now / max(now - right[row], 1e-30), now > 0.0);
            if out == NO_LIMIT || until < share {
                share = until;
                out = row;
            }
        }
    }
    for (var row = 0u; row < picks; row++) {
        let now = taut[picked[row]].multiplier;
        taut[picked[row]].multiplier = select(now + share * (right[row] - now), right[row], share == 1.0);
    }
    if out == NO_LIMIT {
        return false;
    }
    taut[picked[out]].multiplier = 0.0;
    taut[picked[out]].chosen = false;
    picks--;
    for (var row = out; row < picks; row++) {
        picked[row] = picked[row + 1u];
    }
    return true;
}

// The slope of E where the step that was just taken began. A step that is too long by far is shortened at once.
fn begin_search() {
    var fall = 0.0;
    var furthest = 0.0;
    for (var index = 0u; index < tauts; index++) {
        let at = taut[index];
        let by = pull_step[at.limit];
        var along = length(by);
        if at.before > 0.0 {
            along = dot(pull[at.limit] - by, by) / at.before;
        }
        fall += reach(at.limit) * along - dot(whole(at.limit, flows[at.limit]), by);
        furthest += steepest(at.limit) * (abs(by.x) + abs(by.y));
    }
    search = Search(fall, 1.0, vec2(0.0), vec2(fall, 0.0), 0u);
    if furthest > FURTHEST_AMPS {
        go_to(FURTHEST_AMPS / furthest);
    }
}

// Goes to another length of the step where this one is much too long or too short.
fn shorten() -> bool {
    if search.fall >= 0.0 || search.trials == TRIALS {
        return false;
    }
    var slope = 0.0;
    for (var limit = 0u; limit < LIMITS; limit++) {
        let by = pull_step[limit];
        if by.x == 0.0 && by.y == 0.0 {
            continue;
        }
        let size = length(pull[limit]);
        // A pull that ends at 0 was shrinking until then.
        var along = -length(by);
        if size > 0.0 {
            along = dot(pull[limit], by) / size;
        }
        slope += reach(limit) * along - dot(whole(limit, flows[limit]), by);
    }
    let long = slope > -0.2 * search.fall;
    let short = slope < 0.7 * search.fall && search.ends.y > 0.0;
    if !long && !short {
        return false;
    }
    if long {
        search.ends.y = search.length;
        search.slopes.y = slope;
    } else {
        search.ends.x = search.length;
        search.slopes.x = slope;
    }
    let share = clamp(search.slopes.x / (search.slopes.x - search.slopes.y), 0.1, 0.7);
    search.trials++;
    go_to(search.ends.x + share * (search.ends.y - search.ends.x));
    return true;
}

fn go_to(length_of_step: f32) {
    for (var limit = 0u; limit < LIMITS; limit++) {
        pull[limit] += (length_of_step - search.length) * pull_step[limit];
    }
    search.length = length_of_step;
}
