//! How a light gets from one green to the next: published phase machines by name, and ours.
//!
//! A request for another green ends the green that is shown. First comes yellow, in which only movements go on that both greens
//! free; then the crossing is cleared, and only movements that are always free go. Whoever cannot stop any more drives
//! through in both, which is what yellow means. The clock of a phase starts with its change, so that "30 s" is 5 s of clearance and
//! 25 s of green (LibSignal, arXiv 2211.10649).

use super::network::{Crossing, Network, Phase, Turn};
use super::state::{Light, Shown};
use super::world::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How lights change: times and greens as a published environment has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Signals {
    /// A decision every 10 s, 5 s of clearance: LibSignal (arXiv 2211.10649).
    #[default]
    LibSignal,
    /// A decision every 15 s, 5 s of clearance, the four greens of opposite movements of one kind: Advanced-XLight.
    XLight,
    /// A decision every 10 s, 3 s of yellow, no clearance: RESCO. Its `arterial4x4` has `decision_s: 5, yellow_s: 2`.
    Resco,
    /// A decision every 5 s, 2 s of yellow, no clearance, 5 s of green at least; a request that comes too early is forgotten:
    /// sumo-rl. Where it enforces a longest green, that is `max_green_s: 50`.
    SumoRl,
    /// A decision every 10 s, 3 s of yellow, 2 s of clearance, 5 s of green at least.
    YellowAndAllRed,
}

/// The greens that lights have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Greens {
    /// All that the network describes.
    All,
    /// Those that free opposite movements of one kind only, straight on or to the left; all, where a crossing has fewer than two
    /// of these.
    Plain,
}

impl Signals {
    /// Time between decisions.
    pub fn decision_s(self) -> f64 {
        match self {
            Signals::XLight => 15.0,
            Signals::SumoRl => 5.0,
            Signals::LibSignal | Signals::Resco | Signals::YellowAndAllRed => 10.0,
        }
    }

    /// Times of a change.
    pub fn changes(self) -> Changes {
        let (yellow_s, clearance_s, min_green_s) = match self {
            Signals::LibSignal | Signals::XLight => (0.0, 5.0, 0.0),
            Signals::Resco => (3.0, 0.0, 0.0),
            Signals::SumoRl => (2.0, 0.0, 5.0),
            Signals::YellowAndAllRed => (3.0, 2.0, 5.0),
        };
        let forgets = matches!(self, Signals::Resco | Signals::SumoRl);
        Changes { yellow_s, clearance_s, min_green_s, max_green_s: None, forgets }
    }

    /// The greens that lights have.
    pub fn greens(self) -> Greens {
        if self == Signals::XLight { Greens::Plain } else { Greens::All }
    }
}

/// Times that every change of a light keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Changes {
    /// Time in which only what both greens free goes on.
    pub yellow_s: f64,
    /// Time behind it in which only what is always free goes on.
    pub clearance_s: f64,
    /// Shortest green.
    pub min_green_s: f64,
    /// Longest green while somebody waits for another; the next green with demand follows. None: no limit.
    pub max_green_s: Option<f64>,
    /// Whether a request that comes too early is forgotten; otherwise it holds until the next decision.
    pub forgets: bool,
}

impl Changes {
    /// Time from one green to the next.
    pub fn between_s(&self) -> f64 {
        self.yellow_s + self.clearance_s
    }

    /// Whether another green could begin to be shown now.
    pub fn may_begin(&self, light: &Light) -> bool {
        light.clearing == 0 && light.since_s >= self.between_s() + self.min_green_s
    }

    /// The light after a step in which this green (an index of the crossing's greens) was asked for.
    pub fn ask(&self, light: &mut Light, crossing: &Crossing, green: u32, step_s: f64) {
        let green = green.min(crossing.greens.len() as u32 - 1);
        let shown = |green: u32| crossing.greens[green as usize];
        if light.clearing == 1 {
            if light.since_s >= self.between_s() {
                light.clearing = 0;
                light.phase = shown(light.green);
            } else if light.since_s >= self.yellow_s {
                light.phase = crossing.clearance;
            }
            light.since_s += step_s;
        } else if green == light.green || !self.may_begin(light) {
            light.since_s += step_s;
        } else {
            light.phase = match (self.yellow_s > 0.0, self.clearance_s > 0.0) {
                (true, _) => crossing.yellow(light.green, green),
                (false, true) => crossing.clearance,
                (false, false) => shown(green),
            };
            light.clearing = u32::from(self.between_s() > 0.0);
            light.green = green;
            light.since_s = step_s;
        }
    }

    /// The green that a crossing gets where `green` was asked for: another where the shown one has lasted too long.
    pub fn allowed(&self, world: &World, state: Shown<'_>, crossing: usize, green: u32) -> u32 {
        let light = &state.lights[crossing];
        let over = self.max_green_s.is_some_and(|most| light.since_s >= self.between_s() + most);
        if !over || green != light.green || light.clearing == 1 {
            return green;
        }
        let greens = world.network.crossings[crossing].greens.len() as u32;
        let next = |by: u32| (light.green + by) % greens;
        let wanted = |&green: &u32| {
            world.links_of_green(crossing, green).any(|link| {
                let from = world.network.links[link as usize].from;
                !world.is_green(state.lights, link) && state.chains[from as usize].vehicles > 0
            })
        };
        (1..greens).map(next).find(wanted).unwrap_or(green)
    }
}

impl Crossing {
    /// The phase between two of its greens, as a number from its first phase, in a network that shows yellow.
    pub fn yellow(&self, from: u32, to: u32) -> u32 {
        let greens = self.greens.len() as u32;
        self.phases.end - self.phases.start - greens * (greens - from) + to
    }
}

impl Network {
    /// Whether a phase of a crossing frees opposite movements of one kind only, straight on or to the left, besides those that
    /// are always free: one of the classical four of a crossing of four roads.
    pub(super) fn is_plain(&self, crossing: &Crossing, phase: u32) -> bool {
        let free = |phase: u32, number: usize| self.phases[(crossing.phases.start + phase) as usize].green[number];
        let waits = |number: usize| crossing.greens.iter().any(|&other| !free(other, number));
        let freed = (0..crossing.movements.len()).filter(|&number| free(phase, number) && waits(number));
        let freed = freed.map(|number| &self.movements[crossing.movements.start as usize + number]);
        let all = |turn: Turn| freed.clone().all(|movement| movement.turn == turn);
        let roads: Vec<u32> = freed.clone().map(|movement| movement.from).collect();
        let opposite = roads.len() < 2 || roads.iter().any(|&road| road != roads[0]);
        (all(Turn::Straight) || all(Turn::Left)) && opposite
    }

    /// The same network, in which lights have only some of their greens.
    pub(super) fn with_greens(mut self, greens: Greens) -> Self {
        if greens == Greens::Plain {
            let plain = |crossing: &Crossing| -> Vec<u32> {
                crossing.greens.iter().copied().filter(|&green| self.is_plain(crossing, green)).collect()
            };
            let kept: Vec<Vec<u32>> = self.crossings.iter().map(plain).collect();
            for (crossing, kept) in self.crossings.iter_mut().zip(kept).filter(|(_, kept)| kept.len() > 1) {
                crossing.greens = kept;
            }
        }
        self
    }

    /// The same network, in which every crossing has a phase between any two of its greens, behind its other phases: what both
    /// free. Lights that follow their own tables pass over them.
    pub(super) fn showing_yellow(mut self) -> Self {
        let mut phases = Vec::with_capacity(self.phases.len());
        for crossing in &mut self.crossings {
            let own = &self.phases[crossing.phases.start as usize..crossing.phases.end as usize];
            let begin = phases.len() as u32;
            phases.extend(own.iter().cloned());
            for &from in &crossing.greens {
                for &to in &crossing.greens {
                    let pair = own[from as usize].green.iter().zip(&own[to as usize].green);
                    phases.push(Phase { duration_s: 0.0, green: pair.map(|(from, to)| *from && *to).collect() });
                }
            }
            crossing.phases = begin..phases.len() as u32;
        }
        self.phases = phases;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::network::generate::Single;
    use bytemuck::Zeroable;

    /// What a light shows, second by second, where the greens are asked for that are given: `0` to `7` a green, `y`, `r`.
    fn shown(changes: Changes, decision_s: usize, asked: &[u32]) -> String {
        let single: Single = ron::from_str("()").expect("a crossing");
        let network = crate::traffic::source::Roads::Single(single);
        let network = network.read(&Default::default()).expect("a crossing").showing_yellow();
        let crossing = network.controlled().next().map(|crossing| &network.crossings[crossing]).expect("a light");
        let first_yellow = crossing.yellow(0, 0);
        let mut light = Light { phase: crossing.greens[0], ..Light::zeroed() };
        let mut seen = String::new();
        for &green in asked {
            for second in 0..decision_s {
                let green = if changes.forgets && second > 0 { light.green } else { green };
                changes.ask(&mut light, crossing, green, 1.0);
                seen.push(match crossing.greens.iter().position(|&green| green == light.phase) {
                    Some(green) => (b'0' + green as u8) as char,
                    None if light.phase >= first_yellow => 'y',
                    None => 'r',
                });
            }
        }
        seen
    }

    #[test]
    fn machines_are_those_of_their_sources() {
        let of = |signals: Signals, asked: &[u32]| shown(signals.changes(), signals.decision_s() as usize, asked);
        // 5 s of clearance and 5 s of green before the next decision.
        assert_eq!(of(Signals::LibSignal, &[0, 3, 3, 1]), "0000000000rrrrr333333333333333rrrrr11111");
        assert_eq!(of(Signals::XLight, &[0, 1]), "000000000000000rrrrr1111111111");
        assert_eq!(of(Signals::Resco, &[0, 1, 2]), "0000000000yyy1111111yyy2222222");
        // 7 s must be over; what is asked for earlier is forgotten.
        assert_eq!(of(Signals::SumoRl, &[1, 1, 1, 2, 2]), "0000000000yy11111111yy222");
        assert_eq!(of(Signals::YellowAndAllRed, &[0, 1]), "0000000000yyyrr11111");
    }

    #[test]
    fn what_both_greens_free_goes_on() {
        let single: Single = ron::from_str("()").expect("a crossing");
        let network = crate::traffic::source::Roads::Single(single).read(&Default::default()).expect("a crossing");
        let plain = network.clone().with_greens(Greens::Plain);
        let yellow = network.clone().showing_yellow();
        let number = network.controlled().next().expect("a light");
        let greens = |network: &Network| network.crossings[number].greens.len();
        assert_eq!((greens(&network), greens(&plain)), (8, 4));
        let crossing = &yellow.crossings[number];
        let phase = |phase: u32| &yellow.phases[(crossing.phases.start + phase) as usize].green;
        for from in 0..8 {
            for to in 0..8 {
                let (before, after) = (crossing.greens[from as usize], crossing.greens[to as usize]);
                let both: Vec<bool> =
                    phase(before).iter().zip(phase(after)).map(|(before, after)| *before && *after).collect();
                assert_eq!(*phase(crossing.yellow(from, to)), both, "{from} {to}");
            }
        }
    }
}
