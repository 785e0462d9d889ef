import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Instance } from '../instance.mjs';
import { alice, enter, expect, signInButton, signOutButton, test, verified } from './fixtures';

const folder = fileURLToPath(new URL('../../src/test_support/profiles', import.meta.url));

interface Profile {
  name: string;
  client_id?: string;
  issuer: string;
  provider?: object;
  trust: object;
  gate: { access_token: string };
}

/** Formats as TOML: lists and strings are as in JSON, and objects on one line. */
const toml = (value: unknown): string =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? `{ ${Object.entries(value).map(([name, member]) => `"${name}" = ${toml(member)}`).join(', ')} }`
    : JSON.stringify(value);

const section = (header: string, members: object) =>
  [header, ...Object.entries(members).map(([name, value]) => `${name} = ${toml(value)}`), ''].join('\n');

/** The profiles of every run; with PIXYGATE_PROFILES=all, those of all files. */
const usual = ['asgardeo', 'auth0', 'entra-v2', 'keycloak-26'];
const wanted = (name: string) => name.endsWith('.json') && (process.env.PIXYGATE_PROFILES === 'all' || usual.includes(name.replace('.json', '')));

// Members that the providers send according to their documentation and source; the embedded provider sends them.
for (const file of readdirSync(folder).filter(wanted)) {
  const text = readFileSync(join(folder, file), 'utf8');
  const { name } = JSON.parse(text) as Profile;

  test(`A user signs in with the shapes of ${name}, and calls @chromium`, async ({ page, watch, instance, control }) => {
    const app = await Instance.prepare();
    try {
      watch.expected.add(new URL(app.url).host);
      await control.client({ id: 'gate', name: 'gate', secret: 'secret' });
      await control.client({
        id: 'pixygate',
        name: 'Pixygate',
        redirect_uris: [`${app.url}/callback`],
        post_logout_redirect_uris: [`${app.url}/`],
        origins: [app.url],
        refresh_tokens: true,
      });
      await control.set({ profile: JSON.parse(text) });

      // The profile's client is replaced by the embedded provider's.
      const own = (JSON.parse(text) as Profile).client_id ?? 'shop';
      const filled = text.replaceAll('$base', instance.tenant).replaceAll(JSON.stringify(own), '"pixygate"');
      const { issuer, provider, trust, gate } = JSON.parse(filled) as Profile;
      const settings = section('[provider]', { issuer, client_id: 'pixygate', ...provider }) + section('[[trust]]', { issuer, ...trust });
      await writeFile(join(app.folder, 'pixygate.toml'), settings);
      await app.up();

      await page.goto(`${app.url}/account`);
      await signInButton(page).click();
      await page.waitForURL((url) => url.origin === instance.provider);
      await enter(page, alice);
      await page.waitForURL(`${app.url}/account`);
      await expect(signOutButton(page)).toBeEnabled();
      if (gate.access_token === 'accepted') await expect(verified(page)).toBeVisible();
      else await expect(page.getByRole('main').getByRole('alert').first()).toBeVisible();
      // The session survives a reload.
      await page.reload();
      await expect(signOutButton(page)).toBeEnabled();
    } finally {
      await app.stop();
    }
  });
}
