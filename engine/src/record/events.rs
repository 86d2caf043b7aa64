//! TensorBoard's event files: TFRecord frames around protocol buffers, of which scalars need a handful of fields.
//!
//! Formats: tensorflow/core/lib/io/record_writer.h (a record is length, masked CRC-32C of the length, data, masked
//! CRC-32C of the data), tensorflow/core/util/event.proto and framework/summary.proto (the field numbers below).

use super::entry::Entry;

/// TensorBoard takes files whose name holds `tfevents`.
pub(super) const NAME: &str = "events.out.tfevents.isonomy";

/// What a file begins with.
pub(super) fn head() -> Vec<u8> {
    let mut event = Vec::new();
    double(&mut event, 1, 0.0);
    bytes(&mut event, 3, b"brain.Event:2");
    record(&event)
}

/// All values of an iteration as one event. Its wall time is the iteration's number, so that bytes repeat.
pub(super) fn event(names: &[String], entry: &Entry) -> Vec<u8> {
    let mut summary = Vec::new();
    for (name, value) in names.iter().zip(&entry.values) {
        let Some(value) = value else { continue };
        let mut scalar = Vec::new();
        bytes(&mut scalar, 1, tag(name).as_bytes());
        key(&mut scalar, 2, 5);
        scalar.extend((*value as f32).to_le_bytes());
        bytes(&mut summary, 1, &scalar);
    }
    let mut event = Vec::new();
    double(&mut event, 1, entry.number as f64);
    key(&mut event, 2, 0);
    varint(&mut event, entry.number);
    bytes(&mut event, 5, &summary);
    record(&event)
}

/// TensorBoard groups charts by what stands before the first slash.
fn tag(name: &str) -> String {
    match name.split_once('.') {
        Some((kind @ ("evaluation" | "exact" | "fairness" | "overrun"), rest)) => format!("{kind}/{rest}"),
        _ => format!("training/{name}"),
    }
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked(data).to_le_bytes());
    record
}

/// A checksum that can be stored beside what it is of.
fn masked(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn key(out: &mut Vec<u8>, field: u64, wire: u64) {
    varint(out, field << 3 | wire);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    key(out, field, 1);
    out.extend(value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    key(out, field, 2);
    varint(out, value.len() as u64);
    out.extend(value);
}
