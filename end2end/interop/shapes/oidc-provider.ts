import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { expect } from '@playwright/test';
import { problem, signedOut, signInButton, verified } from '../../tests/fixtures';
import { GATE, oidcProvider, RESOURCE, type Panva, type Variant } from '../providers/oidc-provider';
import { client, noAuthTime, trust, type Product, type Shape } from '../shape';
import { World } from '../world';

const product: Product = {
  name: 'oidc-provider',
  async version() {
    const entry = createRequire(import.meta.url).resolve('oidc-provider');
    return JSON.parse(await readFile(join(dirname(entry), '..', 'package.json'), 'utf8')).version;
  },
  missing: async () => undefined,
};

const audience = `audience = ["${RESOURCE}"]`;

const shape = (name: string, variant: Variant, more: Partial<Shape<Panva>> = {}): Shape<Panva> => ({
  product,
  name,
  start: (place) => oidcProvider(place, variant),
  settings: (provider) => client(provider) + trust(provider, audience),
  shown: 'Alice Example',
  ...more,
  gaps: { ...(!variant.authTime && noAuthTime<Panva>()), ...more.gaps },
});

const bearer = { dPoP: { enabled: false } };

const elsewhere: Variant = { issuer: '/t/acme/oauth2/token', accessTokenIssuer: '/t/acme' };
const found = (provider: Panva) => `discovery_url = "${provider.discovery}"`;

export const panva: Shape<Panva>[] = [
  // It advertises DPoP, so tokens are bound; and a bound refresh token need not rotate.
  shape('plain', {}, { traits: { 'ID token': 'RS256', '`iss` in the callback': 'yes', 'token type': 'DPoP', 'refresh token': 'stays' } }),

  shape('without DPoP', { configuration: { features: bearer } }, { traits: { 'token type': 'Bearer', 'refresh token': 'rotates' } }),

  shape(
    'without DPoP, rotation off',
    { configuration: { features: bearer, rotateRefreshToken: false } },
    { traits: { 'token type': 'Bearer', 'refresh token': 'stays' } },
  ),

  shape('issuer unlike its place, another `iss` in access tokens', elsewhere, {
    settings: (provider) =>
      client(provider, found(provider)) + trust(provider, audience, found(provider), `aliases = ["${provider.origin}/t/acme"]`),
    traits: { '… its `iss`': 'another than the issuer' },
  }),

  shape('the same without `trust.aliases`', elsewhere, {
    settings: (provider) => client(provider, found(provider)) + trust(provider, audience, found(provider)),
    answer: 401,
    gaps: {
      'server function': {
        because: 'refused: `issuer_not_trusted`. The page says that the server refused, its log which `iss` came and which setting takes it',
        async shown(world) {
          await world.call();
          await expect(problem(world.page).first()).toContainText('The server does not accept your sign-in');
          expect((await world.observed.complete()).calls.at(-1)).toMatchObject({ status: 401, body: { reason: 'issuer_not_trusted' } });
          expect(world.instance.log).toMatch(/aliases = \[.*\/t\/acme\\*"\]/);
        },
        end: true,
      },
    },
  }),

  shape('ES256', { client: { id_token_signed_response_alg: 'ES256' } }, { traits: { 'ID token': 'ES256' } }),

  shape('EdDSA', { client: { id_token_signed_response_alg: 'EdDSA' } }, { traits: { 'ID token': 'EdDSA' } }),

  shape(
    'DPoP required, with a nonce',
    {
      client: { dpop_bound_access_tokens: true },
      configuration: { features: { dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true } } },
    },
    {
      traits: { 'token type': 'DPoP', 'DPoP advertised': 'yes' },
      also: {
        'the token without its proof is refused: `dpop_required`': async ({ instance, observed }) => {
          const { token } = (await observed.complete()).calls.at(-1)!;
          const answer = await fetch(`${instance.url}/api/whoami`, { headers: { authorization: `Bearer ${token}` } });
          expect([answer.status, ((await answer.json()) as { reason: string }).reason]).toEqual([401, 'dpop_required']);
        },
      },
    },
  ),

  shape('access tokens for `provider.resource`', { defaultResource: null }, {
    // Without a [[trust]], the audience is the resource.
    settings: (provider) => client(provider, `resource = "${RESOURCE}"`),
    traits: { '… its `aud`': 'a string' },
  }),

  shape('opaque access tokens', { defaultResource: null }, {
    settings: (provider) => client(provider),
    // Its userinfo endpoint would return the name; the ID token contains it only without such an endpoint.
    shown: 'alice',
    answer: 401,
    traits: { 'access token': 'opaque', 'name in the ID token': 'no' },
    gaps: {
      'server function': {
        because: 'refused: `malformed_token`. The log says that the token is opaque and names the ways out',
        async shown(world) {
          await world.call();
          await expect(problem(world.page).first()).toContainText('The server does not accept your sign-in');
          expect((await world.observed.complete()).calls.at(-1)).toMatchObject({ status: 401, body: { reason: 'malformed_token' } });
          expect(world.instance.log).toMatch(/opaque token.*introspection_url/);
        },
        end: true,
      },
    },
  }),

  shape(
    'opaque access tokens, introspected',
    {
      defaultResource: null,
      configuration: { features: { introspection: { enabled: true, allowedPolicy: (_, asking) => asking.clientId === GATE.client_id } } },
    },
    {
      settings: (provider) =>
        client(provider) +
        trust(
          provider,
          `client_ids = ["${provider.clientId}"]`,
          `introspection_url = "${provider.origin}/token/introspection"`,
          `introspection_client_id = "${GATE.client_id}"`,
          `introspection_client_secret = "${GATE.client_secret}"`,
        ),
      shown: 'alice',
      traits: { 'access token': 'opaque' },
    },
  ),

  shape('`auth_time` in access tokens', { authTime: true }),

  shape('no refresh tokens', { client: { grant_types: ['authorization_code'] } }, {
    traits: { 'refresh token': 'none' },
    gaps: {
      'refresh across expiry': {
        because: 'none: the session here ends with the access token. **Sign in** brings it back without a password while the one there lasts',
        async shown(world) {
          await world.renewable();
          await world.account();
          await signedOut(world.page);
          await world.page.goto(world.instance.url);
          await signInButton(world.page).click();
          await world.signedIn();
        },
        end: true,
      },
    },
  }),

  shape('CORS refused', { configuration: { clientBasedCORS: () => false } }, {
    doctor: ['PXG070'],
    gaps: {
      'sign in': {
        because: 'no `Access-Control-Allow-Origin` in the answer of the token endpoint, so the browser withholds it. The page says so, and the detail names the endpoint and the origin to allow',
        async shown(world) {
          await world.signIn();
          await expect(problem(world.page)).toContainText('The sign-in service does not talk to this site');
          await expect(problem(world.page)).toContainText(`${world.provider.origin}/token answers, but the browser withholds the answer from ${world.instance.url}`);
        },
        end: true,
      },
    },
  }),

  shape('pushed authorization requests required', {
    configuration: { features: { pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true } } },
  }),

  shape('pushed authorization requests required of this client, which its metadata cannot say', {
    client: { require_pushed_authorization_requests: true },
  }, {
    doctor: ['PXG082'],
    gaps: {
      'sign in': {
        because: 'refused: `invalid_request`. Pixygate pushes authorization requests (RFC 9126) where the metadata requires it, and the requirement of a single client is not in there',
        async shown({ page, instance }) {
          await page.goto(instance.url);
          await signInButton(page).click();
          await expect(page.locator('body')).toContainText('Pushed Authorization Request must be used');
        },
        end: true,
      },
    },
  }),

  shape('back-channel logout', {}, {
    start: (place) =>
      oidcProvider(place, {
        client: { backchannel_logout_uri: `${place.app}/backchannel-logout` },
        configuration: { features: { ...bearer, backchannelLogout: { enabled: true } } },
      }),
    traits: { 'token type': 'Bearer' },
    also: {
      'it posts a logout token to `/backchannel-logout` at each sign-out, and gets 200': async ({ provider }) => {
        // Once for the sign-out here, once for the one on its own pages.
        expect(provider.calls).toEqual(['delivered', 'delivered']);
      },
      'an access token of the ended session is refused at once: `revoked`, long before it expires. The page hears of it at its next call':
        async (world) => {
          const { provider, instance, observed } = world;
          provider.lifetime(600);
          await world.signIn();
          await world.signedIn();
          await world.call();
          const { token } = (await observed.complete()).calls.at(-1)!;
          const whoami = async () => {
            const answer = await fetch(`${instance.url}/api/whoami`, { headers: { authorization: `Bearer ${token}` } });
            return [answer.status, ((await answer.json()) as { reason?: string }).reason];
          };
          expect(await whoami()).toEqual([200, undefined]);
          const there = await world.context.newPage();
          await provider.end(there);
          await there.close();
          await expect.poll(() => provider.calls).toEqual(['delivered', 'delivered', 'delivered']);
          expect(await whoami()).toEqual([401, 'revoked']);

          // Rejected, refreshed, and rejected there too: the session ends, with its reason.
          const calls = observed.calls.length;
          await world.account();
          await signedOut(world.page);
          await expect(world.page.getByText('Your session has ended').first()).toBeVisible();
          expect(observed.calls.slice(calls).map(({ status }) => status)).toEqual([401]);
          const last = (await observed.complete()).answers.at(-1);
          expect([last?.grant, last?.status, last?.body.error]).toEqual(['refresh_token', 400, 'invalid_grant']);
        },
      'another browser of the same person goes on: its access token has no `sid` and is refused too, the page refreshes, and the call is made again':
        async (world) => {
          const { provider, instance, shape, observed } = world;
          await world.signIn();
          await world.signedIn();
          const context = await world.context.browser()!.newContext();
          const other = new World(shape, context, await context.newPage(), instance, provider, observed);
          await other.signIn();
          await other.signedIn();
          await other.call();
          await provider.end(await world.context.newPage());
          await expect.poll(() => provider.calls.length).toBe(4);
          const statuses: number[] = [];
          other.page.on('response', (answer) => void (answer.url().endsWith('/api/whoami') && statuses.push(answer.status())));
          await other.account();
          await expect(verified(other.page)).toContainText(provider.issuer);
          expect(statuses).toEqual([401, 200]);
          await other.signedIn();
          await context.close();
        },
    },
  }),
];
