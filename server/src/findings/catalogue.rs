//! Every code with its severity, title, reason and advice.

use std::fmt;

use pixygate::Reason;
use serde::{Serialize, Serializer};

use super::Severity;

/// Makes [`Code`] from the table, so that a code without a title, a reason or advice does not compile.
macro_rules! catalogue {
    ($($name:ident $id:literal $severity:ident $title:literal why $why:literal fix $fix:literal)*) => {
        /// The stable code of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the code as it is printed: `PXG021`.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => concat!("PXG", $id),)* }
            }

            /// Returns the severity.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// Returns the title, one line.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// Returns the reason why it matters.
            pub const fn why(self) -> &'static str {
                match self { $(Self::$name => $why,)* }
            }

            /// Returns the general advice.
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix,)* }
            }
        }
    };
}

catalogue! {
    // The configuration
    Configuration "001" Fault "A setting cannot be used"
        why "The server does not start with it. Everything else is checked once the configuration can be read."
        fix "Correct the line that is named. `pixygate.example.toml` documents every key."
    EmbeddedProvider "002" Note "Users sign in at the embedded provider, which is for development"
        why "There is no `[provider]` section. The embedded provider has each user's name as password and listens on this machine only."
        fix "Nothing during development. Before going into production, write a `[provider]` section: `pixygate init` asks for it."
    NoProvider "003" Fault "There is no provider"
        why "There is no `[provider]` section, and this build has no embedded provider, so no user can sign in."
        fix "Write `issuer` and `client_id` under `[provider]`; `pixygate init` asks for them."
    ProviderNotTrusted "004" Warning "No [[trust]] entry accepts the provider at which users sign in"
        why "Where there are `[[trust]]` entries, only they decide whose tokens pass. Users can sign in, and then every call of theirs is rejected with `issuer_not_trusted`."
        fix "Add a `[[trust]]` with the provider's issuer and an audience, or remove every `[[trust]]`: then the provider is trusted by itself."

    // The network
    NameNotFound "010" Fault "The provider's name cannot be resolved"
        why "Without an address, neither metadata nor keys can be fetched. The name is misspelt, or the DNS of this machine does not know it (in a container, it may differ from the host's)."
        fix "Correct the host in the setting, or the DNS of this machine."
    NotConnected "011" Fault "The provider cannot be reached"
        why "The name has an address, and nothing accepts a connection there: the provider is down, a firewall is between, or the port is another one."
        fix "Start the provider, open the way to it, or correct the port. A proxy is used when `HTTPS_PROXY` is set."
    Tls "012" Fault "The connection to the provider is not secure"
        why "The provider's certificate is not trusted here, has expired, or is for another name. Keys that come over such a connection could be anybody's."
        fix "For an authority of your own, name its certificate: `ca_file = \"ca.pem\"` in the `[[trust]]`. Otherwise renew the certificate, or use the name that it was issued for."
    TooSlow "013" Fault "An answer takes too long"
        why "Metadata and keys are fetched within 5 seconds, and a sign-in waits for them. A provider that is slower makes users wait, and its tokens are answered with 503 once stored keys are too old."
        fix "Find out why the provider is slow: its load, the network, or a proxy in between."

    // Discovery
    NoMetadata "020" Fault "The provider has no metadata at this address"
        why "The metadata are at `{issuer}/.well-known/openid-configuration`. Nothing is there, so the issuer is probably not the provider's issuer but another of its addresses."
        fix "Correct `issuer`: it is the `iss` of the provider's tokens (`pixygate inspect` shows it). Where the metadata are elsewhere, set `discovery_url`."
    OtherIssuer "021" Fault "The provider calls itself by another name than the configured issuer"
        why "An issuer is compared as an exact string (OpenID Connect Discovery 1.0, section 4.3): a missing path, a slash at the end or another host makes it another issuer. Every token of this provider would be rejected."
        fix "Write the issuer exactly as the provider's metadata and tokens have it."
    NotMetadata "022" Fault "The answer is not provider metadata"
        why "Something else answers at this address: a sign-in page, a proxy's error page, or another application."
        fix "Open the address in a browser. Correct `issuer` or `discovery_url`, or let the proxy pass the request."
    Redirected "023" Fault "The address leads to another host, or into a private network"
        why "Metadata and keys decide whose tokens are accepted. They are fetched from the configured host only, and from a private address only when the issuer is configured on one."
        fix "Configure the address that it leads to."
    ProviderError "024" Fault "The provider answers with an error"
        why "The provider is reached, and cannot serve its metadata or keys. Users cannot sign in; stored keys serve for a while."
        fix "Look into the provider's log."

    // The metadata
    EndpointMissing "030" Fault "The metadata lack an endpoint that a sign-in needs"
        why "The authorization code flow needs the authorization endpoint, the token endpoint and the keys."
        fix "Complete the provider's metadata, or set the endpoint under `[provider.browser_endpoints]`."
    EndpointInsecure "031" Fault "An endpoint is not https"
        why "Codes and tokens would cross the network in plain text. Plain http is accepted on loopback addresses only."
        fix "Let the provider use https; behind a proxy, tell it its public address."
    NoS256 "032" Fault "The provider does not offer PKCE with S256"
        why "Without PKCE (RFC 7636), a stolen code can be redeemed. Pixygate never signs in without S256."
        fix "Turn PKCE with S256 on at the provider, for this client."
    NoCodeFlow "033" Fault "The provider does not offer the authorization code flow"
        why "`response_types_supported` lacks `code`, the only response type that Pixygate uses."
        fix "Turn the authorization code grant on at the provider."
    NoIssParameter "034" Note "Authorization responses do not name their issuer"
        why "The `iss` parameter (RFC 9207) protects clients of several providers against mix-up. With one provider nothing is lost; when it is there, it is checked."
        fix "Nothing. Where the provider can send it, turn it on."
    ScopeNotListed "035" Note "The provider does not list a scope that is asked for"
        why "Providers need not list every scope (RFC 8414). One that the provider does not know is left out of the token or fails the sign-in."
        fix "Compare `provider.scopes` with what is registered at the provider."
    NoOfflineAccess "036" Note "The provider does not list offline_access"
        why "`offline_access` is asked for only where it is listed. Many providers give refresh tokens without it; where they do not, the session ends with the access token."
        fix "Nothing, when users stay signed in. Otherwise let the client have refresh tokens at the provider."
    NoRefresh "037" Note "The provider does not list the refresh token grant"
        why "Without refresh tokens, users sign in again when their access token expires."
        fix "Allow the grant `refresh_token` for this client at the provider."
    DpopNotListed "038" Note "The provider does not say that it supports DPoP"
        why "With `dpop = \"auto\"` tokens are then not bound to a key (RFC 9449). With `dpop = \"required\"` sign-in is tried nevertheless: some providers support it without saying so."
        fix "Nothing, unless tokens must be bound."
    PushRequired "039" Fault "The provider requires pushed authorization requests and names no endpoint for them"
        why "`require_pushed_authorization_requests` is true (RFC 9126), so a sign-in cannot begin without `pushed_authorization_request_endpoint`."
        fix "Complete the provider's metadata, or set `provider.browser_endpoints.pushed_authorization_request`."
    NoLogout "040" Note "The provider has no logout endpoint"
        why "Sign-out ends the session here. The provider's own session goes on, so the next sign-in may ask for no password."
        fix "Set `provider.logout_url` when the provider has one that its metadata lack."
    NoPublicClients "041" Fault "The provider cannot serve a client without a secret"
        why "A browser cannot keep a secret. This provider wants one at its token endpoint even with PKCE, so the code cannot be redeemed."
        fix "Put a provider in front that federates with it and serves public clients."

    // The keys
    NoKeySet "050" Fault "The provider's keys cannot be fetched"
        why "Without keys no signature can be checked: sign-in fails, and every token is answered with 503."
        fix "Correct `jwks_url`, or the provider's `jwks_uri`."
    NotKeySet "051" Fault "The answer is not a JWK set"
        why "Keys are published as JSON with an array `keys` (RFC 7517, section 5)."
        fix "Correct `jwks_url`, or the provider's `jwks_uri`."
    NoUsableKey "052" Fault "No published key can verify a token"
        why "The set is empty, or none of its keys fits the `algorithms` of the trust. Every token is rejected or answered with 503."
        fix "Let the provider sign with RS256, PS256, ES256 or EdDSA, or add its algorithm to `trust.algorithms`."
    WeakKey "053" Warning "A published key is too weak"
        why "Its signatures can be forged with moderate means, so the gate leaves the key out and rejects tokens that it signed."
        fix "Let the provider generate another key: RSA with at least 2048 bits, P-256 or Ed25519."
    DuplicateKey "054" Warning "Two different keys have the same kid"
        why "A token names its key by `kid` (RFC 7517, section 4.5). Every check tries both, and other services may take the wrong one."
        fix "Let the provider give each key a `kid` of its own."
    PrivateKey "055" Fault "The provider publishes a private key"
        why "Everybody who can read the set can sign tokens in the provider's name. The gate leaves such a key out."
        fix "Remove the key at the provider, and replace it: it must be taken as stolen."
    KeyLeftOut "056" Note "A published key is not used"
        why "The gate does not understand its type, or it is not among the `algorithms` of the trust. Tokens that it signed are rejected; others are not affected."
        fix "Nothing, unless the provider signs access tokens with it."

    // The clock
    Clock "060" Fault "The clocks of this machine and the provider differ"
        why "New tokens look as if they were not valid yet, or expire early. Up to `leeway_seconds` (60) are forgiven."
        fix "Synchronise the clock of this machine (NTP), or the provider's."

    // Browsers
    TokenCors "070" Fault "The provider does not let this application's pages redeem a code"
        why "The page calls the token endpoint by script. Without `Access-Control-Allow-Origin` for this origin the browser withholds the answer: every sign-in fails at its last step."
        fix "Register the origin at the provider as an allowed origin (CORS, Web Origins). Some providers withhold their refusals only, which is all that this check sees: when users can sign in, pages cannot read why a refresh is refused."
    DpopCors "071" Warning "Pages cannot send a DPoP proof to the token endpoint"
        why "The browser asks before it sends the header `DPoP`, and the provider does not allow it. With DPoP, sign-in fails at its last step."
        fix "Let the provider allow the header `DPoP` for this origin, or write `dpop = \"off\"` under `[provider]`."
    KeysCors "072" Warning "Pages cannot fetch the provider's keys"
        why "The server puts the keys into the page. After the provider has changed its key, an open page must fetch the keys itself. If that fails, it cannot check ID tokens until it is reloaded."
        fix "Register the origin at the provider as an allowed origin (CORS, Web Origins)."
    RevocationCors "073" Warning "Pages cannot revoke a token"
        why "On sign-out the page revokes its refresh token. Without CORS at that endpoint the token stays valid until it expires."
        fix "Register the origin at the provider as an allowed origin (CORS, Web Origins)."
    OtherCors "074" Note "Pages cannot read the provider's metadata or user information"
        why "Pixygate's own pages do not need them: the server reads the metadata. Other scripts of yours may."
        fix "Nothing, unless scripts of your own call these endpoints."

    // The authorization request
    RedirectUri "080" Fault "The provider rejects the redirect URI"
        why "A redirect URI is compared character by character with those registered for the client. Users see an error page of the provider and never come back."
        fix "Register the redirect URI at the provider, exactly as it is shown here."
    ClientId "081" Fault "The provider does not know the client"
        why "`provider.client_id` is not registered at this provider, or in another tenant of it. Users see an error page."
        fix "Copy the client ID from the provider's console into `provider.client_id`."
    RequestRejected "082" Fault "The provider rejects the authorization request"
        why "The request is the one that a sign-in sends. The provider says what it does not accept."
        fix "Correct the setting that the provider's message is about: scopes, `resource`, `extra_params`, or the client's grants at the provider."
    AuthorizationPage "083" Fault "The authorization endpoint answers with an error page"
        why "Users see that page when they click on Sign in."
        fix "Open the authorization endpoint in a browser and read its page; look into the provider's log."
    LogoutRejected "084" Warning "The provider rejects sign-out"
        why "Sign-out ends the session here, and then leaves the user on an error page of the provider, whose own session goes on."
        fix "Register the address at the provider as a post-logout redirect URI."
    SignIn "085" Fault "The sign-in did not succeed"
        why "A client that shares no code with Pixygate's page tried it with a real user, and failed at the step that is named."
        fix "Correct what the provider's message is about."
    OpaqueToken "086" Fault "The provider issues opaque access tokens"
        why "An opaque token is a reference that only its issuer understands. The gate can check nothing of it, so every call is rejected with `malformed_token`."
        fix "Let the provider issue JWT access tokens: name the resource that they are for (`provider.resource`, or `extra_params = { audience = \"…\" }`), or choose JWT among the client's settings at the provider. Or ask the provider about each token: `trust.introspection_url`."

    // This server
    NotServed "090" Note "public_url does not answer here"
        why "That is normal while Pixygate is not running, or when its public address cannot be reached from this machine."
        fix "Nothing, unless it should answer."
    OtherServer "091" Warning "Something else answers at public_url"
        why "Users who come back from the provider, and callers, reach another application."
        fix "Correct `server.public_url`, or the proxy in front of Pixygate."
    UpstreamDown "092" Warning "A service behind the gate cannot be reached"
        why "Calls to it are answered with 502 or 503."
        fix "Start the service, or correct the target of the `[[upstream]]`."

    // The store
    StoreUnreachable "100" Fault "The store cannot be used"
        why "Ended sessions, the activity and the keys of backend JWTs are in the store. The server does not start without it; one that runs goes on for `store.revocation_max_age_seconds`, and then answers calls with 503."
        fix "See that the database runs, and that name, user and password under `[store] url` are right. For SQLite, name a file whose folder exists."
    StoreNewer "101" Fault "A newer server has changed the store"
        why "Its tables are of a version that this server does not understand. The server does not start with it."
        fix "Start the newer version, or restore the store from before its update."
    StoreOlder "102" Note "The store is of an older version"
        why "The server adds the missing tables when it starts. Nodes of the older version go on with them unless the release notes say otherwise."
        fix "Nothing. Back the store up before an update, as always."
    StoreNotWritten "103" Fault "The store cannot be written"
        why "The server records ended sessions before it confirms them. A database that only reads, a standby, or a user without the right to write lets it neither start nor end a session."
        fix "Give the user of `[store] url` the right to create and write tables, and name the primary server. For SQLite, let the server's user write the file and its folder."
    StoreClock "104" Warning "The clocks of the store and this machine differ"
        why "The end of a session is dated by the later of the two clocks, and tokens by the provider's. A user who signs in again after a sign-out everywhere is rejected for as long as the clock is ahead."
        fix "Synchronise the clock of this machine and the database's (NTP)."

    // Tokens, by the reason of the refusal
    MissingToken "200" Fault "The call has no token"
        why "The path needs a signed-in caller, and the request has no `Authorization` header."
        fix "Send the access token: `Authorization: Bearer …`."
    MalformedToken "201" Fault "The token is not a signed JWT"
        why "The gate accepts three base64url segments of JSON. An opaque or encrypted token says nothing that the gate could check."
        fix "Copy the token completely and unchanged. If it is, let the provider issue signed JWT access tokens, or set `trust.introspection_url`."
    TokenTooLarge "202" Fault "The token is too large"
        why "Longer tokens are rejected without parsing, so that they cannot occupy the server."
        fix "Let the provider put fewer claims into tokens, or raise `gate.max_token_bytes`."
    UnsupportedAlgorithm "203" Fault "The token's algorithm is not accepted"
        why "Only the algorithms of the trust are accepted: never `none`, never a shared secret."
        fix "Let the provider sign with an accepted algorithm, or add its algorithm to `trust.algorithms`."
    UnknownKey "204" Fault "No key of the issuer has the token's kid"
        why "The token was signed with a key that the issuer does not publish: by another issuer, or with a key that was removed."
        fix "Get a new token. Compare the token's `kid` with the issuer's key set."
    BadSignature "205" Fault "The signature does not verify"
        why "The token was changed, or was signed with another key."
        fix "Get a new token, and copy it completely."
    IssuerNotTrusted "206" Fault "The token's issuer is not trusted"
        why "`iss` is compared as an exact string with the trusted issuers."
        fix "Write the issuer exactly as the token has it, when it is your provider."
    AudienceMismatch "207" Fault "The token is for another service"
        why "Neither `aud` nor the client is one that the trust names. A token for another service must not open this one."
        fix "Let the provider put this service's audience into the token, or name the token's audience or client in the trust."
    Expired "208" Fault "The token has expired"
        why "`exp` has passed, the leeway included."
        fix "Get a new token. If it is new, compare the clocks."
    NotYetValid "209" Fault "The token is not valid yet"
        why "`nbf` or `iat` lies ahead: the clocks of the provider and this machine differ."
        fix "Synchronise the clocks."
    WrongTokenType "210" Fault "The token is of another kind"
        why "ID tokens, logout tokens and DPoP proofs are signed with the same keys, and are not meant to open anything."
        fix "Send the access token."
    MissingClaim "211" Fault "The token lacks a claim"
        why "The gate needs the claim to decide."
        fix "Let the provider put the claim into access tokens."
    InvalidClaim "212" Fault "A claim of the token has a value that is not accepted"
        why "The claim is one that decides, and is of another type, or has another value than the trust requires."
        fix "Let the provider correct the claim, or change what the trust requires."
    Revoked "213" Fault "The token was revoked"
        why "The user signed out, or the provider ended the session."
        fix "Sign in again."
    DpopRequired "214" Fault "The token needs a DPoP proof"
        why "The token is bound to a key, or the route requires a bound token (RFC 9449). Without a DPoP proof the call is rejected."
        fix "Send it with the scheme `DPoP` and a proof."
    InvalidDpopProof "215" Fault "The DPoP proof does not hold"
        why "The proof is for another request, token or key, is too old, or was used before (RFC 9449, section 4.3)."
        fix "Make a new proof for each request."
    UseDpopNonce "216" Fault "The DPoP proof needs a nonce of the gate"
        why "The gate wants fresh proofs, and sends the nonce to use in `DPoP-Nonce`."
        fix "Make the proof again, with the nonce of the answer."
    InsufficientScope "217" Fault "The token lacks a scope or role"
        why "The token is valid, and does not permit this call."
        fix "Ask for the scope when signing in, and let the user have it at the provider."
    InsufficientUserAuthentication "218" Fault "The user's authentication is too weak or too old"
        why "The route requires a stronger or more recent sign-in (RFC 9470)."
        fix "Sign in again as the challenge says."
    CertificateMismatch "219" Fault "The token is bound to another client certificate"
        why "The token is accepted only over a connection with the certificate that it was issued for (RFC 8705)."
        fix "Send it with that certificate; behind a proxy, set `gate.certificate_header`."
    KeysUnavailable "220" Fault "The issuer's keys are not available"
        why "The keys could not be fetched, so nothing can be said about the token."
        fix "Run `pixygate doctor`: it says why the keys cannot be fetched."

    // Requests, by the reason of the refusal
    InvalidRequest "221" Fault "The request has no single meaning"
        why "A path with unneeded escapes, two `Authorization` headers or a missing `Host` can mean one thing to the gate and another to the code behind it. The gate denies such requests."
        fix "Send one `Host`, at most one `Authorization`, and a path without `.`, `..`, `//` or escapes that it does not need. A server function says itself what it expected."
    RouteNotFound "222" Fault "No policy names the path"
        why "A path without a policy is denied, so that nothing is open by mistake."
        fix "Correct the path, or give it a policy: an `[[upstream.route]]`, or a policy in the code. `pixygate routes` lists all."
    MethodNotAllowed "223" Fault "The path has a policy for other methods only"
        why "A policy is for the methods that it names; `GET` includes `HEAD`."
        fix "Call it with a method that the answer's `Allow` header names, or add the method to the route."
    RateLimited "224" Fault "There are too many calls"
        why "One user, one client, one route or one address has as many calls as its limit allows."
        fix "Wait for the time in `Retry-After`, or raise the limit that is named: `gate.rate_limit`, `gate.client_limit`, `gate.address_limit`, `gate.failure_limit`, the route's `rate_limit`."
    RequestTimeout "225" Fault "The body of the request came too slowly"
        why "A body that does not end would occupy a connection."
        fix "Send it faster, or raise the upstream's `idle_timeout_ms`."
    BodyTooLarge "226" Fault "The body of the request is too large"
        why "The server and each upstream bound what they read."
        fix "Send less, or raise the upstream's or the route's `max_body_bytes`."
    UpstreamUnavailable "227" Fault "The service behind the gate cannot be reached"
        why "The call was accepted, but no target of the upstream could be reached, or none had room."
        fix "Start the service, or correct `target` of the `[[upstream]]`. The log says what was tried."
    UpstreamTimeout "228" Fault "The service behind the gate does not answer in time"
        why "The call was accepted, and the target did not begin its answer within `response_timeout_ms`."
        fix "Look into the service's log, or raise `response_timeout_ms` of the `[[upstream]]`."
}

impl Code {
    /// Returns the code with this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.id().eq_ignore_ascii_case(name))
    }

    /// Returns the code that explains a denial.
    pub fn of(reason: Reason) -> Option<Self> {
        reason.code().and_then(Self::named)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
