// The green of the highest score, the first of several: the twin of best in controller/.
fn choose(crossing: u32) -> u32 {
    let light = get_lights(crossing);
    if light.since_s < LEAST_GREEN_S {
        return light.green;
    }
    let it = crossings[crossing];
    var every = true;
    for (var green = it.green; green < it.green_end && ONLY_PLAIN; green++) {
        every = every && greens[green].plain == 0u;
    }
    var best = light.green;
    var most = 0;
    var found = false;
    for (var green = it.green; green < it.green_end; green++) {
        if every || greens[green].plain == 1u {
            let score = score_of(green, green - it.green == light.green);
            if !found || score > most {
                best = green - it.green;
                most = score;
                found = true;
            }
        }
    }
    return best;
}
