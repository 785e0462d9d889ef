import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect } from '@playwright/test';
import { signedOut } from '../../tests/fixtures';
import { django, GATE, PYTHON, type Options } from '../providers/django';
import { client, noAuthTime, trust, type Product, type Shape } from '../shape';

const run = promisify(execFile);

const product: Product = {
  name: 'django-oauth-toolkit',
  async version() {
    const { stdout } = await run(PYTHON, ['-c', 'from importlib.metadata import version; print(version("django-oauth-toolkit"))']);
    return stdout.trim();
  },
  missing: async () =>
    existsSync(PYTHON) ? undefined : `django-oauth-toolkit is not installed: scripts/setup.sh test installs it where Python 3.11 or newer is (${PYTHON})`,
};

const shape = (name: string, options: Options, more: Partial<Shape> = {}): Shape => ({
  product,
  name,
  start: (place) => django(place, options),
  settings: (provider) =>
    client(provider, 'scopes = ["openid", "profile"]') +
    trust(
      provider,
      `client_ids = ["${provider.clientId}"]`,
      `introspection_url = "${provider.issuer}/introspect/"`,
      `introspection_client_id = "${GATE.client_id}"`,
      `introspection_client_secret = "${GATE.client_secret}"`,
    ),
  shown: 'Alice Example',
  endsTokens: true,
  ...more,
  gaps: { ...noAuthTime(), ...more.gaps },
});

export const djangoShapes: Shape[] = [
  shape('introspected, with django-cors-headers', { corsHeaders: true }, { traits: { 'access token': 'opaque' } }),
  shape('introspected, with its own CORS', { corsHeaders: false }, {
    traits: { 'access token': 'opaque' },
    // Its refusals have no CORS, and the doctor, which has no good code, sees only those.
    doctor: ['PXG070'],
    gaps: {
      'session ended at the provider': {
        because: 'it refuses the refresh without `Access-Control-Allow-Origin`, so the browser withholds the refusal. After a second one the page says that the session was not renewed, and offers **Sign in**',
        async shown(world) {
          await world.signIn();
          await world.signedIn();
          const refused: string[] = [];
          world.page.on('requestfailed', (request) => void refused.push(request.url()));
          const there = await world.context.newPage();
          await world.provider.end(there);
          await there.close();
          await world.renewable();
          await world.account();
          await signedOut(world.page);
          expect(refused.filter((url) => url === world.observed.metadata.token_endpoint).length).toBeGreaterThanOrEqual(2);
          const { answers } = await world.observed.complete();
          expect(answers.filter(({ status }) => status !== 200), 'refusals that a page could read').toEqual([]);
        },
      },
    },
  }),
];
