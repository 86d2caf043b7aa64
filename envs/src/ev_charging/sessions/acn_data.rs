//! ACN-Data, as its web interface gives it: an object with `_items`, or the list of items alone. Time series in them are
//! passed over.
//!
//! A session that a driver claimed has `userInputs`; the first of them says what was asked for and until when.
//! Others depart when they said, that is when they did, and ask for what they got.

use super::Energy;
use super::intake::{Intake, Places, Stay};
use crate::ev_charging::reading::json::{At, field};
use crate::ev_charging::reading::{Flaws, time};
use jiff::Timestamp;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::io::{BufReader, Read};

/// What is looked at of an item.
const WANTED: [&str; 5] = ["connectionTime", "disconnectTime", "kWhDelivered", "spaceID", "userInputs"];

/// Takes in all sessions of a file, which is never held as a whole.
pub(super) fn read(
    from: Box<dyn Read + '_>,
    (file, name): (u32, &str),
    energy: Energy,
    intake: &mut Intake<'_>,
) -> Result<(), Flaws> {
    let mut flaws = Flaws::none(name);
    let mut each = |nth: u64, item: Value| {
        let path = format!("_items[{nth}]");
        let full = intake.is_full(&mut flaws);
        if !full {
            take(At { value: &item, path: &path }, (file, nth), energy, intake, &mut flaws);
        }
        !full
    };
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(from));
    let read = Document { each: &mut each, inside: false }.deserialize(&mut json).and_then(|()| json.end());
    if let Err(error) = read {
        flaws.add("", error.to_string(), "an object with `_items`, or a list of them, would do");
    }
    flaws.or(())
}

fn take(
    item: At<'_, '_>,
    (file, nth): (u32, u64),
    energy: Energy,
    intake: &mut Intake<'_>,
    flaws: &mut Flaws,
) -> Option<()> {
    let input = match field(item.value, "userInputs") {
        None => None,
        Some(Value::Array(inputs)) => inputs.first(),
        Some(_) => {
            item.flaw("userInputs", "a list, or null, would do", flaws);
            return None;
        }
    };
    let arrival = http_date(item, "connectionTime", flaws);
    let departure = match field(item.value, "disconnectTime") {
        None => Some(None),
        Some(_) => http_date(item, "disconnectTime", flaws).map(Some),
    };
    let delivered = item.number("kWhDelivered", flaws);
    let station = item.text("spaceID", flaws);
    let path = item.place("userInputs[0]");
    let input = input.map(|value| At { value, path: &path });
    let requested = match (energy, input) {
        (Energy::Requested, Some(input)) => input.number("kWhRequested", flaws),
        _ => delivered,
    };
    let estimated = match input {
        Some(input) => http_date(input, "requestedDeparture", flaws).map(Some),
        None => Some(None),
    };
    let stay = Stay {
        arrival: arrival?,
        departure: departure?,
        est_departure: estimated?,
        kwh: requested?,
        station: Some(station?),
        claimed: input.is_some(),
        battery: None,
        max_kw: None,
        operator: 0,
    };
    delivered?;
    let kwh = || match (energy, input) {
        (Energy::Requested, Some(input)) => input.place("kWhRequested"),
        _ => item.place("kWhDelivered"),
    };
    let at = Places { departure: &|| item.place("disconnectTime"), station: &|| item.place("spaceID"), kwh: &kwh };
    intake.take(stay, file, nth, at, flaws);
    Some(())
}

fn http_date(item: At<'_, '_>, name: &str, flaws: &mut Flaws) -> Option<Timestamp> {
    let instant = field(item.value, name).and_then(Value::as_str).and_then(|text| time::http_date(text).ok());
    if instant.is_none() {
        item.flaw(name, "a time such as \"Wed, 25 Apr 2018 11:08:04 GMT\" would do", flaws);
    }
    instant
}

/// The whole file, or the list in it.
struct Document<'e> {
    /// Told of every item; says whether to go on.
    each: &'e mut dyn FnMut(u64, Value) -> bool,
    inside: bool,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        if self.inside { from.deserialize_seq(self) } else { from.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.inside { "a list of sessions" } else { "an object with `_items`" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut there = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "_items" && !there {
                map.next_value_seed(Document { each: &mut *self.each, inside: true })?;
                there = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if there { Ok(()) } else { Err(A::Error::custom("there is no `_items`")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut nth = 0;
        let mut going_on = true;
        while let Some(item) = items.next_element_seed(Item)? {
            going_on = going_on && (self.each)(nth, item);
            nth += 1;
        }
        Ok(())
    }
}

/// One item, without what nobody looks at.
struct Item;

impl<'de> DeserializeSeed<'de> for Item {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Item {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut item = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if WANTED.contains(&key.as_str()) {
                item.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(item))
    }
}
