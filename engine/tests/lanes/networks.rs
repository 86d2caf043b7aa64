//! Networks on a device.

use super::twins::open;
use isonomy_engine::environment::Environment;
use isonomy_engine::gpu::{Device, Episodes, Home, LaneColumn, LaneTwin};
use isonomy_engine::lanes::{At, LaneDynamics, Shared, View};
use isonomy_engine::network::{Activation, Mlp};
use isonomy_engine::noise::Phase;
use isonomy_engine::policy::{Head, NetworkPolicy, PolicyRef, Workspace};
use isonomy_engine::sim::{Builder, Setup, Sim};
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{columns, device_row};
use serde::{Deserialize, Serialize};

columns! {
    /// What an agent sees.
    Sight(f32);
}

const AGENTS: usize = 5;
const SIZE: usize = 7;
const ACTIONS: u32 = 4;

/// Agents see random numbers and are paid what they do.
#[derive(Debug, Serialize, Deserialize)]
struct Echo {
    acts: Acts,
}

/// What an action is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Acts {
    Number,
    OneOfFour,
    /// Only those can be chosen whose number among the last four that are seen is 1.
    OneOfSome,
}

#[typetag::serde]
impl Environment for Echo {
    fn spec(&self) -> Spec {
        Spec {
            groups: vec![GroupSpec { name: "all".to_owned(), agents: AGENTS as u32 }],
            tasks: vec![TaskSpec { name: "echo".to_owned(), reward: (-9.0, 9.0) }],
            observation: Space::Real { size: SIZE as u32, low: -1.0, high: 1.0 },
            action: match self.acts {
                Acts::Number => Space::Real { size: 1, low: -9.0, high: 9.0 },
                Acts::OneOfFour => Space::Discrete(ACTIONS),
                Acts::OneOfSome => Space::Masked(ACTIONS),
            },
            time_limit: 6,
            terminal: Vec::new(),
        }
    }

    fn build(&self, sim: &mut Builder) {
        sim.lanes_of(Echoes { acts: self.acts });
    }
}

struct Echoes {
    acts: Acts,
}

/// Between -1 and 1, in as many digits as an `f32` has.
fn number(word: u32) -> f32 {
    (word >> 8) as f32 / 8_388_608.0 - 1.0
}

impl LaneDynamics for Echoes {
    type State = (Sight,);

    fn counts(&self) -> Vec<usize> {
        vec![AGENTS * SIZE]
    }

    fn draws(&self) -> usize {
        AGENTS * SIZE
    }

    fn start_draws(&self) -> usize {
        AGENTS * SIZE
    }

    fn start(&self, at: At<'_>, (sights,): View<'_, Self>) {
        for (index, (sight, word)) in sights.iter_mut().zip(at.words).enumerate() {
            let behind = index % SIZE + ACTIONS as usize;
            let masks = self.acts == Acts::OneOfSome && behind >= SIZE;
            // The last can always be chosen.
            sight.0 = if masks { f32::from(u8::from(*word >> 31 == 1 || behind == SIZE + 3)) } else { number(*word) };
        }
    }

    fn observe(&self, _: At<'_>, (sights,): Shared<'_, Self>, features: &mut [f32]) {
        features.iter_mut().zip(sights).for_each(|(feature, sight)| *feature = sight.0);
    }

    fn step(&self, at: At<'_>, action: &[u32], state: View<'_, Self>, reward: &mut [f32]) {
        for (reward, action) in reward.iter_mut().zip(action) {
            *reward = if self.acts == Acts::Number { f32::from_bits(*action) } else { *action as f32 };
        }
        self.start(at, state);
    }

    fn twin(&self) -> Result<LaneTwin, String> {
        let source = format!(
            "fn look(at: At) {{
                for (var i = at.thread; i < SIGHTS; i += WIDTH) {{
                    let behind = i % FEATURES + {ACTIONS}u;
                    let free = word(i) >> 31u == 1u || behind == FEATURES + 3u;
                    let number = f32(word(i) >> 8u) / 8388608.0 - 1.0;
                    sights[i] = select(number, f32(free), {} && behind >= FEATURES);
                }}
            }}
            fn start(at: At) {{ look(at); }}
            fn observe(at: At) {{
                for (var i = at.thread; i < SIGHTS; i += WIDTH) {{
                    show(i / FEATURES, i % FEATURES, sights[i]);
                }}
            }}
            fn advance(at: At) {{
                for (var agent = at.thread; agent < AGENTS; agent += WIDTH) {{
                    rewards[agent] = {}(actions[agent]);
                }}
                look(at);
            }}",
            self.acts == Acts::OneOfSome,
            if self.acts == Acts::Number { "bitcast<f32>" } else { "f32" }
        );
        let columns = vec![LaneColumn { name: "sights", row: device_row!(Sight: 0), home: Home::Workgroup }];
        let (source, tables) = (source.into(), Vec::new());
        Ok(LaneTwin { source, tables, columns, width: 32, episodes: Episodes::Device, loops: 3000 })
    }
}

fn sim(acts: Acts, policy: &NetworkPolicy, device: Option<&Device>) -> Sim {
    let setup = Setup { lanes: 40, seed: 9, phase: Phase::Training, threads: 2, device };
    let mut sim = Sim::new(&Echo { acts }, Vec::new(), setup).expect("it fits");
    assert!(sim.set_parametric(PolicyRef::Network(policy)));
    sim
}

fn nets(outputs: usize, head: Head) -> Vec<NetworkPolicy> {
    let mut policies = Vec::new();
    for (hidden, activation) in
        [(vec![], Activation::Tanh), (vec![16], Activation::Tanh), (vec![33, 20], Activation::Relu)]
    {
        for identities in [0, AGENTS] {
            let mut sizes = vec![SIZE + identities];
            sizes.extend(&hidden);
            sizes.push(outputs);
            policies.push(NetworkPolicy { net: Mlp::new(sizes, activation, 2.0, 3, 0), head, identities });
        }
        let sizes = [&[SIZE][..], &hidden, &[outputs]].concat();
        policies.push(NetworkPolicy { net: Mlp::several(AGENTS, sizes, activation, 2.0, 4, 0), head, identities: 0 });
    }
    policies
}

#[test]
fn outputs_are_those_of_the_processor() {
    let Some(device) = open() else { return };
    // With hardly any deviation an action is an output; with much, mostly noise.
    for log_deviation in [-30.0, 0.0] {
        for policy in nets(1, Head::Gaussian { log_deviation }) {
            let (mut host, mut there) = (sim(Acts::Number, &policy, None), sim(Acts::Number, &policy, Some(&device)));
            let horizon = 15;
            let (mine, theirs) =
                (host.rollout(horizon).expect("no device"), there.rollout(horizon).expect("the device is well"));
            assert_eq!(mine.features, theirs.features);
            assert_eq!(mine.final_features, theirs.final_features);
            assert_eq!(mine.next_features, theirs.next_features);
            let furthest = mine.reward.iter().zip(theirs.reward.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            eprintln!("{:?}, log deviation {log_deviation}: {furthest:e} apart", policy.net.sizes);
            assert!(furthest < 2e-5, "{:?}: {furthest}", policy.net.sizes);
            assert!(mine.reward.iter().any(|reward| reward.abs() > 0.5));
        }
    }
}

#[test]
fn actions_are_the_same_where_no_draw_is_near_a_threshold() {
    let Some(device) = open() else { return };
    let of = |head| nets(ACTIONS as usize, head).into_iter();
    for policy in of(Head::Categorical).chain(of(Head::Masked)) {
        let acts = if policy.head == Head::Masked { Acts::OneOfSome } else { Acts::OneOfFour };
        let (mut host, mut there) = (sim(acts, &policy, None), sim(acts, &policy, Some(&device)));
        let (mine, theirs) = (host.rollout(20).expect("no device"), there.rollout(20).expect("the device is well"));
        let mut workspace = Workspace::default();
        let logits = policy.outputs(&mine.features, &mut workspace);
        let keys = isonomy_engine::Keys::new(9, Phase::Training);
        let (mut apart, mut kinds) = (0, [0; ACTIONS as usize]);
        for index in 0..mine.action.len() {
            let action = mine.action.get(index) as usize;
            kinds[action] += 1;
            let free = |action: usize| mine.features[index * SIZE + SIZE - ACTIONS as usize + action] == 1.0;
            assert!(acts == Acts::OneOfFour || free(action), "{:?}: {index}", policy.net.sizes);
            if mine.action.get(index) == theirs.action.get(index) {
                continue;
            }
            apart += 1;
            // The word is within rounding of where one action ends and the next begins.
            let word = keys.policy.word((index / mine.rows()) as u64, (index % mine.rows()) as u64);
            let powers: Vec<f64> =
                logits[index * ACTIONS as usize..][..ACTIONS as usize].iter().map(|x| f64::from(*x).exp()).collect();
            let sum: f64 = powers.iter().sum();
            let mut edge = 0.0;
            let near = powers.iter().any(|power| {
                edge += power / sum;
                (edge - f64::from(word) / 4_294_967_296.0).abs() < 1e-5
            });
            assert!(near, "{:?}: {index}", policy.net.sizes);
        }
        assert!(apart <= 2, "{apart} of {}", mine.action.len());
        assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
    }
}

#[test]
fn two_runs_on_a_device_give_the_same_bits() {
    let Some(device) = open() else { return };
    for policy in nets(1, Head::Gaussian { log_deviation: -1.0 }) {
        let run = || {
            let mut sim = sim(Acts::Number, &policy, Some(&device));
            (sim.rollout(13).expect("the device is well"), sim.hash())
        };
        assert_eq!(run(), run());
    }
}
