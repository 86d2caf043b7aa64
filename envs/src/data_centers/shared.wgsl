// What both environments with lanes draw and are measured by. An environment defines borne(agent, what): what an agent bears of
// something, 0 or above.

// A day from a word: the upper half of their product. Days are fewer than 2^16.
fn drawn_day(drawn: u32) -> u32 {
    return ((drawn >> 16u) * DAYS + ((drawn & 0xffffu) * DAYS >> 16u)) >> 16u;
}

fn sum_of(what: u32) -> f32 {
    var sum = 0.0;
    for (var agent = 0u; agent < AGENTS; agent++) {
        sum += borne(agent, what);
    }
    return sum;
}

fn worst_of(what: u32) -> f32 {
    var worst = 0.0;
    for (var agent = 0u; agent < AGENTS; agent++) {
        worst = max(worst, borne(agent, what));
    }
    return worst;
}

fn jain_of(what: u32) -> f32 {
    let sum = sum_of(what);
    var squares = 0.0;
    for (var agent = 0u; agent < AGENTS; agent++) {
        let part = borne(agent, what) / max(sum, 1e-30);
        squares += part * part;
    }
    return select(1.0, 1.0 / (f32(AGENTS) * max(squares, 1e-30)), sum > 0.0);
}

// By how much every agent differs from the others, all together.
var<workgroup> apart: array<f32, AGENTS>;

fn compare_all(thread: u32, what: u32) {
    for (var agent = thread; agent < AGENTS; agent += WIDTH) {
        let own = borne(agent, what);
        var sum = 0.0;
        for (var other = 0u; other < AGENTS; other++) {
            sum += abs(own - borne(other, what));
        }
        apart[agent] = sum;
    }
    workgroupBarrier();
}

// The Gini index of what has been compared. Nobody bears less than nothing: where the sum is 0, all bear the same.
fn gini_of(what: u32) -> f32 {
    var sum = 0.0;
    for (var agent = 0u; agent < AGENTS; agent++) {
        sum += apart[agent];
    }
    return sum / max(2.0 * f32(AGENTS) * sum_of(what), 1e-30);
}
