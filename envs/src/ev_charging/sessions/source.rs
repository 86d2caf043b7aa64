//! The sessions of an episode, as a function of its noise.

use super::mixture::Sampler;
use super::tables::{Poisson, Ports};
use super::words::Words;
use crate::ev_charging::session::Session;

/// Where the sessions of an episode come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source(pub(super) Kind);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// The same every time, by episode of the calendar.
    Written(Vec<Vec<Session>>),
    Mixture(Sampler),
    Poisson(Poisson),
    Ports(Ports),
}

impl Source {
    /// No episode has more sessions.
    pub fn most(&self) -> usize {
        match &self.0 {
            Kind::Written(episodes) => episodes.iter().map(Vec::len).max().unwrap_or(0),
            Kind::Mixture(sampler) => sampler.most(),
            Kind::Poisson(poisson) => poisson.most(),
            Kind::Ports(ports) => ports.most(),
        }
    }

    /// No episode looks at more words of noise.
    pub fn words(&self) -> usize {
        match &self.0 {
            Kind::Written(_) => 0,
            Kind::Mixture(sampler) => sampler.words(),
            Kind::Poisson(poisson) => poisson.words(),
            Kind::Ports(ports) => ports.words(),
        }
    }

    /// Puts the sessions of an episode of the calendar into `sessions`, by arrival. `word` gives its words of noise by
    /// number. Returns the cars that found no free station, where that is decided here.
    pub fn draw(&self, episode: usize, word: &dyn Fn(usize) -> u32, sessions: &mut Vec<Session>) -> u32 {
        sessions.clear();
        let mut words = Words::new(word);
        match &self.0 {
            // A day written out is the same on every date.
            Kind::Written(episodes) => sessions.extend_from_slice(&episodes[episode % episodes.len()]),
            Kind::Mixture(sampler) => return sampler.draw(&mut words, sessions),
            Kind::Poisson(poisson) => poisson.draw(episode, &mut words, sessions),
            Kind::Ports(ports) => ports.draw(episode, &mut words, sessions),
        }
        0
    }
}
