import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { expect } from '@playwright/test';
import { problem } from '../../tests/fixtures';
import { betterAuth, RESOURCE, type Options } from '../providers/better-auth';
import { client, noAuthTime, type Product, type Shape } from '../shape';

const product: Product = {
  name: 'Better Auth',
  async version() {
    const entry = createRequire(import.meta.url).resolve('@better-auth/oauth-provider');
    return JSON.parse(await readFile(join(dirname(entry), '..', 'package.json'), 'utf8')).version;
  },
  missing: async () => undefined,
};

const shape = (name: string, options: Options, more: Partial<Shape> = {}): Shape => ({
  product,
  name,
  start: (place) => betterAuth(place, options),
  settings: (provider) => client(provider, `resource = "${RESOURCE}"`),
  shown: 'Alice Example',
  ...more,
  gaps: { ...noAuthTime(), ...more.gaps },
});

/** As in its documentation: without it, only the userinfo endpoint returns names. */
const names: Options['plugin'] = { customIdTokenClaims: ({ user }) => ({ name: user.name }) };

export const betterAuthShapes: Shape[] = [
  shape('access tokens for `provider.resource`', { plugin: names }, {
    traits: { 'ID token': 'EdDSA', 'access token': 'JWT, `typ` at+jwt, EdDSA', '… its `aud`': 'a list', 'DPoP advertised': 'yes' },
    gaps: {
      'session ended at the provider': {
        because: 'its refresh tokens are `offline_access` and outlive the session there, as OpenID Connect says: the page goes on. Signing out here revokes them',
        async shown(world) {
          await world.signIn();
          await world.signedIn();
          const there = await world.context.newPage();
          await world.provider.end(there);
          await there.close();
          await world.renewable();
          await world.call();
          await world.signedIn();
          const last = (await world.observed.complete()).answers.at(-1);
          expect([last?.grant, last?.status]).toEqual(['refresh_token', 200]);
        },
      },
    },
  }),

  shape('as it comes: opaque access tokens', {}, {
    settings: (provider) => client(provider),
    shown: '',
    answer: 401,
    traits: { 'access token': 'opaque', 'name in the ID token': 'no' },
    gaps: {
      'server function': {
        because: 'refused: `malformed_token`. The log says that the token is opaque and names the ways out',
        async shown(world) {
          await world.call();
          await expect(problem(world.page).first()).toContainText('The server does not accept your sign-in');
          expect((await world.observed.complete()).calls.at(-1)).toMatchObject({ status: 401, body: { reason: 'malformed_token' } });
          expect(world.instance.log).toMatch(/opaque token.*provider.resource/);
        },
        end: true,
      },
    },
  }),
];
