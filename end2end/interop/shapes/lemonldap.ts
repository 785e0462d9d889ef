import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from '@playwright/test';
import { problem, signOutButton } from '../../tests/fixtures';
import { lemonldap, type Lemonldap, type Options } from '../providers/lemonldap';
import { client, noAuthTime, type Product, type Shape } from '../shape';

const PACKAGE = 'liblemonldap-ng-portal-perl';
/** The version in Debian 12. Other versions behave differently, and the table would be wrong. */
const VERSION = '2.16.1';

async function installed() {
  const { stdout } = await promisify(execFile)('dpkg-query', ['-W', '-f', '${Version}', PACKAGE]).catch(() => ({ stdout: '' }));
  return stdout.replace(/[+-].*/, '');
}

const product: Product = {
  name: 'LemonLDAP::NG',
  version: installed,
  async missing() {
    const found = await installed();
    if (found === VERSION) return undefined;
    return `LemonLDAP::NG ${VERSION} is not installed${found && `, but ${found}`}: scripts/setup.sh test installs it on Debian 12`;
  },
};

const shape = (name: string, options: Options, more: Partial<Shape<Lemonldap>> = {}): Shape<Lemonldap> => ({
  product,
  name,
  start: (place) => lemonldap(place, options),
  settings: (provider) => client(provider),
  shown: 'Doctor Who',
  ...more,
  gaps: { ...noAuthTime<Lemonldap>(), ...more.gaps },
});

export const lemonldapShapes: Shape<Lemonldap>[] = [
  shape('JWT access tokens', {}, {
    traits: {
      '`iss` in the callback': 'no',
      '`aud` of the ID token': 'a list',
      'refresh token': 'stays, not repeated',
      'revocation endpoint': 'no',
    },
    also: {
      'a refresh token that it has forgotten is answered `invalid_request`, not `invalid_grant`: the session ends all the same':
        async (world) => {
          await world.signIn();
          await world.signedIn();
          await world.provider.forget();
          await world.renewable();
          await world.account();
          await expect(world.page.getByRole('heading', { name: 'Your session has ended' })).toBeVisible();
          const last = (await world.observed.complete()).answers.at(-1);
          expect([last?.grant, last?.status, last?.body.error]).toEqual(['refresh_token', 400, 'invalid_request']);
          await expect(signOutButton(world.page)).toBeHidden();
        },
    },
  }),

  shape('as it comes: opaque access tokens', { oidcRPMetaDataOptionsAccessTokenJWT: 0, oidcRPMetaDataOptionsIDTokenForceClaims: 0 }, {
    shown: 'dwho',
    answer: 401,
    traits: { 'access token': 'opaque' },
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
];
