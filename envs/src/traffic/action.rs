//! What crossings decide, and what their lights are asked for in every step of a decision.

use super::signal::Changes;
use super::state::{Light, Shown};
use super::world::World;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Positive;
use isonomy_engine::spec::Space;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a crossing decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum Actions {
    /// The green that it shows until the next decision. A number too large means the last.
    #[default]
    Green,
    /// Whether it keeps its green (0) or goes on to the next in turn (1).
    Switch,
    /// A green and for how long, clearance not included; until then decisions change nothing. The code of green `g` for the time
    /// number `t` of `T` is `g T + t`.
    Timed {
        /// The times to choose from; 10, 20, 30 and 40 s if not given.
        #[serde(default = "tens")]
        durations_s: Vec<Positive>,
    },
    /// How the time until the next decision, a cycle, is shared among its greens, which come in turn. Every green is an agent
    /// of its own, which sees what its crossing sees and which green it is, earns what its crossing earns, and names a weight from 0 to
    /// 1. Each gets its change, `min_green_s`, and of the rest a share as large as its weight among all weights.
    Split,
}

fn tens() -> Vec<Positive> {
    [10.0, 20.0, 30.0, 40.0].map(|time_s| Positive::new(time_s).expect("a constant above 0")).to_vec()
}

impl Actions {
    /// The values of an action, where no crossing has more greens than this.
    pub(super) fn space(&self, greens: usize, masks: bool) -> Space {
        let codes = match self {
            Actions::Green => greens,
            Actions::Switch => 2,
            Actions::Timed { durations_s } => greens * durations_s.len(),
            Actions::Split => return Space::Real { size: 1, low: 0.0, high: 1.0 },
        };
        let codes = codes.max(1) as u32;
        if masks { Space::Masked(codes) } else { Space::Discrete(codes) }
    }

    /// Agents of a crossing with so many greens.
    pub(super) fn agents(&self, greens: usize) -> usize {
        if *self == Actions::Split { greens } else { 1 }
    }

    /// What cannot be.
    pub(super) fn check(&self, changes: &Changes, masks: bool, greens: usize, decision_s: f64) -> Vec<Problem> {
        let mut problems = Vec::new();
        match self {
            Actions::Green | Actions::Switch => {}
            Actions::Timed { durations_s } => {
                if durations_s.is_empty() {
                    let problem = Problem::at("actions.Timed.durations_s", "there is no time to choose");
                    problems.push(problem.help("name one or more: `durations_s: [10, 20, 30]`"));
                }
                let most_s = changes.max_green_s.unwrap_or(f64::INFINITY);
                if let Some(index) = durations_s.iter().position(|time| time.get() > most_s) {
                    let message = format!("longer than the longest green, {most_s} s");
                    let problem = Problem::at(format!("actions.Timed.durations_s[{index}]"), message);
                    problems.push(problem.help("use a shorter time or a longer `max_green_s`"));
                }
            }
            Actions::Split => {
                let least_s = greens as f64 * (changes.between_s() + changes.min_green_s);
                if decision_s < least_s {
                    let message = format!("a cycle of {greens} greens takes {least_s} s at least");
                    let problem = Problem::at("decision_s", message);
                    problems.push(problem.help("use a longer one, a shorter `min_green_s`, or `greens: Plain`"));
                }
                if changes.max_green_s.is_some() {
                    let message = "a light whose cycle is shared out has no longest green";
                    problems.push(Problem::at("max_green_s", message).help("leave it out, or use other `actions`"));
                }
                if masks {
                    let message = "the actions of `Split` are numbers, and all can be chosen";
                    problems.push(Problem::at("masks", message).help("leave it out, or use other `actions`"));
                }
            }
        }
        problems
    }
}

/// How decisions of crossings become requests to lights.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) actions: Actions,
    pub(super) changes: Changes,
    /// Codes of an action, where they are told which of them can be chosen.
    pub(super) masked: usize,
    /// Crossings, and their agents.
    pub(super) crossings: Vec<(u32, Range<usize>)>,
}

impl Requests {
    pub(super) fn new(actions: Actions, changes: Changes, masks: bool, world: &World, greens: usize) -> Self {
        let masked = if masks { actions.space(greens, true).count() as usize } else { 0 };
        let mut agents = 0;
        let crossings = world.network.controlled().map(|crossing| {
            let begin = agents;
            agents += actions.agents(world.network.crossings[crossing].greens.len());
            (crossing as u32, begin..agents)
        });
        let crossings = crossings.collect();
        Requests { actions, changes, masked, crossings }
    }

    /// The crossing of every agent.
    pub(super) fn agents(&self) -> Vec<u32> {
        self.crossings.iter().flat_map(|(crossing, agents)| agents.clone().map(move |_| *crossing)).collect()
    }

    /// Numbers that an agent sees besides its observation.
    pub(super) fn features(&self, greens: usize) -> usize {
        self.masked + if self.actions == Actions::Split { greens } else { 0 }
    }

    /// Lets lights begin an episode.
    pub(super) fn start(&self, lights: &mut [Light]) {
        if matches!(self.actions, Actions::Timed { .. }) {
            self.crossings.iter().for_each(|(crossing, _)| lights[*crossing as usize].remaining_s = 0.0);
        }
    }

    /// The green that a light is asked for in a step of a decision, of which `made` have been made before.
    pub(super) fn wanted(&self, world: &World, light: &mut Light, greens: u32, codes: &[u32], made: u32) -> u32 {
        let now = made == 0;
        match &self.actions {
            Actions::Green if now || !self.changes.forgets => codes[0],
            Actions::Switch if now && codes[0] > 0 => (light.green + 1) % greens,
            Actions::Timed { durations_s } if now && light.remaining_s <= 0.0 => {
                let times = durations_s.len() as u32;
                light.remaining_s = durations_s[(codes[0] % times) as usize].get();
                codes[0] / times
            }
            Actions::Green | Actions::Switch | Actions::Timed { .. } => light.green,
            Actions::Split => {
                let cycle_s = f64::from(world.decision_steps) * world.clock.step_s;
                shared(&self.changes, cycle_s, f64::from(made) * world.clock.step_s, codes)
            }
        }
    }

    /// Counts down how long a green still has been asked for; `forced`: the light shows another.
    pub(super) fn count_down(&self, light: &mut Light, forced: bool, step_s: f64) {
        if matches!(self.actions, Actions::Timed { .. }) {
            if forced {
                light.remaining_s = 0.0;
            } else if light.clearing == 0 {
                light.remaining_s = (light.remaining_s - step_s).max(0.0);
            }
        }
    }

    /// Writes 1 for every code that begins to be obeyed at once, and 0 for the others.
    pub(super) fn mask(&self, world: &World, state: Shown<'_>, crossing: usize, mask: &mut [f32]) {
        let light = &state.lights[crossing];
        let greens = world.network.crossings[crossing].greens.len() as u32;
        let keeps = self.changes.allowed(world, state, crossing, light.green) == light.green;
        let begins = self.changes.may_begin(light);
        let green = |green: u32| green < greens && if green == light.green { keeps } else { begins };
        for (code, free) in (0..).zip(mask) {
            let can = match &self.actions {
                Actions::Switch => {
                    if code == 0 {
                        keeps
                    } else {
                        begins
                    }
                }
                Actions::Timed { durations_s } => {
                    let times = durations_s.len() as u32;
                    // While a time runs there is nothing to decide, which is one code.
                    if light.remaining_s > 0.0 { code == light.green * times } else { green(code / times) }
                }
                Actions::Green | Actions::Split => green(code),
            };
            *free = f32::from(u8::from(can));
        }
    }
}

/// The green whose part of a cycle this time is in.
fn shared(changes: &Changes, cycle_s: f64, into_s: f64, codes: &[u32]) -> u32 {
    // What is no number weighs nothing.
    let weight = |code: &u32| match f32::from_bits(*code) {
        weight if weight > 0.0 => f64::from(weight.min(1.0)),
        _ => 0.0,
    };
    let total: f64 = codes.iter().map(weight).sum();
    let least_s = changes.between_s() + changes.min_green_s;
    let rest_s = cycle_s - codes.len() as f64 * least_s;
    let mut end_s = 0.0;
    for (green, code) in (0..).zip(codes) {
        let share = if total > 0.0 { weight(code) / total } else { 1.0 / codes.len() as f64 };
        end_s += least_s + rest_s * share;
        if into_s < end_s {
            return green;
        }
    }
    codes.len() as u32 - 1
}

#[cfg(test)]
mod tests {
    use crate::traffic::Traffic;
    use crate::traffic::host::{Columns, Streets};
    use isonomy_engine::environment::Environment;
    use isonomy_engine::lanes::{At, LaneDynamics, LaneState};

    /// What the light of a crossing shows in every second, `0` to `7` a green and `-` none, and the masks before every decision.
    fn shown(fields: &str, decisions: &[&[u32]]) -> (String, Vec<String>) {
        let text = format!(
            "(network: {{\"Single\": ()}}, demand: {{\"Entries\": (main_per_h: 900, side_per_h: 900)}}, greens: Plain, {fields})"
        );
        let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let traffic: Traffic = options.from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(traffic.check().len(), 0, "{:?}", traffic.check());
        let spec = traffic.spec();
        let streets = Streets::new(&traffic, traffic.world().expect("a network").clone());
        let mut lane = Columns::new(&streets);
        let at = |elapsed| At { lane: 0, episode: 0, elapsed, words: &[] };
        streets.start(at(0), lane.view());
        let agents = spec.agents() as usize;
        let size = streets.requests.features(4) + streets.observation.features(&streets.sizes);
        let (mut seen, mut paid) = (vec![0.0; agents * size], vec![0.0; agents * spec.tasks.len()]);
        let (mut shown, mut masks) = (String::new(), Vec::new());
        for (elapsed, action) in (0..).zip(decisions) {
            type State = <Streets as LaneDynamics>::State;
            streets.observe(at(elapsed), State::shared(&lane.view()), &mut seen);
            let mask = &seen[size - streets.requests.masked.min(size)..size];
            masks.push(mask.iter().map(|free| if *free == 1.0 { '1' } else { '0' }).collect());
            streets.decide(at(elapsed), action, lane.view(), &mut paid, |state| {
                let light = &state.lights[streets.agents[0] as usize];
                shown.push(if light.clearing == 1 { '-' } else { (b'0' + light.green as u8) as char });
            });
        }
        (shown, masks)
    }

    #[test]
    fn greens_and_switches() {
        let yellow = "signals: YellowAndAllRed, masks: true, decision_s: 8";
        let (greens, masks) = shown(yellow, &[&[0], &[2], &[3], &[3], &[0]]);
        // At 8 s only 8 of 10 s are over; the request holds, and is obeyed 2 s later.
        assert_eq!(greens, "0000000000-----22222-----3333333-----000");
        assert_eq!(masks, ["1000", "1000", "0010", "0001", "1111"].map(str::to_owned));
        let (greens, masks) = shown("signals: SumoRl, masks: true, actions: Switch", &[&[1], &[1], &[1], &[0], &[1]]);
        assert_eq!(greens, "0000000000--11111111--222");
        assert_eq!(masks, ["10", "10", "11", "10", "11"].map(str::to_owned));
    }

    #[test]
    fn greens_for_a_time() {
        let timed = "masks: true, decision_s: 5, actions: Timed(durations_s: [10, 20])";
        // Green 0 for 10 s, green 2 for 20 s and for 10 s more, green 0; what is named in between changes nothing.
        let decisions: Vec<&[u32]> = [0, 7, 5, 0, 0, 0, 0, 4, 1, 1, 0].iter().map(std::slice::from_ref).collect();
        let (greens, masks) = shown(timed, &decisions);
        assert_eq!(greens, "0000000000-----222222222222222222222222222222-----00000");
        let free = |at: usize| masks[at].chars().filter(|free| *free == '1').count();
        assert_eq!((0..11).map(free).collect::<Vec<_>>(), [2, 1, 8, 1, 1, 1, 1, 8, 1, 8, 1], "{masks:?}");
        assert_eq!(masks[4], "00001000");
        // Where somebody waits for another green, the longest green ends a time.
        let most = "masks: true, decision_s: 5, max_green_s: 10, actions: Timed(durations_s: [10])";
        let (greens, masks) = shown(most, &[&[0][..]; 9]);
        assert_eq!(greens.find(|green| green != '0'), Some(15), "{greens}");
        assert!(masks[3] == "1000" && masks[4].starts_with('0') && masks[4].contains('1'), "{masks:?}");
    }

    #[test]
    fn cycles_that_are_shared_out() {
        let weights = |of: [f32; 4]| of.map(f32::to_bits);
        let (quarter, first) = (weights([0.5; 4]), weights([1.0, 0.0, f32::NAN, -3.0]));
        let split = "decision_s: 40, min_green_s: 5, actions: Split, clearance_s: 2";
        let (greens, _) = shown(split, &[&quarter, &first, &weights([0.0; 4])]);
        assert_eq!(&greens[..40], "0000000000--11111111--22222222--33333333");
        // 7 s for each, 12 s to share.
        assert_eq!(&greens[40..80], "--00000000000000000--11111--22222--33333");
        assert_eq!(&greens[80..], "--00000000--11111111--22222222--33333333");
    }
}
