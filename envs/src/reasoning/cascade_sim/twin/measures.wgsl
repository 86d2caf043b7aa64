// By what a training run is judged: the twin of ../measures.rs, in the order of its names.

fn forgotten(d: u32) -> f32 {
    return max(skills[d].best - appraised[d], 0.0);
}

fn measure(at: At) {
    appraise(at.thread);
    workgroupBarrier();
    for (var d = at.thread; d < DOMAINS; d += WIDTH) {
        let first = OF_RUN + d * OF_DOMAIN;
        measures[first] = appraised[d];
        measures[first + 1u] = skills[d].skill;
        measures[first + 2u] = skills[d].entropy;
        measures[first + 3u] = forgotten(d);
        measures[first + 4u] = skills[d].share;
        measures[first + 5u] = skills[d].weight;
        measures[first + 6u] = skills[d].length;
    }
    if at.thread == 0u {
        measure_run();
    }
}

// One invocation.
fn measure_run() {
    let n = f32(DOMAINS);
    var worst = appraised[0];
    var best = appraised[0];
    var sum = 0.0;
    var squares = 0.0;
    var weighted = 0.0;
    var covered = 0.0;
    var lost = 0.0;
    var gain = 0.0;
    var regressions = 0.0;
    var silences = 0.0;
    for (var d = 0u; d < DOMAINS; d++) {
        let now = appraised[d];
        worst = min(worst, now);
        best = max(best, now);
        sum += now;
        squares += now * now;
        weighted += now * domains[d].share;
        covered += f32(now > COVERED);
        lost += forgotten(d);
        gain += now - domains[d].before;
        regressions += f32(now - domains[d].before < -REGRESSION);
        silences += skills[d].silent;
    }
    let mean = sum / n;
    var variance = 0.0;
    var differences = 0.0;
    for (var d = 0u; d < DOMAINS; d++) {
        variance += (appraised[d] - mean) * (appraised[d] - mean);
        for (var other = 0u; other < d; other++) {
            differences += abs(appraised[d] - appraised[other]);
        }
    }
    measures[0] = worst;
    measures[1] = mean;
    measures[2] = weighted;
    measures[3] = best - worst;
    measures[4] = variance / n;
    measures[5] = select(0.0, differences / (n * max(sum, 1e-30)), differences > 0.0);
    measures[6] = select(1.0, sum * sum / (n * max(squares, 1e-37)), squares > 0.0);
    measures[7] = covered / n;
    measures[8] = lost / n;
    measures[9] = gain / n;
    measures[10] = regressions;
    measures[11] = silences / n;
    measures[12] = bill[0].generated;
    measures[13] = bill[0].dropped;
    measures[14] = bill[0].negative_weights;
    measures[15] = bill[0].floored;
}
