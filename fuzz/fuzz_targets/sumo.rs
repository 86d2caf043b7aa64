//! Whatever stands in SUMO's files, the importer answers, and what it accepts can be driven.
//!
//! The input is a network, then vehicles, then an additional file, with NUL between them.
#![no_main]

use isonomy::envs::traffic::network::demand::Clock;
use isonomy::envs::traffic::network::sumo::{net, routes};
use isonomy::envs::traffic::world::World;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(3, '\0');
    let roads = parts.next().unwrap_or_default();
    let trips = parts.next().unwrap_or("<routes/>");
    let additional = [("add.xml", parts.next().unwrap_or("<additional/>"))];
    let clock = Clock { step_s: 1.0, steps: 60, seed: 0 };
    let network = match net("net.xml", roads, &additional) {
        Ok(network) => network,
        Err(error) => return assert!(error.line > 0 && !error.message.is_empty()),
    };
    match routes("rou.xml", trips, &additional, &network, clock, None) {
        Ok(demand) => drop(World::new(network, demand, clock).network.crosswalks()),
        Err(error) => assert!(error.line > 0 && !error.message.is_empty()),
    }
});
