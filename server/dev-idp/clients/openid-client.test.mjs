// openid-client: the whole flow as in its documentation, and similar requests that must fail.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as client from 'openid-client';
import { Person, home, redirectUri, start } from './provider.mjs';

let provider, config;

before(async () => {
  provider = await start();
  config = await client.discovery(new URL(provider.issuer), 'pixygate', undefined, client.None(), {
    execute: [client.allowInsecureRequests],
  });
});
after(() => provider.stop());

async function request(more = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const checks = { pkceCodeVerifier: verifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() };
  const parameters = {
    redirect_uri: redirectUri,
    scope: 'openid profile email',
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    ...more,
  };
  return { parameters, checks };
}

async function signedIn(more, options, person = new Person()) {
  const { parameters, checks } = await request(more);
  const callback = await person.signIn(client.buildAuthorizationUrl(config, parameters));
  return client.authorizationCodeGrant(config, callback, { ...checks, idTokenExpected: true }, undefined, options);
}

test('the code flow, userinfo, refresh, and a reused refresh token refused', async () => {
  const tokens = await signedIn();
  assert.equal(tokens.claims().name, 'Alice Example');
  const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  assert.equal(info.email, 'alice@example.com');
  const second = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(second.refresh_token, tokens.refresh_token);
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' });
  await assert.rejects(client.refreshTokenGrant(config, second.refresh_token), { error: 'invalid_grant' });
});

test('every signing algorithm is verified', async () => {
  for (const algorithm of ['RS256', 'PS256', 'ES256', 'EdDSA']) {
    await provider.control('PATCH', 'switches', { signing_algorithm: algorithm });
    const metadata = { id_token_signed_response_alg: algorithm === 'EdDSA' ? 'EdDSA' : algorithm };
    const strict = await client.discovery(new URL(provider.issuer), 'pixygate', metadata, client.None(), {
      execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
    });
    const { parameters, checks } = await request();
    const callback = await new Person().signIn(client.buildAuthorizationUrl(strict, parameters));
    const tokens = await client.authorizationCodeGrant(strict, callback, { ...checks, idTokenExpected: true });
    assert.equal(tokens.claims().name, 'Alice Example', algorithm);
  }
  await provider.control('PATCH', 'switches', { signing_algorithm: null });
});

test('a pushed request', async () => {
  const { parameters, checks } = await request();
  const url = await client.buildAuthorizationUrlWithPAR(config, parameters);
  assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri']);
  const tokens = await client.authorizationCodeGrant(config, await new Person().signIn(url), checks);
  assert.equal(tokens.claims().name, 'Alice Example');
});

test('DPoP, with a nonce and with another key refused', async () => {
  await provider.control('PATCH', 'switches', { require_dpop_nonce: true });
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
  const dpop_jkt = await DPoP.calculateThumbprint();
  const tokens = await signedIn({ dpop_jkt }, { DPoP });
  assert.equal(tokens.token_type, 'dpop');
  const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP });
  assert.equal(info.name, 'Alice Example');
  const other = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP: other }), {
    error: 'invalid_grant',
  });
  const second = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
  assert.equal(second.token_type, 'dpop');
  await assert.rejects(signedIn({ dpop_jkt }, { DPoP: other }), { error: 'invalid_grant' });
  await provider.control('PATCH', 'switches', { require_dpop_nonce: false });
});

test('revocation and introspection', async () => {
  const tokens = await signedIn();
  const service = await client.discovery(
    new URL(provider.issuer),
    'resource-server',
    'resource-server',
    client.ClientSecretBasic('resource-server'),
    { execute: [client.allowInsecureRequests] },
  );
  assert.equal((await client.tokenIntrospection(service, tokens.access_token)).active, true);
  await client.tokenRevocation(config, tokens.refresh_token);
  assert.equal((await client.tokenIntrospection(service, tokens.access_token)).active, false);
});

test('signing out', async () => {
  const person = new Person();
  const tokens = await signedIn({}, undefined, person);
  const out = (more) =>
    client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, state: 's', ...more });
  await assert.rejects(person.open(out({ post_logout_redirect_uri: 'http://localhost:3000/elsewhere' })), /400/);
  const after = await person.open(out({ post_logout_redirect_uri: home }));
  assert.equal(after.href, `${home}?state=s`);
  const { parameters } = await request({ prompt: 'none' });
  const silent = await person.open(client.buildAuthorizationUrl(config, parameters));
  assert.equal(silent.searchParams.get('error'), 'login_required');
});

test('a callback with another iss or state is refused by the client, and each wrong token request by the provider', async () => {
  await provider.control('PATCH', 'switches', { callback_iss: 'https://evil.example' });
  await assert.rejects(signedIn(), { code: 'OAUTH_INVALID_RESPONSE' });
  await provider.control('PATCH', 'switches', { callback_iss: null, callback_state: 'other' });
  await assert.rejects(signedIn(), { code: 'OAUTH_INVALID_RESPONSE' });
  await provider.control('PATCH', 'switches', { callback_state: null });

  const { parameters, checks } = await request();
  const callback = await new Person().signIn(client.buildAuthorizationUrl(config, parameters));
  const wrong = { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() };
  await assert.rejects(client.authorizationCodeGrant(config, callback, wrong), { error: 'invalid_grant' });
  await client.authorizationCodeGrant(config, callback, checks);
  await assert.rejects(client.authorizationCodeGrant(config, callback, checks), { error: 'invalid_grant' });
});

test('a request without PKCE, or with plain, is refused at the redirect URI', async () => {
  for (const change of [{ code_challenge: '' }, { code_challenge_method: 'plain' }]) {
    const { parameters } = await request(change);
    const callback = await new Person().open(client.buildAuthorizationUrl(config, parameters));
    assert.equal(callback.searchParams.get('error'), 'invalid_request');
  }
});
