// Groups drawn by their successes: the twin of ../sampled.rs and ../counts.rs.
//
// A prompt is an invocation. Words of a lane: first those that choose domains, [ROUNDS, PROMPTS]; then round by round, kind
// by kind, those of passing, of difficulty where any spreads, of being cut short where any can be.

// The words below which a prompt is of this domain or one before, up to the last domain that is sampled.
var<workgroup> limits: array<u32, DOMAINS>;
var<workgroup> last: u32;
// Prompts of a round: how many, and where those of a domain begin.
var<workgroup> chosen: array<atomic<u32>, DOMAINS>;
var<workgroup> firsts: array<u32, DOMAINS + 1u>;
// What prompts of a round add to the gradient, and sums of it.
var<workgroup> gradients: array<f32, PROMPTS>;
var<workgroup> parts: array<f32, DOMAINS * PARTS>;
// Sums over all rounds.
var<workgroup> prompts: array<u32, DOMAINS>;
var<workgroup> gradient: array<f32, DOMAINS>;
var<workgroup> passed: array<atomic<u32>, DOMAINS>;
var<workgroup> silent: array<atomic<u32>, DOMAINS>;
var<workgroup> kept: array<atomic<u32>, DOMAINS>;

fn set_limits() {
    last = 0u;
    var below = 0.0;
    for (var d = 0u; d < DOMAINS; d++) {
        below += shares[d];
        limits[d] = 0xffffffffu;
        if below < 1.0 {
            limits[d] = u32(below * 4294967296.0);
        }
        if shares[d] > 0.0 {
            last = d;
        }
    }
}

fn choose(bits: u32) -> u32 {
    var d = 0u;
    while d < last && bits >= limits[d] {
        d++;
    }
    return d;
}

// Of a binomial variable the rarer outcome is counted, so that the chance of none does not vanish.
fn rarer(p: f32) -> f32 {
    return max(min(p, 1.0 - p), 1e-9);
}

// How many cumulative chances u is not below; chance is that of none.
fn invert(n: f32, p: f32, u: f32, none: f32) -> f32 {
    let odds = rarer(p) / (1.0 - rarer(p));
    var chance = none;
    var below = 0.0;
    var count = 0.0;
    for (var k = 0u; k < RESPONSES; k++) {
        below += chance;
        if u < below {
            break;
        }
        count += 1.0;
        chance *= max(n - f32(k), 0.0) * (1.0 / f32(k + 1u)) * odds;
    }
    count = min(count, n);
    return select(count, n - count, p > 0.5);
}

// How many responses of a group succeed.
fn binomial(p: f32, u: f32) -> f32 {
    var none = 1.0;
    var power = 1.0 - rarer(p);
    for (var left = RESPONSES; left > 0u; left >>= 1u) {
        if (left & 1u) == 1u {
            none *= power;
        }
        power *= power;
    }
    return invert(f32(RESPONSES), p, u, none);
}

// How many of n do, where n differs from prompt to prompt.
fn binomials(n: f32, p: f32, u: f32) -> f32 {
    return invert(n, p, u, quick_exp(n * quick_ln(1.0 - rarer(p))));
}

// Chance not to be cut short.
fn whole_chance(here: Domain, ahead: f32) -> f32 {
    if here.can_be_cut == 0u {
        return 1.0;
    }
    return 1.0 - normal_above(here.cut + here.cut_slope * ahead);
}

// A prompt and its group; words of its round begin at `words`.
fn draw(d: u32, prompt: u32, words: u32) {
    let here = domains[d];
    var deviations = 0.0;
    if here.spread > 0.0 {
        deviations = normal_quantile(unit(word(words + PROMPTS + prompt)));
    }
    let ahead = skills[d].skill - (here.difficulty + here.spread * deviations);
    let s = sigmoid(here.discrimination * ahead);
    let chance = here.guessing + (1.0 - here.guessing) * s;
    let whole = whole_chance(here, ahead);
    let p = chance * whole;
    let passes = binomial(p, unit(word(words + prompt)));
    // A response that passed but was cut short has the gradient of passing and the reward of failing.
    let rest = f32(RESPONSES) - passes;
    var lost = 0.0;
    if here.can_be_cut != 0u {
        let cut = min(chance * (1.0 - whole) / max(1.0 - p, 1e-9), 1.0);
        lost = binomials(rest, cut, unit(word(words + CUT_WORDS_AT + prompt)));
    }
    let up = (1.0 - here.guessing) * here.discrimination * s * (1.0 - s) / chance;
    let down = -here.discrimination * s;
    let outcome = outcomes[d * (RESPONSES + 1u) + u32(passes)];
    gradients[prompt] = outcome.success * up + outcome.failure * (lost * up + (rest - lost) * down);
    atomicAdd(&passed[d], u32(passes));
    atomicAdd(&silent[d], u32(passes == 0.0) + u32(rest == 0.0));
    atomicAdd(&kept[d], u32(outcome.kept));
}

fn draw_round(thread: u32, round: u32) {
    for (var d = thread; d < DOMAINS; d += WIDTH) {
        atomicStore(&chosen[d], 0u);
    }
    workgroupBarrier();
    for (var prompt = thread; prompt < PROMPTS; prompt += WIDTH) {
        atomicAdd(&chosen[choose(word(round * PROMPTS + prompt))], 1u);
    }
    workgroupBarrier();
    if thread == 0u {
        firsts[0] = 0u;
        for (var d = 0u; d < DOMAINS; d++) {
            let count = atomicLoad(&chosen[d]);
            firsts[d + 1u] = firsts[d] + count;
            prompts[d] += count;
        }
    }
    workgroupBarrier();
    for (var prompt = thread; prompt < PROMPTS; prompt += WIDTH) {
        var d = 0u;
        while prompt >= firsts[d + 1u] {
            d++;
        }
        draw(d, prompt, ROUNDS * PROMPTS + round * ROUND_WORDS);
    }
    workgroupBarrier();
    for (var cell = thread; cell < DOMAINS * PARTS; cell += WIDTH) {
        let d = cell / PARTS;
        var sum = 0.0;
        for (var prompt = firsts[d] + cell % PARTS; prompt < firsts[d + 1u]; prompt += PARTS) {
            sum += gradients[prompt];
        }
        parts[cell] = sum;
    }
    workgroupBarrier();
    for (var d = thread; d < DOMAINS; d += WIDTH) {
        gradient[d] += sum_of_parts(d);
    }
}

fn sum_of_parts(d: u32) -> f32 {
    var sum = 0.0;
    for (var part = 0u; part < PARTS; part++) {
        sum += parts[d * PARTS + part];
    }
    return sum;
}

fn groups_kept() -> u32 {
    var sum = 0u;
    for (var d = 0u; d < DOMAINS; d++) {
        sum += atomicLoad(&kept[d]);
    }
    return sum;
}

fn sample(thread: u32) {
    if thread == 0u {
        set_limits();
    }
    for (var d = thread; d < DOMAINS; d += WIDTH) {
        prompts[d] = 0u;
        gradient[d] = 0.0;
        atomicStore(&passed[d], 0u);
        atomicStore(&silent[d], 0u);
        atomicStore(&kept[d], 0u);
    }
    var round = 0u;
    loop {
        draw_round(thread, round);
        round++;
        if round == ROUNDS || groups_kept() >= PROMPTS {
            break;
        }
    }
    let all_kept = groups_kept();
    for (var d = thread; d < DOMAINS; d += WIDTH) {
        let all = select(0.0, 1.0 / f32(max(all_kept, 1u)), all_kept > 0u);
        let mine = select(0.0, 1.0 / f32(max(prompts[d], 1u)), prompts[d] > 0u);
        let passes = atomicLoad(&passed[d]);
        samples[d] = Sample(
            f32(atomicLoad(&kept[d])) * all,
            gradient[d] * all,
            f32(atomicLoad(&silent[d])) * mine,
            select(0.0, expected_length(d, skills[d].skill), prompts[d] > 0u),
            f32(passes),
            f32(prompts[d] * RESPONSES - passes),
        );
    }
    if thread == 0u {
        bill[0].generated += f32(round * PROMPTS * RESPONSES);
        bill[0].dropped += f32((round * PROMPTS - all_kept) * RESPONSES);
    }
}

// Accuracy by quadrature: a node of a domain is an invocation.
fn appraise(thread: u32) {
    for (var cell = thread; cell < DOMAINS * PARTS; cell += WIDTH) {
        let here = domains[cell / PARTS];
        let node = NODES_AT + 2u * (cell % PARTS);
        let ahead = skills[cell / PARTS].skill - (here.difficulty + here.spread * numbers[node]);
        let s = sigmoid(here.discrimination * ahead);
        let chance = here.guessing + (1.0 - here.guessing) * s;
        parts[cell] = numbers[node + 1u] * chance * whole_chance(here, ahead);
    }
    workgroupBarrier();
    for (var d = thread; d < DOMAINS; d += WIDTH) {
        appraised[d] = sum_of_parts(d);
    }
}
