//! 77: logout tokens of the provider, and invalid ones.

use std::sync::Arc;

use axum::{Router, body::Body, response::Response, routing::post};
use http::{Request, StatusCode};
use pixygate::{
    Reason, Refusal,
    gate::{BackchannelLogout, Gate, Policies, observe::Metrics},
    jwt::{Algorithm, LocalRevocations, Validator},
    test_support::{Documents, TestClock, TestIssuer, TestKey, TokenBuilder, at},
};
use serde_json::json;
use tower::ServiceExt;

use crate::world::{PUBLIC_URL, World, request, text};

const CLIENT: &str = "shop";
const FORM: &str = "application/x-www-form-urlencoded";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A world whose gate receives logout tokens.
pub(crate) struct LogoutFixture {
    pub(crate) world: World,
    router: Router,
    metrics: Arc<Metrics>,
}

impl LogoutFixture {
    pub(crate) async fn new() -> Self {
        Self::with(LocalRevocations::default(), |trust| trust).await
    }

    pub(crate) async fn with(
        revocations: LocalRevocations,
        trust: impl FnOnce(pixygate::jwt::Trust) -> pixygate::jwt::Trust,
    ) -> Self {
        let revocations = Arc::new(revocations);
        let world = World::with(trust, |validator| validator.revocations(revocations.clone())).await;
        let metrics = Arc::new(Metrics::default());
        let gate = world.gate(Policies::new()).observer(metrics.clone()).build().unwrap();
        let logout = BackchannelLogout::new(&gate, world.issuer.issuer(), CLIENT, revocations);
        let handler = move |request: Request<Body>| async move { logout.answer(request).await };
        let router = Router::new().route("/backchannel-logout", post(handler));
        Self { world, router, metrics }
    }

    /// Returns a valid logout token for Alice.
    pub(crate) fn logout(&self, id: &str) -> TokenBuilder<'_> {
        self.world.issuer.logout_token(CLIENT).claim("jti", id)
    }

    async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn post_logout(&self, token: &str) -> Response {
        self.send(form(&format!("logout_token={token}"))).await
    }

    pub(crate) async fn post_accepted_logout(&self, token: &str) {
        let response = self.post_logout(token).await;
        assert_eq!(response.status(), StatusCode::OK, "{:?}", text(response).await);
        assert_eq!(response.headers()["cache-control"], "no-store");
    }

    pub(crate) async fn call(&self, token: &TokenBuilder<'_>) -> Result<(), Reason> {
        self.world.validate(&token.sign()).await.map(drop)
    }
}

fn form(body: &str) -> Request<Body> {
    let request = request("POST", "/backchannel-logout").header("content-type", FORM);
    request.body(Body::from(body.to_owned())).unwrap()
}

/// Checks a 400 completely, and returns its reason.
pub(crate) async fn refused(response: Response) -> Reason {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = text(response).await;
    let refusal: Refusal = serde_json::from_str(&body).unwrap_or_else(|_| panic!("no refusal: {status} {body}"));
    assert_eq!((status, &*refusal.error), (StatusCode::BAD_REQUEST, "invalid_request"));
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["x-request-id"], *refusal.request_id);
    assert!(
        !headers.contains_key("www-authenticate"),
        "nobody is asked for credentials"
    );
    refusal.reason
}

type Change = fn(TokenBuilder<'_>) -> TokenBuilder<'_>;

#[tokio::test]
async fn a_logout_token_with_one_defect_is_refused_and_its_neighbour_is_accepted() {
    use Reason::{
        AudienceMismatch, Expired, InvalidClaim, IssuerNotTrusted, MissingClaim, NotYetValid, UnsupportedAlgorithm,
        WrongTokenType,
    };
    let cases: &[(&str, Result<(), Reason>, Change)] = &[
        ("as it should be", Ok(()), |it| it),
        ("typ JWT", Ok(()), |it| it.header("typ", "JWT")),
        ("typ in full", Ok(()), |it| it.header("typ", "application/logout+jwt")),
        ("no typ", Ok(()), |it| it.without_header("typ")),
        ("typ of an access token", Err(WrongTokenType), |it| {
            it.header("typ", "at+jwt")
        }),
        ("claims that nobody knows", Ok(()), |it| it.claim("trace", "1")),
        ("nonce", Err(WrongTokenType), |it| it.claim("nonce", "n")),
        ("no events", Err(WrongTokenType), |it| it.without("events")),
        ("events as text", Err(WrongTokenType), |it| it.claim("events", EVENT)),
        ("another event", Err(WrongTokenType), |it| {
            it.claim("events", json!({"https://e.example": {}}))
        }),
        ("the event beside another", Ok(()), |it| {
            it.claim("events", json!({"https://e.example": {}, EVENT: {}}))
        }),
        ("the event with something in it", Ok(()), |it| {
            it.claim("events", json!({EVENT: {"why": "idle"}}))
        }),
        ("the event as text", Err(WrongTokenType), |it| {
            it.claim("events", json!({EVENT: ""}))
        }),
        ("another client", Err(AudienceMismatch), |it| it.audience("other")),
        ("clients, this one among them", Ok(()), |it| {
            it.claim("aud", json!(["other", CLIENT]))
        }),
        ("clients, this one not among them", Err(AudienceMismatch), |it| {
            it.claim("aud", json!(["other"]))
        }),
        ("the gate's audience", Err(AudienceMismatch), |it| it.audience("orders")),
        ("no aud", Err(MissingClaim), |it| it.without("aud")),
        ("another issuer", Err(IssuerNotTrusted), |it| {
            it.claim("iss", "https://other.example")
        }),
        ("the issuer with a slash", Err(IssuerNotTrusted), |it| {
            it.claim("iss", "https://idp.example/")
        }),
        ("no iss", Err(MissingClaim), |it| it.without("iss")),
        ("alg none", Err(UnsupportedAlgorithm), |it| it.header("alg", "none")),
        ("an algorithm outside the list", Err(UnsupportedAlgorithm), |it| {
            it.header("alg", "RS512")
        }),
        ("no jti", Err(MissingClaim), |it| it.without("jti")),
        ("an empty jti", Err(InvalidClaim), |it| it.claim("jti", "")),
        ("no iat", Err(MissingClaim), |it| it.without("iat")),
        ("iat ahead, within the leeway", Ok(()), |it| it.claim("iat", at(60))),
        ("iat ahead", Err(NotYetValid), |it| it.claim("iat", at(61))),
        ("iat of five minutes ago", Ok(()), |it| it.claim("iat", at(-300))),
        ("an old iat, whatever its exp", Err(Expired), |it| {
            it.claim("iat", at(-360))
        }),
        ("no exp", Ok(()), |it| it.without("exp")),
        ("no exp, too old", Err(Expired), |it| {
            it.without("exp").claim("iat", at(-360))
        }),
        ("no exp, too early", Err(NotYetValid), |it| {
            it.without("exp").claim("iat", at(61))
        }),
        ("exp just past, within the leeway", Ok(()), |it| {
            it.claim("exp", at(-59))
        }),
        ("expired", Err(Expired), |it| it.claim("exp", at(-60))),
        ("exp as text", Err(InvalidClaim), |it| it.claim("exp", "soon")),
        ("sub and sid", Ok(()), |it| it.claim("sid", "s1")),
        ("sid alone", Ok(()), |it| it.without("sub").claim("sid", "s1")),
        ("neither sub nor sid", Err(MissingClaim), |it| it.without("sub")),
        ("an empty sid beside sub", Ok(()), |it| it.claim("sid", "")),
        ("sid as a number beside sub", Err(InvalidClaim), |it| it.claim("sid", 7)),
        ("sub as a number", Err(InvalidClaim), |it| it.claim("sub", 7)),
    ];
    for (number, (what, expected, change)) in cases.iter().enumerate() {
        // A new fixture for each case, so that accepted logouts do not influence the others.
        let fixture = LogoutFixture::new().await;
        let token = change(fixture.logout(&format!("logout-{number}"))).sign();
        let response = fixture.post_logout(&token).await;
        match expected {
            Ok(()) => assert_eq!(response.status(), StatusCode::OK, "{what}"),
            Err(reason) => {
                assert_eq!(refused(response).await, *reason, "{what}");
                // No session was ended.
                assert_eq!(
                    fixture.call(&fixture.world.token().claim("sid", "s1")).await,
                    Ok(()),
                    "{what}"
                );
            }
        }
    }
}

/// The gate trusts it and accepts its access tokens, but users do not sign in there.
#[tokio::test]
async fn another_trusted_issuer_ends_no_session() {
    let other = TestIssuer::new("https://other.example", [Algorithm::ES256]);
    let own = TestIssuer::new("https://idp.example", [Algorithm::ES256]);
    let (provider, clock) = (Documents::of([&own, &other]), TestClock::default());
    let revocations = Arc::new(LocalRevocations::default());
    let validator = Validator::builder([own.trust("orders"), other.trust("orders")]);
    let validator = validator
        .fetch(provider)
        .clock(clock.clone())
        .revocations(revocations.clone());
    let gate = Gate::builder().validator(validator.build().unwrap()).clock(clock);
    let gate = gate.public_url(PUBLIC_URL).build().unwrap();
    let logout = BackchannelLogout::new(&gate, own.issuer(), CLIENT, revocations);
    let tell = |issuer: &TestIssuer| form(&format!("logout_token={}", issuer.logout_token(CLIENT).sign()));
    assert_eq!(
        refused(logout.answer(tell(&other)).await).await,
        Reason::IssuerNotTrusted
    );
    assert_eq!(logout.answer(tell(&own)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_logout_token_is_refused() {
    let fixture = LogoutFixture::new().await;
    let access_token = fixture.world.token().sign();
    assert_eq!(
        refused(fixture.post_logout(&access_token).await).await,
        Reason::WrongTokenType
    );
    let plain = fixture.world.token().header("typ", "JWT").audience(CLIENT);
    assert_eq!(
        refused(fixture.post_logout(&plain.sign()).await).await,
        Reason::WrongTokenType
    );
    let id_token = plain.claim("nonce", "n").claim("at_hash", "h");
    assert_eq!(
        refused(fixture.post_logout(&id_token.sign()).await).await,
        Reason::WrongTokenType
    );

    let stranger = TestKey::generate(Algorithm::ES256, "es256");
    let forged = fixture.logout("forged").key(&stranger).sign();
    assert_eq!(refused(fixture.post_logout(&forged).await).await, Reason::BadSignature);
    let unknown = fixture.logout("unknown").header("kid", "another").sign();
    assert_eq!(refused(fixture.post_logout(&unknown).await).await, Reason::UnknownKey);
    let signed = fixture.logout("unsigned").sign();
    let unsigned = &signed[..=signed.rfind('.').unwrap()];
    assert_eq!(
        refused(fixture.post_logout(unsigned).await).await,
        Reason::MalformedToken
    );
    assert_eq!(refused(fixture.post_logout("abc").await).await, Reason::MalformedToken);
    let long = fixture.logout("long").claim("filler", "x".repeat(9000)).sign();
    assert_eq!(refused(fixture.post_logout(&long).await).await, Reason::TokenTooLarge);
    assert_eq!(fixture.world.validate(&access_token).await.map(drop), Ok(()));

    fixture.post_accepted_logout(&fixture.logout("good").sign()).await;
    assert_eq!(
        fixture.world.validate(&access_token).await.map(drop),
        Err(Reason::Revoked)
    );
}

#[tokio::test]
async fn a_logout_token_is_accepted_once() {
    let fixture = LogoutFixture::new().await;
    let token = fixture.logout("1").sign();
    fixture.post_accepted_logout(&token).await;
    assert_eq!(refused(fixture.post_logout(&token).await).await, Reason::InvalidClaim);
    fixture.post_accepted_logout(&fixture.logout("2").sign()).await;
    // The `jti` is remembered as long as the token could be accepted: it expires after two minutes, with a minute of leeway.
    fixture.world.clock.advance(179);
    assert_eq!(refused(fixture.post_logout(&token).await).await, Reason::InvalidClaim);
    fixture.world.clock.advance(1);
    assert_eq!(refused(fixture.post_logout(&token).await).await, Reason::Expired);
}

#[tokio::test]
async fn a_form_with_one_logout_token_is_read_and_no_other() {
    let fixture = LogoutFixture::new().await;
    let token = |id: &str| fixture.logout(id).sign();
    let post = |kind: &str, body: String| {
        let request = request("POST", "/backchannel-logout").header("content-type", kind);
        request.body(Body::from(body)).unwrap()
    };
    for (what, request) in [
        (
            "no form",
            post("application/json", json!({"logout_token": token("1")}).to_string()),
        ),
        (
            "a form called otherwise",
            post("text/plain", format!("logout_token={}", token("1"))),
        ),
        ("no logout_token", form(&format!("token={}", token("1")))),
        (
            "two of them",
            form(&format!("logout_token={0}&logout_token={0}", token("1"))),
        ),
        (
            "a large body",
            form(&format!("logout_token={}&x={}", token("1"), "x".repeat(20_000))),
        ),
    ] {
        assert_eq!(
            refused(fixture.send(request).await).await,
            Reason::InvalidRequest,
            "{what}"
        );
    }
    let kind = "application/x-www-form-urlencoded; charset=UTF-8";
    let good = post(kind, format!("x=1&logout_token={}", token("1")));
    assert_eq!(fixture.send(good).await.status(), StatusCode::OK);
    let get = request("GET", "/backchannel-logout").body(Body::empty()).unwrap();
    assert_eq!(fixture.send(get).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up_in_time() {
    let fixture = LogoutFixture::new().await;
    let form = |body: Body| {
        let request = request("POST", "/backchannel-logout").header("content-type", FORM);
        request.body(body).unwrap()
    };
    let start = tokio::time::Instant::now();
    let never = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    assert_eq!(
        refused(fixture.send(form(Body::from_stream(never))).await).await,
        Reason::InvalidRequest
    );
    assert_eq!(start.elapsed().as_secs(), 10);
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 1024]));
    assert_eq!(
        refused(fixture.send(form(Body::from_stream(endless))).await).await,
        Reason::InvalidRequest
    );
    let whole = futures::stream::iter([
        Ok::<_, std::io::Error>("logout_token=".to_owned()),
        Ok(fixture.logout("1").sign()),
    ]);
    assert_eq!(
        fixture.send(form(Body::from_stream(whole))).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_page_of_another_site_cannot_post_one() {
    let fixture = LogoutFixture::new().await;
    let from = |id: &str, name: &str, value: &str| {
        let mut request = form(&format!("logout_token={}", fixture.logout(id).sign()));
        let name = http::HeaderName::try_from(name).unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        assert_eq!(
            refused(fixture.send(from("1", name, value)).await).await,
            Reason::InvalidRequest
        );
    }
    // Servers send neither header.
    fixture.post_accepted_logout(&fixture.logout("1").sign()).await;
    assert_eq!(
        fixture.send(from("2", "origin", PUBLIC_URL)).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn without_keys_nothing_is_said_of_it() {
    let fixture = LogoutFixture::new().await;
    let token = fixture.logout("1").sign();
    fixture.world.provider.set_down(true);
    fixture.world.clock.advance(3600);
    let late = fixture.logout("1").claim("iat", at(3600)).claim("exp", at(3720)).sign();
    let response = fixture.post_logout(&late).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let refusal: Refusal = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(
        (refusal.reason, &*refusal.error),
        (Reason::KeysUnavailable, "temporarily_unavailable")
    );
    // The logout token was not used up.
    fixture.world.provider.set_down(false);
    fixture.world.clock.advance(10);
    fixture.post_accepted_logout(&late).await;
    assert_eq!(refused(fixture.post_logout(&token).await).await, Reason::Expired);
}

#[tokio::test]
async fn what_was_heard_and_what_was_refused_is_counted() {
    let fixture = LogoutFixture::new().await;
    let token = fixture.logout("1").sign();
    fixture.post_accepted_logout(&token).await;
    assert_eq!(refused(fixture.post_logout(&token).await).await, Reason::InvalidClaim);
    let counted = fixture.metrics.to_string();
    for line in [
        "pixygate_gate_logouts_total{reason=\"accepted\"} 1\n",
        "pixygate_gate_logouts_total{reason=\"invalid_claim\"} 1\n",
        "pixygate_gate_verdicts_total{reason=\"invalid_claim\"} 0\n",
    ] {
        assert!(counted.contains(line), "{line} in {counted}");
    }
}
