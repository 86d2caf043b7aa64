use isonomy_engine::advantage::{Blindness, Responses, RewardShaper};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::{Finite, Positive};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds a bonus to all rewards of a domain: the obvious way to favour one, and one that most estimators cannot see.
///
/// `r + c_d`. A prompt's responses all get the same, so GRPO, Dr. GRPO, RLOO and OPO are unchanged: a scenario that
/// combines them is refused. It works with `Reinforce`, `ReinforcePlusPlus` and a critic. Shao et al., arXiv 2402.03300
/// (2024), subtract the group's mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainBonus {
    /// The bonus of every domain.
    pub bonus: Vec<Finite>,
}

/// Multiplies all rewards of a domain, which estimators that divide by a group's spread cannot see.
///
/// `r · s_d`. GRPO is unchanged: a scenario that combines them is refused. With Dr. GRPO it is the same as a factor on
/// advantages. Shao et al., arXiv 2402.03300 (2024), divide by the group's spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainFactor {
    /// The factor of every domain.
    pub factor: Vec<Positive>,
}

isonomy_engine::plugin!(RewardShaper: DomainBonus, "(bonus: [0, 0.2])");
isonomy_engine::plugin!(RewardShaper: DomainFactor, "(factor: [1, 2])");

fn mismatch(field: &str, found: usize, domains: usize) -> Vec<Problem> {
    let problem = || Problem::at(field, format!("{found} entries for {domains} domains")).help("give one per domain");
    (found != domains).then(problem).into_iter().collect()
}

#[typetag::serde]
impl RewardShaper for DomainBonus {
    fn shape(&self, batch: &Responses<'_>, reward: &mut [f64]) {
        let of = |&domain: &u32| self.bonus[domain as usize].get();
        reward.iter_mut().zip(batch.domain).for_each(|(reward, domain)| *reward += of(domain));
    }

    fn changes_groups_by(&self) -> Blindness {
        Blindness { sums: true, factors: false }
    }

    fn check(&self, domains: usize) -> Vec<Problem> {
        mismatch("bonus", self.bonus.len(), domains)
    }
}

#[typetag::serde]
impl RewardShaper for DomainFactor {
    fn shape(&self, batch: &Responses<'_>, reward: &mut [f64]) {
        let of = |&domain: &u32| self.factor[domain as usize].get();
        reward.iter_mut().zip(batch.domain).for_each(|(reward, domain)| *reward *= of(domain));
    }

    fn changes_groups_by(&self) -> Blindness {
        Blindness { sums: false, factors: true }
    }

    fn check(&self, domains: usize) -> Vec<Problem> {
        mismatch("factor", self.factor.len(), domains)
    }
}
