import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, type Page } from '@playwright/test';
import { Instance } from '../instance.mjs';
import { signedOut, signInButton, signOutButton, verified, who } from '../tests/fixtures';
import { FEATURES, type Column, type Feature } from './features';
import { decoded, Observed } from './observed';
import type { Provider } from './providers/provider';
import { shapes, type Shape, type World } from './shapes';

for (const shape of shapes) {
  test(`${shape.provider.name}: ${shape.name}`, async ({ page, context }, info) => {
    const missing = await shape.provider.missing();
    // On a developer's machine it is said and counted; a change must not pass unseen where it is decided.
    if (missing && process.env.CI) throw new Error(missing);
    test.skip(!!missing, missing);

    const instance = await Instance.prepare();
    let provider: Provider | undefined;
    try {
      provider = await shape.start({ port: instance.ports.provider, folder: instance.folder, app: instance.url });
      await writeFile(join(instance.folder, 'pixygate.toml'), shape.settings(provider, instance.url));
      await instance.up();
      const observed = new Observed(context, await metadata(provider), instance.url);
      await flow(shape, { page, context, instance, provider, observed }, info);
    } finally {
      await instance.stop();
      await provider?.stop();
    }
  });
}

async function metadata(provider: Provider) {
  const place = provider.discovery ?? `${provider.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  return (await (await fetch(place)).json()) as Record<string, unknown>;
}

async function flow(shape: Shape, world: World, info: { attach: typeof test.prototype.attach }) {
  const { page, context, instance, provider, observed } = world;
  const faults: string[] = [];
  context.on('console', (message) => {
    const ours = message.page()?.url().startsWith(instance.url);
    if (ours && /content security policy|refused to|panicked|hydration/i.test(message.text())) faults.push(message.text());
  });
  context.on('weberror', (error) => {
    if (error.page()?.url().startsWith(instance.url)) faults.push(String(error.error()));
  });
  // Providers' pages may want fonts and icons from elsewhere; nothing of the flow may depend on it.
  await context.route(
    (url) => !['127.0.0.1', 'localhost'].includes(url.hostname),
    (route) => route.abort(),
  );

  const name = shape.shown ?? 'Alice Example';
  const signIn = async () => {
    await page.goto(instance.url);
    await signInButton(page).click();
    await provider.enter(page);
  };
  const signedIn = async (tab: Page) => {
    await expect(who(tab)).toContainText(name);
    await expect(signOutButton(tab)).toBeVisible();
  };
  /** Asks the server who is calling, from a page that is open already. */
  const call = async (tab: Page) => {
    await tab.getByRole('banner').getByRole('link', { name: 'Pixygate' }).click();
    const answered = tab.waitForResponse('**/api/whoami');
    await tab.getByRole('navigation').getByRole('link', { name: 'Account' }).click();
    expect((await answered).status()).toBe(shape.refused ? 401 : 200);
  };
  const expired = async () => {
    const expiry = await observed.expiry();
    await expect.poll(() => Date.now(), { timeout: 20_000, intervals: [100] }).toBeGreaterThan(expiry);
  };
  let second: Page;

  const steps: Record<Feature, () => Promise<void>> = {
    'sign in': async () => {
      await signIn();
      await signedIn(page);
      expect(page.url()).toBe(`${instance.url}/`);
    },
    'server function': async () => {
      await call(page);
      await expect(verified(page)).toContainText(provider.issuer);
    },
    'second tab': async () => {
      second = await context.newPage();
      await second.goto(instance.url);
      await signedIn(second);
      await call(second);
    },
    reload: async () => {
      await page.reload();
      await signedIn(page);
    },
    'refresh across expiry': async () => {
      await expired();
      await observed.complete();
      const before = { answers: observed.answers.length, calls: observed.calls.length };
      await Promise.all([page, second].map(call));
      await observed.complete();
      const answers = observed.answers.slice(before.answers);
      expect(answers.map(({ grant, status }) => `${grant} ${status}`), 'one refresh for both tabs').toEqual(['refresh_token 200']);
      const tokens = observed.calls.slice(before.calls).map(({ authorization }) => authorization.split(' ')[1]);
      expect(tokens.length).toBeGreaterThanOrEqual(2);
      for (const token of tokens) expect(token).toBe(answers[0]!.body.access_token);
      await signedIn(page);
    },
    'sign out': async () => {
      await signOutButton(page).click();
      await provider.leave?.(page);
      await page.waitForURL(`${instance.url}/`);
      await signedOut(page);
      await signedOut(second);
      await second.close();
    },
    'session ended at the provider': async () => {
      // `enter` fills in the password: the sign-out ended the session there, too.
      await signIn();
      await signedIn(page);
      const there = await context.newPage();
      await provider.end(there);
      await there.close();
      await expired();
      await page.getByRole('navigation').getByRole('link', { name: 'Account' }).click();
      await signedOut(page);
      expect((await observed.complete()).answers.at(-1)).toMatchObject({ grant: 'refresh_token', status: 400, body: { error: 'invalid_grant' } });
    },
  };

  const column: Column = { provider: shape.provider.name, shape: shape.name, features: {}, traits: {}, also: [] };
  for (const feature of FEATURES) {
    const gap = shape.gaps?.[feature];
    await test.step(feature, () => (gap ? gap.shown(world, steps[feature]) : steps[feature]()));
    column.features[feature] = gap?.because ?? 'yes';
    if (gap?.end) break;
  }
  for (const [what, check] of Object.entries(shape.also ?? {})) {
    await test.step(what, () => check(world));
    column.also.push(what);
  }
  column.traits = (await observed.complete()).traits();
  expect(column.traits).toMatchObject(shape.traits ?? {});
  expect(faults, 'violations of the CSP, panics, script errors').toEqual([]);
  await info.attach('column', { body: JSON.stringify(column), contentType: 'application/json' });
}

export { decoded };
