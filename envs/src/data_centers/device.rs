//! What the twins of the environments with lanes share.

/// WGSL of the draw of a day and of measures of who bears how much.
pub(super) const SHARED: &str = include_str!("shared.wgsl");

/// Steps of the longest episode: in more of them, sums of 32 bits lose digits that the environments promise.
const MOST_STEPS: u32 = 1 << 14;

/// Refuses episodes that are too long to be summed up.
pub(super) fn check_steps(steps: u32) -> Result<(), String> {
    if steps > MOST_STEPS {
        return Err(format!("an episode of more than {MOST_STEPS} steps has no WGSL twin (fewer `hours` have)"));
    }
    Ok(())
}

/// The nearest finite number of 32 bits.
pub(super) fn real(number: f64) -> f32 {
    (number as f32).clamp(f32::MIN, f32::MAX)
}

/// Sine and cosine of the time of day, for a day of so many steps.
pub(super) fn turns(steps: u32) -> Vec<[f32; 2]> {
    let turn = |step: u32| std::f64::consts::TAU * f64::from(step) / f64::from(steps);
    (0..steps).map(|step| [turn(step).sin() as f32, turn(step).cos() as f32]).collect()
}
