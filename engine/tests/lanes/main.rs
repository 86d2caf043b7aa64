//! Lanes whose agents move together: on the processor, and on a device.

mod drinkers;
mod hosted;
mod networks;
mod twins;
