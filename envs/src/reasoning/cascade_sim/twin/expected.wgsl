// Expectations in place of samples: the twin of ../expected.rs.

// Chance that a group of a domain is learned from.
var<workgroup> kept: array<f32, DOMAINS>;

struct Group {
    gradient: f32,
    kept: f32,
    silent: f32,
    total: f32,
}

fn add(group: Group, d: u32, successes: u32, chance: f32, up: f32, down: f32) -> Group {
    let outcome = outcomes[d * (RESPONSES + 1u) + successes];
    let failures = f32(RESPONSES - successes);
    return Group(
        group.gradient + chance * (outcome.success * up + outcome.failure * failures * down),
        group.kept + chance * outcome.kept,
        group.silent + select(0.0, chance, successes == 0u || successes == RESPONSES),
        group.total + chance,
    );
}

fn sample(thread: u32) {
    for (var d = thread; d < DOMAINS; d += WIDTH) {
        let here = domains[d];
        let ahead = here.discrimination * (skills[d].skill - here.difficulty);
        let s = sigmoid(ahead);
        let r = sigmoid(-ahead);
        let p = here.guessing + (1.0 - here.guessing) * s;
        let q = (1.0 - here.guessing) * r;
        let up = (1.0 - here.guessing) * here.discrimination * s * r / p;
        let down = -here.discrimination * s;
        let likeliest = min(u32(p * f32(RESPONSES + 1u)), RESPONSES);
        let odds = p / q;
        var group = add(Group(0.0, 0.0, 0.0, 0.0), d, likeliest, 1.0, up, down);
        var chance = 1.0;
        for (var k = likeliest; k < RESPONSES; k++) {
            chance *= f32(RESPONSES - k) / f32(k + 1u) * odds;
            group = add(group, d, k + 1u, chance, up, down);
        }
        chance = 1.0;
        for (var k = likeliest; k > 0u; k--) {
            chance *= f32(k) / f32(RESPONSES - k + 1u) / odds;
            group = add(group, d, k - 1u, chance, up, down);
        }
        kept[d] = group.kept / group.total;
        let responses = f32(PROMPTS) * f32(RESPONSES) * shares[d];
        samples[d] = Sample(
            shares[d],
            select(0.0, group.gradient / max(group.kept, 1e-30), group.kept > 0.0),
            group.silent / group.total,
            expected_length(d, skills[d].skill),
            responses * p,
            responses * q,
        );
    }
    workgroupBarrier();
    // Groups that are dropped are replaced, whatever their domain.
    var all_kept = 0.0;
    for (var d = 0u; d < DOMAINS; d++) {
        all_kept += shares[d] * kept[d];
    }
    for (var d = thread; d < DOMAINS; d += WIDTH) {
        let share = select(0.0, shares[d] * kept[d] / max(all_kept, 1e-30), all_kept > 0.0);
        samples[d].share = share;
        samples[d].gradient *= share;
    }
    if thread == 0u {
        let drawn = select(1.0, min(1.0 / max(all_kept, 1e-30), f32(ROUNDS)), all_kept > 0.0);
        bill[0].generated += drawn * f32(PROMPTS) * f32(RESPONSES);
        bill[0].dropped += drawn * (1.0 - all_kept) * f32(PROMPTS) * f32(RESPONSES);
    }
}

fn appraise(thread: u32) {
    for (var d = thread; d < DOMAINS; d += WIDTH) {
        let s = sigmoid(domains[d].discrimination * (skills[d].skill - domains[d].difficulty));
        appraised[d] = domains[d].guessing + (1.0 - domains[d].guessing) * s;
    }
}
