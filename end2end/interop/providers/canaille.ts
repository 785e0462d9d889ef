import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { child } from './child';
import type { Place, Provider } from './provider';

const folder = join(dirname(fileURLToPath(import.meta.url)), 'canaille');

/** Its Python, with its packages: see scripts/setup.sh. */
export const PYTHON = process.env.PIXYGATE_CANAILLE_PYTHON ?? join(folder, '..', '..', '..', '.venv', 'bin', 'python');

/** Longer than elsewhere: refresh tokens expire with the access token, so only the last quarter of the lifetime is left for refreshes. */
export const LIFETIME = 20;

/** The settings of a shape. */
export interface Options {
  /** The algorithm of the client's tokens; by default Canaille's own choice. */
  algorithm?: string;
}

/** Canaille, from PyPI, in memory. */
export async function canaille(place: Place, { algorithm }: Options): Promise<Provider> {
  const issuer = `http://127.0.0.1:${place.port}`;
  const stop = await child(
    PYTHON,
    [join(folder, 'serve.py'), String(place.port), place.app, String(LIFETIME), algorithm ?? ''],
    {},
    place.folder,
    `${issuer}/.well-known/openid-configuration`,
  );
  return {
    issuer,
    clientId: 'the-client',
    async enter(page) {
      await page.getByRole('textbox', { name: 'Login' }).fill('alice');
      await page.getByRole('button', { name: 'Continue' }).click();
      await page.getByRole('textbox', { name: 'Password' }).fill('alice');
      await page.getByRole('button', { name: 'Sign in' }).click();
    },
    async end(page) {
      await page.goto(`${issuer}/consent/trusted-applications`);
      await page.getByRole('link', { name: /revoke/i }).click();
    },
    stop,
  };
}
