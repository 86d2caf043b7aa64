//! People on foot, beside whichever model moves the vehicles: a queue at every crosswalk.
//!
//! They come as a Poisson process, other ones in every episode and lane, drawn from the noise with which the episode
//! starts. Whoever waits has crossed as soon as the light has let people cross for [`walk_s`](Pedestrians::walk_s) and as
//! long as it takes to walk over the lanes; whoever comes while it still does need not wait. Vehicles take no notice.

use super::metrics::{Spread, Waits};
use super::network::generate::Random;
use super::network::{Crosswalk, Network};
use super::state::{Curb, NONE, Shown, State, Walker};
use super::world::World;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{NonNegative, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// People on foot at the crosswalks of all crossings that have a light, one over each leg.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pedestrians {
    /// How many come to a crosswalk in an hour.
    pub per_h: Positive,
    /// How long a light must let people cross, besides the time to walk over the lanes; 7 if not given.
    #[serde(default = "seven")]
    pub walk_s: NonNegative,
    /// How fast they walk; 1.2 if not given.
    #[serde(default = "pace")]
    pub speed_mps: Positive,
    /// How far they walk; over all lanes of the leg if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width_m: Option<Positive>,
    /// The longest wait that is reasonable; 90 if not given.
    #[serde(default = "ninety")]
    pub bound_s: Positive,
    /// Whether crossings see, besides all else, how many wait at each of their crosswalks (in tens) and since when (in
    /// units of 120 s).
    #[serde(default)]
    pub seen: bool,
}

fn seven() -> NonNegative {
    NonNegative::new(7.0).expect("a constant, 0 or above")
}

fn pace() -> Positive {
    Positive::new(1.2).expect("a constant above 0")
}

fn ninety() -> Positive {
    Positive::new(90.0).expect("a constant above 0")
}

/// Words of noise that an episode's arrivals are drawn from.
pub(super) const WORDS: usize = 2;

/// People of one episode; a rate for more is refused.
const MOST_PEDESTRIANS: f64 = (1u32 << 20) as f64;

/// A crosswalk as the step needs it.
#[derive(Clone, Debug)]
pub(super) struct Walkway {
    pub(super) crosswalk: Crosswalk,
    /// Steps after which a light that lets people cross has let them.
    pub(super) steps: u32,
}

/// All crosswalks, and rows for all who come.
#[derive(Clone, Debug, Default)]
pub(super) struct Walkways {
    /// Crossing by crossing.
    pub(super) all: Vec<Walkway>,
    of: Vec<Range<u32>>,
    pub(super) most: usize,
    per_h: f64,
    bound_steps: f64,
    pub(super) seen: bool,
}

impl Walkways {
    /// Crosswalks of a crossing.
    pub(super) fn of(&self, crossing: usize) -> Range<usize> {
        self.of.get(crossing).map_or(0..0, |range| range.start as usize..range.end as usize)
    }
}

impl Pedestrians {
    pub(super) fn walkways(&self, network: &Network, step_s: f64, episode_s: f64) -> Result<Walkways, Problem> {
        let walkway = |crosswalk: Crosswalk| {
            let width_m = self.width_m.map_or(crosswalk.width_m, Positive::get);
            let green_s = self.walk_s.get() + width_m / self.speed_mps.get();
            // Rounding in the quotient adds no step.
            Walkway { crosswalk, steps: (green_s / step_s - 1e-9).ceil().max(1.0) as u32 }
        };
        let all: Vec<Walkway> = network.crosswalks().into_iter().map(walkway).collect();
        if all.is_empty() {
            let problem = Problem::at("pedestrians", "no light of the network ever lets people cross a road");
            return Err(problem.help("leave out `pedestrians`"));
        }
        let mean = self.per_h.get() * episode_s / 3600.0 * all.len() as f64;
        if mean > MOST_PEDESTRIANS {
            let message = format!("more than {MOST_PEDESTRIANS} people come in one episode");
            return Err(Problem::at("pedestrians.per_h", message).help("use a lower rate or a shorter `duration_s`"));
        }
        let begin = |crossing: u32| all.partition_point(|walkway| walkway.crosswalk.crossing < crossing) as u32;
        Ok(Walkways {
            of: (0..network.crossings.len() as u32).map(|crossing| begin(crossing)..begin(crossing + 1)).collect(),
            // A Poisson number exceeds this with a chance below 1e-14. Those beyond do not come.
            most: (mean + 8.0 * mean.sqrt() + 16.0) as usize,
            per_h: self.per_h.get(),
            bound_steps: self.bound_s.get() / step_s,
            seen: self.seen,
            all,
        })
    }
}

impl Walker {
    /// Steps that he has waited until now.
    pub fn waited(&self, now: u32) -> u32 {
        if self.crossed == NONE { now.saturating_sub(self.came) } else { self.crossed - self.came }
    }
}

impl Curb {
    /// How many wait.
    pub fn waiting(&self) -> u32 {
        self.next - self.first
    }

    /// Those who have come.
    fn came(&self) -> Range<usize> {
        self.begin as usize..self.next as usize
    }
}

impl World {
    /// The same world, with people on foot.
    pub(super) fn crossed_by(mut self, pedestrians: &Pedestrians) -> Result<Self, Problem> {
        let episode_s = f64::from(self.clock.steps) * self.clock.step_s;
        self.walkways = pedestrians.walkways(&self.network, self.clock.step_s, episode_s)?;
        Ok(self)
    }

    /// Draws who comes in an episode.
    pub(super) fn start_walking(&self, words: &[u32], curbs: &mut [Curb], walkers: &mut [Walker]) {
        walkers.fill(Walker { came: NONE, crossed: NONE });
        let seed = words.iter().fold(0, |seed, &word| seed << 32 | u64::from(word));
        let (mut random, mut at) = (Random(seed), 0);
        for curb in curbs {
            let begin = at;
            let mut now_s = random.gap_s(self.walkways.per_h);
            let last = |now_s: f64| (now_s / self.clock.step_s) as u32;
            while last(now_s) < self.clock.steps && at < walkers.len() {
                walkers[at].came = last(now_s);
                at += 1;
                now_s += random.gap_s(self.walkways.per_h);
            }
            let [begin, end] = [begin, at].map(|at| at as u32);
            *curb = Curb { begin, first: begin, next: begin, end, green: 0 };
        }
    }

    /// Lets people come and cross, in the step that has just been made.
    pub(super) fn walk(&self, state: &mut State<'_>) {
        let now = state.tally.steps - 1;
        for (Walkway { crosswalk, steps }, curb) in self.walkways.all.iter().zip(&mut *state.curbs) {
            let phase = state.lights[crosswalk.crossing as usize].phase;
            curb.green = if crosswalk.walks[phase as usize] { curb.green + 1 } else { 0 };
            while curb.next < curb.end && state.walkers[curb.next as usize].came <= now {
                curb.next += 1;
            }
            if curb.green >= *steps {
                for walker in &mut state.walkers[curb.first as usize..curb.next as usize] {
                    walker.crossed = now;
                }
                curb.first = curb.next;
            }
        }
    }

    /// Everybody on foot who has come.
    pub(super) fn on_foot<'s>(&self, state: Shown<'s>) -> impl Iterator<Item = &'s Walker> + use<'s> {
        state.curbs.iter().flat_map(move |curb| &state.walkers[curb.came()])
    }

    /// Steps for which the first has been waiting at a crosswalk.
    pub(super) fn longest_stand(&self, state: Shown<'_>, crosswalk: usize) -> u32 {
        let curb = &state.curbs[crosswalk];
        if curb.waiting() == 0 { 0 } else { state.walkers[curb.first as usize].waited(state.tally.steps) }
    }

    /// Whether a wait of so many steps is longer than is reasonable.
    pub(super) fn is_beyond(&self, steps: u32) -> bool {
        f64::from(steps) > self.walkways.bound_steps
    }
}

/// What people on foot came to in an episode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OnFoot {
    /// Waiting of all who came.
    pub waits_s: Spread,
    /// How many of them have crossed.
    pub crossed: u32,
    /// Share of those who waited longer than is reasonable.
    pub beyond: f64,
    /// Mean wait at every crosswalk.
    pub crosswalks: Vec<Waits>,
}

impl OnFoot {
    /// Of what has happened so far.
    pub fn of(world: &World, state: Shown<'_>) -> Self {
        let (now, step_s) = (state.tally.steps, world.clock.step_s);
        let all = || world.on_foot(state).map(|walker| walker.waited(now));
        let count = all().count();
        let crosswalk = |curb: &Curb| {
            let waited: u64 = state.walkers[curb.came()].iter().map(|walker| u64::from(walker.waited(now))).sum();
            let people = curb.next - curb.begin;
            Waits { vehicles: people, mean_s: waited as f64 * step_s / f64::from(people.max(1)) }
        };
        OnFoot {
            waits_s: Spread::of(all().map(|waited| f64::from(waited) * step_s).collect()),
            crossed: state.curbs.iter().map(|curb| curb.first - curb.begin).sum(),
            beyond: all().filter(|&waited| world.is_beyond(waited)).count() as f64 / count.max(1) as f64,
            crosswalks: state.curbs.iter().map(crosswalk).collect(),
        }
    }

    /// Everything by name.
    pub(super) fn numbers(&self) -> [(&'static str, f64); 10] {
        let used = self.crosswalks.iter().filter(|waits| waits.vehicles > 0).map(|waits| waits.mean_s);
        let (waits, crosswalks) = (self.waits_s, Spread::of(used.collect()));
        [
            ("pedestrian_wait_mean_s", waits.mean),
            ("pedestrian_wait_p95_s", waits.p95),
            ("pedestrian_wait_max_s", waits.max),
            ("pedestrian_wait_gini", waits.gini),
            ("pedestrian_beyond_bound_share", self.beyond),
            ("worst_crosswalk_wait_s", crosswalks.max),
            ("crosswalk_wait_mean_s", crosswalks.mean),
            ("crosswalk_wait_gini", crosswalks.gini),
            ("pedestrians_created", waits.count as f64),
            ("pedestrians_served", f64::from(self.crossed)),
        ]
    }
}
