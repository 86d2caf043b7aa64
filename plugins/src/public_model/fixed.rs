//! Forecasts that nobody trains: what every model has to beat.

use isonomy_engine::public::{Part, PublicSignal};

/// The weights of a history, the last one that of a constant, which predict each value with the least squared error on
/// the rows for training, `[values][history + 1]`. None where the rows do not determine them.
pub fn least_squares(signal: &dyn PublicSignal) -> Option<Vec<Vec<f64>>> {
    let (unknowns, values) = (signal.history() + 1, signal.values());
    // Normal equations, with the right-hand sides in the last columns.
    let width = unknowns + values;
    let mut system = vec![0.0; unknowns * width];
    let mut seen = vec![1.0; width];
    for row in 0..signal.rows(Part::Training) {
        seen[..unknowns - 1].copy_from_slice(signal.known(Part::Training, row));
        seen[unknowns..].copy_from_slice(signal.truth(Part::Training, row));
        for (left, equation) in system.chunks_exact_mut(width).enumerate() {
            let factor = seen[left];
            equation.iter_mut().zip(&seen).for_each(|(sum, right)| *sum += factor * right);
        }
    }
    eliminate(&mut system, unknowns, width)?;
    Some((0..values).map(|value| (0..unknowns).map(|at| system[at * width + unknowns + value]).collect()).collect())
}

/// Turns the left square of a system into the identity (Gauss & Jordan, with the largest pivot first).
fn eliminate(system: &mut [f64], unknowns: usize, width: usize) -> Option<()> {
    let size = system.iter().map(|x| x.abs()).fold(0.0, f64::max);
    for column in 0..unknowns {
        let pivot = (column..unknowns)
            .max_by(|&a, &b| system[a * width + column].abs().total_cmp(&system[b * width + column].abs()))?;
        if system[pivot * width + column].abs() <= 1e-13 * size {
            return None;
        }
        (0..width).for_each(|at| system.swap(pivot * width + at, column * width + at));
        let scale = system[column * width + column];
        system[column * width..][..width].iter_mut().for_each(|x| *x /= scale);
        let equation = system[column * width..][..width].to_vec();
        for other in (0..unknowns).filter(|&other| other != column) {
            let factor = system[other * width + column];
            let row = &mut system[other * width..][..width];
            row.iter_mut().zip(&equation).for_each(|(x, own)| *x -= factor * own);
        }
    }
    Some(())
}
