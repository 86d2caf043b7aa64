//! The battery of a site, on days of four steps of an hour that are reckoned by hand.

use super::hosted::{measures, options, read};
use super::near;
use crate::ev_charging::EvCharging;
use isonomy_engine::lanes::LaneDynamics;
use std::collections::BTreeMap;

/// A car that takes 6.656 kW for as long as it stays, and what else is written.
fn day(departure: u32, rest: &str) -> BTreeMap<String, f64> {
    let cars = format!("Listed([(arrival: 0, departure: {departure}, requested_kwh: 40)])");
    let network = if rest.contains("network") { "" } else { "network: Simple(kw: 100, stations: 1)," };
    let text = format!("({network} sessions: {cars}, step_minutes: 60, steps: 4, {rest})");
    measures(&*read(&text), "{\"Uncontrolled\": ()}", 1)
}

fn expect(got: &BTreeMap<String, f64>, want: &[(&str, f64)]) {
    for (name, want) in want {
        assert!(near(got[*name], *want, 2e-5), "{name} {}, not {want}: {got:?}", got[*name]);
    }
}

/// 20 kWh and 5 kW, half full, .9 of what goes in is stored and .8 of that comes out.
fn battery(rest: &str) -> String {
    format!("battery: (kwh: 20, kw: 5, start: 0.5, charging: 0.9, discharging: 0.8, {rest})")
}

#[test]
fn it_takes_cheap_energy_and_gives_it_back_when_it_is_dear() {
    let prices = "prices: Steps([0.1, 0.1, 0.5, 0.5]), sell_prices: Constant(0.3), reward: Chargax()";
    let rest = format!("{prices}, {}", battery("rule: Prices(take_at: 0.2, give_at: 0.4)"));
    // The grid gives 11.656 kWh twice, then 1.656 kWh twice; 10 + 2 · 4.5 - 2 · 6.25 kWh are left.
    let want = [("energy_kwh", 26.624), ("back_kwh", 0.0), ("delivered_kwh", 26.624), ("peak_kw", 11.656)];
    let got = day(4, &rest);
    expect(&got, &want);
    expect(&got, &[("cost", 3.9872), ("site_battery_kwh", 6.5), ("site_battery_through_kwh", 20.0)]);
    expect(&got, &[("total_reward", 0.75 * 26.624 - 3.9872)]);
    // Nobody is there to use the last 10 kWh: the grid buys them.
    let got = day(2, &rest);
    let cost = 0.1 * 23.312 - 0.3 * 10.0;
    expect(&got, &[("energy_kwh", 23.312), ("back_kwh", 10.0), ("delivered_kwh", 13.312), ("cost", cost)]);
    expect(&got, &[("total_reward", 0.75 * 13.312 - cost)]);
    // Without it, the same day costs as before.
    let got = day(4, prices);
    expect(&got, &[("energy_kwh", 26.624), ("cost", 0.6 * 2.0 * 6.656), ("peak_kw", 6.656)]);
    assert!(!got.contains_key("site_battery_kwh"));
}

#[test]
fn cars_draw_more_than_their_limit_as_long_as_it_helps() {
    let transformer = "transformer: (kw: Constant(5))";
    expect(&day(4, transformer), &[("delivered_kwh", 20.0), ("peak_kw", 5.0)]);
    for projection in ["L2", "MaxMin", "None"] {
        let got = day(4, &format!("projection: {projection}, {transformer}, {}", battery("")));
        expect(&got, &[("delivered_kwh", 26.624), ("energy_kwh", 20.0), ("peak_kw", 5.0), ("excess", 0.0)]);
        expect(&got, &[("site_battery_kwh", 10.0 - 4.0 * 1.656 / 0.8)]);
    }
    // A node of a tree; with 4 kW the battery, which has 8 kWh to give, runs empty in the last step.
    let tree = |kw: f64| {
        format!("network: Tree(nodes: [(name: \"root\", kw: {kw})], stations: [(node: 0, station: (name: \"s\"))])")
    };
    let under = battery("under: [\"root\"]");
    let got = day(4, &format!("{}, {under}", tree(4.0)));
    expect(&got, &[("delivered_kwh", 24.0), ("energy_kwh", 16.0), ("peak_kw", 4.0), ("site_battery_kwh", 0.0)]);
    // Where it hangs elsewhere, it does not help.
    expect(&day(4, &format!("{}, {}", tree(4.0), battery(""))), &[("delivered_kwh", 16.0), ("site_battery_kwh", 10.0)]);
    // It does not take more than cars and other loads leave, whatever the price.
    let full = battery("rule: Prices(take_at: 1, give_at: 2)");
    let got = day(4, &format!("transformer: (kw: Constant(9), load: Constant(1)), {full}"));
    expect(&got, &[("delivered_kwh", 26.624), ("peak_kw", 9.0), ("site_battery_kwh", 10.0 + 4.0 * 0.9 * 1.344)]);
}

#[test]
fn it_keeps_the_power_of_the_site_level() {
    let got = day(4, &battery("rule: Level(kw: 3)"));
    // 3.656 kW twice, then what is left of 8 kWh.
    expect(&got, &[("energy_kwh", 26.624 - 8.0), ("peak_kw", 6.656), ("site_battery_kwh", 0.0)]);
    let full = battery("rule: Level(kw: 3)").replace("start: 0.5", "start: 1");
    let got = day(4, &full);
    expect(&got, &[("energy_kwh", 12.0), ("peak_kw", 3.0), ("site_battery_kwh", 20.0 - 4.0 * 3.656 / 0.8)]);
    // Nobody is there: it fills itself.
    expect(&day(2, &full), &[("peak_kw", 3.0), ("site_battery_kwh", 20.0 - 2.0 * 3.656 / 0.8 + 2.0 * 0.9 * 3.0)]);
}

#[test]
fn what_cannot_be_meant_is_refused_and_a_device_refuses_it_with_the_reason() {
    let environment = |rest: &str| -> EvCharging {
        let rest = battery(rest);
        let text = format!(
            "(network: Simple(kw: 9, stations: 1), sessions: Listed([]), transformer: (kw: Constant(9)), {rest})"
        );
        options().from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    };
    for (rest, words) in [
        ("under: [\"roof\"]", "battery.under[0]: there is no limit \"roof\" (there are: "),
        ("rule: Prices(take_at: 2, give_at: 1)", "battery.rule.give_at: 1 is not above 2"),
    ] {
        let problems = isonomy_engine::environment::Environment::check(&environment(rest));
        assert!(problems.len() == 1 && problems[0].to_string().starts_with(words), "{problems:?}");
    }
    let name = environment("").grid().limits[0].name.clone();
    let problems = isonomy_engine::environment::Environment::check(&environment(&format!("under: [{name:?}]")));
    assert!(problems[0].to_string().contains("is on currents"), "{problems:?}");
    let reason = environment("").dynamics().twin().err().unwrap();
    assert!(reason.contains("a battery of the site has no WGSL twin"), "{reason}");
}
