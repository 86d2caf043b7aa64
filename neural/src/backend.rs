//! What computes gradients.

use burn::Device;
use isonomy_engine::problem::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What computes gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Backend {
    /// The processor.
    #[default]
    Flex,
    /// A graphics card, where the program was built with `--features neural-wgpu`. Its sums are not the processor's to
    /// the last bit.
    Wgpu,
}

impl Backend {
    /// Where this program was built without it.
    pub fn check(self) -> Option<Problem> {
        let missing = self == Backend::Wgpu && !cfg!(feature = "wgpu");
        missing.then(|| {
            let message = "this program was built without burn's wgpu backend";
            let help = "use Flex, or build with: cargo build --release --features neural-wgpu";
            Problem::at("backend", message).help(help)
        })
    }

    /// Where burn's tensors live. [`check`](Self::check) found nothing.
    pub(crate) fn device(self) -> Device {
        match self {
            #[cfg(feature = "wgpu")]
            Backend::Wgpu => Device::wgpu(burn::DeviceKind::DefaultDevice),
            _ => Device::flex(),
        }
    }
}
