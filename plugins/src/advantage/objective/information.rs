//! Fair everywhere and fair overall are different things: disparity taken apart into what every client shows, what
//! only all of them together show, and what they hide from each other. AGLFOP, arXiv 2307.11333 (2023).

/// How much a decision Ŷ tells of a group Z when one does or does not know the client S, in bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disparity {
    /// I(Z; Ŷ), the global disparity: unique and redundant.
    pub global: f64,
    /// I(Z; Ŷ | S), the local disparity: unique and masked.
    pub local: f64,
    /// What the decision tells of the group and no client does.
    pub unique: f64,
    /// What the client tells as well.
    pub redundant: f64,
    /// What only shows where decision and client are seen together.
    pub masked: f64,
}

/// Rounds of the search for the least conditional information.
const ROUNDS: usize = 20_000;
/// Bits that a round must win to go on.
const ENOUGH: f64 = 1e-12;
/// Turns of proportional fitting in a round, at most; fewer where sums are right to [`EXACT`].
const TURNS: usize = 2000;
const EXACT: f64 = 1e-13;

/// Takes apart the joint chances of group, client and decision, `[groups, clients, decisions]`, sum 1.
///
/// The unique part is the least `I_Q(Z; Ŷ | S)` over all Q with the pairs (Z, Ŷ) and (Z, S) of the joint chances (Bertschinger
/// et al., 2014). It is found by turns, which a convex problem allows: the decisions of a client that are nearest to
/// Q on average over its groups, then the Q that is nearest to those, by proportional fitting.
pub fn disparity(joint: &[f64], groups: usize, clients: usize, decisions: usize) -> Disparity {
    assert_eq!(joint.len(), groups * clients * decisions);
    let at = |z: usize, s: usize, y: usize| (z * clients + s) * decisions + y;
    let sum = |of: &dyn Fn(usize, usize, usize) -> bool| -> f64 {
        let mut total = 0.0;
        for z in 0..groups {
            for s in 0..clients {
                for y in 0..decisions {
                    total += if of(z, s, y) { joint[at(z, s, y)] } else { 0.0 };
                }
            }
        }
        total
    };
    let mut global = 0.0;
    for z in 0..groups {
        for y in 0..decisions {
            let both = sum(&|a, _, b| (a, b) == (z, y));
            global += both * log2(both, sum(&|a, _, _| a == z) * sum(&|_, _, b| b == y));
        }
    }
    let fixed = |s: usize, z: usize| sum(&|a, b, _| (a, b) == (z, s));
    let told = |z: usize, y: usize| sum(&|a, _, b| (a, b) == (z, y));
    let local = conditional(joint, groups, clients, decisions);
    let mut nearest = joint.to_vec();
    let mut least = local;
    for _ in 0..ROUNDS {
        let before = nearest.clone();
        for s in 0..clients {
            let of_client: f64 = (0..groups).map(|z| fixed(s, z)).sum();
            for y in 0..decisions {
                let chance: f64 = (0..groups).map(|z| before[at(z, s, y)]).sum();
                for z in 0..groups {
                    nearest[at(z, s, y)] = if of_client > 0.0 { fixed(s, z) * chance / of_client } else { 0.0 };
                }
            }
        }
        for z in 0..groups {
            for _ in 0..TURNS {
                let mut off: f64 = 0.0;
                for y in 0..decisions {
                    off = off.max(scale((0..clients).map(|s| at(z, s, y)), told(z, y), &mut nearest));
                }
                for s in 0..clients {
                    off = off.max(scale((0..decisions).map(|y| at(z, s, y)), fixed(s, z), &mut nearest));
                }
                if off < EXACT {
                    break;
                }
            }
        }
        let now = conditional(&nearest, groups, clients, decisions);
        let won = least - now;
        least = least.min(now);
        if won < ENOUGH {
            break;
        }
    }
    Disparity { global, local, unique: least, redundant: global - least, masked: local - least }
}

/// I(Z; Ŷ | S) in bits.
fn conditional(joint: &[f64], groups: usize, clients: usize, decisions: usize) -> f64 {
    let at = |z: usize, s: usize, y: usize| joint[(z * clients + s) * decisions + y];
    let mut information = 0.0;
    for s in 0..clients {
        let of_group = |z: usize| (0..decisions).map(|y| at(z, s, y)).sum::<f64>();
        let of_decision = |y: usize| (0..groups).map(|z| at(z, s, y)).sum::<f64>();
        let all: f64 = (0..groups).map(of_group).sum();
        for z in 0..groups {
            for y in 0..decisions {
                information += at(z, s, y) * log2(at(z, s, y) * all, of_group(z) * of_decision(y));
            }
        }
    }
    information
}

/// log₂ of a ratio; 0 where its weight will be 0.
fn log2(over: f64, under: f64) -> f64 {
    if over > 0.0 && under > 0.0 { (over / under).log2() } else { 0.0 }
}

/// Scales some cells to a sum. Returns by what share of it they were off.
fn scale(cells: impl Iterator<Item = usize> + Clone, sum: f64, of: &mut [f64]) -> f64 {
    let now: f64 = cells.clone().map(|cell| of[cell]).sum();
    if now <= 0.0 {
        return 0.0;
    }
    cells.for_each(|cell| of[cell] *= sum / now);
    (sum / now - 1.0).abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joint(chance: impl Fn(usize, usize, usize) -> f64) -> Vec<f64> {
        (0..8).map(|cell| chance(cell / 4, cell / 2 % 2, cell % 2)).collect()
    }

    #[test]
    fn the_three_pure_cases_and_a_mixed_one() {
        let when = |is: bool, chance: f64| if is { chance } else { 0.0 };
        let check = |joint: &[f64], expected: [f64; 5], within: f64| {
            let Disparity { global, local, unique, redundant, masked } = disparity(joint, 2, 2, 2);
            for (found, expected) in [global, local, unique, redundant, masked].into_iter().zip(expected) {
                assert!((found - expected).abs() < within, "{found}, not {expected}");
            }
        };
        check(&joint(|z, _, y| when(y == z, 0.25)), [1.0, 1.0, 1.0, 0.0, 0.0], 1e-6);
        check(&joint(|z, s, y| when(y == z && s == z, 0.5)), [1.0, 0.0, 0.0, 1.0, 0.0], 1e-6);
        check(&joint(|z, s, y| when(y == z ^ s, 0.25)), [0.0, 1.0, 0.0, 0.0, 1.0], 1e-6);
        let mixed = joint(|z, s, y| {
            let decided = 0.2 + 0.3 * z as f64 + 0.2 * s as f64;
            0.5 * if s == z { 0.7 } else { 0.3 } * if y == 1 { decided } else { 1.0 - decided }
        });
        check(&mixed, [0.108060, 0.059991, 0.001821, 0.106238, 0.058170], 1e-6);
    }

    #[test]
    fn a_client_that_nobody_has_changes_nothing() {
        let two = joint(|z, s, y| 0.125 + if (z, y) == (s, s) { 0.05 } else { -0.05 / 3.0 });
        let three: Vec<f64> = two.chunks(4).flat_map(|group| [group, &[0.0, 0.0]].concat()).collect();
        let (two, three) = (disparity(&two, 2, 2, 2), disparity(&three, 2, 3, 2));
        assert!((two.unique - three.unique).abs() < 1e-9 && (two.local - three.local).abs() < 1e-12);
    }
}
