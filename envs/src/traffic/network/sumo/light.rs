//! Lights: their programmes, in a network or in what is added to it, and the phases that follow.

use super::Read;
use crate::traffic::network::PhasePlan;
use crate::traffic::network::xml::{Element, Xml};
use std::collections::BTreeMap;

/// Programmes by the light that they are for.
pub(super) type Programmes<'x> = BTreeMap<&'x str, Programme<'x>>;

/// The programmes of a network's lights. Those that are added replace those of the network, the last one of a name counts.
pub(super) fn programmes<'x>(root: Element<'x, '_>, more: &'x [Xml<'_>]) -> Read<Programmes<'x>> {
    let mut programmes = BTreeMap::new();
    for programme in root.all("tlLogic") {
        programmes.insert(programme.get("id")?, Programme::read(programme)?);
    }
    for more in more {
        for element in more.root("additional")?.elements() {
            match element.name() {
                "tlLogic" => {
                    let id = element.get("id")?;
                    let programme = Programme::read(element)?;
                    if programmes.insert(id, programme).is_none() {
                        return Err(element.wrong("id", format!("there is no light {id:?} in the network")));
                    }
                }
                // These would change what happens.
                "WAUT" | "wautJunction" | "rerouter" | "variableSpeedSign" => {
                    return Err(element.error(format!("<{}> is not simulated; remove it", element.name())));
                }
                _ => {}
            }
        }
    }
    Ok(programmes)
}

/// A light's programme.
pub(super) struct Programme<'x> {
    pub(super) offset_s: f64,
    /// Durations, and a letter for every signal.
    phases: Vec<(f64, &'x [u8])>,
}

impl<'x> Programme<'x> {
    fn read(element: Element<'x, '_>) -> Read<Self> {
        let mut phases: Vec<(f64, &[u8])> = Vec::new();
        for phase in element.all("phase") {
            let state = phase.get("state")?.as_bytes();
            if let Some(letter) = state.iter().find(|letter| !b"GgyYrRusoO".contains(letter)) {
                let letter = char::from(*letter);
                return Err(phase.wrong("state", format!("expected letters of GgyrusoO, found {letter:?}")));
            }
            if let Some((_, first)) = phases.first()
                && state.len() != first.len()
            {
                let message = format!("{} letters, the first phase has {}", state.len(), first.len());
                return Err(phase.wrong("state", message));
            }
            phase.get("duration")?;
            phases.push((phase.non_negative_or("duration", 0.0)?, state));
        }
        if phases.iter().all(|(duration_s, ..)| *duration_s == 0.0) {
            return Err(element.error("one phase must take time"));
        }
        Ok(Programme { offset_s: element.number_or("offset", 0.0)?, phases })
    }

    /// How many signals the light has.
    pub(super) fn signals(&self) -> usize {
        self.phases[0].1.len()
    }

    /// Whether who has green under a signal must always yield.
    pub(super) fn yields(&self, signal: usize) -> bool {
        let mut letters = self.phases.iter().map(|(_, state)| state[signal]).filter(|&letter| goes(letter)).peekable();
        letters.peek().is_some() && letters.all(|letter| letter != b'G')
    }

    /// The phases for movements under these signals. Of two that give the same green a controller has one.
    pub(super) fn plans(&self, signals: &[Option<usize>]) -> Vec<PhasePlan> {
        let mut plans: Vec<PhasePlan> = Vec::new();
        for (duration_s, state) in &self.phases {
            let free = |signal: &Option<usize>| signal.is_none_or(|index| goes(state[index]));
            let movements: Vec<usize> = (0..signals.len()).filter(|&movement| free(&signals[movement])).collect();
            let changes = state.iter().any(|letter| b"yYu".contains(letter));
            let known = plans.iter().any(|plan| !plan.passing && plan.movements == movements);
            plans.push(PhasePlan { duration_s: *duration_s, movements, passing: changes || known });
        }
        plans
    }
}

/// Whether somebody may go: with priority, yielding, after a stop, or because the light is off.
fn goes(letter: u8) -> bool {
    b"GgsoO".contains(&letter)
}
