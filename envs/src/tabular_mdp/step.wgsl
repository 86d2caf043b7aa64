// How agents move through tables, and what the tables pay: the twin of step.rs.

struct Agent {
    start: u32,
    cells: u32,
    actions: u32,
    cells_per_task: u32,
}

struct Successor {
    state: u32,
    until: u32,
}

@group(1) @binding(0) var<storage, read> agents: array<Agent>;         // [agents]
@group(1) @binding(1) var<storage, read> cells: array<u32>;            // [groups, states, actions], [groups], the end
@group(1) @binding(2) var<storage, read> successors: array<Successor>; // of all cells, in their order
@group(1) @binding(3) var<storage, read> rewards: array<f32>;          // [tasks, groups, states, actions]

fn draw(cell: u32, word: u32) -> u32 {
    var low = cells[cell];
    var high = cells[cell + 1u] - 1u;
    while low < high {
        let middle = (low + high) / 2u;
        if passes(word, successors[middle].until) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return successors[low].state;
}

fn begin(agent: u32, word: u32) -> u32 {
    return draw(agents[agent].start, word);
}

fn move_on(agent: u32, state: u32, action: u32, word: u32) -> u32 {
    return draw(agents[agent].cells + state * agents[agent].actions + action, word);
}

fn pay(task: u32, agent: u32, state: u32, action: u32, next: u32, word: u32) -> f32 {
    let tables = agents[agent];
    return rewards[task * tables.cells_per_task + tables.cells + state * tables.actions + action];
}
