//! The `openidconnect` crate as an independent client, over a real connection.

use axum::body::Bytes;
use dev_idp::config::Config;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
};
use url::Url;

use crate::world::{REDIRECT_URI, config, form};

async fn fetch(request: HttpRequest) -> Result<HttpResponse, hyper_util::client::legacy::Error> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client
        .request(request.map(|body| Full::new(Bytes::from(body))))
        .await?
        .into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Ok(http::Response::from_parts(parts, body))
}

/// Goes through the sign-in page as a browser does, and returns the callback.
async fn sign_in(authorization_url: &Url) -> Url {
    let get = http::Request::get(authorization_url.as_str()).body(Vec::new()).unwrap();
    let asked = fetch(get).await.unwrap();
    let cookie = asked.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let page = asked.headers()["location"].to_str().unwrap().to_owned();
    let body = form(&[("answer", "sign_in"), ("username", "alice"), ("password", "alice")]);
    let post = http::Request::post(page)
        .header("cookie", cookie)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.into_bytes())
        .unwrap();
    let back = fetch(post).await.unwrap();
    Url::parse(back.headers()["location"].to_str().unwrap()).unwrap()
}

async fn whole_flow(tenant: usize) {
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..config()
    };
    let bound = dev_idp::bind(config).await.unwrap();
    let config = bound.provider().config();
    let issuer = config.issuer_of(&config.tenants[tenant]);
    let serving = tokio::spawn(bound.serve(std::future::pending()));

    let metadata = CoreProviderMetadata::discover_async(IssuerUrl::new(issuer).unwrap(), &fetch)
        .await
        .unwrap();
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new("pixygate".to_owned()), None)
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.to_owned()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scope(Scope::new("profile".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let callback = sign_in(&url).await;
    let answer = |name: &str| {
        callback
            .query_pairs()
            .find(|(it, _)| it == name)
            .unwrap()
            .1
            .into_owned()
    };
    assert_eq!(answer("state"), *state.secret());

    let tokens = client
        .exchange_code(AuthorizationCode::new(answer("code")))
        .unwrap()
        .set_pkce_verifier(verifier)
        .request_async(&fetch)
        .await
        .unwrap();
    let verifier = client.id_token_verifier();
    let id_token = tokens.id_token().unwrap();
    let claims = id_token.claims(&verifier, &nonce).unwrap();
    let hash = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().unwrap(),
        id_token.signing_key(&verifier).unwrap(),
    );
    assert_eq!(Some(&hash.unwrap()), claims.access_token_hash());

    let told: CoreUserInfoClaims = client
        .user_info(tokens.access_token().clone(), Some(claims.subject().clone()))
        .unwrap()
        .request_async(&fetch)
        .await
        .unwrap();
    assert_eq!(told.preferred_username().unwrap().as_str(), "alice");

    let refresh_token = tokens.refresh_token().unwrap();
    let second = client
        .exchange_refresh_token(refresh_token)
        .unwrap()
        .request_async(&fetch)
        .await
        .unwrap();
    let same_person = second
        .id_token()
        .unwrap()
        .claims(&verifier, |_: Option<&Nonce>| Ok(()))
        .unwrap();
    assert_eq!(same_person.subject(), claims.subject());
    let reused = client
        .exchange_refresh_token(refresh_token)
        .unwrap()
        .request_async(&fetch)
        .await;
    assert!(format!("{reused:?}").contains("invalid_grant"), "{reused:?}");
    serving.abort();
}

#[tokio::test]
async fn the_whole_flow_with_asgardeos_shape() {
    whole_flow(0).await;
}

#[tokio::test]
async fn the_whole_flow_with_the_plain_shape() {
    whole_flow(1).await;
}
