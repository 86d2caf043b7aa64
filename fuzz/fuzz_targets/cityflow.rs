//! Whatever stands in CityFlow's files, the importer answers, and what it accepts can be driven.
//!
//! The input is a roadnet, then flows, with NUL between them.
#![no_main]

use isonomy::envs::traffic::network::cityflow::{config, flows, roadnet};
use isonomy::envs::traffic::network::demand::Clock;
use isonomy::envs::traffic::world::World;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (roads, trips) = text.split_once('\0').unwrap_or((&text, "[]"));
    let _ = config("config.json", roads);
    let clock = Clock { step_s: 1.0, steps: 60, seed: 0 };
    let network = match roadnet("roadnet.json", roads) {
        Ok(network) => network,
        Err(error) => return assert!(error.line > 0 && !error.message.is_empty()),
    };
    match flows("flow.json", trips, &network, clock) {
        Ok(demand) => drop(World::new(network, demand, clock).network.crosswalks()),
        Err(error) => assert!(error.line > 0 && !error.message.is_empty()),
    }
});
