//! Reasoning in several domains: what happens to rare and hard ones while a policy is trained on all of them.

pub mod tasks;
