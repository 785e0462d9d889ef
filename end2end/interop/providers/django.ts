import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { child } from './child';
import type { Place, Provider } from './provider';

const folder = join(dirname(fileURLToPath(import.meta.url)), 'django');

/** Its Python, with its packages: see scripts/setup.sh. */
export const PYTHON = process.env.PIXYGATE_DJANGO_PYTHON ?? join(folder, '..', '..', '..', '.venv-django', 'bin', 'python');

/** The lifetime of access tokens, in seconds. */
const LIFETIME = 6;

/** A confidential client for the gate's introspection. */
export const GATE = { client_id: 'the-gate', client_secret: 'a secret between the gate and the provider' };

/** The settings of a shape. */
export interface Options {
  /** Whether django-cors-headers handles CORS for every endpoint; otherwise django-oauth-toolkit does, for responses to known clients. */
  corsHeaders: boolean;
}

/** django-oauth-toolkit, from PyPI, in memory. */
export async function django(place: Place, { corsHeaders }: Options): Promise<Provider> {
  const origin = `http://127.0.0.1:${place.port}`;
  const issuer = `${origin}/o`;
  const clientId = 'the-client';
  const stop = await child(
    PYTHON,
    [join(folder, 'serve.py'), String(place.port), place.app, String(LIFETIME), corsHeaders ? 'cors-headers' : '', clientId, GATE.client_id, GATE.client_secret],
    {},
    place.folder,
    `${issuer}/.well-known/openid-configuration`,
  );
  return {
    issuer,
    clientId,
    async enter(page) {
      await page.getByLabel('Username').fill('alice');
      await page.getByLabel('Password').fill('alice');
      await page.getByRole('button', { name: 'Log in' }).click();
    },
    async leave(page) {
      await page.getByRole('button', { name: 'Logout' }).click();
    },
    async end(page) {
      await page.goto(`${issuer}/logout/`);
      await page.getByRole('button', { name: 'Logout' }).click();
      await page.waitForURL(`${origin}/`);
    },
    stop,
  };
}
