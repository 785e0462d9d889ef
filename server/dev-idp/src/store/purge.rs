//! Removes expired state.

use std::collections::BTreeSet;

use super::{Store, TenantStore};

/// State is kept a little longer than needed, so that it is still there if a test sets the clock back.
const GRACE_SECONDS: i64 = 3600;

impl Store {
    pub(crate) fn purge(&mut self, now: i64) {
        self.tenants
            .values_mut()
            .for_each(|tenant| tenant.purge(now - GRACE_SECONDS));
    }
}

impl TenantStore {
    fn purge(&mut self, before: i64) {
        self.sessions.retain(|_, it| it.expires > before);
        self.interactions.retain(|_, it| it.expires > before);
        self.pushed.retain(|_, it| it.expires > before);
        self.access_tokens.retain(|_, it| it.expires > before);
        self.refresh_tokens.retain(|_, it| it.expires > before);
        self.proofs.retain(|_, expires| *expires > before);
        // A used code lives as long as the family that its replay would end.
        let families: BTreeSet<&String> = self
            .access_tokens
            .values()
            .map(|it| &it.family)
            .chain(self.refresh_tokens.values().map(|it| &it.family))
            .collect();
        self.families.retain(|id, _| families.contains(id));
        self.codes.retain(|_, it| match &it.used {
            Some(family) => self.families.contains_key(family),
            None => it.expires > before,
        });
    }
}
