use std::time::Duration;

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, or refuses what it is asked.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The file cannot be created.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It did not answer.
    #[error("no answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// A newer server has changed it.
    #[error("schema {found} needs a server that knows schema {needed}; this one knows {known}")]
    Newer {
        /// The version of the schema that was found.
        found: i64,
        /// The oldest version that a server must know to work with it.
        needed: i64,
        /// The newest version that this server knows.
        known: i64,
    },
}
