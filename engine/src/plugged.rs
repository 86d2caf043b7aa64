//! A plugin inside a plugin.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

/// A plugin that a scenario names inside another: read once, shared by all who use it.
#[derive(Debug)]
pub struct Plugged<T: ?Sized>(Arc<T>);

impl<T: ?Sized> Clone for Plugged<T> {
    fn clone(&self) -> Self {
        Plugged(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> From<Box<T>> for Plugged<T> {
    fn from(plugin: Box<T>) -> Self {
        Plugged(plugin.into())
    }
}

impl<T: ?Sized> Deref for Plugged<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized + Serialize> Serialize for Plugged<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: ?Sized> Deserialize<'de> for Plugged<T>
where
    Box<T>: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::deserialize(deserializer).map(Self::from)
    }
}

impl<T: ?Sized + JsonSchema> JsonSchema for Plugged<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
