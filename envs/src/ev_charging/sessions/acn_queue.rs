//! The event queue of ACN-Sim as it writes itself: `{id, context_dict: {id: {class, attributes}}}`, often as a JSON text
//! inside a JSON text. Times are steps from a start that the file does not tell, of a length that it does not tell:
//! the scenario says both.
//!
//! Only `PluginEvent`s are sessions. Nothing says whether a driver claimed a session, so all count as claimed.

use super::intake::{Intake, Places, Stay};
use crate::ev_charging::calendar::Day;
use crate::ev_charging::reading::Flaws;
use crate::ev_charging::reading::json::{At, field};
use crate::ev_charging::session::BatterySpec;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;
use std::num::NonZeroU32;

/// Its objects refer to each other, so a queue is held as a whole; a larger one is refused.
const MOST_BYTES: u64 = 64 << 20;

#[derive(Deserialize)]
struct Queue {
    id: String,
    context_dict: HashMap<String, Object>,
}

#[derive(Deserialize)]
struct Object {
    class: String,
    attributes: Value,
}

/// Which instant a step is.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub starts: Day,
    pub step_minutes: NonZeroU32,
}

/// Takes in all sessions of a file.
pub(super) fn read(
    from: Box<dyn Read + '_>,
    (file, name): (u32, &str),
    steps: Steps,
    intake: &mut Intake<'_>,
) -> Result<(), Flaws> {
    let wrong = |message: String| Flaws::one(name, "", message, "an event queue that ACN-Sim wrote would do");
    let mut text = String::new();
    from.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(wrong(format!("is larger than {} MiB", MOST_BYTES >> 20)));
    }
    let mut inner = Cow::Borrowed(text.as_str());
    if text.trim_start().starts_with('"') {
        inner = Cow::Owned(serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?);
    }
    let queue: Queue = serde_json::from_str(&inner).map_err(|error| wrong(error.to_string()))?;
    let mut flaws = Flaws::none(name);
    let first = steps.starts.get().to_zoned(intake.clock().zone().clone());
    let first = first.map_err(|error| wrong(error.to_string()))?.timestamp();
    let root = queue.object(&queue.id, "id", "EventQueue", &mut flaws);
    let events = root.and_then(|root| root.get("_queue")).and_then(Value::as_array);
    let Some(events) = events else {
        flaws.add(
            &format!("context_dict.{}.attributes._queue", queue.id),
            "is no list",
            "a list of [step, id] would do",
        );
        return Err(flaws);
    };
    for (event, nth) in events.iter().zip(0..) {
        if intake.is_full(&mut flaws) {
            break;
        }
        queue.take(event, (file, nth), (first, steps), intake, &mut flaws);
    }
    flaws.or(())
}

impl Queue {
    /// Attributes of an object of a class; `from` is who names it.
    fn object(&self, id: &str, from: &str, class: &str, flaws: &mut Flaws) -> Option<&Value> {
        let object = self.context_dict.get(id);
        let is = object.filter(|object| object.class.rsplit('.').next().is_some_and(|last| last.ends_with(class)));
        if is.is_none() {
            let found = object.map_or("nothing".to_owned(), |object| format!("a {:?}", object.class));
            flaws.add(from, format!("context_dict has {found} under {id:?}"), &format!("a {class} would do"));
        }
        is.map(|object| &object.attributes)
    }

    fn take(
        &self,
        event: &Value,
        (file, nth): (u32, u64),
        (first, steps): (Timestamp, Steps),
        intake: &mut Intake<'_>,
        flaws: &mut Flaws,
    ) -> Option<()> {
        let place = format!("_queue[{nth}]");
        let Some(id) = event.get(1).and_then(Value::as_str) else {
            flaws.add(&place, "names no event", "[step, id] would do");
            return None;
        };
        let class = self.context_dict.get(id).map_or("", |object| &object.class);
        // What was scheduled rather than what came: the departure of a car is in the car.
        if ["UnplugEvent", "RecomputeEvent"].iter().any(|other| class.ends_with(other)) {
            return None;
        }
        let plugin = self.object(id, &place, "PluginEvent", flaws)?;
        let path = format!("context_dict.{id}.attributes");
        let ev_id = At { value: plugin, path: &path }.text("ev", flaws)?;
        let path = format!("context_dict.{ev_id}.attributes");
        let ev = At { value: self.object(ev_id, &place, "EV", flaws)?, path: &path };
        let mut instant = |name: &str| {
            let step = ev.count(name, flaws)?;
            let seconds =
                i64::try_from(step).ok().and_then(|step| step.checked_mul(60 * steps.step_minutes.get() as i64));
            let instant = seconds.and_then(|seconds| first.checked_add(SignedDuration::from_secs(seconds)).ok());
            if instant.is_none() {
                ev.flaw(name, "a step of this millennium would do", flaws);
            }
            instant
        };
        let (arrival, departure) = (instant("_arrival"), instant("_departure"));
        let estimated = instant("_estimated_departure");
        let kwh = ev.number("_requested_energy", flaws);
        let station = ev.text("_station_id", flaws);
        let battery_id = ev.text("_battery", flaws)?;
        let path = format!("context_dict.{battery_id}.attributes");
        let battery = At { value: self.object(battery_id, &ev.place("_battery"), "Battery", flaws)?, path: &path };
        let max_kw = battery.number("_max_power", flaws);
        let (capacity, start) = (battery.number("_capacity", flaws), battery.number("_init_charge", flaws));
        // Only a `Linear2StageBattery` has it.
        let slows_from = match field(battery.value, "_transition_soc") {
            Some(_) => {
                let share = battery.number("_transition_soc", flaws)?;
                if !(0.0..1.0).contains(&share) {
                    battery.flaw("_transition_soc", "a share from 0 to below 1 would do", flaws);
                    return None;
                }
                Some(share)
            }
            None => None,
        };
        let spec = BatterySpec { capacity_kwh: capacity?, start_kwh: start?, slows_from };
        if !(spec.capacity_kwh > 0.0 && (0.0..=spec.capacity_kwh).contains(&spec.start_kwh)) {
            battery.flaw(
                "_init_charge",
                &format!("from 0 to the capacity, {} kWh, would do", spec.capacity_kwh),
                flaws,
            );
            return None;
        }
        if max_kw? <= 0.0 {
            battery.flaw("_max_power", "a number of kW above 0 would do", flaws);
            return None;
        }
        let stay = Stay {
            arrival: arrival?,
            departure: Some(departure?),
            est_departure: Some(estimated?),
            kwh: kwh?,
            station: Some(station?),
            claimed: true,
            battery: Some(spec),
            max_kw,
            operator: 0,
        };
        let at = Places {
            departure: &|| ev.place("_departure"),
            station: &|| ev.place("_station_id"),
            kwh: &|| ev.place("_requested_energy"),
        };
        intake.take(stay, file, nth, at, flaws);
        Some(())
    }
}
