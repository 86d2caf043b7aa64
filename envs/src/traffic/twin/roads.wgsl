// The roads, the lights and the vehicles to come: what all copies of a network share.
//
// Fields in _at and _end are where a list begins in numbers, and where it ends. Links are counted from 0; where a way is
// meant, STREETS (the number of lanes) is added.

struct Street {
    // Vehicles that can be on it.
    fits: u32,
    // Which of the different speed limits it has.
    limit: u32,
    // Links that leave it, and links that lead to it in the order of the lanes that they come from.
    leaving_at: u32,
    leaving_end: u32,
    coming_at: u32,
    coming_end: u32,
    // Vehicles that start here.
    outside_at: u32,
    outside_end: u32,
    length_m: f32,
    // Whether it leads to a light that somebody controls.
    before_light: u32,
}

struct Link {
    out_of: u32,
    to: u32,
    crossing: u32,
    // Where its greens stand in numbers, phase by phase.
    green_at: u32,
    green_stride: u32,
    // Whether it does not lead straight on.
    turns: u32,
    // Its conflicts in numbers, CONFLICT_WORDS each.
    conflicts_at: u32,
    conflicts_end: u32,
}

struct Crossing {
    incoming_at: u32,
    incoming_end: u32,
    outgoing_at: u32,
    outgoing_end: u32,
    // Its movements are neighbours.
    movement: u32,
    movement_end: u32,
    // Its greens, too, in greens and in choices.
    green: u32,
    green_end: u32,
    // How long its phases last.
    phases_at: u32,
    phases_end: u32,
    clearance: u32,
    // The first of the phases between two greens, if yellow is shown.
    yellow: u32,
    // Whether its light follows its own table.
    own_table: u32,
}

struct Movement {
    // Its links and the lanes of the road behind it are neighbours.
    link: u32,
    link_end: u32,
    behind: u32,
    behind_end: u32,
    // Lanes that it leaves, each once.
    lanes_at: u32,
    lanes_end: u32,
}

struct Green {
    // The phase that it is, as a number from the crossing's first.
    phase: u32,
    // What it frees: links and lanes; movements that must wait in another.
    links_at: u32,
    links_end: u32,
    lanes_at: u32,
    lanes_end: u32,
    movements_at: u32,
    movements_end: u32,
    // Whether opposite movements of one kind only.
    plain: u32,
}

@group(1) @binding(0) var<storage, read> streets: array<Street>;
@group(1) @binding(1) var<storage, read> links: array<Link>;
@group(1) @binding(2) var<storage, read> crossings: array<Crossing>;
@group(1) @binding(3) var<storage, read> movements: array<Movement>;
@group(1) @binding(4) var<storage, read> greens: array<Green>;
@group(1) @binding(5) var<storage, read> numbers: array<u32>;
