//! Rollouts on the device.
