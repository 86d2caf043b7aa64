//! From which domains prompts are drawn.

mod cascade;
mod equitable;
mod shares;
mod uniform;
mod vade;
mod worst_first;

pub use cascade::{Cascade, Stage};
pub use equitable::{Aggregate, Curve, Equitable, allocate};
pub use shares::{Proportional, Shares};
pub use uniform::Uniform;
pub use vade::{Vade, expected_score, score};
pub use worst_first::WorstFirst;

use std::borrow::Cow;

/// A sampler in WGSL that hears nothing and remembers nothing: the share of a domain `d`, in every step.
fn constant_shares(share: &str) -> Cow<'static, str> {
    let each = "for (var d = 0u; d < DOMAINS; d++)";
    format!("fn share_out(step: u32) {{\n    {each} {{\n        shares[d] = {share};\n    }}\n}}\n\nfn hear() {{}}\n")
        .into()
}

#[cfg(test)]
mod facts;
