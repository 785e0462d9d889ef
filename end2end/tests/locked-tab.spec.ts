import { alice, confirmation, expect, hold, isRefresh, problem, show, signedIn, signIn, test, verified } from './fixtures';
import { claimsOf } from './forge';

// The test's token has a short lifetime, and the test waits for its expiry.
test.describe.configure({ timeout: 90_000 });

test('A tab that never lets go of the lock keeps no call waiting for longer than a minute, and nothing is lost', async ({
  page: stuck,
  context,
  instance,
  control,
}) => {
  let [newest, refreshes] = ['', 0];
  context.on('request', (request) => {
    if (isRefresh(request)) refreshes += 1;
  });
  context.on('response', async (response) => {
    if (response.url() === instance.tokenEndpoint && response.ok()) newest = (await response.json()).access_token ?? newest;
  });
  const tab = await context.newPage();
  // The test controls the one-minute timer. All other timers are the browser's.
  await tab.addInitScript(() => {
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    AbortSignal.timeout = (milliseconds) => {
      if (milliseconds !== 60_000) return timeout(milliseconds);
      const minute = new AbortController();
      addEventListener('a minute later', () => minute.abort(new DOMException('signal timed out', 'TimeoutError')));
      return minute.signal;
    };
  });

  await control.set({ lifetimes: { access_token: 3 } });
  await signIn(stuck, instance, alice, '/account');
  await tab.goto('/account');
  for (const page of [stuck, tab]) {
    await expect(verified(page)).toContainText(instance.issuer);
    // A hidden tab does not refresh ahead.
    await show(page, 'hidden');
  }
  await expect.poll(() => Date.now() / 1000 - Number(claimsOf(newest)['exp']), { timeout: 15_000 }).toBeGreaterThan(0);
  await control.set({ lifetimes: { access_token: 3600 } });
  const before = refreshes;

  const { held } = await hold(stuck, instance.tokenEndpoint);
  await confirmation(stuck).statement.fill('stuck');
  await confirmation(stuck).button.click();
  const route = await held;
  const { statement, button, done } = confirmation(tab);
  await statement.fill('not for ever');
  await button.click();
  await expect(button).toBeDisabled();
  const waiting = () => tab.evaluate(async () => (await navigator.locks.query()).pending?.length);
  await expect.poll(waiting, 'it waits for the lock that the other tab holds').toBe(1);

  await tab.evaluate(() => dispatchEvent(new Event('a minute later')));
  await expect(problem(tab)).toContainText('another tab of this site is busy with the session');
  await expect(button).toBeEnabled();
  await expect(statement).toHaveValue('not for ever');
  await signedIn(tab);
  expect(await waiting(), 'nobody waits any more').toBe(0);

  await route.continue();
  await expect(confirmation(stuck).done).toContainText('stuck');
  await button.click();
  await expect(done).toContainText('not for ever');
  await expect(problem(tab)).toBeHidden();
  expect(refreshes, 'there was one refresh, that of the tab that was stuck').toBe(before + 1);
});
