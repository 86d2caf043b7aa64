//! A small complete environment whose agents move together, with its twin for a device.

use isonomy_engine::controller::Rule;
use isonomy_engine::environment::Environment;
use isonomy_engine::gpu::{Device, Episodes, Home, LaneColumn, LaneTwin, RuleTwin, Table};
use isonomy_engine::lanes::{At, LaneController, LaneDynamics, LaneRule, Shared, View};
use isonomy_engine::noise::Phase;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::sim::{Builder, Setup, Sim};
use isonomy_engine::spec::{GroupSpec, Space, Spec, TaskSpec};
use isonomy_engine::{columns, device_row};
use serde::{Deserialize, Serialize};

columns! {
    /// Cups of water that each agent has left.
    Cups(u32);
    /// What all share.
    Well(f64);
}

pub(crate) const AGENTS: usize = 3;
pub(crate) const STEPS: u32 = 4;

/// Agents drink from a shared well: an action of 1 takes a cup, as long as there is one. Each has a few cups of its own.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Drinkers {
    /// How its lanes run on a device.
    pub(crate) kind: Kind,
}

/// How lanes run on a device, each way once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Episodes start there, and the columns are in the workgroup's memory.
    #[default]
    Device,
    /// Episodes start on the processor.
    Host,
    /// One column is in the device's memory.
    Storage,
    /// There is no twin.
    Twinless,
    /// There is a wrong one.
    Misspelt,
}

#[typetag::serde]
impl Environment for Drinkers {
    fn spec(&self) -> Spec {
        let group = |name: &str, agents| GroupSpec { name: name.to_owned(), agents };
        Spec {
            groups: vec![group("first", 1), group("others", 2)],
            tasks: vec![TaskSpec { name: "water".to_owned(), reward: (0.0, 1.0) }],
            observation: Space::Real { size: 3, low: 0.0, high: 9.0 },
            action: Space::Discrete(2),
            time_limit: STEPS,
            terminal: Vec::new(),
        }
    }

    fn build(&self, sim: &mut Builder) {
        sim.lanes_of(Wells(self.kind));
    }
}

pub(crate) struct Wells(Kind);

impl LaneDynamics for Wells {
    type State = (Cups, Well);

    fn counts(&self) -> Vec<usize> {
        vec![AGENTS, 1]
    }

    fn draws(&self) -> usize {
        1
    }

    fn start_draws(&self) -> usize {
        AGENTS
    }

    fn start(&self, at: At<'_>, (cups, well): View<'_, Self>) {
        assert_eq!(at.words.len(), AGENTS);
        for (cup, word) in cups.iter_mut().zip(at.words) {
            cup.0 = word % 3;
        }
        well[0].0 = 5.0;
    }

    fn step(&self, at: At<'_>, action: &[u32], (cups, well): View<'_, Self>, reward: &mut [f32]) {
        well[0].0 += f64::from(at.words[0] % 2);
        for agent in 0..AGENTS {
            let had = cups[agent].0 > 0 || well[0].0 >= 1.0;
            reward[agent] = if action[agent] == 1 && had { 1.0 } else { 0.0 };
            if reward[agent] == 0.0 {
                continue;
            }
            match cups[agent].0 {
                0 => well[0].0 -= 1.0,
                left => cups[agent].0 = left - 1,
            }
        }
    }

    fn observe(&self, at: At<'_>, (cups, well): Shared<'_, Self>, features: &mut [f32]) {
        for (features, cup) in features.chunks_exact_mut(3).zip(cups) {
            features.copy_from_slice(&[cup.0 as f32, well[0].0 as f32, at.elapsed as f32]);
        }
    }

    fn measures(&self) -> Vec<String> {
        vec!["left_in_well".to_owned(), "own_cups".to_owned()]
    }

    fn measure(&self, (cups, well): Shared<'_, Self>, measures: &mut [f64]) {
        measures[0] = well[0].0;
        measures[1] = cups.iter().map(|cup| f64::from(cup.0)).sum();
    }

    fn twin(&self) -> Result<LaneTwin, String> {
        let Wells(kind) = self;
        let home = if *kind == Kind::Storage { Home::Storage } else { Home::Workgroup };
        let source = include_str!("drinkers.wgsl");
        let source = match kind {
            Kind::Twinless => return Err("wells are too deep".to_owned()),
            Kind::Misspelt => source.replace("well[0] += ", "wlel[0] += ").into(),
            Kind::Storage => in_storage(source).into(),
            Kind::Device | Kind::Host => source.into(),
        };
        Ok(LaneTwin {
            source,
            tables: vec![Table::new("first_cups", &[5.0f32])],
            columns: vec![
                LaneColumn { name: "cups", row: device_row!(Cups: 0), home },
                LaneColumn { name: "well", row: device_row!(Well: 0), home: Home::Workgroup },
            ],
            width: 32,
            episodes: if *kind == Kind::Host { Episodes::Host } else { Episodes::Device },
            loops: 100,
        })
    }
}

/// The same with a column in the device's memory.
fn in_storage(source: &str) -> String {
    source
        .replace("cups[agent] = word(agent) % 3u;", "set_cups(agent, word(agent) % 3u);")
        .replace("cups[agent]--;", "set_cups(agent, get_cups(agent) - 1u);")
        .replace("cups[agent]", "get_cups(agent)")
}

/// Those drink who have most cups of their own, and sometimes another.
pub(crate) struct Richest;

impl LaneController<Wells> for Richest {
    fn draws(&self) -> usize {
        1
    }

    fn act(&self, _: &Wells, at: At<'_>, (cups, _): Shared<'_, Wells>, action: &mut [u32]) {
        let most = cups.iter().map(|cup| cup.0).max();
        for (index, (action, cup)) in action.iter_mut().zip(cups).enumerate() {
            *action = u32::from(Some(cup.0) == most || at.words[0] as usize % AGENTS == index);
        }
    }

    fn twin(&self, dynamics: &Wells) -> Result<RuleTwin, String> {
        let source = include_str!("richest.wgsl");
        let source = if dynamics.0 == Kind::Storage { in_storage(source) } else { source.to_owned() };
        Ok(RuleTwin { source: source.into() })
    }
}

pub(crate) fn sim(lanes: usize, threads: usize, rule: &Rule) -> Sim {
    sim_on(Kind::default(), lanes, threads, rule, None)
}

pub(crate) fn sim_on(kind: Kind, lanes: usize, threads: usize, rule: &Rule, device: Option<&Device>) -> Sim {
    let setup = Setup { lanes, seed: 5, phase: Phase::Training, threads, device };
    let mut sim = Sim::new(&Drinkers { kind }, Vec::new(), setup).expect("it fits");
    assert!(sim.set_rule(rule));
    sim
}

pub(crate) fn rules() -> [Rule; 2] {
    let chances = |_: usize, group: usize, _: usize, chances: &mut [f64]| {
        chances.copy_from_slice(&[[0.2, 0.8], [0.5, 0.5]][group]);
    };
    let table = TabularPolicy::from_chances(&Drinkers::default().spec(), 1, chances);
    [Rule::Table(table), Rule::Lane(LaneRule::new::<Wells>(Richest))]
}
