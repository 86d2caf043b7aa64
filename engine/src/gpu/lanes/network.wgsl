// A network chooses: the twin of NetworkPolicy::act. The engine writes run_network, layer by layer.

const UNITS = max(NETWORK_UNITS, 1u);
var<private> units: array<f32, UNITS>;
var<private> next_units: array<f32, UNITS>;

// Where the weights of the network begin that is run.
var<private> own_weights: u32;

fn weight(index: u32) -> f32 {
    return bitcast<f32>(policy_table[own_weights + index]);
}

fn seen(agent: u32, feature: u32) -> f32 {
    return lane_features[features_at + agent * FEATURES + feature];
}

fn activate(count: u32) {
    for (var unit = 0u; unit < count; unit++) {
        if NETWORK_TANH {
            next_units[unit] = exact_tanh(next_units[unit]);
        } else {
            next_units[unit] = max(next_units[unit], 0.0);
        }
    }
}

// From all inputs or units to the next units: every unit is a sum in the order of its inputs, the bias first.
fn first_layer(agent: u32, outputs: u32) {
    let biases = (FEATURES + NETWORK_IDENTITIES) * outputs;
    for (var unit = 0u; unit < outputs; unit++) {
        next_units[unit] = weight(biases + unit);
    }
    for (var feature = 0u; feature < FEATURES; feature++) {
        let x = seen(agent, feature);
        for (var unit = 0u; unit < outputs; unit++) {
            next_units[unit] += x * weight(feature * outputs + unit);
        }
    }
    if NETWORK_IDENTITIES > 0u {
        for (var unit = 0u; unit < outputs; unit++) {
            next_units[unit] += weight((FEATURES + agent) * outputs + unit);
        }
    }
}

fn layer(at: u32, inputs: u32, outputs: u32) {
    units = next_units;
    for (var unit = 0u; unit < outputs; unit++) {
        next_units[unit] = weight(at + inputs * outputs + unit);
    }
    for (var input = 0u; input < inputs; input++) {
        let x = units[input];
        for (var unit = 0u; unit < outputs; unit++) {
            next_units[unit] += x * weight(at + input * outputs + unit);
        }
    }
}

// The logit of an action that cannot be chosen.
const NETWORK_NEVER = -1e30;

fn mask_actions(agent: u32) {
    for (var action = 0u; action < NETWORK_OUTPUTS && NETWORK_MASKED; action++) {
        if seen(agent, FEATURES - NETWORK_OUTPUTS + action) == 0.0 {
            next_units[action] = NETWORK_NEVER;
        }
    }
}

// The action that a word picks: the first whose share of the chances, summed up, is above the word's.
fn pick_action(word: u32) -> u32 {
    var top = next_units[0];
    for (var action = 1u; action < NETWORK_OUTPUTS; action++) {
        top = max(top, next_units[action]);
    }
    var total = 0.0;
    var last = 0u;
    for (var action = 0u; action < NETWORK_OUTPUTS; action++) {
        let never = next_units[action] == NETWORK_NEVER;
        last = select(action, last, never);
        next_units[action] = select(exact_exp(max(next_units[action] - top, -80.0)), 0.0, never);
        total += next_units[action];
    }
    var left = f32(word) * 2.3283064365386963e-10 * total;
    for (var action = 0u; action < NETWORK_OUTPUTS; action++) {
        left -= next_units[action];
        if left < 0.0 {
            return action;
        }
    }
    // Rounding can leave a little.
    return last;
}

fn choose_actions(at: At, stream: vec2<u32>, clock: u32) {
    hold_words(at, dispatch.policy, stream, ACT_WORDS);
    for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {
        run_network(agent);
        if NETWORK_NORMAL {
            // Behind the weights stands the standard deviation.
            let deviation = bitcast<f32>(policy_table[NETWORK_WEIGHTS]);
            actions[agent] = bitcast<u32>(next_units[0] + deviation * normal(word(2u * agent), word(2u * agent + 1u)));
        } else {
            mask_actions(agent);
            actions[agent] = pick_action(word(agent));
        }
    }
}
