import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect } from '@playwright/test';
import { problem, signedOut, signInButton } from '../../tests/fixtures';
import { canaille, LIFETIME, PYTHON, type Options } from '../providers/canaille';
import type { Provider } from '../providers/provider';
import { client, trust, type Product, type Shape } from '../shape';
import type { World } from '../world';

const run = promisify(execFile);

const product: Product = {
  name: 'Canaille',
  async version() {
    const { stdout } = await run(PYTHON, ['-c', 'from importlib.metadata import version; print(version("canaille"))']);
    return stdout.trim();
  },
  missing: async () =>
    existsSync(PYTHON) ? undefined : `Canaille is not installed: scripts/setup.sh test installs it where Python 3.11 or newer is (${PYTHON})`,
};

/** The last quarter of the lifetime, in which a token is renewed although it is still good. */
const lastQuarter = (world: World) => world.left(LIFETIME / 4 - 0.5);

const shape = (name: string, options: Options, more: Partial<Shape> = {}): Shape => ({
  product,
  name,
  start: (place) => canaille(place, options),
  settings: (provider) => client(provider),
  shown: 'Alice Example',
  renewable: lastQuarter,
  ...more,
});

/** Its preflight, as the browser would make it for these headers. */
async function preflight(provider: Provider, origin: string, headers: string) {
  const answer = await fetch(`${provider.issuer}/oauth/token`, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': headers },
  });
  return (answer.headers.get('access-control-allow-headers') ?? '').toLowerCase().split(/, */);
}

export const canailleShapes: Shape[] = [
  shape('plain, RS256', { algorithm: 'RS256' }, {
    traits: {
      'ID token': 'RS256',
      '`auth_time`': 'a fraction',
      '`aud` of the ID token': 'a list',
      'ID token on refresh': 'no',
      'access token': 'JWT, `typ` JWT, RS256',
      '… its `aud`': 'a list',
      '… its client': 'absent',
      '… its `scope`': 'absent',
      'DPoP advertised': 'no',
    },
    also: {
      'CORS allows no `DPoP` header, so tokens are bound only where the metadata offer it': async ({ provider, instance }) => {
        expect(await preflight(provider, instance.url, 'content-type')).toContain('content-type');
        expect(await preflight(provider, instance.url, 'dpop')).not.toContain('dpop');
      },
    },
  }),

  shape('as it comes, RS512', {}, {
    settings: (provider) => client(provider) + trust(provider, `audience = ["${provider.clientId}"]`, 'algorithms = ["RS512"]'),
    traits: { 'ID token': 'RS512', 'access token': 'JWT, `typ` JWT, RS512' },
    gaps: {
      'refresh across expiry': {
        because: 'its refresh tokens live no longer than the access token: after a pause they are gone. **Sign in** brings the session back without a password',
        async shown(world) {
          await world.left();
          await world.account();
          await signedOut(world.page);
          const last = (await world.observed.complete()).answers.at(-1);
          expect([last?.grant, last?.body.error]).toEqual(['refresh_token', 'invalid_grant']);
          await world.page.goto(world.instance.url);
          await signInButton(world.page).click();
          await world.signedIn();
        },
        end: true,
      },
    },
  }),

  shape('as it comes, without RS512 among `trust.algorithms`', {}, {
    answer: 401,
    gaps: {
      'server function': {
        because: 'refused: `unsupported_algorithm`. The log names the algorithm and the setting',
        async shown(world) {
          await world.call();
          await expect(problem(world.page).first()).toContainText('The server refused the call');
          expect((await world.observed.complete()).calls.at(-1)).toMatchObject({ status: 401, body: { reason: 'unsupported_algorithm' } });
          expect(world.instance.log).toContain('RS512');
        },
        end: true,
      },
    },
  }),
];
