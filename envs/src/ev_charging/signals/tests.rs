//! Damaged files are refused or make sense; nothing panics.

use super::*;
use crate::ev_charging::calendar::{Clock, clock};
use crate::ev_charging::sessions::Mixture;
use proptest::prelude::*;
use std::num::NonZeroU32;
use std::path::Path;

const TARIFF: &str = include_str!("../fixtures/tariff.json");
const MOER: &str = include_str!("../fixtures/moer.csv");

fn two_hours() -> Clock {
    clock("America/Los_Angeles", "2019-05-01", 1, 1, 5, 24)
}

fn moer(folder: &Path) -> Result<Moer, String> {
    let files = vec!["m.csv".to_owned()];
    let mut moer = Moer::SustainGym { files, forecast: 3, rows: WhichRow::Now, longest_gap_minutes: None };
    moer.resolve(folder, &two_hours()).map_err(|problem| problem.to_string())?;
    assert_eq!(moer.check(&two_hours()), []);
    Ok(moer)
}

fn series(folder: &Path, between: Between, gap: u32) -> Result<Vec<f64>, String> {
    let mut series = Series::Table {
        file: "m.csv".to_owned(),
        time: "time".to_owned(),
        column: "moer".to_owned(),
        unit: Unit::GPerKwh,
        between,
        longest_gap_minutes: NonZeroU32::new(gap),
    };
    series.resolve(folder, &two_hours(), Kind::Carbon).map_err(|problem| problem.to_string())?;
    assert_eq!(series.check(&two_hours()), []);
    Ok(series.values(&two_hours()))
}

fn tariff(folder: &Path) -> Result<Tariff, String> {
    let mut tariff = Tariff::File("t.json".to_owned());
    tariff.resolve(folder).map_err(|problem| problem.to_string())?;
    assert_eq!(tariff.check(), []);
    Ok(tariff)
}

#[test]
fn the_fixtures_are_good() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("m.csv"), MOER).unwrap();
    std::fs::write(folder.path().join("t.json"), TARIFF).unwrap();
    let emissions = moer(folder.path()).unwrap().emissions(&two_hours());
    assert_eq!((emissions.rate(0, 1), emissions.forecast(0, 24)), (0.305, &[0.425, 0.43, 0.435][..]));
    assert_eq!(series(folder.path(), Between::Hold, 0).unwrap()[1], 0.000305);
    assert!(tariff(folder.path()).is_ok());
}

/// A text with some bytes replaced, and cut.
fn damaged(text: &str, cut: f64, changes: &[(f64, u8)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, byte) in changes {
        let at = (at * bytes.len() as f64) as usize;
        bytes[at] = *byte;
    }
    bytes.truncate((cut * bytes.len() as f64).ceil() as usize);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_files_are_refused_or_make_sense(
        cut in prop_oneof![Just(1.0), 0.0..1.0f64],
        changes in prop::collection::vec((0.0..1.0f64, any::<u8>()), 0..4),
        gap in 0..100u32,
    ) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.csv"), damaged(MOER, cut, &changes)).unwrap();
        std::fs::write(folder.path().join("t.json"), damaged(TARIFF, cut, &changes)).unwrap();
        if let Ok(moer) = moer(folder.path()) {
            let emissions = moer.emissions(&two_hours());
            prop_assert!((0..=24).all(|step| emissions.rate(0, step).is_finite()));
        }
        for between in [Between::Hold, Between::Interpolate, Between::Mean] {
            if let Ok(values) = series(folder.path(), between, gap) {
                prop_assert!(values.iter().all(|value| value.is_finite()));
            }
        }
        if let Ok(tariff) = tariff(folder.path()) {
            prop_assert!(tariff.prices(&two_hours()).iter().all(|price| price.is_finite()));
        }
    }

    #[test]
    fn garbage_is_refused_in_peace(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.csv"), &bytes).unwrap();
        std::fs::write(folder.path().join("t.json"), &bytes).unwrap();
        prop_assert!(moer(folder.path()).is_err());
        prop_assert!(series(folder.path(), Between::Mean, 5).is_err());
        prop_assert!(tariff(folder.path()).is_err());
        prop_assert!(serde_json::from_slice::<Mixture>(&bytes).is_err());
    }

    #[test]
    fn any_numbers_of_a_mixture_are_checked(
        weights in prop::collection::vec(any::<f64>(), 0..3),
        means in prop::collection::vec(any::<[f64; 4]>(), 0..3),
        covariances in prop::collection::vec(any::<[[f64; 4]; 4]>(), 0..3),
        daily_counts in prop::collection::vec(any::<u32>(), 0..3),
    ) {
        let scale_kwh = isonomy_engine::quantity::Positive::new(100.0).unwrap();
        let station_usage = Default::default();
        let mixture = Mixture { weights, means, covariances, scale_kwh, daily_counts, station_usage };
        let sessions = crate::ev_charging::sessions::Sessions::Gmm { file: None, mixture: Some(mixture), most_kwh: None };
        let day = clock("UTC", "2019-05-01", 1, 1, 5, 288);
        prop_assert!(!sessions.check(&day, &[]).is_empty());
    }
}
