//! Data centres: what waits, what was bought and what it emitted; and who bears what of a load that is spread.

use super::every::{device, file, with};
use super::{both, controller};
use isonomy::engine::columns::column;
use isonomy::engine::network::{Activation, Mlp};
use isonomy::engine::policy::{Head, NetworkPolicy, PolicyRef};
use isonomy::engine::rollout::Rollout;
use isonomy::engine::run::{Means, Run};
use isonomy::engine::sim::Sim;
use isonomy::engine::spec::Space;
use isonomy::envs::data_centers::shifting::Account;
use isonomy::envs::data_centers::{Burden, Day, Waiting};

const SHIFTING: &str = "data_centers/workload_shifting.ron";
const BALANCING: &str = "data_centers/balancing.ron";
/// How far apart the devices may be, relative to numbers above 1.
const MOST: f64 = 1e-4;

/// A field of `DataCenters`.
fn centers(set: &str) -> String {
    format!("environment.DataCenters.{set}")
}

/// A field of `LoadBalancing`.
fn balancing(set: &str) -> String {
    format!("environment.LoadBalancing.{set}")
}

/// The largest of the differences, relative to numbers above 1.
fn apart(mine: impl IntoIterator<Item = f64>, theirs: impl IntoIterator<Item = f64>) -> f64 {
    let (mine, theirs): (Vec<f64>, Vec<f64>) = (mine.into_iter().collect(), theirs.into_iter().collect());
    assert!(mine.len() == theirs.len() && mine.iter().chain(&theirs).all(|number| number.is_finite()));
    let part = |(mine, theirs): (&f64, &f64)| (mine - theirs).abs() / mine.abs().max(1.0);
    mine.iter().zip(&theirs).map(part).fold(0.0, f64::max)
}

/// Everything that lanes of an environment keep.
fn kept(sim: &mut Sim, file: &str) -> Vec<f64> {
    let world = sim.world();
    let mut numbers: Vec<f64> = column::<Day>(world).iter().map(|day| f64::from(day.0)).collect();
    if file == BALANCING {
        numbers.extend_from_slice(bytemuck::cast_slice(column::<Burden>(world)));
    } else {
        numbers.extend_from_slice(bytemuck::cast_slice(column::<Account>(world)));
        numbers.extend(column::<Waiting>(world).iter().map(|work| work.0));
    }
    numbers
}

/// Compares rollouts of more than an episode: all that was decided, seen and paid, the columns, and what an episode came to.
/// Codes of actions must be the same.
fn compare(name: &str, sets: &[&str], network: Option<&dyn Fn(&mut Run) -> NetworkPolicy>) {
    let Some(device) = device() else { return };
    let mut runs = both(&file(name), sets, device);
    if let Some(network) = network {
        for run in &mut runs {
            let policy = network(run);
            assert!(run.sim().set_parametric(PolicyRef::Network(&policy)));
        }
    }
    assert!(runs[1].sim().is_on_device());
    let spec = runs[0].sim().spec().clone();
    let mut most = [("actions", 0.0), ("rewards", 0.0), ("features", 0.0), ("columns", 0.0), ("measures", 0.0)];
    let mut note = |what: usize, apart: f64| most[what].1 = apart.max(most[what].1);
    for steps in [spec.time_limit as usize - 1, 1 + spec.time_limit as usize / 2] {
        let [mine, theirs]: [Rollout; 2] =
            runs.each_mut().map(|run| run.sim().rollout(steps).unwrap_or_else(|error| panic!("{sets:?}: {error}")));
        let decided = |of: &Rollout| (0..of.action.len()).map(|index| of.action.get(index)).collect::<Vec<u32>>();
        let [decided, there] = [&mine, &theirs].map(decided);
        if spec.action.is_discrete() {
            assert_eq!(decided, there, "{sets:?}");
        } else {
            let number = |action: u32| f64::from(f32::from_bits(action));
            note(0, apart(decided.into_iter().map(number), there.into_iter().map(number)));
        }
        for (what, mine, theirs) in [
            (1, &mine.reward, &theirs.reward),
            (2, &mine.features, &theirs.features),
            (2, &mine.final_features, &theirs.final_features),
        ] {
            note(what, apart(mine.iter().copied().map(f64::from), theirs.iter().copied().map(f64::from)));
        }
        let [mine, theirs] = runs.each_mut().map(|run| kept(run.sim(), name));
        note(3, apart(mine, theirs));
    }
    let [mine, theirs] = runs.each_mut().map(|run| run.sim().take_returns().expect("an episode ended"));
    assert!(mine.measures.len() >= 9, "{:?}", mine.measures);
    for ((_, mine), (_, theirs)) in mine.measures.iter().zip(&theirs.measures) {
        note(4, apart([*mine], [*theirs]));
    }
    note(4, apart(mine.returns.mean, theirs.returns.mean));
    let told: Vec<String> = most.iter().map(|(what, apart)| format!("{what} {apart:.0e}")).collect();
    eprintln!("at most apart: {}; {name} {sets:?}", told.join(", "));
    assert!(most.iter().all(|(_, apart)| *apart <= MOST), "{sets:?}: {most:?}");
}

const COSTS: &str = "costs=[Overdue, CrowdedOut, Carbon(budget_kg: 30)]";
/// Centres that have something of everything, and are pressed for room.
const CROWD: &str = r#"centers=[
    (
        name: "tower", agents: 3, servers: 100, flexible: 0.7, load: Daily(mean: 95, swing: 0.4, peak: 15), ambient: Steady(31),
        carbon: Grid(number: 1, low: 0.05, high: 0.5), wet_bulb: Daily(mean: 18, swing: 0.3, peak: 15), water: Steady(1.8),
        battery: (capacity_kwh: 40, power_kw: 11, efficiency: 0.9, taper_hours: 0.7),
    ),
    (
        name: "cave", servers: 37.5, heat: Chiller, load: Daily(mean: 20, swing: 0.9, peak: 3),
        carbon: Grid(number: 2, low: 0.1, high: 0.9), price: Daily(mean: 0.1, swing: 1, peak: 19),
        ambient: Daily(mean: 28, swing: 0.3, peak: 15),
    ),
]"#;

/// Whose choices follow from what agents see.
fn network(run: &mut Run, head: &Head) -> NetworkPolicy {
    let spec = run.sim().spec();
    let Space::Real { size, .. } = spec.observation else { panic!("a centre sees numbers") };
    let outputs = if spec.action.is_discrete() { spec.action.count() as usize } else { 1 };
    let net = Mlp::new(vec![size as usize, 16, outputs], Activation::Tanh, 1.0, 3, 0);
    NetworkPolicy { net, head: *head, identities: 0 }
}

#[test]
fn centers_by_every_rule() {
    for (rule, action) in [
        (r#"{"RunEverything": ()}"#, "action=Open"),
        (r#"{"RunEverything": ()}"#, "action=Shift(battery: true)"),
        (r#"{"CarbonThreshold": (share: 0.4)}"#, "action=Open"),
        (r#"{"CarbonThreshold": (share: 0.3, otherwise: 0.6)}"#, "action=Shift()"),
        (r#"{"CarbonThreshold": (share: 0.3, otherwise: 0.6)}"#, "action=Levels(levels: 7, battery: true)"),
    ] {
        compare(SHIFTING, &[&controller(rule), &centers(action), "lanes=2"], None);
    }
}

#[test]
fn centers_of_all_kinds() {
    let weights = centers("weights=(carbon: 1, cost: 2, water: 0.1, queue: 0.01, overdue: 3)");
    let all = [centers(CROWD), centers(COSTS), weights];
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let threshold = controller(r#"{"CarbonThreshold": (share: 0.2)}"#);
    for sets in [
        &["lanes=3", &centers("step_minutes=15"), &centers("days=365")][..],
        // Everything that is not run at once is late.
        &["lanes=2", &centers("deadline_hours=1")],
        // More than there is room for in a workgroup.
        &["lanes=1", &centers("deadline_hours=168"), &centers("step_minutes=20")],
        &["lanes=2", &centers("hours=7"), &centers("days=1")],
    ] {
        compare(SHIFTING, &[&all[..], &[&threshold], sets].concat(), None);
    }
    let many = r#"centers[0].agents=70"#;
    compare(SHIFTING, &[&all[..], &[&threshold, &centers(many), "lanes=1"]].concat(), None);
}

#[test]
fn centers_by_chance() {
    let uniform = controller(r#"{"Uniform": ()}"#);
    for action in ["action=Levels(levels: 4)", "action=Levels(levels: 7, battery: true)", "action=Shift(battery: true)"]
    {
        compare(SHIFTING, &[&uniform, &centers(action), &centers(CROWD), &centers(COSTS), "lanes=33"], None);
    }
}

#[test]
fn centers_by_a_network() {
    for (action, head) in
        [("action=Levels(levels: 3)", Head::Categorical), ("action=Open", Head::Gaussian { log_deviation: -1.0 })]
    {
        let network = |run: &mut Run| network(run, &head);
        compare(SHIFTING, &[&centers(action), &centers(CROWD), "lanes=5"], Some(&network));
    }
}

#[test]
fn regions_by_every_rule() {
    let weights = [balancing("carbon_weight=0.3"), balancing("water_weight=2")];
    let water = balancing("regions[3].water=Daily(mean: 2, swing: 0.4, peak: 14)");
    let short = balancing("load=Daily(mean: 140, swing: 0.4, peak: 15)");
    for rule in ["(mu: 0)", "(mu: 0.1)", "(mu: 1)"] {
        let rule = controller(&format!("{{\"FairHours\": {rule}}}"));
        compare(BALANCING, &[&rule, "lanes=17"], None);
    }
    let thirsty = controller(r#"{"FairHours": (mu: 0, mu_water: 0.2)}"#);
    compare(BALANCING, &[&thirsty, &weights[0], &weights[1], &water, "lanes=3"], None);
    // More than there is room for by day, from one of many days.
    compare(BALANCING, &[&short, &balancing("days=200"), "lanes=5"], None);
}

#[test]
fn regions_by_a_network() {
    let network = |run: &mut Run| network(run, &Head::Gaussian { log_deviation: 0.5 });
    for load in ["60", "140"] {
        let load = balancing(&format!("load=Daily(mean: {load}, swing: 0.4, peak: 15)"));
        compare(BALANCING, &[&load, "lanes=33"], Some(&network));
    }
}

#[test]
fn what_has_no_twin_is_left_to_the_processor() {
    let Some(device) = device() else { return };
    for (name, set, reason) in [
        (SHIFTING, controller(r#"{"CleanestHours": ()}"#), "a plan of all steps that are left"),
        (SHIFTING, centers("hours=16385"), "more than 16384 steps"),
        (BALANCING, controller(r#"{"MirrorDescent": (mu: 0.1, rate: 0.05)}"#), "prices that it makes nearly equal"),
        (BALANCING, controller(r#"{"FairHours": (mu: 0.1, mu_water: 0.1)}"#), "prices on carbon and on water at once"),
        (BALANCING, balancing("hours=16385"), "more than 16384 steps"),
    ] {
        let scenario = with(&file(name), &[&set, "lanes=1"]).scenario;
        let refused = Run::new(scenario, Means { threads: 1, device: Some(device) }).err();
        let refused = refused.unwrap_or_else(|| panic!("{set} has a twin")).to_string();
        assert!(refused.contains(reason), "{set}: {refused}");
    }
}
