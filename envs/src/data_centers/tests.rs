//! The environments as a scenario runs them.

use super::{DataCenters, LoadBalancing, PublicModel};
use isonomy_engine::controller::Controller;
use isonomy_engine::environment::Environment;
use isonomy_engine::noise::Phase;
use isonomy_engine::policy::TabularPolicy;
use isonomy_engine::public::{Part, PublicSignal};
use isonomy_engine::sim::{Earnings, Setup, Sim};
use isonomy_engine::spec::Space;
use std::path::Path;

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    options.from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a controller earns in an episode.
fn episode(environment: &dyn Environment, controller: &str, lanes: usize) -> Earnings {
    let controller: Box<dyn Controller> = read(controller);
    assert_eq!(environment.check(), []);
    assert_eq!(controller.check(environment), []);
    let setup = Setup { lanes, seed: 5, phase: Phase::Training, threads: 2, device: None };
    let mut sim = Sim::new(environment, Vec::new(), setup).unwrap();
    assert!(sim.set_rule(&controller.rule(environment)));
    sim.advance(environment.spec().time_limit as usize).unwrap();
    sim.take_returns().unwrap()
}

fn measure(earnings: &Earnings, name: &str) -> f64 {
    earnings.measures.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name}")).1
}

/// The five hours of the reference: ten servers of 1 kW, everything can wait.
fn five_hours(queue: f64) -> DataCenters {
    read(&format!(
        "(hours: 5, days: 1, weights: (queue: {queue}), centers: [(
            name: \"one\", servers: 10, flexible: 1, idle_kw: 0, full_kw: 1, heat: Effectiveness(1),
            load: Values([6, 6, 2, 2, 0]), carbon: Values([0.4, 0.5, 0.2, 0.1, 0.1]),
        )])"
    ))
}

#[test]
fn controllers_of_five_hours() {
    for (controller, queue, carbon, queue_hours) in [
        (r#"{"RunEverything": ()}"#, 0.0, 6.0, 0.0),
        (r#"{"CleanestHours": ()}"#, 0.0, 1.6, f64::NAN),
        (r#"{"CleanestHours": ()}"#, 0.05, f64::NAN, f64::NAN),
        (r#"{"CleanestHours": ()}"#, 0.2, f64::NAN, f64::NAN),
    ] {
        let earned = episode(&five_hours(queue), controller, 3);
        let told = |name: &str, expected: f64| {
            let found = measure(&earned, name);
            assert!(expected.is_nan() || (found - expected).abs() < 1e-5, "{controller}: {name} is {found}");
        };
        told("carbon_kg", carbon);
        told("queue_hours", queue_hours);
        told("overdue", 0.0);
        told("left_over", 0.0);
        told("run_share", 1.0);
        let best = match queue {
            _ if controller.contains("Everything") => 6.0,
            0.05 => 3.5,
            0.2 => 5.4,
            _ => 1.6,
        };
        let found = earned.returns.mean[0];
        assert!((found + best).abs() < 1e-5, "{controller} with a queue at {queue}: {found}");
    }
}

fn company() -> DataCenters {
    read(
        "(step_minutes: 30, centers: [
            (
                name: \"north\", agents: 2, servers: 100, load: Daily(mean: 45, swing: 0.4, peak: 15),
                carbon: Grid(number: 1, low: 0.05, high: 0.5), battery: (capacity_kwh: 20, power_kw: 5),
            ),
            (
                name: \"south\", servers: 60, load: Daily(mean: 30, swing: 0.3, peak: 20), heat: Chiller,
                carbon: Grid(number: 2, low: 0.1, high: 0.9), ambient: Daily(mean: 28, swing: 0.3, peak: 15),
            ),
        ])",
    )
}

#[test]
fn who_knows_more_emits_less() {
    let carbon = |controller: &str| {
        let earned = episode(&company(), controller, 40);
        assert!((measure(&earned, "overdue")).abs() < 1e-9, "{controller}");
        // What is left at the end is as much as comes in the last hours at most.
        assert!(measure(&earned, "run_share") > 0.9, "{controller}: {}", measure(&earned, "run_share"));
        measure(&earned, "carbon_kg")
    };
    let everything = carbon(r#"{"RunEverything": ()}"#);
    let best = carbon(r#"{"CleanestHours": ()}"#);
    assert!(best < 0.99 * everything, "{best}, {everything}");
    let threshold = episode(&company(), r#"{"CarbonThreshold": (share: 0.4)}"#, 40);
    let per_work = |earned: &Earnings| measure(earned, "carbon_kg") / measure(earned, "run_share");
    assert!(per_work(&threshold) < everything, "{}", per_work(&threshold));
    assert!(measure(&threshold, "queue_hours") > 0.0);
}

#[test]
fn rules_of_another_environment_are_refused() {
    let controller: Box<dyn Controller> = read(r#"{"FairHours": (mu: 0.1)}"#);
    assert!(controller.check(&company())[0].message.contains("DataCenters"));
}

fn three_regions() -> LoadBalancing {
    read(
        "(hours: 10, load: Steady(10), regions: [
            (name: \"hydro\", capacity: 8, price: Steady(0.10), carbon: Steady(0.2)),
            (name: \"gas\", capacity: 8, price: Steady(0.08), carbon: Steady(0.3)),
            (name: \"coal\", capacity: 8, price: Steady(0.05), carbon: Steady(0.5)),
        ])",
    )
}

#[test]
fn regions_share_what_one_would_bear() {
    for (mu, cost, worst) in [(0.0, 5.6, 40.0), (0.1, 6.875, 18.75), (0.2, 8.38710, 9.67742)] {
        let earned = episode(&three_regions(), &format!("{{\"FairHours\": (mu: {mu})}}"), 2);
        assert!((measure(&earned, "cost") - cost).abs() < 1e-4, "{mu}: {}", measure(&earned, "cost"));
        assert!((measure(&earned, "worst_carbon_kg") - worst).abs() < 1e-4);
        assert_eq!(measure(&earned, "refused"), 0.0);
    }
    let online = episode(&three_regions(), r#"{"MirrorDescent": (mu: 0.3, rate: 1)}"#, 2);
    assert!(measure(&online, "carbon_jain") > 0.9, "{}", measure(&online, "carbon_jain"));
}

#[test]
fn water_is_shared_as_carbon_is() {
    let regions: LoadBalancing = read(
        "(hours: 10, load: Steady(10), water_weight: 1, regions: [
            (name: \"hydro\", capacity: 8, price: Steady(0.10), carbon: Steady(0.2), water: Steady(0.5)),
            (name: \"gas\", capacity: 8, price: Steady(0.08), carbon: Steady(0.3), water: Steady(0.3)),
            (name: \"coal\", capacity: 8, price: Steady(0.05), carbon: Steady(0.5), water: Steady(0.2)),
        ])",
    );
    let fair = episode(&regions, r#"{"FairHours": (mu: 0, mu_water: 9)}"#, 2);
    assert!((measure(&fair, "water_jain") - 1.0).abs() < 1e-9);
    // Shares are as 1/.5 to 1/.3 to 1/.2.
    assert!((measure(&fair, "worst_water_l") - 100.0 / (2.0 + 10.0 / 3.0 + 5.0)).abs() < 1e-4);
    let online = episode(&regions, r#"{"MirrorDescent": (mu: 0, mu_water: 0.3, rate: 1)}"#, 2);
    let worst = |earned: &Earnings| measure(earned, "worst_water_l");
    assert!(worst(&online) < worst(&episode(&regions, r#"{"FairHours": (mu: 9)}"#, 2)), "{}", worst(&online));
}

/// The five hours, decided on by codes.
#[test]
fn codes_open_capacity_and_tell_batteries() {
    let mut company = company();
    for (action, codes) in
        [("Levels(levels: 4)", 5), ("Levels(levels: 4, battery: true)", 15), ("Shift(battery: true)", 9)]
    {
        company.action = read(action);
        assert_eq!(company.spec().action, Space::Discrete(codes), "{action}");
        let everything = episode(&company, r#"{"RunEverything": ()}"#, 8);
        company.action = read("Open");
        let plain = episode(&company, r#"{"RunEverything": ()}"#, 8);
        // A rule tells the battery what its own rule says, so nothing changes.
        assert_eq!(measure(&everything, "carbon_kg"), measure(&plain, "carbon_kg"), "{action}");
    }
    let mut five = five_hours(0.0);
    five.action = read("Shift()");
    for (codes, runs) in [([0, 0, 0, 0, 2], [0.0, 0.0, 0.0, 0.0, 10.0]), ([1, 0, 1, 2, 1], [6.0, 0.0, 2.0, 8.0, 0.0])] {
        let setup = Setup { lanes: 1, seed: 5, phase: Phase::Training, threads: 1, device: None };
        let mut sim = Sim::new(&five, Vec::new(), setup).unwrap();
        let policy = TabularPolicy::from_chances(sim.spec(), 5, |step, _, _, chances| chances[codes[step]] = 1.0);
        sim.set_policy(&policy);
        sim.advance(5).unwrap();
        let earned = sim.take_returns().unwrap();
        let carbon: f64 = runs.iter().zip([0.4, 0.5, 0.2, 0.1, 0.1]).map(|(run, carbon)| run * carbon).sum();
        assert!((measure(&earned, "carbon_kg") - carbon).abs() < 1e-6, "{codes:?}: {}", measure(&earned, "carbon_kg"));
    }
}

#[test]
fn costs_are_tasks_of_their_own() {
    let mut five = five_hours(0.0);
    five.costs = read("[Overdue, CrowdedOut, Carbon(budget_kg: 4)]");
    let earned = episode(&five, r#"{"RunEverything": ()}"#, 2);
    // Six kg are emitted, nothing is late.
    let expected = [-6.0, 0.0, 0.0, 2.0];
    earned.returns.mean.iter().zip(expected).for_each(|(found, expected)| assert!((found - expected).abs() < 1e-5));
    five.centers[0].flexible = read("0");
    five.centers[0].servers = read("4");
    let earned = episode(&five, r#"{"RunEverything": ()}"#, 2);
    assert!((earned.returns.mean[2] - 4.0).abs() < 1e-5, "two units find no room in each of two hours");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let of = |environment: &dyn Environment| -> Vec<String> {
        environment.check().into_iter().map(|problem| problem.path).collect()
    };
    let mut company = company();
    company.step_minutes = 7.try_into().unwrap();
    company.centers[1].name = "north".to_owned();
    company.centers[0].full_kw = isonomy_engine::quantity::NonNegative::new(0.05).unwrap();
    company.centers[0].load = read("Values([])");
    assert_eq!(of(&company), ["centers[1].name", "centers[0].load", "centers[0].full_kw", "step_minutes"]);
    for (text, path) in [
        ("(signal: Even(9), agents: [(name: \"a\", cost: Lopsided(agents: 1, below: 1, above: 1))])", "history"),
        (
            "(signal: Values([1, 2, 3]), agents: [(name: \"a\", cost: Lopsided(agents: 1, below: 1, above: 1))])",
            "signal",
        ),
        ("(signal: Synthetic(99), agents: [(name: \"a\", cost: Charging(need: [[3]]))])", "agents[0].cost"),
        (
            "(signal: Synthetic(99), agents: [(name: \"a\", hours: (5, 5), cost: Charging(need: [[1]]))])",
            "agents[0].hours",
        ),
    ] {
        let environment: PublicModel = read(text);
        assert_eq!(of(&environment), [path], "{text}");
    }
}

fn regrets(signal: &dyn PublicSignal, row: usize, forecast: &[f64]) -> Vec<f64> {
    let mut regrets = vec![0.0; signal.agents()];
    signal.regrets(Part::Judging, row, forecast, signal.truth(Part::Judging, row), &mut regrets);
    regrets
}

#[test]
fn slopes_of_all_agents_are_differences() {
    let model: PublicModel = read(
        "(signal: Synthetic(400), history: 3, agents: [
            (name: \"centres\", cost: Provisioning(demand: Synthetic(4), delay: Rising(2)), weight: 0.5),
            (name: \"night\", cost: Lopsided(agents: 2, below: 3, above: 1), hours: (20, 6)),
            (name: \"bills\", cost: Charging(need: [[1], [1, 0]], regret: BillError)),
        ])",
    );
    assert_eq!(model.check(), []);
    let signal = model.public().unwrap();
    let (agents, mut nights) = (signal.agents(), 0);
    for row in 0..signal.rows(Part::Judging) {
        let forecast = [3.3 + (row as f64).sin()];
        let mut slopes = vec![f64::NAN; agents];
        assert!(signal.slopes(Part::Judging, row, &forecast, &mut slopes));
        let (up, down) = (regrets(&*signal, row, &[forecast[0] + 1e-6]), regrets(&*signal, row, &[forecast[0] - 1e-6]));
        for agent in 0..agents {
            let difference = (up[agent] - down[agent]) / 2e-6;
            assert!((slopes[agent] - difference).abs() < 1e-5, "{row}, {agent}: {}, {difference}", slopes[agent]);
        }
        nights += usize::from(slopes[4] == 0.0);
        assert!(regrets(&*signal, row, signal.truth(Part::Judging, row)).iter().all(|regret| regret.abs() < 1e-12));
    }
    let rows = signal.rows(Part::Judging);
    assert!(nights > rows / 2 && nights < rows * 2 / 3, "{nights} of {rows} hours are days");
}

#[test]
fn a_dispute_is_what_the_closed_form_says() {
    let model: PublicModel = read(
        "(signal: Even(1000), history: 0, agents: [
            (name: \"majority\", cost: Lopsided(agents: 2, below: 3, above: 1, against: BestConstant)),
            (name: \"minority\", cost: Lopsided(agents: 1, below: 1, above: 3, against: BestConstant)),
        ])",
    );
    let signal = model.public().unwrap();
    for c in [0.1, 0.25, 0.5, 0.583333, 0.75] {
        let mut mean = [0.0; 3];
        for row in 0..1000 {
            mean.iter_mut().zip(regrets(&*signal, row, &[c])).for_each(|(mean, regret)| *mean += regret / 1000.0);
        }
        let (majority, minority) = (2.0 * (c - 0.75_f64).powi(2), 2.0 * (c - 0.25_f64).powi(2));
        for (found, expected) in mean.into_iter().zip([majority, majority, minority]) {
            assert!((found - expected).abs() < 2e-6, "{c}: {mean:?}");
        }
    }
    // The simulation pays the same on average.
    let setup = Setup { lanes: 40_000, seed: 1, phase: Phase::Training, threads: 2, device: None };
    let mut sim = Sim::new(&model, Vec::new(), setup).unwrap();
    let half = isonomy_engine::policy::TabularPolicy::from_chances(sim.spec(), 1, |_, _, _, row| row[50] = 1.0);
    sim.set_policy(&half);
    sim.advance(1).unwrap();
    let returns = sim.take_returns().unwrap().returns;
    for (mean, error) in returns.mean.iter().zip(&returns.standard_error) {
        assert!((mean + 0.125).abs() < 4.0 * error, "{mean} ± {error}");
    }
}

#[test]
fn those_who_charge_regret_bad_hours() {
    let model: PublicModel = read(
        "(signal: Synthetic(400), history: 12, ahead: 12, agents: [
            (name: \"cars\", cost: Charging(need: [[3], [6, 2], [12]])),
        ])",
    );
    let signal = model.public().unwrap();
    for row in 0..50 {
        let truth = signal.truth(Part::Judging, row);
        assert_eq!(regrets(&*signal, row, truth), [0.0; 3]);
        let flat = regrets(&*signal, row, &[1.0; 12]);
        assert!(flat.iter().all(|regret| *regret >= 0.0) && flat[2].abs() < 1e-12);
    }
    assert!(!signal.slopes(Part::Judging, 0, &[1.0; 12], &mut [0.0; 36]));
}

#[test]
fn kinds_of_agents_can_be_mixed() {
    let model: PublicModel = read(
        "(signal: Synthetic(400), ahead: 12, agents: [
            (name: \"centre\", weight: 10, cost: Provisioning(demand: Steady([3]), delay: Same(2))),
            (name: \"cars\", cost: Charging(need: [[3]])),
            (name: \"phones\", weight: 0.2, cost: Charging(need: [[3]])),
        ])",
    );
    let signal = model.public().unwrap();
    let forecast: Vec<f64> = (0..12).map(|hour| 4.0 + (f64::from(hour) * 1.3).sin()).collect();
    for row in 0..40 {
        let [centre, cars, phones] = regrets(&*signal, row, &forecast)[..] else { panic!("three agents") };
        let truth = signal.truth(Part::Judging, row);
        let hours = forecast.iter().zip(truth).map(|(f, y)| super::provisioning::regret(6.0_f64.sqrt(), *f, *y));
        assert!((centre - 10.0 * hours.sum::<f64>()).abs() < 1e-9);
        assert!((cars - super::charging::decision_regret(&forecast, truth, 3)).abs() < 1e-12);
        assert!((phones - 0.2 * cars).abs() < 1e-12);
    }
}

/// The folder of the data, if there is any.
fn data() -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("ISONOMY_DATA").map(|folder| Path::new(&folder).join("data-centers"));
    if folder.is_none() {
        eprintln!("SKIPPED: ISONOMY_DATA names no folder with data");
    }
    folder
}

#[test]
fn the_year_of_california() {
    let Some(folder) = data() else { return };
    let mut model: PublicModel = read(
        "(signal: FuelMix(\"ciso_2022_fuel_mix.csv\"), agents: [
            (name: \"c\", cost: Provisioning(demand: File(\"dc_demands_sub_groups_test_dist.json\"), delay: Rising(2))),
        ])",
    );
    model.resolve(&folder).unwrap();
    assert_eq!(model.check(), []);
    let signal = model.public().unwrap();
    assert_eq!((signal.agents(), signal.rows(Part::Training), signal.rows(Part::Judging)), (50, 5855, 2878));
    let mean = (0..2878).map(|row| signal.truth(Part::Judging, row)[0]).sum::<f64>() / 2878.0;
    assert!((mean - 6.304396).abs() < 5e-7, "{mean}");
    let table = std::fs::read_to_string(folder.join("ciso_2022_fuel_mix.csv")).unwrap();
    let hours = super::signal::intensities(&table).unwrap();
    for (found, expected) in hours.iter().zip([0.204224, 0.252695, 0.261222]) {
        assert!((found - expected).abs() < 5e-7, "{found}");
    }
    let (low, high) = super::signal::bounds(&hours[..8759]);
    assert!((low - 0.063858).abs() < 5e-7 && (high - 0.404466).abs() < 5e-7, "{low}, {high}");
    // Persistence, as in the reference.
    let mut error = 0.0;
    let mut mean = vec![0.0; 50];
    for row in 0..2878 {
        let last = signal.past(Part::Judging, row, 1).unwrap();
        error += (last - signal.truth(Part::Judging, row)[0]).powi(2) / 2878.0;
        let regrets = regrets(&*signal, row, &[last.max(signal.floor())]);
        mean.iter_mut().zip(regrets).for_each(|(mean, regret)| *mean += regret / 2878.0);
    }
    assert!((error - 0.528708).abs() < 5e-7, "{error}");
    let all = mean.iter().sum::<f64>() / 50.0;
    assert!((all - 0.341534).abs() < 5e-7, "{all}");
}
