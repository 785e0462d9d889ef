import { expect, expired, isRefresh, problem, signIn, signInAndLeave, test, verified } from './fixtures';
import { claimsOf } from './forge';

/** Longer than six lifetimes of the tokens. */
const A_MINUTE = 62_000;

test('With access tokens of ten seconds, a person who clicks for a minute sees no error', async ({ page, instance, control }) => {
  test.setTimeout(A_MINUTE + 60_000);
  await control.set({ lifetimes: { access_token: 10 } });

  const calls: { status: number; left: number }[] = [];
  let refreshes = 0;
  page.on('response', async (response) => {
    const request = response.request();
    if (new URL(request.url()).pathname === '/api/whoami') {
      const token = (await request.allHeaders())['authorization']?.split(' ')[1];
      // The gate's leeway would accept a token that has just expired; this test does not.
      const sent = request.timing().startTime / 1000;
      calls.push({ status: response.status(), left: token ? Number(claimsOf(token)['exp']) - sent : -Infinity });
    }
    if (isRefresh(request)) {
      expect(response.status()).toBe(200);
      refreshes += 1;
    }
  });

  await signIn(page, instance);
  const facts = verified(page);
  const end = Date.now() + A_MINUTE;
  while (Date.now() < end) {
    const answered = page.waitForResponse('**/api/whoami');
    await page.getByRole('navigation').getByRole('link', { name: 'Account' }).click();
    await answered;
    await expect(facts).toContainText(instance.issuer);
    await expect(problem(page)).toBeHidden();
    await page.getByRole('banner').getByRole('link', { name: 'Pixygate' }).click();
    await expect(facts).toBeHidden();
  }

  expect(calls.length).toBeGreaterThan(20);
  expect(calls.filter((call) => call.status !== 200)).toEqual([]);
  expect(Math.min(...calls.map((call) => call.left)), 'seconds that the shortest-lived token had left').toBeGreaterThan(0);
  // Fresh, without a refresh for each call.
  expect(refreshes).toBeGreaterThanOrEqual(5);
  expect(refreshes).toBeLessThanOrEqual(20);
});

test('Calls at the same time share one refresh', async ({ page, context, instance, control }) => {
  const exp = await signInAndLeave(page, instance, control);
  await expired(exp);
  await control.set({ lifetimes: { access_token: 3600 } });
  let refreshes = 0;
  context.on('request', (request) => {
    if (isRefresh(request)) refreshes += 1;
  });
  const tabs = await Promise.all([1, 2, 3].map(() => context.newPage()));
  await Promise.all(tabs.map((tab) => tab.goto('/account')));
  for (const tab of tabs) await expect(verified(tab)).toContainText(instance.issuer);
  expect(refreshes).toBe(1);
});
