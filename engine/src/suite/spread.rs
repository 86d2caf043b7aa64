//! Values of a metric over seeds, in short.

use serde::Serialize;

/// Values of a metric over seeds, in short.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Standard error of the mean; none with one value.
    pub standard_error: Option<f64>,
    /// How far the interval that holds the true mean with confidence 95 % reaches to either side, by Student's t.
    pub confidence: Option<f64>,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub largest: f64,
}

impl Spread {
    /// Of some values; none where there are none.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let standard_error = (values.len() > 1).then(|| (squares / (n * (n - 1.0))).sqrt());
        let confidence = standard_error.map(|error| error * student(values.len() - 1));
        let least = values.iter().copied().reduce(f64::min)?;
        let largest = values.iter().copied().reduce(f64::max)?;
        Some(Spread { mean, standard_error, confidence, least, largest })
    }
}

/// The t that Student's distribution exceeds, to either side, with a chance of 5 %.
pub fn student(freedom: usize) -> f64 {
    if freedom > 1000 {
        // What is left of the expansion in 1 / freedom is below 1e-8.
        let (z, v) = (1.959_963_984_540_054_f64, freedom as f64);
        return z + (z.powi(3) + z) / (4.0 * v) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * v * v);
    }
    let (mut low, mut high) = (1.9, 13.0);
    while high - low > 1e-12 * high {
        let middle = 0.5 * (low + high);
        match within(middle, freedom) < 0.95 {
            true => low = middle,
            false => high = middle,
        }
        if middle <= low && middle >= high {
            break;
        }
    }
    0.5 * (low + high)
}

/// The chance that Student's t is within `t` of 0: a finite sum, since its degrees of freedom are whole.
/// Abramowitz & Stegun 26.7.3 and 26.7.4.
fn within(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    let (mut term, mut sum) = if odd { (cosine, 0.0) } else { (1.0, 0.0) };
    let mut power = if odd { 1 } else { 0 };
    while power + 2 <= freedom {
        sum += term;
        let (above, below) = ((power + 1) as f64, (power + 2) as f64);
        term *= cosine * cosine * above / below;
        power += 2;
    }
    if odd { std::f64::consts::FRAC_2_PI * (angle + sine * sum) } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_t_is_that_of_the_tables() {
        let known = [
            (1, 12.706_204_736),
            (2, 4.302_652_730),
            (3, 3.182_446_305),
            (4, 2.776_445_105),
            (9, 2.262_157_163),
            (10, 2.228_138_852),
            (30, 2.042_272_456),
            (39, 2.022_690_920),
            (100, 1.983_971_519),
            (1000, 1.962_339_081),
        ];
        for (freedom, t) in known {
            assert!((student(freedom) - t).abs() < 1e-8, "{freedom}: {}", student(freedom));
        }
        assert!((student(1001) - student(1000)).abs() < 1e-5 && student(1001) < student(1000));
    }

    #[test]
    fn a_spread_is_of_all_values() {
        let spread = Spread::of(&[1.0, 2.0, 4.0, 9.0]).expect("there are values");
        assert_eq!((spread.mean, spread.least, spread.largest), (4.0, 1.0, 9.0));
        let error = (38.0_f64 / 12.0).sqrt();
        assert!((spread.standard_error.unwrap_or_default() - error).abs() < 1e-12);
        assert!((spread.confidence.unwrap_or_default() - 3.182_446_305 * error).abs() < 1e-8);
        assert_eq!(Spread::of(&[3.0]).and_then(|spread| spread.confidence), None);
        assert_eq!(Spread::of(&[]), None);
    }
}
