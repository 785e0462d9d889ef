//! 54: policy, router and upstream interpret the path identically, for any bytes.

use std::sync::LazyLock;

use axum::{Router, body::Body, routing};
use http::{StatusCode, Uri};
use pixygate::{
    Reason,
    gate::{Policies, Policy, policy::Pattern, request::RequestPath},
};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::world::{App, World, refused, request, send, signed_in, status, text, with_token};

#[tokio::test]
async fn a_path_with_two_meanings_is_400_and_its_neighbour_is_judged() {
    let world = World::new().await;
    let policies = Policies::new().route("GET", "/api/public/**", Policy::public());
    let app = world.app(policies);
    let ask = |path: &str| request("GET", path).body(Body::empty()).unwrap();
    for fine in [
        "/api/public/a",
        "/api/public/",
        "/api/public/a-b_c.d~e",
        "/api/public/caf%C3%A9",
        "/api/public/a%20b",
        "/",
    ] {
        assert_eq!(status(&app, ask(fine)).await, StatusCode::OK, "{fine}");
    }
    for ambiguous in [
        "/api/public/../admin",
        "/api/public/%2e%2e/admin",
        "/api/public/.%2E/admin",
        "/api/public/./a",
        "/api/public//a",
        "//api/public/a",
        "/api/public/a;b",
        "/api/public/%3Ba",
        "/api/public/a%23b",
        "/api/public/a%00",
        "/api/public/a%2fb",
        "/api/public/a%5cb",
        "/api/public/%252e%252e/admin",
        "/api/public/%",
        "/api/public/%4",
        "/api/public/%zz",
        "/api/public/%ff",
        "/api/public/%0d%0a",
        "/api/public/%C2%85",
        "/%61pi/admin",
        "/a%70i/public/a",
        "/api%2fadmin",
        "/pub/../api/admin",
        "/x/%2e%2e/api/admin",
        "/api/public/%61",
    ] {
        assert_eq!(
            refused(&app, ask(ambiguous)).await,
            Reason::InvalidRequest,
            "{ambiguous}"
        );
    }
    // A different path for every router.
    assert_eq!(status(&app, ask("/API/admin")).await, StatusCode::OK);
}

/// Decodes as a lenient upstream does: once, and then removes dot segments.
fn lenient(raw: &str) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut rest = raw.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = (byte == b'%').then(|| tail.get(..2)).flatten();
        let digits = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &tail[2..];
            }
            None => bytes.push(byte),
        }
    }
    let text = String::from_utf8_lossy(&bytes).replace('\\', "/");
    let text = text.split([';', '?', '#', '\0']).next().unwrap_or_default().to_owned();
    let mut segments: Vec<String> = Vec::new();
    for segment in text.split('/').filter(|segment| !segment.is_empty()) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name.to_owned()),
        }
    }
    segments
}

/// Paths of ambiguous parts.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("//"),
        Just("."),
        Just(".."),
        Just("%2e"),
        Just("%2E"),
        Just("%2f"),
        Just("%5c"),
        Just("\\"),
        Just(";"),
        Just("%3b"),
        Just("%00"),
        Just("%25"),
        Just("%252e"),
        Just("%"),
        Just("%4"),
        Just("api"),
        Just("gw"),
        Just("%61pi"),
        Just("admin"),
        Just("é"),
        Just("%C3%A9"),
        Just("%ff"),
        Just("a"),
        Just("~"),
        Just("%23"),
        Just("%0a"),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// Routes in the syntax of policies, in the order of an axum router: at each segment a name before a parameter.
const ROUTES: [&str; 13] = [
    "/api/@me",
    "/api/a:b",
    "/api/a",
    "/api/!$&'()+,=",
    "/api/café",
    "/api/a b",
    "/api/{id}",
    "/api/@me/{id}",
    "/api/café/{id}",
    "/api/{id}/a",
    "/api/{id}/é",
    "/api/{id}/{part}",
    "/api@2/{id}",
];

/// The spelling of special characters in an application's routes.
#[derive(Clone, Copy, Debug)]
enum Spelling {
    /// The gate makes the router.
    Own,
    Escaped,
    /// Escaped with lower-case digits, which no client sends.
    Lowercase,
    /// Unescaped as in policies, so that no HTTP request matches.
    Bare,
}

impl Spelling {
    const ALL: [Self; 4] = [Self::Own, Self::Escaped, Self::Lowercase, Self::Bare];

    fn of(self, pattern: &str) -> String {
        let escaped = pattern.replace('é', "%C3%A9").replace(' ', "%20");
        match self {
            Self::Own | Self::Bare => pattern.to_owned(),
            Self::Escaped => escaped,
            Self::Lowercase => escaped.replace("%C3%A9", "%c3%a9"),
        }
    }
}

type Routed = (Runtime, Vec<(Spelling, App)>, Vec<String>);

/// For each spelling an application in which each route answers its number, and its policy requires the scope with that number; and
/// one token for each route, and one for all of them.
static ROUTED: LazyLock<Routed> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let world = runtime.block_on(World::new());
    let policy = |number: usize| Policy::signed_in().scope(number.to_string());
    let handler = |number: usize| routing::any(move || async move { number.to_string() });
    let app = |spelling: Spelling| {
        let gate = world.gate(Policies::new()).protect_prefixes(["/api", "/api@2"]);
        let gate = gate.build().unwrap();
        if let Spelling::Own = spelling {
            let routes = ROUTES.into_iter().enumerate();
            let router = routes.fold(gate.router(), |router, (number, pattern)| {
                router.route(pattern, policy(number), handler(number))
            });
            return router.build().unwrap();
        }
        let (mut router, mut policies) = (Router::new(), Policies::new());
        for (number, pattern) in ROUTES.into_iter().enumerate() {
            router = router.route(&spelling.of(pattern), handler(number));
            policies = policies.route("*", pattern, policy(number));
        }
        gate.protect(router, policies).unwrap()
    };
    let apps = Spelling::ALL.map(|spelling| (spelling, app(spelling))).to_vec();
    let scopes: Vec<_> = (0..ROUTES.len()).map(|number| number.to_string()).collect();
    let all = scopes.join(" ");
    let tokens = scopes
        .iter()
        .chain([&all])
        .map(|scope| world.token().scope(scope).sign());
    (runtime, apps, tokens.collect())
});

/// Paths close to those routes, with different spellings of their characters.
fn near_a_route() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "/",
        "/api/",
        "@",
        "%40",
        "me",
        "@me",
        "%40me",
        "a",
        "%61",
        "b",
        ":",
        "%3A",
        "%3a",
        "!$&'()+,=",
        "%21$&'()+,=",
        "!%24%26%27%28%29%2B%2C%3D",
        "%2A",
        "%3B",
        "2",
        "é",
        "%C3%A9",
        "%c3%a9",
        "caf",
        "caf%C3%A9",
        "%20",
        "a%20b",
        "?",
        "%7C",
        "|",
    ]);
    let near = prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat().into_bytes());
    let start = prop::sample::select(vec!["/api/", "/api@2/", "/api%402/", "/api", "/"]);
    (
        start,
        prop_oneof![4 => near, 1 => prop::collection::vec(any::<u8>(), 0..8)],
    )
        .prop_map(|(start, rest)| [start.as_bytes(), &rest].concat())
}

/// A gate that allows nothing.
static CLOSED: LazyLock<(Runtime, App)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let app = runtime.block_on(async { World::new().await.app(Policies::new()) });
    (runtime, app)
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_passes_means_the_same_to_a_lenient_upstream(raw in prop_oneof![tricky(), "/[ -~]{0,24}"]) {
        if let Ok(path) = RequestPath::parse(&raw) {
            let ours: Vec<_> = path.as_str().split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
            prop_assert_eq!(ours, lenient(&raw));
        }
    }

    #[test]
    fn what_passes_can_be_written_and_read_again(raw in tricky()) {
        if let Ok(path) = RequestPath::parse(&raw) {
            let decoded = path.as_str();
            let written: String = decoded.bytes().map(|byte| match byte {
                b'/' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            }).collect();
            let again = RequestPath::parse(&written).unwrap();
            prop_assert_eq!(again.as_str(), decoded);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(raw in "\\PC*") {
        RequestPath::parse(&raw).ok();
    }

    #[test]
    fn a_pattern_matches_segments_and_nothing_between(
        segments in prop::collection::vec("[a-z]{1,4}", 1..5),
        cut in 0usize..5,
        more in prop::collection::vec("[a-z]{1,4}", 0..3),
    ) {
        let path = format!("/{}", segments.join("/"));
        let exact: Pattern = path.parse().unwrap();
        prop_assert!(exact.matches(&path));
        let (slash, longer) = (format!("{path}/"), format!("{path}x"));
        prop_assert!(!exact.matches(&slash));
        prop_assert!(!exact.matches(&longer));

        let under: Pattern = format!("{path}/**").parse().unwrap();
        let deeper = format!("{path}/{}", more.join("/"));
        prop_assert!(under.matches(&path) && under.matches(&deeper));
        prop_assert!(!under.matches(&longer));

        let mut wild = segments.clone();
        let cut = cut % wild.len();
        wild[cut] = "*".into();
        let wild: Pattern = format!("/{}", wild.join("/")).parse().unwrap();
        prop_assert!(wild.matches(&path));
        prop_assert!(!wild.matches(&slash));
    }

    /// The gate protects every path that axum's router matches to a protected route.
    #[test]
    fn no_spelling_reaches_a_protected_route_unjudged(raw in tricky()) {
        let Ok(uri) = raw.parse::<Uri>() else { return Ok(()) };
        let (runtime, app) = &*CLOSED;
        let request = http::Request::builder().uri(uri).header("host", "a").body(Body::empty()).unwrap();
        let status = runtime.block_on(status(app, request));
        let protected = lenient(&raw).first().is_some_and(|first| first == "api" || first == "gw");
        if protected {
            prop_assert!(matches!(status.as_u16(), 400 | 404), "{raw}: {status}");
        }
    }
}

#[tokio::test]
async fn what_may_stand_bare_and_came_escaped_is_refused_where_it_makes_a_difference() {
    let world = World::new().await;
    let policies = Policies::new().route("GET", "/api/users/@me", Policy::public()).route(
        "GET",
        "/api/users/{id}",
        Policy::signed_in(),
    );
    let app = world.app(policies);
    let ask = |path: &str| request("GET", path).body(Body::empty()).unwrap();
    assert_eq!(status(&app, ask("/api/users/@me")).await, StatusCode::OK);
    // The router matches it as `{id}`.
    assert_eq!(refused(&app, ask("/api/users/%40me")).await, Reason::InvalidRequest);
    // `encodeURIComponent` of browsers writes email addresses like this.
    let escaped = "/api/users/alice%40example.com";
    assert_eq!(refused(&app, ask(escaped)).await, Reason::MissingToken);
    assert_eq!(
        status(&app, with_token("GET", escaped, &world.token().sign())).await,
        StatusCode::OK
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The handler that the router chooses is always that of the policy which allowed the request.
    #[test]
    fn the_handler_that_runs_is_the_one_whose_policy_was_asked(address in near_a_route()) {
        let Ok(uri) = Uri::try_from(address) else { return Ok(()) };
        let (runtime, apps, tokens) = &*ROUTED;
        let each = |(spelling, app)| tokens[..ROUTES.len()].iter().enumerate().map(move |token| (spelling, app, token));
        for (spelling, app, (number, token)) in apps.iter().map(|(spelling, app)| (spelling, app)).flat_map(each) {
            let call = http::Request::builder().uri(uri.clone()).header("host", "a");
            let call = call.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
            let answer = runtime.block_on(send(app, call));
            if answer.status() == StatusCode::OK {
                let handler = runtime.block_on(text(answer));
                prop_assert_eq!(handler, number.to_string(), "{} {:?}", uri, spelling);
            }
        }
    }
}

/// Checks which handler answers, with a token for every route; `None` if the gate denies.
#[test]
fn a_route_with_other_than_ascii_is_reached_where_the_router_spells_it_as_clients_do() {
    let (runtime, apps, tokens) = &*ROUTED;
    for (path, expected) in [
        // In the order of `Spelling::ALL`. An application whose routes are spelled differently has no handler for the policy.
        ("/api/caf%C3%A9", [Some(4), None, None, None]),
        ("/api/caf%c3%a9", [None; 4]),
        ("/api/a%20b", [Some(5), None, None, None]),
        ("/api/x%20y", [Some(6); 4]),
        ("/api/x/%C3%A9", [Some(10), None, None, None]),
        ("/api/alice%40example.com", [Some(6); 4]),
        ("/api/%40me", [None; 4]),
        ("/api/@me", [Some(0); 4]),
    ] {
        for ((spelling, app), expected) in apps.iter().zip(expected) {
            let answer = runtime.block_on(send(app, with_token("GET", path, &tokens[ROUTES.len()])));
            let handler = match answer.status() {
                StatusCode::OK => Some(runtime.block_on(text(answer)).parse::<usize>().unwrap()),
                _ => None,
            };
            assert_eq!(handler, expected, "{path} {spelling:?}");
        }
    }
}

#[tokio::test]
async fn an_odd_path_is_400_only_where_it_could_be_a_protected_one() {
    let world = World::new().await;
    let app = world.app(signed_in());
    let ask = |path: &str| request("GET", path).body(Body::empty()).unwrap();
    for elsewhere in [
        "/docs//a",
        "/docs/a;v=1",
        "/docs/a%2Fb",
        "/docs/%",
        "/docs/%2e%2e/x",
        "/docs/../apis",
        "/docs/%ff",
        "/a;api",
        "/x%3Fapi",
        "/docs/%25",
    ] {
        assert_eq!(status(&app, ask(elsewhere)).await, StatusCode::OK, "{elsewhere}");
    }
    for near in [
        "//api/a",
        "/api;v=1/a",
        "/;/api/a",
        "/docs/..%2fapi/a",
        "/docs/%2e%2e/api",
        "/docs/..;/api/a",
        "/%2561pi//a",
        "/docs/%252e%252e/api/a",
        "/api%3Fx",
        "/api%00/a",
        "/%5Capi",
        "/api/../docs",
        "/a%C2%80pi/a",
        "/%2525252561pi//a",
    ] {
        assert_eq!(refused(&app, ask(near)).await, Reason::InvalidRequest, "{near}");
    }
    let everything = world.whole_gate(signed_in()).build().unwrap();
    let app: App = everything.wrap(crate::world::application());
    assert_eq!(refused(&app, ask("/docs//a")).await, Reason::InvalidRequest);
}
