import { appendFile, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from '@playwright/test';
import { Instance } from '../instance.mjs';
import { alice, atProvider, confirmation, enter, expect, settled, signedIn, signIn, signInButton, test as base, verified } from './fixtures';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const built = process.env.PIXYGATE_SITE ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'site-test');

/** The site as it was built, and another build, which says so in its page. */
const test = base.extend<object, { sites: { first: string; second: string; both: string } }>({
  sites: [
    async ({}, use) => {
      const folder = await mkdtemp(join(tmpdir(), 'pixygate-builds-'));
      const [second, both] = [join(folder, 'second'), join(folder, 'both')];
      await cp(built, second, { recursive: true, preserveTimestamps: true });
      await appendFile(join(second, 'pkg', 'pixygate.js'), "\ndocument.documentElement.dataset.build = 'second';\n");
      await cp(second, both, { recursive: true, preserveTimestamps: true });
      await cp(join(built, 'pkg'), join(both, 'previous', 'the one before'), { recursive: true, preserveTimestamps: true });
      await use({ first: built, second, both });
      await rm(folder, { recursive: true, force: true });
    },
    { scope: 'worker' },
  ],
  // Each test restarts its own.
  instance: [
    async ({}, use) => {
      const instance = await Instance.start();
      await use(instance);
      await instance.stop();
    },
    { scope: 'worker' },
  ],
});

const shown = (page: Page) => page.evaluate(() => document.documentElement.dataset['build'] ?? 'first');

/** The paths of all requested files of the front end, from now on. */
function files(page: Page) {
  const asked: string[] = [];
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith('/pkg/')) asked.push(pathname);
  });
  return asked;
}

/** The next page at this address is the server's current one, even if it changes later. */
async function keep(page: Page, path: string, address: RegExp = new RegExp(`${path}$`)) {
  const answer = await page.request.get(path);
  const [body, headers] = [await answer.text(), answer.headers()];
  delete headers['content-encoding'];
  await page.route(address, (route) => (route.request().isNavigationRequest() ? route.fulfill({ status: 200, headers, body }) : route.fallback()), {
    times: 1,
  });
}

for (const [from, to] of [
  ['first', 'second'],
  ['second', 'first'],
] as const) {
  test(`a page of the ${from} build goes on when the server has the ${to} one`, async ({ page, instance, sites }) => {
    await instance.restart({ PIXYGATE_SITE: sites[from] });
    await signIn(page, instance, alice, '/account');
    await expect(verified(page)).toContainText(instance.issuer);
    await instance.restart({ PIXYGATE_SITE: sites[to] });
    const asked = files(page);
    await page.getByRole('banner').getByRole('link', { name: 'Account' }).click();
    const { statement, button, done } = confirmation(page);
    await statement.fill('the same page');
    await button.click();
    await expect(done).toContainText('the same page');
    expect(asked, 'files of another build').toEqual([]);
    expect(await shown(page)).toBe(from);
    await page.reload();
    await signedIn(page);
    await expect(verified(page)).toContainText(instance.issuer);
    expect(await shown(page)).toBe(to);
    const builds = new Set(asked.map((path) => path.split('/')[2]));
    expect(builds.size, 'one build on one page').toBe(1);
  });

  test(`a page of the ${from} build that comes after the ${to} one is loaded again`, async ({ page, instance, sites }) => {
    await instance.restart({ PIXYGATE_SITE: sites[from] });
    // The callback loads a page whose files are gone. The response is not lost.
    await keep(page, '/callback', /\/callback\?/);
    await instance.restart({ PIXYGATE_SITE: sites[to] });
    await page.goto('/');
    await signInButton(page).click();
    await atProvider(page, instance);
    await enter(page, alice);
    await signedIn(page);
    expect(await shown(page)).toBe(to);
  });
}

test('files of an earlier build are there as long as their folder is', async ({ page, instance, sites }) => {
  await instance.restart({ PIXYGATE_SITE: sites.first });
  await page.goto('/');
  await keep(page, '/');
  await instance.restart({ PIXYGATE_SITE: sites.both });
  // In a new context, without the browser's cache.
  const context = await page.context().browser()!.newContext({ baseURL: instance.url });
  const fresh = await context.newPage();
  const [old, now] = [await page.locator('link[rel=modulepreload]').first().getAttribute('href'), await fresh.request.get('/').then((answer) => answer.text())];
  expect(now).not.toContain(old);
  const answer = await fresh.request.get(old!);
  expect(answer.status()).toBe(200);
  expect(answer.headers()['cache-control']).toContain('immutable');
  await context.close();
  await page.goto('/');
  await settled(page);
  expect(await shown(page)).toBe('first');
  await page.goto('/account');
  await settled(page);
  expect(await shown(page)).toBe('second');
});

test('a page whose files stay gone says so, and is not loaded again and again', async ({ browser, instance, sites, watch }) => {
  await instance.restart({ PIXYGATE_SITE: sites.first });
  const context = await browser.newContext({ baseURL: instance.url });
  const page = await context.newPage();
  const answer = await page.request.get('/account');
  const [body, headers] = [await answer.text(), answer.headers()];
  delete headers['content-encoding'];
  await instance.restart({ PIXYGATE_SITE: sites.second });
  let loads = 0;
  await page.route('/account', (route) => {
    loads += 1;
    return route.fulfill({ status: 200, headers, body });
  });
  await page.goto('/account');
  // Without the style sheet, the text is visible before it applies.
  await expect(page.locator('html.broken')).toBeAttached();
  await expect(page.getByRole('alert').filter({ hasText: 'could not be loaded' })).toBeVisible();
  expect(loads).toBe(2);
  await context.close();
  watch.take();
});
