use super::lanes;
use isonomy_engine::fairness::{FairnessReward, RewardBatch};
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::NonNegative;
use isonomy_engine::spec::Spec;
use isonomy_engine::welfare::{Direction, Welfare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Long-term fairness: pays everyone in a lane what a step adds to the welfare of all that was earned so far.
///
/// `W(e + u_t) − W(e + u_{t−1})` in place of the reward, in each task: `u_t` are the agents' returns so far this episode and
/// `e` is the endowment, so an episode adds up to `W(e + u)` of its final returns, less `W(e)`. Inequality indices, of which
/// less is better, are paid with the opposite sign. Any welfare of the shelf, in its own domain. Alamdari, Klassen, Creager
/// & McIlraith, arXiv 2312.04772 (2023); Yin et al., arXiv 2304.09362 (2023).
///
/// Surprises: this is the EXPECTED welfare of realised returns, of agents (`shaped_return_mean`, plus `W(e)` for each task); `WelfareWeighted` ascends the welfare of EXPECTED
/// returns, of groups. For a curved W luck alone lowers the first. All agents of a lane are taught the same, whoever earned
/// it. It replaces rewards, also what plugins listed before made of them. Welfare depends on what was earned before: a
/// policy that does not see that can only do well on average. Where W needs utilities above 0, the endowment must see to
/// it, and it changes what is fair: the larger it is, the less small shares matter.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LongTerm {
    /// The welfare function, W.
    pub welfare: Box<dyn Welfare>,
    /// What every agent has when an episode begins, e, in units of return.
    #[serde(default = "nothing")]
    pub endowment: NonNegative,
}

isonomy_engine::plugin!(FairnessReward: LongTerm, r#"(welfare: {"Nash": ()}, endowment: 0.1)"#);

fn nothing() -> NonNegative {
    NonNegative::new(0.0).expect("nothing is not negative")
}

#[typetag::serde]
impl FairnessReward for LongTerm {
    fn shape(&self, batch: RewardBatch<'_>) {
        let endowment = self.endowment.get();
        super::with_room(batch.group.len(), |had| {
            for lane in lanes(batch) {
                had.iter_mut().enumerate().for_each(|(agent, had)| *had = endowment + lane.before(agent));
                let before = self.score(had);
                had.iter_mut().enumerate().for_each(|(agent, had)| *had = endowment + lane.after(agent));
                lane.shaped.fill((self.score(had) - before) as f32);
            }
        });
    }

    fn check(&self, spec: &Spec) -> Vec<Problem> {
        let slot = format!("welfare.{}", self.welfare.typetag_name());
        let agents = spec.agents() as usize;
        let mut problems: Vec<_> = self.welfare.check(agents).into_iter().map(|problem| problem.under(&slot)).collect();
        if problems.is_empty() {
            problems.extend(spec.tasks.iter().filter_map(|task| self.leaves_domain(spec, &task.name, task.reward)));
        }
        problems
    }
}

impl LongTerm {
    /// Welfare, or the opposite of inequality. [`check`](FairnessReward::check) has seen to it that there is one; what
    /// rounding pushes over the edge is not a number, which no learner takes for a reward.
    fn score(&self, utilities: &[f64]) -> f64 {
        let value = self.welfare.value(utilities).unwrap_or(f64::NAN);
        if self.welfare.direction() == Direction::Inequality { -value } else { value }
    }

    /// Whether an agent can have so little that there is no welfare: at the beginning, or after the worst of episodes.
    fn leaves_domain(&self, spec: &Spec, task: &str, (least, _): (f32, f32)) -> Option<Problem> {
        let lowest = self.endowment.get() + f64::from(spec.time_limit) * f64::from(least.min(0.0));
        let error = self.welfare.value(&vec![lowest; spec.agents() as usize]).err()?;
        let message = format!("an agent may have {lowest} in {task}, but {} needs {}", error.notion, error.needed);
        let help = "a larger endowment, or a welfare that takes any utilities, such as SoftMin or GiniWelfare";
        Some(Problem::at("endowment", message).help(help))
    }
}
