//! Loose JSON values with strict questions.

use super::Flaws;
use super::table::shorten;
use serde_json::Value;

/// A value and where it is.
#[derive(Clone, Copy)]
pub(crate) struct At<'v, 'p> {
    pub value: &'v Value,
    /// As in `_items[3].kWhDelivered`.
    pub path: &'p str,
}

/// What a field holds, or nothing where it is absent or null.
pub(crate) fn field<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    object.get(name).filter(|value| !value.is_null())
}

impl<'v> At<'v, '_> {
    /// The text of a field that must be there.
    pub(crate) fn text(self, name: &str, flaws: &mut Flaws) -> Option<&'v str> {
        let text = field(self.value, name).and_then(Value::as_str);
        if text.is_none() {
            self.flaw(name, "a text would do", flaws);
        }
        text
    }

    /// The finite number in a field that must be there.
    pub(crate) fn number(self, name: &str, flaws: &mut Flaws) -> Option<f64> {
        let number = field(self.value, name).and_then(Value::as_f64).filter(|number| number.is_finite());
        if number.is_none() {
            self.flaw(name, "a finite number would do", flaws);
        }
        number
    }

    /// The whole number, 0 or above, in a field that must be there.
    pub(crate) fn count(self, name: &str, flaws: &mut Flaws) -> Option<u64> {
        let value = field(self.value, name);
        // numpy writes some of them as 76.0.
        let whole = |number: f64| (number >= 0.0 && number.fract() == 0.0 && number < 1e15).then_some(number as u64);
        let count = value.and_then(Value::as_u64).or_else(|| value.and_then(Value::as_f64).and_then(whole));
        if count.is_none() {
            self.flaw(name, "a whole number, 0 or above, would do", flaws);
        }
        count
    }

    /// Says what was found in a field and what would do.
    pub(crate) fn flaw(self, name: &str, help: &str, flaws: &mut Flaws) {
        let found = match self.value.get(name) {
            Some(value) => format!("found {}", shorten(&value.to_string())),
            None => "is not there".to_owned(),
        };
        flaws.add(&self.place(name), found, help);
    }

    /// The path of a field.
    pub(crate) fn place(self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
