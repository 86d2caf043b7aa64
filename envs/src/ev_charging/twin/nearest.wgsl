// The nearest commands that the grid can carry: the twin of nearest.rs. Stations are clipped by all invocations, the
// handful of equations is solved by one.

const UNKNOWNS = CLASSES + LIMITS;
const EXACT = 1e-4;

var<workgroup> multiplier: array<f32, LIMITS>;
var<workgroup> shift: array<f32, CLASSES>;
var<workgroup> clipped: array<f32, CLASSES>;
var<workgroup> free_ones: array<f32, CLASSES>;
var<workgroup> gradient: array<f32, LIMITS * CLASSES>;
var<workgroup> matrix: array<f32, UNKNOWNS * UNKNOWNS>;
var<workgroup> right: array<f32, UNKNOWNS>;
var<workgroup> binding_limits: array<u32, LIMITS>;
var<workgroup> touched: array<u32, CLASSES>;
var<workgroup> spot: array<u32, CLASSES>;
var<workgroup> bindings: u32;
var<workgroup> touches: u32;
// Of the interior point: multipliers of the bounds of every station, and slacks of the limits.
var<workgroup> above: array<f32, STATIONS>;
var<workgroup> below: array<f32, STATIONS>;
var<workgroup> weight_of: array<f32, STATIONS>;
var<workgroup> pull_of: array<f32, STATIONS>;
var<workgroup> slack: array<f32, LIMITS>;
var<workgroup> slack_change: array<f32, LIMITS>;
var<workgroup> weights: array<f32, CLASSES>;
var<workgroup> pulled: array<f32, CLASSES>;
var<workgroup> against: array<f32, CLASSES>;
var<workgroup> gap: f32;
var<workgroup> aim: f32;
var<workgroup> length_of_step: f32;

fn nearest_between(thread: u32) {
    workgroupBarrier();
    for (var station = thread; station < STATIONS; station += WIDTH) {
        wish[station] = amps[station];
        amps[station] = min(max(amps[station], low[station]), high[station]);
    }
    load(thread);
    if all_hold() {
        return;
    }
    // What was found in the step before is a good guess.
    workgroupBarrier();
    for (var limit = thread; limit < LIMITS; limit += WIDTH) {
        multiplier[limit] = pulls[limit];
    }
    workgroupBarrier();
    var remembers = false;
    for (var limit = 0u; limit < LIMITS; limit++) {
        remembers = remembers || multiplier[limit] > 0.0;
    }
    if remembers {
        for (var class_of = thread; class_of < CLASSES; class_of += WIDTH) {
            sums[class_of] = pulls[LIMITS + class_of];
        }
        load_flows(thread);
    }
    newton(thread, 6u);
    if verdict == 0u {
        approach(thread);
        newton(thread, 8u);
    }
    workgroupBarrier();
    for (var limit = thread; limit < LIMITS; limit += WIDTH) {
        pulls[limit] = multiplier[limit];
    }
    for (var class_of = thread; class_of < CLASSES; class_of += WIDTH) {
        pulls[LIMITS + class_of] = sums[class_of];
    }
    for (var station = thread; station < STATIONS; station += WIDTH) {
        amps[station] = min(max(wish[station] - shift[stations[station].class_of], low[station]), high[station]);
    }
    load(thread);
    if !all_hold() {
        shrink(thread);
    }
}

// About by how much a limit is exceeded.
fn overrun(limit: u32) -> f32 {
    let size = length(whole(limit, flows[limit]));
    return (size - reach(limit)) * (size + reach(limit)) / (2.0 * max(reach(limit), 1e-6));
}

// Newton's method. Leaves in verdict whether it came close, and the moves of the classes in shift.
fn newton(thread: u32, rounds: u32) {
    for (var tries = 0u; tries < rounds; tries++) {
        workgroupBarrier();
        if thread == 0u {
            choose_binding();
            move_classes();
        }
        workgroupBarrier();
        for (var class_of = thread; class_of < CLASSES; class_of += WIDTH) {
            var sum = 0.0;
            var free_count = 0.0;
            for (var place = members_from(class_of); place < ends[LIMITS + CLASSES + class_of]; place++) {
                let station = member(place);
                let moved = wish[station] - shift[class_of];
                sum += min(max(moved, low[station]), high[station]);
                free_count += f32(u32(moved > low[station] && moved <= high[station]));
            }
            clipped[class_of] = sum;
            free_ones[class_of] = free_count;
        }
        workgroupBarrier();
        if thread == 0u {
            verdict = 1u;
            var off = 0.0;
            for (var index = 0u; index < bindings; index++) {
                let limit = binding_limits[index];
                off = max(off, max(abs(overrun(limit)), -multiplier[limit]));
            }
            for (var class_of = 0u; class_of < CLASSES; class_of++) {
                off = max(off, abs(clipped[class_of] - sums[class_of]));
            }
            // Another step after it is close takes what digits there are.
            if !(off <= EXACT) {
                verdict = 0u;
            }
            number = off;
            if off < MUCH && solve_classes() {
                for (var limit = 0u; limit < LIMITS; limit++) {
                    flows[limit] = flow_with(limit);
                }
            } else {
                number = MUCH;
            }
        }
        workgroupBarrier();
        if verdict == 1u || number == MUCH {
            break;
        }
    }
    workgroupBarrier();
    if thread == 0u && verdict == 1u {
        choose_binding();
        move_classes();
    }
    workgroupBarrier();
}

// The limits that bind: exceeded, or with a multiplier that outweighs their slack.
fn choose_binding() {
    bindings = 0u;
    touches = 0u;
    for (var class_of = 0u; class_of < CLASSES; class_of++) {
        spot[class_of] = NO_LIMIT;
    }
    for (var limit = 0u; limit < LIMITS; limit++) {
        if multiplier[limit] + overrun(limit) <= 1e-6 {
            multiplier[limit] = 0.0;
            continue;
        }
        binding_limits[bindings] = limit;
        bindings++;
        for (var term = rows_from(limit); term < ends[limit]; term++) {
            let class_of = terms[term].to;
            if spot[class_of] == NO_LIMIT {
                spot[class_of] = touches;
                touched[touches] = class_of;
                touches++;
            }
        }
    }
}

// shift = sum of multiplier times gradient; gradients are of |F|^2 / 2L by the sums of the classes.
fn move_classes() {
    for (var class_of = 0u; class_of < CLASSES; class_of++) {
        shift[class_of] = 0.0;
    }
    for (var index = 0u; index < bindings; index++) {
        let limit = binding_limits[index];
        let flow = whole(limit, flows[limit]);
        for (var term = rows_from(limit); term < ends[limit]; term++) {
            let slope = dot(flow, vec2(terms[term].re, terms[term].im)) / max(reach(limit), 1e-6);
            gradient[limit * CLASSES + terms[term].to] = slope;
            shift[terms[term].to] += multiplier[limit] * slope;
        }
    }
}

// One step of Newton's method on sum = clip(shift) and |F| = L.
fn solve_classes() -> bool {
    let size = touches + bindings;
    for (var at = 0u; at < size * size; at++) {
        matrix[at] = 0.0;
    }
    for (var row = 0u; row < touches; row++) {
        matrix[row * size + row] = 1.0;
        right[row] = clipped[touched[row]] - sums[touched[row]];
    }
    for (var index = 0u; index < bindings; index++) {
        let limit = binding_limits[index];
        let scale = multiplier[limit] / max(reach(limit), 1e-6);
        let column = touches + index;
        for (var term = rows_from(limit); term < ends[limit]; term++) {
            let row = spot[terms[term].to];
            let slope = gradient[limit * CLASSES + terms[term].to];
            let moves = free_ones[terms[term].to];
            matrix[row * size + column] = moves * slope;
            matrix[column * size + row] = slope;
            for (var other = rows_from(limit); other < ends[limit]; other++) {
                let together = terms[term].re * terms[other].re + terms[term].im * terms[other].im;
                matrix[row * size + spot[terms[other].to]] += moves * scale * together;
            }
        }
        // Keeps the system solvable where binding limits say the same.
        matrix[column * size + column] = -1e-6;
        right[column] = -overrun(limit);
    }
    if !eliminate(size) {
        return false;
    }
    for (var class_of = 0u; class_of < CLASSES; class_of++) {
        if spot[class_of] == NO_LIMIT {
            sums[class_of] = clipped[class_of];
        } else {
            sums[class_of] += right[spot[class_of]];
        }
    }
    for (var index = 0u; index < bindings; index++) {
        multiplier[binding_limits[index]] += right[touches + index];
    }
    return true;
}

// Gauss, with the largest pivot of each column.
fn eliminate(size: u32) -> bool {
    for (var step = 0u; step < size; step++) {
        var pivot = step;
        for (var row = step + 1u; row < size; row++) {
            if abs(matrix[row * size + step]) > abs(matrix[pivot * size + step]) {
                pivot = row;
            }
        }
        if !(abs(matrix[pivot * size + step]) > 1e-30) {
            return false;
        }
        if pivot != step {
            for (var column = step; column < size; column++) {
                let kept = matrix[pivot * size + column];
                matrix[pivot * size + column] = matrix[step * size + column];
                matrix[step * size + column] = kept;
            }
            let kept = right[pivot];
            right[pivot] = right[step];
            right[step] = kept;
        }
        for (var row = step + 1u; row < size; row++) {
            let factor = matrix[row * size + step] / matrix[step * size + step];
            if factor != 0.0 {
                for (var column = step + 1u; column < size; column++) {
                    matrix[row * size + column] -= factor * matrix[step * size + column];
                }
                right[row] -= factor * right[step];
            }
        }
    }
    var finite = true;
    for (var back = 0u; back < size; back++) {
        let row = size - 1u - back;
        var known = right[row];
        for (var column = row + 1u; column < size; column++) {
            known -= matrix[row * size + column] * right[column];
        }
        right[row] = known / matrix[row * size + row];
        finite = finite && abs(right[row]) < MUCH;
    }
    return finite;
}

// A primal-dual interior point. Leaves multipliers, sums and flows from which Newton's method has not far to go.
fn approach(thread: u32) {
    workgroupBarrier();
    for (var station = thread; station < STATIONS; station += WIDTH) {
        let width = high[station] - low[station];
        amps[station] = low[station];
        above[station] = 0.0;
        below[station] = 0.0;
        if width > 0.0 {
            let share = clamp((wish[station] - low[station]) / width, 0.1, 0.9);
            amps[station] = low[station] + share * width;
            above[station] = 1.0 / (share * width);
            below[station] = 1.0 / ((1.0 - share) * width);
        }
    }
    load(thread);
    if thread == 0u {
        bindings = LIMITS;
        for (var limit = 0u; limit < LIMITS; limit++) {
            binding_limits[limit] = limit;
            slack[limit] = max(-overrun(limit), max(0.1 * reach(limit), 1e-6));
            multiplier[limit] = 1.0 / slack[limit];
        }
        length_of_step = 0.0;
    }
    for (var tries = 0u; tries < 40u; tries++) {
        workgroupBarrier();
        if thread == 0u {
            measure_gap();
            move_classes();
        }
        workgroupBarrier();
        if verdict == 1u {
            break;
        }
        for (var class_of = thread; class_of < CLASSES; class_of += WIDTH) {
            weigh(class_of);
        }
        workgroupBarrier();
        if thread == 0u {
            interior_system();
            cholesky();
            reach_of_limits();
        }
        workgroupBarrier();
        var steepest = 0.0;
        for (var station = thread; station < STATIONS; station += WIDTH) {
            if high[station] > low[station] {
                let change = change_of(station);
                let up = 1.0 / (amps[station] - low[station]);
                let down = 1.0 / (high[station] - amps[station]);
                steepest = max(steepest, max(-change * up, change * down));
                steepest = max(steepest, 1.0 - (aim / above[station] - change) * up);
                steepest = max(steepest, 1.0 - (aim / below[station] + change) * down);
            }
        }
        steepest = -smallest(thread, -steepest);
        if thread == 0u {
            length_of_step = min(0.995 / max(steepest, number), 1.0);
            for (var limit = 0u; limit < LIMITS; limit++) {
                let change = slack_change[limit];
                multiplier[limit] +=
                    length_of_step * ((aim - multiplier[limit] * change) / slack[limit] - multiplier[limit]);
                slack[limit] += length_of_step * change;
            }
            for (var class_of = 0u; class_of < CLASSES; class_of++) {
                sums[class_of] += length_of_step * right[class_of];
            }
            for (var limit = 0u; limit < LIMITS; limit++) {
                flows[limit] = flow_with(limit);
            }
        }
        workgroupBarrier();
        for (var station = thread; station < STATIONS; station += WIDTH) {
            if high[station] > low[station] {
                let change = change_of(station);
                let up = 1.0 / (amps[station] - low[station]);
                let down = 1.0 / (high[station] - amps[station]);
                above[station] += length_of_step * ((aim - above[station] * change) * up - above[station]);
                below[station] += length_of_step * ((aim + below[station] * change) * down - below[station]);
                amps[station] += length_of_step * change;
            }
        }
    }
    workgroupBarrier();
}

// The mean product of multipliers and distances; verdict: whether that is close.
fn measure_gap() {
    var sum = 0.0;
    var count = f32(LIMITS);
    var off = 0.0;
    for (var limit = 0u; limit < LIMITS; limit++) {
        sum += slack[limit] * multiplier[limit];
        off = max(off, abs(overrun(limit) + slack[limit]));
    }
    for (var station = 0u; station < STATIONS; station++) {
        if high[station] > low[station] {
            sum += above[station] * (amps[station] - low[station]) + below[station] * (high[station] - amps[station]);
            count += 2.0;
        }
    }
    gap = sum / count;
    aim = gap * max((1.0 - length_of_step) * (1.0 - length_of_step), 0.02);
    verdict = u32(gap < 2e-5 && off < 1e-3);
}

fn weigh(class_of: u32) {
    var weight_sum = 0.0;
    var pull_sum = 0.0;
    for (var place = members_from(class_of); place < ends[LIMITS + CLASSES + class_of]; place++) {
        let station = member(place);
        if high[station] > low[station] {
            let up = 1.0 / (amps[station] - low[station]);
            let down = 1.0 / (high[station] - amps[station]);
            let weight = 1.0 / (1.0 + above[station] * up + below[station] * down);
            let pull = wish[station] - amps[station] - shift[class_of] + aim * (up - down);
            weight_of[station] = weight;
            pull_of[station] = pull;
            weight_sum += weight;
            pull_sum += weight * pull;
        }
    }
    weights[class_of] = weight_sum;
    pulled[class_of] = pull_sum;
}

// The lower triangle of the equations for the sums of the classes.
fn interior_system() {
    for (var at = 0u; at < CLASSES * CLASSES; at++) {
        matrix[at] = 0.0;
    }
    for (var class_of = 0u; class_of < CLASSES; class_of++) {
        // A class that cannot move stays.
        let moves = weights[class_of] > 0.0;
        matrix[class_of * CLASSES + class_of] = select(MUCH, 1.0 / weights[class_of], moves);
        right[class_of] = select(0.0, pulled[class_of] / weights[class_of], moves);
    }
    for (var limit = 0u; limit < LIMITS; limit++) {
        let theta = multiplier[limit] / slack[limit];
        let push = aim / slack[limit] + theta * overrun(limit);
        let bend = multiplier[limit] / max(reach(limit), 1e-6);
        for (var term = rows_from(limit); term < ends[limit]; term++) {
            let class_of = terms[term].to;
            let slope = gradient[limit * CLASSES + class_of];
            right[class_of] -= push * slope;
            for (var other = rows_from(limit); other <= term; other++) {
                let to = terms[other].to;
                let together = terms[term].re * terms[other].re + terms[term].im * terms[other].im;
                matrix[class_of * CLASSES + to] += bend * together + theta * slope * gradient[limit * CLASSES + to];
            }
        }
    }
}

fn cholesky() {
    for (var row = 0u; row < CLASSES; row++) {
        for (var column = 0u; column <= row; column++) {
            var rest = matrix[row * CLASSES + column];
            for (var k = 0u; k < column; k++) {
                rest -= matrix[row * CLASSES + k] * matrix[column * CLASSES + k];
            }
            if row == column {
                matrix[row * CLASSES + column] = sqrt(max(rest, 1e-12));
            } else {
                matrix[row * CLASSES + column] = rest / matrix[column * CLASSES + column];
            }
        }
        var rest = right[row];
        for (var k = 0u; k < row; k++) {
            rest -= matrix[row * CLASSES + k] * right[k];
        }
        right[row] = rest / matrix[row * CLASSES + row];
    }
    for (var back = 0u; back < CLASSES; back++) {
        let row = CLASSES - 1u - back;
        var rest = right[row];
        for (var k = row + 1u; k < CLASSES; k++) {
            rest -= matrix[k * CLASSES + row] * right[k];
        }
        right[row] = rest / matrix[row * CLASSES + row];
    }
}

// How slacks change, and in number how steeply the steepest of the limits nears 0.
fn reach_of_limits() {
    number = 0.0;
    for (var limit = 0u; limit < LIMITS; limit++) {
        var slope = 0.0;
        for (var term = rows_from(limit); term < ends[limit]; term++) {
            slope += gradient[limit * CLASSES + terms[term].to] * right[terms[term].to];
        }
        let change = -overrun(limit) - slack[limit] - slope;
        slack_change[limit] = change;
        number = max(number, max(-change / slack[limit], 1.0 - (aim / multiplier[limit] - change) / slack[limit]));
    }
    for (var class_of = 0u; class_of < CLASSES; class_of++) {
        let moves = weights[class_of] > 0.0;
        against[class_of] = select(0.0, (pulled[class_of] - right[class_of]) / weights[class_of], moves);
    }
}

fn change_of(station: u32) -> f32 {
    return weight_of[station] * (pull_of[station] - against[stations[station].class_of]);
}
