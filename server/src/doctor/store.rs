//! The store: reached, of a version that this server understands, written, and of the same time.

use super::run::{Checked, Run};
use super::target::place;
use crate::config::Config;
use crate::findings::{Code, Finding};
use crate::store::{Examined, Schema, Store, StoreError, StoreUrl};

/// Seconds by which its clock may differ: the answer takes a moment, and its date has no fractions.
const LEEWAY: i64 = 5;

/// Looks at the store without changing it.
pub(super) async fn examine(run: &mut Run<'_>, config: &Config) {
    let at = place(config, "store.url");
    let reached = run.check("store", "", &Ok(()), async |()| reach(config, &at).await);
    let reached = reached.await;
    let _checked = run
        .check("store-schema", "", &reached, async |store| schema(store, &at))
        .await;
    let _checked = run
        .check("store-write", "", &reached, async |store| write(store, config, &at))
        .await;
    let _checked = run
        .check("store-clock", "", &reached, async |store| clock(store, &at))
        .await;
}

async fn reach(config: &Config, at: &str) -> Checked<Examined> {
    let url = &config.store.url;
    match Store::examine(url).await {
        Ok(examined) => Checked::passed(examined, url.to_string()),
        Err(error) => Checked::failed(
            Finding::new(Code::StoreUnreachable)
                .place(at)
                .expected(format!("a database at {url}"))
                .found(error.to_string())
                .hint(match url {
                    StoreUrl::Sqlite(_) => {
                        "name another file under [store] url, or restore this one: it is no database"
                    }
                    StoreUrl::Postgres(_) => {
                        "see that the database runs, and that name, user and password under [store] url are right"
                    }
                }),
        ),
    }
}

fn schema(store: &Examined, at: &str) -> Checked<()> {
    match &store.schema {
        Err(error) => Checked::failed(
            Finding::new(Code::StoreNewer)
                .place(at)
                .expected("a schema that this server understands")
                .found(error.to_string()),
        ),
        Ok(Schema { found: 0, .. }) => Checked::passed((), "the server makes its tables when it starts"),
        Ok(Schema { found, known }) if found < known => Checked::passed((), "").and([Finding::new(Code::StoreOlder)
            .place(at)
            .expected(format!("schema {known}"))
            .found(format!("schema {found}"))]),
        Ok(Schema { found, known }) if found > known => Checked::passed(
            (),
            format!("schema {found}, which a server that knows {known} understands"),
        ),
        Ok(Schema { found, .. }) => Checked::passed((), format!("schema {found}")),
    }
}

fn write(store: &Examined, config: &Config, at: &str) -> Checked<()> {
    let error = match &store.write {
        Some(Err(error)) => error,
        Some(Ok(())) => return Checked::passed((), "tried, and taken back"),
        None => return Checked::passed((), "not tried"),
    };
    let hint = match (error, &config.store.url) {
        (StoreError::File { .. }, _) => "write a file under [store] url whose folder exists and can be written",
        (_, StoreUrl::Sqlite(_)) => "let the user of the server write the file and its folder",
        (_, StoreUrl::Postgres(_)) => {
            "give the user of [store] url the right to create and write tables, and name the primary server"
        }
    };
    Checked::failed(
        Finding::new(Code::StoreNotWritten)
            .place(at)
            .expected("a store that can be written")
            .found(error.to_string())
            .hint(hint),
    )
}

fn clock(store: &Examined, at: &str) -> Checked<()> {
    let Some(ahead) = store.clock_ahead else {
        return Checked::passed((), "it is this machine's");
    };
    let difference = match ahead {
        -1..=1 => "to about a second".to_owned(),
        ahead if ahead > 0 => format!("the store's clock is {ahead} s ahead"),
        behind => format!("the store's clock is {} s behind", -behind),
    };
    match ahead.abs() <= LEEWAY {
        true => Checked::passed((), difference),
        false => Checked::passed((), "").and([Finding::new(Code::StoreClock)
            .place(at)
            .expected(format!("a difference of at most {LEEWAY} s"))
            .found(difference)]),
    }
}
