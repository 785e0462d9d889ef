//! Used DPoP proofs, of all nodes.

use sqlx::AssertSqlSafe;

use super::Postgres;
use crate::replay::{MARGIN, TIME_LIMIT};
use crate::store::{StoreError, signed};

impl Postgres {
    /// Records the use of a proof until a time, in seconds since 1970. Returns whether it was not used before.
    ///
    /// # Errors
    ///
    /// When the database did not answer in time.
    pub async fn use_proof(&self, proof: [u8; 32], until: u64) -> Result<bool, StoreError> {
        // A simple query, and one round trip: it stands on the path of a call. Digits alone are put into it.
        let until = signed(until);
        let mut sql = String::from("INSERT INTO pixygate_proofs (proof, until) VALUES ('\\x");
        for byte in proof {
            sql.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
            sql.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        }
        sql += &format!("', {until}) ON CONFLICT DO NOTHING");
        let insert = self.within(&self.proofs, move |connection| {
            Box::pin(async move {
                let inserted = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
                Ok(inserted.rows_affected() == 1)
            })
        });
        tokio::time::timeout(TIME_LIMIT, insert)
            .await
            .unwrap_or(Err(StoreError::NoAnswer(TIME_LIMIT)))
    }

    /// Removes proofs that are not accepted any more at `now`, in seconds since 1970. Clocks of nodes differ, so
    /// they stay for some minutes more.
    ///
    /// # Errors
    ///
    /// When the store cannot be written.
    pub async fn prune_proofs(&self, now: u64) -> Result<u64, StoreError> {
        let before = now.saturating_sub(MARGIN.as_secs());
        self.delete(format!("DELETE FROM pixygate_proofs WHERE until < {before}"))
            .await
    }
}
