import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { freePorts, Instance } from '../instance.mjs';
import { signInButton, who } from '../tests/fixtures';
import { oidcProvider, RESOURCE } from './providers/oidc-provider';

/**
 * From an empty folder to a signed-in page at a provider that the user does not know, by what the commands say: no other setting, no
 * documentation.
 */
test('newcomer: init, doctor --sign-in, and the server', async ({ page, context }, info) => {
  const instance = await Instance.prepare();
  const [port] = await freePorts(1);
  const loopback = `http://127.0.0.1:${port}/callback`;
  const provider = await oidcProvider(
    { port: instance.ports.provider, folder: instance.folder, app: instance.url },
    // Registered as `init` and `doctor --sign-in` say, one time each.
    { client: { redirect_uris: [`${instance.url}/callback`, loopback] } },
  );
  const file = join(instance.folder, 'pixygate.toml');
  const times: string[] = [];
  const begin = Date.now();
  const done = (what: string) => times.push(`${what}: ${((Date.now() - begin) / 1000).toFixed(1)} s`);

  /** Signs in where the command says, in a tab of its own. */
  const doctor = async () => {
    let opened: Promise<void> | undefined;
    const visit = async (address: string) => {
      const tab = await context.newPage();
      await tab.goto(address);
      if (await tab.getByPlaceholder('Enter any login').isVisible()) await provider.enter(tab);
      await expect(tab.getByText('You can close this page')).toBeVisible();
      await tab.close();
    };
    const said = (text: string) => {
      const address = /^http\S+$/m.exec(text.split('Sign in at')[1] ?? '')?.[0];
      if (address && text.includes(`${address}\n`)) opened ??= visit(address);
    };
    const result = await instance.run(['doctor', '--sign-in', '--port', String(port)], {}, said);
    await opened;
    return result;
  };

  try {
    const init = await instance.run(
      ['init', '--issuer', provider.issuer, '--client-id', provider.clientId, '--public-url', instance.url],
      {},
    );
    done('init');
    expect(init.status, init.stdout + init.stderr).toBe(0);
    expect(init.stderr).toContain(`${instance.url}/callback`);

    // The provider's tokens are for an API, which no metadata say: the doctor does, and names the lines to write.
    const first = await doctor();
    done('doctor --sign-in');
    expect(first.stderr).toContain(loopback);
    expect(first.stdout).toContain('PXG207');
    const hint = /PXG207[^]*?hint\s+(.*)/.exec(first.stdout)![1]!;
    const lines = `[[trust]]\nissuer = "${provider.issuer}"\naudience = ["${RESOURCE}"]\n`;
    for (const line of lines.trim().split('\n')) expect(hint).toContain(line);
    await writeFile(file, `${await readFile(file, 'utf8')}\n${lines}`);

    const second = await doctor();
    done('doctor --sign-in, after the hint');
    expect(second.status, second.stdout).toBe(0);
    expect(second.stdout).toMatch(/0 faults, 0 warnings/);

    await instance.up({}, {});
    await page.goto(instance.url);
    await signInButton(page).click();
    await page.waitForURL((url) => url.origin !== instance.url || url.pathname === '/');
    if (await page.getByPlaceholder('Enter any login').isVisible()) await provider.enter(page);
    await expect(who(page)).toContainText('Alice Example');
    done('signed in');
    console.log(`A newcomer, by script: ${times.join(', ')}`);
  } finally {
    await info.attach('server.log', { body: instance.log, contentType: 'text/plain' });
    await instance.stop();
    await provider.stop();
  }
});
