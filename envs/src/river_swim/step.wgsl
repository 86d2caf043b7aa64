// How swimmers move and what they are paid: the twin of step.rs.

struct River {
    last: u32,
    first_advances: u32,
    advances: u32,
    stays: u32,
    last_stays: u32,
    starts: u32,
}

@group(1) @binding(0) var<storage, read> rivers: array<River>;      // [agents]
@group(1) @binding(1) var<storage, read> starts: array<u32>;        // [groups, places - 1]
@group(1) @binding(2) var<storage, read> pays: array<f32>;          // [tasks, places, strokes, drifted or stayed]

const LEFT = 0u;
const NEVER = 0xffffffffu;

fn begin(agent: u32, word: u32) -> u32 {
    let river = rivers[agent];
    var place = 0u;
    while place < river.last && passes(word, starts[river.starts + place]) {
        place++;
    }
    return place;
}

fn move_on(agent: u32, place: u32, stroke: u32, word: u32) -> u32 {
    let river = rivers[agent];
    let left = stroke == LEFT;
    let first_bank = place == 0u;
    let last_bank = place == river.last;
    var advances = select(river.advances, river.first_advances, first_bank);
    advances = select(advances, 0u, left || last_bank);
    var stays = select(river.stays, river.last_stays, last_bank);
    stays = select(stays, 0u, left);
    stays = select(stays, NEVER, first_bank);
    return place + 1u - u32(passes(word, advances)) - u32(passes(word, stays));
}

fn pay(task: u32, agent: u32, place: u32, stroke: u32, next: u32, word: u32) -> f32 {
    let deed = (place << 2u) | (stroke << 1u) | u32(next == place);
    return pays[task * 4u * (rivers[agent].last + 1u) + deed];
}
