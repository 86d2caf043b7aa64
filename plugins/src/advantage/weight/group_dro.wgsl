// A distribution that drifts towards the largest loss: group_dro.rs.

fn group_dro_hold() {
    for (var turn = 0u; turn < DOMAINS; turn++) {
        var held_back = 0.0;
        var rest = 0.0;
        var above = false;
        for (var d = 0u; d < DOMAINS; d++) {
            let q = memory[WEIGHTS_AT + d];
            if q >= GROUP_DRO_CAP {
                held_back += 1.0;
                above = above || q > GROUP_DRO_CAP;
            } else {
                rest += q;
            }
        }
        if !above || rest <= 0.0 {
            return;
        }
        let scale = (1.0 - held_back * GROUP_DRO_CAP) / rest;
        for (var d = 0u; d < DOMAINS; d++) {
            let q = memory[WEIGHTS_AT + d];
            memory[WEIGHTS_AT + d] = select(q * scale, GROUP_DRO_CAP, q >= GROUP_DRO_CAP);
        }
    }
}

fn weigh() -> vec2<f32> {
    var sum = 0.0;
    for (var d = 0u; d < DOMAINS; d++) {
        let reachable = select(1.0, best_of(d), GROUP_DRO_REDUCIBLE);
        memory[WEIGHTS_AT + d] *= exact_exp(min(GROUP_DRO_RATE * (reachable - accuracy_of(d)), 80.0));
        sum += memory[WEIGHTS_AT + d];
    }
    for (var d = 0u; d < DOMAINS; d++) {
        memory[WEIGHTS_AT + d] /= sum;
    }
    group_dro_hold();
    for (var d = 0u; d < DOMAINS; d++) {
        weights[d] = memory[WEIGHTS_AT + d];
    }
    weigh_by_share();
    return vec2(0.0);
}
