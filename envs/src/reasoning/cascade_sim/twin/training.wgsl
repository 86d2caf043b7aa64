// How a training run moves: the twin of ../training.rs, in the order of its stages.
//
// A domain is an invocation, unless it says otherwise; in groups.wgsl a prompt is. Behind this stand expected.wgsl or
// groups.wgsl, which define sample and appraise, the sampler's share_out and hear, and weigh.

const DOMAINS = AGENTS;
// Parts in which sums over prompts and nodes are made: SIDE_BY_SIDE of numbers.rs.
const PARTS = 16u;

struct Domain {
    share: f32,
    difficulty: f32,
    spread: f32,
    discrimination: f32,
    guessing: f32,
    reference: f32,
    ceiling: f32,
    entropy: f32,
    entropy_reference: f32,
    entropy_decay: f32,
    // (ln limit - mean) / spread and slope / spread of lengths, where responses can be cut short.
    cut: f32,
    cut_slope: f32,
    can_be_cut: u32,
    // mean + spread^2 / 2 of lengths, and their slope.
    length: f32,
    length_slope: f32,
    // Accuracy before training.
    before: f32,
}

// What a group adds to an update, by its successes: A / G of those that succeed together, and of one that fails.
struct Outcome {
    success: f32,
    failure: f32,
    // 1 where the group is learned from.
    kept: f32,
}

struct Sample {
    share: f32,
    gradient: f32,
    silent: f32,
    length: f32,
    passed: f32,
    failed: f32,
}

@group(1) @binding(0) var<storage, read> domains: array<Domain>;
// [DOMAINS, RESPONSES + 1]
@group(1) @binding(1) var<storage, read> outcomes: array<Outcome>;
// Blocks, one behind the other: transfer, from FORGETTING_AT on what is forgotten, from BIDS_AT on what can be asked for,
// from NODES_AT on [PARTS, 2] nodes with their weights, from MEMORY_AT on what memory starts with, from JUDGED_AT on
// whether domains are judged, by steps.
@group(1) @binding(2) var<storage, read> numbers: array<f32>;

var<workgroup> shares: array<f32, DOMAINS>;
var<workgroup> weights: array<f32, DOMAINS>;
var<workgroup> samples: array<Sample, DOMAINS>;
var<workgroup> own: array<f32, DOMAINS>;
// Exact accuracies, once appraised.
var<workgroup> appraised: array<f32, DOMAINS>;

fn accuracy_of(d: u32) -> f32 {
    return skills[d].accuracy;
}

fn best_of(d: u32) -> f32 {
    return max(skills[d].best, skills[d].accuracy);
}

fn data_share(d: u32) -> f32 {
    return domains[d].share;
}

fn succeeded(d: u32) -> f32 {
    return samples[d].passed;
}

fn failed(d: u32) -> f32 {
    return samples[d].failed;
}

fn expected_length(d: u32, skill: f32) -> f32 {
    return quick_exp(domains[d].length + domains[d].length_slope * (domains[d].difficulty - skill));
}

fn asked(d: u32) -> f32 {
    return numbers[BIDS_AT + min(actions[d], BIDS - 1u)];
}

// Multiplies shares by what domains ask for.
fn apply_bids() {
    let first = asked(0u);
    var differ = false;
    var sum = 0.0;
    for (var d = 0u; d < DOMAINS; d++) {
        differ = differ || asked(d) != first;
        sum += shares[d] * asked(d);
    }
    if differ {
        for (var d = 0u; d < DOMAINS; d++) {
            shares[d] = shares[d] * asked(d) / sum;
        }
    }
}

// Decides what is sampled, and how much it counts. One invocation.
fn plan(step: u32) {
    share_out(step);
    apply_bids();
    for (var d = 0u; d < DOMAINS; d++) {
        weights[d] = 1.0;
    }
    let repairs = weigh();
    bill[0].negative_weights += repairs.x;
    bill[0].floored += repairs.y;
}

// Moves skills and entropies by what was sampled.
fn learn(thread: u32) {
    for (var d = thread; d < DOMAINS; d += WIDTH) {
        var plasticity = 1.0;
        if PLASTICITY == 1u {
            plasticity = min(skills[d].entropy / domains[d].entropy_reference, 1.0);
        }
        skills[d].weight = weights[d];
        own[d] = RATE * plasticity * weights[d] * samples[d].gradient;
    }
    workgroupBarrier();
    for (var d = thread; d < DOMAINS; d += WIDTH) {
        let here = domains[d];
        let skill = skills[d].skill;
        var transferred = 0.0;
        var forget = 0.0;
        for (var source = 0u; source < DOMAINS; source++) {
            transferred += own[source] * numbers[source * DOMAINS + d];
            forget += samples[source].share * numbers[FORGETTING_AT + source * DOMAINS + d];
        }
        if KL > 0.0 {
            let s = sigmoid(here.discrimination * (skill - here.difficulty));
            let p = here.guessing + (1.0 - here.guessing) * s;
            let stiffness = here.discrimination * here.discrimination * p * (1.0 - p);
            forget += RATE * KL * samples[d].share * stiffness;
        }
        skills[d].skill = min(skill + transferred - forget * (skill - here.reference), here.ceiling);
        if PLASTICITY == 1u {
            skills[d].entropy *= quick_exp(-here.entropy_decay * abs(own[d]));
        }
    }
}

// Writes down how domains do now.
fn judge(at: At) {
    let judged = numbers[JUDGED_AT + at.elapsed] > 0.0;
    if judged || EXPECTED == 1u {
        appraise(at.thread);
        workgroupBarrier();
    }
    for (var d = at.thread; d < DOMAINS; d += WIDTH) {
        skills[d].share = samples[d].share;
        skills[d].silent = samples[d].silent;
        if samples[d].length > 0.0 {
            skills[d].length = samples[d].length;
        }
        let responses = samples[d].passed + samples[d].failed;
        if EXPECTED == 1u {
            skills[d].accuracy = appraised[d];
        } else if responses > 0.0 {
            skills[d].accuracy = MOMENTUM * skills[d].accuracy + (1.0 - MOMENTUM) * (samples[d].passed / responses);
        }
        if judged {
            skills[d].best = max(skills[d].best, appraised[d]);
        }
    }
}

fn advance(at: At) {
    for (var d = at.thread; d < DOMAINS; d += WIDTH) {
        rewards[d] = select(-skills[d].accuracy, 0.0, at.elapsed == 0u);
    }
    if at.thread == 0u {
        plan(at.elapsed);
    }
    workgroupBarrier();
    sample(at.thread);
    workgroupBarrier();
    if at.thread == 0u {
        hear();
    }
    learn(at.thread);
    workgroupBarrier();
    judge(at);
    for (var d = at.thread; d < DOMAINS; d += WIDTH) {
        rewards[d] += skills[d].accuracy;
    }
}

fn start(at: At) {
    for (var d = at.thread; d < DOMAINS; d += WIDTH) {
        let here = domains[d];
        let length = expected_length(d, here.reference);
        skills[d] = Skill(here.reference, here.entropy, here.before, 0.0, here.share, 1.0, 0.0, length);
    }
    for (var i = at.thread; i < MEMORY; i += WIDTH) {
        memory[i] = numbers[MEMORY_AT + i];
    }
    if at.thread == 0u {
        bill[0] = Bill(0.0, 0.0, 0.0, 0.0);
    }
}

fn observe(at: At) {
    for (var d = at.thread; d < DOMAINS; d += WIDTH) {
        show(d, 0u, clamp(skills[d].accuracy, 0.0, MOST_SEEN));
        show(d, 1u, clamp(skills[d].share, 0.0, MOST_SEEN));
        show(d, 2u, clamp(skills[d].entropy, 0.0, MOST_SEEN));
        show(d, 3u, clamp(exact_log(max(skills[d].length, 1.0)) / 5.0, 0.0, MOST_SEEN));
        show(d, 4u, clamp(skills[d].silent, 0.0, MOST_SEEN));
    }
}
