//! Constrained policy optimisation: improve a policy while numbers computed from what groups earn stay at or below zero.
//!
//! The mathematics is in pure functions on vectors ([`tilt`], [`constrained_step`], [`projected_step`], [`ascended`]). What
//! they need of a policy is [`Differentiable`], of which the table is the first. `blocks` is the learner behind all of
//! them: groups take turns, each on what the others do now.
//!
//! | file             | what is in it                                                         |
//! |------------------|-----------------------------------------------------------------------|
//! | `limits`         | constraints as rows with slopes                                       |
//! | `multipliers`    | what an exceeded row costs                                            |
//! | `appraisal`      | returns and advantages, from the model or from a rollout              |
//! | `differentiable` | what an optimiser asks of a policy                                    |
//! | `ascent`         | gradient ascent on a surrogate                                        |
//! | `trust_region`   | steps from products of gradients with the inverse of a Fisher matrix  |
//! | `divergence`     | distances of distributions, and the tilt                              |
//! | `window`         | the last policies: means and mixture                                  |
//! | `learning`       | how to learn, whatever the step                                       |

mod appraisal;
mod ascent;
mod blocks;
mod cpo;
mod cup;
mod differentiable;
mod divergence;
mod focops;
mod learning;
mod limits;
mod multipliers;
mod pcpo;
mod ppo_lagrangian;
mod trust_region;
mod window;

pub use ascent::{Ascent, Seen, climb};
pub use cpo::{Cpo, Rows};
pub use cup::{Cup, coefficient as cup_coefficient, pull as cup_pull};
pub use differentiable::{Decisions, Differentiable};
pub use divergence::{divergence, normal_divergence, tilt};
pub use focops::{Focops, loss as focops_loss, pull as focops_pull};
pub use learning::{Acts, Advantages, Learning, Reading, Turns};
pub use limits::{Limits, Row};
pub use multipliers::{Multipliers, ascended, coefficients};
pub use pcpo::{Pcpo, Projection};
pub use ppo_lagrangian::{PpoLagrangian, pull as ppo_pull};
pub use trust_region::{
    Case, Step, Steps, TrustRegion, conjugate_gradient, constrained_step, constrained_steps, free_length,
    projected_step,
};
