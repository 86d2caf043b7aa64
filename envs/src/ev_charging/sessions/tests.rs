use super::*;
use crate::ev_charging::calendar::{Day, clock};
use crate::ev_charging::session::{BatterySpec, Session};
use flate2::Compression;
use flate2::write::GzEncoder;
use isonomy_engine::quantity::Positive;
use proptest::prelude::*;
use std::io::Write;
use std::path::PathBuf;

const PLAIN: &str = include_str!("../fixtures/plain.csv");
const SUSTAIN_GYM: &str = include_str!("../fixtures/sustaingym.csv");
const ACN_DATA: &str = include_str!("../fixtures/acn_data.json");
const ACN_QUEUE: &str = include_str!("../fixtures/acn_queue.json");
const SEPM: &str = include_str!("../fixtures/sepm.csv");

const DROP_ALL: Rules = Rules {
    unclaimed: Fate::Drop,
    overnight: Overnight::Drop,
    overlapping: Overlap::Drop,
    unknown_stations: Unknown::Drop,
    most_kwh: None,
};

fn day(text: &str) -> Day {
    Day::try_from(text.to_owned()).unwrap()
}

fn queue() -> Format {
    Format::AcnQueue { starts: day("2019-05-01"), step_minutes: NonZeroU32::new(5).unwrap() }
}

fn delivered() -> [(Format, &'static str); 5] {
    let energy = Energy::Delivered;
    [
        (Format::Plain, PLAIN),
        (Format::SustainGym { energy }, SUSTAIN_GYM),
        (Format::AcnData { energy }, ACN_DATA),
        (queue(), ACN_QUEUE),
        (Format::Sepm, SEPM),
    ]
}

fn stations() -> Vec<String> {
    ["B-1", "A-2", "A-1"].map(str::to_owned).to_vec()
}

fn may_first() -> Clock {
    clock("America/Los_Angeles", "2019-05-01", 1, 1, 5, 288)
}

fn read_on(clock: &Clock, format: Format, bytes: &[u8], rules: Rules) -> Result<Imported, Flaws> {
    let stations = stations();
    let mut intake = Intake::new(clock, &stations, rules);
    let cannot = |error: std::io::Error| Flaws::one("cars", "", error.to_string(), "");
    take(reading::unpack(std::io::Cursor::new(bytes.to_vec())).map_err(cannot)?, (0, "cars"), format, &mut intake)?;
    intake.finish(&["cars".to_owned()], format.place())
}

fn read(format: Format, text: &str) -> Result<Imported, Flaws> {
    read_on(&may_first(), format, text.as_bytes(), Rules::default())
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn every_format_tells_of_the_same_stays() {
    for (format, text) in delivered() {
        let imported = read(format, text).unwrap();
        let times = |session: &Session| (session.arrival, session.departure, session.station);
        let sessions = &imported.episodes[0];
        let expected = [(96, 144, Some(2)), (108, 215, Some(0)), (144, 158, Some(2))];
        assert_eq!(sessions.iter().map(times).collect::<Vec<_>>(), expected, "{format:?}");
        let first = if format == Format::Plain { 10.5 } else { 8.25 };
        let kwh: Vec<f64> = sessions.iter().map(|session| session.requested_kwh).collect();
        assert_eq!(kwh, [first, 6.0, 4.0], "{format:?}");
        let estimated: Vec<u32> = sessions.iter().map(|session| session.est_departure).collect();
        assert_eq!(estimated, if format == Format::Sepm { [144, 215, 158] } else { [138, 215, 156] }, "{format:?}");
        assert_eq!((imported.read, imported.dropped.total(), imported.capped), (3, 0, 0));
        let again = read_on(&may_first(), format, &packed(text.as_bytes()), Rules::default());
        assert_eq!(again, Ok(imported), "{format:?}, compressed");
    }
}

#[test]
fn what_a_format_knows_is_kept() {
    let plain = read(Format::Plain, PLAIN).unwrap().episodes.remove(0);
    assert_eq!(plain[0].battery, Some(BatterySpec { capacity_kwh: 40.0, start_kwh: 12.0, slows_from: None }));
    assert_eq!((plain[0].max_kw, plain[0].operator, plain[1].max_kw), (Some(7.2), 1, None));
    let queue = read(queue(), ACN_QUEUE).unwrap().episodes.remove(0);
    assert_eq!(queue[2].battery, Some(BatterySpec { capacity_kwh: 24.0, start_kwh: 20.0, slows_from: Some(0.8) }));
    assert_eq!(queue[0].max_kw, Some(6.6));
    for format in [Format::SustainGym { energy: Energy::Requested }, Format::AcnData { energy: Energy::Requested }] {
        let text = if matches!(format, Format::AcnData { .. }) { ACN_DATA } else { SUSTAIN_GYM };
        let sessions = read(format, text).unwrap().episodes.remove(0);
        assert_eq!(sessions.iter().map(|session| session.claimed).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(sessions[0].requested_kwh, 10.5);
    }
}

#[test]
fn what_is_dropped_is_counted() {
    let text = "\
arrival,departure,requested_kwh,est_departure,station,claimed
2019-05-01 08:00,2019-05-01 09:00,5,,A-1,false
2019-05-01 08:00,2019-05-01 09:00,5,,Z-9,true
2019-04-30 23:59,2019-05-01 09:00,5,,A-1,true
2019-05-01 22:00,2019-05-02 00:00,5,,A-1,true
2019-05-01 20:00,2019-05-01 21:00,5,2019-05-02 03:00,A-1,true
2019-05-01 10:02,2019-05-01 11:00,5,2019-05-01 10:04,A-1,true
2019-05-01 12:00:10,2019-05-01 12:04,5,2019-05-01 12:05,A-1,true
2019-05-01 13:00,2019-05-01 14:00,0,,A-1,true
2019-05-01 15:00,2019-05-01 16:00,300,,A-1,true
2019-05-01 15:59,2019-05-01 17:00,5,,A-1,true
2019-05-01 16:00,2019-05-01 17:00,5,,A-1,true
";
    let rules = Rules { most_kwh: Positive::new(100.0), ..DROP_ALL };
    let imported = read_on(&may_first(), Format::Plain, text.as_bytes(), rules).unwrap();
    let expected = Dropped {
        unclaimed: 1,
        unknown_station: 1,
        outside_calendar: 1,
        crosses_midnight: 2,
        est_departure_not_after_arrival: 1,
        shorter_than_a_step: 1,
        no_energy: 1,
        overlapping: 1,
        ..Dropped::default()
    };
    assert_eq!((imported.dropped, imported.capped, imported.read), (expected, 1, 11));
    assert_eq!(imported.kept() + imported.dropped.total(), imported.read);
    assert_eq!(imported.episodes[0][0].requested_kwh, 100.0);
    assert!(
        imported.dropped.to_string().starts_with("1 unclaimed, 1 at unknown stations, 1 outside the calendar, 2 cro")
    );
}

#[test]
fn a_car_that_stays_overnight_may_leave_with_the_episode() {
    let text = "arrival,departure,requested_kwh\n2019-05-01 22:00,2019-05-02 09:00,5\n";
    let sessions = read(Format::Plain, text).unwrap().episodes.remove(0);
    assert_eq!((sessions[0].departure, sessions[0].est_departure), (288, 396));
    let two_days = clock("America/Los_Angeles", "2019-05-01", 1, 2, 5, 576);
    let sessions = read_on(&two_days, Format::Plain, text.as_bytes(), Rules::default()).unwrap().episodes.remove(0);
    assert_eq!((sessions[0].departure, sessions[0].station), (396, None));
}

#[test]
fn on_days_of_23_or_25_hours_a_step_is_still_a_step() {
    let spring = clock("America/Los_Angeles", "2019-03-10", 1, 1, 5, 288);
    let text = "arrival,departure,requested_kwh\n2019-03-10 01:30,2019-03-10 03:30,5\n";
    let sessions = read_on(&spring, Format::Plain, text.as_bytes(), Rules::default()).unwrap().episodes.remove(0);
    assert_eq!((sessions[0].arrival, sessions[0].departure), (18, 30), "one hour, though clocks show two");
    let skipped = text.replace("01:30", "02:30");
    let error = read_on(&spring, Format::Plain, skipped.as_bytes(), Rules::default()).unwrap_err().to_string();
    let expected = "cars: line 2, column \"arrival\": 2019-03-10 02:30 does not happen in America/Los_Angeles";
    assert!(error.starts_with(expected), "{error}");

    let autumn = clock("America/Los_Angeles", "2019-11-03", 1, 1, 5, 288);
    let text = "arrival,departure,requested_kwh\n2019-11-03 00:30,2019-11-03 01:30-08:00,5\n2019-11-03 20:00,2019-11-03 23:30,5\n";
    let imported = read_on(&autumn, Format::Plain, text.as_bytes(), Rules::default()).unwrap();
    let times: Vec<(u32, u32)> = imported.episodes[0].iter().map(|car| (car.arrival, car.departure)).collect();
    assert_eq!(times, [(6, 30), (252, 288)], "the 25th hour is not simulated");
    let strict = read_on(&autumn, Format::Plain, text.as_bytes(), DROP_ALL).unwrap();
    assert_eq!(strict.dropped, Dropped { after_last_step: 1, ..Dropped::default() });
    let twice = text.replace(" 01:30-08:00", " 01:30");
    let error = read_on(&autumn, Format::Plain, twice.as_bytes(), Rules::default()).unwrap_err().to_string();
    assert!(error.contains("line 2, column \"departure\": 2019-11-03 01:30 happens twice in America/Los_"), "{error}");

    let sepm = SEPM.replace("2019/05/01 08:03", "2019/11/03 01:30").replace("2019/05/01", "2019/11/03");
    let imported = read_on(&autumn, Format::Sepm, sepm.as_bytes(), Rules::default()).unwrap();
    assert_eq!(imported.dropped, Dropped { ambiguous_time: 1, ..Dropped::default() }, "it gives no offsets");
}

/// What is replaced in a good file, by what, and what is said about it.
fn bad() -> Vec<(Format, &'static str, &'static str, &'static str, &'static str)> {
    let energy = Energy::Requested;
    let (gym, acn) = (Format::SustainGym { energy }, Format::AcnData { energy });
    vec![
        (
            Format::Plain,
            PLAIN,
            "2019-05-01 12:00:10-07:00",
            "2019-05-01 07:00:00-07:00",
            "line 2, column \"departure\": the departure 2019-05-01T14:00:00Z is before the arrival 2019-05-01T15:03:20Z",
        ),
        (
            Format::Plain,
            PLAIN,
            ",10.5,",
            ",-10.5,",
            "line 2, column \"requested_kwh\": found -10.5 kWh (energy in kWh from 0 to 10000 would do)",
        ),
        (
            Format::Plain,
            PLAIN,
            ",10.5,",
            ",NaN,",
            "line 2, column \"requested_kwh\": found \"NaN\" (a finite number would do)",
        ),
        (Format::Plain, PLAIN, ",10.5,", ",10500,", "line 2, column \"requested_kwh\": found 10500 kWh"),
        (
            Format::Plain,
            PLAIN,
            ",10.5,",
            ",,",
            "line 2, column \"requested_kwh\": found \"\" (a finite number would do)",
        ),
        (
            Format::Plain,
            PLAIN,
            ",40,12,",
            ",40,41,",
            "line 2, column \"start_kwh\": found 41 kWh (from 0 to the battery's 40 kWh)",
        ),
        (Format::Plain, PLAIN, ",40,12,", ",0,0,", "line 2, column \"battery_kwh\": found 0"),
        (
            Format::Plain,
            PLAIN,
            ",40,12,",
            ",40,,",
            "line 2, column \"start_kwh\": is empty although `battery_kwh` is not",
        ),
        (Format::Plain, PLAIN, ",7.2,", ",inf,", "line 2, column \"max_kw\": found \"inf\""),
        (Format::Plain, PLAIN, ",7.2,1", ",7.2,-1", "line 2, column \"operator\": found \"-1\""),
        (
            Format::Plain,
            PLAIN,
            "max_kw",
            "max_w",
            "line 1: there is no column \"max_w\" (the columns are: arrival, departure,",
        ),
        (
            Format::Plain,
            PLAIN,
            "departure,requested_kwh",
            "arrival,requested_kwh",
            "line 1: column \"arrival\" is there twice",
        ),
        (Format::Plain, PLAIN, "2019-05-01 09:00,", "", "line 3: has 9 fields where the header has 10"),
        (
            Format::Plain,
            PLAIN,
            "B-1",
            "B-2",
            "line 3, column \"station\": the network has no station \"B-2\" (its 3 stations are B-1, A-2, A-1, …",
        ),
        (
            Format::Plain,
            PLAIN,
            "B-1,false",
            "B-1,no",
            "line 3, column \"claimed\": found \"no\" (True or False would do)",
        ),
        (Format::Plain, PLAIN, "B-1", "A-1", "line 3: begins at station \"A-1\" while that of line 2 is still there"),
        (
            Format::Plain,
            PLAIN,
            "2019-05-01T19:00:30Z",
            "1556737230",
            "line 4, column \"arrival\": found \"1556737230\"",
        ),
        (
            gym,
            SUSTAIN_GYM,
            "requested_energy (kWh)",
            "requested_energy (Wh)",
            "line 1: has no column \"requested_energy (kWh)\", but: arrival, departure, requested_energy (Wh)",
        ),
        (gym, SUSTAIN_GYM, "11:30:00-07:00", "11:30:00-0700h", "line 2, column \"estimated_departure\": found"),
        (
            acn,
            ACN_DATA,
            "\"kWhRequested\": 10.5",
            "\"kWhRequested\": \"10.5\"",
            "_items[0].userInputs[0].kWhRequested: found \"10.5\" (a finite number would do)",
        ),
        (
            acn,
            ACN_DATA,
            "\"kWhRequested\": 10.5",
            "\"kWhRequested\": -1",
            "_items[0].userInputs[0].kWhRequested: found -1 kWh",
        ),
        (acn, ACN_DATA, "\"kWhDelivered\": 6, ", "", "_items[1].kWhDelivered: is not there"),
        (
            acn,
            ACN_DATA,
            "Wed, 01 May 2019 16:00:00 GMT",
            "2019-05-01",
            "_items[1].connectionTime: found \"2019-05-01\" (a time such as \"Wed, 25 Apr",
        ),
        (
            acn,
            ACN_DATA,
            "Wed, 01 May 2019 16:00:00 GMT",
            "Fri, 03 May 2019 16:00:00 GMT",
            "_items[1].disconnectTime: the departure",
        ),
        (acn, ACN_DATA, "_items", "items", "there is no `_items` at line"),
        (
            acn,
            ACN_DATA,
            "\"spaceID\": \"B-1\"",
            "\"spaceID\": \"A-1\"",
            "_items[1]: begins at station \"A-1\" while that of _items[0] is still there",
        ),
        (
            acn,
            ACN_DATA,
            "\"userInputs\": null",
            "\"userInputs\": 3",
            "_items[1].userInputs: found 3 (a list, or null, would do)",
        ),
        (
            queue(),
            ACN_QUEUE,
            "\"_departure\": 144,",
            "\"_departure\": 14.5,",
            "context_dict.21.attributes._departure: found 14.5 (a whole number",
        ),
        (
            queue(),
            ACN_QUEUE,
            "\"_departure\": 144,",
            "\"_departure\": 14,",
            "context_dict.21.attributes._departure: the departure",
        ),
        (
            queue(),
            ACN_QUEUE,
            "\"_departure\": 144,",
            "\"_departure\": 99999999999999,",
            "context_dict.21.attributes._departure: found 99999999999999",
        ),
        (
            queue(),
            ACN_QUEUE,
            "\"ev\": \"22\"",
            "\"ev\": \"32\"",
            "_queue[1]: context_dict has a \"acnportal.acnsim.models.battery.Battery\" under \"32\" (a EV would do)",
        ),
        (queue(), ACN_QUEUE, "\"ev\": \"22\"", "\"ev\": \"77\"", "_queue[1]: context_dict has nothing under \"77\""),
        (
            queue(),
            ACN_QUEUE,
            "\"_capacity\": 8.25",
            "\"_capacity\": 0",
            "context_dict.31.attributes._init_charge: found 0 (from 0 to the capacity, 0 kWh",
        ),
        (
            queue(),
            ACN_QUEUE,
            "\"_max_power\": 6.6",
            "\"_max_power\": -6.6",
            "context_dict.31.attributes._max_power: found -6.6",
        ),
        (queue(), ACN_QUEUE, "[96, \"11\"]", "96", "_queue[0]: names no event"),
        (queue(), ACN_QUEUE, "\"_queue\"", "\"queue\"", "context_dict.9.attributes._queue: is no list"),
        (
            Format::Sepm,
            SEPM,
            "2019/05/01 09:00",
            "2019-05-01 09:00",
            "line 3, column \"start_time\": found \"2019-05-01 09:00\" (a local time such as",
        ),
        (Format::Sepm, SEPM, ",6.0", ",-6.0", "line 3, column \"total_power\": found -6 kWh"),
        (Format::Sepm, SEPM, "2019/05/01 09:00", "2019/05/02 09:00", "line 3, column \"end_time\": the departure"),
    ]
}

#[test]
fn bad_input_is_refused_with_its_place() {
    for (format, good, from, to, expected) in bad() {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from} is not in the fixture");
        let found = read(format, &text).map(|_| ()).map_err(|flaws| flaws.to_string());
        let error = found.expect_err(to);
        assert!(
            error.starts_with(&format!("cars: {expected}")) || error.starts_with("cars: ") && error.contains(expected),
            "{to}:\n{error}\n{expected}"
        );
    }
}

#[test]
fn all_flaws_are_listed_but_not_a_thousand_times() {
    let mut text = PLAIN.to_owned();
    for _ in 0..1000 {
        text.push_str("2019-05-01 09:00,2019-05-01 08:00,-1,soon,,,,,,\n");
    }
    let flaws = read(Format::Plain, &text).unwrap_err();
    assert_eq!(flaws.len(), 1000);
    assert!(flaws.to_string().ends_with("cars: 980 more flaws of this kind"), "{flaws}");
    assert!(flaws.problem("sessions.files").to_string().starts_with("sessions.files: cars: line 5, column \"est_dep"));
}

#[test]
fn nothing_left_is_no_success() {
    let error =
        |text: &str, rules| read_on(&may_first(), Format::Plain, text.as_bytes(), rules).unwrap_err().to_string();
    assert!(error("", Rules::default()).contains("cars: is empty"));
    assert!(error("arrival,departure,requested_kwh\n", Rules::default()).contains("has no sessions"));
    let other_day = PLAIN.replace("2019-05", "2018-05");
    let expected = "cars: none of its 3 sessions takes place; dropped: 1 unclaimed, 2 outside the calendar";
    assert!(error(&other_day, DROP_ALL).starts_with(expected));
}

#[test]
fn files_that_cannot_be_read_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let import = |name: &str| {
        let (clock, stations) = (may_first(), stations());
        import(folder.path(), &[name.to_owned()], Format::Plain, Rules::default(), &clock, &stations)
    };
    assert!(import("none.csv").unwrap_err().to_string().starts_with("none.csv: cannot read"));
    std::fs::write(folder.path().join("cars.csv.gz"), packed(PLAIN.as_bytes())).unwrap();
    assert_eq!(import("cars.csv.gz").unwrap().kept(), 3);
    let mut cut = packed(PLAIN.as_bytes());
    cut.truncate(cut.len() / 2);
    std::fs::write(folder.path().join("cut.csv.gz"), cut).unwrap();
    assert!(import("cut.csv.gz").is_err());
    std::fs::write(folder.path().join("line.csv"), vec![b'x'; 3 << 20]).unwrap();
    assert!(import("line.csv").unwrap_err().to_string().contains("has a line of more than 1048576 bytes"));
}

/// Whatever was taken in can be simulated.
fn assert_sane(imported: &Imported) {
    assert!(imported.kept() > 0);
    for session in imported.episodes.iter().flatten() {
        assert!(session.arrival < session.departure && session.departure <= 288, "{session:?}");
        assert!(session.arrival < session.est_departure, "{session:?}");
        assert!(session.requested_kwh > 0.0 && session.requested_kwh.is_finite(), "{session:?}");
        assert!(session.station.is_none_or(|station| station < 3), "{session:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]

    #[test]
    fn garbage_is_refused_in_peace(which in 0..5usize, bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (format, _) = delivered()[which];
        prop_assert!(read_on(&may_first(), format, &bytes, Rules::default()).is_err());
        let mut gzip = vec![0x1f, 0x8b];
        gzip.extend(&bytes);
        prop_assert!(read_on(&may_first(), format, &gzip, Rules::default()).is_err());
    }

    #[test]
    fn a_damaged_file_is_refused_or_makes_sense(
        which in 0..5usize,
        cut in 0.0..1.0f64,
        changes in prop::collection::vec((0.0..1.0f64, any::<u8>()), 0..4),
    ) {
        let (format, text) = delivered()[which];
        let mut bytes = text.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] = byte;
        }
        for rules in [Rules::default(), DROP_ALL] {
            for part in [&bytes[..], &bytes[..(cut * bytes.len() as f64) as usize]] {
                if let Ok(imported) = read_on(&may_first(), format, part, rules) {
                    assert_sane(&imported);
                }
            }
        }
    }
}

/// The folder of real data, unless it is not there, which is said.
pub(crate) fn data(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ISONOMY_DATA").map(|folder| PathBuf::from(folder).join("ev-charging"));
    if folder.is_none() {
        eprintln!("SKIPPED {test}: the environment variable ISONOMY_DATA does not name the folder of data");
    }
    folder
}

#[test]
fn real_files_are_read() {
    let Some(folder) = data("real_files_are_read") else { return };
    let march = clock("America/Los_Angeles", "2019-03-01", 1, 38, 5, 38 * 288);
    let files = |name: &str| [name.to_owned()];
    let starts = Format::AcnQueue { starts: day("2019-03-01"), step_minutes: NonZeroU32::new(5).unwrap() };
    let read = |name: &str, format, rules, clock: &Clock| import(&folder, &files(name), format, rules, clock, &[]);
    let queue = read("caltech_2019-03_events.json.gz", starts, Rules::default(), &march).unwrap();
    assert_eq!((queue.kept(), queue.dropped.total()), (954, 0));
    let kwh: f64 = queue.episodes[0].iter().map(|session| session.requested_kwh).sum();
    assert!((kwh - 8900.522).abs() < 5e-4, "{kwh}");
    assert_eq!(queue.episodes[0].iter().map(|session| session.departure).max(), Some(10731));

    // Days of SustainGym: cars of the reference's table.
    let gym = Format::SustainGym { energy: Energy::Requested };
    let rules = Rules { most_kwh: Positive::new(100.0), ..DROP_ALL };
    let may = clock("America/Los_Angeles", "2019-05-01", 123, 1, 5, 288);
    for (name, cars) in [("caltech", &[35, 27, 25][..]), ("jpl", &[68, 71])] {
        let imported = read(&format!("sustaingym/{name}_2019-05-01_2019-08-31.csv.gz"), gym, rules, &may).unwrap();
        let found: Vec<usize> = imported.episodes.iter().map(Vec::len).collect();
        assert_eq!(found[..cars.len()], *cars, "{name}");
        assert_eq!(imported.kept() + imported.dropped.total(), imported.read);
        eprintln!(
            "{name}: {} of {} sessions take place; dropped: {}",
            imported.kept(),
            imported.read,
            imported.dropped
        );
    }

    let all = clock("America/Los_Angeles", "2018-04-25", 1300, 1, 5, 288);
    let sepm = read("caltech_sessions_2018-2021.csv.gz", Format::Sepm, Rules::default(), &all).unwrap();
    assert_eq!(sepm.read, 31_424);
    eprintln!("SEPM: {} take place; dropped: {}", sepm.kept(), sepm.dropped);
}
