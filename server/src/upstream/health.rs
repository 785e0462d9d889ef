//! Active health checks.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Upstream;
use super::body::RequestBody;
use super::target::Target;

/// For an answer. A target that is slower is not healthy.
const CHECK_TIME: Duration = Duration::from_secs(2);

/// Asks each target of an upstream for its `health_path` in each interval, until the upstream is dropped. Without a path it returns
/// at once.
pub async fn watch(upstream: Arc<Upstream>) {
    let Some(path) = upstream.settings().health_path.clone() else {
        return;
    };
    let mut ticks = interval(upstream.settings().health_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let upstream = {
        let weak = Arc::downgrade(&upstream);
        drop(upstream);
        weak
    };
    loop {
        ticks.tick().await;
        let Some(upstream) = upstream.upgrade() else { return };
        let checks = upstream
            .targets()
            .all()
            .iter()
            .map(|target| check(&upstream, target, &path));
        futures_util::future::join_all(checks).await;
    }
}

async fn check(upstream: &Upstream, target: &Target, path: &str) {
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let answer = async {
        let request = Request::get(target.base.address(path, query).ok()?)
            .body(RequestBody::empty())
            .ok()?;
        upstream.clients().calls.request(request).await.ok()
    };
    let status = timeout(CHECK_TIME, answer).await.ok().flatten();
    target.checked(status.is_some_and(|response| response.status().is_success()));
}
