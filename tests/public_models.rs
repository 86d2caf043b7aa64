//! Equitable public models, run as a user would run them.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What a command prints as JSON.
fn isonomy(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isonomy"));
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().expect("runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The summary of a run.
fn run(file: &str, sets: &[String]) -> Value {
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let out = scratch.path().join("run");
    let mut arguments =
        vec!["run", file, "--device", "cpu", "--format", "json", "--out", out.to_str().expect("a name")];
    arguments.extend(sets.iter().flat_map(|set| ["--set", set]));
    isonomy(&arguments)
}

#[track_caller]
fn near(summary: &Value, metric: &str, expected: f64, tolerance: f64) {
    let found = summary["metrics"][metric].as_f64().unwrap_or_else(|| panic!("no {metric} in {summary}"));
    assert!((found - expected).abs() <= tolerance, "{metric} is {found}, not {expected}");
}

#[test]
fn a_true_trade_off_is_the_closed_form() {
    for p in [1.0, 1.1, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0] {
        let k = 2.0_f64.powf(1.0 / (2.0 * p - 1.0));
        let forecast = (0.25 + 0.75 * k) / (1.0 + k);
        let regrets = [2.0 * (forecast - 0.75).powi(2), 2.0 * (forecast - 0.25).powi(2)];
        let mean = (2.0 * regrets[0] + regrets[1]) / 3.0;
        let squares = (2.0 * regrets[0].powi(2) + regrets[1].powi(2)) / 3.0;
        for estimator in ["Exact", "ScoreFunction(samples: 4, spread: 0.1, baseline: Line)"] {
            let sets =
                [format!("optimizer.PublicForecast.p={p}"), format!("optimizer.PublicForecast.gradient={estimator}")];
            let summary = run("scenarios/data_centers/true_tradeoff.ron", &sets);
            near(&summary, "forecast", forecast, 0.005);
            near(&summary, "regret_mean", mean, 2e-3);
            near(&summary, "regret_variance", squares - mean * mean, 5e-4);
            near(&summary, "jain", mean * mean / squares, 0.02);
            let queries = summary["metrics"]["queries"].as_f64().expect("a number");
            assert!(queries <= 1e5, "{queries} queries");
        }
    }
}

/// The value of a column in a row of a suite's JSON.
fn cell(suite: &Value, row: &str, metric: &str) -> (f64, Option<f64>) {
    let rows = suite.as_array().expect("rows");
    let run = rows.iter().find(|run| run["name"] == row).unwrap_or_else(|| panic!("no row {row}"));
    let columns = run["metrics"].as_array().expect("columns");
    let column = columns.iter().find(|column| column["metric"] == metric).expect("the column");
    let published = column["published"].as_str().and_then(|text| text.parse().ok());
    (column["mean"].as_f64().expect("a number"), published)
}

#[test]
fn published_regrets_are_rebuilt() {
    let suite = isonomy(&["run", "scenarios/papers/equitable_public_models.ron", "--format", "json"]);
    let (same, different) = ("different groups, same λ: ", "different groups, different λ: ");
    for (block, models, index) in [
        (same, ["plain", "p = 1", "p = 3", "p = 20"], 0.9156),
        (different, ["plain", "p = 1", "p = 3", "p = 10"], 0.7915),
    ] {
        for model in models {
            let row = format!("{block}{model}");
            for metric in ["regret_variance", "regret_c95_c5", "regret_mean"] {
                let (found, published) = cell(&suite, &row, metric);
                let published = published.expect("a published number");
                assert!((found - published).abs() < 1e-6, "{row}: {metric} is {found}, not {published}");
            }
            // All models of a block are equally unequal.
            assert!((cell(&suite, &row, "jain").0 - index).abs() < 5e-5, "{row}");
        }
    }
}

#[test]
fn a_year_of_california() {
    let Some(folder) = std::env::var_os("ISONOMY_DATA") else {
        return eprintln!("SKIPPED: ISONOMY_DATA names no folder with data");
    };
    let folder = Path::new(&folder).join("data-centers");
    let name = |file: &str| folder.join(file).display().to_string();
    let agents = |demand: &str, delay: &str| {
        let cost = format!("Provisioning(demand: {demand}, delay: {delay})");
        format!("environment.PublicModel.agents=[(name: \"centres\", cost: {cost})]")
    };
    let groups = format!("File({:?})", name("dc_demands_sub_groups_test_dist.json"));
    let signal = format!("environment.PublicModel.signal=FuelMix({:?})", name("ciso_2022_fuel_mix.csv"));
    let on = |sets: &[&str]| {
        let mut all = vec![signal.clone(), agents(&groups, "Rising(2)"), "lanes=1".to_owned()];
        all.extend(sets.iter().map(|set| (*set).to_owned()));
        run("scenarios/data_centers/forecast.ron", &all)
    };
    // The columns of the reference: MSE, mean regret, variance, C95 − C5, Jain, mean regret of period means.
    for (model, expected) in [
        ("Persistence", [0.528708, 0.341534, 0.030992, 0.542848, 0.790080, 0.000000]),
        ("Seasonal(24)", [0.756455, 0.564364, 0.084122, 0.915591, 0.791067, 0.000139]),
        ("LeastSquares", [0.318233, 0.212896, 0.012065, 0.344772, 0.789770, 0.021405]),
    ] {
        let summary = on(&["iterations=1", &format!("optimizer.PublicForecast.model={model}")]);
        let metrics = ["mse", "regret_mean", "regret_variance", "regret_c95_c5", "jain", "period_means.regret_mean"];
        // The line was fitted to labels of zero there, which count as 0.01 here.
        for (metric, expected) in metrics.into_iter().zip(expected) {
            near(&summary, metric, expected, 3e-6);
        }
    }
    // Trained on regrets, better than the line in both regards, whatever the power.
    for p in [1, 2, 5, 10] {
        let summary = on(&[&format!("optimizer.PublicForecast.p={p}")]);
        let number = |metric: &str| summary["metrics"][metric].as_f64().expect("a number");
        eprintln!("p = {p}: MSE {:.6}, mean regret {:.6}", number("mse"), number("regret_mean"));
        assert!(number("mse") <= 0.32 && number("regret_mean") <= 0.2129, "p = {p}: {summary}");
    }
    // The block of similar groups, rebuilt like the others.
    let half_hours = format!("HalfHours({:?})", name("azure_total_demand.csv"));
    let truth = 6.19446_f64;
    for (scale, variance, between, mean) in [
        (0.014119500649, 0.008582, 0.289701, 0.273169),
        (0.008222155525, 0.002910, 0.168701, 0.159073),
        (0.002809718756, 0.000340, 0.057649, 0.054359),
        (0.002403213114, 0.000249, 0.049309, 0.046495),
        (0.001358375203, 0.000079, 0.027871, 0.026280),
    ] {
        let middle = 2.0 * truth.sqrt() + scale;
        let forecast = ((middle + (middle * middle - 4.0 * truth).sqrt()) / 2.0).powi(2);
        let sets = [
            format!("environment.PublicModel.signal=Values([{}])", vec![truth.to_string(); 3673].join(", ")),
            "environment.PublicModel.training=0.1".to_owned(),
            agents(&half_hours, "Rising(2)"),
            format!("optimizer.PublicForecast.model=Constant({forecast})"),
            "lanes=1".to_owned(),
        ];
        // 3,306 rows are for judging: whole turns of groups of 57 and of 58 demands.
        let summary = run("scenarios/papers/equitable_public_models_reconstructed.ron", &without_bounds(&sets));
        for (metric, expected) in [("regret_variance", variance), ("regret_c95_c5", between), ("regret_mean", mean)] {
            near(&summary, metric, expected, 1e-6);
        }
    }
}

/// What the scenario expects is of other groups.
fn without_bounds(sets: &[String]) -> Vec<String> {
    sets.iter().cloned().chain(["expect={}".to_owned()]).collect()
}
