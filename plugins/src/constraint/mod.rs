//! Limits on what groups earn.

mod return_floor;
mod return_parity;

pub use return_floor::ReturnFloor;
pub use return_parity::ReturnParity;

use isonomy_engine::metrics::Returns;

fn yes() -> bool {
    true
}

/// The signals that are limited: what each group earns in every task, or over all of them, behind `, task` or nothing.
fn signals(returns: &Returns, per_task: bool) -> Vec<(String, Vec<f64>)> {
    if !per_task {
        return vec![(String::new(), returns.totals())];
    }
    let of_task = |(task, name): (usize, &String)| {
        (format!(", {name}"), (0..returns.groups.len()).map(|group| returns.get(group, task)).collect())
    };
    returns.tasks.iter().enumerate().map(of_task).collect()
}

#[cfg(test)]
fn returns() -> Returns {
    Returns {
        groups: vec!["A".to_owned(), "B".to_owned()],
        tasks: vec!["up".to_owned(), "down".to_owned()],
        mean: vec![1.0, 2.0, 4.0, 1.5],
        standard_error: vec![0.0; 4],
    }
}
