import type { Browser, BrowserContext, Page } from '@playwright/test';
import type { Instance } from '../instance.mjs';
import { alice, confirmation, expect, hold, isRefresh, problem, refreshed, show, signedIn, signIn, test, verified } from './fixtures';
import { claimsOf } from './forge';

// The test's tokens have short lifetimes, and the tests wait for their expiry.
test.describe.configure({ timeout: 90_000 });

/** The expiry of the newest access token, and the calls: their statuses, and the seconds until their token expired. */
function wire(context: BrowserContext, instance: Instance) {
  const seen = { exp: 0, refreshes: 0, calls: [] as { path: string; status: number; left: number }[] };
  context.on('request', (request) => {
    if (isRefresh(request)) seen.refreshes += 1;
  });
  context.on('response', async (response) => {
    const request = response.request();
    const path = new URL(response.url()).pathname;
    if (response.url() === instance.tokenEndpoint && request.method() === 'POST' && response.ok()) {
      seen.exp = Number(claimsOf((await response.json()).access_token)['exp']);
    }
    if (path.startsWith('/api/')) {
      const token = (await request.allHeaders())['authorization']?.split(' ')[1];
      const left = token ? Number(claimsOf(token)['exp']) - request.timing().startTime / 1000 : -Infinity;
      seen.calls.push({ path, status: response.status(), left });
    }
  });
  return seen;
}

/** Stops all pages of the browser for a while: the processes are suspended, as those of a frozen page or a sleeping device. */
async function asleep(browser: Browser, meanwhile: () => Promise<void>) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const pages = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  for (const id of pages) process.kill(id, 'SIGSTOP');
  try {
    await meanwhile();
  } finally {
    for (const id of pages) process.kill(id, 'SIGCONT');
  }
}

test.describe('Asleep past the expiry of its token', { tag: '@chromium' }, () => {

  for (const [what, sleeps] of [['a frozen page', false], ['a sleeping device', true]] as const) {
    test(`the first call of ${what} after waking has a fresh one`, async ({ page, context, browser, instance, control }) => {
      await control.set({ lifetimes: { access_token: 10 } });
      if (sleeps) {
        // A device's monotonic clock stops while it sleeps; that of a stopped process continues.
        await page.addInitScript(() => {
          const now = performance.now.bind(performance);
          let [last, slept] = [now(), 0];
          performance.now = () => {
            const gap = now() - last;
            last += gap;
            if (gap > 3_000) slept += gap;
            return last - slept;
          };
          setInterval(() => performance.now(), 100);
        });
      }
      const seen = wire(context, instance);
      await signIn(page, instance, alice, '/account');
      await expect(verified(page)).toContainText(instance.issuer);
      const { statement, button, done } = confirmation(page);
      // The next refresh is not due for a while.
      await refreshed(page);
      await statement.fill('awake');
      const before = seen.refreshes;
      let click!: Promise<void>;
      await asleep(browser, async () => {
        await expect.poll(() => Date.now() / 1000 - seen.exp, { timeout: 15_000 }).toBeGreaterThan(1);
        expect(seen.refreshes, 'nothing runs in the page').toBe(before);
        // The click waits until the page wakes up, and is the first event there.
        click = button.evaluate((button: HTMLButtonElement) => button.click());
      });
      await click;
      await expect(done).toContainText('awake');
      await signedIn(page);
      const calls = seen.calls.filter(({ path }) => path === '/api/confirm');
      expect(calls.map(({ status }) => status)).toEqual([200]);
      // The gate's leeway would accept a token that has just expired; this test does not.
      expect(calls[0]!.left).toBeGreaterThan(0);
      expect(seen.calls.filter(({ status }) => status === 401)).toEqual([]);
      expect(seen.refreshes).toBe(before + 1);
    });
  }
});

test.describe('Offline while a refresh is under way', () => {
  /** A page with a refresh on its way to the provider, and a call that waits for it. Returns the held request. */
  async function refreshing(page: Page, context: BrowserContext, instance: Instance) {
    const seen = wire(context, instance);
    await signIn(page, instance, alice, '/account');
    await expect(verified(page)).toContainText(instance.issuer);
    await show(page, 'hidden');
    await expect.poll(() => Date.now() / 1000 - seen.exp, { timeout: 15_000 }).toBeGreaterThan(0);
    const { held } = await hold(page, instance.tokenEndpoint);
    await show(page, 'visible');
    const route = await held;
    const { statement, button } = confirmation(page);
    await statement.fill('before the tunnel');
    await button.click();
    await expect(button).toBeDisabled();
    return { route, seen };
  }

  test.beforeEach(({ control }) => control.set({ lifetimes: { access_token: 6 } }));

  test('a request that is lost ends no session, and the next click is not kept waiting', async ({ page, context, instance, control }) => {
    const { route, seen } = await refreshing(page, context, instance);
    await control.set({ lifetimes: { access_token: 3600 } });
    await context.setOffline(true);
    await route.abort('internetdisconnected');
    const { statement, button, done } = confirmation(page);
    await expect(problem(page)).toContainText('The call was not made');
    await signedIn(page);
    await expect(verified(page)).toContainText(instance.issuer);
    await expect(statement).toHaveValue('before the tunnel');
    // Offline, the error is shown again.
    await button.click();
    await expect(problem(page)).toContainText('The call was not made');

    await context.setOffline(false);
    await button.click();
    await expect(done).toContainText('before the tunnel');
    await expect(problem(page)).toBeHidden();
    expect(seen.calls.filter(({ path, status }) => path === '/api/confirm' || status === 401).map(({ status }) => status)).toEqual([200]);
  });

  test('a click waits through a short loss, and is made when the network is back', async ({ page, context, instance, control }) => {
    const { route, seen } = await refreshing(page, context, instance);
    await control.set({ lifetimes: { access_token: 3600 } });
    await context.setOffline(true);
    await expect(problem(page)).toBeHidden();
    await signedIn(page);
    await context.setOffline(false);
    const before = seen.refreshes;
    await route.continue();
    await expect(confirmation(page).done).toContainText('before the tunnel');
    await expect(problem(page)).toBeHidden();
    expect(seen.refreshes, 'it is the same refresh').toBe(before);
  });
});
