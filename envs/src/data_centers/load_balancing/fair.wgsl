// The twin of FairHours with one of its prices: level in ../balancing.rs.

// Regions from the cheapest to the dearest, and the most that each may take.
var<workgroup> by_price: array<u32, AGENTS>;
var<workgroup> most: array<f32, AGENTS>;

const INFINITE = 3.4e38;

// Fills regions from the cheapest up, none beyond a level of the burden. Returns the last price that was needed.
fn fill_below(load: f32, hour: u32, level: f32) -> f32 {
    var left = load;
    var last = -INFINITE;
    for (var place = 0u; place < AGENTS; place++) {
        let region = by_price[place];
        let burden = burden_of(now_in(region, hour));
        let capacity = regions[region].capacity;
        most[region] = select(capacity, min(capacity, level / max(burden, 1e-38)), burden > 0.0);
        share[region] = min(left, most[region]);
        left -= share[region];
        last = select(last, now_in(region, hour).price, share[region] > 0.0);
    }
    return select(last, INFINITE, left > 0.0);
}

fn act(at: At) {
    let hour = hour_of(at.elapsed);
    for (var region = at.thread; region < AGENTS; region += WIDTH) {
        let price = now_in(region, hour).price;
        var cheaper = 0u;
        for (var other = 0u; other < AGENTS; other++) {
            let of_other = now_in(other, hour).price;
            cheaper += u32(of_other < price || (of_other == price && other < region));
        }
        by_price[cheaper] = region;
    }
    workgroupBarrier();
    if at.thread == 0u {
        let load = loads[hour];
        var low = 0.0;
        var high = 0.0;
        for (var region = 0u; region < AGENTS; region++) {
            high = max(high, regions[region].capacity * burden_of(now_in(region, hour)));
        }
        // As many halvings as a number of 32 bits has digits, and some.
        for (var round = 0u; round < 32u; round++) {
            let level = 0.5 * (low + high);
            let last = fill_below(load, hour, level);
            // What a little more of the burden saves: those held down take load from the last one.
            var saved = 0.0;
            for (var region = 0u; region < AGENTS; region++) {
                let now = now_in(region, hour);
                let burden = burden_of(now);
                if most[region] < regions[region].capacity && burden > 0.0 {
                    saved = min(saved + max(last - now.price, 0.0) / burden, INFINITE);
                }
            }
            if saved > MU {
                low = level;
            } else {
                high = level;
            }
        }
        fill_below(load, hour, high);
        var top = 1e-38;
        for (var region = 0u; region < AGENTS; region++) {
            top = max(top, share[region]);
        }
        for (var region = 0u; region < AGENTS; region++) {
            actions[region] = bitcast<u32>(share[region] / top);
        }
    }
}
