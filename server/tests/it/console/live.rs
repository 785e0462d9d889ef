//! The activity as it happens.

use std::time::Duration;

use app::api::{Record, RecordLines};
use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION};
use http_body_util::BodyExt as _;
use serde_json::json;

use super::{get, post, token_of};
use crate::house::{House, header, request};
use crate::store::Engine;

/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open stream.
struct Live {
    body: Body,
    lines: RecordLines,
    waiting: Vec<Record>,
}

/// How a stream went on.
#[derive(Debug, PartialEq)]
enum Next {
    Record(String, Option<u16>),
    End,
    Broken,
}

impl Live {
    /// Opens a stream, and waits for its first line.
    async fn open(house: &House, path: &str, token: &str) -> Self {
        let request = request(path)
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(ACCEPT_ENCODING, "gzip, br");
        let response = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        let headers = response.headers();
        assert_eq!(
            header(headers, "content-encoding"),
            "",
            "compression would hold lines back"
        );
        assert_eq!(header(headers, "x-accel-buffering"), "no");
        let mut live = Self::of(response);
        let first = live.body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "\n", "a sign of life");
        live
    }

    fn of(response: Response) -> Self {
        Self {
            body: response.into_body(),
            lines: RecordLines::default(),
            waiting: Vec::new(),
        }
    }

    /// The route and status of the next record.
    async fn next(&mut self) -> Next {
        let wait = async {
            loop {
                if !self.waiting.is_empty() {
                    let record = self.waiting.remove(0);
                    return Next::Record(record.route.unwrap_or_default(), record.status);
                }
                match self.body.frame().await {
                    None => return Next::End,
                    Some(Err(_)) => return Next::Broken,
                    Some(Ok(frame)) => {
                        let chunk = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
                        self.waiting.extend(self.lines.push(&chunk));
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap()
    }
}

fn record(route: &str, status: u16) -> Next {
    Next::Record(route.to_owned(), Some(status))
}

/// Waits until so many calls are recorded.
async fn recorded(house: &House, calls: u64) {
    let activity = &house.started.state.shared.activity;
    let wait = async {
        while activity.written() < calls {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_in_order_as_they_are_made_and_are_the_callers_own() {
    let house = House::start().await;
    let (alice, bob) = (
        token_of(&house, "alice", "openid").await,
        token_of(&house, "bob", "openid").await,
    );
    assert_eq!(get(&house, "/api/whoami", &alice).await.0, StatusCode::OK);
    recorded(&house, 1).await;
    let (_, page) = get(&house, "/api/activity", &alice).await;
    let first = page["records"][0]["id"].as_str().unwrap().to_owned();

    let mut live = Live::open(&house, "/api/activity/live", &alice).await;
    get(&house, "/api/profile", &alice).await;
    get(&house, "/api/whoami", &bob).await;
    get(&house, "/api/whoami", &alice).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&record("/api/whoami", 200)) {
        seen.push(live.next().await);
    }
    // The page that was read before the stream was opened may be in it.
    seen.retain(|next| *next != record("/api/activity", 200));
    assert_eq!(seen, [record("/api/profile", 403), record("/api/whoami", 200)]);

    // From a record on: everything behind it, and only what the filter names.
    let path = format!("/api/activity/live?after={first}&filter[decision]=denied");
    let mut denied = Live::open(&house, &path, &alice).await;
    assert_eq!(denied.next().await, record("/api/profile", 403));
    drop(live);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybodys_are_for_administrators() {
    let house = House::start().await;
    let (alice, admin) = (
        token_of(&house, "alice", "openid").await,
        token_of(&house, "admin", "openid").await,
    );
    let (status, denied) = get(&house, "/api/activity/live?all=true", &alice).await;
    assert_eq!(
        (status, &denied["reason"]),
        (StatusCode::FORBIDDEN, &json!("insufficient_scope"))
    );
    recorded(&house, 1).await;
    let mut live = Live::open(&house, "/api/activity/live?all=true", &admin).await;
    get(&house, "/api/whoami", &alice).await;
    assert_eq!(house.get("/api/whoami").await.status(), StatusCode::UNAUTHORIZED);
    let mut seen = [live.next().await, live.next().await];
    if seen[0] == record("/api/activity/live", 403) {
        seen = [std::mem::replace(&mut seen[1], Next::End), live.next().await];
    }
    assert_eq!(seen, [record("/api/whoami", 200), record("/api/whoami", 401)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_at_the_end_of_the_token_and_with_its_revocation() {
    let house = House::start().await;
    let bob = token_of(&house, "bob", "openid").await;
    let alice = token_of(&house, "alice", "openid").await;
    house.switches(json!({ "lifetimes": { "access_token": 4 } })).await;
    let short = token_of(&house, "bob", "openid").await;
    let mut shorts = Live::open(&house, "/api/activity/live?filter[method]=PUT", &short).await;
    let mut alices = Live::open(&house, "/api/activity/live?filter[method]=PUT", &alice).await;
    let mut bobs = Live::open(&house, "/api/activity/live", &bob).await;
    assert_eq!(shorts.next().await, Next::End, "an end, not a break");

    let (status, _) = post(&house, "/api/sessions/end", &alice, &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(alices.next().await, Next::End);
    get(&house, "/api/whoami", &bob).await;
    let mut next = bobs.next().await;
    while next == record("/api/activity/live", 200) {
        next = bobs.next().await;
    }
    assert_eq!(next, record("/api/whoami", 200), "the streams of others go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_so_many_streams_at_once_and_others_have_theirs() {
    let house = House::start().await;
    let (alice, bob) = (
        token_of(&house, "alice", "openid").await,
        token_of(&house, "bob", "openid").await,
    );
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(Live::open(&house, "/api/activity/live", &alice).await);
    }
    let (status, refused) = get(&house, "/api/activity/live", &alice).await;
    assert_eq!(
        (status, &refused["reason"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("rate_limited"))
    );
    drop(Live::open(&house, "/api/activity/live", &bob).await);
    drop(open.pop());
    drop(Live::open(&house, "/api/activity/live", &alice).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_node_records_arrives_too() {
    let engine = Engine::sqlite();
    let store = format!("[store]\nurl = \"{}\"\n", engine.url());
    let first = House::with(&store).await;
    let second = first.node(&store).await;
    let alice = token_of(&first, "alice", "openid").await;
    // The second has seen the first when it started, and stays behind a little; the first still writes alone.
    for (here, there) in [(&first, &second), (&second, &first)] {
        let mut live = Live::open(here, "/api/activity/live?filter[route]=/api/whoami", &alice).await;
        get(there, "/api/whoami", &alice).await;
        assert_eq!(live.next().await, record("/api/whoami", 200));
        get(here, "/api/whoami", &alice).await;
        assert_eq!(live.next().await, record("/api/whoami", 200));
    }
}
