//! `isonomy devices`, `isonomy doctor`

use super::{Failure, Format, Outcome, print};
use crate::table::Table;
use isonomy_engine::gpu::{self, Device, DeviceChoice};
use isonomy_engine::noise::{Key, Phase, Purpose};
use isonomy_engine::scenario;
use isonomy_engine::sim::{Setup, Sim};
use std::path::Path;
use std::time::Instant;

/// Lists the adapters that rollouts can run on
#[derive(clap::Args)]
pub(super) struct DevicesArgs {
    /// How to print it
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn devices(args: DevicesArgs) -> Result<Outcome, Failure> {
    let adapters = gpu::adapters();
    let row = |adapter: &gpu::AdapterInfo| {
        let option = if adapter.kind.is_gpu() { "gpu" } else { "software" };
        [
            option.to_owned(),
            adapter.name.clone(),
            adapter.kind.to_string(),
            adapter.backend.clone(),
            adapter.driver.clone(),
        ]
    };
    let heading = ["device", "adapter", "type", "backend", "driver"];
    let processor = [
        "cpu".to_owned(),
        "processor".to_owned(),
        format!("{} threads", threads()),
        vectors().to_owned(),
        String::new(),
    ];
    let rows = std::iter::once(processor).chain(adapters.iter().map(row));
    match args.format {
        Format::Table => {
            let mut table = Table::new(heading);
            rows.for_each(|row| table.row(row));
            print(table.to_string().trim_end())?;
        }
        Format::Csv => {
            let lines = std::iter::once(heading.join(","))
                .chain(rows.map(|row| row.map(|cell| cell.replace(',', ";")).join(",")));
            print(lines.collect::<Vec<_>>().join("\n"))?;
        }
        Format::Json => {
            let objects: Vec<_> = rows
                .map(|row| {
                    heading
                        .iter()
                        .map(|name| name.to_string())
                        .zip(row.map(serde_json::Value::from))
                        .collect::<serde_json::Map<_, _>>()
                })
                .collect();
            print(serde_json::to_string_pretty(&objects)?)?;
        }
    }
    Ok(Outcome::Well)
}

/// Checks what this machine offers: threads, vector units, noise, adapters
#[derive(clap::Args)]
pub(super) struct DoctorArgs {}

pub(super) fn doctor(_: DoctorArgs) -> Result<Outcome, Failure> {
    let mut well = true;
    let mut say = |ok: bool, what: &str, found: String| {
        well &= ok;
        print(format_args!("{} {what}: {found}", if ok { "ok  " } else { "FAIL" }))
    };
    say(true, "threads", threads().to_string())?;
    say(true, "vector unit", vectors().to_owned())?;
    let (right, rate) = noise();
    say(right, "noise", format!("known answer {}, {rate:.2} G words/s", if right { "found" } else { "missed" }))?;
    let adapters = gpu::adapters();
    if adapters.is_empty() {
        say(
            true,
            "adapters",
            "none; runs use the processor (Debian: mesa-vulkan-drivers brings a software adapter)".into(),
        )?;
    }
    for choice in [DeviceChoice::Gpu, DeviceChoice::Software] {
        let what = format!("--device {choice}");
        match Device::open(choice) {
            Ok(Some(device)) => match same_bytes(&device) {
                Ok(true) => say(true, &what, format!("{}: the same bytes as the processor", device.describe()))?,
                Ok(false) => say(false, &what, format!("{}: other bytes than the processor", device.describe()))?,
                Err(error) => say(false, &what, format!("{}: {error}", device.describe()))?,
            },
            Ok(None) | Err(gpu::DeviceError::NoAdapter { .. }) => say(true, &what, "not here".to_owned())?,
            Err(error) => say(false, &what, error.to_string())?,
        }
    }
    let scratch = std::env::temp_dir();
    say(true, "temporary folder", scratch.display().to_string())?;
    Ok(if well { Outcome::Well } else { Outcome::Problem })
}

/// Whether a small rollout ends in the same state on the device as on the processor.
fn same_bytes(device: &Device) -> Result<bool, Failure> {
    let text = include_str!("../../scenarios/river_swim/group_riverswim.ron");
    let loaded = scenario::parse(text, "river", Path::new(""), &[]).map_err(|problems| problems.to_string())?;
    let environment = &*loaded.scenario.environment;
    let end = |device| -> Result<u64, Failure> {
        let setup = Setup { lanes: 333, seed: 1, phase: Phase::Training, threads: 1, device };
        let mut sim = Sim::new(environment, Vec::new(), setup)?;
        sim.advance(35)?;
        Ok(sim.hash())
    };
    Ok(end(Some(device))? == end(None)?)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if is_x86_feature_detected!("avx2") {
            return "AVX2";
        }
    }
    "portable"
}

/// Whether the generator gives its known first words, and how many it gives a second.
fn noise() -> (bool, f64) {
    let key = Key::new(7, Phase::Training, Purpose::Transition);
    let mut words = vec![0; 1 << 14];
    key.fill(3, 0, &mut words);
    let right = words.iter().enumerate().step_by(97).all(|(at, word)| *word == key.word(3, at as u64));
    let begun = Instant::now();
    let mut made = 0;
    while begun.elapsed().as_millis() < 50 {
        key.fill(made, 0, &mut words);
        made += 1;
    }
    (right, made as f64 * words.len() as f64 / begun.elapsed().as_secs_f64() / 1e9)
}
