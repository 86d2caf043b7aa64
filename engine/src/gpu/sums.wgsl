// Sums the returns of one group in one task. Every workgroup sums one stretch of the group's agents, in an order that
// depends on nothing but their number; the host adds up what the workgroups found.

struct Sum {
    // Rows of all lanes, agents in a lane.
    rows: u32,
    agents: u32,
    // The group: its first agent in a lane, its agents in a lane, its agents in all lanes.
    first: u32,
    members: u32,
    total: u32,
    task: u32,
    // Agents that one workgroup sums, and where the first workgroup writes.
    stretch: u32,
    place: u32,
}

@group(0) @binding(0) var<uniform> sum: Sum;
// [tasks, rows]
@group(0) @binding(1) var<storage, read> returns: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

const WIDTH = 64u;
var<workgroup> partial: array<f32, WIDTH>;

@compute @workgroup_size(64)
fn add_up(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let start = workgroup.x * sum.stretch;
    let end = min(start + sum.stretch, sum.total);
    var mine = 0.0;
    for (var i = start + local; i < end; i += WIDTH) {
        let row = i / sum.members * sum.agents + sum.first + i % sum.members;
        mine += returns[sum.task * sum.rows + row];
    }
    partial[local] = mine;
    workgroupBarrier();
    for (var half = WIDTH / 2u; half > 0u; half /= 2u) {
        if local < half {
            partial[local] += partial[local + half];
        }
        workgroupBarrier();
    }
    if local == 0u {
        sums[sum.place + workgroup.x] = partial[0];
    }
}
