//! Tier 1: how many servers to run. `cost = c s + λ D / (s − D)`: carbon and energy of `s > D` servers, and a price `λ` of
//! the delay in a queue that they serve.

/// What `servers` cost.
pub fn cost(servers: f64, demand: f64, delay_price: f64, carbon: f64) -> f64 {
    carbon * servers + delay_price * demand / (servers - demand)
}

/// The servers that cost least where the signal is `carbon`.
pub fn servers(demand: f64, delay_price: f64, carbon: f64) -> f64 {
    demand + (delay_price * demand / carbon).sqrt()
}

/// The least cost.
pub fn optimum(demand: f64, delay_price: f64, carbon: f64) -> f64 {
    carbon * demand + 2.0 * (delay_price * demand * carbon).sqrt()
}

/// How strongly somebody with this demand feels a wrong forecast, `√(λ D)`.
pub fn sensitivity(demand: f64, delay_price: f64) -> f64 {
    (delay_price * demand).sqrt()
}

/// What acting on `forecast` costs above the optimum: `√(λD) (√ĉ − √c)² / √ĉ`. The difference of the two costs is the
/// same, but most of its digits cancel.
pub fn regret(sensitivity: f64, forecast: f64, truth: f64) -> f64 {
    sensitivity * (forecast.sqrt() - truth.sqrt()).powi(2) / forecast.sqrt()
}

/// Its derivative with respect to the forecast.
pub fn slope(sensitivity: f64, forecast: f64, truth: f64) -> f64 {
    0.5 * sensitivity * (1.0 - truth / forecast) / forecast.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        for (delay, demand, truth, forecast, action, paid, least, regretted, changes) in [
            (2.0, 5.0, 4.0, 4.0, 6.581138830, 32.649110641, 32.649110641, 0.0, 0.0),
            (2.0, 5.0, 4.0, 2.0, 7.236067977, 33.416407865, 32.649110641, 0.767297224, -1.118033989),
            (2.0, 5.0, 4.0, 8.0, 6.118033989, 33.416407865, 32.649110641, 0.767297224, 0.279508497),
            (10.0, 2.0, 1.0, 3.0, 4.581988897, 12.327955590, 10.944271910, 1.383683680, 0.860662966),
            (50.0, 9.0, 6.5, 5.75, 17.846517369, 166.869837774, 166.666538264, 0.203299510, -0.576946785),
        ] {
            let own = sensitivity(demand, delay);
            let capacity = servers(demand, delay, forecast);
            for (found, expected) in [
                (capacity, action),
                (cost(capacity, demand, delay, truth), paid),
                (optimum(demand, delay, truth), least),
                (cost(servers(demand, delay, truth), demand, delay, truth), least),
                (regret(own, forecast, truth), regretted),
                (slope(own, forecast, truth), changes),
            ] {
                assert!((found - expected).abs() < 6e-10, "{found}, not {expected}");
            }
            let difference = (regret(own, forecast + 1e-5, truth) - regret(own, forecast - 1e-5, truth)) / 2e-5;
            assert!((difference - changes).abs() < 1e-7, "{difference}, {changes}");
        }
    }
}
