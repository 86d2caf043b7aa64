//! Whatever stands in a file of charging sessions, the importer answers, and what it takes in fits the calendar.
//!
//! The first byte of the input says which format, the second what becomes of sessions that do not fit.
#![no_main]

use isonomy::envs::ev_charging::calendar::{Calendar, Day, Order, Zone};
use isonomy::envs::ev_charging::sessions::{Energy, Fate, Format, Overlap, Overnight, Rules, Unknown, import};
use libfuzzer_sys::fuzz_target;
use std::num::NonZeroU32;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let [format, rules, text @ ..] = bytes else { return };
    let energy = if format & 8 == 0 { Energy::Requested } else { Energy::Delivered };
    let day = || Day::try_from("2019-05-01".to_owned()).expect("a day");
    let count = |count| NonZeroU32::new(count).expect("not zero");
    let format = match format % 5 {
        0 => Format::Plain,
        1 => Format::SustainGym { energy },
        2 => Format::AcnData { energy },
        3 => Format::AcnQueue { starts: day(), step_minutes: count(5) },
        _ => Format::Sepm,
    };
    let drops = |bit: u8| rules & bit != 0;
    let rules = Rules {
        unclaimed: if drops(1) { Fate::Drop } else { Fate::Keep },
        overnight: if drops(2) { Overnight::Drop } else { Overnight::default() },
        overlapping: if drops(4) { Overlap::Drop } else { Overlap::default() },
        unknown_stations: if drops(8) { Unknown::Drop } else { Unknown::Refuse },
        most_kwh: None,
    };
    let zone = Zone::try_from("America/Los_Angeles".to_owned()).expect("a zone");
    let calendar = Calendar {
        time_zone: zone,
        first_day: day(),
        episodes: count(2),
        days_per_episode: count(1),
        order: Order::Sequential,
    };
    let clock = calendar.clock(5, 288).expect("two days");
    let stations = if drops(16) { Vec::new() } else { ["B-1", "A-2", "A-1"].map(str::to_owned).to_vec() };
    // The importer reads files. Fuzzers run beside each other.
    let name = format!("isonomy-sessions-{}", std::process::id());
    let folder = Path::new("/dev/shm");
    let folder = if folder.is_dir() { folder.to_owned() } else { std::env::temp_dir() };
    std::fs::write(folder.join(&name), text).expect("a file in the memory");
    match import(&folder, &[name], format, rules, &clock, &stations) {
        Err(flaws) => assert!(!flaws.to_string().is_empty()),
        Ok(imported) => {
            assert!(imported.kept() + imported.dropped.total() <= imported.read);
            for session in imported.episodes.iter().flatten() {
                assert!(session.arrival < session.departure && session.arrival < clock.steps());
                assert!(session.requested_kwh >= 0.0 && session.requested_kwh.is_finite());
                assert!(session.station.is_none_or(|station| (station as usize) < stations.len()));
            }
        }
    }
});
