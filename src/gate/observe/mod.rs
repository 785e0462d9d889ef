//! Who is notified of what the gate decided.

mod body;
mod metrics;
mod observer;

pub(crate) use body::Observed;
pub use metrics::Metrics;
pub use observer::{Attachment, Observer, Outcome};
