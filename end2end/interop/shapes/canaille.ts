import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect } from '@playwright/test';
import { problem, show, signedOut, signInButton } from '../../tests/fixtures';
import { canaille, LIFETIME, PYTHON, type Options } from '../providers/canaille';
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

/** A time within the last quarter of the lifetime, in which a token is refreshed although it is still valid. */
const lastQuarter = (world: World) => world.left(LIFETIME / 4 - 2);

const shape = (name: string, options: Options, more: Partial<Shape> = {}): Shape => ({
  product,
  name,
  start: (place) => canaille(place, options),
  settings: (provider) => client(provider),
  shown: 'Alice Example',
  renewable: lastQuarter,
  ...more,
  gaps: {
    'refresh across expiry': {
      because: 'its refresh tokens live no longer than the access token: a token is renewed in its last quarter, while someone looks at the page, and not after it',
      shown: (_, usual) => usual(),
    },
    'session ended at the provider': {
      because: 'what the person does there is to withdraw their consent, which revokes the tokens: the next refresh is refused and they are signed out',
      shown: (_, usual) => usual(),
    },
    'step-up': {
      because: 'its access tokens say when the person signed in, and one of the last minutes is enough. That an older one leads to the password was not tried: nobody can make its clock run',
      shown: async (world) => expect(await world.confirm('just now')).toEqual([200]),
    },
    ...more.gaps,
  },
});

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
      'without a scope in the access token, what asks for one is refused: `insufficient_scope`': async ({ instance, observed }) => {
        const { token } = (await observed.complete()).calls.at(-1)!;
        const ask = async (path: string) => {
          const answer = await fetch(instance.url + path, { headers: { authorization: `Bearer ${token}` } });
          return [answer.status, ((await answer.json()) as { reason?: string }).reason];
        };
        expect(await ask('/api/whoami')).toEqual([200, undefined]);
        expect(await ask('/api/profile')).toEqual([403, 'insufficient_scope']);
      },
      'CORS does not allow the `DPoP` header; `provider.dpop = "auto"` sends none, since the metadata do not offer it': async ({ page, observed }) => {
        const post = (headers: Record<string, string>) =>
          page.evaluate(
            async ([url, headers]) => {
              const body = new URLSearchParams({ grant_type: 'refresh_token' });
              const answer = await fetch(url, { method: 'POST', headers, body, credentials: 'omit' }).catch(() => undefined);
              // Read to its end, so that the receiver does not wait for the rest.
              await answer?.text();
              return answer?.status ?? 'withheld';
            },
            [observed.metadata.token_endpoint as string, headers] as const,
          );
        expect(await post({ DPoP: 'a proof' })).toBe('withheld');
        expect(await post({ Authorization: 'Basic eDp5' })).toBe(401);
      },
    },
  }),

  shape('as it comes, RS512', {}, {
    settings: (provider) => client(provider) + trust(provider, `audience = ["${provider.clientId}"]`, 'algorithms = ["RS512"]'),
    traits: { 'ID token': 'RS512', 'access token': 'JWT, `typ` JWT, RS512' },
    gaps: {
      'refresh across expiry': {
        because: 'its refresh tokens live no longer than the access token: while someone looks at the page they are renewed in time, after a pause they are gone. **Sign in** brings the session back without a password',
        async shown(world) {
          // Its `exp` is rounded down, so the refresh token lives up to a second longer.
          for (const tab of [world.page, world.second]) await show(tab, 'hidden');
          await world.left(-1);
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
          await expect(problem(world.page).first()).toContainText('The server does not accept your sign-in');
          expect((await world.observed.complete()).calls.at(-1)).toMatchObject({ status: 401, body: { reason: 'unsupported_algorithm' } });
          expect(world.instance.log).toMatch(/RS512.*algorithms/);
        },
        end: true,
      },
    },
  }),
];
