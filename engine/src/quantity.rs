//! Numbers that cannot hold nonsense.
