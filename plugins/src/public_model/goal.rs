//! What training aims at: the Equitable Objective of regrets, blended with the squared error of the forecast.

use crate::welfare::equitable::{self, Reading};

/// `(1/M) (Σ_m (1−β) R_m^p + β MSE)^(1/p)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// The power.
    pub p: f64,
    /// What the regret of an agent is, given samples of it.
    pub reading: Reading,
    /// The share β of the squared error.
    pub blend: f64,
}

/// How agents stand: the regret that the reading makes of their samples, and the forecast's squared error.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Standing {
    /// By agent: `E ρ`, or `(E ρ^p)^(1/p)`.
    pub regrets: Vec<f64>,
    /// Mean over samples and values.
    pub squared_error: f64,
}

impl Standing {
    /// Of samples `[samples, agents]`.
    pub fn of(goal: &Goal, samples: &[f64], agents: usize, squared_error: f64) -> Self {
        Standing { regrets: equitable::read(goal.reading, goal.p, samples, agents), squared_error }
    }

    /// Moves towards another by `share` of the way.
    pub fn follow(&mut self, other: &Standing, share: f64) {
        for (mine, other) in self.regrets.iter_mut().zip(&other.regrets) {
            *mine += share * (other - *mine);
        }
        self.squared_error += share * (other.squared_error - self.squared_error);
    }
}

/// The derivative of a [`Goal`] at a [`Standing`].
#[derive(Clone, Debug)]
pub struct Pull {
    goal: Goal,
    /// `(Σ_m (1−β) R_m^p + β MSE)^(1/p)`.
    total: f64,
    /// With respect to the mean regret of every agent.
    weights: Vec<f64>,
    /// With respect to the squared error.
    pub of_error: f64,
}

impl Goal {
    /// `(Σ_m (1−β) R_m^p + β MSE)^(1/p)`, relative to the largest part so that no power underflows.
    fn total(&self, standing: &Standing) -> f64 {
        let (p, agents) = (self.p, standing.regrets.len() as f64);
        let error = agents * self.blend * standing.squared_error;
        let own = (1.0 - self.blend).powf(p.recip()) * equitable::norm(p, &standing.regrets);
        let top = own.max(error.powf(p.recip())).max(1e-12);
        top * ((own / top).powf(p) + error / top.powf(p)).powf(p.recip())
    }

    /// The number that is to be small.
    pub fn value(&self, standing: &Standing) -> f64 {
        self.total(standing) / standing.regrets.len() as f64
    }

    /// How that number changes with what it is made of.
    pub fn pull(&self, standing: &Standing) -> Pull {
        let (total, agents) = (self.total(standing), standing.regrets.len() as f64);
        let scale = (1.0 - self.blend) / agents;
        let weight = |regret: &f64| scale * (regret.max(1e-12) / total).powf(self.p - 1.0);
        Pull {
            goal: *self,
            total,
            weights: standing.regrets.iter().map(weight).collect(),
            of_error: if self.blend > 0.0 { self.blend / self.p * total.powf(1.0 - self.p) } else { 0.0 },
        }
    }
}

impl Pull {
    /// The derivative with respect to one sample of an agent's regret, times the number of samples.
    pub fn of_sample(&self, agent: usize, regret: f64) -> f64 {
        let agents = self.weights.len() as f64;
        match self.goal.reading {
            Reading::PowerOfMean => self.weights[agent],
            Reading::MeanOfPower => {
                (1.0 - self.goal.blend) / agents * (regret.max(1e-12) / self.total).powf(self.goal.p - 1.0)
            }
        }
    }

    /// What a sample of everyone's regrets adds to the goal, to first order: what a score function is multiplied with.
    pub fn charge(&self, regrets: &[f64]) -> f64 {
        let of_agent = |(agent, regret): (usize, &f64)| self.of_sample(agent, *regret) * regret;
        let sum: f64 = regrets.iter().enumerate().map(of_agent).sum();
        match self.goal.reading {
            Reading::PowerOfMean => sum,
            Reading::MeanOfPower => sum / self.goal.p,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulls_are_differences() {
        let samples = [0.2, 0.1, 0.4, 0.05, 0.2, 0.3, 0.4, 1.6];
        for reading in [Reading::PowerOfMean, Reading::MeanOfPower] {
            for (p, blend) in [(1.0, 0.0), (2.0, 0.3), (5.0, 0.0), (3.0, 1.0), (10.0, 0.5)] {
                let goal = Goal { p, reading, blend };
                let value = |samples: &[f64], error: f64| goal.value(&Standing::of(&goal, samples, 4, error));
                let pull = goal.pull(&Standing::of(&goal, &samples, 4, 0.7));
                for at in 0..samples.len() {
                    let moved = |by: f64| {
                        let mut moved = samples;
                        moved[at] += by;
                        value(&moved, 0.7)
                    };
                    let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                    let found = pull.of_sample(at % 4, samples[at]) / 2.0;
                    assert!((found - difference).abs() < 1e-8, "{goal:?}: {found}, {difference}");
                }
                let difference = (value(&samples, 0.7 + 1e-6) - value(&samples, 0.7 - 1e-6)) / 2e-6;
                assert!((pull.of_error - difference).abs() < 1e-8, "{goal:?}: {}, {difference}", pull.of_error);
            }
        }
        // The plain model: nothing but the squared error.
        let plain = Goal { p: 1.0, reading: Reading::PowerOfMean, blend: 1.0 };
        assert!((plain.value(&Standing::of(&plain, &samples, 4, 0.7)) - 0.7).abs() < 1e-12);
    }
}
