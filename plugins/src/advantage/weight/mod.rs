//! How much a domain counts: factors on the advantages of its responses.
//!
//! Factors must act on advantages. On rewards, or before an estimator that divides by a group's spread, they are lost.

mod floors;
mod group_dro;
mod local_global;
mod welfare_gradient;

pub use floors::Floors;
pub use group_dro::GroupDro;
pub use local_global::LocalGlobal;
pub use welfare_gradient::WelfareGradient;

use isonomy_engine::advantage::Repairs;
use isonomy_engine::gpu::real_constants;
use isonomy_engine::problem::Problem;
use isonomy_engine::quantity::Positive;
use isonomy_engine::welfare::{Direction, Welfare};

fn usual_floor() -> Positive {
    Positive::new(0.01).expect("positive")
}

/// Writes what more accuracy in every domain adds to welfare, scaled to sum to 1. Accuracies below `floor` count as the
/// floor; a derivative below 0, which would train a domain to fail, counts as 0. Both are reported.
///
/// Where welfare has no derivative, or none of its parts is above 0, all domains count alike.
fn gradient(welfare: &dyn Welfare, accuracy: &[f64], floor: f64, weight: &mut [f64]) -> Repairs {
    const FEW: usize = 64;
    let mut few = [0.0; FEW];
    let mut many = Vec::new();
    let held = match few.get_mut(..accuracy.len()) {
        Some(few) => few,
        None => {
            many.resize(accuracy.len(), 0.0);
            &mut many[..]
        }
    };
    held.iter_mut().zip(accuracy).for_each(|(held, accuracy)| *held = accuracy.max(floor));
    let floored = accuracy.iter().filter(|&&accuracy| accuracy < floor).count() as u32;
    let mut repairs = Repairs { floored, ..Repairs::default() };
    let known = welfare.weights(held, weight).is_ok();
    let sign = if welfare.direction() == Direction::Inequality { -1.0 } else { 1.0 };
    for weight in &mut *weight {
        *weight *= sign;
        if *weight < 0.0 {
            (*weight, repairs.negative) = (0.0, repairs.negative + 1);
        }
    }
    let sum: f64 = weight.iter().sum();
    let even = 1.0 / weight.len() as f64;
    let usable = known && sum > 0.0 && sum.is_finite();
    weight.iter_mut().for_each(|weight| *weight = if usable { *weight / sum } else { even });
    repairs
}

/// `weight / share`, the factor that turns an expectation over what is sampled into one over `weight`; 0 where nothing is
/// sampled.
fn by_share(weight: &mut [f64], share: &[f64]) {
    for (weight, &share) in weight.iter_mut().zip(share) {
        *weight = if share > 0.0 { *weight / share } else { 0.0 };
    }
}

/// [`by_share`] in WGSL, `weigh_by_share`.
const BY_SHARE: &str = include_str!("by_share.wgsl");

/// [`gradient`] in WGSL, `welfare_gradient`, for a welfare function that has a twin.
fn gradient_twin(welfare: &dyn Welfare, floor: Positive) -> Result<String, String> {
    let weight = format!("fn welfare_weight(i: u32) -> f32 {{\n    return {};\n}}\n", welfare.twin()?);
    Ok(real_constants(&[("WELFARE_FLOOR", floor.get())]) + &weight + include_str!("gradient.wgsl"))
}

/// What a welfare function has against so many domains.
fn check(welfare: &dyn Welfare, domains: usize) -> Vec<Problem> {
    let slot = format!("welfare.{}", welfare.typetag_name());
    welfare.check(domains).into_iter().map(|problem| problem.under(&slot)).collect()
}
