// How credit scores move and what a loan earns: the twin of step.rs.

const SCORES = 32u;
const REJECT = 0u;

struct Applicant {
    hurts: u32,
    starts: u32,
}

struct Terms {
    best: u32,
    hurt_worst: u32,
    hurt_by: u32,
    gain: f32,
    loss: f32,
    repays: array<u32, SCORES>,
}

@group(1) @binding(0) var<storage, read> applicants: array<Applicant>; // [agents]
@group(1) @binding(1) var<storage, read> starts: array<u32>;           // [groups, scores - 1]
@group(1) @binding(2) var<storage, read> terms: array<Terms>;          // [1]

fn begin(agent: u32, word: u32) -> u32 {
    let first = applicants[agent].starts;
    let best = terms[0].best;
    var score = 0u;
    while score < best && passes(word, starts[first + score]) {
        score++;
    }
    return score;
}

// Repaid where accepted, hurt where rejected.
fn happens(agent: u32, score: u32, decision: u32, word: u32) -> bool {
    if decision != REJECT {
        return !passes(word, terms[0].repays[score % SCORES]);
    }
    return !passes(word, applicants[agent].hurts);
}

fn move_on(agent: u32, score: u32, decision: u32, word: u32) -> u32 {
    let happened = happens(agent, score, decision, word);
    if decision != REJECT {
        return select(score - min(score, 1u), min(score + 1u, terms[0].best), happened);
    }
    let dropped = select(score - min(score, terms[0].hurt_by), terms[0].hurt_worst, score == 0u);
    return select(score, dropped, happened);
}

fn pay(task: u32, agent: u32, score: u32, decision: u32, next: u32, word: u32) -> f32 {
    if decision == REJECT {
        return 0.0;
    }
    if task == 0u {
        return 1.0;
    }
    return select(-terms[0].loss, terms[0].gain, happens(agent, score, decision, word));
}
