import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { expect } from '@playwright/test';
import { problem, verified } from '../../tests/fixtures';
import { GATE, oidcProvider, RESOURCE, type Panva, type Variant } from '../providers/oidc-provider';
import type { Product, Shape } from '../shapes';

const product: Product = {
  name: 'oidc-provider',
  async version() {
    const entry = createRequire(import.meta.url).resolve('oidc-provider');
    return JSON.parse(await readFile(join(dirname(entry), '..', 'package.json'), 'utf8')).version;
  },
  missing: async () => undefined,
};

const client = (provider: Panva, more = '') => `
[provider]
issuer = "${provider.issuer}"
client_id = "${provider.clientId}"
${more}
`;

const trust = (provider: Panva, more = '') => `
[[trust]]
issuer = "${provider.issuer}"
audience = ["${RESOURCE}"]
${more}
`;

/** `client_id` is who asks; without trust, the default of [provider] is what counts. */
const shape = (name: string, variant: Variant, more: Partial<Shape<Panva>> = {}): Shape<Panva> => ({
  provider: product,
  name,
  start: (place) => oidcProvider(place, variant),
  settings: (provider) => client(provider) + trust(provider),
  // `name` comes with the scope `profile`, from the userinfo endpoint only (OpenID Connect Core, section 5.4).
  shown: 'alice',
  ...more,
});

const nameInIdToken = { conformIdTokenClaims: false };

export const panva: Shape<Panva>[] = [
  shape(
    'plain',
    {},
    { traits: { 'ID token': 'RS256', 'name in the ID token': 'no', 'refresh token': 'rotates', '`iss` in the callback': 'yes', 'token type': 'Bearer' } },
  ),

  shape(
    'issuer elsewhere, another `iss` in access tokens',
    { issuer: '/t/acme/oauth2/token', accessTokenIssuer: '/t/acme', configuration: nameInIdToken },
    {
      settings: (provider) =>
        client(provider, `discovery_url = "${provider.discovery}"`) +
        trust(provider, `discovery_url = "${provider.discovery}"\naliases = ["${provider.origin}/t/acme"]`),
      shown: 'Alice Example',
      traits: { '… its `iss`': 'another', 'name in the ID token': 'yes' },
    },
  ),

  shape(
    'the same without the alias',
    { issuer: '/t/acme/oauth2/token', accessTokenIssuer: '/t/acme' },
    {
      settings: (provider) =>
        client(provider, `discovery_url = "${provider.discovery}"`) + trust(provider, `discovery_url = "${provider.discovery}"`),
      refused: true,
      gaps: {
        'server function': {
          because: 'refused as `issuer_not_trusted` until `trust.aliases` names the other `iss`',
          async shown({ page, observed, instance }, usual) {
            await expect(usual()).rejects.toThrow();
            await expect(problem(page).first()).toContainText('issuer');
            expect((await observed.complete()).calls.at(-1)).toMatchObject({ status: 401, reason: 'issuer_not_trusted' });
            expect(instance.log).toContain('/t/acme');
          },
          end: true,
        },
      },
    },
  ),

  shape(
    'ES256',
    { client: { id_token_signed_response_alg: 'ES256' } },
    { traits: { 'ID token': 'ES256' } },
  ),

  shape(
    'EdDSA',
    { client: { id_token_signed_response_alg: 'EdDSA' }, configuration: { enabledJWA: { idTokenSigningAlgValues: ['EdDSA', 'RS256'] } } },
    { traits: { 'ID token': 'EdDSA' } },
  ),

  shape(
    'DPoP required, with a nonce',
    {
      client: { dpop_bound_access_tokens: true },
      configuration: { features: { dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true } } },
    },
    {
      traits: { 'token type': 'DPoP', 'DPoP advertised': 'yes' },
      also: {
        'the gate wants the proof: the token alone is refused': async ({ instance, observed }) => {
          const token = (await observed.complete()).calls.at(-1)!.authorization.replace('DPoP ', '');
          const answer = await fetch(`${instance.url}/api/whoami`, { headers: { authorization: `Bearer ${token}` } });
          expect([answer.status, (await answer.json()).reason]).toEqual([401, 'dpop_required']);
        },
      },
    },
  ),

  shape(
    'by `resource`',
    { defaultResource: null },
    {
      // No [[trust]]: the audience is the resource that is asked for.
      settings: (provider) => client(provider, `resource = "${RESOURCE}"`),
      traits: { '… its `aud`': 'a string' },
    },
  ),

  shape(
    'opaque access tokens',
    { defaultResource: null },
    {
      refused: true,
      traits: { 'access token': 'opaque' },
      gaps: {
        'server function': {
          because: 'opaque tokens say nothing by themselves: the gate refuses them as `malformed_token` and names the ways out',
          async shown({ page, observed, instance }, usual) {
            await expect(usual()).rejects.toThrow();
            await expect(problem(page).first()).toContainText('opaque');
            expect((await observed.complete()).calls.at(-1)).toMatchObject({ status: 401, reason: 'malformed_token' });
            expect(instance.log).toContain('opaque');
          },
        },
      },
    },
  ),

  shape(
    'opaque access tokens, introspected',
    {
      defaultResource: null,
      configuration: { features: { introspection: { enabled: true, allowedPolicy: (_, asking) => asking.clientId === GATE.client_id } } },
    },
    {
      settings: (provider) =>
        client(provider) +
        `
[[trust]]
issuer = "${provider.issuer}"
client_ids = ["${provider.clientId}"]
introspection_url = "${provider.origin}/token/introspection"
introspection_client_id = "${GATE.client_id}"
introspection_client_secret = "${GATE.client_secret}"
`,
      traits: { 'access token': 'opaque' },
    },
  ),

  shape('rotation off', { configuration: { rotateRefreshToken: false } }, { traits: { 'refresh token': 'stays' } }),

  shape(
    'no refresh token',
    { client: { grant_types: ['authorization_code'] } },
    {
      traits: { 'refresh token': 'none' },
      gaps: {
        'refresh across expiry': {
          because: 'without a refresh token the session ends with the access token, and says so; one click signs in again without a password',
          async shown({ page, observed, provider }) {
            await page.waitForTimeout(Math.max(0, (await observed.expiry()) - Date.now()));
            await page.getByRole('navigation').getByRole('link', { name: 'Account' }).click();
            void provider;
            await expect(verified(page)).toBeHidden();
          },
          end: true,
        },
      },
    },
  ),

  shape(
    'CORS refused',
    { configuration: { clientBasedCORS: () => false } },
    {
      gaps: {
        'sign in': {
          because: 'the token endpoint answers without `Access-Control-Allow-Origin`, so the browser withholds its answer; the person is told',
          async shown({ page }, usual) {
            await expect(usual()).rejects.toThrow();
            await expect(problem(page)).toContainText('The sign-in service does not answer');
          },
          end: true,
        },
      },
    },
  ),

  shape(
    'back-channel logout',
    {
      configuration: { features: { backchannelLogout: { enabled: true } } },
    },
    {
      start: (place) =>
        oidcProvider(place, {
          client: { backchannel_logout_uri: `${place.app}/backchannel-logout` },
          configuration: { features: { backchannelLogout: { enabled: true } } },
        }),
      also: {
        'back-channel logout': async ({ provider }) => {
          expect(provider.calls).toEqual([]);
        },
      },
    },
  ),
];
