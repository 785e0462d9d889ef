// oauth4webapi: each step with its own check, for both tenants.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import { Person, home, redirectUri, start } from './provider.mjs';

const insecure = { [oauth.allowInsecureRequests]: true };
const client = { client_id: 'pixygate' };
let provider;

before(async () => {
  provider = await start();
});
after(() => provider.stop());

async function discover(issuer) {
  const url = new URL(issuer);
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, insecure));
}

async function authorizationUrl(as, verifier, more) {
  const url = new URL(as.authorization_endpoint);
  const parameters = {
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid email',
    state: 's',
    nonce: 'n',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...more,
  };
  url.search = new URLSearchParams(parameters);
  return url;
}

async function redeem(as, callback, verifier, options) {
  const parameters = oauth.validateAuthResponse(as, client, callback, 's');
  const response = await oauth.authorizationCodeGrantRequest(
    as, client, oauth.None(), parameters, redirectUri, verifier, { ...insecure, ...options });
  const expected = { expectedNonce: 'n', requireIdToken: true };
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, expected);
  await oauth.validateApplicationLevelSignature(as, response, insecure);
  return tokens;
}

async function refresh(as, token, options) {
  const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, { ...insecure, ...options });
  return oauth.processRefreshTokenResponse(as, client, response);
}

for (const tenant of ['demo', 'plain']) {
  test(`${tenant}: the code flow with every check, refresh, reuse, revocation`, async () => {
    const as = await discover(tenant === 'demo' ? provider.issuer : `${provider.origin}/t/plain`);
    const verifier = oauth.generateRandomCodeVerifier();
    const callback = await new Person().signIn(await authorizationUrl(as, verifier, {}));
    const tokens = await redeem(as, callback, verifier);
    const { sub } = oauth.getValidatedIdTokenClaims(tokens);
    const info = await oauth.userInfoRequest(as, client, tokens.access_token, insecure);
    assert.equal((await oauth.processUserInfoResponse(as, client, sub, info)).email, 'alice@example.com');
    const second = await refresh(as, tokens.refresh_token);
    await assert.rejects(refresh(as, tokens.refresh_token), { error: 'invalid_grant' });
    await assert.rejects(refresh(as, second.refresh_token), { error: 'invalid_grant' });
    const revoked = await oauth.revocationRequest(as, client, oauth.None(), second.access_token, insecure);
    await oauth.processRevocationResponse(revoked);
  });
}

test('the access token is a JWT as RFC 9068 says', async () => {
  const as = await discover(provider.issuer);
  const verifier = oauth.generateRandomCodeVerifier();
  const callback = await new Person().signIn(await authorizationUrl(as, verifier, {}));
  const tokens = await redeem(as, callback, verifier);
  const call = (token) =>
    new Request('http://localhost:3000/api', { headers: { authorization: `Bearer ${token}` } });
  const claims = await oauth.validateJwtAccessToken(as, call(tokens.access_token), 'pixygate', insecure);
  assert.equal(claims.scope, 'openid email');
  await assert.rejects(oauth.validateJwtAccessToken(as, call(tokens.id_token), 'pixygate', insecure));
  await assert.rejects(oauth.validateJwtAccessToken(as, call(tokens.access_token), 'another', insecure));
});

test('PAR with DPoP binds the code to the key', async () => {
  const as = await discover(provider.issuer);
  const verifier = oauth.generateRandomCodeVerifier();
  const keys = await oauth.generateKeyPair('ES256');
  const DPoP = oauth.DPoP(client, keys);
  const { searchParams } = await authorizationUrl(as, verifier, {});
  const push = async (parameters) =>
    oauth.processPushedAuthorizationResponse(
      as, client,
      await oauth.pushedAuthorizationRequest(as, client, oauth.None(), parameters, { ...insecure, DPoP }));
  const { request_uri } = await push(searchParams);
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({ client_id: client.client_id, request_uri });
  const callback = await new Person().signIn(url);
  const other = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
  await assert.rejects(redeem(as, callback, verifier, { DPoP: other }), { error: 'invalid_grant' });
  const tokens = await redeem(as, callback, verifier, { DPoP });
  assert.equal(tokens.token_type, 'dpop');
  await assert.rejects(refresh(as, tokens.refresh_token, { DPoP: other }), { error: 'invalid_grant' });
  assert.equal((await refresh(as, tokens.refresh_token, { DPoP })).token_type, 'dpop');

  searchParams.append('request', 'one');
  searchParams.append('request', 'two');
  await assert.rejects(push(searchParams), { error: 'invalid_request' });
});

test('redirect URIs that are nearly right never lead anywhere', async () => {
  const as = await discover(provider.issuer);
  const verifier = oauth.generateRandomCodeVerifier();
  for (const near of [
    `${redirectUri}/`,
    'http://localhost:3000/CALLBACK',
    'http://localhost:3001/callback',
    `${redirectUri}?a=b`,
    `${redirectUri}#f`,
    'http://user@localhost:3000/callback',
  ]) {
    const response = await fetch(await authorizationUrl(as, verifier, { redirect_uri: near }), { redirect: 'manual' });
    assert.equal(response.status, 400, near);
    assert.equal(response.headers.get('location'), null, near);
  }
  const good = await new Person().signIn(await authorizationUrl(as, verifier, {}));
  assert.ok(good.href.startsWith(redirectUri));
});

test('a foreign origin may not call the token endpoint', async () => {
  const as = await discover(provider.issuer);
  const call = (origin) =>
    fetch(as.token_endpoint, {
      method: 'POST',
      headers: { origin },
      body: new URLSearchParams({ grant_type: 'refresh_token', client_id: 'pixygate', refresh_token: 'x' }),
    });
  const foreign = await call('https://evil.example');
  assert.deepEqual([foreign.status, foreign.headers.get('access-control-allow-origin')], [403, null]);
  const own = await call('http://localhost:3000');
  assert.deepEqual([own.status, own.headers.get('access-control-allow-origin')], [400, 'http://localhost:3000']);
});

test('a broken JWKS fails the signature check, and the good one passes it', async () => {
  const attempt = async () => {
    const as = await discover(provider.issuer); // keys are kept by metadata: without this, the first ones
    const verifier = oauth.generateRandomCodeVerifier();
    return redeem(as, await new Person().signIn(await authorizationUrl(as, verifier, {})), verifier);
  };
  await provider.control('PATCH', 'switches', { jwks: 'empty' });
  await assert.rejects(attempt());
  await provider.control('PATCH', 'switches', { jwks: 'not_json' });
  await assert.rejects(attempt());
  await provider.control('PATCH', 'switches', { jwks: 'spoiled' });
  assert.ok(await attempt());
  await provider.control('PATCH', 'switches', { jwks: 'good' });
});

test('signing out leads to a registered address only', async () => {
  const as = await discover(provider.issuer);
  const person = new Person();
  const verifier = oauth.generateRandomCodeVerifier();
  const tokens = await redeem(as, await person.signIn(await authorizationUrl(as, verifier, {})), verifier);
  const out = (uri) => {
    const url = new URL(as.end_session_endpoint);
    url.search = new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: uri });
    return url;
  };
  await assert.rejects(person.open(out('http://localhost:3000/other')), /400/);
  assert.equal((await person.open(out(home))).href, home);
});
