//! Observers, which are notified of the gate's decisions.

mod body;
mod metrics;
mod observer;

pub(crate) use body::Observed;
pub use metrics::Metrics;
pub use observer::{Attachment, Observer, Outcome};
