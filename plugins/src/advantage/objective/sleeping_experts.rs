//! Groupwise regret: every group, and groups may overlap, has a learner of its own, and the learners of the groups to which
//! somebody belongs are mixed so that each group does as well as with its own. AdaNormalHedge for experts that sleep; after
//! arXiv 2310.04652 (2023) and Luo & Schapire, COLT 2015.

/// What is remembered of a group: how much better its learner did than the mixture, and over how much.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Record {
    /// Sum of `M − l`, M the loss of the mixture.
    pub regret: f64,
    /// Sum of `|M − l|`.
    pub stake: f64,
}

/// `Φ(R, C) = exp(max(R, 0)² / 3C)`; 1 where nothing is at stake and nothing regretted.
fn potential(regret: f64, stake: f64) -> f64 {
    let regret = regret.max(0.0);
    if regret == 0.0 { 1.0 } else { (regret * regret / (3.0 * stake)).exp() }
}

impl Record {
    /// `(Φ(R+1, C+1) − Φ(R−1, C+1)) / 2`.
    pub fn weight(&self) -> f64 {
        let stake = self.stake + 1.0;
        (potential(self.regret + 1.0, stake) - potential(self.regret - 1.0, stake)) / 2.0
    }
}

/// Chances with which the learners of the active groups are followed; even where all weights are 0.
pub fn mixture(active: &[Record]) -> Vec<f64> {
    let weights: Vec<f64> = active.iter().map(Record::weight).collect();
    let sum: f64 = weights.iter().sum();
    let even = 1.0 / active.len() as f64;
    weights.iter().map(|weight| if sum > 0.0 { weight / sum } else { even }).collect()
}

/// Books the losses, in [0, 1], that the learners of the active groups had, and returns that of the mixture.
pub fn settle(active: &mut [Record], losses: &[f64]) -> f64 {
    let mixed: f64 = mixture(active).iter().zip(losses).map(|(chance, loss)| chance * loss).sum();
    for (record, loss) in active.iter_mut().zip(losses) {
        record.regret += mixed - loss;
        record.stake += (mixed - loss).abs();
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 2e-6, "{found}, not {expected}");
    }

    fn record(regret: f64, stake: f64) -> Record {
        Record { regret, stake }
    }

    #[test]
    fn weights_and_a_round() {
        for (regret, stake, weight) in
            [(0.0, 0.0, 0.197806), (1.0, 2.0, 0.279812), (-1.0, 2.0, 0.0), (3.0, 5.0, 0.591788)]
        {
            near(record(regret, stake).weight(), weight);
        }
        let mut active = [record(1.0, 2.0), record(3.0, 5.0)];
        let chances = mixture(&active);
        near(chances[0], 0.321032);
        near(settle(&mut active, &[0.4, 0.1]), 0.196310);
        near(active[0].regret - 1.0, -0.203690);
        near(active[1].regret - 3.0, 0.096310);
        assert_eq!(mixture(&[record(-1.0, 2.0), record(-5.0, 9.0)]), [0.5, 0.5]);
    }

    /// Two overlapping groups, one of which is everybody: each stays close to its own learner.
    #[test]
    fn no_group_regrets_much() {
        let (mut records, mut own, mut mixed) = ([Record::default(); 2], [0.0; 2], [0.0; 2]);
        let mut rounds = [0.0; 2];
        for round in 0..4000_u32 {
            let minority = round % 3 == 0;
            // The learner of all is bad for the minority, that of the minority is good for it.
            let losses = [if minority { 0.8 } else { 0.2 }, 0.3];
            let active = if minority { 2 } else { 1 };
            let loss = settle(&mut records[..active], &losses[..active]);
            for group in 0..active {
                own[group] += losses[group];
                mixed[group] += loss;
                rounds[group] += 1.0;
            }
        }
        for group in 0..2 {
            assert!(mixed[group] - own[group] < 5.0 * f64::sqrt(rounds[group]), "{group}: {mixed:?} {own:?}");
        }
    }
}
