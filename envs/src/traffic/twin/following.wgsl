// How fast a vehicle may drive: the twin of following.rs, krauss.rs and idm.rs in 32 bits, operation by operation. Where a
// bound is not a number there, it is the lowest here, which means the same: brake as hard as possible.

// A kind of vehicle.
struct Driver {
    length_m: f32,
    min_gap_m: f32,
    max_speed_mps: f32,
    headway_s: f32,
    max_acceleration: f32,
    max_braking: f32,
    usual_acceleration: f32,
    usual_braking: f32,
    looks_m: f32,
    free_m: f32,
}

// What a vehicle follows.
struct Leader {
    speed_mps: f32,
    max_braking: f32,
    usual_braking: f32,
    gap_m: f32,
}

const LOWEST = -3.0e38;
const NO_LIMIT = 3.0e38;

fn driver_of(vehicle: u32) -> Driver {
    let at = DRIVERS_AT + DRIVER_WORDS * kind_of(vehicle);
    return Driver(
        real(at),
        real(at + 1u),
        real(at + 2u),
        real(at + 3u),
        real(at + 4u),
        real(at + 5u),
        real(at + 6u),
        real(at + 7u),
        real(at + 8u),
        real(at + 9u),
    );
}

// The first of them.
fn length_of(vehicle: u32) -> f32 {
    return real(DRIVERS_AT + DRIVER_WORDS * kind_of(vehicle));
}

fn lesser(a: f32, b: f32) -> f32 {
    return select(b, a, a < b);
}

fn greater(a: f32, b: f32) -> f32 {
    return select(b, a, a > b);
}

fn able_to_stop(speed_mps: f32, leader: Leader, braking: f32, leader_braking: f32, target_m: f32) -> f32 {
    let ahead = leader.speed_mps;
    let c = speed_mps * STEP_S / 2.0 + target_m - ahead * 0.5 * ahead / leader_braking - leader.gap_m;
    let a = 0.5 / braking;
    let b = STEP_S * 0.5;
    if b * b < a * 4.0 * c {
        return -100.0;
    }
    let stopping = 0.5 / a * (sqrt(b * b - a * 4.0 * c) - b);
    let following = ahead * 2.0 - leader_braking * STEP_S + (leader.gap_m - target_m) * 2.0 / STEP_S;
    return lesser(stopping, following);
}

fn behind_in_cityflow(driver: Driver, speed_mps: f32, leader: Leader) -> f32 {
    let ahead = leader.speed_mps;
    let never_touches = able_to_stop(speed_mps, leader, driver.max_braking, leader.max_braking, 0.0);
    let keeps_gap = able_to_stop(speed_mps, leader, driver.usual_braking, leader.usual_braking, driver.min_gap_m);
    let slowing = select(0.0, speed_mps - ahead, speed_mps > ahead);
    let headway = (leader.gap_m + (ahead + slowing / 2.0) * STEP_S - speed_mps * STEP_S / 2.0)
        / (driver.headway_s + STEP_S / 2.0);
    return lesser(lesser(never_touches, keeps_gap), headway);
}

fn stop_before_in_cityflow(driver: Driver, speed_mps: f32, distance_m: f32) -> f32 {
    let faster = speed_mps + driver.usual_acceleration * STEP_S;
    let needed = (speed_mps + faster) * STEP_S / 2.0 + (faster * faster / driver.usual_braking / 2.0);
    if needed < distance_m {
        return faster;
    }
    let steps = distance_m * 2.0 / (speed_mps + 1e-8) / STEP_S;
    if steps == 0.0 {
        return LOWEST;
    }
    return select(speed_mps - speed_mps / steps, speed_mps - speed_mps / trunc(steps), steps >= 1.0);
}

fn krauss_stopping_speed(driver: Driver, gap_m: f32) -> f32 {
    let tau = driver.headway_s;
    let gap = gap_m - MARGIN_M;
    let lost = driver.usual_braking * STEP_S;
    if gap <= 0.0 {
        return 0.0;
    }
    if gap <= lost {
        return lesser(lost, gap / STEP_S);
    }
    let root = sqrt(STEP_S * STEP_S + (STEP_S * (gap * 2.0 / lost - tau) + tau * tau) * 4.0);
    let steps = floor((root / 2.0 - tau) / STEP_S + 0.5);
    let rest = gap - (steps * (steps - 1.0) * lost * STEP_S / 2.0 + steps * lost * tau);
    return steps * lost + rest / (steps * STEP_S + tau);
}

fn krauss_braking_way_m(speed_mps: f32, braking: f32) -> f32 {
    let lost = braking * STEP_S;
    let steps = floor(speed_mps / lost);
    return STEP_S * (steps * speed_mps - lost * steps * (steps + 1.0) / 2.0);
}

fn krauss_safe_speed(driver: Driver, leader: Leader) -> f32 {
    let way = krauss_braking_way_m(leader.speed_mps, greater(driver.usual_braking, leader.usual_braking));
    return krauss_stopping_speed(driver, leader.gap_m - driver.min_gap_m + way);
}

// Speed after a step of the intelligent driver model, behind somebody at a gap, or on a free road.
fn idm_speed(driver: Driver, speed_mps: f32, limit_mps: f32, follows: bool, ahead_mps: f32, gap_m: f32) -> f32 {
    let wanted = lesser(driver.max_speed_mps, limit_mps);
    let part_s = STEP_S / f32(IDM_PARTS);
    let slack = sqrt(driver.max_acceleration * driver.usual_braking) * 2.0;
    var speed = speed_mps;
    var gap = gap_m;
    for (var part = 0u; part < IDM_PARTS; part++) {
        let ratio = speed / wanted;
        let free = (ratio * ratio) * (ratio * ratio);
        var close = 0.0;
        if follows {
            let dynamic = speed * driver.headway_s + speed * (speed - ahead_mps) / slack;
            close = (driver.min_gap_m + greater(dynamic, 0.0)) / greater(gap, 0.1);
            close = close * close;
        }
        let acceleration = driver.max_acceleration * (1.0 - free - close);
        speed = greater(speed + greater(acceleration, -driver.max_braking) * part_s, 0.0);
        gap = gap + (ahead_mps - speed) * part_s;
    }
    return speed;
}

fn free_speed(driver: Driver, speed_mps: f32, limit_mps: f32) -> f32 {
    if LAW == LAW_IDM {
        return lesser(idm_speed(driver, speed_mps, limit_mps, false, 0.0, 0.0), limit_mps);
    }
    return lesser(lesser(driver.max_speed_mps, speed_mps + driver.max_acceleration * STEP_S), limit_mps);
}

fn speed_behind(driver: Driver, speed_mps: f32, leader: Leader) -> f32 {
    switch LAW {
        case LAW_KRAUSS: { return krauss_safe_speed(driver, leader); }
        case LAW_IDM: { return idm_speed(driver, speed_mps, NO_LIMIT, true, leader.speed_mps, leader.gap_m); }
        default: { return behind_in_cityflow(driver, speed_mps, leader); }
    }
}

fn stands_behind(driver: Driver, speed_mps: f32, leader: Leader) -> bool {
    let room_m = leader.gap_m - driver.min_gap_m;
    return LAW == LAW_CITYFLOW && speed_mps == 0.0 && leader.speed_mps == 0.0
        && room_m * 2.0 / STEP_S <= leader.usual_braking * STEP_S;
}

fn stop_before(driver: Driver, speed_mps: f32, distance_m: f32) -> f32 {
    switch LAW {
        case LAW_KRAUSS: { return krauss_stopping_speed(driver, distance_m); }
        case LAW_IDM: { return idm_speed(driver, speed_mps, NO_LIMIT, true, 0.0, distance_m + driver.min_gap_m); }
        default: { return stop_before_in_cityflow(driver, speed_mps, distance_m); }
    }
}

fn shortest_stop_m(driver: Driver, speed_mps: f32) -> f32 {
    if LAW == LAW_CITYFLOW {
        return speed_mps * 0.5 * speed_mps / driver.max_braking;
    }
    return krauss_braking_way_m(speed_mps, driver.max_braking);
}

fn can_yield(driver: Driver, speed_mps: f32, distance_m: f32) -> bool {
    return (distance_m > 0.0 && shortest_stop_m(driver, speed_mps) < distance_m - YIELD_M)
        || (distance_m < 0.0 && distance_m + driver.length_m < 0.0);
}

fn speeding_m(driver: Driver, speed_mps: f32, target_mps: f32) -> f32 {
    let a = driver.usual_acceleration;
    if target_mps <= speed_mps {
        return 0.0;
    }
    let steps = floor((target_mps - speed_mps) / a / STEP_S);
    let reached = speed_mps + steps * a / STEP_S;
    let way = (speed_mps + reached) * (steps * STEP_S) / 2.0;
    return way + select(0.0, (reached + target_mps) * STEP_S / 2.0, reached < target_mps);
}

fn steps_to(driver: Driver, speed_mps: f32, distance_m: f32, turns: bool) -> f32 {
    let a = driver.usual_acceleration;
    let goal = select(driver.max_speed_mps, TURN_MPS, turns);
    if distance_m <= 0.0 {
        return 0.0;
    }
    if speed_mps > goal {
        return ceil(distance_m / speed_mps);
    }
    let speeding = speeding_m(driver, speed_mps, goal);
    if speeding > distance_m {
        return ceil((sqrt(speed_mps * speed_mps + a * 2.0 * distance_m) - speed_mps) / a / STEP_S);
    }
    return ceil((goal - speed_mps) / a / STEP_S) + ceil((distance_m - speeding) / goal / STEP_S);
}

// Speed and way of the next step.
fn moved(driver: Driver, speed_mps: f32, next_mps: f32) -> vec2<f32> {
    if LAW != LAW_CITYFLOW {
        let reached = greater(next_mps, 0.0);
        return vec2<f32>(reached, reached * STEP_S);
    }
    if next_mps < 0.0 {
        return vec2<f32>(0.0, speed_mps * 0.5 * speed_mps / driver.max_braking);
    }
    return vec2<f32>(next_mps, (speed_mps + next_mps) * STEP_S / 2.0);
}
