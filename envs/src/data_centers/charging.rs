//! When to charge: each session needs some whole hours out of those ahead, and takes those that are forecast to be best.

/// Hours that are ahead at most.
pub const MOST: usize = 32;

/// The whole hours that a session needs at its rate, at most `ahead`.
pub fn hours_needed(energy_kwh: f64, rate_kw: f64, ahead: u32) -> u32 {
    // A cast of what is too large, or no number, gives the bound or zero.
    ((energy_kwh / rate_kw) as u32).min(ahead)
}

/// Marks the `count` smallest values; of equals, the earlier ones.
pub fn smallest(values: &[f64], count: usize) -> u32 {
    let mut order: [usize; MOST] = std::array::from_fn(|hour| hour);
    let order = &mut order[..values.len()];
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    order[..count.min(values.len())].iter().fold(0, |marks, hour| marks | 1 << hour)
}

/// The sum of marked values.
pub fn sum(values: &[f64], marks: u32) -> f64 {
    values.iter().enumerate().filter(|(hour, _)| marks >> hour & 1 == 1).map(|(_, value)| value).sum()
}

/// What the hours chosen by the forecast cost above the best hours: zero or more.
pub fn decision_regret(forecast: &[f64], truth: &[f64], hours: usize) -> f64 {
    sum(truth, smallest(forecast, hours)) - sum(truth, smallest(truth, hours))
}

/// How far the bill that the forecast promises is from the best bill. Zero does not mean that the hours were well
/// chosen.
pub fn bill_error(forecast: &[f64], truth: &[f64], hours: usize) -> f64 {
    (sum(forecast, smallest(forecast, hours)) - sum(truth, smallest(truth, hours))).abs()
}

/// Its derivative with respect to every value of the forecast.
pub fn bill_error_slope(forecast: &[f64], truth: &[f64], hours: usize, slope: &mut [f64]) {
    let marks = smallest(forecast, hours);
    let sign = (sum(forecast, marks) - sum(truth, smallest(truth, hours))).signum();
    slope.iter_mut().enumerate().for_each(|(hour, slope)| *slope = sign * f64::from(marks >> hour & 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: [f64; 12] = [5.0, 3.0, 8.0, 2.0, 7.0, 1.0, 9.0, 4.0, 6.0, 10.0, 2.5, 3.5];
    const FORECAST: [f64; 12] = [4.0, 4.5, 7.0, 3.0, 6.0, 2.0, 8.0, 1.0, 9.0, 9.5, 5.0, 2.5];

    #[test]
    fn a_good_bill_can_hide_bad_hours() {
        for (hours, regret, error) in [(1, 3.0, 0.0), (3, 3.0, 0.0), (5, 3.5, 0.5), (8, 1.0, 1.0), (12, 0.0, 0.5)] {
            assert_eq!(decision_regret(&FORECAST, &TRUTH, hours), regret, "{hours}");
            assert_eq!(bill_error(&FORECAST, &TRUTH, hours), error, "{hours}");
        }
    }

    #[test]
    fn slopes_of_the_bill_are_differences() {
        for hours in [5, 8, 12] {
            let mut slope = [0.0; 12];
            bill_error_slope(&FORECAST, &TRUTH, hours, &mut slope);
            for hour in 0..12 {
                let at = |by: f64| {
                    let mut moved = FORECAST;
                    moved[hour] += by;
                    bill_error(&moved, &TRUTH, hours)
                };
                assert!((slope[hour] - (at(1e-6) - at(-1e-6)) / 2e-6).abs() < 1e-8, "{hours} hours, hour {hour}");
            }
        }
    }

    /// Every published regret of charging is `|Σ_k P_m(k) ΔS_k|`: an error of the bill by hours needed, weighed by how often
    /// an agent needs them. The first of the different groups, and the plain model.
    #[test]
    fn a_published_regret_is_an_error_of_bills() {
        let sessions = [1.0, 1.0, 1.0, 6.0, 2.0, 3.0, 3.0, 3.0, 1.0, 17.0];
        let errors = [1.0395, 1.3857, 1.7346, 2.0860, 2.4394, 2.7953, 3.1522, 3.5100, 3.8670, 4.2240];
        let sum: f64 = sessions.iter().zip(errors).map(|(sessions, error)| sessions * error).sum();
        assert!((sum / sessions.iter().sum::<f64>() - 3.305335).abs() < 5e-5, "{sum}");
    }

    #[test]
    fn sessions_need_whole_hours() {
        assert_eq!([hours_needed(10.0, 3.0, 12), hours_needed(100.0, 3.0, 12), hours_needed(2.0, 3.0, 12)], [3, 12, 0]);
        assert_eq!(smallest(&[1.0; 5], 3), 0b111, "without a forecast, the first hours");
    }
}
